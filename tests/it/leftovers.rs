//! What a process that died has left in the ledger, and what the next one makes of it.

use std::time::Duration;

use serde_json::{Value, json};
use tablewright::handler::HandleError;
use tablewright::request::{AllowedHosts, Envelope};
use tablewright::{Change, Item, Migration, MigrationError};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{self, SCOPE, Stack, deliver, item, number, properties, table, text};

const TIME: Duration = Duration::from_mins(1);

fn run_of(event: &Value) -> String {
    Envelope::read(event, &AllowedHosts::parse("127.0.0.1")).unwrap().run_id()
}

async fn leave(stack: &Stack, entry: &str, mut row: support::Item) {
    row.insert("scope".to_owned(), text(SCOPE));
    row.insert("entry".to_owned(), text(entry));
    stack.put("tablewright-ledger", row).await;
}

/// A stack with a ledger, and an update of it that declares `orders`.
async fn begun() -> (Stack, Value) {
    let stack = Stack::start().await;
    let nothing = properties(&[]);
    stack.create(&stack.function(vec![]), &nothing).await.expect_success();
    let event = stack.event("Update", &properties(&[table("orders")]), Some(&nothing));
    (stack, event)
}

#[tokio::test]
async fn a_table_that_somebody_made_meanwhile_is_not_taken_back() {
    let (stack, event) = begun().await;
    if stack.engine.lacks_identity() {
        return;
    }
    let intent =
        [("name", text("orders")), ("origin", text("created")), ("run", text(&run_of(&event)))];
    leave(&stack, "table#orders", item(intent)).await;
    stack.create_foreign_table("orders", &[("tablewright:owner", "other/Data")]).await;
    let answer = stack.send(&stack.function(vec![]), &event).await;
    answer.expect_failure(&[
        "belongs to another stack's resource (other/Data)",
        "Nothing had to be undone.",
    ]);
    assert!(stack.tables().await.contains(&"orders".to_owned()));
    assert!(!stack.ledger().await.contains_key("table#orders"));
}

#[tokio::test]
async fn a_create_whose_response_was_lost_is_recognised() {
    let (stack, event) = begun().await;
    if stack.engine.lacks_identity() {
        return;
    }
    let intent = [("name", text("orders")), ("origin", text("created")), ("run", text("earlier"))];
    leave(&stack, "table#orders", item(intent)).await;
    let tags = [("tablewright:owner", SCOPE), ("tablewright:created-by", "earlier")];
    stack.create_foreign_table("orders", &tags).await;
    stack.send(&stack.function(vec![]), &event).await.expect_success();
    let id = stack.describe("orders").await.table_id.unwrap();
    assert_eq!(stack.ledger().await["table#orders"]["table_id"], text(&id));
}

#[tokio::test]
async fn an_answer_that_was_claimed_and_not_sent_is_sent_as_it_was() {
    let (stack, event) = begun().await;
    let body = json!({
        "Status": "FAILED", "Reason": "the first words", "PhysicalResourceId": support::PHYSICAL_ID,
        "StackId": event["StackId"], "RequestId": event["RequestId"], "LogicalResourceId": "Data",
    });
    let claim = [
        ("state", text("answering")),
        ("body", text(&body.to_string())),
        ("claimed_at_ms", number(1)),
    ];
    leave(&stack, &format!("answer#{}", run_of(&event)), item(claim)).await;
    stack.send(&stack.function(vec![]), &event).await.expect_failure(&["the first words"]);
    assert!(!stack.tables().await.contains(&"orders".to_owned()));
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_an_error_so_that_the_event_comes_again() {
    let receiver = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(503)).mount(&receiver).await;
    let stack = Stack::with_receiver(receiver);
    let event = stack.event("Create", &properties(&[]), None);
    let error = deliver(&stack.function(vec![]), &event, TIME).await.unwrap_err();
    assert!(matches!(&error, HandleError::Unanswered(_)), "{error}");
    assert!(error.to_string().contains("HTTP status 503"), "{error}");
    assert_eq!(stack.answers_to(&event).await.len(), 5);
}

