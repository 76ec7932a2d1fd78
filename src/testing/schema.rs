//! The checks of names, keys, indexes and capacities that `CreateTable` and `UpdateTable` share.

use std::collections::{BTreeMap, BTreeSet};

use super::create::new_capacity;
use super::quotas::Quotas;
use super::rejection::{Rejection, Result};
use super::table::{Index, LocalIndex, Units};
use super::wire::{self, BillingMode, Key, KeyType, Projection, ProjectionType, ViewType};

/// Types of attributes by name, in the order in which AWS returns them.
pub(super) type Attributes = BTreeMap<String, wire::AttributeType>;

type Names = BTreeSet<String>;

pub(super) const NO_THROUGHPUT: &str = "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST";

const FIRST_NOT_HASH: &str = "Invalid KeySchema: The first KeySchemaElement is not a HASH key type";

const SAME_NAME: &str = "The KeySchema contains multiple key attributes with the same name";

const PATTERN: &str = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";

/// Checks the name of a table or an index.
pub(super) fn check_name(member: &str, path: &str, name: &str) -> Result<()> {
    if !(3..=255).contains(&name.len()) {
        return Err(Rejection::validation(format!(
            "{member} must be at least 3 characters long and at most 255 characters long"
        )));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if name.chars().all(allowed) {
        Ok(())
    } else {
        Err(Rejection::constraint(&format!("'{name}'"), path, PATTERN))
    }
}

/// Types of the attributes, which must be exactly those that keys use.
pub(super) fn attributes(request: &wire::CreateTable) -> Result<Attributes> {
    let mut types = Attributes::new();
    for attribute in &request.attribute_definitions {
        let name = attribute.attribute_name.clone();
        if types.insert(name.clone(), attribute.attribute_type).is_some() {
            return Err(Rejection::validation(format!("Attribute Name is duplicated: {name}")));
        }
    }
    let global = request.global_secondary_indexes.iter().flatten().map(|index| &index.key_schema);
    let local = request.local_secondary_indexes.iter().flatten().map(|index| &index.key_schema);
    let used = |keys: &Vec<Key>| -> Vec<String> {
        keys.iter().map(|key| key.attribute_name.clone()).collect()
    };
    let table: Names = used(&request.key_schema).into_iter().collect();
    let indexes: Names = global.chain(local).flat_map(used).collect();
    let all: Names = table.union(&indexes).cloned().collect();
    check_defined(&all, &types)?;
    if types.keys().eq(all.iter()) {
        return Ok(types);
    }
    if indexes.is_empty() {
        return Err(Rejection::invalid(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in \
             AttributeDefinitions",
        ));
    }
    Err(Rejection::invalid(format!(
        "Some AttributeDefinitions are not used. AttributeDefinitions: {}, keys used: {}",
        bracketed(types.keys()),
        bracketed(&all),
    )))
}

fn check_defined(used: &Names, types: &Attributes) -> Result<()> {
    let undefined: Vec<_> = used.iter().filter(|name| !types.contains_key(*name)).collect();
    if undefined.is_empty() {
        return Ok(());
    }
    Err(Rejection::invalid(format!(
        "Some index key attributes are not defined in AttributeDefinitions. Keys: {}, AttributeDefinitions: {}",
        bracketed(undefined),
        bracketed(types.keys()),
    )))
}

fn bracketed<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<_> = names.into_iter().map(String::as_str).collect();
    format!("[{}]", names.join(", "))
}

/// A table and a local index have one partition key and at most one sort key.
pub(super) fn check_table_keys(keys: &[Key]) -> Result<()> {
    if keys.is_empty() {
        return Err(Rejection::missing_member("keySchema"));
    }
    if keys.len() > 2 {
        let length = "Member must have length less than or equal to 2";
        return Err(Rejection::constraint("'[…]'", "keySchema", length));
    }
    if keys[0].key_type != KeyType::Hash {
        return Err(Rejection::validation(FIRST_NOT_HASH));
    }
    match keys.get(1) {
        Some(second) if second.key_type != KeyType::Range => Err(Rejection::validation(
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        )),
        Some(second) if second.attribute_name == keys[0].attribute_name => {
            Err(Rejection::invalid(SAME_NAME))
        }
        Some(_) | None => Ok(()),
    }
}

/// A global index has up to four of each.
fn check_index_keys(keys: &[Key]) -> Result<()> {
    if keys.first().is_none_or(|key| key.key_type != KeyType::Hash) {
        return Err(Rejection::validation(FIRST_NOT_HASH));
    }
    if !keys.is_sorted_by_key(|key| key.key_type == KeyType::Range) {
        return Err(Rejection::invalid(
            "All HASH key attributes must precede RANGE key attributes in the KeySchema",
        ));
    }
    for (kind, text) in [(KeyType::Hash, "HASH"), (KeyType::Range, "RANGE")] {
        if keys.iter().filter(|key| key.key_type == kind).count() > 4 {
            return Err(Rejection::invalid(format!(
                "The KeySchema exceeds the maximum allowed number of {text} key attributes"
            )));
        }
    }
    let names: BTreeSet<_> = keys.iter().map(|key| &key.attribute_name).collect();
    if names.len() == keys.len() { Ok(()) } else { Err(Rejection::invalid(SAME_NAME)) }
}

