//! The writers: each fills a batch from the queue, sends it, and deals with the fate of every change by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::progress::add;
use super::queue::{Queued, Receiver};
use super::scan::puts_of;
use super::send::send;
use super::stop::Stopped;
use super::transform::Verdict;
use super::{LOOK_EVERY, Pass, retry};
use crate::dynamo::{BATCH_MAX, Class, Fate, WireItem};
use crate::interrupt::Interrupt;
use crate::item::Item;
use crate::migration::Guard;

/// How often an item that somebody else changes is transformed anew.
const CONTENDED_MAX: u32 = 5;
/// Changes of one transaction, each with its row of the journal. Twice as many fit, are no faster, and are held up by more
/// conflicts.
const TRANSACTION_MAX: usize = 25;
/// Requests of one writer at the same time, where each change takes one.
const REQUESTS_MAX: usize = 4;
/// What is read is still written when the time of a run is over, for so long.
const DRAIN: Duration = Duration::from_secs(10);

/// Writes batches until nothing comes any more, or until nothing may be written any more.
pub(super) async fn write(pass: Arc<Pass>, queue: Receiver) {
    let mut held = Vec::new();
    loop {
        let batch = queue.batch(&mut held, most_at_once(&pass)).await;
        if batch.is_empty() || write_batch(&pass, batch, &mut held).await.is_err() {
            return;
        }
    }
}

fn most_at_once(pass: &Pass) -> usize {
    match pass.job.backfill.guard {
        Some(Guard::Journal) => TRANSACTION_MAX,
        Some(Guard::Stamp) | None if pass.singly.load(Ordering::Relaxed) => REQUESTS_MAX,
        Some(Guard::Stamp) | None => BATCH_MAX,
    }
}

async fn write_batch(
    pass: &Pass,
    batch: Vec<Queued>,
    held: &mut Vec<Queued>,
) -> Result<(), Stopped> {
    let units = pass.estimate(&batch);
    may_write(pass)?;
    while tokio::time::timeout(LOOK_EVERY, pass.paces.write.take(units)).await.is_err() {
        may_write(pass)?;
    }
    while pass.paused.load(Ordering::Relaxed) {
        may_write(pass)?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    may_write(pass)?;
    let (fates, consumed) = send(pass, &batch).await;
    pass.paces.write.settle(units, consumed);
    pass.learn(batch.len(), consumed);
    pass.tally.add_write_units(consumed);
    for (queued, fate) in batch.into_iter().zip(fates) {
        settle(pass, queued, fate, held).await?;
    }
    Ok(())
}

/// Whether the next request may be sent: with the lease, and not long after the end of the time.
fn may_write(pass: &Pass) -> Result<(), Stopped> {
    pass.check_lease()?;
    if pass.job.deadline.passed() {
        pass.stop.raise(Interrupt::OutOfTime(String::new()));
    }
    let is_over = pass.stop.drops_writes() || pass.job.deadline.passed_by(DRAIN);
    if is_over { Err(Stopped) } else { Ok(()) }
}

/// Acknowledges a change, or holds it back to be sent again, or counts its item as failed.
async fn settle(
    pass: &Pass,
    queued: Queued,
    fate: Fate,
    held: &mut Vec<Queued>,
) -> Result<(), Stopped> {
    match fate {
        Fate::Done => acknowledge(pass, &queued, true),
        Fate::Untried => held.push(queued),
        Fate::Conflict(current) => return meet(pass, queued, current, held).await,
        Fate::Refused(error) if retry::is_worthwhile(&error) => {
            if error.class == Class::Throttled {
                note_throttle(pass, &queued);
            }
            retry::tell(queued.tries, &error, "writing an item again");
            let due = Instant::now() + retry::pause(queued.tries);
            held.push(Queued { tries: queued.tries + 1, due, ..queued });
        }
        Fate::Refused(error) if error.class == Class::Permanent => {
            pass.fail(&queued.source, &error.to_string()).await?;
            acknowledge(pass, &queued, false);
        }
        Fate::Refused(error) => return Err(pass.stop.raise(error.into())),
    }
    Ok(())
}

fn acknowledge(pass: &Pass, queued: &Queued, changed: bool) {
    add(&pass.tally.changed, u64::from(changed));
    pass.positions.done(queued.page, changed);
}

fn note_throttle(pass: &Pass, queued: &Queued) {
    add(&pass.tally.throttled, 1);
    let segment = queued.page.segment;
    pass.positions.throttled(segment);
    pass.paces.write.throttled_in(segment, pass.active.load(Ordering::Relaxed));
}

/// Deals with an item that is not as it was read.
async fn meet(
    pass: &Pass,
    queued: Queued,
    current: Option<WireItem>,
    held: &mut Vec<Queued>,
) -> Result<(), Stopped> {
    // A write whose answer was lost finds its own values in place; of one with a journal, the journal tells.
    let is_journalled = pass.job.backfill.guard == Some(Guard::Journal);
    if (queued.is_put() || !is_journalled) && queued.edit.is_in_place(current.as_ref()) {
        acknowledge(pass, &queued, true);
        return Ok(());
    }
    let Some(current) = current else {
        // Gone meanwhile: there is nothing left to migrate.
        acknowledge(pass, &queued, false);
        return Ok(());
    };
    if let Some(taken) = pass.job.backfill.taken.as_ref().filter(|_| queued.is_put()) {
        let met = taken(queued.source.clone(), queued.edit.made()).await;
        met.map_err(|interrupt| pass.stop.raise(interrupt))?;
        acknowledge(pass, &queued, false);
        return Ok(());
    }
    if queued.is_put() {
        let key = super::transform::describe(&queued.target.keys, &queued.edit.key);
        let table = &queued.target.name;
        let error = format!("table {table} has another item under {key} already");
        pass.fail(&queued.source, &error).await?;
        acknowledge(pass, &queued, false);
        return Ok(());
    }
    add(&pass.tally.contended, 1);
    if queued.contended + 1 >= CONTENDED_MAX {
        let error = format!("changed by others {CONTENDED_MAX} times while it was being migrated");
        pass.fail(&queued.source, &error).await?;
        acknowledge(pass, &queued, false);
        return Ok(());
    }
    let current = Item::from(current);
    match pass.rule().apply(&current) {
        Verdict::Edit(edit) => {
            let due = Instant::now();
            held.push(Queued { edit, contended: queued.contended + 1, due, ..queued });
        }
        Verdict::Keep => acknowledge(pass, &queued, false),
        Verdict::Skip(_) => {
            add(&pass.tally.skipped, 1);
            acknowledge(pass, &queued, false);
        }
        Verdict::Put(puts) => {
            for (target, edit) in puts_of(pass, current.wire(), puts).await? {
                pass.positions.expect(queued.page, 1);
                let (source, room) = (queued.source.clone(), Arc::clone(&queued.room));
                held.push(Queued::new(queued.page, target, source, edit, room));
            }
            acknowledge(pass, &queued, false);
        }
        Verdict::Fails(error) => {
            pass.fail(&queued.source, &error).await?;
            acknowledge(pass, &queued, false);
        }
        Verdict::Refuses(error) => return Err(pass.refuse(&queued.source, &error)),
    }
    Ok(())
}
