//! Migrations that are files: their texts, and what is wrong with them, place by place.

mod fault;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::fault::{Fault, Place};

/// A migration file: what it is read from, known by, and kept as in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name of the file without its ending; the id of the migration.
    pub id: String,
    /// What it is written in.
    pub language: Language,
    /// Where it is, as a person finds it again.
    pub file: String,
    /// The whole of it.
    pub text: String,
}

/// What a migration is written in.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Compiled into the function.
    #[default]
    Rust,
    /// A declaration of what changes.
    Yaml,
    /// A script, run by an engine inside the function.
    #[serde(rename = "javascript")]
    JavaScript,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Yaml => "YAML",
            Self::JavaScript => "JavaScript",
        })
    }
}
