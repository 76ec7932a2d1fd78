//! A run that goes on when its request is answered: how it begins, how a slice of it ends, and how all of it does.

use std::sync::Arc;

use super::Verdict;
use super::turn::Held;
use super::work::{Done, Work};
use crate::answer::Status;
use crate::clock;
use crate::desired::Desired;
use crate::execute::{self, Part, Progress, Run};
use crate::interrupt::Interrupt;
use crate::ledger::generations::Declaration;
use crate::ledger::rows::{RunRow, RunState, detached_from, entry};
use crate::ledger::{Acquired, Lease, Snapshot};
use crate::metrics;
use crate::plan::Mode;
use crate::request::properties_hash;

/// How soon a slice comes again that another run was in the way of.
const AGAIN_MS: u64 = 30_000;
/// How soon it looks again whether somebody holds the scope still.
const HELD_MS: u64 = 300_000;

impl Work {
    /// Has the migrations that this run leaves begin as a run of their own. Once more is as good as once.
    pub(super) async fn begin_background(&self, lease: &Lease) -> Result<(), Interrupt> {
        let run = detached_from(&self.run);
        let row = RunRow {
            request_id: self.envelope.request_id.clone(),
            kind: "Detached".to_owned(),
            declaration: properties_hash(&self.envelope.properties),
            build: crate::BUILD.to_owned(),
            state: RunState::Running,
            started_at: clock::now(),
            handed_over: true,
            ..RunRow::default()
        };
        self.ledger.begin_run(&run, &row).await?;
        lease.park(&run, &self.envelope, None).await?;
        let driver = self.handler.services.driver.as_ref();
        let driver = driver.ok_or_else(|| Interrupt::Failed(NO_MACHINE.to_owned()))?;
        let started = driver.start(&run, &self.ledger.address_of(&run)).await;
        started.map_err(|error| Interrupt::Failed(error.to_string()))
    }

    /// Does one slice of a run whose request is answered.
    pub(super) async fn go_on(&self) -> Done {
        let desired = Desired::read(&self.envelope.properties);
        let (Ok(desired), Ok(migrator)) = (desired, &self.handler.migrator) else {
            return Err(Verdict::failed("its declaration, or the list of migrations, is refused"));
        };
        let row = self.begin().await?;
        let Held { lease, row, .. } = self.take_lease(row).await?;
        let snapshot = self.ledger.snapshot().await?;
        let Some(migrations) = self.wanted(&snapshot) else {
            let verdict = Verdict::failed("stopped: the stack has gone back behind it, or is gone");
            self.end(&lease, &verdict).await;
            return Ok((verdict, Some(lease)));
        };
        if let Some(hold) = snapshot.meta.as_ref().and_then(|meta| meta.hold.as_ref()) {
            let (at_ms, reason) = (clock::now_ms() + HELD_MS, format!("the scope is {hold}"));
            return Ok((Verdict::GoesOn { at_ms, reason }, Some(lease)));
        }
        let run = Run {
            id: self.run.clone(),
            generation: self.envelope.generation(),
            declaration: Declaration::new(self.envelope.properties.clone()),
            before: None,
            desired,
            migrator: Arc::clone(migrator),
            mode: Mode::Deploy,
            part: Part::Migrations(migrations),
            extent: self.extent(&row),
            longest: None,
            services: self.handler.services.clone(),
            lease,
            trail: self.trail.clone(),
        };
        let verdict = match execute::advance(&run, Some(snapshot), self.times.work).await {
            Progress::Done(report) => Verdict::success(report.notices.join("; ")),
            Progress::Pending { reason } => Verdict::GoesOn { at_ms: clock::now_ms(), reason },
            Progress::Blocked { until_ms, reason } => Verdict::GoesOn { at_ms: until_ms, reason },
            Progress::Shared(shares) => self.leave_to_workers(&run.lease, shares, None).await,
            // A deploy or a cleanup came in between, and does not need long.
            Progress::Superseded { reason } => {
                Verdict::GoesOn { at_ms: clock::now_ms() + AGAIN_MS, reason }
            }
            // Both shapes stay: the stack has succeeded, and there is nobody to take this back for.
            Progress::Failed { reason } => Verdict::failed(format!(
                "{reason}. Everything stays as it is; the next deploy goes on with it"
            )),
        };
        if matches!(verdict, Verdict::Answer { .. }) {
            self.end_background(&run.lease, &verdict).await?;
        }
        Ok((verdict, Some(run.lease)))
    }

    /// Ends a run whose slices fail again and again, for this reason.
    pub(super) async fn abandon(&self, why: String) -> Done {
        let verdict = Verdict::failed(format!("{why}. The next deploy goes on with it"));
        // This is the last call, so it is as patient as it can be.
        let acquired = self.ledger.acquire_free(self.holder(), self.times.work).await?;
        let Acquired::Lease(lease, _) = acquired else {
            return Err(Verdict::failed("others hold the lease"));
        };
        if self.wanted(&self.ledger.snapshot().await?).is_some() {
            self.end_background(&lease, &verdict).await?;
        } else {
            self.end(&lease, &verdict).await;
        }
        Ok((verdict, Some(lease)))
    }

    /// The migrations of this run, where it is the one that is to go on in the background.
    fn wanted(&self, snapshot: &Snapshot) -> Option<Vec<String>> {
        let detached = snapshot.meta.as_ref()?.detached.as_ref()?;
        (detached.run == self.run).then(|| detached.migrations.clone())
    }

    async fn end_background(&self, lease: &Lease, verdict: &Verdict) -> Result<(), Interrupt> {
        self.forget_detached(lease, &mut self.ledger.snapshot().await?).await?;
        let is_done = matches!(verdict, Verdict::Answer { status: Status::Success, .. });
        metrics::detached_ended(self.ledger.scope(), is_done);
        self.end(lease, verdict).await;
        Ok(())
    }

    /// Records that nothing goes on in the background any more.
    pub(super) async fn forget_detached(
        &self,
        lease: &Lease,
        snapshot: &mut Snapshot,
    ) -> Result<(), Interrupt> {
        let Some(meta) = snapshot.meta.as_mut().filter(|meta| meta.detached.is_some()) else {
            return Ok(());
        };
        meta.detached = None;
        lease.set(entry::META.to_owned(), meta).await
    }
}

/// What keeps work from going on after the answer.
pub(super) const NO_MACHINE: &str = "Completion is detached, and the function has no state machine to go on with; \
     give the construct `longRuns`, or the function TABLEWRIGHT_STATE_MACHINE_ARN";
