//! Answers for requests whose every delivery died, from what Lambda leaves of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Stack, deliver, properties, table, with_index};

const TIME: Duration = Duration::from_mins(1);

/// What Lambda says of an invocation that failed each time (AWS documentation, "Capturing records of Lambda asynchronous
/// invocations").
fn record(event: &Value) -> Value {
    json!({
        "version": "1.0",
        "timestamp": "2026-11-14T18:16:05.568Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
            "functionArn": "arn:aws:lambda:eu-west-1:111122223333:function:tables:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 2,
        },
        "requestPayload": event,
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
        "responsePayload": { "errorType": "Runtime.ExitError", "errorMessage": "signal: killed" },
    })
}

fn message(id: &str, body: &str) -> Value {
    json!({ "messageId": id, "eventSource": "aws:sqs", "body": body })
}

#[tokio::test]
async fn a_request_that_died_in_every_delivery_is_answered_once_whoever_brings_the_record() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let declared = properties(&[table("orders")]);
    stack.create(&function, &declared).await.expect_success();
    let event = stack.event("Update", &properties(&[]), Some(&declared));
    let of_a_queue = json!({ "Records": [message("m-1", &record(&event).to_string())] });
    for bringer in [record(&event), of_a_queue.clone(), of_a_queue] {
        let result = deliver(&function, &bringer, TIME).await.unwrap();
        assert_eq!(result, json!({ "batchItemFailures": [] }));
    }
    let answers = stack.answers_to(&event).await;
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.into_iter().next().unwrap().expect_failure(&[
        "the function failed in every delivery of this request: RetriesExhausted: signal: killed",
        "deploying again goes on from there",
    ]);
}

#[tokio::test]
async fn a_create_that_never_came_up_is_answered_with_the_id_that_its_delete_will_bring() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let declared = properties(&[table("orders")]);
    let event = stack.event("Create", &declared, None);
    deliver(&function, &record(&event), TIME).await.unwrap();
    let answer = stack.answers_to(&event).await.remove(0).expect_failure(&[]);
    assert_eq!(answer.physical_id(), stack.physical_id());
    stack.delete(&function, &declared).await.expect_success();
    assert_eq!(stack.tables().await, [""; 0]);
}

#[tokio::test]
async fn one_that_was_answered_after_all_is_not_answered_again() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let event = stack.event("Create", &properties(&[table("orders")]), None);
    stack.send(&function, &event).await.expect_success();
    deliver(&function, &record(&event), TIME).await.unwrap();
    assert_eq!(stack.answers_to(&event).await.len(), 1);
}

#[tokio::test]
async fn a_rollback_that_died_leaves_everything_and_does_not_block_the_stack() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let (old, new) =
        (properties(&[table("orders")]), properties(&[with_index(table("orders"), "by_a", "a")]));
    stack.create(&function, &old).await.expect_success();
    stack.update(&function, &new, &old).await.expect_success();
    stack.stacks.set("UPDATE_ROLLBACK_IN_PROGRESS");
    let event = stack.event("Update", &old, Some(&new));
    deliver(&function, &record(&event), TIME).await.unwrap();
    let answer = stack.answers_to(&event).await.remove(0).expect_success();
    assert!(
        answer.reason().contains("left as it is; the function failed in every delivery"),
        "{}",
        answer.reason()
    );
    assert!(answer.0["Data"]["orders.Arn"].is_string());
    assert_eq!(stack.indexes("orders").await, ["by_a"]);
}

#[tokio::test]
async fn what_cannot_be_answered_now_comes_again_and_what_never_could_does_not() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let answerable = stack.event("Create", &properties(&[]), None);
    let mut unreachable = stack.event("Create", &properties(&[]), None);
    unreachable["ResponseURL"] = json!("http://127.0.0.1:9/answer");
    let messages = [
        message("garbage", "no JSON"),
        message("foreign", &record(&json!({ "hello": "world" })).to_string()),
        message("unreachable", &record(&unreachable).to_string()),
        message("answerable", &record(&answerable).to_string()),
    ];
    let result = deliver(&function, &json!({ "Records": messages }), TIME).await.unwrap();
    assert_eq!(result, json!({ "batchItemFailures": [{ "itemIdentifier": "unreachable" }] }));
    assert_eq!(stack.answers_to(&answerable).await.len(), 1);
}
