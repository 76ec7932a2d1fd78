//! The DynamoDBs that a comparison runs on, each in a process of its own, which ends with its standard input.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Result, stand_in};

/// What stands for DynamoDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The one that tests run on.
    Embedded,
    /// AWS's own.
    DynamoDbLocal,
    /// One that answers from memory, after some milliseconds.
    StandIn,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded engine",
            Self::DynamoDbLocal => "DynamoDB Local",
            Self::StandIn => "stand-in",
        })
    }
}

/// A running engine; it is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) endpoint: String,
    process: Child,
}

impl Engine {
    pub(crate) fn start(kind: Kind) -> Result<Self> {
        let mut command = match kind {
            Kind::DynamoDbLocal => dynamodb_local()?,
            Kind::Embedded | Kind::StandIn => {
                let mut command = Command::new(std::env::current_exe()?);
                let name: String = serde_json::from_value(serde_json::to_value(kind)?)?;
                command.args(["engine", &name]);
                command
            }
        };
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().ok_or("its output is not piped")?;
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let port = lines.find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()));
        // What it says later must not find its pipe closed.
        std::thread::spawn(move || lines.for_each(drop));
        let endpoint = format!("http://127.0.0.1:{}", port.ok_or("it does not listen")?);
        Ok(Self { endpoint, process })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn dynamodb_local() -> Result<Command> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let libraries = root.join(".tools/dynamodb-local");
    if !libraries.join("installed").exists() {
        return Err("DynamoDB Local is not installed; `make dynamodb-local` installs it".into());
    }
    let mut command = Command::new("java");
    command
        .arg(format!("-Djava.library.path={}", libraries.display()))
        .arg("-cp")
        .arg(libraries.join("*"))
        .arg(root.join("tests/dynamodb-local/Loopback.java"))
        .env("DDB_LOCAL_TELEMETRY", "0")
        .stderr(Stdio::null());
    Ok(command)
}

/// The process of an engine of ours.
pub(crate) fn serve(kind: &str) -> Result<()> {
    let kind: Kind = serde_json::from_value(json!(kind))?;
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on {}", listener.local_addr()?.port());
        match kind {
            Kind::Embedded => {
                dynoxide::server::serve_on(listener, dynoxide::Database::memory()?).await;
                Ok(())
            }
            Kind::StandIn => stand_in::serve(listener).await,
            Kind::DynamoDbLocal => Err("DynamoDB Local runs by itself".into()),
        }
    })
}
