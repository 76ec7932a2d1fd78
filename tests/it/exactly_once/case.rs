//! A case: everything that is up to chance, drawn from one seed.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use tablewright::migrator::BuildError;
use tablewright::testing::Fault;
use tablewright::{
    Backfill, Change, Guard, Item as MigratedItem, Migration, MigrationError, Migrator, Put,
};

use super::change::{self, Piece};
use super::dice::Dice;
use super::model::normal;
use super::writer::old_attribute;
use crate::support::{Item, number, text};

pub(super) const TABLE: &str = "orders";
/// Where items are copied to.
pub(super) const COPIES: &str = "copies";
pub(super) const CHANGE: &str = "0001_change";

/// How late a request comes that comes late.
pub(super) const LATENCY: Duration = Duration::from_millis(60);

/// Attributes that an item may have at first, and that the application sets.
const ATTRIBUTES: [&str; 13] = [
    "n", "kind", "mail", "amount", "tags", "blob", "legacy", "address", "exact", "marks", "chunks",
    "flag", "note",
];

/// One seeded case.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) seed: u64,
    pub(super) keys: Keys,
    /// What is in the table when the migration begins.
    pub(super) items: Vec<Item>,
    /// Keys under which the application may put more.
    pub(super) new_keys: Vec<Item>,
    pieces: Vec<Piece>,
    pub(super) guard: Option<Guard>,
    /// Whether items that cannot be handled are tolerated; there are none otherwise.
    pub(super) tolerates: bool,
    /// Whether each item is put into another table as well.
    pub(super) copies: bool,
    segments: Option<u32>,
    single_writes: bool,
    /// How often positions are saved.
    pub(super) checkpoints: Duration,
    pub(super) aim: Aim,
    pub(super) on_failure: &'static str,
    pub(super) page_items: u32,
    pub(super) faults: Vec<Fault>,
    /// How likely the application writes before a request, in per cent.
    pub(super) write_chance: u64,
    /// How likely it changes an item just before a request to do so, in per cent.
    pub(super) crossing_chance: u64,
    pub(super) stops: Vec<Stop>,
}

/// Types of the attributes of the key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    pub(super) hash: &'static str,
    pub(super) range: Option<&'static str>,
}

/// Where the deploys lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// The migration is applied.
    Applied,
    /// A later migration of the same deploy fails, and this one is taken back.
    TakenBack,
    /// It is refused: a second application would differ, and there is no guard.
    Refused,
}

/// Something that stops the function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    pub(super) how: How,
    pub(super) at: Moment,
    pub(super) then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// `kill -9`.
    Killed,
    /// Stopped by a signal, and let go on later: as Lambda freezes a process whose invocation it takes for ended.
    Frozen,
    /// Lambda gives it so little time.
    OutOfTime(Duration),
}

/// When the nth request has come since the function was started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) about: About,
    pub(super) nth: u64,
}

/// Which requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Anything,
    TheTable,
}

/// What comes after a function that was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Lambda delivers the event again, and the lease of the dead process has expired.
    Redelivery,
    /// CloudFormation has given up; a person deploys again.
    Redeploy,
    /// CloudFormation rolls back first.
    RollbackAndRedeploy,
}

impl Case {
    pub(super) fn new(seed: u64) -> Self {
        let dice = &mut Dice::new(seed);
        let range = [None, Some("S"), Some("N"), Some("B")];
        let keys = Keys { hash: dice.pick::<&str>(&["S", "N", "B"]), range: *dice.pick(&range) };
        let guard = *dice.pick(&[None, Some(Guard::Stamp), Some(Guard::Journal)]);
        let aim = match dice.between(0, 99) {
            0..25 => Aim::TakenBack,
            25..35 if guard.is_none() => Aim::Refused,
            _ => Aim::Applied,
        };
        let on_failure = match aim {
            Aim::Applied => *dice.pick(&["halt", "rollback"]),
            Aim::TakenBack => "rollback",
            Aim::Refused => "halt",
        };
        let has_journal = guard == Some(Guard::Journal);
        let mut case = Self {
            seed,
            keys,
            items: Vec::new(),
            new_keys: Vec::new(),
            pieces: pieces(dice, guard, aim, on_failure),
            guard,
            tolerates: dice.per_cent(30),
            // Only a journal takes copies back.
            copies: (has_journal || aim == Aim::Applied) && dice.per_cent(30),
            segments: *dice.pick(&[None, Some(1), Some(3), Some(7)]),
            single_writes: dice.per_cent(20),
            checkpoints: Duration::from_millis(*dice.pick(&[3, 10, 30, 100])),
            aim,
            on_failure,
            page_items: u32::try_from(dice.between(1, 12)).unwrap(),
            faults: faults(dice),
            write_chance: *dice.pick(&[0, 5, 15, 40]),
            crossing_chance: *dice.pick(&[0, 0, 20, 50]),
            stops: stops(dice, aim),
        };
        let count = dice.between(0, 80);
        case.items = (0..count).map(|n| case.random_item(dice, &keys.key(n))).collect();
        case.new_keys = (count..count + 8).map(|n| keys.key(n)).collect();
        // Some go well, and have to leave nothing over.
        if dice.per_cent(12) {
            (case.faults, case.stops) = (Vec::new(), Vec::new());
        }
        if dice.per_cent(50) && case.stops.is_empty() {
            (case.write_chance, case.crossing_chance) = (0, 0);
        }
        case
    }

