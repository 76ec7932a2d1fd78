//! Operations on items and streams: what the plane checks before the engine serves them.

use serde_json::{Value, json};

use super::account::Account;
use super::engine;
use super::rejection::{Rejection, Result};
use super::table::{IndexStatus, Status};

impl Account {
    pub(super) fn item_call(&mut self, operation: &str, body: &str) -> Result<String> {
        let mut request: Value = serde_json::from_str(body)
            .map_err(|error| Rejection::serialization(error.to_string()))?;
        for (table, index) in targets(&request) {
            self.check_target(&table, index.as_deref())?;
        }
        let is_paged = matches!(operation, "Scan" | "Query");
        let limit = self.page_items.filter(|_| is_paged);
        if let Some(limit) = limit {
            let asked = request["Limit"].as_u64().unwrap_or(u64::MAX);
            request["Limit"] = json!(asked.min(limit.into()));
        }
        let name = request["TableName"].as_str().map(|named| self.name_of(named).to_owned());
        if let Some(name) = name.filter(|name| request["TableName"] != name.as_str()) {
            // The engine knows names, and ARNs of its own account.
            request["TableName"] = json!(name);
            return self.engine.call(operation, &request.to_string());
        }
        match operation {
            "Scan" | "Query" if limit.is_some() => {
                self.engine.call(operation, &request.to_string())
            }
            "DescribeStream" | "GetShardIterator" | "GetRecords" => {
                self.stream_call(operation, &request).map(|answer| answer.to_string())
            }
            "ListStreams" => {
                let body = body.replace(&self.arn_prefix(), &engine::arn_prefix());
                let answer = self.engine.call(operation, &body)?;
                Ok(answer.replace(&engine::arn_prefix(), &self.arn_prefix()))
            }
            _ => self.engine.call(operation, body),
        }
    }

    /// Items can be had as long as the table is neither coming nor going, and by an index once it is filled.
    fn check_target(&self, named: &str, index: Option<&str>) -> Result<()> {
        let table = self.tables.get(self.name_of(named)).ok_or_else(Rejection::nothing)?;
        if matches!(table.status(), Status::Creating | Status::Deleting) {
            return Err(Rejection::nothing());
        }
        self.check_key(table)?;
        let Some(index) = index else { return Ok(()) };
        match table.index_status(index) {
            IndexStatus::Allocating | IndexStatus::Backfilling | IndexStatus::Creating => {
                Err(Rejection::validation(format!(
                    "Cannot read from backfilling global secondary index: {index}"
                )))
            }
            IndexStatus::Updating | IndexStatus::Deleting | IndexStatus::Active => Ok(()),
        }
    }
}

/// Tables and indexes that a request is about, whatever its operation.
pub(super) fn targets(request: &Value) -> Vec<(String, Option<String>)> {
    let mut targets = Vec::new();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(table) = text(&request["TableName"]) {
        targets.push((table, text(&request["IndexName"])));
    }
    if let Some(tables) = request["RequestItems"].as_object() {
        targets.extend(tables.keys().map(|table| (table.clone(), None)));
    }
    for action in request["TransactItems"].as_array().into_iter().flatten() {
        let members = action.as_object().into_iter().flat_map(|action| action.values());
        targets.extend(members.filter_map(|member| Some((text(&member["TableName"])?, None))));
    }
    let batch = ["Statements", "TransactStatements"].map(|list| request[list].as_array());
    let statements = batch.into_iter().flatten().flatten().chain([request]);
    let statements = statements.filter_map(|statement| statement["Statement"].as_str());
    targets.extend(statements.filter_map(statement_target));
    targets
}

/// The table of a PartiQL statement, and the index where it reads one.
fn statement_target(statement: &str) -> Option<(String, Option<String>)> {
    let mut rest = statement;
    loop {
        let (word, after) = token(rest)?;
        rest = after;
        if ["FROM", "INTO", "UPDATE"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword)) {
            break;
        }
    }
    let (table, after) = token(rest)?;
    let index = after.strip_prefix('.').and_then(token).map(|(index, _)| index.to_owned());
    Some((table.to_owned(), index))
}

/// The next word or quoted name, and what follows.
fn token(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let first = text.chars().next()?;
    if first == '"' || first == '\'' {
        return text[1..].split_once(first);
    }
    let is_word = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    Some(text.split_at(end.max(first.len_utf8())))
}

/// Has half of a batch carried out, and hands back the rest, or an error for each statement of it.
pub(super) fn unprocessed(
    operation: &str,
    body: &str,
    call: impl Fn(&str) -> Result<String>,
) -> Result<String> {
    let member = match operation {
        "BatchWriteItem" => "UnprocessedItems",
        "BatchGetItem" => "UnprocessedKeys",
        "BatchExecuteStatement" => return every_other_statement(body, call),
        _ => return call(body),
    };
    let request: Value = serde_json::from_str(body).unwrap_or_default();
    let Some((rest, taken)) = halve(&request) else { return call(body) };
    let is_empty = rest["RequestItems"].as_object().is_none_or(serde_json::Map::is_empty);
    let answer = if is_empty { "{}".to_owned() } else { call(&rest.to_string())? };
    let mut answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    answer[member] = taken;
    Ok(answer.to_string())
}

/// Takes half of a batch, rounded up, out of the request. Returns the rest of it and what was taken.
fn halve(request: &Value) -> Option<(Value, Value)> {
    let (mut kept, mut taken) = (json!({}), json!({}));
    for (table, requests) in request["RequestItems"].as_object()? {
        // Writes are a list, reads an object with the keys beside other members.
        let list = requests.as_array().or_else(|| requests["Keys"].as_array())?;
        let (stay, go) = list.split_at(list.len() / 2);
        for (part, elements) in [(&mut kept, stay), (&mut taken, go)] {
            if elements.is_empty() {
                continue;
            }
            part[table] = requests.clone();
            match &mut part[table] {
                Value::Object(members) => members["Keys"] = json!(elements),
                list => *list = json!(elements),
            }
        }
    }
    let mut rest = request.clone();
    rest["RequestItems"] = kept;
    Some((rest, taken))
}

/// Has every other statement of a batch carried out, from the second on; the others are throttled, in one of the two ways
/// in which AWS says so (AWS documentation, `BatchStatementError`).
fn every_other_statement(body: &str, call: impl Fn(&str) -> Result<String>) -> Result<String> {
    const CODES: [&str; 2] = ["ThrottlingError", "ProvisionedThroughputExceeded"];
    let mut request: Value = serde_json::from_str(body).unwrap_or_default();
    let all = request["Statements"].as_array().cloned().unwrap_or_default();
    let kept: Vec<_> = all.iter().skip(1).step_by(2).cloned().collect();
    let mut answer = json!({});
    if !kept.is_empty() {
        request["Statements"] = json!(kept);
        answer = serde_json::from_str(&call(&request.to_string())?).unwrap_or_default();
    }
    let carried_out = answer["Responses"].as_array().cloned().unwrap_or_default();
    let mut carried_out = carried_out.into_iter();
    let responses = all.iter().enumerate().map(|(position, statement)| {
        if position % 2 == 1 {
            return carried_out.next().unwrap_or_default();
        }
        let table = statement["Statement"].as_str().and_then(statement_target);
        let table = table.map(|(table, _)| table).unwrap_or_default();
        let error = json!({ "Code": CODES[position / 2 % 2], "Message": "Throughput exceeds the current capacity" });
        json!({ "TableName": table, "Error": error })
    });
    answer["Responses"] = responses.collect();
    Ok(answer.to_string())
}
