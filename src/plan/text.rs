//! The plan as a reviewer reads it, as text and as JSON: what changes and why, by which call, for how long, what to mind.

use std::fmt;

use serde::Serialize;

use super::drift::finds;
use super::facts::{Caution, Takes};
use super::settings::Setting;
use super::steps::TableStep;
use super::{Fate, Leaving, MigrationStep, Plan, TablePlan};
use crate::observe::Observed;

/// A plan with what a reviewer wants to know of each step. Its `Display` is text, its `Serialize` the same as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What is done to tables before the migrations.
    pub tables: Vec<ExplainedStep>,
    /// The migrations, a line each.
    pub migrations: Vec<String>,
    /// Tables that are not declared any more, and stay.
    pub staying: Vec<ExplainedStep>,
    /// What is removed once the whole stack has succeeded.
    pub removals: Vec<ExplainedStep>,
    /// What a person should know.
    pub notices: Vec<String>,
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

impl Plan {
    /// Explains the plan that was made of these observations.
    #[must_use]
    pub fn explain(&self, observed: &Observed) -> Explanation {
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
        let (doomed, staying) = leaving.partition(|step: &ExplainedStep| step.call.is_some());
        Explanation {
            tables: explain(&self.tables),
            migrations: self.migrations.iter().map(MigrationStep::to_string).collect(),
            staying,
            removals: [explain(&self.removals), doomed].concat(),
            notices: self.notices.clone(),
            seconds: seconds(&self.tables),
        }
    }
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

impl fmt::Display for ExplainedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.step)?;
        write!(f, "      {}", self.why)?;
        if let Some(call) = self.call {
            write!(f, "; {call}, {}", self.takes)?;
        }
        if let Some(loss) = self.irreversible {
            write!(f, "; irreversible: {loss}")?;
        }
        if let Some(quota) = self.quota {
            write!(f, "; quota: {quota}")?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables.iter().try_for_each(|step| write!(f, "{step}"))?;
        self.migrations.iter().try_for_each(|migration| writeln!(f, "{migration}"))?;
        self.staying.iter().try_for_each(|step| write!(f, "{step}"))?;
        if !self.removals.is_empty() {
            writeln!(f, "once the whole stack has succeeded:")?;
        }
        self.removals.iter().try_for_each(|step| write!(f, "{step}"))?;
        self.notices.iter().try_for_each(|notice| writeln!(f, "! {notice}"))?;
        let steps = || self.tables.iter().chain(&self.removals);
        let count = |sign: char| steps().filter(|step| step.step.starts_with(sign)).count();
        if steps().next().is_none() && self.migrations.is_empty() {
            return writeln!(f, "Nothing to do.");
        }
        write!(f, "{} to add, {} to change, {} to remove", count('+'), count('~'), count('-'))?;
        match self.migrations.len() {
            0 => {}
            1 => f.write_str(", 1 migration")?,
            n => write!(f, ", {n} migrations")?,
        }
        match self.seconds {
            (0, Some(0)) => writeln!(f, "."),
            (least, Some(most)) => {
                writeln!(f, "; the tables take {}.", Takes::Seconds(least, most))
            }
            (least, None) => {
                writeln!(f, "; the tables take {} min or longer.", least.div_ceil(60).max(1))
            }
        }
    }
}
