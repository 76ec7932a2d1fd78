//! The life of a stack around one request that things go wrong in: what Lambda and CloudFormation do before and after.

use std::time::Duration;

use serde_json::{Value, json};

use super::fault::{Fault, Step};
use super::model;
use super::scenario::{self, ARCHIVE, Build, Code, ORDERS, Scenario};
use super::world::{Ended, World};
use crate::support::with;

/// Longest that Lambda lets an invocation run.
const INVOCATION: Duration = Duration::from_mins(15);
/// One in which the time is soon over.
const SHORT: Duration = Duration::from_mins(1);
/// How long Lambda waits before it delivers an event again that a function failed at.
const RETRIES_AFTER: Duration = Duration::from_secs(70);
/// How long CloudFormation waits for an answer.
const SERVICE_TIMEOUT: Duration = Duration::from_hours(1);

/// One case: a fault that strikes at the nth step of a scenario.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) scenario: Scenario,
    pub(super) fault: Fault,
    pub(super) nth: u64,
}

/// What came of a case.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    /// Whether the fault struck at all.
    pub(super) has_struck: bool,
    /// What was answered to the request, where it was.
    pub(super) is_success: Option<bool>,
    /// How long it took to answer.
    pub(super) answered_after: Option<Duration>,
}

/// A stack and its requests.
pub(super) struct Life<'a, W> {
    pub(super) world: &'a W,
    case: Case,
    /// Counts the stacks: a new one follows one that is gone.
    stack: u32,
    requests: u64,
}

/// A request of CloudFormation's.
#[derive(Debug, Clone)]
pub(super) struct Request {
    event: Value,
    url: String,
    physical_id: String,
    build: Build,
}

/// What CloudFormation was answered.
#[derive(Debug, Clone)]
pub(super) struct Answer(Value);

impl Answer {
    fn is_success(&self) -> bool {
        self.0["Status"] == "SUCCESS"
    }

    pub(super) fn reason(&self) -> &str {
        self.0["Reason"].as_str().unwrap_or_default()
    }

    fn expect_success(self, of: &str) -> Result<Self, String> {
        if self.is_success() { Ok(self) } else { Err(format!("{of} failed: {}", self.reason())) }
    }
}

impl<'a, W: World> Life<'a, W> {
    /// Lives through a case and compares what is left with the model.
    pub(super) async fn live(world: &'a W, case: Case) -> Result<Outcome, String> {
        let mut life = Self { world, case, stack: 0, requests: 0 };
        life.prepare().await?;
        let unknown = life.delete_what_is_unknown().await?;
        let request = life.request_of_the_case();
        let sent_at = world.elapsed();
        world.stage().arm(case.fault, case.nth, &life.scope());
        if case.fault == Fault::OvertakenByTheWayBack {
            return life.live_on_overtaken(&request).await;
        }
        let ended = life.handle(&request).await?;
        let mut has_struck = world.stage().has_struck() || ended.has_struck || unknown;
        world.stage().calm();
        let answer = life.answer(&request).await?;
        has_struck |= answer.as_ref().is_some_and(|answer| answer.reason().contains("on purpose"));
        let answered_after = life.answered_after(&request, sent_at).await;
        let is_success = answer.as_ref().map(Answer::is_success);
        life.check_answered(&request, answer.as_ref()).await?;
        life.go_on(answer.as_ref()).await?;
        life.check_late_delivery(&request).await?;
        life.delete_what_is_unknown().await?;
        life.deploy_once_more().await?;
        Ok(Outcome { has_struck, is_success, answered_after })
    }

    /// Brings the stack to where the request of the case comes.
    async fn prepare(&mut self) -> Result<(), String> {
        let scenario = self.case.scenario;
        if scenario == Scenario::Create {
            return Ok(());
        }
        let create = self.create(Build::Old, &scenario::before());
        self.send(&create).await?.expect_success("the create")?;
        model::put(self.world.stage(), ORDERS, scenario::orders()).await;
        if matches!(scenario, Scenario::Rollback | Scenario::Delete) {
            let update = self.update(Build::New);
            self.send(&update).await?.expect_success("the update")?;
        }
        if scenario == Scenario::Delete {
            model::put(self.world.stage(), ARCHIVE, scenario::orders()).await;
        }
        Ok(())
    }

