//! Direct commands: what they show, what they change, what they refuse, and what of them is on record.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tablewright::command::Command;
use tablewright::handler::Handler;
use tablewright::migrator::Builder;
use tablewright::testing::{self, ControlPlane};
use tablewright::{Backfill, Cap, Change, Guard, Item, Migration, MigrationError, Migrator};
use tokio::sync::Notify;

use crate::driver::FakeDriver;
use crate::support::{
    self, SCOPE, Stack, deliver, item, marking, number, properties, table, text, with_index,
};

mod faults;
mod plan;

const TIME: Duration = Duration::from_mins(1);

/// The same command, signed.
fn signed(mut command: Value) -> Value {
    command["by"] = json!("ann");
    command["reason"] = json!("ticket 7");
    command
}

/// Sends a command that is done.
#[track_caller]
fn send(function: &Handler, command: &Value) -> impl Future<Output = Value> {
    let (function, command) = (function.clone(), command.clone());
    async move { deliver(&function, &command, TIME).await.unwrap() }
}

/// Sends a command that is not done; returns what is said of it.
async fn refused(function: &Handler, command: &Value) -> String {
    deliver(function, command, TIME).await.unwrap_err().to_string()
}

#[track_caller]
fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

fn declared() -> Value {
    properties(&[table("orders")])
}

/// Adds one to the attribute `n` of every item, and keeps what it was.
fn counting(id: &'static str) -> Migration {
    let up = |mut item: Item| {
        let n: u64 = item.number("n")?.parse()?;
        item.set_number("n", n + 1);
        Ok(Change::Update(item))
    };
    Migration::backfill(id, "orders", up).guard(Guard::Journal)
}

/// A function of no use a second time that fails after its first step.
fn half_done(id: &'static str) -> Migration {
    Migration::new(id, |cx| async move {
        cx.step("first", || async { Ok(()) }).await?;
        Err(MigrationError::new("half way"))
    })
}

/// The same with a way back, in a build that no longer fails.
fn mended(id: &'static str) -> Migration {
    Migration::new(id, |_| async { Ok(()) }).down(|_| async { Ok(()) })
}

/// A stack with three items whose `n` is 1.
async fn filled() -> Stack {
    let stack = Stack::start().await;
    stack.create(&stack.function(vec![]), &declared()).await.expect_success();
    for pk in ["1", "2", "3"] {
        stack.put("orders", item([("pk", text(pk)), ("n", number(1))])).await;
    }
    stack
}

async fn deployed(migrations: Vec<Migration>) -> (Stack, Handler) {
    let stack = filled().await;
    let function = stack.function(migrations);
    stack.update(&function, &declared(), &declared()).await.expect_success();
    (stack, function)
}

async fn ns(stack: &Stack) -> Vec<String> {
    let items = stack.items("orders").await;
    items.iter().map(|item| item["n"].as_n().unwrap().clone()).collect()
}

async fn leave(stack: &Stack, entry: &str, mut row: support::Item) {
    row.insert("scope".to_owned(), text(SCOPE));
    row.insert("entry".to_owned(), text(entry));
    stack.put("tablewright-ledger", row).await;
}

/// What commands have left on record, by verb and state.
async fn recorded(stack: &Stack) -> Vec<String> {
    let rows = stack.ledger().await;
    let mut rows: Vec<_> = rows.iter().filter(|(entry, _)| entry.starts_with("command#")).collect();
    rows.sort_by_key(|(entry, _)| entry.as_str());
    let told = rows.iter().map(|(_, row)| {
        let [verb, state, by, reason] =
            ["verb", "state", "by", "reason"].map(|name| row[name].as_s().unwrap());
        format!("{verb} {state}, {by}: {reason}")
    });
    told.collect()
}

