//! The application: it changes the items that are being migrated, and keeps a record of what it did to each.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;

use serde_json::{Value, json};

use super::case::{Case, TABLE, key_of, key_text};
use super::dice::Dice;
use crate::support::{Item, number, text};

/// What the application does to one item.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    /// Counts in an attribute of its own: reads it, and writes the next number if it is still as it was read.
    Count,
    /// Adds to a number that the migration reads.
    Add(u64),
    /// Sets an attribute.
    Set(&'static str, AttributeValue),
    /// Takes an attribute away.
    Remove(&'static str),
    /// Adds a member to a set that the migration changes.
    Tag(String),
    /// Puts a whole item, in place of another or where there was none.
    Put(Item),
    /// Deletes the item.
    Delete,
}

/// What it did, and whether there was an item to do it to.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) deed: Deed,
    pub(super) met_item: bool,
}

/// The application, with its record.
#[derive(Debug)]
pub(super) struct Writer {
    client: Client,
    dice: Dice,
    keys: Vec<Item>,
    /// By the key as [`key_text`] writes it.
    pub(super) record: BTreeMap<String, Vec<Done>>,
}

impl Deed {
    fn random(dice: &mut Dice, case: &Case, key: &Item) -> Self {
        match dice.between(0, 99) {
            0..30 => Self::Count,
            30..45 => Self::Add(dice.between(1, 9)),
            45..65 => {
                let (name, value) = case.random_attribute(dice);
                Self::Set(name, value)
            }
            65..75 => Self::Remove(case.random_attribute(dice).0),
            75..83 => Self::Tag(format!("tag-{}", dice.between(0, 5))),
            83..93 => Self::Put(case.random_item(dice, key)),
            _ => Self::Delete,
        }
    }

    /// One that what was read of the item before is not true after: many applications put the whole item, of which one
    /// attribute is another.
    fn crossing(dice: &mut Dice, case: &Case, key: &Item, current: Option<Item>) -> Self {
        match dice.between(0, 99) {
            0..30 => {
                let mut item = current.unwrap_or_else(|| case.random_item(dice, key));
                let name = *dice.pick(&["kind", "kind", "n", "n", "mail", "tags"]);
                item.insert(name.to_owned(), case.attribute(dice, name));
                Self::Put(item)
            }
            30..40 => Self::Put(case.random_item(dice, key)),
            40..60 => {
                let (name, value) = case.random_attribute(dice);
                Self::Set(name, value)
            }
            60..70 => Self::Set("kind", case.attribute(dice, "kind")),
            70..80 => Self::Delete,
            _ => Self::random(dice, case, key),
        }
    }

    /// The item after this, and whether there was one to do it to.
    pub(super) fn apply(&self, item: Option<&Item>) -> (Option<Item>, bool) {
        if let Self::Put(new) = self {
            return (Some(new.clone()), true);
        }
        let Some(mut item) = item.cloned() else { return (None, false) };
        match self {
            Self::Count => add(&mut item, "hits", 1),
            Self::Add(more) => add(&mut item, "n", *more),
            Self::Set(name, value) => drop(item.insert((*name).to_owned(), value.clone())),
            Self::Remove(name) => drop(item.remove(*name)),
            Self::Tag(tag) => {
                let tags = item.entry("tags".to_owned()).or_insert(AttributeValue::Ss(vec![]));
                if let AttributeValue::Ss(tags) = tags
                    && !tags.contains(tag)
                {
                    tags.push(tag.clone());
                }
            }
            Self::Delete => return (None, true),
            Self::Put(_) => {}
        }
        (Some(item), true)
    }
}

/// Whether the values of a key are among those of a request: it may well be about that item then.
fn names(request: &Value, key: &Item) -> bool {
    let request = request.to_string();
    key.values().all(|part| {
        let part = match part {
            AttributeValue::B(bytes) => json!({ "B": base64(bytes.as_ref()) }),
            AttributeValue::N(digits) => json!({ "N": digits }),
            AttributeValue::S(text) => json!({ "S": text }),
            other => panic!("no key is {other:?}"),
        };
        request.contains(&part.to_string())
    })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let [first, second] = *bytes else { panic!("a key of two bytes") };
    let bits = u32::from(first) << 10 | u32::from(second) << 2;
    let digit = |shift: u32| char::from(DIGITS[(bits >> shift & 63) as usize]);
    format!("{}{}{}=", digit(12), digit(6), digit(0))
}

fn add(item: &mut Item, name: &str, more: u64) {
    let before = item.get(name).and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or(0_u64);
    item.insert(name.to_owned(), number(before + more));
}

impl Writer {
    pub(super) fn new(client: Client, case: &Case) -> Self {
        let keys = case.items.iter().map(key_of);
        let keys = keys.chain(case.new_keys.iter().cloned()).collect();
        Self { client, dice: Dice::new(!case.seed), keys, record: BTreeMap::new() }
    }

    /// Does one thing to one item.
    pub(super) async fn write(&mut self, case: &Case) {
        let key = self.dice.pick(&self.keys).clone();
        let deed = Deed::random(&mut self.dice, case, &key);
        self.carry_out(deed, &key).await;
    }

