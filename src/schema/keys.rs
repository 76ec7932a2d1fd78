//! Keys of tables and indexes, and the types of their attributes.

use std::fmt;

use serde::{Deserialize, Serialize};

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
