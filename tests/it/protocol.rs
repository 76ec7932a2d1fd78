//! One request, one answer: bad input, duplicates, panics, lost time, and receivers that refuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tablewright::dynamo::Dynamo;
use tablewright::handler::HandleError;
use tablewright::request::NotARequest;
use tablewright::{Migration, MigrationError};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{self, Answer, Stack, deliver, properties, sample, table};

const TIME: Duration = Duration::from_mins(1);

#[tokio::test]
async fn an_event_that_is_no_request_is_an_error_and_nothing_is_sent() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let declared = properties(&[table("orders")]);
    let mut foreign = stack.event("Create", &declared, None);
    foreign["ResponseURL"] = json!("https://evil.example/answer?X-Amz-Signature=deadbeef");
    let mut incomplete = stack.event("Create", &declared, None);
    incomplete.as_object_mut().unwrap().remove("LogicalResourceId");
    for event in [json!(null), json!("garbage"), json!({ "a": [1] }), incomplete, foreign] {
        let error = deliver(&function, &event, TIME).await.unwrap_err();
        assert!(!error.to_string().contains("deadbeef"), "{error}");
        if let HandleError::NotARequest(NotARequest::RefusedUrl { host, .. }) = &error {
            assert_eq!(host, "evil.example");
        }
    }
    assert_eq!(stack.receiver.received_requests().await.unwrap().len(), 0);
    assert_eq!(stack.tables().await, [""; 0]);
}

#[tokio::test]
async fn malformed_properties_are_answered_with_every_problem_and_nothing_is_written() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let answer = stack.send(&function, &sample(&stack, "malformed")).await;
    answer.expect_failure(&[
        "5 problems in the resource's properties, nothing was changed: ",
        "Tables[0].StreamSpecfication: unknown property; StreamSpecification is near; known are TableName, ",
        "Tables[0].AttributeDefinitions[1].AttributeType: expected one of S, N, B, found \"NUMBER\"",
        "Tables[0].PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled: expected true or false, found \"yes\"",
        "Tables[0].AttributeDefinitions: customer_id is used in a key but not defined",
        "Tables[1].TableName: expected text, found 7",
    ]);
    assert_eq!(stack.tables().await, [""; 0]);
}

#[tokio::test]
async fn an_unknown_request_type_is_answered() {
    let stack = Stack::start().await;
    let mut event = stack.event("Create", &json!({}), None);
    event["RequestType"] = json!("Upsert");
    let answer = stack.send(&stack.function(vec![]), &event).await;
    answer.expect_failure(&["RequestType Upsert is not Create, Update or Delete"]);
}

#[tokio::test]
async fn an_unreachable_dynamodb_is_answered_with_its_address_in_doubt() {
    let stack = Stack::start().await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nowhere = Dynamo::new(stack.engine.client_at(&format!("http://{free}")));
    let answer =
        stack.create(&support::function(nowhere, &stack.stacks, vec![]), &properties(&[])).await;
    answer.expect_failure(&[
        "DynamoDB could not be reached for UpdateItem on tablewright-ledger",
        "check the endpoint",
    ]);
}

#[tokio::test]
async fn a_denied_request_is_answered_with_the_action_and_the_table() {
    let stack = Stack::start().await;
    let denying = MockServer::start().await;
    let denied = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException",
        "Message": "User: arn:aws:sts::111122223333:assumed-role/F is not authorized",
    });
    let template = ResponseTemplate::new(400).set_body_json(denied);
    Mock::given(any()).respond_with(template).mount(&denying).await;
    let function = support::function(
        Dynamo::new(stack.engine.client_at(&denying.uri())),
        &stack.stacks,
        vec![],
    );
    stack.create(&function, &properties(&[])).await.expect_failure(&[
        "dynamodb:UpdateItem on tablewright-ledger is denied to this function's role",
        "is not authorized",
    ]);
}

async fn receiver(statuses: &[u16]) -> MockServer {
    let receiver = MockServer::start().await;
    for status in statuses {
        let template = ResponseTemplate::new(*status);
        Mock::given(any()).respond_with(template).up_to_n_times(1).mount(&receiver).await;
    }
    receiver
}

