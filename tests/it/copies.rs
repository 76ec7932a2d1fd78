//! Copies of tables into tables with another key schema, over several deploys, on the strict control plane.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tablewright::testing::{ControlPlane, Deployed, Fault, Stack};
use tablewright::{
    AfterGap, Item, MARK, Migration, MigrationError, Migrator, Sample, TableCopy, unmark,
};

use crate::support::{item, number, properties, table, text, with};

type WireItem = crate::support::Item;

const COPY: &str = "0001_by_customer";
const FINISH: &str = "0002_by_customer_only";

/// Orders by their customer; one that has none is left out.
fn by_customer(mut order: Item) -> Result<Vec<Item>, MigrationError> {
    if !order.has("customer") {
        return Ok(Vec::new());
    }
    let id = order.text("pk")?.to_owned();
    order.remove("pk");
    order.set_text("id", id);
    Ok(vec![order])
}

fn copy() -> TableCopy {
    TableCopy::new("orders", "by_customer", by_customer)
}

/// The table of orders, with its stream, and the one that they are copied to.
fn declared() -> Value {
    let stream = json!({ "StreamViewType": "NEW_AND_OLD_IMAGES" });
    properties(&[with(table("orders"), "StreamSpecification", stream), target()])
}

fn target() -> Value {
    json!({
        "TableName": "by_customer",
        "KeySchema": [
            { "AttributeName": "customer", "KeyType": "HASH" },
            { "AttributeName": "id", "KeyType": "RANGE" },
        ],
        "AttributeDefinitions": [
            { "AttributeName": "customer", "AttributeType": "S" },
            { "AttributeName": "id", "AttributeType": "S" },
        ],
        "BillingMode": "PAY_PER_REQUEST",
    })
}

fn order(id: u64, customer: &str, total: u64) -> WireItem {
    item([("pk", text(&id.to_string())), ("customer", text(customer)), ("total", number(total))])
}

fn copied(customer: &str, id: &str) -> WireItem {
    item([("customer", text(customer)), ("id", text(id))])
}

struct World {
    plane: ControlPlane,
    stack: Stack,
    deploys: u32,
}

impl World {
    /// A stack that was deployed with the old table alone, which holds so many orders of three customers.
    async fn with(orders: u64) -> Self {
        let plane = ControlPlane::new();
        let mut world = Self { stack: Stack::new(&plane), plane, deploys: 0 };
        world.deploy(&properties(&[table("orders")]), vec![]).await.expect_success();
        for id in 0..orders {
            world.put("orders", order(id, &format!("c{}", id % 3), id)).await;
        }
        world
    }

    /// Deploys a build, with a change that makes CloudFormation call.
    async fn deploy(&mut self, declared: &Value, migrations: Vec<Migration>) -> Deployed {
        self.deploys += 1;
        let mut declared = declared.clone();
        if declared["Migrations"].is_null() {
            declared["Migrations"] = json!({});
        }
        declared["Migrations"]["Hash"] = json!(self.deploys.to_string());
        let builder = migrations.into_iter().fold(Migrator::builder(), |all, one| all.migration(one));
        self.stack.build(builder.build());
        self.stack.deploy(&declared).await
    }

    async fn put(&self, table: &str, item: WireItem) {
        let put = self.plane.client().put_item().table_name(table).set_item(Some(item));
        put.send().await.unwrap();
    }

    async fn delete(&self, table: &str, key: WireItem) {
        let delete = self.plane.client().delete_item().table_name(table).set_key(Some(key));
        delete.send().await.unwrap();
    }

    async fn items(&self, table: &str) -> Vec<WireItem> {
        let pages = self.plane.client().scan().table_name(table).into_paginator().items().send();
        pages.collect::<Result<_, _>>().await.unwrap()
    }

    /// What is in the new table, without the marks.
    async fn copies(&self) -> BTreeMap<String, WireItem> {
        let items = self.items("by_customer").await.into_iter().map(|mut item| {
            item.remove(MARK);
            (format!("{:?} {:?}", item["customer"], item["id"]), item)
        });
        items.collect()
    }

