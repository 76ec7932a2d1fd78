//! What one `UpdateTable` may ask for, and what is refused while something else is in flight.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_table::builders::UpdateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    BillingMode, CreateReplicationGroupMemberAction, OnDemandThroughput, ProvisionedThroughput,
    ReplicationGroupUpdate, SseSpecification, StreamSpecification, StreamViewType, TableClass,
    TableStatus, UpdateGlobalSecondaryIndexAction, WarmThroughput,
};
use tablewright::testing::ControlPlane;

use super::{
    attribute, create, describe, key, new_index, no_index, once, plane_with, refused, settle, sleep,
};

type Request = UpdateTableFluentBuilder;

/// One change that an `UpdateTable` can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    OnDemand,
    Throughput,
    Limits,
    Warm,
    IndexThroughput,
    NewIndex,
    NoIndex,
    Stream,
    Encryption,
    Class,
    Protection,
    Replica,
}

use Change::{
    Class, Encryption, IndexThroughput, Limits, NewIndex, NoIndex, OnDemand, Protection, Replica,
    Stream, Throughput, Warm,
};

const CHANGES: [Change; 12] = [
    OnDemand,
    Throughput,
    Limits,
    Warm,
    IndexThroughput,
    NewIndex,
    NoIndex,
    Stream,
    Encryption,
    Class,
    Protection,
    Replica,
];

impl Change {
    fn ask(self, request: Request) -> Request {
        match self {
            OnDemand => request.billing_mode(BillingMode::PayPerRequest),
            Throughput => request.provisioned_throughput(units(11, 11)),
            Limits => request.on_demand_throughput(
                OnDemandThroughput::builder().max_read_request_units(100).build(),
            ),
            Warm => request
                .warm_throughput(WarmThroughput::builder().read_units_per_second(20_000).build()),
            IndexThroughput => request.global_secondary_index_updates(index_units("by_a", 12, 12)),
            NewIndex => {
                let index = new_index("by_b", "b");
                // On demand it has none.
                let is_on_demand = request.get_billing_mode().is_some();
                let index = if is_on_demand { index } else { with_units(index) };
                request.attribute_definitions(attribute("b")).global_secondary_index_updates(index)
            }
            NoIndex => request.global_secondary_index_updates(no_index("by_a")),
            Stream => request.stream_specification(stream(Some(StreamViewType::NewImage))),
            Encryption => {
                request.sse_specification(SseSpecification::builder().enabled(true).build())
            }
            Class => request.table_class(TableClass::StandardInfrequentAccess),
            Protection => request.deletion_protection_enabled(true),
            Replica => request.replica_updates(replica("us-east-1")),
        }
    }
}

pub(super) fn units(read: i64, write: i64) -> ProvisionedThroughput {
    let units = ProvisionedThroughput::builder();
    units.read_capacity_units(read).write_capacity_units(write).build().unwrap()
}

pub(super) fn index_units(
    name: &str,
    read: i64,
    write: i64,
) -> aws_sdk_dynamodb::types::GlobalSecondaryIndexUpdate {
    let update = UpdateGlobalSecondaryIndexAction::builder()
        .index_name(name)
        .provisioned_throughput(units(read, write))
        .build()
        .unwrap();
    aws_sdk_dynamodb::types::GlobalSecondaryIndexUpdate::builder().update(update).build()
}

fn with_units(
    mut update: aws_sdk_dynamodb::types::GlobalSecondaryIndexUpdate,
) -> aws_sdk_dynamodb::types::GlobalSecondaryIndexUpdate {
    if let Some(create) = &mut update.create {
        create.provisioned_throughput = Some(units(1, 1));
    }
    update
}

pub(super) fn stream(view: Option<StreamViewType>) -> StreamSpecification {
    let stream = StreamSpecification::builder().stream_enabled(view.is_some());
    stream.set_stream_view_type(view).build().unwrap()
}

pub(super) fn replica(region: &str) -> ReplicationGroupUpdate {
    let create = CreateReplicationGroupMemberAction::builder().region_name(region).build().unwrap();
    ReplicationGroupUpdate::builder().create(create).build()
}

