//! What becomes of one item: the author's transform, and the proof that meeting the item again does no harm. Pure.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::backfill::Direction;
use crate::dynamo::{ATTRIBUTES_MAX, Edit, WireItem, key_of, same};
use crate::hex::hex;
use crate::item::{Change, Item, Looks, Put};
use crate::migration::{Guard, STAMP, Transform, ask};

/// How items are transformed.
pub(super) struct Rule<'a> {
    pub(super) migration: &'a str,
    pub(super) direction: Direction,
    pub(super) guard: Option<Guard>,
    pub(super) transform: &'a Transform,
    /// Names of the attributes of the table's key, in order.
    pub(super) keys: &'a [String],
}

/// What becomes of one item.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing.
    Keep,
    /// Nothing, for a reason of the author's.
    Skip(String),
    /// It is changed.
    Edit(Edit),
    /// Others are put beside it.
    Put(Vec<Put>),
    /// It cannot be handled; others may be.
    Fails(String),
    /// The migration itself is not right.
    Refuses(String),
}

impl Rule<'_> {
    pub(super) fn apply(&self, item: &Item) -> Verdict {
        let is_stamped = self.guard == Some(Guard::Stamp) && self.is_stamped(item.wire());
        let is_done = self.guard == Some(Guard::Stamp)
            && match self.direction {
                Direction::Up => is_stamped,
                Direction::Down => !is_stamped,
            };
        if is_done {
            return Verdict::Keep;
        }
        let watched = item.watched();
        let change = match self.call(watched.clone()) {
            Ok(change) => change,
            Err(error) => return Verdict::Fails(error),
        };
        match change {
            Change::Keep if is_stamped => self.update(item.wire(), item.clone(), &watched.looks()),
            Change::Keep => Verdict::Keep,
            Change::Skip(reason) => Verdict::Skip(reason),
            Change::Put(puts) => Verdict::Put(puts),
            Change::Delete => bounded(Edit::delete(self.keys, item.wire())),
            Change::Update(wanted) => {
                self.update(item.wire(), wanted.unwatched(), &watched.looks())
            }
        }
    }

    fn is_stamped(&self, item: &WireItem) -> bool {
        matches!(item.get(STAMP), Some(AttributeValue::S(id)) if id == self.migration)
    }

    fn update(&self, item: &WireItem, mut wanted: Item, looks: &Looks) -> Verdict {
        let is_key_same =
            self.keys.iter().all(|name| same(item.get(name), wanted.wire().get(name)));
        if !is_key_same {
            return Verdict::Fails(
                "the transform changed its key; put a copy under the new key and delete this one in a later migration"
                    .to_owned(),
            );
        }
        match (self.guard, self.direction) {
            (Some(Guard::Stamp), Direction::Up)
                if Edit::update(self.keys, item, wanted.wire()).is_some() =>
            {
                wanted.set_text(STAMP, self.migration);
            }
            (Some(Guard::Stamp), Direction::Down) => {
                wanted.remove(STAMP);
            }
            (Some(Guard::Stamp | Guard::Journal) | None, _) => {}
        }
        let Some(edit) = Edit::update(self.keys, item, wanted.wire()) else {
            return Verdict::Keep;
        };
        if self.guard.is_none()
            && let Err(why) = self.proves_idempotent(&wanted)
        {
            return Verdict::Refuses(why);
        }
        // Another item may have been put in the place of this one: what the change follows from has to be as it was read.
        bounded(match looks {
            Looks::At(names) => edit.following_from(item, names),
            Looks::AtAll => edit.following_from(item, item.keys()),
        })
    }

    /// An interrupted run can meet its own result, so transforming that must change nothing.
    fn proves_idempotent(&self, result: &Item) -> Result<(), String> {
        let differs = match self.call(result.clone()) {
            Ok(Change::Keep | Change::Skip(_)) => return Ok(()),
            Ok(Change::Update(again)) => {
                let Some(edit) = Edit::update(self.keys, result.wire(), again.wire()) else {
                    return Ok(());
                };
                let names: Vec<_> = edit.attributes.keys().cloned().collect();
                format!("changes {} once more", names.join(", "))
            }
            Ok(Change::Delete) => "deletes it".to_owned(),
            Ok(Change::Put(_)) => "puts items".to_owned(),
            Err(error) => format!("fails ({error})"),
        };
        Err(format!(
            "transforming its own result {differs}, and an interrupted run may meet an item twice. \
             Make it leave alone what it has changed, or give it a guard: stamp marks each changed item, \
             journal keeps what it was in the ledger"
        ))
    }

    fn call(&self, item: Item) -> Result<Change, String> {
        ask(|| (self.transform)(item))
    }
}

fn bounded(edit: Edit) -> Verdict {
    let compared = edit.width();
    if compared > ATTRIBUTES_MAX {
        return Verdict::Fails(format!(
            "{compared} attributes take part in one change, more than the {ATTRIBUTES_MAX} that one request compares"
        ));
    }
    Verdict::Edit(edit)
}

