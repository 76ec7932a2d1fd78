//! The only file that knows the whole flow: event to envelope to work to one answer, whatever happens on the way.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tracing::Instrument;

use crate::answer::{Answer, SendError, Sender, Status};
use crate::clock;
use crate::deadline::Deadline;
use crate::desired::{self, Desired, OnFailure, Problem};
use crate::dynamo::{self, Class, Dynamo};
use crate::execute::{self, Progress, Report, Run, Trail};
use crate::interrupt::Interrupt;
use crate::ledger::rows::{AnswerState, MetaRow, RunRow, RunState, entry};
use crate::ledger::{Acquired, AnswerClaim, Holder, Lease, Ledger, RowWrite};
use crate::migrator::{BuildError, Migrator};
use crate::plan::Mode;
use crate::request::{AllowedHosts, Envelope, NotARequest, RequestKind, properties_hash};
use crate::rollback;

/// What asking the ledger for the right to answer may take; the answer itself matters more.
const CLAIM: Duration = Duration::from_secs(5);

/// Longest time that CloudFormation waits for an answer, and its default ("`ServiceTimeout`").
const SERVICE_TIMEOUT: Duration = Duration::from_hours(1);

/// Handles custom-resource events; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handler {
    dynamo: Dynamo,
    migrator: Result<Arc<Migrator>, BuildError>,
    hosts: AllowedHosts,
    sender: Sender,
}

/// What an invocation brings beside the event.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Id that no other invocation has.
    pub id: String,
    /// When the process is stopped.
    pub deadline: Deadline,
    /// Where its log is, for people; may be empty.
    pub log_stream: String,
}

/// How the work ended.
enum Verdict {
    /// To be answered.
    Answer { status: Status, reason: String, data: Vec<(String, String)> },
    /// Another delivery of the same event answers.
    AnsweredElsewhere,
}

impl Verdict {
    fn failed(reason: impl Into<String>) -> Self {
        Self::Answer { status: Status::Failed, reason: reason.into(), data: Vec::new() }
    }

    fn success(reason: impl Into<String>) -> Self {
        Self::Answer { status: Status::Success, reason: reason.into(), data: Vec::new() }
    }
}

impl From<Interrupt> for Verdict {
    fn from(interrupt: Interrupt) -> Self {
        Self::failed(interrupt.to_string())
    }
}

