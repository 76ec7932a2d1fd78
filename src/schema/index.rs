//! Secondary indexes.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Capacity, KeySchema, Warm};

/// A secondary index, global or local.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Index name, unique among all indexes of the table.
    pub name: String,
    /// Index key.
    pub keys: KeySchema,
    /// Attributes copied into the index.
    pub projection: Projection,
    /// Capacity of a global index; a local one shares its table's and carries a copy of it.
    pub capacity: Capacity,
    /// Warm throughput of a global index.
    #[serde(default)]
    pub warm: Option<Warm>,
}

/// Attributes that an index holds beside the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Projection {
    /// All attributes.
    All,
    /// None.
    KeysOnly,
    /// These.
    Include(BTreeSet<String>),
}

impl fmt::Display for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("ALL"),
            Self::KeysOnly => f.write_str("KEYS_ONLY"),
            Self::Include(names) => {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                write!(f, "INCLUDE {}", names.join(" "))
            }
        }
    }
}
