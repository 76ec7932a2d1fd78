//! What a deploy removes: nothing before the whole stack has succeeded, nothing that is not ours, and all of it in the end.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tablewright::dynamo::Dynamo;
use tablewright::handler::Handler;
use tablewright::testing::{self, ControlPlane};
use tablewright::{Migration, MigrationError};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::faults::{deploy_until, forward};
use crate::support::{
    self, PHYSICAL_ID, SCOPE, Stack, item, properties, table, text, with, with_index,
};
use tablewright::testing::{Mishap, Trap};

pub(crate) fn policy(table: Value, policy: &str) -> Value {
    with(table, "RemovalPolicy", json!(policy))
}

pub(crate) fn generation(number: u64) -> String {
    format!("{}{number}", PHYSICAL_ID.strip_suffix('1').unwrap())
}

/// Two tables, of which one leaves with the next declaration.
pub(crate) fn both(removal: &str) -> Value {
    properties(&[table("orders"), policy(table("users"), removal)])
}

pub(crate) fn one() -> Value {
    properties(&[table("orders")])
}

pub(crate) async fn with_users(removal: &str) -> (Stack, Handler) {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    stack.create(&function, &both(removal)).await.expect_success();
    stack.put("users", item([("pk", text("1"))])).await;
    (stack, function)
}

impl Stack {
    pub(crate) async fn has(&self, table: &str) -> bool {
        self.tables().await.contains(&table.to_owned())
    }

    pub(crate) async fn row(&self, table: &str) -> Option<support::Item> {
        self.ledger().await.remove(&format!("table#{table}"))
    }

    /// The generation that doomed a table.
    pub(crate) async fn doomed(&self, table: &str) -> Option<String> {
        let row = self.row(table).await?;
        row.get("doomed")?.as_n().ok().cloned()
    }

    pub(crate) async fn is_declared(&self, table: &str) -> bool {
        self.row(table).await.is_some_and(|row| row["declared"] == AttributeValue::Bool(true))
    }
}

#[tokio::test]
async fn a_doomed_table_goes_when_the_whole_stack_has_succeeded_and_not_before() {
    let (stack, function) = with_users("delete").await;
    let update = stack.update_alone(&function, &one(), &both("delete")).await.expect_success();
    assert_eq!(
        update.reason().split(" (run").next().unwrap(),
        "mind, as the log explains: TW001 table users; - table users: doomed, goes when the whole stack has succeeded"
    );
    assert_eq!(update.physical_id(), generation(2));
    assert_eq!(stack.items("users").await.len(), 1);
    assert_eq!(stack.doomed("users").await.as_deref(), Some("2"));

    let cleanup = stack.clean_up(&function, &both("delete")).await.unwrap();
    assert!(cleanup.reason().contains("table users deleted"), "{}", cleanup.reason());
    assert_eq!(stack.tables().await, ["orders", "tablewright-ledger"]);
    assert!(stack.row("users").await.is_none());
    // From then on the new identity is the one that is held, and nothing makes another.
    let next = stack.update(&function, &one(), &one()).await.expect_success();
    assert_eq!((next.physical_id(), next.reason()), (generation(2).as_str(), ""));
}

