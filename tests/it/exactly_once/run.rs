//! A case that runs: deploys, each in a process of its own, and what happens between the requests of these processes.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PutRequest, WriteRequest,
};
use serde_json::{Value, json};
use tablewright::testing::{Arrival, ControlPlane, Durations, Stack};
use tokio::sync::{Mutex, Notify};

use super::case::{About, Aim, COPIES, Case, How, LATENCY, Moment, Stop, TABLE, Then};
use super::dice::Dice;
use super::writer::Writer;
use super::{CASE, log_path};
use crate::process::{CloudFormation, Process, Program};
use crate::support::{Item, number, text};

/// Deploys after the last that was stopped on purpose.
const DEPLOYS_MAX: usize = 12;
pub(super) const LEDGER: &str = "tablewright-ledger";
pub(super) const SCOPE: &str = "6f1d2c80/Data";

/// A case that runs.
pub(super) struct Run {
    pub(super) case: Arc<Case>,
    pub(super) plane: ControlPlane,
    pub(super) stage: Arc<Stage>,
    cloudformation: CloudFormation,
    frozen: Vec<Arc<Process>>,
}

/// What happens between the requests of the function.
pub(super) struct Stage {
    pub(super) scene: Mutex<Scene>,
    stopped: Notify,
}

pub(super) struct Scene {
    pub(super) writer: Writer,
    dice: Dice,
    /// What is to be stopped, and when: with each request that counts, the moment comes one nearer.
    victim: Option<(Arc<Process>, How, Moment)>,
}

/// How a process came to its end.
enum End {
    Answered(Value),
    Stopped(Then),
}

/// What the stack is updated to, and from.
struct Declared {
    new: Value,
    old: Value,
}

impl Run {
    /// Runs a case and compares what it leaves with the model.
    pub(super) async fn check(case: Arc<Case>) -> Result<(), String> {
        let plane = ControlPlane::builder()
            .seed(case.seed)
            .durations(Durations::none())
            .page_items(case.page_items)
            .unseen_reads(0)
            .build();
        let declared = Declared::of(&case);
        fill(&case, &plane).await;
        Stack::new(&plane).deploy(&declared.old).await.expect_success();
        let stage = Stage::new(&case, &plane);
        let watcher = (Arc::clone(&stage), Arc::clone(&case));
        plane.watch(move |arrival| {
            let (stage, case) = watcher.clone();
            async move { stage.arrive(&case, &arrival).await }
        });
        for fault in &case.faults {
            plane.fault(fault.clone());
        }
        let cloudformation = CloudFormation::start().await;
        let mut run = Self { case, plane, stage, cloudformation, frozen: Vec::new() };
        run.deploy(&declared).await?;
        run.thaw().await?;
        run.compare().await
    }

    /// Deploys until the migration is where the case wants it, whatever stops it.
    async fn deploy(&mut self, declared: &Declared) -> Result<(), String> {
        let Declared { new, old } = declared;
        let server = self.plane.serve().await.unwrap();
        let endpoint = server.endpoint();
        let stops: Vec<_> = self.case.stops.iter().copied().map(Some).collect();
        let mut event = self.cloudformation.update(new, old);
        let mut said = Vec::new();
        for stop in stops.into_iter().chain([None; DEPLOYS_MAX]) {
            match self.invoke(&endpoint, &event, stop).await? {
                End::Answered(answer) => {
                    if self.is_done(&answer).await {
                        return Ok(());
                    }
                    said.push(answer["Reason"].as_str().unwrap_or_default().to_owned());
                    event = self.cloudformation.update(new, old);
                }
                End::Stopped(Then::Redelivery) => self.expire_lease().await,
                End::Stopped(Then::Redeploy) => event = self.cloudformation.update(new, old),
                End::Stopped(Then::RollbackAndRedeploy) => {
                    self.cloudformation.goes_through("UPDATE_ROLLBACK_IN_PROGRESS");
                    let back = self.cloudformation.update(old, new);
                    self.invoke(&endpoint, &back, None).await?;
                    self.cloudformation.goes_through("UPDATE_IN_PROGRESS");
                    event = self.cloudformation.update(new, old);
                }
            }
        }
        Err(format!("the deploys came to no end: {said:?}"))
    }

    /// Has a process of its own handle an event, until it is stopped or done.
    async fn invoke(
        &mut self,
        endpoint: &str,
        event: &Value,
        stop: Option<Stop>,
    ) -> Result<End, String> {
        let time = match stop.map(|stop| stop.how) {
            Some(How::OutOfTime(time)) => time,
            Some(How::Killed | How::Frozen) | None => Duration::from_mins(1),
        };
        let program = Program {
            test: "exactly_once::function",
            env: &[(CASE, self.case.seed.to_string())],
            memory: None,
            machine: None,
            log: &log_path(&self.case),
        };
        let process = Process::start(&program, endpoint, &self.cloudformation, event, time).await;
        let process = Arc::new(process);
        self.stage.arm(&process, stop).await;
        tokio::select! {
            () = self.stage.stopped.notified() => {}
            ended = process.ended() => drop(ended?),
        }
        let was_stopped = self.stage.disarm().await;
        if was_stopped && stop.is_some_and(|stop| stop.how == How::Frozen) {
            self.frozen.push(process);
        }
        if let Some(answer) = self.cloudformation.answers(event).pop() {
            return Ok(End::Answered(answer));
        }
        // What it had sent last may be under way.
        tokio::time::sleep(LATENCY + Duration::from_millis(10)).await;
        if let Some(answer) = self.cloudformation.answers(event).pop() {
            return Ok(End::Answered(answer));
        }
        let Some(stop) = stop else { return Err("a process answered nothing".to_owned()) };
        // One that is claimed and not confirmed is repeated after a minute, which is a test of its own.
        let request = event["RequestId"].as_str().unwrap();
        let answers = self.ledger("answer#").await;
        let is_claimed = answers.iter().any(|row| row["body"].as_s().unwrap().contains(request));
        Ok(End::Stopped(match stop.then {
            Then::Redelivery if is_claimed => Then::Redeploy,
            then => then,
        }))
    }

