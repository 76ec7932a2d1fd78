//! The proof by chance that a copy ends as the source is, but for what the application has written to the target: a source,
//! a stream of two shards and a target in memory, written to in any order by everybody, with the real decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;

use super::expand::{Shape, identity};
use super::mark::{Found, MARK};
use super::rule::{Holders, Intent, Occasion, Verdict, Want};
use crate::dynamo::{Edit, Kind, WireItem, same};
use crate::item::Item;
use crate::streams::Record;

const BY: &str = "0001_copy";
const SOURCES: u8 = 3;
const TARGETS: u8 = 2;

/// What happens next, whoever does it. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    /// The application puts a source item that has this key in the target, or none.
    Put { source: u8, target: Option<u8> },
    /// The application deletes a source item.
    Delete { source: u8 },
    /// The scan reads the next source item.
    Read,
    /// One of the writes of the scan arrives.
    Arrive(u8),
    /// So many records of a shard are replayed.
    Replay { shard: u8, records: u8 },
    /// The process dies; what it has sent is still on its way.
    Crash,
    /// The application puts an item of its own into the target.
    PutThere { target: u8 },
    /// The application changes an item of the target.
    ChangeThere { target: u8 },
    /// The application deletes an item of the target.
    DeleteThere { target: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let target = || 0..TARGETS;
    let step = prop_oneof![
        6 => (0..SOURCES, prop::option::weighted(0.9, target()))
            .prop_map(|(source, target)| Step::Put { source, target }),
        2 => (0..SOURCES).prop_map(|source| Step::Delete { source }),
        4 => Just(Step::Read),
        6 => any::<u8>().prop_map(Step::Arrive),
        6 => (any::<u8>(), 1..4_u8).prop_map(|(shard, records)| Step::Replay { shard, records }),
        1 => Just(Step::Crash),
        1 => target().prop_map(|target| Step::PutThere { target }),
        1 => target().prop_map(|target| Step::ChangeThere { target }),
        1 => target().prop_map(|target| Step::DeleteThere { target }),
    ];
    prop::collection::vec(step, 0..60)
}

fn text(n: impl Into<u64>) -> AttributeValue {
    AttributeValue::S(n.into().to_string())
}

fn key(name: &str, n: u8) -> WireItem {
    WireItem::from([(name.to_owned(), text(n))])
}

/// A write of the scan that has been sent.
#[derive(Debug, Clone)]
struct Sent {
    intent: Intent,
    edit: Edit,
    /// Whether the process that sent it has died since.
    orphaned: bool,
}

struct World {
    shape: Shape,
    source: BTreeMap<u8, WireItem>,
    shards: [Vec<Record>; 2],
    positions: [usize; 2],
    target: BTreeMap<String, WireItem>,
    scanned: u8,
    sent: Vec<Sent>,
    has_seeded: bool,
    writes: u64,
    /// What the application has last made of items of the target: the whole of it, or an attribute.
    theirs: BTreeMap<String, WireItem>,
    /// Items that it has deleted there, and which source items have been copied there anew since.
    deleted: BTreeMap<String, BTreeSet<String>>,
}

impl World {
    fn new() -> Self {
        let rekey = |item: Item| {
            let Some(target) = item.get("target").cloned() else { return Ok(Vec::new()) };
            let mut copy = item;
            copy.remove("target");
            copy.remove("id");
            copy.set("pk", target);
            Ok(vec![copy])
        };
        let shape = Shape {
            rekey: Arc::new(rekey),
            source_keys: vec!["id".to_owned()],
            target_keys: vec!["pk".to_owned()],
        };
        Self {
            shape,
            source: BTreeMap::new(),
            shards: [Vec::new(), Vec::new()],
            positions: [0, 0],
            target: BTreeMap::new(),
            scanned: 0,
            sent: Vec::new(),
            has_seeded: false,
            writes: 0,
            theirs: BTreeMap::new(),
            deleted: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Put { source, target } => self.put(source, target),
            Step::Delete { source } => self.write(source, None),
            Step::Read => self.read(),
            Step::Arrive(which) => {
                if !self.sent.is_empty() {
                    let sent = self.sent.remove(usize::from(which) % self.sent.len());
                    self.arrive(sent);
                }
            }
            Step::Replay { shard, records } => self.replay(usize::from(shard) % 2, records.into()),
            Step::Crash => {
                self.scanned = 0;
                self.sent.iter_mut().for_each(|sent| sent.orphaned = true);
            }
            Step::PutThere { target } => {
                let mut item = key("pk", target);
                item.insert("whole".to_owned(), text(self.next()));
                let id = identity(&key_of(&item));
                self.deleted.remove(&id);
                self.theirs.insert(id.clone(), item.clone());
                self.target.insert(id, item);
            }
            Step::ChangeThere { target } => {
                let id = identity(&key("pk", target));
                let value = text(self.next());
                if let Some(item) = self.target.get_mut(&id).filter(|item| !is_tombstone(item)) {
                    item.insert("theirs".to_owned(), value.clone());
                    self.theirs.entry(id).or_default().insert("theirs".to_owned(), value);
                }
            }
            // Before all is copied, nothing tells what was deleted there from what was not copied yet.
            Step::DeleteThere { target } if self.has_seeded => {
                let id = identity(&key("pk", target));
                self.theirs.remove(&id);
                if self.target.remove(&id).is_some() {
                    self.deleted.insert(id, BTreeSet::new());
                }
            }
            Step::DeleteThere { .. } => {}
        }
    }

