//! Starts the execution of a state machine that goes on with a run, for runs that take longer than one invocation.

use std::fmt;

use aws_config::SdkConfig;
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::Url;
use serde_json::{Value, json};

use crate::signed::{self, Post, Refusal, Reply, Signer};

/// Tries of one start.
const TRIES: usize = 4;

/// Who goes on with runs.
pub trait Driver: fmt::Debug + Send + Sync {
    /// Starts an execution that calls this function with `input`, an object, and what is to be done. One that has been started by this name before is started all the same.
    ///
    /// # Errors
    /// [`NotStarted`], whatever the reason.
    fn start<'a>(
        &'a self,
        name: &'a str,
        input: &'a Value,
    ) -> BoxFuture<'a, Result<(), NotStarted>>;
}

/// Why an execution could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the state machine could not be started ({0}); the function's role needs states:StartExecution on it"
)]
pub struct NotStarted(pub String);

/// A state machine of Step Functions: one signed request of its JSON protocol.
#[derive(Debug, Clone)]
pub struct StateMachine {
    signer: Signer,
    arn: String,
    function: String,
    endpoint: Option<String>,
}

impl StateMachine {
    /// The machine with this ARN, for the function of this name; reached with the region and the credentials of `config`, at `endpoint` or else where
    /// `config` sends all requests or else at the region's own. Sends nothing.
    ///
    /// # Errors
    /// Where the TLS backend cannot start.
    pub fn new(
        config: &SdkConfig,
        arn: String,
        function: String,
        endpoint: Option<String>,
    ) -> Result<Self, reqwest::Error> {
        let signer = Signer::new(config, "states")?;
        let endpoint = endpoint.or_else(|| config.endpoint_url().map(str::to_owned));
        Ok(Self { signer, arn, function, endpoint })
    }

    async fn ask(&self, name: &str, input: &Value) -> Result<(), NotStarted> {
        let post = self.request(name, input).map_err(NotStarted)?;
        match self.signer.send(&post, TRIES).await.map_err(NotStarted)? {
            Reply::Body(_) => Ok(()),
            Reply::Refused(refusal) => {
                let said = said(&refusal);
                // It runs, or has run, under this name.
                if said.contains("ExecutionAlreadyExists") { Ok(()) } else { Err(NotStarted(said)) }
            }
            Reply::Failed(why) => Err(NotStarted(why)),
        }
    }

    fn request(&self, name: &str, input: &Value) -> Result<Post, String> {
        let region = self.signer.region()?;
        let own = || signed::endpoint("states", &self.arn, region);
        let endpoint = self.endpoint.clone().unwrap_or_else(own);
        let url =
            Url::parse(&endpoint).map_err(|error| format!("the endpoint {endpoint}: {error}"))?;
        let mut input = input.clone();
        input["function"] = json!(self.function);
        let body = json!({
            "stateMachineArn": self.arn, "name": name, "input": input.to_string(),
        });
        let headers = vec![
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", "AWSStepFunctions.StartExecution"),
        ];
        Ok(Post { url, headers, body: body.to_string() })
    }
}

/// The error of the JSON protocol, in one line.
fn said(refusal: &Refusal) -> String {
    let body: Value = serde_json::from_str(&refusal.body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let message = if body["message"].is_null() { text("Message") } else { text("message") };
    let code = text("__type").rsplit('#').next().unwrap_or_default();
    let line = format!("HTTP status {}, {code} {message}", refusal.status);
    line.trim_end_matches([' ', ',']).to_owned()
}

impl Driver for StateMachine {
    fn start<'a>(
        &'a self,
        name: &'a str,
        input: &'a Value,
    ) -> BoxFuture<'a, Result<(), NotStarted>> {
        self.ask(name, input).boxed()
    }
}