impl From<dynamo::Error> for Verdict {
    fn from(error: dynamo::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl Handler {
    /// Puts a handler together. Sends nothing.
    #[must_use]
    pub fn new(
        dynamo: Dynamo,
        migrator: Result<Arc<Migrator>, BuildError>,
        hosts: AllowedHosts,
        sender: Sender,
    ) -> Self {
        Self { dynamo, migrator, hosts, sender }
    }

    /// Handles one event.
    ///
    /// # Guarantees
    /// A request with an allowed response URL is answered once, also after a panic and before the deadline. The
    /// result is `Ok` then: an error would make Lambda deliver the event again.
    ///
    /// # Errors
    /// [`NotARequest`]; nothing was done and nothing was sent.
    pub async fn handle(&self, event: Value, invocation: Invocation) -> Result<Value, NotARequest> {
        let envelope = Envelope::read(&event, &self.hosts).inspect_err(|error| {
            tracing::error!(%error, "event refused");
        })?;
        let run = envelope.run_id();
        let span = tracing::info_span!("run", run, scope = envelope.scope());
        let answered = self.handle_request(Arc::new(envelope), run.clone(), invocation);
        answered.instrument(span).await;
        Ok(json!({ "run": run }))
    }

    async fn handle_request(&self, envelope: Arc<Envelope>, run: String, invocation: Invocation) {
        tracing::info!(kind = ?envelope.kind, stack = envelope.stack_name(), "request");
        let before = self.dynamo.requests_sent();
        let ledger_table = desired::ledger_table(&envelope.properties);
        let ledger = Ledger::new(self.dynamo.clone(), ledger_table, envelope.scope());
        let times = Times::of(invocation.deadline);
        let work = Work {
            handler: self.clone(),
            envelope: Arc::clone(&envelope),
            run: run.clone(),
            invocation: invocation.id.clone(),
            ledger: ledger.clone(),
            trail: Trail::default(),
            times,
        };
        let trail = work.trail.clone();
        let span = tracing::Span::current();
        let mut task = tokio::spawn(work.run().instrument(span));
        let verdict = tokio::select! {
            ended = &mut task => match ended {
                Ok(verdict) => verdict,
                Err(_) => Verdict::failed(format!(
                    "tablewright panicked, which is a bug; see the log. Done so far: {trail}. \
                     Deploying again goes on from there"
                )),
            },
            () = times.hard.reached() => {
                task.abort();
                Verdict::failed(format!(
                    "the function ran out of time. Done so far: {trail}. Deploying again goes on from there"
                ))
            }
        };
        let requests = self.dynamo.requests_sent() - before;
        let Verdict::Answer { status, reason, data } = verdict else {
            tracing::info!(requests, "another delivery of this event answers");
            self.see_answered(&envelope, &run, &ledger, times.hard).await;
            return;
        };
        tracing::info!(?status, reason, requests, "finished");
        let mut pointer = format!("(run {run}");
        if !invocation.log_stream.is_empty() {
            pointer = format!("{pointer}, log stream {}", invocation.log_stream);
        }
        pointer.push(')');
        let body = Answer { status, reason, pointer, data }.body(&envelope);
        self.answer(&envelope, &run, &ledger, body).await;
    }

    /// Waits until another delivery has answered, and repeats its answer where that delivery has died over it.
    async fn see_answered(
        &self,
        envelope: &Envelope,
        run: &str,
        ledger: &Ledger,
        deadline: Deadline,
    ) {
        const POLL: Duration = Duration::from_secs(1);
        loop {
            match ledger.answer(run).await {
                Ok(Some(row)) if row.is_abandoned() => {
                    tracing::warn!("the answer was claimed and not confirmed, sending it again");
                    return self.send(envelope, run, ledger, &row.body, true).await;
                }
                Ok(Some(row)) if row.state == AnswerState::Answering => {}
                Ok(_) => return,
                Err(error) => tracing::warn!(%error, "the ledger does not say what was answered"),
            }
            if !deadline.sleep(POLL).await {
                return;
            }
        }
    }

    /// Sends the answer, unless another delivery has or is about to. A ledger that cannot be asked must not cost it.
    async fn answer(&self, envelope: &Envelope, run: &str, ledger: &Ledger, body: String) {
        let claim = tokio::time::timeout(CLAIM, ledger.claim_answer(run, &body));
        let (body, is_claimed) = match claim.await {
            Ok(Ok(AnswerClaim::Send(body))) => (body, true),
            Ok(Ok(AnswerClaim::Taken)) => {
                tracing::info!("answered already");
                return;
            }
            Ok(Err(error)) if error.class == Class::Missing => (body, false),
            Ok(Err(error)) => {
                tracing::warn!(%error, "answering without a claim in the ledger");
                (body, false)
            }
            Err(_) => {
                tracing::warn!("the ledger is silent; answering without a claim in it");
                (body, false)
            }
        };
        self.send(envelope, run, ledger, &body, is_claimed).await;
    }

    async fn send(
        &self,
        envelope: &Envelope,
        run: &str,
        ledger: &Ledger,
        body: &str,
        is_claimed: bool,
    ) {
        let state = match self.sender.send(&envelope.response_url, body).await {
            Ok(()) => {
                tracing::info!(bytes = body.len(), "answered");
                AnswerState::Answered
            }
            Err(error) => {
                tracing::error!(%error, body, "not answered");
                match error {
                    SendError::Refused(_) => AnswerState::Refused,
                    SendError::Undelivered(_) => return,
                }
            }
        };
        if !is_claimed {
            return;
        }
        if let Err(error) = ledger.confirm_answer(run, state).await {
            tracing::warn!(%error, "the answer is not on record");
        }
    }
}

/// When things have to end.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// No new work.
    work: Deadline,
    /// No more undoing.
    undo: Deadline,
    /// The answer has to go out.
    hard: Deadline,
}

impl Times {
    /// Divides what is left: of 15 minutes a minute is kept for undoing and 20 seconds for the answer, of less
    /// a quarter and a tenth.
    fn of(deadline: Deadline) -> Self {
        let left = deadline.remaining();
        let answer = (left / 10).min(Duration::from_secs(20));
        let undo = (left / 4).min(Duration::from_mins(1));
        Self {
            work: deadline.earlier_by(answer + undo),
            undo: deadline.earlier_by(answer + answer / 4),
            hard: deadline.earlier_by(answer),
        }
    }

