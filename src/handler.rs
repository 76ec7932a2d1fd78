//! The only file that knows the whole flow: event to envelope to work to one answer, whatever happens on the way.

mod background;
mod commands;
mod delete;
mod last_resort;
mod reply;
mod task;
mod threads;
mod times;
mod turn;
mod watchdog;
mod way;
mod work;
mod worker;

use std::sync::Arc;

use serde_json::{Value, json};
use tracing::Instrument;

use self::last_resort::dead_letters;
use self::reply::{Claim, Reply};
use self::task::Task;
use self::threads::Threads;
use self::times::Times;
use self::watchdog::{Watchdog, Watched};
use self::work::Work;
use crate::answer::{Answer, SendError, Sender, Status};
use crate::backfill::Shares;
use crate::command::{self, CommandError};
use crate::deadline::Deadline;
use crate::desired;
use crate::dynamo;
use crate::execute::Trail;
use crate::interrupt::Interrupt;
use crate::ledger::{Lease, Ledger, Turn};
use crate::migrator::{BuildError, Migrator};
use crate::request::{AllowedHosts, Envelope, NotARequest};
use crate::services::Services;

/// Handles custom-resource events; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handler {
    services: Services,
    migrator: Result<Arc<Migrator>, BuildError>,
    hosts: AllowedHosts,
    sender: Sender,
    threads: Arc<Threads>,
    watchdog: Arc<Watchdog>,
    is_hurried: bool,
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