    fn next(&mut self) -> u64 {
        self.writes += 1;
        self.writes
    }

    /// Two items never have one key in the target at the same time, but a key can go from one to the other.
    fn put(&mut self, source: u8, target: Option<u8>) {
        let mut item = key("id", source);
        item.insert("value".to_owned(), text(self.next()));
        if let Some(target) = target {
            let wanted = key("pk", target);
            let is_taken = self
                .source
                .iter()
                .any(|(other, item)| *other != source && self.shape.holds(item, &wanted));
            if is_taken {
                return;
            }
            item.insert("target".to_owned(), text(target));
        }
        self.write(source, Some(item));
    }

    fn write(&mut self, source: u8, after: Option<WireItem>) {
        let before = self.source.remove(&source);
        if before.is_none() && after.is_none() {
            return;
        }
        self.source.extend(after.clone().map(|item| (source, item)));
        let number = self.next().to_string();
        let record =
            Record { number, at_ms: 0, key: key("id", source), before, after, by_service: false };
        self.shards[usize::from(source % 2)].push(record);
    }

    fn read(&mut self) {
        if self.scanned >= SOURCES || self.has_seeded {
            return;
        }
        let item = self.source.get(&self.scanned).cloned();
        self.scanned += 1;
        for intent in item.into_iter().flat_map(|item| self.shape.of_item(&item).unwrap()) {
            // The engine puts blindly at first.
            let Verdict::Write(edit) = self.meets(&intent, Occasion::Scan, None) else {
                panic!("an item is put where there is none")
            };
            self.sent.push(Sent { intent, edit, orphaned: false });
        }
    }

    fn arrive(&mut self, sent: Sent) {
        if self.apply(&sent.edit) || sent.orphaned {
            return;
        }
        let current = self.target.get(&identity(&sent.edit.key)).cloned();
        match self.meets(&sent.intent, Occasion::Scan, current.as_ref()) {
            Verdict::Write(edit) => self.sent.push(Sent { edit, ..sent }),
            Verdict::Keep | Verdict::Left(_) => {}
            other => panic!("{other:?}"),
        }
    }

