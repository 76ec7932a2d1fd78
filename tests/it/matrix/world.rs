//! Where functions run, and what they answer to: in process and in virtual time, as far as no process has to die.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tablewright::services::Services;
use tablewright::stacks::{StackStatus, Stacks, Unreadable};
use tablewright::testing::{Function, Receiver};
use tokio::time::Instant;

use super::scenario::Code;
use super::stage::Stage;

/// How a delivery ended, as Lambda sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    /// With an error, or with the process.
    InError,
}

/// An answer that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) body: String,
    pub(super) is_taken: bool,
    /// When it came, since the beginning.
    pub(super) at: Duration,
}

/// Where functions run.
pub(super) trait World {
    fn stage(&self) -> &Stage;
    /// Where the answer to a request goes.
    fn url(&self, number: u64) -> String;
    /// What CloudFormation says that the stack is going through.
    fn goes_through(&self, status: &'static str);
    /// Has a function handle an event, in an invocation of its own; what it returns, or nothing where it failed.
    async fn call(
        &self,
        code: Code,
        event: &Value,
        time: Duration,
    ) -> Result<Option<Value>, String>;
    /// The same, as Lambda sees a delivery.
    async fn deliver(&self, code: Code, event: &Value, time: Duration) -> Result<Ended, String> {
        let returned = self.call(code, event, time).await?;
        Ok(if returned.is_some() { Ended::Well } else { Ended::InError })
    }
    /// The input of an execution that a function has just started.
    fn execution(&self) -> Option<Value>;
    /// What was put to a URL so far.
    async fn puts(&self, url: &str) -> Vec<Put>;
    /// Has the next answers meet these HTTP statuses.
    fn reply(&self, statuses: &[u16]);
    /// Lets time pass.
    async fn pass(&self, time: Duration);
    /// The time since the beginning.
    fn elapsed(&self) -> Duration;
}

/// In process, in virtual time.
#[derive(Debug)]
pub(super) struct InProcess {
    stage: Stage,
    receiver: Receiver,
    status: Says,
    invocations: AtomicU64,
    began: Instant,
}

/// A CloudFormation that says what a stack is going through.
#[derive(Debug, Clone, Default)]
pub(super) struct Says(Arc<Mutex<&'static str>>);

impl Says {
    pub(super) fn set(&self, status: &'static str) {
        *self.0.lock().unwrap() = status;
    }
}

impl Stacks for Says {
    fn status<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<StackStatus, Unreadable>> {
        let status = StackStatus((*self.0.lock().unwrap()).to_owned());
        async { Ok(status) }.boxed()
    }
}

impl InProcess {
    pub(super) fn new(stage: Stage) -> Self {
        Self {
            stage,
            receiver: Receiver::default(),
            status: Says::default(),
            invocations: AtomicU64::new(0),
            began: Instant::now(),
        }
    }
}

impl World for InProcess {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn url(&self, number: u64) -> String {
        self.receiver.url(number)
    }

    fn goes_through(&self, status: &'static str) {
        self.status.set(status);
    }

    async fn call(
        &self,
        code: Code,
        event: &Value,
        time: Duration,
    ) -> Result<Option<Value>, String> {
        let services =
            Services { stacks: Arc::new(self.status.clone()), ..self.stage.plane.services() };
        let function = Function::new(services, code.migrator().map(Arc::new), &self.receiver);
        let invocation = format!("invocation-{}", self.invocations.fetch_add(1, Ordering::Relaxed));
        // The runtime of Lambda catches what panics.
        let handled = function.deliver(event.clone(), &invocation, time);
        let handled = AssertUnwindSafe(handled).catch_unwind();
        // Lambda ends what does not end by itself.
        let handled = tokio::time::timeout(time, handled).await;
        let Ok(Ok(Ok(returned))) = handled else { return Ok(None) };
        Ok(Some(returned))
    }

    fn execution(&self) -> Option<Value> {
        None
    }

    async fn puts(&self, url: &str) -> Vec<Put> {
        let puts = self.receiver.puts().into_iter().filter(|put| put.url == url);
        let put = |put: tablewright::testing::Put| Put {
            body: put.body,
            is_taken: put.status < 300,
            at: put.at.duration_since(self.began),
        };
        puts.map(put).collect()
    }

    fn reply(&self, statuses: &[u16]) {
        self.receiver.reply(statuses);
    }

    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}
