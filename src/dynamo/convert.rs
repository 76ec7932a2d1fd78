//! Between the model and the SDK's types: what DynamoDB describes becomes a [`Table`], and a [`Table`] a request.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types as sdk;

use super::{Description, Status};
use crate::schema::{
    AttributeType, Capacity, Encryption, Index, KeyElement, KeyRole, KeySchema, Limits, Projection,
    Stream, Table, TableClass, Throughput,
};

/// Reads a table description; features that other operations report stay unknown.
pub(super) fn description(described: sdk::TableDescription) -> Description {
    let capacity = table_capacity(&described);
    let mut unsettled = Vec::new();
    let status = status(&described, &mut unsettled);
    let attributes = described.attribute_definitions.clone().unwrap_or_default();
    let table = Table {
        name: described.table_name.clone().unwrap_or_default(),
        keys: keys(described.key_schema()),
        attributes: attributes
            .into_iter()
            .map(|attribute| (attribute.attribute_name, attribute_type(&attribute.attribute_type)))
            .collect(),
        global_indexes: described
            .global_secondary_indexes()
            .iter()
            .filter_map(|index| global_index(index, capacity, &mut unsettled))
            .collect(),
        local_indexes: described
            .local_secondary_indexes()
            .iter()
            .map(|index| local_index(index, capacity))
            .collect(),
        capacity,
        stream: Some(stream(described.stream_specification.as_ref())),
        encryption: Some(encryption(described.sse_description.as_ref(), &mut unsettled)),
        class: Some(match described.table_class_summary.and_then(|class| class.table_class) {
            Some(sdk::TableClass::StandardInfrequentAccess) => TableClass::InfrequentAccess,
            _ => TableClass::Standard,
        }),
        deletion_protection: Some(described.deletion_protection_enabled.unwrap_or(false)),
        tags: None,
        time_to_live: None,
        recovery: None,
    };
    Description {
        table: table.normalised(),
        id: described.table_id,
        arn: described.table_arn.unwrap_or_default(),
        stream_arn: described.latest_stream_arn,
        status,
        unsettled,
    }
}

fn status(described: &sdk::TableDescription, unsettled: &mut Vec<String>) -> Status {
    let status = described.table_status.clone().unwrap_or(sdk::TableStatus::Active);
    match status {
        sdk::TableStatus::Active => return Status::Active,
        sdk::TableStatus::Creating | sdk::TableStatus::Updating => {}
        sdk::TableStatus::Deleting => return Status::Deleting,
        other => return Status::Broken(other.as_str().to_owned()),
    }
    unsettled.push(format!("the table is {}", status.as_str()));
    Status::Active
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
    let figure = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
    Limits {
        read: limits.and_then(|limits| figure(limits.max_read_request_units)),
        write: limits.and_then(|limits| figure(limits.max_write_request_units)),
    }
}

fn throughput(described: Option<&sdk::ProvisionedThroughputDescription>) -> Throughput {
    let figure = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
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

fn global_index(
    described: &sdk::GlobalSecondaryIndexDescription,
    table: Capacity,
    unsettled: &mut Vec<String>,
) -> Option<(String, Index)> {
    let name = described.index_name.clone().unwrap_or_default();
    let status = described.index_status.as_ref().filter(|s| **s != sdk::IndexStatus::Active);
    if let Some(status) = status {
        unsettled.push(format!("the index {name} is {}", status.as_str()));
        // What is going is no longer there; declaring it again makes a new one.
        if *status == sdk::IndexStatus::Deleting {
            return None;
        }
    } else if described.backfilling == Some(true) {
        unsettled.push(format!("the index {name} is being filled"));
    }
    let capacity = match table {
        Capacity::OnDemand(_) => {
            Capacity::OnDemand(limits(described.on_demand_throughput.as_ref()))
        }
        Capacity::Provisioned(_) => {
            Capacity::Provisioned(throughput(described.provisioned_throughput.as_ref()))
        }
    };
    let keys = keys(described.key_schema());
    let projection = projection(described.projection.as_ref());
    Some((name.clone(), Index { name, keys, projection, capacity }))
}

fn local_index(
    described: &sdk::LocalSecondaryIndexDescription,
    capacity: Capacity,
) -> (String, Index) {
    let name = described.index_name.clone().unwrap_or_default();
    let keys = keys(described.key_schema());
    let projection = projection(described.projection.as_ref());
    (name.clone(), Index { name, keys, projection, capacity })
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

fn encryption(described: Option<&sdk::SseDescription>, unsettled: &mut Vec<String>) -> Encryption {
    let status = described.and_then(|sse| sse.status.as_ref());
    match status {
        Some(sdk::SseStatus::Enabled) => {
            Encryption::Kms(described.and_then(|sse| sse.kms_master_key_arn.clone()))
        }
        Some(
            status @ (sdk::SseStatus::Enabling
            | sdk::SseStatus::Disabling
            | sdk::SseStatus::Updating),
        ) => {
            unsettled.push(format!("encryption is {}", status.as_str()));
            Encryption::AwsOwned
        }
        _ => Encryption::AwsOwned,
    }
}

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
        .projection(projection_request(&index.projection));
    with_capacity!(builder, index.capacity).build().expect(COMPLETE)
}

pub(super) fn create_index_request(index: &Index) -> sdk::GlobalSecondaryIndexUpdate {
    let builder = sdk::CreateGlobalSecondaryIndexAction::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_elements(&index.keys)))
        .projection(projection_request(&index.projection));
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

pub(super) fn class_request(class: TableClass) -> sdk::TableClass {
    match class {
        TableClass::Standard => sdk::TableClass::Standard,
        TableClass::InfrequentAccess => sdk::TableClass::StandardInfrequentAccess,
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
