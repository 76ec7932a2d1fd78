//! What leads from one table to another: steps in an order that DynamoDB accepts, removals, or a refusal.

use std::collections::{BTreeMap, BTreeSet};

use super::replicas::{self, Readers};
use super::steps::{Completion, TableStep};
use super::{scaling, settings};
use crate::schema::{
    AttributeType, Capacity, Encryption, Index, Insights, Limits, Stream, Table, TimeToLive, Warm,
};

/// What leads from one table to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Changes in the order they are made.
    pub steps: Vec<TableStep>,
    /// Removals, made once the whole stack has succeeded.
    pub removals: Vec<TableStep>,
    /// Changes that DynamoDB cannot make to a table.
    pub refused: Vec<String>,
}

/// Compares a wanted table with a live one. Features that the wanted one leaves out, or that the live one does not
/// report, are left alone.
#[must_use]
pub fn changes(want: &Table, live: &Table) -> Changes {
    let want = &scaling::follow(want, live);
    let mut steps = scaling::ends(want, live);
    let gone = live.global_indexes.keys().filter(|name| !want.global_indexes.contains_key(*name));
    let mut removals: Vec<_> = gone.cloned().map(TableStep::DeleteIndex).collect();
    if needs_every_index(want, live) {
        steps.append(&mut removals);
    }
    capacity(want, live, &mut steps);
    steps.extend(new_indexes(want, live));
    let stream = stream(want, live);
    let readers = replicas::readers(want, live);
    if readers == Readers::None {
        steps.extend(stream.iter().cloned());
    }
    if differs(want.encryption.as_ref(), live.encryption.as_ref())
        && !is_default_kms(want.encryption.as_ref(), live.encryption.as_ref())
    {
        steps.extend(want.encryption.clone().map(TableStep::Encryption));
    }
    if differs(want.class.as_ref(), live.class.as_ref()) {
        steps.extend(want.class.map(TableStep::Class));
    }
    warm(want, live, &mut steps);
    time_to_live(want, live, &mut steps);
    let mut live_settings = live.settings.clone();
    // An index that is about to be made comes without insights.
    let made = want.global_indexes.keys().filter(|name| !live.global_indexes.contains_key(*name));
    live_settings.index_insights.extend(made.map(|name| (name.clone(), Insights::Off)));
    let settings = settings::changes(&want.settings, &live_settings);
    steps.extend(settings.into_iter().map(TableStep::Setting));
    // Replicas of a provisioned table need writes that scale.
    steps.extend(scaling::begins(want, live));
    steps.extend(replicas::changes(want, live));
    let protection = settings::protection(&want.settings, &live.settings);
    steps.extend(protection.map(TableStep::Setting));
    steps.extend(replicas::protections(want, live));
    // What ends in "off" cannot be taken back when a later step fails: a stream gets another ARN, recovery loses its past.
    let (ends, steps): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| step.turns_off(want));
    removals.extend(replicas::removals(want, live));
    if readers == Readers::Leaving {
        removals.extend(stream);
    }
    removals.extend(ends);
    let mut refused = refused(want, live);
    refused.extend(replicas::refused(want, live));
    Changes { steps, removals, refused }
}

/// Whether a change asks something of every index, which one that is to be removed has not: a switch to provisioned
/// names the throughput of each, and a new replica of a provisioned table needs writes that scale in each.
fn needs_every_index(want: &Table, live: &Table) -> bool {
    match (live.capacity, want.capacity) {
        (_, Capacity::OnDemand(_)) => false,
        (Capacity::OnDemand(_), Capacity::Provisioned(_)) => true,
        (Capacity::Provisioned(_), Capacity::Provisioned(_)) => replicas::any_comes(want, live),
    }
}

fn new_indexes(want: &Table, live: &Table) -> Vec<TableStep> {
    let new =
        want.global_indexes.iter().filter(|(name, _)| !live.global_indexes.contains_key(*name));
    let create = |(_, index): (&String, &Index)| {
        let used = |attribute: &String| index.keys.uses(attribute) || want.keys.uses(attribute);
        let mut attributes = want.attributes.clone();
        attributes.retain(|attribute, _| used(attribute));
        TableStep::CreateIndex { index: index.clone(), attributes, completion: Completion::Wait }
    };
    new.map(create).collect()
}

/// Whether both sides know a feature and disagree.
pub(super) fn differs<T: PartialEq>(want: Option<&T>, live: Option<&T>) -> bool {
    matches!((want, live), (Some(want), Some(live)) if want != live)
}

/// A declaration that names no key means `aws/dynamodb`, which DynamoDB reports by its ARN.
pub(super) fn is_default_kms(want: Option<&Encryption>, live: Option<&Encryption>) -> bool {
    matches!((want, live), (Some(Encryption::Kms(None)), Some(Encryption::Kms(_))))
}

