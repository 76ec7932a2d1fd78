//! Takes a backfill back from its journal: each item is what it was, where it is still as the migration left it. It needs
//! neither the transform nor the build that had it.

use futures::{StreamExt, TryStreamExt, stream};

use crate::backfill::{Counts, describe};
use crate::deadline::Deadline;
use crate::dynamo::{Dynamo, Edit, Fate, WireItem, digest, patiently, patiently_alone};
use crate::interrupt::Interrupt;
use crate::ledger::Lease;
use crate::ledger::rows::{JOURNAL_SHARDS, JournalKind, JournalRow};

/// Partitions of the journal that are gone through at the same time.
const TOGETHER: usize = 8;
/// Rows of one page.
const PAGE: usize = 100;
/// Items that are looked at at the same time.
const READS: usize = 16;
/// Items of one transaction, each with its row.
const TRANSACTION: usize = 25;
/// How often an item that somebody else changes is looked at anew.
const CONTENDED_MAX: usize = 5;
/// How many of the items that were left are named.
const NAMED: usize = 5;

/// What became of the items in a journal.
#[derive(Debug, Default)]
pub(super) struct Restored {
    /// Items that are what they were.
    pub(super) items: u64,
    /// Items that somebody has changed since, which stay as they are.
    pub(super) left: u64,
    /// The first of them, by table and key.
    pub(super) named: Vec<String>,
}

impl Restored {
    fn and(mut self, other: Self) -> Self {
        self.items += other.items;
        self.left += other.left;
        self.named.extend(other.named);
        self.named.truncate(NAMED);
        self
    }

    /// As counts, with the first of the items that were left.
    pub(super) fn told(self) -> (Counts, Vec<String>) {
        let counts = Counts {
            read: self.items + self.left,
            changed: self.items,
            failed: self.left,
            ..Counts::default()
        };
        (counts, self.named)
    }

    fn leave(&mut self, row: &JournalRow) {
        self.left += 1;
        if self.named.len() < NAMED {
            let mut names: Vec<_> = row.key.keys().cloned().collect();
            names.sort();
            self.named.push(format!("{} {}", row.table, describe(&names, &row.key)));
        }
    }
}

/// Restores what the journal of one backfill of a migration has.
pub(super) async fn restore(
    lease: &Lease,
    dynamo: &Dynamo,
    prefix: &str,
    deadline: Deadline,
) -> Result<Restored, Interrupt> {
    let shard = |shard| restore_shard(lease, dynamo, prefix, shard, deadline);
    let shards = stream::iter((0..JOURNAL_SHARDS).map(shard)).buffer_unordered(TOGETHER);
    let restored: Restored =
        shards.try_fold(Restored::default(), |sum, more| async { Ok(sum.and(more)) }).await?;
    tracing::info!(items = restored.items, left = restored.left, "restored from the journal");
    Ok(restored)
}

async fn restore_shard(
    lease: &Lease,
    dynamo: &Dynamo,
    prefix: &str,
    shard: u32,
    deadline: Deadline,
) -> Result<Restored, Interrupt> {
    let (mut restored, mut after) = (Restored::default(), None);
    loop {
        lease.check()?;
        if deadline.passed() {
            let so_far = format!("stopped after {} items of one part", restored.items);
            return Err(Interrupt::OutOfTime(so_far));
        }
        let rows = lease.journal(prefix, shard, after.take(), PAGE).await?;
        let Some((last, _)) = rows.last() else { return Ok(restored) };
        after = Some(last.clone());
        restored = restored.and(restore_rows(lease, dynamo, shard, rows).await?);
    }
}

