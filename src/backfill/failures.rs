//! Items that cannot be handled: how many are tolerated, and the record of each.

use std::collections::BTreeSet;

use tokio::sync::Mutex;

use super::{Job, journal, transform};
use crate::clock;
use crate::dynamo::{WireItem, key_of};
use crate::interrupt::Interrupt;
use crate::ledger::rows::FailedRow;

/// The items that have failed so far, those of earlier runs among them.
#[derive(Debug)]
pub(super) struct Failures {
    prefix: String,
    keys: Mutex<BTreeSet<String>>,
}

impl Failures {
    pub(super) async fn load(job: &Job) -> Result<Self, Interrupt> {
        let prefix = prefix(job);
        let known = match job.backfill.max_failed_items {
            0 => Vec::new(),
            _ => job.lease.failed_items(&prefix).await?,
        };
        let keys = known.into_iter().map(|(rest, _)| rest).collect();
        Ok(Self { prefix, keys: Mutex::new(keys) })
    }

    pub(super) async fn count(&self) -> usize {
        self.keys.lock().await.len()
    }

    /// Fails where more are on record than are tolerated, as workers leave them that do not know of each other's.
    pub(super) async fn check(&self, job: &Job) -> Result<(), Interrupt> {
        let (count, most) = (self.count().await as u64, job.backfill.max_failed_items);
        if count <= most {
            return Ok(());
        }
        Err(Interrupt::Failed(format!(
            "{count} items failed, and max_failed_items allows {most}. Their keys and errors are in the ledger, \
             under failed#{}",
            self.prefix
        )))
    }

    /// Records an item that cannot be handled; an error where there are too many of them.
    pub(super) async fn add(
        &self,
        job: &Job,
        keys: &[String],
        item: &WireItem,
        error: &str,
    ) -> Result<(), Interrupt> {
        let named = format!("item {}: {error}", transform::describe(keys, item));
        let most = job.backfill.max_failed_items;
        if most == 0 {
            return Err(Interrupt::Failed(named));
        }
        let key = key_of(keys, item);
        let digest = journal::digest_of(&key);
        let mut known = self.keys.lock().await;
        if !known.contains(&digest) && known.len() as u64 >= most {
            return Err(Interrupt::Failed(format!(
                "{named}; {most} items had failed before it, which is as many as max_failed_items allows. \
                 Their keys and errors are in the ledger, under failed#{}",
                self.prefix
            )));
        }
        tracing::warn!(table = job.backfill.table, "{named}");
        let row = FailedRow {
            table: job.backfill.table.clone(),
            error: error.to_owned(),
            run: job.lease.run().to_owned(),
            at: clock::now(),
            key,
        };
        job.lease.save_failed(&format!("{}{digest}", self.prefix), &row).await?;
        known.insert(digest);
        Ok(())
    }
}

/// What the keys of a backfill's failed items begin with.
pub(super) fn prefix(job: &Job) -> String {
    let Job { migration, direction, name, backfill, .. } = job;
    format!("{}#{direction}#{name}#{}#", migration.id, backfill.table)
}
