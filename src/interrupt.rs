//! Why work stopped before it was done.

use std::fmt;

pub use crate::backfill::Shares;
use crate::dynamo;

/// Why work stopped before it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interrupt {
    /// It cannot go on as it is.
    Failed(String),
    /// The time of this slice is over; running again goes on from here.
    OutOfTime(String),
    /// A quota is spent; running again later goes on from here.
    Blocked {
        /// When the quota allows it, in milliseconds since the epoch.
        until_ms: u64,
        /// Which quota, in whose words.
        reason: String,
    },
    /// Workers go on with a backfill, each with a part of its table.
    Shared(Box<Shares>),
    /// Another request holds the lease now; nothing more may be written.
    LeaseLost(String),
}

impl Interrupt {
    /// Which of several has the last word: the greater one.
    #[must_use]
    pub fn weight(&self) -> u8 {
        match self {
            Self::OutOfTime(_) => 0,
            Self::Blocked { .. } | Self::Shared(_) => 1,
            Self::Failed(_) => 2,
            Self::LeaseLost(_) => 3,
        }
    }
}

impl fmt::Display for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(what) | Self::Blocked { reason: what, .. } => f.write_str(what),
            Self::OutOfTime(what) => write!(f, "ran out of time: {what}"),
            Self::Shared(shares) => shares.fmt(f),
            Self::LeaseLost(what) => write!(f, "stopped: {what}"),
        }
    }
}

impl From<dynamo::Error> for Interrupt {
    fn from(error: dynamo::Error) -> Self {
        match error.blocked_until_ms() {
            Some(until_ms) => Self::Blocked { until_ms, reason: error.to_string() },
            None => Self::Failed(error.to_string()),
        }
    }
}

/// The words of a panic.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
