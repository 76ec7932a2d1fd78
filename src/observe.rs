//! Stage two, the observed side: what DynamoDB and the ledger report. Reads only.

mod table;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};

pub(crate) use self::table::tags;
pub use self::table::{LiveTable, table};
pub use self::wanted::{Feature, Wanted};
use crate::desired::{Baseline, Desired, RemovalPolicy};
use crate::dynamo::{self, Class, patiently};
use crate::kms::{FoundKey, Kms};
use crate::ledger::Snapshot;
use crate::ledger::rows::TableRow;
use crate::ledger::state::State;
use crate::migration::Spec;
use crate::plan;
use crate::schema::Encryption;
use crate::services::Services;

/// What the keys of our own tags begin with.
pub const TAG_PREFIX: &str = "tablewright:";
/// Tag that names the scope that owns a table.
pub const OWNER_TAG: &str = "tablewright:owner";
/// Tag that names the run that created a table, so that a create whose response was lost is recognised.
pub const CREATED_BY_TAG: &str = "tablewright:created-by";
/// How many of a table's tags are ours.
pub const OWN_TAGS: usize = 2;

/// Tables that are described at the same time.
const CONCURRENCY: usize = 8;

/// The observed state.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Live tables by name: those that are declared, those that migrations name, and those that are to go.
    pub tables: BTreeMap<String, LiveTable>,
    /// The region that the tables are in.
    pub region: Option<String>,
    /// Encryption keys that are declared by another name than their ARN, by that name.
    pub keys: BTreeMap<String, FoundKey>,
    /// Tables that are to go and that the role may not look at: rights can leave with the declaration.
    pub unreadable: BTreeSet<String>,
    /// The ledger.
    pub ledger: Snapshot,
}

/// Adds to what the ledger says what there is: the declared tables, those that migrations name, and those that are to go.
///
/// # Errors
/// What DynamoDB refuses.
pub async fn observe(
    services: &Services,
    snapshot: Snapshot,
    desired: &Desired,
    specs: &[Spec],
) -> Result<Observed, dynamo::Error> {
    let emptiness = decides_by_data(&snapshot, desired, specs);
    let mut wanted: BTreeMap<&str, Wanted> = BTreeMap::new();
    for table in specs.iter().flat_map(|spec| &spec.tables) {
        wanted.insert(table, Wanted { emptiness, ..Wanted::default() });
    }
    for declared in &desired.tables {
        let row = snapshot.tables.get(&declared.table.name);
        let last = row.and_then(TableRow::last_declaration);
        let by = Wanted::by(&plan::retire(&declared.table, last.as_ref()))
            .without_waiting_for(declared.detached.clone());
        wanted.insert(&declared.table.name, Wanted { emptiness, ..by });
    }
    let looks = wanted.iter().map(|(name, wanted)| table(services, name, wanted));
    let looks: Vec<_> = looks.collect();
    let tables = stream::iter(looks).buffer_unordered(CONCURRENCY).try_collect::<Vec<_>>().await?;
    let by_name = |live: LiveTable| (live.table().name.clone(), live);
    let mut tables: BTreeMap<_, _> = tables.into_iter().flatten().map(by_name).collect();
    let mut unreadable = BTreeSet::new();
    for row in snapshot.tables.values().filter(|row| is_to_go(row, desired)) {
        match table(services, &row.name, &Wanted::to_delete()).await {
            Ok(live) => tables.extend(live.map(by_name)),
            Err(error) if error.class == Class::Denied => {
                tracing::warn!(%error, "a table that is to go cannot be looked at");
                unreadable.insert(row.name.clone());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Observed {
        tables,
        region: services.dynamo.region().map(str::to_owned),
        keys: keys(&services.kms, desired).await?,
        unreadable,
        ledger: snapshot,
    })
}

/// Whether a table is not declared any more and its policy, or an earlier deploy, would have it deleted.
fn is_to_go(row: &TableRow, desired: &Desired) -> bool {
    let is_declared = desired.tables.iter().any(|declared| declared.table.name == row.name);
    let by_policy = row.declared && row.removal != RemovalPolicy::Retain;
    !is_declared && (by_policy || row.is_doomed())
}

/// Looks up the keys that are declared by another name than their ARN.
async fn keys(kms: &Kms, desired: &Desired) -> Result<BTreeMap<String, FoundKey>, dynamo::Error> {
    let declared = desired.tables.iter().filter_map(|declared| declared.table.encryption.as_ref());
    let names: BTreeSet<&str> = declared.filter_map(Encryption::unresolved).collect();
    let looks = names
        .into_iter()
        .map(|name| async move { Ok((name.to_owned(), patiently(|| kms.find(name)).await?)) });
    let looks: Vec<_> = looks.collect();
    stream::iter(looks).buffer_unordered(CONCURRENCY).try_collect().await
}

/// Whether the planner needs to know if tables are empty: only a scope without history does.
fn decides_by_data(snapshot: &Snapshot, desired: &Desired, specs: &[Spec]) -> bool {
    !has_history(snapshot) && !specs.is_empty() && desired.migrations.baseline == Baseline::Auto
}

/// Whether a scope has a history: a run that succeeded, or a migration that was begun. Baseline rows alone are none:
/// a first run that did not come to its end may have written only some of them.
#[must_use]
pub fn has_history(snapshot: &Snapshot) -> bool {
    let committed = snapshot.meta.as_ref().is_some_and(|meta| meta.committed.is_some());
    committed || snapshot.migrations.values().any(|row| row.state != State::Baseline)
}
