//! The replicas of a table as DynamoDB describes them.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types as sdk;

use super::describe::table_class;
use crate::schema::{Replica, Settings};

/// How far a replica is.
pub(super) enum ReplicaPhase {
    Active,
    Passing(String),
    Going,
    /// In a state that waiting does not end.
    Broken(String),
}

pub(super) fn phase_of(replica: &sdk::ReplicaDescription) -> ReplicaPhase {
    match &replica.replica_status {
        None | Some(sdk::ReplicaStatus::Active) => ReplicaPhase::Active,
        Some(sdk::ReplicaStatus::Deleting) => ReplicaPhase::Going,
        Some(status @ (sdk::ReplicaStatus::Creating | sdk::ReplicaStatus::Updating)) => {
            ReplicaPhase::Passing(status.as_str().to_owned())
        }
        Some(other) => ReplicaPhase::Broken(other.as_str().to_owned()),
    }
}

/// The replicas in other regions; the table itself may be listed among them.
pub(super) fn listed_replicas(
    described: &sdk::TableDescription,
) -> impl Iterator<Item = (&str, &sdk::ReplicaDescription)> {
    let own = described.table_arn().and_then(region_of);
    let by_region = |replica| Some((sdk::ReplicaDescription::region_name(replica)?, replica));
    described
        .replicas()
        .iter()
        .filter_map(by_region)
        .filter(move |(region, _)| Some(*region) != own)
}

fn region_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(3)
}

/// What is going is no longer there; declaring it again makes a new one.
pub(super) fn replicas(described: &sdk::TableDescription) -> BTreeMap<String, Replica> {
    let own = described.table_class_summary().and_then(sdk::TableClassSummary::table_class);
    let replica = |(region, replica): (&str, &sdk::ReplicaDescription)| {
        let class = replica.replica_table_class_summary();
        let class = class.and_then(sdk::TableClassSummary::table_class).or(own);
        let live = Replica {
            key: replica.kms_master_key_id.clone(),
            class: Some(table_class(class)),
            settings: Settings::default(),
        };
        (region.to_owned(), live)
    };
    let there = listed_replicas(described)
        .filter(|(_, replica)| !matches!(phase_of(replica), ReplicaPhase::Going));
    there.map(replica).collect()
}
