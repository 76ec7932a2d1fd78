//! A plane in a file, from which another process goes on: its tables and their items.
//!
//! One line of JSON for each table, as far as `CreateTable` says what it is, with the identity that it had, and after it one
//! for each of its items, as in an export of DynamoDB. What else a table has is not in it; a deploy sets that anew.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::account::{Account, Service};
use super::durations::Durations;
use super::quotas::Quotas;
use super::rejection::{Rejection, Result};
use super::table::{Status, Table};
use super::wire::BillingMode;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
enum Line {
    Table(Kept),
    Item(Value),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    table_id: String,
    create_table: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_to_live: Option<String>,
}

/// Fields that `DescribeTable` and `CreateTable` have in common, of a table and of its indexes.
const OF_TABLES: [&str; 8] = [
    "TableName",
    "KeySchema",
    "AttributeDefinitions",
    "OnDemandThroughput",
    "StreamSpecification",
    "DeletionProtectionEnabled",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
];
const OF_INDEXES: [&str; 4] = ["IndexName", "KeySchema", "Projection", "OnDemandThroughput"];

/// Writes the file, which is there whole or as it was before.
pub(super) fn save(account: &Account, file: &Path) -> io::Result<()> {
    let text = text(account).map_err(|rejection| io::Error::other(rejection.message))?;
    let beside = file.with_extension("new");
    std::fs::write(&beside, text)?;
    std::fs::rename(beside, file)
}

fn text(account: &Account) -> Result<String> {
    let lines = lines(account)?.into_iter().map(|line| format!("{}\n", json!(line)));
    Ok(lines.collect())
}

fn lines(account: &Account) -> Result<Vec<Line>> {
    let stay = account.tables.values().filter(|table| table.status() != Status::Deleting);
    let mut lines = Vec::new();
    for table in stay {
        lines.push(Line::Table(kept(account, table)));
        let mut scan = json!({ "TableName": table.name });
        loop {
            let page = account.engine.call("Scan", &scan.to_string())?;
            let mut page: Value = serde_json::from_str(&page).unwrap_or_default();
            if let Value::Array(items) = page["Items"].take() {
                lines.extend(items.into_iter().map(Line::Item));
            }
            if page["LastEvaluatedKey"].is_null() {
                break;
            }
            scan["ExclusiveStartKey"] = page["LastEvaluatedKey"].take();
        }
    }
    Ok(lines)
}

fn kept(account: &Account, table: &Table) -> Kept {
    let described = account.description(table);
    let mut create = some(&described, &OF_TABLES);
    let is_provisioned = table.billing == BillingMode::Provisioned;
    let throughput = |described: &Value| {
        some(&described["ProvisionedThroughput"], &["ReadCapacityUnits", "WriteCapacityUnits"])
    };
    for kind in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        let Some(indexes) = create[kind].as_array_mut() else { continue };
        for index in indexes {
            let mut kept = some(index, &OF_INDEXES);
            if is_provisioned && kind == "GlobalSecondaryIndexes" {
                kept["ProvisionedThroughput"] = throughput(index);
            }
            *index = kept;
        }
    }
    if is_provisioned {
        create["ProvisionedThroughput"] = throughput(&described);
    }
    create["BillingMode"] = json!(table.billing);
    if let Some(class) = table.class {
        create["TableClass"] = json!(class);
    }
    let tags = table.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
    create["Tags"] = tags.collect();
    Kept {
        table_id: table.id.clone(),
        create_table: create,
        time_to_live: table.features.time_to_live.attribute().map(str::to_owned),
    }
}

/// The fields of these names that there are.
fn some(of: &Value, names: &[&str]) -> Value {
    let field = |name: &&str| of.get(*name).map(|value| ((*name).to_owned(), value.clone()));
    Value::Object(names.iter().filter_map(field).collect::<Map<_, _>>())
}

/// Makes the tables of a file and fills them, at once and whatever the quotas. Returns how many tables that are.
pub(super) fn load(account: &mut Account, file: &Path) -> std::result::Result<usize, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    at_once(account, &text)
}

fn at_once(account: &mut Account, text: &str) -> std::result::Result<usize, String> {
    let durations = std::mem::replace(&mut account.durations, Durations::none());
    let quotas = std::mem::replace(&mut account.quotas, Quotas::without_waits());
    let loaded = replay(account, text);
    account.durations = durations;
    account.quotas = quotas;
    loaded
}

fn replay(account: &mut Account, text: &str) -> std::result::Result<usize, String> {
    let mut name = String::new();
    let mut tables = 0;
    for (number, line) in text.lines().enumerate() {
        let at = |why: String| format!("line {}: {why}", number + 1);
        let line: Line = serde_json::from_str(line).map_err(|error| at(error.to_string()))?;
        let rejected = |rejection: Rejection| at(rejection.message);
        match line {
            Line::Table(kept) => {
                kept.create_table["TableName"].as_str().unwrap_or_default().clone_into(&mut name);
                make(account, &name, kept).map_err(rejected)?;
                tables += 1;
            }
            Line::Item(item) => {
                let put = json!({ "TableName": name, "Item": item });
                call(account, "PutItem", &put).map_err(rejected)?;
            }
        }
    }
    Ok(tables)
}

