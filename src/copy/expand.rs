//! From items and records of the source to what is wanted in the target. Pure, but for the author's transform, which is to be.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::rule::{Intent, Want};
use crate::backfill::describe;
use crate::dynamo::{WireItem, digest, key_of};
use crate::item::Item;
use crate::migration::{MigrationError, ask};
use crate::streams::Record;

/// What an item of the source becomes.
pub(crate) type Rekey = Arc<dyn Fn(Item) -> Result<Vec<Item>, MigrationError> + Send + Sync>;

/// How items of one table become items of another.
#[derive(Clone)]
pub(super) struct Shape {
    pub(super) rekey: Rekey,
    /// Names of the attributes of the source's key, in order.
    pub(super) source_keys: Vec<String>,
    /// Those of the target.
    pub(super) target_keys: Vec<String>,
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shape")
            .field("source_keys", &self.source_keys)
            .field("target_keys", &self.target_keys)
            .finish_non_exhaustive()
    }
}

impl Shape {
    /// What a source item becomes, each with its key in the target.
    pub(super) fn expand(&self, source: &WireItem) -> Result<Vec<(WireItem, WireItem)>, String> {
        let items = ask(|| (self.rekey)(Item::from(source.clone())))?;
        let mut expanded: Vec<(WireItem, WireItem)> = Vec::new();
        for item in items {
            let key = key_of(&self.target_keys, item.wire());
            if key.len() < self.target_keys.len() {
                let keys = self.target_keys.join(" and ");
                return Err(format!("what it becomes lacks its key, {keys}"));
            }
            let text = identity(&key);
            if expanded.iter().any(|(other, _)| identity(other) == text) {
                let key = describe(&self.target_keys, &key);
                return Err(format!("it becomes two items with the key {key}"));
            }
            expanded.push((key, item.wire().clone()));
        }
        Ok(expanded)
    }

    /// Whether a source item has this key in the target.
    pub(super) fn holds(&self, source: &WireItem, key: &WireItem) -> bool {
        let text = identity(key);
        let expanded = self.expand(source).unwrap_or_default();
        expanded.iter().any(|(other, _)| identity(other) == text)
    }

    /// What the scan wants for an item that it has read.
    pub(super) fn of_item(&self, source: &WireItem) -> Result<Vec<Intent>, String> {
        let from = key_of(&self.source_keys, source);
        let intent = |(key, item)| Intent::of_scan(key, from.clone(), item);
        Ok(self.expand(source)?.into_iter().map(intent).collect())
    }

    /// What a record wants: the keys of the item before that are not those of the item after it lead to nothing any more.
    pub(super) fn of_record(&self, record: &Record) -> Result<Vec<Intent>, String> {
        // An item that cannot be transformed was never copied.
        let before = record.before.as_ref().and_then(|item| self.expand(item).ok());
        let mut before: HashMap<String, WireItem> =
            before.into_iter().flatten().map(|(key, _)| (identity(&key), key)).collect();
        let after = match &record.after {
            Some(item) => self.expand(item)?,
            None => Vec::new(),
        };
        let intent =
            |key, want| Intent { key, from: record.key.clone(), at: record.number.clone(), want };
        let mut intents = Vec::new();
        for (key, item) in after {
            let stays = before.remove(&identity(&key)).is_some();
            intents.push(intent(key, Want::Item { item, stays }));
        }
        intents.extend(before.into_values().map(|key| intent(key, Want::Nothing)));
        Ok(intents)
    }
}

/// A text that is the same for two keys if they are one key.
pub(super) fn identity(key: &WireItem) -> String {
    digest(key.iter().map(|(name, value)| (name, Some(value))))
}
