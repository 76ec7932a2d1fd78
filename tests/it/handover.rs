//! Runs that are handed over to a state machine: by whom they are answered, and that they are, once, whatever happens.

use std::time::Duration;

use serde_json::{Value, json};
use tablewright::{Context, Migration};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::driver::{FakeDriver, call, finish};
use crate::support::{Stack, deliver, item, marking, number, properties, table, text, with_index};

const TIME: Duration = Duration::from_mins(1);

fn before() -> Value {
    properties(&[table("orders")])
}

/// An index on a table that exists takes AWS too long for one invocation, so it is handed over at once.
fn after() -> Value {
    properties(&[with_index(table("orders"), "by_a", "a")])
}

fn label() -> Migration {
    marking("0001_label", "label")
}

/// A stack with a table and an item in it, and the driver of its function.
async fn begin() -> (Stack, FakeDriver) {
    begin_with(Stack::start().await).await
}

async fn begin_with(stack: Stack) -> (Stack, FakeDriver) {
    stack.create(&stack.function(vec![]), &before()).await.expect_success();
    stack.put("orders", item([("pk", text("order-1"))])).await;
    stack.stacks.set("UPDATE_IN_PROGRESS");
    (stack, FakeDriver::default())
}

async fn is_labelled(stack: &Stack) -> bool {
    stack.items("orders").await[0].contains_key("label")
}

async fn parked(stack: &Stack) -> Vec<String> {
    let rows = stack.ledger().await.into_keys().filter(|entry| entry.starts_with("parked#"));
    rows.collect()
}

#[tokio::test]
async fn a_long_run_is_handed_over_before_it_begins_and_answered_by_its_last_slice() {
    let (stack, driver) = begin().await;
    let function = driver.function(&stack, vec![label()]);
    let event = stack.event("Update", &after(), Some(&before()));
    deliver(&function, &event, TIME).await.unwrap();
    assert!(stack.answers_to(&event).await.is_empty());
    assert!(stack.indexes("orders").await.is_empty(), "nothing is begun before");
    let input = driver.input();
    let names: Vec<_> = input.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["ledger", "run", "scope"], "where the answer goes is nobody's business");

    finish(&function, &input).await;
    let answers = stack.answers_to(&event).await;
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.into_iter().next().unwrap().expect_success();
    assert!(is_labelled(&stack).await);
    assert_eq!(stack.indexes("orders").await, ["by_a"]);
    assert!(parked(&stack).await.is_empty(), "what is answered is not kept");
    let row = &stack.ledger().await[&format!("run#{}", input["run"].as_str().unwrap())];
    assert_eq!(row["state"], text("succeeded"));
    assert!(!crate::logs::holds("deadbeef"), "the URL is in the log");
}

#[tokio::test]
async fn while_it_goes_on_its_url_lies_in_the_ledger_alone_and_apart() {
    let (stack, driver) = begin().await;
    let function = driver.function(&stack, vec![]);
    let event = stack.event("Update", &after(), Some(&before()));
    deliver(&function, &event, TIME).await.unwrap();
    let holds: Vec<_> = stack
        .ledger()
        .await
        .into_iter()
        .filter(|(_, row)| format!("{row:?}").contains("X-Amz-Signature"))
        .map(|(entry, _)| entry)
        .collect();
    assert_eq!(holds, [format!("parked#{}#url", driver.input()["run"].as_str().unwrap())]);
}

