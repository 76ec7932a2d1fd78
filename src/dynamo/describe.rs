//! What DynamoDB describes becomes a [`Description`]: the table in the model's form, and what is going on with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_sdk_dynamodb::types as sdk;

use super::replicas::{ReplicaPhase, listed_replicas, phase_of, replicas};
use crate::schema::{
    AttributeType, AutoScaling, Capacity, Encryption, Index, KeyElement, KeyRole, KeySchema,
    Limits, Projection, Settings, Stream, Table, TableClass, Throughput, Warm,
};

/// What `DescribeTable` says about a table.
#[derive(Debug, Clone)]
pub struct Description {
    /// Its shape; what operations of their own report is unknown here: expiry, and all settings but protection.
    pub table: Table,
    /// `TableId`: the identity of a table. A table made again under the same name has the same ARN and another id.
    pub id: Option<String>,
    /// ARN.
    pub arn: String,
    /// ARN of the newest stream.
    pub stream_arn: Option<String>,
    /// Whether it can be used.
    pub status: Status,
    /// What is still going on, in words; empty when settled.
    pub unsettled: Vec<String>,
    /// Whether its replicas are strongly consistent; then they are what they are.
    pub is_strongly_replicated: bool,
    /// How far each global index is.
    pub phases: BTreeMap<String, IndexPhase>,
    /// Items, as counted some hours ago.
    pub items: u64,
    /// Bytes, as counted some hours ago.
    pub bytes: u64,
}

impl Description {
    /// Whether the index is not there yet and will be.
    #[must_use]
    pub fn is_being_made(&self, index: &str) -> bool {
        let phase = self.phases.get(index);
        matches!(phase, Some(IndexPhase::Allocating | IndexPhase::Filling))
    }

    /// The same, but that these indexes are being filled does not count as something that goes on.
    #[must_use]
    pub(crate) fn detached(mut self, indexes: &BTreeSet<String>) -> Self {
        let goes_on: Vec<_> =
            indexes.iter().map(|index| in_phase(index, IndexPhase::Filling)).collect();
        self.unsettled.retain(|what| !goes_on.contains(what));
        self
    }

    /// ARN of its replica in a region.
    #[must_use]
    pub fn arn_in(&self, region: &str) -> String {
        let parts = self.arn.split(':').enumerate();
        let parts: Vec<_> = parts.map(|(at, part)| if at == 3 { region } else { part }).collect();
        parts.join(":")
    }
}

fn in_phase(index: &str, phase: IndexPhase) -> String {
    format!("the index {index} is {phase}")
}

/// State of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Usable, or about to be.
    Active,
    /// Going.
    Deleting,
    /// In a state that waiting does not end, as `INACCESSIBLE_ENCRYPTION_CREDENTIALS`.
    Broken(String),
}

/// How far a global index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexPhase {
    /// Its resources are being allocated: it cannot be removed yet, and the table can hardly be changed.
    Allocating,
    /// Items are being copied into it: the table can be used and changed.
    Filling,
    /// Being changed.
    Updating,
    /// Going.
    Deleting,
    /// Usable.
    Active,
}

impl fmt::Display for IndexPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allocating => "being allocated",
            Self::Filling => "being filled",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
            Self::Active => "ACTIVE",
        })
    }
}

/// Reads a table description; features that other operations report stay unknown.
pub(super) fn description(described: sdk::TableDescription) -> Description {
    let capacity = table_capacity(&described);
    let attributes = described.attribute_definitions.clone().unwrap_or_default();
    let indexes = described.global_secondary_indexes();
    let phases: BTreeMap<String, IndexPhase> =
        indexes.iter().map(|index| (name_of(index), phase(index))).collect();
    let class = described.table_class_summary.as_ref().and_then(|class| class.table_class.as_ref());
    let table = Table {
        name: described.table_name.clone().unwrap_or_default(),
        keys: keys(described.key_schema()),
        attributes: attributes
            .into_iter()
            .map(|attribute| (attribute.attribute_name, attribute_type(&attribute.attribute_type)))
            .collect(),
        // What is going is no longer there; declaring it again makes a new one.
        global_indexes: indexes
            .iter()
            .filter(|index| phase(index) != IndexPhase::Deleting)
            .map(|index| (name_of(index), global_index(index, capacity)))
            .collect(),
        local_indexes: described
            .local_secondary_indexes()
            .iter()
            .map(|index| local_index(index, capacity))
            .collect(),
        capacity,
        warm: described.warm_throughput.as_ref().map(|warm| Warm {
            read: unsigned(warm.read_units_per_second),
            write: unsigned(warm.write_units_per_second),
        }),
        stream: Some(stream(described.stream_specification.as_ref())),
        encryption: Some(encryption(described.sse_description.as_ref())),
        class: Some(table_class(class)),
        time_to_live: None,
        settings: Settings {
            deletion_protection: Some(described.deletion_protection_enabled.unwrap_or(false)),
            ..Settings::default()
        },
        scaling: AutoScaling::default(),
        index_scaling: BTreeMap::new(),
        replicas: Some(replicas(&described)),
    };
    Description {
        table: table.normalised(),
        unsettled: unsettled(&described, &phases),
        status: status(&described),
        is_strongly_replicated: described.multi_region_consistency
            == Some(sdk::MultiRegionConsistency::Strong),
        id: described.table_id,
        arn: described.table_arn.unwrap_or_default(),
        items: unsigned(described.item_count).unwrap_or_default(),
        bytes: unsigned(described.table_size_bytes).unwrap_or_default(),
        stream_arn: described.latest_stream_arn,
        phases,
    }
}

