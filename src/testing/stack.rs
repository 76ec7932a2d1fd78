//! A stack with one resource of ours, without CloudFormation: the requests that it would send, one after another.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde_json::{Value, json};

use super::{ControlPlane, Function};
use crate::answer::Receiver;
use crate::clock;
use crate::dynamo::Dynamo;
use crate::handler::HandleError;
pub use crate::local::{Answer, Deployed};
use crate::local::{Course, GoesThrough, Request};
use crate::migrator::{BuildError, Migrator};
use crate::services::{Regions, Services};
use crate::states::{Driver, NotStarted};

/// Longest that Lambda lets an invocation run.
const INVOCATION: Duration = Duration::from_mins(15);
/// More slices than any run has.
const SLICES_MAX: usize = 10_000;
/// How often a worker is called for that dies, and how long after.
const WORKER_TRIES: usize = 3;
const WORKER_RETRY: Duration = Duration::from_secs(1);

/// A stack whose one resource a function of ours stands behind.
///
/// It sends what CloudFormation sends, in its order: a rollback after an update that failed, a delete after a create
/// that failed, and in its cleanup phase a delete of the id that an update has replaced. The function is the real one,
/// in process and on the runtime that calls, so under tokio's paused time a deploy of hours takes none.
///
/// ```
/// use serde_json::json;
/// use tablewright::testing::{ControlPlane, Stack};
/// use tablewright::{Change, Migration, Migrator};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// let plane = ControlPlane::new();
/// let mut stack = Stack::new(&plane);
/// let properties = json!({
///     "Tables": [{
///         "TableName": "orders",
///         "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
///         "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
///     }],
/// });
/// stack.deploy(&properties).await.expect_success();
///
/// // … put items with `plane.client()`, then deploy a build with a migration.
/// let label = Migration::backfill("0001_label", "orders", |mut order| {
///     order.set_text("label", "new");
///     Ok(Change::Update(order))
/// });
/// stack.build(Migrator::builder().migration(label).build());
/// let mut with_migrations = properties.clone();
/// with_migrations["Migrations"] = json!({ "Hash": "1" });
/// stack.deploy(&with_migrations).await.expect_success();
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Stack {
    services: Services,
    migrator: Result<Arc<Migrator>, BuildError>,
    course: Course,
    status: &'static str,
    receiver: Receiver,
    requests: u64,
    invocation: Duration,
    machine: Option<Machine>,
    /// How many workers have shared backfills.
    workers: AtomicU64,
    /// Workers that are yet to be cut off, and after how long.
    deaths: AtomicU64,
    death: Duration,
}

/// A state machine, as far as it starts executions: their names and inputs.
#[derive(Debug, Clone, Default)]
struct Machine(Arc<Mutex<Vec<(String, Value)>>>);

impl Machine {
    fn inputs(&self) -> Vec<Value> {
        let executions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        executions.iter().map(|(_, input)| input.clone()).collect()
    }
}

impl Driver for Machine {
    fn start<'a>(
        &'a self,
        name: &'a str,
        input: &'a Value,
    ) -> BoxFuture<'a, Result<(), NotStarted>> {
        let mut executions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if executions.iter().all(|(started, _)| started != name) {
            executions.push((name.to_owned(), input.clone()));
        }
        async { Ok(()) }.boxed()
    }
}

impl Deployed {
    /// Asserts that all of it succeeded.
    ///
    /// # Panics
    /// Where something failed, with the reason.
    #[track_caller]
    pub fn expect_success(&self) {
        for answer in std::iter::once(&self.answer).chain(&self.after) {
            assert!(answer.is_success(), "{}", answer.reason());
        }
    }
}

impl Stack {
    /// A stack that was never deployed, whose function has no migrations.
    #[must_use]
    pub fn new(plane: &ControlPlane) -> Self {
        let region = plane.lock().account.region.clone();
        Self {
            services: plane.services(),
            migrator: Migrator::builder().build().map(Arc::new),
            course: Course {
                stack_id: format!(
                    "arn:aws:cloudformation:{region}:111122223333:stack/Test/6f1d2c80"
                ),
                logical_id: "Data",
                held: None,
            },
            status: "REVIEW_IN_PROGRESS",
            receiver: Receiver::default(),
            requests: 0,
            invocation: INVOCATION,
            machine: None,
            workers: AtomicU64::new(0),
            deaths: AtomicU64::new(0),
            death: Duration::ZERO,
        }
    }

    /// Replaces the function's build: the next request meets these migrations.
    pub fn build(&mut self, migrator: Result<Migrator, BuildError>) {
        self.migrator = migrator.map(Arc::new);
    }

    /// Gives the function a state machine: what takes longer than an invocation goes on in others, as it does with
    /// `TABLEWRIGHT_STATE_MACHINE_ARN`.
    pub fn state_machine(&mut self) {
        self.machine = Some(Machine::default());
    }

    /// How long an invocation of the function may take; 15 minutes, as long as Lambda allows, unless said.
    pub fn invocation_time(&mut self, time: Duration) {
        self.invocation = time;
    }

    /// Has this many of the workers that share a backfill from now on die, each this long after it has begun. The state
    /// machine calls for each two times more.
    pub fn lose_workers(&mut self, workers: u64, after: Duration) {
        *self.deaths.get_mut() = workers;
        self.death = after;
    }

    /// How many workers have shared backfills so far.
    #[must_use]
    pub fn workers(&self) -> u64 {
        self.workers.load(Ordering::Relaxed)
    }