    /// The same, but ended before CloudFormation stops listening, counted from the first sight of the request.
    fn within_service_timeout(self, properties: &Value, first_seen: &str) -> Self {
        let seconds = properties.get("ServiceTimeout").and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        });
        let timeout = seconds.map_or(SERVICE_TIMEOUT, Duration::from_secs).min(SERVICE_TIMEOUT);
        let first_seen = clock::parse_ms(first_seen).unwrap_or_else(clock::now_ms);
        let elapsed = Duration::from_millis(clock::now_ms().saturating_sub(first_seen));
        let limit = Self::of(Deadline::after(timeout.saturating_sub(elapsed)));
        Self {
            work: self.work.at_most(limit.work.remaining()),
            undo: self.undo.at_most(limit.undo.remaining()),
            hard: self.hard,
        }
    }
}

/// The work of one request, apart from answering it.
struct Work {
    handler: Handler,
    envelope: Arc<Envelope>,
    run: String,
    invocation: String,
    ledger: Ledger,
    trail: Trail,
    times: Times,
}

impl Work {
    async fn run(self) -> Verdict {
        let verdict = match &self.envelope.kind {
            RequestKind::Create | RequestKind::Update => {
                match Desired::read(&self.envelope.properties) {
                    Ok(desired) => self.deploy(desired).await,
                    Err(problems) => self.refuse(&problems).await,
                }
            }
            RequestKind::Delete => self.delete().await,
            RequestKind::Unknown(word) => {
                Err(Verdict::failed(format!("RequestType {word} is not Create, Update or Delete")))
            }
        };
        verdict.unwrap_or_else(|verdict| verdict)
    }

    /// Records the run and takes the lease. `None` where another delivery of the event answers.
    async fn begin(&self) -> Result<Option<(Lease, Times)>, dynamo::Error> {
        let row = RunRow {
            request_id: self.envelope.request_id.clone(),
            kind: format!("{:?}", self.envelope.kind),
            declaration: properties_hash(&self.envelope.properties),
            build: crate::BUILD.to_owned(),
            state: RunState::Running,
            started_at: clock::now(),
            ..RunRow::default()
        };
        let row = self.ledger.begin_run(&self.run, &row).await?;
        let times = self.times.within_service_timeout(&self.envelope.properties, &row.started_at);
        if self.ledger.answer(&self.run).await?.is_some() {
            return Ok(None);
        }
        let holder = Holder { run: self.run.clone(), invocation: self.invocation.clone() };
        match self.ledger.acquire(holder, times.work).await? {
            Acquired::HeldByTwin => Ok(None),
            Acquired::Lease(_) if self.ledger.answer(&self.run).await?.is_some() => Ok(None),
            Acquired::Lease(lease) => Ok(Some((lease, times))),
        }
    }

    /// Refuses properties that do not parse, unless they are the ones to go back to: failing those would leave the
    /// stack in `UPDATE_ROLLBACK_FAILED`.
    async fn refuse(&self, problems: &[Problem]) -> Result<Verdict, Verdict> {
        let meta = self.ledger.snapshot().await.ok().and_then(|snapshot| snapshot.meta);
        let declaration = properties_hash(&self.envelope.properties);
        match self.mode(meta.as_ref(), &declaration) {
            Mode::Deploy => Err(Verdict::failed(list(problems))),
            Mode::Superset => Ok(Verdict::success(format!("left as it is; {}", list(problems)))),
        }
    }

