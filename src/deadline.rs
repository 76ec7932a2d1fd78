//! A point in time that work must not pass, handed down the call tree instead of stacked time-outs.

use std::time::Duration;

use tokio::time::Instant;

/// The moment by which a piece of work has to stop.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline `duration` from now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// The same deadline, or one `duration` from now where that comes first.
    #[must_use]
    pub fn at_most(self, duration: Duration) -> Self {
        Self(self.0.min(Instant::now() + duration))
    }

    /// The deadline brought forward by `margin`.
    #[must_use]
    pub fn earlier_by(self, margin: Duration) -> Self {
        Self(self.0.checked_sub(margin).unwrap_or_else(Instant::now))
    }

    /// Time left; zero when it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// Whether it passed so long ago.
    #[must_use]
    pub fn passed_by(self, margin: Duration) -> bool {
        Instant::now().saturating_duration_since(self.0) > margin
    }

    /// Sleeps for `duration`; `false`, at once, where the deadline would pass first.
    pub async fn sleep(self, duration: Duration) -> bool {
        if duration >= self.remaining() {
            return false;
        }
        tokio::time::sleep(duration).await;
        true
    }

    /// Completes when the deadline passes.
    pub async fn reached(self) {
        tokio::time::sleep_until(self.0).await;
    }
}
