//! The model: in which states an item may end, given what the application did to it. It knows what the migration does to
//! an item, and what a guard keeps it from; nothing of how the engine goes about it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use tablewright::migration::STAMP;
use tablewright::{Change, Guard, MigrationError};

use super::case::{CHANGE, Case};
use super::writer::{Deed, Done};
use crate::support::{Item, text};

/// Which way the migration went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It was applied.
    Applied,
    /// It was applied, and some of it had been taken back before.
    AppliedAtLast,
    /// It was taken back.
    TakenBack,
    /// It was refused at the first item for which a second application would differ.
    Refused,
}

/// An item on one of the ways that it may have gone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) item: Option<Item>,
    /// Whether the migration still has to meet it.
    is_due: bool,
    /// Whether a migration without a guard has changed it, and not taken that back.
    is_up: bool,
    /// What a journal has of it.
    kept: Option<Kept>,
}

/// An item before and after its change.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    before: Item,
    after: Option<Item>,
}

/// All states in which an item may end: what the application did, in its order, and the migration at any place between.
pub(super) fn ends(
    case: &Case,
    course: Course,
    start: Option<Item>,
    record: &[Done],
) -> Vec<State> {
    let start = State { is_due: start.is_some(), item: start, is_up: false, kept: None };
    let mut states = vec![start];
    migrate(case, course, &mut states);
    for done in record {
        states = states.iter().filter_map(|state| state.after(done)).collect();
        migrate(case, course, &mut states);
    }
    states.retain(|state| course != Course::TakenBack || state.is_taken_back());
    let is_applied = matches!(course, Course::Applied | Course::AppliedAtLast);
    for state in &mut states {
        state.is_due &= is_applied;
    }
    states
}

/// Adds the states to which the migration leads from these, until there are no more.
fn migrate(case: &Case, course: Course, states: &mut Vec<State>) {
    let mut next = 0;
    while let Some(state) = states.get(next).cloned() {
        next += 1;
        let goes_back = matches!(course, Course::AppliedAtLast | Course::TakenBack);
        let steps = [state.up(case, course), goes_back.then(|| state.down(case)).flatten()];
        for step in steps.into_iter().flatten() {
            if !states.contains(&step) {
                states.push(step);
            }
        }
    }
}

impl State {
    /// The state after what the application did; `None` where it cannot have met, or not met, an item in this one.
    fn after(&self, done: &Done) -> Option<Self> {
        let (item, met_item) = done.deed.apply(self.item.as_ref());
        let after = Self { item: item.map(normal), ..self.clone() };
        (met_item == done.met_item).then(|| match done.deed {
            // A new item may come behind the migration, which then never meets it.
            Deed::Put(_) => Self { is_due: false, is_up: false, ..after },
            Deed::Delete => Self { is_due: false, ..after },
            _ => after,
        })
    }

    /// The state after the migration has met the item.
    fn up(&self, case: &Case, course: Course) -> Option<Self> {
        let before = self.item.as_ref()?;
        let met = Self { is_due: false, ..self.clone() };
        let is_done = match case.guard {
            None => false,
            Some(Guard::Stamp) => is_stamped(before),
            Some(Guard::Journal) => self.kept.is_some(),
        };
        if is_done {
            return Some(met);
        }
        // An item that cannot be handled is left alone.
        let Ok(after) = applied(case, before) else { return Some(met) };
        let is_changed = after.as_ref() != Some(before);
        if course == Course::Refused && !is_repeatable(case, after.as_ref()) {
            return None;
        }
        Some(match case.guard {
            // Without a change there is nothing to tell that the item was met, so it may be met again.
            _ if !is_changed => met,
            None => Self { item: after, is_up: true, ..met },
            Some(Guard::Stamp) => {
                let stamp = |mut item: Item| {
                    item.insert(STAMP.to_owned(), text(CHANGE));
                    item
                };
                Self { item: after.map(stamp), ..met }
            }
            Some(Guard::Journal) => {
                let kept = Kept { before: before.clone(), after: after.clone() };
                Self { item: after, kept: Some(kept), ..met }
            }
        })
    }

