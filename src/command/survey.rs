//! All that is known of a scope, for a report of it: what the looking commands tell, and its tables as they are.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::{Asked, Command, CommandError, Entry, Hands, Status, history, plan, status};
use crate::backfill::describe;
use crate::clock;
use crate::desired::RemovalPolicy;
use crate::ledger::rows::{CheckpointRow, FailedRow, ProgressRow, TableRow};
use crate::ledger::state::State;
use crate::ledger::{Ledger, Snapshot};
use crate::observe::{self, LiveTable, Wanted};

/// Entries of the history that are told of.
const ENTRIES: usize = 2000;
/// Items of a migration that are named.
const ITEMS: usize = 200;
/// Tables that are described at the same time.
const CONCURRENCY: usize = 8;

/// All that is known of a scope.
#[derive(Debug, Clone)]
pub struct Survey {
    /// When it was made.
    pub made_at: String,
    /// The ledger table.
    pub ledger: String,
    /// The scope.
    pub scope: String,
    /// Name of the stack.
    pub stack: String,
    /// Where the scope stands.
    pub status: Status,
    /// What has happened, the newest first.
    pub history: Vec<Entry>,
    /// Its tables, by name: those on record, and those that migrations name.
    pub tables: BTreeMap<String, Surveyed>,
    /// More of the migrations of which only part may be in place, or that have left items.
    pub details: BTreeMap<String, Details>,
    /// What a deploy of the given properties would do.
    pub plan: Option<Prospect>,
}

/// A table, on record and as it is.
#[derive(Debug, Clone, Default)]
pub struct Surveyed {
    /// Whether the newest declaration has it.
    pub declared: bool,
    /// What becomes of it when it leaves the declaration; `None` where it is not on record.
    pub removal: Option<RemovalPolicy>,
    /// The generation that left it out, where it is to be deleted for that.
    pub doomed: Option<u64>,
    /// Why it could not be deleted, at the last try.
    pub failure: Option<String>,
    /// ARNs of the backups that were made before it was deleted.
    pub backups: Vec<String>,
    /// When it was deleted.
    pub deleted_at: Option<String>,
    /// The table as it is; `None` where there is none.
    pub live: Option<LiveTable>,
    /// Why it could not be looked at.
    pub unseen: Option<String>,
}

/// More of a migration.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// How far each backfill has come, and each worker with its part of one, by the rest of their keys.
    pub progress: Vec<(String, ProgressRow)>,
    /// How far each segment has come, by the rest of its key.
    pub segments: Vec<(String, CheckpointRow)>,
    /// Some of the items that could not be handled.
    pub items: Vec<FailedItem>,
}

/// An item that could not be handled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailedItem {
    /// Its table.
    pub table: String,
    /// Its key, as a person writes it.
    pub key: String,
    /// Why.
    pub error: String,
    /// When.
    pub at: String,
}

/// What a deploy would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prospect {
    /// The plan as a reviewer reads it; of one that is refused, the refusal.
    pub text: String,
    /// Each objection.
    pub refused: Vec<String>,
}

impl Command {
    /// Looks at the whole of the scope that a command means, whatever its verb; where there are properties, also at what a
    /// deploy of them would do. It takes no lease and writes nothing.
    ///
    /// # Errors
    /// [`CommandError`] where the scope is not found or cannot be read. A table that cannot be looked at is told of instead.
    pub async fn survey(
        self,
        hands: &Hands,
        properties: Option<&Value>,
    ) -> Result<Survey, CommandError> {
        let (ledger, snapshot) = self.scope(hands).await?;
        let status = status::of(hands, &ledger, &snapshot).await?;
        let tables = tables(hands, &snapshot).await;
        let details = details(&ledger, &status, &tables).await?;
        let history = history::of(&ledger, ENTRIES).await?.entries;
        let stack = super::stack_of(&snapshot).to_owned();
        let plan = match properties {
            Some(properties) => {
                let properties = properties.clone();
                let asked = Asked { properties, may_begin: false, sample: None };
                let planned = plan::of(hands, &ledger, snapshot, &asked).await?;
                Some(Prospect { text: planned.text, refused: planned.refused })
            }
            None => None,
        };
        Ok(Survey {
            made_at: clock::now(),
            ledger: ledger.table().to_owned(),
            scope: ledger.scope().to_owned(),
            stack,
            status,
            history,
            tables,
            details,
            plan,
        })
    }
}

async fn tables(hands: &Hands, snapshot: &Snapshot) -> BTreeMap<String, Surveyed> {
    let specs = hands.migrator.as_ref().map(|migrator| migrator.specs()).unwrap_or_default();
    let named = specs.into_iter().flat_map(|spec| spec.tables);
    let names: BTreeSet<String> = snapshot.tables.keys().cloned().chain(named).collect();
    let looks = names.into_iter().map(|name| async move {
        let table = table(hands, &name, snapshot.tables.get(&name)).await;
        (name, table)
    });
    let looks: Vec<_> = looks.collect();
    stream::iter(looks).buffer_unordered(CONCURRENCY).collect().await
}

async fn table(hands: &Hands, name: &str, row: Option<&TableRow>) -> Surveyed {
    let declaration = row.and_then(TableRow::last_declaration);
    let wanted = declaration.as_ref().map(Wanted::by).unwrap_or_default();
    let mut table = row.map(Surveyed::on_record).unwrap_or_default();
    match observe::table(&hands.services, name, &wanted).await {
        Ok(live) => table.live = live,
        Err(error) => table.unseen = Some(error.to_string()),
    }
    table
}

impl Surveyed {
    fn on_record(row: &TableRow) -> Self {
        Self {
            declared: row.declared,
            removal: Some(row.removal),
            doomed: row.doomed.filter(|_| row.is_doomed()),
            failure: row.failure.clone(),
            backups: row.backups.clone(),
            deleted_at: row.deleted_at.clone(),
            live: None,
            unseen: None,
        }
    }
}

async fn details(
    ledger: &Ledger,
    status: &Status,
    tables: &BTreeMap<String, Surveyed>,
) -> Result<BTreeMap<String, Details>, CommandError> {
    let has_more = |state: State| state.is_partial() || state == State::AppliedWithErrors;
    let ids = status.migrations.iter().filter(|migration| has_more(migration.row.state));
    let each = ids.map(|migration| async {
        let id = migration.row.id.as_str();
        let (progress, segments, rows) = futures::try_join!(
            ledger.all_progress(id),
            ledger.all_positions(id),
            ledger.all_failed(id)
        )?;
        let items = rows.into_iter().take(ITEMS).map(|row| failed(row, tables)).collect();
        Ok::<_, CommandError>((id.to_owned(), Details { progress, segments, items }))
    });
    let each: Vec<_> = each.collect();
    stream::iter(each).buffer_unordered(CONCURRENCY).try_collect().await
}

fn failed(row: FailedRow, tables: &BTreeMap<String, Surveyed>) -> FailedItem {
    let live = tables.get(&row.table).and_then(|table| table.live.as_ref());
    let mut keys: Vec<String> = match live {
        Some(live) => live.table().keys.names().map(str::to_owned).collect(),
        None => row.key.keys().cloned().collect(),
    };
    if live.is_none() {
        keys.sort();
    }
    let key = describe(&keys, &row.key);
    FailedItem { table: row.table, key, error: row.error, at: row.at }
}
