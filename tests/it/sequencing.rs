//! Deploys on the strict control plane: what must happen one after another does, and what takes time is waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    BillingMode, GlobalSecondaryIndexUpdate, IndexStatus, TableDescription, TableStatus,
};
use serde_json::{Value, json};
use tablewright::testing::{
    ControlPlane, Deployed, Durations, Fault, KeyState, Outcome, Quotas, Rate, Stack,
};

use crate::support::{properties, table, with, with_index};

/// A control plane on which an index is there within a minute, so that several fit into an invocation.
fn quick() -> ControlPlane {
    let durations = Durations {
        index_allocation: Duration::from_secs(4),
        index_backfill: Duration::from_secs(30),
        ..Durations::default()
    };
    ControlPlane::builder().durations(durations).build()
}

fn indexed(names: &[&str]) -> Value {
    names.iter().fold(table("orders"), |table, name| with_index(table, &format!("by_{name}"), name))
}

fn provisioned(mut table: Value, read: u64) -> Value {
    let throughput = json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": 1 });
    for index in table["GlobalSecondaryIndexes"].as_array_mut().into_iter().flatten() {
        index["ProvisionedThroughput"] = throughput.clone();
    }
    with(with(table, "BillingMode", json!("PROVISIONED")), "ProvisionedThroughput", throughput)
}

async fn describe(plane: &ControlPlane, table: &str) -> TableDescription {
    plane.client().describe_table().table_name(table).send().await.unwrap().table.unwrap()
}

/// Names of the indexes, all of which can be used.
async fn indexes(plane: &ControlPlane) -> Vec<String> {
    let described = describe(plane, "orders").await;
    let mut names = Vec::new();
    for index in described.global_secondary_indexes() {
        assert_eq!(index.index_status, Some(IndexStatus::Active));
        names.extend(index.index_name.clone());
    }
    names.sort();
    names
}

/// How often each operation was accepted.
fn accepted(plane: &ControlPlane) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in plane.calls() {
        if call.outcome == Outcome::Ok && call.table.as_deref() != Some("tablewright-ledger") {
            *counts.entry(call.operation).or_default() += 1;
        }
    }
    counts
}

/// Nothing was sent that AWS will never accept.
#[track_caller]
fn assert_nothing_refused_for_good(plane: &ControlPlane) {
    for call in plane.calls() {
        if let Outcome::Rejected { code, message } = &call.outcome {
            let class = tablewright::dynamo::classify(code, message);
            assert_ne!(class, tablewright::dynamo::Class::Permanent, "{call:?}");
        }
    }
}

#[track_caller]
fn assert_failed(deployed: &Deployed, parts: &[&str]) {
    let reason = deployed.answer.reason();
    assert!(!deployed.answer.is_success(), "it succeeded");
    for part in parts {
        assert!(reason.contains(part), "{part:?} is not in: {reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_table_comes_with_all_its_indexes_in_one_call_and_is_waited_for() {
    let plane = ControlPlane::new();
    let mut stack = Stack::new(&plane);
    let ttl = json!({ "AttributeName": "ttl", "Enabled": true });
    let pitr = json!({ "PointInTimeRecoveryEnabled": true });
    let orders = with(indexed(&["a", "b", "c"]), "TimeToLiveSpecification", ttl);
    let orders = with(orders, "PointInTimeRecoverySpecification", pitr);
    stack.deploy(&properties(&[orders])).await.expect_success();
    assert_eq!(indexes(&plane).await, ["by_a", "by_b", "by_c"]);
    let accepted = accepted(&plane);
    assert_eq!(accepted["CreateTable"], 1);
    assert!(!accepted.contains_key("UpdateTable"), "{accepted:?}");
    assert_nothing_refused_for_good(&plane);
}

#[tokio::test(start_paused = true)]
async fn any_number_of_indexes_comes_and_goes_in_one_deploy_one_at_a_time() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    stack.deploy(&properties(&[indexed(&["a", "b"])])).await.expect_success();
    stack.deploy(&properties(&[indexed(&["b", "c", "d", "e"])])).await.expect_success();
    assert_eq!(indexes(&plane).await, ["by_b", "by_c", "by_d", "by_e"]);
    assert_eq!(accepted(&plane)["UpdateTable"], 4);
    assert_nothing_refused_for_good(&plane);
}

#[tokio::test(start_paused = true)]
async fn changes_that_no_call_takes_together_are_made_one_after_another() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    let protected = |table, on: bool| with(table, "DeletionProtectionEnabled", json!(on));
    let before = protected(provisioned(indexed(&["a"]), 5), false);
    stack.deploy(&properties(&[before])).await.expect_success();
    let after = protected(provisioned(indexed(&["b"]), 9), true);
    stack.deploy(&properties(&[after])).await.expect_success();
    assert_eq!(indexes(&plane).await, ["by_b"]);
    let orders = describe(&plane, "orders").await;
    assert_eq!(orders.provisioned_throughput.unwrap().read_capacity_units, Some(9));
    assert_eq!(orders.deletion_protection_enabled, Some(true));
    assert_nothing_refused_for_good(&plane);
}

