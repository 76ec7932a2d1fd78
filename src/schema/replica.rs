//! Replicas of a table in other regions.

use serde::{Deserialize, Serialize};

use super::{Settings, TableClass};

/// A replica of a table in another region. It shares everything with the table but this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Replica {
    /// The KMS key of that region, where the table has one of its own; given once.
    pub key: Option<String>,
    /// Storage class.
    pub class: Option<TableClass>,
    /// What it has in its region for itself.
    #[serde(flatten)]
    pub settings: Settings,
}
