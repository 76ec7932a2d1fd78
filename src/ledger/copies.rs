//! Rows of a copy of a table: its stage, how far each shard of the stream is replayed, and items that it has to come back to.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};

use super::SetExpression;
use super::items::{map, read, set_with};
use super::lease::{Lease, number};
use super::rows::{CopiedRow, CopyRow, FORMAT, ShardRow, entry};
use super::write::RowWrite;
use crate::dynamo::{WireItem, patiently};
use crate::interrupt::Interrupt;

/// What a copy notes about items of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note {
    /// A tombstone stands there.
    Gone,
    /// The application has the last word.
    Left,
}

impl Note {
    fn kind(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Left => "left",
        }
    }
}

const SHARD: &str = "shard";

impl Lease {
    /// How far a copy has come; `None` where it has not begun.
    pub(crate) async fn copy(&self, id: &str) -> Result<Option<CopyRow>, Interrupt> {
        let ledger = self.ledger();
        let entry = entry::copy(id);
        let row = patiently(|| ledger.get(&entry)).await?;
        Ok(row.map(|row| ledger.parse(row)).transpose()?)
    }

    pub(crate) async fn save_copy(&self, id: &str, row: &CopyRow) -> Result<(), Interrupt> {
        self.write(vec![RowWrite::set(entry::copy(id), row)?]).await
    }

    /// Takes over how far the shards are replayed. Whoever replayed them before cannot go on from here.
    pub(crate) async fn claim_shards(
        &self,
        id: &str,
    ) -> Result<BTreeMap<String, ShardRow>, Interrupt> {
        let from = entry::copied(id, SHARD, "");
        let claim = |(rest, _): (String, WireItem)| RowWrite::Set {
            is_false: None,
            entry: format!("{from}{rest}"),
            fields: WireItem::new(),
        };
        self.write_all(self.rows_after(&from).await?.into_iter().map(claim).collect()).await?;
        // Only now do they stay as they are.
        let rows = self.rows_after(&from).await?.into_iter();
        let parsed = rows.map(|(rest, row)| Ok((rest, self.ledger().parse(row)?)));
        parsed.collect()
    }

    pub(crate) async fn save_shards(
        &self,
        id: &str,
        rows: &BTreeMap<String, ShardRow>,
    ) -> Result<(), Interrupt> {
        let set = |(shard, row): (&String, _)| RowWrite::set(entry::copied(id, SHARD, shard), row);
        self.write_all(rows.iter().map(set).collect::<Result<_, _>>()?).await
    }

    pub(crate) async fn forget_shards(&self, id: &str) -> Result<(), Interrupt> {
        self.forget(&entry::copied(id, SHARD, "")).await
    }

    /// The action of a transaction that moves a shard on, on the condition that it is where it was and that nobody else has
    /// claimed it.
    pub(crate) fn advance(
        &self,
        id: &str,
        shard: &str,
        before: &ShardRow,
        after: &ShardRow,
    ) -> Result<TransactWriteItem, Interrupt> {
        let unsayable =
            |error: serde_dynamo::Error| Interrupt::Failed(format!("shard {shard}: {error}"));
        let ledger = self.ledger();
        let mut fields: WireItem = serde_dynamo::to_item(after).map_err(unsayable)?;
        fields.insert("format".to_owned(), number(FORMAT.into()));
        let set = SetExpression::of(fields);
        let position = serde_dynamo::to_attribute_value(&before.position).map_err(unsayable)?;
        let update = Update::builder()
            .table_name(ledger.table())
            .set_key(Some(ledger.key(&entry::copied(id, SHARD, shard))))
            .update_expression(set.text)
            .condition_expression("#fence = :fence AND #position = :before")
            .set_expression_attribute_names(Some(set.names))
            .set_expression_attribute_values(Some(set.values))
            .expression_attribute_names("#fence", "fence")
            .expression_attribute_names("#position", "position")
            .expression_attribute_values(":fence", number(self.fence()))
            .expression_attribute_values(":before", position);
        let update = update.build().expect("table, key and expression are set");
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// How far a shard is replayed.
    pub(crate) async fn shard(&self, id: &str, shard: &str) -> Result<Option<ShardRow>, Interrupt> {
        let ledger = self.ledger();
        let entry = entry::copied(id, SHARD, shard);
        let row = patiently(|| ledger.get(&entry)).await?;
        Ok(row.map(|row| ledger.parse(row)).transpose()?)
    }

    /// The action of a transaction that notes something about an item.
    pub(crate) fn note(
        &self,
        id: &str,
        note: Note,
        digest: &str,
        row: &CopiedRow,
    ) -> TransactWriteItem {
        let mut fields: WireItem = serde_dynamo::to_item(row).unwrap_or_default();
        fields.extend(self.ledger().key(&entry::copied(id, note.kind(), digest)));
        fields.insert("format".to_owned(), number(FORMAT.into()));
        fields.insert("fence".to_owned(), number(self.fence()));
        fields.insert("key".to_owned(), AttributeValue::M(row.key.clone()));
        let put = Put::builder().table_name(self.ledger().table()).set_item(Some(fields));
        let put = put.build().expect("table and item are set");
        TransactWriteItem::builder().put(put).build()
    }

    pub(crate) async fn save_note(
        &self,
        id: &str,
        note: Note,
        digest: &str,
        row: &CopiedRow,
    ) -> Result<(), Interrupt> {
        let entry = entry::copied(id, note.kind(), digest);
        self.write(vec![set_with(entry, row, Some(("key", &row.key)))?]).await
    }

    /// What is noted about items, by the digests of their keys.
    pub(crate) async fn notes(
        &self,
        id: &str,
        note: Note,
    ) -> Result<Vec<(String, CopiedRow)>, Interrupt> {
        let rows = self.rows_after(&entry::copied(id, note.kind(), "")).await?;
        let parse = |(rest, row): (String, WireItem)| {
            let key = map(&row, "key");
            (rest, CopiedRow { key, ..read(row) })
        };
        Ok(rows.into_iter().map(parse).collect())
    }

    pub(crate) async fn forget_notes(
        &self,
        id: &str,
        note: Note,
        digests: &[String],
    ) -> Result<(), Interrupt> {
        let delete = |digest: &String| RowWrite::Delete(entry::copied(id, note.kind(), digest));
        self.write_all(digests.iter().map(delete).collect()).await
    }

    /// Forgets all that is on record of a copy; its own row comes last.
    pub(crate) async fn forget_copy(&self, id: &str) -> Result<(), Interrupt> {
        self.forget(&format!("{}#", entry::copy(id))).await?;
        self.write(vec![RowWrite::Delete(entry::copy(id))]).await
    }
}
