//! Carries a plan out in slices: tables, then migrations, then the record that they are done. What is removed is left
//! to the cleanup, after the whole stack has succeeded.

mod background;
mod change;
mod cleanup;
mod commit;
mod delete;
mod migrations;
mod tables;
mod wait;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) use self::cleanup::clean_up;
pub(crate) use self::commit::gone;
pub(crate) use self::delete::{delete_and_wait, delete_resource};
pub(crate) use self::migrations::{
    backfill_name, call, context, forget, retry_failed_items, sweep,
};
use crate::backfill::Shares;
use crate::backfill::share::Extent;
use crate::deadline::Deadline;
use crate::desired::Desired;
use crate::dynamo::{Dynamo, patiently};
use crate::interrupt::Interrupt;
use crate::ledger::generations::Declaration;
use crate::ledger::rows::MetaRow;
use crate::ledger::{Lease, Ledger, Snapshot};
use crate::migrator::Migrator;
use crate::observe::{self, Observed};
use crate::plan::{self, Input, Mode, Plan};
use crate::services::Services;

/// How long after a table has settled all is planned anew; some of what goes on shows in no description of it.
const PLAN_AGAIN: Duration = Duration::from_secs(5);

/// One request's work, from its first slice to its last.
#[derive(Clone)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The generation that CloudFormation holds.
    pub generation: u64,
    /// The declaration as it came.
    pub declaration: Declaration,
    /// The one that it replaces.
    pub before: Option<Declaration>,
    /// The declaration as it was read.
    pub desired: Desired,
    /// The build's migrations.
    pub migrator: Arc<Migrator>,
    /// How far it may go.
    pub mode: Mode,
    /// What of the plan it carries out.
    pub part: Part,
    /// Whether its backfills may be left to workers.
    pub(crate) extent: Extent,
    /// The longest plan that is begun; any where there is none.
    pub longest: Option<Duration>,
    /// Where requests go.
    pub services: Services,
    /// The right to write.
    pub lease: Lease,
    /// What is done so far, for whoever has to answer when the work cannot.
    pub trail: Trail,
}

/// What of a plan a run carries out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    All,
    /// Tables; the migrations are left to another run.
    Tables,
    /// The migrations of these ids, which were left to it. The build may have others by now.
    Migrations(Vec<String>),
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
    /// Workers go on with a backfill; calling again, when they are through, goes on from there.
    Shared(Box<Shares>),
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
    /// Migrations that are left to another run, which begins with this one's answer.
    pub left: Vec<String>,
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
/// The lease is held; only one slice of a run is under way. `known` is the ledger as it is now, where the caller has just
/// read it.
pub async fn advance(run: &Run, known: Option<Snapshot>, budget: Deadline) -> Progress {
    match slice(run, known, budget).await {
        Ok(report) => Progress::Done(report),
        Err(Interrupt::OutOfTime(reason)) => Progress::Pending { reason },
        Err(Interrupt::Blocked { until_ms, reason }) => Progress::Blocked { until_ms, reason },
        Err(Interrupt::Shared(shares)) => Progress::Shared(shares),
        Err(Interrupt::Failed(reason)) => Progress::Failed { reason },
        Err(Interrupt::LeaseLost(reason)) => Progress::Superseded { reason },
    }
}

