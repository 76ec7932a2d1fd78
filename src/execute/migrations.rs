//! Carries out migrations, strictly one after another; each is on record before it begins and after it ends.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tracing::Instrument;

use super::Run;
use crate::backfill::share::Extent;
use crate::backfill::{self, Counts, Direction, again, checkpoint_prefix};
use crate::deadline::Deadline;
use crate::interrupt::{Interrupt, panic_message};
use crate::ledger::rows::MigrationRow;
use crate::ledger::state::{Event, State};
use crate::ledger::{Detail, Lease, Snapshot};
use crate::migration::{Action, Backfill, Context, Migration, MigrationError, Spec, Work};
use crate::plan::MigrationStep;

/// What a function may take beyond the slice to come to its own stop.
const GRACE: Duration = Duration::from_secs(1);

/// Runs the steps; returns what a person should know of them.
pub(super) async fn run_all(
    run: &Run,
    ledger: &Snapshot,
    steps: &[MigrationStep],
    deadline: Deadline,
) -> Result<Vec<String>, Interrupt> {
    let mut notices = Vec::new();
    for step in steps {
        let id = step.id();
        let Some(migration) = run.migrator.get(id) else {
            return Err(Interrupt::Failed(format!(
                "migration {id} is not in this build; this is a bug"
            )));
        };
        let row = ledger.migrations.get(id).cloned();
        let row =
            row.unwrap_or_else(|| MigrationRow { id: id.to_owned(), ..MigrationRow::default() });
        tracing::info!("step {step}");
        let span = tracing::info_span!("migration", migration = %id);
        match step {
            MigrationStep::Baseline { .. } => {
                let detail = Detail { migration: Some(migration), ..Detail::default() };
                run.lease.record(&row, Event::Baseline, detail).await?;
            }
            MigrationStep::RetryFailed { .. } => {
                notices
                    .extend(retry_failed(run, migration, &row, deadline).instrument(span).await?);
            }
            MigrationStep::CatchUp { .. } => {
                notices.extend(catch_up(run, migration, deadline).instrument(span).await?);
            }
            MigrationStep::Apply { out_of_order, .. } => {
                if deadline.passed() {
                    // What workers have left in the middle waits for the next deploy, as whatever time has run out for.
                    if row.state == State::Started {
                        run.lease.record(&row, Event::Pause, Detail::default()).await?;
                    }
                    return Err(Interrupt::OutOfTime(format!("migration {id} is not begun")));
                }
                let row = MigrationRow { out_of_order: *out_of_order, ..row };
                notices.extend(apply(run, migration, row, deadline).instrument(span).await?);
            }
        }
        run.trail.done(step.to_string());
    }
    Ok(notices)
}

