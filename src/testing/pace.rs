//! How often a backfill of this process records how far it has come, where a test has it otherwise than by default.

use std::sync::OnceLock;
use std::time::Duration;

static CHECKPOINTS: OnceLock<Duration> = OnceLock::new();

/// Has the backfills of this process record their positions this often, from its first backfill on and for good. By
/// default they do so every two seconds, which is longer than most tests last: one that stops a function in the middle of
/// it, to see it go on from its checkpoints, wants them sooner.
///
/// Later calls change nothing.
pub fn checkpoint_every(interval: Duration) {
    CHECKPOINTS.get_or_init(|| interval);
}

pub(crate) fn checkpoint_interval() -> Option<Duration> {
    CHECKPOINTS.get().copied()
}
