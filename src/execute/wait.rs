//! Waiting between looks at a table: longer each time, never past the deadline, and not for ever.

use std::time::Duration;

use tokio::time::Instant;

use crate::deadline::Deadline;
use crate::interrupt::Interrupt;
use crate::plan::Takes;

const POLL_FIRST: Duration = Duration::from_millis(100);
/// How far apart the two looks are that tell a settled table from one between two states.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// A wait for one table.
pub(super) struct Wait<'a> {
    table: &'a str,
    deadline: Deadline,
    pause: Duration,
    poll: Duration,
    began: Instant,
    limit: Option<Duration>,
}

impl<'a> Wait<'a> {
    /// A wait for what takes so long, and is not to take longer than `limit`.
    pub(super) fn new(
        table: &'a str,
        takes: Takes,
        limit: Option<Duration>,
        deadline: Deadline,
    ) -> Self {
        let began = Instant::now();
        Self { table, deadline, pause: POLL_FIRST, poll: takes.poll(), began, limit }
    }

    /// Lets some time pass, for `what` is going on.
    pub(super) async fn on(&mut self, what: &str) -> Result<(), Interrupt> {
        tracing::debug!(table = self.table, "waiting: {what}");
        if let Some(limit) = self.limit.filter(|limit| self.began.elapsed() > *limit) {
            return Err(Interrupt::Failed(format!(
                "table {}: after {} minutes it is still so that {what}; look at it in DynamoDB, then deploy again",
                self.table,
                limit.as_secs() / 60
            )));
        }
        self.sleep(self.pause, what).await?;
        self.pause = (self.pause * 2).min(self.poll);
        Ok(())
    }

    /// Lets as much time pass as a second look takes.
    pub(super) async fn before_second_look(&mut self) -> Result<(), Interrupt> {
        self.sleep(SECOND_LOOK, "it has just settled").await
    }

    async fn sleep(&self, pause: Duration, what: &str) -> Result<(), Interrupt> {
        if self.deadline.sleep(pause).await {
            return Ok(());
        }
        Err(Interrupt::OutOfTime(format!("table {}: {what}", self.table)))
    }
}

/// Whether a table that was seen in motion has come to rest: seen so twice, since between two states of a change
/// `DescribeTable` can show neither.
#[derive(Debug, Default)]
pub(super) struct Rest {
    was_in_motion: bool,
    seen_at_rest: bool,
}

impl Rest {
    pub(super) fn disturb(&mut self) {
        *self = Self { was_in_motion: true, seen_at_rest: false };
    }

    /// Takes note of a look that found nothing in motion; `true` where no other look is needed.
    pub(super) fn confirm(&mut self) -> bool {
        let needs_no_other = !self.was_in_motion || self.seen_at_rest;
        self.seen_at_rest = true;
        needs_no_other
    }
}
