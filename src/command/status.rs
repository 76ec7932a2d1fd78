//! `status`: where a scope stands, what goes on, and what needs a person, with the exact commands.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{CommandError, Hands};
use crate::clock;
use crate::ledger::rows::{Detached, Hold, MigrationRow, ProgressRow, RunRow, RunState, TableRow};
use crate::ledger::state::State;
use crate::ledger::{Held, Ledger, Reached, Segments, Snapshot};
use crate::migration::Spec;
use crate::migrator::compare_ids;
use crate::plan::{self, Concern};

/// Runs that are told of.
const RUNS: usize = 5;

/// Where a scope stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// ARN of its stack.
    pub stack_id: String,
    /// The build that tells this.
    pub build: &'static str,
    /// The generation that holds.
    pub generation: u64,
    /// Whether the stack has not yet succeeded with that generation.
    pub unconfirmed: bool,
    /// Hash of the declaration that last succeeded.
    pub committed: Option<String>,
    /// The run with which it did.
    pub committed_by: Option<String>,
    /// Hash of a declaration that was begun and has not succeeded.
    pub attempting: Option<String>,
    /// The last run that began one.
    pub attempted_by: Option<String>,
    /// Who holds the lease.
    pub lease: Option<LeaseStatus>,
    /// Who has deploys wait.
    pub hold: Option<Hold>,
    /// What goes on though its request is answered.
    pub detached: Option<Detached>,
    /// The migrations that are on record or in this build, in their order.
    pub migrations: Vec<MigrationStatus>,
    /// Tables that are to be deleted, or that a cleanup had trouble with.
    pub tables: Vec<TableStatus>,
    /// The last runs, the newest first.
    pub runs: Vec<RunStatus>,
    /// What else a person should know.
    pub notices: Vec<String>,
}

/// Who holds the lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaseStatus {
    /// The run, or the command.
    pub run: String,
    /// The number that it writes with.
    pub fence: u64,
    /// When it expires unless it is renewed; `null` between two slices of a run.
    pub until: Option<String>,
}

impl From<Held> for LeaseStatus {
    fn from(held: Held) -> Self {
        Self { until: held.until(), run: held.run, fence: held.fence }
    }
}

/// Where a migration stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigrationStatus {
    /// Its row.
    #[serde(flatten)]
    pub row: MigrationRow,
    /// Whether this build has it.
    pub in_build: bool,
    /// How far it has come by its own record, where only part of it may be in place.
    pub reached: Option<Reached>,
    /// How far its backfills are, where only part of it may be in place.
    pub backfills: Vec<ProgressRow>,
    /// How far each of several workers has come with its part of them.
    pub workers: Vec<ProgressRow>,
    /// How far their segments are.
    pub segments: Vec<Segments>,
    /// Items that could not be handled.
    pub failed_items: usize,
    /// What a person has to decide, whatever the next declaration allows.
    pub needs: Option<Concern>,
}

/// A table that is to be deleted, or that a cleanup had trouble with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableStatus {
    /// Its name.
    pub name: String,
    /// The generation that left it out.
    pub doomed: Option<u64>,
    /// Why it could not be deleted, at the last try.
    pub failure: Option<String>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunStatus {
    /// Its id.
    pub run: String,
    /// `Create`, `Update` or `Delete`.
    pub kind: String,
    /// Build that ran it.
    pub build: String,
    /// How far it has come.
    pub state: RunState,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Reason that was answered.
    pub reason: Option<String>,
}

pub(super) async fn of(
    hands: &Hands,
    ledger: &Ledger,
    snapshot: &Snapshot,
) -> Result<Status, CommandError> {
    let meta = snapshot.meta.clone().unwrap_or_default();
    let (specs, notices) = match &hands.migrator {
        Ok(migrator) => (Some(migrator.specs()), Vec::new()),
        Err(error) => (None, vec![format!("the function's migrations are refused: {error}")]),
    };
    let mut migrations = Vec::new();
    for row in rows(snapshot, specs.as_deref().unwrap_or_default()) {
        migrations.push(migration(ledger, snapshot, specs.as_deref(), row).await?);
    }
    Ok(Status {
        build: crate::BUILD,
        generation: meta.live(),
        unconfirmed: meta.answered.is_some(),
        stack_id: meta.stack_id,
        committed: meta.committed,
        committed_by: meta.committed_by,
        attempting: meta.attempting,
        attempted_by: meta.attempted_by,
        hold: meta.hold,
        detached: meta.detached,
        lease: ledger.holder().await?.map(LeaseStatus::from),
        migrations,
        tables: snapshot.tables.values().filter_map(table).collect(),
        runs: last_runs(ledger.runs().await?),
        notices,
    })
}

/// The migrations that are on record, and those that only the build has.
fn rows(snapshot: &Snapshot, specs: &[Spec]) -> Vec<MigrationRow> {
    let pending = |spec: &Spec| {
        let (id, description) = (spec.id.clone(), spec.description.clone());
        let row =
            MigrationRow { id, description, language: spec.language, ..MigrationRow::default() };
        (row.id.clone(), row)
    };
    let mut rows: BTreeMap<_, _> = specs.iter().map(pending).collect();
    rows.extend(snapshot.migrations.clone());
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by(|a, b| compare_ids(&a.id, &b.id));
    rows
}

async fn migration(
    ledger: &Ledger,
    snapshot: &Snapshot,
    specs: Option<&[Spec]>,
    row: MigrationRow,
) -> Result<MigrationStatus, CommandError> {
    let has_failed = row.state.is_partial() || row.state == State::AppliedWithErrors;
    let failed_items = if has_failed { ledger.failed_items(&row.id).await? } else { 0 };
    let (backfills, workers, segments) = if row.state.is_partial() {
        let id = &row.id;
        futures::try_join!(ledger.progress(id), ledger.workers(id), ledger.segments(id))?
    } else {
        (Vec::new(), Vec::new(), Vec::new())
    };
    Ok(MigrationStatus {
        in_build: specs.is_some_and(|specs| specs.iter().any(|spec| spec.id == row.id)),
        reached: snapshot.reached.get(&row.id).cloned(),
        needs: specs.and_then(|specs| plan::concern(ledger.place(), specs, snapshot, &row)),
        backfills,
        workers,
        segments,
        failed_items,
        row,
    })
}

fn table(row: &TableRow) -> Option<TableStatus> {
    let doomed = row.doomed.filter(|_| row.is_doomed());
    (doomed.is_some() || row.failure.is_some()).then(|| TableStatus {
        name: row.name.clone(),
        doomed,
        failure: row.failure.clone(),
    })
}

fn last_runs(mut runs: Vec<(String, RunRow)>) -> Vec<RunStatus> {
    runs.sort_by_key(|(_, row)| std::cmp::Reverse(clock::parse_ms(&row.started_at)));
    runs.truncate(RUNS);
    let status = |(run, row): (String, RunRow)| RunStatus {
        run,
        kind: row.kind,
        build: row.build,
        state: row.state,
        started_at: row.started_at,
        finished_at: row.finished_at,
        reason: row.reason,
    };
    runs.into_iter().map(status).collect()
}