/// A provisioned table with an index, at rest.
pub(super) async fn provisioned() -> (ControlPlane, Client) {
    let plane = ControlPlane::new();
    let client = plane.client();
    let index = aws_sdk_dynamodb::types::GlobalSecondaryIndex::builder()
        .index_name("by_a")
        .key_schema(key("a", aws_sdk_dynamodb::types::KeyType::Hash))
        .projection(
            aws_sdk_dynamodb::types::Projection::builder()
                .projection_type(aws_sdk_dynamodb::types::ProjectionType::All)
                .build(),
        )
        .provisioned_throughput(units(10, 10))
        .build()
        .unwrap();
    client
        .create_table()
        .table_name("orders")
        .provisioned_throughput(units(10, 10))
        .key_schema(key("pk", aws_sdk_dynamodb::types::KeyType::Hash))
        .attribute_definitions(attribute("pk"))
        .attribute_definitions(attribute("a"))
        .global_secondary_indexes(index)
        .send()
        .await
        .unwrap();
    settle().await;
    (plane, client)
}

pub(super) fn update(client: &Client) -> Request {
    client.update_table().table_name("orders")
}

#[tokio::test(start_paused = true)]
async fn nearly_every_pair_of_changes_is_refused_and_changes_nothing() {
    let accepted = [
        (OnDemand, Limits),
        (OnDemand, NewIndex),
        (OnDemand, Stream),
        (Throughput, IndexThroughput),
        (IndexThroughput, NewIndex),
    ];
    // These break a rule of their own kind before they could be one change too many.
    let invalid = [(OnDemand, Throughput), (OnDemand, IndexThroughput), (IndexThroughput, NoIndex)];
    let static_texts = ["must be the only operation", "can only be combined", "You cannot"];
    let mut refusals = 0;
    for (at, first) in CHANGES.into_iter().enumerate() {
        for second in CHANGES.into_iter().skip(at + 1) {
            let pair = (first, second);
            let (_plane, client) = provisioned().await;
            let before = describe(&client, "orders").await;
            let result = second.ask(first.ask(update(&client))).send().await;
            let after = describe(&client, "orders").await;
            if accepted.contains(&pair) {
                result.unwrap_or_else(|error| panic!("{pair:?}: {error:?}"));
                assert_ne!(before, after, "{pair:?}");
                continue;
            }
            refusals += 1;
            assert_eq!(before, after, "{pair:?}");
            let error = result.expect_err("one change a call");
            let error = error.into_service_error();
            let message = error.meta().message().unwrap_or_default();
            if pair == (NewIndex, NoIndex) {
                assert!(message.contains("Only 1 online index"), "{pair:?}: {message}");
                continue;
            }
            assert_eq!(error.meta().code(), Some("ValidationException"), "{pair:?}");
            let is_static = static_texts.iter().any(|text| message.contains(text))
                || message.contains("cannot be specified when updating WarmThroughput");
            assert!(is_static || invalid.contains(&pair), "{pair:?}: {message}");
        }
    }
    assert_eq!(refusals, 66 - accepted.len());
}

