//! Carries a plan out in slices: tables, then migrations, then the record that they are done, then removals.

mod change;
mod delete;
mod migrations;
mod tables;
mod wait;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use self::delete::{delete_and_wait, delete_resource};
pub(crate) use self::migrations::{context, forget, perform};
use crate::deadline::Deadline;
use crate::desired::Desired;
use crate::dynamo::{Dynamo, patiently};
use crate::interrupt::Interrupt;
use crate::ledger::rows::{MetaRow, TableRow, entry};
use crate::ledger::state::State;
use crate::ledger::{Lease, Ledger, RowWrite, Snapshot};
use crate::migrator::Migrator;
use crate::observe::{self, Observed};
use crate::plan::{self, Input, Mode, TablePlan};
use crate::schema::Table;
use crate::services::Services;

/// One request's work, from its first slice to its last.
#[derive(Clone)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// Hash of its declaration.
    pub declaration: String,
    /// The declaration.
    pub desired: Desired,
    /// The build's migrations.
    pub migrator: Arc<Migrator>,
    /// How far it may go.
    pub mode: Mode,
    /// Where requests go.
    pub services: Services,
    /// The right to write.
    pub lease: Lease,
    /// What is done so far, for whoever has to answer when the work cannot.
    pub trail: Trail,
}

/// What became of a slice.
#[derive(Debug)]
pub enum Progress {
    /// The plan is done.
    Done(Report),
    /// The slice is over; calling again goes on.
    Pending {
        /// How far it came.
        reason: String,
    },
    /// A quota is spent; calling again goes on when it allows.
    Blocked {
        /// When it allows, in milliseconds since the epoch.
        until_ms: u64,
        /// DynamoDB's words.
        reason: String,
    },
    /// It cannot go on.
    Failed {
        /// What failed, and what to do.
        reason: String,
    },
    /// Another run has taken over.
    Superseded {
        /// Which.
        reason: String,
    },
}

/// What a finished plan leaves.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Generation of the table set.
    pub generation: u64,
    /// Newest migration that is done.
    pub ledger_head: Option<String>,
    /// Migrations that are applied, by this run or an earlier one; those that were baselined do not count.
    pub applied: usize,
    /// Name, ARN and stream ARN of each declared table.
    pub tables: Vec<(String, String, Option<String>)>,
    /// What a person should know.
    pub notices: Vec<String>,
}

/// What is done so far, in words; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Trail(Arc<Mutex<Vec<String>>>);

impl Trail {
    pub(crate) fn done(&self, what: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() { f.write_str("nothing yet") } else { f.write_str(&lines.join("; ")) }
    }
}

/// Does one slice of a run: observes, plans, and carries the plan out as far as `budget` allows.
///
/// # Guarantees
/// Calling again after any outcome, or after a crash, goes on from there and reaches the same end. Nothing is written
/// where the plan is refused.
///
/// # Assumptions
/// The lease is held; only one slice of a run is under way.
pub async fn advance(run: &Run, budget: Deadline) -> Progress {
    match slice(run, budget).await {
        Ok(report) => Progress::Done(report),
        Err(Interrupt::OutOfTime(reason)) => Progress::Pending { reason },
        Err(Interrupt::Blocked { until_ms, reason }) => Progress::Blocked { until_ms, reason },
        Err(Interrupt::Failed(reason)) => Progress::Failed { reason },
        Err(Interrupt::LeaseLost(reason)) => Progress::Superseded { reason },
    }
}

async fn slice(run: &Run, budget: Deadline) -> Result<Report, Interrupt> {
    let specs = run.migrator.specs();
    let ledger = run.lease.ledger();
    let observed = observe::observe(&run.services, ledger, &run.desired, &specs).await?;
    let plan = plan::plan(&Input {
        desired: &run.desired,
        specs: &specs,
        observed: &observed,
        scope: ledger.scope(),
        run: &run.id,
        mode: run.mode,
    })
    .map_err(|refused| Interrupt::Failed(refused.to_string()))?;
    for line in plan.lines() {
        tracing::info!("plan {line}");
    }
    let mut notices = plan.notices.clone();
    notices.extend(tables::run_all(run, &observed.ledger, &plan.tables, budget).await?);
    migrations::run_all(run, &observed.ledger, &plan.migrations, budget).await?;
    let changed: Vec<_> = plan.tables.iter().map(|plan| plan.table.as_str()).collect();
    let after = if plan.is_empty() { observed.ledger.clone() } else { ledger.snapshot().await? };
    let mut report = report(run, &observed, &after, &changed, notices).await?;
    commit(run, &after, &plan.removals).await?;
    if !plan.removals.is_empty() {
        match remove(run, &observed.ledger, &plan.removals, budget).await? {
            Removed::All(notices) => {
                report.notices.extend(notices);
                // Nothing may fail a deploy whose removals are done: they cannot be taken back.
                if let Err(interrupt) = settle_removals(run).await {
                    tracing::warn!(%interrupt, "the removals are not on record");
                }
            }
            Removed::Some(notice) => report.notices.push(notice),
        }
    }
    Ok(report)
}

