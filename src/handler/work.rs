//! The work of one request, apart from answering it: deploy, go back, or delete, under the lease of its scope.

use std::sync::Arc;

use serde::Serialize;

use super::times::Times;
use super::{Handler, Verdict};
use crate::answer::Status;
use crate::clock;
use crate::deadline::Deadline;
use crate::desired::{Desired, OnFailure, Problem};
use crate::dynamo::{self, Class};
use crate::execute::{self, Progress, Report, Run, Trail};
use crate::ledger::rows::{MetaRow, RunRow, RunState, entry};
use crate::ledger::{Acquired, Holder, Lease, Ledger, RowWrite};
use crate::plan::Mode;
use crate::request::{Envelope, RequestKind, properties_hash};
use crate::rollback;

/// A verdict with the lease under which it was reached; without one where there was none to hold.
type Done = Result<(Verdict, Option<Lease>), Verdict>;

/// The work of one request, apart from answering it.
pub(super) struct Work {
    pub(super) handler: Handler,
    pub(super) envelope: Arc<Envelope>,
    pub(super) run: String,
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
            RequestKind::Create | RequestKind::Update => {
                match Desired::read(&self.envelope.properties) {
                    Ok(desired) => self.deploy(desired).await,
                    Err(problems) => self.refuse(list(&problems)).await,
                }
            }
            RequestKind::Delete => self.delete().await,
            RequestKind::Unknown(word) => {
                Err(Verdict::failed(format!("RequestType {word} is not Create, Update or Delete")))
            }
        };
        done.unwrap_or_else(|verdict| (verdict, None))
    }

    /// Records the run; returns its row, the existing one where the event was delivered before.
    async fn begin(&self) -> Result<RunRow, dynamo::Error> {
        let row = RunRow {
            request_id: self.envelope.request_id.clone(),
            kind: format!("{:?}", self.envelope.kind),
            declaration: properties_hash(&self.envelope.properties),
            build: crate::BUILD.to_owned(),
            state: RunState::Running,
            started_at: clock::now(),
            ..RunRow::default()
        };
        self.ledger.begin_run(&self.run, &row).await
    }

    /// Takes the lease, unless the event is answered, or being worked on, or its time is over.
    async fn take_lease(&self, row: &RunRow) -> Result<(Lease, Times), Verdict> {
        let times = self.times.within_service_timeout(&self.envelope.properties, &row.started_at);
        if self.ledger.answer(&self.run).await?.is_some() {
            return Err(Verdict::AnsweredElsewhere);
        }
        if times.work.passed() {
            return Err(Verdict::failed(
                "the time that CloudFormation waits for this request is over",
            ));
        }
        let holder = Holder { run: self.run.clone(), invocation: self.invocation.clone() };
        let lease = match self.ledger.acquire(holder, row.fence, times.work).await? {
            Acquired::Lease(lease) => lease,
            Acquired::HeldByTwin => return Err(Verdict::AnsweredElsewhere),
            Acquired::Superseded(why) => return Err(Verdict::failed(format!("stopped: {why}"))),
        };
        if self.ledger.answer(&self.run).await?.is_some() {
            return Err(Verdict::AnsweredElsewhere);
        }
        if row.fence.is_none() {
            let row = RunFence { fence: lease.fence() };
            lease.write(vec![RowWrite::set(entry::run(&self.run), &row)?]).await?;
        }
        Ok((lease, times))
    }

    /// Refuses what cannot be worked with, unless it is what is gone back to: failing that would leave the stack in
    /// `UPDATE_ROLLBACK_FAILED`.
    async fn refuse(&self, why: String) -> Done {
        let meta = self.ledger.snapshot().await.ok().and_then(|snapshot| snapshot.meta);
        let declaration = properties_hash(&self.envelope.properties);
        match self.mode(meta.as_ref(), &declaration) {
            Mode::Deploy => Err(Verdict::failed(why)),
            Mode::Superset => {
                let mut report =
                    execute::outputs(&self.handler.services.dynamo, &self.ledger).await;
                report.notices.push(format!("left as it is; {why}"));
                Err(self.success(&report))
            }
        }
    }

    async fn deploy(&self, desired: Desired) -> Done {
        let migrator = match &self.handler.migrator {
            Ok(migrator) => Arc::clone(migrator),
            Err(error) => {
                let why = "the function's migrations are refused, nothing was changed";
                return self.refuse(format!("{why}: {error}")).await;
            }
        };
        let row = match self.begin().await {
            Err(error) if error.class == Class::Missing => {
                self.ledger.ensure_table(self.times.work).await?;
                self.begin().await?
            }
            row => row?,
        };
        let (lease, times) = self.take_lease(&row).await?;
        let meta = self.ledger.snapshot().await?.meta;
        let declaration = properties_hash(&self.envelope.properties);
        let mode = self.mode(meta.as_ref(), &declaration);
        if meta.as_ref().and_then(|meta| meta.committed.as_ref()) != Some(&declaration) {
            let meta = MetaRow {
                stack: self.envelope.stack_name().to_owned(),
                stack_id: self.envelope.stack_id.clone(),
                generation: self.envelope.generation(),
                attempting: Some(declaration.clone()),
                ..meta.unwrap_or_default()
            };
            lease.write(vec![RowWrite::set(entry::META.to_owned(), &meta)?]).await?;
        }
        let run = Run {
            id: self.run.clone(),
            declaration,
            desired,
            migrator,
            mode,
            services: self.handler.services.clone(),
            lease,
            trail: self.trail.clone(),
        };
        // One slice is all that fits an invocation; what is left waits for the next deploy.
        let progress = execute::advance(&run, times.work).await;
        let verdict = match progress {
            Progress::Done(mut report) => {
                if mode == Mode::Superset {
                    report.notices.insert(0, "went back to the declaration before".to_owned());
                }
                self.success(&report)
            }
            Progress::Superseded { reason } => Verdict::failed(format!("stopped: {reason}")),
            // There is nothing left to lose on the way back, and failing it would block the stack.
            Progress::Pending { reason }
            | Progress::Blocked { reason, .. }
            | Progress::Failed { reason }
                if mode == Mode::Superset =>
            {
                let mut report = execute::outputs(&run.services.dynamo, &self.ledger).await;
                report.notices.push(format!("went back to the declaration before, but: {reason}"));
                self.success(&report)
            }
            // A stack whose creation fails is deleted, and the next one is another: nobody would go on from here.
            Progress::Pending { reason } | Progress::Blocked { reason, .. }
                if self.envelope.kind == RequestKind::Create =>
            {
                failure(&run, reason, times.undo).await
            }
            Progress::Pending { reason } => Verdict::failed(format!(
                "stopped at a safe point for lack of time: {reason}. Deploy again to go on from there"
            )),
            Progress::Blocked { reason, .. } => Verdict::failed(reason),
            Progress::Failed { reason } => failure(&run, reason, times.undo).await,
        };
        self.end(&run.lease, &verdict).await;
        Ok((verdict, Some(run.lease)))
    }

    /// Whether this Update is the way back from one that failed, or from one after which another resource failed.
    ///
    /// CloudFormation does not say so, but the old properties give it away. Of a deploy they are the declaration that
    /// is committed. Of a rollback they are the one that is taken back: it failed, and another is committed; or it
    /// succeeded, and the new properties are those before it. A team that returns to its last but one declaration by
    /// a deploy of its own looks like the latter and is treated like it: nothing is removed.
    fn mode(&self, meta: Option<&MetaRow>, declaration: &String) -> Mode {
        let (RequestKind::Update, Some(meta), Some(old)) =
            (&self.envelope.kind, meta, &self.envelope.old_properties)
        else {
            return Mode::Deploy;
        };
        let old = Some(properties_hash(old));
        let from_failed = meta.committed.as_ref() == Some(declaration)
            && meta.committed != old
            // A deploy that was committed and could not be answered comes again with the old properties of before.
            && (meta.previous != old || meta.attempting == old);
        let from_succeeded = meta.previous.as_ref() == Some(declaration) && meta.committed == old;
        if from_failed || from_succeeded {
            tracing::info!("this is the way back to the declaration before");
            return Mode::Superset;
        }
        Mode::Deploy
    }

    async fn delete(&self) -> Done {
        let row = match self.begin().await {
            Err(error) if error.class == Class::Missing => {
                return Err(Verdict::success("there is no ledger, so nothing is ours to delete"));
            }
            row => row?,
        };
        let (lease, times) = self.take_lease(&row).await?;
        let meta = self.ledger.snapshot().await?.meta.unwrap_or_default();
        let dynamo = &self.handler.services.dynamo;
        let outcomes = if meta.committed.is_none() {
            rollback::take_back_uncommitted(dynamo, &lease, times.work).await
        } else if self.envelope.generation() == meta.generation {
            execute::delete_resource(dynamo, &lease, times.work).await
        } else {
            Ok(vec!["not the live generation, nothing to delete".to_owned()])
        };
        let verdict = match outcomes {
            Ok(outcomes) => Verdict::success(outcomes.join("; ")),
            Err(interrupt) => Verdict::from(interrupt),
        };
        self.end(&lease, &verdict).await;
        Ok((verdict, Some(lease)))
    }

    /// Records how the run ended. Failing to must not change the answer.
    async fn end(&self, lease: &Lease, verdict: &Verdict) {
        let Verdict::Answer { status, reason, .. } = verdict else { return };
        let end = RunEnd {
            state: match status {
                Status::Success => RunState::Succeeded,
                Status::Failed => RunState::Failed,
            },
            finished_at: clock::now(),
            reason,
        };
        let written = match RowWrite::set(entry::run(&self.run), &end) {
            Ok(row) => lease.write(vec![row]).await,
            Err(interrupt) => Err(interrupt),
        };
        if let Err(interrupt) = written {
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
        Verdict::Answer { status: Status::Success, reason: report.notices.join("; "), data }
    }
}

/// What the row of a run gets with its first lease; the rest of it stays.
#[derive(Serialize)]
struct RunFence {
    fence: u64,
}

/// What the row of a run gets at its end; the rest of it stays.
#[derive(Serialize)]
struct RunEnd<'a> {
    state: RunState,
    finished_at: String,
    reason: &'a str,
}

fn list(problems: &[Problem]) -> String {
    let each: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let noun = if problems.len() == 1 { "problem" } else { "problems" };
    format!(
        "{} {noun} in the resource's properties, nothing was changed: {}",
        each.len(),
        each.join("; ")
    )
}

/// Takes back what the run did, where that is wanted, and says both.
async fn failure(run: &Run, reason: String, deadline: Deadline) -> Verdict {
    if run.desired.on_failure == OnFailure::Halt {
        return Verdict::failed(format!("{reason}. Left as it is (OnFailure halt): {}", run.trail));
    }
    match rollback::roll_back(run, deadline).await {
        Ok(undone) => Verdict::failed(format!("{reason}. {undone}")),
        Err(interrupt) => Verdict::failed(format!(
            "{reason}. Undoing stopped as well: {interrupt}. Done: {}",
            run.trail
        )),
    }
}
