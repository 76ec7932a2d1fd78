//! The only code that undoes anything: what a failing request has done is taken back, newest first.

mod journal;
mod known;

use std::fmt;

use self::known::Known;
use crate::backfill::{self, Counts, Direction, Shares, checkpoint_prefix};
use crate::deadline::Deadline;
use crate::dynamo::patiently;
use crate::execute::{Run, backfill_name, call, context, delete_and_wait, forget, gone};
use crate::interrupt::Interrupt;
use crate::ledger::rows::{MigrationRow, Origin, TableRow, is_detached};
use crate::ledger::state::{Event, State};
use crate::ledger::{Detail, Lease, Snapshot};
use crate::migration::{Backfill, Context, Guard, Spec, WayBack};
use crate::migrator::compare_ids;
use crate::observe::{self, CREATED_BY_TAG};
use crate::services::Services;

/// What was taken back and what was not.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Taken back, in the order it was.
    pub undone: Vec<String>,
    /// Still in place, and why.
    pub left: Vec<String>,
    /// Why it is not at its end, where calling again goes on from there.
    pub unfinished: Option<Unfinished>,
}

/// Why undoing is not at its end, and goes on when it is called again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfinished {
    /// Time was all that it lacked; how far it came.
    OutOfTime(String),
    /// Workers are to take a backfill back.
    Shared(Box<Shares>),
}

impl Unfinished {
    /// What an interrupt means for what it has stopped, of which this is the progress.
    fn of(interrupt: Interrupt, progress: &str) -> Option<Self> {
        match interrupt {
            Interrupt::OutOfTime(_) => Some(Self::OutOfTime(progress.to_owned())),
            Interrupt::Shared(shares) => Some(Self::Shared(shares)),
            Interrupt::Failed(_) | Interrupt::Blocked { .. } | Interrupt::LeaseLost(_) => None,
        }
    }
}

impl Undone {
    /// Whether there was anything to be taken back.
    #[must_use]
    pub fn is_something(&self) -> bool {
        !self.undone.is_empty() || !self.left.is_empty()
    }
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.undone.is_empty() && self.left.is_empty() {
            return f.write_str("Nothing had to be undone.");
        }
        if !self.undone.is_empty() {
            write!(f, "Undone: {}.", self.undone.join(", "))?;
        }
        if !self.left.is_empty() {
            let space = if self.undone.is_empty() { "" } else { " " };
            write!(f, "{space}Not undone: {}.", self.left.join("; "))?;
        }
        Ok(())
    }
}

/// Takes back what this run did: its migrations newest first, then the tables it made that are still empty.
/// Indexes stay; they are harmless and the next deploy finds them done.
///
/// # Errors
/// Where the ledger cannot be read or written; a step that cannot be undone is no error but reported.
pub async fn roll_back(run: &Run, deadline: Deadline) -> Result<Undone, Interrupt> {
    let snapshot = run.lease.ledger().snapshot().await?;
    let mut report = Undone { undone: undone_by(&snapshot, &run.id), ..Undone::default() };
    let migrations = work_of(&snapshot, std::slice::from_ref(&run.id));
    undo_all(run, &migrations, deadline, &mut report).await?;
    let data_is_back = report.left.is_empty();
    for row in snapshot.tables.values().filter(|row| row.run == run.id && row.declaration.is_none())
    {
        if row.origin != Origin::Created {
            continue;
        }
        if !data_is_back {
            report.left.push(format!("table {}: a migration in it could not be undone", row.name));
            continue;
        }
        match take_back_table(&run.services, &run.lease, row, deadline).await {
            Ok(Fate::Gone) => report.undone.push(format!("table {}", row.name)),
            Ok(Fate::InUse) => {
                report.left.push(format!("table {}: it holds items already", row.name));
            }
            // It was never made; what bears its name is not ours to judge.
            Ok(Fate::NotOurs) => {}
            Err(Interrupt::LeaseLost(why)) => return Err(Interrupt::LeaseLost(why)),
            Err(interrupt) => {
                let progress = format!("table {}: {interrupt}", row.name);
                report.unfinished = Unfinished::of(interrupt, &progress);
                report.left.push(progress);
            }
        }
    }
    Ok(report)
}

/// Takes back what other runs have migrated, as a rollback of the stack asks for it: all of it, newest first, or, where one
/// migration has no way back here, none. What a run has paused is no failure, and the next deploy goes on with it.
///
/// # Errors
/// Where the ledger cannot be read or written.
pub(crate) async fn revert(
    run: &Run,
    runs: &[String],
    deadline: Deadline,
) -> Result<Undone, Interrupt> {
    let snapshot = run.lease.ledger().snapshot().await?;
    let mut report = Undone { undone: undone_by(&snapshot, &run.id), ..Undone::default() };
    let migrations = work_of(&snapshot, runs);
    let mut obstacles = Vec::new();
    for row in &migrations {
        if row.state == State::Paused && !is_detached(&row.run) {
            let id = &row.id;
            obstacles
                .push(format!("migration {id} is paused, and the next deploy goes on with it"));
        } else {
            obstacles.extend(obstacle(run, row).await?);
        }
    }
    if let Some(obstacle) = obstacles.first() {
        let ids: Vec<_> = migrations.iter().map(|row| row.id.as_str()).collect();
        report.left.push(format!("{} (all or none is taken back, and {obstacle})", ids.join(", ")));
        return Ok(report);
    }
    undo_all(run, &migrations, deadline, &mut report).await?;
    Ok(report)
}

