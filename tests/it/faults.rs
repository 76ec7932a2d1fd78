//! Loops over every request that a deploy sends: each is failed in turn, and the process dies before each in turn.
//! After each, the next deploy reaches the same end as one that nothing happened to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use serde_json::{Value, json};
use tablewright::dynamo::Dynamo;
use tablewright::{Change, Item, Migration};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::support::{self, Stack, deliver, item, properties, table, text, with, with_index};
use tablewright::testing::{Mishap, Trap};

/// Everything that a deploy leaves, apart from names of runs and moments.
#[derive(Debug, PartialEq)]
struct End {
    tables: HashMap<String, (String, Vec<String>, Vec<support::Item>)>,
    migrations: Vec<String>,
}

async fn end(stack: &Stack) -> End {
    let mut tables = HashMap::new();
    for name in stack.tables().await.into_iter().filter(|name| name != "tablewright-ledger") {
        let shown = stack.show(&name).await;
        tables.insert(name.clone(), (shown, stack.indexes(&name).await, stack.items(&name).await));
    }
    End { tables, migrations: stack.migrations().await }
}

fn before() -> Value {
    let gone = with(table("gone"), "RemovalPolicy", json!("delete"));
    properties(&[with_index(table("orders"), "by_a", "a"), gone])
}

fn after() -> Value {
    let indexed = with_index(with_index(table("orders"), "by_b", "b"), "by_c", "c");
    let ttl = json!({ "AttributeName": "ttl", "Enabled": true });
    properties(&[
        with(indexed, "TimeToLiveSpecification", ttl),
        with_index(table("new"), "by_d", "d"),
    ])
}

fn migrations() -> Vec<Migration> {
    let mark = |name: &'static str| {
        move |mut item: Item| {
            item.set_text(name, "x");
            Ok(Change::Update(item))
        }
    };
    let unmark = |name: &'static str| {
        move |mut item: Item| {
            item.remove(name);
            Ok(Change::Update(item))
        }
    };
    vec![
        Migration::backfill("0001_m", "orders", mark("m")).down_items(unmark("m")),
        Migration::new("0002_seed", |cx| async move {
            let seed = item([("pk", text("seed"))]);
            cx.dynamo().put_item().table_name("new").set_item(Some(seed)).send().await?;
            Ok(())
        })
        .idempotent()
        .down(|cx| async move {
            cx.dynamo().delete_item().table_name("new").key("pk", text("seed")).send().await?;
            Ok(())
        }),
    ]
}

async fn prepared() -> Stack {
    let stack = Stack::start().await;
    stack.create(&stack.function(vec![]), &before()).await.expect_success();
    for n in 0..5 {
        stack.put("orders", item([("pk", text(&n.to_string()))])).await;
    }
    stack
}

/// Deploys in a process of its own, as far as one can be had in a test: a runtime that ends with all its tasks.
pub(crate) fn deploy_until(stack: &Stack, trap: &Trap, event: &Value) {
    let (engine, stacks) = (stack.engine.clone(), stack.stacks.clone());
    let (trap, event) = (trap.clone(), event.clone());
    let process = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let function =
                support::function(Dynamo::new(trap.client(engine.config())), &stacks, migrations());
            tokio::select! {
                biased;
                () = trap.crashed() => {}
                done = deliver(&function, &event, Duration::from_mins(1)) => { done.unwrap(); }
            }
        });
    });
    process.join().unwrap();
}

