//! Identities: which generation holds, what proves it, and how a rollback leads back from a new one.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;

use crate::removals::{both, generation, one, policy, with_users, without};
use crate::support::{
    PHYSICAL_ID, SCOPE, Stack, deliver, item, number, properties, table, text, with, with_index,
};

/// Another resource fails after our success: CloudFormation deletes the new identity and sends no Update.
#[tokio::test]
async fn a_rolled_back_update_dooms_nothing() {
    for is_silent in [false, true] {
        let (stack, function) = with_users("delete").await;
        let (old, new) = (both("delete"), properties(&[with_index(table("orders"), "by_a", "a")]));
        stack.update_alone(&function, &new, &old).await.expect_success();
        if is_silent {
            stack.stacks.fall_silent();
        }
        let back = stack.roll_back(&function, &old, &new).await.expect_success();
        if is_silent {
            let said = "everything stays: the status of the stack could not be read (AccessDenied); \
                        the function's role needs cloudformation:DescribeStacks on it";
            assert!(back.reason().contains(said), "{}", back.reason());
            // The next request tells by the identity that it carries.
            stack.update(&function, &old, &old).await.expect_success();
        } else {
            assert!(back.reason().contains("went back to the declaration before"));
            assert!(back.reason().contains("left as it is by this rollback"), "{}", back.reason());
        }
        assert_eq!(stack.items("users").await.len(), 1);
        assert_eq!((stack.doomed("users").await, stack.is_declared("users").await), (None, true));
        assert_eq!(stack.indexes("orders").await.len(), usize::from(!is_silent));
        // Deployed again it gets an identity that no Delete has named yet.
        let held = if is_silent { generation(3) } else { generation(1) };
        assert_eq!(stack.physical_id(), held);
        let again = stack.update(&function, &new, &old).await.expect_success();
        assert_eq!(again.physical_id(), generation(if is_silent { 4 } else { 3 }));
        assert!(!stack.has("users").await);
    }
}

/// The Delete of the new identity does what a rollback Update does: settings that change at once follow.
#[tokio::test]
async fn settings_that_cost_nothing_go_back_with_the_identity() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let orders = |units: &str| {
        let throughput = json!({ "ReadCapacityUnits": units, "WriteCapacityUnits": "1" });
        with(table("orders"), "ProvisionedThroughput", throughput)
    };
    let old = properties(&[orders("5"), policy(table("users"), "delete")]);
    let new = properties(&[orders("7")]);
    let (old, new) = [old, new]
        .map(|mut declared| {
            declared["Tables"][0]["BillingMode"] = json!("PROVISIONED");
            declared
        })
        .into();
    stack.create(&function, &old).await.expect_success();
    stack.update_alone(&function, &new, &old).await.expect_success();
    assert_eq!(stack.show("orders").await, "PROVISIONED 7/1");
    stack.roll_back(&function, &old, &new).await.expect_success();
    assert_eq!(stack.show("orders").await, "PROVISIONED 5/1");
    assert!(stack.is_declared("users").await);
}

/// CloudFormation stopped listening before the answer came: it sends an Update with the identity of before.
#[tokio::test]
async fn an_answer_that_never_counted_dooms_nothing() {
    for is_silent in [false, true] {
        let (stack, function) = with_users("delete").await;
        let event = stack.event("Update", &one(), Some(&both("delete")));
        stack.stacks.set("UPDATE_IN_PROGRESS");
        stack.send(&function, &event).await.expect_success();
        assert_eq!(stack.doomed("users").await.as_deref(), Some("2"));
        if is_silent {
            stack.stacks.fall_silent();
        }
        let back = stack.roll_back(&function, &both("delete"), &one()).await.expect_success();
        assert_eq!(back.reason().contains("taken for a rollback by its declarations"), is_silent);
        assert_eq!((stack.doomed("users").await, stack.is_declared("users").await), (None, true));
        // A Delete of the identity that never counted finds nothing to do.
        let event = stack.delete_event(&generation(2), &one());
        let nothing = stack.send(&function, &event).await.expect_success();
        assert!(nothing.reason().contains("nothing to delete"), "{}", nothing.reason());
        assert!(stack.has("users").await);
    }
}

#[tokio::test]
async fn an_event_that_comes_again_is_answered_with_the_same_identity() {
    let (stack, function) = with_users("delete").await;
    stack.stacks.set("UPDATE_IN_PROGRESS");
    let event = stack.event("Update", &one(), Some(&both("delete")));
    let first = stack.send(&function, &event).await.expect_success();
    // The process had died before it claimed the answer.
    let rows = stack.ledger().await;
    for entry in rows.keys().filter(|entry| entry.starts_with("answer#")) {
        let key = item([("scope", text(SCOPE)), ("entry", text(entry))]);
        let gone = stack.client.delete_item().table_name("tablewright-ledger").set_key(Some(key));
        gone.send().await.unwrap();
    }
    deliver(&function, &event, std::time::Duration::from_mins(1)).await.unwrap();
    let answers = stack.answers_to(&event).await;
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[1].physical_id(), first.physical_id());
    assert_eq!(stack.doomed("users").await.as_deref(), Some("2"));
}

