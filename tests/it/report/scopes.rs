//! Scopes to report on that deploys have made: one with all kinds of trouble, and one at work.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use serde_json::{Value, json};
use tablewright::command::{Command, Hands, Survey};
use tablewright::deadline::Deadline;
use tablewright::migrator::{BuildError, Builder};
use tablewright::testing::{ControlPlane, Deployed, Durations, Fault, Stack};
use tablewright::{Backfill, Cap, Change, Guard, Item, Migration, MigrationError, Migrator};

use crate::support::{item, number, properties, text};

type WireItem = crate::support::Item;

struct World {
    plane: ControlPlane,
    stack: Stack,
    deploys: u32,
}

impl World {
    fn new(plane: ControlPlane) -> Self {
        Self { stack: Stack::new(&plane), plane, deploys: 0 }
    }

    async fn deploy(&mut self, tables: &[Value], migrations: Vec<Migration>) -> Deployed {
        self.stack.build(migrator(migrations));
        self.deploys += 1;
        let mut declared = properties(tables);
        declared["Migrations"] = json!({ "Hash": self.deploys.to_string(), "Baseline": "none" });
        let deployed = self.stack.deploy(&declared).await;
        tokio::time::sleep(Duration::from_hours(20)).await;
        deployed
    }

    async fn command(&self, mut command: Value) {
        command["by"] = json!("ann@example.com");
        command["reason"] = json!("ticket 4711");
        self.stack.command(command).await.unwrap();
        tokio::time::sleep(Duration::from_mins(7)).await;
    }

    async fn put(&self, table: &str, items: impl IntoIterator<Item = WireItem>) {
        let items: Vec<_> = items.into_iter().collect();
        for chunk in items.chunks(25) {
            let put = |item: &WireItem| {
                let put = PutRequest::builder().set_item(Some(item.clone())).build().unwrap();
                WriteRequest::builder().put_request(put).build()
            };
            let requests = chunk.iter().map(put).collect();
            let batch = self.plane.bystander().batch_write_item().request_items(table, requests);
            batch.send().await.unwrap();
        }
    }
}

fn migrator(migrations: Vec<Migration>) -> Result<Migrator, BuildError> {
    migrations.into_iter().fold(Migrator::builder(), Builder::migration).build()
}

async fn survey(
    plane: &ControlPlane,
    migrations: Vec<Migration>,
    properties: Option<&Value>,
) -> Survey {
    let migrator = migrator(migrations).map(Arc::new);
    let budget = Deadline::after(Duration::from_mins(5));
    let hands = Hands::new(plane.services(), migrator, "report", budget);
    let status = Command::read(&json!({ "tablewright": "status" })).unwrap();
    status.survey(&hands, properties).await.unwrap()
}

fn attributes(names: &[(&str, &str)]) -> Value {
    let attribute =
        |(name, kind): &(&str, &str)| json!({ "AttributeName": name, "AttributeType": kind });
    names.iter().map(attribute).collect()
}

fn keys(names: &[&str]) -> Value {
    let keys = names.iter().zip(["HASH", "RANGE"]);
    keys.map(|(name, role)| json!({ "AttributeName": name, "KeyType": role })).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "it reads better where it is written out")]
fn index(name: &str, keys_of: &[&str], projection: Value) -> Value {
    json!({ "IndexName": name, "KeySchema": keys(keys_of), "Projection": projection })
}

fn orders() -> Value {
    let types = [
        ("pk", "S"),
        ("sk", "S"),
        ("status", "S"),
        ("placed_at", "N"),
        ("customer_id", "S"),
        ("total_in_cents", "N"),
    ];
    let some = json!({
        "ProjectionType": "INCLUDE",
        "NonKeyAttributes": ["label", "currency", "total_in_cents"],
    });
    let keys_only = json!({ "ProjectionType": "KEYS_ONLY" });
    json!({
        "TableName": "orders",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": keys(&["pk", "sk"]),
        "AttributeDefinitions": attributes(&types),
        "GlobalSecondaryIndexes": [
            index("by_status", &["status", "placed_at"], keys_only),
            index("by_customer", &["customer_id", "placed_at"], some),
        ],
        "LocalSecondaryIndexes": [
            index("by_total", &["pk", "total_in_cents"], json!({ "ProjectionType": "ALL" })),
        ],
        "StreamSpecification": { "StreamViewType": "NEW_AND_OLD_IMAGES" },
        "TimeToLiveSpecification": { "AttributeName": "expires_at", "Enabled": true },
        "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true },
        "DeletionProtectionEnabled": true,
        "Tags": [{ "Key": "team", "Value": "shop" }],
    })
}

fn simple(name: &str) -> Value {
    json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": keys(&["pk"]),
        "AttributeDefinitions": attributes(&[("pk", "S")]),
        "RemovalPolicy": "snapshot",
    })
}

fn customers() -> Value {
    let range = json!({ "MinCapacity": 5, "MaxCapacity": 200, "TargetValue": 70 });
    let mut customers = simple("customers");
    customers["BillingMode"] = json!("PROVISIONED");
    customers["ProvisionedThroughput"] =
        json!({ "ReadCapacityUnits": 10, "WriteCapacityUnits": 5 });
    customers["AutoScaling"] = json!({ "Read": range, "Write": range });
    customers["RemovalPolicy"] = json!("retain");
    customers
}

fn label(mut order: Item) -> Result<Change, MigrationError> {
    let label = format!("ORDER#{}", order.text("pk")?);
    order.set_text("label", label);
    Ok(Change::Update(order))
}

