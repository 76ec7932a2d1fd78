//! Functions as processes that can be killed. What nothing happens to runs beside them in this process; time is real, and
//! what would only be waited for is counted in.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tablewright::answer::Sender;
use tablewright::deadline::Deadline;
use tablewright::handler::{Handler, Invocation};
use tablewright::request::AllowedHosts;
use tablewright::services::Services;
use tablewright::testing::Server;

use super::scenario::{Build, Code, Misstep, Scenario};
use super::stage::{LEDGER, Stage};
use super::world::{Put, Says, World};
use crate::process::{self, CloudFormation, Process, Program};
use crate::support::{Item, number};

/// Tells the process which build it is.
pub(super) const CODE: &str = "TABLEWRIGHT_CODE";
/// The state machine of a process that has one.
const MACHINE: &str = "arn:aws:states:eu-west-1:111122223333:stateMachine:LongRuns";
/// Memory of a process that runs out of it, in KiB: the address space, most of which is never touched.
const MEMORY: u64 = 1 << 20;

/// Functions as processes.
#[derive(Debug)]
pub(super) struct Processes {
    stage: Stage,
    server: Server,
    cloudformation: CloudFormation,
    says: Says,
    sender: Sender,
    log: PathBuf,
    invocations: AtomicU64,
    began: Instant,
    /// What was not waited for, and when.
    skipped: Mutex<Vec<(Instant, Duration)>>,
}

impl Processes {
    pub(super) async fn start(stage: Stage, log: PathBuf) -> Self {
        let server = stage.plane.serve().await.unwrap();
        Self {
            stage,
            server,
            cloudformation: CloudFormation::start().await,
            says: Says::default(),
            sender: Sender::new().unwrap(),
            log,
            invocations: AtomicU64::new(0),
            began: Instant::now(),
            skipped: Mutex::default(),
        }
    }

    /// Delivers to a process that may die.
    async fn deliver_apart(
        &self,
        code: Code,
        event: &Value,
        time: Duration,
    ) -> Result<Option<Value>, String> {
        let hoards = code.misstep.is_some_and(|(misstep, _)| misstep == Misstep::Hoards);
        let program = Program {
            test: "matrix::function",
            env: &[(CODE, code.to_text())],
            memory: hoards.then_some(MEMORY),
            machine: self.stage.is_about_slices().then_some(MACHINE),
            log: &self.log,
        };
        let endpoint = self.server.endpoint();
        let process = Process::start(&program, &endpoint, &self.cloudformation, event, time).await;
        let process = Arc::new(process);
        self.stage.aim(&process);
        let ended = tokio::select! {
            ended = process.ended() => ended?,
            () = process.died() => process::Ended::InError,
        };
        // What it had sent last may be under way.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(match ended {
            process::Ended::Well => Some(process.said()),
            process::Ended::InError => None,
        })
    }

    async fn deliver_here(&self, code: Code, event: &Value, time: Duration) -> Option<Value> {
        let services =
            Services { stacks: Arc::new(self.says.clone()), ..self.stage.plane.services() };
        let migrator = code.migrator().map(Arc::new);
        let hosts = AllowedHosts::parse("127.0.0.1");
        let function = Handler::new(services, migrator, hosts, self.sender.clone());
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        let invocation = Invocation {
            id: format!("here-{number}"),
            deadline: Deadline::after(time),
            log_stream: String::new(),
        };
        function.handle(event.clone(), invocation).await.ok()
    }

    /// Moves on in time what the ledger says when it ends.
    async fn age(&self, time: Duration) {
        let client = self.stage.plane.bystander();
        let rows = client.scan().table_name(LEDGER).into_paginator().items().send();
        let rows: Vec<Item> = rows.collect::<Result<_, _>>().await.unwrap_or_default();
        let ms = u64::try_from(time.as_millis()).unwrap();
        for row in rows {
            for name in ["expires_at_ms", "claimed_at_ms"] {
                let Some(moment) = row.get(name).and_then(|moment| moment.as_n().ok()) else {
                    continue;
                };
                let moment = moment.parse::<u64>().unwrap().saturating_sub(ms);
                let update = client.update_item().table_name(LEDGER);
                let key = |name: &str| row[name].clone();
                let update = update.key("scope", key("scope")).key("entry", key("entry"));
                let update = update
                    .update_expression("SET #moment = :moment")
                    .expression_attribute_names("#moment", name)
                    .expression_attribute_values(":moment", number(moment));
                update.send().await.unwrap();
            }
        }
    }
}

impl World for Processes {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn url(&self, number: u64) -> String {
        self.cloudformation.url(number)
    }

    fn goes_through(&self, status: &'static str) {
        self.cloudformation.goes_through(status);
        self.says.set(status);
    }

    async fn call(
        &self,
        code: Code,
        event: &Value,
        time: Duration,
    ) -> Result<Option<Value>, String> {
        if self.stage.is_armed() {
            self.deliver_apart(code, event, time).await
        } else {
            Ok(self.deliver_here(code, event, time).await)
        }
    }

    fn execution(&self) -> Option<Value> {
        self.cloudformation.execution()
    }

    async fn puts(&self, url: &str) -> Vec<Put> {
        let skipped = self.skipped.lock().unwrap();
        let put = |put: process::Put| {
            let skipped = skipped.iter().filter(|(at, _)| *at < put.at).map(|(_, time)| *time);
            let at = put.at.duration_since(self.began) + skipped.sum::<Duration>();
            Put { body: put.body, is_taken: true, at }
        };
        self.cloudformation.puts(url).into_iter().map(put).collect()
    }

    fn reply(&self, statuses: &[u16]) {
        assert!(statuses.is_empty(), "what becomes of answers needs no processes");
    }

    async fn pass(&self, time: Duration) {
        self.age(time).await;
        self.skipped.lock().unwrap().push((Instant::now(), time));
    }

    fn elapsed(&self) -> Duration {
        let skipped = self.skipped.lock().unwrap();
        self.began.elapsed() + skipped.iter().map(|(_, time)| *time).sum::<Duration>()
    }
}

impl Code {
    /// For the environment of a process.
    fn to_text(self) -> String {
        let build = Build::ALL.iter().position(|build| *build == self.build).unwrap();
        let misstep = self.misstep.map_or(0, |(_, nth)| nth);
        format!("{}/{build}/{misstep}", self.scenario.name())
    }

    pub(super) fn from_text(text: &str) -> Self {
        let [scenario, build, misstep] = text.split('/').collect::<Vec<_>>()[..] else {
            panic!("{text} is no code")
        };
        let nth = misstep.parse().unwrap();
        Self {
            scenario: Scenario::named(scenario).unwrap(),
            build: Build::ALL[build.parse::<usize>().unwrap()],
            misstep: (nth > 0).then_some((Misstep::Hoards, nth)),
        }
    }
}
