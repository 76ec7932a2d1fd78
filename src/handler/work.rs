//! The work of one request, apart from answering it, under the lease of its scope.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::background::NO_MACHINE;
use super::times::Times;
use super::turn::{Held, Rest};
use super::way::{Way, way};
use super::{Handler, Verdict};
use crate::answer::Status;
use crate::clock;
use crate::desired::{Completion, Desired, OnFailure, OnStackRollback, Problem};
use crate::execute::{self, Part, Progress, Report, Run, Trail};
use crate::interrupt::Interrupt;
use crate::ledger::generations::{Declaration, hold};
use crate::ledger::rows::{MetaRow, RunState, SCOPES, ScopeRow, detached_from, entry};
use crate::ledger::{Lease, Ledger, RowWrite, Snapshot, Turn};
use crate::plan::{self, Mode};
use crate::request::{Envelope, RequestKind, properties_hash};
use crate::rollback::{self, Undone, Unfinished};

/// The longest plan that is begun where it cannot go on in a later invocation: those that take longer than that are handed
/// over at once, and do not lose what an invocation that comes to its end has begun.
const LONGEST: Duration = Duration::from_mins(8);

/// A verdict with the lease under which it was reached; without one where there was none to hold.
pub(super) type Done = Result<(Verdict, Option<Lease>), Verdict>;

/// The work of one request, apart from answering it.
pub(super) struct Work {
    pub(super) handler: Handler,
    pub(super) envelope: Arc<Envelope>,
    pub(super) run: String,
    pub(super) turn: Turn,
    pub(super) invocation: String,
    pub(super) ledger: Ledger,
    pub(super) trail: Trail,
    pub(super) times: Times,
}

impl Work {
    /// Does the work. What comes with the verdict is the lease, to be held until the answer is claimed: a twin that
    /// got it before that would do the work again.
    pub(super) async fn run(self) -> (Verdict, Option<Lease>) {
        let done = match &self.envelope.kind {
            _ if self.envelope.response_url.is_none() => self.go_on().await,
            RequestKind::Create | RequestKind::Update => {
                match Desired::read(&self.envelope.properties) {
                    Ok(desired) => Box::pin(self.deploy(desired)).await,
                    Err(problems) => self.refuse(list(&problems)).await,
                }
            }
            RequestKind::Delete => Box::pin(self.delete()).await,
            RequestKind::Unknown(word) => {
                Err(Verdict::failed(format!("RequestType {word} is not Create, Update or Delete")))
            }
        };
        done.unwrap_or_else(|verdict| (verdict, None))
    }

    /// Refuses what cannot be worked with, unless it is what is gone back to: failing that would leave the stack in
    /// `UPDATE_ROLLBACK_FAILED`.
    async fn refuse(&self, why: String) -> Done {
        let meta = self.ledger.snapshot().await.ok().and_then(|snapshot| snapshot.meta);
        let Way { mode, doubt } = self.way(meta.as_ref()).await;
        if mode.deploys() {
            return Err(Verdict::failed(why).doubting(doubt));
        }
        let mut report = self.outputs().await;
        report.notices.push(format!("left as it is; {why}"));
        report.notices.extend(doubt);
        Err(self.success(&report))
    }

    /// The verdict on a request of which no delivery has come to an end.
    pub(super) async fn give_up(&self, why: String) -> Verdict {
        let gone_on = "What it did is on record, and deploying again goes on from there";
        self.refuse(format!("{why}. {gone_on}")).await.map_or_else(|verdict| verdict, |done| done.0)
    }