#[tokio::test]
async fn indexes_and_what_is_turned_off_go_when_the_whole_stack_has_succeeded() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let full = with_index(with_index(table("orders"), "by_a", "a"), "by_b", "b");
    let full = with(full, "StreamSpecification", json!({ "StreamViewType": "KEYS_ONLY" }));
    let ttl = json!({ "AttributeName": "ttl", "Enabled": true });
    let full = with(full, "TimeToLiveSpecification", ttl);
    let old = properties(&[with(full, "DeletionProtectionEnabled", json!(true))]);
    let bare =
        with(with_index(table("orders"), "by_b", "b"), "DeletionProtectionEnabled", json!(false));
    let new = properties(&[bare]);
    let before = "PAY_PER_REQUEST by_a by_b stream=KEYS_ONLY ttl=ttl protected";
    for is_rolled_back in [true, false] {
        if is_rolled_back {
            stack.create(&function, &old).await.expect_success();
        }
        assert_eq!(stack.show("orders").await, before);
        let update = stack.update_alone(&function, &new, &old).await.expect_success();
        assert!(
            update
                .reason()
                .contains("- table orders: index by_a, when the whole stack has succeeded"),
            "{}",
            update.reason()
        );
        assert_eq!(stack.show("orders").await, before);
        if is_rolled_back {
            let back = stack.roll_back(&function, &old, &new).await.expect_success();
            assert!(back.reason().contains("went back to the declaration before"));
        } else {
            stack.clean_up(&function, &old).await.unwrap();
        }
    }
    assert_eq!(stack.show("orders").await, "PAY_PER_REQUEST by_b");
    let again = stack.update(&function, &new, &new).await.expect_success();
    assert_eq!(again.reason(), "");
}

#[tokio::test]
async fn an_index_in_the_way_of_provisioned_throughput_goes_before_it() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let old = properties(&[with_index(table("orders"), "by_a", "a")]);
    let throughput = json!({ "ReadCapacityUnits": 5, "WriteCapacityUnits": 1 });
    let new = with(table("orders"), "BillingMode", json!("PROVISIONED"));
    let new = properties(&[with(new, "ProvisionedThroughput", throughput)]);
    stack.create(&function, &old).await.expect_success();
    let update = stack.update_alone(&function, &new, &old).await.expect_success();
    assert_eq!(stack.show("orders").await, "PROVISIONED 5/1");
    assert_eq!(update.physical_id(), PHYSICAL_ID);
}

#[tokio::test]
async fn more_tables_than_are_allowed_are_refused_before_anything_is_written() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let gone = |name: &str| policy(table(name), "delete");
    let old = properties(&[table("orders"), gone("ones"), gone("twos"), table("kept")]);
    stack.create(&function, &old).await.expect_success();
    let mut new = properties(&[with_index(table("orders"), "by_a", "a")]);
    stack.update(&function, &new, &old).await.expect_failure(&[
        "refused before anything was changed",
        "tables ones, twos left the declaration and would be deleted after this deploy, MaxTableDeletes allows 1",
    ]);
    assert_eq!(stack.indexes("orders").await, [""; 0]);
    assert_eq!((stack.doomed("ones").await, stack.physical_id()), (None, PHYSICAL_ID.to_owned()));
    new["MaxTableDeletes"] = json!("2");
    stack.update(&function, &new, &old).await.expect_success();
    assert_eq!(stack.tables().await, ["kept", "orders", "tablewright-ledger"]);
}

#[tokio::test]
async fn a_failing_update_dooms_nothing() {
    let (stack, _) = with_users("delete").await;
    let fails = Migration::new("0001_a", |_| async { Err(MigrationError::new("no")) });
    let function = stack.function(vec![fails.down(|_| async { Ok(()) })]);
    stack.update(&function, &one(), &both("delete")).await.expect_failure(&["no"]);
    assert_eq!((stack.doomed("users").await, stack.is_declared("users").await), (None, true));
    assert_eq!(stack.physical_id(), PHYSICAL_ID);
}

