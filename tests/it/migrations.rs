//! Which migrations run, once and in order, and what they do to items.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tablewright::{Change, Guard, Item, Migration, MigrationError};

use crate::engine::Engine;
use crate::support::{Stack, deliver, item, number, properties, table, text};

fn orders(migrations: Value) -> Value {
    let mut properties = properties(&[table("orders")]);
    properties["Migrations"] = migrations;
    properties
}

/// Adds the attribute `name` to every item.
fn marking(id: &'static str, name: &'static str) -> Migration {
    Migration::backfill(id, "orders", move |mut item: Item| {
        item.set_text(name, "x");
        Ok(Change::Update(item))
    })
}

/// Notes in `log` that it ran.
fn logging(id: &'static str, log: &Arc<Mutex<Vec<&'static str>>>) -> Migration {
    let log = Arc::clone(log);
    Migration::new(id, move |_| {
        let log = Arc::clone(&log);
        async move {
            log.lock().unwrap().push(id);
            Ok(())
        }
    })
}

/// A stack whose table `orders` holds these items, with no migration on record.
async fn filled(items: impl IntoIterator<Item = crate::support::Item>) -> Stack {
    let stack = Stack::start().await;
    stack.create(&stack.function(vec![]), &orders(Value::Null)).await.expect_success();
    for item in items {
        stack.put("orders", item).await;
    }
    stack
}

fn one(pk: &str) -> crate::support::Item {
    item([("pk", text(pk))])
}

#[tokio::test]
async fn a_fresh_database_runs_none_and_says_so() {
    let stack = Stack::start().await;
    let function = stack.function(vec![marking("0001_a", "a"), marking("0002_b", "b")]);
    let answer = stack.create(&function, &orders(Value::Null)).await.expect_success();
    assert_eq!(answer.0["Data"]["Applied"], "0");
    assert_eq!(answer.0["Data"]["LedgerHead"], "0002_b");
    assert_eq!(stack.migrations().await, ["0001_a baseline", "0002_b baseline"]);
}

#[tokio::test]
async fn data_without_history_is_refused_with_the_choices() {
    let stack = Stack::start().await;
    stack.create_foreign_table("orders", &[]).await;
    stack.put("orders", one("1")).await;
    let function = stack.function(vec![marking("0001_a", "a"), marking("0002_b", "b")]);
    let adopting = |baseline: Value| {
        let mut properties = orders(json!({ "Baseline": baseline }));
        properties["Tables"][0]["Adopt"] = json!(true);
        properties
    };
    stack.create(&function, &adopting(json!("auto"))).await.expect_failure(&[
        "there is data in orders and no history",
        "set Migrations.Baseline to the last migration that the data has seen already (as 0002_b), or to none",
    ]);
    stack.create(&function, &adopting(json!("0001_a"))).await.expect_success();
    assert_eq!(stack.migrations().await, ["0001_a baseline", "0002_b applied"]);
    assert_eq!(stack.items("orders").await, [item([("pk", text("1")), ("b", text("x"))])]);
}

#[tokio::test]
async fn an_empty_table_of_before_counts_as_fresh_and_baseline_none_runs_all() {
    for (baseline, states) in [("auto", ["0001_a baseline"]), ("none", ["0001_a applied"])] {
        let stack = Stack::start().await;
        stack.create_foreign_table("orders", &[]).await;
        let function = stack.function(vec![marking("0001_a", "a")]);
        let mut declared = orders(json!({ "Baseline": baseline }));
        declared["Tables"][0]["Adopt"] = json!(true);
        stack.create(&function, &declared).await.expect_success();
        assert_eq!(stack.migrations().await, states);
    }
}

#[tokio::test]
async fn migrations_alone_over_a_table_that_is_not_declared() {
    let stack = Stack::start().await;
    stack.create_foreign_table("orders", &[("aws:cloudformation:stack-id", "native")]).await;
    stack.put("orders", one("1")).await;
    let function = stack.function(vec![marking("0001_a", "a")]);
    let auto = json!({});
    stack
        .create(&function, &auto)
        .await
        .expect_failure(&["there is data in orders and no history"]);
    let all = json!({ "Migrations": { "Baseline": "none" } });
    stack.create(&function, &all).await.expect_success();
    assert_eq!(stack.items("orders").await, [item([("pk", text("1")), ("a", text("x"))])]);
    let nowhere = stack.function(vec![
        marking("0001_a", "a"),
        Migration::backfill("0002_b", "nowhere", |_| Ok(Change::Keep)),
    ]);
    let refused = stack.update(&nowhere, &all, &all).await;
    refused.expect_failure(&[
        "migration 0002_b works on table nowhere, which is neither declared nor there",
    ]);
}

