//! How the time of an invocation is divided between work, undoing and the answer.

use std::time::Duration;

use serde_json::Value;

use crate::clock;
use crate::deadline::Deadline;

/// Longest time that CloudFormation waits for an answer, and its default ("`ServiceTimeout`").
const SERVICE_TIMEOUT: Duration = Duration::from_hours(1);

/// When things have to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// No new work.
    pub(super) work: Deadline,
    /// No more undoing.
    pub(super) undo: Deadline,
    /// The answer has to go out.
    pub(super) hard: Deadline,
}

impl Times {
    /// Divides what is left: of 15 minutes a minute is kept for undoing and 20 seconds for the answer, of less
    /// a quarter and a tenth.
    pub(super) fn of(deadline: Deadline) -> Self {
        let left = deadline.remaining();
        let answer = (left / 10).min(Duration::from_secs(20));
        let undo = (left / 4).min(Duration::from_mins(1));
        Self {
            work: deadline.earlier_by(answer + undo),
            undo: deadline.earlier_by(answer + answer / 4),
            hard: deadline.earlier_by(answer),
        }
    }

    /// The same, but ended before CloudFormation stops listening, counted from the first sight of the request.
    pub(super) fn within_service_timeout(self, properties: &Value, first_seen: &str) -> Self {
        let seconds = properties.get("ServiceTimeout").and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        });
        let timeout = seconds.map_or(SERVICE_TIMEOUT, Duration::from_secs).min(SERVICE_TIMEOUT);
        let first_seen = clock::parse_ms(first_seen).unwrap_or_else(clock::now_ms);
        let elapsed = Duration::from_millis(clock::now_ms().saturating_sub(first_seen));
        let limit = Self::of(Deadline::after(timeout.saturating_sub(elapsed)));
        Self {
            work: self.work.at_most(limit.work.remaining()),
            undo: self.undo.at_most(limit.undo.remaining()),
            hard: self.hard,
        }
    }
}
