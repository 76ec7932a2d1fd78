//! Findings about the declaration itself: what it has failures, histories and the order of code and data mean.

use super::{Code, Finding};
use crate::desired::{Baseline, Completion, OnFailure};
use crate::ledger::rows::Origin;
use crate::observe::has_history;
use crate::plan::{Input, MigrationStep, Plan};

pub(super) fn findings(input: &Input<'_>, plan: &Plan) -> Vec<Finding> {
    let runs = plan.migrations.iter().filter(|step| matches!(step, MigrationStep::Apply { .. }));
    let ids: Vec<_> = runs.map(MigrationStep::id).collect();
    if ids.is_empty() {
        return Vec::new();
    }
    [halt(input), runs_all(input, &ids), code_before_data(input, &ids)]
        .into_iter()
        .flatten()
        .collect()
}

fn halt(input: &Input<'_>) -> Option<Finding> {
    match input.desired.on_failure {
        OnFailure::Rollback => None,
        OnFailure::Halt => Some(Finding::new(
            Code::Halt,
            "OnFailure",
            "it is halt: where a migration fails, everything stays as far as it had come",
            "make sure that the code before copes with that",
        )),
    }
}

fn runs_all(input: &Input<'_>, ids: &[&str]) -> Option<Finding> {
    if has_history(&input.observed.ledger) || input.desired.migrations.baseline != Baseline::None {
        return None;
    }
    let is_filled = |name: &&String| {
        let row = input.observed.ledger.tables.get(*name);
        let is_new = row.is_some_and(|row| row.origin == Origin::Created && row.run == input.run);
        let live = input.observed.tables.get(*name);
        !is_new && live.is_some_and(|live| live.description.items > 0)
    };
    let filled: Vec<_> =
        input.observed.tables.keys().filter(is_filled).map(String::as_str).collect();
    let newest = ids.last()?;
    (!filled.is_empty()).then(|| {
        Finding::new(
            Code::RunsAll,
            "Migrations.Baseline",
            format!("it is none, there is no history, and there are items in {}", filled.join(", ")),
            format!("set it to the last migration that the data has seen, as {newest}, if it has seen any"),
        )
    })
}

fn code_before_data(input: &Input<'_>, ids: &[&str]) -> Option<Finding> {
    match input.desired.completion {
        Completion::Blocking => None,
        Completion::Detached => Some(Finding::new(
            Code::CodeBeforeData,
            "Completion",
            format!("it is detached: code goes live before {} is done", ids.join(", ")),
            "make sure that it copes with items of both shapes",
        )),
    }
}
