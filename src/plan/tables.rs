//! Plans the tables: whose they are, which of their changes are made now, and what stands against them.

use std::collections::BTreeSet;

use super::changes::{Changes, changes};
use super::drift::drift;
use super::last::{retire, untags};
use super::steps::{Completion, TableStep};
use super::{Input, Mode, Plan, TablePlan, keys, warm};
use crate::desired::DeclaredTable;
use crate::dynamo::Status;
use crate::ledger::rows::TableRow;
use crate::observe::{CREATED_BY_TAG, Feature, LiveTable, OWNER_TAG};
use crate::schema::{
    AutoScaling, Capacity, Destination, Insights, Recovery, Settings, Table, TimeToLive,
};

pub(super) fn plan(input: &Input<'_>, plan: &mut Plan, objections: &mut Vec<String>) {
    for declared in &input.desired.tables {
        table(input, declared, plan, objections);
    }
}

fn table(
    input: &Input<'_>,
    declared: &DeclaredTable,
    plan: &mut Plan,
    objections: &mut Vec<String>,
) {
    let name = &declared.table.name;
    let row = input.observed.ledger.tables.get(name);
    let live = input.observed.tables.get(name);
    // A table that is going is as good as gone: creating it waits for that.
    let Some(live) = live.filter(|live| live.description.status != Status::Deleting) else {
        return absent(input, &declared.table, row, plan, objections);
    };
    if let Status::Broken(state) = &live.description.status {
        objections
            .push(format!("table {name} is {state}; waiting does not end that, mend it first"));
        return;
    }
    let mut steps = match ownership(input, declared, live, row) {
        Ok(Ownership::Ours) => Vec::new(),
        Ok(Ownership::LostCreate) => {
            vec![TableStep::Create(Box::new(resolved(
                input,
                declared.table.clone(),
                plan,
                objections,
            )))]
        }
        Ok(Ownership::Adopt) => vec![TableStep::Adopt],
        Err(objection) => {
            objections.push(objection);
            return;
        }
    };
    let mut changes = existing(input, declared, live, row, plan, objections);
    restrict(input.mode, live, &mut steps, &mut changes, &mut plan.notices);
    steps.extend(changes.steps);
    if !steps.is_empty() {
        plan.tables.push(TablePlan { table: name.clone(), steps });
    }
    if !changes.removals.is_empty() {
        plan.removals.push(TablePlan { table: name.clone(), steps: changes.removals });
    }
}

/// Plans a table that does not exist.
fn absent(
    input: &Input<'_>,
    declared: &Table,
    row: Option<&TableRow>,
    plan: &mut Plan,
    objections: &mut Vec<String>,
) {
    let name = &declared.name;
    match input.mode {
        Mode::First | Mode::Deploy => {}
        Mode::Superset => {
            plan.notices.push(format!("table {name} does not exist and is not made by a rollback"));
            return;
        }
        Mode::Cleanup => return,
    }
    if row.is_some_and(|row| row.table_id.is_some()) {
        plan.notices
            .push(format!("table {name} was deleted by somebody else; it is made again, empty"));
    }
    let table = resolved(input, declared.clone(), plan, objections);
    objections.extend(warm::too_cold(&table, None));
    plan.tables.push(TablePlan { table: name.clone(), steps: create(&table) });
}

