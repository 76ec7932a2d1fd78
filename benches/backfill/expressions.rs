//! The few statements and expressions that contenders send to the stand-in; anything else is refused rather than guessed.

use serde_json::{Map, Value};

use crate::Result;

/// An item in its wire form.
pub(crate) type Attributes = Map<String, Value>;

/// An update of one item.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) key: Value,
    pub(crate) sets: Vec<(String, Value)>,
    pub(crate) conditions: Vec<Condition>,
}

/// What has to be true of an item.
#[derive(Debug)]
pub(crate) enum Condition {
    Exists(String),
    Missing(String),
    Is(String, Value),
}

impl Condition {
    pub(crate) fn holds(&self, item: &Attributes) -> bool {
        match self {
            Self::Exists(name) => item.contains_key(name),
            Self::Missing(name) => !item.contains_key(name),
            Self::Is(name, value) => item.get(name) == Some(value),
        }
    }
}

/// Reads `UPDATE "orders" SET "a"=? WHERE "pk"=? AND "b"=? AND "c" IS MISSING`.
pub(crate) fn statement(request: &Value) -> Result<Update> {
    let text = text(request, "Statement")?;
    let unknown = || format!("the stand-in does not know the statement {text}");
    let mut parameters = request["Parameters"].as_array().into_iter().flatten().cloned();
    let mut valued = |name: &str| Some((name.to_owned(), parameters.next()?));
    let (sets, conditions) = text.split_once(" WHERE ").ok_or_else(unknown)?;
    let sets = sets.strip_prefix(r#"UPDATE "orders" SET "#).ok_or_else(unknown)?;
    let sets = sets.split(" SET ").map(|set| valued(quoted(set.strip_suffix("=?")?)?));
    let sets = sets.collect::<Option<Vec<_>>>().ok_or_else(unknown)?;
    let conditions = conditions.split(" AND ").map(|condition| {
        if let Some(name) = condition.strip_suffix(" IS MISSING") {
            return Some(Condition::Missing(quoted(name)?.to_owned()));
        }
        let (name, value) = valued(quoted(condition.strip_suffix("=?")?)?)?;
        Some(Condition::Is(name, value))
    });
    let conditions = conditions.collect::<Option<Vec<_>>>().ok_or_else(unknown)?;
    let key = conditions.iter().find_map(|condition| match condition {
        Condition::Is(name, value) if name == "pk" => Some(value.clone()),
        Condition::Is(..) | Condition::Exists(_) | Condition::Missing(_) => None,
    });
    Ok(Update { key: key.ok_or_else(unknown)?, sets, conditions })
}

/// Reads the request `UpdateItem`, where all that it does is to set attributes.
pub(crate) fn update(request: &Value) -> Result<Update> {
    let text = text(request, "UpdateExpression")?;
    let unknown = || format!("the stand-in does not know the update {text}");
    let sets = text.strip_prefix("SET ").or_else(|| text.strip_prefix("set "));
    let sets = sets.ok_or_else(unknown)?.split(", ").map(|set| {
        let (name, value) = set.split_once(" = ")?;
        Some((named(request, name)?, request["ExpressionAttributeValues"].get(value)?.clone()))
    });
    Ok(Update {
        key: request["Key"]["pk"].clone(),
        sets: sets.collect::<Option<_>>().ok_or_else(unknown)?,
        conditions: conditions(request, "ConditionExpression")?,
    })
}

/// Reads `attribute_exists(a) AND attribute_not_exists(b) AND c = :c`, or nothing at all.
pub(crate) fn conditions(request: &Value, member: &str) -> Result<Vec<Condition>> {
    let Some(text) = request[member].as_str() else { return Ok(Vec::new()) };
    let inner = |condition: &str, function: &str| {
        let inner = condition.strip_prefix(function)?.strip_suffix(')')?;
        named(request, inner)
    };
    let read = |condition: &str| {
        if let Some(name) = inner(condition, "attribute_exists(") {
            return Some(Condition::Exists(name));
        }
        if let Some(name) = inner(condition, "attribute_not_exists(") {
            return Some(Condition::Missing(name));
        }
        let (name, value) = condition.split_once(" = ")?;
        let value = request["ExpressionAttributeValues"].get(value)?.clone();
        Some(Condition::Is(named(request, name)?, value))
    };
    let conditions = text.split(" AND ").map(read).collect::<Option<_>>();
    conditions.ok_or_else(|| format!("the stand-in does not know the condition {text}").into())
}

fn text<'a>(request: &'a Value, member: &str) -> Result<&'a str> {
    request[member].as_str().ok_or_else(|| format!("the stand-in wants {member}").into())
}

fn quoted(name: &str) -> Option<&str> {
    name.strip_prefix('"')?.strip_suffix('"')
}

fn named(request: &Value, name: &str) -> Option<String> {
    if !name.starts_with('#') {
        return Some(name.to_owned());
    }
    request["ExpressionAttributeNames"].get(name)?.as_str().map(str::to_owned)
}
