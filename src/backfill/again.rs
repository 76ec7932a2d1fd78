//! Tries items again that could not be handled, one by one, by the keys that are on record.

use std::sync::Arc;

use super::failures;
use super::retry;
use super::targets::{Target, Targets, describe};
use super::transform::{Rule, Verdict};
use super::{Direction, Job, journal};
use crate::clock;
use crate::dynamo::{Edit, Error, Fate, WireItem, Written, patiently};
use crate::interrupt::Interrupt;
use crate::item::{Item, Put};
use crate::ledger::rows::FailedRow;
use crate::migration::Guard;

/// How often an item is tried that others change, or that is throttled.
const TRIES: u32 = 8;

/// Tries the failed items of a backfill again; returns how many are done now, and how many fail still.
pub(crate) async fn run(job: &Job) -> Result<(u64, u64), Interrupt> {
    let prefix = failures::prefix(job);
    let (mut done, mut left) = (0, 0);
    let rows = job.lease.failed_items(&prefix).await?;
    if rows.is_empty() {
        return Ok((0, 0));
    }
    let source = Arc::new(Target::of(&describe(&job.dynamo, &job.backfill.table).await?));
    let targets = Targets::new(&job.dynamo, &source);
    for (digest, row) in rows {
        job.lease.check()?;
        if job.deadline.passed() {
            return Err(Interrupt::OutOfTime(format!("tried {done} failed items again")));
        }
        let key = format!("{prefix}{digest}");
        match try_again(job, &source, &targets, &row).await? {
            Ok(()) => {
                job.lease.forget_failed(&key).await?;
                done += 1;
            }
            Err(error) => {
                let at = clock::now();
                let run = job.lease.run().to_owned();
                job.lease.save_failed(&key, &FailedRow { error, run, at, ..row }).await?;
                left += 1;
            }
        }
    }
    tracing::info!(table = source.name, done, left, "failed items tried again");
    Ok((done, left))
}

async fn try_again(
    job: &Job,
    source: &Arc<Target>,
    targets: &Targets,
    row: &FailedRow,
) -> Result<Result<(), String>, Interrupt> {
    let rule = Rule {
        migration: &job.migration.id,
        direction: Direction::Up,
        guard: job.backfill.guard,
        transform: &job.backfill.up,
        keys: &source.keys,
    };
    for tries in 0..TRIES {
        let read = || job.dynamo.get_item(&source.name, row.key.clone());
        let current = patiently(read).await?;
        // Gone meanwhile: there is nothing left to migrate.
        let Some(item) = current else { return Ok(Ok(())) };
        let item = Item::from(item);
        let edits = match rule.apply(&item) {
            Verdict::Keep | Verdict::Skip(_) => return Ok(Ok(())),
            Verdict::Fails(error) | Verdict::Refuses(error) => return Ok(Err(error)),
            Verdict::Edit(edit) => vec![(Arc::clone(source), edit)],
            Verdict::Put(puts) => edits_of(targets, puts).await?,
        };
        match write_all(job, &edits).await {
            Ok(true) => return Ok(Ok(())),
            Ok(false) => {}
            Err(error) if retry::is_worthwhile(&error) => {}
            Err(error) => return Ok(Err(error.to_string())),
        }
        tokio::time::sleep(retry::pause(tries)).await;
    }
    Ok(Err(format!("others changed it, or DynamoDB throttled it, {TRIES} times in a row")))
}

async fn edits_of(
    targets: &Targets,
    puts: Vec<Put>,
) -> Result<Vec<(Arc<Target>, Edit)>, Interrupt> {
    let mut edits = Vec::new();
    for Put { table, item } in puts {
        let target = targets.get(&table).await?;
        let edit = Edit::make(&target.keys, item.wire());
        edits.push((target, edit));
    }
    Ok(edits)
}

/// Writes changes one after another; whether all are in place.
async fn write_all(job: &Job, edits: &[(Arc<Target>, Edit)]) -> Result<bool, Error> {
    for (target, edit) in edits {
        let is_in_place = |current: Option<WireItem>| edit.is_in_place(current.as_ref());
        let is_done = if job.backfill.guard == Some(Guard::Journal) {
            let actions = journal::actions(job, &target.name, edit).into();
            let fates = job.dynamo.transact_each(&target.name, actions).await?;
            match <[Fate; 2]>::try_from(fates.each) {
                Ok([Fate::Done | Fate::Conflict(_), _]) => true,
                Ok([Fate::Refused(error), _] | [_, Fate::Refused(error)]) => return Err(error),
                Ok(_) | Err(_) => false,
            }
        } else {
            match job.dynamo.write_one(&target.name, edit).await?.0 {
                Written::Done => true,
                Written::Conflict(current) => is_in_place(current),
            }
        };
        if !is_done {
            return Ok(false);
        }
    }
    Ok(true)
}
