//! Plans the migrations: which are pending, which are taken as done, and what stands against running them.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use super::person::{self, Trouble};
use super::{Input, Mode, Plan, copies};
use crate::desired::{Baseline, Missing, OutOfOrder};
use crate::dynamo::Status;
use crate::ledger::rows::{MigrationRow, Origin};
use crate::ledger::state::State;
use crate::migration::Spec;
use crate::migrator::compare_ids;
use crate::observe::has_history;

/// One step of the data's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MigrationStep {
    /// Takes a migration as done without running it.
    Baseline {
        /// Its id.
        id: String,
    },
    /// Runs a migration.
    Apply {
        /// Its id.
        id: String,
        /// Whether there is a way back.
        reversible: bool,
        /// Whether it goes on where an earlier run stopped.
        resumes: bool,
        /// Whether a newer one is done already.
        out_of_order: bool,
    },
    /// Brings the new table of an applied copy up to the old one, which is still written to.
    CatchUp {
        /// Its id.
        id: String,
        /// The table that it copies from.
        from: String,
    },
    /// Tries the items again that it could not handle.
    RetryFailed {
        /// Its id.
        id: String,
    },
}

impl MigrationStep {
    /// The id of the migration that it is about.
    #[must_use]
    pub fn id(&self) -> &str {
        let (Self::Baseline { id }
        | Self::Apply { id, .. }
        | Self::CatchUp { id, .. }
        | Self::RetryFailed { id }) = self;
        id
    }
}

impl fmt::Display for MigrationStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Baseline { id } => {
                write!(f, "= migration {id}: baseline, taken as done without running")
            }
            Self::CatchUp { id, from } => {
                write!(f, "> migration {id}: catch up with table {from}")
            }
            Self::RetryFailed { id } => write!(f, "> migration {id}: try its failed items again"),
            Self::Apply { id, reversible, resumes, out_of_order } => {
                let word = if *resumes { "resume" } else { "run" };
                let order = if *out_of_order { ", out of order" } else { "" };
                let back = if *reversible { "" } else { ", no way back" };
                write!(f, "> migration {id}: {word}{order}{back}")
            }
        }
    }
}

pub(super) fn plan(input: &Input<'_>, plan: &mut Plan, objections: &mut Vec<String>) {
    compare_with_history(input, plan, objections);
    if input.mode == Mode::Superset {
        return;
    }
    let specs = match up_to_target(input) {
        Ok(specs) => specs,
        Err(objection) => {
            objections.push(objection);
            return;
        }
    };
    let baselined = match baseline(input, specs) {
        Ok(count) => count,
        Err(objection) => {
            objections.push(objection);
            return;
        }
    };
    let (baselined, rest) = specs.split_at(baselined);
    let is_new = |spec: &&Spec| row(input, &spec.id).is_none();
    let baseline = |spec: &Spec| MigrationStep::Baseline { id: spec.id.clone() };
    plan.migrations.extend(baselined.iter().filter(is_new).map(baseline));
    let newest_done = newest_done(input);
    for spec in rest {
        pending(input, spec, newest_done, plan, objections);
    }
    copies::without_finished(input, plan);
    copies::check_sources(input, plan, objections);
}

fn row<'a>(input: &'a Input<'_>, id: &str) -> Option<&'a MigrationRow> {
    input.observed.ledger.migrations.get(id)
}

/// The id of the newest migration that counts as done.
fn newest_done<'a>(input: &'a Input<'_>) -> Option<&'a str> {
    let done = input.observed.ledger.migrations.values().filter(|row| row.state.is_done());
    done.map(|row| row.id.as_str()).max_by(|a, b| compare_ids(a, b))
}

/// Finds rows that this build does not know, and rows whose migration has changed since.
fn compare_with_history(input: &Input<'_>, plan: &mut Plan, objections: &mut Vec<String>) {
    let leads_back = input.mode == Mode::Superset;
    let tolerates = leads_back || input.desired.migrations.missing == Missing::Allow;
    let mut newer = Vec::new();
    for row in input.observed.ledger.migrations.values() {
        match Trouble::of(input.specs, row) {
            Some(Trouble::Newer) if tolerates => plan.notices.push(format!(
                "migration {} ({}) is newer than this build, which leaves it alone",
                row.id, row.state
            )),
            Some(Trouble::Newer) => newer.push(row),
            Some(Trouble::Missing) if tolerates => {
                plan.notices.push(format!("migration {} ({}) is missing here", row.id, row.state));
            }
            Some(Trouble::Missing) => objections.extend(objection(input, row)),
            Some(Trouble::Changed) if !leads_back => objections.extend(objection(input, row)),
            // What of them stands against a deploy does so where they are pending.
            Some(
                Trouble::Changed | Trouble::HalfDone | Trouble::ItemsFailed | Trouble::Foreign,
            )
            | None => {}
        }
    }
    if !newer.is_empty() {
        newer.sort_by(|a, b| compare_ids(&a.id, &b.id));
        objections.push(person::downgrade(input.place, input.specs, &newer).to_string());
    }
}

fn objection(input: &Input<'_>, row: &MigrationRow) -> Option<String> {
    let concern = person::concern(input.place, input.specs, &input.observed.ledger, row);
    concern.map(|concern| concern.to_string())
}

