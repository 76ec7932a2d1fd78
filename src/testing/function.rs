//! The function in process, delivered one event after another.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::answer::{Receiver, Sender};
use crate::deadline::Deadline;
use crate::handler::{HandleError, Handler, Invocation};
use crate::migrator::{BuildError, Migrator};
use crate::services::Services;

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
        let handler = Handler::new(services, migrator, Receiver::hosts(), sender);
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