/// With rollbacks put off (`--disable-rollback`), an identity is held that the stack has not succeeded with. When it
/// is rolled back in the end, all that came since are deleted, in any order.
#[tokio::test]
async fn after_failures_that_were_not_rolled_back_the_way_leads_back_to_the_last_success() {
    for order in [[2, 3], [3, 2]] {
        let stack = Stack::start().await;
        let function = stack.function(vec![]);
        let gone = |name: &str| policy(table(name), "delete");
        let all = properties(&[table("orders"), gone("ones"), gone("twos")]);
        let two = properties(&[table("orders"), gone("twos")]);
        stack.create(&function, &all).await.expect_success();
        stack.update_alone(&function, &two, &all).await.expect_success();
        let last = stack.update_alone(&function, &one(), &two).await.expect_success();
        assert_eq!(last.physical_id(), generation(3));
        assert_eq!(stack.tables().await, ["ones", "orders", "tablewright-ledger", "twos"]);
        stack.stacks.set("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS");
        for number in order {
            let event = stack.delete_event(&generation(number), &two);
            stack.send(&function, &event).await.expect_success();
        }
        for name in ["ones", "twos"] {
            assert_eq!((stack.doomed(name).await, stack.is_declared(name).await), (None, true));
        }
        // Now by an update that succeeds: every identity before it is deleted, and so are the tables.
        let event = stack.delete_event(PHYSICAL_ID, &two);
        let update = json!(PHYSICAL_ID);
        let mut deploy = stack.event("Update", &one(), Some(&all));
        deploy["PhysicalResourceId"] = update;
        deploy["ResourceProperties"]["MaxTableDeletes"] = json!(2);
        stack.stacks.set("UPDATE_IN_PROGRESS");
        stack.send(&function, &deploy).await.expect_success();
        stack.stacks.set("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS");
        stack.send(&function, &event).await.expect_success();
        assert_eq!(stack.tables().await, ["orders", "tablewright-ledger"], "{order:?}");
    }
}

#[tokio::test]
async fn a_stack_whose_rollback_was_put_off_cleans_up_when_it_succeeds_after_all() {
    let (stack, function) = with_users("delete").await;
    stack.update_alone(&function, &one(), &both("delete")).await.expect_success();
    // The next update keeps the identity that it found, for nothing is new about what is left to remove.
    let indexed = properties(&[with_index(table("orders"), "by_a", "a")]);
    stack.update(&function, &indexed, &one()).await.expect_success();
    assert_eq!(stack.tables().await, ["orders", "tablewright-ledger"]);
    assert_eq!(stack.indexes("orders").await, ["by_a"]);
}

#[tokio::test]
async fn a_resource_that_left_the_template_or_never_came_to_stay_goes_by_its_policies() {
    for status in [
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
    ] {
        let (stack, function) = with_users("delete").await;
        stack.stacks.set(status);
        let event = stack.delete_event(PHYSICAL_ID, &both("delete"));
        stack.send(&function, &event).await.expect_success();
        assert_eq!(stack.tables().await, ["orders", "tablewright-ledger"], "{status}");
        // The same resource again, in the same stack: what had stayed is left alone.
        let again = properties(&[policy(table("users"), "delete")]);
        let created = stack.create(&function, &again).await.expect_success();
        assert_eq!(created.physical_id(), PHYSICAL_ID);
        assert_eq!(stack.tables().await, ["orders", "tablewright-ledger", "users"], "{status}");
    }
}

#[tokio::test]
async fn where_the_stack_cannot_be_asked_the_end_of_the_resource_retains_everything() {
    let (stack, function) = with_users("delete").await;
    stack.stacks.fall_silent();
    let answer = stack.delete(&function, &both("delete")).await.expect_success();
    assert!(answer.reason().contains("cloudformation:DescribeStacks"), "{}", answer.reason());
    assert_eq!(stack.tables().await, ["orders", "tablewright-ledger", "users"]);
}

#[tokio::test]
async fn a_deliberate_return_to_the_declaration_before_is_a_deploy() {
    for is_silent in [false, true] {
        let stack = Stack::start().await;
        let function = stack.function(vec![]);
        let (old, new) = (one(), properties(&[with_index(table("orders"), "by_a", "a")]));
        stack.create(&function, &old).await.expect_success();
        stack.update(&function, &new, &old).await.expect_success();
        if is_silent {
            stack.stacks.fall_silent();
        }
        let back = stack.update(&function, &old, &new).await.expect_success();
        assert_eq!(back.reason().contains("taken for a rollback by its declarations"), is_silent);
        assert_eq!(stack.indexes("orders").await.len(), usize::from(is_silent));
    }
}