#[tokio::test]
async fn what_keeps_a_table_is_said_when_it_leaves() {
    let stack = Stack::start().await;
    if stack.engine.lacks_identity() {
        return;
    }
    let function = stack.function(vec![]);
    stack.create_foreign_table("adopted", &[]).await;
    let gone = |name: &str| policy(table(name), "delete");
    let old = properties(&[
        policy(table("retained"), "retain"),
        with(gone("adopted"), "Adopt", json!(true)),
        gone("protected"),
        gone("replaced"),
        gone("vanished"),
    ]);
    stack.create(&function, &old).await.expect_success();
    for name in ["replaced", "vanished"] {
        stack.client.delete_table().table_name(name).send().await.unwrap();
    }
    let protect = |on: bool| {
        stack.client.update_table().table_name("protected").deletion_protection_enabled(on).send()
    };
    protect(true).await.unwrap();
    stack.create_foreign_table("replaced", &[("tablewright:owner", SCOPE)]).await;
    let update = stack.update(&function, &properties(&[]), &old).await.expect_success();
    assert_eq!(update.physical_id(), PHYSICAL_ID);
    assert_eq!(
        stack.tables().await,
        ["adopted", "protected", "replaced", "retained", "tablewright-ledger"]
    );
    // Forgotten, or on record as not declared: the end of the resource does not bring them up again.
    assert!(stack.row("vanished").await.is_none());
    protect(false).await.unwrap();
    let ended = stack.delete(&function, &properties(&[])).await.expect_success();
    assert!(ended.reason().contains("table protected stays: it had left the declaration before"));
    assert!(stack.has("protected").await);
}

/// Between the Update and its cleanup a table can change hands.
#[tokio::test]
async fn a_doomed_table_is_looked_at_again_before_it_goes() {
    for (change, said, is_there) in [
        ("protect", "table users stays: it is protected against deletion", true),
        ("replace", "table users stays: it was not made by this resource", true),
        ("untag", "table users stays: it was not made by this resource", true),
        ("delete", "table users was gone already", false),
    ] {
        let (stack, function) = with_users("delete").await;
        if stack.engine.lacks_identity() && matches!(change, "replace" | "untag") {
            continue;
        }
        stack.update_alone(&function, &one(), &both("delete")).await.expect_success();
        let client = &stack.client;
        match change {
            "protect" => {
                let protect = client.update_table().table_name("users");
                protect.deletion_protection_enabled(true).send().await.unwrap();
            }
            "untag" => {
                let arn = stack.describe("users").await.table_arn.unwrap();
                let untag = client.untag_resource().resource_arn(arn);
                untag.tag_keys("tablewright:owner").send().await.unwrap();
            }
            _ => {
                client.delete_table().table_name("users").send().await.unwrap();
            }
        }
        if change == "replace" {
            stack.create_foreign_table("users", &[("tablewright:owner", SCOPE)]).await;
        }
        let cleanup = stack.clean_up(&function, &both("delete")).await.unwrap();
        assert!(cleanup.reason().contains(said), "{change}: {}", cleanup.reason());
        assert_eq!(stack.has("users").await, is_there, "{change}");
        assert_eq!(stack.doomed("users").await, None, "{change}");
        // A table that stays for good is no longer in the way of anything.
        let next = stack.update(&function, &one(), &one()).await.expect_success();
        assert_eq!((next.reason(), next.physical_id()), ("", generation(2).as_str()), "{change}");
    }
}

#[tokio::test]
async fn without_backups_a_table_with_the_policy_snapshot_stays() {
    let (stack, function) = with_users("snapshot").await;
    let update = stack.update_alone(&function, &one(), &both("snapshot")).await.expect_success();
    assert!(update.reason().contains("(snapshot first)"), "{}", update.reason());
    let cleanup = stack.clean_up(&function, &both("snapshot")).await.unwrap();
    assert!(
        cleanup.reason().contains("table users stays: this engine has no backups to snapshot it")
    );
    assert_eq!(stack.items("users").await.len(), 1);
}

/// Fails every request of one operation.
#[derive(Debug)]
struct Refusing(&'static str);

impl Intercept for Refusing {
    fn name(&self) -> &'static str {
        "refusing"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target").unwrap_or_default();
        if target.ends_with(self.0) { Err(format!("no {}", self.0).into()) } else { Ok(()) }
    }
}