#[tokio::test]
async fn a_refused_answer_is_not_repeated_and_a_failing_receiver_is_tried_again() {
    for (statuses, state, sent) in [(vec![403], "refused", 1), (vec![503, 503, 200], "answered", 3)]
    {
        let stack = Stack::with_receiver(receiver(&statuses).await);
        let function = stack.function(vec![]);
        let event = stack.event("Create", &properties(&[table("orders")]), None);
        deliver(&function, &event, TIME).await.unwrap();
        let answers = stack.answers_to(&event).await;
        assert_eq!(answers.len(), sent);
        assert!(answers.iter().all(|answer| answer.0 == answers[0].0));
        let row = stack.ledger().await.into_iter().find(|(entry, _)| entry.starts_with("answer#"));
        assert_eq!(row.unwrap().1["state"].as_s().unwrap(), state);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = MockServer::start().await;
    let receiver = MockServer::start().await;
    let redirect = ResponseTemplate::new(307).insert_header("location", elsewhere.uri().as_str());
    Mock::given(any()).respond_with(redirect).mount(&receiver).await;
    let stack = Stack::with_receiver(receiver);
    let event = stack.event("Create", &properties(&[]), None);
    deliver(&stack.function(vec![]), &event, TIME).await.unwrap();
    assert_eq!(elsewhere.received_requests().await.unwrap().len(), 0);
}

/// A migration that counts its runs and takes its time.
fn slow(runs: &Arc<AtomicUsize>, time: Duration) -> Migration {
    let runs = Arc::clone(runs);
    Migration::new("0001_slow", move |_| {
        let runs = Arc::clone(&runs);
        async move {
            runs.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(time).await;
            Ok(())
        }
    })
}

fn running_all() -> Value {
    json!({ "Tables": [table("orders")], "Migrations": { "Baseline": "none" } })
}

#[tokio::test]
async fn one_event_delivered_three_times_is_one_run_and_one_answer() {
    let stack = Stack::start().await;
    let runs = Arc::default();
    let function = stack.function(vec![slow(&runs, Duration::from_millis(500))]);
    let event = stack.event("Create", &running_all(), None);
    let twice = tokio::join!(deliver(&function, &event, TIME), deliver(&function, &event, TIME));
    twice.0.unwrap();
    twice.1.unwrap();
    deliver(&function, &event, TIME).await.unwrap();
    let answers = stack.answers_to(&event).await;
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].status(), "SUCCESS", "{}", answers[0].reason());
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_request_id_with_another_url_is_a_new_attempt() {
    let stack = Stack::start().await;
    let fails = Migration::new("0001_a", |_| async { Err(MigrationError::new("no")) });
    let mut event = stack.event("Create", &running_all(), None);
    stack.send(&stack.function(vec![fails.idempotent()]), &event).await.expect_failure(&["no"]);
    let url = format!("{}0", event["ResponseURL"].as_str().unwrap());
    event["ResponseURL"] = json!(url);
    let works = Migration::new("0001_a", |_| async { Ok(()) }).idempotent();
    stack.send(&stack.function(vec![works]), &event).await.expect_success();
}

#[tokio::test]
async fn a_newer_request_stops_an_older_one_that_still_runs() {
    let stack = Stack::start().await;
    let runs = Arc::default();
    let function = stack.function(vec![slow(&runs, Duration::from_millis(1500)).idempotent()]);
    let (old, new) =
        (stack.event("Create", &running_all(), None), stack.event("Delete", &running_all(), None));
    let older = tokio::spawn({
        let (function, old) = (function.clone(), old.clone());
        async move { deliver(&function, &old, TIME).await }
    });
    while runs.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stack.send(&function, &new).await.expect_success();
    older.await.unwrap().unwrap();
    let answers = stack.answers_to(&old).await;
    assert_eq!(answers.len(), 1);
    answers[0].clone().expect_failure(&["stopped: run ", "has taken over"]);
    // Nothing of the older run was recorded after the newer one had taken over.
    assert_eq!(stack.migrations().await, ["0001_slow started"]);
}

#[tokio::test]
async fn a_panic_in_a_migration_is_a_failure_like_any_other() {
    let stack = Stack::start().await;
    let panics = Migration::new("0001_a", |_| async { panic!("out of paper") });
    let function = stack.function(vec![panics.down(|_| async { Ok(()) })]);
    stack.create(&function, &running_all()).await.expect_failure(&[
        "migration 0001_a failed: it panicked: out of paper",
        "Undone: migration 0001_a, table orders.",
    ]);
}

/// The worker's thread is blocked, so nothing in it can react; the answer has to come from outside.
#[tokio::test]
async fn a_worker_that_does_not_come_back_is_answered_before_the_deadline() {
    let stack = Stack::start().await;
    let blocks = Migration::new("0001_a", |_| async {
        std::thread::sleep(Duration::from_secs(6));
        Ok(())
    });
    let function = stack.function(vec![blocks]);
    let event = stack.event("Create", &running_all(), None);
    deliver(&function, &event, Duration::from_secs(4)).await.unwrap();
    let answer = stack.answers_to(&event).await.remove(0);
    answer.expect_failure(&[
        "the function ran out of time",
        "Done so far: + table orders: create",
        "Deploying again",
    ]);
}

