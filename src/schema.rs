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
mod replica;
mod scaling;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::capacity::{Capacity, Limits, Throughput, Warm};
pub use self::features::{Encryption, Stream, TableClass, TimeToLive, is_key_arn};
pub use self::index::{Index, Projection};
pub use self::keys::{AttributeType, KeyElement, KeyRole, KeySchema};
pub use self::policy::{Document, Policy};
pub use self::replica::Replica;
pub use self::scaling::{AutoScaling, Dimension, Range, Scaling, Tracking, Utilisation};
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
    /// Auto scaling of its throughput.
    #[serde(default)]
    pub scaling: AutoScaling,
    /// Auto scaling of the throughput of its global indexes, by name; an index that is not here is unmanaged or unknown.
    #[serde(default)]
    pub index_scaling: BTreeMap<String, AutoScaling>,
    /// Change stream.
    pub stream: Option<Stream>,
    /// Encryption at rest.
    pub encryption: Option<Encryption>,
    /// Storage class.
    pub class: Option<TableClass>,
    /// Expiry of items.
    pub time_to_live: Option<TimeToLive>,
    /// What it has in its own region for itself.
    #[serde(flatten)]
    pub settings: Settings,
    /// Replicas by region; they share everything else.
    pub replicas: Option<BTreeMap<String, Replica>>,
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

    /// Auto scaling of the table, or of one of its indexes.
    #[must_use]
    pub fn scaling_of(&self, index: Option<&str>, dimension: Dimension) -> Option<&Scaling> {
        let scaling = match index {
            None => Some(&self.scaling),
            Some(index) => self.index_scaling.get(index),
        };
        scaling?.of(dimension)
    }

    /// Names of all attributes that a key of the table or of one of its indexes uses.
    pub fn key_attributes(&self) -> impl Iterator<Item = &str> {
        let indexes = self.global_indexes.values().chain(self.local_indexes.values());
        self.keys.names().chain(indexes.flat_map(|index| index.keys.names()))
    }
}
