//! The plan as data for a reviewer: what changes and why, by which call, for how long, at what cost, and what to mind.

use std::cmp::Ordering;
use std::fmt;

use serde::Serialize;

use super::drift::finds;
use super::estimate::{self, BASIS, Estimate};
use super::facts::{Caution, Takes};
use super::lint::Finding;
use super::settings::Setting;
use super::steps::TableStep;
use super::{Fate, Input, Leaving, MigrationStep, Plan, TablePlan, Trouble};
use crate::authoring::Language;
use crate::migration::{Phase, Spec};
use crate::migrator::compare_ids;
use crate::observe::Observed;

/// A plan with what a reviewer wants to know of it. Its `Display` is text, its `Serialize` the same as data, and
/// [`markdown`](Self::markdown) what a comment of a pull request shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whether a deploy would have something to do.
    pub pending: bool,
    /// What is done to tables before the migrations.
    pub tables: Vec<ExplainedStep>,
    /// The migrations, a line each.
    pub migrations: Vec<String>,
    /// What there is to know of each of them, in the same order.
    pub details: Vec<ExplainedMigration>,
    /// Migrations that this deploy would leave alone.
    pub held: Vec<HeldMigration>,
    /// Tables that are not declared any more, and stay.
    pub staying: Vec<ExplainedStep>,
    /// What is removed once the whole stack has succeeded.
    pub removals: Vec<ExplainedStep>,
    /// What a person should know.
    pub notices: Vec<String>,
    /// What a careful reviewer would say, the heaviest first.
    pub findings: Vec<Finding>,
    /// What the migrations take together, as far as it can be told.
    pub total: Option<Estimate>,
    /// What the estimates rest on, where there are some.
    pub basis: Option<&'static str>,
    /// How long the tables take at least and, where nothing goes by the number of items, at most, in seconds.
    pub seconds: (u64, Option<u64>),
}

/// A step of a table, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedStep {
    /// The table.
    pub table: String,
    /// The step in one line; it begins with `+`, `~` or `-`.
    pub step: String,
    /// Why it is made: what is found now.
    pub why: String,
    /// The API operation, where one is sent.
    pub call: Option<&'static str>,
    /// How long that takes.
    pub takes: String,
    /// What is lost by it, where that cannot be taken back.
    pub irreversible: Option<&'static str>,
    /// How often DynamoDB allows it.
    pub quota: Option<&'static str>,
}

/// A migration that is to run, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedMigration {
    /// Its id.
    pub id: String,
    /// What its author says of it.
    pub description: String,
    /// What it is written in; nothing where the build does not have it.
    pub language: Option<Language>,
    /// When it runs, as seen from the code.
    pub phase: Option<Phase>,
    /// The tables that it names.
    pub tables: Vec<String>,
    /// What takes it back, and whether an older build can do that.
    pub way_back: Option<&'static str>,
    /// What it takes, where anybody but itself can tell.
    pub estimate: Option<Estimate>,
}

/// A migration that a deploy leaves alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldMigration {
    /// Its id.
    pub id: String,
    /// Why.
    pub why: Held,
}

/// Why a deploy leaves a migration alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// It comes after `Migrations.Target`.
    BeyondTarget,
    /// It is older than what is done, and `OutOfOrder` is `skip`.
    Skipped,
    /// It is on record, and newer than all that this build has.
    Future,
    /// It is on record, older than the newest of this build, and not in it.
    Missing,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeyondTarget => "after Migrations.Target",
            Self::Skipped => "older than what is done, skipped",
            Self::Future => "on record, newer than this build",
            Self::Missing => "on record, missing in this build",
        })
    }
}

impl Plan {
    /// Explains the plan that was made of this input.
    #[must_use]
    pub fn explain(&self, input: &Input<'_>) -> Explanation {
        let observed = input.observed;
        let explain = |plans: &[TablePlan]| {
            let of_table = |plan: &TablePlan| {
                plan.steps
                    .iter()
                    .map(|step| step.explain(&plan.table, observed))
                    .collect::<Vec<_>>()
            };
            plans.iter().flat_map(of_table).collect()
        };
        let leaving = self.leaving.iter().map(Leaving::explain);
        let details: Vec<_> = self.migrations.iter().map(|step| explained(input, step)).collect();
        let (doomed, staying) = leaving.partition(|step: &ExplainedStep| step.call.is_some());
        Explanation {
            tables: explain(&self.tables),
            pending: !self.is_empty(),
            migrations: self.migrations.iter().map(MigrationStep::to_string).collect(),
            total: total(&details),
            basis: details.iter().any(|one| one.estimate.is_some()).then_some(BASIS),
            details,
            held: held(input, self),
            staying,
            removals: [explain(&self.removals), doomed].concat(),
            notices: self.notices.clone(),
            findings: self.findings.clone(),
            seconds: seconds(&self.tables),
        }
    }
}

fn explained(input: &Input<'_>, step: &MigrationStep) -> ExplainedMigration {
    let spec = input.specs.iter().find(|spec| spec.id == step.id());
    ExplainedMigration {
        id: step.id().to_owned(),
        description: spec.map(|spec| spec.description.clone()).unwrap_or_default(),
        language: spec.map(|spec| spec.language),
        phase: spec.map(|spec| spec.phase),
        tables: spec.map(|spec| spec.tables.clone()).unwrap_or_default(),
        way_back: spec.and_then(way_back),
        estimate: estimate::of_migration(step, input.observed, input.specs),
    }
}

