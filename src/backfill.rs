//! The item engine: scan a table in segments, transform each item, write what changed, remember how far it came.
//!
//! ```text
//! segments ─▶ readers ─▶ transform ─▶ queue ─▶ writers ─▶ acknowledged ─▶ positions ─▶ ledger
//!  shared      pages        pure      bounded   batches     each write     per page     every 2 s
//! ```

pub(crate) mod again;
mod checkpoint;
mod division;
mod failures;
mod journal;
pub(crate) mod preview;
mod progress;
mod queue;
mod rate;
pub(crate) mod retry;
mod scan;
mod send;
pub(crate) mod share;
mod stop;
mod targets;
mod transform;
mod verify;
mod write;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument;

use self::checkpoint::Positions;
pub(crate) use self::division::WORKERS_MAX;
use self::failures::Failures;
pub use self::progress::Counts;
use self::progress::Tally;
use self::queue::Queued;
use self::rate::Paces;
use self::share::Extent;
pub use self::share::Shares;
use self::stop::{Stop, Stopped};
pub(crate) use self::targets::describe as describe_table;
use self::targets::{Target, Targets};
use self::transform::Rule;
pub(crate) use self::transform::describe;
use crate::deadline::Deadline;
use crate::dynamo::{Dynamo, WireItem, key_of};
use crate::interrupt::{Interrupt, panic_message};
use crate::ledger::Lease;
use crate::migration::{Backfill, Guard, Spec, Transform};

/// How often the hook of an author is asked whether to pause.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often a paused task looks whether it may go on.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// One backfill, in one direction.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) migration: Spec,
    pub(crate) direction: Direction,
    pub(crate) name: String,
    pub(crate) backfill: Backfill,
    pub(crate) extent: Extent,
    pub(crate) dynamo: Dynamo,
    pub(crate) lease: Lease,
    pub(crate) deadline: Deadline,
}

/// Forward or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// What the keys of a migration's checkpoints begin with.
pub(crate) fn checkpoint_prefix(id: &str) -> String {
    format!("{id}#")
}

/// Key of the checkpoint of a named step.
pub(crate) fn step_key(migration: &Spec, direction: Direction, name: &str) -> String {
    format!("{}{direction}#step#{name}", checkpoint_prefix(&migration.id))
}

/// What all tasks of a backfill share.
struct Pass {
    job: Job,
    transform: Transform,
    source: Arc<Target>,
    /// Items of its segments and their bytes, as DynamoDB counted them in the table some hours ago.
    items: u64,
    bytes: u64,
    /// Write units that all who work on the table begin with in a second.
    units_a_second: u64,
    positions: Positions,
    /// Segments that are read side by side.
    readers: usize,
    paces: Paces,
    stop: Stop,
    tally: Tally,
    failures: Failures,
    targets: Targets,
    /// Write requests that may be under way.
    requests: Semaphore,
    /// Segments that are being read.
    active: AtomicUsize,
    /// Whether each item is written in a request of its own.
    singly: AtomicBool,
    paused: AtomicBool,
    /// Thousandths of a unit that a write takes, by what they took lately.
    cost: AtomicU64,
}

/// Runs a backfill to its end, from where an earlier run of it stopped, or leaves it to workers.
pub(crate) async fn run(job: Job) -> Result<Counts, Interrupt> {
    let pass = Arc::new(Pass::begin(job).await?);
    if let Some(shares) = share::leave(&pass).await? {
        return Err(Interrupt::Shared(Box::new(shares)));
    }
    work(&pass).await;
    let counts = pass.tally.counts(pass.failures.count().await);
    let part = progress::part_done(&pass, counts.read);
    let reason = pass.stop.reason();
    report(&pass, &counts, reason.as_ref(), part);
    match reason {
        None => {
            // A migration of several backfills, or one that is verified, does not begin at the beginning again.
            pass.positions.save(&pass.job).await?;
            let is_all = !matches!(pass.job.extent, Extent::Share(_));
            if is_all && pass.job.direction == Direction::Up {
                verify::verify(&pass.job, &pass.source).await?;
            }
            Ok(counts)
        }
        Some(Interrupt::LeaseLost(why)) => Err(Interrupt::LeaseLost(why)),
        Some(reason) => {
            // Every task has ended by now, with its last writes acknowledged.
            if let Err(error) = pass.positions.save(&pass.job).await {
                tracing::warn!(%error, "positions could not be saved; the next run begins further back");
            }
            Err(match reason {
                Interrupt::OutOfTime(_) => Interrupt::OutOfTime(format!(
                    "checkpointed after {} items ({} changed) of table {}, about {} %",
                    counts.read,
                    counts.changed,
                    pass.source.name,
                    progress::per_cent(part)
                )),
                other => other,
            })
        }
    }
}