fn totals(mut order: Item) -> Result<Change, MigrationError> {
    let wrong = |_| MigrationError::new("total is not an amount like 12.50");
    let cents = order.text("total")?.replace('.', "").parse::<u64>().map_err(wrong)?;
    order.set_number("total_in_cents", cents);
    Ok(Change::Update(order))
}

fn increment(mut order: Item) -> Result<Change, MigrationError> {
    let n: u64 = order.number("revision")?.parse()?;
    order.set_number("revision", n + 1);
    Ok(Change::Update(order))
}

/// A build with the first of the shop's migrations.
fn shop(newest: usize) -> Vec<Migration> {
    let unlabel = |mut order: Item| {
        order.remove("label");
        Ok(Change::Update(order))
    };
    let tier = |mut customer: Item| {
        customer.set_text("tier", "standard");
        Ok(Change::Update(customer))
    };
    let totals = Backfill::new("orders", totals).max_failed_items(10);
    let export = |_| async {
        let said = "the warehouse answered 503 Service Unavailable to the second of seven parts";
        Err(MigrationError::new(said))
    };
    let all = [
        Migration::backfill("0001_order_labels", "orders", label)
            .down_items(unlabel)
            .description("A label on every order, for the parcel service"),
        Migration::backfill("0002_customer_tiers", "customers", tier)
            .description("Every customer begins in the standard tier"),
        Migration::backfills("0003_order_totals", [totals]).description(
            "Totals as whole cents, beside the amounts with a point that came from the first shop",
        ),
        Migration::backfill("0004_order_revisions", "orders", increment)
            .guard(Guard::Journal)
            .description("One more revision for each order"),
        Migration::new("0005_export_customers", export)
            .description("A copy of all customers for the warehouse"),
        Migration::backfill("0006_drop_legacy_totals", "orders", label)
            .description("The amounts with a point go, when nothing reads them any more"),
    ];
    all.into_iter().take(newest).collect()
}

fn order(id: u64) -> WireItem {
    let total = if id % 61 == 7 { "12,5O".to_owned() } else { format!("{id}.50") };
    item([
        ("pk", text(&format!("ORDER-{id:05}"))),
        ("sk", text("v1")),
        ("status", text("open")),
        ("total", text(&total)),
        ("revision", number(1)),
    ])
}

/// A shop after some deploys: items that failed, a deploy that was taken back, a table that went, a migration that nobody
/// knows what to do about, and commands by hand.
pub(super) async fn rich() -> Survey {
    let mut world = World::new(ControlPlane::new());
    // So that no two things happen at once.
    world.plane.fault(Fault::latency(Duration::from_millis(20)));
    let tables = |others: &[&str]| {
        let others = others.iter().map(|name| simple(name));
        [orders(), customers()].into_iter().chain(others).collect::<Vec<_>>()
    };
    world.deploy(&tables(&["carts", "sessions"]), vec![]).await.expect_success();
    world.put("orders", (0..240).map(order)).await;
    let customer = |id: u64| item([("pk", text(&format!("CUSTOMER-{id}")))]);
    world.put("customers", (0..40).map(customer)).await;
    world.deploy(&tables(&["carts", "sessions"]), shop(2)).await.expect_success();
    world.deploy(&tables(&["sessions"]), shop(3)).await.expect_success();
    world.command(json!({ "tablewright": "pause" })).await;
    world.command(json!({ "tablewright": "resume" })).await;
    world.command(json!({ "tablewright": "retry-failed", "id": "0003_order_totals" })).await;
    let failed = world.deploy(&tables(&["sessions"]), shop(5)).await;
    assert!(!failed.answer.is_success());
    world.plane.count("orders", 48_213_977, 31_245_000_000);
    world.plane.count("customers", 1_204_113, 402_000_000);
    let mut declared = properties(&tables(&["sessions", "invoices"]));
    declared["Migrations"] = json!({ "Hash": "next" });
    survey(&world.plane, shop(6), Some(&declared)).await
}

fn revisions() -> Vec<Migration> {
    let counted = Backfill::new("orders", increment).guard(Guard::Journal).segments(64);
    let counted = counted.at_most(Cap::PerCent(100)).concurrency(1);
    let migration = Migration::backfills("0001_order_revisions", [counted]);
    vec![migration.description("One more revision for each order")]
}

/// A backfill that sixteen workers are at.
pub(super) async fn running() -> Survey {
    let plane = ControlPlane::builder().page_items(10).durations(Durations::none()).build();
    let mut world = World::new(plane);
    world.stack.state_machine();
    let capacity = json!({ "ReadCapacityUnits": 64_000, "WriteCapacityUnits": 64_000 });
    let mut orders = simple("orders");
    orders["BillingMode"] = json!("PROVISIONED");
    orders["ProvisionedThroughput"] = capacity;
    let orders = [orders];
    world.deploy(&orders, vec![]).await.expect_success();
    let few = |id: u64| item([("pk", text(&format!("ORDER-{id:05}"))), ("revision", number(1))]);
    world.put("orders", (0..1600).map(few)).await;
    world.plane.count("orders", 10_000_000, 4_000_000_000);
    let slow = Fault::latency(Duration::from_secs(5)).operation("TransactWriteItems");
    world.plane.fault(slow.table("orders"));
    let plane = world.plane.clone();
    let look = async {
        // As many as would take one process hours, and then as many as there are.
        tokio::time::sleep(Duration::from_secs(2)).await;
        plane.count("orders", 2_400, 1_000_000);
        tokio::time::sleep(Duration::from_secs(23)).await;
        survey(&plane, revisions(), None).await
    };
    let (_, survey) = tokio::join!(world.deploy(&orders, revisions()), look);
    survey
}
