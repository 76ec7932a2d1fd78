//! Migrations that go on when their request is answered: what waits for them, and what ends them.

use std::time::Duration;

use serde_json::{Value, json};
use tablewright::handler::Handler;
use tablewright::{Context, Migration, MigrationError};

use crate::driver::{FakeDriver, call, finish};
use crate::support::{Stack, deliver, item, marking, properties, table, text, with};

fn declared(tables: &[Value], hash: &str) -> Value {
    let mut properties = properties(tables);
    properties["Migrations"] = json!({ "Hash": hash });
    properties["Completion"] = json!("detached");
    properties
}

fn before() -> Value {
    declared(&[table("orders")], "0")
}

fn after() -> Value {
    declared(&[table("orders"), table("customers")], "1")
}

fn label(id: &'static str) -> Migration {
    marking(id, id)
}

/// A stack with an item, and a function whose migrations go on after the answer.
async fn begin(migrations: Vec<Migration>) -> (Stack, FakeDriver, Handler) {
    let stack = Stack::start().await;
    stack.create(&stack.function(vec![]), &before_blocking()).await.expect_success();
    stack.put("orders", item([("pk", text("order-1"))])).await;
    let driver = FakeDriver::default();
    let function = driver.function(&stack, migrations);
    (stack, driver, function)
}

fn before_blocking() -> Value {
    with(before(), "Completion", json!("blocking"))
}

async fn has(stack: &Stack, attribute: &str) -> bool {
    stack.items("orders").await[0].contains_key(attribute)
}

async fn background(stack: &Stack) -> Option<String> {
    let ledger = stack.ledger().await;
    let detached = ledger["meta"].get("detached")?.as_m().ok()?.clone();
    Some(detached["run"].as_s().unwrap().clone())
}

#[tokio::test]
async fn the_answer_comes_when_the_tables_are_there_and_the_migrations_go_on() {
    let (stack, driver, function) = begin(vec![label("0001_a"), label("0002_b")]).await;
    let answer = stack.update(&function, &after(), &before_blocking()).await.expect_success();
    assert!(
        answer.reason().contains("0001_a, 0002_b go on in the background"),
        "{}",
        answer.reason()
    );
    assert!(stack.tables().await.contains(&"customers".to_owned()));
    assert!(!has(&stack, "0001_a").await);
    let input = driver.input();
    assert_eq!(background(&stack).await.as_deref(), input["run"].as_str());

    finish(&function, &input).await;
    assert!(has(&stack, "0001_a").await && has(&stack, "0002_b").await);
    assert_eq!(background(&stack).await, None);
    let ledger = stack.ledger().await;
    assert!(!ledger.keys().any(|entry| entry.starts_with("parked#")), "what is done is not kept");
    assert_eq!(
        ledger[&format!("run#{}", input["run"].as_str().unwrap())]["state"],
        text("succeeded")
    );
    let runs = stack.update(&function, &declared(&[table("orders")], "2"), &after()).await;
    runs.expect_success();
    assert_eq!(driver.executions().len(), 1, "nothing is left to go on");
}

#[tokio::test]
async fn a_deploy_in_between_does_its_tables_and_what_would_overtake_the_migrations_is_refused() {
    let (stack, driver, function) = begin(vec![label("0001_a")]).await;
    stack.update(&function, &after(), &before_blocking()).await.expect_success();
    // More of the same overtakes nothing, whether or not it wants to be waited for.
    let tables = [table("orders"), table("customers"), table("carts")];
    let more = with(declared(&tables, "1"), "Completion", json!("blocking"));
    let answer = stack.update(&function, &more, &after()).await.expect_success();
    assert!(answer.reason().contains("goes on with 0001_a"), "{}", answer.reason());
    assert!(stack.tables().await.contains(&"carts".to_owned()));

    let newer = driver.function(&stack, vec![label("0001_a"), label("0002_b")]);
    let refused = stack.update(&newer, &declared(&tables, "2"), &more).await;
    refused.expect_failure(&["is at work on 0001_a in the background", "migration 0002_b"]);
    let without = declared(&[with(table("orders"), "RemovalPolicy", json!("delete"))], "1");
    let doomed = [with(table("customers"), "RemovalPolicy", json!("delete"))];
    let with_doomed = declared(&[table("orders"), doomed[0].clone(), table("carts")], "1");
    stack.update(&function, &with_doomed, &more).await.expect_success();
    let refused = stack.update(&function, &without, &with_doomed).await;
    refused.expect_failure(&["is at work on 0001_a", "table customers"]);

    let (_, input) = driver.executions().remove(0);
    finish(&function, &input).await;
    assert!(has(&stack, "0001_a").await);
    stack.update(&function, &without, &with_doomed).await.expect_success();
}

