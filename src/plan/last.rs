//! What the last declaration still decides: what it turned on, and this one leaves out, is turned off.

use std::collections::BTreeSet;

use super::settings::Setting;
use crate::schema::{
    Destination, Insights, Policy, Recovery, Settings, Stream, Table, Tags, TimeToLive,
};

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

/// What to remember of a table as long as its removals are not done: what is still to be turned off stays in it. The
/// next deploy would else not know of it, or take it for somebody else's doing.
#[must_use]
pub fn unfinished(declared: &Table, last: &Table) -> Table {
    let mut table = declared.clone();
    remember(&mut table.stream, last.stream.as_ref(), &Stream::Off);
    remember(&mut table.time_to_live, last.time_to_live.as_ref(), &TimeToLive::Off);
    let (settings, last) = (&mut table.settings, &last.settings);
    remember(&mut settings.recovery, last.recovery.as_ref(), &Recovery::Off);
    remember(&mut settings.destination, last.destination.as_ref(), &Destination::Off);
    remember(&mut settings.policy, last.policy.as_ref(), &Policy::Off);
    remember(&mut settings.deletion_protection, last.deletion_protection.as_ref(), &false);
    table
}

/// Keeps what was where nothing or `off` is to be.
fn remember<T: Clone + PartialEq>(feature: &mut Option<T>, last: Option<&T>, off: &T) {
    if feature.as_ref().is_none_or(|feature| feature == off) {
        *feature = last.cloned().or(feature.take());
    }
}

/// Only tags that the last declaration had set are ever taken away.
pub(super) fn untag(declared: &Settings, last: Option<&Settings>, live: &Tags) -> Option<Setting> {
    let set_before = last.and_then(|last| last.tags.as_ref())?;
    let kept = |key: &String| declared.tags.as_ref().is_some_and(|tags| tags.contains_key(key));
    let gone = set_before.keys().filter(|key| !kept(key) && live.contains_key(*key));
    let gone: BTreeSet<String> = gone.cloned().collect();
    (!gone.is_empty()).then_some(Setting::Untag(gone))
}