    async fn deploy(&self, desired: Desired) -> Done {
        let migrator = match &self.handler.migrator {
            Ok(migrator) => Arc::clone(migrator),
            Err(error) => {
                let why = "the function's migrations are refused, nothing was changed";
                return self.refuse(format!("{why}: {error}")).await;
            }
        };
        let row = self.begin_somewhere().await?;
        let Held { lease, times, row } = self.take_lease(row).await?;
        let mut snapshot = self.ledger.snapshot().await?;
        if lease.was_left() {
            execute::sweep(&lease, &snapshot).await?;
        }
        let Way { mode, doubt } = self.way(snapshot.meta.as_ref()).await;
        let hold = snapshot.meta.as_ref().and_then(|meta| meta.hold.as_ref());
        if let Some(hold) = hold.filter(|_| mode.deploys()) {
            let refused = plan::held(self.ledger.place(), hold).to_string();
            let verdict = Verdict::failed(refused).doubting(doubt);
            self.end(&lease, &verdict).await;
            return Ok((verdict, Some(lease)));
        }
        let has_driver = self.handler.services.driver.is_some();
        let part = match desired.completion {
            Completion::Detached if has_driver => Part::Tables,
            Completion::Detached if mode.deploys() => {
                let verdict = Verdict::failed(NO_MACHINE);
                self.end(&lease, &verdict).await;
                return Ok((verdict, Some(lease)));
            }
            Completion::Blocking | Completion::Detached => Part::All,
        };
        let declaration = Declaration::new(self.envelope.properties.clone());
        let taken_back = snapshot.meta.as_ref().map(|meta| self.runs_taken_back(meta));
        if mode == Mode::Superset {
            self.forget_detached(&lease, &mut snapshot).await?;
        }
        let known = self.attempt(&lease, snapshot, &declaration).await?;
        let run = Run {
            id: self.run.clone(),
            generation: self.envelope.generation(),
            declaration,
            before: self.envelope.old_properties.clone().map(Declaration::new),
            desired,
            migrator,
            mode,
            part,
            extent: self.extent(&row),
            longest: self.longest(),
            services: self.handler.services.clone(),
            lease,
            trail: self.trail.clone(),
        };
        let verdict = match row.failure {
            _ if mode == Mode::Superset => {
                self.way_back(&run, &taken_back.unwrap_or_default(), times, doubt).await
            }
            // What has failed is not tried again by a later delivery or slice of the same run.
            Some(reason) => self.undo(&run, reason, times).await,
            None => self.advance(&run, known, times, doubt.clone()).await.doubting(doubt),
        };
        self.end(&run.lease, &verdict).await;
        Ok((verdict, Some(run.lease)))
    }

    /// The longest plan that this invocation begins with: what takes longer than that begins where it can go on.
    fn longest(&self) -> Option<Duration> {
        let can_go_on = self.turn == Turn::Delivery && self.handler.services.driver.is_some();
        can_go_on.then_some(LONGEST)
    }

    /// The runs whose work a rollback takes back: the one that had succeeded with the declaration that is gone back from,
    /// or the one that failed with it and was not told to leave everything. None where that declaration wants none.
    fn runs_taken_back(&self, meta: &MetaRow) -> Vec<String> {
        let Some(old) = &self.envelope.old_properties else { return Vec::new() };
        let hash = Some(properties_hash(old));
        let old = Desired::read(old).ok();
        if old.as_ref().is_some_and(|old| old.on_stack_rollback == OnStackRollback::Keep) {
            return Vec::new();
        }
        let halts = old.is_some_and(|old| old.on_failure == OnFailure::Halt);
        let succeeded = meta.committed_by.clone().filter(|_| meta.committed == hash);
        let failed = meta.attempted_by.clone().filter(|_| meta.attempting == hash && !halts);
        succeeded.into_iter().chain(failed).flat_map(with_detached).collect()
    }

    /// Goes back: the migrations of these runs, then the declaration before as far as a rollback leads to it.
    pub(super) async fn way_back(
        &self,
        run: &Run,
        taken_back: &[String],
        times: Times,
        doubt: Option<String>,
    ) -> Verdict {
        let said = match rollback::revert(run, taken_back, times.work).await {
            Ok(undone) => {
                if let Some(later) = self.leave_undoing(run, &undone, times, Rest::Work(None)).await
                {
                    return later;
                }
                undone.is_something().then(|| undone.to_string())
            }
            Err(Interrupt::LeaseLost(why)) => return Verdict::failed(format!("stopped: {why}")),
            Err(interrupt) => Some(format!("migrations stay as they are: {interrupt}")),
        };
        let doubt = [said, doubt].into_iter().flatten().collect::<Vec<_>>();
        let doubt = (!doubt.is_empty()).then(|| doubt.join("; "));
        self.advance(run, None, times, doubt).await
    }

    /// Whether this request leads on or back.
    async fn way(&self, meta: Option<&MetaRow>) -> Way {
        way(&*self.handler.services.stacks, &self.envelope, &self.run, meta).await
    }