    /// Replays records and moves the position on, all in one moment, as a transaction does.
    fn replay(&mut self, shard: usize, records: usize) {
        let occasion = if self.has_seeded { Occasion::Follow } else { Occasion::Replay };
        for _ in 0..records {
            let Some(record) = self.shards[shard].get(self.positions[shard]).cloned() else {
                return;
            };
            self.positions[shard] += 1;
            for intent in self.shape.of_record(&record).unwrap() {
                let makes = matches!(intent.want, Want::Item { stays: false, .. });
                if let Some(since) = self.deleted.get_mut(&identity(&intent.key)).filter(|_| makes)
                {
                    since.insert(identity(&intent.from));
                }
                let current = self.target.get(&identity(&intent.key)).cloned();
                match self.meets(&intent, occasion, current.as_ref()) {
                    Verdict::Write(edit) => assert!(self.apply(&edit), "{edit:?}"),
                    Verdict::Keep | Verdict::Left(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    fn meets(&self, intent: &Intent, occasion: Occasion, current: Option<&WireItem>) -> Verdict {
        let keys = &self.shape.target_keys;
        match intent.meets(BY, keys, occasion, current) {
            Verdict::Disputed(other) => {
                let holds = |from: &WireItem| {
                    let item = self.source.values().find(|item| item["id"] == from["id"]);
                    item.is_some_and(|item| self.shape.holds(item, &intent.key))
                };
                let holders = Holders::of(holds(&intent.from), holds(&other));
                intent.settles(BY, keys, occasion, current.unwrap(), holders)
            }
            verdict => verdict,
        }
    }

    /// Writes on the condition of the edit, as DynamoDB does.
    fn apply(&mut self, edit: &Edit) -> bool {
        let id = identity(&edit.key);
        let current = self.target.get(&id);
        let is_as_read = match (edit.kind, current) {
            (Kind::Make, current) => current.is_none(),
            (Kind::Update | Kind::Delete, None) => false,
            (Kind::Update | Kind::Delete, Some(item)) => edit
                .attributes
                .iter()
                .map(|(name, difference)| (name, difference.before.as_ref()))
                .chain(edit.compared.iter().map(|(name, value)| (name, Some(value))))
                .all(|(name, before)| same(before, item.get(name))),
        };
        if !is_as_read {
            return false;
        }
        let mut item = current.cloned().unwrap_or_else(|| edit.key.clone());
        for (name, difference) in &edit.attributes {
            item.remove(name);
            item.extend(difference.after.clone().map(|value| (name.clone(), value)));
        }
        match edit.kind {
            Kind::Delete => self.target.remove(&id),
            Kind::Make | Kind::Update => self.target.insert(id, item),
        };
        true
    }

    /// The scan comes to its end, all its writes have arrived, and what stands for items that are gone is taken away.
    fn seed(&mut self) {
        while self.scanned < SOURCES {
            self.read();
        }
        while let Some(sent) = self.sent.pop() {
            self.arrive(sent);
        }
        self.has_seeded = true;
        self.target.retain(|_, item| !is_tombstone(item));
    }

    fn replay_all(&mut self) {
        for shard in 0..2 {
            self.replay(shard, usize::MAX);
        }
    }

    /// What the target is to be.
    fn expected(&self) -> BTreeMap<String, WireItem> {
        let mut expected = BTreeMap::new();
        for source in self.source.values() {
            let from = identity(&crate::dynamo::key_of(&self.shape.source_keys, source));
            for (key, item) in self.shape.expand(source).unwrap() {
                let id = identity(&key);
                if self.deleted.get(&id).is_none_or(|since| since.contains(&from)) {
                    expected.insert(id, item);
                }
            }
        }
        expected.extend(self.theirs.clone());
        expected
    }

    fn found(&self) -> BTreeMap<String, WireItem> {
        let unmarked = |(id, item): (&String, &WireItem)| {
            let mut item = item.clone();
            if let Some(theirs) = self.theirs.get(id) {
                // A change of theirs and one of ours that have met in the same moment are both there.
                item.retain(|name, _| theirs.contains_key(name) || name == "whole");
            } else {
                assert!(matches!(Found::of(BY, Some(&item)), Found::Copied(..)), "{item:?}");
                item.remove(MARK);
            }
            (id.clone(), item)
        };
        self.target.iter().map(unmarked).collect()
    }
}

fn is_tombstone(item: &WireItem) -> bool {
    matches!(Found::of(BY, Some(item)), Found::Tombstone(..))
}

fn key_of(item: &WireItem) -> WireItem {
    crate::dynamo::key_of(&["pk".to_owned()], item)
}

proptest! {

    #[test]
    fn the_target_ends_as_the_source_but_for_what_was_written_there(
        before in steps(),
        beside in steps(),
        after in steps(),
    ) {
        let mut world = World::new();
        for step in before.iter().filter(|step| matches!(step, Step::Put { .. } | Step::Delete { .. })) {
            world.take(step);
        }
        // A copy begins with the records from here on.
        world.positions = [0, 1].map(|shard| world.shards[shard].len());
        for step in &beside {
            world.take(step);
        }
        world.seed();
        for step in &after {
            world.take(step);
        }
        world.replay_all();
        prop_assert_eq!(world.found(), world.expected());
    }
}

/// The rarest of what chance finds: the scan is about to give a key to an item that loses it meanwhile, and the records of
/// the item that had it before come last.
#[test]
fn a_key_that_changes_hands_twice_while_the_scan_writes_ends_with_nobody() {
    let mut world = World::new();
    let put = |source, target| Step::Put { source, target };
    for step in [
        put(0, Some(0)),
        Step::Replay { shard: 0, records: 1 },
        put(0, None),
        put(1, Some(0)),
        Step::Read,
        Step::Read,
        Step::Arrive(0),
        put(1, None),
        Step::Replay { shard: 1, records: 2 },
        Step::Arrive(0),
    ] {
        world.take(&step);
    }
    world.seed();
    world.replay_all();
    assert_eq!(world.found(), world.expected());
}

/// An item is deleted there whose key another one had before it, and the records of that one come last.
#[test]
fn what_was_deleted_there_does_not_come_back_by_way_of_an_earlier_holder_of_its_key() {
    let mut world = World::new();
    let put = |source| Step::Put { source, target: Some(0) };
    for step in [put(1), Step::Delete { source: 1 }] {
        world.take(&step);
    }
    world.seed();
    for step in [
        put(0),
        Step::Replay { shard: 0, records: 1 },
        Step::DeleteThere { target: 0 },
        Step::Replay { shard: 1, records: 1 },
        put(0),
    ] {
        world.take(&step);
    }
    world.replay_all();
    assert_eq!(world.found(), BTreeMap::new());
}
