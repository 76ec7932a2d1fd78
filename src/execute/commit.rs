//! Records a declaration as the one that holds: its hash, its generation, and each table's part of it.

use std::collections::BTreeSet;

use super::Run;
use crate::clock;
use crate::desired::DeclaredTable;
use crate::interrupt::Interrupt;
use crate::ledger::rows::{Answered, Detached, MetaRow, TableRow, entry};
use crate::ledger::{RowWrite, Snapshot};
use crate::plan::{self, Fate, Leaving, Mode, Plan, TablePlan};
use crate::schema::Table;

/// Records that the plan is done, that the run answers with `generation`, and what goes on after that. The scope's own row
/// comes last: a doom counts from then on.
pub(super) async fn commit(
    run: &Run,
    after: &Snapshot,
    plan: &Plan,
    generation: u64,
    detached: Option<&Detached>,
) -> Result<(), Interrupt> {
    let mut writes = declared_rows(run, after, &plan.removals)?;
    for leaving in &plan.leaving {
        let Some(row) = after.tables.get(&leaving.table) else { continue };
        writes.push(leaving_row(row, leaving, generation)?);
    }
    let meta = after.meta.clone().unwrap_or_default();
    writes.extend(generation_rows(run, &meta, generation)?);
    let committed = Some(run.declaration.hash.clone());
    let mut next = MetaRow {
        previous: match run.mode {
            Mode::First | Mode::Deploy if meta.committed == committed => meta.previous.clone(),
            Mode::First | Mode::Deploy => meta.committed.clone(),
            // From a declaration that was gone back to, the way leads on and not back again.
            Mode::Superset | Mode::Cleanup => None,
        },
        committed_by: match run.mode {
            Mode::First | Mode::Deploy if meta.committed == committed => meta.committed_by.clone(),
            Mode::First | Mode::Deploy => Some(run.id.clone()),
            Mode::Superset | Mode::Cleanup => None,
        },
        committed,
        attempting: None,
        detached: detached.cloned(),
        highest: meta.highest.max(generation),
        ..meta.clone()
    };
    if generation > run.generation {
        next.answered = Some(Answered { generation, run: run.id.clone() });
    }
    if next != meta {
        writes.push(RowWrite::set(entry::META.to_owned(), &next)?);
    }
    run.lease.write_all(writes).await
}

/// Records what a way back brings back, before it does: a way back that stops in the middle would leave it on tables of which
/// nobody knows that it is ours.
pub(super) async fn before_going_back(run: &Run, ledger: &Snapshot) -> Result<(), Interrupt> {
    if run.mode != Mode::Superset {
        return Ok(());
    }
    run.lease.write_all(declared_rows(run, ledger, &[])?).await
}

/// Records that nothing is left to be turned off in these tables.
pub(super) async fn settle(
    run: &Run,
    after: &Snapshot,
    removed: &[TablePlan],
) -> Result<(), Interrupt> {
    let is_removed =
        |declared: &&DeclaredTable| removed.iter().any(|plan| plan.table == declared.table.name);
    let mut writes = Vec::new();
    for declared in run.desired.tables.iter().filter(is_removed) {
        let Some(row) = after.tables.get(&declared.table.name) else { continue };
        writes.extend(deployed_row(declared, row, false)?);
    }
    run.lease.write_all(writes).await
}

fn declared_rows(
    run: &Run,
    after: &Snapshot,
    removals: &[TablePlan],
) -> Result<Vec<RowWrite>, Interrupt> {
    let mut writes = Vec::new();
    for declared in &run.desired.tables {
        let Some(row) = after.tables.get(&declared.table.name) else { continue };
        let is_pending = removals.iter().any(|plan| plan.table == row.name);
        writes.extend(match run.mode {
            Mode::First | Mode::Deploy => deployed_row(declared, row, is_pending)?,
            Mode::Superset | Mode::Cleanup => kept_row(declared, row)?,
        });
    }
    Ok(writes)
}

/// The row of a declared table. What is still to be turned off stays in its declaration, or the next deploy would not
/// know of it.
fn deployed_row(
    declared: &DeclaredTable,
    row: &TableRow,
    is_pending: bool,
) -> Result<Option<RowWrite>, Interrupt> {
    let mut table = declared.table.clone();
    if let Some(last) = row.last_declaration().filter(|_| is_pending) {
        table = plan::unfinished(&table, &last);
    }
    let next = TableRow {
        removal: declared.removal,
        declared: true,
        declaration: Some(stored(&table)?),
        indexes: indexes_here(row, &declared.table),
        doomed: None,
        failure: None,
        ..row.clone()
    };
    changed(row, &next)
}

/// The row of a table that a rollback leaves as it is: the superset stays in place, so its last declaration stays what
/// it was, but for the tags that are back. Whether it is declared, and what becomes of it, is what the declaration says that holds again.
fn kept_row(declared: &DeclaredTable, row: &TableRow) -> Result<Option<RowWrite>, Interrupt> {
    if row.deleted_at.is_some() {
        return Ok(None);
    }
    let last = row.last_declaration().map(|last| plan::gone_back(&last, &declared.table));
    let next = TableRow {
        removal: declared.removal,
        declared: true,
        declaration: last.as_ref().map(stored).transpose()?.or(row.declaration.clone()),
        doomed: None,
        failure: None,
        ..row.clone()
    };
    changed(row, &next)
}

fn stored(table: &Table) -> Result<String, Interrupt> {
    serde_json::to_string(table)
        .map_err(|error| Interrupt::Failed(format!("ledger: {error}; this is a bug")))
}

fn leaving_row(row: &TableRow, leaving: &Leaving, generation: u64) -> Result<RowWrite, Interrupt> {
    let doomed = match &leaving.fate {
        Fate::Gone => return gone(row),
        Fate::Stays(_) => None,
        Fate::Doomed { .. } => row.doomed.filter(|_| row.is_doomed()).or(Some(generation)),
    };
    RowWrite::set(entry::table(&row.name), &TableRow { declared: false, doomed, ..row.clone() })
}

/// What is written of a table that is gone.
pub(crate) fn gone(row: &TableRow) -> Result<RowWrite, Interrupt> {
    let entry = entry::table(&row.name);
    match row.of_a_gone_table(clock::now()) {
        Some(record) => RowWrite::set(entry, &record),
        None => Ok(RowWrite::Delete(entry)),
    }
}

fn changed(row: &TableRow, next: &TableRow) -> Result<Option<RowWrite>, Interrupt> {
    let write = || RowWrite::set(entry::table(&row.name), next);
    (next != row).then(write).transpose()
}

/// The indexes of a table that may be removed when a declaration leaves them out.
fn indexes_here(row: &TableRow, declared: &Table) -> BTreeSet<String> {
    row.indexes.iter().chain(declared.global_indexes.keys()).cloned().collect()
}

/// What a cleanup and the way back need to know, as long as it is open which of them comes: the properties of the new
/// generation and of the one before it.
fn generation_rows(run: &Run, meta: &MetaRow, generation: u64) -> Result<Vec<RowWrite>, Interrupt> {
    let is_open = meta.answered.is_some();
    let is_new = generation > meta.live();
    let mut rows = Vec::new();
    if run.mode == Mode::Deploy && (is_new || is_open) {
        rows.extend(run.declaration.rows(generation)?);
    }
    if let Some(before) = run.before.as_ref().filter(|_| is_new && !is_open) {
        rows.extend(before.rows(run.generation)?);
    }
    Ok(rows)
}