#[tokio::test(start_paused = true)]
async fn a_switch_to_provisioned_names_every_index_and_follows_the_removal_of_others() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    stack.deploy(&properties(&[indexed(&["a", "b", "c"])])).await.expect_success();
    stack.deploy(&properties(&[provisioned(indexed(&["a", "b"]), 7)])).await.expect_success();
    assert_eq!(indexes(&plane).await, ["by_a", "by_b"]);
    for index in describe(&plane, "orders").await.global_secondary_indexes() {
        let throughput = index.provisioned_throughput.as_ref().unwrap();
        assert_eq!(throughput.read_capacity_units, Some(7), "{:?}", index.index_name);
    }
    assert_nothing_refused_for_good(&plane);
}

#[tokio::test(start_paused = true)]
async fn a_billing_switch_in_flight_is_waited_out_before_it_is_reversed() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    stack.deploy(&properties(&[table("orders")])).await.expect_success();
    let throughput = aws_sdk_dynamodb::types::ProvisionedThroughput::builder()
        .read_capacity_units(5)
        .write_capacity_units(5)
        .build()
        .unwrap();
    let somebody = plane.client();
    let switch =
        somebody.update_table().table_name("orders").billing_mode(BillingMode::Provisioned);
    switch.provisioned_throughput(throughput).send().await.unwrap();
    let tagged = with(table("orders"), "Tags", json!([{ "Key": "a", "Value": "1" }]));
    stack.deploy(&properties(&[tagged])).await.expect_success();
    let mode = describe(&plane, "orders").await.billing_mode_summary.unwrap().billing_mode;
    assert_eq!(mode, Some(BillingMode::PayPerRequest));
    assert_nothing_refused_for_good(&plane);
}

#[tokio::test(start_paused = true)]
async fn an_index_that_a_dead_run_began_is_gone_on_with_and_never_restarted() {
    let plane = ControlPlane::new();
    let mut stack = Stack::new(&plane);
    stack.deploy(&properties(&[table("orders")])).await.expect_success();
    plane.reset_calls();
    // Two indexes take AWS longer than an invocation has.
    let after = properties(&[indexed(&["a", "b"])]);
    let mut deploys = 0;
    loop {
        deploys += 1;
        let deployed = stack.deploy(&after).await;
        if deployed.answer.is_success() {
            break;
        }
        assert_failed(&deployed, &["lack of time", "Deploy again to go on from there"]);
        assert!(deployed.after.unwrap().is_success(), "the rollback has nothing to wait for");
    }
    assert!((2..4).contains(&deploys), "{deploys} deploys");
    assert_eq!(indexes(&plane).await, ["by_a", "by_b"]);
    assert_eq!(accepted(&plane)["UpdateTable"], 2);
    assert_nothing_refused_for_good(&plane);
}

