//! One entry of `Tables`: the properties of `AWS::DynamoDB::Table` to a [`Table`], with every rule that DynamoDB would refuse later.

use std::collections::{BTreeMap, BTreeSet};

use super::capacity::{billing, capacity, scaling, warm};
use super::reader::{Node, Object};
use super::{DeclaredTable, RemovalPolicy, indexes, replicas, settings};
use crate::schema::{
    AttributeType, Encryption, KeyElement, KeyRole, KeySchema, Stream, Table, TableClass,
    TimeToLive,
};

const KNOWN: [&str; 17] = [
    "TableName",
    "KeySchema",
    "AttributeDefinitions",
    "BillingMode",
    "ProvisionedThroughput",
    "OnDemandThroughput",
    "WarmThroughput",
    "AutoScaling",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "StreamSpecification",
    "SSESpecification",
    "TableClass",
    "TimeToLiveSpecification",
    "Replicas",
    "RemovalPolicy",
    "Adopt",
];

pub(super) const GIVE_THROUGHPUT: &str =
    "belongs to AWS::DynamoDB::GlobalTable; give ProvisionedThroughput";
pub(super) const GIVE_LIMITS: &str =
    "belongs to AWS::DynamoDB::GlobalTable; give OnDemandThroughput";

/// What is known and not managed, and what to do instead. A table that has it keeps it.
const REFUSED: [(&str, &str); 7] = [
    (
        "ImportSourceSpecification",
        "an import is how a table begins and no part of what it is; import into a new table first, then declare it \
         with Adopt: true",
    ),
    ("VectorIndexes", "vector indexes are not managed; leave it out, those of a live table stay"),
    (
        "MultiRegionConsistency",
        "strong consistency between regions is decided once, for an empty table, and is not managed; leave it out",
    ),
    (
        "GlobalTableWitnesses",
        "witnesses belong to strong consistency between regions, which is not managed",
    ),
    ("GlobalTableSettingsReplicationMode", "is not managed; leave it out"),
    ("WriteProvisionedThroughputSettings", GIVE_THROUGHPUT),
    ("WriteOnDemandThroughputSettings", GIVE_LIMITS),
];

pub(super) fn read(node: &Node<'_>) -> Option<DeclaredTable> {
    let known = [KNOWN.as_slice(), &settings::KNOWN].concat();
    let fields = node.object_but(&known, &REFUSED)?;
    let name = fields.required("TableName").and_then(|node| table_name(&node));
    let keys = fields.required("KeySchema").and_then(|node| key_schema(&node, 1));
    let types = fields.required("AttributeDefinitions").and_then(|node| attribute_types(&node));
    let billing = billing(&fields);
    let figures = billing.and_then(|billing| capacity(&fields, billing));
    let warm = warm(&fields);
    let removal = fields.get("RemovalPolicy").map_or(Some(RemovalPolicy::Retain), |node| {
        node.one_of(&[
            ("retain", RemovalPolicy::Retain),
            ("snapshot", RemovalPolicy::Snapshot),
            ("delete", RemovalPolicy::Delete),
        ])
    });
    let adopt = fields.get("Adopt").map_or(Some(false), |node| node.boolean());
    let settings = settings::read(&fields);
    if settings.deletion_protection == Some(true)
        && removal.is_some_and(|policy| policy != RemovalPolicy::Retain)
    {
        fields.problem("RemovalPolicy", "contradicts DeletionProtectionEnabled; choose one");
    }
    let stream = fields.get("StreamSpecification").and_then(|node| stream(&node));
    let encryption = fields.get("SSESpecification").and_then(|node| encryption(&node));
    let class = fields.get("TableClass").and_then(|node| table_class(&node));
    let time_to_live = fields.get("TimeToLiveSpecification").and_then(|node| time_to_live(&node));
    let (name, keys, types, capacity) = (name?, keys?, types?, figures?);
    let billing = billing?;
    let indexes = indexes::read(&fields, &keys, billing, capacity);
    let table = Table {
        name,
        keys,
        attributes: types,
        global_indexes: indexes.global,
        local_indexes: indexes.local,
        capacity,
        warm,
        scaling: scaling(&fields, billing),
        index_scaling: indexes.scaling,
        stream,
        encryption,
        class,
        time_to_live,
        settings: crate::schema::Settings { index_insights: indexes.insights, ..settings },
        replicas: replicas::read(&fields),
    };
    check_attributes(&fields, &table);
    replicas::check(&fields, &table);
    Some(DeclaredTable {
        table: table.normalised(),
        removal: removal?,
        adopt: adopt?,
        detached: indexes.detached,
    })
}

pub(super) fn table_name(node: &Node<'_>) -> Option<String> {
    let name = node.text()?;
    let fits = (3..=255).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    if !fits {
        node.problem(format!("{name:?} is not 3 to 255 of a-z, A-Z, 0-9, '_', '.' and '-'"));
        return None;
    }
    Some(name)
}

