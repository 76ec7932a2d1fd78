//! A conditional change of one item, and the three ways of telling DynamoDB: a PartiQL statement, an expression, an action of
//! a transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::values::{same, size_of_value};
use super::{ItemWrite, WireItem};

/// An expression holds at most 300 operators; an item with more attributes to compare is not written blindly.
pub(crate) const ATTRIBUTES_MAX: usize = 140;
/// The same limit counts more operators where a statement says it.
const STATEMENT_ATTRIBUTES_MAX: usize = 90;
/// Longest statement (AWS documentation, `BatchStatementRequest`).
const STATEMENT_MAX: usize = 8192;

/// A change of one item, on the condition that the attributes that it is about still have the values that were read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Edit {
    pub(crate) key: WireItem,
    pub(crate) kind: Kind,
    /// The attributes that change; of a deletion all, and of an item that is made all that it has.
    pub(crate) attributes: BTreeMap<String, Difference>,
    /// Attributes that stay, and from whose values the change follows.
    pub(crate) compared: WireItem,
    /// Attributes that are not there, and from whose absence the change follows.
    pub(crate) absent: BTreeSet<String>,
}

/// What is done with the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is there, and some of its attributes change.
    Update,
    /// It goes.
    Delete,
    /// It is not there, and is made.
    Make,
}

/// An attribute before and after.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    pub(crate) before: Option<AttributeValue>,
    pub(crate) after: Option<AttributeValue>,
}

/// A PartiQL statement with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) parameters: Vec<AttributeValue>,
}

impl Edit {
    /// The change of the attributes that differ; `None` where none does.
    pub(crate) fn update(keys: &[String], before: &WireItem, after: &WireItem) -> Option<Self> {
        if std::ptr::eq(before, after) {
            return None;
        }
        let changed = before.iter().filter(|(name, value)| !same(Some(value), after.get(*name)));
        let added = after.iter().filter(|(name, _)| !before.contains_key(*name));
        let attributes: BTreeMap<_, _> = changed
            .chain(added)
            .map(|(name, _)| {
                let (before, after) = (before.get(name).cloned(), after.get(name).cloned());
                (name.clone(), Difference { before, after })
            })
            .collect();
        let key = key_of(keys, before);
        let is_change = !attributes.is_empty();
        is_change.then(|| Self { attributes, ..Self::new(key, Kind::Update) })
    }

