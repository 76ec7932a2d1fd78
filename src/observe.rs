//! Stage two, the observed side: what DynamoDB and the ledger report. Reads only.

mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};

pub use self::wanted::{Feature, Wanted};
use crate::desired::{Baseline, Desired, RemovalPolicy};
use crate::dynamo::{self, Class, Description, Dynamo, Status, patiently};
use crate::kms::{FoundKey, Kms};
use crate::ledger::rows::TableRow;
use crate::ledger::state::State;
use crate::ledger::{Ledger, Snapshot};
use crate::migration::Spec;
use crate::plan;
use crate::schema::{Encryption, Settings, Table};
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
    /// Encryption keys that are declared by another name than their ARN, by that name.
    pub keys: BTreeMap<String, FoundKey>,
    /// Tables that are to go and that the role may not look at: rights can leave with the declaration.
    pub unreadable: BTreeSet<String>,
    /// The ledger.
    pub ledger: Snapshot,
}

/// A table as it is.
#[derive(Debug, Clone)]
pub struct LiveTable {
    /// What `DescribeTable` says, with the features that were asked for filled in.
    pub description: Description,
    /// All its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether a scan finds nothing; `None` where nobody looked.
    pub empty: Option<bool>,
    /// Features that the engine does not implement.
    pub unsupported: BTreeSet<Feature>,
}

impl LiveTable {
    /// The table in the model's form.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.description.table
    }
}

/// Observes the ledger, the declared tables, those that migrations name, and those that are to go.
///
/// # Errors
/// What DynamoDB refuses.
pub async fn observe(
    services: &Services,
    ledger: &Ledger,
    desired: &Desired,
    specs: &[Spec],
) -> Result<Observed, dynamo::Error> {
    let snapshot = ledger.snapshot().await?;
    let emptiness = decides_by_data(&snapshot, desired, specs);
    let mut wanted: BTreeMap<&str, Wanted> = BTreeMap::new();
    for table in specs.iter().filter_map(|spec| spec.table.as_deref()) {
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
    let keys = keys(&services.kms, desired).await?;
    Ok(Observed { tables, keys, unreadable, ledger: snapshot })
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

/// Observes one table; `None` where there is none.
///
/// # Errors
/// What DynamoDB refuses.
pub async fn table(
    services: &Services,
    name: &str,
    wanted: &Wanted,
) -> Result<Option<LiveTable>, dynamo::Error> {
    let dynamo = &services.dynamo;
    let Some(description) = patiently(|| dynamo.describe_table(name)).await? else {
        return Ok(None);
    };
    let is_there = description.status == Status::Active;
    let description = description.detached(&wanted.detached);
    let mut live =
        LiveTable { description, tags: BTreeMap::new(), empty: None, unsupported: BTreeSet::new() };
    if !is_there {
        return Ok(Some(live));
    }
    if wanted.time_to_live {
        let ttl = patiently(|| dynamo.time_to_live(name)).await;
        live.description.table.time_to_live = live.supported(Feature::TimeToLive, ttl)?;
    }
    live.description.table.settings = live.settings(dynamo, name, wanted).await?;
    live.tags = live.table().settings.tags.clone().unwrap_or_default();
    if wanted.emptiness {
        live.empty = match patiently(|| dynamo.is_empty(name)).await {
            Ok(empty) => Some(empty),
            // Still being made.
            Err(error) if matches!(error.class, Class::Busy | Class::Missing) => None,
            Err(error) => return Err(error),
        };
    }
    Ok(Some(live))
}

/// All tags of a table; `None` where the engine keeps none.
///
/// # Errors
/// What DynamoDB refuses.
pub(crate) async fn tags(
    dynamo: &Dynamo,
    name: &str,
    arn: &str,
) -> Result<Option<BTreeMap<String, String>>, dynamo::Error> {
    match patiently(|| dynamo.tags(name, arn)).await {
        Ok(tags) => Ok(Some(tags)),
        Err(error) if error.class == Class::Unsupported => Ok(None),
        Err(error) => Err(error),
    }
}

impl LiveTable {
    /// The settings of the table, as far as they are asked for; what is going on with them is noted.
    async fn settings(
        &mut self,
        dynamo: &Dynamo,
        name: &str,
        wanted: &Wanted,
    ) -> Result<Settings, dynamo::Error> {
        let arn = self.description.arn.clone();
        let mut settings = self.table().settings.clone();
        let asks = |feature| wanted.settings.contains(&feature);
        if asks(Feature::Tags) {
            let tags = patiently(|| dynamo.tags(name, &arn)).await;
            // Without them the table has none that we know of.
            settings.tags = Some(self.supported(Feature::Tags, tags)?.unwrap_or_default());
        }
        if asks(Feature::Recovery) {
            let recovery = patiently(|| dynamo.recovery(name)).await;
            settings.recovery = self.supported(Feature::Recovery, recovery)?;
        }
        if asks(Feature::Destination) {
            let destination = patiently(|| dynamo.destination(name)).await;
            let destination = self.supported(Feature::Destination, destination)?;
            settings.destination = self.note_passing(destination);
        }
        if asks(Feature::Insights) {
            let insights = patiently(|| dynamo.insights(name, None)).await;
            let insights = self.supported(Feature::Insights, insights)?;
            settings.insights = self.note_passing(insights);
        }
        for index in &wanted.index_insights {
            let insights = patiently(|| dynamo.insights(name, Some(index))).await;
            let insights = self.supported(Feature::Insights, insights)?;
            let insights = self.note_passing(insights);
            settings.index_insights.extend(insights.map(|insights| (index.clone(), insights)));
        }
        if asks(Feature::Policy) {
            let policy = patiently(|| dynamo.policy(name, &arn)).await;
            settings.policy = self.supported(Feature::Policy, policy)?;
        }
        Ok(settings)
    }

    /// Takes the report of a feature, or notes that the engine does not have it.
    fn supported<T>(
        &mut self,
        feature: Feature,
        report: Result<T, dynamo::Error>,
    ) -> Result<Option<T>, dynamo::Error> {
        match report {
            Ok(report) => Ok(Some(report)),
            Err(error) if error.class == Class::Unsupported => {
                self.unsupported.insert(feature);
                Ok(None)
            }
            // While a table is being made its features are not there yet.
            Err(error) if matches!(error.class, Class::Busy | Class::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Splits a report into what is there and what is still going on.
    fn note_passing<T>(&mut self, report: Option<(T, Option<String>)>) -> Option<T> {
        let (report, passing) = report?;
        self.description.unsettled.extend(passing);
        Some(report)
    }
}
