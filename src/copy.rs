//! Copies of tables into tables with another key schema, kept up with what is written to the first one meanwhile.
//!
//! ```text
//! anchor ─▶ seed ∥ replay ─▶ sweep ─▶ catch up ─▶ check ─▶ applied ─▶ catch up, with each deploy ─▶ finish
//!  where the   scan   stream   tomb-                │
//!  stream is                   stones               └─ records lost: anchor, mend, catch up
//! ```
//!
//! # Why no update is lost
//!
//! The place in the stream is recorded before the scan begins, so each version of a source item is either the one that is
//! there at that moment, or comes with a record that is replayed. For one key of the target:
//!
//! - **Records are replayed in their order and once.** A shard moves on in the very transaction that writes what its
//!   records want, on the condition that it is where it was and that no later run has claimed it ([`replay`]). Parents come
//!   before their children ([`lineage`]).
//! - **The scan only ever puts something where there is nothing.** It has read a version that the replay is past, or that
//!   it will come by; either way the replay has the last word. What the replay takes away while the scan goes on leaves
//!   a tombstone in its place, so that no write that is late, not even that of a process that died, brings it back.
//!   So a key that any record is about ends as the last of them says, and a key that none is about as the scan has found it.
//! - **Tombstones go when the scan is over.** From then on every item that there was before a record is in the target, unless
//!   the application has deleted it, and deleted it stays.
//! - **A key can go from one source item to another**, whose records are in different shards and without any order. Each
//!   copy names its source item; where another one comes for its key, both are read, and the one that has the key now gets
//!   it. If both have it, the copy fails.
//! - **The application has the last word.** A mark on each copy holds a digest of it ([`mark`]); what does not fit it is not
//!   touched. Every write has the condition that what was read is still so. Two changes in the same moment that are about
//!   different attributes are both there after it; an attribute that is added in the very moment in which its item is deleted
//!   in the source goes with it.
//!
//! [`model`] is the proof by chance. The pure parts are [`rule`], [`mark`], [`expand`] and [`lineage`].

mod compare;
mod expand;
mod lineage;
mod mark;
mod mend;
#[cfg(test)]
mod model;
mod replay;
mod rule;
mod seed;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::TryFutureExt;

pub(crate) use self::expand::Rekey;
use self::expand::Shape;
pub use self::mark::MARK;
use self::replay::{Replay, Stop};
use self::rule::Occasion;
use crate::backfill::{Counts, Direction, describe_table};
use crate::clock;
use crate::deadline::Deadline;
use crate::dynamo::{Description, Dynamo};
use crate::interrupt::Interrupt;
use crate::ledger::Lease;
use crate::ledger::rows::{CopyRow, CopyStage};
use crate::migration::{Spec, TableCopy};
use crate::schema::Stream;
use crate::services::Services;
use crate::streams::Streams;

/// Clocks of DynamoDB and of the function differ by less than this: records that are older than the beginning of a copy by
/// more are not replayed.
const SKEW: Duration = Duration::from_mins(5);
/// How often it is looked whether a stream is on.
const POLL: Duration = Duration::from_secs(2);
/// A copy goes through its stages once, and through those of mending it once more for each gap that it meets on its way.
const STAGES_MAX: usize = 10;

/// A copy that is being worked on.
pub(crate) struct Copying {
    /// Id of the migration.
    id: String,
    copy: TableCopy,
    shape: Shape,
    dynamo: Dynamo,
    streams: Streams,
    lease: Lease,
    deadline: Deadline,
    /// Items that were left to the application.
    left: AtomicU64,
}

