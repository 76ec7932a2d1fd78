//! The DynamoDB that the tests run on: embedded in the process, or AWS's own DynamoDB Local where
//! `TABLEWRIGHT_ENGINE=dynamodb-local` asks for it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use serde_json::Value;
use tablewright::autoscaling::Scaler;
use tablewright::dynamo::Dynamo;
use tablewright::kms::Kms;
use tablewright::services::{Regions, Services};
use tablewright::streams::Streams;

use crate::cloudformation::FakeStacks;

/// Access key of the embedded engine, which takes any.
const EMBEDDED: &str = "local";

/// A database of one test's own; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    /// Where it answers.
    pub(crate) url: String,
    access_key: String,
}

impl Engine {
    /// An empty database.
    ///
    /// # Panics
    /// Where the chosen engine is not installed.
    pub(crate) fn start() -> Self {
        match std::env::var("TABLEWRIGHT_ENGINE").as_deref() {
            Ok("dynamodb-local") => Self::in_dynamodb_local(),
            Ok("embedded") | Err(_) => Self::embedded(),
            Ok(other) => panic!("TABLEWRIGHT_ENGINE is {other:?}, not embedded or dynamodb-local"),
        }
    }

    /// On a thread of its own, so that it answers whatever the test's own runtime is doing.
    fn embedded() -> Self {
        let (sender, url) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
                let database = dynoxide::Database::memory().unwrap();
                dynoxide::server::serve_on(listener, database).await;
            });
        });
        Self::at(url.recv().unwrap())
    }

    /// One that is running already.
    pub(crate) fn at(url: String) -> Self {
        Self { url, access_key: EMBEDDED.to_owned() }
    }

    /// One server for all tests: it keeps a database for each access key.
    fn in_dynamodb_local() -> Self {
        static DATABASES: AtomicU64 = AtomicU64::new(0);
        static SERVER: OnceLock<DynamoDbLocal> = OnceLock::new();
        let port = SERVER.get_or_init(DynamoDbLocal::start).port;
        let database = DATABASES.fetch_add(1, Ordering::Relaxed);
        Self { url: format!("http://127.0.0.1:{port}"), access_key: format!("database{database}") }
    }

    /// Whether this engine has neither tags nor a `TableId`, so that a test of them has to be left out.
    #[expect(clippy::print_stdout, reason = "a test that is left out says so")]
    pub(crate) fn lacks_identity(&self) -> bool {
        if self.is_dynamodb_local() {
            println!("left out: DynamoDB Local has no tags and no TableId");
        }
        self.is_dynamodb_local()
    }

    /// Whether a declaration has something that this engine does not keep: on-demand limits, classes,
    /// tags.
    pub(crate) fn lacks_some_of(&self, declaration: &Value) -> bool {
        let declaration = declaration.to_string();
        let lacks = |property| declaration.contains(property);
        self.is_dynamodb_local()
            && ["OnDemandThroughput", "TableClass", "Tags"].into_iter().any(lacks)
    }

    fn is_dynamodb_local(&self) -> bool {
        self.access_key != EMBEDDED
    }

    /// What this engine makes of the settings of a table in one line.
    pub(crate) fn reports(&self, shown: &str) -> String {
        if self.is_dynamodb_local() {
            return shown.to_owned();
        }
        // It does not keep the throughput that an index gets with a switch of the billing mode.
        shown.replace(" by_a:5/1", " by_a")
    }

    pub(crate) fn config(&self) -> Builder {
        self.config_at(&self.url)
    }

    /// For a client that reaches this database by way of another address.
    pub(crate) fn config_at(&self, url: &str) -> Builder {
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(url)
            .region(Region::new("eu-west-1"))
            .credentials_provider(self.credentials())
    }

    pub(crate) fn client(&self) -> Client {
        self.client_at(&self.url)
    }

    /// All services at this address; an engine answers what it knows.
    pub(crate) fn services(&self, stacks: &FakeStacks) -> Services {
        let scaler = aws_sdk_applicationautoscaling::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.url)
            .region(Region::new("eu-west-1"))
            .credentials_provider(self.credentials());
        let streams = aws_sdk_dynamodbstreams::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.url)
            .region(Region::new("eu-west-1"))
            .credentials_provider(self.credentials());
        let kms = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.url)
            .region(Region::new("eu-west-1"))
            .credentials_provider(self.credentials());
        let engine = self.clone();
        Services {
            dynamo: Dynamo::new(self.client()),
            streams: Streams::new(aws_sdk_dynamodbstreams::Client::from_conf(streams.build())),
            scaler: Scaler::new(aws_sdk_applicationautoscaling::Client::from_conf(scaler.build())),
            kms: Kms::new(aws_sdk_kms::Client::from_conf(kms.build())),
            stacks: Arc::new(stacks.clone()),
            driver: None,
            regions: Regions::new(move |region| {
                let config = engine.config().region(Region::new(region.to_owned()));
                Client::from_conf(config.build())
            }),
        }
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(&self.access_key, "local", None, None, "test")
    }

    pub(crate) fn client_at(&self, url: &str) -> Client {
        Client::from_conf(self.config_at(url).build())
    }
}

/// The server process; it ends with its standard input, and so with the tests.
struct DynamoDbLocal {
    port: u16,
    _process: Child,
}

impl DynamoDbLocal {
    fn start() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let libraries = root.join(".tools/dynamodb-local");
        assert!(
            libraries.join("installed").exists(),
            "DynamoDB Local is not installed; `make dynamodb-local` installs it"
        );
        let mut process = Command::new("java")
            .arg(format!("-Djava.library.path={}", libraries.display()))
            .arg("-cp")
            .arg(libraries.join("*"))
            .arg(root.join("tests/dynamodb-local/Loopback.java"))
            .env("DDB_LOCAL_TELEMETRY", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("java 17 or later can be run");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| line.unwrap().strip_prefix("listening on ")?.parse().ok());
        // What it says later must not find its pipe closed.
        std::thread::spawn(move || lines.for_each(drop));
        Self { port: port.expect("DynamoDB Local says where it listens"), _process: process }
    }
}
