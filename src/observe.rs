//! Stage two, the observed side: what DynamoDB and the ledger report. Reads only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures::{StreamExt, TryStreamExt, stream};

use crate::desired::{Baseline, Desired};
use crate::dynamo::{self, Class, Description, Dynamo, Status, patiently};
use crate::ledger::state::State;
use crate::ledger::{Ledger, Snapshot};
use crate::migration::Spec;
use crate::plan::TableStep;
use crate::schema::{Table, TimeToLive};

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
    /// Live tables by name: those that are declared and those that migrations name.
    pub tables: BTreeMap<String, LiveTable>,
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

/// A feature that an engine may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// `DescribeTimeToLive`, `UpdateTimeToLive`
    TimeToLive,
    /// `DescribeContinuousBackups`, `UpdateContinuousBackups`
    Recovery,
    /// `ListTagsOfResource` and its like
    Tags,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimeToLive => "time to live",
            Self::Recovery => "point-in-time recovery",
            Self::Tags => "tags",
        })
    }
}

/// Which features of a table to ask for beside its description.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Wanted {
    tags: bool,
    time_to_live: bool,
    recovery: bool,
    emptiness: bool,
}

impl Wanted {
    /// What has to be asked for to see whether a step is done.
    #[must_use]
    pub fn to_check(step: &TableStep) -> Self {
        Self {
            tags: matches!(step, TableStep::Tag(_) | TableStep::Untag(_)),
            time_to_live: matches!(step, TableStep::TimeToLive { .. }),
            recovery: matches!(step, TableStep::Recovery(_)),
            emptiness: false,
        }
    }

    /// What a declaration manages, and what an earlier one managed and is to be turned off.
    #[must_use]
    pub fn by(desired: &Table, last: Option<&Table>) -> Self {
        let ttl_to_retire =
            last.is_some_and(|last| matches!(last.time_to_live, Some(TimeToLive::On(_))));
        Self {
            tags: true,
            time_to_live: desired.time_to_live.is_some() || ttl_to_retire,
            recovery: desired.recovery.is_some(),
            emptiness: false,
        }
    }
}

/// Observes the ledger, the declared tables and those that migrations name.
///
/// # Errors
/// What DynamoDB refuses.
pub async fn observe(
    dynamo: &Dynamo,
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
        let last = row.and_then(crate::ledger::rows::TableRow::last_declaration);
        let by = Wanted::by(&declared.table, last.as_ref());
        wanted.insert(&declared.table.name, Wanted { emptiness, ..by });
    }
    let looks: Vec<_> =
        wanted.into_iter().map(|(name, wanted)| table(dynamo, name, wanted)).collect();
    let tables = stream::iter(looks).buffer_unordered(CONCURRENCY).try_collect::<Vec<_>>().await?;
    let by_name = |live: LiveTable| (live.table().name.clone(), live);
    let tables = tables.into_iter().flatten().map(by_name).collect();
    Ok(Observed { tables, ledger: snapshot })
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
    dynamo: &Dynamo,
    name: &str,
    wanted: Wanted,
) -> Result<Option<LiveTable>, dynamo::Error> {
    let Some(mut description) = patiently(|| dynamo.describe_table(name)).await? else {
        return Ok(None);
    };
    let mut live = LiveTable {
        tags: BTreeMap::new(),
        empty: None,
        unsupported: BTreeSet::new(),
        description: description.clone(),
    };
    if description.status != Status::Active {
        return Ok(Some(live));
    }
    let arn = description.arn.clone();
    if wanted.tags {
        let tags = patiently(|| dynamo.tags(name, &arn)).await;
        live.tags = live.supported(Feature::Tags, tags)?.unwrap_or_default();
        description.table.tags = Some(live.tags.clone());
    }
    if wanted.time_to_live {
        let ttl = patiently(|| dynamo.time_to_live(name)).await;
        description.table.time_to_live = live.supported(Feature::TimeToLive, ttl)?;
    }
    if wanted.recovery {
        let recovery = patiently(|| dynamo.recovery(name)).await;
        description.table.recovery = live.supported(Feature::Recovery, recovery)?;
    }
    if wanted.emptiness {
        live.empty = match patiently(|| dynamo.is_empty(name)).await {
            Ok(empty) => Some(empty),
            // Still being made.
            Err(error) if matches!(error.class, Class::Busy | Class::Missing) => None,
            Err(error) => return Err(error),
        };
    }
    live.description = description;
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
}