impl Copying {
    pub(crate) async fn begin(
        id: &str,
        copy: &TableCopy,
        services: &Services,
        lease: &Lease,
        deadline: Deadline,
    ) -> Result<Arc<Self>, Interrupt> {
        let dynamo = &services.dynamo;
        let shape = Shape {
            rekey: Arc::clone(&copy.rekey),
            source_keys: keys_of(&describe_table(dynamo, &copy.from).await?),
            target_keys: keys_of(&describe_table(dynamo, &copy.to).await?),
        };
        Ok(Arc::new(Self {
            id: id.to_owned(),
            copy: copy.clone(),
            shape,
            dynamo: dynamo.clone(),
            streams: services.streams.clone(),
            lease: lease.clone(),
            deadline,
            left: AtomicU64::new(0),
        }))
    }

    /// Brings the target up to the source, from wherever an earlier run has left it.
    pub(crate) async fn bring_up(self: &Arc<Self>, spec: &Spec) -> Result<Counts, Interrupt> {
        let mut counts = Counts::default();
        for _ in 0..STAGES_MAX {
            let row = match self.lease.copy(&self.id).await? {
                None => self.anchor(fresh(spec), CopyStage::Seeding).await?,
                Some(row) if row.fingerprint != spec.fingerprint => {
                    let row = CopyRow { stage: CopyStage::Clearing, ..fresh(spec) };
                    self.lease.save_copy(&self.id, &row).await?;
                    row
                }
                Some(row) => row,
            };
            let stage = row.stage;
            tracing::info!(?stage, from = self.copy.from, to = self.copy.to, "copying");
            let outcome = match stage {
                CopyStage::Clearing => {
                    self.clear(spec, Direction::Up).await?;
                    self.anchor(row, CopyStage::Seeding).await.map(drop).map_err(Stop::from)
                }
                CopyStage::Seeding => self.seed_and_replay(spec, &row, &mut counts).await,
                CopyStage::Mending => self.catch_up_and_mend(&row).await,
                CopyStage::Following => match self.follow(&row).await {
                    Ok(()) => return Ok(counts),
                    Err(stop) => Err(stop),
                },
                CopyStage::Finished => return Ok(counts),
                CopyStage::Unknown => {
                    return Err(Interrupt::Failed(
                        "the copy is at a stage that only a newer version of tablewright knows; deploy that one"
                            .to_owned(),
                    ));
                }
            };
            match outcome {
                Ok(()) => {}
                Err(Stop::Gap(gap)) => self.bridge(gap.0).await?,
                Err(Stop::Interrupt(interrupt)) => return Err(self.worded(interrupt, stage)),
            }
        }
        Err(Interrupt::Failed("records of the stream were lost again and again".to_owned()))
    }

    /// Replays what was written last, checks once more, and lets go of the source.
    pub(crate) async fn finish(self: &Arc<Self>, spec: &Spec) -> Result<Counts, Interrupt> {
        if self.lease.copy(&self.id).await?.is_none() {
            tracing::info!(copy = self.id, "it never ran here, so there is nothing to finish");
            return Ok(Counts::default());
        }
        let counts = self.bring_up(spec).await?;
        let row = self.lease.copy(&self.id).await?.unwrap_or_default();
        if row.stage == CopyStage::Finished {
            return Ok(counts);
        }
        let checked = async {
            let mut replay = Replay::begin(self, &row).await?;
            self.wait_for_quiet(&mut replay).await?;
            self.check(&mut replay, row.handed_over).await
        };
        match checked.await {
            Ok(()) => {}
            Err(Stop::Gap(gap)) => {
                return Err(Interrupt::Failed(format!("{}; deploy again", gap.0)));
            }
            Err(Stop::Interrupt(interrupt)) => return Err(self.worded(interrupt, row.stage)),
        }
        self.lease.save_copy(&self.id, &CopyRow { stage: CopyStage::Finished, ..row }).await?;
        self.lease.forget_shards(&self.id).await?;
        tracing::info!(from = self.copy.from, to = self.copy.to, "nothing is copied any more");
        Ok(counts)
    }