    /// What is to be in the new table.
    async fn expected(&self) -> BTreeMap<String, WireItem> {
        let orders = self.items("orders").await.into_iter();
        let orders = orders.filter(|order| order.contains_key("customer")).map(|mut order| {
            let id = order.remove("pk").unwrap();
            order.insert("id".to_owned(), id);
            (format!("{:?} {:?}", order["customer"], order["id"]), order)
        });
        orders.collect()
    }

    async fn ledger(&self) -> BTreeMap<String, WireItem> {
        let rows = self.items("tablewright-ledger").await.into_iter();
        rows.map(|row| (row["entry"].as_s().unwrap().clone(), row)).collect()
    }

    async fn rows(&self, prefix: &str) -> Vec<String> {
        self.ledger().await.into_keys().filter(|entry| entry.starts_with(prefix)).collect()
    }

    async fn state(&self, id: &str) -> Option<String> {
        let mut rows = self.ledger().await;
        let row = rows.remove(&format!("migration#{id}"))?;
        Some(row["state"].as_s().unwrap().clone())
    }
}

/// An application that goes on writing to the old table: puts, moves to other customers, deletions.
fn writing(plane: &ControlPlane, until: Arc<AtomicBool>) -> tokio::task::JoinHandle<u64> {
    let client = plane.client();
    tokio::spawn(async move {
        let mut writes = 0_u64;
        // Numbers of a linear congruence, which are chance enough and the same in each run.
        let mut chance = 7_u64;
        while !until.load(Ordering::Relaxed) {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            let (id, kind) = ((chance >> 33) % 60, (chance >> 40) % 5);
            writes += 1;
            if kind == 0 {
                let key = item([("pk", text(&id.to_string()))]);
                let delete = client.delete_item().table_name("orders").set_key(Some(key));
                delete.send().await.unwrap();
            } else {
                let customer = format!("c{}", (chance >> 45) % 4);
                let order = order(id, &customer, writes);
                client.put_item().table_name("orders").set_item(Some(order)).send().await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
        writes
    })
}

#[track_caller]
fn assert_failed(deployed: &Deployed, parts: &[&str]) {
    let reason = deployed.answer.reason();
    assert!(!deployed.answer.is_success(), "it succeeded");
    for part in parts {
        assert!(reason.contains(part), "{part:?} is not in {reason:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_written_to_is_copied_and_the_last_writes_come_with_the_next_deploy() {
    let mut world = World::with(50).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let writer = writing(&world.plane, Arc::clone(&is_over));
    world.deploy(&declared(), vec![Migration::copy(COPY, copy())]).await.expect_success();
    assert_eq!(world.state(COPY).await.as_deref(), Some("applied"));
    // The old code still writes until the new one is live.
    tokio::time::sleep(Duration::from_secs(5)).await;
    is_over.store(true, Ordering::Relaxed);
    assert!(writer.await.unwrap() > 100);
    assert_ne!(world.copies().await, world.expected().await);
    // The new code has the last word.
    let theirs = item([("customer", text("c9")), ("id", text("new"))]);
    world.put("by_customer", theirs.clone()).await;
    let both = || vec![Migration::copy(COPY, copy()), Migration::finish_copy(FINISH, COPY)];
    world.deploy(&declared(), both()).await.expect_success();
    let mut expected = world.expected().await;
    expected.insert(format!("{:?} {:?}", theirs["customer"], theirs["id"]), theirs);
    assert_eq!(world.copies().await, expected);
    assert_eq!(world.rows("copy#").await, [format!("copy#{COPY}")]);
    assert!(world.rows("checkpoint#").await.is_empty());
    // Nothing holds the old table any more, and the marks can go.
    let mut unmarked = both();
    unmarked.push(Migration::backfill("0003_unmark", "by_customer", unmark));
    world.deploy(&properties(&[target()]), unmarked).await.expect_success();
    assert!(world.items("by_customer").await.iter().all(|item| !item.contains_key(MARK)));
}
