//! What stands in for AWS: an embedded DynamoDB, and a CloudFormation that takes answers and says what the stack is
//! going through, both on loopback.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The form of a signature; the embedded engine checks no more.
const UNSIGNED: &str = "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/dynamodb/aws4_request, \
                        SignedHeaders=host;x-amz-date, Signature=0";

pub(crate) struct Cloud {
    pub(crate) endpoint: String,
    pub(crate) client: Client,
    receiver: MockServer,
    status: Status,
}

/// What the stack is going through; empty where nobody says.
#[derive(Clone, Default)]
struct Status(Arc<Mutex<String>>);

impl Respond for Status {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let status = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ResponseTemplate::new(200).set_body_string(format!("<StackStatus>{status}</StackStatus>"))
    }
}

impl Cloud {
    pub(crate) async fn start(dynamodb: &str, answers: &str) -> Result<Self, Box<dyn Error>> {
        let listener = tokio::net::TcpListener::bind(dynamodb).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory()?));
        let listener = std::net::TcpListener::bind(answers)?;
        let receiver = MockServer::builder().listener(listener).start().await;
        let status = Status::default();
        Mock::given(path("/cloudformation")).respond_with(status.clone()).mount(&receiver).await;
        Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&receiver).await;
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&endpoint)
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "demo"))
            .build();
        Ok(Self { client: Client::from_conf(config), endpoint, receiver, status })
    }

    /// Where the function asks what the stack is going through.
    pub(crate) fn cloudformation(&self) -> String {
        format!("{}/cloudformation", self.receiver.uri())
    }

    /// Lets the stack go through this.
    pub(crate) fn goes_through(&self, status: &str) {
        let mut said = self.status.0.lock().unwrap_or_else(PoisonError::into_inner);
        status.clone_into(&mut said);
    }

    /// The sample event of this name, to be answered to this receiver.
    pub(crate) fn event(&self, name: &str) -> Result<Value, Box<dyn Error>> {
        let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let mut event: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        event["ResponseURL"] = json!(format!("{}/{name}", self.receiver.uri()));
        Ok(event)
    }

    /// The answer to an event that [`Self::event`] made.
    pub(crate) async fn answer_to(&self, event: &Value) -> Option<Value> {
        let requests = self.receiver.received_requests().await?;
        let to_it =
            |path: &str| event["ResponseURL"].as_str().is_some_and(|url| url.ends_with(path));
        let request = requests.into_iter().find(|request| to_it(request.url.path()))?;
        serde_json::from_slice(&request.body).ok()
    }

    pub(crate) async fn answers_since(&self, seen: &mut usize) -> Vec<Value> {
        let requests = self.receiver.received_requests().await.unwrap_or_default();
        let new = requests[*seen..].iter();
        let new = new.filter_map(|request| serde_json::from_slice(&request.body).ok()).collect();
        *seen = requests.len();
        new
    }

    /// Puts the items of a file `{"table": [item, …]}`. They are in wire form, so they go as they are.
    pub(crate) async fn seed(&self, file: &str) -> Result<(), Box<dyn Error>> {
        let tables: HashMap<String, Vec<Value>> = serde_json::from_str(file)?;
        for (table, items) in tables {
            for item in items {
                let put = json!({ "TableName": table, "Item": item }).to_string();
                let request = reqwest::Client::new()
                    .post(&self.endpoint)
                    .header("content-type", "application/x-amz-json-1.0")
                    .header("x-amz-target", "DynamoDB_20120810.PutItem")
                    .header("x-amz-date", "20260101T000000Z")
                    .header("authorization", UNSIGNED)
                    .body(put);
                let response = request.send().await?;
                if !response.status().is_success() {
                    return Err(response.text().await?.into());
                }
            }
        }
        Ok(())
    }

    /// All items of a table, in the order of their keys.
    pub(crate) async fn items(&self, table: &str) -> Result<Vec<Item>, Box<dyn Error>> {
        let pages = self.client.scan().table_name(table).into_paginator().items().send();
        let mut items: Vec<Item> = pages.collect::<Result<_, _>>().await?;
        let key = |item: &Item| {
            let text = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned();
            ["pk", "id", "scope", "entry"].map(text)
        };
        items.sort_by_key(key);
        Ok(items)
    }
}