#[tokio::test]
async fn the_first_migration_of_a_stack_that_had_none_runs() {
    let stack = filled([one("1")]).await;
    let function = stack.function(vec![marking("0001_a", "a")]);
    let declared = orders(Value::Null);
    let answer = stack.update(&function, &declared, &declared).await.expect_success();
    assert_eq!(answer.0["Data"]["Applied"], "1");
    assert_eq!(stack.items("orders").await[0]["a"], text("x"));
}

#[tokio::test]
async fn pending_migrations_run_in_order_once_up_to_the_target() {
    let stack = filled([]).await;
    let log = Arc::default();
    let ids = ["0001_a", "0002_b", "0010_c"];
    let function = stack.function(ids.map(|id| logging(id, &log)).into());
    let (to_b, all) = (orders(json!({ "Target": "0002_b" })), orders(Value::Null));
    stack.update(&function, &to_b, &all).await.expect_success();
    assert_eq!(*log.lock().unwrap(), ["0001_a", "0002_b"]);
    stack.update(&function, &all, &to_b).await.expect_success();
    stack.update(&function, &all, &all).await.expect_success();
    assert_eq!(*log.lock().unwrap(), ids);
    let unknown = orders(json!({ "Target": "0003_x" }));
    let refused = stack.update(&function, &unknown, &all).await;
    refused.expect_failure(&[
        "Target 0003_x is none of this build's migrations (0001_a, 0002_b, 0010_c)",
    ]);
}

#[tokio::test]
async fn a_late_migration_fails_is_skipped_or_runs_by_policy() {
    let all = orders(Value::Null);
    let policy = |word: &str| orders(json!({ "OutOfOrder": word }));
    for (word, expected) in [("skip", 1), ("allow", 2)] {
        let stack = filled([]).await;
        let log = Arc::default();
        stack
            .update(&stack.function(vec![logging("0002_b", &log)]), &all, &all)
            .await
            .expect_success();
        let late = stack.function(vec![logging("0001_a", &log), logging("0002_b", &log)]);
        stack
            .update(&late, &all, &all)
            .await
            .expect_failure(&["migration 0001_a is new but older than 0002_b"]);
        stack.update(&late, &policy(word), &all).await.expect_success();
        assert_eq!(log.lock().unwrap().len(), expected);
        let row = stack.ledger().await.remove("migration#0001_a");
        assert_eq!(row.is_some_and(|row| *row["out_of_order"].as_bool().unwrap()), word == "allow");
    }
}

