//! Create, update and delete of tables, as CloudFormation sends them.

use serde_json::{Value, json};
use tablewright::Migration;

use crate::support::{self, SCOPE, STACK, Stack, item, properties, table, text, with, with_index};

#[tokio::test]
async fn create_makes_what_is_declared_and_answers_with_its_attributes() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let orders = with(
        with_index(table("orders"), "by_status", "status"),
        "StreamSpecification",
        json!({ "StreamViewType": "NEW_AND_OLD_IMAGES" }),
    );
    let ttl = json!({ "AttributeName": "expires_at", "Enabled": "true" });
    let orders = with(orders, "TimeToLiveSpecification", ttl);
    let orders = with(orders, "Tags", json!([{ "Key": "team", "Value": "shop" }]));
    let answer = stack.create(&function, &properties(&[orders])).await.expect_success();

    assert_eq!(stack.tables().await, ["orders", "tablewright-ledger"]);
    assert_eq!(stack.indexes("orders").await, ["by_status"]);
    let described = stack.describe("orders").await;
    let data = &answer.0["Data"];
    assert_eq!(data["Generation"], "1");
    assert_eq!(data["orders.Arn"], described.table_arn.unwrap());
    assert_eq!(data["orders.StreamArn"], described.latest_stream_arn.unwrap());
    assert_eq!(stack.time_to_live("orders").await.as_deref(), Some("expires_at"));
    assert!(stack.describe("tablewright-ledger").await.deletion_protection_enabled.unwrap());
    if stack.engine.lacks_identity() {
        return;
    }
    let tags = stack.tags("orders").await;
    assert_eq!(tags["team"], "shop");
    assert_eq!(tags["tablewright:owner"], SCOPE);
}

#[tokio::test]
async fn an_equal_update_changes_nothing() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let declared = properties(&[with_index(table("orders"), "by_status", "status")]);
    stack.create(&function, &declared).await.expect_success();
    stack.put("orders", item([("pk", text("1"))])).await;
    let before = stack.describe("orders").await;
    stack.update(&function, &declared, &declared).await.expect_success();
    assert_eq!(stack.describe("orders").await.table_id, before.table_id);
    assert_eq!(stack.items("orders").await.len(), 1);
}

#[tokio::test]
async fn one_update_adds_and_removes_any_number_of_indexes() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let old = with_index(with_index(table("orders"), "by_a", "a"), "by_b", "b");
    let new =
        with_index(with_index(with_index(table("orders"), "by_b", "b"), "by_c", "c"), "by_d", "d");
    let (old, new) = (properties(&[old]), properties(&[new]));
    stack.create(&function, &old).await.expect_success();
    stack.update(&function, &new, &old).await.expect_success();
    assert_eq!(stack.indexes("orders").await, ["by_b", "by_c", "by_d"]);
}

/// Every setting that can change in place: from, to, and how the table shows it.
#[tokio::test]
async fn settings_change_in_place() {
    let provisioned = |mut table: Value, read: &str| {
        let throughput = json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": "1" });
        for index in table["GlobalSecondaryIndexes"].as_array_mut().into_iter().flatten() {
            index["ProvisionedThroughput"] = throughput.clone();
        }
        with(with(table, "BillingMode", json!("PROVISIONED")), "ProvisionedThroughput", throughput)
    };
    let indexed = || with_index(table("orders"), "by_a", "a");
    let stream = |view: &str| {
        with(table("orders"), "StreamSpecification", json!({ "StreamViewType": view }))
    };
    let ttl = |name: &str| {
        with(
            table("orders"),
            "TimeToLiveSpecification",
            json!({ "AttributeName": name, "Enabled": true }),
        )
    };
    let protected = |on: bool| with(table("orders"), "DeletionProtectionEnabled", json!(on));
    let limits =
        |n: i64| with(table("orders"), "OnDemandThroughput", json!({ "MaxReadRequestUnits": n }));
    let class = |name: &str| with(table("orders"), "TableClass", json!(name));
    let tags = |key: &str| with(table("orders"), "Tags", json!([{ "Key": key, "Value": "1" }]));
    let cases = [
        (indexed(), provisioned(indexed(), "5"), "PROVISIONED 5/1 by_a:5/1"),
        (provisioned(table("orders"), "5"), provisioned(table("orders"), "7"), "PROVISIONED 7/1"),
        (provisioned(indexed(), "5"), indexed(), "PAY_PER_REQUEST by_a"),
        (table("orders"), stream("KEYS_ONLY"), "PAY_PER_REQUEST stream=KEYS_ONLY"),
        (stream("KEYS_ONLY"), stream("NEW_IMAGE"), "PAY_PER_REQUEST stream=NEW_IMAGE"),
        (stream("KEYS_ONLY"), table("orders"), "PAY_PER_REQUEST"),
        (table("orders"), ttl("a"), "PAY_PER_REQUEST ttl=a"),
        (ttl("a"), ttl("b"), "PAY_PER_REQUEST ttl=b"),
        (ttl("a"), table("orders"), "PAY_PER_REQUEST"),
        (protected(false), protected(true), "PAY_PER_REQUEST protected"),
        (protected(true), protected(false), "PAY_PER_REQUEST"),
        (table("orders"), limits(40), "PAY_PER_REQUEST max=40"),
        (limits(40), limits(-1), "PAY_PER_REQUEST"),
        (
            class("STANDARD"),
            class("STANDARD_INFREQUENT_ACCESS"),
            "PAY_PER_REQUEST STANDARD_INFREQUENT_ACCESS",
        ),
        (tags("a"), tags("b"), "PAY_PER_REQUEST tag=b"),
    ];
    for (from, to, shown) in cases {
        println!("to {shown}");
        let stack = Stack::start().await;
        if stack.engine.lacks_some_of(&from) || stack.engine.lacks_some_of(&to) {
            continue;
        }
        let function = stack.function(vec![]);
        let (from, to) = (properties(&[from]), properties(&[to]));
        stack.create(&function, &from).await.expect_success();
        stack.update(&function, &to, &from).await.expect_success();
        let (found, shown) = (stack.show("orders").await, stack.engine.reports(shown));
        assert_eq!(found, shown, "{from} -> {to}");
        let plan = stack.update(&function, &to, &to).await.expect_success();
        assert_eq!(plan.reason(), "");
    }
}