    /// Makes the generation that CloudFormation holds the live one, and records the declaration that is begun. Returns the
    /// ledger as it is then, where that is known without reading it again.
    async fn attempt(
        &self,
        lease: &Lease,
        snapshot: Snapshot,
        declaration: &Declaration,
    ) -> Result<Option<Snapshot>, Interrupt> {
        let before = snapshot.meta.clone().unwrap_or_default();
        // Delivered again, the event still names the generation before the one that this very run has answered with.
        let (mut held, mut writes) = match before.answered_by(&self.run) {
            Some(_) => (before.clone(), Vec::new()),
            None => hold(&snapshot, self.envelope.generation())?,
        };
        if held.live() < before.live()
            && let Some(old) = &self.envelope.old_properties
        {
            // What was gone back from is no declaration to return to.
            held = MetaRow { committed: Some(properties_hash(old)), previous: None, ..held };
        }
        let is_begun = before.committed.as_ref() != Some(&declaration.hash);
        let meta = MetaRow {
            stack: self.envelope.stack_name().to_owned(),
            stack_id: self.envelope.stack_id.clone(),
            attempting: is_begun.then(|| declaration.hash.clone()).or(held.attempting.clone()),
            attempted_by: is_begun.then(|| self.run.clone()).or(held.attempted_by.clone()),
            listed: true,
            ..held
        };
        let is_known = writes.is_empty();
        if !before.listed {
            writes.push(self.directory_row()?);
        }
        if meta != before {
            writes.push(RowWrite::set(entry::META.to_owned(), &meta)?);
        }
        lease.write_all(writes).await?;
        Ok(is_known.then_some(Snapshot { meta: Some(meta), ..snapshot }))
    }

    /// By what the scope is found.
    fn directory_row(&self) -> Result<RowWrite, Interrupt> {
        let row = ScopeRow {
            stack: self.envelope.stack_name().to_owned(),
            stack_id: self.envelope.stack_id.clone(),
            logical_id: self.envelope.logical_id.clone(),
            listed_at: clock::now(),
        };
        Ok(RowWrite::set(self.ledger.scope().to_owned(), &row)?.in_partition(SCOPES))
    }

    /// Carries a run out, as far as this invocation comes.
    pub(super) async fn advance(
        &self,
        run: &Run,
        mut known: Option<Snapshot>,
        times: Times,
        doubt: Option<String>,
    ) -> Verdict {
        let is_way_back = run.mode == Mode::Superset;
        let progress = loop {
            let progress = execute::advance(run, known.take(), times.work).await;
            let Progress::Blocked { until_ms, .. } = &progress else { break progress };
            let wait = Duration::from_millis(until_ms.saturating_sub(clock::now_ms()));
            if is_way_back || !times.work.sleep(wait).await {
                break progress;
            }
        };
        match progress {
            Progress::Done(report) if !report.left.is_empty() => {
                match self.begin_background(&run.lease).await {
                    Ok(()) => self.success(&report),
                    Err(interrupt) => Verdict::failed(format!(
                        "the tables are as declared, and the migrations could not begin: {interrupt}"
                    )),
                }
            }
            Progress::Done(mut report) => {
                if is_way_back {
                    report.notices.insert(0, "went back to the declaration before".to_owned());
                }
                report.notices.extend(doubt);
                self.success(&report)
            }
            Progress::Shared(shares) => {
                self.leave_to_workers(&run.lease, shares, times.work_of_request()).await
            }
            Progress::Superseded { reason } => Verdict::failed(format!("stopped: {reason}")),
            // There is nothing left to lose on the way back, and failing it would block the stack.
            Progress::Pending { reason }
            | Progress::Blocked { reason, .. }
            | Progress::Failed { reason }
                if is_way_back =>
            {
                let mut report = self.outputs().await;
                report.notices.push(format!("went back to the declaration before, but: {reason}"));
                report.notices.extend(doubt);
                self.success(&report)
            }
            Progress::Pending { reason } => {
                match self.leave(&run.lease, times, Rest::Work(None), &reason).await {
                    Some(later) => later,
                    None => self.pause(run, reason, times).await,
                }
            }
            Progress::Blocked { until_ms, reason } => {
                match self.leave(&run.lease, times, Rest::Work(Some(until_ms)), &reason).await {
                    Some(later) => later,
                    None if self.envelope.kind == RequestKind::Create => {
                        self.fail(run, reason, times).await
                    }
                    None => Verdict::failed(reason),
                }
            }
            Progress::Failed { reason } => self.fail(run, reason, times).await,
        }
    }

    /// The end of a run for which no time is left. A stack whose creation fails is deleted, and the next one is another:
    /// nobody would go on from here.
    async fn pause(&self, run: &Run, reason: String, times: Times) -> Verdict {
        if self.envelope.kind == RequestKind::Create {
            return self.fail(run, reason, times).await;
        }
        Verdict::failed(format!(
            "stopped at a safe point for lack of time: {reason}. Deploy again to go on from there"
        ))
    }

