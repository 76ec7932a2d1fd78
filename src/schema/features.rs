//! Features that a table has once, whatever its replicas: stream, encryption, class, expiry.

use std::fmt;

use serde::{Deserialize, Serialize};

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
    /// KMS: this key, or `aws/dynamodb` when there is none. A declaration may name it by alias or id; DynamoDB
    /// reports its ARN.
    Kms(Option<String>),
}

impl Encryption {
    /// The declared name of a key whose ARN has to be looked up: comparing takes ARNs, and sending another name of
    /// the key in use encrypts the table anew and spends one of four changes a day (measured by
    /// aws-controllers-k8s/dynamodb-controller, docs/api-quirks).
    #[must_use]
    pub fn unresolved(&self) -> Option<&str> {
        match self {
            Self::Kms(Some(key)) if !is_key_arn(key) => Some(key),
            Self::AwsOwned | Self::Kms(_) => None,
        }
    }
}

/// Whether this names a KMS key by ARN; an alias has an ARN of its own.
#[must_use]
pub fn is_key_arn(key: &str) -> bool {
    key.starts_with("arn:") && key.contains(":key/")
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
