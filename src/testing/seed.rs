//! Items to begin with: as plain values, or in the form that DynamoDB's own JSON has.

use serde_json::{Map, Value, json};

use super::ControlPlane;
use super::account::Service;

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
        Value::Object(fields) => json!({ "M": attributes(fields) }),
    }
}

#[cfg(test)]
mod tests {
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
}