fn capacity(want: &Table, live: &Table, steps: &mut Vec<TableStep>) {
    let stays = |name: &&String| live.global_indexes.contains_key(*name);
    let staying = want.global_indexes.iter().filter(|(name, _)| stays(name));
    match (live.capacity, want.capacity) {
        (Capacity::Provisioned(_), Capacity::OnDemand(_)) => {
            let indexes = BTreeMap::new();
            steps.push(TableStep::Billing { from: live.capacity, to: want.capacity, indexes });
            for (name, index) in staying {
                if let Capacity::OnDemand(limits) = index.capacity
                    && limits != Limits::default()
                {
                    steps.push(TableStep::IndexLimits(name.clone(), limits));
                }
            }
        }
        (Capacity::OnDemand(_), Capacity::Provisioned(_)) => {
            let indexes = staying.map(|(name, index)| (name.clone(), index.capacity)).collect();
            steps.push(TableStep::Billing { from: live.capacity, to: want.capacity, indexes });
        }
        (Capacity::Provisioned(from), Capacity::Provisioned(to)) => {
            let changed = staying
                .filter(|(name, index)| {
                    live.global_indexes[*name].capacity.differs_from(index.capacity)
                })
                .map(|(name, index)| (name.clone(), index.capacity));
            let indexes: BTreeMap<_, _> = changed.collect();
            let table = (from != to).then_some(to);
            if table.is_some() || !indexes.is_empty() {
                steps.push(TableStep::Throughput { table, indexes });
            }
        }
        (Capacity::OnDemand(from), Capacity::OnDemand(to)) => {
            if from != to {
                steps.push(TableStep::Limits(to));
            }
            for (name, index) in staying {
                if let (Capacity::OnDemand(from), Capacity::OnDemand(to)) =
                    (live.global_indexes[name].capacity, index.capacity)
                    && from != to
                {
                    steps.push(TableStep::IndexLimits(name.clone(), to));
                }
            }
        }
    }
}

/// A view type cannot change while the stream is on.
fn stream(want: &Table, live: &Table) -> Vec<TableStep> {
    match (want.stream, live.stream) {
        (Some(want), Some(live)) if want == live => Vec::new(),
        (Some(Stream::Off), Some(_)) => vec![TableStep::Stream(Stream::Off)],
        (Some(want), Some(Stream::Off)) => vec![TableStep::Stream(want)],
        (Some(want), Some(_)) => vec![TableStep::Stream(Stream::Off), TableStep::Stream(want)],
        (None, _) | (_, None) => Vec::new(),
    }
}

/// Warm throughput only grows, and one that is asked for may be there already.
fn warm(want: &Table, live: &Table, steps: &mut Vec<TableStep>) {
    let raised = |want: Option<Warm>, live: Option<Warm>| {
        let (want, live) = (want?, live?);
        (!want.is_met_by(live)).then(|| want.or_more(live))
    };
    steps.extend(raised(want.warm, live.warm).map(TableStep::Warm));
    for (name, index) in &want.global_indexes {
        // An index that is about to be made brings its own.
        let live = live.global_indexes.get(name).and_then(|index| index.warm);
        steps.extend(raised(index.warm, live).map(|warm| TableStep::IndexWarm(name.clone(), warm)));
    }
}

/// The attribute cannot change while expiry is on.
fn time_to_live(want: &Table, live: &Table, steps: &mut Vec<TableStep>) {
    let (Some(want), Some(live)) = (&want.time_to_live, &live.time_to_live) else { return };
    if want == live {
        return;
    }
    if let TimeToLive::On(attribute) = live {
        steps.push(TableStep::TimeToLive { attribute: attribute.clone(), on: false });
    }
    if let TimeToLive::On(attribute) = want {
        steps.push(TableStep::TimeToLive { attribute: attribute.clone(), on: true });
    }
}

/// Differences that only a new table, or an index under a new name, can bring.
fn refused(want: &Table, live: &Table) -> Vec<String> {
    let name = &want.name;
    let mut refused = Vec::new();
    if want.keys != live.keys {
        refused.push(format!(
            "table {name}: the key cannot change (declared {}, live {}); declare a table under a new name \
             and copy the items with a migration",
            want.keys, live.keys
        ));
    }
    for key in live.keys.names().filter(|key| want.keys.uses(key)) {
        if let Some((want, live)) = types_differ(want, live, key) {
            refused.push(format!(
                "table {name}: the type of key attribute {key} cannot change (declared {want}, live {live}); \
                 declare a table under a new name and copy the items with a migration"
            ));
        }
    }
    let local_names = want.local_indexes.keys().chain(live.local_indexes.keys());
    for index in local_names.collect::<BTreeSet<_>>() {
        let differs = match (want.local_indexes.get(index), live.local_indexes.get(index)) {
            (Some(want), Some(live)) => !same_shape(want, live),
            _ => true,
        };
        if differs {
            refused.push(format!(
                "table {name}: the local index {index} cannot be {} after the table was made; \
                 use a global index, or a table under a new name",
                match (
                    want.local_indexes.contains_key(index),
                    live.local_indexes.contains_key(index)
                ) {
                    (true, false) => "added",
                    (false, true) => "removed",
                    _ => "changed",
                }
            ));
        }
    }
    for (index, wanted) in &want.global_indexes {
        let Some(found) = live.global_indexes.get(index) else { continue };
        let retyped = found.keys.names().find_map(|key| types_differ(want, live, key));
        if !same_shape(wanted, found) || retyped.is_some() {
            refused.push(format!(
                "table {name}: the index {index} cannot change in place (declared {}; {}, live {}; {}); \
                 declare it under a new name, move its readers, then remove this one",
                wanted.keys, wanted.projection, found.keys, found.projection
            ));
        }
    }
    refused
}

pub(super) fn same_shape(a: &Index, b: &Index) -> bool {
    a.keys == b.keys && a.projection == b.projection
}

fn types_differ(want: &Table, live: &Table, key: &str) -> Option<(AttributeType, AttributeType)> {
    let (want, live) = (*want.attributes.get(key)?, *live.attributes.get(key)?);
    (want != live).then_some((want, live))
}