/// Two indexes on a plane where each takes hours, the second of them detached.
#[tokio::test(start_paused = true)]
async fn a_detached_index_is_filled_on_after_the_deploy_and_holds_nothing_else_up() {
    let hours = Durations { index_backfill: Duration::from_hours(3), ..Durations::default() };
    let plane = ControlPlane::builder().durations(hours).build();
    let mut stack = Stack::new(&plane);
    let ttl = |orders| {
        let ttl = json!({ "AttributeName": "ttl", "Enabled": true });
        properties(&[with(orders, "TimeToLiveSpecification", ttl)])
    };
    let detached = |completion: &str| {
        let mut orders = indexed(&["a"]);
        orders["GlobalSecondaryIndexes"][0]["Completion"] = json!(completion);
        orders
    };
    stack.deploy(&properties(&[table("orders")])).await.expect_success();
    let deployed = stack.deploy(&properties(&[detached("detach")])).await;
    deployed.expect_success();
    let said = deployed.answer.reason();
    assert!(said.contains("goes on after the deploy: + table orders: index by_a"), "{said}");
    plane.advance(Duration::from_mins(5));
    // The index is still being filled, and the table is changed all the same.
    stack.deploy(&ttl(detached("detach"))).await.expect_success();
    let deployed = stack.deploy(&ttl(detached("wait"))).await;
    assert_failed(&deployed, &["lack of time", "the index by_a is being filled"]);
    plane.advance(Duration::from_hours(3));
    stack.deploy(&ttl(detached("wait"))).await.expect_success();
    assert_eq!(indexes(&plane).await, ["by_a"]);
    assert_nothing_refused_for_good(&plane);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_is_changing_is_waited_for_before_it_is_compared() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    stack.deploy(&properties(&[table("orders")])).await.expect_success();
    add_index_by_hand(&plane).await;
    let tagged = with(table("orders"), "Tags", json!([{ "Key": "a", "Value": "1" }]));
    let deployed = stack.deploy(&properties(&[tagged])).await;
    deployed.expect_success();
    let said = deployed.answer.reason();
    assert!(said.contains("the index by_x is not declared and was not made here"), "{said}");
    assert_eq!(indexes(&plane).await, ["by_x"]);
    assert_nothing_refused_for_good(&plane);
}

#[tokio::test(start_paused = true)]
async fn another_view_of_a_stream_comes_by_way_of_none_and_its_new_arn_is_answered() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    let stream = |view: &str| {
        let stream = json!({ "StreamViewType": view });
        properties(&[with(table("orders"), "StreamSpecification", stream)])
    };
    let first = stack.deploy(&stream("KEYS_ONLY")).await;
    let second = stack.deploy(&stream("NEW_IMAGE")).await;
    second.expect_success();
    let arn = |deployed: &Deployed| deployed.answer.0["Data"]["orders.StreamArn"].clone();
    assert_ne!(arn(&first), arn(&second));
    assert_eq!(arn(&second), json!(describe(&plane, "orders").await.latest_stream_arn));
    assert_nothing_refused_for_good(&plane);
}

#[tokio::test(start_paused = true)]
async fn a_spent_quota_is_said_with_its_end_and_other_tables_go_on() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    let ttl = |name: &str, attribute: &str| {
        let ttl = json!({ "AttributeName": attribute, "Enabled": true });
        with(table(name), "TimeToLiveSpecification", ttl)
    };
    stack.deploy(&properties(&[ttl("orders", "a"), table("users")])).await.expect_success();
    let users = with_index(table("users"), "by_a", "a");
    let renamed = properties(&[ttl("orders", "b"), users]);
    let deployed = stack.deploy(&renamed).await;
    assert_failed(&deployed, &["blocked by a quota until", "Time to live has been modified"]);
    assert_eq!(describe(&plane, "users").await.global_secondary_indexes().len(), 1);
    // What is off in between is said by the plan of the next deploy, which the quota allows.
    for _ in 0..2 {
        plane.advance(Duration::from_hours(2));
        stack.deploy(&renamed).await;
    }
    let ttl = plane.client().describe_time_to_live().table_name("orders").send().await.unwrap();
    let ttl = ttl.time_to_live_description.unwrap();
    assert_eq!(ttl.attribute_name.as_deref(), Some("b"));
    assert_nothing_refused_for_good(&plane);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_tables_are_made_through_an_account_that_throttles() {
    let rate = Rate { burst: 5, per_second: 3.0 };
    let quotas = Quotas { mutations: Some(rate), ..Quotas::default() };
    let plane = ControlPlane::builder().quotas(quotas).build();
    let mut stack = Stack::new(&plane);
    let tables: Vec<_> = (0..100).map(|n| indexed_as(&format!("table{n:03}"))).collect();
    stack.deploy(&properties(&tables)).await.expect_success();
    let listed = plane.client().list_tables().send().await.unwrap().table_names.unwrap();
    assert!(listed.len() >= 100, "{}", listed.len());
    assert_eq!(accepted(&plane)["CreateTable"], 100);
    assert_nothing_refused_for_good(&plane);
}