/// Why this build cannot take a migration back, where it cannot.
///
/// # Errors
/// Where the ledger cannot be read.
pub(crate) async fn obstacle(run: &Run, row: &MigrationRow) -> Result<Option<String>, Interrupt> {
    let known = Known::of(run, row).await?;
    Ok(known.way_back().err().map(|why| format!("migration {} {why}", row.id)))
}

/// The migrations that these runs have applied or begun, the newest first.
fn work_of<'a>(snapshot: &'a Snapshot, runs: &[String]) -> Vec<&'a MigrationRow> {
    let is_touched = |row: &&MigrationRow| {
        runs.contains(&row.run) && (row.state.is_applied() || row.state.is_partial())
    };
    let mut rows: Vec<_> = snapshot.migrations.values().filter(is_touched).collect();
    rows.sort_by(|a, b| compare_ids(&b.id, &a.id));
    rows
}

/// What earlier slices of a run have taken back, newest first.
fn undone_by(snapshot: &Snapshot, run: &str) -> Vec<String> {
    let is_undone =
        |row: &&MigrationRow| row.undone_by.as_deref() == Some(run) && row.state == State::Undone;
    let mut rows: Vec<_> = snapshot.migrations.values().filter(is_undone).collect();
    rows.sort_by(|a, b| compare_ids(&b.id, &a.id));
    rows.into_iter().map(|row| format!("migration {}", row.id)).collect()
}

/// Undoes migrations in this order, until one of them cannot be.
async fn undo_all(
    run: &Run,
    migrations: &[&MigrationRow],
    deadline: Deadline,
    report: &mut Undone,
) -> Result<(), Interrupt> {
    for (position, row) in migrations.iter().enumerate() {
        match undo(run, row, deadline).await {
            Ok(note) => report.undone.push(format!("migration {}{note}", row.id)),
            Err(Interrupt::LeaseLost(why)) => return Err(Interrupt::LeaseLost(why)),
            Err(interrupt) => {
                let progress = format!("migration {}: {interrupt}", row.id);
                report.unfinished = Unfinished::of(interrupt, &progress);
                report.left.push(progress);
                let older = migrations[position + 1..].iter();
                report.left.extend(older.map(|row| {
                    format!("migration {}: it came before one that could not be undone", row.id)
                }));
                break;
            }
        }
    }
    Ok(())
}

/// Undoes one migration by its own way back; returns what there is to say about it. One that is cut off is
/// [`Interrupt::OutOfTime`], and goes on from there when it is called again.
pub(crate) async fn undo(
    run: &Run,
    row: &MigrationRow,
    deadline: Deadline,
) -> Result<String, Interrupt> {
    let known = Known::of(run, row).await?;
    let (spec, way_back) = known
        .way_back()
        .map_err(|why| Interrupt::Failed(format!("it is {} and {why}", row.state)))?;
    if deadline.passed() {
        return Err(Interrupt::OutOfTime("undoing it is not begun".to_owned()));
    }
    tracing::info!(migration = row.id, "undoing");
    let row = run.lease.record(row, Event::Undo, Detail::default()).await?;
    let cx = context(run, &spec, Direction::Down, deadline);
    let outcome = match way_back {
        WayBack::Function(function) => {
            call(function, cx, spec.idempotent).await.map(|()| (None, String::new()))
        }
        WayBack::Backfills(backfills) => undo_backfills(run, &spec, &cx, backfills, deadline)
            .await
            .map(|(counts, note)| (Some(counts), note)),
        WayBack::Copy(copy) => match cx.copying(&spec.id, copy).await {
            Ok(copying) => {
                copying.take_back(&spec).await.map(|counts| (Some(counts), String::new()))
            }
            Err(interrupt) => Err(interrupt),
        },
        WayBack::Journal => {
            let prefix = checkpoint_prefix(&spec.id);
            let dynamo = &run.services.dynamo;
            let restored = journal::restore(&run.lease, dynamo, &prefix, deadline).await;
            restored.map(|restored| {
                let (counts, named) = restored.told();
                (Some(counts), note_of(&counts, &named))
            })
        }
    };
    match outcome {
        Ok((counts, note)) => {
            let detail = Detail { counts, ..Detail::default() };
            run.lease.record(&row, Event::UndoSucceed, detail).await?;
            forget(run, &spec.id).await;
            run.lease.forget_failed(&checkpoint_prefix(&spec.id)).await?;
            tracing::info!(migration = row.id, "undone");
            Ok(note)
        }
        Err(interrupt @ (Interrupt::LeaseLost(_) | Interrupt::Shared(_))) => Err(interrupt),
        // Its row stays in the middle of it, and so do its checkpoints.
        Err(Interrupt::OutOfTime(progress)) => {
            Err(Interrupt::OutOfTime(format!("undoing it {progress}")))
        }
        Err(interrupt) => {
            let error = interrupt.to_string();
            let detail = Detail { error: Some(&error), ..Detail::default() };
            run.lease.record(&row, Event::UndoFail, detail).await?;
            Err(Interrupt::Failed(format!("undoing it failed: {error}")))
        }
    }
}

