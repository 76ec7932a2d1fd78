//! What a backfill has done so far: counted in memory, and told now and then in the log, in the ledger and as metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::share::Extent;
use super::{Job, Pass, checkpoint_prefix};
use crate::interrupt::Interrupt;
use crate::ledger::rows::{ProgressRow, WORKER};
use crate::{clock, metrics};

/// How often positions are saved.
const SAVE_EVERY: Duration = Duration::from_secs(2);
/// How often, counted in saves, progress is told.
const TELL_EVERY: u64 = 5;

/// What a backfill did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Items read.
    pub read: u64,
    /// Items changed, put or deleted.
    pub changed: u64,
    /// Items that the transform skipped for a reason of its own.
    pub skipped: u64,
    /// Items that could not be handled.
    pub failed: u64,
    /// Writes that met an item that others had changed since it was read.
    pub contended: u64,
    /// Requests, and statements of requests, that were throttled.
    pub throttled: u64,
    /// Capacity units of reading, where the engine says.
    pub read_units: u64,
    /// Capacity units of writing, those of indexes among them, where the engine says.
    pub write_units: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.changed += other.changed;
        self.skipped += other.skipped;
        self.failed += other.failed;
        self.contended += other.contended;
        self.throttled += other.throttled;
        self.read_units += other.read_units;
        self.write_units += other.write_units;
    }
}

/// The counters, which all tasks write to.
#[derive(Debug)]
pub(super) struct Tally {
    started: Instant,
    /// What earlier runs had done.
    before: (u64, u64),
    pub(super) read: AtomicU64,
    pub(super) changed: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) contended: AtomicU64,
    pub(super) throttled: AtomicU64,
    read_milliunits: AtomicU64,
    write_milliunits: AtomicU64,
}

impl Tally {
    pub(super) fn new(before: (u64, u64)) -> Self {
        Self {
            started: Instant::now(),
            before,
            read: AtomicU64::default(),
            changed: AtomicU64::default(),
            skipped: AtomicU64::default(),
            contended: AtomicU64::default(),
            throttled: AtomicU64::default(),
            read_milliunits: AtomicU64::default(),
            write_milliunits: AtomicU64::default(),
        }
    }

    pub(super) fn add_read_units(&self, units: Option<f64>) {
        add(&self.read_milliunits, milliunits(units));
    }

    pub(super) fn add_write_units(&self, units: Option<f64>) {
        add(&self.write_milliunits, milliunits(units));
    }

    /// With what earlier runs of it had read and changed.
    pub(super) fn counts(&self, failed: usize) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let units = |counter: &AtomicU64| of(counter).div_ceil(1000);
        Counts {
            read: self.before.0 + of(&self.read),
            changed: self.before.1 + of(&self.changed),
            skipped: of(&self.skipped),
            failed: failed as u64,
            contended: of(&self.contended),
            throttled: of(&self.throttled),
            read_units: units(&self.read_milliunits),
            write_units: units(&self.write_milliunits),
        }
    }
}

pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "one request takes a few thousand units at most, and never less than none"
)]
fn milliunits(units: Option<f64>) -> u64 {
    (units.unwrap_or_default() * 1000.0).round() as u64
}

fn save_every() -> Duration {
    #[cfg(feature = "testing")]
    if let Some(interval) = crate::testing::checkpoint_interval() {
        return interval;
    }
    SAVE_EVERY
}

/// Saves positions and tells of progress, until the run ends or stops.
pub(super) async fn keep_record(pass: &Pass) -> Result<(), Interrupt> {
    for round in 1_u64.. {
        if pass.stop.unless_raised(tokio::time::sleep(save_every())).await.is_err() {
            break;
        }
        pass.positions.save(&pass.job).await?;
        if round % TELL_EVERY == 0 {
            tell(pass).await?;
        }
    }
    Ok(())
}

async fn tell(pass: &Pass) -> Result<(), Interrupt> {
    let Job { migration, backfill, lease, .. } = &pass.job;
    let counts = pass.tally.counts(pass.failures.count().await);
    let part = part_done(pass, counts.read);
    let left =
        seconds_left(part, part_done(pass, pass.tally.before.0), pass.tally.started.elapsed());
    let row = ProgressRow {
        table: backfill.table.clone(),
        run: lease.run().to_owned(),
        read: counts.read,
        changed: counts.changed,
        failed: counts.failed,
        contended: counts.contended,
        throttled: counts.throttled,
        per_cent: per_cent(part),
        seconds_left: left,
        at: clock::now(),
    };
    tracing::info!(
        table = row.table,
        read = row.read,
        changed = row.changed,
        throttled = row.throttled,
        seconds_left = row.seconds_left,
        "backfill at {} %",
        row.per_cent
    );
    metrics::emit(&migration.id, &row.table, &counts, row.per_cent);
    let worker = match &pass.job.extent {
        Extent::Whole | Extent::Divisible(_) => None,
        Extent::Share(share) => Some(share.number),
    };
    lease.save_progress(&row_key(&pass.job, worker), &row).await
}

/// Begins the record of a backfill by several workers, each of whom has a row of its own: what is done before them stands
/// in that of the backfill, and those of earlier workers are gone.
pub(super) async fn begin_together(pass: &Pass) -> Result<(), Interrupt> {
    let Job { backfill, lease, .. } = &pass.job;
    let key = row_key(&pass.job, None);
    lease.forget_progress(&key).await?;
    let (read, changed) = pass.positions.recorded_of_done();
    let row = ProgressRow {
        table: backfill.table.clone(),
        run: lease.run().to_owned(),
        read,
        changed,
        failed: pass.failures.count().await as u64,
        per_cent: per_cent(pass.positions.part_done()),
        at: clock::now(),
        ..ProgressRow::default()
    };
    lease.save_progress(&key, &row).await
}

/// Key of the row about a backfill, or about what one worker does of it.
fn row_key(job: &Job, worker: Option<usize>) -> String {
    let Job { migration, direction, name, backfill, .. } = job;
    let id = checkpoint_prefix(&migration.id);
    let worker = worker.map(|worker| format!("{WORKER}{worker:03}")).unwrap_or_default();
    format!("{id}{direction}#{name}#{}{worker}", backfill.table)
}

/// Which part is done, about: by the number of items where DynamoDB knows it (it counts every six hours), by segments
/// otherwise.
pub(super) fn part_done(pass: &Pass, read: u64) -> f64 {
    let by_segments = pass.positions.part_done();
    if read > pass.items || pass.items == 0 {
        return by_segments;
    }
    #[expect(clippy::cast_precision_loss, reason = "it is an estimate")]
    let by_items = read as f64 / pass.items as f64;
    by_items.min(1.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it lies between none and all"
)]
pub(super) fn per_cent(part: f64) -> u32 {
    (part * 100.0).floor() as u32
}

/// How long the rest will take, if it goes on as it went since this run began.
fn seconds_left(part: f64, began_at: f64, elapsed: Duration) -> Option<u64> {
    let done = part - began_at;
    if done <= 0.0 {
        return None;
    }
    let left = elapsed.as_secs_f64() * (1.0 - part) / done;
    Duration::try_from_secs_f64(left).ok().map(|left| left.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_told_by_the_pace_of_this_run() {
        let minute = Duration::from_mins(1);
        assert_eq!(seconds_left(0.5, 0.0, minute), Some(60));
        assert_eq!(seconds_left(0.75, 0.5, minute), Some(60));
        assert_eq!(seconds_left(0.0, 0.0, minute), None);
        assert_eq!(per_cent(0.629), 62);
    }
}
