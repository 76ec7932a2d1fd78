//! A function as a process of its own, and what stands around it: Lambda's runtime API, and CloudFormation.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::watch;
use wiremock::matchers::{header, method, path_regex};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// The one certificate that it trusts, and never needs: to read all of a system's takes longer than all else that it does.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/root.pem");
const NEXT: &str = "^/2018-06-01/runtime/invocation/next$";
const ENDED: &str = "^/2018-06-01/runtime/invocation/[^/]+/(response|error)$";

/// What a process is: this very program, started once more for one of its tests, which serves a function.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// Name of the test, which is ignored otherwise.
    pub(crate) test: &'a str,
    /// What the test is told by its environment.
    pub(crate) env: &'a [(&'a str, String)],
    /// Most memory that it may have, in KiB.
    pub(crate) memory: Option<u64>,
    /// The state machine that goes on with its long runs, where it has one.
    pub(crate) machine: Option<&'a str>,
    /// Where it logs.
    pub(crate) log: &'a Path,
}

impl Program<'_> {
    /// The command, with an environment that holds nothing of ours yet.
    fn command(&self) -> Command {
        let this = std::env::current_exe().unwrap();
        let arguments = [self.test, "--exact", "--ignored", "--nocapture"];
        let mut command = match self.memory {
            None => Command::new(this),
            Some(kib) => {
                let mut shell = Command::new("/bin/sh");
                shell
                    .args(["-c", &format!("ulimit -v {kib} && ulimit -c 0 && exec \"$0\" \"$@\"")])
                    .arg(this);
                shell
            }
        };
        let log = File::options().create(true).append(true).open(self.log).unwrap();
        command
            .args(arguments)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (*name, value)))
            .envs(self.machine.map(|arn| ("TABLEWRIGHT_STATE_MACHINE_ARN", arn)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }
}

/// One process, which was given one event.
#[derive(Debug)]
pub(crate) struct Process {
    child: Mutex<Child>,
    id: u32,
    ended: watch::Receiver<Option<Ended>>,
    said: Arc<Mutex<Value>>,
    _runtime: MockServer,
}

/// What a function told Lambda of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// That it is handled.
    Well,
    /// An error.
    InError,
}

impl Process {
    /// Starts a function and has it handle an event.
    pub(crate) async fn start(
        program: &Program<'_>,
        dynamodb: &str,
        cloudformation: &CloudFormation,
        event: &Value,
        time: Duration,
    ) -> Self {
        let (sender, ended) = watch::channel(None);
        let said = Arc::default();
        let runtime = runtime_api(event, time, sender, Arc::clone(&said)).await;
        let child = program
            .command()
            .env("AWS_LAMBDA_RUNTIME_API", runtime.address().to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "proof")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ENDPOINT_URL_DYNAMODB", dynamodb)
            .env("AWS_ENDPOINT_URL", cloudformation.server.uri())
            .env("TABLEWRIGHT_RESPONSE_HOSTS", "127.0.0.1")
            .env("SSL_CERT_FILE", ROOT)
            .spawn()
            .unwrap();
        Self { id: child.id(), child: Mutex::new(child), ended, said, _runtime: runtime }
    }

    /// Waits until it has handled its event; says how.
    pub(crate) async fn ended(&self) -> Result<Ended, String> {
        let mut ended = self.ended.clone();
        let limit = Duration::from_mins(1);
        match tokio::time::timeout(limit, ended.wait_for(Option::is_some)).await {
            Ok(Ok(ended)) => Ok(ended.unwrap_or(Ended::InError)),
            Ok(Err(_)) => Err("the runtime API is gone".to_owned()),
            Err(_) => Err(format!("a process has not handled its event after {limit:?}")),
        }
    }

