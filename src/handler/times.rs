//! How the time of an invocation, and that of a request, is divided between work, undoing and the answer.

use std::time::Duration;

use serde_json::Value;

use crate::clock;
use crate::deadline::Deadline;

/// Longest time that CloudFormation waits for an answer, and its default ("`ServiceTimeout`").
const SERVICE_TIMEOUT: Duration = Duration::from_hours(1);
/// Least time of a request with which another invocation is begun.
const SLICE_LEAST: Duration = Duration::from_secs(30);

/// When things have to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// No new work.
    pub(super) work: Deadline,
    /// No more undoing.
    pub(super) undo: Deadline,
    /// The answer has to go out.
    pub(super) hard: Deadline,
    /// No new work, and no more undoing, in whichever invocation; `None` where CloudFormation does not wait.
    request: Option<(Deadline, Deadline)>,
}

impl Times {
    /// Divides what is left of an invocation: of 15 minutes a minute is kept for undoing and 20 seconds for the answer, of
    /// less a quarter and a tenth.
    pub(super) fn of(deadline: Deadline) -> Self {
        let left = deadline.remaining();
        let answer = (left / 10).min(Duration::from_secs(20));
        let undo = (left / 4).min(Duration::from_mins(1));
        Self {
            work: deadline.earlier_by(answer + undo),
            // What is under way then has some seconds to be written.
            undo: deadline.earlier_by(answer + (left / 10).min(Duration::from_secs(15))),
            hard: deadline.earlier_by(answer),
            request: None,
        }
    }

    /// The same, but ended before CloudFormation stops listening, counted from the first sight of the request: of an hour
    /// three minutes are kept for undoing and two for the answer, of less a fifth and a tenth.
    pub(super) fn within_service_timeout(self, properties: &Value, first_seen: &str) -> Self {
        let seconds = properties.get("ServiceTimeout").and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        });
        let timeout = seconds.map_or(SERVICE_TIMEOUT, Duration::from_secs).min(SERVICE_TIMEOUT);
        let first_seen = clock::parse_ms(first_seen).unwrap_or_else(clock::now_ms);
        let elapsed = Duration::from_millis(clock::now_ms().saturating_sub(first_seen));
        let end = Deadline::after(timeout.saturating_sub(elapsed));
        let answer = (timeout / 10).min(Duration::from_mins(2));
        let undo = (timeout / 5).min(Duration::from_mins(3));
        let (work, undo) = (end.earlier_by(answer + undo), end.earlier_by(answer));
        Self {
            work: self.work.at_most(work.remaining()),
            undo: self.undo.at_most(undo.remaining()),
            hard: self.hard,
            request: Some((work, undo)),
        }
    }

    /// No new work, in whichever invocation.
    pub(super) fn work_of_request(self) -> Option<Deadline> {
        self.request.map(|(work, _)| work)
    }

    /// No more undoing, in whichever invocation.
    pub(super) fn undo_of_request(self) -> Option<Deadline> {
        self.request.map(|(_, undo)| undo)
    }

    /// Whether CloudFormation waits so long that another invocation can go on with the work.
    pub(super) fn can_work_later(self) -> bool {
        self.request.is_none_or(|(work, _)| work.remaining() > SLICE_LEAST)
    }

    /// Whether CloudFormation waits so long that another invocation can go on with undoing.
    pub(super) fn can_undo_later(self) -> bool {
        self.request.is_none_or(|(_, undo)| undo.remaining() > SLICE_LEAST)
    }

    /// Whether CloudFormation waits for work at this moment, in milliseconds since the epoch.
    pub(super) fn can_work_at(self, moment_ms: u64) -> bool {
        let wait = Duration::from_millis(moment_ms.saturating_sub(clock::now_ms()));
        self.request.is_none_or(|(work, _)| work.remaining() > wait + SLICE_LEAST)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_of_an_hour_works_for_55_minutes_however_often_its_time_is_divided() {
        let began = clock::now();
        let minutes = |deadline: Deadline| deadline.remaining().as_secs().div_ceil(60);
        for (elapsed, left) in [(0, 55), (30, 25), (54, 1), (57, 0)] {
            let started = clock::format_ms(clock::parse_ms(&began).unwrap() - elapsed * 60_000);
            let long = Times::of(Deadline::after(Duration::from_hours(3)));
            let times = long.within_service_timeout(&json!({}), &started);
            assert_eq!(minutes(times.work), left, "after {elapsed} minutes");
            assert_eq!(times.can_work_later(), left > 0, "after {elapsed} minutes");
            assert_eq!(minutes(times.undo), 58_u64.saturating_sub(elapsed));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_invocation_ends_before_the_request_does() {
        let times = Times::of(Deadline::after(Duration::from_mins(15)));
        let times = times.within_service_timeout(&json!({}), &clock::now());
        assert_eq!(times.work.remaining(), Duration::from_secs(15 * 60 - 80));
        assert!(times.can_work_later() && times.can_undo_later());
        let short = times.within_service_timeout(&json!({ "ServiceTimeout": "60" }), &clock::now());
        assert_eq!(short.work.remaining(), Duration::from_secs(42));
        assert!(short.can_work_at(clock::now_ms() + 10_000));
        assert!(!short.can_work_at(clock::now_ms() + 13_000));
    }
}
