//! Migrations that are files: found in a folder, read by what they are written in, with every fault in its place.

mod declarative;
mod fault;
mod folder;
mod nearest;
mod script;

use std::fmt;

use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
pub use self::declarative::migration_schema;
pub use self::fault::{Fault, Place};
pub use self::folder::folder;
pub use self::nearest::nearest;
pub use self::script::TYPES;
use crate::migration::Migration;

/// Most bytes of a migration file: the ledger keeps its text in one row, which may have 400 KB (AWS documentation,
/// "Quotas in Amazon DynamoDB").
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

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
    /// Something that only a newer version knows.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Yaml => "YAML",
            Self::JavaScript => "JavaScript",
            Self::Unknown => "a language of a newer version",
        })
    }
}

/// Reads a migration file.
///
/// # Errors
/// Every fault of it.
pub fn read(source: &Source) -> Result<Migration, Vec<Fault>> {
    let refused = |problem: String| Fault::new(&source.file, problem);
    let bytes = source.text.len();
    if bytes > TEXT_BYTES_MAX {
        let problem = format!("it has {bytes} bytes, and the ledger keeps {TEXT_BYTES_MAX}");
        return Err(vec![refused(problem).fix("divide it into several migrations")]);
    }
    match source.language {
        Language::Yaml => declarative::read(source),
        Language::JavaScript => script::read(source),
        Language::Rust | Language::Unknown => {
            Err(vec![refused(format!("this build reads no {}", source.language))])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_the_ledger_could_not_keep_is_refused() {
        for (language, line) in [(Language::Yaml, "#"), (Language::JavaScript, "//")] {
            let text = format!("{line}{}", "x".repeat(TEXT_BYTES_MAX));
            let bytes = text.len();
            let (id, file) = ("0001_a".to_owned(), "m/0001_a".to_owned());
            let faults = read(&Source { id, language, file, text }).unwrap_err();
            let expected = format!(
                "m/0001_a: it has {bytes} bytes, and the ledger keeps 262144; divide it into several migrations"
            );
            assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
        }
    }
}
