//! The right to work on a run, and how it passes on: from one delivery of the event to the next, and to a state machine.

use std::time::Duration;

use super::Verdict;
use super::times::Times;
use super::work::Work;
use crate::backfill::Shares;
use crate::backfill::share::Extent;
use crate::clock;
use crate::deadline::Deadline;
use crate::dynamo::{self, Class};
use crate::interrupt::Interrupt;
use crate::ledger::rows::{RunRow, RunState, WorkersRow, entry};
use crate::ledger::{Acquired, Begun, Holder, Lease, Turn};
use crate::request::properties_hash;

/// How soon a slice comes that has nothing to wait for.
const SOON_MS: u64 = 1_000;

/// How long a slice in the background waits for others.
const PATIENCE: Duration = Duration::from_secs(20);

/// A run that is worked on.
pub(super) struct Held {
    /// The right to.
    pub(super) lease: Lease,
    /// How long.
    pub(super) times: Times,
    /// What earlier deliveries and slices have left on record.
    pub(super) row: RunRow,
}

/// What is left of a run when a slice of it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Work, from this moment on, in milliseconds since the epoch; at once where there is none.
    Work(Option<u64>),
    /// Undoing.
    Undoing,
}

impl Work {
    /// Records the run; returns its row, the existing one where the event was delivered before.
    pub(super) async fn begin(&self) -> Result<RunRow, dynamo::Error> {
        let row = RunRow {
            request_id: self.envelope.request_id.clone(),
            kind: format!("{:?}", self.envelope.kind),
            declaration: properties_hash(&self.envelope.properties),
            build: crate::BUILD.to_owned(),
            state: RunState::Running,
            started_at: clock::now(),
            ..RunRow::default()
        };
        Ok(self.ledger.begin_run(&self.run, &row).await?.unwrap_or(row))
    }

    /// The same, where the ledger table may have to be made first.
    pub(super) async fn begin_somewhere(&self) -> Result<RunRow, dynamo::Error> {
        match self.begin().await {
            Err(error) if error.class == Class::Missing => {
                self.ledger.ensure_table(self.times.work).await?;
                self.begin().await
            }
            row => row,
        }
    }

    /// Takes the lease, unless the event is answered, or being worked on, or its time is over.
    pub(super) async fn take_lease(&self, row: RunRow) -> Result<Held, Verdict> {
        let is_waited_for = self.envelope.response_url.is_some();
        let times = if is_waited_for && self.handler.is_hurried {
            self.times.within_service_timeout(&self.envelope.properties, &row.started_at)
        } else {
            self.times
        };
        if row.handed_over && self.turn == Turn::Delivery {
            return Err(self.drive().await);
        }
        // A slice that comes late has still something to say.
        if times.work.passed() && self.turn == Turn::Delivery {
            return Err(match self.ledger.answer(&self.run).await? {
                Some(_) => Verdict::AnsweredElsewhere,
                None => {
                    Verdict::failed("the time that CloudFormation waits for this request is over")
                }
            });
        }
        let holder = self.holder();
        let acquired = if is_waited_for {
            self.ledger.acquire(holder, row.fence, times.work).await?
        } else {
            // Who works in the background takes nothing from anybody.
            self.ledger.acquire_free(holder, times.work.at_most(PATIENCE)).await?
        };
        let (lease, seen) = match acquired {
            Acquired::Lease(lease, seen) => (lease, seen),
            Acquired::HeldByTwin => return Err(Verdict::AnsweredElsewhere),
            Acquired::Superseded(why) => return Err(Verdict::failed(format!("stopped: {why}"))),
        };
        // Its twin may have answered, or handed over, before the lease was taken.
        match lease.begin(self.turn).await? {
            Begun::Now => Ok(Held { lease, times, row: seen.map_or(row, |seen| *seen) }),
            Begun::Answered => Err(Verdict::AnsweredElsewhere),
            Begun::HandedOver => {
                lease.release().await;
                Err(self.drive().await)
            }
        }
    }

    /// Who this invocation is.
    pub(super) fn holder(&self) -> Holder {
        Holder { run: self.run.clone(), invocation: self.invocation.clone() }
    }