fn make(account: &mut Account, name: &str, kept: Kept) -> Result<()> {
    call(account, "CreateTable", &kept.create_table)?;
    if let Some(table) = account.tables.get_mut(name) {
        table.id = kept.table_id;
        table.unseen = 0;
    }
    let Some(attribute) = kept.time_to_live else { return Ok(()) };
    let enabled = json!({ "Enabled": true, "AttributeName": attribute });
    let update = json!({ "TableName": name, "TimeToLiveSpecification": enabled });
    call(account, "UpdateTimeToLive", &update)
}

fn call(account: &mut Account, operation: &str, request: &Value) -> Result<()> {
    account.call(Service::DynamoDb, operation, &request.to_string()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ControlPlane;

    fn plane() -> ControlPlane {
        let plane = ControlPlane::builder().durations(Durations::none());
        plane.unseen_reads(0).build()
    }

    #[test]
    fn what_was_kept_is_there_again_and_kept_the_same() {
        let plane = plane();
        let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
        let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
        let throughput = |units| json!({ "ReadCapacityUnits": units, "WriteCapacityUnits": 1 });
        let provisioned = json!({
            "TableName": "orders",
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
            "AttributeDefinitions": [attribute("pk"), attribute("sk"), attribute("customer")],
            "ProvisionedThroughput": throughput(3),
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-customer",
                "KeySchema": [key("customer", "HASH")],
                "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": ["total"] },
                "ProvisionedThroughput": throughput(2),
            }],
            "LocalSecondaryIndexes": [{
                "IndexName": "of-customer",
                "KeySchema": [key("pk", "HASH"), key("customer", "RANGE")],
                "Projection": { "ProjectionType": "KEYS_ONLY" },
            }],
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" },
            "TableClass": "STANDARD_INFREQUENT_ACCESS",
            "DeletionProtectionEnabled": true,
            "Tags": [{ "Key": "tablewright:owner", "Value": "a/b" }],
        });
        let on_demand = json!({
            "TableName": "customers",
            "KeySchema": [key("pk", "HASH")],
            "AttributeDefinitions": [attribute("pk")],
            "BillingMode": "PAY_PER_REQUEST",
            "OnDemandThroughput": { "MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 6 },
        });
        let expiry = json!({
            "TableName": "orders",
            "TimeToLiveSpecification": { "Enabled": true, "AttributeName": "expires" },
        });
        let item = json!({
            "pk": { "S": "1" }, "sk": { "S": "2" }, "customer": { "S": "3" },
            "exact": { "N": "12345678901234567890123456789012345678" },
            "set": { "NS": ["1"] }, "bytes": { "B": "AAE=" },
        });
        {
            let account = &mut plane.lock().account;
            call(account, "CreateTable", &provisioned).unwrap();
            call(account, "CreateTable", &on_demand).unwrap();
            call(account, "UpdateTimeToLive", &expiry).unwrap();
            call(account, "PutItem", &json!({ "TableName": "orders", "Item": item })).unwrap();
        }
        let kept = text(&plane.lock().account).unwrap();

        // Its durations and quotas are no reason to wait.
        let strict = ControlPlane::new();
        assert_eq!(at_once(&mut strict.lock().account, &kept), Ok(2));
        assert_eq!(text(&strict.lock().account).unwrap(), kept);
        let lines = kept.lines().map(|line| serde_json::from_str::<Line>(line).unwrap());
        let lines: Vec<_> = lines.collect();
        let [Line::Table(first), Line::Table(second), Line::Item(only)] = &lines[..] else {
            panic!("{kept}")
        };
        assert_eq!(first.create_table["TableName"], "customers");
        assert_eq!(second.time_to_live.as_deref(), Some("expires"));
        let id = |plane: &ControlPlane| plane.lock().account.tables["orders"].id.clone();
        assert_eq!(id(&strict), id(&plane));
        assert_eq!(only, &item);
        // All that was asked for, and nothing that AWS has added.
        for (asked, kept) in [(on_demand, first), (provisioned, second)] {
            let asked = asked.as_object().unwrap();
            for (field, value) in asked {
                let same = |kept: &Value| kept == value || sorted(kept) == sorted(value);
                assert!(same(&kept.create_table[field]), "{field}: {}", kept.create_table[field]);
            }
        }
    }

    fn sorted(value: &Value) -> Option<Vec<String>> {
        let mut texts: Vec<_> = value.as_array()?.iter().map(Value::to_string).collect();
        texts.sort();
        Some(texts)
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_by_its_line() {
        let good = plane();
        let item = "{\"Item\":{\"pk\":{\"S\":\"1\"}}}";
        let no_table = "{\"Table\":{\"TableId\":\"1\",\"CreateTable\":{}}}";
        for bad in [item, no_table, "[]", "{"] {
            let said = at_once(&mut good.lock().account, bad).unwrap_err();
            assert!(said.starts_with("line 1: "), "{bad}: {said}");
        }
    }
}
