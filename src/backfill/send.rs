//! Sends changes in as few requests as can say them, and finds the fate of each.

use std::sync::atomic::Ordering;

use aws_sdk_dynamodb::types::TransactWriteItem;
use futures::future::join_all;

use super::queue::Queued;
use super::{Pass, journal, retry};
use crate::dynamo::{Class, Error, Fate, Fates, Statement, Written};
use crate::migration::Guard;

/// How often a change is sent with others before it is sent alone: one whose answer cannot be read, or that DynamoDB fails
/// over, must not take the others of its batch along for ever.
const BATCHED_TRIES: u32 = 5;

/// Sends changes in as few requests as can say them; returns the fate of each, and what they took.
pub(super) async fn send(pass: &Pass, batch: &[Queued]) -> (Vec<Fate>, Option<f64>) {
    if pass.job.backfill.guard == Some(Guard::Journal) {
        let pair = |one: &Queued| journal::actions(&pass.job, &one.target.name, &one.edit);
        return in_parts(pass, Parcel::Pairs(batch.iter().map(pair).collect())).await;
    }
    let table = &pass.source.name;
    let may_batch = batch.len() > 1 && !pass.singly.load(Ordering::Relaxed);
    let mut together = Vec::new();
    let goes_along = |queued: &Queued| {
        let may_go_along = may_batch && queued.tries < BATCHED_TRIES;
        let statement = may_go_along.then(|| queued.edit.statement(table)).flatten();
        let is_said = statement.is_some();
        together.extend(statement);
        is_said
    };
    let goes_along: Vec<_> = batch.iter().map(goes_along).collect();
    let batched = in_parts(pass, Parcel::Statements(together));
    let alone = batch.iter().zip(&goes_along).filter(|(_, goes_along)| !**goes_along);
    let alone = join_all(alone.map(|(queued, _)| send_one(pass, queued)));
    let ((batched, mut units), alone) = tokio::join!(batched, alone);
    let (mut batched, mut alone) = (batched.into_iter(), alone.into_iter());
    let fates = goes_along.into_iter().map(|goes_along| {
        if !goes_along {
            let (fate, consumed) = alone.next().unwrap_or((Fate::Untried, None));
            add_units(&mut units, consumed);
            return fate;
        }
        match batched.next().unwrap_or(Fate::Untried) {
            // A role that may update items may not be allowed to say so in PartiQL, nor may an engine know it.
            Fate::Refused(error) if !retry::is_worthwhile(&error) => {
                if !pass.singly.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "writing items one by one from here");
                }
                Fate::Untried
            }
            fate => fate,
        }
    });
    (fates.collect(), units)
}

async fn send_one(pass: &Pass, queued: &Queued) -> (Fate, Option<f64>) {
    let _turn = pass.requests.acquire().await;
    match pass.job.dynamo.write_one(&queued.target.name, &queued.edit).await {
        Ok((Written::Done, units)) => (Fate::Done, units),
        Ok((Written::Conflict(current), units)) => (Fate::Conflict(current), units),
        Err(error) => (Fate::Refused(error), None),
    }
}

/// What one request may hold.
#[derive(Debug)]
enum Parcel {
    Statements(Vec<Statement>),
    /// Changes, each behind its row of the journal.
    Pairs(Vec<[TransactWriteItem; 2]>),
}

impl Parcel {
    fn len(&self) -> usize {
        match self {
            Self::Statements(all) => all.len(),
            Self::Pairs(all) => all.len(),
        }
    }

    fn split_off(&mut self, at: usize) -> Self {
        match self {
            Self::Statements(all) => Self::Statements(all.split_off(at)),
            Self::Pairs(all) => Self::Pairs(all.split_off(at)),
        }
    }

    /// The fate of each change, which of a pair is one.
    async fn send(&self, pass: &Pass) -> Result<Fates, Error> {
        let (dynamo, table) = (&pass.job.dynamo, &pass.source.name);
        let _turn = pass.requests.acquire().await;
        let pairs = match self {
            Self::Statements(all) => return dynamo.write_batch(table, all.clone()).await,
            Self::Pairs(all) => all,
        };
        let Fates { each, units } = dynamo.transact_each(table, pairs.concat()).await?;
        let mut fates = each.into_iter();
        let mut each = Vec::new();
        while let (Some(kept), Some(changed)) = (fates.next(), fates.next()) {
            each.push(match kept {
                // An earlier try has changed it, or an earlier run.
                Fate::Conflict(_) => Fate::Done,
                Fate::Refused(error) => Fate::Refused(error),
                Fate::Done | Fate::Untried => changed,
            });
        }
        Ok(Fates { each, units })
    }
}

/// Sends writes in one request; where that is refused for good, as for its size, in two halves, and so on down to the one
/// that is to blame.
async fn in_parts(pass: &Pass, all: Parcel) -> (Vec<Fate>, Option<f64>) {
    let (mut each, mut units) = (Vec::new(), None);
    let mut parts = vec![all];
    while let Some(mut part) = parts.pop() {
        let writes = part.len();
        if writes == 0 {
            continue;
        }
        match part.send(pass).await {
            Ok(fates) => {
                add_units(&mut units, fates.units);
                each.extend(fates.each);
            }
            Err(error) if writes > 1 && error.class == Class::Permanent => {
                tracing::debug!(%error, writes, "sending them in two parts");
                let second = part.split_off(writes / 2);
                parts.extend([second, part]);
            }
            Err(error) => each.extend((0..writes).map(|_| Fate::Refused(error.clone()))),
        }
    }
    (each, units)
}

fn add_units(sum: &mut Option<f64>, more: Option<f64>) {
    if let Some(more) = more {
        *sum = Some(sum.unwrap_or_default() + more);
    }
}
