//! Carries out the plans of tables side by side; makes tables, takes them over and lets them go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt, stream};
use serde::Serialize;
use tracing::Instrument;

use super::Run;
use super::change::change;
use super::wait::{Rest, Wait};
use crate::deadline::Deadline;
use crate::desired::RemovalPolicy;
use crate::dynamo::{Class, Status, patiently};
use crate::interrupt::Interrupt;
use crate::ledger::rows::{Origin, TableRow, entry};
use crate::ledger::{RowWrite, Snapshot};
use crate::observe::{self, CREATED_BY_TAG, OWNER_TAG};
use crate::plan::{CONCURRENT_TABLES, Facts, TablePlan, TableStep};
use crate::rollback;
use crate::schema::Table;

/// Runs the plans of tables side by side; returns what a person should know.
///
/// All have stopped when this returns.
pub(super) async fn run_all(
    run: &Run,
    ledger: &Snapshot,
    plans: &[TablePlan],
    deadline: Deadline,
) -> Result<Vec<String>, Interrupt> {
    let halt = AtomicBool::new(false);
    let work = plans.iter().map(|plan| {
        let span = tracing::info_span!("table", table = plan.table);
        run_until(run, ledger, plan, &halt, deadline).instrument(span)
    });
    let work: Vec<_> = work.collect();
    let outcomes: Vec<_> = stream::iter(work).buffer_unordered(CONCURRENT_TABLES).collect().await;
    let (mut notices, mut interrupts) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(said) => notices.extend(said),
            Err(interrupt) => interrupts.push(interrupt),
        }
    }
    // One table's lack of time must not hide another's failure.
    match interrupts.into_iter().max_by_key(Interrupt::weight) {
        Some(interrupt) => Err(interrupt),
        None => Ok(notices),
    }
}

/// Runs the plan of one table; a failure stops the others at their next step. A spent quota or lack of time does not:
/// what others get done now need not be done by the next deploy.
async fn run_until(
    run: &Run,
    ledger: &Snapshot,
    plan: &TablePlan,
    halt: &AtomicBool,
    deadline: Deadline,
) -> Result<Vec<String>, Interrupt> {
    let outcome = run_one(run, ledger, plan, halt, deadline).await;
    if let Err(Interrupt::Failed(_) | Interrupt::LeaseLost(_)) = outcome {
        halt.store(true, Ordering::Relaxed);
    }
    outcome
}

async fn run_one(
    run: &Run,
    ledger: &Snapshot,
    plan: &TablePlan,
    halt: &AtomicBool,
    deadline: Deadline,
) -> Result<Vec<String>, Interrupt> {
    let mut notices = Vec::new();
    let mut made = BTreeSet::new();
    for step in &plan.steps {
        if halt.load(Ordering::Relaxed) {
            break;
        }
        run.lease.check()?;
        let line = step.line(&plan.table);
        tracing::info!("step {line}");
        match step {
            TableStep::Create(table) => {
                create(run, ledger, table, step.facts(), deadline).await?;
            }
            TableStep::Adopt => adopt(run, ledger, &plan.table).await?,
            step => {
                if let TableStep::CreateIndex { index, .. } = step {
                    note_index(run, &mut made, ledger, &plan.table, &index.name).await?;
                }
                notices.extend(change(run, &plan.table, step, deadline).await?);
            }
        }
        run.trail.done(line);
    }
    Ok(notices)
}

