//! Runs that take more than one invocation: handed over to a state machine, carried out in slices, undone in slices.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use serde_json::{Value, json};
use tablewright::migrator::{BuildError, Builder};
use tablewright::testing::{ControlPlane, Stack};
use tablewright::{Backfill, Cap, Change, Context, Item, Migration, MigrationError, Migrator};

use crate::support::{number, properties, table, text, with, with_index};

const ITEMS: usize = 1_600;
/// A third of the time that a slow backfill takes.
const INVOCATION: Duration = Duration::from_mins(2);
const LEDGER: &str = "tablewright-ledger";

/// A table of its own with items, in a stack whose function has a state machine.
async fn stack(plane: &ControlPlane) -> Stack {
    let mut stack = Stack::new(plane);
    stack.state_machine();
    stack.invocation_time(INVOCATION);
    stack.deploy(&declared("0")).await.expect_success();
    fill(plane).await;
    stack
}

async fn fill(plane: &ControlPlane) {
    let client = plane.client();
    for chunk in (0..ITEMS).collect::<Vec<_>>().chunks(25) {
        let put = |n: &usize| {
            let item = [("pk", text(&format!("order-{n:05}"))), ("n", number(n))];
            let item = item.map(|(name, value)| (name.to_owned(), value));
            let put = PutRequest::builder().set_item(Some(HashMap::from(item))).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let puts = chunk.iter().map(put).collect();
        client.batch_write_item().request_items("orders", puts).send().await.unwrap();
    }
}

fn declared(hash: &str) -> Value {
    let mut properties = properties(&[table("orders")]);
    properties["Migrations"] = json!({ "Hash": hash });
    properties
}

/// So slow that an invocation does not suffice: a few units a second, and each item takes one.
fn slow() -> Backfill {
    let label = |mut order: Item| {
        order.set_text("label", "new");
        Ok(Change::Update(order))
    };
    let unlabel = |mut order: Item| {
        order.remove("label");
        Ok(Change::Update(order))
    };
    Backfill::new("orders", label).down(unlabel).at_most(Cap::Units(2))
}

fn build(migrations: Vec<Migration>) -> Result<Migrator, BuildError> {
    migrations.into_iter().fold(Migrator::builder(), Builder::migration).build()
}

async fn labelled(plane: &ControlPlane) -> usize {
    let orders = plane.client().scan().table_name("orders").into_paginator().items().send();
    let orders: Vec<_> = orders.collect::<Result<_, _>>().await.unwrap();
    assert_eq!(orders.len(), ITEMS);
    orders.iter().filter(|order| order.contains_key("label")).count()
}

async fn ledger(plane: &ControlPlane, prefix: &str) -> Vec<HashMap<String, AttributeValue>> {
    let rows = plane.client().scan().table_name(LEDGER).into_paginator().items().send();
    let rows: Vec<_> = rows.collect::<Result<_, _>>().await.unwrap();
    rows.into_iter().filter(|row| row["entry"].as_s().unwrap().starts_with(prefix)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_backfill_that_takes_longer_than_an_invocation_goes_on_in_others() {
    let plane = ControlPlane::new();
    let mut stack = stack(&plane).await;
    stack.build(build(vec![Migration::backfills("0001_label", [slow()])]));
    let began = tokio::time::Instant::now();
    stack.deploy(&declared("1")).await.expect_success();
    let minutes = began.elapsed().as_secs() / 60;
    assert!((4..8).contains(&minutes), "{minutes} minutes");
    assert_eq!(labelled(&plane).await, ITEMS);
    assert_eq!(stack.executions(), 1);
    assert_eq!(ledger(&plane, "parked#").await, [], "what is answered is not kept");
}

#[tokio::test(start_paused = true)]
async fn an_index_on_a_table_that_exists_is_waited_for_where_there_is_time() {
    let plane = ControlPlane::new();
    let mut stack = stack(&plane).await;
    let indexes = ["a", "b"]
        .iter()
        .fold(table("orders"), |table, name| with_index(table, &format!("by_{name}"), name));
    stack.deploy(&properties(&[indexes])).await.expect_success();
    assert_eq!(stack.executions(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_a_later_slice_is_undone_in_as_many_as_it_takes() {
    let plane = ControlPlane::new();
    let mut stack = stack(&plane).await;
    let fails =
        Migration::new("0002_fails", |_: Context| async { Err(MigrationError::new("no good")) });
    let fails = fails.down(|_| async { Ok(()) });
    stack.build(build(vec![Migration::backfills("0001_label", [slow()]), fails]));
    let deployed = stack.deploy(&declared("1")).await;
    let reason = deployed.answer.reason();
    assert!(!deployed.answer.is_success(), "{reason}");
    assert!(reason.contains("0002_fails failed: no good"), "{reason}");
    assert!(reason.contains("Undone: migration 0002_fails, migration 0001_label."), "{reason}");
    assert_eq!(labelled(&plane).await, 0);
    assert_eq!(stack.executions(), 1);
    assert!(deployed.after.unwrap().is_success());
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_than_cloudformation_waits_is_paused_and_the_next_deploy_goes_on() {
    let plane = ControlPlane::new();
    let mut stack = stack(&plane).await;
    stack.build(build(vec![Migration::backfills("0001_label", [slow()])]));
    let mut soon = declared("1");
    soon["ServiceTimeout"] = json!("300");
    let deployed = stack.deploy(&soon).await;
    let reason = deployed.answer.reason();
    assert!(reason.contains("stopped at a safe point for lack of time"), "{reason}");
    assert!(reason.contains("Deploy again to go on from there"), "{reason}");
    let back = deployed.after.unwrap();
    assert!(back.is_success() && back.reason().contains("is paused"), "{}", back.reason());
    let half = labelled(&plane).await;
    assert!((ITEMS / 3..ITEMS).contains(&half), "{half} items");

    stack.deploy(&declared("1")).await.expect_success();
    assert_eq!(labelled(&plane).await, ITEMS);
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_is_rolled_back_has_its_data_taken_back_in_as_many_slices_as_it_takes() {
    // Where something is to be removed, the way back is a Delete of the new identity instead of an Update.
    for removes in [false, true] {
        let plane = ControlPlane::new();
        let mut stack = Stack::new(&plane);
        stack.state_machine();
        stack.invocation_time(INVOCATION);
        let carts = with(table("carts"), "RemovalPolicy", json!("delete"));
        let mut before = declared("0");
        before["Tables"] = json!([table("orders"), carts]);
        stack.deploy(&before).await.expect_success();
        fill(&plane).await;
        stack.build(build(vec![Migration::backfills("0001_label", [slow()])]));
        let mut after = declared("1");
        if !removes {
            after["Tables"] = before["Tables"].clone();
        }
        let deployed = stack.deploy_and_fail_later(&after).await;
        assert!(deployed.answer.is_success(), "{}", deployed.answer.reason());
        let back = deployed.after.unwrap();
        assert!(back.is_success(), "{}", back.reason());
        assert!(back.reason().contains("Undone: migration 0001_label."), "{}", back.reason());
        assert_eq!(labelled(&plane).await, 0);
        assert_eq!(stack.executions(), 2, "one there, one back");
        assert_eq!(ledger(&plane, "parked#").await, []);
    }
}