#[tokio::test]
async fn a_late_delivery_does_not_take_the_scope_back_from_a_later_request() {
    let stack = Stack::start().await;
    let (one, two) = (properties(&[table("one")]), properties(&[table("two")]));
    let first = stack.event("Create", &one, None);
    let function = stack.function(vec![]);
    stack.send(&function, &first).await.expect_success();
    stack.update(&function, &two, &one).await.expect_success();
    // The first delivery had died before it could answer.
    let entry =
        item([("scope", text(SCOPE)), ("entry", text(&format!("answer#{}", run_of(&first))))]);
    let gone = stack.client.delete_item().table_name("tablewright-ledger").set_key(Some(entry));
    gone.send().await.unwrap();
    deliver(&function, &first, TIME).await.unwrap();
    let answer = stack.answers_to(&first).await.pop().unwrap();
    answer.expect_failure(&["came after this one"]);
    assert!(*stack.ledger().await["table#two"]["declared"].as_bool().unwrap());
}

#[tokio::test]
async fn a_baseline_that_was_partly_written_is_completed_and_runs_nothing() {
    let stack = Stack::start().await;
    stack.create_foreign_table("orders", &[]).await;
    stack.put("orders", item([("pk", text("1"))])).await;
    let migrations = || {
        ["0001_a", "0002_b"]
            .map(|id| Migration::new(id, |_| async { Err(MigrationError::new("it ran")) }))
    };
    let mut adopting = table("orders");
    adopting["Adopt"] = json!(true);
    let declared =
        |baseline: &str| json!({ "Tables": [adopting], "Migrations": { "Baseline": baseline } });
    let function = stack.function(migrations().into());
    stack.create(&function, &declared("auto")).await.expect_failure(&["no history"]);
    let row =
        [("id", text("0001_a")), ("state", text("baseline")), ("fingerprint", text("revision 1"))];
    leave(&stack, "migration#0001_a", item(row)).await;
    stack.create(&function, &declared("0002_b")).await.expect_success();
    assert_eq!(stack.migrations().await, ["0001_a baseline", "0002_b baseline"]);
}

#[tokio::test]
async fn a_migration_that_died_while_it_was_taken_back_runs_again_from_its_start() {
    let stack = Stack::start().await;
    let declared = properties(&[table("orders")]);
    stack.create(&stack.function(vec![]), &declared).await.expect_success();
    stack.put("orders", item([("pk", text("1"))])).await;
    let row =
        [("id", text("0001_a")), ("state", text("undoing")), ("fingerprint", text("revision 1"))];
    leave(&stack, "migration#0001_a", item(row)).await;
    let checkpoint = [("fingerprint", text("revision 1")), ("segments", number(16))];
    for segment in 0..16 {
        let mut done = item(checkpoint.clone());
        done.insert("done".to_owned(), aws_sdk_dynamodb::types::AttributeValue::Bool(true));
        leave(&stack, &format!("checkpoint#0001_a#up#items#all#orders#{segment:06}"), done).await;
    }
    let marks = Migration::backfill("0001_a", "orders", |mut item: Item| {
        item.set_text("a", "x");
        Ok(Change::Update(item))
    });
    stack.update(&stack.function(vec![marks]), &declared, &declared).await.expect_success();
    assert_eq!(stack.items("orders").await[0]["a"], text("x"));
}

#[tokio::test]
async fn two_backfills_of_one_migration_over_one_table_keep_apart() {
    let stack = Stack::start().await;
    let declared = properties(&[table("orders")]);
    stack.create(&stack.function(vec![]), &declared).await.expect_success();
    for n in 0..24 {
        stack.put("orders", item([("pk", text(&n.to_string()))])).await;
    }
    // The first is slow enough for its positions to be saved.
    let both = Migration::new("0001_a", |cx| async move {
        cx.backfill("first", "orders", |mut item| {
            std::thread::sleep(Duration::from_millis(120));
            item.set_text("a", "x");
            Ok(Change::Update(item))
        })
        .await?;
        cx.backfill("second", "orders", |mut item| {
            item.set_text("b", "x");
            Ok(Change::Update(item))
        })
        .await?;
        Ok(())
    });
    let function = stack.function(vec![both.idempotent()]);
    stack.update(&function, &declared, &declared).await.expect_success();
    let marked = stack.items("orders").await.into_iter().filter(|item| item.contains_key("b"));
    assert_eq!(marked.count(), 24);
}