    /// The same change on the condition that these attributes, too, are still as they were read.
    pub(crate) fn following_from<'a>(
        mut self,
        before: &WireItem,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        for name in names {
            if self.attributes.contains_key(name) || self.key.contains_key(name) {
                continue;
            }
            match before.get(name) {
                Some(value) => drop(self.compared.insert(name.clone(), value.clone())),
                None => drop(self.absent.insert(name.clone())),
            }
        }
        self
    }

    fn new(key: WireItem, kind: Kind) -> Self {
        let (attributes, compared, absent) = (BTreeMap::new(), WireItem::new(), BTreeSet::new());
        Self { key, kind, attributes, compared, absent }
    }

    /// What the condition is about, and the value that each had.
    fn conditions(&self) -> impl Iterator<Item = (&String, Option<&AttributeValue>)> {
        let changed = self.attributes.iter().map(|(name, d)| (name, d.before.as_ref()));
        let compared = self.compared.iter().map(|(name, value)| (name, Some(value)));
        changed.chain(compared).chain(self.absent.iter().map(|name| (name, None)))
    }

    /// How many attributes take part.
    pub(crate) fn width(&self) -> usize {
        self.attributes.len() + self.compared.len() + self.absent.len()
    }

    /// The deletion of an item that is still exactly as it was read.
    pub(crate) fn delete(keys: &[String], before: &WireItem) -> Self {
        let others = before.iter().filter(|(name, _)| !keys.contains(name));
        let attributes = others.map(|(name, value)| {
            (name.clone(), Difference { before: Some(value.clone()), after: None })
        });
        let attributes = attributes.collect();
        Self { attributes, ..Self::new(key_of(keys, before), Kind::Delete) }
    }

    /// An item that is to be where there is none.
    pub(crate) fn make(keys: &[String], item: &WireItem) -> Self {
        let others = item.iter().filter(|(name, _)| !keys.contains(name));
        let attributes = others.map(|(name, value)| {
            (name.clone(), Difference { before: None, after: Some(value.clone()) })
        });
        let attributes = attributes.collect();
        Self { attributes, ..Self::new(key_of(keys, item), Kind::Make) }
    }

    /// Whether an item is as this change was to leave it, as after a write whose answer was lost.
    pub(crate) fn is_in_place(&self, current: Option<&WireItem>) -> bool {
        let Some(current) = current else { return self.kind == Kind::Delete };
        let is_after = |(name, difference): (&String, &Difference)| {
            same(difference.after.as_ref(), current.get(name))
        };
        match self.kind {
            Kind::Delete => false,
            Kind::Update => self.attributes.iter().all(is_after),
            Kind::Make => {
                current.len() == self.key.len() + self.attributes.len()
                    && self.attributes.iter().all(is_after)
            }
        }
    }

    /// Bytes that it takes, about.
    pub(crate) fn size(&self) -> usize {
        let value = |value: &Option<AttributeValue>| value.as_ref().map_or(0, size_of_value);
        let difference =
            |(name, d): (&String, &Difference)| name.len() + value(&d.before) + value(&d.after);
        let changed: usize = self.attributes.iter().map(difference).sum();
        super::values::size(&self.key) + super::values::size(&self.compared) + changed
    }

    /// The change as a statement, where PartiQL can say it: names are quoted, every value is a parameter, and nested
    /// attributes are whole. A comparison with null, an odd name and a very wide change are left to the others.
    pub(crate) fn statement(&self, table: &str) -> Option<Statement> {
        let is_sayable = |(name, before): (&String, Option<&AttributeValue>)| {
            is_plain(name) && !matches!(before, Some(AttributeValue::Null(_)))
        };
        let fits = self.width() <= STATEMENT_ATTRIBUTES_MAX;
        if self.kind == Kind::Make || !fits || !self.conditions().all(is_sayable) {
            return None;
        }
        let (mut clauses, mut conditions) = (Vec::new(), Vec::new());
        let (mut set, mut compared) = (Vec::new(), Vec::new());
        for (name, value) in &self.key {
            conditions.push(format!("\"{name}\"=?"));
            compared.push(value.clone());
        }
        for (name, difference) in &self.attributes {
            match &difference.after {
                _ if self.kind == Kind::Delete => {}
                Some(value) => {
                    clauses.push(format!(" SET \"{name}\"=?"));
                    set.push(value.clone());
                }
                None => clauses.push(format!(" REMOVE \"{name}\"")),
            }
        }
        for (name, before) in self.conditions() {
            match before {
                Some(value) => {
                    conditions.push(format!("\"{name}\"=?"));
                    compared.push(value.clone());
                }
                None => conditions.push(format!("\"{name}\" IS MISSING")),
            }
        }
        let verb = if self.kind == Kind::Delete { "DELETE FROM" } else { "UPDATE" };
        let (clauses, conditions) = (clauses.concat(), conditions.join(" AND "));
        let text = format!("{verb} \"{table}\"{clauses} WHERE {conditions}");
        set.append(&mut compared);
        (text.len() <= STATEMENT_MAX).then_some(Statement { text, parameters: set })
    }

    /// The change as an `UpdateItem` or a `DeleteItem`.
    pub(crate) fn write(&self) -> ItemWrite {
        let mut write = ItemWrite { key: self.key.clone(), ..ItemWrite::default() };
        let (mut sets, mut removes, mut conditions) = (Vec::new(), Vec::new(), Vec::new());
        for (position, difference) in self.attributes.values().enumerate() {
            match &difference.after {
                _ if self.kind == Kind::Delete => {}
                Some(value) => {
                    sets.push(format!("#a{position} = :new{position}"));
                    write.values.insert(format!(":new{position}"), value.clone());
                }
                None => removes.push(format!("#a{position}")),
            }
        }
        // Those that change come first, under the same numbers.
        for (position, (name, before)) in self.conditions().enumerate() {
            write.names.insert(format!("#a{position}"), name.clone());
            match before {
                None => conditions.push(format!("attribute_not_exists(#a{position})")),
                Some(value) => {
                    write.values.insert(format!(":old{position}"), value.clone());
                    conditions.push(format!("#a{position} = :old{position}"));
                }
            }
        }
        // Without this an update of an item that is gone would make a new one.
        for (position, name) in self.key.keys().enumerate() {
            write.names.insert(format!("#k{position}"), name.clone());
            conditions.push(format!("attribute_exists(#k{position})"));
        }
        let clause = |word: &str, parts: &[String]| {
            (!parts.is_empty()).then(|| format!("{word} {}", parts.join(", ")))
        };
        let clauses = [clause("SET", &sets), clause("REMOVE", &removes)];
        let clauses: Vec<_> = clauses.into_iter().flatten().collect();
        write.update = (self.kind != Kind::Delete).then(|| clauses.join(" "));
        write.condition = Some(conditions.join(" AND "));
        write
    }

    /// The whole item, of one that is made.
    pub(crate) fn made(&self) -> WireItem {
        let after = self
            .attributes
            .iter()
            .filter_map(|(name, difference)| Some((name.clone(), difference.after.clone()?)));
        self.key.clone().into_iter().chain(after).collect()
    }

    /// The change as an action of a transaction, which hands back the item where the condition does not hold.
    pub(crate) fn action(&self, table: &str) -> TransactWriteItem {
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        let builder = TransactWriteItem::builder();
        if self.kind == Kind::Make {
            let put = Put::builder()
                .table_name(table)
                .set_item(Some(self.made()))
                .condition_expression("attribute_not_exists(#key)")
                .set_expression_attribute_names(self.key_name())
                .return_values_on_condition_check_failure(all_old);
            return builder.put(put.build().expect("table and item are set")).build();
        }
        let ItemWrite { key, update, condition, names, values } = self.write();
        let values = (!values.is_empty()).then_some(values);
        let Some(update) = update else {
            let delete = Delete::builder()
                .table_name(table)
                .set_key(Some(key))
                .set_condition_expression(condition)
                .set_expression_attribute_names(Some(names))
                .set_expression_attribute_values(values)
                .return_values_on_condition_check_failure(all_old);
            return builder.delete(delete.build().expect("table and key are set")).build();
        };
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key))
            .update_expression(update)
            .set_condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(all_old);
        builder.update(update.build().expect("table, key and expression are set")).build()
    }

    /// `#key` for an attribute of the key, to ask whether the item is there.
    pub(crate) fn key_name(&self) -> Option<HashMap<String, String>> {
        let name = self.key.keys().next()?;
        Some(HashMap::from([("#key".to_owned(), name.clone())]))
    }
}

