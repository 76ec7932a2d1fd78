//! What the item engine sends and what it makes of what comes back, on the strict control plane and in its time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use serde_json::{Value, json};
use tablewright::migrator::Builder;
use tablewright::testing::{ControlPlane, Durations, Fault, Stack};
use tablewright::{
    Backfill, Cap, Change, Guard, Item, Migration, MigrationError, Migrator, Put, Sample,
};
use tokio::time::Instant;

use crate::support::{item, number, properties, table, text, with};

type WireItem = crate::support::Item;

/// A stack with the tables `orders` and `labels`, and so many orders, whose `n` is 1.
struct World {
    plane: ControlPlane,
    stack: Stack,
    deploys: u32,
    declared: Value,
}

impl World {
    async fn with(orders: usize) -> Self {
        let capacity = json!({ "ReadCapacityUnits": 40_000, "WriteCapacityUnits": 40_000 });
        let provisioned = with(
            with(table("orders"), "BillingMode", json!("PROVISIONED")),
            "ProvisionedThroughput",
            capacity,
        );
        Self::of(properties(&[provisioned, table("labels")]), orders).await
    }

    async fn of(declared: Value, orders: usize) -> Self {
        let plane = ControlPlane::builder().durations(Durations::none()).build();
        let mut stack = Stack::new(&plane);
        stack.deploy(&declared).await.expect_success();
        let world = Self { plane, stack, deploys: 0, declared };
        let orders =
            (0..orders).map(|n| item([("pk", text(&format!("{n:05}"))), ("n", number(1))]));
        world.put_all("orders", orders.collect()).await;
        world.plane.reset_calls();
        world
    }

    async fn put_all(&self, table: &str, items: Vec<WireItem>) {
        for chunk in items.chunks(25) {
            let put = |item: &WireItem| {
                let put = PutRequest::builder().set_item(Some(item.clone())).build().unwrap();
                WriteRequest::builder().put_request(put).build()
            };
            let requests = chunk.iter().map(put).collect();
            self.plane
                .client()
                .batch_write_item()
                .request_items(table, requests)
                .send()
                .await
                .unwrap();
        }
    }

    async fn put(&self, table: &str, item: WireItem) {
        self.put_all(table, vec![item]).await;
    }

    /// Deploys a build with these migrations; the reason of the answer, and whether it says SUCCESS.
    async fn deploy(&mut self, migrations: impl IntoIterator<Item = Migration>) -> (bool, String) {
        let builder = migrations.into_iter().fold(Migrator::builder(), Builder::migration);
        self.stack.build(builder.build());
        self.deploys += 1;
        let mut declared = self.declared.clone();
        declared["Migrations"] = json!({ "Hash": self.deploys.to_string() });
        let answer = self.stack.deploy(&declared).await.answer;
        (answer.is_success(), answer.reason().to_owned())
    }

    #[track_caller]
    fn succeeds(&mut self, migration: Migration) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let (success, reason) = self.deploy([migration]).await;
            assert!(success, "{caller}: {reason}");
            reason
        }
    }

    async fn fails(&mut self, migration: Migration, parts: &[&str]) -> String {
        let (success, reason) = self.deploy([migration]).await;
        assert!(!success);
        for part in parts {
            assert!(reason.contains(part), "{part:?} is not in: {reason}");
        }
        reason
    }

    /// Items by the text of their key.
    async fn items(&self, table: &str) -> BTreeMap<String, WireItem> {
        let client = self.plane.client();
        let pages = client.scan().table_name(table).into_paginator().items().send();
        let items: Vec<WireItem> = pages.collect::<Result<_, _>>().await.unwrap();
        let key = |item: &WireItem| {
            let entry = item.get("entry").and_then(|entry| entry.as_s().ok());
            entry.unwrap_or_else(|| item["pk"].as_s().unwrap()).clone()
        };
        items.into_iter().map(|item| (key(&item), item)).collect()
    }

    async fn ledger(&self) -> BTreeMap<String, WireItem> {
        self.items("tablewright-ledger").await
    }

    async fn state(&self, id: &str) -> String {
        let row = self.ledger().await.remove(&format!("migration#{id}")).unwrap();
        row["state"].as_s().unwrap().clone()
    }

    fn calls(&self, operation: &str, table: &str) -> usize {
        let calls = self.plane.calls().into_iter();
        calls.filter(|c| c.operation == operation && c.table.as_deref() == Some(table)).count()
    }

    /// The values of `n` that there are, and how often.
    async fn ns(&self) -> BTreeMap<String, usize> {
        let mut ns = BTreeMap::new();
        for order in self.items("orders").await.into_values() {
            *ns.entry(order["n"].as_n().unwrap().clone()).or_default() += 1;
        }
        ns
    }
}

