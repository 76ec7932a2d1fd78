//! The log of calls, and who watches them arrive.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

/// One call that the plane got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The operation, as `UpdateTable`.
    pub operation: String,
    /// The table it names; the first where it names several.
    pub table: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// When it came, in plane time since the start.
    pub at: Duration,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out.
    Ok,
    /// The plane refused it, as AWS would.
    Rejected {
        /// Error code, as `ValidationException`.
        code: String,
        /// AWS's words.
        message: String,
    },
    /// A [`Fault`](super::Fault) hit it; whether it was carried out depends on the fault.
    Faulted,
}

/// A call that has come and is not carried out yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The operation, as `UpdateTable`.
    pub operation: String,
    /// The tables it names.
    pub tables: Vec<String>,
    /// Its body.
    pub request: Value,
}

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// What is tested: its calls are watched, logged and hit by faults.
    Tested,
    /// Something beside it.
    Bystander,
}

/// What is done before a call is carried out.
#[derive(Clone)]
pub(super) struct Watcher(pub(super) Arc<dyn Fn(Arrival) -> BoxFuture<'static, ()> + Send + Sync>);

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}