fn status(described: &sdk::TableDescription) -> Status {
    match &described.table_status {
        None
        | Some(
            sdk::TableStatus::Active | sdk::TableStatus::Creating | sdk::TableStatus::Updating,
        ) => {}
        Some(sdk::TableStatus::Deleting) => return Status::Deleting,
        Some(other) => return Status::Broken(other.as_str().to_owned()),
    }
    let broken = listed_replicas(described).find_map(|(region, replica)| match phase_of(replica) {
        ReplicaPhase::Broken(status) => {
            Some(format!("left with a replica in {region} that is {status}"))
        }
        ReplicaPhase::Active | ReplicaPhase::Passing(_) | ReplicaPhase::Going => None,
    });
    broken.map_or(Status::Active, Status::Broken)
}

/// What is still going on. A table that says ACTIVE may be far from quiet: an index is filled, a key changed, throughput
/// warmed up (measured by aws-controllers-k8s/dynamodb-controller, docs/api-quirks).
fn unsettled(
    described: &sdk::TableDescription,
    phases: &BTreeMap<String, IndexPhase>,
) -> Vec<String> {
    let table = described.table_status.as_ref();
    let table = table.filter(|status| is_passing(status));
    let table = table.map(|status| format!("the table is {}", status.as_str()));
    let indexes = phases.iter().filter(|(_, phase)| **phase != IndexPhase::Active);
    let indexes = indexes.map(|(name, phase)| in_phase(name, *phase));
    let key = described.sse_description.as_ref().and_then(|sse| sse.status.as_ref());
    let key = key.filter(|status| {
        use sdk::SseStatus::{Disabling, Enabling, Updating};
        [Enabling, Disabling, Updating].contains(status)
    });
    let key = key.map(|status| format!("encryption is {}", status.as_str()));
    let warm = described.warm_throughput.as_ref().and_then(|warm| warm.status.as_ref());
    let warm = warm.filter(|status| **status == sdk::TableStatus::Updating);
    let warm = warm.map(|_| "warm throughput is UPDATING".to_owned());
    let index_warm = described.global_secondary_indexes().iter().filter(|index| {
        let status = index.warm_throughput.as_ref().and_then(|warm| warm.status.as_ref());
        status == Some(&sdk::IndexStatus::Updating)
    });
    let index_warm = index_warm
        .map(|index| format!("the warm throughput of the index {} is UPDATING", name_of(index)));
    let replicas = listed_replicas(described).filter_map(|(region, replica)| {
        let status = match phase_of(replica) {
            ReplicaPhase::Passing(status) => status,
            ReplicaPhase::Going => "DELETING".to_owned(),
            ReplicaPhase::Active | ReplicaPhase::Broken(_) => return None,
        };
        Some(format!("the replica in {region} is {status}"))
    });
    let table = table.into_iter().chain(indexes).chain(replicas);
    table.chain(key).chain(warm).chain(index_warm).collect()
}

fn is_passing(status: &sdk::TableStatus) -> bool {
    matches!(status, sdk::TableStatus::Creating | sdk::TableStatus::Updating)
}

fn phase(index: &sdk::GlobalSecondaryIndexDescription) -> IndexPhase {
    let is_filling = index.backfilling == Some(true);
    match index.index_status {
        Some(sdk::IndexStatus::Creating) if !is_filling => IndexPhase::Allocating,
        Some(sdk::IndexStatus::Updating) => IndexPhase::Updating,
        Some(sdk::IndexStatus::Deleting) => IndexPhase::Deleting,
        _ if is_filling => IndexPhase::Filling,
        _ => IndexPhase::Active,
    }
}

fn name_of(index: &sdk::GlobalSecondaryIndexDescription) -> String {
    index.index_name.clone().unwrap_or_default()
}

