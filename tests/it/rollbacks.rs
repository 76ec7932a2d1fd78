//! What a failing request takes back, and what CloudFormation's rollback finds.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tablewright::{Change, Guard, Item, Migration, MigrationError, Put};

use crate::support::{Stack, item, marking, properties, table, text, with_index};

/// Adds the attribute `name` to some items, then fails.
fn failing(id: &'static str, name: &'static str) -> Migration {
    let up = move |mut item: Item| {
        if item.text("pk")? == "poison" {
            return Err(MigrationError::new("cannot be handled"));
        }
        item.set_text(name, "x");
        Ok(Change::Update(item))
    };
    Migration::backfill(id, "orders", up)
}

async fn filled() -> (Stack, Value) {
    let stack = Stack::start().await;
    let declared = properties(&[table("orders")]);
    stack.create(&stack.function(vec![]), &declared).await.expect_success();
    for pk in ["1", "2", "3", "poison"] {
        stack.put("orders", item([("pk", text(pk))])).await;
    }
    (stack, declared)
}

async fn attributes(stack: &Stack) -> Vec<String> {
    let items = stack.items("orders").await;
    let names = items.iter().flat_map(|item| item.keys().cloned());
    let names: std::collections::BTreeSet<_> = names.collect();
    names.into_iter().collect()
}

#[tokio::test]
async fn the_failing_request_takes_its_migrations_back_newest_first_and_no_earlier_ones() {
    let (stack, declared) = filled().await;
    let earlier = stack.function(vec![marking("0001_a", "a")]);
    stack.update(&earlier, &declared, &declared).await.expect_success();
    let down = |mut item: Item| {
        item.remove("c");
        Ok(Change::Update(item))
    };
    let function = stack.function(vec![
        marking("0001_a", "a"),
        marking("0002_b", "b"),
        failing("0003_c", "c").down_items(down),
    ]);
    stack.update(&function, &declared, &declared).await.expect_failure(&[
        "migration 0003_c failed: item pk=poison: cannot be handled",
        "Undone: migration 0003_c, migration 0002_b.",
    ]);
    assert_eq!(stack.migrations().await, ["0001_a applied", "0002_b undone", "0003_c undone"]);
    assert_eq!(attributes(&stack).await, ["a", "pk"]);
    // What is taken back is pending again.
    let mended = vec![marking("0001_a", "a"), marking("0002_b", "b"), marking("0003_c", "c")];
    stack.update(&stack.function(mended), &declared, &declared).await.expect_success();
    assert_eq!(attributes(&stack).await, ["a", "b", "c", "pk"]);
}

#[tokio::test]
async fn without_a_way_back_undoing_stops_and_says_what_is_left() {
    let (stack, declared) = filled().await;
    let function = stack.function(vec![marking("0001_a", "a"), failing("0002_b", "b")]);
    stack.update(&function, &declared, &declared).await.expect_failure(&[
        "migration 0002_b failed",
        "Not undone: migration 0002_b: it is failed and has no way back; \
         migration 0001_a: it came before one that could not be undone.",
    ]);
    assert_eq!(stack.migrations().await, ["0001_a applied", "0002_b failed"]);
}

#[tokio::test]
async fn a_way_back_that_fails_is_on_record() {
    let (stack, declared) = filled().await;
    let down = |_| async { Err(MigrationError::new("no way")) };
    let function = stack.function(vec![failing("0001_a", "a").down(down)]);
    stack
        .update(&function, &declared, &declared)
        .await
        .expect_failure(&["Not undone: migration 0001_a: undoing it failed: no way."]);
    assert_eq!(stack.migrations().await, ["0001_a undo_failed"]);
}

#[tokio::test]
async fn halt_leaves_everything_for_the_next_deploy() {
    let (stack, declared) = filled().await;
    let function = stack.function(vec![marking("0001_a", "a"), failing("0002_b", "b")]);
    let mut halting = declared.clone();
    halting["OnFailure"] = json!("halt");
    let answer = stack.update(&function, &halting, &declared).await;
    answer.expect_failure(&["Left as it is (OnFailure halt)", "migration 0001_a"]);
    assert_eq!(stack.migrations().await, ["0001_a applied", "0002_b failed"]);
    stack.client.delete_item().table_name("orders").key("pk", text("poison")).send().await.unwrap();
    stack.update(&function, &halting, &declared).await.expect_success();
    assert_eq!(attributes(&stack).await, ["a", "b", "pk"]);
}

#[tokio::test]
async fn tables_of_the_failing_request_go_if_they_are_empty() {
    for is_filled in [false, true] {
        let (stack, declared) = filled().await;
        let fails = Migration::new("0001_a", move |cx| async move {
            if is_filled {
                let item = item([("pk", text("1"))]);
                cx.dynamo().put_item().table_name("new").set_item(Some(item)).send().await?;
            }
            Err(MigrationError::new("no"))
        });
        let function = stack.function(vec![fails.down(|_| async { Ok(()) })]);
        let new = properties(&[table("orders"), table("new")]);
        let said = if is_filled {
            "Not undone: table new: it holds items already."
        } else {
            "Undone: migration 0001_a, table new."
        };
        stack.update(&function, &new, &declared).await.expect_failure(&[said]);
        assert_eq!(stack.tables().await.contains(&"new".to_owned()), is_filled);
        assert_eq!(stack.ledger().await.contains_key("table#new"), is_filled);
        assert_eq!(stack.items("orders").await.len(), 4);
    }
}

