//! The mark on an item that a copy has made: which item it comes from, and what tells that nobody has changed it since. Pure.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::dynamo::{WireItem, digest};

/// Name of the attribute.
pub const MARK: &str = "tablewright:copy";

/// `at` of what the scan of the source has put; the numbers of records are longer.
pub(super) const BY_SCAN: &str = "0";

/// What a copy notes about a target item, in an attribute of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    /// Id of the migration.
    pub(super) by: String,
    /// Key of the source item.
    pub(super) from: WireItem,
    /// Number of the record that it was written for.
    pub(super) at: String,
}

/// What there is under a key of the target, as far as a copy is concerned.
#[derive(Debug, PartialEq)]
pub(super) enum Found<'a> {
    /// No item.
    Nothing,
    /// An item as this copy has left it.
    Copied(&'a WireItem, Mark),
    /// What stands for an item that this copy has taken away while it was scanning.
    Tombstone(&'a WireItem, Mark),
    /// An item of the application: its own, or one that it has changed since it was copied.
    Others,
}

impl Mark {
    /// The item with this mark on it.
    pub(super) fn on(&self, item: &WireItem) -> WireItem {
        let mut item = item.clone();
        item.remove(MARK);
        let digest = AttributeValue::S(digest_of(&item));
        item.insert(MARK.to_owned(), self.value(("digest", digest)));
        item
    }

    /// What stands in the place of an item that is gone.
    pub(super) fn tombstone(&self, key: &WireItem) -> WireItem {
        let mut item = key.clone();
        item.insert(MARK.to_owned(), self.value(("gone", AttributeValue::Bool(true))));
        item
    }

    fn value(&self, last: (&str, AttributeValue)) -> AttributeValue {
        let text = |text: &String| AttributeValue::S(text.clone());
        let fields = [
            ("by", text(&self.by)),
            ("from", AttributeValue::M(self.from.clone())),
            ("at", text(&self.at)),
            last,
        ];
        AttributeValue::M(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

impl<'a> Found<'a> {
    /// What the copy `by` finds in an item.
    pub(super) fn of(by: &str, item: Option<&'a WireItem>) -> Self {
        let Some(item) = item else { return Self::Nothing };
        match read(item) {
            Some((mark, Kept::Tombstone)) if mark.by == by => Self::Tombstone(item, mark),
            Some((mark, Kept::Digest(kept))) if mark.by == by && kept == digest_of(item) => {
                Self::Copied(item, mark)
            }
            _ => Self::Others,
        }
    }
}

enum Kept<'a> {
    Digest(&'a str),
    Tombstone,
}

fn read(item: &WireItem) -> Option<(Mark, Kept<'_>)> {
    let fields = item.get(MARK)?.as_m().ok()?;
    let text = |fields: &'_ HashMap<String, AttributeValue>, name: &str| {
        fields.get(name).and_then(|value| value.as_s().ok()).cloned()
    };
    let mark = Mark {
        by: text(fields, "by")?,
        from: fields.get("from")?.as_m().ok()?.clone(),
        at: text(fields, "at")?,
    };
    let kept = match fields.get("digest") {
        Some(digest) => Kept::Digest(digest.as_s().ok()?),
        None => Kept::Tombstone,
    };
    Some((mark, kept))
}

/// Of all that is not the mark.
fn digest_of(item: &WireItem) -> String {
    let attributes = item.iter().filter(|(name, _)| *name != MARK);
    digest(attributes.map(|(name, value)| (name, Some(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(attributes: &[(&str, &str)]) -> WireItem {
        let value = |text: &str| AttributeValue::S(text.to_owned());
        attributes.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect()
    }

    fn mark() -> Mark {
        Mark { by: "0001_copy".to_owned(), from: item(&[("id", "1")]), at: BY_SCAN.to_owned() }
    }

    #[test]
    fn an_item_is_a_copy_until_somebody_changes_anything_about_it() {
        let copied = mark().on(&item(&[("pk", "a"), ("n", "1")]));
        assert_eq!(Found::of("0001_copy", Some(&copied)), Found::Copied(&copied, mark()));
        assert_eq!(Found::of("0002_other", Some(&copied)), Found::Others);
        for (name, text) in [("n", "2"), ("more", "x"), (MARK, "x")] {
            let mut changed = copied.clone();
            changed.extend(item(&[(name, text)]));
            assert_eq!(Found::of("0001_copy", Some(&changed)), Found::Others, "{name}");
        }
        let mut less = copied.clone();
        less.remove("n");
        assert_eq!(Found::of("0001_copy", Some(&less)), Found::Others);
        assert_eq!(Found::of("0001_copy", None), Found::Nothing);
    }

    #[test]
    fn what_a_copy_of_a_copy_carries_along_is_replaced() {
        let source = Mark { by: "0000_before".to_owned(), ..mark() }.on(&item(&[("pk", "a")]));
        let copied = mark().on(&source);
        assert_eq!(copied, mark().on(&item(&[("pk", "a")])));
    }

    #[test]
    fn a_tombstone_is_known_as_one() {
        let tombstone = mark().tombstone(&item(&[("pk", "a")]));
        assert_eq!(Found::of("0001_copy", Some(&tombstone)), Found::Tombstone(&tombstone, mark()));
        assert_eq!(Found::of("0002_other", Some(&tombstone)), Found::Others);
    }
}
