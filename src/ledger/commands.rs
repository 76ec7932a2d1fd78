//! What direct commands need of a ledger: the directory of scopes, who holds a lease, and the history.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lease::{Lease, Seen};
use super::rows::{
    AttemptRow, CheckpointRow, CommandRow, ENTRY, MetaRow, ProgressRow, RunRow, RunState, SCOPES,
    ScopeRow, WORKER, entry,
};
use super::{Holder, Ledger, RowWrite};
use crate::clock;
use crate::dynamo::{self, Class, Dynamo, WireItem, patiently};
use crate::interrupt::Interrupt;

/// How often a lease is asked for that others take and give back meanwhile.
const TRIES: u32 = 10;

/// Who holds a lease, and until when; its `Display` says both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The run, or the command.
    pub run: String,
    /// The number it writes with.
    pub fence: u64,
    /// When the lease expires unless it is renewed, in milliseconds since the epoch; `None` between two slices of a run,
    /// which a state machine goes on with.
    pub until_ms: Option<u64>,
}

impl Held {
    /// When the lease expires unless it is renewed.
    #[must_use]
    pub fn until(&self) -> Option<String> {
        self.until_ms.map(clock::format_ms)
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = &self.run;
        match self.until() {
            Some(until) => {
                write!(f, "run {run} holds the lease until {until}, and renews it while it works")
            }
            None => {
                write!(f, "run {run} is between two slices, and a state machine goes on with it")
            }
        }
    }
}

/// Whether a lease is taken from whoever holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taking {
    /// Only a free one.
    IfFree,
    /// Whoever holds it.
    Over,
}

/// What came of asking for a lease by hand.
pub(crate) enum Taken {
    /// It is held now, and who held it before.
    Lease(Lease, Option<Held>),
    /// Somebody holds it.
    Held(Held),
}

/// How far the segments of a backfill have come, by their positions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Segments {
    /// `up` or `down`.
    pub direction: String,
    /// Its table.
    pub table: String,
    /// Into how many the scan is divided.
    pub of: u32,
    /// How many are done.
    pub done: u32,
    /// Items read.
    pub read: u64,
    /// Items changed.
    pub changed: u64,
}

impl Ledger {
    /// The directory of a ledger table: the scopes that have deployed into it, and whose they are.
    ///
    /// # Errors
    /// [`Class::Missing`] where there is no ledger table; what DynamoDB refuses.
    pub(crate) async fn scopes(
        dynamo: &Dynamo,
        table: &str,
    ) -> Result<Vec<(String, ScopeRow)>, dynamo::Error> {
        let directory = Self::new(dynamo.clone(), table, SCOPES);
        // Nothing sorts before a space but characters that no scope has.
        let rows = patiently(|| directory.range(" ", entry::LAST)).await?;
        rows.into_iter().map(|row| Ok((entry_of(&row), directory.parse(row)?))).collect()
    }

    /// Who holds the lease.
    ///
    /// # Errors
    /// What DynamoDB refuses.
    pub(crate) async fn holder(&self) -> Result<Option<Held>, dynamo::Error> {
        let row = patiently(|| self.get(entry::LEASE)).await?;
        self.held(row.as_ref().map(Seen::read).as_ref()).await
    }

    /// Who holds a lease that was looked at: whoever has not given it back, or a run that is to go on with it.
    async fn held(&self, seen: Option<&Seen>) -> Result<Option<Held>, dynamo::Error> {
        let Some(seen) = seen else { return Ok(None) };
        let fence = seen.fence;
        if let Some(holder) = seen.holder.as_ref().filter(|_| !seen.is_expired()) {
            let until_ms = Some(seen.expires_at_ms);
            return Ok(Some(Held { run: holder.run.clone(), fence, until_ms }));
        }
        let run = self.between_slices(seen).await?;
        Ok(run.map(|run| Held { run, fence, until_ms: None }))
    }

    /// The run that a state machine goes on with, where the lease is free for now. Of a scope that is held, none does.
    async fn between_slices(&self, seen: &Seen) -> Result<Option<String>, dynamo::Error> {
        let meta = patiently(|| self.get(entry::META)).await?;
        let meta: MetaRow = meta.map(|row| self.parse(row)).transpose()?.unwrap_or_default();
        if meta.hold.is_some() {
            return Ok(None);
        }
        if let Some(detached) = meta.detached {
            return Ok(Some(detached.run));
        }
        let Some(run) = &seen.run else { return Ok(None) };
        let entry = entry::run(run);
        let Some(row) = patiently(|| self.get(&entry)).await? else { return Ok(None) };
        let row: RunRow = self.parse(row)?;
        let is_open = row.handed_over && row.state == RunState::Running;
        let goes_on = is_open && self.parked(run).await?.is_some();
        Ok(goes_on.then(|| run.clone()))
    }

