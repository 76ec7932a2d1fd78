//! Carries out migrations, strictly one after another; each is on record before it begins and after it ends.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tracing::Instrument;

use super::Run;
use crate::backfill::{Counts, Direction, checkpoint_prefix};
use crate::deadline::Deadline;
use crate::interrupt::{Interrupt, panic_message};
use crate::ledger::rows::MigrationRow;
use crate::ledger::state::{Event, State};
use crate::ledger::{Detail, Snapshot};
use crate::migration::{Context, Migration, MigrationError, Spec, Work};
use crate::plan::MigrationStep;

/// Name of the backfill that is a migration by itself.
const WHOLE: &str = "all";
/// What a function may take beyond the slice to come to its own stop.
const GRACE: Duration = Duration::from_secs(1);

/// Runs the steps.
pub(super) async fn run_all(
    run: &Run,
    ledger: &Snapshot,
    steps: &[MigrationStep],
    deadline: Deadline,
) -> Result<(), Interrupt> {
    for step in steps {
        let (MigrationStep::Baseline { id } | MigrationStep::Apply { id, .. }) = step;
        let Some(migration) = run.migrator.get(id) else {
            return Err(Interrupt::Failed(format!(
                "migration {id} is not in this build; this is a bug"
            )));
        };
        let row = ledger.migrations.get(id).cloned();
        let row = row.unwrap_or_else(|| MigrationRow { id: id.clone(), ..MigrationRow::default() });
        tracing::info!("step {step}");
        let span = tracing::info_span!("migration", migration = %id);
        match step {
            MigrationStep::Baseline { .. } => {
                let spec = migration.spec();
                let detail = Detail { spec: Some(&spec), ..Detail::default() };
                run.lease.record(&row, Event::Baseline, detail).await?;
            }
            MigrationStep::Apply { out_of_order, .. } => {
                if deadline.passed() {
                    return Err(Interrupt::OutOfTime(format!("migration {id} is not begun")));
                }
                let row = MigrationRow { out_of_order: *out_of_order, ..row };
                apply(run, migration, row, deadline).instrument(span).await?;
            }
        }
        run.trail.done(step.to_string());
    }
    Ok(())
}

async fn apply(
    run: &Run,
    migration: &Migration,
    row: MigrationRow,
    deadline: Deadline,
) -> Result<(), Interrupt> {
    let spec = migration.spec();
    // What was half taken back has no place to go on from.
    let was_undone = matches!(row.state, State::Undoing | State::UndoFailed);
    let begins_anew = !row.state.is_partial() || was_undone || row.fingerprint != spec.fingerprint;
    if begins_anew && row.state != State::Pending {
        run.lease.forget_checkpoints(&checkpoint_prefix(&spec.id)).await?;
    }
    let detail = Detail { spec: Some(&spec), ..Detail::default() };
    let row = run.lease.record(&row, Event::Start, detail).await?;
    let cx = context(run, &spec, Direction::Up, deadline);
    let outcome = perform(&migration.work, cx, spec.idempotent).await;
    let id = &spec.id;
    match outcome {
        Ok(counts) => {
            let counts = counts.map(|counts| (counts.read, counts.changed));
            run.lease.record(&row, Event::Succeed, Detail { counts, ..Detail::default() }).await?;
            forget(run, id).await;
            Ok(())
        }
        Err(Interrupt::LeaseLost(why)) => Err(Interrupt::LeaseLost(why)),
        Err(Interrupt::OutOfTime(progress)) => {
            run.lease.record(&row, Event::Pause, Detail::default()).await?;
            Err(Interrupt::OutOfTime(format!("migration {id} {progress}")))
        }
        Err(Interrupt::Failed(error) | Interrupt::Blocked { reason: error, .. }) => {
            tracing::error!(error, "migration failed");
            let detail = Detail { error: Some(&error), ..Detail::default() };
            run.lease.record(&row, Event::Fail, detail).await?;
            Err(Interrupt::Failed(format!("migration {id} failed: {error}")))
        }
    }
}

/// Forgets where a finished migration had come. Failing to must not undo it.
pub(crate) async fn forget(run: &Run, id: &str) {
    if let Err(error) = run.lease.forget_checkpoints(&checkpoint_prefix(id)).await {
        tracing::warn!(migration = id, %error, "its checkpoints are left behind");
    }
}

pub(crate) fn context(run: &Run, spec: &Spec, direction: Direction, deadline: Deadline) -> Context {
    Context::new(spec.clone(), direction, run.services.dynamo.clone(), run.lease.clone(), deadline)
}

/// Does the work of a migration, forward or back. A panic of the author's code is a failure like any other.
pub(crate) async fn perform(
    work: &Work,
    cx: Context,
    idempotent: bool,
) -> Result<Option<Counts>, Interrupt> {
    let work = async {
        match work {
            Work::Backfill { table, transform } => {
                cx.run_backfill(WHOLE, table, transform).await.map(Some)
            }
            Work::Function(function) => {
                let limit = cx.remaining() + GRACE;
                match tokio::time::timeout(limit, function(cx.clone())).await {
                    Ok(outcome) => outcome.map(|()| None).map_err(MigrationError::into_interrupt),
                    Err(_) if idempotent => Err(Interrupt::OutOfTime(
                        "was cut off; it runs again from its start".to_owned(),
                    )),
                    Err(_) => Err(Interrupt::Failed(
                        "it did not end in the time of one invocation and was cut off; \
                         split it with cx.step or cx.backfill and declare it idempotent"
                            .to_owned(),
                    )),
                }
            }
        }
    };
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    outcome.unwrap_or_else(|panic| {
        Err(Interrupt::Failed(format!("it panicked: {}", panic_message(&*panic))))
    })
}
