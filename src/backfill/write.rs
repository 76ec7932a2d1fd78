//! One item: transform it, and write the attributes that differ on the condition that they are still as they were read.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Job, persistently};
use crate::dynamo::{ItemWrite, WireItem, Written};
use crate::interrupt::{Interrupt, panic_message};
use crate::item::{Change, Item};

/// How often an item that somebody else changes meanwhile is transformed anew.
const CONTENDED_MAX: usize = 5;
/// An expression holds at most 300 operators; an item with more attributes to compare is not written blindly.
const ATTRIBUTES_MAX: usize = 140;

/// Applies the job's transform to an item; whether it was changed.
pub(super) async fn apply(
    job: &Job<'_>,
    keys: &[String],
    mut item: Item,
) -> Result<bool, Interrupt> {
    let key = key_of(keys, item.as_wire());
    let named = |what: String| Interrupt::Failed(format!("item {}: {what}", describe(keys, &key)));
    for _ in 0..CONTENDED_MAX {
        let change = transform(job, &item).map_err(&named)?;
        let write = match &change {
            Change::Keep => return Ok(false),
            Change::Delete => delete(keys, &key, &item),
            Change::Update(wanted) => {
                if key_of(keys, wanted.as_wire()) != key {
                    return Err(named(
                        "the transform changed its key; copy it under the new key in a function migration"
                            .to_owned(),
                    ));
                }
                match update(&key, &item, wanted) {
                    Some(write) => write,
                    None => return Ok(false),
                }
            }
        };
        if write.names.len() > ATTRIBUTES_MAX {
            return Err(named(format!(
                "{} attributes take part in one change, more than the {ATTRIBUTES_MAX} that one request compares",
                write.names.len()
            )));
        }
        let written = persistently(job, || job.dynamo.write_item(job.table, write.clone()));
        match written.await.map_err(|interrupt| match interrupt {
            Interrupt::Failed(error) => named(error),
            other => other,
        })? {
            Written::Done => return Ok(true),
            // Gone meanwhile: there is nothing left to migrate.
            Written::Conflict(None) => return Ok(change == Change::Delete),
            Written::Conflict(Some(current)) => {
                // A retry of a write whose response was lost finds its own values in place.
                let current = Item::from(current);
                if matches!(&change, Change::Update(wanted) if is_in_place(&item, wanted, &current))
                {
                    return Ok(true);
                }
                item = current;
            }
        }
    }
    Err(named(format!("changed by others {CONTENDED_MAX} times while it was being migrated")))
}

/// Calls the author's code; its panic is an error of this item.
fn transform(job: &Job<'_>, item: &Item) -> Result<Change, String> {
    let call = AssertUnwindSafe(|| (job.transform)(item.clone()));
    match catch_unwind(call) {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(panic) => Err(format!("it panicked: {}", panic_message(&*panic))),
    }
}

/// Whether `current` has every attribute that the change was to set, and none that it was to remove.
fn is_in_place(before: &Item, wanted: &Item, current: &Item) -> bool {
    changed_names(before, wanted).iter().all(|name| wanted.get(name) == current.get(name))
}

fn changed_names<'a>(before: &'a Item, wanted: &'a Item) -> BTreeSet<&'a String> {
    let names = before.as_wire().keys().chain(wanted.as_wire().keys());
    names.filter(|name| before.get(name) != wanted.get(name)).collect()
}

/// The update of the attributes that differ; `None` where none does.
fn update(key: &WireItem, before: &Item, wanted: &Item) -> Option<ItemWrite> {
    let mut write = ItemWrite { key: key.clone(), ..ItemWrite::default() };
    let (mut sets, mut removes, mut conditions) = (Vec::new(), Vec::new(), Vec::new());
    for (position, name) in changed_names(before, wanted).into_iter().enumerate() {
        write.names.insert(format!("#a{position}"), name.clone());
        match wanted.get(name) {
            Some(value) => {
                sets.push(format!("#a{position} = :new{position}"));
                write.values.insert(format!(":new{position}"), value.clone());
            }
            None => removes.push(format!("#a{position}")),
        }
        conditions.push(as_read(&mut write.values, position, before.get(name)));
    }
    if write.names.is_empty() {
        return None;
    }
    // Without this an update of an item that is gone would make a new one.
    for (position, name) in key.keys().enumerate() {
        write.names.insert(format!("#k{position}"), name.clone());
        conditions.push(format!("attribute_exists(#k{position})"));
    }
    let clause = |word: &str, parts: &[String]| {
        (!parts.is_empty()).then(|| format!("{word} {}", parts.join(", ")))
    };
    let clauses = [clause("SET", &sets), clause("REMOVE", &removes)];
    write.update = Some(clauses.into_iter().flatten().collect::<Vec<_>>().join(" "));
    write.condition = Some(conditions.join(" AND "));
    Some(write)
}

/// The deletion of an item that is still exactly as it was read.
fn delete(keys: &[String], key: &WireItem, before: &Item) -> ItemWrite {
    let mut write = ItemWrite { key: key.clone(), ..ItemWrite::default() };
    let mut conditions = Vec::new();
    for (position, name) in before.as_wire().keys().enumerate() {
        write.names.insert(format!("#a{position}"), name.clone());
        if keys.contains(name) {
            conditions.push(format!("attribute_exists(#a{position})"));
        } else {
            conditions.push(as_read(&mut write.values, position, before.get(name)));
        }
    }
    write.condition = Some(conditions.join(" AND "));
    write
}

fn as_read(values: &mut WireItem, position: usize, value: Option<&AttributeValue>) -> String {
    match value {
        None => format!("attribute_not_exists(#a{position})"),
        Some(value) => {
            values.insert(format!(":old{position}"), value.clone());
            format!("#a{position} = :old{position}")
        }
    }
}

fn key_of(keys: &[String], item: &WireItem) -> WireItem {
    keys.iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect()
}

/// A key as a person writes it; the only values of an item that are ever shown.
fn describe(keys: &[String], key: &WireItem) -> String {
    let part = |name: &String| {
        let value = match key.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            Some(AttributeValue::N(digits)) => digits.clone(),
            Some(AttributeValue::B(bytes)) => {
                bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
            }
            _ => "?".to_owned(),
        };
        format!("{name}={value}")
    };
    keys.iter().map(part).collect::<Vec<_>>().join(" ")
}