    /// Takes the lease, and says whose it was.
    ///
    /// # Errors
    /// What DynamoDB refuses; [`Class::Busy`] where others are in the way each time.
    pub(crate) async fn take_by_hand(
        &self,
        holder: &Holder,
        taking: Taking,
    ) -> Result<Taken, dynamo::Error> {
        for _ in 0..TRIES {
            let row = patiently(|| self.get(entry::LEASE)).await?;
            let seen = row.as_ref().map(Seen::read);
            let held = self.held(seen.as_ref()).await?;
            if let (Some(held), Taking::IfFree) = (&held, taking) {
                return Ok(Taken::Held(held.clone()));
            }
            if let Some(lease) = self.take(holder, seen.as_ref()).await? {
                return Ok(Taken::Lease(lease, held));
            }
        }
        Err(dynamo::Error {
            service: dynamo::Service::DynamoDb,
            action: "UpdateItem",
            resource: self.table.clone(),
            class: Class::Busy,
            message: format!("others took the lease {TRIES} times in a row"),
        })
    }

    /// All runs, in no order of time.
    pub(crate) async fn runs(&self) -> Result<Vec<(String, RunRow)>, dynamo::Error> {
        self.parsed(entry::RUN).await
    }

    /// All attempts of all migrations, by the id and the number of each.
    pub(crate) async fn attempts(&self) -> Result<Vec<(String, AttemptRow)>, dynamo::Error> {
        self.parsed(entry::ATTEMPT).await
    }

    /// All commands.
    pub(crate) async fn commands(&self) -> Result<Vec<(String, CommandRow)>, dynamo::Error> {
        self.parsed(entry::COMMAND).await
    }

    /// How far the backfills of a migration have come.
    pub(crate) async fn progress(&self, id: &str) -> Result<Vec<ProgressRow>, dynamo::Error> {
        let rows: Vec<(String, ProgressRow)> =
            self.parsed(&entry::progress(&format!("{id}#"))).await?;
        let (workers, backfills): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|(key, _)| key.contains(WORKER));
        let with_workers = |(key, row): (String, ProgressRow)| {
            let is_of = |worker: &&(String, ProgressRow)| {
                worker.0.strip_prefix(&key).is_some_and(|rest| rest.starts_with(WORKER))
            };
            let workers: Vec<_> =
                workers.iter().filter(is_of).map(|(_, row)| row.clone()).collect();
            if workers.is_empty() { row } else { row.together(&workers) }
        };
        Ok(backfills.into_iter().map(with_workers).collect())
    }

    /// How far each worker has come with its part of the backfills of a migration.
    pub(crate) async fn workers(&self, id: &str) -> Result<Vec<ProgressRow>, dynamo::Error> {
        let rows: Vec<(String, ProgressRow)> =
            self.parsed(&entry::progress(&format!("{id}#"))).await?;
        let of_worker = |(key, row): (String, ProgressRow)| key.contains(WORKER).then_some(row);
        Ok(rows.into_iter().filter_map(of_worker).collect())
    }

    /// How far each segment of the backfills of a migration has come. Their positions are saved more often than progress is.
    pub(crate) async fn segments(&self, id: &str) -> Result<Vec<Segments>, dynamo::Error> {
        let rows: Vec<(String, CheckpointRow)> =
            self.parsed(&entry::checkpoint(&format!("{id}#"))).await?;
        let mut all: BTreeMap<String, Segments> = BTreeMap::new();
        for (key, row) in rows {
            // up#items#<backfill>#<table>#<segment>
            let [direction, "items", _, table, _] = key.split('#').collect::<Vec<_>>()[..] else {
                continue;
            };
            let backfill = key.rsplit_once('#').map_or(key.as_str(), |(backfill, _)| backfill);
            let segments = all.entry(backfill.to_owned()).or_default();
            direction.clone_into(&mut segments.direction);
            table.clone_into(&mut segments.table);
            segments.of = segments.of.max(row.segments);
            segments.done += u32::from(row.done);
            segments.read += row.read;
            segments.changed += row.changed;
        }
        Ok(all.into_values().collect())
    }

    /// How many items of a migration could not be handled.
    pub(crate) async fn failed_items(&self, id: &str) -> Result<usize, dynamo::Error> {
        let from = entry::failed(&format!("{id}#"));
        Ok(self.rows_after(&from).await?.len())
    }

    async fn parsed<T: DeserializeOwned>(
        &self,
        from: &str,
    ) -> Result<Vec<(String, T)>, dynamo::Error> {
        let rows = self.rows_after(from).await?;
        rows.into_iter().map(|(rest, row)| Ok((rest, self.parse(row)?))).collect()
    }
}

impl Lease {
    /// Takes the scope out of the directory, as long as no deploy puts it back.
    pub(crate) async fn leave_directory(&self) -> Result<(), Interrupt> {
        let row = RowWrite::Delete(self.ledger().scope().to_owned()).in_partition(SCOPES);
        let listed = RowWrite::set(entry::META.to_owned(), &Listed { listed: false })?;
        self.write(vec![row, listed]).await
    }
}

/// What the scope's own row says of the directory; the rest of it stays.
#[derive(Serialize)]
struct Listed {
    listed: bool,
}

fn entry_of(row: &WireItem) -> String {
    row.get(ENTRY).and_then(|entry| entry.as_s().ok()).cloned().unwrap_or_default()
}