fn label(mut order: Item) -> Result<Change, MigrationError> {
    let label = format!("ORDER#{}", order.text("pk")?);
    order.set_text("label", label);
    Ok(Change::Update(order))
}

fn increment(mut order: Item) -> Result<Change, MigrationError> {
    let n: u64 = order.number("n")?.parse()?;
    order.set_number("n", n + 1);
    Ok(Change::Update(order))
}

/// Increments, and fails for the orders whose `n` is no number.
fn of_orders(guard: Guard) -> Migration {
    Migration::backfill("0001_a", "orders", increment).guard(guard)
}

#[tokio::test(start_paused = true)]
async fn changes_go_out_in_full_batches_and_what_stays_is_not_written() {
    let mut world = World::with(1010).await;
    world.succeeds(Migration::backfill("0001_a", "orders", label)).await;
    assert_eq!(world.calls("BatchExecuteStatement", "orders"), 1010_usize.div_ceil(25));
    assert_eq!(world.calls("UpdateItem", "orders"), 0);
    let orders = world.items("orders").await;
    assert!(orders.iter().all(|(pk, order)| order["label"] == text(&format!("ORDER#{pk}"))));
    world.plane.reset_calls();
    let (success, reason) = world
        .deploy([
            Migration::backfill("0001_a", "orders", label),
            Migration::backfill("0002_b", "orders", label),
        ])
        .await;
    assert!(success, "{reason}");
    assert_eq!(world.calls("BatchExecuteStatement", "orders"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_second_application_would_change_is_refused_before_it_is_written() {
    let mut world = World::with(50).await;
    let migration =
        Migration::backfill("0001_a", "orders", increment).down_items(|_| Ok(Change::Keep));
    world
        .fails(migration, &["item pk=", "changes n once more", "a guard: stamp", "journal keeps"])
        .await;
    assert_eq!(world.ns().await, [("1".to_owned(), 50)].into());
}

#[tokio::test(start_paused = true)]
async fn each_guard_makes_it_exactly_once_through_everything_that_goes_wrong() {
    for guard in [Guard::Stamp, Guard::Journal] {
        let mut world = World::with(300).await;
        for fault in [
            Fault::lost_answer().chance(0.15),
            Fault::throttled().chance(0.1),
            Fault::internal_error().chance(0.1),
            Fault::not_sent().chance(0.1),
        ] {
            world.plane.fault(fault.table("orders").data_plane());
        }
        world.succeeds(of_orders(guard)).await;
        world.plane.clear_faults();
        assert_eq!(world.ns().await, [("2".to_owned(), 300)].into(), "{guard:?}");
        let ledger = world.ledger().await;
        assert!(!ledger.keys().any(|entry| entry.starts_with("checkpoint#")));
        let journal = ledger.keys().filter(|entry| entry.starts_with("journal#")).count();
        assert_eq!(journal, if guard == Guard::Journal { 300 } else { 0 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_takes_back_what_nobody_has_changed_since_and_lists_the_others() {
    let mut world = World::with(120).await;
    let client = world.plane.client();
    let then_fails = move |_| {
        let client = client.clone();
        async move {
            let change = |pk: &str| {
                let update = client.update_item().table_name("orders").key("pk", text(pk));
                update.expression_attribute_values(":n", number(77))
            };
            // One is changed in what was migrated, one elsewhere, and one has gone.
            change("00007").update_expression("SET n = :n").send().await.unwrap();
            change("00008").update_expression("SET remark = :n").send().await.unwrap();
            client
                .delete_item()
                .table_name("orders")
                .key("pk", text("00009"))
                .send()
                .await
                .unwrap();
            Err(MigrationError::new("no more"))
        }
    };
    let (success, reason) = world
        .deploy([
            of_orders(Guard::Journal),
            Migration::new("0002_b", then_fails).down(|_| async { Ok(()) }),
        ])
        .await;
    assert!(!success);
    for part in [
        "migration 0002_b failed: no more",
        "migration 0001_a but for 2 items that were changed since and stay as they are",
        "orders pk=00007",
        "orders pk=00009",
    ] {
        assert!(reason.contains(part), "{part:?} is not in: {reason}");
    }
    assert_eq!(world.ns().await, [("1".to_owned(), 118), ("77".to_owned(), 1)].into());
    assert_eq!(world.items("orders").await["00008"]["remark"], number(77));
    assert_eq!(world.state("0001_a").await, "undone");
    // Once more from there: what was taken back is migrated, what was left is not migrated twice.
    world.succeeds(of_orders(Guard::Journal)).await;
    assert_eq!(world.ns().await, [("2".to_owned(), 118), ("77".to_owned(), 1)].into());
}

#[tokio::test(start_paused = true)]
async fn a_journal_brings_deleted_items_back_and_takes_copies_away() {
    let transform = |order: Item| {
        Ok(match order.text("pk")? {
            "00003" => Change::Delete,
            "00004" => Change::Put(vec![labelled(&order)]),
            _ => Change::Skip("not concerned".to_owned()),
        })
    };
    let migration = |predicate: fn(&Item) -> Result<(), MigrationError>| {
        let backfill = Backfill::new("orders", transform).guard(Guard::Journal);
        Migration::backfills("0001_a", [backfill.verify(Sample::All, predicate)])
    };
    let mut world = World::with(10).await;
    let before = world.items("orders").await;
    world
        .fails(
            migration(|_| Err(MigrationError::new("I never am content"))),
            &["is not right: I never am content"],
        )
        .await;
    assert_eq!(world.items("orders").await, before);
    assert_eq!(world.items("labels").await, BTreeMap::new());
    world.succeeds(migration(|_| Ok(()))).await;
    assert!(!world.items("orders").await.contains_key("00003"));
    assert_eq!(world.items("labels").await.len(), 1);
    let attempt = &world.ledger().await["attempt#0001_a#000003"];
    assert_eq!((&attempt["changed"], &attempt["skipped"]), (&number(2), &number(8)));
}

fn labelled(order: &Item) -> Put {
    let label = format!("label of {}", order.text("pk").unwrap());
    let item = item([("pk", text(&label)), ("order", order.get("pk").unwrap().clone())]);
    Put { table: "labels".to_owned(), item: Item::from(item) }
}

#[tokio::test(start_paused = true)]
async fn what_is_put_elsewhere_never_overwrites_another_item() {
    let copy =
        || Migration::backfill("0001_a", "orders", |order| Ok(Change::Put(vec![labelled(&order)])));
    let mut world = World::with(40).await;
    world.plane.fault(Fault::lost_answer().table("labels").data_plane().chance(0.3));
    world.put("labels", item([("pk", text("label of 00005")), ("order", text("another's"))])).await;
    world
        .fails(
            copy(),
            &["item pk=00005: table labels has another item under pk=label of 00005 already"],
        )
        .await;
    // The answers to those who only look on are not lost.
    let client = world.plane.bystander();
    client
        .delete_item()
        .table_name("labels")
        .key("pk", text("label of 00005"))
        .send()
        .await
        .unwrap();
    world.succeeds(copy()).await;
    world.plane.clear_faults();
    let labels = world.items("labels").await;
    assert_eq!(labels.len(), 40);
    assert!(labels.iter().all(
        |(pk, label)| text(pk) == text(&format!("label of {}", label["order"].as_s().unwrap()))
    ));
}

#[tokio::test(start_paused = true)]
async fn items_that_fail_are_on_record_and_tried_again_by_the_next_deploy() {
    let tolerant = |most| {
        let backfill =
            Backfill::new("orders", increment).guard(Guard::Stamp).max_failed_items(most);
        Migration::backfills("0001_a", [backfill])
    };
    let mut world = World::with(60).await;
    for pk in ["00010", "00020", "00030"] {
        world.put("orders", item([("pk", text(pk)), ("n", text("secret"))])).await;
    }
    let reason = world
        .fails(tolerant(2), &["item pk=", "2 items had failed before it", "failed#0001_a#"])
        .await;
    assert!(!reason.contains("secret"), "{reason}");

    let reason = world.succeeds(tolerant(3).revision(2)).await;
    assert!(reason.contains("migration 0001_a is applied but for 3 items"), "{reason}");
    assert_eq!(world.state("0001_a").await, "applied_with_errors");
    let failed = |ledger: BTreeMap<String, WireItem>| -> Vec<WireItem> {
        ledger
            .into_iter()
            .filter(|(entry, _)| entry.starts_with("failed#"))
            .map(|(_, row)| row)
            .collect()
    };
    let rows = failed(world.ledger().await);
    assert_eq!(rows.len(), 3);
    for row in &rows {
        assert_eq!(row["error"], text("n is a string, not a number"));
        assert!(row["key"].as_m().unwrap().contains_key("pk"));
    }

    for pk in ["00010", "00020"] {
        world.put("orders", item([("pk", text(pk)), ("n", number(1))])).await;
    }
    let reason = world.succeeds(tolerant(3).revision(2)).await;
    assert!(reason.contains("applied but for 1 items"), "{reason}");
    // The transform can be mended too.
    let mended = |mut order: Item| {
        if order.number("n").is_err() {
            order.set_number("n", 1);
        }
        increment(order)
    };
    world
        .succeeds(Migration::backfill("0001_a", "orders", mended).guard(Guard::Stamp).revision(3))
        .await;
    assert_eq!(world.state("0001_a").await, "applied");
    assert_eq!(failed(world.ledger().await), Vec::<WireItem>::new());
    assert_eq!(world.ns().await, [("2".to_owned(), 60)].into());
}

#[tokio::test(start_paused = true)]
async fn several_tables_are_gone_through_and_taken_back_each_in_its_own_way() {
    let mut world = World::with(30).await;
    world
        .put_all(
            "labels",
            (0..30).map(|n| item([("pk", text(&n.to_string())), ("n", number(1))])).collect(),
        )
        .await;
    let migration = |predicate: fn(&Item) -> Result<(), MigrationError>| {
        let decrement = |mut item: Item| {
            let n: u64 = item.number("n")?.parse()?;
            item.set_number("n", n - 1);
            Ok(Change::Update(item))
        };
        let orders = Backfill::new("orders", increment).guard(Guard::Stamp).down(decrement);
        let labels = Backfill::new("labels", increment).guard(Guard::Journal);
        Migration::backfills("0001_a", [orders, labels.verify(Sample::Items(10), predicate)])
    };
    let before = (world.items("orders").await, world.items("labels").await);
    world
        .fails(
            migration(|_| Err(MigrationError::new("no"))),
            &["is not right: no. Undone: migration 0001_a."],
        )
        .await;
    assert_eq!((world.items("orders").await, world.items("labels").await), before);
    world.succeeds(migration(|item| item.number("n").map(drop))).await;
    for table in ["orders", "labels"] {
        assert!(world.items(table).await.values().all(|item| item["n"] == number(2)), "{table}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_use_partiql_writes_items_one_by_one() {
    let mut world = World::with(100).await;
    world.plane.fault(Fault::denied().operation("BatchExecuteStatement"));
    world.succeeds(of_orders(Guard::Stamp)).await;
    assert_eq!(world.calls("UpdateItem", "orders"), 100);
    assert_eq!(world.ns().await, [("2".to_owned(), 100)].into());

    let mut world = World::with(100).await;
    let single = Backfill::new("orders", label).single_writes();
    world.succeeds(Migration::backfills("0001_a", [single])).await;
    assert_eq!(
        (world.calls("UpdateItem", "orders"), world.calls("BatchExecuteStatement", "orders")),
        (100, 0)
    );

    let mut world = World::with(10).await;
    world.plane.fault(Fault::denied().operation("UpdateItem").table("orders"));
    let single = Backfill::new("orders", label).single_writes();
    world
        .fails(
            Migration::backfills("0001_a", [single]),
            &["dynamodb:UpdateItem on orders is denied"],
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_or_written_while_the_author_pauses_it() {
    let mut world = World::with(30).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let (counted, plane) = (Arc::clone(&asked), world.plane.clone());
    let paused = move || {
        let (pauses, plane) = (counted.fetch_add(1, Ordering::Relaxed) < 3, plane.clone());
        async move {
            let on_orders =
                plane.calls().into_iter().filter(|call| call.table.as_deref() == Some("orders"));
            let touched = on_orders.filter(|call| {
                call.operation != "DescribeTable" && call.operation != "ListTagsOfResource"
            });
            assert!(!pauses || touched.count() == 0);
            pauses
        }
    };
    let began = Instant::now();
    world
        .succeeds(Migration::backfills(
            "0001_a",
            [Backfill::new("orders", label).pause_while(paused)],
        ))
        .await;
    assert!(began.elapsed() >= Duration::from_secs(15));
    assert!(world.items("orders").await.values().all(|order| order.contains_key("label")));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_fails_the_migration_and_nothing_else() {
    let mut world = World::with(30).await;
    let asks = || async { panic!("no alarm of this name") };
    let backfill = Backfill::new("orders", label).pause_while(asks);
    let why = "migration 0001_a failed: asked whether to pause, the migration panicked: no alarm of this name";
    world.fails(Migration::backfills("0001_a", [backfill]), &[why]).await;
}

#[tokio::test(start_paused = true)]
async fn it_keeps_to_its_cap_and_keeps_positions_every_two_seconds() {
    let mut world = World::with(2000).await;
    let slow = Backfill::new("orders", label).at_most(Cap::Units(50)).segments(8);
    let began = Instant::now();
    world.succeeds(Migration::backfills("0001_a", [slow])).await;
    let seconds = began.elapsed().as_secs();
    assert!((35..=45).contains(&seconds), "2000 units at 50 a second took {seconds} s");
    // Positions of all segments go into one write; beside them are the migration's and the run's own.
    let writes = world.calls("TransactWriteItems", "tablewright-ledger") as u64;
    assert!(writes <= seconds / 2 + seconds / 10 + 10, "{writes} writes in {seconds} s");
}

#[tokio::test(start_paused = true)]
async fn writers_are_never_idle_while_there_is_something_to_write() {
    let mut world = World::with(5000).await;
    let latency = Duration::from_millis(5);
    world.plane.fault(Fault::latency(latency).table("orders").data_plane());
    let backfill = Backfill::new("orders", label).concurrency(4);
    let began = Instant::now();
    world.succeeds(Migration::backfills("0001_a", [backfill])).await;
    // 200 batches, four at a time; two pages have to come before the first, the last may be alone.
    let ideal = latency * (5000 / 25 / 4);
    let took = began.elapsed();
    assert!(took <= ideal.mul_f64(1.2), "{took:?} instead of {ideal:?}");
}

#[tokio::test(start_paused = true)]
async fn a_small_table_with_little_throughput_takes_no_time() {
    let capacity = json!({ "ReadCapacityUnits": 1, "WriteCapacityUnits": 1 });
    let tiny = with(
        with(table("orders"), "BillingMode", json!("PROVISIONED")),
        "ProvisionedThroughput",
        capacity,
    );
    let mut world = World::of(properties(&[tiny]), 8).await;
    let began = Instant::now();
    world.succeeds(Migration::backfill("0001_a", "orders", label)).await;
    // What is taken for a page before it is read comes back when it turns out to be short.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_for_one_request_goes_in_parts() {
    let mut world = World::with(60).await;
    // Each item takes 300 KB, and a transaction four megabytes.
    let big = "x".repeat(300_000);
    let inflate = move |mut order: Item| {
        order.set_text("big", big.clone());
        increment(order)
    };
    world.succeeds(Migration::backfill("0001_a", "orders", inflate).guard(Guard::Journal)).await;
    assert_eq!(world.ns().await, [("2".to_owned(), 60)].into());
}

#[tokio::test(start_paused = true)]
async fn whoever_has_lost_the_lease_writes_nothing_more() {
    let mut world = World::with(2000).await;
    let plane = world.plane.clone();
    let taken_over = Arc::new(std::sync::Mutex::new(None));
    let taking_over = Arc::clone(&taken_over);
    // Somebody takes the lease after ten seconds of a run that would last forty.
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let client = plane.client();
        let scan = client.scan().table_name("tablewright-ledger").send().await.unwrap();
        let lease = scan.items().iter().find(|row| row["entry"] == text("lease")).unwrap();
        let update = client.update_item().table_name("tablewright-ledger");
        update
            .key("scope", lease["scope"].clone())
            .key("entry", text("lease"))
            .update_expression("SET fence = fence + :one")
            .expression_attribute_values(":one", number(1))
            .send()
            .await
            .unwrap();
        *taking_over.lock().unwrap() = Some(plane.calls().len());
    });
    let slow = Backfill::new("orders", label).at_most(Cap::Units(50)).segments(8);
    world.fails(Migration::backfills("0001_a", [slow]), &["stopped: "]).await;
    let taken_over = taken_over.lock().unwrap().unwrap();
    let calls = world.plane.calls();
    let after = calls[taken_over..].iter().filter(|call| call.operation == "BatchExecuteStatement");
    // It learns of it with its next record of where it is, two seconds later at most.
    let times: Vec<_> = after.map(|call| call.at).collect();
    let taken_at = calls[taken_over - 1].at;
    assert!(
        times.iter().all(|at| *at <= taken_at + Duration::from_secs(3)),
        "{taken_at:?} {times:?}"
    );
    let labelled = world.items("orders").await.values().filter(|o| o.contains_key("label")).count();
    assert!(0 < labelled && labelled < 1000, "{labelled}");
}

#[tokio::test(start_paused = true)]
async fn an_on_demand_table_is_approached_from_below() {
    let mut world = World::of(properties(&[table("orders")]), 3000).await;
    world.plane.fault(Fault::throttled().operation("BatchExecuteStatement").every(3));
    world.succeeds(Migration::backfill("0001_a", "orders", label)).await;
    assert!(world.items("orders").await.values().all(|order| order.contains_key("label")));
}

#[tokio::test(start_paused = true)]
async fn numbers_sets_and_binary_that_a_change_does_not_touch_stay_as_they_are() {
    let mut world = World::with(0).await;
    let odd = item([
        ("pk", text("odd")),
        ("exact", number("98765432109876543210987654321098765432")),
        ("tiny", number("1E-130")),
        ("null", AttributeValue::Null(true)),
        ("set", AttributeValue::Ns(vec!["2.5".to_owned(), "-1".to_owned()])),
        ("with \"quotes\"", text("x")),
        (
            "nested",
            AttributeValue::M(
                [("deep".to_owned(), AttributeValue::L(vec![AttributeValue::Bool(true)]))].into(),
            ),
        ),
    ]);
    world.put("orders", odd.clone()).await;
    let stored = world.items("orders").await["odd"].clone();
    world
        .succeeds(Migration::backfill("0001_a", "orders", |mut item: Item| {
            let null = item.remove("null");
            item.set("nothing", null.or_else(|| item.get("nothing").cloned()).unwrap());
            let nested = item.get("nested").unwrap().as_m().unwrap().clone();
            item.set(
                "nested",
                AttributeValue::M(
                    nested
                        .into_iter()
                        .chain([("more".to_owned(), AttributeValue::Null(true))])
                        .collect(),
                ),
            );
            item.remove("with \"quotes\"");
            Ok(Change::Update(item))
        }))
        .await;
    let mut expected = stored;
    let null = expected.remove("null").unwrap();
    expected.insert("nothing".to_owned(), null.clone());
    expected.remove("with \"quotes\"");
    let AttributeValue::M(nested) = expected.get_mut("nested").unwrap() else { panic!() };
    nested.insert("more".to_owned(), null);
    assert_eq!(world.items("orders").await["odd"], expected);
}