/// The changes of a table that exists, whatever the mode, and all that is to be said about them.
fn existing(
    input: &Input<'_>,
    DeclaredTable { table: declared, detached, .. }: &DeclaredTable,
    live: &LiveTable,
    row: Option<&TableRow>,
    plan: &mut Plan,
    objections: &mut Vec<String>,
) -> Changes {
    let name = &declared.name;
    let last = row.and_then(TableRow::last_declaration);
    let want = resolved(input, retire(declared, last.as_ref()), plan, objections);
    let mut changes = changes(&want, live.table());
    for index in &changes.keep_foreign_indexes(row) {
        plan.notices.push(format!(
            "table {name}: the index {index} is not declared and was not made here; left alone"
        ));
        objections.extend(changes.needs_index(&want, index));
    }
    for region in changes.keep_foreign_replicas(last.as_ref()) {
        plan.notices.push(format!(
            "table {name}: the replica in {region} is not declared and was not before; left alone"
        ));
    }
    if live.description.is_strongly_replicated
        && changes.steps.iter().any(TableStep::is_of_replicas)
    {
        objections.push(format!(
            "table {name}: its replicas are strongly consistent, and those cannot be changed; leave Replicas out"
        ));
    }
    changes.steps.extend(untags(declared, last.as_ref(), live.table()));
    for index in changes.detach(detached) {
        plan.notices.push(format!(
            "table {name}: what the index {index} has beside itself comes with the deploy after it is there"
        ));
    }
    objections.extend(std::mem::take(&mut changes.refused));
    objections.extend(warm::too_cold(&want, Some(live.table())));
    plan.notices.extend(unsupported(&want, live));
    plan.notices.extend(warm::warmer(&want, live.table()));
    plan.notices.extend(two_step_expiry(&changes, &want));
    if let Some(last) = last.filter(|_| input.mode.deploys()) {
        plan.notices.extend(drift(&want, last, live.table()));
    }
    changes
}

/// The declared table with its key by ARN, once its replicas are known to be elsewhere.
fn resolved(
    input: &Input<'_>,
    mut table: Table,
    plan: &mut Plan,
    objections: &mut Vec<String>,
) -> Table {
    let own = input.observed.region.as_ref();
    if let Some(own) = own.filter(|own| table.replicas.iter().any(|all| all.contains_key(*own))) {
        objections.push(format!(
            "table {}: Replicas names {own}, the table's own region; leave it out, the table's own settings hold there",
            table.name
        ));
    }
    match keys::resolve(&mut table, &input.observed.keys) {
        Ok(notice) => plan.notices.extend(notice),
        Err(objection) => objections.push(objection),
    }
    table
}

/// Leaves of what would lead to the declaration as much as the mode allows.
fn restrict(
    mode: Mode,
    live: &LiveTable,
    steps: &mut Vec<TableStep>,
    changes: &mut Changes,
    notices: &mut Vec<String>,
) {
    let unsettled = &live.description.unsettled;
    match mode {
        Mode::First | Mode::Deploy => {
            if !unsettled.is_empty() {
                steps.push(TableStep::Settle { reason: unsettled.join(", ") });
            }
        }
        Mode::Superset => {
            steps.clear();
            notices.extend(changes.hold_back(&live.table().name));
            // A rollback waits for nothing.
            changes.steps.retain(|_| unsettled.is_empty());
        }
        Mode::Cleanup => {
            // What has not become ours by the deploy before is nothing to take from.
            if !steps.is_empty() {
                changes.removals.clear();
            }
            steps.clear();
            changes.steps.clear();
        }
    }
}

/// The steps of a new table: `CreateTable`, then what it does not take.
fn create(table: &Table) -> Vec<TableStep> {
    let made = Table {
        time_to_live: Some(TimeToLive::Off),
        settings: Settings {
            recovery: Some(Recovery::Off),
            destination: Some(Destination::Off),
            insights: Some(Insights::Off),
            index_insights: table
                .global_indexes
                .keys()
                .map(|name| (name.clone(), Insights::Off))
                .collect(),
            ..table.settings.clone()
        },
        scaling: AutoScaling::OFF,
        index_scaling: table
            .global_indexes
            .keys()
            .map(|name| (name.clone(), AutoScaling::OFF))
            .collect(),
        replicas: Some([].into()),
        ..table.clone()
    };
    let mut steps = vec![TableStep::Create(Box::new(table.clone()))];
    steps.extend(changes(table, &made).steps);
    steps
}