#[test]
fn every_sample_command_is_read_and_there_is_one_of_each() {
    let events = format!("{}/events", env!("CARGO_MANIFEST_DIR"));
    let mut verbs = Vec::new();
    for entry in std::fs::read_dir(events).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let Some(verb) = name.strip_prefix("command-") else { continue };
        let event: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(event["tablewright"], verb);
        Command::read(&event).unwrap();
        verbs.push(verb.to_owned());
    }
    let unknown = Command::read(&json!({ "tablewright": "dance" })).unwrap_err().to_string();
    assert_eq!(unknown.matches("\"tablewright\"").count(), verbs.len(), "{unknown}, {verbs:?}");
    assert!(verbs.iter().all(|verb| unknown.contains(verb)), "{unknown}, {verbs:?}");
}

#[tokio::test]
async fn a_scope_is_found_by_its_stack_or_as_the_only_one() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let status = json!({ "tablewright": "status" });
    assert_says(
        &refused(&function, &status).await,
        &["there is no ledger table tablewright-ledger"],
    );
    stack.create(&function, &declared()).await.expect_success();
    let only = send(&function, &status).await;
    assert_eq!((&only["scope"], &only["stack"]), (&json!(SCOPE), &json!("Shop")));

    let mut other = stack.event("Create", &properties(&[table("other")]), None);
    other["StackId"] = json!("arn:aws:cloudformation:eu-west-1:111122223333:stack/Other/0a0b");
    deliver(&function, &other, TIME).await.unwrap();
    assert_says(
        &refused(&function, &status).await,
        &["several scopes", "0a0b/Data (stack Other)", &format!("{SCOPE} (stack Shop)")],
    );
    for naming in [json!({ "stack": "Other" }), json!({ "scope": "0a0b/Data" })] {
        let mut status = status.clone();
        status.as_object_mut().unwrap().extend(naming.as_object().unwrap().clone());
        assert_eq!(send(&function, &status).await["scope"], "0a0b/Data");
    }
    let nowhere = json!({ "tablewright": "status", "scope": "nowhere" });
    assert_says(&refused(&function, &nowhere).await, &["knows no scope nowhere", "0a0b/Data"]);
    // What is gone is not meant any more, and nothing was made of a scope that does not exist.
    stack.delete(&function, &declared()).await.expect_success();
    assert_eq!(send(&function, &status).await["scope"], "0a0b/Data");
    let rows = stack.items("tablewright-ledger").await;
    assert!(rows.iter().all(|row| row["scope"] != text("nowhere")));
}

#[tokio::test]
async fn looking_takes_no_lease_and_writes_nothing() {
    let (stack, function) = deployed(vec![counting("0001_a")]).await;
    let before = stack.items("tablewright-ledger").await;
    let wanted = properties(&[with_index(table("orders"), "by_a", "a")]);
    for look in [
        json!({ "tablewright": "status" }),
        json!({ "tablewright": "history", "limit": 2 }),
        json!({ "tablewright": "plan", "properties": wanted }),
    ] {
        assert_eq!(send(&function, &look).await["status"], "done", "{look}");
    }
    assert_eq!(stack.items("tablewright-ledger").await, before);
}

#[tokio::test]
async fn a_plan_says_what_a_deploy_would_do_or_what_stands_against_it() {
    let (_stack, function) = deployed(vec![counting("0001_a")]).await;
    let plan = async |properties: &Value| {
        send(&function, &json!({ "tablewright": "plan", "properties": properties })).await
    };
    let indexed = plan(&properties(&[with_index(table("orders"), "by_a", "a")])).await;
    assert_says(indexed["text"].as_str().unwrap(), &["+ table orders: index by_a"]);
    assert_eq!(indexed["plan"]["tables"][0]["call"], "UpdateTable");
    let nothing = plan(&declared()).await;
    assert_eq!((&nothing["text"], &nothing["refused"]), (&json!("Nothing to do.\n"), &json!([])));
    for (properties, said) in [
        (json!({ "Tabels": [] }), "Tabels"),
        (json!({ "Tables": [], "Migrations": { "Target": "0009_x" } }), "Target 0009_x is none of"),
    ] {
        let refused = plan(&properties).await;
        assert_eq!(refused["plan"], Value::Null);
        assert_says(refused["refused"][0].as_str().unwrap(), &[said]);
    }
}