/// Why an event has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// It is no request that can be answered.
    #[error(transparent)]
    NotARequest(#[from] NotARequest),
    /// It is a command that lacks something.
    #[error("the command is refused: {0}")]
    NotACommand(String),
    /// The answer did not get through.
    #[error(transparent)]
    Unanswered(#[from] SendError),
    /// A slice that nobody waits for, or a worker, came to no end of its own.
    #[error("it did not end by itself: {0}")]
    CutOff(String),
    /// The ledger did not say what to go on with.
    #[error(transparent)]
    Ledger(#[from] dynamo::Error),
    /// It is a direct command that is refused, or was not done.
    #[error(transparent)]
    NotDone(#[from] CommandError),
}

impl HandleError {
    /// Its name, by which whoever invokes the function tells errors apart.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotARequest(_) => "NotARequest",
            Self::NotACommand(_) => "NotACommand",
            Self::Unanswered(_) => "Unanswered",
            Self::CutOff(_) => "CutOff",
            Self::Ledger(_) => "Ledger",
            Self::NotDone(CommandError::Malformed(_)) => "Malformed",
            Self::NotDone(CommandError::Refused(_)) => "Refused",
            Self::NotDone(CommandError::Failed(_)) => "Failed",
        }
    }
}

/// How the work ended.
enum Verdict {
    /// To be answered; with the generation that CloudFormation is to hold, where it may be another than before.
    Answer { status: Status, reason: String, data: Vec<(String, String)>, generation: Option<u64> },
    /// Another delivery of the same event answers.
    AnsweredElsewhere,
    /// Not yet over: another slice goes on, from this moment on, in milliseconds since the epoch.
    GoesOn { at_ms: u64, reason: String },
    /// Not yet over: workers go on, until this moment at most, and then another slice does.
    Shared { shares: Box<Shares>, until_ms: Option<u64> },
}

impl Verdict {
    fn failed(reason: impl Into<String>) -> Self {
        Self::bare(Status::Failed, reason)
    }

    fn success(reason: impl Into<String>) -> Self {
        Self::bare(Status::Success, reason)
    }

    /// The same, and where it failed, what made it uncertain what was asked for.
    fn doubting(mut self, doubt: Option<String>) -> Self {
        if let (Self::Answer { status: Status::Failed, reason, .. }, Some(doubt)) =
            (&mut self, doubt)
        {
            *reason = format!("{reason} ({doubt})");
        }
        self
    }

    fn bare(status: Status, reason: impl Into<String>) -> Self {
        Self::Answer { status, reason: reason.into(), data: Vec::new(), generation: None }
    }

    /// What is answered, with where to read more; nothing where another delivery answers.
    fn answer(self, run: &str, log_stream: &str) -> Option<Answer> {
        let Self::Answer { status, reason, data, generation } = self else { return None };
        let mut pointer = format!("(run {run}");
        if !log_stream.is_empty() {
            pointer = format!("{pointer}, log stream {log_stream}");
        }
        pointer.push(')');
        Some(Answer { status, reason, pointer, data, generation })
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
    /// Puts a handler together and starts the threads that work for it. Sends nothing.
    #[must_use]
    pub fn new(
        services: Services,
        migrator: Result<Arc<Migrator>, BuildError>,
        hosts: AllowedHosts,
        sender: Sender,
    ) -> Self {
        let (threads, watchdog) = (Arc::new(Threads::start()), Arc::new(Watchdog::start()));
        Self { services, migrator, hosts, sender, threads, watchdog, is_hurried: true }
    }

    /// Takes the whole of an invocation for each request: whoever has sent it waits for as long as it takes.
    pub(crate) fn unhurried(mut self) -> Self {
        self.is_hurried = false;
        self
    }

    /// Works on the runtime that calls, instead of on threads of its own, so that paused time is paused for the work too.
    #[cfg(feature = "testing")]
    pub(crate) fn working_here(mut self) -> Self {
        self.threads = Arc::new(Threads::Here);
        self
    }

    /// Handles one event: a request, records of requests that nobody has answered, or a direct [command].
    ///
    /// # Guarantees
    /// A request with an allowed response URL is answered once, also after a panic and before the deadline. The
    /// result is `Ok` then: an error makes Lambda deliver the event again.
    ///
    /// # Errors
    /// [`HandleError::NotARequest`]: nothing was done and nothing was sent. [`HandleError::Unanswered`]: the answer is
    /// ready and did not get through; another delivery of the event sends it again. [`HandleError::NotDone`]: a direct
    /// command, which whoever has sent it may send again.
    pub async fn handle(&self, event: Value, invocation: Invocation) -> Result<Value, HandleError> {
        if let Some(task) = Task::read(&event) {
            return self.carry_out(task?, &invocation).await;
        }
        if let Some(letters) = dead_letters(&event) {
            return self.answer_for_the_dead(letters, &invocation).await;
        }
        if command::is_command(&event) {
            return Ok(self.obey(&event, &invocation).await?);
        }
        let envelope = Envelope::read(&event, &self.hosts).inspect_err(|error| {
            tracing::error!(%error, "event refused");
        })?;
        let run = envelope.run_id();
        let span = tracing::info_span!("run", run, scope = envelope.scope());
        let answered = self.handle_request(Arc::new(envelope), &run, invocation);
        answered.instrument(span).await?;
        Ok(json!({ "run": run }))
    }

    async fn handle_request(
        &self,
        envelope: Arc<Envelope>,
        run: &str,
        invocation: Invocation,
    ) -> Result<(), SendError> {
        tracing::info!(kind = ?envelope.kind, stack = envelope.stack_name(), "request");
        let work = self.work_of(&envelope, run, &invocation, Turn::Delivery);
        let (ledger, trail, times) = (work.ledger.clone(), work.trail.clone(), work.times);
        let claim = Claim::default();
        let mut armed = Some(self.watchdog.arm(Watched {
            envelope: Arc::clone(&envelope),
            run: run.to_owned(),
            ledger: ledger.clone(),
            sender: self.sender.clone(),
            trail: trail.clone(),
            invocation: invocation.clone(),
            claim: Arc::clone(&claim),
            hard: times.hard,
        }));
        let before = self.services.dynamo.requests_sent();
        let (verdict, lease) = see_through(work, times.hard, &trail).await;
        tracing::debug!(requests = self.services.dynamo.requests_sent() - before, "work ended");
        let answered = match verdict {
            Verdict::GoesOn { reason, .. } => {
                tracing::info!(reason, "this invocation ends, and the run goes on");
                Ok(())
            }
            Verdict::Shared { shares, .. } => {
                tracing::info!(%shares, "this invocation ends, and the run goes on");
                Ok(())
            }
            verdict => {
                // The delivery that answers is watched where it is.
                if matches!(verdict, Verdict::AnsweredElsewhere) {
                    armed = None;
                }
                self.reply_with(verdict, &envelope, run, &ledger, &invocation, &claim).await
            }
        };
        drop(armed);
        if let Some(lease) = lease {
            lease.release().await;
        }
        answered
    }

    fn work_of(
        &self,
        envelope: &Arc<Envelope>,
        run: &str,
        invocation: &Invocation,
        turn: Turn,
    ) -> Work {
        let ledger_table = desired::ledger_table(&envelope.properties);
        Work {
            handler: self.clone(),
            envelope: Arc::clone(envelope),
            run: run.to_owned(),
            turn,
            invocation: invocation.id.clone(),
            ledger: Ledger::new(self.services.dynamo.clone(), ledger_table, envelope.scope()),
            trail: Trail::default(),
            times: Times::of(invocation.deadline),
        }
    }

    /// Answers with a verdict, unless another delivery does.
    async fn reply_with(
        &self,
        verdict: Verdict,
        envelope: &Envelope,
        run: &str,
        ledger: &Ledger,
        invocation: &Invocation,
        claim: &Claim,
    ) -> Result<(), SendError> {
        let (sender, deadline) = (&self.sender, invocation.deadline);
        let reply = Reply { sender, envelope, run, ledger, deadline, claim };
        let Some(answer) = verdict.answer(run, &invocation.log_stream) else {
            tracing::info!("another delivery of this event answers");
            return reply.see_answered().await;
        };
        tracing::info!(status = ?answer.status, reason = answer.reason, "finished");
        reply.answer(answer.body(envelope)).await
    }
}

/// Runs the work to its end, to its panic, or to the moment at which the answer has to go out.
async fn see_through(work: Work, deadline: Deadline, trail: &Trail) -> (Verdict, Option<Lease>) {
    let threads = Arc::clone(&work.handler.threads);
    let mut task = threads.handle().spawn(work.run().instrument(tracing::Span::current()));
    let verdict = tokio::select! {
        ended = &mut task => match ended {
            Ok(done) => return done,
            Err(_) => Verdict::failed(format!(
                "tablewright panicked, which is a bug; see the log. Done so far: {trail}. \
                 Deploying again goes on from there"
            )),
        },
        () = deadline.reached() => {
            task.abort();
            Verdict::failed(format!(
                "the function ran out of time. Done so far: {trail}. Deploying again goes on from there"
            ))
        }
    };
    (verdict, None)
}