/// The whole way: an update adds an index and fails; CloudFormation sends the old properties; the next deploy goes on.
#[tokio::test]
async fn the_rollback_update_keeps_the_superset_and_the_next_deploy_goes_on_from_it() {
    let (stack, old) = filled().await;
    let new = properties(&[with_index(table("orders"), "by_a", "a"), table("extra")]);
    let function = stack.function(vec![failing("0001_a", "a").down_items(|mut item| {
        item.remove("a");
        Ok(Change::Update(item))
    })]);
    stack
        .update(&function, &new, &old)
        .await
        .expect_failure(&["Undone: migration 0001_a, table extra."]);
    // The function has been rolled back first: an older build answers.
    let back = stack.roll_back(&stack.function(vec![]), &old, &new).await.expect_success();
    assert!(back.reason().contains("went back to the declaration before"), "{}", back.reason());
    assert!(back.reason().contains("- table orders: index by_a"), "{}", back.reason());
    assert_eq!(stack.indexes("orders").await, ["by_a"]);
    assert_eq!(attributes(&stack).await, ["pk"]);
    let mended = stack.function(vec![marking("0001_a", "a")]);
    stack.update(&mended, &new, &old).await.expect_success();
    assert_eq!(stack.tables().await, ["extra", "orders", "tablewright-ledger"]);
    assert_eq!(attributes(&stack).await, ["a", "pk"]);
}

/// Our update succeeded and another resource failed: CloudFormation sends the same swapped properties.
#[tokio::test]
async fn a_rollback_after_success_keeps_indexes_tables_and_data() {
    let (stack, old) = filled().await;
    let mut new = properties(&[with_index(table("orders"), "by_a", "a"), table("extra")]);
    new["OnStackRollback"] = json!("keep");
    let function = stack.function(vec![marking("0001_a", "a")]);
    stack.update(&function, &new, &old).await.expect_success();
    stack.roll_back(&stack.function(vec![]), &old, &new).await.expect_success();
    assert_eq!(stack.indexes("orders").await, ["by_a"]);
    assert_eq!(stack.tables().await, ["extra", "orders", "tablewright-ledger"]);
    assert_eq!(attributes(&stack).await, ["a", "pk"]);
    // The same declaration once more is a deploy, not the way back again.
    let function = stack.function(vec![marking("0001_a", "a"), marking("0002_b", "b")]);
    stack.update(&function, &new, &old).await.expect_success();
    assert_eq!(stack.migrations().await, ["0001_a applied", "0002_b applied"]);
    // Any other declaration removes what it leaves out.
    let next = properties(&[with_index(table("orders"), "by_b", "b")]);
    stack.update(&function, &next, &new).await.expect_success();
    assert_eq!(stack.indexes("orders").await, ["by_b"]);
}

#[tokio::test]
async fn a_journal_takes_back_items_of_all_sorts_on_every_engine() {
    let stack = Stack::start().await;
    let declared = properties(&[table("orders"), table("labels")]);
    stack.create(&stack.function(vec![]), &declared).await.expect_success();
    for n in 0..60 {
        let number = AttributeValue::N("1.50".to_owned());
        let set = AttributeValue::Ns(vec!["3".to_owned(), "1".to_owned()]);
        let order =
            [("pk", text(&format!("{n:02}"))), ("n", number), ("set", set), ("old", text("x"))];
        stack.put("orders", item(order)).await;
    }
    let before = stack.items("orders").await;
    let all_sorts = Migration::backfill("0001_a", "orders", |mut order: Item| {
        let pk = order.text("pk")?.to_owned();
        Ok(match pk.as_str() {
            "07" => Change::Delete,
            "08" => Change::Put(vec![Put { table: "labels".to_owned(), item: order }]),
            _ => {
                order.set_number("n", 7);
                order.remove("old");
                order.set("set", AttributeValue::Ns(vec!["5".to_owned()]));
                Change::Update(order)
            }
        })
    });
    let engine = stack.engine.clone();
    let then_fails = Migration::new("0002_b", move |_| {
        let engine = engine.clone();
        async move {
            let order = item([("pk", text("09")), ("n", text("somebody else's"))]);
            engine.client().put_item().table_name("orders").set_item(Some(order)).send().await?;
            Err(MigrationError::new("no more"))
        }
    });
    let function = stack
        .function(vec![all_sorts.guard(Guard::Journal), then_fails.down(|_| async { Ok(()) })]);
    stack.update(&function, &declared, &declared).await.expect_failure(&[
        "migration 0001_a but for 1 items that were changed since and stay as they are (orders pk=09)",
    ]);
    let after = stack.items("orders").await;
    assert_eq!(after.len(), 60);
    for (order, was) in after.iter().zip(&before).filter(|(order, _)| order["pk"] != text("09")) {
        assert_eq!(order, was);
    }
    assert!(stack.items("labels").await.is_empty());
}

