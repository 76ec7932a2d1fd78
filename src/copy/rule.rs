//! What becomes of one item of the target: what a copy wants there against what it finds. Pure.

use super::mark::{BY_SCAN, Found, MARK, Mark};
use crate::dynamo::{ATTRIBUTES_MAX, Edit, Kind, WireItem, same};

/// What a copy wants under one key of the target.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Intent {
    /// Key in the target.
    pub(super) key: WireItem,
    /// Key of the item in the source.
    pub(super) from: WireItem,
    /// Number of the record that says so.
    pub(super) at: String,
    pub(super) want: Want,
}

/// An item, or none.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Want {
    Item {
        item: WireItem,
        /// Whether the change began there, so that an earlier version must be under the key.
        stays: bool,
    },
    Nothing,
}

/// On what occasion, and what is certain then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// The scan has read the source item some time ago.
    Scan,
    /// A record of the stream, while the scan goes on.
    Replay,
    /// A record of the stream, with every source item copied before: what is not there was deleted.
    Follow,
    /// The source was read after the target, and no record is replayed in between.
    Repair,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing.
    Keep,
    /// This.
    Write(Edit),
    /// It comes from another source item, this one: who is to have the key depends on how both are now.
    Disputed(WireItem),
    /// Two source items have one key.
    Collides,
    /// Nothing, since the application has the last word.
    Left(&'static str),
    /// It cannot be done.
    Fails(String),
}

/// Which of two source items has a key of the target now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holders {
    Neither,
    This,
    Other,
    Both,
}

const DELETED: &str = "it was deleted there";

impl Intent {
    /// What this and a later one for the same key come to.
    pub(super) fn followed_by(self, later: Self) -> Self {
        let want = match (self.want, later.want) {
            (_, Want::Nothing) => Want::Nothing,
            (Want::Nothing, Want::Item { item, .. }) => Want::Item { item, stays: false },
            (Want::Item { stays, .. }, Want::Item { item, .. }) => Want::Item { item, stays },
        };
        Self { want, ..later }
    }

    /// An item that the scan has found.
    pub(super) fn of_scan(key: WireItem, from: WireItem, item: WireItem) -> Self {
        Self { key, from, at: BY_SCAN.to_owned(), want: Want::Item { item, stays: false } }
    }

    pub(super) fn mark(&self, by: &str) -> Mark {
        Mark { by: by.to_owned(), from: self.from.clone(), at: self.at.clone() }
    }

    /// What becomes of the item that is there now.
    pub(super) fn meets(
        &self,
        by: &str,
        keys: &[String],
        occasion: Occasion,
        current: Option<&WireItem>,
    ) -> Verdict {
        let found = Found::of(by, current);
        match &self.want {
            Want::Item { item, stays } => {
                let wanted = self.mark(by).on(item);
                self.wants(&wanted, *stays, keys, occasion, &found)
            }
            Want::Nothing => self.wants_nothing(by, keys, occasion, &found),
        }
    }

    fn wants(
        &self,
        wanted: &WireItem,
        stays: bool,
        keys: &[String],
        occasion: Occasion,
        found: &Found<'_>,
    ) -> Verdict {
        use Occasion::{Follow, Repair, Replay, Scan};
        match (found, occasion) {
            (Found::Nothing, Follow) if stays => Verdict::Left(DELETED),
            (Found::Nothing, _) => bounded(Edit::make(keys, wanted)),
            (Found::Others, _) => Verdict::Left("it was changed there, or made there"),
            (Found::Copied(_, mark), _) if !is_same(&mark.from, &self.from) => {
                Verdict::Disputed(mark.from.clone())
            }
            // What the scan has read can be older than what is there, and never newer than what will be replayed.
            (Found::Copied(..), Scan) => Verdict::Keep,
            (Found::Copied(current, _), Replay | Follow | Repair)
                if is_but_marked(current, wanted) =>
            {
                Verdict::Keep
            }
            (Found::Copied(current, _), Replay | Follow | Repair) => update(keys, current, wanted),
            (Found::Tombstone(_, mark), Scan) if is_same(&mark.from, &self.from) => Verdict::Keep,
            (Found::Tombstone(_, mark), Scan) => Verdict::Disputed(mark.from.clone()),
            (Found::Tombstone(current, _), Replay | Follow | Repair) => {
                update(keys, current, wanted)
            }
        }
    }

