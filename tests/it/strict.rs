//! The strict control plane through the real SDK: states that take time, one change a call, what collides.

mod beyond;
mod changes;
mod creation;
mod faults;
mod features;
mod items;
mod quotas;
mod streams;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction,
    DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType,
    Projection, ProjectionType, ScalarAttributeType, TableDescription, TableStatus,
};
use serde_json::{Value, json};
use tablewright::testing::{ControlPlane, Durations, Fault, Outcome};
use tablewright::{Change, Migration, Migrator};

use crate::support::{item, text};

/// A plane on which a table of these settings is `ACTIVE`, and nothing else has happened.
pub(crate) async fn plane_with(name: &str) -> (ControlPlane, Client) {
    let plane = ControlPlane::new();
    let client = plane.client();
    create(&client, name).await;
    settle().await;
    plane.reset_calls();
    (plane, client)
}

/// A client that sends each request once. The SDK's default tries again also after `LimitExceededException`.
pub(crate) fn once(plane: &ControlPlane) -> Client {
    let never = aws_sdk_dynamodb::config::retry::RetryConfig::disabled();
    Client::from_conf(plane.config().retry_config(never).build())
}

pub(crate) async fn create(client: &Client, name: &str) {
    let request = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    request
        .key_schema(key("pk", KeyType::Hash))
        .attribute_definitions(attribute("pk"))
        .send()
        .await
        .unwrap();
}

pub(crate) fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

pub(crate) fn attribute(name: &str) -> AttributeDefinition {
    let kind = ScalarAttributeType::S;
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}

/// Longer than anything but quotas takes.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_mins(15)).await;
}

pub(crate) async fn sleep(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

pub(crate) async fn describe(client: &Client, table: &str) -> TableDescription {
    client.describe_table().table_name(table).send().await.unwrap().table.unwrap()
}

/// Calls in JSON, for services that have no client here and for requests that a client would not let through.
pub(crate) struct Raw {
    pub(crate) plane: ControlPlane,
    _server: tablewright::testing::Server,
    endpoint: String,
}

impl Raw {
    /// A plane whose clock stands still, since real sockets take real time.
    pub(crate) async fn start() -> Self {
        let plane = ControlPlane::builder().speed(0.0).build();
        let server = plane.serve().await.unwrap();
        let endpoint = server.endpoint();
        Self { plane, _server: server, endpoint }
    }

    pub(crate) async fn call(&self, target: &str, body: Value) -> (u16, Value) {
        let request = reqwest::Client::new().post(&self.endpoint).header("X-Amz-Target", target);
        let response = request.body(body.to_string()).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
    }

    pub(crate) async fn scaling(&self, operation: &str, mut body: Value) -> (u16, Value) {
        body["ServiceNamespace"] = json!("dynamodb");
        self.call(&format!("AnyScaleFrontendService.{operation}"), body).await
    }
}

/// Asserts that a call was refused with this code and a message that begins so.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    result: Result<T, impl ProvideErrorMetadata + std::fmt::Debug>,
    code: &str,
    message: &str,
) {
    let error = result.expect_err(message);
    assert_eq!(error.code(), Some(code), "{error:?}");
    let said = error.message().unwrap_or_default();
    assert!(said.contains(message), "{message:?} is not in: {said}");
}

pub(crate) fn new_index(name: &str, attribute: &str) -> GlobalSecondaryIndexUpdate {
    let projection = Projection::builder().projection_type(ProjectionType::All).build();
    let create = CreateGlobalSecondaryIndexAction::builder()
        .index_name(name)
        .key_schema(key(attribute, KeyType::Hash))
        .projection(projection)
        .build()
        .unwrap();
    GlobalSecondaryIndexUpdate::builder().create(create).build()
}

pub(crate) fn no_index(name: &str) -> GlobalSecondaryIndexUpdate {
    let delete = DeleteGlobalSecondaryIndexAction::builder().index_name(name).build().unwrap();
    GlobalSecondaryIndexUpdate::builder().delete(delete).build()
}

#[tokio::test(start_paused = true)]
async fn a_new_table_is_not_seen_at_first_then_creating_then_active() {
    let plane = ControlPlane::new();
    let client = plane.client();
    create(&client, "orders").await;
    let unseen = client.describe_table().table_name("orders").send().await;
    refused(unseen, "ResourceNotFoundException", "Table: orders not found");
    let created = describe(&client, "orders").await;
    assert_eq!(created.table_status, Some(TableStatus::Creating));
    refused(
        client.scan().table_name("orders").send().await,
        "ResourceNotFoundException",
        "Requested resource not found",
    );
    refused(
        client.update_table().table_name("orders").deletion_protection_enabled(true).send().await,
        "ResourceInUseException",
        "Table is being created: orders",
    );
    sleep(7).await;
    assert_eq!(describe(&client, "orders").await.table_status, Some(TableStatus::Active));
    client.put_item().table_name("orders").item("pk", text("1")).send().await.unwrap();
    let found = client.scan().table_name("orders").send().await.unwrap();
    assert_eq!(found.items(), [item([("pk", text("1"))])]);
}

