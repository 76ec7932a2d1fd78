//! From the model to requests: a [`Table`](crate::schema::Table) and its parts in the SDK's types.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types as sdk;

use crate::schema::{
    AttributeType, Capacity, Encryption, Index, InsightsMode, KeyElement, KeyRole, KeySchema,
    Limits, Precision, Projection, Stream, TableClass, Throughput, Warm,
};

/// Every required field of an SDK type is given where it is built here, so building cannot fail.
const COMPLETE: &str = "every required field is set";

pub(super) fn key_elements(keys: &KeySchema) -> Vec<sdk::KeySchemaElement> {
    let element = |key: &KeyElement| {
        let role = match key.role {
            KeyRole::Hash => sdk::KeyType::Hash,
            KeyRole::Range => sdk::KeyType::Range,
        };
        let builder = sdk::KeySchemaElement::builder().attribute_name(&key.name).key_type(role);
        builder.build().expect(COMPLETE)
    };
    keys.0.iter().map(element).collect()
}

pub(super) fn attribute_definitions(
    types: &BTreeMap<String, AttributeType>,
) -> Vec<sdk::AttributeDefinition> {
    let definition = |(name, kind): (&String, &AttributeType)| {
        let kind = match kind {
            AttributeType::String => sdk::ScalarAttributeType::S,
            AttributeType::Number => sdk::ScalarAttributeType::N,
            AttributeType::Binary => sdk::ScalarAttributeType::B,
        };
        let builder = sdk::AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
        builder.build().expect(COMPLETE)
    };
    types.iter().map(definition).collect()
}

fn projection_request(projection: &Projection) -> sdk::Projection {
    let builder = sdk::Projection::builder();
    match projection {
        Projection::All => builder.projection_type(sdk::ProjectionType::All),
        Projection::KeysOnly => builder.projection_type(sdk::ProjectionType::KeysOnly),
        Projection::Include(names) => builder
            .projection_type(sdk::ProjectionType::Include)
            .set_non_key_attributes(Some(names.iter().cloned().collect())),
    }
    .build()
}

pub(super) fn throughput_request(throughput: Throughput) -> sdk::ProvisionedThroughput {
    sdk::ProvisionedThroughput::builder()
        .read_capacity_units(signed(throughput.read))
        .write_capacity_units(signed(throughput.write))
        .build()
        .expect(COMPLETE)
}

/// Limits of something new: what has none is left out.
pub(super) fn first_limits_request(limits: Limits) -> Option<sdk::OnDemandThroughput> {
    let request = sdk::OnDemandThroughput::builder()
        .set_max_read_request_units(limits.read.map(signed))
        .set_max_write_request_units(limits.write.map(signed))
        .build();
    (limits != Limits::default()).then_some(request)
}

/// Limits in place of others: -1 takes one away, and leaving both out is a server error.
pub(super) fn limits_request(limits: Limits) -> sdk::OnDemandThroughput {
    let figure = |n: Option<u64>| n.map_or(-1, signed);
    sdk::OnDemandThroughput::builder()
        .max_read_request_units(figure(limits.read))
        .max_write_request_units(figure(limits.write))
        .build()
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn global_index_request(index: &Index) -> sdk::GlobalSecondaryIndex {
    let builder = sdk::GlobalSecondaryIndex::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_elements(&index.keys)))
        .projection(projection_request(&index.projection))
        .set_warm_throughput(index.warm.map(warm_request));
    with_capacity!(builder, index.capacity).build().expect(COMPLETE)
}

pub(super) fn create_index_request(index: &Index) -> sdk::GlobalSecondaryIndexUpdate {
    let builder = sdk::CreateGlobalSecondaryIndexAction::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_elements(&index.keys)))
        .projection(projection_request(&index.projection))
        .set_warm_throughput(index.warm.map(warm_request));
    let create = with_capacity!(builder, index.capacity).build().expect(COMPLETE);
    sdk::GlobalSecondaryIndexUpdate::builder().create(create).build()
}

pub(super) fn delete_index_request(name: &str) -> sdk::GlobalSecondaryIndexUpdate {
    let delete = sdk::DeleteGlobalSecondaryIndexAction::builder().index_name(name);
    let delete = delete.build().expect(COMPLETE);
    sdk::GlobalSecondaryIndexUpdate::builder().delete(delete).build()
}

pub(super) fn index_capacity_request(
    name: &str,
    capacity: Capacity,
) -> sdk::GlobalSecondaryIndexUpdate {
    let builder = sdk::UpdateGlobalSecondaryIndexAction::builder().index_name(name);
    let update = match capacity {
        Capacity::Provisioned(throughput) => {
            builder.provisioned_throughput(throughput_request(throughput))
        }
        Capacity::OnDemand(limits) => builder.on_demand_throughput(limits_request(limits)),
    };
    let update = update.build().expect(COMPLETE);
    sdk::GlobalSecondaryIndexUpdate::builder().update(update).build()
}