/// Another attribute comes by way of none, and DynamoDB allows a change of expiry about once an hour.
fn two_step_expiry(changes: &Changes, want: &Table) -> Option<String> {
    let is_expiry = |step: &&TableStep| matches!(step, TableStep::TimeToLive { .. });
    let Some(TimeToLive::On(attribute)) = &want.time_to_live else { return None };
    (changes.steps.iter().filter(is_expiry).count() == 2).then(|| {
        format!(
            "table {}: expiry is turned off before it is turned on by {attribute}, and DynamoDB allows a change \
             about once an hour: where it refuses the second, deploy again after that",
            want.name
        )
    })
}

enum Ownership {
    Ours,
    /// Ours, made by a run that did not come to record it.
    LostCreate,
    Adopt,
}

/// Whose a live table is. It is ours by three signs together: ledger row, identity, owner tag.
fn ownership(
    input: &Input<'_>,
    declared: &DeclaredTable,
    live: &LiveTable,
    row: Option<&TableRow>,
) -> Result<Ownership, String> {
    let name = &declared.table.name;
    let tag = |key: &str| live.tags.get(key).map(String::as_str);
    if let Some(stack) = tag("aws:cloudformation:stack-id") {
        return Err(format!(
            "table {name} is managed by CloudFormation itself (stack {stack}); leave it out of Tables, \
             migrations can name it without a declaration"
        ));
    }
    let is_untagged = live.unsupported.contains(&Feature::Tags);
    let tagged_ours = tag(OWNER_TAG) == Some(input.place.scope) || is_untagged;
    if let Some(row) = row {
        // While a table is being made its tags cannot be read.
        let is_being_made = live.tags.is_empty() && !live.description.unsettled.is_empty();
        let says_so = tag(CREATED_BY_TAG) == Some(row.run.as_str()) || is_untagged;
        if row.is_intent() && (is_being_made || says_so) {
            return Ok(Ownership::LostCreate);
        }
        if row.table_id == live.description.id && tagged_ours {
            return Ok(Ownership::Ours);
        }
        if row.table_id.is_some() && row.table_id != live.description.id && !declared.adopt {
            return Err(format!(
                "table {name} was deleted and made again by somebody else (TableId {} on record, {} live); \
                 set Adopt: true to take the new one over",
                row.table_id.as_deref().unwrap_or("none"),
                live.description.id.as_deref().unwrap_or("none"),
            ));
        }
    }
    match tag(OWNER_TAG) {
        Some(owner) if owner != input.place.scope && !declared.adopt => Err(format!(
            "table {name} belongs to another stack's resource ({owner}); remove it there first, \
             or, if that stack is gone, set Adopt: true to take it over"
        )),
        _ if declared.adopt => Ok(Ownership::Adopt),
        Some(_) => Err(format!(
            "table {name} carries this resource's owner tag, but this ledger does not know it; \
             name the ledger table that does, or set Adopt: true"
        )),
        _ => Err(format!(
            "table {name} exists and was not made by this resource; set Adopt: true to take it over, \
             or choose another name"
        )),
    }
}

fn unsupported(want: &Table, live: &LiveTable) -> Vec<String> {
    let settings = &want.settings;
    let scales = |scaling: &AutoScaling| *scaling != AutoScaling::default();
    let asked = |feature: &Feature| match feature {
        Feature::AutoScaling => scales(&want.scaling) || want.index_scaling.values().any(scales),
        // A table has it with its description.
        Feature::DeletionProtection => false,
        Feature::TimeToLive => want.time_to_live.is_some(),
        Feature::Recovery => settings.recovery.is_some(),
        Feature::Destination => settings.destination.is_some(),
        Feature::Insights => settings.insights.is_some() || !settings.index_insights.is_empty(),
        Feature::Policy => settings.policy.is_some(),
        Feature::Tags => settings.tags.is_some(),
    };
    let notice = |feature: &Feature| {
        format!("table {}: this engine does not implement {feature}; left out", want.name)
    };
    live.unsupported.iter().filter(|feature| asked(feature)).map(notice).collect()
}