/// A function to which one operation is refused.
pub(crate) fn without(stack: &Stack, operation: &'static str) -> Handler {
    let config = stack
        .engine
        .config()
        .retry_config(RetryConfig::disabled())
        .interceptor(Refusing(operation));
    let dynamo = Dynamo::new(Client::from_conf(config.build()));
    support::function(dynamo, &stack.stacks, vec![])
}

#[tokio::test]
async fn what_a_cleanup_could_not_delete_is_on_record_and_goes_after_the_next_deploy() {
    let (stack, function) = with_users("delete").await;
    let (old, two) =
        (both("delete"), properties(&[table("orders"), policy(table("more"), "delete")]));
    stack.update_alone(&function, &two, &old).await.expect_success();
    let failing = without(&stack, ".DeleteTable");
    let cleanup = stack.clean_up(&failing, &old).await.unwrap();
    let said = "table users is still there, the next deploy tries again: ";
    assert!(cleanup.reason().contains(said), "{}", cleanup.reason());
    assert!(
        stack.row("users").await.unwrap()["failure"].as_s().unwrap().contains("no .DeleteTable")
    );

    // What is left over counts towards no limit, and one cleanup deletes no more than is allowed.
    let next = stack.update_alone(&function, &one(), &two).await.expect_success();
    assert!(next.reason().contains("the last try failed: DynamoDB"), "{}", next.reason());
    let cleanup = stack.clean_up(&function, &two).await.unwrap();
    assert!(cleanup.reason().contains("table users deleted"), "{}", cleanup.reason());
    assert!(cleanup.reason().contains("table more waits: MaxTableDeletes allows 1 at a time"));
    assert_eq!(stack.tables().await, ["more", "orders", "tablewright-ledger"]);
    stack.update(&function, &one(), &one()).await.expect_success();
    assert_eq!(stack.tables().await, ["orders", "tablewright-ledger"]);
    let last = stack.update(&function, &one(), &one()).await.expect_success();
    assert_eq!((last.reason(), last.physical_id()), ("", generation(4).as_str()));
}

/// Stands before an engine, and lets nobody do anything with the table `users`.
struct Denying(String);

impl Respond for Denying {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        if body["TableName"] == "users" {
            let denied = json!({
                "__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException",
                "Message": "User: arn:aws:sts::111122223333:assumed-role/F is not authorized",
            });
            return ResponseTemplate::new(400).set_body_json(denied);
        }
        let (endpoint, request) = (self.0.clone(), request.clone());
        std::thread::spawn(move || forward(&endpoint, request)).join().unwrap()
    }
}

#[tokio::test]
async fn rights_that_leave_with_the_declaration_fail_no_deploy() {
    let (stack, function) = with_users("delete").await;
    let denying = MockServer::start().await;
    let responder = Denying(stack.engine.url.clone());
    Mock::given(any()).respond_with(responder).mount(&denying).await;
    let dynamo = Dynamo::new(stack.engine.client_at(&denying.uri()));
    let without_rights = support::function(dynamo, &stack.stacks, vec![]);
    stack.update_alone(&without_rights, &one(), &both("delete")).await.expect_success();
    assert_eq!(stack.doomed("users").await.as_deref(), Some("2"));
    let cleanup = stack.clean_up(&without_rights, &both("delete")).await.unwrap();
    let said = "the next deploy tries again: dynamodb:DescribeTable on users is denied";
    assert!(cleanup.reason().contains(said), "{}", cleanup.reason());
    stack.update(&function, &one(), &one()).await.expect_success();
    assert!(!stack.has("users").await);
}

#[tokio::test]
async fn an_index_that_a_cleanup_could_not_remove_goes_after_the_next_deploy() {
    let stack = Stack::start().await;
    let function = stack.function(vec![]);
    let old = properties(&[with_index(table("orders"), "by_a", "a")]);
    stack.create(&function, &old).await.expect_success();
    stack.update_alone(&function, &one(), &old).await.expect_success();
    let cleanup = stack.clean_up(&without(&stack, ".UpdateTable"), &old).await.unwrap();
    assert!(cleanup.reason().contains("not everything was removed"), "{}", cleanup.reason());
    assert_eq!(stack.indexes("orders").await, ["by_a"]);
    stack.update(&function, &one(), &one()).await.expect_success();
    assert_eq!(stack.indexes("orders").await, [""; 0]);
}

