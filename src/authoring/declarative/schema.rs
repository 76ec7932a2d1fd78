//! The shape of a migration in YAML as a JSON Schema, from which editors complete and explain.
//!
//! Nothing is read by these types: `syntax` reads, and tells of all faults at once. A test holds the two together.
#![expect(
    dead_code,
    clippy::zero_sized_map_values,
    reason = "they are looked at by their derived schema alone"
)]

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value as Json;

/// The JSON Schema (draft 2020-12) of a migration in YAML.
#[must_use]
pub fn migration_schema() -> Json {
    let mut schema = schemars::schema_for!(Migration).to_value();
    let values = schema.pointer("/$defs/Value").cloned();
    tidy(&mut schema);
    // Among values there is a null.
    if let (Some(place), Some(values)) = (schema.pointer_mut("/$defs/Value"), values) {
        *place = values;
    }
    schema
}

/// A field that may be left out is not one that may be empty; formats are of Rust; lines end where an editor breaks them.
fn tidy(schema: &mut Json) {
    match schema {
        Json::Object(fields) => {
            if let Some(Json::Array(types)) = fields.get_mut("type") {
                types.retain(|one| one != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    fields.insert("type".to_owned(), one);
                }
            }
            if let Some(Json::Array(all)) = fields.get_mut("anyOf") {
                all.retain(|one| one.get("type").is_none_or(|one| one != "null"));
                if let [Json::Object(one)] = all.as_slice() {
                    let one = one.clone();
                    fields.remove("anyOf");
                    fields.extend(one);
                }
            }
            if let Some(Json::Array(all)) = fields.get_mut("enum") {
                all.retain(|one| !one.is_null());
            }
            fields.remove("format");
            if let Some(Json::String(text)) = fields.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            fields.values_mut().for_each(tidy);
        }
        Json::Array(all) => all.iter_mut().for_each(tidy),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// A migration of DynamoDB items: one change, a list of changes, or PartiQL statements.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "tablewright migration")]
struct Migration {
    /// One sentence for the history. It may be changed at any time.
    description: Option<String>,
    /// When it runs, as seen from the code that uses the data: `expand` before it (unless given), `contract` after the
    /// last code that needed what it takes away.
    phase: Option<Phase>,
    #[schemars(flatten)]
    work: Work,
    /// The way back, with the fields of a change, a list of changes, or statements. It must leave items alone that were
    /// not migrated: after a failure only some are.
    down: Option<Work>,
    /// What makes it exactly once where a second application would change an item once more: `stamp` marks each changed
    /// item with an attribute, `journal` keeps what the item was, and brings it back without a `down`.
    guard: Option<Guard>,
    /// Goes on past this many items that cannot be handled, none unless given.
    max_failed_items: Option<u64>,
    /// Most that it consumes: a part of what the table can serve (`50%`), or capacity units a second. 90% unless given.
    at_most: Option<Cap>,
    /// Into how many segments the scan is divided; by the size of the table unless given.
    #[schemars(range(min = 1, max = 1_000_000))]
    segments: Option<u32>,
    /// How many write requests are under way at once, 16 unless given.
    #[schemars(range(min = 1, max = 1000))]
    concurrency: Option<u32>,
    /// What has to be true of each item afterwards; if it is not, the migration has failed.
    verify: Option<Verify>,
    /// For statements: says that running them again after an interruption is right.
    idempotent: Option<bool>,
}

/// What is done. In a list of changes each sees what the one before has made of an item.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Work {
    #[schemars(flatten)]
    change: Change,
    /// Changes that are made in order, as one migration; of one table or of several.
    #[schemars(length(min = 1))]
    changes: Option<Vec<Change>>,
    /// PartiQL: INSERT INTO, UPDATE and DELETE FROM, each carried out once, in order.
    #[schemars(length(min = 1))]
    statements: Option<Vec<Statement>>,
}

/// A change of the items of a table. What is computed sees an item as it was before the change.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Change {
    /// The table whose items are changed.
    #[schemars(regex(pattern = "^[A-Za-z0-9_.-]{3,255}$"))]
    table: Option<String>,
    /// Which items: an expression in CEL over `item`, as `item.status == 'open'`. All of them unless given.
    when: Option<Expression>,
    /// Attributes that are given a value, by name; `address.street` is a key of the map `address`.
    set: Option<BTreeMap<String, Value>>,
    /// Attributes that are given another name: `old: new`. One that is missing stays so.
    rename: Option<BTreeMap<String, String>>,
    /// Attributes that are taken away. Only `guard: journal` brings them back.
    #[schemars(length(min = 1))]
    remove: Option<Vec<String>>,
    /// Deletes the item; wants a `when`.
    delete: Option<True>,
    /// Puts a copy of the item into another table; the item stays.
    copy_to: Option<CopyTo>,
}

