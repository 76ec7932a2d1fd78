//! Settings that a table has in each region for itself: what its replicas do not share.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Policy;

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// Settings of the table in one region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Continuous backups.
    pub recovery: Option<Recovery>,
    /// The Kinesis stream that its changes go to.
    pub destination: Option<Destination>,
    /// Contributor insights of the table.
    pub insights: Option<Insights>,
    /// Contributor insights of its global indexes, by name; an index that is not here is `None`.
    pub index_insights: BTreeMap<String, Insights>,
    /// Resource policy.
    pub policy: Option<Policy>,
    /// Tags; a declaration manages the keys it names and no others.
    pub tags: Option<Tags>,
    /// Whether `DeleteTable` is refused.
    pub deletion_protection: Option<bool>,
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

/// Contributor insights of a table or of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Insights {
    /// None.
    Off,
    /// On; a declaration without a mode leaves it alone.
    On(Option<InsightsMode>),
    /// Observed only: they could not be turned on, for this reason.
    Failed(String),
}

impl Insights {
    /// Whether what is `live` is what is asked for here.
    #[must_use]
    pub fn is_met_by(&self, live: &Self) -> bool {
        match (self, live) {
            // What failed to come on is off.
            (Self::On(None), Self::On(_)) | (Self::Off, Self::Failed(_)) => true,
            _ => self == live,
        }
    }
}

impl fmt::Display for Insights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::On(None) => f.write_str("on"),
            Self::On(Some(mode)) => write!(f, "on, {mode}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// Which keys contributor insights count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InsightsMode {
    /// `ACCESSED_AND_THROTTLED_KEYS`
    AccessedAndThrottledKeys,
    /// `THROTTLED_KEYS`
    ThrottledKeys,
}

impl fmt::Display for InsightsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessedAndThrottledKeys => "ACCESSED_AND_THROTTLED_KEYS",
            Self::ThrottledKeys => "THROTTLED_KEYS",
        })
    }
}

/// The Kinesis stream that the changes of a table go to; a table has one at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// None.
    Off,
    /// This one.
    Stream {
        /// ARN of the stream.
        arn: String,
        /// How exact its timestamps are; a declaration without one leaves it alone.
        precision: Option<Precision>,
    },
    /// Observed only: it could not be turned on.
    Failed {
        /// ARN of the stream.
        arn: String,
        /// AWS's words.
        reason: String,
    },
}

impl Destination {
    /// Whether what is `live` is what is asked for here.
    #[must_use]
    pub fn is_met_by(&self, live: &Self) -> bool {
        match (self, live) {
            (Self::Stream { arn, precision: None }, Self::Stream { arn: live, .. }) => arn == live,
            // What failed to come on is off.
            (Self::Off, Self::Failed { .. }) => true,
            _ => self == live,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Stream { arn, precision: None } => f.write_str(arn),
            Self::Stream { arn, precision: Some(precision) } => write!(f, "{arn}, {precision}"),
            Self::Failed { arn, reason } => write!(f, "{arn} failed: {reason}"),
        }
    }
}

/// How exact the timestamps of records in a Kinesis stream are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// `MILLISECOND`
    Millisecond,
    /// `MICROSECOND`
    Microsecond,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Millisecond => "MILLISECOND",
            Self::Microsecond => "MICROSECOND",
        })
    }
}