    /// What it has returned for its event, or null.
    pub(crate) fn said(&self) -> Value {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has died.
    pub(crate) async fn died(&self) {
        while self.child.lock().unwrap().try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops it with SIGSTOP.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on with SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id.to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Hands out one event, then lets the function wait for another.
struct Invocations {
    event: Mutex<Option<Value>>,
    deadline: u128,
}

impl Respond for Invocations {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let event = self.event.lock().unwrap().take();
        let Some(event) = event else {
            return ResponseTemplate::new(200).set_delay(Duration::from_hours(1));
        };
        ResponseTemplate::new(200)
            .insert_header("Lambda-Runtime-Aws-Request-Id", invocation())
            .insert_header("Lambda-Runtime-Deadline-Ms", self.deadline.to_string())
            .insert_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:::function:proof")
            .set_body_json(event)
    }
}

/// An id that no other invocation has.
fn invocation() -> String {
    static INVOCATIONS: AtomicU64 = AtomicU64::new(0);
    format!("invocation-{}", INVOCATIONS.fetch_add(1, Ordering::Relaxed))
}

async fn runtime_api(
    event: &Value,
    time: Duration,
    ended: watch::Sender<Option<Ended>>,
    said: Arc<Mutex<Value>>,
) -> MockServer {
    let server = MockServer::start().await;
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + time;
    let invocations =
        Invocations { event: Mutex::new(Some(event.clone())), deadline: deadline.as_millis() };
    Mock::given(method("GET")).and(path_regex(NEXT)).respond_with(invocations).mount(&server).await;
    let accept = move |request: &Request| {
        let is_error = request.url.path().ends_with("/error");
        *said.lock().unwrap() = serde_json::from_slice(&request.body).unwrap_or_default();
        ended.send_replace(Some(if is_error { Ended::InError } else { Ended::Well }));
        ResponseTemplate::new(202)
    };
    Mock::given(method("POST")).and(path_regex(ENDED)).respond_with(accept).mount(&server).await;
    server
}

const STACK: &str = "arn:aws:cloudformation:eu-west-1:111122223333:stack/Test/6f1d2c80";

/// CloudFormation: has requests, takes answers, says what the stack is going through. Beside it, Step Functions, as far as
/// executions are started.
#[derive(Debug)]
pub(crate) struct CloudFormation {
    server: MockServer,
    status: Arc<Mutex<&'static str>>,
    puts: Arc<Mutex<Vec<Put>>>,
    executions: Arc<Mutex<Vec<Value>>>,
    requests: u64,
}

/// An answer that came.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    path: String,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

impl CloudFormation {
    pub(crate) async fn start() -> Self {
        let server = MockServer::start().await;
        let puts = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&puts);
        let take = move |request: &Request| {
            let body = String::from_utf8(request.body.clone()).unwrap();
            let path = request.url.path().to_owned();
            taken.lock().unwrap().push(Put { path, body, at: Instant::now() });
            ResponseTemplate::new(200)
        };
        Mock::given(method("PUT")).respond_with(take).mount(&server).await;
        let executions = Arc::<Mutex<Vec<Value>>>::default();
        let started = Arc::clone(&executions);
        let start = move |request: &Request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let input = serde_json::from_str(body["input"].as_str().unwrap()).unwrap();
            started.lock().unwrap().push(input);
            ResponseTemplate::new(200).set_body_json(json!({}))
        };
        let of_step_functions = header("x-amz-target", "AWSStepFunctions.StartExecution");
        Mock::given(of_step_functions).respond_with(start).mount(&server).await;
        let status = Arc::new(Mutex::new("UPDATE_IN_PROGRESS"));
        let known = Arc::clone(&status);
        let describe = move |_: &Request| {
            let status = known.lock().unwrap();
            let body = format!("<StackStatus>{status}</StackStatus>");
            ResponseTemplate::new(200).set_body_string(body)
        };
        Mock::given(method("POST")).respond_with(describe).mount(&server).await;
        Self { server, status, puts, executions, requests: 0 }
    }

    pub(crate) fn goes_through(&self, status: &'static str) {
        *self.status.lock().unwrap() = status;
    }

    /// The input of the execution that was started last, which is then forgotten.
    pub(crate) fn execution(&self) -> Option<Value> {
        self.executions.lock().unwrap().pop()
    }

    /// Where the answer to a request goes.
    pub(crate) fn url(&self, number: u64) -> String {
        format!("{}/answer/{number}", self.server.uri())
    }

    /// The event of a new Update.
    pub(crate) fn update(&mut self, new: &Value, old: &Value) -> Value {
        self.requests += 1;
        let number = self.requests;
        json!({
            "RequestType": "Update",
            "RequestId": format!("update-{number}"),
            "ResponseURL": self.url(number),
            "StackId": STACK,
            "LogicalResourceId": "Data",
            "PhysicalResourceId": "tablewright:6f1d2c80:Data:1",
            "ResourceType": "Custom::DynamoDBTables",
            "ResourceProperties": new,
            "OldResourceProperties": old,
        })
    }

    /// The answers to an event.
    pub(crate) fn answers(&self, event: &Value) -> Vec<Value> {
        let puts = self.puts(event["ResponseURL"].as_str().unwrap());
        puts.iter().map(|put| serde_json::from_str(&put.body).unwrap()).collect()
    }

    /// What was put to a URL.
    pub(crate) fn puts(&self, url: &str) -> Vec<Put> {
        let puts = self.puts.lock().unwrap();
        puts.iter().filter(|put| url.ends_with(&put.path)).cloned().collect()
    }
}