pub(super) fn table_class(class: Option<&sdk::TableClass>) -> TableClass {
    match class {
        Some(sdk::TableClass::StandardInfrequentAccess) => TableClass::InfrequentAccess,
        _ => TableClass::Standard,
    }
}

fn unsigned(n: Option<i64>) -> Option<u64> {
    n.and_then(|n| u64::try_from(n).ok())
}

fn table_capacity(described: &sdk::TableDescription) -> Capacity {
    let mode = described.billing_mode_summary.as_ref().and_then(|mode| mode.billing_mode.as_ref());
    // A table that never was on demand has no summary.
    if mode == Some(&sdk::BillingMode::PayPerRequest) {
        return Capacity::OnDemand(limits(described.on_demand_throughput.as_ref()));
    }
    Capacity::Provisioned(throughput(described.provisioned_throughput.as_ref()))
}

fn limits(limits: Option<&sdk::OnDemandThroughput>) -> Limits {
    // -1 is "no limit", and so is nothing.
    Limits {
        read: limits.and_then(|limits| unsigned(limits.max_read_request_units)),
        write: limits.and_then(|limits| unsigned(limits.max_write_request_units)),
    }
}

fn throughput(described: Option<&sdk::ProvisionedThroughputDescription>) -> Throughput {
    let figure = |n: Option<i64>| unsigned(n).unwrap_or(0);
    Throughput {
        read: figure(described.and_then(|d| d.read_capacity_units)),
        write: figure(described.and_then(|d| d.write_capacity_units)),
    }
}

fn keys(elements: &[sdk::KeySchemaElement]) -> KeySchema {
    let element = |element: &sdk::KeySchemaElement| KeyElement {
        name: element.attribute_name.clone(),
        role: match element.key_type {
            sdk::KeyType::Range => KeyRole::Range,
            _ => KeyRole::Hash,
        },
    };
    KeySchema(elements.iter().map(element).collect())
}

fn attribute_type(kind: &sdk::ScalarAttributeType) -> AttributeType {
    match kind {
        sdk::ScalarAttributeType::N => AttributeType::Number,
        sdk::ScalarAttributeType::B => AttributeType::Binary,
        _ => AttributeType::String,
    }
}

fn projection(described: Option<&sdk::Projection>) -> Projection {
    let kind = described.and_then(|projection| projection.projection_type.as_ref());
    match kind {
        Some(sdk::ProjectionType::KeysOnly) => Projection::KeysOnly,
        Some(sdk::ProjectionType::Include) => {
            let names = described.map(sdk::Projection::non_key_attributes).unwrap_or_default();
            Projection::Include(names.iter().cloned().collect())
        }
        _ => Projection::All,
    }
}

fn global_index(described: &sdk::GlobalSecondaryIndexDescription, table: Capacity) -> Index {
    let capacity = match table {
        Capacity::OnDemand(_) => {
            Capacity::OnDemand(limits(described.on_demand_throughput.as_ref()))
        }
        Capacity::Provisioned(_) => {
            Capacity::Provisioned(throughput(described.provisioned_throughput.as_ref()))
        }
    };
    Index {
        name: name_of(described),
        keys: keys(described.key_schema()),
        projection: projection(described.projection.as_ref()),
        capacity,
        warm: described.warm_throughput.as_ref().map(|warm| Warm {
            read: unsigned(warm.read_units_per_second),
            write: unsigned(warm.write_units_per_second),
        }),
    }
}

fn local_index(
    described: &sdk::LocalSecondaryIndexDescription,
    capacity: Capacity,
) -> (String, Index) {
    let name = described.index_name.clone().unwrap_or_default();
    let keys = keys(described.key_schema());
    let projection = projection(described.projection.as_ref());
    (name.clone(), Index { name, keys, projection, capacity, warm: None })
}

fn stream(specification: Option<&sdk::StreamSpecification>) -> Stream {
    let on = specification.filter(|stream| stream.stream_enabled);
    match on.and_then(|stream| stream.stream_view_type.as_ref()) {
        None => Stream::Off,
        Some(sdk::StreamViewType::KeysOnly) => Stream::KeysOnly,
        Some(sdk::StreamViewType::NewImage) => Stream::NewImage,
        Some(sdk::StreamViewType::OldImage) => Stream::OldImage,
        Some(_) => Stream::NewAndOldImages,
    }
}