async fn slice(run: &Run, known: Option<Snapshot>, budget: Deadline) -> Result<Report, Interrupt> {
    let (observed, plan) = settled_plan(run, known, budget).await?;
    if let Part::Migrations(ids) = &run.part {
        let steps = background::left(run, ids, plan.migrations)?;
        let notices = migrations::run_all(run, &observed.ledger, &steps, budget).await?;
        return Ok(Report { notices, ..summary(&run.lease.ledger().snapshot().await?) });
    }
    let background = background::of(run, &observed, &plan)?;
    let plan = Plan { migrations: background.now, ..plan };
    if let Some(longest) = run.longest {
        let takes = plan.takes(&observed, &run.migrator.specs());
        if takes > longest {
            let minutes = takes.as_secs().div_ceil(60);
            let takes = format!("all there is to do takes about {minutes} min");
            return Err(Interrupt::OutOfTime(takes));
        }
    }
    let ledger = run.lease.ledger();
    let generation = answers_with(run, observed.ledger.meta.as_ref(), &plan);
    let mut notices: Vec<_> = plan.notices.iter().cloned().chain(plan.warned()).collect();
    commit::before_going_back(run, &observed.ledger).await?;
    notices.extend(tables::run_all(run, &observed.ledger, &plan.tables, budget).await?);
    notices.extend(migrations::run_all(run, &observed.ledger, &plan.migrations, budget).await?);
    let changed: Vec<_> = plan.tables.iter().map(|plan| plan.table.as_str()).collect();
    let after = if plan.is_empty() { observed.ledger.clone() } else { ledger.snapshot().await? };
    let mut report = report(run, &observed, &after, &changed, notices).await?;
    report.generation = generation;
    commit::commit(run, &after, &plan, generation, background.detached.as_ref()).await?;
    report.left = background.begins;
    report.notices.extend(background.notice);
    match run.mode {
        Mode::Deploy => report.notices.extend(plan.cleanup()),
        // There is no generation before this one whose cleanup could do it.
        Mode::First => {
            report.notices.extend(cleanup::remove(run, &after, &plan.removals, budget).await?);
        }
        Mode::Superset | Mode::Cleanup => {}
    }
    Ok(report)
}

/// Observes and plans. A table with which something is still going on is waited for, and then all is planned anew: what
/// a change in flight leads to shows at its end.
async fn settled_plan(
    run: &Run,
    mut known: Option<Snapshot>,
    budget: Deadline,
) -> Result<(Observed, Plan), Interrupt> {
    let specs = run.migrator.specs();
    let ledger = run.lease.ledger();
    loop {
        let snapshot = match known.take() {
            Some(snapshot) => snapshot,
            None => ledger.snapshot().await?,
        };
        let observed = observe::observe(&run.services, snapshot, &run.desired, &specs).await?;
        let input = Input {
            desired: &run.desired,
            specs: &specs,
            observed: &observed,
            place: ledger.place(),
            run: &run.id,
            mode: run.mode,
        };
        let plan = plan::plan(&input).map_err(|refused| Interrupt::Failed(refused.to_string()))?;
        for line in plan.lines() {
            tracing::info!("plan {line}");
        }
        let settling = plan.settling();
        if settling.is_empty() {
            return Ok((observed, plan));
        }
        tables::run_all(run, &observed.ledger, &settling, budget).await?;
        if !budget.sleep(PLAN_AGAIN).await {
            let names: Vec<_> = settling.iter().map(|plan| plan.table.as_str()).collect();
            let names = names.join(", ");
            return Err(Interrupt::OutOfTime(format!("something is still going on with {names}")));
        }
    }
}

/// The generation that this run answers with. Only what is left to a cleanup makes a new one: CloudFormation then
/// deletes the one before it when the whole stack has succeeded, and this one when it has not.
fn answers_with(run: &Run, meta: Option<&MetaRow>, plan: &Plan) -> u64 {
    if run.mode != Mode::Deploy {
        return run.generation;
    }
    let answered = meta.and_then(|meta| meta.answered_by(&run.id));
    let next = || meta.map_or(0, |meta| meta.highest.max(meta.live())).max(run.generation) + 1;
    let needed = || if plan.cleanup().is_empty() { run.generation } else { next() };
    answered.unwrap_or_else(needed)
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
        generation: snapshot.meta.as_ref().map_or(1, |meta| meta.live().max(1)),
        ledger_head: head.map(|row| row.id.clone()),
        applied: migrations.filter(|row| row.state.is_applied()).count(),
        ..Report::default()
    }
}
