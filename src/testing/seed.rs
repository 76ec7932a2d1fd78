//! Items as people write them: plain, with the types that migrations in YAML name, or as DynamoDB's own JSON.

use serde_json::{Map, Value, json};

use super::ControlPlane;
use super::account::Service;
use crate::dynamo::WireItem;

/// Names of the types in DynamoDB's JSON (AWS documentation, "Low-level API").
const TYPES: [&str; 10] = ["S", "N", "B", "SS", "NS", "BS", "M", "L", "BOOL", "NULL"];

pub(super) fn put(plane: &ControlPlane, items: &Value) -> Result<usize, String> {
    let tables = items.as_object().ok_or("expected a list of items for each table, by its name")?;
    let mut count = 0;
    for (table, items) in tables {
        let items = items.as_array().ok_or_else(|| format!("{table}: expected a list of items"))?;
        for (position, item) in items.iter().enumerate() {
            let at = |why: &str| format!("{table}[{position}]: {why}");
            let item = item.as_object().ok_or_else(|| at("expected an item with attributes"))?;
            let request = json!({ "TableName": table, "Item": wire(item) }).to_string();
            let put = plane.lock().account.call(Service::DynamoDb, "PutItem", &request);
            put.map_err(|rejection| at(&rejection.message))?;
            count += 1;
        }
    }
    Ok(count)
}

/// An item from JSON: plain texts, numbers, booleans, `null`, lists and maps; `{"n": "1.10"}`, `{"b": "AAE="}`, `{"ss": […]}`,
/// `{"ns": […]}`, `{"bs": […]}` and `{"m": {…}}` for what JSON has no form of; or DynamoDB's JSON, where all of its attributes
/// are in it.
///
/// # Panics
/// Where it is no object.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "what json!() makes is handed over as it is")]
pub fn item(json: Value) -> WireItem {
    let fields = json.as_object().expect("an item is an object");
    let typed = serde_json::from_value::<serde_dynamo::Item>(wire(fields));
    // What looks like DynamoDB's JSON and is none has maps.
    let typed = typed.or_else(|_| serde_json::from_value(attributes(fields)));
    typed.expect("every value of JSON has a type in DynamoDB").into()
}

/// An item in wire form; it is in that form already where all of its attributes are.
fn wire(item: &Map<String, Value>) -> Value {
    let is_wire = !item.is_empty() && item.values().all(is_typed);
    if is_wire { Value::Object(item.clone()) } else { attributes(item) }
}

fn is_typed(value: &Value) -> bool {
    let fields = value.as_object().filter(|fields| fields.len() == 1);
    fields.is_some_and(|fields| fields.keys().all(|name| TYPES.contains(&name.as_str())))
}

fn attributes(fields: &Map<String, Value>) -> Value {
    fields.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(value) => json!({ "BOOL": value }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(items) => json!({ "L": items.iter().map(attribute).collect::<Vec<_>>() }),
        Value::Object(fields) => {
            named(fields).unwrap_or_else(|| json!({ "M": attributes(fields) }))
        }
    }
}

/// A value whose type is named, where one is.
fn named(fields: &Map<String, Value>) -> Option<Value> {
    let (name, value) = fields.iter().next().filter(|_| fields.len() == 1)?;
    let texts =
        || value.as_array().filter(|all| !all.is_empty() && all.iter().all(Value::is_string));
    let numbers = |all: &Vec<Value>| {
        let digits = |one: &Value| match one {
            Value::Number(number) => Some(number.to_string()),
            one => one.as_str().map(str::to_owned),
        };
        all.iter().map(digits).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
    };
    Some(match name.as_str() {
        "n" => json!({ "N": value.as_str()? }),
        "b" => json!({ "B": value.as_str()? }),
        "ss" => json!({ "SS": texts()? }),
        "ns" => json!({ "NS": numbers(value.as_array()?)? }),
        "bs" => json!({ "BS": texts()? }),
        "m" => json!({ "M": attributes(value.as_object()?) }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;

    #[test]
    fn plain_values_get_their_types_and_typed_ones_stay() {
        let plain = json!({ "pk": "a", "n": 1.5, "on": true, "none": null, "l": [1], "m": { "S": "x", "y": 2 } });
        let typed = json!({
            "pk": { "S": "a" }, "n": { "N": "1.5" }, "on": { "BOOL": true }, "none": { "NULL": true },
            "l": { "L": [{ "N": "1" }] }, "m": { "M": { "S": { "S": "x" }, "y": { "N": "2" } } },
        });
        assert_eq!(wire(plain.as_object().unwrap()), typed);
        assert_eq!(wire(typed.as_object().unwrap()), typed);
    }

    #[test]
    fn types_that_json_lacks_are_named() {
        let written = json!({
            "pk": "a", "n": { "n": "12345678901234567890123456789012345678" }, "b": { "b": "AAE=" },
            "ss": { "ss": ["x", "y"] }, "ns": { "ns": [1, "2.50"] }, "bs": { "bs": ["AAE="] },
            "m": { "m": { "n": "5" } }, "own": { "n": 5 }, "none": { "ss": [] },
        });
        let typed = json!({
            "pk": { "S": "a" }, "n": { "N": "12345678901234567890123456789012345678" }, "b": { "B": "AAE=" },
            "ss": { "SS": ["x", "y"] }, "ns": { "NS": ["1", "2.50"] }, "bs": { "BS": ["AAE="] },
            "m": { "M": { "n": { "S": "5" } } }, "own": { "M": { "n": { "N": "5" } } },
            "none": { "M": { "ss": { "L": [] } } },
        });
        assert_eq!(wire(written.as_object().unwrap()), typed);
        assert_eq!(item(written), item(typed.clone()));
        let AttributeValue::B(bytes) = &item(typed)["b"] else { panic!("no bytes") };
        assert_eq!(bytes.as_ref(), [0, 1]);
    }
}