/// Adds one to the attribute `n` of every item.
fn counting(id: &'static str) -> Migration {
    let up = |mut item: Item| {
        let n: u64 = item.number("n")?.parse()?;
        item.set_number("n", n + 1);
        Ok(Change::Update(item))
    };
    Migration::backfill(id, "orders", up).guard(Guard::Journal)
}

/// A stack with counted items, and the declarations of before and after.
async fn counted() -> (Stack, Value, Value) {
    let stack = Stack::start().await;
    let old = properties(&[table("orders")]);
    stack.create(&stack.function(vec![]), &old).await.expect_success();
    for pk in ["1", "2", "3"] {
        let n = AttributeValue::N("1".to_owned());
        stack.put("orders", item([("pk", text(pk)), ("n", n)])).await;
    }
    (stack, old, properties(&[with_index(table("orders"), "by_a", "a")]))
}

async fn ns(stack: &Stack) -> Vec<String> {
    let items = stack.items("orders").await;
    items.iter().map(|item| item["n"].as_n().unwrap().clone()).collect()
}

#[tokio::test]
async fn an_older_build_takes_back_by_the_journal_what_a_rolled_back_update_had_migrated() {
    let (stack, old, new) = counted().await;
    let newer = stack.function(vec![counting("0001_a"), counting("0002_b")]);
    stack.update(&newer, &new, &old).await.expect_success();
    assert_eq!(ns(&stack).await, ["3", "3", "3"]);
    let older = stack.function(vec![]);
    let answer = stack.roll_back(&older, &old, &new).await.expect_success();
    let undone = "Undone: migration 0002_b, migration 0001_a.";
    assert!(answer.reason().contains(undone), "{}", answer.reason());
    assert_eq!(ns(&stack).await, ["1", "1", "1"]);
    assert_eq!(stack.migrations().await, ["0001_a undone", "0002_b undone"]);
    // The mended stack is deployed once more.
    stack.update(&newer, &new, &old).await.expect_success();
    assert_eq!(ns(&stack).await, ["3", "3", "3"]);
}

#[tokio::test]
async fn where_one_migration_cannot_be_taken_back_a_rollback_of_the_stack_takes_none_back() {
    let (stack, old, new) = counted().await;
    let without = Migration::backfill("0002_b", "orders", |mut item: Item| {
        item.set_text("b", "x");
        Ok(Change::Update(item))
    });
    let newer = stack.function(vec![counting("0001_a"), without]);
    stack.update(&newer, &new, &old).await.expect_success();
    let answer = stack.roll_back(&stack.function(vec![]), &old, &new).await.expect_success();
    let said = "Not undone: 0002_b, 0001_a (all or none is taken back, and migration 0002_b is not in this build and keeps no journal)";
    assert!(answer.reason().contains(said), "{}", answer.reason());
    assert_eq!(ns(&stack).await, ["2", "2", "2"]);
    assert_eq!(stack.migrations().await, ["0001_a applied", "0002_b applied"]);
}

#[tokio::test]
async fn a_rollback_takes_back_the_migrations_of_the_update_and_no_earlier_ones_unless_they_are_to_stay()
 {
    for policy in ["revert", "keep"] {
        let (stack, old, mut new) = counted().await;
        let first = stack.function(vec![counting("0001_a")]);
        let mut with_first = old.clone();
        with_first["Migrations"] = json!({ "Hash": "1" });
        stack.update(&first, &with_first, &old).await.expect_success();
        new["OnStackRollback"] = json!(policy);
        let both = stack.function(vec![counting("0001_a"), counting("0002_b")]);
        stack.update(&both, &new, &with_first).await.expect_success();
        stack.roll_back(&first, &with_first, &new).await.expect_success();
        let (expected, state) = if policy == "revert" { ("2", "undone") } else { ("3", "applied") };
        assert_eq!(ns(&stack).await, [expected; 3], "{policy}");
        let states = ["0001_a applied".to_owned(), format!("0002_b {state}")];
        assert_eq!(stack.migrations().await, states);
    }
}

#[tokio::test]
async fn a_rollback_behind_a_replacement_takes_migrations_back_too() {
    let (stack, old, _) = counted().await;
    let mut doomed = table("extra");
    doomed["RemovalPolicy"] = json!("delete");
    let with_extra = properties(&[table("orders"), doomed]);
    stack.update(&stack.function(vec![]), &with_extra, &old).await.expect_success();
    let newer = stack.function(vec![counting("0001_a")]);
    let answer = stack.update_alone(&newer, &old, &with_extra).await.expect_success();
    assert!(answer.physical_id().ends_with(":2"), "{}", answer.physical_id());
    assert_eq!(ns(&stack).await, ["2", "2", "2"]);
    stack.roll_back(&stack.function(vec![]), &with_extra, &old).await.expect_success();
    assert_eq!(ns(&stack).await, ["1", "1", "1"]);
    assert!(stack.tables().await.contains(&"extra".to_owned()));
}