/// A key as a person writes it; the only values of an item that are ever shown.
pub(crate) fn describe(keys: &[String], item: &WireItem) -> String {
    let part = |(name, value): (&String, &AttributeValue)| {
        let value = match value {
            AttributeValue::S(text) => text.clone(),
            AttributeValue::N(digits) => digits.clone(),
            AttributeValue::B(bytes) => hex(bytes.as_ref()),
            _ => "?".to_owned(),
        };
        format!("{name}={value}")
    };
    let key = key_of(keys, item);
    let parts = keys.iter().filter_map(|name| key.get_key_value(name));
    parts.map(part).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::migration::MigrationError;

    type Handles = fn(Item) -> Result<Change, MigrationError>;

    fn item(n: u32) -> WireItem {
        [("pk", "1"), ("n", &n.to_string())]
            .map(|(name, number)| (name.to_owned(), AttributeValue::N(number.to_owned())))
            .into()
    }

    fn stamped(n: u32, id: &str) -> WireItem {
        let mut item = item(n);
        item.insert(STAMP.to_owned(), AttributeValue::S(id.to_owned()));
        item
    }

    fn verdict(
        guard: Option<Guard>,
        direction: Direction,
        transform: fn(u32) -> u32,
        item: &WireItem,
    ) -> Verdict {
        let transform: Transform = Arc::new(move |mut item: Item| {
            let n = item.number("n")?.parse()?;
            item.set_number("n", transform(n));
            Ok(Change::Update(item))
        });
        let keys = ["pk".to_owned()];
        Rule { migration: "0002_b", direction, guard, transform: &transform, keys: &keys }
            .apply(&item.clone().into())
    }

    #[track_caller]
    fn after(verdict: Verdict, before: &WireItem) -> WireItem {
        let Verdict::Edit(edit) = verdict else { panic!("{verdict:?}") };
        let mut item = before.clone();
        for (name, difference) in edit.attributes {
            assert_eq!(item.remove(&name), difference.before);
            item.extend(difference.after.map(|value| (name, value)));
        }
        item
    }

    #[test]
    fn a_second_application_that_differs_is_refused_before_the_first() {
        let refused = verdict(None, Direction::Up, |n| n + 1, &item(1));
        let Verdict::Refuses(why) = refused else { panic!("{refused:?}") };
        for part in ["changes n once more", "a guard: stamp marks", "journal keeps"] {
            assert!(why.contains(part), "{why}");
        }
        assert_eq!(after(verdict(None, Direction::Up, |_| 7, &item(1)), &item(1)), item(7));
        assert_eq!(verdict(None, Direction::Up, |_| 7, &item(7)), Verdict::Keep);
    }

    #[test]
    fn a_stamp_makes_it_exactly_once_there_and_back() {
        let up = |item: &WireItem| verdict(Some(Guard::Stamp), Direction::Up, |n| n + 1, item);
        let down = |item: &WireItem| verdict(Some(Guard::Stamp), Direction::Down, |n| n - 1, item);
        let done = after(up(&item(1)), &item(1));
        assert_eq!(done, stamped(2, "0002_b"));
        assert_eq!(up(&done), Verdict::Keep);
        assert_eq!(after(down(&done), &done), item(1));
        // What was never migrated is not taken back, whatever earlier migration has marked it.
        assert_eq!(down(&item(1)), Verdict::Keep);
        assert_eq!(down(&stamped(1, "0001_a")), Verdict::Keep);
        assert_eq!(after(up(&stamped(1, "0001_a")), &stamped(1, "0001_a")), done);
        // What stays as it is needs no mark.
        assert_eq!(verdict(Some(Guard::Stamp), Direction::Up, |n| n, &item(1)), Verdict::Keep);
    }

    #[test]
    fn what_the_change_follows_from_has_to_be_as_it_was_read() {
        let transform: Transform = Arc::new(|mut item: Item| {
            let label = if item.has("gone") { "?" } else { item.number("n")? }.to_owned();
            item.set_text("label", label);
            Ok(Change::Update(item))
        });
        let keys = ["pk".to_owned()];
        let rule = Rule {
            migration: "0001_a",
            direction: Direction::Up,
            guard: None,
            transform: &transform,
            keys: &keys,
        };
        let mut before = item(5);
        before.insert("untouched".to_owned(), AttributeValue::Null(true));
        let Verdict::Edit(edit) = rule.apply(&before.clone().into()) else { panic!() };
        assert_eq!(edit.compared, WireItem::from([("n".to_owned(), before["n"].clone())]));
        assert_eq!(edit.absent, ["gone".to_owned()].into());
        assert_eq!(edit.attributes.keys().collect::<Vec<_>>(), ["label"]);
        let statement = edit.statement("t").unwrap().text;
        assert!(
            statement.ends_with("AND \"label\" IS MISSING AND \"n\"=? AND \"gone\" IS MISSING"),
            "{statement}"
        );
        let write = edit.write();
        let names = &write.names;
        let condition = names
            .iter()
            .fold(write.condition.unwrap(), |text, (key, name)| text.replace(key, name));
        for part in [
            "attribute_not_exists(label)",
            "n = :old1",
            "attribute_not_exists(gone)",
            "attribute_exists(pk)",
        ] {
            assert!(condition.contains(part), "{condition}");
        }
    }

    #[test]
    fn errors_and_panics_are_of_the_item_and_a_key_stays() {
        let keys = ["pk".to_owned()];
        let cases: [(Handles, &str); 3] = [
            (|_| Err(MigrationError::new("no total")), "no total"),
            (|_| panic!("oh no"), "it panicked: oh no"),
            (
                |mut item| {
                    item.set_number("pk", 2);
                    Ok(Change::Update(item))
                },
                "changed its key",
            ),
        ];
        for (transform, said) in cases {
            let transform: Transform = Arc::new(transform);
            let rule = Rule {
                migration: "0001_a",
                direction: Direction::Up,
                guard: None,
                transform: &transform,
                keys: &keys,
            };
            let verdict = rule.apply(&item(1).into());
            assert!(matches!(&verdict, Verdict::Fails(why) if why.contains(said)), "{verdict:?}");
        }
    }
}
