//! What one of several workers does: the segments of a backfill that a slice of the run has dealt to it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::task::Address;
use super::times::Times;
use super::turn::LeftToWorkers;
use super::{HandleError, Handler, Invocation};
use crate::authoring;
use crate::backfill::share::{self, Extent, Share};
use crate::backfill::{self, Job};
use crate::clock;
use crate::interrupt::Interrupt;
use crate::ledger::rows::{WorkersRow, entry};
use crate::ledger::{Lease, Ledger};
use crate::migration::{Backfill, Migration, Spec, Work};

/// What a worker is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// The fence of the lease that it joins.
    pub(super) fence: u64,
    /// When the time of the request is over, in milliseconds since the epoch, where anybody waits.
    pub(super) until_ms: Option<u64>,
    /// What it does.
    #[serde(flatten)]
    pub(super) share: Share,
}

impl Handler {
    /// Does a part of a backfill, as far as this invocation comes. What comes of it is on record, so whoever calls for it
    /// learns nothing: the slice that comes after sees to it.
    pub(super) async fn do_part(
        &self,
        address: &Address,
        part: &Part,
        invocation: &Invocation,
    ) -> Result<(), HandleError> {
        let Address { ledger, scope, run } = address;
        let ledger = Ledger::new(self.services.dynamo.clone(), ledger, scope);
        let times = Times::of(invocation.deadline);
        // A task of its own, on the threads that work; it ends with whoever waits for it.
        let mut tasks = JoinSet::new();
        let (handler, run, part) = (self.clone(), run.clone(), part.clone());
        let work = async move { handler.work_on(&ledger, &run, part, times).await };
        tasks.spawn_on(work.in_current_span(), &self.threads.handle());
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(Ok(done)) => Ok(done?),
                Some(Err(panic)) => Err(HandleError::CutOff(panic.to_string())),
                None => Ok(()),
            },
            () = times.hard.reached() => Err(HandleError::CutOff("its time is over".to_owned())),
        }
    }

    async fn work_on(
        &self,
        ledger: &Ledger,
        run: &str,
        part: Part,
        times: Times,
    ) -> Result<(), crate::dynamo::Error> {
        let Part { fence, until_ms, share } = part;
        let Some(lease) = ledger.join(run, fence).await? else {
            tracing::info!(fence, "another run, or another slice, holds the lease by now");
            return Ok(());
        };
        let own = self.migrator.as_ref().ok().and_then(|all| all.get(&share.migration));
        let mut known = own.and_then(|own| backfill_of(own, &share));
        if known.is_none() {
            let recalled = ledger.text(&share.migration).await?;
            let recalled = recalled.and_then(|source| authoring::read(&source).ok());
            known = recalled.and_then(|migration| backfill_of(&migration, &share));
        }
        let Some((migration, backfill)) = known else {
            tracing::warn!(share.migration, "this build has no such backfill");
            return Ok(());
        };
        let left = until_ms.map(|until| until.saturating_sub(clock::now_ms()));
        let job = Job {
            migration,
            direction: share.direction,
            name: share.backfill.clone(),
            backfill,
            extent: Extent::Share(share),
            dynamo: self.services.dynamo.clone(),
            lease: lease.clone(),
            deadline: left
                .map_or(times.work, |left| times.work.at_most(Duration::from_millis(left))),
        };
        let backfill = share::key(&job);
        match backfill::run(job).await {
            Ok(_) => Ok(()),
            Err(Interrupt::Failed(failure) | Interrupt::Blocked { reason: failure, .. }) => {
                call_off(lease, WorkersRow { backfill, mark: 0, failure: Some(failure) }).await;
                Ok(())
            }
            Err(
                interrupt @ (Interrupt::OutOfTime(_)
                | Interrupt::LeaseLost(_)
                | Interrupt::Shared(_)),
            ) => {
                tracing::info!(%interrupt, "a part of a backfill is not done");
                Ok(())
            }
        }
    }
}

/// The backfill that a share is of, where it is that of the build.
fn backfill_of(migration: &Migration, share: &Share) -> Option<(Spec, Backfill)> {
    let spec = migration.spec();
    let Work::Backfills(backfills) = &migration.work else { return None };
    let backfill = backfills.get(share.backfill.parse::<usize>().ok()?)?;
    (spec.fingerprint == share.fingerprint).then(|| (spec, backfill.clone()))
}

/// Puts on record that the backfill has failed, and gives back the lease that all workers hold together: they stop.
async fn call_off(lease: Lease, row: WorkersRow) {
    tracing::error!(error = row.failure, backfill = row.backfill, "a part of a backfill failed");
    match lease.set(entry::run(lease.run()), &LeftToWorkers { workers: &row }).await {
        Ok(()) => lease.release().await,
        // The next slice meets it itself, when no worker gets any further.
        Err(interrupt) => tracing::warn!(%interrupt, "that is not on record"),
    }
}
