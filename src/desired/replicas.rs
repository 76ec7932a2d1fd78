//! `Replicas`, in the shape of `AWS::DynamoDB::GlobalTable`: the other regions, and what a table must have for them.

use std::collections::BTreeMap;

use super::reader::{Node, Object};
use super::settings;
use super::table::table_class;
use crate::schema::{Capacity, Dimension, Encryption, Insights, Replica, Settings, Stream, Table};

/// What is known and not managed, and what to do instead.
const REFUSED: [(&str, &str); 5] = [
    ("ReadProvisionedThroughputSettings", "replicas have the table's read capacity; leave it out"),
    ("ReadOnDemandThroughputSettings", "replicas have the table's on-demand limits; leave it out"),
    (
        "ReplicaStreamSpecification",
        "policies of streams are not managed; leave it out, and attach one with dynamodb:PutResourcePolicy",
    ),
    ("GlobalTableSettingsReplicationMode", "is not managed; leave it out"),
    ("MultiRegionConsistency", "is not managed; leave it out"),
];

/// Reads the replicas by region.
pub(super) fn read(fields: &Object<'_>) -> Option<BTreeMap<String, Replica>> {
    let mut replicas = BTreeMap::new();
    for node in fields.get("Replicas")?.items() {
        let Some((region, replica)) = replica(&node) else { continue };
        if replicas.insert(region.clone(), replica).is_some() {
            node.problem(format!("{region} is declared twice"));
        }
    }
    Some(replicas)
}

fn replica(node: &Node<'_>) -> Option<(String, Replica)> {
    let own = ["Region", "SSESpecification", "TableClass", "GlobalSecondaryIndexes"];
    let known = [own.as_slice(), &settings::KNOWN].concat();
    let fields = node.object_but(&known, &REFUSED)?;
    let region = fields.required("Region").and_then(|node| region(&node));
    let key = fields.get("SSESpecification").and_then(|node| {
        let fields = node.object(&["KMSMasterKeyId"])?;
        fields.required("KMSMasterKeyId")?.text()
    });
    let replica = Replica {
        key,
        class: fields.get("TableClass").and_then(|node| table_class(&node)),
        settings: Settings { index_insights: index_insights(&fields), ..settings::read(&fields) },
    };
    Some((region?, replica))
}

fn region(node: &Node<'_>) -> Option<String> {
    let name = node.text()?;
    let is_region = name.split('-').count() >= 3
        && name.ends_with(|last: char| last.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !is_region {
        node.problem(format!("{name:?} is not a region like eu-west-1"));
        return None;
    }
    Some(name)
}

/// What a replica has of its indexes for itself.
fn index_insights(fields: &Object<'_>) -> BTreeMap<String, Insights> {
    let mut insights = BTreeMap::new();
    let Some(list) = fields.get("GlobalSecondaryIndexes") else { return insights };
    let refused = [
        ("ReadProvisionedThroughputSettings", REFUSED[0].1),
        ("ReadOnDemandThroughputSettings", REFUSED[1].1),
    ];
    for node in list.items() {
        let known = ["IndexName", "ContributorInsightsSpecification"];
        let Some(fields) = node.object_but(&known, &refused) else { continue };
        let name = fields.required("IndexName").and_then(|node| node.text());
        insights.extend(name.zip(settings::insights(&fields)));
    }
    insights
}

/// What DynamoDB asks of a table with replicas.
pub(super) fn check(fields: &Object<'_>, table: &Table) {
    let Some(replicas) = table.replicas.as_ref().filter(|replicas| !replicas.is_empty()) else {
        return;
    };
    let has_key = matches!(table.encryption, Some(Encryption::Kms(Some(_))));
    for (region, replica) in replicas {
        match (has_key, &replica.key) {
            (true, None) => fields.problem(
                "Replicas",
                format!(
                    "the table has a KMS key of its own, so the replica in {region} needs one of its region \
                     (SSESpecification.KMSMasterKeyId)"
                ),
            ),
            (false, Some(_)) => fields.problem(
                "Replicas",
                format!("the replica in {region} has a KMS key and the table none; give both, or neither"),
            ),
            (true, Some(_)) | (false, None) => {}
        }
        let indexes = replica.settings.index_insights.keys();
        for index in indexes.filter(|index| !table.global_indexes.contains_key(*index)) {
            fields.problem(
                "Replicas",
                format!("the replica in {region} names the index {index}, which is not declared"),
            );
        }
    }
    if table.stream.is_some_and(|stream| stream != Stream::NewAndOldImages) {
        fields.problem(
            "StreamSpecification",
            "replication reads the stream: with Replicas give NEW_AND_OLD_IMAGES, or leave it out",
        );
    }
    check_scaling(fields, table);
}

/// Replicas of a provisioned table need writes that scale, of the table and of every index.
fn check_scaling(fields: &Object<'_>, table: &Table) {
    if matches!(table.capacity, Capacity::OnDemand(_)) {
        return;
    }
    let scales = |scaling: Option<&crate::schema::AutoScaling>| {
        scaling.is_some_and(|scaling| scaling.scales(Dimension::Write))
    };
    let fixed_indexes = table.global_indexes.keys();
    let fixed_indexes =
        fixed_indexes.filter(|name| !scales(table.index_scaling.get(*name))).map(String::as_str);
    let fixed_table = (!scales(Some(&table.scaling))).then_some("the table");
    let fixed: Vec<_> = fixed_table.into_iter().chain(fixed_indexes).collect();
    if !fixed.is_empty() {
        fields.problem(
            "Replicas",
            format!(
                "with PROVISIONED, replicas need AutoScaling.Write of the table and of every index; it is missing of {}",
                fixed.join(", ")
            ),
        );
    }
}