    /// The state after the migration has taken back what it did. If it is applied after that, it begins anew.
    fn down(&self, case: &Case) -> Option<Self> {
        let undone = Self { is_due: true, ..self.clone() };
        match case.guard {
            None => {
                let item = taken_back(case, self.item.as_ref()?);
                Some(Self { item: Some(item), is_up: false, ..undone })
            }
            Some(Guard::Stamp) => {
                let mut item = self.item.clone().filter(is_stamped)?;
                item = taken_back(case, &item);
                item.remove(STAMP);
                Some(Self { item: Some(item), ..undone })
            }
            Some(Guard::Journal) => {
                let item = Some(self.kept.as_ref()?.restored(self.item.as_ref())?);
                Some(Self { item, kept: None, ..undone })
            }
        }
    }

    fn is_taken_back(&self) -> bool {
        let is_stamped = self.item.as_ref().is_some_and(is_stamped);
        // What somebody has changed since stays as it is.
        let is_restorable =
            self.kept.as_ref().is_some_and(|kept| kept.restored(self.item.as_ref()).is_some());
        !self.is_up && !is_stamped && !is_restorable
    }

    /// Whether the migration should have met it.
    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    /// Whether it has to be in the journal.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }
}

impl Kept {
    /// The item as it was, where it is still as the migration left it.
    fn restored(&self, current: Option<&Item>) -> Option<Item> {
        let (Some(after), Some(current)) = (&self.after, current) else {
            return (self.after.is_none() && current.is_none()).then(|| self.before.clone());
        };
        let names = self.before.keys().chain(after.keys());
        let changed: Vec<_> =
            names.filter(|name| self.before.get(*name) != after.get(*name)).collect();
        let is_as_left = changed.iter().all(|name| current.get(*name) == after.get(*name));
        is_as_left.then(|| {
            let mut item = current.clone();
            for name in changed {
                match self.before.get(name) {
                    Some(value) => drop(item.insert(name.clone(), value.clone())),
                    None => drop(item.remove(name)),
                }
            }
            item
        })
    }
}

/// The item after one application, or none.
fn applied(case: &Case, item: &Item) -> Result<Option<Item>, MigrationError> {
    Ok(match case.up(item.clone().into())? {
        Change::Update(item) => Some(normal(item.as_wire().clone())),
        Change::Delete => None,
        _ => Some(item.clone()),
    })
}

fn taken_back(case: &Case, item: &Item) -> Item {
    normal(case.down(item.clone().into()).as_wire().clone())
}

fn is_repeatable(case: &Case, item: Option<&Item>) -> bool {
    item.is_none_or(|item| applied(case, item).is_ok_and(|again| again.as_ref() == Some(item)))
}

fn is_stamped(item: &Item) -> bool {
    item.get(STAMP) == Some(&text(CHANGE))
}

/// An item as DynamoDB hands it out: sets have no order, numbers no zeros that say nothing.
pub(super) fn normal(item: Item) -> Item {
    let value = |value| match value {
        AttributeValue::N(digits) => AttributeValue::N(normal_number(&digits)),
        AttributeValue::Ss(mut members) => {
            members.sort();
            AttributeValue::Ss(members)
        }
        AttributeValue::Ns(mut members) => {
            members.sort();
            AttributeValue::Ns(members)
        }
        AttributeValue::Bs(mut members) => {
            members.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
            AttributeValue::Bs(members)
        }
        other => other,
    };
    item.into_iter().map(|(name, attribute)| (name, value(attribute))).collect()
}

fn normal_number(digits: &str) -> String {
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    };
    let significant = digits.trim_start_matches('0');
    match significant.chars().next() {
        None => "0".to_owned(),
        Some('.') => format!("0{significant}"),
        Some(_) => significant.to_owned(),
    }
}

/// An item, or none, in one line.
pub(super) fn show(item: Option<&Item>) -> String {
    item.map_or("none".to_owned(), show_some)
}

pub(super) fn show_some(item: &Item) -> String {
    let sorted: BTreeMap<_, _> = item.iter().collect();
    sorted.iter().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(" ")
}