#[tokio::test]
async fn a_stack_that_is_rolled_back_takes_the_migrations_back_as_far_as_they_are() {
    let waits = || Migration::new("0002_waits", |_: Context| std::future::pending());
    let waits = || waits().idempotent().down(|_| async { Ok(()) });
    for slices in 0..=1 {
        let (stack, driver, function) = begin(vec![label("0001_a"), waits()]).await;
        stack.update_alone(&function, &after(), &before_blocking()).await.expect_success();
        let input = driver.input();
        for _ in 0..slices {
            let mut slice = input.clone();
            slice["tablewright"] = json!("advance");
            let time = Duration::from_secs(6);
            let pending = deliver(&function, &slice, time).await.unwrap();
            assert_eq!(pending["status"], "pending", "{pending}");
            assert!(has(&stack, "0001_a").await);
        }
        let back = stack.roll_back(&function, &before_blocking(), &after()).await.expect_success();
        assert!(!back.reason().contains("Not undone"), "{}", back.reason());
        assert!(!has(&stack, "0001_a").await);
        assert_eq!(call(&function, "advance", &input).await.unwrap()["status"], "done");
        assert!(!has(&stack, "0001_a").await, "what was gone back from does not begin again");
    }
}

#[tokio::test]
async fn a_failure_in_the_background_keeps_everything_and_the_next_deploy_goes_on() {
    let fails = |_: Context| async { Err(MigrationError::new("no good")) };
    let fails = Migration::new("0002_b", fails).idempotent().down(|_| async { Ok(()) });
    let (stack, driver, function) = begin(vec![label("0001_a"), fails]).await;
    stack.update(&function, &after(), &before_blocking()).await.expect_success();
    let input = driver.input();
    finish(&function, &input).await;
    assert!(has(&stack, "0001_a").await, "the stack has succeeded with it");
    assert_eq!(stack.migrations().await, ["0001_a applied", "0002_b failed"]);
    let row = &stack.ledger().await[&format!("run#{}", input["run"].as_str().unwrap())];
    assert_eq!(row["state"], text("failed"));
    assert!(row["reason"].as_s().unwrap().contains("no good"));
    let mended = Migration::new("0002_b", |_| async { Ok(()) }).idempotent().revision(2);
    let mended = driver.function(&stack, vec![label("0001_a"), mended]);
    let blocking = with(after(), "Completion", json!("blocking"));
    stack.update(&mended, &blocking, &after()).await.expect_success();
    assert_eq!(stack.migrations().await, ["0001_a applied", "0002_b applied"]);
}

#[tokio::test]
async fn slices_that_fail_again_and_again_end_it_and_the_next_deploy_goes_on() {
    let (stack, driver, function) = begin(vec![label("0001_a")]).await;
    stack.update(&function, &after(), &before_blocking()).await.expect_success();
    let mut input = driver.input();
    input["error"] = json!({ "Error": "States.Timeout" });
    assert_eq!(call(&function, "give-up", &input).await.unwrap()["status"], "done");
    assert_eq!(background(&stack).await, None);
    let blocking = with(after(), "Completion", json!("blocking"));
    stack.update(&function, &blocking, &after()).await.expect_success();
    assert!(has(&stack, "0001_a").await);
}

#[tokio::test]
async fn without_a_state_machine_nobody_goes_on_so_nothing_is_begun() {
    let (stack, ..) = begin(vec![]).await;
    let function = stack.function(vec![label("0001_a")]);
    let answer = stack.update(&function, &after(), &before_blocking()).await;
    answer.expect_failure(&["TABLEWRIGHT_STATE_MACHINE_ARN"]);
    assert!(!stack.tables().await.contains(&"customers".to_owned()));
}

#[tokio::test]
async fn a_slice_that_is_cut_off_is_an_error_so_that_the_machine_comes_again() {
    let blocks = Migration::new("0001_a", |_: Context| async {
        std::thread::sleep(Duration::from_secs(4));
        Ok(())
    });
    let (stack, driver, function) = begin(vec![blocks.idempotent()]).await;
    stack.update(&function, &after(), &before_blocking()).await.expect_success();
    let mut slice = driver.input();
    slice["tablewright"] = json!("advance");
    let time = Duration::from_secs(2);
    let error = deliver(&function, &slice, time).await.unwrap_err();
    assert!(error.to_string().contains("ran out of time"), "{error}");
    assert!(background(&stack).await.is_some(), "it is not over");
}

#[tokio::test]
async fn what_goes_on_is_what_was_deployed_whatever_the_build_has_by_now() {
    let (stack, driver, function) = begin(vec![label("0001_a")]).await;
    stack.update(&function, &after(), &before_blocking()).await.expect_success();
    let input = driver.input();
    let newer = driver.function(&stack, vec![label("0001_a"), label("0002_b")]);
    finish(&newer, &input).await;
    assert!(has(&stack, "0001_a").await && !has(&stack, "0002_b").await);

    let (stack, driver, function) = begin(vec![label("0001_a")]).await;
    stack.update(&function, &after(), &before_blocking()).await.expect_success();
    let input = driver.input();
    finish(&driver.function(&stack, vec![]), &input).await;
    let row = &stack.ledger().await[&format!("run#{}", input["run"].as_str().unwrap())];
    assert!(row["reason"].as_s().unwrap().contains("0001_a is not in this build any more"));
}
