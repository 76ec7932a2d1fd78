//! One entry of `Tables`: the properties of `AWS::DynamoDB::Table` to a [`Table`], with every rule that DynamoDB would refuse later.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::{Node, Object};
use super::{DeclaredTable, RemovalPolicy};
use crate::schema::{
    AttributeType, Capacity, Encryption, Index, KeyElement, KeyRole, KeySchema, Limits, Projection,
    Recovery, Stream, Table, TableClass, Throughput, TimeToLive,
};

const KNOWN: [&str; 20] = [
    "TableName",
    "KeySchema",
    "AttributeDefinitions",
    "BillingMode",
    "ProvisionedThroughput",
    "OnDemandThroughput",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "StreamSpecification",
    "SSESpecification",
    "TableClass",
    "DeletionProtectionEnabled",
    "Tags",
    "TimeToLiveSpecification",
    "PointInTimeRecoverySpecification",
    "RemovalPolicy",
    "Adopt",
    // Known to CloudFormation, refused by name below.
    "WarmThroughput",
    "ContributorInsightsSpecification",
    "KinesisStreamSpecification",
];

const NOT_YET: [&str; 3] =
    ["WarmThroughput", "ContributorInsightsSpecification", "KinesisStreamSpecification"];

/// Limits of the service, from "Quotas in Amazon DynamoDB".
const GLOBAL_INDEXES_MAX: usize = 20;
const LOCAL_INDEXES_MAX: usize = 5;
const TAGS_MAX: usize = 50;
const NON_KEY_ATTRIBUTES_MAX: usize = 20;

pub(super) fn read(node: &Node<'_>) -> Option<DeclaredTable> {
    let fields = node.object(&KNOWN)?;
    for name in NOT_YET.iter().filter(|name| fields.get(name).is_some()) {
        fields.problem(name, "is not managed by this version; leave it out");
    }
    let name = fields.required("TableName").and_then(|node| table_name(&node));
    let keys = fields.required("KeySchema").and_then(|node| key_schema(&node, 1));
    let types = fields.required("AttributeDefinitions").and_then(|node| attribute_types(&node));
    let capacity = capacity(&fields);
    let removal = fields.get("RemovalPolicy").map_or(Some(RemovalPolicy::Retain), |node| {
        node.one_of(&[
            ("retain", RemovalPolicy::Retain),
            ("snapshot", RemovalPolicy::Snapshot),
            ("delete", RemovalPolicy::Delete),
        ])
    });
    let adopt = fields.get("Adopt").map_or(Some(false), |node| node.boolean());
    let features = Features::read(&fields, removal);
    let (name, keys, types, capacity) = (name?, keys?, types?, capacity?);
    let (global_indexes, local_indexes) = indexes(&fields, &keys, capacity);
    let table = Table {
        name,
        keys,
        attributes: types,
        global_indexes,
        local_indexes,
        capacity,
        stream: features.stream,
        encryption: features.encryption,
        class: features.class,
        deletion_protection: features.deletion_protection,
        tags: features.tags,
        time_to_live: features.time_to_live,
        recovery: features.recovery,
    };
    check_attributes(&fields, &table);
    Some(DeclaredTable { table: table.normalised(), removal: removal?, adopt: adopt? })
}