#[tokio::test]
async fn changes_that_cannot_be_made_are_refused_all_together_before_anything_is_written() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let old = properties(&[
        with_index(table("orders"), "by_a", "a"),
        with(table("users"), "StreamSpecification", json!({ "StreamViewType": "KEYS_ONLY" })),
    ]);
    stack.create(&function, &old).await.expect_success();
    let mut orders = with_index(table("orders"), "by_a", "a");
    orders["GlobalSecondaryIndexes"][0]["Projection"]["ProjectionType"] = json!("KEYS_ONLY");
    let mut users = table("users");
    users["KeySchema"][0]["AttributeName"] = json!("id");
    users["AttributeDefinitions"][0]["AttributeName"] = json!("id");
    let new = properties(&[orders, users, table("extra")]);
    stack.update(&function, &new, &old).await.expect_failure(&[
        "refused before anything was changed",
        "table orders: the index by_a cannot change in place (declared a HASH; KEYS_ONLY, live a HASH; ALL)",
        "table users: the key cannot change (declared id HASH, live pk HASH)",
    ]);
    assert_eq!(stack.tables().await, ["orders", "tablewright-ledger", "users"]);
    assert_eq!(stack.show("users").await, "PAY_PER_REQUEST stream=KEYS_ONLY");
}

#[tokio::test]
async fn a_table_of_somebody_else_is_not_touched_unless_it_is_adopted() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let declared = properties(&[with_index(table("orders"), "by_a", "a")]);
    stack.create_foreign_table("orders", &[]).await;
    let refused = stack.create(&function, &declared).await;
    refused
        .expect_failure(&["table orders exists and was not made by this resource", "Adopt: true"]);
    assert_eq!(stack.indexes("orders").await, [""; 0]);

    let adopting =
        properties(&[with(with_index(table("orders"), "by_a", "a"), "Adopt", json!("true"))]);
    stack.create(&function, &adopting).await.expect_success();
    assert_eq!(stack.indexes("orders").await, ["by_a"]);
    // An adopted table is never deleted, whatever its policy says.
    let doomed = with(with_index(table("orders"), "by_a", "a"), "RemovalPolicy", json!("delete"));
    let doomed = properties(&[with(doomed, "Adopt", json!(true))]);
    stack.update(&function, &doomed, &adopting).await.expect_success();
    stack.delete(&function, &doomed).await.expect_success();
    assert!(stack.tables().await.contains(&"orders".to_owned()));
}

#[tokio::test]
async fn tables_of_cloudformation_and_of_other_stacks_are_named_with_their_owners() {
    for (key, value, said) in [
        (
            "aws:cloudformation:stack-id",
            STACK,
            "is managed by CloudFormation itself (stack arn:aws",
        ),
        ("tablewright:owner", "another/Data", "belongs to another stack's resource (another/Data)"),
    ] {
        let stack = Stack::start().await;
        if stack.engine.lacks_identity() {
            return;
        }
        let function = stack.function(vec![]);
        stack.create_foreign_table("orders", &[(key, value)]).await;
        stack.create(&function, &properties(&[table("orders")])).await.expect_failure(&[said]);
    }
}

