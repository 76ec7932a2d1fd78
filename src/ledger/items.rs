//! Rows about the items of a migration: positions in their tables, items that failed, progress, and what items were before.

use std::fmt;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Ledger;
use super::lease::{Lease, number};
use super::rows::{
    CheckpointRow, ENTRY, FORMAT, FailedRow, JOURNAL_SHARDS, JournalRow, ProgressRow, SCOPE, entry,
};
use super::write::{ROWS_PER_WRITE, RowWrite};
use crate::dynamo::{self, WireItem, patiently};
use crate::interrupt::Interrupt;

impl Lease {
    /// Reads a checkpoint.
    pub(crate) async fn checkpoint(&self, key: &str) -> Result<Option<CheckpointRow>, Interrupt> {
        let ledger = self.ledger();
        let entry = entry::checkpoint(key);
        let row = patiently(|| ledger.get(&entry)).await?;
        Ok(row.map(read_checkpoint))
    }

    /// Reads all checkpoints whose key begins with `prefix`, by the rest of their keys.
    pub(crate) async fn checkpoints(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, CheckpointRow)>, Interrupt> {
        let rows = self.rows_after(&entry::checkpoint(prefix)).await?;
        Ok(rows.into_iter().map(|(rest, row)| (rest, read_checkpoint(row))).collect())
    }

    pub(crate) async fn save_checkpoints(
        &self,
        rows: Vec<(String, CheckpointRow)>,
    ) -> Result<(), Interrupt> {
        let writes: Result<Vec<_>, _> = rows
            .iter()
            .map(|(key, row)| {
                let keys = row.last_key.as_ref().map(|key| ("last_key", key));
                set_with(entry::checkpoint(key), row, keys)
            })
            .collect();
        self.write_all(writes?).await
    }

    pub(crate) async fn save_step(&self, key: &str, fingerprint: &str) -> Result<(), Interrupt> {
        let row = CheckpointRow {
            fingerprint: fingerprint.to_owned(),
            done: true,
            ..CheckpointRow::default()
        };
        self.save_checkpoints(vec![(key.to_owned(), row)]).await
    }

    /// Forgets how far a migration has come, so that its next run begins at the beginning.
    pub(crate) async fn forget_positions(&self, prefix: &str) -> Result<(), Interrupt> {
        self.forget(&entry::checkpoint(prefix)).await?;
        self.forget(&entry::progress(prefix)).await
    }

    /// Forgets where the backfills of these migrations have come, named by their ids.
    pub(crate) async fn forget_positions_of(
        &self,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<(), Interrupt> {
        for kind in [entry::checkpoint(""), entry::progress("")] {
            let rows = self.rows_after(&kind).await?.into_iter();
            let is_of_one = |rest: &String| rest.split('#').next().is_some_and(&is_meant);
            let rows = rows.map(|(rest, _)| rest).filter(is_of_one);
            let deletes = rows.map(|rest| RowWrite::Delete(format!("{kind}{rest}")));
            self.write_all(deletes.collect()).await?;
        }
        Ok(())
    }

    /// Items of a migration that could not be handled, by the rest of their keys.
    pub(crate) async fn failed_items(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, FailedRow)>, Interrupt> {
        let rows = self.rows_after(&entry::failed(prefix)).await?;
        Ok(rows
            .into_iter()
            .map(|(rest, row)| {
                let key = map(&row, "key");
                (rest, FailedRow { key, ..read(row) })
            })
            .collect())
    }

    pub(crate) async fn save_failed(&self, key: &str, row: &FailedRow) -> Result<(), Interrupt> {
        let write = set_with(entry::failed(key), row, Some(("key", &row.key)))?;
        self.write(vec![write]).await
    }

    pub(crate) async fn forget_failed(&self, prefix: &str) -> Result<(), Interrupt> {
        self.forget(&entry::failed(prefix)).await
    }

    /// Forgets the progress of a backfill, and of all who worked on it.
    pub(crate) async fn forget_progress(&self, key: &str) -> Result<(), Interrupt> {
        self.forget(&entry::progress(key)).await
    }

    pub(crate) async fn save_progress(
        &self,
        key: &str,
        row: &ProgressRow,
    ) -> Result<(), Interrupt> {
        self.write(vec![RowWrite::set(entry::progress(key), row)?]).await
    }

    /// Up to `most` rows of one partition of a journal, by their keys, after the one of this key.
    pub(crate) async fn journal(
        &self,
        prefix: &str,
        shard: u32,
        after: Option<String>,
        most: usize,
    ) -> Result<Vec<(String, JournalRow)>, Interrupt> {
        let ledger = self.ledger();
        let partition = ledger.journal_shard(shard);
        let first = entry::journal(prefix);
        let last = format!("{first}{}", entry::LAST);
        // Nothing sorts between a key and the same with the lowest character behind it.
        let from = after.map_or(first, |after| format!("{after}\u{0}"));
        let rows = patiently(|| {
            let sort = (ENTRY, from.as_str(), last.as_str());
            ledger.dynamo.query_page(&ledger.table, (SCOPE, &partition), sort, most)
        });
        let rows = rows.await?.into_iter().map(|row| {
            let entry = row.get(ENTRY).and_then(|entry| entry.as_s().ok()).cloned();
            let (key, before) = (map(&row, "key"), map(&row, "before"));
            (entry.unwrap_or_default(), JournalRow { key, before, ..read(row) })
        });
        Ok(rows.collect())
    }

    pub(super) async fn forget(&self, from: &str) -> Result<(), Interrupt> {
        let rows = self.rows_after(from).await?;
        for chunk in rows.chunks(ROWS_PER_WRITE) {
            let delete = |(rest, _): &(String, WireItem)| RowWrite::Delete(format!("{from}{rest}"));
            self.write(chunk.iter().map(delete).collect()).await?;
        }
        Ok(())
    }

    pub(super) async fn rows_after(
        &self,
        from: &str,
    ) -> Result<Vec<(String, WireItem)>, Interrupt> {
        Ok(self.ledger().rows_after(from).await?)
    }
}

/// How far a migration has come forward, by its own record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// Its finished steps.
    pub steps: Vec<String>,
    /// Items that its backfills have read.
    pub read: u64,
    /// Items that they have changed.
    pub changed: u64,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = format!("{} items read, {} of them changed", self.read, self.changed);
        let steps = format!("its steps {}", self.steps.join(", "));
        match (self.steps.is_empty(), self.read) {
            (true, 0) => f.write_str("none of its steps or items is on record as done"),
            (true, _) => write!(f, "on record are {items}"),
            (false, 0) => write!(f, "on record are {steps}"),
            (false, _) => write!(f, "on record are {steps}, and {items}"),
        }
    }
}