#[tokio::test(start_paused = true)]
async fn an_added_index_is_given_resources_then_filled_then_read() {
    let (_plane, client) = plane_with("orders").await;
    let put = client.put_item().table_name("orders").item("pk", text("1")).item("a", text("x"));
    put.send().await.unwrap();
    client
        .update_table()
        .table_name("orders")
        .attribute_definitions(attribute("a"))
        .global_secondary_index_updates(new_index("by_a", "a"))
        .send()
        .await
        .unwrap();
    let mut seen = Vec::new();
    for _ in 0..700 {
        let described = describe(&client, "orders").await;
        let index = &described.global_secondary_indexes()[0];
        let state = (
            described.table_status.clone().unwrap().to_string(),
            index.index_status.clone().unwrap().to_string(),
            index.backfilling,
        );
        if seen.last() != Some(&state) {
            seen.push(state);
        }
        sleep(1).await;
    }
    let state =
        |table: &str, index: &str, backfilling| (table.to_owned(), index.to_owned(), backfilling);
    assert_eq!(
        seen,
        [
            state("UPDATING", "CREATING", Some(false)),
            state("ACTIVE", "CREATING", Some(true)),
            state("ACTIVE", "ACTIVE", None),
        ]
    );
    let query = client.query().table_name("orders").index_name("by_a");
    let query =
        query.key_condition_expression("a = :a").expression_attribute_values(":a", text("x"));
    assert_eq!(query.send().await.unwrap().count, 1);
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_what_became_of_each_call() {
    let (plane, client) = plane_with("orders").await;
    plane.fault(Fault::throttled().operation("Scan").nth(1));
    client.scan().table_name("orders").send().await.unwrap();
    let nothing = client.delete_table().table_name("nothing").send().await;
    refused(nothing, "ResourceNotFoundException", "Table: nothing not found");
    let outcomes: Vec<_> = plane
        .calls()
        .into_iter()
        .map(|call| (call.operation, call.table.unwrap(), call.outcome))
        .collect();
    let [throttled, ok, rejected] = outcomes.try_into().unwrap();
    assert_eq!(throttled, ("Scan".to_owned(), "orders".to_owned(), Outcome::Faulted));
    assert_eq!(ok, ("Scan".to_owned(), "orders".to_owned(), Outcome::Ok));
    assert!(matches!(rejected.2, Outcome::Rejected { .. }), "{rejected:?}");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_deploy_labels_every_order() {
    let plane = ControlPlane::new();
    let mut stack = tablewright::testing::Stack::new(&plane);
    let mut properties = crate::support::properties(&[crate::support::table("orders")]);
    stack.deploy(&properties).await.expect_success();
    for n in 0..20 {
        let put = plane.client().put_item().table_name("orders").item("pk", text(&n.to_string()));
        put.send().await.unwrap();
    }
    plane.fault(Fault::throttled().data_plane().every(5));
    let label = Migration::backfill("0001_label", "orders", |mut order| {
        order.set_text("label", "new");
        Ok(Change::Update(order))
    });
    stack.build(Migrator::builder().migration(label).build());
    properties["Migrations"] = json!({ "Hash": "1" });
    stack.deploy(&properties).await.expect_success();
    let orders = plane.client().scan().table_name("orders").send().await.unwrap();
    assert_eq!(orders.count, 20);
    assert!(orders.items().iter().all(|order| order.contains_key("label")));
    assert!(plane.calls().iter().any(|call| call.outcome == Outcome::Faulted));
}

#[tokio::test]
async fn another_process_sees_the_same_over_http() {
    let plane = ControlPlane::builder().speed(0.0).durations(Durations::default()).build();
    let server = plane.serve().await.unwrap();
    let client = crate::engine::Engine::at(server.endpoint()).client();
    create(&client, "orders").await;
    client.describe_table().table_name("orders").send().await.unwrap_err();
    assert_eq!(describe(&client, "orders").await.table_status, Some(TableStatus::Creating));
    plane.advance(Duration::from_secs(7));
    assert_eq!(describe(&client, "orders").await.table_status, Some(TableStatus::Active));
    plane.fault(Fault::lost_answer().operation("PutItem").nth(1));
    client.put_item().table_name("orders").item("pk", text("1")).send().await.unwrap();
    let puts = plane.calls().into_iter().filter(|call| call.operation == "PutItem");
    let outcomes: Vec<_> = puts.map(|call| call.outcome).collect();
    assert_eq!(outcomes, [Outcome::Faulted, Outcome::Ok]);
    assert_eq!(client.scan().table_name("orders").send().await.unwrap().count, 1);
    drop(server);
    let gone = client.list_tables().send().await;
    gone.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn indexes_come_and_go_one_at_a_time() {
    let (_plane, client) = plane_with("orders").await;
    let two = client
        .update_table()
        .table_name("orders")
        .attribute_definitions(attribute("a"))
        .global_secondary_index_updates(new_index("by_a", "a"))
        .global_secondary_index_updates(new_index("by_a2", "a"));
    let only_one = "Only 1 online index can be created or deleted simultaneously per table";
    refused(two.send().await, "LimitExceededException", only_one);
    let unknown = client
        .update_table()
        .table_name("orders")
        .global_secondary_index_updates(no_index("by_z"))
        .send()
        .await;
    refused(unknown, "ResourceNotFoundException", "Index by_z for table orders");
}
