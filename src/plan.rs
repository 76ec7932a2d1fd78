//! The pure planner: desired and observed in, an ordered list of steps or the complete list of objections out.
//!
//! No I/O, no clock, no randomness. Execution makes no choice that is not in the plan, and planning again after
//! any interruption reaches the same end.

mod changes;
mod copies;
mod drift;
mod estimate;
mod explain;
mod facts;
mod keys;
mod last;
mod leaving;
mod lint;
pub(crate) mod markdown;
mod migrations;
mod person;
mod replicas;
mod scaling;
mod settings;
mod steps;
mod tables;
mod text;
mod warm;

use std::fmt;

pub use self::changes::{Changes, changes};
pub use self::estimate::{BASIS, Estimate};
pub use self::explain::{ExplainedMigration, ExplainedStep, Explanation, Held, HeldMigration};
pub use self::facts::{Caution, Facts, Takes};
pub use self::last::{gone_back, retire, unfinished};
pub use self::leaving::{Fate, Leaving, has_only_own_replicas};
pub use self::lint::{Code, Finding, Severity, UnknownCode};
pub use self::migrations::MigrationStep;
pub use self::person::{Call, Concern, Trouble, WayOut, concern, held};
pub use self::settings::Setting;
pub use self::steps::{Completion, TableStep};

use crate::desired::Desired;
use crate::ledger::Place;
use crate::migration::Spec;
use crate::observe::Observed;

/// What the planner looks at.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The declaration.
    pub desired: &'a Desired,
    /// The build's migrations, in order.
    pub specs: &'a [Spec],
    /// What there is.
    pub observed: &'a Observed,
    /// The scope that plans, the owner of its tables, and where its ledger is.
    pub place: Place<'a>,
    /// The run that plans; what it has created already counts as new.
    pub run: &'a str,
    /// How far the plan may go.
    pub mode: Mode,
}

/// How far a plan may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All that the declaration asks for, of a resource that is new, or new to this ledger: no cleanup follows.
    First,
    /// All that the declaration asks for; what it removes is left to the cleanup that follows.
    Deploy,
    /// The way back to an earlier declaration: nothing is created or removed, so tables and indexes stay as the
    /// superset of both; only settings that change at once follow.
    Superset,
    /// What a deploy has left to be removed once the whole stack has succeeded, and nothing else.
    Cleanup,
}

impl Mode {
    /// Whether the declaration is to become the one that holds.
    #[must_use]
    pub fn deploys(self) -> bool {
        match self {
            Self::First | Self::Deploy => true,
            Self::Superset | Self::Cleanup => false,
        }
    }
}

/// Tables that are changed at the same time; DynamoDB throttles control-plane calls beyond a handful.
pub const CONCURRENT_TABLES: usize = 5;

/// An ordered list of steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is done to tables before the migrations; tables are independent of each other.
    pub tables: Vec<TablePlan>,
    /// Migrations, strictly one after another.
    pub migrations: Vec<MigrationStep>,
    /// What is removed once the whole stack has succeeded.
    pub removals: Vec<TablePlan>,
    /// Tables that are not declared any more.
    pub leaving: Vec<Leaving>,
    /// What a person should know.
    pub notices: Vec<String>,
    /// What a careful reviewer would say, the heaviest first.
    pub findings: Vec<Finding>,
}

/// What is done to one table, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePlan {
    /// Its name.
    pub table: String,
    /// The steps.
    pub steps: Vec<TableStep>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
            && self.migrations.is_empty()
            && self.removals.is_empty()
            && self.leaving.is_empty()
    }

    /// What is left to do once the whole stack has succeeded, a line each.
    #[must_use]
    pub fn cleanup(&self) -> Vec<String> {
        let steps = |plan: &TablePlan| -> Vec<String> {
            plan.steps.iter().map(|step| step.line(&plan.table)).collect()
        };
        let doomed =
            self.leaving.iter().filter(|leaving| matches!(leaving.fate, Fate::Doomed { .. }));
        let removals = self.removals.iter().flat_map(steps);
        let removals = removals.map(|line| format!("{line}, when the whole stack has succeeded"));
        removals.chain(doomed.map(ToString::to_string)).collect()
    }

    /// What an answer has room for of the warnings: which they are, or how many.
    #[must_use]
    pub fn warned(&self) -> Option<String> {
        const BYTES_MAX: usize = 200;
        let heavy = self.findings.iter().filter(|one| one.severity >= Severity::Warning);
        let named: Vec<_> = heavy.map(|one| format!("{} {}", one.code, one.about)).collect();
        let all = format!("mind, as the log explains: {}", named.join(", "));
        match named.len() {
            0 => None,
            _ if all.len() <= BYTES_MAX => Some(all),
            n => Some(format!("mind the {n} warnings of the plan in the log")),
        }
    }

    /// What has to be waited for before it is known what to do.
    #[must_use]
    pub fn settling(&self) -> Vec<TablePlan> {
        let waits = self.tables.iter().filter_map(|plan| {
            let steps = plan.steps.iter().filter(|step| matches!(step, TableStep::Settle { .. }));
            let steps: Vec<_> = steps.cloned().collect();
            (!steps.is_empty()).then(|| TablePlan { table: plan.table.clone(), steps })
        });
        waits.collect()
    }

    /// The plan as a person reads it, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for plan in &self.tables {
            lines.extend(plan.steps.iter().map(|step| step.line(&plan.table)));
        }
        lines.extend(self.migrations.iter().map(ToString::to_string));
        let stays = |leaving: &&Leaving| !matches!(leaving.fate, Fate::Doomed { .. });
        lines.extend(self.leaving.iter().filter(stays).map(ToString::to_string));
        lines.extend(self.cleanup());
        if lines.is_empty() {
            lines.push("  nothing to do".to_owned());
        }
        lines.extend(self.notices.iter().map(|notice| format!("! {notice}")));
        lines.extend(self.findings.iter().map(|finding| format!("! {finding}")));
        lines
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Everything that stands against a plan; nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub Vec<String>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused before anything was changed: {}", self.0.join("; "))
    }
}

/// Plans.
///
/// # Errors
/// Every objection together.
pub fn plan(input: &Input<'_>) -> Result<Plan, Refused> {
    let mut plan = Plan::default();
    let mut objections = Vec::new();
    tables::plan(input, &mut plan, &mut objections);
    match input.mode {
        Mode::First | Mode::Deploy => {
            leaving::plan(input, &mut plan, &mut objections);
            migrations::plan(input, &mut plan, &mut objections);
        }
        Mode::Superset => migrations::plan(input, &mut plan, &mut objections),
        Mode::Cleanup => {}
    }
    lint::plan(input, &mut plan, &mut objections);
    if objections.is_empty() { Ok(plan) } else { Err(Refused(objections)) }
}
