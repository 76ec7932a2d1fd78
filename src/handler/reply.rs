//! Gets the one answer out: claims it in the ledger, sends it, confirms it; and repeats one that another delivery left behind.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::answer::{SendError, Sender};
use crate::deadline::Deadline;
use crate::dynamo::Class;
use crate::ledger::rows::{AnswerRow, AnswerState};
use crate::ledger::{AnswerClaim, Ledger};
use crate::request::Envelope;

/// Most that asking the ledger for the right to answer may take; the answer itself matters more.
const CLAIM: Duration = Duration::from_secs(5);
/// How often another delivery's answer is looked for.
const POLL: Duration = Duration::from_secs(1);

/// What a delivery answers, as it is claimed: the watchdog and the handler say the same, whoever comes first.
pub(super) type Claim = Arc<OnceLock<AnswerRow>>;

/// Who is answered, and by when.
pub(super) struct Reply<'a> {
    pub(super) sender: &'a Sender,
    pub(super) envelope: &'a Envelope,
    pub(super) run: &'a str,
    pub(super) ledger: &'a Ledger,
    pub(super) deadline: Deadline,
    pub(super) claim: &'a Claim,
}

impl Reply<'_> {
    /// Sends the answer, or the one that this delivery has decided on before, unless another delivery has or is about
    /// to. A ledger that cannot be asked must not cost it.
    ///
    /// # Errors
    /// Where nobody received it and sending it again later may help.
    pub(super) async fn answer(&self, body: String) -> Result<(), SendError> {
        let limit = CLAIM.min(self.deadline.remaining() / 4);
        let claim = self.claim.get_or_init(|| AnswerRow::claim(body));
        let body = claim.body.clone();
        let claimed = tokio::time::timeout(limit, self.ledger.claim_answer(self.run, claim));
        let (body, is_claimed) = match claimed.await {
            Ok(Ok(AnswerClaim::Send(body))) => (body, true),
            Ok(Ok(AnswerClaim::Taken)) => {
                tracing::info!("answered already");
                return Ok(());
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
        self.send(&body, is_claimed).await
    }

    /// Waits until another delivery has answered, and repeats its answer where that delivery has died over it.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub(super) async fn see_answered(&self) -> Result<(), SendError> {
        loop {
            match self.ledger.answer(self.run).await {
                Ok(Some(row)) if row.is_abandoned() => {
                    tracing::warn!("the answer was claimed and not confirmed, sending it again");
                    return self.send(&row.body, true).await;
                }
                Ok(Some(row)) if row.state == AnswerState::Answering => {}
                Ok(_) => return Ok(()),
                Err(error) => tracing::warn!(%error, "the ledger does not say what was answered"),
            }
            if !self.deadline.sleep(POLL).await {
                return Ok(());
            }
        }
    }

    async fn send(&self, body: &str, is_claimed: bool) -> Result<(), SendError> {
        let Some(url) = &self.envelope.response_url else { return Ok(()) };
        let limit = self.deadline.remaining();
        let sent = tokio::time::timeout(limit, self.sender.send(url, body));
        let sent = sent.await.unwrap_or(Err(SendError::Undelivered("time ran out".to_owned())));
        let state = match &sent {
            Ok(()) => AnswerState::Answered,
            Err(error) => {
                tracing::error!(%error, body, "not answered");
                match error {
                    SendError::Refused(_) => AnswerState::Refused,
                    SendError::Undelivered(_) => return sent,
                }
            }
        };
        tracing::info!(bytes = body.len(), ?state, "answered");
        if is_claimed && let Err(error) = self.ledger.confirm_answer(self.run, state).await {
            tracing::warn!(%error, "the answer is not on record");
        }
        Ok(())
    }
}