fn encryption(described: Option<&sdk::SseDescription>) -> Encryption {
    let status = described.and_then(|sse| sse.status.as_ref());
    match status {
        Some(sdk::SseStatus::Enabled | sdk::SseStatus::Enabling | sdk::SseStatus::Updating) => {
            Encryption::Kms(described.and_then(|sse| sse.kms_master_key_arn.clone()))
        }
        _ => Encryption::AwsOwned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active() -> sdk::builders::TableDescriptionBuilder {
        sdk::TableDescription::builder()
            .table_name("orders")
            .table_status(sdk::TableStatus::Active)
            .provisioned_throughput(units(0, 0))
    }

    fn units(read: i64, write: i64) -> sdk::ProvisionedThroughputDescription {
        sdk::ProvisionedThroughputDescription::builder()
            .read_capacity_units(read)
            .write_capacity_units(write)
            .build()
    }

    fn by_a(status: sdk::IndexStatus) -> sdk::builders::GlobalSecondaryIndexDescriptionBuilder {
        sdk::GlobalSecondaryIndexDescription::builder()
            .index_name("by_a")
            .index_status(status)
            .provisioned_throughput(units(0, 0))
    }

    #[test]
    fn what_dynamodb_leaves_out_is_its_default() {
        let table = description(active().build()).table;
        assert_eq!(table.encryption, Some(Encryption::AwsOwned));
        assert_eq!(table.class, Some(TableClass::Standard));
        assert_eq!(table.stream, Some(Stream::Off));
        assert_eq!(table.settings.deletion_protection, Some(false));
        assert_eq!(table.warm, None);
        let described = active().provisioned_throughput(units(5, 1)).build();
        let throughput = Throughput { read: 5, write: 1 };
        assert_eq!(description(described).table.capacity, Capacity::Provisioned(throughput));
    }

    #[test]
    fn what_is_on_demand_has_no_throughput_whatever_is_reported() {
        let mode = sdk::BillingModeSummary::builder()
            .billing_mode(sdk::BillingMode::PayPerRequest)
            .build();
        let unlimited = sdk::OnDemandThroughput::builder()
            .max_read_request_units(-1)
            .max_write_request_units(-1)
            .build();
        let index = by_a(sdk::IndexStatus::Active).on_demand_throughput(unlimited.clone()).build();
        let described = active()
            .billing_mode_summary(mode)
            .on_demand_throughput(unlimited)
            .global_secondary_indexes(index)
            .build();
        let table = description(described).table;
        assert_eq!(table.capacity, Capacity::OnDemand(Limits::default()));
        assert_eq!(table.global_indexes["by_a"].capacity, Capacity::OnDemand(Limits::default()));
    }

    #[test]
    fn a_table_that_says_active_is_settled_only_when_nothing_goes_on() {
        let sse = |status| sdk::SseDescription::builder().status(status).build();
        let warm = |status| sdk::TableWarmThroughputDescription::builder().status(status).build();
        let index_warm = sdk::GlobalSecondaryIndexWarmThroughputDescription::builder()
            .status(sdk::IndexStatus::Updating)
            .build();
        let creating = || by_a(sdk::IndexStatus::Creating);
        for (described, said) in [
            (active(), vec![]),
            (active().table_status(sdk::TableStatus::Updating), vec!["the table is UPDATING"]),
            (active().sse_description(sse(sdk::SseStatus::Enabled)), vec![]),
            (
                active().sse_description(sse(sdk::SseStatus::Updating)),
                vec!["encryption is UPDATING"],
            ),
            (active().warm_throughput(warm(sdk::TableStatus::Active)), vec![]),
            (
                active().warm_throughput(warm(sdk::TableStatus::Updating)),
                vec!["warm throughput is UPDATING"],
            ),
            (
                active().global_secondary_indexes(creating().build()),
                vec!["the index by_a is being allocated"],
            ),
            (
                active().global_secondary_indexes(creating().backfilling(true).build()),
                vec!["the index by_a is being filled"],
            ),
            (
                active().global_secondary_indexes(by_a(sdk::IndexStatus::Deleting).build()),
                vec!["the index by_a is DELETING"],
            ),
            (
                active().global_secondary_indexes(
                    by_a(sdk::IndexStatus::Active).warm_throughput(index_warm).build(),
                ),
                vec!["the warm throughput of the index by_a is UPDATING"],
            ),
        ] {
            assert_eq!(description(described.build()).unsettled, said);
        }
    }

    #[test]
    fn an_index_that_is_going_is_no_longer_there() {
        let going = by_a(sdk::IndexStatus::Deleting).build();
        let described = description(active().global_secondary_indexes(going).build());
        assert!(described.table.global_indexes.is_empty());
        assert_eq!(described.phases["by_a"], IndexPhase::Deleting);
    }

    #[test]
    fn what_waiting_does_not_end_is_broken() {
        for status in [
            sdk::TableStatus::InaccessibleEncryptionCredentials,
            sdk::TableStatus::Archiving,
            sdk::TableStatus::Archived,
            sdk::TableStatus::ReplicationNotAuthorized,
        ] {
            let described = description(active().table_status(status.clone()).build());
            assert_eq!(described.status, Status::Broken(status.as_str().to_owned()));
        }
    }
}
