//! The embedded engine, which holds the items, the streams and the contents of indexes.

use std::sync::Arc;

use dynoxide::streams::{LOCAL_ACCOUNT, LOCAL_REGION};
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::clock::{Clock, EngineClock};
use super::rejection::{Rejection, Result};
use super::table::{Index, Table};
use super::wire::ViewType;

/// What ARNs of the engine begin with; the plane's own account and region stand for the engine's.
pub(super) fn arn_prefix() -> String {
    format!("arn:aws:dynamodb:{LOCAL_REGION}:{LOCAL_ACCOUNT}:")
}

/// The engine.
#[derive(Clone)]
pub(super) struct Engine(Database);

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

/// Serves an operation by a method of the engine.
macro_rules! operations {
    ($($operation:literal => $method:ident,)*) => {
        /// Operations on items and streams, which the engine serves.
        pub(super) const OPERATIONS: &[&str] = &[$($operation),*];

        fn serve(database: &Database, operation: &str, body: &str) -> Result<String> {
            match operation {
                $($operation => answer(operation, database.$method(read(body)?)),)*
                _ => Err(Rejection::unknown_operation()),
            }
        }
    };
}

operations! {
    "BatchExecuteStatement" => batch_execute_statement,
    "BatchGetItem" => batch_get_item,
    "BatchWriteItem" => batch_write_item,
    "DeleteItem" => delete_item,
    "DescribeStream" => describe_stream,
    "ExecuteStatement" => execute_statement,
    "ExecuteTransaction" => execute_transaction,
    "GetItem" => get_item,
    "GetRecords" => get_records,
    "GetShardIterator" => get_shard_iterator,
    "ListStreams" => list_streams,
    "PutItem" => put_item,
    "Query" => query,
    "Scan" => scan,
    "TransactGetItems" => transact_get_items,
    "TransactWriteItems" => transact_write_items,
    "UpdateItem" => update_item,
}

impl Engine {
    pub(super) fn new(clock: Arc<Clock>) -> Self {
        let database = Database::memory_with_clock(Arc::new(EngineClock(clock)));
        Self(database.expect("a database in memory depends on nothing outside the process"))
    }

    pub(super) fn call(&self, operation: &str, body: &str) -> Result<String> {
        serve(&self.0, operation, body)
    }

    /// Creates the table with its indexes; whatever the plane takes care of stays out. Returns the stream's ARN.
    pub(super) fn create(&self, table: &Table, name: &str) -> Result<Option<String>> {
        let mut request = json!({
            "TableName": name,
            "KeySchema": table.keys,
            "AttributeDefinitions": attributes(table),
            "BillingMode": "PAY_PER_REQUEST",
        });
        if !table.indexes.is_empty() {
            request["GlobalSecondaryIndexes"] = table.indexes.iter().map(index).collect();
        }
        if !table.local_indexes.is_empty() {
            let local = table.local_indexes.iter().map(|index| {
                json!({
                    "IndexName": index.name, "KeySchema": index.keys, "Projection": index.projection,
                })
            });
            request["LocalSecondaryIndexes"] = local.collect();
        }
        if let Some(view) = table.stream {
            request["StreamSpecification"] =
                json!({ "StreamEnabled": true, "StreamViewType": view });
        }
        let created = self.0.create_table(parsed(request)?);
        stream_of(&answer("CreateTable", created)?)
    }

    pub(super) fn delete(&self, name: &str) -> Result<()> {
        let deleted = self.0.delete_table(parsed(json!({ "TableName": name }))?);
        answer("DeleteTable", deleted).map(drop)
    }

    pub(super) fn add_index(&self, table: &Table, name: &str) -> Result<()> {
        let Some(added) = table.index(name) else { return Ok(()) };
        self.update(json!({
            "TableName": table.name,
            "AttributeDefinitions": attributes(table),
            "GlobalSecondaryIndexUpdates": [{ "Create": index(added) }],
        }))
        .map(drop)
    }