#[tokio::test]
async fn delete_of_a_stack_that_never_came_up_takes_its_empty_tables_along() {
    let stack = Stack::start().await;
    let declared = json!({ "Tables": [table("empty"), table("filled")], "OnFailure": "halt", "Migrations": { "Baseline": "none" } });
    let fails = Migration::new("0001_a", |cx| async move {
        let item = item([("pk", text("1"))]);
        cx.dynamo().put_item().table_name("filled").set_item(Some(item)).send().await?;
        Err(MigrationError::new("no"))
    });
    let function = stack.function(vec![fails]);
    stack.create(&function, &declared).await.expect_failure(&["no"]);
    let answer = stack.delete(&function, &declared).await.expect_success();
    assert!(
        answer
            .reason()
            .contains("table empty deleted, it was empty; table filled stays, it holds items")
    );
    assert_eq!(stack.tables().await, ["filled", "tablewright-ledger"]);
}

#[tokio::test]
async fn a_list_of_migrations_that_is_refused_is_answered() {
    let stack = Stack::start().await;
    let twice = || Migration::new("0001_a", |_| async { Ok(()) });
    let broken = stack.function(vec![twice(), twice()]);
    let (old, new) = (properties(&[table("orders")]), properties(&[table("users")]));
    let refusal = "the function's migrations are refused, nothing was changed: migration id 0001_a is given twice";
    stack.create(&broken, &old).await.expect_failure(&[refusal]);
    assert_eq!(stack.tables().await, [""; 0]);
    // The way back is open all the same.
    stack.create(&stack.function(vec![]), &old).await.expect_success();
    stack.update(&broken, &new, &old).await.expect_failure(&[refusal]);
    stack.roll_back(&broken, &old, &new).await.expect_success();
    assert_eq!(stack.tables().await, ["orders", "tablewright-ledger"]);
}

#[tokio::test]
async fn what_a_newer_version_wrote_is_read_as_far_as_it_is_known_and_kept() {
    let stack = Stack::start().await;
    let old = properties(&[table("orders")]);
    let marks = |id| Migration::backfill(id, "orders", |_| Ok(Change::Keep));
    let function = stack.function(vec![marks("0001_a")]);
    stack.create(&function, &old).await.expect_success();
    for (entry, attribute, value) in [
        ("table#orders", "removal", "archive"),
        ("table#orders", "newer", "kept"),
        ("meta", "newer", "kept"),
    ] {
        let key = item([("scope", text(SCOPE)), ("entry", text(entry))]);
        let update = stack.client.update_item().table_name("tablewright-ledger").set_key(Some(key));
        let update =
            update.update_expression("SET #a = :v").expression_attribute_names("#a", attribute);
        update.expression_attribute_values(":v", text(value)).send().await.unwrap();
    }
    let row =
        [("id", text("0003_c")), ("state", text("held_for_release")), ("newer", text("kept"))];
    leave(&stack, "migration#0003_c", item(row)).await;

    let mut new = properties(&[support::with_index(table("orders"), "by_a", "a")]);
    new["Migrations"] = json!({ "Missing": "allow" });
    let function = stack.function(vec![marks("0001_a"), marks("0002_b")]);
    let answer = stack.update(&function, &new, &old).await.expect_success();
    assert!(
        answer
            .reason()
            .contains("migration 0003_c (in a state of a newer version) is newer than this build")
    );
    let rows = stack.ledger().await;
    for entry in ["table#orders", "meta", "migration#0003_c"] {
        assert_eq!(rows[entry]["newer"], text("kept"), "{entry}");
    }
}

#[tokio::test]
async fn a_delivery_that_was_answered_without_a_record_of_its_run_leaves_the_lease_to_a_later_one()
{
    let (stack, event) = begun().await;
    let answered =
        [("state", text("answered")), ("body", text("{}")), ("claimed_at_ms", number(1))];
    leave(&stack, &format!("answer#{}", run_of(&event)), item(answered)).await;
    let held = [
        ("run", text("later")),
        ("invocation", text("another")),
        ("fence", number(7)),
        ("expires_at_ms", number(u64::MAX)),
        ("version", text("7.0")),
    ];
    leave(&stack, "lease", item(held)).await;
    deliver(&stack.function(vec![]), &event, TIME).await.unwrap();
    let lease = &stack.ledger().await["lease"];
    assert_eq!((&lease["run"], &lease["fence"]), (&text("later"), &number(7)));
}
