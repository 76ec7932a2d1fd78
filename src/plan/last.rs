//! What the last declaration still decides: what it turned on, and this one leaves out, is turned off.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::Setting;
use super::steps::TableStep;
use crate::schema::{
    AutoScaling, Destination, Dimension, Insights, Policy, Recovery, Scaling, Settings, Stream,
    Table, Tags, TimeToLive,
};

/// What a declaration wants: itself, and off what the last one had turned on and this one no longer mentions.
#[must_use]
pub fn retire(declared: &Table, last: Option<&Table>) -> Table {
    let mut want = declared.clone();
    let Some(last) = last else { return want };
    let had_stream = last.stream.is_some_and(|stream| stream != Stream::Off);
    let is_replicated = declared.replicas.as_ref().is_some_and(|replicas| !replicas.is_empty());
    if want.stream.is_none() && had_stream {
        // Replication reads the stream, and wants to see all of it.
        want.stream = Some(if is_replicated { Stream::NewAndOldImages } else { Stream::Off });
    }
    if want.time_to_live.is_none() && matches!(last.time_to_live, Some(TimeToLive::On(_))) {
        want.time_to_live = Some(TimeToLive::Off);
    }
    retire_scaling(&mut want.scaling, &last.scaling);
    for (index, last) in &last.index_scaling {
        retire_scaling(want.index_scaling.entry(index.clone()).or_default(), last);
    }
    want.index_scaling.retain(|_, scaling| *scaling != AutoScaling::default());
    if want.replicas.is_none() && last.replicas.is_some() {
        want.replicas = Some(BTreeMap::new());
    }
    for (region, replica) in want.replicas.iter_mut().flatten() {
        if let Some(last) = last.replicas.as_ref().and_then(|last| last.get(region)) {
            retire_settings(&mut replica.settings, &last.settings, declared);
        }
    }
    retire_settings(&mut want.settings, &last.settings, declared);
    want
}

/// The figures of what is no longer scaled count again; the targets of an index do not go with it.
fn retire_scaling(want: &mut AutoScaling, last: &AutoScaling) {
    for dimension in Dimension::ALL {
        if want.of(dimension).is_none() && last.scales(dimension) {
            *want.of_mut(dimension) = Some(Scaling::Off);
        }
    }
}

fn retire_settings(want: &mut Settings, last: &Settings, declared: &Table) {
    if want.destination.is_none() && matches!(last.destination, Some(Destination::Stream { .. })) {
        want.destination = Some(Destination::Off);
    }
    if want.insights.is_none() && matches!(last.insights, Some(Insights::On(_))) {
        want.insights = Some(Insights::Off);
    }
    for (index, last) in &last.index_insights {
        // Those of an index go with it.
        let is_there = declared.global_indexes.contains_key(index);
        if is_there && matches!(last, Insights::On(_)) {
            want.index_insights.entry(index.clone()).or_insert(Insights::Off);
        }
    }
    if want.policy.is_none() && matches!(last.policy, Some(Policy::Document(_))) {
        want.policy = Some(Policy::Off);
    }
    // No tags, but those before are to go.
    if want.tags.is_none() && last.tags.is_some() {
        want.tags = Some(Tags::new());
    }
}

/// What to remember of a table as long as its removals are not done: what is still to be turned off stays in it. The
/// next deploy would else not know of it, or take it for somebody else's doing.
#[must_use]
pub fn unfinished(declared: &Table, last: &Table) -> Table {
    let mut table = declared.clone();
    remember(&mut table.stream, last.stream.as_ref(), &Stream::Off);
    remember(&mut table.time_to_live, last.time_to_live.as_ref(), &TimeToLive::Off);
    remember_settings(&mut table.settings, &last.settings);
    for (region, last) in last.replicas.iter().flatten() {
        let replicas = table.replicas.get_or_insert_default();
        match replicas.get_mut(region) {
            Some(replica) => remember_settings(&mut replica.settings, &last.settings),
            None => drop(replicas.insert(region.clone(), last.clone())),
        }
    }
    table
}

/// What to remember of a table after a rollback to `declared`: as it was, and the tags that are back, since a declaration
/// without them has to take them away again.
#[must_use]
pub fn gone_back(last: &Table, declared: &Table) -> Table {
    let mut table = last.clone();
    if let Some(tags) = &declared.settings.tags {
        table.settings.tags.get_or_insert_default().extend(tags.clone());
    }
    table
}

fn remember_settings(settings: &mut Settings, last: &Settings) {
    remember(&mut settings.recovery, last.recovery.as_ref(), &Recovery::Off);
    remember(&mut settings.destination, last.destination.as_ref(), &Destination::Off);
    remember(&mut settings.policy, last.policy.as_ref(), &Policy::Off);
    remember(&mut settings.deletion_protection, last.deletion_protection.as_ref(), &false);
}

/// Keeps what was where nothing or `off` is to be.
fn remember<T: Clone + PartialEq>(feature: &mut Option<T>, last: Option<&T>, off: &T) {
    if feature.as_ref().is_none_or(|feature| feature == off) {
        *feature = last.cloned().or(feature.take());
    }
}

/// Takes tags away, of the table and of its replicas; only those that the last declaration had set.
pub(super) fn untags(declared: &Table, last: Option<&Table>, live: &Table) -> Vec<TableStep> {
    let Some(last) = last else { return Vec::new() };
    let own = untag(&declared.settings, &last.settings, &live.settings).map(TableStep::Setting);
    let replicas = declared.replicas.iter().flatten().filter_map(|(region, replica)| {
        let of = |table: &'_ Table| table.replicas.as_ref()?.get(region).cloned();
        let setting = untag(&replica.settings, &of(last)?.settings, &of(live)?.settings)?;
        Some(TableStep::ReplicaSetting { region: region.clone(), setting })
    });
    own.into_iter().chain(replicas).collect()
}

fn untag(declared: &Settings, last: &Settings, live: &Settings) -> Option<Setting> {
    let (last, live) = (last.tags.as_ref()?, live.tags.as_ref()?);
    let kept = |key: &String| declared.tags.as_ref().is_some_and(|tags| tags.contains_key(key));
    let gone = last.keys().filter(|key| !kept(key) && live.contains_key(*key));
    let gone: BTreeSet<String> = gone.cloned().collect();
    (!gone.is_empty()).then_some(Setting::Untag(gone))
}
