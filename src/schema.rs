//! The model of a table: one type for what is declared and for what DynamoDB reports, normalised on construction.
//!
//! Two tables are equal when nothing has to change between them, so the planner compares values and
//! knows nothing of list order, of defaults or of how DynamoDB spells "off". An optional feature that
//! is `None` is *unmanaged* in a declaration and *unknown* in an observation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

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
    /// Change stream.
    pub stream: Option<Stream>,
    /// Encryption at rest.
    pub encryption: Option<Encryption>,
    /// Storage class.
    pub class: Option<TableClass>,
    /// Whether `DeleteTable` is refused.
    pub deletion_protection: Option<bool>,
    /// Tags; a declaration manages the keys it names and no others.
    pub tags: Option<BTreeMap<String, String>>,
    /// Expiry of items.
    pub time_to_live: Option<TimeToLive>,
    /// Continuous backups.
    pub recovery: Option<Recovery>,
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

/// Key attributes in the order that DynamoDB keeps: all of the partition key, then all of the sort key.
///
/// A table has one and at most one; an index has up to four of each (multi-attribute keys).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySchema(pub Vec<KeyElement>);

impl KeySchema {
    /// Names of the key attributes, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|element| element.name.as_str())
    }

    /// Whether `name` is one of the key attributes.
    #[must_use]
    pub fn uses(&self, name: &str) -> bool {
        self.names().any(|key| key == name)
    }

    /// Names of the key attributes of one role, in order.
    #[must_use]
    pub fn of(&self, role: KeyRole) -> Vec<&str> {
        self.0.iter().filter(|key| key.role == role).map(|key| key.name.as_str()).collect()
    }
}

impl fmt::Display for KeySchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, key) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{} {}", key.name, key.role)?;
        }
        Ok(())
    }
}

/// One attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyElement {
    /// Attribute name.
    pub name: String,
    /// Partition or sort key.
    pub role: KeyRole,
}

/// Partition (`HASH`) or sort (`RANGE`) key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyRole {
    /// Partition key.
    Hash,
    /// Sort key.
    Range,
}

impl fmt::Display for KeyRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hash => "HASH",
            Self::Range => "RANGE",
        })
    }
}

/// Type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeType {
    /// `S`
    String,
    /// `N`
    Number,
    /// `B`
    Binary,
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "S",
            Self::Number => "N",
            Self::Binary => "B",
        })
    }
}

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

/// Billing mode with its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Capacity {
    /// `PAY_PER_REQUEST`, with optional upper limits.
    OnDemand(Limits),
    /// `PROVISIONED`.
    Provisioned(Throughput),
}

impl Capacity {
    /// Whether going from this live capacity to `wanted` takes a change. Zero units cannot be provisioned: an engine
    /// that reports them does not keep the figure.
    #[must_use]
    pub fn differs_from(&self, wanted: Self) -> bool {
        *self != Self::Provisioned(Throughput { read: 0, write: 0 }) && *self != wanted
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnDemand(limits) => write!(f, "on demand{limits}"),
            Self::Provisioned(throughput) => write!(f, "provisioned {throughput}"),
        }
    }
}

/// Largest request units per second of an on-demand table or index; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Read request units per second.
    pub read: Option<u64>,
    /// Write request units per second.
    pub write: Option<u64>,
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |n| n.to_string());
        if *self == Self::default() {
            return Ok(());
        }
        write!(f, " up to {} read, {} write", figure(self.read), figure(self.write))
    }
}

/// Provisioned capacity units per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throughput {
    /// Read capacity units per second.
    pub read: u64,
    /// Write capacity units per second.
    pub write: u64,
}

impl fmt::Display for Throughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} read, {} write", self.read, self.write)
    }
}

/// Change stream of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// No stream.
    Off,
    /// Keys only.
    KeysOnly,
    /// The item after the change.
    NewImage,
    /// The item before the change.
    OldImage,
    /// Both.
    NewAndOldImages,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::KeysOnly => "KEYS_ONLY",
            Self::NewImage => "NEW_IMAGE",
            Self::OldImage => "OLD_IMAGE",
            Self::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        })
    }
}

/// Encryption at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encryption {
    /// A key that DynamoDB owns; the default.
    AwsOwned,
    /// KMS: the key named here by ARN, or `aws/dynamodb` when there is none.
    Kms(Option<String>),
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AwsOwned => f.write_str("AWS owned key"),
            Self::Kms(None) => f.write_str("KMS key aws/dynamodb"),
            Self::Kms(Some(key)) => write!(f, "KMS key {key}"),
        }
    }
}

/// Storage class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableClass {
    /// `STANDARD`
    Standard,
    /// `STANDARD_INFREQUENT_ACCESS`
    InfrequentAccess,
}

impl fmt::Display for TableClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standard => "STANDARD",
            Self::InfrequentAccess => "STANDARD_INFREQUENT_ACCESS",
        })
    }
}

/// Expiry of items by an epoch-seconds attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeToLive {
    /// No expiry.
    Off,
    /// Items expire by this attribute.
    On(String),
}

impl fmt::Display for TimeToLive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::On(attribute) => write!(f, "on {attribute}"),
        }
    }
}

/// Point-in-time recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recovery {
    /// No continuous backups.
    Off,
    /// Continuous backups, kept for this many days (1 to 35).
    Days(u32),
}

impl Recovery {
    /// Days that DynamoDB keeps backups when none are named.
    pub const DEFAULT_DAYS: u32 = 35;
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Days(days) => write!(f, "on, {days} days"),
        }
    }
}