#[tokio::test]
async fn a_doomed_table_that_is_declared_again_stays() {
    let (stack, function) = with_users("delete").await;
    stack.update_alone(&function, &one(), &both("delete")).await.expect_success();
    stack.clean_up(&without(&stack, ".DeleteTable"), &both("delete")).await.unwrap();
    let again = stack.update(&function, &both("delete"), &one()).await.expect_success();
    assert!(
        again.reason().contains("table users is declared again, it stays"),
        "{}",
        again.reason()
    );
    assert_eq!(again.physical_id(), generation(2));
    assert_eq!(stack.doomed("users").await, None);
    assert_eq!(stack.items("users").await.len(), 1);
}

#[tokio::test]
async fn the_end_of_the_resource_takes_along_what_was_doomed() {
    let (stack, function) = with_users("delete").await;
    stack.update_alone(&function, &one(), &both("delete")).await.expect_success();
    stack.clean_up(&without(&stack, ".DeleteTable"), &both("delete")).await.unwrap();
    stack.delete(&function, &one()).await.expect_success();
    assert_eq!(stack.tables().await, ["orders", "tablewright-ledger"]);
}

fn before() -> Value {
    properties(&[with_index(table("orders"), "by_a", "a"), policy(table("users"), "delete")])
}

/// Each request of the cleanup fails in turn, and the process dies before each in turn. The next deploy, with its
/// cleanup, comes to the end that an untroubled one comes to.
#[tokio::test]
async fn whatever_stops_a_cleanup_the_next_deploy_reaches_the_same_end() {
    for fault in [Mishap::Fails, Mishap::Crash] {
        for request in 0.. {
            let stack = Stack::start().await;
            let function = stack.function(vec![]);
            stack.create(&function, &before()).await.expect_success();
            stack.update_alone(&function, &one(), &before()).await.expect_success();
            let event = stack.clean_up_event(&before()).unwrap();
            let trap = Trap::at(request, fault);
            deploy_until(&stack, &trap, &event);
            let answers = stack.answers_to(&event).await;
            if !trap.has_sprung() {
                assert!(request > 20, "only {request} requests: the loop has lost its subject");
                break;
            }
            assert!(stack.has("orders").await);
            if fault == Mishap::Fails {
                assert_eq!(answers.len(), 1, "request {request}");
            }
            // CloudFormation does not try again by itself.
            stack.forget_replaced();
            let next = stack.update(&function, &one(), &one()).await;
            assert_eq!(next.status(), "SUCCESS", "{fault:?} {request}: {}", next.reason());
            let at = format!("{fault:?} {request}");
            assert_eq!(stack.tables().await, ["orders", "tablewright-ledger"], "{at}");
            assert_eq!(stack.indexes("orders").await, [""; 0], "{at}");
            assert_eq!(stack.row("users").await, None, "{at}");
        }
    }
}

/// The Update that dooms dies before each of its requests in turn, and CloudFormation rolls back. No table is lost that
/// is declared again, and the next deploy dooms what it leaves out.
#[tokio::test]
async fn whatever_stops_the_update_that_dooms_the_way_back_is_open() {
    for request in 0.. {
        let stack = Stack::start().await;
        let function = stack.function(vec![]);
        stack.create(&function, &before()).await.expect_success();
        let event = stack.event("Update", &one(), Some(&before()));
        stack.stacks.set("UPDATE_IN_PROGRESS");
        let trap = Trap::at(request, Mishap::Crash);
        deploy_until(&stack, &trap, &event);
        if !trap.has_sprung() {
            return;
        }
        stack.roll_back(&function, &before(), &one()).await.expect_success();
        assert!(stack.is_declared("users").await, "request {request}");
        assert_eq!(stack.doomed("users").await, None, "request {request}");
        assert!(stack.indexes("orders").await.contains(&"by_a".to_owned()));
        // The build that died had migrations, and this one has none.
        let mut next = one();
        next["Migrations"] = json!({ "Missing": "allow" });
        stack.update(&function, &next, &before()).await.expect_success();
        assert_eq!(stack.tables().await, ["orders", "tablewright-ledger"], "request {request}");
        assert_eq!(stack.indexes("orders").await, [""; 0], "request {request}");
    }
}