/// Takes backfills back, the last first, each from its journal or by its transform. Items of a journal that somebody
/// has changed since stay as they are, and are told of.
async fn undo_backfills(
    run: &Run,
    spec: &Spec,
    cx: &Context,
    backfills: &[Backfill],
    deadline: Deadline,
) -> Result<(Counts, String), Interrupt> {
    let (mut counts, mut named) = (Counts::default(), Vec::new());
    for (position, backfill) in backfills.iter().enumerate().rev() {
        let name = backfill_name(position);
        if backfill.guard != Some(Guard::Journal) {
            let job = cx.job(&name, backfill.clone(), Direction::Down, run.extent.clone());
            counts += backfill::run(job).await?;
            continue;
        }
        let prefix = format!("{}{name}#", checkpoint_prefix(&spec.id));
        let dynamo = &run.services.dynamo;
        let restored = journal::restore(&run.lease, dynamo, &prefix, deadline).await?;
        let (more, first) = restored.told();
        counts += more;
        named.extend(first);
    }
    Ok((counts, note_of(&counts, &named)))
}

/// What there is to say of items that could not be taken back.
fn note_of(counts: &Counts, named: &[String]) -> String {
    if counts.failed == 0 {
        return String::new();
    }
    let more = if counts.failed > named.len() as u64 { ", …" } else { "" };
    format!(
        " but for {} items that were changed since and stay as they are ({}{more})",
        counts.failed,
        named.join(", ")
    )
}

/// Deletes a table that the run of its row made, if it is still empty, and forgets it.
async fn take_back_table(
    services: &Services,
    lease: &Lease,
    row: &TableRow,
    deadline: Deadline,
) -> Result<Fate, Interrupt> {
    lease.confirm().await?;
    let fate = delete_if_empty(services, row, deadline).await?;
    if fate != Fate::InUse {
        lease.write(vec![gone(row)?]).await?;
    }
    Ok(fate)
}

/// Takes back the still empty tables of a scope in which no deploy has ever succeeded; returns their names.
///
/// # Errors
/// What DynamoDB refuses, and loss of the lease.
pub(crate) async fn take_back_uncommitted(
    services: &Services,
    lease: &Lease,
    deadline: Deadline,
) -> Result<Vec<String>, Interrupt> {
    let mut outcomes = Vec::new();
    for row in lease.ledger().snapshot().await?.tables.values() {
        if row.origin != Origin::Created {
            continue;
        }
        outcomes.push(match take_back_table(services, lease, row, deadline).await? {
            Fate::Gone => format!("table {} deleted, it was empty", row.name),
            Fate::InUse => format!("table {} stays, it holds items", row.name),
            Fate::NotOurs => format!("table {} stays, it is not ours", row.name),
        });
    }
    Ok(outcomes)
}

/// Takes back a table that a run made after it had lost its lease, unless its twin has found and recorded it.
pub(crate) async fn take_back_late_table(run: &Run, row: &TableRow, deadline: Deadline) {
    let name = &row.name;
    let snapshot = run.lease.ledger().snapshot().await.unwrap_or_default();
    if snapshot.tables.get(name).is_some_and(|known| known.table_id == row.table_id) {
        return;
    }
    match delete_if_empty(&run.services, row, deadline).await {
        Ok(Fate::Gone) => tracing::warn!(table = name, "made too late, taken back"),
        Ok(_) => tracing::error!(table = name, "made too late, and in use: it stays"),
        Err(error) => {
            tracing::error!(table = name, %error, "made too late, could not be taken back");
        }
    }
}

/// What became of a table that was to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is not there, or no longer.
    Gone,
    /// It holds items.
    InUse,
    /// Somebody else made it.
    NotOurs,
}

/// Deletes a table that says that the run of its row made it, if it is still empty. On an engine without tags, the row
/// has to do.
async fn delete_if_empty(
    services: &Services,
    row: &TableRow,
    deadline: Deadline,
) -> Result<Fate, Interrupt> {
    let (dynamo, name) = (&services.dynamo, &row.name);
    let Some(found) = patiently(|| dynamo.describe_table(name)).await? else {
        return Ok(Fate::Gone);
    };
    let is_ours = match observe::tags(dynamo, name, &found.arn).await? {
        Some(tags) => tags.get(CREATED_BY_TAG) == Some(&row.run),
        None => row.is_intent() || row.table_id == found.id,
    };
    if !is_ours {
        return Ok(Fate::NotOurs);
    }
    if !patiently(|| dynamo.is_empty(name)).await? {
        return Ok(Fate::InUse);
    }
    if found.table.settings.deletion_protection == Some(true) {
        patiently(|| dynamo.set_deletion_protection(name, false)).await?;
    }
    delete_and_wait(services, name, found.id.as_deref(), deadline).await?;
    Ok(Fate::Gone)
}