    async fn deploy(&self, desired: Desired) -> Result<Verdict, Verdict> {
        let migrator = self.handler.migrator.clone().map_err(|error| {
            Verdict::failed(format!(
                "the function's migrations are refused, nothing was changed: {error}"
            ))
        })?;
        let began = match self.begin().await {
            Err(error) if error.class == Class::Missing => {
                self.ledger.ensure_table(self.times.work).await?;
                self.begin().await?
            }
            began => began?,
        };
        let Some((lease, times)) = began else { return Ok(Verdict::AnsweredElsewhere) };
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
            dynamo: self.handler.dynamo.clone(),
            lease,
            trail: self.trail.clone(),
        };
        // One slice is all that fits an invocation; what is left waits for the next deploy.
        let progress = execute::advance(&run, times.work).await;
        let verdict = match progress {
            Progress::Done(report) => success(&report, &run),
            // There is nothing left to lose on the way back, and failing it would block the stack.
            Progress::Pending { reason }
            | Progress::Blocked { reason }
            | Progress::Failed { reason }
                if mode == Mode::Superset =>
            {
                Verdict::success(format!("went back to the declaration before, but: {reason}"))
            }
            Progress::Pending { reason } => Verdict::failed(format!(
                "stopped at a safe point for lack of time: {reason}. Deploy again to go on from there"
            )),
            Progress::Blocked { reason } => Verdict::failed(reason),
            Progress::Superseded { reason } => Verdict::failed(format!("superseded: {reason}")),
            Progress::Failed { reason } => failure(&run, reason, times.undo).await,
        };
        self.end(run.lease, &verdict).await;
        Ok(verdict)
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

    async fn delete(&self) -> Result<Verdict, Verdict> {
        let began = match self.begin().await {
            Err(error) if error.class == Class::Missing => {
                return Ok(Verdict::success("there is no ledger, so nothing is ours to delete"));
            }
            began => began?,
        };
        let Some((lease, times)) = began else { return Ok(Verdict::AnsweredElsewhere) };
        let live = self.ledger.snapshot().await?.meta.map_or(1, |meta| meta.generation);
        let verdict = if self.envelope.generation() == live {
            match execute::delete_resource(&self.handler.dynamo, &lease, times.work).await {
                Ok(outcomes) => Verdict::success(outcomes.join("; ")),
                Err(interrupt) => Verdict::from(interrupt),
            }
        } else {
            Verdict::success("not the live generation, nothing to delete")
        };
        self.end(lease, &verdict).await;
        Ok(verdict)
    }

    /// Records how the run ended and gives the lease back. Failing to must not change the answer.
    async fn end(&self, lease: Lease, verdict: &Verdict) {
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
        lease.release().await;
    }
}

/// What the row of a run gets at its end; the rest of it stays.
#[derive(serde::Serialize)]
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

fn success(report: &Report, run: &Run) -> Verdict {
    let mut data = vec![
        ("Generation".to_owned(), report.generation.to_string()),
        ("LedgerHead".to_owned(), report.ledger_head.clone().unwrap_or_default()),
        ("Applied".to_owned(), report.applied.to_string()),
        ("RunId".to_owned(), run.id.clone()),
    ];
    let arns = report.tables.iter().map(|(name, arn, _)| (format!("{name}.Arn"), arn.clone()));
    data.extend(arns);
    let streams = report
        .tables
        .iter()
        .filter_map(|(name, _, stream)| Some((format!("{name}.StreamArn"), stream.clone()?)));
    data.extend(streams);
    let mut reason = report.notices.clone();
    if run.mode == Mode::Superset {
        reason.insert(0, "went back to the declaration before".to_owned());
    }
    Verdict::Answer { status: Status::Success, reason: reason.join("; "), data }
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
