//! A backfill that several workers carry out: whether it is left to them, what each of them does, and what came of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::division::{self, Counted};
use super::{Direction, Job, Pass, progress};
use crate::interrupt::Interrupt;
use crate::ledger::rows::WorkersRow;

/// How much of a backfill is to be done.
#[derive(Debug, Clone)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// All of it, or none where workers do it; with what the last ones have left on record.
    Divisible(Option<WorkersRow>),
    /// What one of several workers does.
    Share(Share),
}

impl Extent {
    /// Among how many workers the table's throughput is divided.
    pub(super) fn workers(&self) -> u64 {
        match self {
            Self::Whole | Self::Divisible(_) => 1,
            Self::Share(share) => share.workers,
        }
    }
}

/// What one of several workers does. It passes through the state machine, and tells nothing of the items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Share {
    /// The migration.
    pub(crate) migration: String,
    /// Which version of it.
    pub(crate) fingerprint: String,
    /// Which of its backfills.
    pub(crate) backfill: String,
    pub(crate) direction: Direction,
    /// Segments of the scan, in the order in which they are read.
    pub(crate) segments: Vec<u32>,
    /// Into how many the scan is divided.
    pub(crate) of: u32,
    /// How many workers there are.
    pub(crate) workers: u64,
    /// Which of them this is.
    pub(crate) number: usize,
}

/// A backfill that is left to workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    /// What each of them does.
    pub(crate) each: Vec<Share>,
    /// What is put on record about it.
    pub(crate) row: WorkersRow,
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (workers, backfill) = (self.each.len(), &self.row.backfill);
        write!(f, "{workers} workers go on with backfill {backfill}")
    }
}

/// Leaves a backfill to workers, where the table serves several, and one process would be at it for minutes.
///
/// What they could not do comes back: an item that fails fails the backfill, and where none of them got anywhere, this
/// process does it itself.
pub(super) async fn leave(pass: &Pass) -> Result<Option<Shares>, Interrupt> {
    let Extent::Divisible(last) = &pass.job.extent else { return Ok(None) };
    let last = last.as_ref().filter(|last| last.backfill == key(&pass.job));
    if let Some(failure) = last.and_then(|last| last.failure.clone()) {
        return Err(Interrupt::Failed(failure));
    }
    pass.failures.check(&pass.job).await?;
    let mark = pass.positions.mark();
    let nothing_moved = last.is_some_and(|last| last.mark == mark);
    let workers = division::workers(pass.units_a_second);
    if nothing_moved || workers < 2 || !is_worth_it(pass) {
        return Ok(None);
    }
    progress::begin_together(pass).await?;
    let Job { migration, direction, name, .. } = &pass.job;
    let of = pass.positions.count();
    let dealt = division::deal(pass.positions.open_segments(), of, workers);
    let share = |(number, segments)| Share {
        migration: migration.id.clone(),
        fingerprint: migration.fingerprint.clone(),
        backfill: name.clone(),
        direction: *direction,
        segments,
        of,
        workers: dealt.len() as u64,
        number,
    };
    let each = dealt.iter().cloned().enumerate().map(share).collect();
    let row = WorkersRow { backfill: key(&pass.job), mark, failure: None };
    Ok(Some(Shares { each, row }))
}

/// Whether one process would be at it for minutes, going by the segments that are open.
fn is_worth_it(pass: &Pass) -> bool {
    let counted = Counted { items: pass.items, bytes: pass.bytes };
    let open = pass.positions.open_segments().len();
    let left = division::part_of(pass.items, open, pass.positions.count());
    division::is_worth_workers(left, counted, pass.units_a_second)
}

/// What tells a backfill, in one direction, from all others of a scope.
pub(crate) fn key(job: &Job) -> String {
    format!("{}#{}#{}", job.migration.id, job.direction, job.name)
}