/// A copy of an item, with some attributes set.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CopyTo {
    /// The table that the copies go to.
    #[schemars(regex(pattern = "^[A-Za-z0-9_.-]{3,255}$"))]
    table: String,
    /// What is set in the copy, as in `set` of a change.
    set: Option<BTreeMap<String, Value>>,
}

/// What has to be true of items.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Verify {
    /// Of all of them.
    All(Expression),
    /// Of a sample.
    Sample(VerifySample),
}

/// What has to be true of a sample.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct VerifySample {
    /// The expression.
    that: Expression,
    /// About how many items are looked at, from all parts of the table; all of them unless given.
    #[schemars(range(min = 1))]
    sample: Option<u32>,
}

/// A PartiQL statement.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Statement {
    /// Its text.
    Text(String),
    /// Its text, and what stands for its question marks.
    WithParameters(WithParameters),
}

/// A PartiQL statement with parameters.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct WithParameters {
    /// Its text.
    statement: String,
    /// A value for each question mark, in order.
    parameters: Option<Vec<Value>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Phase {
    Expand,
    Contract,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Guard {
    Stamp,
    Journal,
}

struct Cap;
struct Expression;
struct True;
struct Value;

macro_rules! by_hand {
    ($($name:ident: $schema:expr;)*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

by_hand! {
    Cap: json_schema!({
        "description": "A part of what the table can serve, or capacity units a second.",
        "anyOf": [
            { "type": "string", "pattern": "^([1-9][0-9]?|100)%$" },
            { "type": "integer", "minimum": 1 },
        ],
        "examples": ["50%", 200],
    });
    Expression: json_schema!({
        "description": "An expression in CEL over `item`: item.name, has(item.name), item[\"odd-name\"]; + joins texts; functions are size, string, int, double, lower, upper, trim, replace, split, join, substring, indexOf, contains, startsWith, endsWith, matches, pad, hash, iso, epoch, isoMillis, epochMillis, map, filter, all, exists.",
        "type": "string",
        "minLength": 1,
        "examples": ["item.status == 'open' && !has(item.label)", "'ORDER#' + pad(item.number, 8)"],
    });
    True: json_schema!({ "const": true });
    Value: json_schema!({
        "description": "A literal, which may be a list or a map; { cel: \"…\" } computes it. A mapping with one key says the type where YAML has none: { ss: [a, b] }, { ns: [1, 2] }, { bs: [base64] }, { b: base64 }, { n: \"38 digits\" }; { m: { … } } is a map whatever its keys are.",
        "anyOf": [
            { "type": ["null", "boolean", "number", "string"] },
            { "type": "array", "items": { "$ref": "#/$defs/Value" } },
            {
                "type": "object",
                "additionalProperties": { "$ref": "#/$defs/Value" },
                "properties": { "cel": { "$ref": "#/$defs/Expression" } },
            },
        ],
        "examples": ["open", 0, { "cel": "'ORDER#' + item.pk" }, { "ss": ["a", "b"] }],
    });
}
