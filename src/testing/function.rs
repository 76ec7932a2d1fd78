//! The function in process, delivered one event after another, and who takes its answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::answer::Sender;
use crate::deadline::Deadline;
use crate::handler::{HandleError, Handler, Invocation};
use crate::migrator::{BuildError, Migrator};
use crate::request::AllowedHosts;
use crate::services::Services;

/// Where answers go.
const HOST: &str = "cloudformation.test";

/// The real function, in process and on the runtime that calls, so that paused time is paused for its work, too.
///
/// A [`Stack`](super::Stack) sends what CloudFormation sends; here events are delivered as a test has them.
#[derive(Debug, Clone)]
pub struct Function(Handler);

impl Function {
    /// A function of this build, with these clients, whose answers this receiver takes.
    #[must_use]
    pub fn new(
        services: Services,
        migrator: Result<Arc<Migrator>, BuildError>,
        receiver: &Receiver,
    ) -> Self {
        let sender = Sender::keeping(receiver.clone());
        let handler = Handler::new(services, migrator, AllowedHosts::parse(HOST), sender);
        Self(handler.working_here())
    }

    /// Delivers an event, in an invocation of this id and length.
    ///
    /// # Errors
    /// Those of [`Handler::handle`]: Lambda would deliver the event again.
    pub async fn deliver(
        &self,
        event: Value,
        invocation: &str,
        time: Duration,
    ) -> Result<Value, HandleError> {
        let deadline = Deadline::after(time);
        let id = invocation.to_owned();
        self.0.handle(event, Invocation { id, deadline, log_stream: String::new() }).await
    }
}

/// Takes answers, as S3 does for CloudFormation, without sockets; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Receiver(Arc<Mutex<Desk>>);

#[derive(Debug, Default)]
struct Desk {
    replies: VecDeque<u16>,
    puts: Vec<Put>,
}

/// An answer that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Where it was put.
    pub url: String,
    /// What it says.
    pub body: String,
    /// The HTTP status that it was taken or refused with.
    pub status: u16,
    /// When it came.
    pub at: Instant,
}

impl Receiver {
    /// A URL to answer to, which differs for each number.
    #[must_use]
    pub fn url(&self, number: u64) -> String {
        format!("http://{HOST}/{number}")
    }

    /// Has the next answers meet these HTTP statuses; all others meet 200.
    pub fn reply(&self, statuses: &[u16]) {
        self.lock().replies.extend(statuses);
    }

    /// What came so far, in its order.
    #[must_use]
    pub fn puts(&self) -> Vec<Put> {
        self.lock().puts.clone()
    }

    /// Takes an answer or refuses it.
    pub(crate) fn put(&self, url: &str, body: &str) -> u16 {
        let mut desk = self.lock();
        let status = desk.replies.pop_front().unwrap_or(200);
        desk.puts.push(Put {
            url: url.to_owned(),
            body: body.to_owned(),
            status,
            at: Instant::now(),
        });
        status
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