fn table_name(node: &Node<'_>) -> Option<String> {
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
fn key_schema(node: &Node<'_>, most: usize) -> Option<KeySchema> {
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

/// `BillingMode`, which when absent follows from whether throughput is given.
fn capacity(fields: &Object<'_>) -> Option<Capacity> {
    #[derive(Clone, Copy)]
    enum Mode {
        OnDemand,
        Provisioned,
    }
    let throughput = fields.get("ProvisionedThroughput");
    let mode = match fields.get("BillingMode") {
        Some(node) => {
            node.one_of(&[("PAY_PER_REQUEST", Mode::OnDemand), ("PROVISIONED", Mode::Provisioned)])?
        }
        None if throughput.is_some() => Mode::Provisioned,
        None => Mode::OnDemand,
    };
    match mode {
        Mode::OnDemand => {
            if let Some(node) = throughput {
                node.problem("cannot be given with PAY_PER_REQUEST");
            }
            limits(fields).map(Capacity::OnDemand)
        }
        Mode::Provisioned => {
            if let Some(node) = fields.get("OnDemandThroughput") {
                node.problem("cannot be given with PROVISIONED");
            }
            fields
                .required("ProvisionedThroughput")
                .and_then(|node| read_throughput(&node))
                .map(Capacity::Provisioned)
        }
    }
}

fn read_throughput(node: &Node<'_>) -> Option<Throughput> {
    let fields = node.object(&["ReadCapacityUnits", "WriteCapacityUnits"])?;
    let read = fields.required("ReadCapacityUnits").and_then(|node| node.at_least(1));
    let write = fields.required("WriteCapacityUnits").and_then(|node| node.at_least(1));
    Some(Throughput { read: read?, write: write? })
}

fn limits(fields: &Object<'_>) -> Option<Limits> {
    let Some(node) = fields.get("OnDemandThroughput") else {
        return Some(Limits::default());
    };
    let fields = node.object(&["MaxReadRequestUnits", "MaxWriteRequestUnits"])?;
    let figure = |name: &str| {
        let node = fields.get(name)?;
        // DynamoDB spells "no limit" as -1.
        if node.integer()? == -1 { None } else { node.at_least(1) }
    };
    Some(Limits { read: figure("MaxReadRequestUnits"), write: figure("MaxWriteRequestUnits") })
}

type Indexes = BTreeMap<String, Index>;

fn indexes(fields: &Object<'_>, table_keys: &KeySchema, capacity: Capacity) -> (Indexes, Indexes) {
    let global = index_list(fields, "GlobalSecondaryIndexes", GLOBAL_INDEXES_MAX, |node| {
        global_index(node, capacity)
    });
    let local = index_list(fields, "LocalSecondaryIndexes", LOCAL_INDEXES_MAX, |node| {
        local_index(node, table_keys, capacity)
    });
    for name in local.keys().filter(|name| global.contains_key(*name)) {
        fields
            .problem("LocalSecondaryIndexes", format!("{name} is also the name of a global index"));
    }
    (global, local)
}

fn index_list(
    fields: &Object<'_>,
    property: &str,
    most: usize,
    read: impl Fn(&Node<'_>) -> Option<Index>,
) -> Indexes {
    let mut indexes = BTreeMap::new();
    let Some(list) = fields.get(property) else { return indexes };
    for node in list.items() {
        let Some(index) = read(&node) else { continue };
        let name = index.name.clone();
        if indexes.insert(name.clone(), index).is_some() {
            node.problem(format!("{name} is declared twice"));
        }
    }
    if indexes.len() > most {
        list.problem(format!("a table has at most {most}, found {}", indexes.len()));
    }
    indexes
}

fn global_index(node: &Node<'_>, table: Capacity) -> Option<Index> {
    const KEY_ATTRIBUTES_MAX: usize = 4;
    let fields = node.object(&[
        "IndexName",
        "KeySchema",
        "Projection",
        "ProvisionedThroughput",
        "OnDemandThroughput",
    ])?;
    let name = fields.required("IndexName").and_then(|node| table_name(&node));
    let keys = fields.required("KeySchema").and_then(|node| key_schema(&node, KEY_ATTRIBUTES_MAX));
    let projection = fields.required("Projection").and_then(|node| projection(&node));
    let capacity = match table {
        Capacity::OnDemand(_) => {
            if let Some(node) = fields.get("ProvisionedThroughput") {
                node.problem("cannot be given while the table is PAY_PER_REQUEST");
            }
            limits(&fields).map(Capacity::OnDemand)
        }
        Capacity::Provisioned(_) => {
            if let Some(node) = fields.get("OnDemandThroughput") {
                node.problem("cannot be given while the table is PROVISIONED");
            }
            fields
                .required("ProvisionedThroughput")
                .and_then(|node| read_throughput(&node))
                .map(Capacity::Provisioned)
        }
    };
    Some(Index { name: name?, keys: keys?, projection: projection?, capacity: capacity? })
}

fn local_index(node: &Node<'_>, table_keys: &KeySchema, capacity: Capacity) -> Option<Index> {
    let fields = node.object(&["IndexName", "KeySchema", "Projection"])?;
    let name = fields.required("IndexName").and_then(|node| table_name(&node));
    let keys = fields.required("KeySchema").and_then(|node| key_schema(&node, 1));
    let projection = fields.required("Projection").and_then(|node| projection(&node));
    let keys = keys?;
    if table_keys.of(KeyRole::Range).is_empty() {
        node.problem("a local index needs a table with a RANGE key");
    }
    if keys.of(KeyRole::Hash) != table_keys.of(KeyRole::Hash) || keys.of(KeyRole::Range).is_empty()
    {
        fields.problem(
            "KeySchema",
            "a local index has the table's HASH key and a RANGE key of its own",
        );
    }
    Some(Index { name: name?, keys, projection: projection?, capacity })
}

fn projection(node: &Node<'_>) -> Option<Projection> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        All,
        KeysOnly,
        Include,
    }
    let fields = node.object(&["ProjectionType", "NonKeyAttributes"])?;
    let kind = fields.required("ProjectionType")?.one_of(&[
        ("ALL", Kind::All),
        ("KEYS_ONLY", Kind::KeysOnly),
        ("INCLUDE", Kind::Include),
    ])?;
    let names = fields.get("NonKeyAttributes");
    if let (Some(names), true) = (&names, kind != Kind::Include) {
        names.problem("can only be given with ProjectionType INCLUDE");
    }
    match kind {
        Kind::All => Some(Projection::All),
        Kind::KeysOnly => Some(Projection::KeysOnly),
        Kind::Include => {
            let list = fields.required("NonKeyAttributes")?;
            let names = list.items();
            if names.is_empty() || names.len() > NON_KEY_ATTRIBUTES_MAX {
                list.problem(format!(
                    "expected 1 to {NON_KEY_ATTRIBUTES_MAX} names, found {}",
                    names.len()
                ));
            }
            let names: Option<BTreeSet<_>> = names.iter().map(Node::text).collect();
            names.map(Projection::Include)
        }
    }
}

struct Features {
    stream: Option<Stream>,
    encryption: Option<Encryption>,
    class: Option<TableClass>,
    deletion_protection: Option<bool>,
    tags: Option<BTreeMap<String, String>>,
    time_to_live: Option<TimeToLive>,
    recovery: Option<Recovery>,
}

impl Features {
    fn read(fields: &Object<'_>, removal: Option<RemovalPolicy>) -> Self {
        let deletion_protection =
            fields.get("DeletionProtectionEnabled").and_then(|node| node.boolean());
        if deletion_protection == Some(true)
            && removal.is_some_and(|policy| policy != RemovalPolicy::Retain)
        {
            fields.problem("RemovalPolicy", "contradicts DeletionProtectionEnabled; choose one");
        }
        let class = fields.get("TableClass").and_then(|node| {
            node.one_of(&[
                ("STANDARD", TableClass::Standard),
                ("STANDARD_INFREQUENT_ACCESS", TableClass::InfrequentAccess),
            ])
        });
        Self {
            stream: fields.get("StreamSpecification").and_then(|node| stream(&node)),
            encryption: fields.get("SSESpecification").and_then(|node| encryption(&node)),
            class,
            deletion_protection,
            tags: fields.get("Tags").and_then(|node| tags(&node)),
            time_to_live: fields
                .get("TimeToLiveSpecification")
                .and_then(|node| time_to_live(&node)),
            recovery: fields
                .get("PointInTimeRecoverySpecification")
                .and_then(|node| recovery(&node)),
        }
    }
}

fn stream(node: &Node<'_>) -> Option<Stream> {
    let fields = node.object(&["StreamViewType"])?;
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
        Some(node) => Some(key_arn(&node)?),
        None => None,
    };
    if !enabled && (key.is_some() || fields.get("SSEType").is_some()) {
        node.problem("SSEType and KMSMasterKeyId cannot be given with SSEEnabled false");
    }
    Some(if enabled { Encryption::Kms(key) } else { Encryption::AwsOwned })
}

/// A KMS key by its ARN: DynamoDB reports ARNs, and sending an alias of the key in use re-encrypts the table
/// and spends one of four changes a day.
fn key_arn(node: &Node<'_>) -> Option<String> {
    let key = node.text()?;
    if key.starts_with("arn:") && key.contains(":key/") {
        return Some(key);
    }
    node.problem(format!("{key:?} is not the ARN of a key; give the ARN, not an alias or an id"));
    None
}

fn tags(node: &Node<'_>) -> Option<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for element in node.items() {
        let fields = element.object(&["Key", "Value"])?;
        let key = fields.required("Key").and_then(|node| node.text())?;
        let value = match fields.required("Value") {
            Some(node) => node.text_or_empty()?,
            None => continue,
        };
        if key.starts_with("aws:") || key.starts_with(crate::observe::TAG_PREFIX) {
            element.problem(format!("the tag key {key} is reserved"));
        }
        if tags.insert(key.clone(), value).is_some() {
            element.problem(format!("the tag {key} is given twice"));
        }
    }
    if tags.len() > TAGS_MAX - crate::observe::OWN_TAGS {
        node.problem(format!("at most {} tags can be given", TAGS_MAX - crate::observe::OWN_TAGS));
    }
    Some(tags)
}

fn time_to_live(node: &Node<'_>) -> Option<TimeToLive> {
    let fields = node.object(&["AttributeName", "Enabled"])?;
    let enabled = fields.required("Enabled")?.boolean()?;
    if !enabled {
        return Some(TimeToLive::Off);
    }
    fields.required("AttributeName")?.text().map(TimeToLive::On)
}

fn recovery(node: &Node<'_>) -> Option<Recovery> {
    let fields = node.object(&["PointInTimeRecoveryEnabled", "RecoveryPeriodInDays"])?;
    let enabled = fields.required("PointInTimeRecoveryEnabled")?.boolean()?;
    let days = fields.get("RecoveryPeriodInDays");
    if !enabled {
        if let Some(days) = days {
            days.problem("cannot be given while PointInTimeRecoveryEnabled is false");
        }
        return Some(Recovery::Off);
    }
    let Some(days) = days else { return Some(Recovery::Days(Recovery::DEFAULT_DAYS)) };
    let number = days.integer()?;
    if let Ok(number @ 1..=35) = u32::try_from(number) {
        Some(Recovery::Days(number))
    } else {
        days.problem(format!("expected 1 to 35 days, found {number}"));
        None
    }
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
