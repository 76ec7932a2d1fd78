//! A state machine for tests: it keeps what it is asked to start, and the test does what it would.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tablewright::Migration;
use tablewright::handler::{HandleError, Handler};
use tablewright::services::Services;
use tablewright::states::{Driver, NotStarted};

use crate::support::{Stack, deliver, function_with};

/// How long a slice may take.
const SLICE: Duration = Duration::from_mins(1);

/// Keeps the executions that it was asked for, under their names; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeDriver {
    executions: Arc<Mutex<Vec<(String, Value)>>>,
    is_denied: Arc<Mutex<bool>>,
}

impl FakeDriver {
    /// A function of this stack with these migrations, whose long runs go on here.
    pub(crate) fn function(&self, stack: &Stack, migrations: Vec<Migration>) -> Handler {
        let services = stack.engine.services(&stack.stacks);
        let driver: Option<Arc<dyn Driver>> = Some(Arc::new(self.clone()));
        function_with(Services { driver, ..services }, migrations)
    }

    /// Starts nothing from now on.
    pub(crate) fn deny(&self) {
        *self.is_denied.lock().unwrap() = true;
    }

    /// Names and inputs of what was asked for, in order.
    pub(crate) fn executions(&self) -> Vec<(String, Value)> {
        self.executions.lock().unwrap().clone()
    }

    /// The input of the only execution.
    pub(crate) fn input(&self) -> Value {
        let executions = self.executions();
        let [(_, input)] = executions.as_slice() else { panic!("{executions:?}") };
        input.clone()
    }
}

impl Driver for FakeDriver {
    fn start<'a>(
        &'a self,
        name: &'a str,
        input: &'a Value,
    ) -> BoxFuture<'a, Result<(), NotStarted>> {
        if *self.is_denied.lock().unwrap() {
            return async { Err(NotStarted("AccessDenied".to_owned())) }.boxed();
        }
        self.executions.lock().unwrap().push((name.to_owned(), input.clone()));
        async { Ok(()) }.boxed()
    }
}

/// Has a function do what the state machine calls for.
pub(crate) async fn call(
    function: &Handler,
    verb: &str,
    input: &Value,
) -> Result<Value, HandleError> {
    let mut event = input.clone();
    event["tablewright"] = json!(verb);
    deliver(function, &event, SLICE).await
}

/// Calls for slices until the run is over.
pub(crate) async fn finish(function: &Handler, input: &Value) {
    for _ in 0..100 {
        let slice = call(function, "advance", input).await.unwrap();
        if slice["status"] == "done" {
            return;
        }
    }
    panic!("the run comes to no end");
}
