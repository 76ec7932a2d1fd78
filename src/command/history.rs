//! `history`: what has happened in a scope, the newest first: runs, attempts of migrations, and commands.

use std::cmp::Reverse;

use serde::Serialize;

use super::CommandError;
use crate::clock;
use crate::ledger::Ledger;
use crate::ledger::rows::{AttemptRow, CommandRow, RunRow};

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct History {
    pub(super) entries: Vec<Entry>,
}

/// One thing that has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When it began.
    pub at: String,
    /// What it was.
    #[serde(flatten)]
    pub what: What,
}

/// What has happened, with its row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// A request of CloudFormation's.
    Run {
        /// Its id.
        run: String,
        /// Its row.
        #[serde(flatten)]
        row: RunRow,
    },
    /// One run of a migration, forward or back.
    Attempt {
        /// Id of the migration.
        migration: String,
        /// Its row.
        #[serde(flatten)]
        row: AttemptRow,
    },
    /// What a person has had the function do.
    Command {
        /// The rest of its key.
        command: String,
        /// Its row.
        #[serde(flatten)]
        row: CommandRow,
    },
}

pub(super) async fn of(ledger: &Ledger, limit: usize) -> Result<History, CommandError> {
    let (runs, attempts, commands) =
        futures::try_join!(ledger.runs(), ledger.attempts(), ledger.commands())?;
    let runs = runs
        .into_iter()
        .map(|(run, row)| Entry { at: row.started_at.clone(), what: What::Run { run, row } });
    let attempts = attempts.into_iter().map(|(key, row)| Entry {
        at: row.started_at.clone(),
        what: What::Attempt { migration: migration_of(&key).to_owned(), row },
    });
    let commands = commands.into_iter().map(|(command, row)| Entry {
        at: row.started_at.clone(),
        what: What::Command { command, row },
    });
    let mut entries: Vec<_> = runs.chain(attempts).chain(commands).collect();
    entries.sort_by_key(|entry| Reverse(clock::parse_ms(&entry.at)));
    entries.truncate(limit);
    Ok(History { entries })
}

/// The id in the key of an attempt, which ends with its number.
fn migration_of(key: &str) -> &str {
    key.rsplit_once('#').map_or(key, |(id, _)| id)
}