/// Restores the items of some rows; what somebody changes meanwhile is looked at again.
async fn restore_rows(
    lease: &Lease,
    dynamo: &Dynamo,
    shard: u32,
    mut rows: Vec<(String, JournalRow)>,
) -> Result<Restored, Interrupt> {
    let mut restored = Restored::default();
    for _ in 0..CONTENDED_MAX {
        let mut edits = Vec::new();
        let mut looks = stream::iter(rows.drain(..))
            .map(|(entry, row)| async {
                let current = patiently(|| dynamo.get_item(&row.table, row.key.clone())).await?;
                Ok::<_, Interrupt>((entry, row, current))
            })
            .buffer_unordered(READS);
        while let Some((entry, row, current)) = looks.try_next().await? {
            match way_back(&row, current.as_ref()) {
                Some(edit) => edits.push((entry, row, edit)),
                None => restored.leave(&row),
            }
        }
        drop(looks);
        let mut edits = edits.into_iter().peekable();
        while edits.peek().is_some() {
            lease.check()?;
            let part: Vec<_> = edits.by_ref().take(TRANSACTION).collect();
            let again = write(lease, dynamo, shard, part, &mut restored).await?;
            rows.extend(again);
        }
        if rows.is_empty() {
            return Ok(restored);
        }
    }
    for (_, row) in &rows {
        restored.leave(row);
    }
    Ok(restored)
}

type Way = (String, JournalRow, Edit);

/// Writes changes, each together with the deletion of its row; returns those that met another item than was read.
async fn write(
    lease: &Lease,
    dynamo: &Dynamo,
    shard: u32,
    mut part: Vec<Way>,
    restored: &mut Restored,
) -> Result<Vec<(String, JournalRow)>, Interrupt> {
    let mut again = Vec::new();
    while !part.is_empty() {
        let actions: Vec<_> = part
            .iter()
            .flat_map(|(entry, row, edit)| {
                [lease.ledger().forget_kept(shard, entry), edit.action(&row.table)]
            })
            .collect();
        let fates = patiently_alone(|| async {
            let fates = dynamo.transact_each(lease.ledger().table(), actions.clone()).await?;
            // A transaction that others are in the way of is one that is throttled: it is sent again.
            let busy = fates.each.iter().find_map(|fate| match fate {
                Fate::Refused(error) if error.is_transient() => Some(error.clone()),
                Fate::Refused(_) | Fate::Done | Fate::Conflict(_) | Fate::Untried => None,
            });
            busy.map_or(Ok(fates), Err)
        })
        .await?;
        let mut fates = fates.each.into_iter();
        let mut rest = Vec::new();
        for (entry, row, edit) in part {
            match (fates.next(), fates.next()) {
                // Where the row is gone, an earlier try, whose answer was lost, has done it.
                (Some(Fate::Done), Some(Fate::Done)) | (Some(Fate::Conflict(_)), _) => {
                    restored.items += 1;
                }
                (_, Some(Fate::Conflict(_))) => again.push((entry, row)),
                (Some(Fate::Refused(error)), _) | (_, Some(Fate::Refused(error))) => {
                    return Err(error.into());
                }
                _ => rest.push((entry, row, edit)),
            }
        }
        part = rest;
    }
    Ok(again)
}

/// The change that makes an item what it was; `None` where somebody has changed since what the migration had written.
fn way_back(row: &JournalRow, current: Option<&WireItem>) -> Option<Edit> {
    let keys: Vec<_> = row.key.keys().cloned().collect();
    let is_as_left = |current: &WireItem| {
        digest(row.names.iter().map(|name| (name, current.get(name)))) == row.after
    };
    match (row.kind, current) {
        (JournalKind::Update, Some(current)) if is_as_left(current) => {
            let mut before = current.clone();
            for name in &row.names {
                before.remove(name);
            }
            before.extend(row.before.clone());
            Edit::update(&keys, current, &before)
        }
        (JournalKind::Delete, None) => {
            let item = row.key.clone().into_iter().chain(row.before.clone()).collect();
            Some(Edit::make(&keys, &item))
        }
        (JournalKind::Make, Some(current))
            if is_as_left(current) && current.len() == keys.len() + row.names.len() =>
        {
            Some(Edit::delete(&keys, current))
        }
        (
            JournalKind::Update | JournalKind::Delete | JournalKind::Make | JournalKind::Unknown,
            _,
        ) => None,
    }
}