async fn after_each(fault: Mishap) {
    let expected = {
        let stack = prepared().await;
        stack.update(&stack.function(migrations()), &after(), &before()).await.expect_success();
        end(&stack).await
    };
    for request in 0.. {
        let stack = prepared().await;
        let trap = Trap::at(request, fault);
        let event = stack.event("Update", &after(), Some(&before()));
        deploy_until(&stack, &trap, &event);
        let answers = stack.answers_to(&event).await;
        if !trap.has_sprung() {
            assert!(request > 40, "only {request} requests: the loop has lost its subject");
            assert_eq!(answers[0].status(), "SUCCESS", "{}", answers[0].reason());
            return;
        }
        match fault {
            Mishap::Fails => assert_eq!(answers.len(), 1, "request {request}"),
            Mishap::Crash => assert!(answers.len() <= 1, "request {request}"),
        }
        // CloudFormation goes on with requests of its own: the cleanup after a success, then the same declaration again.
        if let Some(answer) = answers.iter().find(|answer| answer.status() == "SUCCESS") {
            stack.hold(answer);
            stack.clean_up(&stack.function(migrations()), &before()).await;
        }
        let answer = stack.update(&stack.function(migrations()), &after(), &before()).await;
        assert_eq!(answer.status(), "SUCCESS", "after request {request}: {}", answer.reason());
        assert_eq!(end(&stack).await, expected, "after request {request}");
    }
}

#[tokio::test]
async fn a_deploy_after_any_failing_request_reaches_the_same_end() {
    after_each(Mishap::Fails).await;
}

#[tokio::test]
async fn a_deploy_after_a_crash_before_any_request_reaches_the_same_end() {
    after_each(Mishap::Crash).await;
}

/// The other way on: CloudFormation rolls back. Data is as it was, and nothing that existed is gone.
#[tokio::test]
async fn the_rollback_after_any_failing_request_leaves_data_as_it_was_or_says_so() {
    for request in 0.. {
        let stack = prepared().await;
        let items = stack.items("orders").await;
        let trap = Trap::at(request, Mishap::Fails);
        let event = stack.event("Update", &after(), Some(&before()));
        deploy_until(&stack, &trap, &event);
        if !trap.has_sprung() {
            return;
        }
        let answer = stack.answers_to(&event).await.remove(0);
        if answer.status() == "SUCCESS" {
            continue;
        }
        stack.roll_back(&stack.function(migrations()), &before(), &after()).await.expect_success();
        let is_said =
            answer.reason().contains("Not undone") || answer.reason().contains("Undoing stopped");
        assert!(
            stack.items("orders").await == items || is_said,
            "after request {request}: {}",
            answer.reason()
        );
        assert!(stack.indexes("orders").await.contains(&"by_a".to_owned()));
    }
}

/// Stands before an engine and throttles every fifth request, whatever it is. No step sends five in a round, so none is
/// throttled every time.
struct Throttling {
    endpoint: String,
    seen: AtomicUsize,
}

impl Respond for Throttling {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        if self.seen.fetch_add(1, Ordering::SeqCst).is_multiple_of(5) {
            let throttled = json!({
                "__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException",
                "message": "Rate exceeded",
            });
            return ResponseTemplate::new(400).set_body_json(throttled);
        }
        let (endpoint, request) = (self.endpoint.clone(), request.clone());
        std::thread::spawn(move || forward(&endpoint, request)).join().unwrap()
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn forward(endpoint: &str, request: Request) -> ResponseTemplate {
    let forwarded =
        reqwest::Client::new().post(endpoint).headers(request.headers).body(request.body);
    let response = forwarded.send().await.unwrap();
    let template = ResponseTemplate::new(response.status().as_u16());
    template.set_body_bytes(response.bytes().await.unwrap())
}

#[tokio::test]
async fn an_engine_that_throttles_slows_a_deploy_down_and_does_not_fail_it() {
    let stack = prepared().await;
    let throttling = MockServer::start().await;
    let responder = Throttling { endpoint: stack.engine.url.clone(), seen: AtomicUsize::new(0) };
    Mock::given(any()).respond_with(responder).mount(&throttling).await;
    // Without the SDK's own retries, so that it is ours that are tested.
    let config = stack.engine.config_at(&throttling.uri()).retry_config(RetryConfig::disabled());
    let dynamo = Dynamo::new(Client::from_conf(config.build()));
    let function = support::function(dynamo, &stack.stacks, vec![migrations().remove(0)]);
    stack.update(&function, &after(), &before()).await.expect_success();
    assert_eq!(stack.migrations().await, ["0001_m applied"]);
    assert!(stack.items("orders").await.iter().all(|item| item.contains_key("m")));
}
