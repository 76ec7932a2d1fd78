//! The function, run by `cargo lambda watch` as a process of its own, and what it logs.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::cloud::Cloud;

/// What the first invocation waits for the function to be compiled.
const FIRST_START: Duration = Duration::from_mins(30);

pub(crate) struct Function {
    process: Child,
    url: String,
    lines: Receiver<String>,
}

impl Function {
    pub(crate) async fn start(cloud: &Cloud) -> Result<Self, Box<dyn Error>> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut process = Command::new("cargo")
            .args(["lambda", "watch", "--ignore-changes"])
            .args(["--package", "tablewright", "--example", "functions"])
            .args(["--invoke-address", "127.0.0.1", "--invoke-port", &port.to_string()])
            .env("AWS_ENDPOINT_URL_DYNAMODB", &cloud.endpoint)
            .env("AWS_ENDPOINT_URL_CLOUDFORMATION", cloud.cloudformation())
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .env("TABLEWRIGHT_RESPONSE_HOSTS", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // A group of its own, so that it ends with all that it starts.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cargo lambda does not start ({error}); `make tools` installs it"))?;
        let stdout = process.stdout.take().ok_or("the function has no output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let function = Self {
            process,
            url: format!("http://127.0.0.1:{port}/2015-03-31/functions/_/invocations"),
            lines,
        };
        function.wait_until_it_listens(port).await?;
        Ok(function)
    }

    async fn wait_until_it_listens(&self, port: u16) -> Result<(), Box<dyn Error>> {
        for _ in 0..600 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("cargo lambda watch does not listen; `make tools` installs it".into())
    }

    /// Sends an event, waits until the function has handled it, and returns what it logged meanwhile.
    pub(crate) async fn invoke(&mut self, event: &Value) -> Result<Vec<Value>, Box<dyn Error>> {
        let client = reqwest::Client::builder().timeout(FIRST_START).build()?;
        let response = client.post(&self.url).body(event.to_string()).send().await?;
        let status = response.status();
        let body = response.text().await?;
        if !status.is_success() || body.contains("errorMessage") {
            return Err(format!("the invocation failed: {status} {body}").into());
        }
        // The last lines may still be on their way through the pipe.
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(self.lines.try_iter().filter_map(|line| serde_json::from_str(&line).ok()).collect())
    }

    /// Ends the process and all that it has started.
    pub(crate) fn stop(&mut self) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.process.wait();
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}