#[tokio::test]
async fn a_plan_needs_no_ledger() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let plan = send(&function, &json!({ "tablewright": "plan", "properties": declared() })).await;
    assert_says(plan["text"].as_str().unwrap(), &["+ table orders: create"]);
    assert_eq!(stack.tables().await, [""; 0]);
}

#[tokio::test]
async fn the_history_has_runs_attempts_and_commands_the_newest_first() {
    let (_stack, function) = deployed(vec![counting("0001_a")]).await;
    send(&function, &signed(json!({ "tablewright": "undo", "all": true }))).await;
    let history = send(&function, &json!({ "tablewright": "history" })).await;
    let entries = history["entries"].as_array().unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            let what = entry["what"].as_str().unwrap();
            let detail = match what {
                "run" => &entry["kind"],
                "attempt" => &entry["direction"],
                _ => &entry["verb"],
            };
            format!("{what} {}", detail.as_str().unwrap())
        })
        .collect();
    assert_eq!(told, ["attempt down", "command undo", "attempt up", "run Update", "run Create"]);
    assert_eq!((&entries[0]["read"], &entries[1]["by"]), (&json!(3), &json!("ann")));
    let last = send(&function, &json!({ "tablewright": "history", "limit": 1 })).await;
    assert_eq!(last["entries"].as_array().unwrap().len(), 1);
}

/// A stack in which a function migration with this way back has stayed half done.
async fn stuck() -> (Stack, Value) {
    let stack = filled().await;
    let fails = half_done("0002_b").down(|_| async { Err(MigrationError::new("no way")) });
    let function = stack.function(vec![counting("0001_a"), fails]);
    stack.update(&function, &declared(), &declared()).await.expect_failure(&["half way"]);
    let repaired = stack.function(vec![counting("0001_a"), mended("0002_b")]);
    let status = send(&repaired, &json!({ "tablewright": "status" })).await;
    (stack, status)
}

#[tokio::test]
async fn what_needs_a_person_is_told_alike_by_the_plan_and_the_status_and_each_command_is_a_way_out()
 {
    let (stack, status) = stuck().await;
    let needs = &status["migrations"][1]["needs"];
    let why = needs["why"].as_str().unwrap();
    assert_says(
        why,
        &[
            "migration 0002_b is undo failed since 20",
            "(no way); on record are its steps first: part of it may be in place",
            ", build tablewright ",
        ],
    );
    assert_eq!(status["migrations"][0]["needs"], Value::Null);
    let ways: Vec<_> = needs["ways_out"].as_array().unwrap().iter().collect();
    let repaired = stack.function(vec![counting("0001_a"), mended("0002_b")]);
    let answer = stack.update(&repaired, &declared(), &declared()).await;
    answer.expect_failure(&[
        why,
        "raise its revision (now revision 1)",
        r#"{"tablewright":"repair","action":"mark-applied","id":"0002_b","scope":""#,
    ]);

    let commands: Vec<Value> = ways.iter().filter_map(|way| way.get("command")).cloned().collect();
    let verbs: Vec<_> = commands.iter().map(|command| command["tablewright"].clone()).collect();
    assert_eq!(verbs, ["repair", "repair", "undo"]);
    for (command, end) in commands.into_iter().zip(["applied", "undone", "undone"]) {
        let (stack, _) = stuck().await;
        let function = stack.function(vec![counting("0001_a"), mended("0002_b")]);
        send(&function, &signed(command)).await;
        assert_eq!(
            stack.migrations().await,
            ["0001_a applied".to_owned(), format!("0002_b {end}")]
        );
        stack.update(&function, &declared(), &declared()).await.expect_success();
        assert_eq!(stack.migrations().await, ["0001_a applied", "0002_b applied"]);
        assert_eq!(ns(&stack).await, ["2"; 3]);
    }
}