/// What an index projects, with the names in the order in which AWS returns them.
fn projection(projection: Option<&Projection>) -> Result<Projection> {
    let projection =
        projection.ok_or_else(|| Rejection::missing_member("globalSecondaryIndexes.projection"))?;
    let kind = projection
        .projection_type
        .ok_or_else(|| Rejection::invalid("Unknown ProjectionType: null"))?;
    let names = match (kind, &projection.non_key_attributes) {
        (ProjectionType::Include, Some(names)) if (1..=20).contains(&names.len()) => {
            let mut sorted = names.clone();
            sorted.sort();
            if let Some([twice, ..]) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(Rejection::invalid(format!(
                    "Duplicate element in NonKeyAttributes: {twice}"
                )));
            }
            Some(sorted)
        }
        (ProjectionType::Include, Some(names)) => {
            let length = if names.is_empty() {
                "Member must have length greater than or equal to 1"
            } else {
                "Member must have length less than or equal to 20"
            };
            return Err(Rejection::constraint("'[…]'", "projection.nonKeyAttributes", length));
        }
        (ProjectionType::Include, None) => {
            return Err(Rejection::invalid(
                "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
            ));
        }
        (ProjectionType::All | ProjectionType::KeysOnly, Some(_)) => {
            let kind = if kind == ProjectionType::All { "ALL" } else { "KEYS_ONLY" };
            return Err(Rejection::invalid(format!(
                "ProjectionType is {kind}, but NonKeyAttributes is specified"
            )));
        }
        (ProjectionType::All | ProjectionType::KeysOnly, None) => None,
    };
    Ok(Projection { projection_type: Some(kind), non_key_attributes: names })
}

/// A global index as it is on a table with this billing mode.
pub(super) fn global_index(index: &wire::GlobalIndex, billing: BillingMode) -> Result<Index> {
    let name = &index.index_name;
    check_name("IndexName", "globalSecondaryIndexes.indexName", name)?;
    check_index_keys(&index.key_schema)?;
    let projection = projection(index.projection.as_ref())?;
    let throughput = index.provisioned_throughput.map(throughput).transpose()?;
    match (billing, throughput) {
        (BillingMode::PayPerRequest, Some(_)) => {
            return Err(Rejection::invalid(format!(
                "ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
            )));
        }
        (BillingMode::Provisioned, None) => {
            return Err(Rejection::invalid(format!(
                "ProvisionedThroughput is not specified for index: {name}"
            )));
        }
        (BillingMode::PayPerRequest, None) | (BillingMode::Provisioned, Some(_)) => {}
    }
    let mut capacity = new_capacity(throughput);
    if let Some(limits) = &index.on_demand_throughput {
        if billing == BillingMode::Provisioned && !limits.is_empty() {
            let member = first_limit(limits);
            return Err(Rejection::invalid(format!(
                "{member} for OnDemandThroughput for index: {name} cannot be specified when table BillingMode is \
                 PROVISIONED."
            )));
        }
        check_first_limits(limits, &format!("index : {name}"))?;
        capacity.limit(limits);
    }
    if let Some(warm) = index.warm_throughput {
        let what = format!("index {name}");
        capacity.warm = first_warm(warm, capacity.warm, &what, billing)?;
    }
    Ok(Index { name: name.clone(), keys: index.key_schema.clone(), projection, capacity })
}

/// A local index of a table with these keys.
pub(super) fn local_index(index: &wire::LocalIndex, table: &[Key]) -> Result<LocalIndex> {
    let name = &index.index_name;
    check_name("IndexName", "localSecondaryIndexes.indexName", name)?;
    check_table_keys(&index.key_schema)?;
    if table.len() < 2 {
        return Err(Rejection::invalid(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ));
    }
    let (of_index, of_table) = (&index.key_schema[0].attribute_name, &table[0].attribute_name);
    if of_index != of_table {
        return Err(Rejection::invalid(format!(
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. \
             index hash key: {of_index}, table hash key: {of_table}"
        )));
    }
    if index.key_schema.len() < 2 {
        return Err(Rejection::invalid(format!(
            "Index KeySchema does not have a range key for index: {name}"
        )));
    }
    let projection = projection(index.projection.as_ref())?;
    Ok(LocalIndex { name: name.clone(), keys: index.key_schema.clone(), projection })
}

/// Global and local indexes share one set of names.
pub(super) fn check_distinct<'a>(names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Rejection::invalid(format!("Duplicate index name: {name}")));
        }
    }
    Ok(())
}