    async fn is_done(&self, answer: &Value) -> bool {
        match self.case.aim {
            Aim::Applied => answer["Status"] == "SUCCESS",
            // Where the process died between the two migrations, the first belongs to a run that is over.
            Aim::TakenBack => {
                let ends = ["applied", "applied_with_errors", "undone"];
                ends.contains(&self.state().await.as_str())
            }
            // A transform that changes no item at all is not.
            Aim::Refused => {
                let said = answer["Reason"].as_str().unwrap_or_default();
                answer["Status"] == "SUCCESS" || said.contains("journal keeps what it was")
            }
        }
    }

    /// Lets the lease of a dead process run out, as a minute does.
    async fn expire_lease(&self) {
        let update = self.plane.bystander().update_item().table_name(LEDGER);
        let update = update.key("scope", text(SCOPE)).key("entry", text("lease"));
        let update = update.update_expression("SET expires_at_ms = :zero");
        update.expression_attribute_values(":zero", number(0)).send().await.unwrap();
    }

    /// Lets frozen processes go on, after all is done.
    async fn thaw(&mut self) -> Result<(), String> {
        for process in std::mem::take(&mut self.frozen) {
            process.thaw();
            process.ended().await?;
        }
        Ok(())
    }
}

impl Stage {
    fn new(case: &Case, plane: &ControlPlane) -> Arc<Self> {
        let writer = Writer::new(plane.bystander(), case);
        let dice = Dice::new(case.seed.rotate_left(32));
        let scene = Mutex::new(Scene { writer, dice, victim: None });
        Arc::new(Self { scene, stopped: Notify::new() })
    }

    /// Has a process stopped when its moment comes.
    async fn arm(&self, process: &Arc<Process>, stop: Option<Stop>) {
        let stop = stop.filter(|stop| !matches!(stop.how, How::OutOfTime(_)));
        let victim = stop.map(|Stop { how, at, .. }| (Arc::clone(process), how, at));
        self.scene.lock().await.victim = victim;
    }

    /// Whether the process was stopped; if not, it will not be any more.
    async fn disarm(&self) -> bool {
        let mut scene = self.scene.lock().await;
        // The notice of a stop that came just before its process was done must not meet the next.
        let notice = tokio::time::timeout(Duration::ZERO, self.stopped.notified());
        drop(notice.await);
        scene.victim.take().is_none()
    }

    async fn arrive(&self, case: &Case, arrival: &Arrival) {
        let is_about_items = arrival.tables.iter().any(|name| name == TABLE);
        let mut scene = self.scene.lock().await;
        if let Some((_, _, moment)) = &mut scene.victim
            && (moment.about == About::Anything || is_about_items)
        {
            moment.nth -= 1;
        }
        if let Some((process, how, _)) = scene.victim.take_if(|(_, _, moment)| moment.nth == 0) {
            match how {
                How::Killed => process.kill(),
                How::Frozen => process.freeze(),
                How::OutOfTime(_) => {}
            }
            self.stopped.notify_one();
        }
        let is_write = !["Scan", "Query", "GetItem"].contains(&arrival.operation.as_str());
        if is_about_items && is_write && scene.dice.per_cent(case.crossing_chance) {
            scene.writer.get_in_the_way(case, &arrival.request).await;
        }
        while scene.dice.per_cent(case.write_chance) {
            scene.writer.write(case).await;
        }
    }
}

impl Declared {
    /// No tables: those of the case are somebody else's, and only migrated.
    fn of(case: &Case) -> Self {
        let old = json!({
            "Tables": [], "OnFailure": case.on_failure, "Migrations": { "Baseline": "none" },
        });
        let mut new = old.clone();
        new["Migrations"]["Hash"] = json!("1");
        Self { new, old }
    }
}

/// Makes the tables of a case, with its items.
async fn fill(case: &Case, plane: &ControlPlane) {
    let client = plane.bystander();
    let hash = (KeyType::Hash, "pk", case.keys.hash);
    let range = case.keys.range.map(|kind| (KeyType::Range, "sk", kind));
    let keys: Vec<_> = std::iter::once(hash).chain(range).collect();
    for (table, keys) in [(TABLE, keys), (COPIES, vec![(KeyType::Hash, "id", "S")])] {
        let mut create =
            client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
        for (role, name, kind) in keys {
            let key = KeySchemaElement::builder().attribute_name(name).key_type(role);
            let kind =
                AttributeDefinition::builder().attribute_name(name).attribute_type(kind.into());
            create = create.key_schema(key.build().unwrap());
            create = create.attribute_definitions(kind.build().unwrap());
        }
        create.send().await.unwrap();
    }
    for chunk in case.items.chunks(25) {
        let put = |item: &Item| {
            let put = PutRequest::builder().set_item(Some(item.clone())).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let puts = chunk.iter().map(put).collect();
        client.batch_write_item().request_items(TABLE, puts).send().await.unwrap();
    }
}
