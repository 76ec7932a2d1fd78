//! Why work stopped before it was done.

use std::fmt;

use crate::dynamo;

/// Why work stopped before it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interrupt {
    /// It cannot go on as it is.
    Failed(String),
    /// The time of this slice is over; running again goes on from here.
    OutOfTime(String),
    /// A quota is spent; running again later goes on from here.
    Blocked(String),
    /// Another request holds the lease now; nothing more may be written.
    LeaseLost(String),
}

impl fmt::Display for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(what) | Self::Blocked(what) => f.write_str(what),
            Self::OutOfTime(what) => write!(f, "ran out of time: {what}"),
            Self::LeaseLost(what) => write!(f, "superseded: {what}"),
        }
    }
}

impl From<dynamo::Error> for Interrupt {
    fn from(error: dynamo::Error) -> Self {
        match error.class {
            dynamo::Class::Blocked => Self::Blocked(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}
