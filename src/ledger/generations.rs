//! Generations of the table set: which one holds, how a later one is gone back from, and what each has declared.

use std::cmp::Ordering;

use serde_json::Value;

use super::parked::parts;
use super::rows::{Answered, ENTRY, GenerationRow, MetaRow, TableRow, entry};
use super::{Lease, Ledger, RowWrite, Snapshot};
use crate::dynamo::{self, patiently};
use crate::interrupt::Interrupt;
use crate::request::properties_hash;

/// What a generation has declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// Its hash.
    pub hash: String,
    /// `ResourceProperties` as they came.
    pub properties: Value,
}

impl Declaration {
    /// Takes properties as they came.
    #[must_use]
    pub fn new(properties: Value) -> Self {
        Self { hash: properties_hash(&properties), properties }
    }

    /// The rows that keep it as the declaration of `generation`.
    pub(crate) fn rows(&self, generation: u64) -> Result<Vec<RowWrite>, Interrupt> {
        let text = self.properties.to_string();
        let parts = parts(&text);
        let row = |(number, part): (usize, &&str)| {
            let row = GenerationRow {
                declaration: self.hash.clone(),
                parts: parts.len(),
                properties: (*part).to_owned(),
            };
            RowWrite::set(format!("{}{number:03}", entry::generation(generation)), &row)
        };
        parts.iter().enumerate().map(row).collect()
    }
}

impl Ledger {
    /// What a generation has declared; `None` where that is not, or no longer, on record.
    ///
    /// # Errors
    /// What DynamoDB refuses.
    pub async fn declaration(&self, generation: u64) -> Result<Option<Declaration>, dynamo::Error> {
        let from = entry::generation(generation);
        let to = format!("{from}{}", entry::LAST);
        let rows = patiently(|| self.range(&from, &to)).await?;
        let rows = rows.into_iter().map(|row| self.parse(row));
        let rows: Vec<GenerationRow> = rows.collect::<Result<_, _>>()?;
        let Some(first) = rows.first() else { return Ok(None) };
        let is_whole = rows.iter().all(|row| row.declaration == first.declaration);
        if !is_whole || rows.len() != first.parts {
            return Ok(None);
        }
        let text: String = rows.iter().map(|row| row.properties.as_str()).collect();
        let properties = serde_json::from_str(&text).ok();
        Ok(properties.map(|properties| Declaration { hash: first.declaration.clone(), properties }))
    }
}

/// The rows that make `generation` the one that holds: what a newer one has doomed is declared again. CloudFormation
/// goes back to the identity that it has kept, and the ledger with it.
pub(crate) fn hold(
    snapshot: &Snapshot,
    generation: u64,
) -> Result<(MetaRow, Vec<RowWrite>), Interrupt> {
    let meta = snapshot.meta.clone().unwrap_or_default();
    let highest = meta.highest.max(meta.live()).max(generation);
    let mut writes = Vec::new();
    let meta = match generation.cmp(&meta.live()) {
        Ordering::Equal => return Ok((meta, writes)),
        Ordering::Greater => MetaRow { generation, answered: None, highest, ..meta },
        Ordering::Less => {
            let is_later = |row: &&TableRow| {
                row.is_doomed() && row.doomed.is_some_and(|doomed| doomed > generation)
            };
            for row in snapshot.tables.values().filter(is_later) {
                let row = TableRow { doomed: None, failure: None, declared: true, ..row.clone() };
                writes.push(RowWrite::set(entry::table(&row.name), &row)?);
            }
            // One that was answered and has not proved itself does not become the one to go back to.
            let answered =
                (generation > meta.generation).then(|| Answered { generation, run: String::new() });
            MetaRow { generation: meta.generation.min(generation), answered, highest, ..meta }
        }
    };
    Ok((meta, writes))
}

impl Lease {
    /// Records that the stack has succeeded with the live generation, so that nothing leads back behind it, and
    /// forgets what the generations before it have declared.
    pub(crate) async fn confirm_generation(&self, meta: &MetaRow) -> Result<(), Interrupt> {
        let ledger = self.ledger();
        let live = meta.live();
        let to = format!("{}{}", entry::GENERATION, entry::LAST);
        let rows = patiently(|| ledger.range(entry::GENERATION, &to)).await?;
        let entries = rows.iter().filter_map(|row| row.get(ENTRY)?.as_s().ok());
        let before = entries.filter(|entry| !entry.starts_with(&entry::generation(live)));
        let mut writes: Vec<_> = before.cloned().map(RowWrite::Delete).collect();
        let next = MetaRow { generation: live, answered: None, ..meta.clone() };
        if next != *meta {
            writes.push(RowWrite::set(entry::META.to_owned(), &next)?);
        }
        self.write_all(writes).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doomed(name: &str, generation: u64) -> (String, TableRow) {
        let row =
            TableRow { name: name.to_owned(), doomed: Some(generation), ..TableRow::default() };
        (name.to_owned(), row)
    }

    fn snapshot(generation: u64, answered: Option<u64>) -> Snapshot {
        let answered = answered.map(|generation| Answered { generation, run: "r".to_owned() });
        let meta = MetaRow { generation, answered, highest: 4, ..MetaRow::default() };
        Snapshot {
            meta: Some(meta),
            tables: [doomed("early", 2), doomed("late", 3)].into(),
            ..Snapshot::default()
        }
    }

    #[test]
    fn going_back_takes_the_doom_of_later_generations_away_and_no_earlier_one() {
        for (to, confirmed, answered, undoomed) in
            [(2, 1, Some(2), 1), (1, 1, None, 2), (3, 1, Some(3), 0)]
        {
            let (meta, writes) = hold(&snapshot(1, Some(3)), to).unwrap();
            assert_eq!(meta.generation, confirmed, "back to {to}");
            assert_eq!(meta.answered.as_ref().map(|answered| answered.generation), answered);
            assert_eq!((meta.live(), meta.highest), (to, 4));
            assert_eq!(writes.len(), undoomed, "back to {to}");
        }
    }

    #[test]
    fn the_identity_that_cloudformation_holds_has_the_last_word() {
        let (meta, writes) = hold(&snapshot(2, None), 7).unwrap();
        assert_eq!((meta.live(), meta.highest, writes.len()), (7, 7, 0));
        let (meta, _) = hold(&Snapshot::default(), 1).unwrap();
        assert_eq!((meta.live(), meta.answered, meta.highest), (1, None, 1));
    }
}