impl Changes {
    /// What stands against these changes as long as an index that nobody declared is there.
    fn needs_index(&self, want: &Table, index: &str) -> Option<String> {
        let name = &want.name;
        let is_provisioned = matches!(want.capacity, Capacity::Provisioned(_));
        let steps = self.steps.iter().filter(|_| is_provisioned);
        let need = steps.filter_map(|step| match step {
            TableStep::Billing { .. } => Some("the switch to PROVISIONED needs the throughput"),
            TableStep::CreateReplica { .. } => {
                Some("a replica of a PROVISIONED table needs AutoScaling.Write")
            }
            _ => None,
        });
        let need = need.take(1).next()?;
        Some(format!("table {name}: {need} of every index; declare {index} with it"))
    }

    /// Takes out the removal of replicas that the last declaration does not have; returns their regions.
    fn keep_foreign_replicas(&mut self, last: Option<&Table>) -> Vec<String> {
        let declared = last.and_then(|last| last.replicas.as_ref());
        let is_ours = |region: &String| declared.is_some_and(|last| last.contains_key(region));
        let mut kept = Vec::new();
        self.removals.retain(|step| {
            let TableStep::DeleteReplica(region) = step else { return true };
            if !is_ours(region) {
                kept.push(region.clone());
            }
            is_ours(region)
        });
        kept
    }

    /// Takes out all but what a rollback may take along; says what that leaves.
    fn hold_back(&mut self, name: &str) -> Option<String> {
        // Figures follow from a change of what they mean, and stay with it.
        let figures_wait = self
            .steps
            .iter()
            .any(|step| matches!(step, TableStep::Billing { .. } | TableStep::Unscale { .. }));
        let goes_along =
            |step: &TableStep| step.is_cheap() && !(figures_wait && step.is_of_figures());
        let steps = std::mem::take(&mut self.steps);
        let (along, kept): (Vec<_>, Vec<_>) = steps.into_iter().partition(goes_along);
        self.steps = along;
        let kept: Vec<_> = kept.iter().chain(&self.removals).map(|step| step.line(name)).collect();
        self.removals.clear();
        (!kept.is_empty()).then(|| {
            format!(
                "left as it is by this rollback, the next deploy brings it in line: {}",
                kept.join("; ")
            )
        })
    }

    /// Has these indexes made without waiting for them, as the last of all: nothing that follows could be made meanwhile.
    /// Says what has to wait until they are there.
    fn detach(&mut self, indexes: &BTreeSet<String>) -> Vec<String> {
        let is_detached = |step: &TableStep| matches!(step, TableStep::CreateIndex { index, .. } if indexes.contains(&index.name));
        let (detached, waited): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.steps).into_iter().partition(is_detached);
        let is_new = |index: &String| {
            detached.iter().any(
                |step| matches!(step, TableStep::CreateIndex { index: new, .. } if new.name == *index),
            )
        };
        let (early, in_time): (Vec<_>, Vec<_>) =
            waited.into_iter().partition(|step| step.needs_index().is_some_and(is_new));
        self.steps = in_time;
        self.steps.extend(detached.into_iter().map(|step| match step {
            TableStep::CreateIndex { index, attributes, .. } => {
                TableStep::CreateIndex { index, attributes, completion: Completion::Detach }
            }
            other => other,
        }));
        early.iter().filter_map(TableStep::needs_index).cloned().collect()
    }

    /// Takes out the removal of indexes that were not made or declared here; returns their names.
    fn keep_foreign_indexes(&mut self, row: Option<&TableRow>) -> Vec<String> {
        let mut kept = Vec::new();
        let mut stays = |step: &TableStep| {
            let TableStep::DeleteIndex(index) = step else { return true };
            let is_ours = row.is_some_and(|row| row.indexes.contains(index));
            if !is_ours {
                kept.push(index.clone());
            }
            is_ours
        };
        self.steps.retain(&mut stays);
        self.removals.retain(&mut stays);
        kept
    }
}
