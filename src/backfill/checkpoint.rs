//! How far each segment has come, in memory and in the ledger. A position moves only after all writes before it are acknowledged.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Counts, Job, checkpoint_prefix};
use crate::dynamo::WireItem;
use crate::interrupt::Interrupt;
use crate::ledger::rows::CheckpointRow;

/// A segment's position is written at most this often.
const SAVE_EVERY: Duration = Duration::from_secs(2);

pub(super) struct Positions {
    segments: u32,
    rows: Mutex<Vec<Position>>,
}

struct Position {
    row: CheckpointRow,
    saved_at: Instant,
    dirty: bool,
}

impl Positions {
    /// Reads the checkpoints of this backfill. Those of another version of the migration, or of another division
    /// into segments, do not count.
    pub(super) async fn load(job: &Job<'_>, segments: u32) -> Result<Self, Interrupt> {
        let fresh = CheckpointRow {
            fingerprint: job.migration.fingerprint.clone(),
            segments,
            ..CheckpointRow::default()
        };
        let mut rows = vec![fresh; segments as usize];
        let saved = job.lease.checkpoints(&prefix(job)).await?;
        let mut resumed = 0;
        for (rest, row) in saved {
            let segment = rest.parse::<usize>().ok().filter(|segment| *segment < rows.len());
            let matches = row.fingerprint == job.migration.fingerprint && row.segments == segments;
            if let (Some(segment), true) = (segment, matches) {
                rows[segment] = row;
                resumed += 1;
            }
        }
        if resumed > 0 {
            tracing::info!(table = job.table, segments = resumed, "resuming from checkpoints");
        }
        let position = |row| Position { row, saved_at: Instant::now(), dirty: false };
        Ok(Self { segments, rows: Mutex::new(rows.into_iter().map(position).collect()) })
    }

    pub(super) fn segments(&self) -> u32 {
        self.segments
    }

    pub(super) fn open_segments(&self) -> Vec<u32> {
        let rows = self.lock();
        (0_u32..).zip(rows.iter()).filter(|(_, p)| !p.row.done).map(|(n, _)| n).collect()
    }

    pub(super) fn start_of(&self, segment: u32) -> Option<WireItem> {
        self.lock()[segment as usize].row.last_key.clone()
    }

    pub(super) fn counts(&self) -> Counts {
        let add = |sum: Counts, position: &Position| Counts {
            read: sum.read + position.row.read,
            changed: sum.changed + position.row.changed,
        };
        self.lock().iter().fold(Counts::default(), add)
    }

    /// Counts a page that a segment did not get past.
    pub(super) fn count(&self, segment: u32, read: usize, changed: usize) {
        let row = &mut self.lock()[segment as usize].row;
        row.read += read as u64;
        row.changed += changed as u64;
    }

    /// Moves a segment on and saves its position when that is due.
    pub(super) async fn advance(
        &self,
        job: &Job<'_>,
        segment: u32,
        last_key: Option<WireItem>,
        read: usize,
        changed: usize,
    ) -> Result<(), Interrupt> {
        self.count(segment, read, changed);
        let due = {
            let mut rows = self.lock();
            let position = &mut rows[segment as usize];
            position.row.done = last_key.is_none();
            position.row.last_key = last_key;
            position.dirty = true;
            let due = position.saved_at.elapsed() >= SAVE_EVERY;
            if due {
                position.saved_at = Instant::now();
                position.dirty = false;
            }
            due.then(|| (key(job, segment), position.row.clone()))
        };
        match due {
            Some(row) => job.lease.save_checkpoints(vec![row]).await,
            None => Ok(()),
        }
    }

    /// Saves every position that has moved since it was last saved.
    pub(super) async fn save_all(&self, job: &Job<'_>) -> Result<(), Interrupt> {
        let moved: Vec<_> = {
            let rows = self.lock();
            let moved = (0_u32..).zip(rows.iter()).filter(|(_, position)| position.dirty);
            moved.map(|(segment, p)| (key(job, segment), p.row.clone())).collect()
        };
        job.lease.save_checkpoints(moved).await
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Position>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn prefix(job: &Job<'_>) -> String {
    format!(
        "{}{}#items#{}#{}#",
        checkpoint_prefix(&job.migration.id),
        job.direction,
        job.name,
        job.table
    )
}

fn key(job: &Job<'_>, segment: u32) -> String {
    format!("{}{segment:06}", prefix(job))
}