    /// Takes away what was copied and not changed since.
    pub(crate) async fn take_back(&self, spec: &Spec) -> Result<Counts, Interrupt> {
        let Some(row) = self.lease.copy(&self.id).await? else { return Ok(Counts::default()) };
        // Whoever comes next must not go on from what is half gone.
        self.lease.save_copy(&self.id, &CopyRow { stage: CopyStage::Clearing, ..row }).await?;
        let counts = self.clear(spec, Direction::Down).await?;
        self.lease.forget_copy(&self.id).await?;
        Ok(counts)
    }

    /// What a person should know of this run.
    pub(crate) fn notice(&self) -> Option<String> {
        let left = self.left.load(Ordering::Relaxed);
        (left > 0).then(|| {
            format!(
                "migration {}: {left} changes of table {} are not in table {}, whose items were changed or deleted \
                 meanwhile; they are in the ledger under copy#{}#left#",
                self.id, self.copy.from, self.copy.to, self.id
            )
        })
    }

    /// Records where the stream is, and then the stage that begins with it.
    async fn anchor(&self, row: CopyRow, stage: CopyStage) -> Result<CopyRow, Interrupt> {
        loop {
            let now = clock::now_ms();
            let stream = self.stream().await?;
            let shards = self.persistently(|| self.streams.shards(&stream)).await?;
            let Some(shards) = shards.filter(|shards| !shards.is_empty()) else {
                if self.deadline.sleep(POLL).await {
                    continue;
                }
                let from = &self.copy.from;
                return Err(Interrupt::OutOfTime(format!("waits for the stream of table {from}")));
            };
            let skew = u64::try_from(SKEW.as_millis()).unwrap_or(u64::MAX);
            self.lease.forget_shards(&self.id).await?;
            let known = lineage::begin(&shards, now.saturating_sub(skew));
            self.lease.save_shards(&self.id, &known).await?;
            let row = CopyRow { stage, stream, looked_at_ms: now, ..row };
            self.lease.save_copy(&self.id, &row).await?;
            return Ok(row);
        }
    }

    /// ARN of the stream of the source.
    async fn stream(&self) -> Result<String, Interrupt> {
        let described = describe_table(&self.dynamo, &self.copy.from).await?;
        match (described.table.stream, described.stream_arn) {
            (Some(Stream::NewAndOldImages), Some(arn)) => Ok(arn),
            (_, _) => Err(Interrupt::Failed(format!(
                "table {} has no stream with both images of a change; give it \
                 StreamSpecification: {{ StreamViewType: NEW_AND_OLD_IMAGES }} until the copy is finished",
                self.copy.from
            ))),
        }
    }

    async fn seed_and_replay(
        self: &Arc<Self>,
        spec: &Spec,
        row: &CopyRow,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        let mut replay = Replay::begin(self, row).await?;
        let is_over = AtomicBool::new(false);
        let seed = async {
            let seeded = self.seed(spec).await;
            is_over.store(true, Ordering::Relaxed);
            seeded
        };
        let (seeded, ()) = futures::try_join!(seed.map_err(Stop::from), replay.beside(&is_over))?;
        *counts += seeded;
        self.sweep().await?;
        let row =
            CopyRow { stage: CopyStage::Following, looked_at_ms: clock::now_ms(), ..row.clone() };
        Ok(self.lease.save_copy(&self.id, &row).await?)
    }

    async fn catch_up_and_mend(&self, row: &CopyRow) -> Result<(), Stop> {
        let mut replay = Replay::begin(self, row).await?;
        self.mend(&mut replay, row.handed_over).await?;
        self.sweep().await?;
        let row =
            CopyRow { stage: CopyStage::Following, looked_at_ms: clock::now_ms(), ..row.clone() };
        Ok(self.lease.save_copy(&self.id, &row).await?)
    }

