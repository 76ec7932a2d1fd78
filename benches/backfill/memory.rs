//! The items of the stand-in's one table, and the operations on them that contenders use.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::Result;
use crate::expressions::{self, Attributes, Condition, Update};
use crate::orders::TABLE;

/// Bytes that a page of a scan holds.
const PAGE: usize = 1 << 20;

/// Items in the order in which they came; segments of a scan are ranges of it.
#[derive(Debug, Default)]
pub(crate) struct Items {
    rows: Vec<Row>,
    places: HashMap<String, usize>,
}

#[derive(Debug)]
struct Row {
    key: String,
    /// Its wire form.
    json: String,
    size: usize,
}

/// The answer to a request, and the capacity units that it took from the table.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) body: String,
    pub(crate) write_units: u64,
}

impl Items {
    /// Drops them all.
    pub(crate) fn forget(&mut self) -> Answer {
        *self = Self::default();
        Answer::default()
    }

    /// Serves `BatchWriteItem`.
    pub(crate) fn put(&mut self, request: &Value) -> Result<Answer> {
        let mut units = 0;
        for one in request["RequestItems"][TABLE].as_array().into_iter().flatten() {
            let item = one["PutRequest"]["Item"].as_object().ok_or("the stand-in only puts")?;
            units += self.store(item)?;
        }
        Ok(Answer { body: json!({ "UnprocessedItems": {} }).to_string(), write_units: units })
    }

    /// Serves `BatchExecuteStatement`.
    pub(crate) fn execute(&mut self, request: &Value) -> Result<Answer> {
        let (mut units, mut responses) = (0, Vec::new());
        for statement in request["Statements"].as_array().into_iter().flatten() {
            let (took, current) = self.apply(&expressions::statement(statement)?)?;
            units += took;
            responses.push(match current {
                None => json!({ "TableName": TABLE }),
                Some(current) => json!({ "Error": {
                    "Code": "ConditionalCheckFailed",
                    "Message": "The conditional request failed",
                    "Item": current,
                } }),
            });
        }
        let consumed = [json!({ "TableName": TABLE, "CapacityUnits": units })];
        let body = json!({ "Responses": responses, "ConsumedCapacity": consumed });
        Ok(Answer { body: body.to_string(), write_units: units })
    }

    /// Serves `UpdateItem`.
    pub(crate) fn update(&mut self, request: &Value) -> Result<Answer> {
        let (units, current) = self.apply(&expressions::update(request)?)?;
        if current.is_some() {
            return Err("the stand-in has no single updates whose condition does not hold".into());
        }
        let consumed = json!({ "TableName": TABLE, "CapacityUnits": units });
        let body = json!({ "ConsumedCapacity": consumed }).to_string();
        Ok(Answer { body, write_units: units })
    }

    /// Serves `Scan`.
    pub(crate) fn scan(&self, request: &Value) -> Result<Answer> {
        let number = |member: &str| request[member].as_u64().map(usize::try_from).transpose();
        let segments = number("TotalSegments")?.unwrap_or(1);
        let segment = number("Segment")?.unwrap_or(0);
        let limit = number("Limit")?.unwrap_or(usize::MAX);
        let end = self.rows.len() * (segment + 1) / segments;
        let start = match request["ExclusiveStartKey"]["pk"]["S"].as_str() {
            Some(key) => self.places.get(key).ok_or("nobody was there to start from")? + 1,
            None => self.rows.len() * segment / segments,
        };
        let filter = expressions::conditions(request, "FilterExpression")?;
        let has_items = request["Select"] != "COUNT";
        let (mut body, mut size, mut count) = (r#"{"Items":["#.to_owned(), 0, 0);
        let mut last = start;
        while last < end && last - start < limit && size < PAGE {
            let row = &self.rows[last];
            size += row.size;
            last += 1;
            let Some(shown) = row.shown(request, &filter)? else { continue };
            if has_items {
                body.push_str(if count == 0 { "" } else { "," });
                body.push_str(&shown);
            }
            count += 1;
        }
        write!(body, r#"],"Count":{count},"ScannedCount":{}"#, last - start)?;
        let units = size.div_ceil(4096).max(1);
        write!(body, r#","ConsumedCapacity":{{"TableName":"{TABLE}","CapacityUnits":{units}}}"#)?;
        if last < end {
            let key = &self.rows[last - 1].key;
            write!(body, r#","LastEvaluatedKey":{{"pk":{{"S":"{key}"}}}}"#)?;
        }
        body.push('}');
        Ok(Answer { body, write_units: 0 })
    }

    /// Carries an update out; the units that it took, and the item where a condition does not hold.
    fn apply(&mut self, update: &Update) -> Result<(u64, Option<Attributes>)> {
        let key = update.key["S"].as_str().ok_or("a key is a text")?;
        let place = self.places.get(key).ok_or("the stand-in has no updates that make items")?;
        let row = &mut self.rows[*place];
        let mut item: Attributes = serde_json::from_str(&row.json)?;
        if !update.conditions.iter().all(|condition| condition.holds(&item)) {
            return Ok((units(row.size), Some(item)));
        }
        let before = row.size;
        item.extend(update.sets.iter().cloned());
        (row.json, row.size) = (serde_json::to_string(&item)?, size(&item));
        Ok((units(before.max(row.size)), None))
    }

    fn store(&mut self, item: &Attributes) -> Result<u64> {
        let key = item["pk"]["S"].as_str().ok_or("a key is a text")?.to_owned();
        let (json, size) = (serde_json::to_string(item)?, size(item));
        let place = *self.places.entry(key.clone()).or_insert(self.rows.len());
        let row = Row { key, json, size };
        let mut before = 0;
        if let Some(old) = self.rows.get_mut(place) {
            before = std::mem::replace(old, row).size;
        } else {
            self.rows.push(row);
        }
        Ok(units(before.max(size)))
    }
}

impl Row {
    /// What a scan shows of it, if anything.
    fn shown(&self, request: &Value, filter: &[Condition]) -> Result<Option<String>> {
        let projection = request["ProjectionExpression"].as_str();
        if filter.is_empty() && projection.is_none() {
            return Ok(Some(self.json.clone()));
        }
        let mut item: Attributes = serde_json::from_str(&self.json)?;
        if !filter.iter().all(|condition| condition.holds(&item)) {
            return Ok(None);
        }
        if let Some(projection) = projection {
            item.retain(|name, _| projection.split(", ").any(|shown| shown == name));
        }
        Ok(Some(serde_json::to_string(&item)?))
    }
}

fn units(size: usize) -> u64 {
    size.div_ceil(1024).max(1) as u64
}

/// Bytes of names and values; the form of the values counts a little too much.
fn size(item: &Attributes) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len(),
            Value::Array(list) => 3 + list.iter().map(|value| 1 + of(value)).sum::<usize>(),
            Value::Object(map) => map.values().map(of).sum::<usize>() + 1,
            Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        }
    }
    item.iter().map(|(name, value)| name.len() + of(value)).sum()
}