/// Creates a table. The intent is on record before the call, and the run's id on the table itself, so that a create
/// whose response was lost, or whose process died, is recognised as ours.
async fn create(
    run: &Run,
    ledger: &Snapshot,
    table: &Table,
    facts: Facts,
    deadline: Deadline,
) -> Result<(), Interrupt> {
    let name = &table.name;
    let mut row = match ledger.tables.get(name).filter(|row| row.is_intent()) {
        Some(intent) => intent.clone(),
        None => TableRow {
            name: name.clone(),
            origin: Origin::Created,
            run: run.id.clone(),
            removal: removal(run, name),
            declared: true,
            ..TableRow::after(ledger.tables.get(name))
        },
    };
    write_row(run, &row).await?;
    let mut tags = table.settings.tags.clone().unwrap_or_default();
    tags.extend(own_tags(run));
    tags.insert(CREATED_BY_TAG.to_owned(), row.run.clone());
    let mut wait = Wait::new(name, facts.takes, facts.limit, deadline);
    let mut rest = Rest::default();
    let mut sent = false;
    let description = loop {
        let found = patiently(|| run.services.dynamo.describe_table(name)).await?;
        match found {
            Some(found) if found.status == Status::Deleting => wait.on("it is DELETING").await?,
            Some(found) if !found.unsettled.is_empty() => {
                rest.disturb();
                wait.on(&found.unsettled.join(", ")).await?;
            }
            Some(found) if sent && rest.confirm() => break found,
            Some(_) if sent => wait.before_second_look().await?,
            Some(found) => {
                let tags = observe::tags(&run.services.dynamo, name, &found.arn).await?;
                // Without tags nothing contradicts the intent that is on record.
                if tags.is_some_and(|tags| tags.get(CREATED_BY_TAG) != Some(&row.run)) {
                    return Err(Interrupt::Failed(format!(
                        "table {name} was made by somebody else while this deploy was running"
                    )));
                }
                sent = true;
            }
            None if sent => wait.on("it is not visible yet").await?,
            None => {
                run.lease.confirm().await?;
                match run.services.dynamo.create_table(table, &tags).await {
                    Ok(()) => sent = true,
                    // Somebody's table, or our own whose response was lost: the next look tells.
                    Err(error) if error.class == Class::Exists => wait.on(&error.message).await?,
                    Err(error) if error.is_transient() => wait.on(&error.message).await?,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    };
    row.table_id = description.id;
    row.arn = Some(description.arn);
    let recorded = write_row(run, &row).await;
    if let Err(Interrupt::LeaseLost(_)) = recorded {
        rollback::take_back_late_table(run, &row, deadline).await;
    }
    recorded
}

fn removal(run: &Run, name: &str) -> RemovalPolicy {
    let declared = run.desired.tables.iter().find(|declared| declared.table.name == *name);
    declared.map(|declared| declared.removal).unwrap_or_default()
}

async fn adopt(run: &Run, ledger: &Snapshot, name: &str) -> Result<(), Interrupt> {
    let Some(found) = patiently(|| run.services.dynamo.describe_table(name)).await? else {
        return Err(Interrupt::Failed(format!("table {name} vanished while it was taken over")));
    };
    let row = TableRow {
        name: name.to_owned(),
        origin: Origin::Adopted,
        table_id: found.id,
        arn: Some(found.arn.clone()),
        run: run.id.clone(),
        declared: true,
        ..TableRow::after(ledger.tables.get(name))
    };
    write_row(run, &row).await?;
    let tags = own_tags(run);
    match patiently(|| run.services.dynamo.tag(name, &found.arn, &tags)).await {
        // Then the ledger row alone names the owner.
        Err(error) if error.class == Class::Unsupported => Ok(()),
        result => Ok(result?),
    }
}

/// Records that an index is about to be made here: only those are ever removed.
async fn note_index(
    run: &Run,
    made: &mut BTreeSet<String>,
    ledger: &Snapshot,
    table: &str,
    index: &str,
) -> Result<(), Interrupt> {
    made.insert(index.to_owned());
    let before = ledger.tables.get(table).map(|row| &row.indexes);
    let indexes = before.into_iter().flatten().chain(made.iter()).cloned().collect();
    let row = IndexNote { indexes };
    run.lease.write(vec![RowWrite::set(entry::table(table), &row)?]).await
}

/// What the row of a table gets with an index; the rest of it stays.
#[derive(Serialize)]
struct IndexNote {
    indexes: BTreeSet<String>,
}

fn own_tags(run: &Run) -> BTreeMap<String, String> {
    BTreeMap::from([(OWNER_TAG.to_owned(), run.lease.ledger().scope().to_owned())])
}

async fn write_row(run: &Run, row: &TableRow) -> Result<(), Interrupt> {
    run.lease.write(vec![RowWrite::set(entry::table(&row.name), row)?]).await
}
