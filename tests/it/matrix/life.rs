//! The life of a stack around one request that things go wrong in: what CloudFormation does before and after.

use std::time::Duration;

use serde_json::{Value, json};

use super::fault::Fault;
use super::model;
use super::scenario::{self, ARCHIVE, Build, Code, ORDERS, Scenario};
use super::world::World;
use crate::support::with;

/// Longest that Lambda lets an invocation run.
pub(super) const INVOCATION: Duration = Duration::from_mins(15);
/// How long CloudFormation waits for an answer.
pub(super) const SERVICE_TIMEOUT: Duration = Duration::from_hours(1);

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
    pub(super) case: Case,
    /// Counts the stacks: a new one follows one that is gone.
    stack: u32,
    requests: u64,
}

/// A request of CloudFormation's.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) event: Value,
    pub(super) url: String,
    pub(super) physical_id: String,
    pub(super) build: Build,
}

/// What CloudFormation was answered.
#[derive(Debug, Clone)]
pub(super) struct Answer(pub(super) Value);

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
        if !has_struck {
            return Ok(Outcome { has_struck, is_success: None, answered_after: None });
        }
        let going_on = self.go_on(None);
        let (ended, gone_on) = futures::join!(running, going_on);
        ended?;
        gone_on?;
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

/// The requests.
impl<W: World> Life<'_, W> {
    pub(super) fn code(&self, build: Build) -> Code {
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

    pub(super) fn delete(&mut self, status: &'static str) -> Request {
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