pub(super) fn index_warm_request(name: &str, warm: Warm) -> sdk::GlobalSecondaryIndexUpdate {
    let update = sdk::UpdateGlobalSecondaryIndexAction::builder()
        .index_name(name)
        .warm_throughput(warm_request(warm))
        .build()
        .expect(COMPLETE);
    sdk::GlobalSecondaryIndexUpdate::builder().update(update).build()
}

/// A figure that is left out is left alone; leaving both out is a server error, and the model has no such value.
pub(super) fn warm_request(warm: Warm) -> sdk::WarmThroughput {
    sdk::WarmThroughput::builder()
        .set_read_units_per_second(warm.read.map(signed))
        .set_write_units_per_second(warm.write.map(signed))
        .build()
}

pub(super) fn local_index_request(index: &Index) -> sdk::LocalSecondaryIndex {
    sdk::LocalSecondaryIndex::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_elements(&index.keys)))
        .projection(projection_request(&index.projection))
        .build()
        .expect(COMPLETE)
}

pub(super) fn stream_request(stream: Stream) -> sdk::StreamSpecification {
    let builder = sdk::StreamSpecification::builder();
    let view = match stream {
        Stream::Off => return builder.stream_enabled(false).build().expect(COMPLETE),
        Stream::KeysOnly => sdk::StreamViewType::KeysOnly,
        Stream::NewImage => sdk::StreamViewType::NewImage,
        Stream::OldImage => sdk::StreamViewType::OldImage,
        Stream::NewAndOldImages => sdk::StreamViewType::NewAndOldImages,
    };
    builder.stream_enabled(true).stream_view_type(view).build().expect(COMPLETE)
}

pub(super) fn encryption_request(encryption: &Encryption) -> sdk::SseSpecification {
    let builder = sdk::SseSpecification::builder();
    match encryption {
        Encryption::AwsOwned => builder.enabled(false),
        Encryption::Kms(key) => {
            builder.enabled(true).sse_type(sdk::SseType::Kms).set_kms_master_key_id(key.clone())
        }
    }
    .build()
}

pub(super) fn create_replica_request(
    region: &str,
    key: Option<&str>,
    class: Option<TableClass>,
) -> sdk::ReplicationGroupUpdate {
    let create = sdk::CreateReplicationGroupMemberAction::builder()
        .region_name(region)
        .set_kms_master_key_id(key.map(str::to_owned))
        .set_table_class_override(class.map(class_request))
        .build()
        .expect(COMPLETE);
    sdk::ReplicationGroupUpdate::builder().create(create).build()
}

pub(super) fn replica_class_request(
    region: &str,
    class: TableClass,
) -> sdk::ReplicationGroupUpdate {
    let update = sdk::UpdateReplicationGroupMemberAction::builder()
        .region_name(region)
        .table_class_override(class_request(class))
        .build()
        .expect(COMPLETE);
    sdk::ReplicationGroupUpdate::builder().update(update).build()
}

pub(super) fn delete_replica_request(region: &str) -> sdk::ReplicationGroupUpdate {
    let delete = sdk::DeleteReplicationGroupMemberAction::builder().region_name(region);
    let delete = delete.build().expect(COMPLETE);
    sdk::ReplicationGroupUpdate::builder().delete(delete).build()
}

pub(super) fn class_request(class: TableClass) -> sdk::TableClass {
    match class {
        TableClass::Standard => sdk::TableClass::Standard,
        TableClass::InfrequentAccess => sdk::TableClass::StandardInfrequentAccess,
    }
}

pub(super) fn insights_mode_request(mode: InsightsMode) -> sdk::ContributorInsightsMode {
    match mode {
        InsightsMode::AccessedAndThrottledKeys => {
            sdk::ContributorInsightsMode::AccessedAndThrottledKeys
        }
        InsightsMode::ThrottledKeys => sdk::ContributorInsightsMode::ThrottledKeys,
    }
}

pub(super) fn precision_request(precision: Precision) -> sdk::ApproximateCreationDateTimePrecision {
    match precision {
        Precision::Millisecond => sdk::ApproximateCreationDateTimePrecision::Millisecond,
        Precision::Microsecond => sdk::ApproximateCreationDateTimePrecision::Microsecond,
    }
}

pub(super) fn tag_requests(tags: &BTreeMap<String, String>) -> Vec<sdk::Tag> {
    let tag = |(key, value)| sdk::Tag::builder().key(key).value(value).build().expect(COMPLETE);
    tags.iter().map(tag).collect()
}

/// Sets the capacity of a builder that takes both kinds; the SDK's builders share no trait.
macro_rules! with_capacity {
    ($builder:expr, $capacity:expr) => {
        match $capacity {
            Capacity::Provisioned(throughput) => {
                $builder.provisioned_throughput(throughput_request(throughput))
            }
            Capacity::OnDemand(limits) => {
                $builder.set_on_demand_throughput(first_limits_request(limits))
            }
        }
    };
}
use with_capacity;
