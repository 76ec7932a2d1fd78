//! Findings about tables: what a deploy turns off or removes, and what it begins that people do not expect.

use super::{Code, Finding};
use crate::ledger::rows::TableRow;
use crate::observe::LiveTable;
use crate::plan::estimate::{self, DEPLOY, thousands};
use crate::plan::{Completion, Fate, Input, Leaving, Plan, Setting, TablePlan, TableStep};
use crate::schema::{Encryption, Policy, Recovery, Stream};

pub(super) fn findings(input: &Input<'_>, plan: &Plan) -> Vec<Finding> {
    let leaving = plan.leaving.iter().filter_map(|leaving| of_leaving(input, leaving));
    let steps = plan.tables.iter().chain(&plan.removals);
    leaving.chain(steps.flat_map(|steps| of_steps(input, steps))).collect()
}

fn of_leaving(input: &Input<'_>, leaving: &Leaving) -> Option<Finding> {
    let table = &leaving.table;
    let Fate::Doomed { snapshot, .. } = &leaving.fate else { return None };
    if *snapshot || is_recoverable(input, table) {
        let kept = if *snapshot { "a backup" } else { "the last backup of its recovery" };
        let problem =
            format!("it is deleted when the whole stack has succeeded, and {kept} is kept");
        let fix = "note that a backup is restored under another name";
        return Some(Finding::of_table(Code::TableBackedUp, table, problem, fix));
    }
    let items = input.observed.tables.get(table).map_or(0, |live| live.description.items);
    let items =
        if items == 0 { "its items".to_owned() } else { format!("its {} items", thousands(items)) };
    let problem = format!(
        "its removal policy is delete, and neither a snapshot nor point-in-time recovery keeps {items}"
    );
    let fix = "set RemovalPolicy: snapshot in a deploy before, if the items may be needed";
    Some(Finding::of_table(Code::TableDeleted, table, problem, fix))
}

/// Whether point-in-time recovery is known to be on: declared, reported, or declared by the last deploy.
pub(super) fn is_recoverable(input: &Input<'_>, table: &str) -> bool {
    let is_on = |recovery: Option<Recovery>| matches!(recovery, Some(Recovery::Days(_)));
    let declared = input.desired.tables.iter().find(|declared| declared.table.name == table);
    if let Some(recovery) = declared.and_then(|declared| declared.table.settings.recovery) {
        return is_on(Some(recovery));
    }
    let live = input.observed.tables.get(table).and_then(|live| live.table().settings.recovery);
    let row = input.observed.ledger.tables.get(table);
    let last = row.and_then(TableRow::last_declaration).and_then(|last| last.settings.recovery);
    is_on(live.or(last))
}

fn of_steps(input: &Input<'_>, plan: &TablePlan) -> Vec<Finding> {
    let live = input.observed.tables.get(&plan.table);
    let is_made = plan.steps.iter().any(|step| matches!(step, TableStep::Create(_)));
    // What a new table comes with takes nothing from anybody.
    let Some(live) = live.filter(|_| !is_made) else { return Vec::new() };
    let of = |step: &TableStep| of_step(input, plan, live, step);
    plan.steps.iter().filter_map(of).collect()
}

fn of_step(
    input: &Input<'_>,
    plan: &TablePlan,
    live: &LiveTable,
    step: &TableStep,
) -> Option<Finding> {
    let found = |code, problem: String, fix| Finding::of_table(code, &plan.table, problem, fix);
    match step {
        TableStep::DeleteIndex(index) => Some(found(
            Code::IndexRemoved,
            format!("the index {index} is declared no more; whoever queries it fails then"),
            "see by its ConsumedReadCapacityUnits whether it is still read",
        )),
        TableStep::DeleteReplica(region) => Some(found(
            Code::ReplicaRemoved,
            format!(
                "the replica in {region} is deleted; whatever reads or writes there fails then"
            ),
            "make sure that nothing uses it, and that no failover counts on it",
        )),
        TableStep::Billing { from, to, .. } => Some(found(
            Code::CostsChange,
            format!("{from} becomes {to}"),
            "compare what its traffic costs in either",
        )),
        TableStep::Class(class) => Some(found(
            Code::CostsChange,
            format!("its class becomes {class}"),
            "compare what its storage and its traffic cost in either",
        )),
        TableStep::Stream(Stream::Off) => Some(of_stream(plan, live)),
        TableStep::TimeToLive { attribute, on: false } => end_of_expiry(plan, attribute),
        TableStep::TimeToLive { attribute, on: true } => begin_of_expiry(plan, live, attribute),
        TableStep::Encryption(to) => of_encryption(input, plan, live, to),
        TableStep::CreateIndex { index, completion: Completion::Wait, .. } => {
            of_new_index(plan, live, &index.name)
        }
        TableStep::Setting(setting) => of_setting(plan, live, setting, None),
        TableStep::ReplicaSetting { region, setting } => {
            of_setting(plan, live, setting, Some(region))
        }
        TableStep::Create(_)
        | TableStep::Adopt
        | TableStep::Settle { .. }
        | TableStep::Throughput { .. }
        | TableStep::Limits(_)
        | TableStep::IndexLimits(..)
        | TableStep::CreateIndex { completion: Completion::Detach, .. }
        | TableStep::Stream(_)
        | TableStep::Warm(_)
        | TableStep::IndexWarm(..)
        | TableStep::Scale { .. }
        | TableStep::Unscale { .. }
        | TableStep::CreateReplica { .. }
        | TableStep::ReplicaClass { .. } => None,
    }
}