/// All indexes of a table together project only so many attributes by name.
pub(super) fn check_projected<'a>(
    projections: impl Iterator<Item = &'a Projection>,
    quotas: &Quotas,
) -> Result<()> {
    let names =
        projections.map(|projection| projection.non_key_attributes.as_ref().map_or(0, Vec::len));
    let projected: usize = names.sum();
    if projected <= quotas.projected_attributes {
        return Ok(());
    }
    Err(Rejection::invalid(format!(
        "The number of projected attributes in all secondary indexes, {projected}, exceeds the limit of {}",
        quotas.projected_attributes
    )))
}

/// Both members are required, and at least one.
pub(super) fn throughput(throughput: wire::Throughput) -> Result<Units> {
    let figure = |member: &str, figure: Option<i64>| {
        let path = format!("provisionedThroughput.{member}");
        let figure = figure.ok_or_else(|| Rejection::missing_member(&path))?;
        match u64::try_from(figure) {
            Ok(units) if units > 0 => Ok(units),
            Ok(_) | Err(_) => Err(Rejection::constraint(
                &format!("'{figure}'"),
                &path,
                "Member must have value greater than or equal to 1",
            )),
        }
    };
    Ok(Units {
        read: figure("readCapacityUnits", throughput.read_capacity_units)?,
        write: figure("writeCapacityUnits", throughput.write_capacity_units)?,
    })
}

/// The first of the limits that are given, as errors name it.
pub(super) fn first_limit(limits: &wire::Limits) -> &'static str {
    if limits.max_read_request_units.is_some() {
        "MaxReadRequestUnits"
    } else {
        "MaxWriteRequestUnits"
    }
}

/// A new table or index has nothing to clear.
pub(super) fn check_first_limits(limits: &wire::Limits, what: &str) -> Result<()> {
    check_limits_from(limits, what, |limit| limit < 1)
}

/// A limit that is there can be cleared by -1.
pub(super) fn check_limits(limits: &wire::Limits, what: &str) -> Result<()> {
    check_limits_from(limits, what, |limit| limit != -1 && limit < 1)
}

fn check_limits_from(
    limits: &wire::Limits,
    what: &str,
    is_outside: impl Fn(i64) -> bool,
) -> Result<()> {
    for (member, limit) in [
        ("MaxReadRequestUnits", limits.max_read_request_units),
        ("MaxWriteRequestUnits", limits.max_write_request_units),
    ] {
        if limit.is_some_and(&is_outside) {
            return Err(Rejection::invalid(format!(
                "Requested {member} for OnDemandThroughput for {what} is outside of valid range"
            )));
        }
    }
    Ok(())
}

/// Warm throughput asked for together with a table or an index.
pub(super) fn first_warm(
    warm: wire::Warm,
    least: Units,
    what: &str,
    billing: BillingMode,
) -> Result<Units> {
    let wanted = warm_units(warm, least);
    if !wanted.is_below(least) {
        return Ok(wanted);
    }
    let member = lower_member(wanted, least);
    let than = match (billing, wanted.read < least.read) {
        (BillingMode::PayPerRequest, _) => "initial throughput for OnDemand",
        (BillingMode::Provisioned, true) => "ReadCapacityUnits of ProvisionedThroughput",
        (BillingMode::Provisioned, false) => "WriteCapacityUnits of ProvisionedThroughput",
    };
    Err(Rejection::invalid(format!(
        "Requested {member} for WarmThroughput for {what} is lower than {than}"
    )))
}

/// Warm throughput that an existing table or index is to have; it never decreases.
pub(super) fn next_warm(warm: wire::Warm, current: Units, what: &str) -> Result<Units> {
    let wanted = warm_units(warm, current);
    if !wanted.is_below(current) {
        return Ok(wanted);
    }
    let member = lower_member(wanted, current);
    Err(Rejection::invalid(format!(
        "Requested {member} for WarmThroughput for {what} is lower than current WarmThroughput, decreasing \
         WarmThroughput is not supported"
    )))
}

/// A member that is not given stays as it is.
fn warm_units(warm: wire::Warm, current: Units) -> Units {
    let figure = |wanted: Option<i64>, current| {
        wanted.map_or(current, |wanted| u64::try_from(wanted).unwrap_or(0))
    };
    Units {
        read: figure(warm.read_units_per_second, current.read),
        write: figure(warm.write_units_per_second, current.write),
    }
}

fn lower_member(wanted: Units, than: Units) -> &'static str {
    if wanted.read < than.read { "ReadUnitsPerSecond" } else { "WriteUnitsPerSecond" }
}

/// The stream that a table is created with.
pub(super) fn first_stream(stream: &wire::Stream) -> Result<Option<ViewType>> {
    let enabled = stream
        .stream_enabled
        .ok_or_else(|| Rejection::missing_member("streamSpecification.streamEnabled"))?;
    match (enabled, stream.stream_view_type) {
        (true, Some(view)) => Ok(Some(view)),
        (false, None) => Ok(None),
        (true, None) => Err(Rejection::invalid(
            "Table is being created with a stream enabled, UpdateViewType is required",
        )),
        (false, Some(_)) => Err(Rejection::invalid(
            "Table is being created with a stream disabled, UpdateViewType should not be specified",
        )),
    }
}