/// Whether a name in quotes is taken as it is. `REMOVE "#a"` looks for the attribute that `#a` stands for, and `SET ":a"`
/// finds none (tried with AWS's DynamoDB Local 3.3.1).
fn is_plain(name: &str) -> bool {
    let is_plain = |character: char| character.is_alphanumeric() || "_-.: '[]".contains(character);
    !name.starts_with(':') && name.chars().all(is_plain)
}

/// The key of an item.
pub(crate) fn key_of(keys: &[String], item: &WireItem) -> WireItem {
    keys.iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the test looks at the engine directly")]

    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::primitives::Blob;
    use proptest::prelude::*;

    use super::*;
    use crate::dynamo::{Dynamo, Fate, Written};
    use crate::testing::{ControlPlane, Durations};

    fn item(attributes: &[(&str, &str)]) -> WireItem {
        let value = |text: &str| AttributeValue::S(text.to_owned());
        attributes.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect()
    }

    fn keys() -> Vec<String> {
        vec!["pk".to_owned()]
    }

    #[test]
    fn a_statement_quotes_names_and_has_a_parameter_for_every_value() {
        let before = item(&[("pk", "1"), ("a b", "old"), ("gone", "x"), ("same", "s")]);
        let after = item(&[("pk", "1"), ("a b", "new"), ("it's", "y"), ("same", "s")]);
        let edit = Edit::update(&keys(), &before, &after).unwrap();
        let statement = edit.statement("t").unwrap();
        assert_eq!(
            statement.text,
            "UPDATE \"t\" SET \"a b\"=? REMOVE \"gone\" SET \"it's\"=? WHERE \"pk\"=? AND \"a b\"=? AND \"gone\"=? \
             AND \"it's\" IS MISSING"
        );
        let parameters = ["new", "y", "1", "old", "x"];
        assert_eq!(statement.parameters, parameters.map(|text| AttributeValue::S(text.to_owned())));
    }

    #[test]
    fn what_a_statement_cannot_say_is_left_to_an_expression() {
        let plain = item(&[("pk", "1")]);
        let mut null = plain.clone();
        null.insert("n".to_owned(), AttributeValue::Null(true));
        let quoted = item(&[("pk", "1"), ("a\"b", "x")]);
        for (before, after) in [(&null, &plain), (&plain, &quoted)] {
            assert!(Edit::update(&keys(), before, after).unwrap().statement("t").is_none());
        }
        let many: WireItem = (0..ATTRIBUTES_MAX)
            .map(|n| (format!("attribute{n}"), AttributeValue::N(n.to_string())))
            .chain(plain.clone())
            .collect();
        assert!(Edit::update(&keys(), &plain, &many).unwrap().statement("t").is_none());
    }

    #[test]
    fn a_change_is_known_to_be_in_place_by_its_values() {
        let (before, after) = (item(&[("pk", "1"), ("a", "x")]), item(&[("pk", "1"), ("b", "x")]));
        let update = Edit::update(&keys(), &before, &after).unwrap();
        let elsewhere = item(&[("pk", "1"), ("b", "x"), ("c", "other's")]);
        assert!(update.is_in_place(Some(&after)) && update.is_in_place(Some(&elsewhere)));
        assert!(!update.is_in_place(Some(&before)) && !update.is_in_place(None));
        let delete = Edit::delete(&keys(), &before);
        assert!(delete.is_in_place(None) && !delete.is_in_place(Some(&before)));
        let make = Edit::make(&keys(), &after);
        assert!(make.is_in_place(Some(&after)) && !make.is_in_place(Some(&elsewhere)));
    }

    #[test]
    fn the_same_number_or_set_written_otherwise_is_no_change() {
        let with = |n: &str| {
            WireItem::from([("n".to_owned(), AttributeValue::N(n.to_owned()))])
                .into_iter()
                .chain(item(&[("pk", "1")]))
                .collect::<WireItem>()
        };
        assert!(Edit::update(&keys(), &with("1.50"), &with("1.5")).is_none());
    }

    /// Names that mean something in PartiQL, in expressions or to a careless writer of either.
    const NAMES: [&str; 14] = [
        "a",
        "select",
        "a b",
        "it's",
        "a.b",
        "a[0]",
        "#a0",
        ":new0",
        "?",
        "--",
        "ä",
        "say \"it\"",
        "\\",
        "tablewright:stamp",
    ];

    const TABLE: &str = "items";

    fn value() -> impl Strategy<Value = AttributeValue> {
        let number =
            prop_oneof![Just("1"), Just("-2.50"), Just("98765432109876543210987654321098765432")];
        let leaf = prop_oneof![
            "[a-c'\"?]{0,3}".prop_map(AttributeValue::S),
            number.prop_map(|number| AttributeValue::N(number.to_owned())),
            any::<bool>().prop_map(AttributeValue::Bool),
            Just(AttributeValue::Null(true)),
            Just(AttributeValue::B(Blob::new([0_u8, 255]))),
            prop::collection::btree_set("[a-c]", 1..3)
                .prop_map(|set| AttributeValue::Ss(set.into_iter().collect())),
        ];
        leaf.prop_recursive(2, 6, 2, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(AttributeValue::L),
                prop::collection::hash_map(prop::sample::select(&NAMES[..]), inner, 0..3).prop_map(
                    |map| AttributeValue::M(
                        map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
                    )
                ),
            ]
        })
    }

    fn attributes() -> impl Strategy<Value = WireItem> {
        let named = prop::collection::hash_map(prop::sample::select(&NAMES[..]), value(), 0..5);
        named.prop_map(|item| {
            let key = ("pk".to_owned(), AttributeValue::S("1".to_owned()));
            item.into_iter().map(|(name, value)| (name.to_owned(), value)).chain([key]).collect()
        })
    }

    async fn client_with_table() -> Client {
        use aws_sdk_dynamodb::types as sdk;
        let plane = ControlPlane::builder().durations(Durations::none()).build();
        let key =
            sdk::KeySchemaElement::builder().attribute_name("pk").key_type(sdk::KeyType::Hash);
        let attribute = sdk::AttributeDefinition::builder()
            .attribute_name("pk")
            .attribute_type(sdk::ScalarAttributeType::S);
        let table = plane.client().create_table().table_name(TABLE);
        let table = table.billing_mode(sdk::BillingMode::PayPerRequest);
        let table = table.key_schema(key.build().unwrap());
        table.attribute_definitions(attribute.build().unwrap()).send().await.unwrap();
        plane.client()
    }

    /// The edit of `before` as one of the three ways says it; `None` where that way cannot.
    async fn sent(dynamo: &Dynamo, edit: &Edit, way: usize) -> Option<Fate> {
        let mut fates = match way {
            0 => dynamo.write_batch(TABLE, vec![edit.statement(TABLE)?]).await.unwrap().each,
            1 => match dynamo.write_one(TABLE, edit).await.unwrap().0 {
                Written::Done => vec![Fate::Done],
                Written::Conflict(current) => vec![Fate::Conflict(current)],
            },
            _ => dynamo.transact_each(TABLE, vec![edit.action(TABLE)]).await.unwrap().each,
        };
        fates.pop()
    }

    fn equal(a: &WireItem, b: &WireItem) -> bool {
        a.len() == b.len() && a.iter().all(|(name, value)| same(Some(value), b.get(name)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn all_three_ways_do_the_same_and_only_to_what_was_read(
            before in attributes(), after in attributes(), other in attributes(), deletes: bool, meets_other: bool,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let client = client_with_table().await;
                let dynamo = Dynamo::new(client.clone());
                let edit = if deletes { Some(Edit::delete(&keys(), &before)) } else { Edit::update(&keys(), &before, &after) };
                let Some(edit) = edit else { return };
                let edit = edit.following_from(&before, before.keys());
                let found = if meets_other { &other } else { &before };
                let holds = edit.conditions().all(|(name, value)| same(value, found.get(name)));
                let expected = match (holds, deletes) {
                    (false, _) => Some(found.clone()),
                    (true, true) => None,
                    (true, false) => {
                        let mut expected = found.clone();
                        for (name, difference) in &edit.attributes {
                            expected.remove(name);
                            expected.extend(difference.after.clone().map(|value| (name.clone(), value)));
                        }
                        Some(expected)
                    }
                };
                for way in 0..3 {
                    client.put_item().table_name(TABLE).set_item(Some(found.clone())).send().await.unwrap();
                    let Some(fate) = sent(&dynamo, &edit, way).await else { continue };
                    let there = dynamo.get_item(TABLE, edit.key.clone()).await.unwrap();
                    let is_right = match (&there, &expected) {
                        (Some(there), Some(expected)) => equal(there, expected),
                        (None, None) => true,
                        _ => false,
                    };
                    assert!(is_right, "way {way}: {edit:?} made {there:?} of {found:?}");
                    match fate {
                        Fate::Done => assert!(holds, "way {way} of {edit:?}"),
                        Fate::Conflict(Some(current)) => assert!(!holds && equal(&current, found), "way {way}"),
                        fate => panic!("way {way} of {edit:?}: {fate:?}"),
                    }
                }
            });
        }
    }
}