fn end_of_expiry(plan: &TablePlan, attribute: &str) -> Option<Finding> {
    let begins = |step: &TableStep| matches!(step, TableStep::TimeToLive { on: true, .. });
    (!plan.steps.iter().any(begins)).then(|| {
        Finding::of_table(
            Code::ExpiryOff,
            &plan.table,
            format!(
                "time to live on {attribute} is turned off; items whose moment has passed stay"
            ),
            "make sure that no promise to delete data rests on it",
        )
    })
}

fn begin_of_expiry(plan: &TablePlan, live: &LiveTable, attribute: &str) -> Option<Finding> {
    let items = live.description.items;
    (items > 0).then(|| {
        let problem = format!(
            "time to live begins on {attribute}, and the table has about {} items; those whose {attribute} is past are \
             deleted",
            thousands(items)
        );
        let fix = "look at what the attribute holds: seconds since the epoch";
        Finding::of_table(Code::ExpiryOn, &plan.table, problem, fix)
    })
}

fn of_new_index(plan: &TablePlan, live: &LiveTable, index: &str) -> Option<Finding> {
    let takes = estimate::of_index(live.description.bytes);
    (takes > DEPLOY).then(|| {
        let takes = estimate::words(takes);
        let problem =
            format!("the index {index} takes about {takes} to fill, and a deploy waits an hour");
        let fix = "set Completion: detach for it, and deploy the code that reads it later";
        Finding::of_table(Code::SlowIndex, &plan.table, problem, fix)
    })
}

fn of_stream(plan: &TablePlan, live: &LiveTable) -> Finding {
    let arn = live.description.stream_arn.as_deref().unwrap_or("without an ARN");
    let comes = plan.steps.iter().find_map(|step| match step {
        TableStep::Stream(Stream::Off) => None,
        TableStep::Stream(other) => Some(other),
        _ => None,
    });
    match comes {
        Some(other) => Finding::of_table(
            Code::StreamReplaced,
            &plan.table,
            format!("its stream ({arn}) is replaced by one of {other}, with another ARN"),
            "give the new ARN to every reader",
        ),
        None => Finding::of_table(
            Code::StreamOff,
            &plan.table,
            format!("its stream ({arn}) is turned off; whoever reads it gets nothing then"),
            "make sure that nothing reads it",
        ),
    }
}

/// A key that was declared, or is in use where there was no declaration before.
fn of_encryption(
    input: &Input<'_>,
    plan: &TablePlan,
    live: &LiveTable,
    to: &Encryption,
) -> Option<Finding> {
    let row = input.observed.ledger.tables.get(&plan.table);
    let last = row.and_then(TableRow::last_declaration).and_then(|last| last.encryption);
    let from = last.or_else(|| live.table().encryption.clone())?;
    match (from, to) {
        (Encryption::Kms(Some(key)), Encryption::AwsOwned | Encryption::Kms(None)) => {
            Some(Finding::of_table(
                Code::KeyGivenUp,
                &plan.table,
                format!("the key {key} no longer encrypts it, a key of AWS's does"),
                "make sure that no rule asks for a key of your own, and keep the old one for old backups",
            ))
        }
        (Encryption::AwsOwned | Encryption::Kms(_), Encryption::AwsOwned | Encryption::Kms(_)) => {
            None
        }
    }
}

fn of_setting(
    plan: &TablePlan,
    live: &LiveTable,
    setting: &Setting,
    region: Option<&String>,
) -> Option<Finding> {
    let place = region.map(|region| format!(" in {region}")).unwrap_or_default();
    let found =
        |code, problem: String, fix| Some(Finding::of_table(code, &plan.table, problem, fix));
    match setting {
        Setting::Recovery(Recovery::Off) => {
            let now = live.table().settings.recovery.filter(|_| region.is_none());
            let now = now.map(|now| format!(" (now {now})")).unwrap_or_default();
            found(
                Code::RecoveryOff,
                format!("point-in-time recovery{place}{now} is turned off, and its past is gone"),
                "make a backup first, or leave it on",
            )
        }
        Setting::StopDestination { arn } => found(
            Code::DestinationStopped,
            format!("changes{place} are no longer sent to {arn}"),
            "make sure that nothing reads it",
        ),
        Setting::Policy(Policy::Off) => found(
            Code::PolicyRemoved,
            format!(
                "its resource policy{place} is removed; whoever has rights by it alone has none then"
            ),
            "make sure that no other account uses the table",
        ),
        Setting::DeletionProtection(false) => found(
            Code::ProtectionOff,
            format!("deletion protection{place} is turned off"),
            "turn it off only in order to remove the table next",
        ),
        Setting::Recovery(Recovery::Days(_))
        | Setting::StartDestination { .. }
        | Setting::DestinationPrecision { .. }
        | Setting::Insights { .. }
        | Setting::Policy(Policy::Document(_))
        | Setting::Tag(_)
        | Setting::Untag(_)
        | Setting::DeletionProtection(true) => None,
    }
}
