//! What AWS would show of a table, so that two of them can be compared.

use std::fmt::Debug;

use aws_sdk_dynamodb::types::{
    ContributorInsightsStatus, GlobalSecondaryIndexDescription, ProvisionedThroughputDescription,
    TableDescription, TimeToLiveStatus,
};
use serde_json::Value;
use tablewright::schema::{AutoScaling, Dimension};
use tablewright::testing::ControlPlane;

/// What AWS would show of the declared tables.
pub(super) async fn portrait(plane: &ControlPlane, declaration: &Value) -> Vec<String> {
    let mut portrait = Vec::new();
    for table in declaration["Tables"].as_array().unwrap() {
        let name = table["TableName"].as_str().unwrap();
        let mut shown = described(plane, name).await;
        shown.extend(features(plane, name).await);
        portrait.push(format!("{name}: {}", shown.join(" | ")));
    }
    portrait
}

/// A status without the moment of change in it.
fn is_on(status: Option<&str>) -> bool {
    status.is_some_and(|status| status.starts_with("ENABL"))
}

fn sorted(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<_> = texts.collect();
    texts.sort();
    texts
}

async fn describe(plane: &ControlPlane, name: &str) -> TableDescription {
    plane.client().describe_table().table_name(name).send().await.unwrap().table.unwrap()
}

/// What the description says.
async fn described(plane: &ControlPlane, name: &str) -> Vec<String> {
    let table = describe(plane, name).await;
    let names = table.global_secondary_indexes().iter().filter_map(|index| index.index_name());
    let scaling = plane.services().scaler.of_table(name, names).await.unwrap();
    let mode = table.billing_mode_summary.as_ref().and_then(|mode| mode.billing_mode.as_ref());
    let class = table.table_class_summary.as_ref().and_then(|class| class.table_class.as_ref());
    let stream = table.stream_specification.as_ref();
    let key = table.sse_description.as_ref().and_then(|sse| sse.kms_master_key_arn.as_ref());
    let limits = table.on_demand_throughput.as_ref();
    let mut shown = vec![
        mode.map_or("PROVISIONED", |mode| mode.as_str()).to_owned(),
        say(
            "units",
            table.provisioned_throughput.as_ref().map(|units| fixed(&scaling.table, units)),
        ),
        say("limit", limits.and_then(|limits| limits.max_read_request_units)),
        say("stream", stream.and_then(|stream| stream.stream_view_type.as_ref())),
        say("encrypted", key.is_some()),
        say("protected", table.deletion_protection_enabled),
        class.map_or("STANDARD", |class| class.as_str()).to_owned(),
        say("scaling", &scaling),
    ];
    let indexes = table.global_secondary_indexes().iter();
    shown.extend(sorted(
        indexes.map(|shown| index(shown, &scaling.indexes[shown.index_name().unwrap()])),
    ));
    shown.extend(sorted(
        table.replicas().iter().map(|replica| say("replica", &replica.region_name)),
    ));
    shown
}

fn say(what: &str, value: impl Debug) -> String {
    format!("{what} {value:?}")
}

fn index(index: &GlobalSecondaryIndexDescription, scaling: &AutoScaling) -> String {
    let units = index.provisioned_throughput.as_ref().map(|units| fixed(scaling, units));
    let limits = index.on_demand_throughput.as_ref();
    let limit = limits.and_then(|limits| limits.max_read_request_units);
    let (name, keys, status) = (&index.index_name, &index.key_schema, &index.index_status);
    format!("index {name:?} {keys:?} {status:?} {units:?} {limit:?}")
}

/// Units that nothing scales; others are where they were driven to.
fn fixed(
    scaling: &AutoScaling,
    units: &ProvisionedThroughputDescription,
) -> (Option<i64>, Option<i64>) {
    let fixed = |dimension, units: Option<i64>| units.filter(|_| !scaling.scales(dimension));
    (
        fixed(Dimension::Read, units.read_capacity_units),
        fixed(Dimension::Write, units.write_capacity_units),
    )
}

/// What operations of their own say.
async fn features(plane: &ControlPlane, name: &str) -> Vec<String> {
    let client = plane.client();
    let arn = describe(plane, name).await.table_arn.unwrap();
    let ttl = client.describe_time_to_live().table_name(name).send().await.unwrap();
    let ttl = ttl.time_to_live_description.unwrap().time_to_live_status;
    let backups = client.describe_continuous_backups().table_name(name).send().await.unwrap();
    let recovery =
        backups.continuous_backups_description.unwrap().point_in_time_recovery_description;
    let insights = client.describe_contributor_insights().table_name(name).send().await.unwrap();
    let insights = insights.contributor_insights_status;
    let policy = client.get_resource_policy().resource_arn(&arn).send().await;
    let kinesis = client.describe_kinesis_streaming_destination().table_name(name).send().await;
    let destinations = kinesis.unwrap().kinesis_data_stream_destinations.unwrap_or_default();
    let active = destinations.into_iter().filter(|to| {
        to.destination_status.as_ref().is_some_and(|status| status.as_str() == "ACTIVE")
    });
    let tags = client.list_tags_of_resource().resource_arn(&arn).send().await.unwrap();
    let tags = tags.tags.unwrap_or_default().into_iter();
    let tags = tags.map(|tag| format!("tag {}={}", tag.key, tag.value));
    let mut shown = vec![
        say("expires", is_on(ttl.as_ref().map(TimeToLiveStatus::as_str))),
        say("recovery", recovery.unwrap().point_in_time_recovery_status),
        say("insights", is_on(insights.as_ref().map(ContributorInsightsStatus::as_str))),
        say("policy", policy.ok().and_then(|policy| policy.policy)),
    ];
    shown.extend(active.map(|to| say("kinesis", to.stream_arn)));
    shown.extend(sorted(tags.filter(|tag| !tag.starts_with("tag tablewright:"))));
    shown
}
