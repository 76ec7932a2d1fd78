//! The model of a table: one type for what is declared and for what DynamoDB reports, normalised on construction.
//!
//! Two tables are equal when nothing has to change between them, so the planner compares values and
//! knows nothing of list order, of defaults or of how DynamoDB spells "off". An optional feature that
//! is `None` is *unmanaged* in a declaration and *unknown* in an observation.

mod capacity;
mod features;
mod index;
mod keys;
mod policy;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::capacity::{Capacity, Limits, Throughput, Warm};
pub use self::features::{Encryption, Stream, TableClass, TimeToLive, is_key_arn};
pub use self::index::{Index, Projection};
pub use self::keys::{AttributeType, KeyElement, KeyRole, KeySchema};
pub use self::policy::{Document, Policy};
pub use self::settings::{
    Destination, Insights, InsightsMode, Precision, Recovery, Settings, Tags,
};

/// A table, declared or observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Table name, 3 to 255 of `a-z A-Z 0-9 _ . -`.
    pub name: String,
    /// Primary key.
    pub keys: KeySchema,
    /// Types of exactly the attributes that some key of the table or of an index uses.
    pub attributes: BTreeMap<String, AttributeType>,
    /// Global secondary indexes by name.
    pub global_indexes: BTreeMap<String, Index>,
    /// Local secondary indexes by name; they can only be made together with the table.
    pub local_indexes: BTreeMap<String, Index>,
    /// Billing mode with its figures.
    pub capacity: Capacity,
    /// Warm throughput.
    #[serde(default)]
    pub warm: Option<Warm>,
    /// Change stream.
    pub stream: Option<Stream>,
    /// Encryption at rest.
    pub encryption: Option<Encryption>,
    /// Storage class.
    pub class: Option<TableClass>,
    /// Expiry of items.
    pub time_to_live: Option<TimeToLive>,
    /// What it has in each region for itself.
    #[serde(flatten)]
    pub settings: Settings,
}

impl Table {
    /// Brings the table to its normal form: only used attribute types, no key attribute in a projection.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        let table_keys = self.keys.clone();
        for index in self.global_indexes.values_mut().chain(self.local_indexes.values_mut()) {
            if let Projection::Include(names) = &mut index.projection {
                names.retain(|name| !index.keys.uses(name) && !table_keys.uses(name));
                if names.is_empty() {
                    index.projection = Projection::KeysOnly;
                }
            }
        }
        let used: BTreeSet<String> = self.key_attributes().map(str::to_owned).collect();
        self.attributes.retain(|name, _| used.contains(name));
        self
    }

    /// Names of all attributes that a key of the table or of one of its indexes uses.
    pub fn key_attributes(&self) -> impl Iterator<Item = &str> {
        let indexes = self.global_indexes.values().chain(self.local_indexes.values());
        self.keys.names().chain(indexes.flat_map(|index| index.keys.names()))
    }
}
