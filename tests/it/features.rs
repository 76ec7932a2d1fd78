//! Features of tables on the strict control plane: each is turned on, changed and left out as AWS allows it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{TableDescription, TableStatus};
use serde_json::{Value, json};
use tablewright::schema::AutoScaling;
use tablewright::services::Regions;
use tablewright::testing::{ControlPlane, KeyState, Outcome, Stack};

use crate::strict;
use crate::support::{properties, table, with, with_index};

/// A stack of one table on a strict plane.
struct Strict {
    plane: ControlPlane,
    stack: Stack,
}

impl Strict {
    fn new() -> Self {
        let plane = ControlPlane::new();
        Self { stack: Stack::new(&plane), plane }
    }

    /// Deploys a table, then the same again under another hash: that must find nothing to do, and nothing to say.
    async fn deploy(&mut self, table: &Value) {
        let declared = properties(std::slice::from_ref(table));
        self.stack.deploy(&declared).await.expect_success();
        self.plane.reset_calls();
        let again = with(declared, "Migrations", json!({ "Hash": "again" }));
        let again = self.stack.deploy(&again).await;
        again.expect_success();
        assert_eq!(again.answer.reason(), "");
        assert_eq!(self.changes(), [""; 0]);
    }

    /// The calls that changed a table, since the last look.
    fn changes(&self) -> Vec<String> {
        let calls = self.plane.calls().into_iter();
        let of_tables = calls.filter(|call| {
            let is_read =
                ["Describe", "List", "Get", "Query"].iter().any(|r| call.operation.starts_with(r));
            let is_ledger = call.table.as_deref() == Some("tablewright-ledger");
            !is_read && !is_ledger && call.outcome == Outcome::Ok
        });
        of_tables.map(|call| call.operation).collect()
    }

