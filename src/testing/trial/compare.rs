//! What differs between the items that are expected and those that are found, in words.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::backfill::describe;
use crate::dynamo::{WireItem, key_of, same};
use crate::preview::Values;

/// A line for each difference; both sides are of this table.
pub(super) fn differences(
    table: &str,
    keys: &[String],
    expected: &[WireItem],
    found: &[WireItem],
) -> Vec<String> {
    let mut lines = Vec::new();
    for item in expected {
        match found.iter().find(|found| has_key_of(keys, item, found)) {
            Some(found) => lines.extend(attributes(table, keys, item, found)),
            None => lines.push(format!("{table} {} is missing", describe(keys, item))),
        }
    }
    let is_known = |found: &&WireItem| expected.iter().any(|item| has_key_of(keys, item, found));
    let more = found.iter().filter(|found| !is_known(found));
    lines.extend(more.map(|found| format!("{table} {} is not expected", describe(keys, found))));
    lines
}

fn has_key_of(keys: &[String], item: &WireItem, other: &WireItem) -> bool {
    let (key, other) = (key_of(keys, item), key_of(keys, other));
    keys.iter().all(|name| same(key.get(name), other.get(name)))
}

fn attributes(table: &str, keys: &[String], expected: &WireItem, found: &WireItem) -> Vec<String> {
    let names: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    let differs = |name: &&&String| !same(expected.get(**name), found.get(**name));
    let line = |name: &String| {
        let shown = |value: Option<&AttributeValue>| {
            value.map_or("missing".to_owned(), |value| Values::Shown.show(value))
        };
        let (is, expected) = (shown(found.get(name)), shown(expected.get(name)));
        format!("{table} {}: {name} is {is}, expected {expected}", describe(keys, found))
    };
    names.iter().filter(differs).map(|name| line(name)).collect()
}
