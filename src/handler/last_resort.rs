//! Answers requests that no delivery has answered, from the records that Lambda leaves of them: the process died each time,
//! or never came up.

use std::sync::Arc;

use serde_json::{Value, json};
use tracing::Instrument;

use super::reply::Claim;
use super::{HandleError, Handler, Invocation};
use crate::ledger::Turn;
use crate::request::Envelope;

/// A record of an invocation that failed in every delivery.
#[derive(Debug, PartialEq)]
pub(super) struct DeadLetter {
    /// Id of the message of a queue that brought it.
    message: Option<String>,
    /// The event that was delivered.
    event: Value,
    /// Why Lambda gave up, in its words.
    why: String,
}

/// The records in an event, where it is one that brings records: of a queue that is the function's destination for failures,
/// or of the function itself being it (AWS documentation, "Capturing records of Lambda asynchronous invocations").
pub(super) fn dead_letters(event: &Value) -> Option<Vec<DeadLetter>> {
    if let Some(letter) = DeadLetter::read(event, None) {
        return Some(vec![letter]);
    }
    let messages = event.get("Records")?.as_array()?;
    let read = |message: &Value| {
        let id = message.get("messageId").and_then(Value::as_str).map(str::to_owned);
        let body = message.get("body").and_then(Value::as_str)?;
        DeadLetter::read(&serde_json::from_str(body).ok()?, id)
    };
    // What is no such record would come again for ever.
    Some(messages.iter().filter_map(read).collect())
}

impl DeadLetter {
    fn read(record: &Value, message: Option<String>) -> Option<Self> {
        let event = record.get("requestPayload")?.clone();
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
        let condition = text("/requestContext/condition").unwrap_or("Failed");
        let error =
            text("/responsePayload/errorMessage").or(text("/responseContext/functionError"));
        let why = error.map_or(condition.to_owned(), |error| format!("{condition}: {error}"));
        Some(Self { message, event, why })
    }
}

impl Handler {
    /// Answers for deliveries that are dead. Those whose answer did not get through are named, so that the queue brings
    /// them again.
    pub(super) async fn answer_for_the_dead(
        &self,
        letters: Vec<DeadLetter>,
        invocation: &Invocation,
    ) -> Result<Value, HandleError> {
        let mut unanswered = Vec::new();
        for letter in letters {
            match (self.answer_for(&letter, invocation).await, &letter.message) {
                (Ok(()), _) => {}
                (Err(error), Some(message)) => {
                    tracing::error!(%error, message, "a request that nobody answered stays so");
                    unanswered.push(json!({ "itemIdentifier": message }));
                }
                (Err(error), None) => return Err(error),
            }
        }
        Ok(json!({ "batchItemFailures": unanswered }))
    }

    async fn answer_for(
        &self,
        letter: &DeadLetter,
        invocation: &Invocation,
    ) -> Result<(), HandleError> {
        let envelope = match Envelope::read(&letter.event, &self.hosts) {
            Ok(envelope) => Arc::new(envelope),
            // It could not be answered then, and cannot now.
            Err(error) => {
                tracing::error!(%error, "event refused");
                return Ok(());
            }
        };
        let run = envelope.run_id();
        let span = tracing::info_span!("run", run, scope = envelope.scope());
        async {
            tracing::error!(why = letter.why, "answering for deliveries that are dead");
            let why =
                format!("the function failed in every delivery of this request: {}", letter.why);
            let work = self.work_of(&envelope, &run, invocation, Turn::Delivery);
            let verdict = work.give_up(why).await;
            let (ledger, claim) = (&work.ledger, &Claim::default());
            self.reply_with(verdict, &envelope, &run, ledger, invocation, claim).await?;
            // A delivery that died while it handed the run over has left it there. It may never have come as far as a ledger.
            if let Err(error) = ledger.forget_parked(&run).await {
                tracing::warn!(%error, "the request may stay in the ledger");
            }
            Ok::<_, HandleError>(())
        }
        .instrument(span)
        .await?;
        Ok(())
    }
}
