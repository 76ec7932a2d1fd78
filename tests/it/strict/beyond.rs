//! What lies beyond the table: replicas in other regions, and the services that scale it and keep its keys.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    ReplicaStatus, StreamViewType, TableStatus, TimeToLiveSpecification,
};
use serde_json::{Value, json};
use tablewright::testing::{ControlPlane, KeyState};

use super::changes::{replica, stream, units, update};
use super::{Raw, attribute, describe, plane_with, refused, settle, sleep};

async fn replicas(client: &Client) -> Vec<(String, ReplicaStatus)> {
    let replicas = describe(client, "orders").await.replicas.unwrap_or_default();
    let shown = replicas.into_iter();
    shown.map(|one| (one.region_name.unwrap(), one.replica_status.unwrap())).collect()
}

fn no_replica(region: &str) -> aws_sdk_dynamodb::types::ReplicationGroupUpdate {
    let delete = aws_sdk_dynamodb::types::DeleteReplicationGroupMemberAction::builder();
    let delete = delete.region_name(region).build().unwrap();
    aws_sdk_dynamodb::types::ReplicationGroupUpdate::builder().delete(delete).build()
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_announced_made_and_taken_away_again() {
    let (plane, client) = plane_with("orders").await;
    let change = |to| update(&client).replica_updates(to).send();
    let local = "Cannot add or delete the local region through ReplicaUpdates";
    refused(change(replica("eu-west-1")).await, "ValidationException", local);
    let member = "one or more replicas were not part of the global table";
    refused(change(no_replica("us-east-1")).await, "ValidationException", member);
    let two = update(&client).replica_updates(replica("us-east-1"));
    let two = two.replica_updates(replica("us-west-2")).send().await;
    refused(
        two,
        "ValidationException",
        "more than one create or delete replica actions not allowed",
    );

    change(replica("us-east-1")).await.unwrap();
    assert_eq!(replicas(&client).await, []);
    // The service turns on the stream that it needs.
    let described = describe(&client, "orders").await;
    let view = described.stream_specification.unwrap().stream_view_type;
    assert_eq!(view, Some(StreamViewType::NewAndOldImages));
    assert_eq!(described.table_status, Some(TableStatus::Updating));
    sleep(7).await;
    assert_eq!(replicas(&client).await, [("us-east-1".to_owned(), ReplicaStatus::Creating)]);
    let terse = "The resource which you are attempting to change is in use.";
    refused(change(replica("us-west-2")).await, "ResourceInUseException", terse);
    refused(change(no_replica("us-east-1")).await, "ResourceInUseException", terse);
    let wanted = TimeToLiveSpecification::builder().attribute_name("ttl").enabled(true).build();
    let expiry = client.update_time_to_live().table_name("orders");
    let expiry = expiry.time_to_live_specification(wanted.unwrap()).send().await;
    refused(expiry, "ValidationException", "not allowed while the replica is being added");
    sleep(30).await;
    assert_eq!(replicas(&client).await, [("us-east-1".to_owned(), ReplicaStatus::Active)]);
    let exists = "one or more replicas already existed as tables";
    refused(change(replica("us-east-1")).await, "ValidationException", exists);
    let off = update(&client).stream_specification(stream(None)).send().await;
    refused(
        off,
        "ValidationException",
        "Disabling Stream is not allowed for a Global Table replica",
    );
    let source = "acted as a source region";
    let deleted = client.delete_table().table_name("orders").send().await;
    refused(deleted, "ValidationException", source);
    plane.replica_was_source("orders", "us-east-1");
    refused(change(no_replica("us-east-1")).await, "ValidationException", source);
    plane.advance(Duration::from_hours(24));
    change(no_replica("us-east-1")).await.unwrap();
    sleep(60).await;
    assert_eq!(replicas(&client).await, [("us-east-1".to_owned(), ReplicaStatus::Deleting)]);
    sleep(135).await;
    assert_eq!(replicas(&client).await, []);
    // Its table is still there for a while.
    refused(change(replica("us-east-1")).await, "ValidationException", exists);
    sleep(20).await;
    change(replica("us-east-1")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_replica_of_an_encrypted_table_has_a_key_of_its_own() {
    let (plane, client) = plane_with("orders").await;
    let key = plane.add_key("orders", KeyState::Enabled);
    let encryption = aws_sdk_dynamodb::types::SseSpecification::builder()
        .enabled(true)
        .sse_type(aws_sdk_dynamodb::types::SseType::Kms)
        .kms_master_key_id(key)
        .build();
    update(&client).sse_specification(encryption).send().await.unwrap();
    settle().await;
    let without = update(&client).replica_updates(replica("us-east-1")).send().await;
    refused(without, "ValidationException", "KMSMasterKeyId must be specified for each replica");
    let create = aws_sdk_dynamodb::types::CreateReplicationGroupMemberAction::builder()
        .region_name("us-east-1")
        .kms_master_key_id("arn:aws:kms:us-east-1:111122223333:key/1")
        .build()
        .unwrap();
    let with = aws_sdk_dynamodb::types::ReplicationGroupUpdate::builder().create(create).build();
    update(&client).replica_updates(with).send().await.unwrap();
}

#[tokio::test]
async fn targets_scale_and_outlive_their_table() {
    let raw = Raw::start().await;
    let client = raw.plane.client();
    let request = client.create_table().table_name("orders").provisioned_throughput(units(5, 5));
    let request = request.attribute_definitions(attribute("pk"));
    let key = super::key("pk", aws_sdk_dynamodb::types::KeyType::Hash);
    request.key_schema(key).send().await.unwrap();
    raw.plane.advance(Duration::from_mins(15));
    let writes = || {
        json!({
            "ResourceId": "table/orders", "ScalableDimension": "dynamodb:table:WriteCapacityUnits",
        })
    };
    let with = |more: Value| {
        let mut body = writes();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let (status, error) = raw.scaling("DeregisterScalableTarget", writes()).await;
    assert_eq!((status, &error["__type"]), (400, &json!("ObjectNotFoundException")));
    let (status, _) = raw
        .scaling("RegisterScalableTarget", with(json!({ "MinCapacity": 8, "MaxCapacity": 20 })))
        .await;
    assert_eq!(status, 200);
    // The minimum is above what the table had.
    raw.plane.advance(Duration::from_secs(5));
    let units = describe(&client, "orders").await.provisioned_throughput.unwrap();
    assert_eq!((units.read_capacity_units, units.write_capacity_units), (Some(5), Some(8)));
    let replicate = || update(&client).replica_updates(replica("us-east-1")).send();
    let unscaled = "Table write capacity should either be Pay-Per-Request or AutoScaled";
    refused(replicate().await, "ValidationException", unscaled);
    let policy = |name: &str| {
        with(json!({
            "PolicyName": name,
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": { "TargetValue": 70.0 },
        }))
    };
    for name in ["first", "second"] {
        assert_eq!(raw.scaling("PutScalingPolicy", policy(name)).await.0, 200);
    }
    let (_, policies) = raw.scaling("DescribeScalingPolicies", json!({})).await;
    let policies = policies["ScalingPolicies"].as_array().unwrap();
    assert_eq!((policies.len(), &policies[0]["PolicyName"]), (1, &json!("second")));
    replicate().await.unwrap();
    raw.plane.advance(Duration::from_hours(25));
    client.delete_table().table_name("orders").send().await.unwrap();
    raw.plane.advance(Duration::from_mins(15));
    client.describe_table().table_name("orders").send().await.unwrap_err();
    let filter = json!({ "ResourceIds": ["table/orders"] });
    let (_, targets) = raw.scaling("DescribeScalableTargets", filter.clone()).await;
    assert_eq!(targets["ScalableTargets"][0]["MinCapacity"], 8);
    assert_eq!(raw.scaling("DeregisterScalableTarget", writes()).await.0, 200);
    let (_, targets) = raw.scaling("DescribeScalableTargets", filter).await;
    assert_eq!(targets["ScalableTargets"], json!([]));
    let (_, policies) = raw.scaling("DescribeScalingPolicies", json!({})).await;
    assert_eq!(policies["ScalingPolicies"], json!([]));
}

#[tokio::test]
async fn a_key_is_found_by_whatever_names_it() {
    let raw = Raw::start().await;
    let arn = raw.plane.add_key("orders", KeyState::Enabled);
    let id = arn.rsplit('/').next().unwrap();
    let alias_arn = "arn:aws:kms:eu-west-1:111122223333:alias/orders";
    for named in [arn.as_str(), id, "alias/orders", alias_arn] {
        let (status, key) = raw.call("TrentService.DescribeKey", json!({ "KeyId": named })).await;
        assert_eq!((status, &key["KeyMetadata"]["Arn"]), (200, &json!(arn)), "{named}");
    }
    let (status, error) = raw.call("TrentService.DescribeKey", json!({ "KeyId": "x" })).await;
    assert_eq!((status, &error["__type"]), (400, &json!("NotFoundException")));
    let (status, error) = raw.call("Nothing.Known", json!({})).await;
    assert_eq!((status, &error["__type"]), (400, &json!("UnknownOperationException")));
}

#[tokio::test(start_paused = true)]
async fn the_account_tells_its_limits_and_endpoints() {
    let client = ControlPlane::builder().region("us-east-1").build().client();
    let limits = client.describe_limits().send().await.unwrap();
    assert_eq!(limits.table_max_read_capacity_units, Some(40_000));
    let endpoints = client.describe_endpoints().send().await.unwrap();
    assert_eq!(endpoints.endpoints()[0].address, "dynamodb.us-east-1.amazonaws.com");
}
