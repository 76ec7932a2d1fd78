//! Items and streams, which the engine serves as long as the table is there.

use aws_sdk_dynamodb::types::{
    AttributeValue, Put, PutRequest, StreamViewType, TransactWriteItem, WriteRequest,
};
use serde_json::json;

use super::changes::{stream, update};
use super::{Raw, create, plane_with, refused, settle, sleep};
use crate::support::{item, number, text};

#[tokio::test(start_paused = true)]
async fn no_operation_on_items_knows_a_table_that_comes_or_goes() {
    let (plane, client) = plane_with("orders").await;
    let not_found = "ResourceNotFoundException";
    create(&client, "coming").await;
    create(&client, "going").await;
    sleep(4).await;
    client.delete_table().table_name("orders").send().await.unwrap();
    for table in ["coming", "orders", "unknown"] {
        let none = "Requested resource not found";
        let put = PutRequest::builder().item("pk", text("1")).build().unwrap();
        let put = WriteRequest::builder().put_request(put).build();
        let batch = client.batch_write_item().request_items(table, vec![put]).send().await;
        refused(batch, not_found, none);
        let put = Put::builder().table_name(table).item("pk", text("1")).build().unwrap();
        let put = TransactWriteItem::builder().put(put).build();
        let transaction = client.transact_write_items().transact_items(put).send().await;
        refused(transaction, not_found, none);
        for statement in [
            format!(r#"SELECT * FROM "{table}" WHERE "pk"='1'"#),
            format!(r#"UPDATE "{table}" SET "a"=1 WHERE "pk"='from'"#),
            format!(r#"INSERT INTO "{table}" VALUE {{'pk': '1'}}"#),
            format!("delete from {table} where pk='1'"),
        ] {
            let executed = client.execute_statement().statement(&statement).send().await;
            refused(executed, not_found, none);
        }
    }
    assert!(plane.calls().iter().all(|call| call.table.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_fails_hands_back_the_item() {
    let (_plane, client) = plane_with("orders").await;
    let old = item([("pk", text("1")), ("n", number(1))]);
    client.put_item().table_name("orders").set_item(Some(old.clone())).send().await.unwrap();
    let update = client.update_item().table_name("orders").key("pk", text("1"));
    let update = update
        .update_expression("SET n = :new")
        .condition_expression("n = :old")
        .expression_attribute_values(":new", number(3))
        .expression_attribute_values(":old", number(2))
        .return_values_on_condition_check_failure("ALL_OLD".into());
    let error = update.send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
        failed,
    ) = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(failed.item, Some(old));
}

#[tokio::test(start_paused = true)]
async fn an_empty_key_is_refused_by_the_engine_in_the_words_of_the_service() {
    let (_plane, client) = plane_with("orders").await;
    let put = client.put_item().table_name("orders").item("pk", text("")).send().await;
    refused(put, "ValidationException", "empty string value");
    let put = client.put_item().table_name("orders").item("pk", AttributeValue::Bool(true));
    refused(put.send().await, "ValidationException", "Type mismatch for key pk");
}

#[tokio::test]
async fn a_stream_is_read_by_the_arn_that_the_table_tells() {
    let raw = Raw::start().await;
    let client = raw.plane.client();
    create(&client, "orders").await;
    raw.plane.advance(std::time::Duration::from_mins(1));
    let on = update(&client).stream_specification(stream(Some(StreamViewType::NewImage)));
    on.send().await.unwrap();
    raw.plane.advance(std::time::Duration::from_mins(1));
    client.put_item().table_name("orders").item("pk", text("1")).send().await.unwrap();
    let arn = super::describe(&client, "orders").await.latest_stream_arn.unwrap();
    assert!(arn.starts_with("arn:aws:dynamodb:eu-west-1:111122223333:table/orders/stream/"));
    let streams = |operation: &str| format!("DynamoDBStreams_20120810.{operation}");
    let (_, described) = raw.call(&streams("DescribeStream"), json!({ "StreamArn": arn })).await;
    let shard = &described["StreamDescription"]["Shards"][0]["ShardId"];
    assert_eq!(described["StreamDescription"]["StreamArn"], json!(arn));
    let from = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
    let (_, iterator) = raw.call(&streams("GetShardIterator"), from).await;
    let (_, records) = raw.call(&streams("GetRecords"), iterator).await;
    assert_eq!(records["Records"][0]["awsRegion"], "eu-west-1");
    let image = &records["Records"][0]["dynamodb"]["NewImage"];
    assert_eq!(*image, json!({ "pk": { "S": "1" } }));
}

#[tokio::test(start_paused = true)]
async fn a_table_is_reached_by_its_arn_too() {
    let (_plane, client) = plane_with("orders").await;
    let arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders";
    client.put_item().table_name(arn).item("pk", text("1")).send().await.unwrap();
    settle().await;
    assert_eq!(client.scan().table_name(arn).send().await.unwrap().count, 1);
}