#[tokio::test]
async fn a_build_that_is_older_than_the_ledger_is_refused_with_both_ids_and_every_way_out() {
    let stack = filled([]).await;
    let all = orders(Value::Null);
    let log = Arc::default();
    let newer = stack.function(["0001_a", "0002_b", "0003_c"].map(|id| logging(id, &log)).into());
    stack.update(&newer, &all, &all).await.expect_success();
    let undo = r#"{"tablewright":"undo","to":"0001_a","scope":"6f1d2c80-8c1e-11f0-9b5a-0a58a9feac02/Data","#;
    let older = stack.function(vec![logging("0001_a", &log)]);
    stack.update(&older, &all, &all).await.expect_failure(&[
        "the newest migration of this build is 0001_a, and the ledger has newer ones: 0002_b (applied, by build tablewright ",
        "0003_c (applied",
        "deploy a build that has them; or",
        undo,
        "Migrations.Missing: allow",
    ]);
    let none = stack.function(vec![]);
    stack.update(&none, &all, &all).await.expect_failure(&[
        "this build has no migrations, and the ledger has newer ones: 0001_a",
        r#"{"tablewright":"undo","all":true,"#,
    ]);
    let allow = orders(json!({ "Missing": "allow" }));
    let answer = stack.update(&older, &allow, &all).await.expect_success();
    assert!(answer.reason().contains("migration 0002_b (applied) is newer than this build"));
    assert_eq!(answer.0["Data"]["LedgerHead"], "0003_c");
    assert_eq!(log.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_build_that_lacks_an_older_migration_is_refused_unless_it_may() {
    let stack = filled([]).await;
    let all = orders(Value::Null);
    let log = Arc::default();
    let both = stack.function(vec![logging("0001_a", &log), logging("0002_b", &log)]);
    stack.update(&both, &all, &all).await.expect_success();
    let without = stack.function(vec![logging("0002_b", &log)]);
    stack
        .update(&without, &all, &all)
        .await
        .expect_failure(&["0001_a is applied in the ledger", "Migrations.Missing: allow"]);
    let allow = orders(json!({ "Missing": "allow" }));
    stack.update(&without, &allow, &all).await.expect_success();
    assert_eq!(log.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_changed_migration_is_refused_with_both_fingerprints() {
    let stack = filled([]).await;
    let all = orders(Value::Null);
    stack.update(&stack.function(vec![marking("0001_a", "a")]), &all, &all).await.expect_success();
    let changed = stack.function(vec![marking("0001_a", "a").revision(2)]);
    stack.update(&changed, &all, &all).await.expect_failure(&[
        "migration 0001_a has changed",
        "revision 1 on ",
        "now revision 2",
    ]);
}

#[tokio::test]
async fn a_failed_function_waits_for_a_person_until_its_revision_is_raised() {
    let stack = filled([]).await;
    let all = orders(Value::Null);
    let failing = || Migration::new("0001_a", |_| async { Err(MigrationError::new("half way")) });
    let first = stack.update(&stack.function(vec![failing()]), &all, &all).await;
    first
        .expect_failure(&["migration 0001_a failed: half way", "it is failed and has no way back"]);
    assert_eq!(stack.migrations().await, ["0001_a failed"]);
    let again = stack.update(&stack.function(vec![failing()]), &all, &all).await;
    again.expect_failure(&[
        "refused before anything",
        "0001_a is failed since",
        "half way",
        "raise its revision",
    ]);
    let mended = Migration::new("0001_a", |_| async { Ok(()) }).revision(2);
    stack.update(&stack.function(vec![mended]), &all, &all).await.expect_success();
    assert_eq!(stack.migrations().await, ["0001_a applied"]);
    let rows = stack.ledger().await;
    assert_eq!(rows["attempt#0001_a#000001"]["outcome"], text("failed"));
    assert_eq!(rows["attempt#0001_a#000002"]["outcome"], text("applied"));
}

#[tokio::test]
async fn an_idempotent_one_runs_again_by_itself() {
    let stack = filled([]).await;
    let all = orders(Value::Null);
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let flaky = Migration::new("0001_a", move |_| {
        let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
        async move { if first { Err(MigrationError::new("no luck")) } else { Ok(()) } }
    });
    let function = stack.function(vec![flaky.idempotent()]);
    stack.update(&function, &all, &all).await.expect_failure(&["no luck"]);
    stack.update(&function, &all, &all).await.expect_success();
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_finished_step_is_skipped_by_the_next_run() {
    let stack = filled([]).await;
    let all = orders(Value::Null);
    let (steps, broken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(1)));
    let (counted, failing) = (Arc::clone(&steps), Arc::clone(&broken));
    let stepwise = Migration::new("0001_a", move |cx| {
        let (steps, broken) = (Arc::clone(&counted), Arc::clone(&failing));
        async move {
            cx.step("first", || async {
                steps.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
            .await?;
            if broken.swap(0, Ordering::Relaxed) == 1 {
                Err(MigrationError::new("later"))
            } else {
                Ok(())
            }
        }
    });
    let function = stack.function(vec![stepwise.idempotent()]);
    stack.update(&function, &all, &all).await.expect_failure(&["later"]);
    stack.update(&function, &all, &all).await.expect_success();
    assert_eq!(steps.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_transform_keeps_changes_and_deletes_and_what_it_leaves_alone_is_untouched() {
    let exact = "98765432109876543210987654321098765432";
    let kept = item([
        ("pk", text("kept")),
        ("n", number(exact)),
        ("set", AttributeValue::Ns(vec!["2.5".to_owned()])),
        ("blob", AttributeValue::B(Blob::new([0_u8, 255]))),
        ("null", AttributeValue::Null(true)),
    ]);
    let mut changed = kept.clone();
    changed.insert("pk".to_owned(), text("changed"));
    let stack = filled([kept.clone(), changed.clone(), one("deleted")]).await;
    let function =
        stack.function(vec![Migration::backfill("0001_a", "orders", |mut item: Item| {
            Ok(match item.text("pk")? {
                "deleted" => Change::Delete,
                "changed" => {
                    item.remove("null");
                    item.set_number("n2", 7);
                    Change::Update(item)
                }
                _ => Change::Keep,
            })
        })]);
    let all = orders(Value::Null);
    stack.update(&function, &all, &all).await.expect_success();
    changed.remove("null");
    changed.insert("n2".to_owned(), number(7));
    assert_eq!(stack.items("orders").await, [changed, kept]);
    let attempt = &stack.ledger().await["attempt#0001_a#000001"];
    assert_eq!((&attempt["read"], &attempt["changed"]), (&number(3), &number(2)));
}

type Transform = fn(Item) -> Result<Change, MigrationError>;

#[tokio::test]
async fn an_item_that_cannot_be_handled_stops_the_migration_with_its_key_and_never_its_values() {
    let stack = filled([item([("pk", text("1")), ("secret", text("hunter2"))])]).await;
    let all = orders(Value::Null);
    let failing: [(Transform, &str); 3] = [
        (|item| item.number("secret").map(|_| Change::Keep), "secret is a string, not a number"),
        (
            |mut item| {
                item.set_text("pk", "2");
                Ok(Change::Update(item))
            },
            "the transform changed its key",
        ),
        (|_| panic!("oh no"), "it panicked: oh no"),
    ];
    for (transform, said) in failing {
        let function = stack.function(vec![Migration::backfill("0001_a", "orders", transform)]);
        let answer = stack.update(&function, &all, &all).await;
        let answer = answer.expect_failure(&["migration 0001_a failed: ", said]);
        assert!(
            said.contains("panicked") || answer.reason().contains("item pk=1:"),
            "{}",
            answer.reason()
        );
        assert!(!answer.reason().contains("hunter2"));
    }
}

/// Writes to an item from another thread, as another process would.
#[tokio::main(flavor = "current_thread")]
async fn write_meanwhile(engine: &Engine, pk: &str) {
    let update = engine
        .client()
        .update_item()
        .table_name("orders")
        .key("pk", text(pk))
        .update_expression("SET n = :n, seen = :n")
        .expression_attribute_values(":n", number(5));
    update.send().await.unwrap();
}

#[tokio::test]
async fn what_others_write_meanwhile_is_not_lost() {
    let stack =
        filled((0..40).map(|n| item([("pk", text(&format!("{n:03}"))), ("n", number(0))]))).await;
    let all = orders(Value::Null);
    // The transform itself plays the other writer: before its first result is written, it changes the same attribute.
    let (engine, met) = (stack.engine.clone(), Mutex::new(std::collections::HashSet::new()));
    let function = stack.function(vec![
        Migration::backfill("0001_a", "orders", move |mut item: Item| {
            let pk = item.text("pk")?.to_owned();
            if met.lock().unwrap().insert(pk.clone()) {
                let engine = engine.clone();
                std::thread::spawn(move || write_meanwhile(&engine, &pk)).join().unwrap();
            }
            let more = item.number("n")?.parse::<u64>()? + 100;
            item.set_number("n", more);
            Ok(Change::Update(item))
        })
        .guard(Guard::Stamp),
    ]);
    stack.update(&function, &all, &all).await.expect_success();
    for item in stack.items("orders").await {
        assert_eq!((&item["n"], &item["seen"]), (&number(105), &number(5)));
    }
}

#[tokio::test]
async fn a_run_that_lacks_time_stops_at_a_safe_point_and_the_next_goes_on_from_there() {
    let stack = filled((0..320).map(|n| one(&n.to_string()))).await;
    let all = orders(Value::Null);
    let calls = Arc::new(AtomicUsize::new(0));
    // Of eight seconds, work may take a little over five; the items after the hundredth last until after that.
    let function = |until: Option<Instant>| {
        let calls = Arc::clone(&calls);
        stack.function(vec![Migration::backfill("0001_a", "orders", move |mut item: Item| {
            // The engine also asks what becomes of the result.
            if !item.has("a") && calls.fetch_add(1, Ordering::Relaxed) >= 100 {
                let pause = until.map(|until| until.saturating_duration_since(Instant::now()));
                std::thread::sleep(pause.unwrap_or_default());
            }
            item.set_text("a", "x");
            Ok(Change::Update(item))
        })])
    };
    let event = stack.event("Update", &all, Some(&all));
    let late = function(Some(Instant::now() + Duration::from_millis(5500)));
    deliver(&late, &event, Duration::from_secs(8)).await.unwrap();
    calls.store(1000, Ordering::Relaxed);
    let answer = stack.answers_to(&event).await.remove(0);
    answer.expect_failure(&[
        "stopped at a safe point for lack of time: migration 0001_a checkpointed after",
        "Deploy again",
    ]);
    assert_eq!(stack.migrations().await, ["0001_a paused"]);
    let changed = stack.items("orders").await.iter().filter(|item| item.contains_key("a")).count();
    assert!(0 < changed && changed < 320, "{changed}");

    stack.update(&function(None), &all, &all).await.expect_success();
    assert_eq!(calls.load(Ordering::Relaxed) - 1000, 320 - changed);
    assert!(stack.items("orders").await.iter().all(|item| item.contains_key("a")));
    assert!(!stack.ledger().await.keys().any(|entry| entry.starts_with("checkpoint#")));
}
