//! What the integration tests run on: the embedded engine, a receiver for the answers, and requests as CloudFormation sends them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tablewright::answer::Sender;
use tablewright::deadline::Deadline;
use tablewright::dynamo::Dynamo;
use tablewright::handler::{HandleError, Handler, Invocation};
use tablewright::migrator::Builder;
use tablewright::request::AllowedHosts;
use tablewright::services::Services;
use tablewright::{Change, Migration, Migrator};
use wiremock::matchers::any;
use wiremock::{MockServer, ResponseTemplate};

use crate::cloudformation::FakeStacks;
use crate::engine::Engine;

pub(crate) const STACK: &str =
    "arn:aws:cloudformation:eu-west-1:111122223333:stack/Shop/6f1d2c80-8c1e-11f0-9b5a-0a58a9feac02";
pub(crate) const SCOPE: &str = "6f1d2c80-8c1e-11f0-9b5a-0a58a9feac02/Data";
pub(crate) const PHYSICAL_ID: &str = "tablewright:6f1d2c80-8c1e-11f0-9b5a-0a58a9feac02:Data:1";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// One stack: an engine of its own, the receiver of its answers, and what CloudFormation knows of it.
pub(crate) struct Stack {
    pub(crate) client: Client,
    pub(crate) engine: Engine,
    pub(crate) receiver: MockServer,
    pub(crate) stacks: FakeStacks,
    identities: Mutex<Identities>,
}

/// The physical id that CloudFormation holds, and the one before it, as long as that is not deleted.
#[derive(Debug, Clone)]
struct Identities {
    held: String,
    before: Option<String>,
}

/// A body that CloudFormation got.
#[derive(Debug, Clone)]
pub(crate) struct Answer(pub(crate) Value);

impl Answer {
    pub(crate) fn status(&self) -> &str {
        self.0["Status"].as_str().unwrap()
    }

    pub(crate) fn physical_id(&self) -> &str {
        self.0["PhysicalResourceId"].as_str().unwrap()
    }

