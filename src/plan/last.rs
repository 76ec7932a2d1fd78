//! What the last declaration still decides: what it turned on, and this one leaves out, is turned off.

use std::collections::BTreeSet;

use super::settings::Setting;
use crate::schema::{Destination, Insights, Policy, Settings, Stream, Table, Tags, TimeToLive};

/// What a declaration wants: itself, and off what the last one had turned on and this one no longer mentions.
#[must_use]
pub fn retire(declared: &Table, last: Option<&Table>) -> Table {
    let mut want = declared.clone();
    let Some(last) = last else { return want };
    if want.stream.is_none() && last.stream.is_some_and(|stream| stream != Stream::Off) {
        want.stream = Some(Stream::Off);
    }
    if want.time_to_live.is_none() && matches!(last.time_to_live, Some(TimeToLive::On(_))) {
        want.time_to_live = Some(TimeToLive::Off);
    }
    retire_settings(&mut want.settings, &last.settings);
    // What an index had has gone with it.
    want.settings.index_insights.retain(|index, _| declared.global_indexes.contains_key(index));
    want
}

fn retire_settings(want: &mut Settings, last: &Settings) {
    if want.destination.is_none() && matches!(last.destination, Some(Destination::Stream { .. })) {
        want.destination = Some(Destination::Off);
    }
    if want.insights.is_none() && matches!(last.insights, Some(Insights::On(_))) {
        want.insights = Some(Insights::Off);
    }
    for (index, last) in &last.index_insights {
        if matches!(last, Insights::On(_)) {
            want.index_insights.entry(index.clone()).or_insert(Insights::Off);
        }
    }
    if want.policy.is_none() && matches!(last.policy, Some(Policy::Document(_))) {
        want.policy = Some(Policy::Off);
    }
}

/// What to remember of a table as long as its removals are not done: what is still to be turned off stays in it, or
/// the next deploy would not know of it.
#[must_use]
pub fn unfinished(declared: &Table, last: &Table) -> Table {
    let mut table = declared.clone();
    table.stream = table.stream.or(last.stream);
    table.time_to_live = table.time_to_live.or_else(|| last.time_to_live.clone());
    let (settings, last) = (&mut table.settings, &last.settings);
    settings.destination = settings.destination.take().or_else(|| last.destination.clone());
    settings.policy = settings.policy.take().or_else(|| last.policy.clone());
    table
}

/// Only tags that the last declaration had set are ever taken away.
pub(super) fn untag(declared: &Settings, last: Option<&Settings>, live: &Tags) -> Option<Setting> {
    let set_before = last.and_then(|last| last.tags.as_ref())?;
    let kept = |key: &String| declared.tags.as_ref().is_some_and(|tags| tags.contains_key(key));
    let gone = set_before.keys().filter(|key| !kept(key) && live.contains_key(*key));
    let gone: BTreeSet<String> = gone.cloned().collect();
    (!gone.is_empty()).then_some(Setting::Untag(gone))
}