    fn wants_nothing(
        &self,
        by: &str,
        keys: &[String],
        occasion: Occasion,
        found: &Found<'_>,
    ) -> Verdict {
        use Occasion::{Follow, Repair, Replay, Scan};
        let tombstone = || self.mark(by).tombstone(&self.key);
        match (found, occasion) {
            (Found::Nothing, Replay) => bounded(Edit::make(keys, &tombstone())),
            // What the scan is about to put in the place of another's must meet a trace of this one.
            (Found::Tombstone(current, mark), Replay) if !is_same(&mark.from, &self.from) => {
                update(keys, current, &tombstone())
            }
            (Found::Nothing, Scan | Follow | Repair) | (Found::Tombstone(..), _) => Verdict::Keep,
            (Found::Copied(_, mark), Replay) if !is_same(&mark.from, &self.from) => {
                Verdict::Disputed(mark.from.clone())
            }
            // The source item has lost the key to another one, which has been copied already.
            (Found::Copied(_, mark), _) if !is_same(&mark.from, &self.from) => Verdict::Keep,
            (Found::Copied(current, _), Replay) => update(keys, current, &tombstone()),
            (Found::Copied(current, _), Scan | Follow | Repair) => {
                bounded(Edit::delete(keys, current))
            }
            (Found::Others, _) => Verdict::Left("it was changed there, or made there"),
        }
    }

    /// What becomes of an item that comes from another source item, by which of the two has the key now. What is not as
    /// the records say will be so by later ones.
    pub(super) fn settles(
        &self,
        by: &str,
        keys: &[String],
        occasion: Occasion,
        current: &WireItem,
        holders: Holders,
    ) -> Verdict {
        match (&self.want, holders) {
            // It was copied once. What is there now is a late copy of the item that had the key before.
            (Want::Item { stays: true, .. }, Holders::This) if occasion == Occasion::Follow => {
                Verdict::Left(DELETED)
            }
            (Want::Item { .. }, Holders::Both) => Verdict::Collides,
            (Want::Item { item, .. }, Holders::This) => {
                update(keys, current, &self.mark(by).on(item))
            }
            (Want::Item { .. }, Holders::Other | Holders::Neither)
            | (Want::Nothing, Holders::Both | Holders::Other) => Verdict::Keep,
            (Want::Nothing, Holders::This | Holders::Neither) => {
                update(keys, current, &self.mark(by).tombstone(&self.key))
            }
        }
    }
}

impl Holders {
    pub(super) fn of(this: bool, other: bool) -> Self {
        match (this, other) {
            (true, true) => Self::Both,
            (true, false) => Self::This,
            (false, true) => Self::Other,
            (false, false) => Self::Neither,
        }
    }
}

/// The change, on the condition that all that was read is still so, as far as one request can compare it.
fn update(keys: &[String], current: &WireItem, wanted: &WireItem) -> Verdict {
    let Some(edit) = Edit::update(keys, current, wanted) else { return Verdict::Keep };
    let strict = edit.clone().following_from(current, current.keys());
    bounded(if strict.width() <= ATTRIBUTES_MAX { strict } else { edit })
}

fn bounded(edit: Edit) -> Verdict {
    let compared = edit.width();
    if edit.kind != Kind::Make && compared > ATTRIBUTES_MAX {
        return Verdict::Fails(format!(
            "{compared} attributes take part in one change, more than the {ATTRIBUTES_MAX} that one request compares"
        ));
    }
    Verdict::Write(edit)
}

/// Whether two items differ in their marks at most.
fn is_but_marked(a: &WireItem, b: &WireItem) -> bool {
    let is_in_b = |(name, value): (&String, _)| name == MARK || same(Some(value), b.get(name));
    a.len() == b.len() && a.iter().all(is_in_b)
}

/// Whether two keys are one.
pub(super) fn is_same(a: &WireItem, b: &WireItem) -> bool {
    a.len() == b.len() && a.iter().all(|(name, value)| same(Some(value), b.get(name)))
}
