//! Wall-clock time as the ledger writes it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};

/// Milliseconds since the epoch.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + ahead();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How far tokio's clock has run ahead of the machine's: not at all, but in tests that pause it.
fn ahead() -> Duration {
    let machine = std::time::Instant::now();
    tokio::time::Instant::now().into_std().saturating_duration_since(machine)
}

/// Now, in UTC, as `2026-11-23T09:15:00.123Z`.
#[must_use]
pub fn now() -> String {
    format_ms(now_ms())
}

/// A moment in milliseconds since the epoch, as [`now`] writes it.
#[must_use]
pub fn format_ms(ms: u64) -> String {
    let moment = DateTime::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    moment.fmt(DateTimeFormat::DateTime).unwrap_or_default()
}

/// Milliseconds since the epoch of a moment that [`now`] wrote.
#[must_use]
pub fn parse_ms(moment: &str) -> Option<u64> {
    let moment = DateTime::from_str(moment, DateTimeFormat::DateTime).ok()?;
    u64::try_from(moment.to_millis().ok()?).ok()
}