/// Two reads a table tell what it is and whose; three tell who holds the scope, what was done and what there is.
#[tokio::test(start_paused = true)]
async fn a_deploy_with_nothing_to_do_reads_each_table_twice_and_the_ledger_three_times() {
    let quotas = Quotas { operations_with_indexes: 1000, ..Quotas::default() };
    let plane = ControlPlane::builder().durations(Durations::none()).quotas(quotas).build();
    let mut stack = Stack::new(&plane);
    let tables: Vec<_> = (0..100).map(|n| indexed_as(&format!("table{n:03}"))).collect();
    let declared = properties(&tables);
    stack.deploy(&declared).await.expect_success();
    plane.reset_calls();
    stack.deploy(&with(declared, "Migrations", json!({ "Hash": "1" }))).await.expect_success();
    let reads = ["Describe", "List", "Get", "Query", "Scan", "BatchGet"];
    let is_read = |operation: &str| reads.iter().any(|verb| operation.starts_with(verb));
    let (reads, writes): (Vec<_>, Vec<_>) =
        plane.calls().into_iter().map(|call| call.operation).partition(|call| is_read(call));
    assert_eq!(reads.len(), 2 * 100 + 3, "{reads:?}");
    // Its run, the lease taken and given back, the fence, the declaration begun and done, its end, the answer claimed
    // and confirmed.
    assert_eq!(writes.len(), 9, "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_left_unprocessed_are_asked_for_again() {
    let plane = ControlPlane::builder().durations(Durations::none()).build();
    let mut stack = Stack::new(&plane);
    let declared = properties(&[table("orders")]);
    stack.deploy(&declared).await.expect_success();
    plane.reset_calls();
    plane.fault(Fault::unprocessed().operation("BatchGetItem").nth(1));
    stack.deploy(&with(declared, "Migrations", json!({ "Hash": "1" }))).await.expect_success();
    let asked = plane.calls().into_iter().filter(|call| call.operation == "BatchGetItem");
    assert_eq!(asked.count(), 2);
}

fn indexed_as(name: &str) -> Value {
    with_index(table(name), "by_a", "a")
}

#[tokio::test(start_paused = true)]
async fn a_table_whose_creation_was_not_answered_is_recognised() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    plane.fault(Fault::lost_answer().operation("CreateTable").table("orders").nth(1));
    stack.deploy(&properties(&[table("orders")])).await.expect_success();
    stack.deploy(&properties(&[indexed(&["a"])])).await.expect_success();
    assert_eq!(describe(&plane, "orders").await.table_status, Some(TableStatus::Active));
}

#[tokio::test(start_paused = true)]
async fn deletion_waits_for_an_index_that_is_still_filled() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    let deleted = with(table("orders"), "RemovalPolicy", json!("delete"));
    stack.deploy(&properties(&[deleted])).await.expect_success();
    add_index_by_hand(&plane).await;
    assert!(stack.destroy().await.unwrap().is_success());
    let found = plane.client().describe_table().table_name("orders").send().await;
    assert!(found.is_err(), "the table is there");
    assert_nothing_refused_for_good(&plane);
}

