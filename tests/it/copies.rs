//! Copies of tables into tables with another key schema, over several deploys, on the strict control plane.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType};
use serde_json::{Value, json};
use tablewright::migrator::Builder;
use tablewright::testing::{ControlPlane, Deployed, Fault, Mishap, Stack, Trap};
use tablewright::{
    AfterGap, Cap, Item, MARK, Migration, MigrationError, Migrator, Sample, TableCopy, unmark,
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
        let builder = migrations.into_iter().fold(Migrator::builder(), Builder::migration);
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
fn writing(
    plane: &ControlPlane,
    every: Duration,
    until: &Arc<AtomicBool>,
) -> tokio::task::JoinHandle<u64> {
    let (client, until) = (plane.client(), Arc::clone(until));
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
            tokio::time::sleep(every).await;
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
    let writer = writing(&world.plane, Duration::from_millis(100), &is_over);
    world.deploy(&declared(), vec![Migration::copy(COPY, copy())]).await.expect_success();
    assert_eq!(world.state(COPY).await.as_deref(), Some("applied"));
    // The old code still writes until the new one is live.
    tokio::time::sleep(Duration::from_secs(5)).await;
    is_over.store(true, Ordering::Relaxed);
    assert!(writer.await.unwrap() > 100, "the application hardly wrote");
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

fn both() -> Vec<Migration> {
    vec![Migration::copy(COPY, copy()), Migration::finish_copy(FINISH, COPY)]
}

fn only_copy() -> Vec<Migration> {
    vec![Migration::copy(COPY, copy())]
}

#[tokio::test(start_paused = true)]
async fn what_the_application_has_changed_or_deleted_stays_so_and_is_noted() {
    let mut world = World::with(6).await;
    world.deploy(&declared(), only_copy()).await.expect_success();
    let mut changed = copied("c0", "0");
    changed.insert("total".to_owned(), number(99));
    world.put("by_customer", changed.clone()).await;
    world.delete("by_customer", copied("c1", "1")).await;
    // The old code writes to the same orders once more, to two others, and makes one anew.
    for (id, customer) in [(0, "c0"), (1, "c1"), (2, "c0"), (7, "c1")] {
        world.put("orders", order(id, customer, 1000 + id)).await;
    }
    world.delete("orders", item([("pk", text("3"))])).await;
    let deployed = world.deploy(&declared(), both()).await;
    deployed.expect_success();
    assert!(
        deployed.answer.reason().contains("2 changes of table orders are not in table by_customer")
    );
    let mut expected = world.expected().await;
    let name = |key: &WireItem| format!("{:?} {:?}", key["customer"], key["id"]);
    expected.insert(name(&changed), changed);
    expected.remove(&name(&copied("c1", "1")));
    assert_eq!(world.copies().await, expected);
    let left = world.rows(&format!("copy#{COPY}#left#")).await;
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deploy_between_the_copy_and_its_end_catches_up_before_its_code_goes_live() {
    let mut world = World::with(6).await;
    world.deploy(&declared(), only_copy()).await.expect_success();
    world.put("orders", order(100, "c1", 1)).await;
    world.delete("orders", item([("pk", text("0"))])).await;
    world.deploy(&declared(), only_copy()).await.expect_success();
    assert_eq!(world.copies().await, world.expected().await);
    assert_eq!(world.state(COPY).await.as_deref(), Some("applied"));
}

#[tokio::test(start_paused = true)]
async fn a_copy_whose_deploy_fails_is_taken_back_but_for_what_others_have_changed() {
    let mut world = World::with(6).await;
    let changed = Arc::new(AtomicBool::new(false));
    let (plane, done) = (world.plane.clone(), Arc::clone(&changed));
    let failing = Migration::new("0002_failing", move |_| {
        let (client, done) = (plane.client(), Arc::clone(&done));
        async move {
            let update = client
                .update_item()
                .table_name("by_customer")
                .set_key(Some(copied("c0", "0")))
                .update_expression("SET seen = :seen")
                .expression_attribute_values(":seen", text("yes"));
            update.send().await?;
            done.store(true, Ordering::Relaxed);
            Err(MigrationError::new("no luck"))
        }
    });
    let failing = failing.down(|_| async { Ok(()) });
    let failed = world.deploy(&declared(), vec![Migration::copy(COPY, copy()), failing]).await;
    assert_failed(
        &failed,
        &["no luck", "Undone: migration 0002_failing, migration 0001_by_customer"],
    );
    assert!(changed.load(Ordering::Relaxed));
    let left = world.copies().await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(world.items("orders").await.len(), 6);
    assert!(world.rows("copy#").await.is_empty());
    // It can begin again, over what is there.
    world.deploy(&declared(), only_copy()).await.expect_success();
    assert_eq!(world.copies().await.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn two_items_with_one_key_fail_the_copy_with_the_keys_of_both() {
    let mut world = World::with(6).await;
    let by_customer_alone = |mut order: Item| {
        order.set_text("id", "the only one");
        order.remove("pk");
        Ok(vec![order])
    };
    let colliding = TableCopy::new("orders", "by_customer", by_customer_alone);
    let failed = world.deploy(&declared(), vec![Migration::copy(COPY, colliding)]).await;
    assert_failed(
        &failed,
        &[
            "item pk=",
            "it becomes customer=c",
            "id=the only one of table by_customer, and so does item pk=",
        ],
    );
    assert!(
        failed.answer.reason().contains("Undone: migration 0001_by_customer, table by_customer")
    );
}

#[tokio::test(start_paused = true)]
async fn an_item_that_cannot_be_transformed_fails_the_copy_with_its_key() {
    let mut world = World::with(6).await;
    world.put("orders", item([("pk", text("odd")), ("customer", number(1))])).await;
    let failed = world.deploy(&declared(), only_copy()).await;
    assert_failed(&failed, &["migration 0001_by_customer failed"]);
    let strict = |order: Item| {
        order.text("customer")?;
        by_customer(order)
    };
    let strict = TableCopy::new("orders", "by_customer", strict);
    let failed = world.deploy(&declared(), vec![Migration::copy(COPY, strict).revision(2)]).await;
    assert_failed(&failed, &["item pk=odd: customer is a number, not a string"]);
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_what_a_copy_needs() {
    let mut world = World::with(1).await;
    let refused = |deployed: &Deployed, part: &str| {
        assert_failed(deployed, &["refused before anything was changed", part]);
    };
    let streamless = properties(&[table("orders"), target()]);
    let deployed = world.deploy(&streamless, only_copy()).await;
    refused(
        &deployed,
        "migration 0001_by_customer copies from table orders by its stream, which is off: \
         set Tables[0].StreamSpecification to { StreamViewType: NEW_AND_OLD_IMAGES }",
    );
    let targetless = properties(&[declared()["Tables"][0].clone()]);
    let deployed = world.deploy(&targetless, only_copy()).await;
    refused(&deployed, "works on table by_customer, which is neither declared nor there");
    let deployed = world.deploy(&declared(), both()).await;
    refused(
        &deployed,
        "migration 0002_by_customer_only finishes the copy of migration 0001_by_customer, which is pending",
    );
    let mut target_set = declared();
    target_set["Migrations"] = json!({ "Target": COPY });
    world.deploy(&target_set, both()).await.expect_success();
    // As long as it is not finished, the source stays, and with it its stream.
    let deployed = world.deploy(&streamless, only_copy()).await;
    refused(&deployed, "by its stream, which is off");
    let mut removed = with(declared()["Tables"][0].clone(), "RemovalPolicy", json!("delete"));
    world.deploy(&properties(&[removed.take(), target()]), only_copy()).await.expect_success();
    let deployed = world.deploy(&properties(&[target()]), only_copy()).await;
    refused(
        &deployed,
        "table orders leaves the declaration and is the source of migration 0001_by_customer",
    );
    assert_eq!(world.copies().await, world.expected().await);
}

#[test]
fn a_list_that_finishes_what_is_no_copy_is_refused() {
    let other = || Migration::new("0001_other", |_| async { Ok(()) });
    let lists = [
        vec![Migration::finish_copy(FINISH, COPY)],
        vec![other(), Migration::finish_copy(FINISH, "0001_other")],
        vec![
            Migration::copy(COPY, copy()),
            Migration::finish_copy(FINISH, COPY),
            Migration::finish_copy("0003_again", COPY),
        ],
    ];
    for list in lists {
        let builder = list.into_iter().fold(Migrator::builder(), Builder::migration);
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains("which makes none"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_not_finished_while_somebody_writes_to_the_old_table() {
    let mut world = World::with(6).await;
    world.deploy(&declared(), only_copy()).await.expect_success();
    let is_over = Arc::new(AtomicBool::new(false));
    let writer = writing(&world.plane, Duration::from_millis(100), &is_over);
    let failed = world.deploy(&declared(), both()).await;
    assert_failed(
        &failed,
        &[
            "table orders was written to ",
            " seconds ago, and nobody may write to it for 60 before a copy is finished",
        ],
    );
    is_over.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    world.deploy(&declared(), both()).await.expect_success();
    assert_eq!(world.copies().await, world.expected().await);
}

#[tokio::test(start_paused = true)]
async fn throttling_and_lost_answers_do_not_make_a_difference() {
    let mut world = World::with(40).await;
    world.plane.fault(Fault::throttled().data_plane().every(7));
    world
        .plane
        .fault(Fault::lost_answer().operation("TransactWriteItems").table("by_customer").every(5));
    let is_over = Arc::new(AtomicBool::new(false));
    let writer = writing(&world.plane, Duration::from_millis(100), &is_over);
    world.deploy(&declared(), only_copy()).await.expect_success();
    is_over.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    world.deploy(&declared(), both()).await.expect_success();
    assert_eq!(world.copies().await, world.expected().await);
}

/// Kills the process before each of its requests in turn, and deploys again.
#[tokio::test(start_paused = true)]
async fn a_copy_that_dies_anywhere_goes_on_with_the_next_deploy() {
    for request in (0..).step_by(9) {
        let mut world = World::with(12).await;
        world.deploy(&declared(), vec![]).await.expect_success();
        let is_over = Arc::new(AtomicBool::new(false));
        let writer = writing(&world.plane, Duration::from_millis(300), &is_over);
        let trap = Trap::at(request, Mishap::Crash);
        world.stack.connect(trap.client(world.plane.config()));
        let copying = declared();
        tokio::select! {
            biased;
            () = trap.crashed() => {}
            deployed = world.deploy(&copying, only_copy()) => deployed.expect_success(),
        }
        world.stack.connect(world.plane.client());
        world.deploy(&declared(), only_copy()).await.expect_success();
        is_over.store(true, Ordering::Relaxed);
        writer.await.unwrap();
        world.deploy(&declared(), both()).await.expect_success();
        assert_eq!(world.copies().await, world.expected().await, "killed before request {request}");
        if !trap.has_sprung() {
            assert!(request > 40, "it took {request} requests");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_runs_out_of_time_goes_on_with_the_next_deploy() {
    let mut world = World::with(0).await;
    for id in 0..250 {
        let mut order = order(id, &format!("c{}", id % 3), id);
        order.insert("pad".to_owned(), text(&"x".repeat(20_000)));
        world.put("orders", order).await;
    }
    let slow = || vec![Migration::copy(COPY, copy().at_most(Cap::Units(1)))];
    let failed = world.deploy(&declared(), slow()).await;
    assert_failed(&failed, &["migration 0001_by_customer"]);
    assert_eq!(world.state(COPY).await.as_deref(), Some("paused"));
    let first = world.copies().await.len();
    assert!(first > 0 && first < 250, "{first} items were copied");
    world.put("orders", order(1, "c1", 7)).await;
    world.delete("orders", item([("pk", text("2"))])).await;
    world.deploy(&declared(), only_copy()).await.expect_success();
    assert_eq!(world.copies().await, world.expected().await);
}

#[tokio::test(start_paused = true)]
async fn a_failed_copy_that_is_kept_is_taken_away_by_its_next_revision() {
    let mut world = World::with(6).await;
    world.put("orders", item([("pk", text("odd")), ("customer", text("c1"))])).await;
    let totals = |mut order: Item| {
        order.set_text("id", format!("{}!", order.text("pk")?));
        order.number("total")?;
        order.remove("pk");
        Ok(vec![order])
    };
    let halting = {
        let mut declared = declared();
        declared["OnFailure"] = json!("halt");
        declared
    };
    let strict = TableCopy::new("orders", "by_customer", totals);
    let failed = world.deploy(&halting, vec![Migration::copy(COPY, strict)]).await;
    assert_failed(&failed, &["item pk=odd: total is missing"]);
    world.deploy(&halting, vec![Migration::copy(COPY, copy()).revision(2)]).await.expect_success();
    assert_eq!(world.copies().await, world.expected().await);
}

/// Turns the stream of the old table off and on again: what was in it is lost.
async fn lose_the_stream(world: &World) {
    let client = world.plane.client();
    let specification = |is_on: bool| {
        let view = is_on.then_some(StreamViewType::NewAndOldImages);
        let specification =
            StreamSpecification::builder().stream_enabled(is_on).set_stream_view_type(view);
        client
            .update_table()
            .table_name("orders")
            .stream_specification(specification.build().unwrap())
    };
    for is_on in [false, true] {
        specification(is_on).send().await.unwrap();
        tokio::time::sleep(Duration::from_mins(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_with_the_stream_is_found_by_comparing_both_tables() {
    for (decision, expected) in
        [(AfterGap::PutMissing, vec![1, 2]), (AfterGap::LeaveMissing, vec![2])]
    {
        let mut world = World::with(6).await;
        world.deploy(&declared(), only_copy()).await.expect_success();
        let of = |n: u64| copied(&format!("c{}", n % 3), &n.to_string());
        world.delete("by_customer", of(1)).await;
        world.put("orders", order(2, "c2", 1000)).await;
        world.delete("orders", item([("pk", text("3"))])).await;
        world.put("orders", order(4, "c0", 4)).await;
        lose_the_stream(&world).await;
        let failed = world.deploy(&declared(), only_copy()).await;
        assert_failed(
            &failed,
            &[
                "migration 0001_by_customer cannot catch up: changes of table orders were lost",
                "AfterGap::PutMissing",
            ],
        );
        let decided = || Migration::copy(COPY, copy().after_gap(decision));
        world.deploy(&declared(), vec![decided()]).await.expect_success();
        let copies = world.copies().await;
        let name = |key: &WireItem| format!("{:?} {:?}", key["customer"], key["id"]);
        let mut wanted = world.expected().await;
        for n in [1] {
            if !expected.contains(&n) {
                wanted.remove(&name(&of(n)));
            }
        }
        if decision == AfterGap::LeaveMissing {
            // Order 4 went to another customer, whom nothing was copied for.
            wanted.remove(&name(&copied("c0", "4")));
        }
        assert_eq!(copies, wanted, "{decision:?}");
        let last = vec![decided(), Migration::finish_copy(FINISH, COPY)];
        world.deploy(&declared(), last).await.expect_success();
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_are_lost_before_the_copy_is_handed_over_need_no_decision() {
    let mut world = World::with(60).await;
    world.plane.fault(Fault::denied().operation("PutItem").table("by_customer").every(20));
    let mut halting = declared();
    halting["OnFailure"] = json!("halt");
    let failed = world.deploy(&halting, only_copy()).await;
    assert_failed(&failed, &["migration 0001_by_customer failed"]);
    world.plane.clear_faults();
    world.put("orders", order(2, "c2", 1000)).await;
    for gone in ["0", "1", "3", "5"] {
        world.delete("orders", item([("pk", text(gone))])).await;
    }
    lose_the_stream(&world).await;
    world.put("orders", order(100, "c0", 1)).await;
    world.deploy(&declared(), only_copy()).await.expect_success();
    assert_eq!(world.copies().await, world.expected().await);
}

#[tokio::test(start_paused = true)]
async fn a_transform_that_is_not_pure_is_found_out() {
    let mut world = World::with(30).await;
    let calls = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let impure = move |order: Item| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        let mut copies = by_customer(order)?;
        for copy in &mut copies {
            copy.set_number("call", call);
        }
        Ok(copies)
    };
    let impure = TableCopy::new("orders", "by_customer", impure).compare(Sample::All);
    let failed = world.deploy(&declared(), vec![Migration::copy(COPY, impure)]).await;
    assert_failed(
        &failed,
        &["the copy has not converged: item customer=c", "Is the transform pure?"],
    );
}

/// Lets time pass for everybody, a few hours at a time.
async fn wait_hours(hours: u64) {
    tokio::time::sleep(Duration::from_hours(hours)).await;
}

#[tokio::test(start_paused = true)]
async fn shards_that_have_split_meanwhile_are_read_with_the_parents_first() {
    let mut world = World::with(20).await;
    world.deploy(&declared(), only_copy()).await.expect_success();
    // Every four hours the shards are followed by others. Each order goes from one customer to the next and back.
    for round in 0..5_u64 {
        for id in 0..20 {
            world.put("orders", order(id, &format!("c{}", (id + round) % 4), round)).await;
        }
        world.delete("orders", item([("pk", text(&round.to_string()))])).await;
        wait_hours(3).await;
    }
    world.deploy(&declared(), only_copy()).await.expect_success();
    assert_eq!(world.copies().await, world.expected().await);
    let shards = world.rows(&format!("copy#{COPY}#shard#")).await;
    assert!(shards.len() > 5, "{shards:?}");
    world.deploy(&declared(), both()).await.expect_success();
    assert_eq!(world.copies().await, world.expected().await);
}

#[tokio::test(start_paused = true)]
async fn records_older_than_a_day_are_known_to_be_gone() {
    for (hours, is_lost) in [(20, false), (30, true), (60, true)] {
        let mut world = World::with(6).await;
        world.deploy(&declared(), only_copy()).await.expect_success();
        world.put("orders", order(2, "c2", 1000)).await;
        world.delete("orders", item([("pk", text("3"))])).await;
        wait_hours(hours).await;
        world.put("orders", order(9, "c2", 9)).await;
        let deployed = world.deploy(&declared(), only_copy()).await;
        if is_lost {
            assert_failed(&deployed, &["a stream keeps them for 24 hours"]);
            let decided = Migration::copy(COPY, copy().after_gap(AfterGap::PutMissing));
            world.deploy(&declared(), vec![decided]).await.expect_success();
        } else {
            deployed.expect_success();
        }
        assert_eq!(world.copies().await, world.expected().await, "after {hours} hours");
    }
}
