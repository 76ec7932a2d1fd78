//! Drift: where a live table is neither what is declared now nor what the last deploy that succeeded had declared.

use std::collections::BTreeSet;

use super::changes::changes;
use super::settings::Setting;
use super::steps::TableStep;
use crate::schema::{Replica, Settings, Table};

/// Names each place in which the live table differs from both declarations.
///
/// Steps are compared by what they find, so that a place is the same place whichever value it is to get.
pub(super) fn drift(want: &Table, mut last: Table, live: &Table) -> Vec<String> {
    let found = |declaration: &Table| -> BTreeSet<String> {
        let changes = changes(declaration, live);
        let steps = changes.steps.iter().chain(&changes.removals);
        steps.flat_map(|step| finds(step, live)).collect()
    };
    let wanted = found(want);
    if wanted.is_empty() {
        return Vec::new();
    }
    // An alias may have meant another key then.
    last.encryption = last.encryption.filter(|encryption| encryption.unresolved().is_none());
    let name = &want.name;
    let notice = |found: &String| {
        format!(
            "drift: table {name}: {found}, changed since the last deploy that succeeded, by somebody else or by one \
             that failed"
        )
    };
    wanted.intersection(&found(&last)).map(notice).collect()
}

/// What a live table shows in the places that a step changes.
pub(super) fn finds(step: &TableStep, live: &Table) -> Vec<String> {
    let index_capacity = |name: &String| {
        let index = live.global_indexes.get(name)?;
        Some(format!("index {name} is {}", index.capacity))
    };
    let one = match step {
        TableStep::Throughput { table, indexes } => {
            let table = table.map(|_| format!("it is {}", live.capacity));
            return table.into_iter().chain(indexes.keys().filter_map(index_capacity)).collect();
        }
        TableStep::Billing { .. } | TableStep::Limits(_) => {
            Some(format!("it is {}", live.capacity))
        }
        TableStep::IndexLimits(name, _) => index_capacity(name),
        TableStep::CreateIndex { index, .. } => Some(format!("there is no index {}", index.name)),
        TableStep::Stream(_) => live.stream.map(|stream| format!("stream is {stream}")),
        TableStep::Encryption(_) => {
            live.encryption.as_ref().map(|encryption| format!("encryption is {encryption}"))
        }
        TableStep::Class(_) => live.class.map(|class| format!("class is {class}")),
        TableStep::TimeToLive { .. } => {
            live.time_to_live.as_ref().map(|ttl| format!("time to live is {ttl}"))
        }
        TableStep::Setting(setting) => return setting_finds(setting, &live.settings),
        TableStep::Scale { index, dimension, .. } | TableStep::Unscale { index, dimension } => {
            let of = index.as_ref().map(|index| format!("index {index} ")).unwrap_or_default();
            let live = live.scaling_of(index.as_deref(), *dimension);
            live.map(|live| format!("auto scaling of {of}{dimension} is {live}"))
        }
        TableStep::CreateReplica { region, .. } => Some(format!("there is no replica in {region}")),
        TableStep::ReplicaClass { region, .. } => {
            let class = replica(live, region).and_then(|replica| replica.class);
            class.map(|class| format!("the class of the replica in {region} is {class}"))
        }
        TableStep::ReplicaSetting { region, setting } => {
            let live = replica(live, region);
            let finds = live.map(|live| setting_finds(setting, &live.settings)).unwrap_or_default();
            return finds.iter().map(|found| format!("in {region} {found}")).collect();
        }
        // Warm throughput grows by itself; indexes and replicas that nobody declared are told apart elsewhere.
        TableStep::Warm(_)
        | TableStep::IndexWarm(..)
        | TableStep::DeleteIndex(_)
        | TableStep::DeleteReplica(_)
        | TableStep::Create(_)
        | TableStep::Adopt
        | TableStep::Settle { .. } => None,
    };
    one.into_iter().collect()
}

fn replica<'a>(live: &'a Table, region: &str) -> Option<&'a Replica> {
    live.replicas.as_ref()?.get(region)
}

fn setting_finds(setting: &Setting, live: &Settings) -> Vec<String> {
    let one = match setting {
        Setting::Recovery(_) => {
            live.recovery.map(|recovery| format!("point-in-time recovery is {recovery}"))
        }
        Setting::StartDestination { .. }
        | Setting::StopDestination { .. }
        | Setting::DestinationPrecision { .. } => {
            live.destination.as_ref().map(|live| format!("the Kinesis stream is {live}"))
        }
        Setting::Insights { index: None, .. } => {
            live.insights.as_ref().map(|live| format!("contributor insights are {live}"))
        }
        Setting::Insights { index: Some(index), .. } => {
            let live = live.index_insights.get(index);
            live.map(|live| format!("index {index} contributor insights are {live}"))
        }
        Setting::Policy(_) => {
            live.policy.as_ref().map(|policy| format!("the resource policy is {policy}"))
        }
        Setting::DeletionProtection(_) => live
            .deletion_protection
            .map(|on| format!("deletion protection is {}", if on { "on" } else { "off" })),
        Setting::Tag(tags) => {
            let live = live.tags.clone().unwrap_or_default();
            let found = |key: &String| match live.get(key) {
                Some(value) => format!("tag {key} is {value:?}"),
                None => format!("there is no tag {key}"),
            };
            return tags.keys().map(found).collect();
        }
        Setting::Untag(_) => None,
    };
    one.into_iter().collect()
}