/// Each quota is spent by changes that are deployed one after another; the next is said to be blocked, and until when.
#[tokio::test(start_paused = true)]
async fn every_spent_quota_ends_a_deploy_at_once_with_its_end() {
    type Declared<'a> = &'a dyn Fn(usize) -> Value;

    let units = |n: usize| provisioned(table("orders"), 40 - n as u64);
    let class = |n: usize| {
        let class = ["STANDARD", "STANDARD_INFREQUENT_ACCESS"][n % 2];
        with(table("orders"), "TableClass", json!(class))
    };
    let encryption =
        |n: usize| with(table("orders"), "SSESpecification", json!({ "SSEEnabled": n % 2 == 1 }));
    let cases: [(&str, usize, Declared<'_>); 3] = [
        ("decreases are limited", 4, &units),
        ("Updates to TableClass are limited", 2, &class),
        ("Encryption mode changes are limited", 4, &encryption),
    ];
    for (said, allowed, declared) in cases {
        let plane = quick();
        let mut stack = Stack::new(&plane);
        for change in 0..=allowed {
            stack.deploy(&properties(&[declared(change)])).await.expect_success();
        }
        let before = tokio::time::Instant::now();
        let spent = stack.deploy(&properties(&[declared(allowed + 1)])).await;
        assert_failed(&spent, &["UpdateTable on orders is blocked by a quota until 2", said]);
        let waited = before.elapsed();
        assert!(waited < Duration::from_mins(1), "{said}: it waited for {waited:?}");
        assert!(spent.after.unwrap().is_success(), "{said}: the table is usable as it was");
        assert_nothing_refused_for_good(&plane);
    }
}

#[tokio::test(start_paused = true)]
async fn protection_that_was_just_turned_off_is_no_obstacle_to_deletion() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    let protected = |on: bool| with(table("orders"), "DeletionProtectionEnabled", json!(on));
    stack.deploy(&properties(&[protected(true)])).await.expect_success();
    let open = with(protected(false), "RemovalPolicy", json!("delete"));
    stack.deploy(&properties(&[open])).await.expect_success();
    assert!(stack.destroy().await.unwrap().is_success());
    assert!(!exists(&plane, "orders").await);
    assert_nothing_refused_for_good(&plane);
}

async fn exists(plane: &ControlPlane, table: &str) -> bool {
    plane.client().describe_table().table_name(table).send().await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn deletion_waits_for_tags_a_policy_and_a_key_that_are_still_being_changed() {
    let tags = json!([{ "Key": "a", "Value": "1" }]);
    let statement = json!({
        "Effect": "Allow",
        "Principal": { "AWS": "arn:aws:iam::111122223333:role/reader" },
        "Action": "dynamodb:GetItem",
        "Resource": "*",
    });
    let policy = json!({ "PolicyDocument": { "Version": "2012-10-17", "Statement": [statement] } });
    for (property, value) in [
        ("Tags", tags),
        ("ResourcePolicy", policy),
        ("SSESpecification", json!({ "SSEEnabled": true })),
    ] {
        let plane = quick();
        let mut stack = Stack::new(&plane);
        let deleted = with(table("orders"), "RemovalPolicy", json!("delete"));
        stack.deploy(&properties(std::slice::from_ref(&deleted))).await.expect_success();
        stack.deploy(&properties(&[with(deleted, property, value)])).await.expect_success();
        assert!(stack.destroy().await.unwrap().is_success(), "{property}");
        assert!(!exists(&plane, "orders").await, "{property}");
        assert_nothing_refused_for_good(&plane);
    }
}

#[tokio::test(start_paused = true)]
async fn tags_are_set_in_one_call_and_taken_away_in_another() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    let tagged = |keys: &[&str]| {
        let tags: Vec<_> = keys.iter().map(|key| json!({ "Key": key, "Value": "1" })).collect();
        properties(&[with(table("orders"), "Tags", json!(tags))])
    };
    stack.deploy(&tagged(&["a", "b", "c"])).await.expect_success();
    plane.reset_calls();
    stack.deploy(&tagged(&["c", "d", "e"])).await.expect_success();
    let accepted = accepted(&plane);
    assert_eq!((accepted["TagResource"], accepted["UntagResource"]), (1, 1));
    assert_nothing_refused_for_good(&plane);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_made_in_part_is_taken_back_with_the_stack() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    let recovery = json!({ "PointInTimeRecoveryEnabled": true });
    let orders = with(table("orders"), "PointInTimeRecoverySpecification", recovery);
    plane.fault(Fault::internal_error().operation("UpdateContinuousBackups").table("orders"));
    let deployed = stack.deploy(&properties(&[orders])).await;
    assert_failed(&deployed, &["UpdateContinuousBackups on orders failed", "Undone: table orders"]);
    assert!(deployed.after.unwrap().is_success());
    assert!(!exists(&plane, "orders").await);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_still_going_is_waited_for_and_made_again() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    let ttl = json!({ "AttributeName": "ttl", "Enabled": true });
    let orders = with(table("orders"), "TimeToLiveSpecification", ttl);
    stack.deploy(&properties(std::slice::from_ref(&orders))).await.expect_success();
    let before = describe(&plane, "orders").await.table_id;
    plane.client().delete_table().table_name("orders").send().await.unwrap();
    let tagged = with(orders, "Tags", json!([{ "Key": "a", "Value": "1" }]));
    stack.deploy(&properties(&[tagged])).await.expect_success();
    let after = describe(&plane, "orders").await;
    assert_eq!(after.table_status, Some(TableStatus::Active));
    assert_ne!(after.table_id, before);
    assert_nothing_refused_for_good(&plane);
}

