//! Changes as a transform of items.

use aws_sdk_dynamodb::types::AttributeValue;

use super::document::{Act, Change, CopyTo, Edit, Setting};
use super::expression::Expression;
use crate::dynamo::same;
use crate::item::{Change as Outcome, Item, Put};
use crate::migration::MigrationError;

/// What becomes of an item by these changes of its table, in order: each sees what the one before has made of it.
///
/// # Errors
/// What is missing or in the way; names attributes and types, never values.
pub(super) fn apply(changes: &[Change], mut item: Item) -> Result<Outcome, MigrationError> {
    let mut is_changed = false;
    for change in changes {
        let is_meant = match &change.when {
            Some(when) => when.holds(&item).map_err(|why| told("when", &why))?,
            None => true,
        };
        if !is_meant {
            continue;
        }
        match &change.act {
            Act::Edit(edit) => self::edit(edit, &mut item)?,
            Act::Delete => return Ok(Outcome::Delete),
            Act::CopyTo(copy) => return self::copy(copy, &item),
        }
        is_changed = true;
    }
    Ok(if is_changed { Outcome::Update(item) } else { Outcome::Keep })
}

fn edit(edit: &Edit, item: &mut Item) -> Result<(), MigrationError> {
    // All of it follows from the item as it was.
    let values = values(&edit.set, item)?;
    let mut moved = Vec::new();
    for renaming in &edit.rename {
        let (from, to) = (&renaming.from.value, &renaming.to.value);
        let what = |why: String| told("rename", &why);
        let Some(value) = from.get(item).map_err(what)? else { continue };
        let there = to.get(item).map_err(what)?;
        if there.is_some() && !same(there, Some(value)) {
            return Err(what(format!(
                "{from} cannot become {to}, which is there with another value"
            )));
        }
        moved.push((renaming, value.clone()));
    }
    for path in &edit.remove {
        path.value.remove(item).map_err(|why| told("remove", &why))?;
    }
    for (renaming, value) in moved {
        let what = |why: String| told("rename", &why);
        renaming.from.value.remove(item).map_err(what)?;
        renaming.to.value.set(item, value).map_err(what)?;
    }
    put(&edit.set, values, item)
}

fn copy(copy: &CopyTo, item: &Item) -> Result<Outcome, MigrationError> {
    let values = values(&copy.set, item)?;
    let mut made = Item::from(item.as_wire().clone());
    put(&copy.set, values, &mut made)?;
    Ok(Outcome::Put(vec![Put { table: copy.table.clone(), item: made }]))
}

fn values(set: &[Setting], item: &Item) -> Result<Vec<AttributeValue>, MigrationError> {
    let value = |setting: &Setting| {
        setting.value.of(item).map_err(|why| told(&format!("set {}", setting.path.value), &why))
    };
    set.iter().map(value).collect()
}

fn put(
    set: &[Setting],
    values: Vec<AttributeValue>,
    item: &mut Item,
) -> Result<(), MigrationError> {
    for (setting, value) in set.iter().zip(values) {
        let path = &setting.path.value;
        path.set(item, value).map_err(|why| told(&format!("set {path}"), &why))?;
    }
    Ok(())
}

/// Whether an item is as `verify` wants it.
///
/// # Errors
/// That it is not, or why that cannot be said.
pub(super) fn verify(that: &Expression, item: &Item) -> Result<(), MigrationError> {
    match that.holds(item) {
        Ok(true) => Ok(()),
        Ok(false) => Err(told("verify", &format!("{} does not hold", that.text.trim()))),
        Err(why) => Err(told("verify", &why)),
    }
}

fn told(field: &str, why: &str) -> MigrationError {
    MigrationError::new(format!("{field}: {why}"))
}