    fn request_of_the_case(&mut self) -> Request {
        match self.case.scenario {
            Scenario::Create => self.create(Build::New, &scenario::after()),
            Scenario::Update | Scenario::Failing => self.update(Build::New),
            Scenario::Rollback => self.way_back(),
            Scenario::Delete => self.delete("DELETE_IN_PROGRESS"),
        }
    }

    /// What CloudFormation and people do next.
    async fn go_on(&mut self, answer: Option<&Answer>) -> Result<(), String> {
        let (scenario, fault) = (self.case.scenario, self.case.fault);
        let is_success = answer.is_some_and(Answer::is_success);
        let stays = is_success && fault != Fault::AnotherResourceFails;
        match scenario {
            Scenario::Create | Scenario::Update | Scenario::Failing if stays => Ok(()),
            Scenario::Create => {
                let delete = self.delete("ROLLBACK_IN_PROGRESS");
                self.send(&delete).await?.expect_success("the delete")?;
                self.create_anew().await
            }
            Scenario::Rollback if is_success => {
                model::check_gone_back(self, answer).await?;
                self.deploy_again().await
            }
            // A way back that failed has a person have CloudFormation go on with it.
            Scenario::Update | Scenario::Failing | Scenario::Rollback => {
                let back = self.way_back();
                let answer = self.send(&back).await?.expect_success("the way back")?;
                model::check_gone_back(self, Some(&answer)).await?;
                self.deploy_again().await
            }
            Scenario::Delete => {
                if !is_success {
                    let delete = self.delete("DELETE_IN_PROGRESS");
                    self.send(&delete).await?.expect_success("the second delete")?;
                }
                model::check_deleted(self).await?;
                self.create_anew().await
            }
        }
    }

    async fn deploy_again(&mut self) -> Result<(), String> {
        let update = self.update(Build::Mended);
        self.send(&update).await?.expect_success("the deploy after it").map(drop)
    }

    /// A deploy that has nothing to do finds all as it is to be.
    async fn deploy_once_more(&mut self) -> Result<(), String> {
        let declared = scenario::after();
        let again = with(declared.clone(), "Migrations", json!({ "Hash": "again" }));
        let update =
            self.request("UPDATE_IN_PROGRESS", "Update", Build::Mended, &again, Some(&declared));
        self.send(&update).await?.expect_success("a deploy with nothing to do")?;
        model::check_end(self).await
    }

    /// Another stack declares the same. What the first has left, it takes over.
    async fn create_anew(&mut self) -> Result<(), String> {
        self.stack += 1;
        let left = model::tables(self.world.stage()).await;
        let mut declared = scenario::after();
        for table in declared["Tables"].as_array_mut().unwrap() {
            if left.iter().any(|name| table["TableName"] == json!(name)) {
                *table = with(table.clone(), "Adopt", json!(true));
            }
        }
        if self.case.scenario == Scenario::Delete {
            declared["Migrations"]["Baseline"] = json!("0002_count");
        }
        let create = self.create(Build::Mended, &declared);
        self.send(&create).await?.expect_success("the create of another stack").map(drop)
    }

    /// CloudFormation has given up and goes back while the run goes on.
    async fn live_on_overtaken(&mut self, request: &Request) -> Result<Outcome, String> {
        let world = self.world;
        let code = self.code(request.build);
        let sent_at = world.elapsed();
        let running = world.deliver(code, &request.event, INVOCATION);
        tokio::pin!(running);
        let has_struck = tokio::select! {
            biased;
            ended = &mut running => { ended?; false }
            () = world.stage().strikes() => true,
        };
        world.stage().calm();
        if has_struck {
            let going_on = self.go_on(None);
            let (ended, gone_on) = futures::join!(running, going_on);
            ended?;
            gone_on?;
        }
        let answer = self.answer(request).await?;
        let answered_after = self.answered_after(request, sent_at).await;
        model::check_end(self).await?;
        Ok(Outcome {
            has_struck,
            is_success: answer.map(|answer| answer.is_success()),
            answered_after,
        })
    }
}