    /// The function's build.
    pub(super) fn migrator(&self) -> Result<Migrator, BuildError> {
        let pieces = self.pieces.clone();
        let mut change = Backfill::new(TABLE, move |item| change::up(&pieces, item));
        if self.guard != Some(Guard::Journal) && self.pieces.iter().all(|p| p.has_way_back()) {
            let pieces = self.pieces.clone();
            change = change.down(move |item| Ok(Change::Update(change::down(&pieces, item))));
        }
        let copy = Backfill::new(TABLE, |item| Ok(Change::Put(vec![copy_of(&item)])));
        let backfills = self.copies.then_some(copy).into_iter().chain([change]);
        let backfills = backfills.map(|backfill| self.carried_out(backfill));
        let builder = Migrator::builder().migration(Migration::backfills(CHANGE, backfills));
        match self.aim {
            Aim::Applied | Aim::Refused => builder.build(),
            Aim::TakenBack => builder.migration(failing()).build(),
        }
    }

    /// A backfill that is carried out as the case says.
    fn carried_out(&self, mut backfill: Backfill) -> Backfill {
        if let Some(guard) = self.guard {
            backfill = backfill.guard(guard);
        }
        if let Some(segments) = self.segments {
            backfill = backfill.segments(segments);
        }
        if self.single_writes {
            backfill = backfill.single_writes();
        }
        if self.tolerates {
            backfill = backfill.max_failed_items(1000);
        }
        backfill
    }

    /// How many items are read, changed and fail where nothing goes wrong and nobody else writes.
    pub(super) fn counts(&self) -> [usize; 3] {
        let items = self.items.len();
        let is_changed = |item: &&Item| match self.up((*item).clone().into()) {
            Ok(Change::Update(after)) => normal(after.as_wire().clone()) != normal((*item).clone()),
            Ok(Change::Delete) => true,
            Ok(_) | Err(_) => false,
        };
        let changed = self.items.iter().filter(is_changed).count();
        let failed = self.items.iter().filter(|item| self.is_poisoned(item)).count();
        let passes = if self.copies { 2 } else { 1 };
        [items * passes, changed + items * (passes - 1), failed]
    }

    /// Whether the migration cannot handle an item.
    pub(super) fn is_poisoned(&self, item: &Item) -> bool {
        self.up(item.clone().into()).is_err()
    }

    /// The copy of the item with this key.
    pub(super) fn copy(key: &str) -> Item {
        [("id".to_owned(), text(key)), ("of".to_owned(), text(TABLE))].into()
    }

    pub(super) fn up(&self, item: MigratedItem) -> Result<Change, MigrationError> {
        change::up(&self.pieces, item)
    }

    pub(super) fn down(&self, item: MigratedItem) -> MigratedItem {
        change::down(&self.pieces, item)
    }

    pub(super) fn random_item(&self, dice: &mut Dice, key: &Item) -> Item {
        let mut item = key.clone();
        let fullness = *dice.pick(&[5, 40, 80, 80]);
        for name in dice.some_of(&ATTRIBUTES, fullness) {
            item.insert(name.to_owned(), self.attribute(dice, name));
        }
        item
    }

    pub(super) fn random_attribute(&self, dice: &mut Dice) -> (&'static str, AttributeValue) {
        let name = *dice.pick(&ATTRIBUTES);
        (name, self.attribute(dice, name))
    }

    pub(super) fn attribute(&self, dice: &mut Dice, name: &str) -> AttributeValue {
        let value = old_attribute(dice, name);
        if !self.tolerates && value == text("poisoned") { text("order") } else { value }
    }
}