    pub(super) fn delete_index(&self, table: &str, name: &str) -> Result<()> {
        let update = json!([{ "Delete": { "IndexName": name } }]);
        self.update(json!({ "TableName": table, "GlobalSecondaryIndexUpdates": update })).map(drop)
    }

    /// Turns the stream on or off. Returns the new one's ARN.
    pub(super) fn set_stream(&self, table: &str, view: Option<ViewType>) -> Result<Option<String>> {
        let stream = match view {
            Some(view) => json!({ "StreamEnabled": true, "StreamViewType": view }),
            None => json!({ "StreamEnabled": false }),
        };
        stream_of(&self.update(json!({ "TableName": table, "StreamSpecification": stream }))?)
    }

    fn update(&self, request: Value) -> Result<String> {
        answer("UpdateTable", self.0.update_table(parsed(request)?))
    }

    /// All items of a table, for a backup.
    pub(super) fn items(&self, table: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut request = json!({ "TableName": table });
        loop {
            let page: Value = self
                .call("Scan", &request.to_string())
                .map(|body| serde_json::from_str(&body).unwrap_or_default())?;
            items.extend(page["Items"].as_array().cloned().unwrap_or_default());
            match page.get("LastEvaluatedKey") {
                Some(key) => request["ExclusiveStartKey"] = key.clone(),
                None => return Ok(items),
            }
        }
    }

    pub(super) fn has_items(&self, table: &str) -> Result<bool> {
        let page = self.call("Scan", &json!({ "TableName": table, "Limit": 1 }).to_string())?;
        let page: Value = serde_json::from_str(&page).unwrap_or_default();
        Ok(page["Count"] != 0)
    }

    pub(super) fn put_items(&self, table: &str, items: &[Value]) -> Result<()> {
        for chunk in items.chunks(25) {
            let puts: Vec<_> =
                chunk.iter().map(|item| json!({ "PutRequest": { "Item": item } })).collect();
            let request = json!({ "RequestItems": { table: puts } });
            self.call("BatchWriteItem", &request.to_string())?;
        }
        Ok(())
    }
}

fn attributes(table: &Table) -> Vec<Value> {
    let attribute = |(name, kind)| json!({ "AttributeName": name, "AttributeType": kind });
    table.attributes.iter().map(attribute).collect()
}

fn index(index: &Index) -> Value {
    json!({ "IndexName": index.name, "KeySchema": index.keys, "Projection": index.projection })
}

fn stream_of(description: &str) -> Result<Option<String>> {
    let parsed: Value = parsed(serde_json::from_str(description).unwrap_or_default())?;
    let arn = &parsed["TableDescription"]["LatestStreamArn"];
    Ok(arn.as_str().map(str::to_owned))
}

fn parsed<T: DeserializeOwned>(request: Value) -> Result<T> {
    serde_json::from_value(request).map_err(|error| unreadable(&error.to_string()))
}

/// Reads a request, with the engine's own marks for the kind of error.
fn read<T: DeserializeOwned>(body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| unreadable(&error.to_string()))
}

fn unreadable(error: &str) -> Rejection {
    // serde_json appends where in the body it was.
    let message = error.rsplit_once(" at line ").map_or(error, |(message, _)| message);
    for mark in ["VALIDATION:", "VALIDATION_REQUEST:"] {
        if let Some(message) = message.strip_prefix(mark) {
            return Rejection::validation(message);
        }
    }
    match message.strip_prefix("SERIALIZATION:") {
        Some(message) => Rejection::serialization(message),
        None => Rejection::validation(message),
    }
}

fn answer<T: Serialize>(operation: &str, result: dynoxide::Result<T>) -> Result<String> {
    let error = match result {
        Ok(response) => {
            return serde_json::to_string(&response)
                .map_err(|error| Rejection::internal_error(error.to_string()));
        }
        Err(error) => error,
    };
    // The engine leaves this to whoever speaks HTTP for it.
    if let DynoxideError::EnvelopedValidation(message) = &error
        && matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem")
    {
        return Err(Rejection::validation(format!("1 validation error detected: {message}")));
    }
    Err(Rejection::of_engine(error.status_code(), &error.to_json(), error.to_string()))
}
