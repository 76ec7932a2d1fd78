//! The migration: what becomes of an item, put together from pieces. The function calls it, and so does the model.

use aws_sdk_dynamodb::types::AttributeValue;
use tablewright::{Change, Item, MigrationError};

/// One thing that the migration does to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// A label that follows from another attribute.
    Label,
    /// An attribute under another name.
    Rename,
    /// Text that becomes a number of up to 38 digits.
    Digits,
    /// One more member of a set.
    Tag,
    /// One more byte of binary, where it is not there yet.
    Seal,
    /// An attribute that goes.
    Forget,
    /// Another type inside of a map.
    Nest,
    /// A number that DynamoDB stores in another form than it is written in.
    Ratio,
    /// The item goes, if it is of one kind.
    Drop,
    /// A number twice as big.
    Double,
    /// Text with something behind it.
    Exclaim,
    /// The bytes of binary the other way round.
    Reverse,
}

/// Transforms an item.
pub(super) fn up(pieces: &[Piece], mut item: Item) -> Result<Change, MigrationError> {
    let kind = item.text("kind").unwrap_or_default();
    if kind == "kept" {
        return Ok(Change::Keep);
    }
    if kind == "temporary" && pieces.contains(&Piece::Drop) {
        return Ok(Change::Delete);
    }
    if kind == "poisoned" {
        return Err(MigrationError::new("it is poisoned"));
    }
    for piece in pieces {
        piece.up(&mut item);
    }
    Ok(Change::Update(item))
}

/// Transforms an item back. Leaves one alone that was not transformed.
pub(super) fn down(pieces: &[Piece], mut item: Item) -> Item {
    for piece in pieces {
        piece.down(&mut item);
    }
    item
}

impl Piece {
    pub(super) const ALL: [Self; 12] = [
        Self::Label,
        Self::Rename,
        Self::Digits,
        Self::Tag,
        Self::Seal,
        Self::Forget,
        Self::Nest,
        Self::Ratio,
        Self::Drop,
        Self::Double,
        Self::Exclaim,
        Self::Reverse,
    ];

    /// Whether a second application changes nothing.
    pub(super) fn is_repeatable(self) -> bool {
        !matches!(self, Self::Double | Self::Exclaim | Self::Reverse)
    }

    /// Whether the transformed item still tells what it was before.
    pub(super) fn has_way_back(self) -> bool {
        !matches!(self, Self::Forget | Self::Nest | Self::Drop)
    }

    fn up(self, item: &mut Item) {
        match self {
            Self::Label => {
                if let Ok(n) = item.number("n").map(str::to_owned) {
                    item.set_text("label", format!("N-{n}"));
                }
            }
            Self::Rename => rename(item, "mail", "email"),
            Self::Digits => {
                if let Ok(digits) = item.text("amount").map(str::to_owned) {
                    item.set_number("amount", digits);
                }
            }
            Self::Tag => {
                let mut tags = tags(item);
                if !tags.iter().any(|tag| tag == "migrated") {
                    tags.push("migrated".to_owned());
                }
                item.set("tags", AttributeValue::Ss(tags));
            }
            Self::Seal => {
                if let Some(mut bytes) = bytes(item).filter(|bytes| bytes.last() != Some(&0)) {
                    bytes.push(0);
                    item.set("blob", AttributeValue::B(bytes.into()));
                }
            }
            Self::Forget => drop(item.remove("legacy")),
            Self::Nest => {
                if let Some(AttributeValue::M(mut address)) = item.get("address").cloned()
                    && let Some(AttributeValue::N(zip)) = address.get("zip").cloned()
                {
                    address.insert("zip".to_owned(), AttributeValue::S(zip));
                    item.set("address", AttributeValue::M(address));
                }
            }
            Self::Ratio => item.set_number("ratio", "0010.50"),
            Self::Drop => {}
            Self::Double => {
                if let Some(n) = whole(item, "n") {
                    item.set_number("n", 2 * n);
                }
            }
            Self::Exclaim => {
                if let Ok(note) = item.text("note").map(str::to_owned) {
                    item.set_text("note", format!("{note}!"));
                }
            }
            Self::Reverse => reverse(item),
        }
    }

    fn down(self, item: &mut Item) {
        match self {
            Self::Label => drop(item.remove("label")),
            Self::Rename => rename(item, "email", "mail"),
            Self::Digits => {
                if let Ok(digits) = item.number("amount").map(str::to_owned) {
                    item.set_text("amount", digits);
                }
            }
            Self::Tag => {
                let mut tags = tags(item);
                tags.retain(|tag| tag != "migrated");
                // There are no empty sets.
                if tags.is_empty() {
                    item.remove("tags");
                } else {
                    item.set("tags", AttributeValue::Ss(tags));
                }
            }
            Self::Seal => {
                if let Some(mut bytes) = bytes(item).filter(|bytes| bytes.last() == Some(&0)) {
                    bytes.pop();
                    item.set("blob", AttributeValue::B(bytes.into()));
                }
            }
            Self::Ratio => drop(item.remove("ratio")),
            Self::Forget | Self::Nest | Self::Drop => {}
            Self::Double => {
                if let Some(n) = whole(item, "n") {
                    item.set_number("n", n / 2);
                }
            }
            Self::Exclaim => {
                if let Ok(note) = item.text("note").map(str::to_owned) {
                    item.set_text("note", note.strip_suffix('!').unwrap_or(&note));
                }
            }
            Self::Reverse => reverse(item),
        }
    }
}

fn whole(item: &Item, name: &str) -> Option<u64> {
    item.number(name).ok()?.parse().ok()
}

fn reverse(item: &mut Item) {
    if let Some(mut bytes) = bytes(item) {
        bytes.reverse();
        item.set("blob", AttributeValue::B(bytes.into()));
    }
}

fn rename(item: &mut Item, from: &str, to: &str) {
    if let Some(value) = item.remove(from) {
        item.set(to, value);
    }
}

fn tags(item: &Item) -> Vec<String> {
    item.get("tags").and_then(|tags| tags.as_ss().ok()).cloned().unwrap_or_default()
}

fn bytes(item: &Item) -> Option<Vec<u8>> {
    Some(item.get("blob")?.as_b().ok()?.as_ref().to_vec())
}
