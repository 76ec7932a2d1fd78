//! What an item was before it was changed, as a row of the ledger that is written in one transaction with the change.

use aws_sdk_dynamodb::types::TransactWriteItem;

use super::Job;
use crate::clock;
use crate::dynamo::{Edit, Kind, WireItem, digest};
use crate::interrupt::Interrupt;
use crate::ledger::rows::{JournalKind, JournalRow};

/// How long a journal is kept, in seconds: as long as point-in-time recovery reaches back at most.
const KEPT: u64 = 35 * 24 * 3600;

/// The two actions of a change that is kept in the journal: the row, and the change.
pub(super) fn actions(job: &Job, table: &str, edit: &Edit) -> [TransactWriteItem; 2] {
    let before = edit.attributes.iter();
    let before = before.filter_map(|(name, d)| Some((name.clone(), d.before.clone()?)));
    let row = JournalRow {
        table: table.to_owned(),
        kind: match edit.kind {
            Kind::Update => JournalKind::Update,
            Kind::Delete => JournalKind::Delete,
            Kind::Make => JournalKind::Make,
        },
        names: edit.attributes.keys().cloned().collect(),
        after: digest(edit.attributes.iter().map(|(name, d)| (name, d.after.as_ref()))),
        run: job.lease.run().to_owned(),
        at: clock::now(),
        expires_at: clock::now_ms() / 1000 + KEPT,
        key: edit.key.clone(),
        before: before.collect(),
    };
    let kept = job.lease.ledger().keep(&prefix(job, table), &digest_of(&edit.key), &row);
    [kept, edit.action(table)]
}

/// Whether a change of this item is in the journal already.
pub(super) async fn has(job: &Job, table: &str, key: &WireItem) -> Result<bool, Interrupt> {
    job.lease.ledger().is_kept(&prefix(job, table), &digest_of(key)).await
}

/// A digest that tells the keys of a table from each other.
pub(super) fn digest_of(key: &WireItem) -> String {
    digest(key.iter().map(|(name, value)| (name, Some(value))))
}

fn prefix(job: &Job, table: &str) -> String {
    format!("{}#{}#{table}#", job.migration.id, job.name)
}