    /// Gets in the way of a request, by changing an item that it is about just before it.
    pub(super) async fn get_in_the_way(&mut self, case: &Case, request: &Value) {
        let about: Vec<_> = self.keys.iter().filter(|key| names(request, key)).cloned().collect();
        if about.is_empty() {
            return;
        }
        let key = self.dice.pick(&about).clone();
        let current = self.read(&key).await;
        let deed = Deed::crossing(&mut self.dice, case, &key, current);
        self.carry_out(deed, &key).await;
    }

    async fn carry_out(&mut self, deed: Deed, key: &Item) {
        let met_item = self.send(&deed, key).await;
        self.record.entry(key_text(key)).or_default().push(Done { deed, met_item });
    }

    async fn send(&self, deed: &Deed, key: &Item) -> bool {
        let update = |expression: &str, values: &[(&str, AttributeValue)]| {
            let request = self.client.update_item().table_name(TABLE).set_key(Some(key.clone()));
            let request = request.update_expression(expression);
            values.iter().fold(request, |request, (name, value)| {
                request.expression_attribute_values(*name, value.clone())
            })
        };
        let exists = "attribute_exists(pk)";
        let request = match deed {
            Deed::Count => {
                let hits = self.read(key).await.and_then(|item| item.get("hits").cloned());
                let hits = hits.map(|hits| hits.as_n().unwrap().clone());
                let next = hits.as_ref().map_or(1, |hits| hits.parse::<u64>().unwrap() + 1);
                let mut values = vec![(":next", number(next))];
                let is_as_read = if let Some(hits) = hits {
                    values.push((":hits", number(hits)));
                    "hits = :hits"
                } else {
                    "attribute_not_exists(hits)"
                };
                let condition = format!("{exists} AND {is_as_read}");
                update("SET hits = :next", &values).condition_expression(condition)
            }
            Deed::Add(more) => {
                update("ADD n :more", &[(":more", number(more))]).condition_expression(exists)
            }
            Deed::Set(name, value) => update("SET #name = :value", &[(":value", value.clone())])
                .expression_attribute_names("#name", *name)
                .condition_expression(exists),
            Deed::Remove(name) => update("REMOVE #name", &[])
                .expression_attribute_names("#name", *name)
                .condition_expression(exists),
            Deed::Tag(tag) => {
                let tag = AttributeValue::Ss(vec![tag.clone()]);
                update("ADD tags :tag", &[(":tag", tag)]).condition_expression(exists)
            }
            Deed::Put(item) => {
                let put = self.client.put_item().table_name(TABLE).set_item(Some(item.clone()));
                put.send().await.unwrap();
                return true;
            }
            Deed::Delete => {
                let delete = self.client.delete_item().table_name(TABLE).set_key(Some(key.clone()));
                let Err(error) = delete.condition_expression(exists).send().await else {
                    return true;
                };
                let error = error.into_service_error();
                let is_gone = DeleteItemError::is_conditional_check_failed_exception(&error);
                assert!(is_gone, "{error:?}");
                return false;
            }
        };
        let Err(error) = request.send().await else { return true };
        let error = error.into_service_error();
        assert!(UpdateItemError::is_conditional_check_failed_exception(&error), "{error:?}");
        false
    }

    async fn read(&self, key: &Item) -> Option<Item> {
        let read = self.client.get_item().table_name(TABLE).set_key(Some(key.clone()));
        read.consistent_read(true).send().await.unwrap().item
    }
}

/// An attribute that the application sets as the code of before the migration does.
pub(super) fn old_attribute(dice: &mut Dice, name: &str) -> AttributeValue {
    match name {
        "n" => number(dice.between(0, 20)),
        "kind" => {
            text(dice.pick::<&str>(&["order", "order", "order", "kept", "temporary", "poisoned"]))
        }
        "mail" => text(&format!("{}@example.com", dice.between(0, 99))),
        "amount" => {
            let digits = dice.between(1, 38);
            text(&dice.digits(digits))
        }
        "tags" => AttributeValue::Ss(vec![format!("tag-{}", dice.between(6, 9))]),
        "blob" => AttributeValue::B(vec![1, u8::try_from(dice.between(1, 255)).unwrap()].into()),
        "legacy" => AttributeValue::Null(true),
        "address" => AttributeValue::M(
            [
                ("zip".to_owned(), number(dice.between(10_000, 99_999))),
                ("lines".to_owned(), AttributeValue::L(vec![text("a"), number(1)])),
            ]
            .into(),
        ),
        // What the migration does not touch.
        "exact" => number(format!("{}.{}", dice.digits(19), dice.digits(19))),
        "marks" => AttributeValue::Ns(vec![dice.digits(3), dice.digits(30)]),
        "chunks" => AttributeValue::Bs(vec![vec![1].into(), vec![2, 3].into()]),
        "flag" => AttributeValue::Bool(dice.per_cent(50)),
        "note" => text("naïve \"quoted\" 'text' — ünïcode"),
        other => panic!("no attribute {other}"),
    }
}