/// Reads a key schema with at most `most` attributes of each role.
pub(super) fn key_schema(node: &Node<'_>, most: usize) -> Option<KeySchema> {
    let elements = node.items();
    let mut keys: Vec<KeyElement> = Vec::new();
    for element in &elements {
        let fields = element.object(&["AttributeName", "KeyType"])?;
        let name = fields.required("AttributeName").and_then(|node| node.text());
        let role = fields
            .required("KeyType")
            .and_then(|node| node.one_of(&[("HASH", KeyRole::Hash), ("RANGE", KeyRole::Range)]));
        keys.push(KeyElement { name: name?, role: role? });
    }
    let keys = KeySchema(keys);
    let (hash, range) = (keys.of(KeyRole::Hash).len(), keys.of(KeyRole::Range).len());
    let names: BTreeSet<&str> = keys.names().collect();
    if names.len() < keys.0.len() {
        node.problem("an attribute is named twice");
        return None;
    }
    let ordered = keys.0.windows(2).all(|pair| pair[0].role <= pair[1].role);
    if hash == 0 || hash > most || range > most || !ordered {
        node.problem(format!(
            "expected 1 to {most} HASH followed by at most {most} RANGE attributes, found {hash} HASH and {range} RANGE"
        ));
        return None;
    }
    Some(keys)
}

fn attribute_types(node: &Node<'_>) -> Option<BTreeMap<String, AttributeType>> {
    let mut types = BTreeMap::new();
    for element in node.items() {
        let fields = element.object(&["AttributeName", "AttributeType"])?;
        let name = fields.required("AttributeName").and_then(|node| node.text());
        let kind = fields.required("AttributeType").and_then(|node| {
            node.one_of(&[
                ("S", AttributeType::String),
                ("N", AttributeType::Number),
                ("B", AttributeType::Binary),
            ])
        });
        let Some(name) = name else { continue };
        // A wrong type is a problem already; the name still counts as defined.
        let kind = kind.unwrap_or(AttributeType::String);
        if types.insert(name.clone(), kind).is_some_and(|earlier| earlier != kind) {
            element.problem(format!("{name} is defined with two types"));
        }
    }
    Some(types)
}

fn stream(node: &Node<'_>) -> Option<Stream> {
    let refused = [(
        "ResourcePolicy",
        "policies of streams are not managed; leave it out, and attach one with dynamodb:PutResourcePolicy",
    )];
    let fields = node.object_but(&["StreamViewType"], &refused)?;
    fields.required("StreamViewType")?.one_of(&[
        ("KEYS_ONLY", Stream::KeysOnly),
        ("NEW_IMAGE", Stream::NewImage),
        ("OLD_IMAGE", Stream::OldImage),
        ("NEW_AND_OLD_IMAGES", Stream::NewAndOldImages),
    ])
}

fn encryption(node: &Node<'_>) -> Option<Encryption> {
    let fields = node.object(&["SSEEnabled", "SSEType", "KMSMasterKeyId"])?;
    let enabled = fields.required("SSEEnabled")?.boolean()?;
    if let Some(kind) = fields.get("SSEType") {
        kind.one_of(&[("KMS", ())])?;
    }
    let key = match fields.get("KMSMasterKeyId") {
        Some(node) => Some(node.text()?),
        None => None,
    };
    if !enabled && (key.is_some() || fields.get("SSEType").is_some()) {
        node.problem("SSEType and KMSMasterKeyId cannot be given with SSEEnabled false");
    }
    // This alias is the key that KMS encryption means without one.
    let key = key.filter(|key| key != "alias/aws/dynamodb");
    Some(if enabled { Encryption::Kms(key) } else { Encryption::AwsOwned })
}

pub(super) fn table_class(node: &Node<'_>) -> Option<TableClass> {
    node.one_of(&[
        ("STANDARD", TableClass::Standard),
        ("STANDARD_INFREQUENT_ACCESS", TableClass::InfrequentAccess),
    ])
}

fn time_to_live(node: &Node<'_>) -> Option<TimeToLive> {
    let fields = node.object(&["AttributeName", "Enabled"])?;
    let enabled = fields.required("Enabled")?.boolean()?;
    if !enabled {
        return Some(TimeToLive::Off);
    }
    fields.required("AttributeName")?.text().map(TimeToLive::On)
}

/// DynamoDB wants exactly the attributes that keys use, each with its type.
fn check_attributes(fields: &Object<'_>, table: &Table) {
    let used: BTreeSet<&str> = table.key_attributes().collect();
    for name in used.iter().filter(|name| !table.attributes.contains_key(**name)) {
        fields.problem("AttributeDefinitions", format!("{name} is used in a key but not defined"));
    }
    for name in table.attributes.keys().filter(|name| !used.contains(name.as_str())) {
        fields.problem("AttributeDefinitions", format!("{name} is defined but no key uses it"));
    }
}
