//! The pure planner: desired and observed in, an ordered list of steps or the complete list of objections out.
//!
//! No I/O, no clock, no randomness. Execution makes no choice that is not in the plan, and planning again after
//! any interruption reaches the same end.

mod changes;
mod drift;
mod facts;
mod keys;
mod last;
mod migrations;
mod settings;
mod steps;
mod tables;
mod text;
mod warm;

use std::fmt;

pub use self::changes::{Changes, changes};
pub use self::facts::{Caution, Facts, Takes};
pub use self::last::{retire, unfinished};
pub use self::migrations::MigrationStep;
pub use self::settings::Setting;
pub use self::steps::{Completion, TableStep};
pub use self::text::{ExplainedStep, Explanation};

use crate::desired::Desired;
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
    /// The scope that plans; the owner of its tables.
    pub scope: &'a str,
    /// The run that plans; what it has created already counts as new.
    pub run: &'a str,
    /// How far the plan may go.
    pub mode: Mode,
}

/// How far a plan may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All that the declaration asks for.
    Deploy,
    /// The way back to an earlier declaration: nothing is created or removed, so tables and indexes stay as the
    /// superset of both; only settings that change at once follow.
    Superset,
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
    /// What is removed once all else is done.
    pub removals: Vec<TablePlan>,
    /// What a person should know.
    pub notices: Vec<String>,
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
        self.tables.is_empty() && self.migrations.is_empty() && self.removals.is_empty()
    }

    /// The plan as a person reads it, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let table_lines = |plans: &[TablePlan], lines: &mut Vec<String>| {
            for plan in plans {
                lines.extend(plan.steps.iter().map(|step| step.line(&plan.table)));
            }
        };
        table_lines(&self.tables, &mut lines);
        lines.extend(self.migrations.iter().map(ToString::to_string));
        table_lines(&self.removals, &mut lines);
        if lines.is_empty() {
            lines.push("  nothing to do".to_owned());
        }
        lines.extend(self.notices.iter().map(|notice| format!("! {notice}")));
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
    migrations::plan(input, &mut plan, &mut objections);
    if objections.is_empty() { Ok(plan) } else { Err(Refused(objections)) }
}
