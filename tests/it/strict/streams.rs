//! Streams of the plane: shards that follow one another, records that go, places that expire.

use std::time::Duration;

use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType};
use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodbstreams::error::ProvideErrorMetadata;
use aws_sdk_dynamodbstreams::types::{Shard, ShardIteratorType};
use tablewright::testing::ControlPlane;

use super::{plane_with, settle};
use crate::support::{item, text};

/// A plane with a stream of the table `orders`, and a client of streams.
async fn streaming() -> (ControlPlane, Client, String) {
    let (plane, client) = plane_with("orders").await;
    let specification = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::KeysOnly);
    let update = client.update_table().table_name("orders");
    let updated = update.stream_specification(specification.build().unwrap()).send().await.unwrap();
    settle().await;
    let streams = aws_sdk_dynamodbstreams::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .http_client(plane.http_client());
    let described =
        client.describe_table().table_name("orders").send().await.unwrap().table.unwrap();
    let arn = updated.table_description.unwrap().latest_stream_arn.or(described.latest_stream_arn);
    (plane, Client::from_conf(streams.build()), arn.unwrap())
}

async fn put(plane: &ControlPlane, pk: &str) {
    let put =
        plane.client().put_item().table_name("orders").set_item(Some(item([("pk", text(pk))])));
    put.send().await.unwrap();
}

async fn shards(streams: &Client, arn: &str) -> Vec<Shard> {
    let described = streams.describe_stream().stream_arn(arn).send().await.unwrap();
    described.stream_description.unwrap().shards.unwrap()
}

async fn place(streams: &Client, arn: &str, shard: &Shard) -> String {
    let place = streams
        .get_shard_iterator()
        .stream_arn(arn)
        .shard_id(shard.shard_id().unwrap())
        .shard_iterator_type(ShardIteratorType::TrimHorizon);
    place.send().await.unwrap().shard_iterator.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_shard_ends_after_four_hours_and_its_children_have_what_comes_then() {
    let (plane, streams, arn) = streaming().await;
    put(&plane, "early").await;
    let [parent] = &shards(&streams, &arn).await[..] else { panic!("one shard") };
    assert!(parent.sequence_number_range().unwrap().ending_sequence_number().is_none());
    tokio::time::sleep(Duration::from_hours(5)).await;
    for late in 0..8 {
        put(&plane, &late.to_string()).await;
    }
    let all = shards(&streams, &arn).await;
    let children: Vec<_> =
        all.iter().filter(|shard| shard.parent_shard_id() == parent.shard_id()).collect();
    assert_eq!((all.len(), children.len()), (3, 2));
    let mut counts = Vec::new();
    for shard in &all {
        let oldest = place(&streams, &arn, shard).await;
        let read = streams.get_records().shard_iterator(oldest).send().await.unwrap();
        assert_eq!(read.next_shard_iterator.is_none(), shard.shard_id() == parent.shard_id());
        counts.push(read.records.unwrap_or_default().len());
    }
    assert_eq!(counts[0], 1);
    assert_eq!(counts[1] + counts[2], 8);
    assert!(counts[1] > 0 && counts[2] > 0, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn records_are_gone_after_a_day_and_a_place_after_a_quarter_of_an_hour() {
    let (plane, streams, arn) = streaming().await;
    put(&plane, "old").await;
    let shard = shards(&streams, &arn).await.remove(0);
    let old = place(&streams, &arn, &shard).await;
    let read = streams.get_records().shard_iterator(&old).send().await.unwrap();
    let number = read.records()[0].dynamodb().unwrap().sequence_number().unwrap().to_owned();
    tokio::time::sleep(Duration::from_mins(16)).await;
    let expired = streams.get_records().shard_iterator(old).send().await.unwrap_err();
    assert_eq!(expired.code(), Some("ExpiredIteratorException"));
    tokio::time::sleep(Duration::from_hours(26)).await;
    let trimmed = streams
        .get_shard_iterator()
        .stream_arn(&arn)
        .shard_id(shard.shard_id().unwrap())
        .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
        .sequence_number(number);
    let error = trimmed.send().await.unwrap_err();
    assert_eq!(error.code(), Some("TrimmedDataAccessException"));
    let mut next = Some(place(&streams, &arn, &shard).await);
    for _ in 0..2 {
        let Some(oldest) = next else { break };
        let read = streams.get_records().shard_iterator(oldest).send().await.unwrap();
        assert!(read.records().is_empty());
        next = read.next_shard_iterator;
    }
    assert_eq!(next, None);
}
