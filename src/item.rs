//! An item as a transform sees it: attributes in wire form, with readers and writers for the common types.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::dynamo::WireItem;
use crate::migration::MigrationError;

/// An item in DynamoDB's own form; what a transform does not touch is never re-encoded, and what it has looked at must
/// still be so when its result is written. Clones share their attributes until one of them is changed.
#[derive(Debug, Clone, Default)]
pub struct Item {
    attributes: Arc<WireItem>,
    looks: Option<Arc<Mutex<Looks>>>,
}

/// What a transform has looked at, and so what its result may follow from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Looks {
    /// The attributes of these names, be they there or not.
    At(BTreeSet<String>),
    /// Whatever is there.
    AtAll,
}

/// What a transform wants done with an item.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Nothing.
    Keep,
    /// The item is to look like this; only attributes that differ are written.
    Update(Item),
    /// The item is to go.
    Delete,
    /// Nothing, for this reason; such items are counted.
    Skip(String),
    /// The item stays, and these are to be where there is none under their keys. One that is there already counts as
    /// put if it is equal; if it differs, the item fails.
    ///
    /// What is put into the table itself may be met by the same scan, and should be kept then.
    Put(Vec<Put>),
}

/// An item that is to be in a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Put {
    /// The table's name.
    pub table: String,
    /// The whole item.
    pub item: Item,
}

impl Item {
    /// The attribute of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.note(name);
        self.attributes.get(name)
    }

    /// Whether there is an attribute of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The text of a string attribute.
    ///
    /// # Errors
    /// Names the attribute where it is missing or of another type.
    pub fn text(&self, name: &str) -> Result<&str, MigrationError> {
        let value =
            self.get(name).ok_or_else(|| MigrationError::new(format!("{name} is missing")))?;
        value.as_s().map(String::as_str).map_err(|_| wrong_type(name, "a string", value))
    }

    /// The digits of a number attribute, all 38 of them.
    ///
    /// # Errors
    /// Names the attribute where it is missing or of another type.
    pub fn number(&self, name: &str) -> Result<&str, MigrationError> {
        let value =
            self.get(name).ok_or_else(|| MigrationError::new(format!("{name} is missing")))?;
        value.as_n().map(String::as_str).map_err(|_| wrong_type(name, "a number", value))
    }

    /// Sets a string attribute.
    pub fn set_text(&mut self, name: &str, value: impl Into<String>) {
        self.set(name, AttributeValue::S(value.into()));
    }

    /// Sets a number attribute.
    #[expect(clippy::needless_pass_by_value, reason = "a number reads better without a borrow")]
    pub fn set_number(&mut self, name: &str, value: impl ToString) {
        self.set(name, AttributeValue::N(value.to_string()));
    }

    /// Sets an attribute of any type.
    pub fn set(&mut self, name: &str, value: AttributeValue) {
        if self.attributes.get(name) != Some(&value) {
            Arc::make_mut(&mut self.attributes).insert(name.to_owned(), value);
        }
    }

    /// Takes an attribute away and returns it.
    pub fn remove(&mut self, name: &str) -> Option<AttributeValue> {
        self.note(name);
        let is_there = self.attributes.contains_key(name);
        is_there.then(|| Arc::make_mut(&mut self.attributes).remove(name)).flatten()
    }

    /// The wire form. To ask for it is to look at every attribute: when the item is written, none of them may have changed.
    #[must_use]
    pub fn as_wire(&self) -> &WireItem {
        if let Some(looks) = &self.looks {
            *looks.lock().unwrap_or_else(PoisonError::into_inner) = Looks::AtAll;
        }
        &self.attributes
    }

    /// The same item, which notes what is looked at, in it and in its clones, until it is [told](Self::looks).
    pub(crate) fn watched(&self) -> Self {
        let looks = Looks::At(BTreeSet::new());
        Self { looks: Some(Arc::new(Mutex::new(looks))), ..self.unwatched() }
    }

    /// The same item, which notes nothing.
    pub(crate) fn unwatched(&self) -> Self {
        Self { attributes: Arc::clone(&self.attributes), looks: None }
    }

    /// What was looked at so far; nothing where it was not noted.
    pub(crate) fn looks(&self) -> Looks {
        let looks = self.looks.as_ref();
        let looks = looks.map(|looks| looks.lock().unwrap_or_else(PoisonError::into_inner).clone());
        looks.unwrap_or_else(|| Looks::At(BTreeSet::new()))
    }

    /// The wire form, for the engine, which looks at it without anything following from that.
    pub(crate) fn wire(&self) -> &WireItem {
        &self.attributes
    }

    fn note(&self, name: &str) {
        let Some(looks) = &self.looks else { return };
        match &mut *looks.lock().unwrap_or_else(PoisonError::into_inner) {
            Looks::At(names) if !names.contains(name) => drop(names.insert(name.to_owned())),
            Looks::At(_) | Looks::AtAll => {}
        }
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.attributes == other.attributes
    }
}

impl From<WireItem> for Item {
    fn from(attributes: WireItem) -> Self {
        Self { attributes: Arc::new(attributes), looks: None }
    }
}

/// Names the types, never the value: an error message must not carry what an item holds.
fn wrong_type(name: &str, expected: &str, found: &AttributeValue) -> MigrationError {
    let found = match found {
        AttributeValue::S(_) => "a string",
        AttributeValue::N(_) => "a number",
        AttributeValue::B(_) => "binary",
        AttributeValue::Bool(_) => "a boolean",
        AttributeValue::Null(_) => "null",
        AttributeValue::L(_) => "a list",
        AttributeValue::M(_) => "a map",
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_) => "a set",
        _ => "of an unknown type",
    };
    MigrationError::new(format!("{name} is {found}, not {expected}"))
}
