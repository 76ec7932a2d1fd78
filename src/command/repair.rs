//! `repair`: a person says what the data is like, and the ledger takes their word for it.

use super::act::{Acting, Outcome};
use super::{CommandError, Repair};
use crate::authoring::Source;
use crate::backfill::checkpoint_prefix;
use crate::interrupt::Interrupt;
use crate::ledger::rows::MigrationRow;
use crate::ledger::state::Event;
use crate::migration::Spec;

pub(super) async fn repair(
    acting: &Acting<'_>,
    id: &str,
    repair: Repair,
) -> Result<Outcome, CommandError> {
    let row = acting.row(id)?;
    let migration = acting.hands.migrator()?.get(id);
    let spec = migration.map(|migration| migration.spec());
    if let Some(objection) = objection(&row, spec.as_ref(), repair) {
        return Err(CommandError::Refused(format!("migration {id} {objection}")));
    }
    let file = migration.and_then(|migration| migration.source());
    match repair {
        Repair::MarkApplied => mark_applied(acting, row, spec, file).await,
        Repair::MarkRolledBack => mark_rolled_back(acting, row).await,
        Repair::Fingerprint => identify(acting, row, spec, file).await,
    }
}

/// What makes no sense to say.
fn objection(row: &MigrationRow, spec: Option<&Spec>, repair: Repair) -> Option<String> {
    let state = row.state;
    let event = match repair {
        Repair::MarkApplied => Event::MarkApplied,
        Repair::MarkRolledBack => Event::MarkRolledBack,
        Repair::Fingerprint => Event::Identify,
    };
    if state.next(event).is_err() {
        return Some(match repair {
            Repair::MarkApplied if state.is_done() => {
                format!("is {state} already, so it counts as done")
            }
            Repair::MarkRolledBack => format!("is {state}, so there is nothing to roll back"),
            Repair::MarkApplied | Repair::Fingerprint => {
                format!("is {state}, and that cannot be repaired")
            }
        });
    }
    let is_copy = spec.is_some_and(|spec| spec.copies.is_some() || spec.finishes.is_some());
    match (repair, spec) {
        (Repair::Fingerprint, None) => {
            Some("is not in this build, which cannot say what it is now".to_owned())
        }
        (Repair::Fingerprint, Some(spec)) if spec.fingerprint == row.fingerprint => {
            Some(format!("is {} in the ledger as in this build", row.fingerprint))
        }
        (Repair::MarkApplied | Repair::MarkRolledBack, _) if is_copy => Some(
            "makes or finishes a copy, which knows itself how far it is: deploy to go on, or undo it"
                .to_owned(),
        ),
        (Repair::Fingerprint | Repair::MarkApplied | Repair::MarkRolledBack, _) => None,
    }
}

/// Takes it as done, as this build has it. What a person has finished is in no journal, so none takes it back.
async fn mark_applied(
    acting: &Acting<'_>,
    row: MigrationRow,
    spec: Option<Spec>,
    file: Option<&Source>,
) -> Result<Outcome, CommandError> {
    let prefix = checkpoint_prefix(&row.id);
    let mut next = MigrationRow { journal: false, ..row.clone() };
    if let Some(spec) = spec {
        next.fingerprint = spec.fingerprint;
        next.description = spec.description;
        next.language = spec.language;
    }
    acting.lease.repair(&next, Event::MarkApplied, file).await?;
    acting.lease.forget_positions(&prefix).await?;
    acting.lease.forget_failed(&prefix).await?;
    let said = format!("migration {} counts as applied, as {}", row.id, next.fingerprint);
    Ok(Outcome::done(said).with("from", row.state.to_string()).with("to", "applied"))
}

/// Takes it as never run. What it has left of itself in the ledger goes first, or its next run would go on from there; a
/// journal can be long, and what is done of that stays done.
async fn mark_rolled_back(acting: &Acting<'_>, row: MigrationRow) -> Result<Outcome, CommandError> {
    let (id, prefix) = (&row.id, checkpoint_prefix(&row.id));
    match acting.lease.forget_journal(&prefix, acting.hands.budget).await {
        Ok(()) => {}
        Err(Interrupt::OutOfTime(progress)) => {
            return Ok(Outcome::pending(format!(
                "migration {id} is still {}: {progress}",
                row.state
            )));
        }
        Err(interrupt) => return Err(interrupt.into()),
    }
    acting.lease.forget_positions(&prefix).await?;
    acting.lease.forget_failed(&prefix).await?;
    acting
        .lease
        .repair(&MigrationRow { journal: false, ..row.clone() }, Event::MarkRolledBack, None)
        .await?;
    let said = format!("migration {id} counts as rolled back; the next deploy that has it runs it");
    Ok(Outcome::done(said).with("from", row.state.to_string()).with("to", "undone"))
}

async fn identify(
    acting: &Acting<'_>,
    row: MigrationRow,
    spec: Option<Spec>,
    file: Option<&Source>,
) -> Result<Outcome, CommandError> {
    let fingerprint = spec.map(|spec| spec.fingerprint).unwrap_or_default();
    let next = MigrationRow { fingerprint: fingerprint.clone(), ..row.clone() };
    acting.lease.repair(&next, Event::Identify, file).await?;
    let said = format!("migration {} is {fingerprint} in the ledger, as in this build", row.id);
    Ok(Outcome::done(said).with("from", row.fingerprint).with("to", fingerprint))
}