/// What became of a request in all its deliveries.
struct Handled {
    /// Whether it shows in how they ended that something has gone wrong.
    has_struck: bool,
}

/// Lambda: deliveries, and what is left of those that fail.
impl<W: World> Life<'_, W> {
    /// Sends a request with which nothing goes wrong.
    async fn send(&self, request: &Request) -> Result<Answer, String> {
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
    async fn handle(&self, request: &Request) -> Result<Handled, String> {
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
    async fn answer(&self, request: &Request) -> Result<Option<Answer>, String> {
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
    async fn answered_after(&self, request: &Request, sent_at: Duration) -> Option<Duration> {
        let puts = self.world.puts(&request.url).await;
        let taken = puts.iter().find(|put| put.is_taken)?;
        Some(taken.at.saturating_sub(sent_at))
    }

    /// Every request is answered, but where the answer was refused; CloudFormation then waits for its time to be over.
    async fn check_answered(
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
    async fn check_late_delivery(&self, request: &Request) -> Result<(), String> {
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
    async fn delete_what_is_unknown(&mut self) -> Result<bool, String> {
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

/// The requests.
impl<W: World> Life<'_, W> {
    fn code(&self, build: Build) -> Code {
        let Case { scenario, fault, nth } = self.case;
        let misstep = fault.misstep().filter(|_| build == Build::New).map(|misstep| (misstep, nth));
        Code { scenario, build, misstep }
    }

    fn stack_uuid(&self) -> String {
        format!("aaaa{:04}", self.stack)
    }

    /// The partition of the ledger that is about the resource.
    pub(super) fn scope(&self) -> String {
        format!("{}/Data", self.stack_uuid())
    }

    fn physical_id(&self) -> String {
        format!("tablewright:{}:Data:1", self.stack_uuid())
    }

    pub(super) fn scenario(&self) -> Scenario {
        self.case.scenario
    }

    pub(super) fn fault(&self) -> Fault {
        self.case.fault
    }

    fn create(&mut self, build: Build, declared: &Value) -> Request {
        self.request("CREATE_IN_PROGRESS", "Create", build, declared, None)
    }

    fn update(&mut self, build: Build) -> Request {
        let (old, new) = (scenario::before(), scenario::after());
        self.request("UPDATE_IN_PROGRESS", "Update", build, &new, Some(&old))
    }

    fn way_back(&mut self) -> Request {
        let (old, new) = (scenario::before(), scenario::after());
        let build = self.case.scenario.build_on_the_way_back();
        self.request("UPDATE_ROLLBACK_IN_PROGRESS", "Update", build, &old, Some(&new))
    }

    fn delete(&mut self, status: &'static str) -> Request {
        let declared = scenario::after();
        self.request(status, "Delete", Build::New, &declared, None)
    }

    fn request(
        &mut self,
        status: &'static str,
        kind: &str,
        build: Build,
        declared: &Value,
        old: Option<&Value>,
    ) -> Request {
        self.world.goes_through(status);
        self.requests += 1;
        let url = self.world.url(self.requests);
        let stack = self.stack_uuid();
        let mut event = json!({
            "RequestType": kind,
            "RequestId": format!("request-{}", self.requests),
            "ResponseURL": url,
            "StackId": format!("arn:aws:cloudformation:eu-west-1:111122223333:stack/Test/{stack}"),
            "LogicalResourceId": "Data",
            "ResourceType": "Custom::DynamoDBTables",
            "ResourceProperties": declared,
        });
        if kind != "Create" {
            event["PhysicalResourceId"] = json!(self.physical_id());
        }
        if let Some(old) = old {
            event["OldResourceProperties"] = old.clone();
        }
        Request { event, url, physical_id: self.physical_id(), build }
    }
}