#[tokio::test]
async fn deploys_that_lead_on_ask_cloudformation_nothing() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let (a, b) = (one(), properties(&[with_index(table("orders"), "by_a", "a")]));
    stack.create(&function, &a).await.expect_success();
    stack.update_alone(&function, &a, &a).await.expect_success();
    stack.update_alone(&function, &b, &a).await.expect_success();
    stack.update_alone(&function, &b, &b).await.expect_success();
    stack.update_alone(&function, &properties(&[]), &b).await.expect_success();
    assert_eq!(stack.stacks.asked(), 0);
    stack.delete(&function, &properties(&[])).await.expect_success();
    assert_eq!(stack.stacks.asked(), 1);
}

/// The Delete of the old generation brings the old properties along, and so the name of the old ledger, in which the
/// old generation is the live one.
#[tokio::test]
async fn a_deploy_to_another_ledger_leaves_nothing_to_a_cleanup() {
    let (stack, function) = with_users("delete").await;
    let adopting = |name| {
        with(
            with(policy(table(name), "delete"), "Adopt", json!(true)),
            "DeletionProtectionEnabled",
            json!(false),
        )
    };
    let mut new = properties(&[adopting("orders"), adopting("users")]);
    new["LedgerTable"] = json!("another-ledger");
    for name in ["orders", "users"] {
        let protect = stack.client.update_table().table_name(name);
        protect.deletion_protection_enabled(true).send().await.unwrap();
    }
    let update = stack.update(&function, &new, &both("delete")).await.expect_success();
    assert_eq!(update.physical_id(), PHYSICAL_ID);
    assert_eq!(stack.show("users").await, "PAY_PER_REQUEST");
    assert!(stack.has("users").await);
}

#[tokio::test]
async fn a_rollback_brings_the_removal_policy_of_before_back() {
    let (stack, function) = with_users("retain").await;
    stack.update(&function, &both("delete"), &both("retain")).await.expect_success();
    stack.roll_back(&function, &both("retain"), &both("delete")).await.expect_success();
    stack.delete(&function, &both("retain")).await.expect_success();
    assert!(stack.has("users").await);
}

/// An older build knows nothing of dooms and generations.
#[tokio::test]
async fn a_doom_that_an_older_build_did_not_take_away_does_not_count() {
    let (stack, function) = with_users("delete").await;
    stack.update_alone(&function, &one(), &both("delete")).await.expect_success();
    stack.clean_up(&without(&stack, ".DeleteTable"), &both("delete")).await.unwrap();
    // It declares the table again, and leaves the fields alone that it does not know.
    let key = item([("scope", text(SCOPE)), ("entry", text("table#users"))]);
    let update = stack.client.update_item().table_name("tablewright-ledger").set_key(Some(key));
    let update = update.update_expression("SET declared = :true");
    update.expression_attribute_values(":true", AttributeValue::Bool(true)).send().await.unwrap();
    stack.update(&function, &both("delete"), &one()).await.expect_success();
    assert_eq!(stack.items("users").await.len(), 1);
}

/// What an older build compares with the generation of a Delete is the one that a rollback leads back to: it does not
/// take the new one, which a rollback deletes, for the resource itself.
#[tokio::test]
async fn an_older_build_sees_the_new_generation_when_its_cleanup_has_come() {
    let (stack, function) = with_users("delete").await;
    stack.update_alone(&function, &one(), &both("delete")).await.expect_success();
    assert_eq!(stack.ledger().await["meta"]["generation"], number(1));
    stack.clean_up(&function, &both("delete")).await.unwrap();
    assert_eq!(stack.ledger().await["meta"]["generation"], number(2));
}

#[tokio::test]
async fn the_ledger_keeps_of_earlier_generations_only_what_a_way_back_needs() {
    let (stack, function) = with_users("delete").await;
    let generations = || async {
        let rows = stack.ledger().await;
        let mut rows: Vec<_> = rows.into_keys().filter(|e| e.starts_with("generation#")).collect();
        rows.sort();
        rows
    };
    stack.update_alone(&function, &one(), &both("delete")).await.expect_success();
    assert_eq!(generations().await, ["generation#000000001#000", "generation#000000002#000"]);
    stack.clean_up(&function, &both("delete")).await.unwrap();
    assert_eq!(generations().await, ["generation#000000002#000"]);
}

/// Properties that do not fit one row are kept all the same: the cleanup and the way back need them.
#[tokio::test]
async fn a_declaration_of_any_length_has_a_cleanup_and_a_way_back() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let long = |index: bool| {
        let orders = if index { with_index(table("orders"), "by_a", "a") } else { table("orders") };
        let mut declared = properties(&[orders]);
        declared["Migrations"] = json!({ "Hash": "ä".repeat(400_000) });
        declared
    };
    stack.create(&function, &long(true)).await.expect_success();
    stack.update_alone(&function, &long(false), &long(true)).await.expect_success();
    let back = stack.roll_back(&function, &long(true), &long(false)).await.expect_success();
    assert!(!back.reason().contains("not on record"), "{}", back.reason());
    stack.update(&function, &long(false), &long(true)).await.expect_success();
    assert_eq!(stack.indexes("orders").await, [""; 0]);
}