    /// Catches up and checks. From then on the target is the application's.
    async fn follow(&self, row: &CopyRow) -> Result<(), Stop> {
        if self.stream().await? != row.stream {
            return Err(Stop::Gap(lineage::Gap(
                "its stream was turned off and on again".to_owned(),
            )));
        }
        let mut replay = Replay::begin(self, row).await?;
        let before = replay.replayed();
        replay.catch_up(Occasion::Follow).await?;
        self.check(&mut replay, row.handed_over).await?;
        tracing::info!(replayed = replay.replayed() - before, "caught up");
        let now = clock::now_ms();
        let row = CopyRow {
            handed_over: true,
            looked_at_ms: now,
            caught_up_at: Some(clock::format_ms(now)),
            ..row.clone()
        };
        Ok(self.lease.save_copy(&self.id, &row).await?)
    }

    /// Begins anew where the stream is now; what was lost, a comparison of both tables will show.
    async fn bridge(&self, gap: String) -> Result<(), Interrupt> {
        let row = self.lease.copy(&self.id).await?.unwrap_or_default();
        let (from, to) = (&self.copy.from, &self.copy.to);
        if row.handed_over && self.copy.after_gap.is_none() {
            return Err(Interrupt::Failed(format!(
                "changes of table {from} were lost ({gap}): a stream keeps them for 24 hours. Both tables will be \
                 compared; say by TableCopy::after_gap whether what is missing in table {to} is put \
                 (AfterGap::PutMissing), or was deleted there and stays away (AfterGap::LeaveMissing)"
            )));
        }
        tracing::warn!(from, to, gap, "records were lost, both tables will be compared");
        self.lease.forget_positions(&self.mending()).await?;
        // Should the place in the stream be lost on the way, the gap must not be.
        let row = CopyRow { stage: CopyStage::Mending, ..row };
        self.lease.save_copy(&self.id, &row).await?;
        self.anchor(row, CopyStage::Mending).await.map(drop)
    }

    /// What the keys of the checkpoints of mending begin with.
    fn mending(&self) -> String {
        format!("{}#up#mend#", self.id)
    }

    /// Waits until nobody has written to the source for some time.
    async fn wait_for_quiet(&self, replay: &mut Replay<'_>) -> Result<(), Stop> {
        let quiet = self.copy.quiet;
        let patience = self.deadline.at_most(quiet * 3);
        loop {
            replay.catch_up(Occasion::Follow).await?;
            let age = clock::now_ms().saturating_sub(replay.newest_at_ms());
            let left = quiet.saturating_sub(Duration::from_millis(age));
            if replay.newest_at_ms() == 0 || left.is_zero() {
                return Ok(());
            }
            if !patience.sleep(left.max(POLL.min(quiet))).await {
                return Err(Stop::Interrupt(Interrupt::Failed(format!(
                    "table {} was written to {} seconds ago, and nobody may write to it for {} before a copy is finished: \
                     deploy this when all code uses table {}",
                    self.copy.from,
                    age / 1000,
                    quiet.as_secs(),
                    self.copy.to
                ))));
            }
        }
    }

    fn worded(&self, interrupt: Interrupt, stage: CopyStage) -> Interrupt {
        let doing = match stage {
            CopyStage::Clearing => "is taking an earlier version away",
            CopyStage::Seeding => "is copying",
            CopyStage::Mending => "is comparing both tables",
            CopyStage::Following | CopyStage::Finished | CopyStage::Unknown => "is catching up",
        };
        match interrupt {
            Interrupt::OutOfTime(what) if what.is_empty() => {
                let (from, to) = (&self.copy.from, &self.copy.to);
                Interrupt::OutOfTime(format!("{doing}, from table {from} to table {to}"))
            }
            other => other,
        }
    }
}

fn fresh(spec: &Spec) -> CopyRow {
    CopyRow { fingerprint: spec.fingerprint.clone(), ..CopyRow::default() }
}

fn keys_of(described: &Description) -> Vec<String> {
    described.table.keys.names().map(str::to_owned).collect()
}
