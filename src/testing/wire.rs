//! Requests and their parts as DynamoDB's JSON protocol spells them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `CreateTable`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct CreateTable {
    pub(super) table_name: Option<String>,
    pub(super) key_schema: Vec<Key>,
    pub(super) attribute_definitions: Vec<Attribute>,
    pub(super) global_secondary_indexes: Option<Vec<GlobalIndex>>,
    pub(super) local_secondary_indexes: Option<Vec<LocalIndex>>,
    pub(super) vector_indexes: Option<Vec<serde_json::Value>>,
    pub(super) billing_mode: Option<BillingMode>,
    pub(super) provisioned_throughput: Option<Throughput>,
    pub(super) on_demand_throughput: Option<Limits>,
    pub(super) warm_throughput: Option<Warm>,
    pub(super) stream_specification: Option<Stream>,
    #[serde(rename = "SSESpecification")]
    pub(super) encryption: Option<Encryption>,
    pub(super) table_class: Option<Class>,
    pub(super) deletion_protection_enabled: Option<bool>,
    pub(super) tags: Option<Vec<Tag>>,
    pub(super) resource_policy: Option<String>,
}

/// `UpdateTable`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct UpdateTable {
    pub(super) table_name: Option<String>,
    pub(super) attribute_definitions: Option<Vec<Attribute>>,
    pub(super) billing_mode: Option<BillingMode>,
    pub(super) provisioned_throughput: Option<Throughput>,
    pub(super) on_demand_throughput: Option<Limits>,
    pub(super) warm_throughput: Option<Warm>,
    pub(super) global_secondary_index_updates: Option<Vec<IndexUpdate>>,
    pub(super) vector_index_updates: Option<Vec<serde_json::Value>>,
    pub(super) stream_specification: Option<Stream>,
    #[serde(rename = "SSESpecification")]
    pub(super) encryption: Option<Encryption>,
    pub(super) table_class: Option<Class>,
    pub(super) deletion_protection_enabled: Option<bool>,
    pub(super) replica_updates: Option<Vec<ReplicaUpdate>>,
    pub(super) multi_region_consistency: Option<String>,
}

/// One element of `GlobalSecondaryIndexUpdates`: exactly one of its members.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct IndexUpdate {
    pub(super) create: Option<GlobalIndex>,
    pub(super) update: Option<IndexChange>,
    pub(super) delete: Option<IndexName>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IndexName {
    pub(super) index_name: String,
}

/// What can be changed about an index.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IndexChange {
    pub(super) index_name: String,
    pub(super) provisioned_throughput: Option<Throughput>,
    pub(super) on_demand_throughput: Option<Limits>,
    pub(super) warm_throughput: Option<Warm>,
}

/// One element of `ReplicaUpdates`: exactly one of its members.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ReplicaUpdate {
    pub(super) create: Option<Replica>,
    pub(super) update: Option<Replica>,
    pub(super) delete: Option<Replica>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Replica {
    pub(super) region_name: String,
    #[serde(rename = "KMSMasterKeyId")]
    pub(super) key: Option<String>,
    pub(super) provisioned_throughput_override: Option<serde_json::Value>,
    pub(super) on_demand_throughput_override: Option<serde_json::Value>,
    pub(super) global_secondary_indexes: Option<serde_json::Value>,
    pub(super) table_class_override: Option<Class>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Key {
    pub(super) attribute_name: String,
    pub(super) key_type: KeyType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum KeyType {
    Hash,
    Range,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attribute {
    pub(super) attribute_name: String,
    pub(super) attribute_type: AttributeType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum AttributeType {
    S,
    N,
    B,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GlobalIndex {
    pub(super) index_name: String,
    pub(super) key_schema: Vec<Key>,
    pub(super) projection: Option<Projection>,
    pub(super) provisioned_throughput: Option<Throughput>,
    pub(super) on_demand_throughput: Option<Limits>,
    pub(super) warm_throughput: Option<Warm>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LocalIndex {
    pub(super) index_name: String,
    pub(super) key_schema: Vec<Key>,
    pub(super) projection: Option<Projection>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Projection {
    pub(super) projection_type: Option<ProjectionType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) non_key_attributes: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum ProjectionType {
    All,
    KeysOnly,
    Include,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum BillingMode {
    Provisioned,
    PayPerRequest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Class {
    Standard,
    StandardInfrequentAccess,
}

/// Provisioned throughput.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Throughput {
    pub(super) read_capacity_units: Option<i64>,
    pub(super) write_capacity_units: Option<i64>,
}

/// On-demand limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Limits {
    pub(super) max_read_request_units: Option<i64>,
    pub(super) max_write_request_units: Option<i64>,
}

impl Limits {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Warm throughput.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Warm {
    pub(super) read_units_per_second: Option<i64>,
    pub(super) write_units_per_second: Option<i64>,
}

impl Warm {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Stream {
    pub(super) stream_enabled: Option<bool>,
    pub(super) stream_view_type: Option<ViewType>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum ViewType {
    KeysOnly,
    NewImage,
    OldImage,
    NewAndOldImages,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Encryption {
    #[serde(rename = "Enabled")]
    pub(super) enabled: Option<bool>,
    #[serde(rename = "SSEType")]
    pub(super) kind: Option<EncryptionType>,
    #[serde(rename = "KMSMasterKeyId")]
    pub(super) key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum EncryptionType {
    Aes256,
    Kms,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
}

pub(super) type Tags = BTreeMap<String, String>;