impl Ledger {
    /// All rows whose key begins with `from`, by the rest of their keys.
    pub(super) async fn rows_after(
        &self,
        from: &str,
    ) -> Result<Vec<(String, WireItem)>, dynamo::Error> {
        let to = format!("{from}{}", entry::LAST);
        let rows = patiently(|| self.range(from, &to)).await?;
        let rest = |row: &WireItem| {
            let key = row.get(ENTRY).and_then(|value| value.as_s().ok());
            key.and_then(|key| key.strip_prefix(from)).unwrap_or_default().to_owned()
        };
        Ok(rows.into_iter().map(|row| (rest(&row), row)).collect())
    }

    /// How far a migration has come, by its checkpoints.
    pub(super) async fn reached(&self, id: &str) -> Result<Reached, dynamo::Error> {
        let mut reached = Reached::default();
        for (rest, row) in self.rows_after(&entry::checkpoint(&format!("{id}#up#"))).await? {
            if let Some(step) = rest.strip_prefix("step#") {
                reached.steps.push(step.to_owned());
            }
            let row = read_checkpoint(row);
            reached.read += row.read;
            reached.changed += row.changed;
        }
        Ok(reached)
    }
}

impl Ledger {
    /// The action of a transaction that keeps what an item was, on the condition that this is not on record yet.
    pub(crate) fn keep(&self, key: &str, digest: &str, row: &JournalRow) -> TransactWriteItem {
        let mut fields: WireItem = serde_dynamo::to_item(row).unwrap_or_default();
        fields.extend(self.journal_key(key, digest));
        fields.insert("format".to_owned(), number(FORMAT.into()));
        fields.insert("key".to_owned(), AttributeValue::M(row.key.clone()));
        fields.insert("before".to_owned(), AttributeValue::M(row.before.clone()));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(fields))
            .condition_expression("attribute_not_exists(#entry)")
            .expression_attribute_names("#entry", ENTRY)
            .build()
            .expect("table and item are set");
        TransactWriteItem::builder().put(put).build()
    }

    /// The action of a transaction that takes a row of a journal away, on the condition that it is there.
    pub(crate) fn forget_kept(&self, shard: u32, entry: &str) -> TransactWriteItem {
        let key = [(SCOPE, self.journal_shard(shard)), (ENTRY, entry.to_owned())];
        let key = key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key.into()))
            .condition_expression("attribute_exists(#entry)")
            .expression_attribute_names("#entry", ENTRY)
            .build()
            .expect("table and key are set");
        TransactWriteItem::builder().delete(delete).build()
    }

    /// Whether it is on record what an item was.
    pub(crate) async fn is_kept(&self, key: &str, digest: &str) -> Result<bool, Interrupt> {
        let key = self.journal_key(key, digest);
        let row = patiently(|| self.dynamo.get_item(&self.table, key.clone())).await?;
        Ok(row.is_some())
    }

    fn journal_key(&self, key: &str, digest: &str) -> WireItem {
        let shard =
            u32::from_str_radix(digest.get(..4).unwrap_or_default(), 16).unwrap_or_default();
        WireItem::from([
            (SCOPE.to_owned(), AttributeValue::S(self.journal_shard(shard % JOURNAL_SHARDS))),
            (ENTRY.to_owned(), AttributeValue::S(entry::journal(&format!("{key}{digest}")))),
        ])
    }

    pub(super) fn journal_shard(&self, shard: u32) -> String {
        format!("{}#journal#{shard:02}", self.scope)
    }
}

pub(super) fn set_with(
    entry: String,
    row: &impl Serialize,
    nested: Option<(&str, &WireItem)>,
) -> Result<RowWrite, Interrupt> {
    let mut write = RowWrite::set(entry, row)?;
    if let (RowWrite::Set { fields, .. }, Some((name, item))) = (&mut write, nested) {
        fields.insert(name.to_owned(), AttributeValue::M(item.clone()));
    }
    Ok(write)
}

pub(super) fn map(row: &WireItem, name: &str) -> WireItem {
    row.get(name).and_then(|value| value.as_m().ok()).cloned().unwrap_or_default()
}

pub(super) fn read<T: DeserializeOwned + Default>(mut row: WireItem) -> T {
    // What items hold stays in wire form.
    for nested in ["last_key", "key", "before"] {
        row.remove(nested);
    }
    serde_dynamo::from_item(row).unwrap_or_else(|error| {
        tracing::warn!(%error, "a row about items is unreadable, and taken for an empty one");
        T::default()
    })
}

pub(super) fn read_checkpoint(row: WireItem) -> CheckpointRow {
    let last_key = row.get("last_key").and_then(|key| key.as_m().ok()).cloned();
    CheckpointRow { last_key, ..read(row) }
}
