//! What of a plan goes on after the answer, and what has to wait until such work is done. Sends nothing.

use super::{Part, Run};
use crate::clock;
use crate::interrupt::Interrupt;
use crate::ledger::rows::{Detached, detached_from};
use crate::observe::Observed;
use crate::plan::{MigrationStep, Plan};

/// How the migrations of a plan are divided.
#[derive(Debug, Default)]
pub(super) struct Background {
    /// Those that are carried out before the answer.
    pub(super) now: Vec<MigrationStep>,
    /// What is under way after the answer, begun now or earlier.
    pub(super) detached: Option<Detached>,
    /// The migrations that another run begins with when this one is answered.
    pub(super) begins: Vec<String>,
    /// What a person should know of it.
    pub(super) notice: Option<String>,
}

/// Divides the migrations of a plan.
///
/// # Errors
/// Where something that the plan removes, or migrates, would overtake what goes on in the background.
pub(super) fn of(run: &Run, observed: &Observed, plan: &Plan) -> Result<Background, Interrupt> {
    let now = plan.migrations.clone();
    if !run.mode.deploys() {
        return Ok(Background { now, ..Background::default() });
    }
    let is_baseline = |step: &MigrationStep| matches!(step, MigrationStep::Baseline { .. });
    let (baseline, work): (Vec<_>, Vec<_>) = now.into_iter().partition(is_baseline);
    let ids: Vec<_> = work.iter().map(|step| step.id().to_owned()).collect();
    let own = detached_from(&run.id);
    let under_way = observed.ledger.meta.as_ref().and_then(|meta| meta.detached.clone());
    let removals = plan.cleanup();
    if let Some(detached) = under_way.filter(|detached| detached.run != own) {
        let others = ids.iter().filter(|id| !detached.migrations.contains(id));
        let others = others.map(|id| format!("migration {id}"));
        let waits: Vec<_> = others.chain(removals).collect();
        if !waits.is_empty() {
            return Err(Interrupt::Failed(overtaken(&detached, &waits)));
        }
        let notice = format!("run {} goes on with {}", detached.run, ids.join(", "));
        let notice = (!ids.is_empty()).then_some(notice);
        return Ok(Background {
            now: baseline,
            detached: Some(detached),
            begins: Vec::new(),
            notice,
        });
    }
    if run.part != Part::Tables || ids.is_empty() {
        return Ok(Background { now: [baseline, work].concat(), ..Background::default() });
    }
    if !removals.is_empty() {
        return Err(Interrupt::Failed(format!(
            "Completion is detached, and what this deploy removes would not wait for {}: {}. \
             Remove it in a later deploy, when they are done",
            ids.join(", "),
            removals.join("; ")
        )));
    }
    let notice = format!("{} go on in the background, as run {own}", ids.join(", "));
    let detached = Detached { run: own, migrations: ids.clone(), since: clock::now() };
    Ok(Background { now: baseline, detached: Some(detached), begins: ids, notice: Some(notice) })
}

/// The steps that are left to a run, of those that its build would carry out.
///
/// # Errors
/// Where the build lacks one.
pub(super) fn left(
    run: &Run,
    ids: &[String],
    steps: Vec<MigrationStep>,
) -> Result<Vec<MigrationStep>, Interrupt> {
    if let Some(id) = ids.iter().find(|id| run.migrator.get(id).is_none()) {
        return Err(Interrupt::Failed(format!(
            "migration {id} is not in this build any more; deploy one that has it"
        )));
    }
    Ok(steps.into_iter().filter(|step| ids.iter().any(|id| id == step.id())).collect())
}

fn overtaken(detached: &Detached, waits: &[String]) -> String {
    format!(
        "run {} is at work on {} in the background since {}, and this waits for it: {}. The command \
         {{\"tablewright\": \"status\"}} tells how far it is; deploy again when it is done",
        detached.run,
        detached.migrations.join(", "),
        detached.since,
        waits.join("; ")
    )
}