#[tokio::test]
async fn a_delivery_of_what_was_handed_over_has_the_same_execution_started_and_nothing_else() {
    let (stack, driver) = begin().await;
    let function = driver.function(&stack, vec![label()]);
    let event = stack.event("Update", &after(), Some(&before()));
    let (first, second) =
        tokio::join!(deliver(&function, &event, TIME), deliver(&function, &event, TIME));
    first.unwrap();
    second.unwrap();
    deliver(&function, &event, TIME).await.unwrap();
    let executions = driver.executions();
    assert!(executions.windows(2).all(|pair| pair[0] == pair[1]), "{executions:?}");
    assert!(!is_labelled(&stack).await && stack.answers_to(&event).await.is_empty());

    let (_, input) = executions.into_iter().next().unwrap();
    finish(&function, &input).await;
    // Both the event and the state machine come again after the answer.
    deliver(&function, &event, TIME).await.unwrap();
    finish(&function, &input).await;
    assert_eq!(stack.answers_to(&event).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_handed_over_is_answered_at_once_and_can_be_repeated() {
    let (stack, driver) = begin().await;
    driver.deny();
    let denied = driver.function(&stack, vec![label()]);
    let answer = stack.update(&denied, &after(), &before()).await;
    answer.expect_failure(&["all there is to do takes about 17 min", "Deploy again"]);
    assert!(parked(&stack).await.is_empty());
    stack.update(&stack.function(vec![label()]), &after(), &before()).await.expect_success();
}

#[tokio::test]
async fn when_slices_fail_again_and_again_the_state_machine_has_it_answered() {
    let (stack, driver) = begin().await;
    let function = driver.function(&stack, vec![label()]);
    let event = stack.event("Update", &after(), Some(&before()));
    deliver(&function, &event, TIME).await.unwrap();
    let mut input = driver.input();
    let cause = json!({ "errorMessage": "signal: killed", "errorType": "Runtime.ExitError" });
    input["error"] = json!({ "Error": "Runtime.ExitError", "Cause": cause.to_string() });
    for _ in 0..2 {
        assert_eq!(call(&function, "give-up", &input).await.unwrap()["status"], "done");
    }
    let answers = stack.answers_to(&event).await;
    assert_eq!(answers.len(), 1);
    answers.into_iter().next().unwrap().expect_failure(&["Runtime.ExitError signal: killed"]);
    assert!(parked(&stack).await.is_empty());
}

#[tokio::test]
async fn a_rollback_in_the_middle_of_a_run_ends_it_and_takes_its_work_back() {
    let (stack, driver) = begin().await;
    let waits = Migration::new("0002_waits", |_: Context| std::future::pending());
    let function = driver.function(&stack, vec![label(), waits.idempotent()]);
    let event = stack.event("Update", &after(), Some(&before()));
    deliver(&function, &event, TIME).await.unwrap();
    let input = driver.input();
    let mut slice = input.clone();
    slice["tablewright"] = json!("advance");
    let pending = deliver(&function, &slice, Duration::from_secs(6)).await.unwrap();
    assert_eq!(pending["status"], "pending", "{pending}");
    assert!(is_labelled(&stack).await);

    let back = stack.roll_back(&function, &before(), &after()).await.expect_success();
    assert!(back.reason().contains("0002_waits is paused"), "{}", back.reason());
    assert_eq!(call(&function, "advance", &input).await.unwrap()["status"], "done");
    let answers = stack.answers_to(&event).await;
    assert_eq!(answers.len(), 1);
    answers.into_iter().next().unwrap().expect_failure(&["stopped: run", "came after this one"]);
    assert!(parked(&stack).await.is_empty());
}

#[tokio::test]
async fn an_answer_that_does_not_get_through_is_sent_by_a_later_slice() {
    let receiver = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200))
        .up_to_n_times(1)
        .mount(&receiver)
        .await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(5)
        .mount(&receiver)
        .await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&receiver).await;
    let (stack, driver) = begin_with(Stack::with_receiver(receiver)).await;
    let function = driver.function(&stack, vec![]);
    let event = stack.event("Update", &after(), Some(&before()));
    deliver(&function, &event, TIME).await.unwrap();
    let input = driver.input();
    call(&function, "advance", &input).await.unwrap_err();
    // A minute later, nobody has made good the claim.
    let claim = format!("answer#{}", input["run"].as_str().unwrap());
    let mut claim = stack.ledger().await.remove(&claim).unwrap();
    claim.insert("claimed_at_ms".to_owned(), number(1));
    stack.put("tablewright-ledger", claim).await;
    assert_eq!(call(&function, "advance", &input).await.unwrap()["status"], "done");
    let answers = stack.answers_to(&event).await;
    assert_eq!(answers.len(), 6, "five tries of the first, one of the second");
    assert!(answers.iter().all(|answer| answer.0 == answers[0].0), "all say the same");
}

#[tokio::test]
async fn a_call_that_lacks_something_is_an_error_that_names_it() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let error = deliver(&function, &json!({ "tablewright": "advance" }), TIME).await.unwrap_err();
    assert_eq!(error.to_string(), "the command is refused: it has no ledger");
    let nowhere = json!({ "ledger": "tablewright-ledger", "scope": "x/Data", "run": "r" });
    assert_eq!(call(&function, "advance", &nowhere).await.unwrap()["status"], "done");
}
