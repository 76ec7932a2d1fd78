//! Lambda: deliveries of a request, what is left of those that fail, and what of it gets to CloudFormation.

use std::time::Duration;

use serde_json::{Value, json};

use super::fault::{Fault, Step};
use super::life::{Answer, INVOCATION, Life, Request, SERVICE_TIMEOUT};
use super::model;
use super::scenario::{Build, Code};
use super::world::{Ended, World};

/// An invocation in which the time is soon over.
const SHORT: Duration = Duration::from_mins(1);
/// How long Lambda waits before it delivers an event again that a function failed at.
pub(super) const RETRIES_AFTER: Duration = Duration::from_secs(70);

/// What became of a request in all its deliveries.
pub(super) struct Handled {
    /// Whether it shows in how they ended that something has gone wrong.
    pub(super) has_struck: bool,
}

impl<W: World> Life<'_, W> {
    /// Sends a request with which nothing goes wrong.
    pub(super) async fn send(&self, request: &Request) -> Result<Answer, String> {
        let code = Code { misstep: None, ..self.code(request.build) };
        match self.world.deliver(code, &request.event, INVOCATION).await? {
            Ended::Well => {}
            Ended::InError => {
                return Err("a delivery failed with which nothing went wrong".to_owned());
            }
        }
        self.answer(request).await?.ok_or_else(|| "a request was not answered".to_owned())
    }

    /// Has a request handled in as many deliveries as Lambda makes.
    pub(super) async fn handle(&self, request: &Request) -> Result<Handled, String> {
        let (world, fault) = (self.world, self.case.fault);
        let time = if fault == Fault::Slow { SHORT } else { INVOCATION };
        let code = self.code(request.build);
        match fault {
            Fault::AnswerRefused => world.reply(&[403]),
            Fault::AnswerDuplicated => world.reply(&[500]),
            Fault::AnswerLost => {
                world.reply(&vec![500; 5 * usize::try_from(self.case.nth.min(2)).unwrap()]);
            }
            _ => {}
        }
        let mut has_struck = matches!(fault, Fault::AnswerLost if self.case.nth <= 2);
        has_struck |= fault.step() == Step::Whole;
        for _ in 0..2 {
            if self.deliver(code, request, time).await? == Ended::Well {
                if let Some(input) = world.execution() {
                    has_struck |= self.execute(code, &input).await?;
                }
                return Ok(Handled { has_struck });
            }
            has_struck |= fault == Fault::OutOfMemory;
            world.pass(RETRIES_AFTER).await;
        }
        has_struck |= world.stage().has_struck();
        world.stage().calm();
        let record = json!({
            "requestContext": { "condition": "RetriesExhausted", "approximateInvokeCount": 2 },
            "requestPayload": request.event,
            "responsePayload": { "errorType": "Runtime.ExitError", "errorMessage": "signal: killed" },
        });
        let ended = world.deliver(code, &record, INVOCATION).await?;
        if ended == Ended::InError {
            return Err("the record of a request that died was not handled".to_owned());
        }
        Ok(Handled { has_struck })
    }

    async fn deliver(
        &self,
        code: Code,
        request: &Request,
        time: Duration,
    ) -> Result<Ended, String> {
        let world = self.world;
        let first = world.deliver(code, &request.event, time);
        if self.case.fault != Fault::TwiceAtOnce {
            return first.await;
        }
        tokio::pin!(first);
        tokio::select! {
            biased;
            ended = &mut first => ended,
            () = world.stage().strikes() => {
                let second = world.deliver(code, &request.event, time);
                let (first, second) = futures::join!(first, second);
                second?;
                first
            }
        }
    }

    /// The answer that CloudFormation has; whatever else was sent has to be the same.
    pub(super) async fn answer(&self, request: &Request) -> Result<Option<Answer>, String> {
        let puts = self.world.puts(&request.url).await;
        if puts.iter().any(|put| put.body != puts[0].body) {
            return Err(format!("answers differ: {puts:?}"));
        }
        let Some(put) = puts.iter().find(|put| put.is_taken) else { return Ok(None) };
        let answer: Value = serde_json::from_str(&put.body).unwrap();
        for id in ["StackId", "RequestId", "LogicalResourceId"] {
            if answer[id] != request.event[id] {
                return Err(format!("{id} is not that of the request: {answer}"));
            }
        }
        if answer["PhysicalResourceId"] != json!(request.physical_id) {
            return Err(format!("an id that nobody expects: {answer}"));
        }
        Ok(Some(Answer(answer)))
    }

    /// How long it took to answer.
    pub(super) async fn answered_after(
        &self,
        request: &Request,
        sent_at: Duration,
    ) -> Option<Duration> {
        let puts = self.world.puts(&request.url).await;
        let taken = puts.iter().find(|put| put.is_taken)?;
        Some(taken.at.saturating_sub(sent_at))
    }

    /// Every request is answered, but where the answer was refused; CloudFormation then waits for its time to be over.
    pub(super) async fn check_answered(
        &self,
        request: &Request,
        answer: Option<&Answer>,
    ) -> Result<(), String> {
        match (self.case.fault, answer) {
            (Fault::AnswerRefused, None) => self.world.pass(SERVICE_TIMEOUT).await,
            (Fault::Again, Some(_)) => self.deliver_late(request).await?,
            (_, Some(_)) => {}
            (_, None) => return Err("the request was not answered".to_owned()),
        }
        Ok(())
    }

    /// After all that followed, the event comes once more.
    pub(super) async fn check_late_delivery(&self, request: &Request) -> Result<(), String> {
        if self.case.fault == Fault::Again { self.deliver_late(request).await } else { Ok(()) }
    }

    async fn deliver_late(&self, request: &Request) -> Result<(), String> {
        self.world.pass(RETRIES_AFTER).await;
        let before = self.world.puts(&request.url).await;
        let ended =
            self.world.deliver(self.code(request.build), &request.event, INVOCATION).await?;
        let after = self.world.puts(&request.url).await;
        if ended == Ended::Well && before == after {
            return Ok(());
        }
        Err(format!("delivered again after its answer, it ended {ended:?}: {after:?}"))
    }

    /// A Delete of ids that are none of ours is answered, and nothing comes of it.
    pub(super) async fn delete_what_is_unknown(&mut self) -> Result<bool, String> {
        if self.case.fault != Fault::UnknownDelete {
            return Ok(false);
        }
        let before = model::portrait(self).await;
        for (name, id) in [
            ("PhysicalResourceId", "tablewright:0a0a0a0a:Data:1"),
            ("PhysicalResourceId", "tablewright:aaaa0000:Other:1"),
            ("LogicalResourceId", "Other"),
        ] {
            let mut delete = self.delete("DELETE_IN_PROGRESS");
            delete.event[name] = json!(id);
            let ended =
                self.world.deliver(self.code(Build::New), &delete.event, INVOCATION).await?;
            let puts = self.world.puts(&delete.url).await;
            let is_success = puts.len() == 1 && puts[0].body.contains("\"SUCCESS\"");
            if ended != Ended::Well || !is_success || model::portrait(self).await != before {
                return Err(format!("a Delete of {name} {id}: {ended:?}, {puts:?}"));
            }
        }
        Ok(true)
    }
}
