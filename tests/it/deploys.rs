//! Create, update and delete of tables, as CloudFormation sends them.

use serde_json::json;

use crate::support::{Stack, item, properties, table, text, with, with_index};

#[tokio::test]
async fn create_makes_what_is_declared_and_answers_with_its_attributes() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let orders = with(
        with_index(table("orders"), "by_status", "status"),
        "StreamSpecification",
        json!({ "StreamViewType": "NEW_AND_OLD_IMAGES" }),
    );
    let orders = with(orders, "TimeToLiveSpecification", json!({ "AttributeName": "ttl", "Enabled": "true" }));
    let orders = with(orders, "Tags", json!([{ "Key": "team", "Value": "shop" }]));
    let answer = stack.create(&function, &properties(&[orders])).await.expect_success();

    assert_eq!(stack.tables().await, ["orders", "tablewright-ledger"]);
    assert_eq!(stack.indexes("orders").await, ["by_status"]);
    let described = stack.describe("orders").await;
    let data = &answer.0["Data"];
    assert_eq!(data["Generation"], "1");
    assert_eq!(data["orders.Arn"], described.table_arn.unwrap());
    assert_eq!(data["orders.StreamArn"], described.latest_stream_arn.unwrap());
    let ttl = stack.client.describe_time_to_live().table_name("orders").send().await.unwrap();
    assert_eq!(ttl.time_to_live_description.unwrap().attribute_name.unwrap(), "ttl");
    assert!(stack.describe("tablewright-ledger").await.deletion_protection_enabled.unwrap());
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