    /// How many runs went on in the state machine.
    #[must_use]
    pub fn executions(&self) -> usize {
        self.machine.as_ref().map_or(0, |machine| machine.inputs().len())
    }

    /// Replaces what stands for another region: the function sends requests for replicas there.
    pub fn connect_regions(&mut self, regions: Regions) {
        self.services.regions = regions;
    }

    /// Replaces the function's client, as by one with an interceptor.
    pub fn connect(&mut self, client: aws_sdk_dynamodb::Client) {
        self.services.dynamo = Dynamo::new(client);
    }

    /// Deploys a declaration; where it fails, CloudFormation takes it back.
    pub async fn deploy(&mut self, properties: &Value) -> Deployed {
        let mut course = self.course.clone();
        let send = async |request| Ok::<_, Infallible>(self.send(request).await);
        let Ok(deployed) = course.deploy(properties, send).await;
        self.course = course;
        deployed
    }

    /// Deploys a declaration in a stack of which another resource fails once ours has succeeded.
    pub async fn deploy_and_fail_later(&mut self, properties: &Value) -> Deployed {
        let course = self.course.clone();
        let Some(held) = &course.held else {
            let answer = self.send(course.create(properties)).await;
            let id = answer.physical_id();
            let delete = course.delete(&id, properties, "ROLLBACK_IN_PROGRESS");
            let delete = self.send(delete).await;
            return Deployed { answer, after: Some(delete) };
        };
        let answer = self.send(course.update(held, properties)).await;
        let id = answer.physical_id();
        let back = course.update_back(held, properties).filter(|_| id == held.physical_id);
        let status = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS";
        let back = back.unwrap_or_else(|| course.delete(&id, properties, status));
        let after = self.send(back).await;
        Deployed { answer, after: Some(after) }
    }

    /// Deletes the stack; where it was never deployed, nothing is sent.
    pub async fn destroy(&mut self) -> Option<Answer> {
        let held = self.course.held.take()?;
        let delete = self.course.delete(&held.physical_id, &held.properties, "DELETE_IN_PROGRESS");
        Some(self.send(delete).await)
    }

    async fn send(&mut self, request: Request) -> Answer {
        self.requests += 1;
        let Request { mut event, status } = request;
        self.status = status;
        event["RequestId"] = json!(format!("request-{}", self.requests));
        event["ResponseURL"] = json!(self.receiver.url(self.requests));
        self.deliver(event).await
    }

    /// Has the function handle an event, and what its state machine calls for; takes the answer.
    async fn deliver(&self, event: Value) -> Answer {
        let (url, before) = (event["ResponseURL"].clone(), self.executions());
        self.invoke(event).await;
        for input in self.machine.iter().flat_map(Machine::inputs).skip(before) {
            self.execute(input).await;
        }
        let put = self.receiver.puts().pop().filter(|put| url == put.url.as_str());
        let body = put.expect("every request is answered").body;
        Answer(serde_json::from_str(&body).expect("an answer is JSON"))
    }

    /// What the state machine does: calls for slices of the run, each when the one before says, until it is over.
    async fn execute(&self, mut input: Value) {
        input["tablewright"] = json!("advance");
        for _ in 0..SLICES_MAX {
            let slice = self.invoke(input.clone()).await;
            if slice["status"] == "done" {
                return;
            }
            if slice["status"] == "work" {
                let parts = slice["parts"].as_array().cloned().unwrap_or_default();
                let works = parts.into_iter().map(|part| {
                    let mut input = input.clone();
                    input["tablewright"] = json!("work");
                    input["part"] = part;
                    self.work(input)
                });
                join_all(works).await;
                continue;
            }
            let wake_at = slice["wake_at"].as_str().and_then(clock::parse_ms);
            let wake_at = wake_at.expect("a slice says when the next is to come");
            let wait = wake_at.saturating_sub(clock::now_ms());
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        panic!("the run comes to no end");
    }

    /// What the state machine does for one worker.
    async fn work(&self, input: Value) {
        self.workers.fetch_add(1, Ordering::Relaxed);
        for _ in 0..WORKER_TRIES {
            let dies = self
                .deaths
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |deaths| deaths.checked_sub(1));
            let time = if dies.is_ok() { self.death } else { self.invocation };
            let worked = tokio::time::timeout(time, self.handle(input.clone())).await;
            if let Ok(Ok(_)) = worked {
                return;
            }
            tokio::time::sleep(WORKER_RETRY).await;
        }
    }

    /// Sends the function a direct [command](crate::command).
    ///
    /// # Errors
    /// What stands against it, as whoever invokes the function is told.
    pub async fn command(&self, event: Value) -> Result<Value, HandleError> {
        self.handle(event).await
    }

    /// Invokes the function once.
    async fn invoke(&self, event: Value) -> Value {
        self.handle(event).await.expect("an answer that is taken gets there")
    }

    async fn handle(&self, event: Value) -> Result<Value, HandleError> {
        static INVOCATIONS: AtomicU64 = AtomicU64::new(0);
        let driver = self.machine.clone().map(|machine| Arc::new(machine) as Arc<dyn Driver>);
        let stacks = Arc::new(GoesThrough(self.status));
        let services = Services { stacks, driver, ..self.services.clone() };
        let function = Function::new(services, self.migrator.clone(), &self.receiver);
        let invocation = format!("invocation-{}", INVOCATIONS.fetch_add(1, Ordering::Relaxed));
        function.deliver(event, &invocation, self.invocation).await
    }
}