fn total(details: &[ExplainedMigration]) -> Option<Estimate> {
    let known = details.iter().filter_map(|one| one.estimate);
    known.reduce(|sum, one| sum + one)
}

fn way_back(spec: &Spec) -> Option<&'static str> {
    if !spec.reversible {
        return None;
    }
    Some(match (spec.journal, spec.language) {
        (true, _) => "by its journal",
        (false, _) if spec.copies.is_some() => "by deleting what was copied",
        (false, Language::Rust | Language::Unknown) => "by its down, of this build alone",
        (false, Language::Yaml | Language::JavaScript) => "by its down",
    })
}

/// What the plan leaves alone: of this build what neither runs nor is done, and what only the ledger knows.
fn held(input: &Input<'_>, plan: &Plan) -> Vec<HeldMigration> {
    let rows = &input.observed.ledger.migrations;
    let policy = &input.desired.migrations;
    let runs = |id: &str| plan.migrations.iter().any(|step| step.id() == id);
    let is_done = |id: &str| rows.get(id).is_some_and(|row| row.state.is_done());
    let is_beyond = |id: &str| {
        policy.target.as_ref().is_some_and(|target| compare_ids(id, target) == Ordering::Greater)
    };
    let left = input.specs.iter().filter(|spec| !runs(&spec.id) && !is_done(&spec.id));
    let of_build = left.map(|spec| HeldMigration {
        id: spec.id.clone(),
        why: if is_beyond(&spec.id) { Held::BeyondTarget } else { Held::Skipped },
    });
    let of_ledger = rows.values().filter_map(|row| {
        let why = match Trouble::of(input.specs, row)? {
            Trouble::Newer => Held::Future,
            Trouble::Missing => Held::Missing,
            Trouble::Changed | Trouble::HalfDone | Trouble::ItemsFailed | Trouble::Foreign => {
                return None;
            }
        };
        Some(HeldMigration { id: row.id.clone(), why })
    });
    of_build.chain(of_ledger).collect()
}

impl Leaving {
    fn explain(&self) -> ExplainedStep {
        let (call, irreversible) = match &self.fate {
            Fate::Doomed { snapshot: true, .. } => (
                Some("CreateBackup, DeleteTable"),
                Some("what is written after the snapshot is lost"),
            ),
            Fate::Doomed { snapshot: false, .. } => {
                (Some("DeleteTable"), Some("its items are lost"))
            }
            Fate::Stays(_) | Fate::Gone => (None, None),
        };
        ExplainedStep {
            table: self.table.clone(),
            step: self.to_string(),
            why: "not declared any more".to_owned(),
            call,
            takes: Takes::Seconds(4, 6).to_string(),
            irreversible,
            quota: None,
        }
    }
}

impl TableStep {
    fn explain(&self, table: &str, observed: &Observed) -> ExplainedStep {
        let facts = self.facts();
        let (irreversible, quota) = match facts.caution {
            Some(Caution::Irreversible(loss)) => (Some(loss), None),
            Some(Caution::Quota(quota)) => (None, Some(quota)),
            None => (None, None),
        };
        ExplainedStep {
            table: table.to_owned(),
            step: self.line(table),
            why: self.why(table, observed),
            call: Some(facts.call),
            takes: facts.takes.to_string(),
            irreversible,
            quota,
        }
    }

    fn why(&self, table: &str, observed: &Observed) -> String {
        match self {
            Self::Create(_) | Self::CreateIndex { .. } | Self::CreateReplica { .. } => {
                "declared, and not there".to_owned()
            }
            Self::Adopt => "Adopt is set".to_owned(),
            Self::DeleteIndex(_)
            | Self::DeleteReplica(_)
            | Self::Setting(Setting::Untag(_))
            | Self::ReplicaSetting { setting: Setting::Untag(_), .. } => {
                "not declared any more".to_owned()
            }
            Self::Settle { .. } => "nothing can be changed before that ends".to_owned(),
            Self::Warm(_) | Self::IndexWarm(..) => "declared, and not that warm".to_owned(),
            changing => {
                let live = observed.tables.get(table);
                let found = live.map(|live| finds(changing, live.table())).unwrap_or_default();
                match (live, found.as_slice()) {
                    (None, _) => "the table is new".to_owned(),
                    (Some(_), []) => "what it is of is new".to_owned(),
                    (Some(_), found) => format!("now {}", found.join(", ")),
                }
            }
        }
    }
}

/// How long the plans of tables take together: as long as the longest, or as all of them on the places that there are.
fn seconds(plans: &[TablePlan]) -> (u64, Option<u64>) {
    let of_table = |plan: &TablePlan| {
        plan.steps.iter().fold((0, Some(0)), |(least, most), step| match step.facts().takes {
            Takes::NoTime => (least, most),
            Takes::Seconds(from, to) => (least + from, most.map(|most: u64| most + to)),
            Takes::ByItems => (least + 8 * 60, None),
            Takes::Unknown => (least, None),
        })
    };
    let each: Vec<_> = plans.iter().map(of_table).collect();
    let together = |figures: Vec<u64>| {
        let places = super::CONCURRENT_TABLES as u64;
        let sum: u64 = figures.iter().sum();
        figures.into_iter().max().unwrap_or(0).max(sum.div_ceil(places))
    };
    let most: Option<Vec<u64>> = each.iter().map(|(_, most)| *most).collect();
    (together(each.iter().map(|(least, _)| *least).collect()), most.map(together))
}