/// The key of an item.
pub(super) fn key_of(item: &Item) -> Item {
    let names = ["pk", "sk"].into_iter().filter(|name| item.contains_key(*name));
    names.map(|name| (name.to_owned(), item[name].clone())).collect()
}

/// The key of an item in one line.
pub(super) fn key_text(item: &Item) -> String {
    let parts = ["pk", "sk"].into_iter().filter_map(|name| item.get(name));
    parts.map(|part| format!("{part:?}")).collect::<Vec<_>>().join(" ")
}

impl Keys {
    /// The key of the nth item; with a sort key, three share a partition.
    fn key(self, n: u64) -> Item {
        let (hash, range) = if self.range.is_some() { (n / 3, n % 3) } else { (n, 0) };
        let mut key = Item::from([("pk".to_owned(), part(self.hash, hash))]);
        key.extend(self.range.map(|kind| ("sk".to_owned(), part(kind, range))));
        key
    }
}

fn copy_of(item: &MigratedItem) -> Put {
    let item = Case::copy(&key_text(item.as_wire()));
    Put { table: COPIES.to_owned(), item: item.into() }
}

fn part(kind: &str, n: u64) -> AttributeValue {
    match kind {
        "S" => text(&format!("key '{n}'")),
        "N" => number(n),
        _ => AttributeValue::B(vec![7, u8::try_from(n).unwrap()].into()),
    }
}

fn pieces(dice: &mut Dice, guard: Option<Guard>, aim: Aim, on_failure: &str) -> Vec<Piece> {
    let has_journal = guard == Some(Guard::Journal);
    let needs_way_back = aim == Aim::TakenBack && !has_journal;
    let needs_repeatable = aim != Aim::Refused && guard.is_none();
    let all = Piece::ALL.into_iter().filter(|piece| {
        // What the application adds to an item between its reading and its deletion is not in the journal: no condition
        // of DynamoDB's says that there is nothing else.
        let is_forgetful = has_journal && *piece == Piece::Drop;
        (piece.has_way_back() || !needs_way_back)
            && (piece.is_repeatable() || !needs_repeatable)
            && !(is_forgetful && on_failure == "rollback")
    });
    let all: Vec<_> = all.collect();
    let mut pieces = dice.some_of(&all, 40);
    if pieces.is_empty() {
        pieces.push(*dice.pick(&all));
    }
    if aim == Aim::Refused {
        pieces.push(Piece::Double);
    }
    pieces
}

/// A migration that fails, so that the one before it is taken back.
fn failing() -> Migration {
    Migration::new("0002_failing", |_| async { Err(MigrationError::new("it fails on purpose")) })
        .idempotent()
        .down(|_| async { Ok(()) })
}

fn faults(dice: &mut Dice) -> Vec<Fault> {
    let kinds: [fn() -> Fault; 6] = [
        Fault::throttled,
        Fault::unprocessed,
        Fault::lost_answer,
        Fault::not_sent,
        Fault::internal_error,
        // Long enough for a request of a dead process to come after those of the next.
        || Fault::latency(LATENCY),
    ];
    let some = dice.some_of(&kinds, 40);
    some.into_iter()
        .map(|kind| kind().data_plane().chance(*dice.pick(&[0.01, 0.03, 0.1])))
        .collect()
}

fn stops(dice: &mut Dice, aim: Aim) -> Vec<Stop> {
    let count = dice.between(0, 8);
    (0..count).map(|_| stop(dice, aim)).collect()
}

fn stop(dice: &mut Dice, aim: Aim) -> Stop {
    let how = match dice.between(0, 99) {
        // What a frozen process does to items after its work was taken back, nothing keeps it from.
        0..10 if aim == Aim::Applied => How::Frozen,
        10..20 => How::OutOfTime(Duration::from_millis(dice.between(200, 900))),
        _ => How::Killed,
    };
    let at = if dice.per_cent(20) {
        Moment { about: About::Anything, nth: dice.between(1, 40) }
    } else {
        // A run takes few requests with one segment, and many with the usual number.
        let last = *dice.pick(&[5, 10, 20, 60]);
        Moment { about: About::TheTable, nth: dice.between(1, last) }
    };
    let then = match dice.between(0, 99) {
        0..50 => Then::Redelivery,
        50..90 => Then::Redeploy,
        _ => Then::RollbackAndRedeploy,
    };
    Stop { how, at, then }
}