    /// Takes back what the run did, where that is wanted, and says both.
    async fn fail(&self, run: &Run, reason: String, times: Times) -> Verdict {
        if run.desired.on_failure == OnFailure::Halt {
            let trail = &run.trail;
            return Verdict::failed(format!("{reason}. Left as it is (OnFailure halt): {trail}"));
        }
        match run.lease.set(entry::run(&self.run), &RunFailure { failure: &reason }).await {
            Err(Interrupt::LeaseLost(why)) => Verdict::failed(format!("stopped: {why}")),
            Err(interrupt) => {
                tracing::warn!(%interrupt, "it is not on record that the run has failed");
                self.undo(run, reason, times).await
            }
            Ok(()) => self.undo(run, reason, times).await,
        }
    }

    /// Takes back what the run did, or goes on with that.
    async fn undo(&self, run: &Run, reason: String, times: Times) -> Verdict {
        match rollback::roll_back(run, times.undo).await {
            Ok(undone) => {
                if let Some(later) = self.leave_undoing(run, &undone, times, Rest::Undoing).await {
                    return later;
                }
                Verdict::failed(format!("{reason}. {undone}"))
            }
            Err(interrupt) => Verdict::failed(format!(
                "{reason}. Undoing stopped as well: {interrupt}. Done: {}",
                run.trail
            )),
        }
    }

    /// Leaves what is left of undoing to a later slice, or to workers.
    async fn leave_undoing(
        &self,
        run: &Run,
        undone: &Undone,
        times: Times,
        rest: Rest,
    ) -> Option<Verdict> {
        match undone.unfinished.clone()? {
            Unfinished::OutOfTime(progress) => self.leave(&run.lease, times, rest, &progress).await,
            Unfinished::Shared(shares) => {
                let until = match rest {
                    Rest::Work(_) => times.work_of_request(),
                    Rest::Undoing => times.undo_of_request(),
                };
                Some(self.leave_to_workers(&run.lease, shares, until).await)
            }
        }
    }

    /// What there is, for an answer that leaves everything as it is: its identity as well.
    async fn outputs(&self) -> Report {
        let report = execute::outputs(&self.handler.services.dynamo, &self.ledger).await;
        Report { generation: self.envelope.generation(), ..report }
    }

    /// Records how the run ended. Failing to must not change the answer.
    pub(super) async fn end(&self, lease: &Lease, verdict: &Verdict) {
        let Verdict::Answer { status, reason, .. } = verdict else { return };
        let end = RunEnd {
            state: match status {
                Status::Success => RunState::Succeeded,
                Status::Failed => RunState::Failed,
            },
            finished_at: clock::now(),
            reason,
        };
        if let Err(interrupt) = lease.set(entry::run(&self.run), &end).await {
            tracing::warn!(%interrupt, "the end of the run is not on record");
        }
    }

    fn success(&self, report: &Report) -> Verdict {
        let mut data = vec![
            ("Generation".to_owned(), report.generation.to_string()),
            ("LedgerHead".to_owned(), report.ledger_head.clone().unwrap_or_default()),
            ("Applied".to_owned(), report.applied.to_string()),
            ("RunId".to_owned(), self.run.clone()),
        ];
        let tables = report.tables.iter();
        data.extend(tables.clone().map(|(name, arn, _)| (format!("{name}.Arn"), arn.clone())));
        data.extend(
            tables.filter_map(|(name, _, stream)| {
                Some((format!("{name}.StreamArn"), stream.clone()?))
            }),
        );
        Verdict::Answer {
            status: Status::Success,
            reason: report.notices.join("; "),
            data,
            generation: Some(report.generation),
        }
    }
}

/// What the row of a run gets when it has failed; the rest of it stays.
#[derive(Serialize)]
struct RunFailure<'a> {
    failure: &'a str,
}

/// What the row of a run gets at its end; the rest of it stays.
#[derive(Serialize)]
struct RunEnd<'a> {
    state: RunState,
    finished_at: String,
    reason: &'a str,
}

/// A run, and what goes on after it.
pub(super) fn with_detached(run: String) -> [String; 2] {
    let detached = detached_from(&run);
    [run, detached]
}

pub(super) fn list(problems: &[Problem]) -> String {
    let each: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let noun = if problems.len() == 1 { "problem" } else { "problems" };
    format!(
        "{} {noun} in the resource's properties, nothing was changed: {}",
        each.len(),
        each.join("; ")
    )
}
