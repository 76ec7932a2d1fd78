//! What a state machine calls for: another slice of a run that was handed over, or the answer where none comes to an end.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tracing::Instrument;

use super::reply::Claim;
use super::worker::Part;
use super::{HandleError, Handler, Invocation, Verdict, see_through};
use crate::clock;
use crate::ledger::rows::AnswerState;
use crate::ledger::{Ledger, Turn};
use crate::request::Envelope;

/// When a slice comes again that another invocation was in the way of.
const AGAIN: Duration = Duration::from_secs(30);

/// What is called for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    /// Another slice.
    Advance(Address),
    /// The answer, since slices fail for this reason.
    GiveUp(Address, String),
    /// A part of a backfill.
    Work(Address, Box<Part>),
}

/// Where a run is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) ledger: String,
    pub(super) scope: String,
    pub(super) run: String,
}

/// How a task ended.
enum Outcome {
    Done,
    Pending {
        at_ms: u64,
        reason: String,
    },
    /// Workers are to do these parts, and then another slice comes.
    Work(Vec<Part>),
}

impl Task {
    /// The task in an event, where it is one.
    ///
    /// # Errors
    /// What it lacks.
    pub(super) fn read(event: &Value) -> Option<Result<Self, HandleError>> {
        let verb = event.get("tablewright")?.as_str()?;
        let text = |name: &'static str| {
            let value = event.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            value.map(str::to_owned).ok_or(HandleError::NotACommand(format!("it has no {name}")))
        };
        let address =
            || Ok(Address { ledger: text("ledger")?, scope: text("scope")?, run: text("run")? });
        match verb {
            "advance" => Some(address().map(Self::Advance)),
            "give-up" => {
                let why = event.get("error").map(said).unwrap_or_default();
                Some(address().map(|address| Self::GiveUp(address, why)))
            }
            "work" => Some(address().and_then(|address| {
                let part = Part::deserialize(&event["part"]).map_err(|error| {
                    HandleError::NotACommand(format!("its part of a backfill: {error}"))
                })?;
                Ok(Self::Work(address, Box::new(part)))
            })),
            _ => None,
        }
    }
}

/// What Step Functions says of an error: `{ "Error": …, "Cause": … }`, the cause often being JSON with a message.
fn said(error: &Value) -> String {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let cause = text(error, "Cause");
    let inner: Value = serde_json::from_str(&cause).unwrap_or_default();
    let message = text(&inner, "errorMessage");
    let cause = if message.is_empty() { cause } else { message };
    format!("{} {cause}", text(error, "Error")).trim().to_owned()
}

impl Handler {
    /// Does what a state machine calls for; returns what it decides by: `{ "status": "done" }`, `{ "status": "pending",
    /// "wake_at": …, "reason": … }`, or `{ "status": "work", "parts": […] }`.
    pub(super) async fn carry_out(
        &self,
        task: Task,
        invocation: &Invocation,
    ) -> Result<Value, HandleError> {
        let (Task::Advance(address) | Task::GiveUp(address, _) | Task::Work(address, _)) = &task;
        let span = tracing::info_span!("run", run = address.run, scope = address.scope);
        let outcome = async {
            match &task {
                Task::Advance(_) => self.go_on_with(address, None, invocation).await,
                Task::GiveUp(_, error) => self.go_on_with(address, Some(error), invocation).await,
                Task::Work(_, part) => {
                    self.do_part(address, part, invocation).await.map(|()| Outcome::Done)
                }
            }
        };
        Ok(match outcome.instrument(span).await? {
            Outcome::Done => json!({ "status": "done" }),
            Outcome::Pending { at_ms, reason } => json!({
                "status": "pending", "wake_at": clock::format_ms(at_ms), "reason": reason,
            }),
            Outcome::Work(parts) => json!({ "status": "work", "parts": parts }),
        })
    }

    /// Does a slice of a run, or ends it for this reason.
    async fn go_on_with(
        &self,
        address: &Address,
        error: Option<&str>,
        invocation: &Invocation,
    ) -> Result<Outcome, HandleError> {
        let Address { ledger, scope, run } = address;
        let ledger = Ledger::new(self.services.dynamo.clone(), ledger, scope);
        let Some(parked) = ledger.parked(run).await? else {
            tracing::info!("nothing is kept of this run, so it is answered");
            return Ok(Outcome::Done);
        };
        let envelope = Envelope::kept(&parked.event, parked.url.as_deref(), &self.hosts)?;
        let envelope = Arc::new(envelope);
        let work = self.work_of(&envelope, run, invocation, Turn::Slice);
        let (verdict, lease) = match error {
            None => {
                let (trail, times) = (work.trail.clone(), work.times);
                see_through(work, times.hard, &trail).await
            }
            Some(error) => {
                tracing::error!(error, "answering for slices that fail");
                let why = format!("the function failed in its slices: {error}");
                match envelope.response_url {
                    Some(_) => (work.give_up(why).await, None),
                    None => work.abandon(why).await.unwrap_or_else(|verdict| (verdict, None)),
                }
            }
        };
        let outcome = match verdict {
            Verdict::GoesOn { at_ms, reason } => {
                tracing::info!(reason, wake_at = clock::format_ms(at_ms), "goes on later");
                Ok(Outcome::Pending { at_ms, reason })
            }
            Verdict::Shared { shares, until_ms } => {
                tracing::info!(%shares, "goes on when they are through");
                let Some(lease) = lease else { return Ok(Outcome::Work(Vec::new())) };
                let fence = lease.fence();
                lease.leave_to_workers().await;
                let part = |share| Part { fence, until_ms, share };
                return Ok(Outcome::Work(shares.each.into_iter().map(part).collect()));
            }
            Verdict::Answer { status, reason, .. } if envelope.response_url.is_none() => {
                // Without a lease there was no end to be put on record: the machine tries again, and has it ended.
                if lease.is_none() {
                    return Err(HandleError::CutOff(reason));
                }
                tracing::info!(?status, reason, "nothing goes on in the background any more");
                ledger.forget_parked(run).await?;
                Ok(Outcome::Done)
            }
            verdict @ (Verdict::Answer { .. } | Verdict::AnsweredElsewhere) => {
                let claim = Claim::default();
                self.reply_with(verdict, &envelope, run, &ledger, invocation, &claim).await?;
                self.after_answer(run, &ledger).await
            }
        };
        if let Some(lease) = lease {
            lease.release().await;
        }
        outcome
    }

    /// Whether the run is over; another invocation may have it in hand.
    async fn after_answer(&self, run: &str, ledger: &Ledger) -> Result<Outcome, HandleError> {
        let is_over = match ledger.answer(run).await? {
            Some(row) => row.state != AnswerState::Answering,
            None => false,
        };
        if !is_over {
            let at_ms = clock::now_ms() + u64::try_from(AGAIN.as_millis()).unwrap_or_default();
            let reason = "another invocation has this run in hand".to_owned();
            return Ok(Outcome::Pending { at_ms, reason });
        }
        ledger.forget_parked(run).await?;
        Ok(Outcome::Done)
    }
}
