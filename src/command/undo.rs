//! `undo`: migrations are taken back, the newest first, all that are meant or none.

use super::act::{Acting, Outcome};
use super::{Back, CommandError};
use crate::execute::Run;
use crate::interrupt::Interrupt;
use crate::ledger::rows::MigrationRow;
use crate::ledger::state::State;
use crate::migrator::compare_ids;
use crate::rollback;

pub(super) async fn undo(acting: &Acting<'_>, back: &Back) -> Result<Outcome, CommandError> {
    let run = acting.run()?;
    let rows = meant(acting, back)?;
    let mut obstacles = Vec::new();
    for row in &rows {
        obstacles.extend(obstacle(&run, row).await?);
    }
    if !obstacles.is_empty() {
        return Err(CommandError::Refused(format!(
            "nothing was taken back, since all or none is, and {}",
            obstacles.join("; ")
        )));
    }
    let (mut undone, mut notes) = (Vec::new(), Vec::new());
    for row in &rows {
        let left = || rows.iter().skip(undone.len()).map(|row| row.id.clone()).collect::<Vec<_>>();
        match rollback::undo(&run, row, acting.hands.budget).await {
            Ok(note) => {
                notes.push(format!("migration {}{note}", row.id));
                undone.push(row.id.clone());
            }
            Err(Interrupt::OutOfTime(progress)) => {
                let said = format!("{}migration {}: {progress}", so_far(&notes), row.id);
                let left = left();
                return Ok(Outcome::pending(said).with("undone", undone).with("left", left));
            }
            Err(interrupt) => {
                return Err(CommandError::Failed(format!(
                    "{}migration {}: {interrupt}. Still in place: {}",
                    so_far(&notes),
                    row.id,
                    left().join(", ")
                )));
            }
        }
    }
    let said = match notes.len() {
        0 => "there was nothing to take back".to_owned(),
        _ => format!("{}the next deploy of a build that has them runs them again", so_far(&notes)),
    };
    Ok(Outcome::done(said).with("undone", undone).with("left", Vec::<String>::new()))
}

fn so_far(notes: &[String]) -> String {
    if notes.is_empty() { String::new() } else { format!("undone: {}; ", notes.join(", ")) }
}

/// The migrations that are newer than the one that stays, and of which something may be in place, the newest first.
fn meant<'a>(acting: &'a Acting<'_>, back: &Back) -> Result<Vec<&'a MigrationRow>, CommandError> {
    let to = match back {
        Back::All => None,
        Back::To(id) => Some(acting.row(id)?.id),
    };
    let is_meant = |row: &&MigrationRow| {
        let is_newer = to.as_ref().is_none_or(|to| compare_ids(&row.id, to).is_gt());
        let is_touched = match row.state {
            State::Pending | State::Undone | State::Baseline => false,
            State::Started
            | State::Applied
            | State::AppliedWithErrors
            | State::Paused
            | State::Failed
            | State::Undoing
            | State::UndoFailed
            | State::Unknown => true,
        };
        is_newer && is_touched
    };
    let mut rows: Vec<_> = acting.snapshot.migrations.values().filter(is_meant).collect();
    rows.sort_by(|a, b| compare_ids(&b.id, &a.id));
    Ok(rows)
}

async fn obstacle(run: &Run, row: &MigrationRow) -> Result<Option<String>, Interrupt> {
    if row.state == State::Unknown {
        return Ok(Some(format!("migration {} is {}", row.id, row.state)));
    }
    rollback::obstacle(run, row).await
}
