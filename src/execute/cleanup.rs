//! The cleanup after the whole stack has succeeded: doomed tables go, then what deploys have left to be removed.

use super::{Run, commit, delete, tables};
use crate::deadline::Deadline;
use crate::interrupt::Interrupt;
use crate::ledger::Snapshot;
use crate::observe;
use crate::plan::{self, Input, TablePlan};

/// Removes what the live generation does not declare; returns what became of it. What cannot be removed now stays on
/// record, and the next deploy leaves it to its own cleanup.
///
/// # Errors
/// What keeps all of it from being removed.
pub(crate) async fn clean_up(run: &Run, deadline: Deadline) -> Result<Vec<String>, Interrupt> {
    let ledger = run.lease.ledger();
    let snapshot = ledger.snapshot().await?;
    let most = run.desired.max_table_deletes;
    let mut said =
        delete::delete_doomed(&run.services, &run.lease, &snapshot, most, deadline).await?;
    let observed =
        observe::observe(&run.services, ledger.snapshot().await?, &run.desired, &[]).await?;
    let input = Input {
        desired: &run.desired,
        specs: &[],
        observed: &observed,
        place: ledger.place(),
        run: &run.id,
        mode: run.mode,
    };
    let plan = plan::plan(&input).map_err(|refused| Interrupt::Failed(refused.to_string()))?;
    said.extend(remove(run, &observed.ledger, &plan.removals, deadline).await?);
    Ok(said)
}

/// Removes indexes and turns features off; returns what was done, or why not all of it was.
///
/// # Errors
/// Loss of the lease.
pub(super) async fn remove(
    run: &Run,
    ledger: &Snapshot,
    removals: &[TablePlan],
    deadline: Deadline,
) -> Result<Vec<String>, Interrupt> {
    if removals.is_empty() {
        return Ok(Vec::new());
    }
    let notices = match tables::run_all(run, ledger, removals, deadline).await {
        Ok(notices) => notices,
        Err(Interrupt::LeaseLost(why)) => return Err(Interrupt::LeaseLost(why)),
        Err(interrupt) => {
            tracing::warn!(%interrupt, "not everything was removed");
            return Ok(vec![format!(
                "not everything was removed, the next deploy tries again: {interrupt}"
            )]);
        }
    };
    // Removed is removed, whether or not it gets on record; the next deploy finds nothing left to turn off.
    if let Err(interrupt) = settle(run, removals).await {
        tracing::warn!(%interrupt, "the removals are not on record");
    }
    Ok(notices)
}

async fn settle(run: &Run, removed: &[TablePlan]) -> Result<(), Interrupt> {
    let after = run.lease.ledger().snapshot().await?;
    commit::settle(run, &after, removed).await
}
