//! The mark on an item that a copy has made: which item it comes from, and what tells that nobody has changed it since. Pure.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::dynamo::{Edit, WireItem, digest};

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
        self.put_on(item, false)
    }

    /// What stands in the place of an item that is gone.
    pub(super) fn tombstone(&self, key: &WireItem) -> WireItem {
        self.put_on(key, true)
    }

    fn put_on(&self, item: &WireItem, is_gone: bool) -> WireItem {
        let mut item = item.clone();
        item.remove(MARK);
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let mut fields = HashMap::from([
            ("by", text(&self.by)),
            ("from", AttributeValue::M(self.from.clone())),
            ("at", text(&self.at)),
            ("digest", text(&digest_of(&item))),
        ]);
        if is_gone {
            fields.insert("gone", AttributeValue::Bool(true));
        }
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
        item.insert(MARK.to_owned(), AttributeValue::M(fields.collect()));
        item
    }
}

impl<'a> Found<'a> {
    /// What the copy `by` finds in an item.
    pub(super) fn of(by: &str, item: Option<&'a WireItem>) -> Self {
        let Some(item) = item else { return Self::Nothing };
        match read(item) {
            Some((mark, _)) if mark.by != by => Self::Others,
            Some((mark, true)) => Self::Tombstone(item, mark),
            Some((mark, false)) => Self::Copied(item, mark),
            None => Self::Others,
        }
    }
}

/// The mark of an item that is as it was marked, and whether it stands for one that is gone.
fn read(item: &WireItem) -> Option<(Mark, bool)> {
    let fields = item.get(MARK)?.as_m().ok()?;
    let text = |name: &str| fields.get(name).and_then(|value| value.as_s().ok()).cloned();
    let from = fields.get("from")?.as_m().ok()?.clone();
    let mark = Mark { by: text("by")?, from, at: text("at")? };
    let is_as_marked = text("digest")? == digest_of(item);
    is_as_marked.then(|| (mark, fields.contains_key("gone")))
}

/// Whether an edit leaves a tombstone.
pub(super) fn buries(edit: &Edit) -> bool {
    let mark = edit.attributes.get(MARK).and_then(|difference| difference.after.as_ref());
    mark.and_then(|mark| mark.as_m().ok()).is_some_and(|fields| fields.contains_key("gone"))
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
        // Somebody has written there, and does not care what stood there.
        let mut written = tombstone.clone();
        written.extend(item(&[("n", "1")]));
        assert_eq!(Found::of("0001_copy", Some(&written)), Found::Others);
    }
}