    async fn describe(&self) -> TableDescription {
        let described = self.plane.client().describe_table().table_name("orders").send().await;
        described.unwrap().table.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn all_features_of_a_new_table_come_in_one_deploy_and_all_changes_of_it_in_another() {
    let mut strict = Strict::new();
    let _arn = strict.plane.add_key("orders", KeyState::Enabled);
    let by_alias = json!({ "SSEEnabled": true, "KMSMasterKeyId": "alias/orders" });
    let encryption = |on: bool| if on { by_alias.clone() } else { json!({ "SSEEnabled": false }) };
    let warm = |n: u64| json!({ "ReadUnitsPerSecond": n, "WriteUnitsPerSecond": n });
    let full = |on: bool, units: u64| {
        let mut orders = with_index(table("orders"), "by_a", "a");
        orders["WarmThroughput"] = warm(units);
        orders["GlobalSecondaryIndexes"][0]["WarmThroughput"] = warm(units);
        orders["SSESpecification"] = encryption(on);
        let class = if on { "STANDARD" } else { "STANDARD_INFREQUENT_ACCESS" };
        orders["TableClass"] = json!(class);
        orders["PointInTimeRecoverySpecification"] = json!({ "PointInTimeRecoveryEnabled": on });
        orders["TimeToLiveSpecification"] = json!({ "AttributeName": "expires", "Enabled": on });
        with(orders, "DeletionProtectionEnabled", json!(!on))
    };
    strict.deploy(&full(true, 13_000)).await;
    let described = strict.describe().await;
    assert_eq!(described.warm_throughput.unwrap().read_units_per_second, Some(13_000));
    let index = &described.global_secondary_indexes.unwrap()[0];
    assert_eq!(index.warm_throughput.as_ref().unwrap().write_units_per_second, Some(13_000));
    let key = described.sse_description.unwrap().kms_master_key_arn.unwrap();
    assert!(key.contains(":key/"), "{key}");
    // Expiry changes about once an hour.
    tokio::time::sleep(Duration::from_hours(2)).await;
    strict.deploy(&full(false, 14_000)).await;
    let described = strict.describe().await;
    assert_eq!(described.warm_throughput.unwrap().read_units_per_second, Some(14_000));
    assert_eq!(described.deletion_protection_enabled, Some(true));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_turned_off_now_is_turned_off_later_and_is_nobodys_drift() {
    let mut strict = Strict::new();
    let expiring = |on: bool| {
        let ttl = json!({ "AttributeName": "expires", "Enabled": on });
        with(table("orders"), "TimeToLiveSpecification", ttl)
    };
    strict.deploy(&expiring(true)).await;
    let blocked = "not everything was removed, the next deploy tries again: UpdateTimeToLive on orders is blocked";
    for hash in ["1", "2"] {
        let declared = properties(&[expiring(false)]);
        let declared = with(declared, "Migrations", json!({ "Hash": hash }));
        let deployed = strict.stack.deploy(&declared).await;
        deployed.expect_success();
        let cleanup = deployed.after.unwrap();
        let said = cleanup.reason();
        assert!(said.starts_with(blocked), "{said}");
    }
    tokio::time::sleep(Duration::from_hours(2)).await;
    strict.deploy(&expiring(false)).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_by_alias_is_sent_once_and_not_again() {
    let mut strict = Strict::new();
    let _arn = strict.plane.add_key("orders", KeyState::Enabled);
    let by_alias = json!({ "SSEEnabled": true, "KMSMasterKeyId": "alias/orders" });
    strict.deploy(&table("orders")).await;
    let encrypted = with(table("orders"), "SSESpecification", by_alias);
    strict.deploy(&encrypted).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_encrypt_is_refused_before_anything_is_made() {
    let mut strict = Strict::new();
    let _arn = strict.plane.add_key("asymmetric", KeyState::Asymmetric);
    for (key, why) in
        [("alias/asymmetric", "not SYMMETRIC_DEFAULT"), ("alias/nobody", "KMS knows no such key")]
    {
        let encryption = json!({ "SSEEnabled": true, "KMSMasterKeyId": key });
        let declared = properties(&[with(table("orders"), "SSESpecification", encryption)]);
        let refused = strict.stack.deploy(&declared).await.answer;
        let said = refused.reason();
        assert!(said.contains("refused before anything was changed"), "{said}");
        assert!(said.contains(key) && said.contains(why), "{said}");
        assert_eq!(strict.changes(), [""; 0]);
    }
}

const STREAM: &str = "arn:aws:kinesis:eu-west-1:111122223333:stream";

#[tokio::test(start_paused = true)]
async fn insights_policy_and_kinesis_come_change_and_go() {
    let mut strict = Strict::new();
    let statement = |action: &str| {
        let root = json!({ "AWS": "arn:aws:iam::111122223333:root" });
        json!({ "Effect": "Allow", "Principal": root, "Action": action, "Resource": "*" })
    };
    let full = |mode: &str, action: &str, stream: &str| {
        let insights = json!({ "Enabled": true, "Mode": mode });
        let mut orders = with_index(table("orders"), "by_a", "a");
        orders["GlobalSecondaryIndexes"][0]["ContributorInsightsSpecification"] = insights.clone();
        orders["ContributorInsightsSpecification"] = insights;
        orders["ResourcePolicy"] =
            json!({ "PolicyDocument": { "Statement": [statement(action)] } });
        let arn = format!("{STREAM}/{stream}");
        with(orders, "KinesisStreamSpecification", json!({ "StreamArn": arn }))
    };
    strict.deploy(&full("THROTTLED_KEYS", "dynamodb:Query", "a")).await;
    strict.deploy(&full("ACCESSED_AND_THROTTLED_KEYS", "dynamodb:Scan", "b")).await;
    let precise = json!({
        "StreamArn": format!("{STREAM}/b"),
        "ApproximateCreationDateTimePrecision": "MICROSECOND",
    });
    let precise = with(
        full("ACCESSED_AND_THROTTLED_KEYS", "dynamodb:Scan", "b"),
        "KinesisStreamSpecification",
        precise,
    );
    strict.deploy(&precise).await;
    strict.deploy(&with_index(table("orders"), "by_a", "a")).await;
    let client = strict.plane.client();
    let insights = client.describe_contributor_insights().table_name("orders").send().await;
    let status = insights.unwrap().contributor_insights_status.unwrap();
    assert_eq!(status.as_str(), "DISABLED");
    let described = client.describe_kinesis_streaming_destination().table_name("orders").send();
    for destination in described.await.unwrap().kinesis_data_stream_destinations() {
        assert_eq!(destination.destination_status.as_ref().unwrap().as_str(), "DISABLED");
    }
    let arn = strict.describe().await.table_arn.unwrap();
    let policy = client.get_resource_policy().resource_arn(arn).send().await;
    assert!(policy.unwrap_err().into_service_error().is_policy_not_found_exception());
}

#[tokio::test(start_paused = true)]
async fn a_kinesis_stream_that_turns_out_unusable_fails_the_deploy_with_the_reason() {
    let mut strict = Strict::new();
    strict.deploy(&table("orders")).await;
    let foreign = "arn:aws:kinesis:us-east-1:111122223333:stream/orders";
    let orders = json!({ "StreamArn": foreign });
    let orders = with(table("orders"), "KinesisStreamSpecification", orders);
    let deployed = strict.stack.deploy(&properties(&[orders])).await;
    let said = deployed.answer.reason();
    assert!(!deployed.answer.is_success());
    assert!(said.contains("which is not in the current region"), "{said}");
    assert!(deployed.after.unwrap().is_success());
}

fn provisioned(read: u64) -> Value {
    let throughput = json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": 5 });
    let mut orders = with_index(table("orders"), "by_a", "a");
    orders["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"] = throughput.clone();
    orders["ProvisionedThroughput"] = throughput;
    with(orders, "BillingMode", json!("PROVISIONED"))
}

fn scaled(mut table: Value, scaling: &Value) -> Value {
    table["GlobalSecondaryIndexes"][0]["AutoScaling"] = scaling.clone();
    with(table, "AutoScaling", scaling.clone())
}

#[tokio::test(start_paused = true)]
async fn auto_scaling_begins_changes_and_ends_and_its_figures_are_left_alone() {
    let mut strict = Strict::new();
    let scaling = |min: u64| {
        let range = json!({ "MinCapacity": min, "MaxCapacity": 100, "TargetValue": 70 });
        json!({ "Read": range, "Write": range })
    };
    strict.deploy(&scaled(provisioned(5), &scaling(5))).await;
    // A least above what there is moves the figures at once.
    strict.deploy(&scaled(provisioned(5), &scaling(12))).await;
    let read = |described: TableDescription| {
        described.provisioned_throughput.unwrap().read_capacity_units.unwrap()
    };
    assert_eq!(read(strict.describe().await), 12);
    strict.deploy(&provisioned(12)).await;
    strict.deploy(&scaled(provisioned(12), &scaling(5))).await;
    strict.deploy(&with_index(table("orders"), "by_a", "a")).await;
}

#[tokio::test(start_paused = true)]
async fn replicas_come_with_their_settings_change_and_go() {
    let mut strict = Strict::new();
    // Another region is another plane, on which the replica is a table like others.
    let regions = ["eu-west-2", "us-east-1"];
    let planes: BTreeMap<_, _> =
        regions.map(|region| (region, ControlPlane::builder().region(region).build())).into();
    for plane in planes.values() {
        strict::create(&plane.client(), "orders").await;
    }
    let clients = planes.clone();
    strict.stack.connect_regions(Regions::new(move |region| clients[region].client()));
    let replica = |region: &str, on: bool| {
        json!({
            "Region": region,
            "Tags": [{ "Key": "team", "Value": if on { "shop" } else { "depot" } }],
            "DeletionProtectionEnabled": on,
            "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": on },
            "ContributorInsightsSpecification": { "Enabled": on },
            "TableClass": if on { "STANDARD_INFREQUENT_ACCESS" } else { "STANDARD" },
        })
    };
    let replicated =
        |on: bool| with(table("orders"), "Replicas", json!(regions.map(|of| replica(of, on))));
    strict.deploy(&replicated(true)).await;
    let described = strict.describe().await;
    assert_eq!(described.replicas().len(), 2);
    assert!(described.stream_specification.unwrap().stream_enabled);
    for plane in planes.values() {
        let there = strict::describe(&plane.client(), "orders").await;
        assert_eq!(there.deletion_protection_enabled, Some(true));
        let arn = there.table_arn.unwrap();
        tokio::time::sleep(Duration::from_mins(1)).await;
        let tags = plane.client().list_tags_of_resource().resource_arn(arn).send().await.unwrap();
        assert_eq!(tags.tags()[0].value, "shop");
        let backups = plane.client().describe_continuous_backups().table_name("orders").send();
        let backups = backups.await.unwrap().continuous_backups_description.unwrap();
        let recovery = backups.point_in_time_recovery_description.unwrap();
        assert_eq!(recovery.point_in_time_recovery_status.unwrap().as_str(), "ENABLED");
    }
    strict.deploy(&replicated(false)).await;
    strict.deploy(&table("orders")).await;
    assert!(strict.describe().await.replicas().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_another_was_copied_from_goes_a_day_later() {
    let mut strict = Strict::new();
    let replicated = with(table("orders"), "Replicas", json!([{ "Region": "us-east-1" }]));
    strict.deploy(&replicated).await;
    strict.plane.replica_was_source("orders", "us-east-1");
    let alone = properties(&[table("orders")]);
    let deployed = strict.stack.deploy(&alone).await;
    deployed.expect_success();
    let cleanup = deployed.after.unwrap();
    for part in ["the next deploy tries again", "blocked by a quota until", "acted as a source"] {
        assert!(cleanup.reason().contains(part), "{part:?} is not in: {}", cleanup.reason());
    }
    assert_eq!(strict.describe().await.table_status, Some(TableStatus::Active));
    strict.plane.advance(Duration::from_hours(25));
    strict.stack.deploy(&with(alone, "Migrations", json!({ "Hash": "2" }))).await.expect_success();
    assert!(strict.describe().await.replicas().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_provisioned_table_gets_its_auto_scaling_before_its_replica() {
    let mut strict = Strict::new();
    let range = json!({ "MinCapacity": 5, "MaxCapacity": 100, "TargetValue": 70 });
    let orders = scaled(provisioned(5), &json!({ "Write": range }));
    strict.deploy(&with(orders, "Replicas", json!([{ "Region": "us-east-1" }]))).await;
    assert_eq!(strict.describe().await.replicas().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_goes_takes_its_replicas_and_its_scaling_along() {
    let mut strict = Strict::new();
    let range = json!({ "MinCapacity": 5, "MaxCapacity": 100, "TargetValue": 70 });
    let orders = scaled(provisioned(5), &json!({ "Write": range }));
    let orders = with(orders, "Replicas", json!([{ "Region": "us-east-1" }]));
    strict.deploy(&with(orders, "RemovalPolicy", json!("delete"))).await;
    let deleted = strict.stack.destroy().await.unwrap();
    assert!(deleted.is_success(), "{}", deleted.reason());
    let client = strict.plane.client();
    let found = client.describe_table().table_name("orders").send().await;
    assert!(found.unwrap_err().into_service_error().is_resource_not_found_exception());
    let scaling = strict.plane.services().scaler.of_table("orders", ["by_a"]).await.unwrap();
    assert_eq!(scaling.table, AutoScaling::OFF);
    assert_eq!(scaling.indexes["by_a"], AutoScaling::OFF);
}

#[tokio::test(start_paused = true)]
async fn a_table_with_a_replica_of_somebody_else_stays() {
    let mut strict = Strict::new();
    strict.deploy(&with(table("orders"), "RemovalPolicy", json!("delete"))).await;
    let services = strict.plane.services();
    services.dynamo.create_replica("orders", "us-east-1", None, None).await.unwrap();
    tokio::time::sleep(Duration::from_mins(5)).await;
    let deleted = strict.stack.destroy().await.unwrap();
    assert!(deleted.reason().contains("stays: it has replicas that were not declared here"));
    assert_eq!(strict.describe().await.replicas().len(), 1);
}
