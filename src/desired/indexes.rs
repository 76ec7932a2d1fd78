//! The secondary indexes of a table.

use std::collections::{BTreeMap, BTreeSet};

use super::capacity::{Billing, capacity, scaling, warm};
use super::reader::{Node, Object};
use super::settings::insights;
use super::table::{key_schema, table_name};
use crate::schema::{AutoScaling, Capacity, Index, Insights, KeyRole, KeySchema, Projection};

/// Limits of the service, from "Quotas in Amazon DynamoDB".
const GLOBAL_INDEXES_MAX: usize = 20;
const LOCAL_INDEXES_MAX: usize = 5;
const NON_KEY_ATTRIBUTES_MAX: usize = 20;
const NON_KEY_ATTRIBUTES_OF_TABLE_MAX: usize = 100;

/// What belongs to `AWS::DynamoDB::GlobalTable` alone, and what to give instead.
const REFUSED: [(&str, &str); 2] = [
    ("WriteProvisionedThroughputSettings", super::table::GIVE_THROUGHPUT),
    ("WriteOnDemandThroughputSettings", super::table::GIVE_LIMITS),
];

/// The indexes of a table.
pub(super) struct Indexes {
    pub(super) global: BTreeMap<String, Index>,
    pub(super) local: BTreeMap<String, Index>,
    /// Contributor insights of global indexes.
    pub(super) insights: BTreeMap<String, Insights>,
    /// Auto scaling of global indexes.
    pub(super) scaling: BTreeMap<String, AutoScaling>,
    /// Global indexes that are not waited for.
    pub(super) detached: BTreeSet<String>,
}

/// Reads the indexes of a table with this key and these figures.
pub(super) fn read(
    fields: &Object<'_>,
    keys: &KeySchema,
    billing: Billing,
    table: Capacity,
) -> Indexes {
    let (mut insights, mut scaling) = (BTreeMap::new(), BTreeMap::new());
    let mut detached = BTreeSet::new();
    let global = list(fields, "GlobalSecondaryIndexes", GLOBAL_INDEXES_MAX, |node| {
        let GlobalIndex { index, watched, scaled, is_detached } = global_index(node, billing)?;
        insights.extend(watched.map(|watched| (index.name.clone(), watched)));
        if scaled != AutoScaling::default() {
            scaling.insert(index.name.clone(), scaled);
        }
        detached.extend(is_detached.then(|| index.name.clone()));
        Some(index)
    });
    let local = list(fields, "LocalSecondaryIndexes", LOCAL_INDEXES_MAX, |node| {
        local_index(node, keys, table)
    });
    for name in local.keys().filter(|name| global.contains_key(*name)) {
        fields
            .problem("LocalSecondaryIndexes", format!("{name} is also the name of a global index"));
    }
    let projected = global.values().chain(local.values()).map(|index| match &index.projection {
        Projection::All | Projection::KeysOnly => 0,
        Projection::Include(names) => names.len(),
    });
    let projected: usize = projected.sum();
    if projected > NON_KEY_ATTRIBUTES_OF_TABLE_MAX {
        fields.problem(
            "GlobalSecondaryIndexes",
            format!(
                "the indexes of a table name at most {NON_KEY_ATTRIBUTES_OF_TABLE_MAX} NonKeyAttributes together, \
                 found {projected}; project ALL in some"
            ),
        );
    }
    Indexes { global, local, insights, scaling, detached }
}

fn list(
    fields: &Object<'_>,
    property: &str,
    most: usize,
    mut read: impl FnMut(&Node<'_>) -> Option<Index>,
) -> BTreeMap<String, Index> {
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

struct GlobalIndex {
    index: Index,
    watched: Option<Insights>,
    scaled: AutoScaling,
    is_detached: bool,
}

fn global_index(node: &Node<'_>, billing: Billing) -> Option<GlobalIndex> {
    const KEY_ATTRIBUTES_MAX: usize = 4;
    let known = [
        "IndexName",
        "KeySchema",
        "Projection",
        "ProvisionedThroughput",
        "OnDemandThroughput",
        "WarmThroughput",
        "AutoScaling",
        "ContributorInsightsSpecification",
        "Completion",
    ];
    let fields = node.object_but(&known, &REFUSED)?;
    let name = fields.required("IndexName").and_then(|node| table_name(&node));
    let keys = fields.required("KeySchema").and_then(|node| key_schema(&node, KEY_ATTRIBUTES_MAX));
    let projection = fields.required("Projection").and_then(|node| projection(&node));
    let capacity = capacity(&fields, billing);
    let warm = warm(&fields);
    let insights = insights(&fields);
    let scaling = scaling(&fields, billing);
    let index =
        Index { name: name?, keys: keys?, projection: projection?, capacity: capacity?, warm };
    let is_detached = fields
        .get("Completion")
        .map_or(Some(false), |node| node.one_of(&[("wait", false), ("detach", true)]));
    Some(GlobalIndex { index, watched: insights, scaled: scaling, is_detached: is_detached? })
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
    Some(Index { name: name?, keys, projection: projection?, capacity, warm: None })
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