#[tokio::test(start_paused = true)]
async fn each_change_alone_is_made_and_settles() {
    for change in CHANGES {
        let (_plane, client) =
            if change == Limits { plane_with("orders").await } else { provisioned().await };
        if change == Replica {
            // Its writes do not scale.
            let error = change.ask(update(&client)).send().await;
            refused(error, "ValidationException", "Table write capacity should either be");
            continue;
        }
        let before = describe(&client, "orders").await;
        change.ask(update(&client)).send().await.unwrap();
        settle().await;
        let after = describe(&client, "orders").await;
        assert_ne!(before, after, "{change:?}");
        assert_eq!(after.table_status, Some(TableStatus::Active), "{change:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_message_names_the_most_exclusive_change() {
    for (changes, name) in [
        ([Protection, Encryption, Class], "Server-Side Encryption modification"),
        ([Protection, Warm, Class], "TableClass modification"),
        ([Protection, Warm, OnDemand], "DeletionProtection modification"),
        ([Throughput, Warm, Stream], "WarmThroughput must be the only operation"),
    ] {
        let (_plane, client) = provisioned().await;
        let request = changes.iter().fold(update(&client), |request, change| change.ask(request));
        refused(request.send().await, "ValidationException", name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_change_and_empty_members_are_told_apart() {
    let (plane, client) = plane_with("orders").await;
    let nothing = "At least one of ProvisionedThroughput, BillingMode";
    refused(update(&client).send().await, "ValidationException", nothing);
    let empty = OnDemandThroughput::builder().build();
    let alone = update(&once(&plane)).on_demand_throughput(empty.clone());
    refused(alone.send().await, "InternalFailure", "");
    let beside = update(&client).on_demand_throughput(empty).deletion_protection_enabled(true);
    beside.send().await.unwrap();
}

/// What is in flight, and which changes it refuses; whatever else is admitted.
const IN_FLIGHT: &[(Change, &[Change])] = &[
    (Throughput, &[OnDemand, Throughput, IndexThroughput, NewIndex, NoIndex, Stream, Class]),
    (Stream, &[OnDemand, Throughput, IndexThroughput, NewIndex, NoIndex, Stream, Class]),
    (Class, &[OnDemand, Throughput, IndexThroughput, NewIndex, NoIndex, Stream, Class]),
    (Encryption, &[Encryption]),
    (NewIndex, &[OnDemand, Throughput, Warm, NewIndex, NoIndex, Stream, Class]),
    (NoIndex, &[OnDemand, Throughput, IndexThroughput, NewIndex, NoIndex, Stream, Class]),
    (IndexThroughput, &[IndexThroughput, NoIndex]),
    (Warm, &[]),
    (Protection, &[]),
];

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_refuses_what_collides_with_it() {
    for (first, refuses) in IN_FLIGHT {
        for second in CHANGES {
            // A table of either billing mode has not all of them.
            if matches!(second, Limits | Replica) {
                continue;
            }
            let (plane, client) = provisioned().await;
            first.ask(update(&client)).send().await.unwrap();
            let result = second.ask(update(&once(&plane))).send().await;
            let case = format!("{second:?} while {first:?}");
            if !refuses.contains(&second) {
                result.unwrap_or_else(|error| panic!("{case}: {error:?}"));
                continue;
            }
            let error = result.expect_err(&case).into_service_error();
            let code = error.meta().code().unwrap_or_default();
            let expected = match (first, second) {
                (NewIndex | NoIndex, NewIndex) | (NewIndex, NoIndex) => "LimitExceededException",
                (NewIndex, Warm) => "InternalServerError",
                _ => "ResourceInUseException",
            };
            assert_eq!(code, expected, "{case}: {error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_cannot_be_deleted_while_anything_goes_on_with_it() {
    for change in CHANGES {
        if matches!(change, Limits | Protection | Replica) {
            continue;
        }
        let (_plane, client) = provisioned().await;
        change.ask(update(&client)).send().await.unwrap();
        let deleted = client.delete_table().table_name("orders").send().await;
        refused(deleted, "ResourceInUseException", "");
        settle().await;
        client.delete_table().table_name("orders").send().await.unwrap();
        let again = client.delete_table().table_name("orders").send().await;
        refused(again, "ResourceInUseException", "Table is being deleted: orders");
        settle().await;
        let gone = client.describe_table().table_name("orders").send().await;
        refused(gone, "ResourceNotFoundException", "Table: orders not found");
    }
}

#[tokio::test(start_paused = true)]
async fn an_index_is_given_up_only_once_it_is_being_filled() {
    let (_plane, client) = provisioned().await;
    NewIndex.ask(update(&client)).send().await.unwrap();
    let give_up = || update(&client).global_secondary_index_updates(no_index("by_b"));
    refused(give_up().send().await, "ResourceInUseException", "resource allocation phase");
    sleep(60).await;
    // Throughput may change meanwhile, unlike before.
    Throughput.ask(update(&client)).send().await.unwrap();
    sleep(5).await;
    refused(
        NoIndex.ask(update(&client)).send().await,
        "LimitExceededException",
        "Only 1 online index can be created or deleted simultaneously per table",
    );
    give_up().send().await.unwrap();
    sleep(10).await;
    let described = describe(&client, "orders").await;
    assert_eq!(described.global_secondary_indexes().len(), 1);
    assert_eq!(described.attribute_definitions().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_way_back_from_a_billing_switch_is_answered_and_lost() {
    let (plane, client) = plane_with("orders").await;
    let to_provisioned = update(&client).billing_mode(BillingMode::Provisioned);
    to_provisioned.provisioned_throughput(units(5, 5)).send().await.unwrap();
    let back = OnDemand.ask(update(&client)).send().await.unwrap();
    let status = back.table_description.and_then(|table| table.table_status);
    assert_eq!(status, Some(TableStatus::Updating));
    refused(Throughput.ask(update(&client)).send().await, "ResourceInUseException", "Table IOPS");
    settle().await;
    let summary = describe(&client, "orders").await.billing_mode_summary.unwrap();
    assert_eq!(summary.billing_mode, Some(BillingMode::Provisioned));
    // The other way round it is refused.
    OnDemand.ask(update(&client)).send().await.unwrap();
    let forth = update(&client).billing_mode(BillingMode::Provisioned);
    let forth = forth.provisioned_throughput(units(5, 5)).send().await;
    refused(forth, "ResourceInUseException", "Table IOPS are currently being updated");
    drop(plane);
}

#[tokio::test(start_paused = true)]
async fn a_table_becomes_provisioned_with_all_its_indexes_or_not_at_all() {
    let (_plane, client) = provisioned().await;
    OnDemand.ask(update(&client)).send().await.unwrap();
    sleep(60).await;
    assert_eq!(describe(&client, "orders").await.table_status, Some(TableStatus::Updating));
    settle().await;
    let to_provisioned = || update(&client).billing_mode(BillingMode::Provisioned);
    refused(
        to_provisioned().send().await,
        "ValidationException",
        "ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
    );
    let without = to_provisioned().provisioned_throughput(units(1, 1)).send().await;
    refused(
        without,
        "ValidationException",
        "ProvisionedThroughput must be specified for index: by_a",
    );
    let with = to_provisioned()
        .provisioned_throughput(units(1, 1))
        .global_secondary_index_updates(index_units("by_a", 2, 2));
    with.send().await.unwrap();
    // It has been provisioned before: this is quick.
    sleep(5).await;
    let described = describe(&client, "orders").await;
    assert_eq!(described.table_status, Some(TableStatus::Active));
    let index = &described.global_secondary_indexes()[0];
    assert_eq!(index.provisioned_throughput.as_ref().unwrap().read_capacity_units, Some(2));
}

#[tokio::test(start_paused = true)]
async fn answers_tell_the_old_values() {
    let (_plane, client) = provisioned().await;
    let answer = Throughput.ask(update(&client)).send().await.unwrap().table_description.unwrap();
    assert_eq!(answer.table_status, Some(TableStatus::Updating));
    assert_eq!(answer.provisioned_throughput.unwrap().read_capacity_units, Some(10));
    sleep(3).await;
    let after = describe(&client, "orders").await;
    assert_eq!(after.provisioned_throughput.unwrap().read_capacity_units, Some(11));
    refused(
        Throughput.ask(update(&client)).send().await,
        "ValidationException",
        "The provisioned throughput for the table will not change",
    );
}

#[tokio::test(start_paused = true)]
async fn each_stream_has_an_arn_of_its_own() {
    let (_plane, client) = plane_with("orders").await;
    let off = || update(&client).stream_specification(stream(None));
    refused(off().send().await, "ValidationException", "Table has no stream to disable");
    let mut arns = Vec::new();
    for _ in 0..2 {
        Stream.ask(update(&client)).send().await.unwrap();
        sleep(6).await;
        arns.push(describe(&client, "orders").await.latest_stream_arn.unwrap());
        let again = Stream.ask(update(&client)).send().await;
        refused(again, "ValidationException", "Table already has an enabled stream");
        off().send().await.unwrap();
        sleep(6).await;
        let after = describe(&client, "orders").await;
        assert_eq!(after.stream_specification, None);
        assert_eq!(after.latest_stream_arn.as_ref(), arns.last());
    }
    assert_ne!(arns[0], arns[1]);
}

#[tokio::test(start_paused = true)]
async fn a_table_made_again_is_another_one() {
    let (_plane, client) = plane_with("orders").await;
    let first = describe(&client, "orders").await;
    let taken = client.create_table().table_name("orders").billing_mode(BillingMode::PayPerRequest);
    let taken = taken
        .key_schema(key("pk", aws_sdk_dynamodb::types::KeyType::Hash))
        .attribute_definitions(attribute("pk"));
    refused(taken.send().await, "ResourceInUseException", "Table already exists: orders");
    client.delete_table().table_name("orders").send().await.unwrap();
    settle().await;
    create(&client, "orders").await;
    settle().await;
    let second = describe(&client, "orders").await;
    assert_eq!(first.table_arn, second.table_arn);
    assert_ne!(first.table_id, second.table_id);
}

#[tokio::test(start_paused = true)]
async fn an_index_change_leaves_the_table_active() {
    let (_plane, client) = provisioned().await;
    let change = update(&client).global_secondary_index_updates(index_units("by_a", 12, 12));
    change.send().await.unwrap();
    let described = describe(&client, "orders").await;
    assert_eq!(described.table_status, Some(TableStatus::Active));
    let index = &described.global_secondary_indexes()[0];
    assert_eq!(index.index_status, Some(aws_sdk_dynamodb::types::IndexStatus::Updating));
    assert_eq!(index.provisioned_throughput.as_ref().unwrap().read_capacity_units, Some(10));
    sleep(3).await;
    let described = describe(&client, "orders").await;
    let index = &described.global_secondary_indexes()[0];
    assert_eq!(index.provisioned_throughput.as_ref().unwrap().read_capacity_units, Some(12));
    assert_eq!(index.warm_throughput.as_ref().unwrap().read_units_per_second, Some(12));
}