#[tokio::test(start_paused = true)]
async fn a_kinesis_stream_that_is_connected_already_is_not_connected_again() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    stack.deploy(&properties(&[table("orders")])).await.expect_success();
    let arn = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders";
    let enable = plane.client().enable_kinesis_streaming_destination().table_name("orders");
    enable.stream_arn(arn).send().await.unwrap();
    plane.reset_calls();
    let kinesis = json!({ "StreamArn": arn });
    let connected = with(table("orders"), "KinesisStreamSpecification", kinesis);
    stack.deploy(&properties(&[connected])).await.expect_success();
    assert!(!accepted(&plane).contains_key("EnableKinesisStreamingDestination"));
    assert_nothing_refused_for_good(&plane);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_has_lost_its_key_is_refused_at_once_and_by_name() {
    let plane = quick();
    let mut stack = Stack::new(&plane);
    let key = plane.add_key("orders", KeyState::Enabled);
    let encrypted = json!({ "SSEEnabled": true, "KMSMasterKeyId": key });
    let orders = with(table("orders"), "SSESpecification", encrypted);
    stack.deploy(&properties(std::slice::from_ref(&orders))).await.expect_success();
    plane.set_key("alias/orders", KeyState::Disabled);
    plane.advance(Duration::from_hours(200));
    let deployed =
        stack.deploy(&properties(&[with(orders, "TableClass", json!("STANDARD"))])).await;
    assert_failed(
        &deployed,
        &["table orders is INACCESSIBLE_ENCRYPTION_CREDENTIALS", "mend it first"],
    );
}

async fn add_index_by_hand(plane: &ControlPlane) {
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, CreateGlobalSecondaryIndexAction, KeySchemaElement, KeyType,
        Projection, ProjectionType, ScalarAttributeType,
    };
    let key = KeySchemaElement::builder().attribute_name("x").key_type(KeyType::Hash);
    let create = CreateGlobalSecondaryIndexAction::builder()
        .index_name("by_x")
        .key_schema(key.build().unwrap())
        .projection(Projection::builder().projection_type(ProjectionType::All).build());
    let update = GlobalSecondaryIndexUpdate::builder().create(create.build().unwrap()).build();
    let attribute = |name: &str| {
        let kind = ScalarAttributeType::S;
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
    };
    let request = plane.client().update_table().table_name("orders");
    let request = request.attribute_definitions(attribute("pk"));
    let request = request.attribute_definitions(attribute("x"));
    request.global_secondary_index_updates(update).send().await.unwrap();
}