async fn apply(
    run: &Run,
    migration: &Migration,
    row: MigrationRow,
    deadline: Deadline,
) -> Result<Option<String>, Interrupt> {
    let spec = migration.spec();
    // What was half taken back has no place to go on from.
    let was_undone = matches!(row.state, State::Undoing | State::UndoFailed);
    let begins_anew = !row.state.is_partial() || was_undone || row.fingerprint != spec.fingerprint;
    if begins_anew && row.state != State::Pending {
        run.lease.forget_positions(&checkpoint_prefix(&spec.id)).await?;
        // A process that died over the end of an undoing has left them.
        run.lease.forget_failed(&checkpoint_prefix(&spec.id)).await?;
    }
    let row = if goes_on(run, &row) {
        row
    } else {
        let detail = Detail { migration: Some(migration), ..Detail::default() };
        run.lease.record(&row, Event::Start, detail).await?
    };
    let cx = context(run, &spec, Direction::Up, deadline);
    let outcome = perform(run, &migration.work, cx, &spec).await;
    let id = &spec.id;
    match outcome {
        Ok((counts, notice)) => {
            let failed = counts.map_or(0, |counts| counts.failed);
            let event = if failed == 0 { Event::Succeed } else { Event::SucceedWithErrors };
            run.lease.record(&row, event, Detail { counts, ..Detail::default() }).await?;
            forget(run, id).await;
            Ok((failed > 0).then(|| still_failing(id, failed)).or(notice))
        }
        // It stays as it is, in the middle of it: others are at work.
        Err(interrupt @ (Interrupt::LeaseLost(_) | Interrupt::Shared(_))) => Err(interrupt),
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

/// Whether this very run has begun it, and left it to workers: one attempt, of several invocations.
fn goes_on(run: &Run, row: &MigrationRow) -> bool {
    let last = match &run.extent {
        Extent::Divisible(last) => last.as_ref(),
        Extent::Whole | Extent::Share(_) => None,
    };
    let prefix = format!("{}{}#", checkpoint_prefix(&row.id), Direction::Up);
    let was_left = last.is_some_and(|last| last.backfill.starts_with(&prefix));
    was_left && row.state == State::Started && row.run == run.id
}

async fn retry_failed(
    run: &Run,
    migration: &Migration,
    row: &MigrationRow,
    deadline: Deadline,
) -> Result<Option<String>, Interrupt> {
    let (_, left) = retry_failed_items(run, migration, row, deadline).await?;
    Ok((left > 0).then(|| still_failing(&row.id, left)))
}

/// Tries the items of an applied migration again that it could not handle; returns how many are done now, and how many
/// fail still.
pub(crate) async fn retry_failed_items(
    run: &Run,
    migration: &Migration,
    row: &MigrationRow,
    deadline: Deadline,
) -> Result<(u64, u64), Interrupt> {
    let (mut done, mut left) = (0, 0);
    let Work::Backfills(backfills) = &migration.work else { return Ok((done, left)) };
    let spec = migration.spec();
    let cx = context(run, &spec, Direction::Up, deadline);
    for (position, backfill) in backfills.iter().enumerate() {
        let job = cx.job(&backfill_name(position), backfill.clone(), Direction::Up, Extent::Whole);
        let (mended, failing) = again::run(&job).await?;
        done += mended;
        left += failing;
    }
    if left == 0 {
        let detail = Detail { migration: Some(migration), ..Detail::default() };
        run.lease.record(row, Event::Mend, detail).await?;
    }
    Ok((done, left))
}

/// Brings the target of an applied copy up to its source once more.
async fn catch_up(
    run: &Run,
    migration: &Migration,
    deadline: Deadline,
) -> Result<Option<String>, Interrupt> {
    let Work::Copy(copy) = &migration.work else { return Ok(None) };
    let spec = migration.spec();
    let cx = context(run, &spec, Direction::Up, deadline);
    let caught_up = async {
        let copying = cx.copying(&spec.id, copy).await?;
        copying.bring_up(&spec).await?;
        forget(run, &spec.id).await;
        Ok(copying.notice())
    };
    caught_up.await.map_err(|interrupt| match interrupt {
        Interrupt::OutOfTime(what) => Interrupt::OutOfTime(format!("migration {} {what}", spec.id)),
        Interrupt::Failed(error) => {
            Interrupt::Failed(format!("migration {} cannot catch up: {error}", spec.id))
        }
        other => other,
    })
}

fn still_failing(id: &str, items: u64) -> String {
    format!(
        "migration {id} is applied but for {items} items, whose keys and errors are in the ledger under failed#{id}#; \
         each deploy tries them again. Mend the items, or the transform and raise its revision"
    )
}

/// Forgets where a finished migration had come. Failing to must not undo it.
pub(crate) async fn forget(run: &Run, id: &str) {
    if let Err(error) = run.lease.forget_positions(&checkpoint_prefix(id)).await {
        tracing::warn!(migration = id, %error, "its checkpoints are left behind");
    }
}

/// Forgets where migrations had come that are at rest: what a process has left that died over their end.
pub(crate) async fn sweep(lease: &Lease, ledger: &Snapshot) -> Result<(), Interrupt> {
    let is_at_rest = |id: &str| {
        let row = ledger.migrations.get(id);
        row.is_some_and(|row| row.state.is_done() || row.state == State::Undone)
    };
    lease.forget_positions_of(is_at_rest).await
}

pub(crate) fn context(run: &Run, spec: &Spec, direction: Direction, deadline: Deadline) -> Context {
    Context::new(spec.clone(), direction, run.services.clone(), run.lease.clone(), deadline)
}

/// Does the work of a migration; returns what was counted, and what a person should know.
async fn perform(
    run: &Run,
    work: &Work,
    cx: Context,
    spec: &Spec,
) -> Result<(Option<Counts>, Option<String>), Interrupt> {
    match work {
        Work::Function(function) => {
            call(function, cx, spec.idempotent).await.map(|()| (None, None))
        }
        Work::Backfills(backfills) => {
            run_backfills(run, &cx, backfills).await.map(|counts| (Some(counts), None))
        }
        Work::Copy(copy) => {
            let copying = cx.copying(&spec.id, copy).await?;
            let counts = copying.bring_up(spec).await?;
            Ok((Some(counts), copying.notice()))
        }
        Work::FinishCopy { of, copy } => {
            let Some((spec, copy)) = copy.as_deref() else {
                return Err(Interrupt::Failed(format!("{of} is no copy; this is a bug")));
            };
            let copying = cx.copying(of, copy).await?;
            let counts = copying.finish(spec).await?;
            Ok((Some(counts), copying.notice()))
        }
    }
}

async fn run_backfills(
    run: &Run,
    cx: &Context,
    backfills: &[Backfill],
) -> Result<Counts, Interrupt> {
    let mut counts = Counts::default();
    for (position, backfill) in backfills.iter().enumerate() {
        let name = backfill_name(position);
        let job = cx.job(&name, backfill.clone(), Direction::Up, run.extent.clone());
        counts += backfill::run(job).await?;
    }
    Ok(counts)
}

/// What tells the backfills of one migration apart: their order is part of the migration.
pub(crate) fn backfill_name(position: usize) -> String {
    position.to_string()
}

/// Calls an author's function. A panic of it is a failure like any other.
pub(crate) async fn call(
    function: &Action,
    cx: Context,
    idempotent: bool,
) -> Result<(), Interrupt> {
    let limit = cx.remaining() + GRACE;
    let work = AssertUnwindSafe(async { function(cx).await }).catch_unwind();
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(outcome)) => outcome.map_err(MigrationError::into_interrupt),
        Ok(Err(panic)) => {
            Err(Interrupt::Failed(format!("it panicked: {}", panic_message(&*panic))))
        }
        Err(_) if idempotent => {
            Err(Interrupt::OutOfTime("was cut off; it runs again from its start".to_owned()))
        }
        Err(_) => Err(Interrupt::Failed(
            "it did not end in the time of one invocation and was cut off; \
             split it with cx.step or cx.backfill and declare it idempotent"
                .to_owned(),
        )),
    }
}
