//! The log of calls.

use std::time::Duration;

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