#[tokio::test]
async fn nothing_is_taken_from_whoever_holds_the_lease_but_by_unlock() {
    let (stack, function) = deployed(vec![counting("0001_a")]).await;
    let held = || {
        item([
            ("run", text("a-run")),
            ("invocation", text("another")),
            ("fence", number(70)),
            ("expires_at_ms", number(4_102_444_800_000_u64)),
            ("version", text("70.0")),
        ])
    };
    leave(&stack, "lease", held()).await;
    let before = stack.ledger().await;
    for command in [
        json!({ "tablewright": "resume" }),
        json!({ "tablewright": "repair", "action": "mark-rolled-back", "id": "0001_a" }),
        json!({ "tablewright": "retry-failed", "id": "0001_a" }),
        json!({ "tablewright": "undo", "all": true }),
    ] {
        let said = refused(&function, &signed(command)).await;
        assert_says(
            &said,
            &[
                "run a-run holds the lease until 2100-01-01",
                r#"stop it with {"tablewright":"unlock","#,
            ],
        );
    }
    assert_eq!(stack.ledger().await, before);
    let status = send(&function, &json!({ "tablewright": "status" })).await;
    assert_eq!(status["lease"]["run"], "a-run");
    let unlocked = send(&function, &signed(json!({ "tablewright": "unlock" }))).await;
    assert_eq!((&unlocked["was"]["run"], &unlocked["was"]["fence"]), (&json!("a-run"), &json!(70)));
    let lease = &stack.ledger().await["lease"];
    assert_eq!((&lease["fence"], &lease["expires_at_ms"]), (&number(71), &number(0)));
    let nobody = send(&function, &signed(json!({ "tablewright": "unlock" }))).await;
    assert_eq!(nobody["was"], Value::Null);
    assert_eq!(recorded(&stack).await, ["unlock done, ann: ticket 7"; 2]);
}