#[tokio::test]
async fn a_table_made_again_by_hand_is_not_ours() {
    let stack = Stack::start().await;
    if stack.engine.lacks_identity() {
        return;
    }
    let function = stack.function(vec![]);
    let declared = properties(&[with(table("orders"), "RemovalPolicy", json!("delete"))]);
    stack.create(&function, &declared).await.expect_success();
    stack.client.delete_table().table_name("orders").send().await.unwrap();
    stack.create_foreign_table("orders", &[("tablewright:owner", SCOPE)]).await;
    stack
        .update(&function, &declared, &declared)
        .await
        .expect_failure(&["table orders was deleted and made again by somebody else"]);
    stack.delete(&function, &declared).await.expect_success();
    assert!(stack.tables().await.contains(&"orders".to_owned()));
}

#[tokio::test]
async fn a_table_that_leaves_the_declaration_stays_with_its_items() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let both = properties(&[table("orders"), table("users")]);
    let one = properties(&[table("orders")]);
    stack.create(&function, &both).await.expect_success();
    stack.put("users", item([("pk", text("1"))])).await;
    stack.update(&function, &one, &both).await.expect_success();
    assert_eq!(stack.items("users").await.len(), 1);
    assert!(!stack.ledger().await["table#users"]["declared"].as_bool().unwrap());
    // And back again: it is still ours.
    let grown = properties(&[table("orders"), with_index(table("users"), "by_a", "a")]);
    stack.update(&function, &grown, &one).await.expect_success();
    assert_eq!(stack.indexes("users").await, ["by_a"]);
}

#[tokio::test]
async fn delete_goes_by_the_removal_policy_and_touches_nothing_that_is_not_owned() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    stack.create_foreign_table("foreign", &[]).await;
    let policy = |name: &str, policy: &str| with(table(name), "RemovalPolicy", json!(policy));
    let declared = properties(&[
        table("by_default"),
        policy("retained", "retain"),
        policy("deleted", "delete"),
        policy("snapshot", "snapshot"),
    ]);
    stack.create(&function, &declared).await.expect_success();
    let answer = stack.delete(&function, &declared).await.expect_success();
    // The embedded engine has no backups, and without its snapshot a table is not deleted.
    assert!(answer.reason().contains("table snapshot stays: this engine has no backups"));
    assert_eq!(
        stack.tables().await,
        ["by_default", "foreign", "retained", "snapshot", "tablewright-ledger"]
    );
    assert!(!stack.ledger().await.contains_key("table#deleted"));
}

#[tokio::test]
async fn a_protected_table_survives_its_policy() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let declared = properties(&[with(table("orders"), "RemovalPolicy", json!("delete"))]);
    stack.create(&function, &declared).await.expect_success();
    let protect =
        stack.client.update_table().table_name("orders").deletion_protection_enabled(true);
    protect.send().await.unwrap();
    let answer = stack.delete(&function, &declared).await.expect_success();
    assert!(answer.reason().contains("table orders stays: it is protected against deletion"));
}

#[tokio::test]
async fn delete_of_what_never_was_succeeds_and_makes_no_ledger() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    stack.delete(&function, &properties(&[table("orders")])).await.expect_success();
    stack.delete(&function, &json!({ "Tables": "broken" })).await.expect_success();
    assert_eq!(stack.tables().await, [""; 0]);
}

#[tokio::test]
async fn delete_after_a_failed_create_leaves_nothing_of_it() {
    let stack = Stack::start().await;
    let fails =
        Migration::new("0001_fails", |_| async { Err(tablewright::MigrationError::new("no")) });
    let function = stack.function(vec![fails.down(|_| async { Ok(()) })]);
    let mut declared = properties(&[table("orders")]);
    declared["Migrations"] = json!({ "Baseline": "none" });
    let failed = stack.create(&function, &declared).await;
    failed.expect_failure(&[
        "migration 0001_fails failed: no",
        "Undone: migration 0001_fails, table orders",
    ]);
    stack.delete(&function, &declared).await.expect_success();
    assert_eq!(stack.tables().await, ["tablewright-ledger"]);
}

#[tokio::test]
async fn many_tables_are_made_in_one_deploy_and_an_equal_update_reads_little() {
    let stack = Stack::start().await;
    let dynamo = tablewright::dynamo::Dynamo::new(stack.engine.client());
    let function = support::function(dynamo.clone(), &stack.stacks, vec![]);
    let tables: Vec<Value> =
        (0..20).map(|n| with_index(table(&format!("t{n:02}")), "by_a", "a")).collect();
    let declared = properties(&tables);
    stack.create(&function, &declared).await.expect_success();
    let before = dynamo.requests_sent();
    stack.update(&function, &declared, &declared).await.expect_success();
    let sent = dynamo.requests_sent() - before;
    assert!(sent <= 2 * 20 + 3 + 9, "{sent} requests");
}
