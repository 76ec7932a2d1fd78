//! Replicas: which come, which go, and what each has in its region for itself.

use std::collections::BTreeMap;

use super::changes::differs;
use super::settings;
use super::steps::TableStep;
use crate::schema::{
    Destination, Insights, Policy, Recovery, Replica, Settings, Stream, Table, is_key_arn,
};

type Replicas = BTreeMap<String, Replica>;

/// The replicas of both sides, where both know theirs.
fn both<'a>(want: &'a Table, live: &'a Table) -> Option<(&'a Replicas, &'a Replicas)> {
    Some((want.replicas.as_ref()?, live.replicas.as_ref()?))
}

/// Whether replication reads the stream of a live table, which therefore cannot change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// No replica does.
    None,
    /// None does once the removals are done.
    Leaving,
    /// Some go on to.
    Staying,
}

pub(super) fn readers(want: &Table, live: &Table) -> Readers {
    let live = live.replicas.iter().flatten().map(|(region, _)| region);
    let stays = |region| want.replicas.as_ref().is_none_or(|want| want.contains_key(region));
    let staying: Vec<bool> = live.map(stays).collect();
    match staying.as_slice() {
        [] => Readers::None,
        regions if regions.contains(&true) => Readers::Staying,
        _ => Readers::Leaving,
    }
}

/// Whether a replica is to be made.
pub(super) fn any_comes(want: &Table, live: &Table) -> bool {
    both(want, live)
        .is_some_and(|(wanted, present)| wanted.keys().any(|region| !present.contains_key(region)))
}

/// What comes and changes: all new replicas, one after another, then what each has for itself.
pub(super) fn changes(want: &Table, live: &Table) -> Vec<TableStep> {
    let Some((wanted, present)) = both(want, live) else { return Vec::new() };
    let made = wanted.iter().filter(|(region, _)| !present.contains_key(*region));
    let made = made.map(|(region, replica)| TableStep::CreateReplica {
        region: region.clone(),
        key: replica.key.clone(),
        class: replica.class,
    });
    let mut steps: Vec<_> = made.collect();
    for (region, replica) in wanted {
        let live = present.get(region);
        if differs(replica.class.as_ref(), live.and_then(|live| live.class.as_ref())) {
            let class = replica.class.map(|class| (region.clone(), class));
            steps.extend(class.map(|(region, class)| TableStep::ReplicaClass { region, class }));
        }
        let live = live.map_or_else(|| fresh(want), |live| with_new_indexes(live, want));
        let each = settings::changes(&replica.settings, &live).into_iter();
        steps.extend(
            each.map(|setting| TableStep::ReplicaSetting { region: region.clone(), setting }),
        );
    }
    steps
}

/// What protects replicas, or no longer does.
pub(super) fn protections(want: &Table, live: &Table) -> Vec<TableStep> {
    let Some((wanted, present)) = both(want, live) else { return Vec::new() };
    let protection = |(region, replica): (&String, &Replica)| {
        let fresh = fresh(want);
        let live = present.get(region).map_or(&fresh, |live| &live.settings);
        let setting = settings::protection(&replica.settings, live)?;
        Some(TableStep::ReplicaSetting { region: region.clone(), setting })
    };
    wanted.iter().filter_map(protection).collect()
}

/// What goes.
pub(super) fn removals(want: &Table, live: &Table) -> Vec<TableStep> {
    let Some((wanted, present)) = both(want, live) else { return Vec::new() };
    let gone = present.keys().filter(|region| !wanted.contains_key(*region));
    gone.cloned().map(TableStep::DeleteReplica).collect()
}

/// What replicas do not allow: their key is given once, and the stream is what replication reads. Off, which nobody
/// declares, just waits for them to go.
pub(super) fn refused(want: &Table, live: &Table) -> Vec<String> {
    let name = &want.name;
    let stream = match (want.stream, live.stream) {
        (Some(Stream::Off | Stream::NewAndOldImages), _)
        | (None, Some(Stream::Off | Stream::NewAndOldImages))
        | (_, None) => None,
        (Some(stream), Some(found)) => {
            let is_read = stream != found && readers(want, live) == Readers::Staying;
            is_read.then(|| {
                format!(
                    "table {name}: the stream cannot become {stream} while the table has replicas, which read it; leave \
                     StreamSpecification out, or remove the replicas first"
                )
            })
        }
        (None, Some(found)) => any_comes(want, live).then(|| {
            format!(
                "table {name}: replicas need a stream of NEW_AND_OLD_IMAGES, and its is {found}; declare \
                 StreamSpecification with it"
            )
        }),
    };
    let keys = both(want, live).map(|(wanted, present)| {
        wanted.iter().filter_map(|(region, replica)| {
            let (key, live) = (replica.key.as_ref()?, present.get(region)?.key.as_ref()?);
            // Another name may mean the same key.
            (is_key_arn(key) && key != live).then(|| {
                format!(
                    "table {name}: the KMS key of the replica in {region} cannot change (declared {key}, live {live}); \
                     leave the replica out of one deploy, and declare it with the new key in the next"
                )
            })
        })
    });
    stream.into_iter().chain(keys.into_iter().flatten()).collect()
}

/// What a replica has when it is made: nothing of what the table has for itself.
fn fresh(table: &Table) -> Settings {
    let off = |name: &String| (name.clone(), Insights::Off);
    Settings {
        recovery: Some(Recovery::Off),
        destination: Some(Destination::Off),
        insights: Some(Insights::Off),
        index_insights: table.global_indexes.keys().map(off).collect(),
        policy: Some(Policy::Off),
        tags: Some([].into()),
        deletion_protection: Some(false),
    }
}

/// What a replica has once the table has its new indexes, which come without insights.
fn with_new_indexes(live: &Replica, want: &Table) -> Settings {
    let mut settings = live.settings.clone();
    for index in want.global_indexes.keys() {
        settings.index_insights.entry(index.clone()).or_insert(Insights::Off);
    }
    settings
}
