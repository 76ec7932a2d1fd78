//! The request of a run that several invocations carry out: kept from the first of them until it is answered.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use super::rows::{ENTRY, entry};
use super::{Lease, Ledger, RowWrite};
use crate::dynamo::{self, ItemWrite, WireItem, patiently};
use crate::interrupt::Interrupt;
use crate::request::{Envelope, ResponseUrl};

/// Bytes of a text in one row, of the 400 KB that an item may have ("Quotas in Amazon DynamoDB").
const PART_BYTES: usize = 300_000;

/// Cuts a long text into what fits a row each.
pub(super) fn parts(text: &str) -> Vec<&str> {
    split(text, PART_BYTES)
}

/// Cuts a text into pieces of at most `bytes` bytes, never inside a character.
fn split(mut text: &str, bytes: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    while text.len() > bytes {
        let (part, rest) = text.split_at(text.floor_char_boundary(bytes));
        parts.push(part);
        text = rest;
    }
    parts.push(text);
    parts
}

/// A request as it is kept. The URL is a bearer credential: it lies in a row of its own, which DynamoDB encrypts with the
/// key of the table as it does all others, and no type that can be printed holds it.
pub(crate) struct Parked {
    /// The event, without where its answer goes.
    pub(crate) event: Value,
    /// Where its answer goes; gone once it is answered.
    pub(crate) url: Option<String>,
}

impl Lease {
    /// Keeps the request of a run, and where its answer goes, where one is to be given.
    pub(crate) async fn park(
        &self,
        run: &str,
        envelope: &Envelope,
        url: Option<&ResponseUrl>,
    ) -> Result<(), Interrupt> {
        let prefix = entry::parked(run);
        let event = envelope.to_event().to_string();
        let part = |(number, part): (usize, &str)| {
            RowWrite::fields(format!("{prefix}{number:03}"), field("event", part))
        };
        let mut rows: Vec<_> = parts(&event).into_iter().enumerate().map(part).collect();
        rows.extend(
            url.map(|url| RowWrite::fields(url_of(run), field("url", url.expose().as_str()))),
        );
        // All of a long one would not fit a transaction.
        for row in rows {
            self.write(vec![row]).await?;
        }
        Ok(())
    }
}

impl Ledger {
    /// The request of a run, where it is kept.
    ///
    /// # Errors
    /// What DynamoDB refuses.
    pub(crate) async fn parked(&self, run: &str) -> Result<Option<Parked>, dynamo::Error> {
        let prefix = entry::parked(run);
        let to = format!("{prefix}{}", entry::LAST);
        let rows = self.range_or_nothing(&prefix, to).await?;
        let event: String = rows.iter().filter_map(|row| text(row, "event")).collect();
        let url = rows.iter().find_map(|row| text(row, "url"));
        Ok(serde_json::from_str(&event).ok().map(|event| Parked { event, url }))
    }

    /// Forgets the request of a run that is answered, where its answer goes before all else.
    ///
    /// # Errors
    /// What DynamoDB refuses.
    pub(crate) async fn forget_parked(&self, run: &str) -> Result<(), dynamo::Error> {
        let prefix = entry::parked(run);
        self.delete(&url_of(run)).await?;
        let to = format!("{prefix}{}", entry::LAST);
        for row in patiently(|| self.range(&prefix, &to)).await? {
            if let Some(entry) = text(&row, ENTRY) {
                self.delete(&entry).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, entry: &str) -> Result<(), dynamo::Error> {
        let write = ItemWrite { key: self.key(entry), ..ItemWrite::default() };
        patiently(|| self.dynamo.write_item(&self.table, write.clone())).await.map(drop)
    }
}

fn text(row: &WireItem, name: &str) -> Option<String> {
    row.get(name)?.as_s().ok().cloned()
}

fn url_of(run: &str) -> String {
    format!("{}url", entry::parked(run))
}

fn field(name: &str, value: &str) -> WireItem {
    WireItem::from([(name.to_owned(), AttributeValue::S(value.to_owned()))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = "aäö€😀".repeat(3);
        for bytes in 4..text.len() + 2 {
            let parts = split(&text, bytes);
            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| part.len() <= bytes && !part.is_empty()));
        }
    }
}
