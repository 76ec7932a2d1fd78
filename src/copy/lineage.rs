//! Which shards of a stream are read, and in which order: no shard before the one that held its items earlier. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::rows::ShardRow;
use crate::streams::Shard;

/// Shards that are being read, by their ids.
pub(super) type Known = BTreeMap<String, ShardRow>;

/// Records are missing between what was replayed and what there still is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gap(pub(super) String);

/// The shards of a stream when a copy begins to follow it. A shard with children takes no record any more: what it has
/// was there before, for the scan to find.
pub(super) fn begin(shards: &[Shard], skip_before_ms: u64) -> Known {
    let parents: BTreeSet<_> = shards.iter().filter_map(|shard| shard.parent.as_deref()).collect();
    let row = |shard: &Shard| ShardRow {
        parent: shard.parent.clone(),
        first: shard.first.clone(),
        done: parents.contains(shard.id.as_str()),
        skip_before_ms,
        ..ShardRow::default()
    };
    shards.iter().map(|shard| (shard.id.clone(), row(shard))).collect()
}

/// The shards that have come since.
pub(super) fn grown(known: &Known, shards: &[Shard]) -> Result<Known, Gap> {
    let listed: BTreeSet<_> = shards.iter().map(|shard| shard.id.as_str()).collect();
    let lost = known.iter().find(|(id, row)| !row.done && !listed.contains(id.as_str()));
    if let Some((id, _)) = lost {
        return Err(Gap(format!("shard {id} is gone and was not read to its end")));
    }
    let mut new = Known::new();
    for shard in shards.iter().filter(|shard| !known.contains_key(&shard.id)) {
        let parent = shard.parent.as_deref();
        if let Some(parent) = parent.filter(|id| !known.contains_key(*id) && !listed.contains(id)) {
            return Err(Gap(format!("shard {parent} has come and gone and was never read")));
        }
        let row = ShardRow {
            parent: shard.parent.clone(),
            first: shard.first.clone(),
            ..ShardRow::default()
        };
        new.insert(shard.id.clone(), row);
    }
    Ok(new)
}

/// The shards that may be read now.
pub(super) fn readable(known: &Known) -> Vec<String> {
    let is_open = |id: &String| known.get(id).is_some_and(|row| !row.done);
    let waits = |row: &ShardRow| row.parent.as_ref().is_some_and(is_open);
    let may = known.iter().filter(|(_, row)| !row.done && !waits(row));
    may.map(|(id, _)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parent: Option<&str>) -> Shard {
        Shard { id: id.to_owned(), parent: parent.map(str::to_owned), first: None }
    }

    #[test]
    fn parents_are_read_before_their_children() {
        let mut known = begin(&[shard("a", None)], 0);
        assert_eq!(readable(&known), ["a"]);
        let split = [shard("a", None), shard("b", Some("a")), shard("c", Some("a"))];
        known.extend(grown(&known, &split).unwrap());
        assert_eq!(readable(&known), ["a"]);
        let grandchild = [&split[..], &[shard("d", Some("b"))]].concat();
        known.extend(grown(&known, &grandchild).unwrap());
        known.get_mut("a").unwrap().done = true;
        assert_eq!(readable(&known), ["b", "c"]);
        known.get_mut("b").unwrap().done = true;
        assert_eq!(readable(&known), ["c", "d"]);
    }

    #[test]
    fn what_was_closed_before_a_copy_began_is_not_read() {
        let known = begin(&[shard("a", None), shard("b", Some("a")), shard("c", None)], 7);
        assert_eq!(readable(&known), ["b", "c"]);
        assert!(known.values().all(|row| row.skip_before_ms == 7));
    }

    #[test]
    fn a_shard_that_went_unread_is_a_gap_and_one_that_was_read_is_none() {
        let mut known = begin(&[shard("a", None)], 0);
        assert!(grown(&known, &[]).is_err());
        assert!(grown(&known, &[shard("c", Some("b"))]).is_err());
        known.get_mut("a").unwrap().done = true;
        assert_eq!(grown(&known, &[]), Ok(Known::new()));
        assert_eq!(grown(&known, &[shard("b", Some("a"))]).map(|new| new.len()), Ok(1));
        // Its parent came and went, and with it records that nobody has read.
        let orphan = grown(&known, &[shard("c", Some("b"))]);
        assert_eq!(orphan, Err(Gap("shard b has come and gone and was never read".to_owned())));
    }
}
