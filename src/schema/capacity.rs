//! What a table or an index can serve: billing mode, provisioned, at most, at once.

use std::fmt;

use serde::{Deserialize, Serialize};

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

/// Warm throughput: what a table or an index serves at once, without growing first. It only ever grows. `None` is
/// left alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warm {
    /// Read units per second.
    pub read: Option<u64>,
    /// Write units per second.
    pub write: Option<u64>,
}

impl Warm {
    /// What a new on-demand table or index has from the start (AWS documentation, "Understanding DynamoDB warm
    /// throughput").
    pub const ON_DEMAND: Self = Self { read: Some(12_000), write: Some(4_000) };

    /// Whether what is `live` has at least this.
    #[must_use]
    pub fn is_met_by(self, live: Self) -> bool {
        self.read <= live.read && self.write <= live.write
    }

    /// Whether this asks for less than what is `live`, which DynamoDB does not take back.
    #[must_use]
    pub fn is_below(self, live: Self) -> bool {
        let below = |this: Option<u64>, live: Option<u64>| this.is_some() && this < live;
        below(self.read, live.read) || below(self.write, live.write)
    }

    /// The greater of both, figure by figure.
    #[must_use]
    pub fn or_more(self, other: Self) -> Self {
        Self { read: self.read.max(other.read), write: self.write.max(other.write) }
    }
}

impl fmt::Display for Warm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = [(self.read, "read"), (self.write, "write")];
        let figures = figures.iter().filter_map(|(units, of)| Some(format!("{} {of}", (*units)?)));
        f.write_str(&figures.collect::<Vec<_>>().join(", "))
    }
}