/// The build's migrations up to and with the target.
fn up_to_target<'a>(input: &Input<'a>) -> Result<&'a [Spec], String> {
    let Some(target) = &input.desired.migrations.target else { return Ok(input.specs) };
    match position(input.specs, target) {
        Some(position) => Ok(&input.specs[..=position]),
        None => Err(format!(
            "Migrations.Target {target} is none of this build's migrations ({})",
            ids(input.specs)
        )),
    }
}

fn position(specs: &[Spec], id: &str) -> Option<usize> {
    specs.iter().position(|spec| spec.id == id)
}

fn ids(specs: &[Spec]) -> String {
    let ids: Vec<_> = specs.iter().map(|spec| spec.id.as_str()).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}

/// A backfill needs its table: declared here, or there already.
fn missing_table(input: &Input<'_>, spec: &Spec) -> Option<String> {
    let is_declared = |name: &str| input.desired.tables.iter().any(|d| d.table.name == name);
    let is_there = |name: &str| is_declared(name) || input.observed.tables.contains_key(name);
    let table = spec.tables.iter().find(|table| !is_there(table))?;
    Some(format!(
        "migration {} works on table {table}, which is neither declared nor there",
        spec.id
    ))
}

/// How many of `specs` are taken as done without running.
fn baseline(input: &Input<'_>, specs: &[Spec]) -> Result<usize, String> {
    if specs.is_empty() || has_history(&input.observed.ledger) {
        return Ok(0);
    }
    match &input.desired.migrations.baseline {
        Baseline::None => Ok(0),
        Baseline::At(id) => match position(specs, id) {
            Some(position) => Ok(position + 1),
            None => Err(format!(
                "Migrations.Baseline {id} is none of this build's migrations up to the target ({})",
                ids(specs)
            )),
        },
        Baseline::Auto => {
            let concerned = concerned_tables(input, specs);
            let filled: Vec<_> =
                concerned.iter().filter(|table| has_data(input, table)).copied().collect();
            let newest = specs.last().map_or("", |spec| spec.id.as_str());
            let choices = format!(
                "set Migrations.Baseline to the last migration that the data has seen already \
                 (as {newest}), or to none to run them all"
            );
            if concerned.is_empty() {
                return Err(format!(
                    "there is no history, and no table to tell whether there is data: {choices}"
                ));
            }
            if !filled.is_empty() {
                return Err(format!(
                    "there is data in {} and no history: {choices}",
                    filled.join(", ")
                ));
            }
            Ok(specs.len())
        }
    }
}

/// The tables that tell whether the scope is new: those declared and those that backfills name.
fn concerned_tables<'a>(input: &Input<'a>, specs: &'a [Spec]) -> BTreeSet<&'a str> {
    let declared = input.desired.tables.iter().map(|declared| declared.table.name.as_str());
    declared.chain(specs.iter().flat_map(|spec| spec.tables.iter().map(String::as_str))).collect()
}

/// Whether a table holds data from before this run. Never judged by the item counts of `DescribeTable`, which are hours old.
fn has_data(input: &Input<'_>, table: &str) -> bool {
    let Some(live) = input.observed.tables.get(table) else { return false };
    if live.description.status == Status::Deleting {
        return false;
    }
    let row = input.observed.ledger.tables.get(table);
    let made_by_this_run =
        row.is_some_and(|row| row.origin == Origin::Created && row.run == input.run);
    !made_by_this_run && live.empty != Some(true)
}

fn pending(
    input: &Input<'_>,
    spec: &Spec,
    newest_done: Option<&str>,
    plan: &mut Plan,
    objections: &mut Vec<String>,
) {
    let row = row(input, &spec.id);
    let state = row.map_or(State::Pending, |row| row.state);
    if state == State::AppliedWithErrors {
        plan.migrations.push(MigrationStep::RetryFailed { id: spec.id.clone() });
    }
    if state.is_done() {
        copies::catch_up(input, spec, plan);
        return;
    }
    if let Some(needs_a_person) = row.and_then(|row| objection(input, row)) {
        objections.push(needs_a_person);
        return;
    }
    let mut out_of_order = false;
    if let Some(newest) = newest_done.filter(|id| compare_ids(&spec.id, id) == Ordering::Less) {
        match input.desired.migrations.out_of_order {
            OutOfOrder::Allow => out_of_order = true,
            OutOfOrder::Skip => {
                plan.notices.push(format!("migration {} is older than {newest}: skipped", spec.id));
                return;
            }
            OutOfOrder::Fail => {
                objections.push(format!(
                    "migration {} is new but older than {newest}, which is done; give it a later id, \
                     or set Migrations.OutOfOrder to allow or skip",
                    spec.id
                ));
                return;
            }
        }
    }
    let objection = missing_table(input, spec).or_else(|| copies::unready(input, spec));
    if let Some(objection) = objection {
        objections.push(objection);
        return;
    }
    plan.migrations.push(MigrationStep::Apply {
        id: spec.id.clone(),
        reversible: spec.reversible,
        resumes: state.is_partial(),
        out_of_order,
    });
}
