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

/// What is done to a world before its workers begin.
type Trouble = fn(&mut World);

/// A stack with the table `orders`, which serves sixteen workers, and has as many items in each segment.
struct World {
    plane: ControlPlane,
    stack: Stack,
    deploys: u32,
    items: usize,
}

impl World {
    async fn with(in_each_segment: usize) -> Self {
        Self::of(ControlPlane::builder(), in_each_segment).await
    }

    /// One whose positions move in small steps.
    async fn in_small_pages(in_each_segment: usize) -> Self {
        Self::of(ControlPlane::builder().page_items(10), in_each_segment).await
    }

    async fn of(plane: tablewright::testing::Builder, in_each_segment: usize) -> Self {
        let plane = plane.durations(Durations::none()).build();
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
    backfill.segments(u32::try_from(SEGMENTS).unwrap()).concurrency(1).at_most(Cap::PerCent(100))
}

fn migration(guard: Guard) -> Migration {
    Migration::backfills("0001_increment", [increment(guard)])
}

#[tokio::test(start_paused = true)]
async fn sixteen_workers_are_nearly_sixteen_times_as_fast_as_one() {
    let mut times = Vec::new();
    for counted in [0, MANY] {
        let mut world = World::with(75).await;
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

#[tokio::test(start_paused = true)]
async fn each_item_is_changed_once_whatever_becomes_of_workers() {
    let troubles: [(&str, Trouble); 4] = [
        ("one dies", |world| world.stack.lose_workers(1, Duration::from_secs(12))),
        ("all die, whenever they are called for", |world| {
            world.stack.lose_workers(3 * WORKERS, Duration::from_secs(12));
        }),
        ("all die at once", |world| world.stack.lose_workers(3 * WORKERS, Duration::ZERO)),
        ("throttling, lost answers", |world| {
            world.plane.fault(Fault::throttled().data_plane().table("orders").chance(0.05));
            world.plane.fault(Fault::unprocessed().table("orders").chance(0.05));
            world.plane.fault(Fault::lost_answer().data_plane().chance(0.02));
        }),
    ];
    for guard in [Guard::Stamp, Guard::Journal] {
        for (what, trouble) in troubles {
            let mut world = World::with(10).await;
            trouble(&mut world);
            let (answer, _) = world.deploy(vec![migration(guard)]).await;
            assert!(answer.is_success(), "{what}: {}", answer.reason());
            world.plane.clear_faults();
            let expected = HashMap::from([("2".to_owned(), world.items)]);
            assert_eq!(world.numbers().await, expected, "{what}, {guard:?}");
            assert!(world.stack.workers() >= WORKERS, "{what}");
            let attempts = world.ledger("attempt#").await;
            assert!(attempts.iter().all(|row| row["outcome"] == text("applied")), "{attempts:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_workers_have_done_is_taken_back_by_workers() {
    for guard in [Guard::Stamp, Guard::Journal] {
        let mut world = World::with(10).await;
        let fails = |_: Context| async { Err(MigrationError::new("no good")) };
        let fails = Migration::new("0002_fails", fails).down(|_| async { Ok(()) });
        let (answer, after) = world.deploy(vec![migration(guard), fails]).await;
        let undone = "Undone: migration 0002_fails, migration 0001_increment.";
        assert!(answer.reason().contains(undone), "{}", answer.reason());
        assert!(after.unwrap().is_success());
        world.assert_all("1").await;
        // A journal is gone through by one process.
        let each_way = if guard == Guard::Stamp { 2 } else { 1 };
        assert_eq!(world.stack.workers(), each_way * WORKERS, "{guard:?}");
    }
}

/// The same, but for items that cannot be handled: of a hundred so many.
fn refusing(of_a_hundred: usize, tolerated: u64) -> Migration {
    let label = move |mut order: Item| {
        let number: usize = order.text("pk")?.trim_start_matches("order-").parse()?;
        if number % 100 < of_a_hundred {
            return Err(MigrationError::new("it has no place"));
        }
        order.set_number("n", 2);
        Ok(Change::Update(order))
    };
    let unlabel = |mut order: Item| {
        order.set_number("n", 1);
        Ok(Change::Update(order))
    };
    let backfill = Backfill::new("orders", label).down(unlabel).max_failed_items(tolerated);
    let segments = u32::try_from(SEGMENTS).unwrap();
    Migration::backfills("0001_label", [backfill.segments(segments).concurrency(1)])
}

#[tokio::test(start_paused = true)]
async fn an_item_that_fails_stops_all_workers_and_fails_the_migration() {
    let mut world = World::in_small_pages(50).await;
    let began = Instant::now();
    let (answer, after) = world.deploy(vec![refusing(1, 0)]).await;
    let reason = answer.reason();
    assert!(!answer.is_success(), "{reason}");
    assert!(reason.contains("0001_label failed: item pk=order-"), "{reason}");
    assert!(reason.contains("it has no place"), "{reason}");
    assert!(after.unwrap().is_success());
    world.assert_all("1").await;
    // Eight writes are a whole share, there or back.
    assert!(began.elapsed() < 8 * WRITE, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn items_that_fail_are_counted_over_all_workers() {
    let mut world = World::with(20).await;
    let few = world.items as u64 / 20;
    let (answer, _) = world.deploy(vec![refusing(3, few)]).await;
    assert!(answer.is_success(), "{}", answer.reason());
    let failed = world.ledger("failed#").await.len();
    assert_eq!(world.numbers().await["1"], failed);
    assert!(answer.reason().contains(&format!("but for {failed} items")), "{}", answer.reason());

    // Each worker meets fewer than that.
    let mut world = World::with(20).await;
    let (answer, _) = world.deploy(vec![refusing(3, failed as u64 / 2)]).await;
    assert!(!answer.is_success());
    assert!(
        answer.reason().contains("items failed, and max_failed_items allows"),
        "{}",
        answer.reason()
    );
    world.assert_all("1").await;
}

#[tokio::test(start_paused = true)]
async fn workers_stop_when_another_run_takes_over() {
    let mut world = World::in_small_pages(50).await;
    let hands = Stack::new(&world.plane);
    let pause = json!({ "tablewright": "pause", "by": "ann", "reason": "the application is slow" });
    let in_the_middle = async {
        tokio::time::sleep(4 * WRITE).await;
        let status = hands.command(json!({ "tablewright": "status" })).await.unwrap();
        hands.command(pause).await.unwrap();
        status
    };
    let deploy = world.deploy(vec![migration(Guard::Stamp)]);
    let ((answer, after), status) = tokio::join!(deploy, in_the_middle);
    let backfills = status["migrations"][0]["backfills"].as_array().unwrap();
    let [backfill] = &backfills[..] else { panic!("{status}") };
    assert!(backfill["read"].as_u64() > Some(WORKERS * 25), "of all workers: {backfill}");
    assert!(answer.reason().contains("stopped: "), "{}", answer.reason());
    let after = after.unwrap();
    assert!(after.is_success() && after.reason().contains("is paused"), "{}", after.reason());
    let before = world.numbers().await;
    assert_eq!(before.len(), 2, "{before:?}");
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(world.numbers().await, before, "nobody is at work any more");

    hands
        .command(json!({ "tablewright": "resume", "by": "ann", "reason": "it is not" }))
        .await
        .unwrap();
    world.expect_success(vec![migration(Guard::Stamp)]).await;
    world.assert_all("2").await;
}

#[tokio::test(start_paused = true)]
async fn workers_stop_when_the_time_of_the_request_is_over_and_the_next_deploy_goes_on() {
    let mut world = World::in_small_pages(100).await;
    world.stack.build(Migrator::builder().migration(migration(Guard::Stamp)).build());
    let mut soon = declared("1");
    soon["ServiceTimeout"] = json!("60");
    let deployed = world.stack.deploy(&soon).await;
    let reason = deployed.answer.reason();
    assert!(reason.contains("stopped at a safe point for lack of time"), "{:?}", deployed.answer);
    let back = deployed.after.unwrap();
    assert!(back.is_success() && back.reason().contains("is paused"), "{}", back.reason());
    let half = world.numbers().await;
    assert_eq!(half.len(), 2, "{half:?}");
    world.deploys = 1;
    world.expect_success(vec![migration(Guard::Stamp)]).await;
    world.assert_all("2").await;
}

#[tokio::test(start_paused = true)]
async fn a_table_that_one_process_fills_has_no_workers_and_takes_no_more_requests() {
    let mut calls = Vec::new();
    for has_machine in [false, true] {
        let plane = ControlPlane::builder().durations(Durations::none()).build();
        let mut stack = Stack::new(&plane);
        if has_machine {
            stack.state_machine();
        }
        stack.deploy(&declared("0")).await.expect_success();
        fill(&plane, 2).await;
        plane.reset_calls();
        stack.build(Migrator::builder().migration(migration(Guard::Stamp)).build());
        stack.deploy(&declared("1")).await.expect_success();
        calls.push(plane.calls().len());
        assert_eq!(stack.workers(), 0);
    }
    assert_eq!(calls[0], calls[1]);

    // Hours of work, and no more than a process does in a second.
    let mut world = World::with(10).await;
    let slow = increment(Guard::Stamp).at_most(Cap::Units(4000));
    world.expect_success(vec![Migration::backfills("0001_increment", [slow])]).await;
    assert_eq!((world.stack.executions(), world.stack.workers()), (1, 0));
    world.assert_all("2").await;
}
