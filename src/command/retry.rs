//! `retry-failed`: the items of an applied migration that it could not handle are tried again, as each deploy does.

use super::CommandError;
use super::act::{Acting, Outcome};
use crate::execute::retry_failed_items;
use crate::interrupt::Interrupt;
use crate::ledger::state::State;

pub(super) async fn retry(acting: &Acting<'_>, id: &str) -> Result<Outcome, CommandError> {
    let row = acting.row(id)?;
    if row.state != State::AppliedWithErrors {
        return Err(CommandError::Refused(format!(
            "migration {id} is {}: only one that is applied with errors has items to try again",
            row.state
        )));
    }
    let run = acting.run()?;
    let Some(migration) = run.migrator.get(id) else {
        return Err(CommandError::Refused(format!(
            "migration {id} is not in this build, whose transform it would need; send the command to a build that has it"
        )));
    };
    match retry_failed_items(&run, migration, &row, acting.hands.budget).await {
        Ok((mended, failing)) => {
            let said = match failing {
                0 => format!("migration {id} is applied, {mended} items were tried again"),
                _ => format!(
                    "migration {id}: {mended} items are done now, {failing} fail still; their keys and errors are in the \
                     ledger under failed#{id}#"
                ),
            };
            Ok(Outcome::done(said).with("mended", mended).with("failing", failing))
        }
        Err(Interrupt::OutOfTime(progress)) => {
            let failing = acting.lease.ledger().failed_items(id).await?;
            let said = format!("migration {id}: {progress}, {failing} are left");
            Ok(Outcome::pending(said).with("failing", failing))
        }
        Err(interrupt) => Err(interrupt.into()),
    }
}
