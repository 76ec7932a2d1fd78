//! Deploys without CloudFormation: its part is played in process, for a stack that exists in the ledger alone.
//!
//! The function is the real one: the requests, their order and what follows from a failure are those of a stack. What
//! CloudFormation would hold between two deploys, the identity and the properties of the resource, is in the ledger, so that
//! two machines that deploy a stack of one name mean the same one.

mod course;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use self::course::{Answer, Deployed};
pub(crate) use self::course::{Course, Held, Request};
use crate::answer::{Receiver, Sender};
use crate::clock;
use crate::deadline::Deadline;
use crate::desired::ledger_table;
use crate::dynamo::{self, Class};
use crate::handler::{HandleError, Handler, Invocation};
use crate::hex::hex;
use crate::ledger::{Ledger, Snapshot};
use crate::migrator::{BuildError, Migrator};
use crate::services::Services;
use crate::stacks::{StackStatus, Stacks, Unreadable};

/// Name of the resource in stacks that are deployed so.
const LOGICAL_ID: &str = "Local";
/// Time of a deploy. Nobody gives up waiting, and what is left of a longer one goes on with the next.
const LONGEST: Duration = Duration::from_hours(24);
/// What request ids of such deploys begin with, in the ledger; whose they are follows.
const BY: &str = "by ";

/// A stack that is deployed without CloudFormation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalStack {
    name: String,
}

/// Why a deploy came to no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The ledger does not say what there is.
    #[error(transparent)]
    Ledger(#[from] dynamo::Error),
    /// The request was not handled.
    #[error(transparent)]
    Unhandled(#[from] HandleError),
    /// It was handled and not answered.
    #[error("a request was not answered, which is a bug; what was done is on record")]
    Unanswered,
}

impl LocalStack {
    /// The one of this name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// Its ARN, which no stack of CloudFormation's has: the unique part follows from the name.
    #[must_use]
    pub fn id(&self) -> String {
        format!("arn:tablewright:local:::stack/{}/{}", self.name, self.uuid())
    }

    /// Its partition of the ledger, and what owns its tables.
    #[must_use]
    pub fn scope(&self) -> String {
        format!("{}/{LOGICAL_ID}", self.uuid())
    }

    fn uuid(&self) -> String {
        let digest = Sha256::digest(format!("tablewright local stack {}", self.name));
        let hex = hex(&digest[..16]);
        // Marked as one of version 8, whose bits are anybody's own (RFC 9562).
        format!("{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }

    fn physical_id(&self, generation: u64) -> String {
        format!("tablewright:{}:{LOGICAL_ID}:{}", self.uuid(), generation.max(1))
    }

    /// Brings tables and data to these properties, as a deploy of a stack does: the first time by a Create, after that by an
    /// Update, which is taken back where it fails and cleaned up after where it succeeds. `by` says whose it is.
    ///
    /// Nobody waits for it but who calls, so `Completion` makes no difference: it returns when all is done.
    ///
    /// # Errors
    /// [`ApplyError`]. What has failed and was taken back is no error: see [`Deployed`].
    pub async fn apply(
        &self,
        services: &Services,
        migrator: &Result<Arc<Migrator>, BuildError>,
        properties: &Value,
        by: &str,
    ) -> Result<Deployed, ApplyError> {
        let mut properties = properties.clone();
        if let Some(fields) = properties.as_object_mut() {
            fields.remove("Completion");
        }
        let ledger = Ledger::new(services.dynamo.clone(), ledger_table(&properties), self.scope());
        let snapshot = match ledger.snapshot().await {
            Err(error) if error.class == Class::Missing => Snapshot::default(),
            snapshot => snapshot?,
        };
        let mut requests = Requests { services, migrator, by, number: 0 };
        let mut course = Course { stack_id: self.id(), logical_id: LOGICAL_ID, held: None };
        if let Some(old) = self.replaced(&snapshot) {
            let status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS";
            requests.send(course.delete(&old, &properties, status)).await?;
        }
        course.held = self.held(&ledger, &snapshot).await?;
        course.deploy(&properties, async |request| requests.send(request).await).await
    }

    /// The identity that an earlier deploy has replaced, and died before it cleaned up.
    fn replaced(&self, snapshot: &Snapshot) -> Option<String> {
        let meta = snapshot.meta.as_ref()?;
        meta.answered.as_ref().map(|_| self.physical_id(meta.generation))
    }

    async fn held(
        &self,
        ledger: &Ledger,
        snapshot: &Snapshot,
    ) -> Result<Option<Held>, dynamo::Error> {
        let Some(meta) = snapshot.meta.as_ref().filter(|meta| meta.committed.is_some()) else {
            return Ok(None);
        };
        let declaration = ledger.declaration(meta.live()).await?;
        let properties = declaration.map(|declaration| declaration.properties);
        let physical_id = self.physical_id(meta.live());
        Ok(Some(Held { physical_id, properties: properties.unwrap_or_default() }))
    }
}

/// Whose deploy a request was, by its id; `None` where it was CloudFormation's.
#[must_use]
pub fn deployed_by(request_id: &str) -> Option<&str> {
    let (by, _moment) = request_id.strip_prefix(BY)?.rsplit_once(" at ")?;
    Some(by)
}

/// Has the function handle the requests of one deploy.
struct Requests<'a> {
    services: &'a Services,
    migrator: &'a Result<Arc<Migrator>, BuildError>,
    by: &'a str,
    number: u64,
}

impl Requests<'_> {
    async fn send(&mut self, request: Request) -> Result<Answer, ApplyError> {
        self.number += 1;
        let Request { mut event, status } = request;
        let receiver = Receiver::default();
        let id = format!(
            "{BY}{} at {}, {} of process {}",
            self.by,
            clock::now(),
            self.number,
            std::process::id()
        );
        event["RequestId"] = json!(id);
        event["ResponseURL"] = json!(receiver.url(self.number));
        // No state machine goes on with it: it has the time that it takes.
        let stacks = Arc::new(GoesThrough(status));
        let services = Services { stacks, driver: None, ..self.services.clone() };
        let sender = Sender::keeping(receiver.clone());
        let handler = Handler::new(services, self.migrator.clone(), Receiver::hosts(), sender);
        let deadline = Deadline::after(LONGEST);
        let invocation = Invocation { id, deadline, log_stream: String::new() };
        Box::pin(handler.unhurried().handle(event, invocation)).await?;
        let put = receiver.puts().pop().ok_or(ApplyError::Unanswered)?;
        serde_json::from_str(&put.body).map(Answer).map_err(|_| ApplyError::Unanswered)
    }
}

/// A stack that is going through this.
#[derive(Debug)]
pub(crate) struct GoesThrough(pub(crate) &'static str);

impl Stacks for GoesThrough {
    fn status<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<StackStatus, Unreadable>> {
        async { Ok(StackStatus(self.0.to_owned())) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_of_one_name_are_the_same_and_others_are_not() {
        let [one, again, other] = ["shop", "shop", "shop2"].map(LocalStack::named);
        assert_eq!(one.scope(), again.scope());
        assert_ne!(one.scope(), other.scope());
        assert_eq!(one.scope(), format!("{}/Local", one.id().rsplit('/').next().unwrap()));
    }

    #[test]
    fn a_request_says_whose_it_is() {
        assert_eq!(deployed_by("by ann at home at 2026-01-01T00:00:00Z, 1"), Some("ann at home"));
        assert_eq!(deployed_by("7a1c8fb2-request"), None);
    }
}
