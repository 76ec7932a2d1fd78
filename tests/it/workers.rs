//! Backfills that several workers share: how fast they are, that each item is changed once, and what is left when workers
//! die, fail, or have to stop.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use serde_json::{Value, json};
use tablewright::migrator::Builder;
use tablewright::testing::{Answer, ControlPlane, Durations, Fault, Stack};
use tablewright::{
    Backfill, Cap, Change, Context, Guard, Item, Migration, MigrationError, Migrator,
};
use tokio::time::Instant;

use crate::support::{number, properties, table, text, with};

const SEGMENTS: i32 = 64;
const WORKERS: u64 = 16;
/// How long a write takes, of which each process has one under way.
const WRITE: Duration = Duration::from_secs(5);
/// What makes a table one of hours.
const MANY: u64 = 10_000_000;

/// A stack with the table `orders`, which serves sixteen workers, and has as many items in each segment.
struct World {
    plane: ControlPlane,
    stack: Stack,
    deploys: u32,
    items: usize,
}

impl World {
    async fn with(in_each_segment: usize) -> Self {
        let plane = ControlPlane::builder().durations(Durations::none()).build();
        let mut stack = Stack::new(&plane);
        stack.state_machine();
        stack.deploy(&declared("0")).await.expect_success();
        let items = fill(&plane, in_each_segment).await;
        plane.count("orders", MANY, MANY * 400);
        for operation in ["BatchExecuteStatement", "TransactWriteItems"] {
            let slow = Fault::latency(WRITE).operation(operation).table("orders");
            plane.fault(slow);
        }
        Self { plane, stack, deploys: 0, items }
    }

    async fn deploy(&mut self, migrations: Vec<Migration>) -> (Answer, Option<Answer>) {
        let builder = migrations.into_iter().fold(Migrator::builder(), Builder::migration);
        self.stack.build(builder.build());
        self.deploys += 1;
        let deployed = self.stack.deploy(&declared(&self.deploys.to_string())).await;
        (deployed.answer, deployed.after)
    }

    async fn expect_success(&mut self, migrations: Vec<Migration>) {
        let (answer, _) = self.deploy(migrations).await;
        assert!(answer.is_success(), "{}", answer.reason());
    }

    /// How many items have which `n`.
    async fn numbers(&self) -> HashMap<String, usize> {
        let orders = scan(&self.plane, "orders").await;
        assert_eq!(orders.len(), self.items);
        orders.iter().fold(HashMap::new(), |mut numbers, order| {
            *numbers.entry(order["n"].as_n().unwrap().clone()).or_default() += 1;
            numbers
        })
    }

    async fn assert_all(&self, n: &str) {
        let expected = HashMap::from([(n.to_owned(), self.items)]);
        assert_eq!(self.numbers().await, expected);
    }

    async fn ledger(&self, prefix: &str) -> Vec<HashMap<String, AttributeValue>> {
        let rows = scan(&self.plane, "tablewright-ledger").await.into_iter();
        rows.filter(|row| row["entry"].as_s().unwrap().starts_with(prefix)).collect()
    }
}

fn declared(hash: &str) -> Value {
    let capacity = json!({ "ReadCapacityUnits": 64_000, "WriteCapacityUnits": 64_000 });
    let orders = with(table("orders"), "BillingMode", json!("PROVISIONED"));
    let mut declared = properties(&[with(orders, "ProvisionedThroughput", capacity)]);
    declared["Migrations"] = json!({ "Hash": hash });
    declared
}

async fn scan(plane: &ControlPlane, table: &str) -> Vec<HashMap<String, AttributeValue>> {
    let items = plane.bystander().scan().table_name(table).into_paginator().items().send();
    items.collect::<Result<_, _>>().await.unwrap()
}

/// Puts items, and takes away what some segments have more of; returns how many are left.
async fn fill(plane: &ControlPlane, in_each_segment: usize) -> usize {
    let client = plane.bystander();
    let all = usize::try_from(SEGMENTS).unwrap() * in_each_segment * 3 / 2;
    let write = async |requests: Vec<WriteRequest>| {
        for chunk in requests.chunks(25) {
            let batch = client.batch_write_item().request_items("orders", chunk.to_vec());
            batch.send().await.unwrap();
        }
    };
    let put = |n: usize| {
        let item = [("pk", text(&format!("order-{n:06}"))), ("n", number(1))];
        let item = item.map(|(name, value)| (name.to_owned(), value));
        let put = PutRequest::builder().set_item(Some(HashMap::from(item))).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    write((0..all).map(put).collect()).await;
    let mut left = 0;
    for segment in 0..SEGMENTS {
        let scan = client.scan().table_name("orders").segment(segment).total_segments(SEGMENTS);
        let items: Vec<_> =
            scan.into_paginator().items().send().collect::<Result<_, _>>().await.unwrap();
        let surplus = items.iter().skip(in_each_segment).map(|item| {
            let key = HashMap::from([("pk".to_owned(), item["pk"].clone())]);
            let delete = DeleteRequest::builder().set_key(Some(key)).build().unwrap();
            WriteRequest::builder().delete_request(delete).build()
        });
        write(surplus.collect()).await;
        left += items.len().min(in_each_segment);
    }
    left
}

/// Adds one to `n`, which a second application would do again.
fn increment(guard: Guard) -> Backfill {
    let add = |by: i64| {
        move |mut order: Item| {
            let n: i64 = order.number("n")?.parse()?;
            order.set_number("n", n + by);
            Ok(Change::Update(order))
        }
    };
    let backfill = Backfill::new("orders", add(1)).guard(guard);
    let backfill = match guard {
        Guard::Stamp => backfill.down(add(-1)),
        Guard::Journal => backfill,
    };
    backfill
        .segments(u32::try_from(SEGMENTS).unwrap())
        .concurrency(1)
        .at_most(Cap::PerCent(100))
}

fn migration(guard: Guard) -> Migration {
    Migration::backfills("0001_increment", [increment(guard)])
}

#[tokio::test(start_paused = true)]
async fn sixteen_workers_are_nearly_sixteen_times_as_fast_as_one() {
    let mut times = Vec::new();
    for counted in [0, MANY] {
        let mut world = World::with(100).await;
        world.plane.count("orders", counted, counted * 400);
        let began = Instant::now();
        world.expect_success(vec![migration(Guard::Stamp)]).await;
        times.push(began.elapsed());
        world.assert_all("2").await;
        assert_eq!(world.stack.workers(), if counted == 0 { 0 } else { WORKERS });
        assert_eq!(world.ledger("checkpoint#").await, []);
        assert_eq!(world.ledger("progress#").await, []);
    }
    let share = times[0].as_secs_f64() / times[1].as_secs_f64() / 16.0;
    assert!(share >= 0.9, "{times:?}: {share:.2} of sixteen times one");
}