/// Records that nothing is left to be turned off.
async fn settle_removals(run: &Run) -> Result<(), Interrupt> {
    let snapshot = run.lease.ledger().snapshot().await?;
    commit(run, &snapshot, &[]).await
}

/// What became of removals.
enum Removed {
    /// All is gone; this is what a person should know.
    All(Vec<String>),
    /// Something is left, for this reason.
    Some(String),
}

/// Removes what the declaration left out. It comes after everything that can fail, for it cannot be taken back; what
/// cannot be removed now is removed by the next deploy.
async fn remove(
    run: &Run,
    ledger: &Snapshot,
    removals: &[TablePlan],
    budget: Deadline,
) -> Result<Removed, Interrupt> {
    match tables::run_all(run, ledger, removals, budget).await {
        Err(Interrupt::LeaseLost(why)) => Err(Interrupt::LeaseLost(why)),
        Err(interrupt) => {
            tracing::warn!(%interrupt, "not everything was removed");
            Ok(Removed::Some(format!(
                "not everything was removed, the next deploy tries again: {interrupt}"
            )))
        }
        Ok(notices) => Ok(Removed::All(notices)),
    }
}

async fn report(
    run: &Run,
    observed: &Observed,
    after: &Snapshot,
    changed: &[&str],
    notices: Vec<String>,
) -> Result<Report, Interrupt> {
    let mut tables = Vec::new();
    for declared in &run.desired.tables {
        let name = &declared.table.name;
        let description = if changed.contains(&name.as_str()) {
            patiently(|| run.services.dynamo.describe_table(name)).await?
        } else {
            observed.tables.get(name).map(|live| live.description.clone())
        };
        let Some(description) = description else { continue };
        tables.push((name.clone(), description.arn, description.stream_arn));
    }
    Ok(Report { tables, notices, ..summary(after) })
}

/// What there is, as far as it can be told: for an answer that has to be given whatever happened.
pub(crate) async fn outputs(dynamo: &Dynamo, ledger: &Ledger) -> Report {
    let snapshot = ledger.snapshot().await.unwrap_or_default();
    let mut report = summary(&snapshot);
    for row in snapshot.tables.values().filter(|row| row.declared) {
        let described = dynamo.describe_table(&row.name).await.ok().flatten();
        let arn = row.arn.clone().unwrap_or_default();
        report.tables.push(match described {
            Some(described) => (row.name.clone(), described.arn, described.stream_arn),
            None => (row.name.clone(), arn, None),
        });
    }
    report
}

/// What the ledger alone tells.
fn summary(snapshot: &Snapshot) -> Report {
    let migrations = snapshot.migrations.values();
    let done = migrations.clone().filter(|row| row.state.is_done());
    let head = done.max_by(|a, b| crate::migrator::compare_ids(&a.id, &b.id));
    Report {
        generation: snapshot.meta.as_ref().map_or(1, |meta| meta.generation.max(1)),
        ledger_head: head.map(|row| row.id.clone()),
        applied: migrations.filter(|row| row.state == State::Applied).count(),
        ..Report::default()
    }
}

/// The indexes of a table that may be removed when a declaration leaves them out.
fn indexes_here(row: &TableRow, declared: &Table) -> BTreeSet<String> {
    row.indexes.iter().chain(declared.global_indexes.keys()).cloned().collect()
}

/// Records the declaration as the one that holds now: its hash, and each table's part of it. What is still to be turned
/// off by `removals` stays in that part, or the next deploy would not know of it.
async fn commit(run: &Run, after: &Snapshot, removals: &[TablePlan]) -> Result<(), Interrupt> {
    let mut writes = Vec::new();
    // A rollback leaves the superset in place, so the last declaration of a table stays what it was.
    if run.mode == Mode::Deploy {
        for declared in &run.desired.tables {
            let Some(row) = after.tables.get(&declared.table.name) else { continue };
            let mut table = declared.table.clone();
            if let Some(last) = row.last_declaration()
                && removals.iter().any(|plan| plan.table == table.name)
            {
                table = plan::unfinished(&table, &last);
            }
            let declaration = serde_json::to_string(&table)
                .map_err(|error| Interrupt::Failed(format!("ledger: {error}; this is a bug")))?;
            let next = TableRow {
                removal: declared.removal,
                declared: true,
                declaration: Some(declaration),
                indexes: indexes_here(row, &declared.table),
                ..row.clone()
            };
            if next != *row {
                writes.push(RowWrite::set(entry::table(&row.name), &next)?);
            }
        }
    }
    let meta = after.meta.clone().unwrap_or_default();
    let committed = Some(run.declaration.clone());
    let next = MetaRow {
        previous: match run.mode {
            Mode::Deploy if meta.committed == committed => meta.previous.clone(),
            Mode::Deploy => meta.committed.clone(),
            // From a declaration that was gone back to, the way leads on and not back again.
            Mode::Superset => None,
        },
        committed,
        attempting: None,
        ..meta.clone()
    };
    if next != meta {
        writes.push(RowWrite::set(entry::META.to_owned(), &next)?);
    }
    let mut writes = writes.into_iter().peekable();
    while writes.peek().is_some() {
        run.lease.write(writes.by_ref().take(crate::ledger::ROWS_PER_WRITE).collect()).await?;
    }
    Ok(())
}