/// On a control plane with backups, where everything takes its time.
#[tokio::test(start_paused = true)]
async fn the_snapshot_of_a_doomed_table_holds_its_items_and_stays_on_record() {
    let plane = ControlPlane::new();
    let client = plane.client();
    let mut stack = testing::Stack::new(&plane);
    stack.deploy(&both("snapshot")).await.expect_success();
    for pk in ["1", "2", "3"] {
        let put = client.put_item().table_name("users");
        put.set_item(Some(item([("pk", text(pk))]))).send().await.unwrap();
    }
    stack.deploy_and_fail_later(&one()).await.expect_success();
    let backups = || async { client.list_backups().table_name("users").send().await.unwrap() };
    assert_eq!(backups().await.backup_summaries().len(), 0, "a rollback backs nothing up");

    let removed = stack.deploy(&one()).await;
    removed.expect_success();
    let said = removed.after.unwrap().reason().to_owned();
    let arn = backups().await.backup_summaries()[0].backup_arn.clone().unwrap();
    assert_eq!(
        said.split(" (run").next().unwrap(),
        format!("table users deleted after the backup {arn}")
    );
    assert_eq!(
        client.list_tables().send().await.unwrap().table_names(),
        ["orders", "tablewright-ledger"]
    );
    let rows = client.scan().table_name("tablewright-ledger").send().await.unwrap().items.unwrap();
    let row = rows.iter().find(|row| row["entry"] == text("table#users")).unwrap();
    assert_eq!(row["backups"], AttributeValue::L(vec![text(&arn)]));
    assert!(row["deleted_at"].is_s());

    let restore = client.restore_table_from_backup().target_table_name("restored");
    restore.backup_arn(&arn).send().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_hours(1)).await;
    let restored = client.scan().table_name("restored").send().await.unwrap();
    assert_eq!(restored.count, 3);

    // The record stands in nobody's way: not in that of a table of the same name, and not in that of the end.
    stack.deploy(&both("delete")).await.expect_success();
    let ended = stack.destroy().await.unwrap();
    assert!(ended.reason().contains("table users deleted"), "{}", ended.reason());
    let rows = client.scan().table_name("tablewright-ledger").send().await.unwrap().items.unwrap();
    let row = rows.iter().find(|row| row["entry"] == text("table#users")).unwrap();
    assert_eq!(row["backups"], AttributeValue::L(vec![text(&arn)]));
}

/// A backup that does not become ready in time leaves the table where it is.
#[tokio::test(start_paused = true)]
async fn a_table_is_not_deleted_before_its_backup_can_be_restored_from() {
    let plane = ControlPlane::new();
    let mut stack = testing::Stack::new(&plane);
    stack.deploy(&both("snapshot")).await.expect_success();
    let refused = |call: &testing::Call| matches!(call.outcome, testing::Outcome::Rejected { .. });
    plane.reset_calls();
    stack.deploy(&one()).await.expect_success();
    let calls = plane.calls();
    let at = |operation: &str| {
        let found = calls.iter().rposition(|call| call.operation == operation && !refused(call));
        found.unwrap_or_else(|| panic!("{operation} was not sent"))
    };
    assert!(at("CreateBackup") < at("DescribeBackup") && at("DescribeBackup") < at("DeleteTable"));
}
