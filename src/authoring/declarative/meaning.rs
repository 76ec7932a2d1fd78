//! What a document means, apart from how it is written, and the fingerprint of that.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::document::{Act, Change, CopyTo, Document, Edit, Setting, Value, Work};
use super::statement::Statement;
use super::syntax::Options;
use crate::hex::hex;
use crate::migration::{Guard, Phase, Sample};

/// The fingerprint of a document. Comments, quotes, the order of keys and what is the default anyway do not count, and
/// neither do the description and the pace: they may be changed after it was applied, or while it is paused.
pub(super) fn fingerprint(document: &Document, options: Options) -> String {
    let digest = Sha256::digest(meaning(document, options).to_string());
    format!("yaml {}", hex(&digest[..8]))
}

fn meaning(document: &Document, options: Options) -> Json {
    let how = &document.how;
    object([
        ("work", Some(work(&document.work))),
        ("down", document.down.as_ref().map(work)),
        ("phase", (document.phase == Phase::Contract).then(|| json!("contract"))),
        ("idempotent", options.is_idempotent.then_some(Json::Bool(true))),
        (
            "guard",
            how.guard.map(|guard| {
                json!(match guard {
                    Guard::Stamp => "stamp",
                    Guard::Journal => "journal",
                })
            }),
        ),
        ("max_failed_items", (how.max_failed_items > 0).then(|| json!(how.max_failed_items))),
        (
            "verify",
            how.verify.as_ref().map(|(sample, that)| {
                let sample = match sample {
                    Sample::All => None,
                    Sample::Items(items) => Some(json!(items)),
                };
                object([("that", Some(json!(that.text.trim()))), ("sample", sample)])
            }),
        ),
    ])
}

/// Its keys in their order, whatever features JSON is compiled with.
fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Option<Json>)>) -> Json {
    let sorted: BTreeMap<_, _> =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    Json::Object(sorted.into_iter().collect())
}

fn work(work: &Work) -> Json {
    match work {
        Work::Changes(changes) => json!(changes.iter().map(change).collect::<Vec<_>>()),
        Work::Statements(all) => {
            let all: Vec<_> = all.iter().map(statement).collect();
            object([("statements", Some(json!(all)))])
        }
    }
}

fn statement(statement: &Statement) -> Json {
    let parameters: Vec<_> = statement.parameters.iter().map(wire).collect();
    json!([statement.text, parameters])
}

fn change(change: &Change) -> Json {
    let when = change.when.as_ref().map(|when| json!(when.text.trim()));
    let (what, act) = match &change.act {
        Act::Delete => ("delete", json!(true)),
        Act::CopyTo(CopyTo { table, set }) => {
            ("copy_to", object([("table", Some(json!(table))), ("set", Some(settings(set)))]))
        }
        Act::Edit(Edit { set, rename, remove }) => {
            let renamed = rename
                .iter()
                .map(|one| (one.from.value.to_string(), json!(one.to.value.to_string())));
            let renamed: BTreeMap<_, _> = renamed.collect();
            let renamed =
                object(renamed.iter().map(|(name, to)| (name.as_str(), Some(to.clone()))));
            let removed: Vec<_> = remove.iter().map(|path| path.value.to_string()).collect();
            let fields = [
                ("set", (!set.is_empty()).then(|| settings(set))),
                ("rename", (!rename.is_empty()).then_some(renamed)),
                ("remove", (!removed.is_empty()).then(|| json!(removed))),
            ];
            ("edit", object(fields))
        }
    };
    object([("table", Some(json!(change.table))), ("when", when), (what, Some(act))])
}

fn settings(settings: &[Setting]) -> Json {
    let named = |one: &Setting| (one.path.value.to_string(), value(&one.value));
    let named: BTreeMap<_, _> = settings.iter().map(named).collect();
    object(named.iter().map(|(name, value)| (name.as_str(), Some(value.clone()))))
}

fn value(value: &Value) -> Json {
    match value {
        Value::Literal(literal) => wire(literal),
        Value::Computed(expression) => object([("cel", Some(json!(expression.text.trim())))]),
        Value::List(values) => {
            let values: Vec<_> = values.iter().map(self::value).collect();
            object([("L", Some(json!(values)))])
        }
        Value::Map(entries) => {
            let entries =
                entries.iter().map(|(name, value)| (name.as_str(), Some(self::value(value))));
            object([("M", Some(object(entries)))])
        }
    }
}

/// A value as DynamoDB's own JSON has it.
fn wire(value: &AttributeValue) -> Json {
    let (kind, value) = match value {
        AttributeValue::S(text) => ("S", json!(text)),
        AttributeValue::N(digits) => ("N", json!(digits)),
        AttributeValue::Bool(flag) => ("BOOL", json!(flag)),
        AttributeValue::B(bytes) => ("B", json!(bytes.as_ref())),
        AttributeValue::Ss(texts) => ("SS", json!(texts)),
        AttributeValue::Ns(all) => ("NS", json!(all)),
        AttributeValue::Bs(all) => {
            ("BS", json!(all.iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>()))
        }
        AttributeValue::L(list) => ("L", json!(list.iter().map(wire).collect::<Vec<_>>())),
        AttributeValue::M(map) => {
            ("M", object(map.iter().map(|(name, value)| (name.as_str(), Some(wire(value))))))
        }
        _ => ("NULL", json!(true)),
    };
    object([(kind, Some(value))])
}