/// What is blocked until an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blocked {
    /// The runtime that polls Lambda.
    Main,
    /// Every thread that works.
    Workers,
    Both,
}

/// Blocks its thread until there is an answer, or no hope of one.
fn block(is_answered: &AtomicBool) {
    let started = Instant::now();
    while !is_answered.load(Ordering::SeqCst) && started.elapsed() < TIME {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn whatever_is_blocked_the_request_is_answered_in_time_and_in_one_way() {
    for blocked in [Blocked::Main, Blocked::Workers, Blocked::Both] {
        let (is_reached, is_answered) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let receiver = MockServer::start().await;
        let answered = Arc::clone(&is_answered);
        let takes = move |_: &wiremock::Request| {
            AtomicBool::store(&answered, true, Ordering::SeqCst);
            ResponseTemplate::new(200)
        };
        Mock::given(any()).respond_with(takes).mount(&receiver).await;
        let stack = Stack::with_receiver(receiver);
        let (reached, answered) = (Arc::clone(&is_reached), Arc::clone(&is_answered));
        let blocks = Migration::new("0001_a", move |_| {
            let (reached, answered) = (Arc::clone(&reached), Arc::clone(&answered));
            async move {
                reached.store(true, Ordering::SeqCst);
                if blocked != Blocked::Main {
                    let other = Arc::clone(&answered);
                    tokio::spawn(async move { block(&other) });
                    block(&answered);
                }
                tokio::time::sleep(TIME).await;
                Ok(())
            }
        });
        let function = stack.function(vec![blocks]);
        let event = stack.event("Create", &running_all(), None);
        let delivered = tokio::spawn({
            let event = event.clone();
            async move { deliver(&function, &event, Duration::from_secs(10)).await }
        });
        while !is_reached.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if blocked != Blocked::Workers {
            block(&is_answered);
        }
        delivered.await.unwrap().unwrap();
        let mut answers = stack.answers_to(&event).await;
        // What comes back while the watchdog answers says the same.
        assert!(answers.iter().all(|answer| answer.0 == answers[0].0), "{blocked:?}: {answers:?}");
        let said = match blocked {
            Blocked::Workers => "the function ran out of time",
            Blocked::Main | Blocked::Both => "the function did not answer in time",
        };
        let done = "Done so far: + table orders: create";
        answers.remove(0).expect_failure(&[said, done, "Deploying again"]);
        let row = stack.ledger().await.into_iter().find(|(entry, _)| entry.starts_with("answer#"));
        assert_eq!(row.unwrap().1["state"].as_s().unwrap(), "answered");
    }
}

#[tokio::test]
async fn a_function_migration_that_takes_too_long_is_cut_off_in_time() {
    for (is_idempotent, said, state) in [
        (false, "it did not end in the time of one invocation", "0001_slow failed"),
        (
            true,
            "stopped at a safe point for lack of time: migration 0001_slow was cut off",
            "0001_slow paused",
        ),
    ] {
        let stack = Stack::start().await;
        let mut slow = slow(&Arc::default(), TIME);
        if is_idempotent {
            slow = slow.idempotent();
        }
        let none = properties(&[table("orders")]);
        stack.create(&stack.function(vec![]), &none).await.expect_success();
        let event = stack.event("Update", &running_all(), Some(&none));
        deliver(&stack.function(vec![slow]), &event, Duration::from_secs(12)).await.unwrap();
        stack.answers_to(&event).await.remove(0).expect_failure(&[said]);
        assert_eq!(stack.migrations().await, [state]);
    }
}

#[tokio::test]
async fn a_long_reason_and_a_thousand_tables_fit_an_answer() {
    let stack = Stack::start().await;
    let fails =
        Migration::new("0001_a", |_| async { Err(MigrationError::new("ä€\"\n".repeat(5000))) });
    let answer: Answer =
        stack.create(&stack.function(vec![fails.idempotent()]), &running_all()).await;
    let answer = answer.expect_failure(&["migration 0001_a failed: ä€", "… (run "]);
    assert!(answer.0.to_string().len() <= 4096);
}

#[tokio::test]
async fn every_sample_request_is_understood() {
    let stack = Stack::start().await;
    let mut seen = 0;
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/events")).unwrap() {
        let name = file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        let event = sample(&stack, &name);
        if tablewright::command::is_command(&event) {
            continue;
        }
        let properties = tablewright::desired::Desired::read(&event["ResourceProperties"]);
        assert_eq!(properties.is_err(), name == "malformed", "{name}: {properties:?}");
        if let Some(old) = event.get("OldResourceProperties") {
            tablewright::desired::Desired::read(old).unwrap();
        }
        seen += 1;
    }
    assert_eq!(seen, 10);
}
