//! The function as a process of its own, and what stands around it: Lambda's runtime API, and CloudFormation.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::watch;
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::case::Case;

/// Names the case to the process.
pub(super) const CASE: &str = "TABLEWRIGHT_CASE";
/// The one certificate that it trusts, and never needs: to read all of a system's takes longer than all else that it does.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/exactly_once/root.pem");
const NEXT: &str = "^/2018-06-01/runtime/invocation/next$";
const ENDED: &str = "^/2018-06-01/runtime/invocation/[^/]+/(response|error)$";

/// One process, which was given one event.
#[derive(Debug)]
pub(super) struct Process {
    child: Mutex<Child>,
    id: u32,
    ended: watch::Receiver<bool>,
    _runtime: MockServer,
}

impl Process {
    /// Starts the function of a case and has it handle an event.
    pub(super) async fn start(
        case: &Case,
        dynamodb: &str,
        cloudformation: &CloudFormation,
        event: &Value,
        time: Duration,
    ) -> Self {
        let (sender, ended) = watch::channel(false);
        let runtime = runtime_api(event, time, sender).await;
        let log = log_of(case);
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["exactly_once::function", "--exact", "--ignored", "--nocapture"])
            .env_clear()
            .env(CASE, case.seed.to_string())
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
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { id: child.id(), child: Mutex::new(child), ended, _runtime: runtime }
    }

    /// Waits until it has handled its event.
    pub(super) async fn ended(&self) -> Result<(), String> {
        let mut ended = self.ended.clone();
        let limit = Duration::from_mins(1);
        match tokio::time::timeout(limit, ended.wait_for(|ended| *ended)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("a process has not handled its event after {limit:?}")),
        }
    }

    /// Kills it with SIGKILL.
    pub(super) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops it with SIGSTOP.
    pub(super) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on with SIGCONT.
    pub(super) fn thaw(&self) {
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

/// Where the processes of a case log.
pub(super) fn log_path(case: &Case) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("exactly-once-{}.log", case.seed))
}

fn log_of(case: &Case) -> File {
    File::options().create(true).append(true).open(log_path(case)).unwrap()
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

async fn runtime_api(event: &Value, time: Duration, ended: watch::Sender<bool>) -> MockServer {
    let server = MockServer::start().await;
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + time;
    let invocations =
        Invocations { event: Mutex::new(Some(event.clone())), deadline: deadline.as_millis() };
    Mock::given(method("GET")).and(path_regex(NEXT)).respond_with(invocations).mount(&server).await;
    let accept = move |_: &Request| {
        ended.send_replace(true);
        ResponseTemplate::new(202)
    };
    Mock::given(method("POST")).and(path_regex(ENDED)).respond_with(accept).mount(&server).await;
    server
}

const STACK: &str = "arn:aws:cloudformation:eu-west-1:111122223333:stack/Test/6f1d2c80";

/// CloudFormation: sends requests, takes answers, says what the stack is going through.
#[derive(Debug)]
pub(super) struct CloudFormation {
    server: MockServer,
    status: Arc<Mutex<&'static str>>,
    requests: u64,
}

impl CloudFormation {
    pub(super) async fn start() -> Self {
        let server = MockServer::start().await;
        let taken = ResponseTemplate::new(200);
        Mock::given(method("PUT")).respond_with(taken).mount(&server).await;
        let status = Arc::new(Mutex::new("UPDATE_IN_PROGRESS"));
        let known = Arc::clone(&status);
        let describe = move |_: &Request| {
            let status = known.lock().unwrap();
            let body = format!("<StackStatus>{status}</StackStatus>");
            ResponseTemplate::new(200).set_body_string(body)
        };
        Mock::given(method("POST")).respond_with(describe).mount(&server).await;
        Self { server, status, requests: 0 }
    }

    pub(super) fn goes_through(&self, status: &'static str) {
        *self.status.lock().unwrap() = status;
    }

    /// The event of a new Update.
    pub(super) fn update(&mut self, new: &Value, old: &Value) -> Value {
        self.requests += 1;
        let number = self.requests;
        json!({
            "RequestType": "Update",
            "RequestId": format!("update-{number}"),
            "ResponseURL": format!("{}/answer/{number}", self.server.uri()),
            "StackId": STACK,
            "LogicalResourceId": "Data",
            "PhysicalResourceId": "tablewright:6f1d2c80:Data:1",
            "ResourceType": "Custom::DynamoDBTables",
            "ResourceProperties": new,
            "OldResourceProperties": old,
        })
    }

    /// The answers to an event.
    pub(super) async fn answers(&self, event: &Value) -> Vec<Value> {
        let url = event["ResponseURL"].as_str().unwrap();
        let requests = self.server.received_requests().await.unwrap();
        let puts = requests.into_iter().filter(|request| request.method.as_str() == "PUT");
        let puts = puts.filter(|put| url.ends_with(put.url.path()));
        puts.map(|put| serde_json::from_slice(&put.body).unwrap()).collect()
    }
}