#[tokio::test]
async fn a_run_between_two_slices_is_not_disturbed_by_what_can_wait() {
    let (stack, function) = deployed(vec![counting("0001_a")]).await;
    let row = [("state", text("running")), ("handed_over", AttributeValue::Bool(true))];
    leave(&stack, "run#a-run", item(row)).await;
    leave(&stack, "parked#a-run#000", item([("event", text("{}"))])).await;
    let released = [
        ("run", text("a-run")),
        ("fence", number(7)),
        ("expires_at_ms", number(0)),
        ("version", text("7.0")),
    ];
    leave(&stack, "lease", item(released)).await;
    let undo = signed(json!({ "tablewright": "undo", "all": true }));
    assert_says(
        &refused(&function, &undo).await,
        &["run a-run is between two slices", r#"stop it with {"tablewright":"pause","#],
    );
    let paused = send(&function, &signed(json!({ "tablewright": "pause" }))).await;
    assert_eq!(paused["was"]["run"], "a-run");
    assert_says(paused["said"].as_str().unwrap(), &["run a-run has lost the lease and stops"]);
    send(&function, &undo).await;
}

#[tokio::test]
async fn what_goes_on_in_the_background_waits_as_long_as_the_scope_is_held() {
    let (stack, _) = deployed(vec![counting("0001_a")]).await;
    let driver = FakeDriver::default();
    let function = driver.function(&stack, vec![counting("0001_a"), counting("0002_b")]);
    let mut event = stack.event("Update", &declared(), Some(&declared()));
    event.as_object_mut().unwrap().remove("ResponseURL");
    let run = "a-run-detached";
    leave(&stack, &format!("parked#{run}#000"), item([("event", text(&event.to_string()))])).await;
    let mut meta = stack.ledger().await.remove("meta").unwrap();
    let migrations = AttributeValue::L(vec![text("0002_b")]);
    let detached = AttributeValue::M(item([("run", text(run)), ("migrations", migrations)]));
    meta.insert("detached".to_owned(), detached);
    leave(&stack, "meta", meta).await;
    let undo = signed(json!({ "tablewright": "undo", "to": "0001_a" }));
    let said = refused(&function, &undo).await;
    assert_says(&said, &["run a-run-detached is between two slices"]);

    send(&function, &signed(json!({ "tablewright": "pause" }))).await;
    let slice = json!({
        "tablewright": "advance", "ledger": "tablewright-ledger", "scope": SCOPE, "run": run,
    });
    let waits = send(&function, &slice).await;
    assert_eq!(waits["status"], "pending");
    assert_says(
        waits["reason"].as_str().unwrap(),
        &["the scope is held since", "by ann: ticket 7"],
    );
    send(&function, &undo).await;
    let resumed = send(&function, &signed(json!({ "tablewright": "resume" }))).await;
    assert_says(
        resumed["said"].as_str().unwrap(),
        &["run a-run-detached goes on with what is left"],
    );
    let [(name, input)] = driver.executions().try_into().unwrap();
    assert_ne!(name, run, "the one that it had may have ended");
    assert_eq!(input["run"], run);
    assert_eq!(send(&function, &slice).await["status"], "done");
    assert_eq!(stack.migrations().await, ["0001_a applied", "0002_b applied"]);
}

#[tokio::test]
async fn pause_stops_a_deploy_at_its_next_step_and_holds_all_but_the_way_back() {
    let stack = filled().await;
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, goes) = (Arc::clone(&begun), Arc::clone(&go));
    let waiting = Migration::new("0001_a", move |cx| {
        let (begun, go) = (Arc::clone(&begins), Arc::clone(&goes));
        async move {
            begun.notify_one();
            go.notified().await;
            cx.step("first", || async { Ok(()) }).await
        }
    });
    let function = stack.function(vec![waiting.idempotent()]);
    let (old, new) = (declared(), properties(&[with_index(table("orders"), "by_a", "a")]));
    stack.stacks.set("UPDATE_IN_PROGRESS");
    let event = stack.event("Update", &new, Some(&old));
    let pause = async {
        begun.notified().await;
        let paused = send(&function, &signed(json!({ "tablewright": "pause" }))).await;
        go.notify_one();
        paused
    };
    let (answer, paused) = tokio::join!(stack.send(&function, &event), pause);
    assert_eq!(paused["paused"], json!(["0001_a"]));
    answer.expect_failure(&["stopped: run command#", "has taken over"]);
    // The way back is open, and keeps how far it came.
    let back = stack.roll_back(&function, &old, &new).await.expect_success();
    assert_says(
        back.reason(),
        &["migration 0001_a is paused, and the next deploy goes on with it"],
    );
    let status = send(&function, &json!({ "tablewright": "status" })).await;
    assert_eq!(
        (&status["hold"]["by"], &status["migrations"][0]["state"]),
        (&json!("ann"), &json!("paused"))
    );
    let planned = send(&function, &json!({ "tablewright": "plan", "properties": new })).await;
    assert_says(
        planned["text"].as_str().unwrap(),
        &["the scope is held since 20", "by ann: ticket 7; deploys fail at once"],
    );
    let held = stack.update(&function, &new, &old).await;
    held.expect_failure(&[
        "the scope is held since 20",
        "by ann: ticket 7; nothing was changed",
        r#"deploy again: {"tablewright":"resume","#,
    ]);
    let resumed = send(&function, &signed(json!({ "tablewright": "resume" }))).await;
    assert_eq!(
        (&resumed["was"]["reason"], &resumed["left"]),
        (&json!("ticket 7"), &json!(["0001_a"]))
    );
    go.notify_one();
    stack.update(&function, &new, &old).await.expect_success();
    let resumed = send(&function, &signed(json!({ "tablewright": "resume" }))).await;
    assert_eq!((&resumed["was"], &resumed["left"]), (&Value::Null, &json!([])));
}

