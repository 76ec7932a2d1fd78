//! Plane time: tokio's clock, stretched by a factor and moved on by hand.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use tokio::time::Instant;

const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A point in plane time, counted from the start of the plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Moment(Duration);

impl Moment {
    pub(super) fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    pub(super) fn before(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(time))
    }

    /// How long `earlier` is ago; nothing where it is yet to come.
    pub(super) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    pub(super) fn elapsed(self) -> Duration {
        self.0
    }
}

/// Plane time and what it is called on a calendar.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    date: Duration,
    speed: f64,
    skipped: Mutex<Duration>,
}

impl Clock {
    /// Starts at `date`; each second of tokio's clock counts `speed` times.
    pub(super) fn new(date: SystemTime, speed: f64) -> Self {
        Self {
            started: Instant::now(),
            date: date.duration_since(UNIX_EPOCH).unwrap_or_default(),
            speed,
            skipped: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> Moment {
        // A runtime with paused time and one without have clocks of their own, so this may seem to lie ahead.
        let elapsed = Instant::now().saturating_duration_since(self.started);
        let skipped = *self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        Moment(elapsed.mul_f64(self.speed).saturating_add(skipped))
    }

    pub(super) fn advance(&self, time: Duration) {
        let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        *skipped = skipped.saturating_add(time);
    }

    /// How long tokio's clock takes for `time` of plane time.
    pub(super) fn real(&self, time: Duration) -> Duration {
        if self.speed > 0.0 { time.div_f64(self.speed) } else { Duration::MAX }
    }

    /// Seconds since 1970, as DynamoDB's JSON gives dates: with milliseconds.
    pub(super) fn timestamp(&self, moment: Moment) -> f64 {
        let date = (self.date + moment.0).as_millis();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of any year to come fit")]
        let seconds = date as f64 / 1000.0;
        seconds
    }

    /// As DynamoDB's messages give dates.
    pub(super) fn text(&self, moment: Moment) -> String {
        let date = DateTime::from_secs_f64(self.timestamp(moment));
        date.fmt(DateTimeFormat::DateTime).unwrap_or_default()
    }

    /// As the message about throughput gives dates: `Friday, October 9, 2026 at 1:21:34 AM Coordinated Universal Time`.
    pub(super) fn long_text(&self, moment: Moment) -> String {
        let date = DateTime::from_secs_f64(self.timestamp(moment));
        // `Fri, 09 Oct 2026 01:21:34 GMT`
        let short = date.fmt(DateTimeFormat::HttpDate).unwrap_or_default();
        let parts: Vec<_> = short.split([' ', ',', ':']).filter(|part| !part.is_empty()).collect();
        let [day, date, month, year, hour, minute, second, _] = parts[..] else { return short };
        let full = |names: &[&'static str], start: &str| {
            names.iter().find(|name| name.starts_with(start)).copied().unwrap_or_default()
        };
        let (day, month) = (full(&DAYS, day), full(&MONTHS, month));
        let hour: u32 = hour.parse().unwrap_or_default();
        let half = if hour < 12 { "AM" } else { "PM" };
        let hour = if hour.is_multiple_of(12) { 12 } else { hour % 12 };
        let date = date.trim_start_matches('0');
        format!(
            "{day}, {month} {date}, {year} at {hour}:{minute}:{second} {half} Coordinated Universal Time"
        )
    }

    /// The next midnight in UTC.
    pub(super) fn midnight(&self, moment: Moment) -> Moment {
        let next = Duration::from_hours(24)
            .saturating_mul(u32::try_from(self.day(moment) + 1).unwrap_or(u32::MAX));
        Moment(next.saturating_sub(self.date))
    }

    /// Days since 1970 in UTC.
    pub(super) fn day(&self, moment: Moment) -> u64 {
        (self.date + moment.0).as_secs() / (24 * 60 * 60)
    }
}

/// The engine's clock, for the times in its streams.
#[derive(Debug)]
pub(super) struct EngineClock(pub(super) std::sync::Arc<Clock>);

impl dynoxide::storage_backend::Clock for EngineClock {
    fn now_unix_secs(&self) -> u64 {
        (self.0.date + self.0.now().0).as_secs()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        (self.0.date + self.0.now().0).as_secs_f64()
    }
}