    pub(crate) fn reason(&self) -> &str {
        self.0["Reason"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn expect_success(self) -> Self {
        assert_eq!(self.status(), "SUCCESS", "{}", self.reason());
        self
    }

    /// Asserts that the request failed and that the reason says each of `parts`.
    #[track_caller]
    pub(crate) fn expect_failure(self, parts: &[&str]) -> Self {
        assert_eq!(self.status(), "FAILED", "{}", self.0);
        for part in parts {
            assert!(self.reason().contains(part), "{part:?} is not in: {}", self.reason());
        }
        self
    }
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let receiver = MockServer::start().await;
        wiremock::Mock::given(any())
            .respond_with(ResponseTemplate::new(200))
            .mount(&receiver)
            .await;
        Self::with_receiver(receiver)
    }

    pub(crate) fn with_receiver(receiver: MockServer) -> Self {
        crate::logs::collect();
        let engine = Engine::start();
        let identities = Identities { held: PHYSICAL_ID.to_owned(), before: None };
        let identities = Mutex::new(identities);
        let stacks = FakeStacks::default();
        Self { client: engine.client(), engine, receiver, stacks, identities }
    }

    /// A function with these migrations.
    pub(crate) fn function(&self, migrations: Vec<Migration>) -> Handler {
        // Not the client of the test: connections end with the runtime that opened them.
        function_with(self.engine.services(&self.stacks), migrations)
    }

    /// An event with ids of its own.
    pub(crate) fn event(&self, kind: &str, properties: &Value, old: Option<&Value>) -> Value {
        // Counted over all stacks: receivers come from a pool, so two of them can have the same address.
        static REQUESTS: AtomicU64 = AtomicU64::new(0);
        let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let mut event = json!({
            "RequestType": kind,
            "RequestId": format!("request-{number}"),
            "ResponseURL": format!("{}/answer/{number}?X-Amz-Signature=deadbeef", self.receiver.uri()),
            "StackId": STACK,
            "LogicalResourceId": "Data",
            "ResourceType": "Custom::DynamoDBTables",
            "ResourceProperties": properties,
        });
        if kind != "Create" {
            event["PhysicalResourceId"] = json!(self.physical_id());
        }
        if let Some(old) = old {
            event["OldResourceProperties"] = old.clone();
        }
        event
    }

    pub(crate) async fn create(&self, function: &Handler, properties: &Value) -> Answer {
        self.stacks.set("CREATE_IN_PROGRESS");
        self.send(function, &self.event("Create", properties, None)).await
    }

    /// An update of the whole stack, with its cleanup where it has one; returns the answer to the Update.
    pub(crate) async fn update(&self, function: &Handler, new: &Value, old: &Value) -> Answer {
        let answer = self.update_alone(function, new, old).await;
        self.clean_up(function, old).await;
        answer
    }

    /// An update as far as its cleanup, which has not come yet.
    pub(crate) async fn update_alone(
        &self,
        function: &Handler,
        new: &Value,
        old: &Value,
    ) -> Answer {
        self.stacks.set("UPDATE_IN_PROGRESS");
        let answer = self.send(function, &self.event("Update", new, Some(old))).await;
        self.hold(&answer);
        answer
    }

    /// What CloudFormation does when the whole stack has succeeded: deletes the identity that was replaced.
    pub(crate) async fn clean_up(&self, function: &Handler, old: &Value) -> Option<Answer> {
        let event = self.clean_up_event(old)?;
        let answer = self.send(function, &event).await.expect_success();
        self.forget_replaced();
        Some(answer)
    }

    /// The Delete of the identity that was replaced.
    pub(crate) fn clean_up_event(&self, old: &Value) -> Option<Value> {
        let replaced = self.identities.lock().unwrap().before.clone()?;
        self.stacks.set("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS");
        Some(self.delete_event(&replaced, old))
    }

    /// CloudFormation takes no notice of how a cleanup ends, and does not come back to it.
    pub(crate) fn forget_replaced(&self) {
        self.identities.lock().unwrap().before = None;
    }

    /// What CloudFormation does when the stack fails after `new` has replaced `old`: deletes the identity that came
    /// with it, or sends the old properties where it is still the same.
    pub(crate) async fn roll_back(&self, function: &Handler, old: &Value, new: &Value) -> Answer {
        let Identities { held, before } = self.identities.lock().unwrap().clone();
        if let Some(before) = before {
            self.stacks.set("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS");
            *self.identities.lock().unwrap() = Identities { held: before, before: None };
            return self.send(function, &self.delete_event(&held, new)).await;
        }
        self.stacks.set("UPDATE_ROLLBACK_IN_PROGRESS");
        self.send(function, &self.event("Update", old, Some(new))).await
    }

    pub(crate) async fn delete(&self, function: &Handler, properties: &Value) -> Answer {
        self.stacks.set("DELETE_IN_PROGRESS");
        self.send(function, &self.event("Delete", properties, None)).await
    }

    /// A Delete of one identity.
    pub(crate) fn delete_event(&self, physical_id: &str, properties: &Value) -> Value {
        let mut event = self.event("Delete", properties, None);
        event["PhysicalResourceId"] = json!(physical_id);
        event
    }

    /// The identity that CloudFormation holds.
    pub(crate) fn physical_id(&self) -> String {
        self.identities.lock().unwrap().held.clone()
    }

    /// Takes the identity of an answer to an Update for the one that is held.
    pub(crate) fn hold(&self, answer: &Answer) {
        let mut identities = self.identities.lock().unwrap();
        let answered = answer.physical_id();
        if answered != identities.held {
            let before = std::mem::replace(&mut identities.held, answered.to_owned());
            identities.before.get_or_insert(before);
        }
    }

    /// Sends an event and returns the one answer to it.
    #[track_caller]
    pub(crate) fn send(&self, function: &Handler, event: &Value) -> impl Future<Output = Answer> {
        let (function, event) = (function.clone(), event.clone());
        async move {
            deliver(&function, &event, Duration::from_mins(1)).await.unwrap();
            let answers = self.answers_to(&event).await;
            assert_eq!(answers.len(), 1, "answers: {answers:?}");
            answers.into_iter().next().unwrap()
        }
    }

    /// All answers to an event, with what the protocol asks of each checked.
    pub(crate) async fn answers_to(&self, event: &Value) -> Vec<Answer> {
        // The receiver's requests are told apart by the path; it may know itself by another host name.
        let url: reqwest::Url = event["ResponseURL"].as_str().unwrap().parse().unwrap();
        let requests = self.receiver.received_requests().await.unwrap();
        let sent = requests.into_iter().filter(|request| {
            request.url.path() == url.path() && request.url.query() == url.query()
        });
        sent.map(|request| {
            assert_eq!(request.method.as_str(), "PUT");
            assert_eq!(request.headers["content-type"], "");
            assert!(request.body.len() <= 4096);
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            for id in ["StackId", "RequestId", "LogicalResourceId"] {
                assert_eq!(body[id], event[id]);
            }
            check_identity(event, &body);
            Answer(body)
        })
        .collect()
    }

    // What is there.

    pub(crate) async fn tables(&self) -> Vec<String> {
        self.client.list_tables().send().await.unwrap().table_names.unwrap_or_default()
    }

    pub(crate) async fn describe(&self, table: &str) -> aws_sdk_dynamodb::types::TableDescription {
        self.client.describe_table().table_name(table).send().await.unwrap().table.unwrap()
    }

    pub(crate) async fn indexes(&self, table: &str) -> Vec<String> {
        let described = self.describe(table).await;
        let names = described.global_secondary_indexes().iter().flat_map(|index| &index.index_name);
        let mut names: Vec<_> = names.cloned().collect();
        names.sort();
        names
    }

    pub(crate) async fn put(&self, table: &str, item: Item) {
        self.client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    }

    /// All items, in the order of their keys.
    pub(crate) async fn items(&self, table: &str) -> Vec<Item> {
        let pages = self.client.scan().table_name(table).into_paginator().items().send();
        let mut items: Vec<Item> = pages.collect::<Result<_, _>>().await.unwrap();
        let key = |item: &Item| {
            ["pk", "entry"].map(|name| item.get(name).and_then(|value| value.as_s().ok()).cloned())
        };
        items.sort_by_key(key);
        items
    }

    /// The ledger's rows of this stack's resource by sort key.
    pub(crate) async fn ledger(&self) -> HashMap<String, Item> {
        let items = self.items("tablewright-ledger").await;
        let ours = items.into_iter().filter(|row| row["scope"] == text(SCOPE));
        ours.map(|row| (row["entry"].as_s().unwrap().clone(), row)).collect()
    }

    /// States of the migrations, in order, as `0001_a applied`.
    pub(crate) async fn migrations(&self) -> Vec<String> {
        let rows = self.ledger().await;
        let rows = rows.iter().filter_map(|(entry, row)| {
            let id = entry.strip_prefix("migration#")?;
            Some(format!("{id} {}", row["state"].as_s().unwrap()))
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    }
}

/// Only an Update that succeeds may answer with another identity, and only with one of a later generation.
fn check_identity(event: &Value, body: &Value) {
    let received = event["PhysicalResourceId"].as_str().unwrap_or(PHYSICAL_ID);
    let answered = body["PhysicalResourceId"].as_str().unwrap();
    if event["RequestType"] != "Update" || body["Status"] != "SUCCESS" {
        assert_eq!(answered, received);
        return;
    }
    let (scope, before) = received.rsplit_once(':').unwrap();
    let (same_scope, after) = answered.rsplit_once(':').unwrap();
    assert_eq!(same_scope, scope);
    assert!(after.parse::<u64>().unwrap() >= before.parse().unwrap(), "{received} -> {answered}");
    assert_eq!(body["Data"]["Generation"], after);
}

/// A function with these migrations that sees DynamoDB through this client; no other service but CloudFormation answers it.
pub(crate) fn function(dynamo: Dynamo, stacks: &FakeStacks, migrations: Vec<Migration>) -> Handler {
    let nowhere = Engine::at("http://127.0.0.1:9".to_owned());
    function_with(Services { dynamo, ..nowhere.services(stacks) }, migrations)
}

/// A function with these migrations and services.
pub(crate) fn function_with(services: Services, migrations: Vec<Migration>) -> Handler {
    let builder = migrations.into_iter().fold(Migrator::builder(), Builder::migration);
    let migrator = builder.build().map(Arc::new);
    Handler::new(services, migrator, AllowedHosts::parse("127.0.0.1"), Sender::new().unwrap())
}

/// Delivers an event once.
pub(crate) async fn deliver(
    function: &Handler,
    event: &Value,
    time: Duration,
) -> Result<Value, HandleError> {
    static INVOCATIONS: AtomicU64 = AtomicU64::new(0);
    let invocation = Invocation {
        id: format!("invocation-{}", INVOCATIONS.fetch_add(1, Ordering::Relaxed)),
        deadline: Deadline::after(time),
        log_stream: String::new(),
    };
    function.handle(event.clone(), invocation).await
}

pub(crate) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "a number reads better without a borrow")]
pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The declaration of one table with a string key `pk`.
pub(crate) fn table(name: &str) -> Value {
    json!({
        "TableName": name,
        "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
        "BillingMode": "PAY_PER_REQUEST",
    })
}

/// Adds the attribute `name`, and takes it away again on the way back.
pub(crate) fn marking(id: &'static str, name: &'static str) -> Migration {
    let up = move |mut item: tablewright::Item| {
        item.set_text(name, "x");
        Ok(Change::Update(item))
    };
    let down = move |mut item: tablewright::Item| {
        item.remove(name);
        Ok(Change::Update(item))
    };
    Migration::backfill(id, "orders", up).down_items(down)
}

/// Adds a global index on one string attribute, whose type it declares.
pub(crate) fn with_index(mut table: Value, name: &str, attribute: &str) -> Value {
    push(
        &mut table["AttributeDefinitions"],
        json!({ "AttributeName": attribute, "AttributeType": "S" }),
    );
    push(
        &mut table["GlobalSecondaryIndexes"],
        json!({
            "IndexName": name,
            "KeySchema": [{ "AttributeName": attribute, "KeyType": "HASH" }],
            "Projection": { "ProjectionType": "ALL" },
        }),
    );
    table
}

fn push(list: &mut Value, element: Value) {
    if list.is_null() {
        *list = json!([]);
    }
    list.as_array_mut().unwrap().push(element);
}

/// Sets one property of a table.
pub(crate) fn with(mut table: Value, property: &str, value: Value) -> Value {
    table[property] = value;
    table
}

pub(crate) fn properties(tables: &[Value]) -> Value {
    json!({ "ServiceToken": "arn:aws:lambda:eu-west-1:111122223333:function:F", "Tables": tables })
}

impl Stack {
    pub(crate) async fn create_foreign_table(&self, name: &str, tags: &[(&str, &str)]) {
        use aws_sdk_dynamodb::types::{
            AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, Tag,
        };
        let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash);
        let kind = ScalarAttributeType::S;
        let attribute = AttributeDefinition::builder().attribute_name("pk").attribute_type(kind);
        let tags =
            tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build().unwrap());
        let request = self
            .client
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key.build().unwrap())
            .attribute_definitions(attribute.build().unwrap())
            .set_tags(Some(tags.collect()));
        request.send().await.unwrap();
        self.describe(name).await;
    }

    pub(crate) async fn tags(&self, table: &str) -> HashMap<String, String> {
        if self.engine.lacks_identity() {
            return HashMap::new();
        }
        let arn = self.describe(table).await.table_arn.unwrap();
        let tags = self.client.list_tags_of_resource().resource_arn(arn).send().await.unwrap();
        tags.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect()
    }

    /// The attribute by which items expire.
    pub(crate) async fn time_to_live(&self, table: &str) -> Option<String> {
        let ttl = self.client.describe_time_to_live().table_name(table).send().await.unwrap();
        ttl.time_to_live_description?.attribute_name
    }

    /// What can be set on a table, in one line.
    pub(crate) async fn show(&self, table: &str) -> String {
        let described = self.describe(table).await;
        let mode =
            described.billing_mode_summary.as_ref().and_then(|mode| mode.billing_mode.clone());
        let mode = mode.map_or("PROVISIONED".to_owned(), |mode| mode.to_string());
        let is_provisioned = mode == "PROVISIONED";
        let units = |throughput: Option<
            &aws_sdk_dynamodb::types::ProvisionedThroughputDescription,
        >| {
            let throughput = throughput.unwrap();
            let (read, write) = (throughput.read_capacity_units, throughput.write_capacity_units);
            format!("{}/{}", read.unwrap(), write.unwrap())
        };
        let mut shown = vec![mode];
        if is_provisioned {
            shown.push(units(described.provisioned_throughput.as_ref()));
        }
        let mut indexes = described.global_secondary_indexes().to_vec();
        indexes.sort_by_key(|index| index.index_name.clone());
        for index in &indexes {
            let name = index.index_name.clone().unwrap();
            shown.push(if is_provisioned {
                // The embedded engine does not keep the throughput that an index gets with a switch.
                let own = units(index.provisioned_throughput.as_ref());
                if own == "0/0" { name } else { format!("{name}:{own}") }
            } else {
                name
            });
        }
        let limit = described.on_demand_throughput.and_then(|limits| limits.max_read_request_units);
        shown.extend(limit.filter(|limit| *limit > 0).map(|limit| format!("max={limit}")));
        let stream = described.stream_specification.filter(|stream| stream.stream_enabled);
        let view = stream.and_then(|stream| stream.stream_view_type);
        shown.extend(view.map(|view| format!("stream={view}")));
        let class = described.table_class_summary.and_then(|summary| summary.table_class);
        shown.extend(class.map(|class| class.to_string()).filter(|class| class != "STANDARD"));
        shown.extend(self.time_to_live(table).await.map(|name| format!("ttl={name}")));
        if described.deletion_protection_enabled == Some(true) {
            shown.push("protected".to_owned());
        }
        let tags =
            self.tags(table).await.into_keys().filter(|key| !key.starts_with("tablewright:"));
        shown.extend(tags.map(|key| format!("tag={key}")));
        shown.join(" ")
    }
}

/// A sample of `events/`, to be answered to the stack's receiver.
pub(crate) fn sample(stack: &Stack, name: &str) -> Value {
    let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    event["ResponseURL"] = json!(format!("{}/{name}", stack.receiver.uri()));
    event
}