#[tokio::test]
async fn undo_takes_back_what_is_newer_and_nothing_else() {
    let ids = ["0001_a", "0002_b", "0003_c"];
    let (stack, function) = deployed(ids.map(counting).into()).await;
    assert_eq!(ns(&stack).await, ["4"; 3]);
    let undo = |to: &str| signed(json!({ "tablewright": "undo", "to": to }));
    assert_says(
        &refused(&function, &undo("0009_x")).await,
        &["0009_x is neither in this build nor in the ledger, which have 0001_a, 0002_b, 0003_c"],
    );
    let undone = send(&function, &undo("0001_a")).await;
    assert_eq!(undone["undone"], json!(["0003_c", "0002_b"]));
    assert_eq!(ns(&stack).await, ["2"; 3]);
    assert_eq!(stack.migrations().await, ["0001_a applied", "0002_b undone", "0003_c undone"]);
    let nothing = send(&function, &undo("0001_a")).await;
    assert_eq!(nothing["undone"], json!([]));
    let all = send(&function, &signed(json!({ "tablewright": "undo", "all": true }))).await;
    assert_eq!(all["undone"], json!(["0001_a"]));
    assert_eq!(ns(&stack).await, ["1"; 3]);
    assert_eq!(recorded(&stack).await[0], "undo failed, ann: ticket 7");
    stack.update(&function, &declared(), &declared()).await.expect_success();
    assert_eq!(ns(&stack).await, ["4"; 3]);
}

