//! `pause` and `resume`: a person has the deploys of a scope wait, and lets them go on.

use serde::Serialize;
use serde_json::json;

use super::CommandError;
use super::act::{Acting, Outcome};
use crate::clock;
use crate::interrupt::Interrupt;
use crate::ledger::Detail;
use crate::ledger::rows::{Hold, entry};
use crate::ledger::state::{Event, State};
use crate::migrator::compare_ids;

/// What the scope's own row says of a hold; the rest of it stays.
#[derive(Serialize)]
struct Held<'a> {
    hold: Option<&'a Hold>,
}

/// Holds the scope. The lease is taken over by then, so that whoever was at work stops. What it had begun is recorded as
/// paused first: the rollback Update that follows its failure then keeps how far it came.
pub(super) async fn pause(acting: &Acting<'_>) -> Result<Outcome, CommandError> {
    let mut paused = Vec::new();
    for row in acting.snapshot.migrations.values().filter(|row| row.state == State::Started) {
        acting.lease.record(row, Event::Pause, Detail::default()).await?;
        paused.push(row.id.clone());
    }
    let signed = acting.signed;
    let hold = Hold { by: signed.by.clone(), reason: signed.reason.clone(), at: clock::now() };
    set(acting, Some(&hold)).await?;
    let stopped = match &acting.held {
        Some(other) => format!("run {} has lost the lease and stops; ", other.run),
        None => String::new(),
    };
    let said = format!("{stopped}deploys fail at once until the hold is lifted with resume");
    Ok(Outcome::done(said).with("was", acting.was()).with("paused", paused))
}

/// Lifts the hold, and says what is left to do. What goes on in the background gets another execution: the one that it had may
/// have ended, and two of them only take turns.
pub(super) async fn resume(acting: &Acting<'_>) -> Result<Outcome, CommandError> {
    let hold = acting.snapshot.meta.as_ref().and_then(|meta| meta.hold.clone());
    if hold.is_some() {
        set(acting, None).await?;
    }
    let left = left(acting)?;
    let was = if hold.is_some() { "the hold is lifted" } else { "nobody held the scope" };
    let detached = acting.snapshot.meta.as_ref().and_then(|meta| meta.detached.as_ref());
    let said = match (left.len(), detached) {
        (0, _) => format!("{was}, and no migration is left to run"),
        (n, Some(detached)) => {
            drive(acting, &detached.run).await?;
            format!("{was}; run {} goes on with what is left of {n} migrations", detached.run)
        }
        (n, None) => {
            format!("{was}; {n} migrations are left to run, and the next deploy goes on with them")
        }
    };
    let was = hold.map(|hold| json!(hold));
    Ok(Outcome::done(said).with("was", was).with("left", left))
}

/// Has the state machine call for slices of a run.
async fn drive(acting: &Acting<'_>, run: &str) -> Result<(), CommandError> {
    let Some(driver) = &acting.hands.services.driver else {
        return Err(CommandError::Refused(format!(
            "run {run} is to go on in the background, and TABLEWRIGHT_STATE_MACHINE_ARN names no state machine"
        )));
    };
    let execution = format!("{run}-{}", acting.lease.fence());
    let started = driver.start(&execution, &acting.lease.ledger().address_of(run)).await;
    started.map_err(|error| CommandError::Failed(error.to_string()))
}

/// The migrations of this build that are not done.
fn left(acting: &Acting<'_>) -> Result<Vec<String>, CommandError> {
    let is_done =
        |id: &str| acting.snapshot.migrations.get(id).is_some_and(|row| row.state.is_done());
    let specs = acting.hands.migrator()?.specs();
    let mut left: Vec<_> = specs.into_iter().map(|spec| spec.id).collect();
    let partial = acting.snapshot.migrations.values().filter(|row| row.state.is_partial());
    left.extend(partial.map(|row| row.id.clone()));
    left.retain(|id| !is_done(id));
    left.sort_by(|a, b| compare_ids(a, b));
    left.dedup();
    Ok(left)
}

async fn set(acting: &Acting<'_>, hold: Option<&Hold>) -> Result<(), Interrupt> {
    acting.lease.set(entry::META.to_owned(), &Held { hold }).await
}
