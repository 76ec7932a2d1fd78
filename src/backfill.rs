//! The item engine: scan a table in segments, transform each item, write what changed, remember how far it came.

mod checkpoint;
mod write;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt, stream};

use self::checkpoint::Positions;
use crate::deadline::Deadline;
use crate::dynamo::{self, Dynamo, WireItem, patiently};
use crate::interrupt::Interrupt;
use crate::item::Item;
use crate::ledger::Lease;
use crate::migration::{Spec, Transform};

/// Parts of a parallel scan; more than workers, so that a full one does not hold the others back.
const SEGMENTS: u32 = 16;
/// Segments that are worked on at the same time.
const WORKERS: usize = 8;
/// Writes of one page that are under way at the same time.
const WRITES: usize = 16;

/// One backfill.
pub(crate) struct Job<'a> {
    pub(crate) migration: &'a Spec,
    pub(crate) direction: Direction,
    pub(crate) name: &'a str,
    pub(crate) table: &'a str,
    pub(crate) transform: &'a Transform,
    pub(crate) dynamo: &'a Dynamo,
    pub(crate) lease: &'a Lease,
    pub(crate) deadline: Deadline,
}

/// Forward or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// What a backfill did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Items read.
    pub read: u64,
    /// Items changed.
    pub changed: u64,
}

/// What the keys of a migration's checkpoints begin with.
pub(crate) fn checkpoint_prefix(id: &str) -> String {
    format!("{id}#")
}

/// Key of the checkpoint of a named step.
pub(crate) fn step_key(migration: &Spec, direction: Direction, name: &str) -> String {
    format!("{}{direction}#step#{name}", checkpoint_prefix(&migration.id))
}

/// Runs a backfill to its end, from where an earlier run of it stopped.
pub(crate) async fn run(job: &Job<'_>) -> Result<Counts, Interrupt> {
    let keys = key_names(job).await?;
    let positions = Positions::load(job, SEGMENTS).await?;
    let stop = AtomicBool::new(false);
    let open = positions.open_segments().into_iter();
    let work: Vec<_> =
        open.map(|segment| scan_segment(job, &keys, &positions, segment, &stop)).collect();
    let outcomes: Vec<_> = stream::iter(work).buffer_unordered(WORKERS).collect().await;
    let counts = positions.counts();
    tracing::info!(
        table = job.table,
        direction = %job.direction,
        read = counts.read,
        changed = counts.changed,
        "backfill {}",
        if outcomes.iter().all(Result::is_ok) { "done" } else { "stopped" }
    );
    // Every segment has stopped by now, with its last writes acknowledged.
    let Some(interrupt) = outcomes.into_iter().find_map(Result::err) else { return Ok(counts) };
    if !matches!(interrupt, Interrupt::LeaseLost(_))
        && let Err(error) = positions.save_all(job).await
    {
        tracing::warn!(%error, "positions could not be saved; the next run begins further back");
    }
    Err(match interrupt {
        Interrupt::OutOfTime(_) => Interrupt::OutOfTime(format!(
            "checkpointed after {} items ({} changed) of table {}",
            counts.read, counts.changed, job.table
        )),
        other => other,
    })
}

/// Sends a request until it gets through, or until the job has to stop: a throttled table slows a backfill down and
/// does not fail it.
async fn persistently<T, F, Fut>(job: &Job<'_>, mut request: F) -> Result<T, Interrupt>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, dynamo::Error>>,
{
    loop {
        match patiently(&mut request).await {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "still trying");
                job.lease.check()?;
                if job.deadline.passed() {
                    return Err(Interrupt::OutOfTime(String::new()));
                }
            }
            result => return Ok(result?),
        }
    }
}

/// Names of the attributes of the table's key, in order.
async fn key_names(job: &Job<'_>) -> Result<Vec<String>, Interrupt> {
    let described = patiently(|| job.dynamo.describe_table(job.table)).await?;
    let Some(described) = described else {
        return Err(Interrupt::Failed(format!("table {} does not exist", job.table)));
    };
    Ok(described.table.keys.names().map(str::to_owned).collect())
}

/// Works through one segment; an error stops the others at their next page.
async fn scan_segment(
    job: &Job<'_>,
    keys: &[String],
    positions: &Positions,
    segment: u32,
    stop: &AtomicBool,
) -> Result<(), Interrupt> {
    let outcome = scan_pages(job, keys, positions, segment, stop).await;
    if outcome.is_err() {
        stop.store(true, Ordering::Relaxed);
    }
    outcome
}

/// Works through one segment page by page, until its end or until some segment stops the run.
async fn scan_pages(
    job: &Job<'_>,
    keys: &[String],
    positions: &Positions,
    segment: u32,
    stop: &AtomicBool,
) -> Result<(), Interrupt> {
    let mut start = positions.start_of(segment);
    while !stop.load(Ordering::Relaxed) {
        job.lease.check()?;
        if job.deadline.passed() {
            return Err(Interrupt::OutOfTime(String::new()));
        }
        let page = persistently(job, || {
            job.dynamo.scan_page(job.table, segment, positions.segments(), start.clone())
        })
        .await?;
        let read = page.items.len();
        let (changed, failure) = write_page(job, keys, page.items).await;
        if let Some(interrupt) = failure {
            positions.count(segment, read, changed);
            return Err(interrupt);
        }
        start = page.next;
        let done = start.is_none();
        positions.advance(job, segment, start.clone(), read, changed).await?;
        if done {
            break;
        }
    }
    Ok(())
}

/// Transforms and writes the items of a page; returns, with every write acknowledged, how many changed and what
/// went wrong first.
async fn write_page(
    job: &Job<'_>,
    keys: &[String],
    items: Vec<WireItem>,
) -> (usize, Option<Interrupt>) {
    let items = items.into_iter().map(Item::from);
    let writes: Vec<_> = items.map(|item| write::apply(job, keys, item)).collect();
    let outcomes: Vec<_> = stream::iter(writes).buffer_unordered(WRITES).collect().await;
    let changed = outcomes.iter().filter(|outcome| matches!(outcome, Ok(true))).count();
    (changed, outcomes.into_iter().find_map(Result::err))
}