    /// Leaves what is left of the run to a later slice, where somebody calls for one and CloudFormation waits so long.
    /// `None` where this invocation has to see to the end of it.
    pub(super) async fn leave(
        &self,
        lease: &Lease,
        times: Times,
        rest: Rest,
        reason: &str,
    ) -> Option<Verdict> {
        let (can_wait, at_ms) = match rest {
            Rest::Work(None) => (times.can_work_later(), clock::now_ms() + SOON_MS),
            Rest::Work(Some(at_ms)) => (times.can_work_at(at_ms), at_ms),
            Rest::Undoing => (times.can_undo_later(), clock::now_ms() + SOON_MS),
        };
        if !can_wait || self.handler.services.driver.is_none() {
            return None;
        }
        if self.turn == Turn::Slice {
            return Some(Verdict::GoesOn { at_ms, reason: reason.to_owned() });
        }
        match self.hand_over(lease).await {
            Ok(()) => Some(Verdict::GoesOn { at_ms, reason: reason.to_owned() }),
            Err(interrupt) => {
                tracing::error!(%interrupt, "the run could not be handed over");
                None
            }
        }
    }

    /// What this invocation does of a backfill: a slice may leave it to workers, whom a state machine calls for.
    pub(super) fn extent(&self, row: &RunRow) -> Extent {
        match self.turn {
            Turn::Slice => Extent::Divisible(row.workers.clone()),
            Turn::Delivery => Extent::Whole,
        }
    }

    /// Leaves a backfill to workers, until the time of the request is over.
    pub(super) async fn leave_to_workers(
        &self,
        lease: &Lease,
        shares: Box<Shares>,
        until: Option<Deadline>,
    ) -> Verdict {
        let left = LeftToWorkers { workers: &shares.row };
        match lease.set(entry::run(&self.run), &left).await {
            Ok(()) => Verdict::Shared { shares, until_ms: until.map(at_ms) },
            Err(interrupt) => {
                let (at_ms, reason) = (clock::now_ms() + SOON_MS, interrupt.to_string());
                Verdict::GoesOn { at_ms, reason }
            }
        }
    }

    /// Keeps the request, so that others can go on with it, and has a state machine call for them.
    async fn hand_over(&self, lease: &Lease) -> Result<(), Interrupt> {
        lease.park(&self.run, &self.envelope, self.envelope.response_url.as_ref()).await?;
        lease.set(entry::run(&self.run), &HandedOver { handed_over: true }).await?;
        match self.drive().await {
            Verdict::GoesOn { .. } => Ok(()),
            Verdict::Answer { reason, .. } => Err(Interrupt::Failed(reason)),
            Verdict::Shared { .. } | Verdict::AnsweredElsewhere => {
                Err(Interrupt::Failed("it is answered".to_owned()))
            }
        }
    }

    /// Starts the state machine for this run. Where a delivery before has started it, that is as good.
    async fn drive(&self) -> Verdict {
        let Some(driver) = &self.handler.services.driver else {
            return Verdict::failed(
                "it was handed over to a state machine, and TABLEWRIGHT_STATE_MACHINE_ARN names none \
                 any more. Deploying again goes on from there",
            );
        };
        match driver.start(&self.run, &self.ledger.address_of(&self.run)).await {
            Ok(()) => {
                tracing::info!(execution = self.run, "a state machine goes on");
                Verdict::GoesOn { at_ms: clock::now_ms(), reason: "handed over".to_owned() }
            }
            Err(error) => {
                // It is answered where it is, and needs nothing of it any more.
                if let Err(error) = self.ledger.forget_parked(&self.run).await {
                    tracing::warn!(%error, "the request stays in the ledger");
                }
                Verdict::failed(format!("{error}. Deploying again goes on from there"))
            }
        }
    }
}

/// What the row of a run gets when it is handed over; the rest of it stays.
#[derive(serde::Serialize)]
struct HandedOver {
    handed_over: bool,
}

/// What the row of a run gets when a backfill is left to workers, and when a part of it fails; the rest of it stays.
#[derive(serde::Serialize)]
pub(super) struct LeftToWorkers<'a> {
    pub(super) workers: &'a WorkersRow,
}

/// A deadline as a moment, in milliseconds since the epoch.
fn at_ms(deadline: Deadline) -> u64 {
    clock::now_ms() + u64::try_from(deadline.remaining().as_millis()).unwrap_or_default()
}
