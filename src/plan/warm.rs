//! Warm throughput, which only grows: what is too little for something new, and what is there already.

use crate::schema::{Capacity, Table, Warm};

/// The table and the indexes that are about to be made with less warm throughput than they have from the start, which
/// DynamoDB refuses; `live` is the table where there is one.
pub(super) fn too_cold(want: &Table, live: Option<&Table>) -> Vec<String> {
    let table = live.is_none().then_some(("table", &want.name, want.warm, want.capacity));
    let is_new = |name: &&String| live.is_none_or(|live| !live.global_indexes.contains_key(*name));
    let indexes = want.global_indexes.iter().filter(|(name, _)| is_new(name));
    let indexes = indexes.map(|(name, index)| ("index", name, index.warm, index.capacity));
    let cold = table.into_iter().chain(indexes).filter_map(|(kind, name, warm, capacity)| {
        let (warm, least) = (warm?, from_the_start(capacity));
        warm.is_below(least).then(|| {
            format!(
                "table {}: WarmThroughput of the new {kind} {name} is {warm}, and it has {least} from the start; \
                 ask for more, or leave it out",
                want.name
            )
        })
    });
    cold.collect()
}

fn from_the_start(capacity: Capacity) -> Warm {
    match capacity {
        Capacity::OnDemand(_) => Warm::ON_DEMAND,
        Capacity::Provisioned(throughput) => {
            Warm { read: Some(throughput.read), write: Some(throughput.write) }
        }
    }
}

/// What is warmer than it is declared to be: that is left as it is.
pub(super) fn warmer(want: &Table, live: &Table) -> Vec<String> {
    let is_warmer = |want: Option<Warm>, live: Option<Warm>| {
        let (want, live) = (want?, live?);
        want.is_below(live).then_some((want, live))
    };
    let table = is_warmer(want.warm, live.warm).map(|(want, live)| (String::new(), want, live));
    let indexes = want.global_indexes.iter().filter_map(|(name, index)| {
        let live = live.global_indexes.get(name).and_then(|index| index.warm);
        let (want, live) = is_warmer(index.warm, live)?;
        Some((format!("index {name} "), want, live))
    });
    let warmer = table.into_iter().chain(indexes);
    let notice = |(of, declared, live)| {
        format!(
            "table {}: {of}warm throughput is {live} and declared as {declared}; it never shrinks, left as it is",
            want.name
        )
    };
    warmer.map(notice).collect()
}