#[tokio::test]
async fn where_one_migration_has_no_way_back_undo_takes_none_back_and_names_each() {
    let without = |id: &'static str| Migration::new(id, |_| async { Ok(()) });
    let all =
        vec![counting("0001_a"), without("0002_b"), marking("0003_c", "c"), counting("0004_d")];
    let (stack, _) = deployed(all).await;
    let lacks = stack.function(vec![counting("0001_a"), without("0002_b")]);
    let said = refused(&lacks, &signed(json!({ "tablewright": "undo", "all": true }))).await;
    assert_says(
        &said,
        &[
            "nothing was taken back",
            "migration 0002_b has no way back",
            "migration 0003_c is not in this build and keeps no journal",
        ],
    );
    assert!(!said.contains("0001_a") && !said.contains("0004_d"), "{said}");
    assert_eq!(ns(&stack).await, ["3"; 3]);
    assert!(stack.migrations().await.iter().all(|row| row.ends_with("applied")));
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_takes_several_invocations_says_so_and_goes_on() {
    let plane = ControlPlane::new();
    let mut stack = testing::Stack::new(&plane);
    stack.deploy(&declared()).await.expect_success();
    for n in 0..800 {
        let order = item([("pk", text(&format!("{n:03}"))), ("n", number(1))]);
        plane.client().put_item().table_name("orders").set_item(Some(order)).send().await.unwrap();
    }
    let up = |mut item: Item| {
        item.set_text("a", "x");
        Ok(Change::Update(item))
    };
    let down = |mut item: Item| {
        item.remove("a");
        Ok(Change::Update(item))
    };
    let slow = Backfill::new("orders", up).down(down).at_most(Cap::Units(1));
    let migrations = [Migration::backfills("0001_a", [slow])];
    stack.build(migrations.into_iter().fold(Migrator::builder(), Builder::migration).build());
    let mut new = declared();
    new["Migrations"] = json!({ "Hash": "1" });
    stack.deploy(&new).await.expect_success();
    stack.invocation_time(Duration::from_mins(1));
    let undo = signed(json!({ "tablewright": "undo", "all": true }));
    let mut pending = 0;
    let done = loop {
        let undone = stack.command(undo.clone()).await.unwrap();
        if undone["status"] == "done" {
            break undone;
        }
        assert_eq!(undone["left"], json!(["0001_a"]));
        assert_says(undone["said"].as_str().unwrap(), &["send the command again to go on"]);
        pending += 1;
    };
    assert!((2..20).contains(&pending), "{pending}");
    assert_eq!(done["undone"], json!(["0001_a"]));
    let orders = plane.client().scan().table_name("orders").send().await.unwrap();
    assert_eq!(orders.items().iter().filter(|order| order.contains_key("a")).count(), 0);
}

#[tokio::test]
async fn failed_items_are_tried_again_and_counted() {
    let picky = |mut item: Item| {
        let n: u64 = item.number("n")?.parse()?;
        if n == 1 {
            return Err(MigrationError::new("one is too few"));
        }
        item.set_text("label", "x");
        Ok(Change::Update(item))
    };
    let backfill = Backfill::new("orders", picky).max_failed_items(5);
    let (stack, function) = deployed(vec![Migration::backfills("0001_a", [backfill])]).await;
    let status = send(&function, &json!({ "tablewright": "status" })).await;
    let row = &status["migrations"][0];
    assert_eq!((&row["state"], &row["failed_items"]), (&json!("applied_with_errors"), &json!(3)));
    let again = row["needs"]["ways_out"][1]["command"].clone();
    assert_eq!(again["tablewright"], "retry-failed");
    for (pk, n, mended, failing, state) in [
        ("1", 2, 1, 2, "applied_with_errors"),
        ("2", 2, 1, 1, "applied_with_errors"),
        ("3", 2, 1, 0, "applied"),
    ] {
        stack.put("orders", item([("pk", text(pk)), ("n", number(n))])).await;
        let retried = send(&function, &signed(again.clone())).await;
        assert_eq!((&retried["mended"], &retried["failing"]), (&json!(mended), &json!(failing)));
        assert_eq!(stack.migrations().await, [format!("0001_a {state}")]);
    }
    assert!(stack.items("orders").await.iter().all(|item| item.contains_key("label")));
    assert_says(
        &refused(&function, &signed(again)).await,
        &["migration 0001_a is applied: only one that is applied with errors"],
    );
}

#[tokio::test]
async fn a_fingerprint_is_set_by_the_command_that_the_refusal_names() {
    let (stack, _) = deployed(vec![counting("0001_a")]).await;
    let changed = stack.function(vec![counting("0001_a").revision(2)]);
    let answer = stack.update(&changed, &declared(), &declared()).await;
    let reason = answer.reason().to_owned();
    answer.expect_failure(&["migration 0001_a has changed since it was applied: revision 1"]);
    let begin = reason.find('{').unwrap();
    let end = begin + reason[begin..].find('}').unwrap();
    let command: Value = serde_json::from_str(&reason[begin..=end]).unwrap();
    let repaired = send(&changed, &signed(command.clone())).await;
    assert_eq!((&repaired["from"], &repaired["to"]), (&json!("revision 1"), &json!("revision 2")));
    stack.update(&changed, &declared(), &declared()).await.expect_success();
    assert_eq!(ns(&stack).await, ["2"; 3]);
    let again = refused(&changed, &signed(command)).await;
    assert_says(&again, &["revision 2 in the ledger as in this build"]);
}

#[tokio::test]
async fn nothing_is_repaired_that_needs_none() {
    let (stack, function) = deployed(vec![counting("0001_a"), marking("0002_b", "b")]).await;
    let more = stack.function(vec![counting("0001_a"), marking("0002_b", "b"), counting("0003_c")]);
    let repair = |action: &str, id: &str| {
        signed(json!({ "tablewright": "repair", "action": action, "id": id }))
    };
    for (action, id, said) in [
        ("mark-applied", "0001_a", "is applied already"),
        ("mark-rolled-back", "0003_c", "is pending, so there is nothing to roll back"),
        ("fingerprint", "0001_a", "is revision 1 in the ledger as in this build"),
        ("fingerprint", "0003_c", "is pending, and that cannot be repaired"),
        ("mark-applied", "0009_x", "is neither in this build nor in the ledger"),
    ] {
        assert_says(&refused(&more, &repair(action, id)).await, &[said]);
    }
    assert_eq!(stack.migrations().await, ["0001_a applied", "0002_b applied"]);
    // One that somebody has run by hand.
    send(&more, &repair("mark-applied", "0003_c")).await;
    stack.update(&more, &declared(), &declared()).await.expect_success();
    assert_eq!(ns(&stack).await, ["2"; 3]);
    assert_says(
        &refused(&function, &repair("fingerprint", "0003_c")).await,
        &["is not in this build"],
    );
}

#[tokio::test]
async fn one_that_is_marked_as_rolled_back_changes_each_item_anew() {
    let (stack, function) = deployed(vec![counting("0001_a")]).await;
    // Somebody has restored the table.
    for pk in ["1", "2", "3"] {
        stack.put("orders", item([("pk", text(pk)), ("n", number(1))])).await;
    }
    let mark = json!({ "tablewright": "repair", "action": "mark-rolled-back", "id": "0001_a" });
    send(&function, &signed(mark)).await;
    stack.update(&function, &declared(), &declared()).await.expect_success();
    assert_eq!(ns(&stack).await, ["2"; 3]);
    send(&function, &signed(json!({ "tablewright": "undo", "all": true }))).await;
    assert_eq!(ns(&stack).await, ["1"; 3]);
}

#[tokio::test]
async fn where_cloudformation_is_silent_a_refused_deploy_says_what_it_was_taken_for() {
    let stack = filled().await;
    let (first, second) = (declared(), properties(&[with_index(table("orders"), "by_a", "a")]));
    let newer = stack.function(vec![counting("0001_a")]);
    stack.update(&newer, &second, &first).await.expect_success();
    stack.stacks.fall_silent();
    let event = stack.event("Update", &second, Some(&first));
    let answer = stack.send(&stack.function(vec![]), &event).await;
    answer.expect_failure(&[
        "the ledger has newer ones: 0001_a",
        "taken for a deploy by its declarations",
        "AccessDenied",
    ]);
}

#[tokio::test]
async fn no_command_tells_what_items_hold_or_where_an_answer_goes() {
    let stack = filled().await;
    stack
        .put("orders", item([("pk", text("9")), ("n", number(1)), ("card", text("swordfish"))]))
        .await;
    let stumbles = |mut item: Item| {
        item.number("card")?;
        item.set_text("label", "x");
        Ok(Change::Update(item))
    };
    let failing = Backfill::new("orders", stumbles).max_failed_items(9);
    let all = vec![counting("0001_a"), Migration::backfills("0002_b", [failing])];
    let function = stack.function(all);
    stack.update(&function, &declared(), &declared()).await.expect_success();
    let mut told = String::new();
    for command in [
        json!({ "tablewright": "pause" }),
        json!({ "tablewright": "status" }),
        json!({ "tablewright": "history" }),
        json!({ "tablewright": "plan", "properties": declared() }),
        json!({ "tablewright": "resume" }),
        json!({ "tablewright": "unlock" }),
        json!({ "tablewright": "retry-failed", "id": "0002_b" }),
        json!({ "tablewright": "repair", "action": "mark-rolled-back", "id": "0002_b" }),
        json!({ "tablewright": "undo", "all": true }),
        json!({ "tablewright": "undo", "all": true, "ResponseURL": "https://x/?X-Amz-Signature=deadbeef" }),
        json!({ "tablewright": "status" }),
    ] {
        let looks = ["status", "history", "plan"];
        let is_look = looks.iter().any(|verb| command["tablewright"] == *verb);
        let command = if is_look { command } else { signed(command) };
        match deliver(&function, &command, TIME).await {
            Ok(result) => told.push_str(&result.to_string()),
            Err(error) => told.push_str(&error.to_string()),
        }
    }
    assert_says(&told, &["0002_b"]);
    for secret in ["swordfish", "deadbeef", "X-Amz-Signature"] {
        assert!(!told.contains(secret) && !crate::logs::holds(secret), "{secret} is told");
    }
    assert!(crate::logs::holds("acting by hand"));
}