/// Reads, writes and keeps a record of it, until all is done or the run stops.
async fn work(pass: &Arc<Pass>) {
    let (sender, receiver) = queue::channel();
    let segments = pass.positions.open_segments();
    let segments = division::spread(segments, pass.positions.count(), pass.readers);
    let segments = Arc::new(scan::Segments(Mutex::new(segments)));
    let mut tasks = JoinSet::new();
    for _ in 0..pass.readers {
        let task = scan::read(Arc::clone(pass), Arc::clone(&segments), sender.clone());
        tasks.spawn(task.in_current_span());
    }
    drop(sender);
    // A batch is ready to go when an answer has made room for its request.
    for _ in 0..pass.job.backfill.concurrency.saturating_mul(2) {
        tasks.spawn(write::write(Arc::clone(pass), receiver.clone()).in_current_span());
    }
    drop(receiver);
    let ended = async {
        while let Some(ended) = tasks.join_next().await {
            if ended.is_err() {
                let bug = "a task of the backfill panicked; this is a bug".to_owned();
                pass.stop.raise(Interrupt::Failed(bug));
            }
        }
    };
    tokio::pin!(ended);
    let record = async {
        if let Err(interrupt) = progress::keep_record(pass).await {
            pass.stop.raise(interrupt);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = &mut ended => {}
        () = record => {}
        () = pass.ask_whether_to_pause() => {}
    }
}

fn report(pass: &Pass, counts: &Counts, reason: Option<&Interrupt>, part: f64) {
    let name = &pass.source.name;
    if let Some((segment, throttled)) = pass.positions.hottest() {
        tracing::warn!(
            table = name,
            segment,
            throttled,
            of = counts.throttled,
            "one segment was throttled more than all others together: a hot partition"
        );
    }
    let per_cent = if reason.is_none() { 100 } else { progress::per_cent(part) };
    crate::metrics::emit(&pass.job.migration.id, name, counts, per_cent);
    tracing::info!(
        table = name,
        direction = %pass.job.direction,
        read = counts.read,
        changed = counts.changed,
        failed = counts.failed,
        contended = counts.contended,
        throttled = counts.throttled,
        "backfill {}",
        if reason.is_none() { "done" } else { "stopped" }
    );
}

impl Pass {
    async fn begin(job: Job) -> Result<Self, Interrupt> {
        let described = targets::describe(&job.dynamo, &job.backfill.table).await?;
        let source = Arc::new(Target::of(&described));
        let table = &described.table;
        let units_a_second = rate::units_a_second(job.backfill.cap, table.capacity, table.warm);
        let workers = job.extent.workers();
        let readers = division::readers(table.capacity, table.warm, workers);
        let wanted = job.backfill.segments;
        let wanted = wanted.unwrap_or_else(|| {
            // Workers have four readers each at least.
            let most = readers.max(4 * division::workers(units_a_second));
            division::segments(described.bytes, most)
        });
        let wanted = match &job.extent {
            Extent::Whole | Extent::Divisible(_) => wanted,
            Extent::Share(share) => share.of,
        };
        let positions = Positions::load(&job, wanted).await?;
        let own = positions.own_count();
        let part = |figure: u64| division::part_of(figure, own, positions.count());
        let transform = match (job.direction, &job.backfill.down) {
            (Direction::Up, _) => Arc::clone(&job.backfill.up),
            (Direction::Down, Some(down)) => Arc::clone(down),
            (Direction::Down, None) => {
                return Err(Interrupt::Failed(format!(
                    "its backfill of {} has no way back",
                    source.name
                )));
            }
        };
        Ok(Self {
            transform,
            readers: usize::try_from(readers).unwrap_or(usize::MAX).min(own),
            items: part(described.items),
            bytes: part(described.bytes),
            units_a_second,
            paces: Paces::new(job.backfill.cap, table.capacity, table.warm, workers),
            stop: Stop::new(),
            tally: Tally::new(positions.recorded()),
            failures: Failures::load(&job).await?,
            targets: Targets::new(&job.dynamo, &source),
            requests: Semaphore::new(job.backfill.concurrency.min(Semaphore::MAX_PERMITS)),
            active: AtomicUsize::new(0),
            singly: AtomicBool::new(job.backfill.single_writes),
            paused: AtomicBool::new(false),
            cost: AtomicU64::new(1000),
            source,
            positions,
            job,
        })
    }

    fn rule(&self) -> Rule<'_> {
        Rule {
            migration: &self.job.migration.id,
            direction: self.job.direction,
            guard: self.job.backfill.guard,
            transform: &self.transform,
            keys: &self.source.keys,
        }
    }

    /// Fails where the lease is known to be lost.
    fn check_lease(&self) -> Result<(), Stopped> {
        self.job.lease.check().map_err(|interrupt| self.stop.raise(interrupt))
    }

    /// Fails where the time is over or the lease lost; waits while the author wants a pause.
    async fn may_read(&self) -> Result<(), Stopped> {
        loop {
            self.check_lease()?;
            if self.job.deadline.passed() {
                return Err(self.stop.raise(Interrupt::OutOfTime(String::new())));
            }
            if !self.paused.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.stop.unless_raised(tokio::time::sleep(LOOK_EVERY)).await?;
        }
    }

    /// Asks the author's hook, where there is one, as long as the run goes on.
    async fn ask_whether_to_pause(&self) {
        let Some(hook) = &self.job.backfill.pause else { return std::future::pending().await };
        loop {
            let asked = AssertUnwindSafe(async { hook().await }).catch_unwind();
            let pauses = match asked.await {
                Ok(pauses) => pauses,
                Err(panic) => {
                    let what = panic_message(&*panic);
                    let why = format!("asked whether to pause, the migration panicked: {what}");
                    self.stop.raise(Interrupt::Failed(why));
                    return std::future::pending().await;
                }
            };
            if self.paused.swap(pauses, Ordering::Relaxed) != pauses {
                tracing::info!("{}", if pauses { "paused" } else { "goes on" });
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Counts an item that cannot be handled; stops the run where there are too many of them.
    async fn fail(&self, item: &WireItem, error: &str) -> Result<(), Stopped> {
        let keys = &self.source.keys;
        // What this migration has made of an item already need not be something that it can handle.
        if self.job.backfill.guard == Some(Guard::Journal) {
            let known = journal::has(&self.job, &self.source.name, &key_of(keys, item)).await;
            if known.map_err(|interrupt| self.stop.raise(interrupt))? {
                return Ok(());
            }
        }
        let added = self.failures.add(&self.job, keys, item, error).await;
        added.map_err(|interrupt| self.stop.raise(interrupt))
    }

    /// Stops the run for a migration that is not right; nothing is written for the item that shows it.
    fn refuse(&self, item: &WireItem, why: &str) -> Stopped {
        let key = transform::describe(&self.source.keys, item);
        self.stop.raise(Interrupt::Failed(format!("item {key}: {why}")))
    }

    /// Units that these writes will take, by what others took lately.
    fn estimate(&self, batch: &[Queued]) -> f64 {
        let each = Duration::from_millis(self.cost.load(Ordering::Relaxed));
        each.as_secs_f64() * f64::from(u32::try_from(batch.len()).unwrap_or(u32::MAX))
    }

    /// Learns from what writes took.
    fn learn(&self, writes: usize, units: Option<f64>) {
        let (Some(units), Ok(writes)) = (units, u32::try_from(writes)) else { return };
        let each = Duration::try_from_secs_f64(units / f64::from(writes.max(1)));
        let each = each.map_or(1000, |each| u64::try_from(each.as_millis()).unwrap_or(u64::MAX));
        let before = self.cost.load(Ordering::Relaxed);
        self.cost.store((before * 7 + each) / 8, Ordering::Relaxed);
    }
}
