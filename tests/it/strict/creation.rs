//! What `CreateTable` refuses, and what it makes of what it takes.

use std::time::Duration;

use serde_json::{Value, json};

use super::Raw;

/// A table with a sort key and an index of each kind.
fn table() -> Value {
    json!({
        "TableName": "orders",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        "AttributeDefinitions": [attribute("pk"), attribute("sk"), attribute("a"), attribute("b")],
        "GlobalSecondaryIndexes": [index("by_a", &[key("a", "HASH")])],
        "LocalSecondaryIndexes": [index("by_b", &[key("pk", "HASH"), key("b", "RANGE")])],
    })
}

fn key(name: &str, kind: &str) -> Value {
    json!({ "AttributeName": name, "KeyType": kind })
}

fn attribute(name: &str) -> Value {
    json!({ "AttributeName": name, "AttributeType": "S" })
}

fn index(name: &str, keys: &[Value]) -> Value {
    json!({ "IndexName": name, "KeySchema": keys, "Projection": { "ProjectionType": "ALL" } })
}

/// The table with something at a path made otherwise.
fn with(path: &str, value: Value) -> Value {
    let mut table = table();
    let (parent, member) = path.rsplit_once('/').unwrap();
    let parent = table.pointer_mut(parent).unwrap();
    match (parent, member.parse::<usize>()) {
        (Value::Array(list), Ok(at)) => list[at] = value,
        (object, _) => object[member] = value,
    }
    table
}

fn without(member: &str) -> Value {
    let mut table = table();
    table.as_object_mut().unwrap().remove(member);
    table
}

/// The table without the elements of a list and without the attribute that they use.
fn emptied(member: &str, unused: &str) -> Value {
    let mut table = with(&format!("/{member}"), json!([]));
    let attributes = table["AttributeDefinitions"].as_array_mut().unwrap();
    attributes.retain(|attribute| attribute["AttributeName"] != unused);
    table
}

fn included(names: &[String]) -> Value {
    json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": names })
}

#[tokio::test]
async fn a_table_that_breaks_a_rule_is_refused_in_the_words_of_the_rule() {
    let raw = Raw::start().await;
    let global = "/GlobalSecondaryIndexes/0";
    let local = "/LocalSecondaryIndexes/0";
    let units = json!({ "ReadCapacityUnits": 1, "WriteCapacityUnits": 1 });
    let many: Vec<String> = (0..21).map(|n| n.to_string()).collect();
    let provisioned = |more: Value| {
        let mut table = with("/BillingMode", json!("PROVISIONED"));
        table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        table
    };
    let cases = [
        (with("/TableName", json!("no")), "at least 3 characters long"),
        (with("/TableName", json!("no name")), "[a-zA-Z0-9_.-]+"),
        (
            with("/AttributeDefinitions/3", attribute("c")),
            "Keys: [b], AttributeDefinitions: [a, c, pk, sk]",
        ),
        (with("/AttributeDefinitions/3", attribute("a")), "Attribute Name is duplicated: a"),
        (without("LocalSecondaryIndexes"), "Some AttributeDefinitions are not used"),
        (with("/KeySchema/0", key("pk", "RANGE")), "The first KeySchemaElement is not a HASH"),
        (with("/KeySchema/1", key("sk", "HASH")), "The second KeySchemaElement is not a RANGE"),
        (with("/ProvisionedThroughput", units.clone()), "when BillingMode is PAY_PER_REQUEST"),
        (with("/BillingMode", json!("PROVISIONED")), "must both be specified when BillingMode"),
        (
            with("/ProvisionedThroughput", json!({ "ReadCapacityUnits": 1 })),
            "Value null at 'provisionedThroughput.writeCapacityUnits'",
        ),
        (
            provisioned(json!({ "ProvisionedThroughput": units })),
            "ProvisionedThroughput is not specified for index: by_a",
        ),
        (
            provisioned(json!({
                "ProvisionedThroughput": units,
                "OnDemandThroughput": { "MaxReadRequestUnits": 5 },
            })),
            "MaxReadRequestUnits for OnDemandThroughput cannot be specified",
        ),
        (
            with("/OnDemandThroughput", json!({ "MaxWriteRequestUnits": -1 })),
            "outside of valid range",
        ),
        (
            with("/WarmThroughput", json!({ "ReadUnitsPerSecond": 1 })),
            "lower than initial throughput",
        ),
        (emptied("GlobalSecondaryIndexes", "a"), "List of GlobalSecondaryIndexes is empty"),
        (emptied("LocalSecondaryIndexes", "b"), "List of LocalSecondaryIndexes is empty"),
        (with(&format!("{global}/IndexName"), json!("by_b")), "Duplicate index name: by_b"),
        (with(&format!("{global}/KeySchema/0"), key("a", "RANGE")), "not a HASH key type"),
        (with(&format!("{global}/Projection"), json!({})), "Unknown ProjectionType: null"),
        (
            with(&format!("{global}/ProvisionedThroughput"), units.clone()),
            "should not be specified",
        ),
        (with(&format!("{global}/Projection"), included(&many)), "length less than or equal to 20"),
        (
            with(&format!("{global}/Projection"), included(&["x".to_owned(), "x".to_owned()])),
            "Duplicate element in NonKeyAttributes: x",
        ),
        (
            with(&format!("{global}/Projection"), json!({ "ProjectionType": "INCLUDE" })),
            "but NonKeyAttributes is not specified",
        ),
        (
            with(
                &format!("{global}/Projection"),
                json!({ "ProjectionType": "ALL", "NonKeyAttributes": ["x"] }),
            ),
            "ProjectionType is ALL, but NonKeyAttributes is specified",
        ),
        (with(&format!("{local}/KeySchema/0"), key("sk", "HASH")), "the same leading hash key"),
        (with(&format!("{local}/KeySchema"), json!([key("pk", "HASH")])), "are not used"),
        (
            with("/StreamSpecification", json!({ "StreamEnabled": true })),
            "UpdateViewType is required",
        ),
        (
            with("/SSESpecification", json!({ "Enabled": false, "SSEType": "KMS" })),
            "SSEType can not be specified if Enabled is false",
        ),
        (
            with("/SSESpecification", json!({ "Enabled": true, "KMSMasterKeyId": "x" })),
            "SSEType KMS is required if KMSMasterKeyId is specified",
        ),
        (
            with("/Tags", json!([{ "Key": "a", "Value": "" }, { "Key": "a", "Value": "" }])),
            "Duplicate Tag Key found a",
        ),
    ];
    for (table, message) in cases {
        let (status, answer) = raw.call("DynamoDB_20120810.CreateTable", table.clone()).await;
        let said = answer["message"].as_str().unwrap_or_default();
        assert_eq!((status, &answer["__type"]), (400, &json!("ValidationException")), "{table}");
        assert!(said.contains(message), "{message:?} is not in: {said}");
    }
    // None of them has left anything.
    let (status, _) = raw.call("DynamoDB_20120810.CreateTable", table()).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn indexes_are_counted_and_so_is_what_they_project() {
    let raw = Raw::start().await;
    let base = |count: usize, projection: &Value| {
        let indexes: Vec<_> = (0..count)
            .map(|n| {
                let mut index = index(&format!("by_a{n}"), &[key("a", "HASH")]);
                index["Projection"] = projection.clone();
                index
            })
            .collect();
        json!({
            "TableName": format!("with-{count}"),
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [key("pk", "HASH")],
            "AttributeDefinitions": [attribute("pk"), attribute("a")],
            "GlobalSecondaryIndexes": indexes,
        })
    };
    let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    for (table, expected) in [
        (base(20, &json!({ "ProjectionType": "KEYS_ONLY" })), None),
        (base(21, &json!({ "ProjectionType": "KEYS_ONLY" })), Some("per-table limit of 20")),
        (base(5, &included(&names)), None),
        (base(6, &included(&names)), Some("120, exceeds the limit of 100")),
    ] {
        let (status, answer) = raw.call("DynamoDB_20120810.CreateTable", table).await;
        let said = answer["message"].as_str().unwrap_or_default();
        match expected {
            None => assert_eq!(status, 200, "{said}"),
            Some(expected) => assert!(said.contains(expected), "{expected:?} is not in: {said}"),
        }
    }
}

#[tokio::test]
async fn what_is_described_is_what_was_asked_for_and_what_the_service_fills_in() {
    let raw = Raw::start().await;
    let mut asked = table();
    asked["GlobalSecondaryIndexes"][0]["Projection"] = included(&["z".to_owned(), "y".to_owned()]);
    asked["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" });
    asked["SSESpecification"] = json!({ "Enabled": true });
    asked["Tags"] = json!([{ "Key": "team", "Value": "shop" }]);
    let (_, created) = raw.call("DynamoDB_20120810.CreateTable", asked).await;
    let created = &created["TableDescription"];
    assert_eq!(created["TableStatus"], "CREATING");
    assert!(created.get("WarmThroughput").is_none());
    raw.plane.advance(Duration::from_mins(1));
    let name = json!({ "TableName": "arn:aws:dynamodb:eu-west-1:111122223333:table/orders" });
    let (_, described) = raw.call("DynamoDB_20120810.DescribeTable", name).await;
    let described = &described["Table"];
    assert_eq!(described["TableStatus"], "ACTIVE");
    let attributes = described["AttributeDefinitions"].as_array().unwrap().iter();
    let attributes: Vec<_> = attributes.map(|one| one["AttributeName"].clone()).collect();
    assert_eq!(attributes, ["a", "b", "pk", "sk"]);
    let index = &described["GlobalSecondaryIndexes"][0];
    assert_eq!(index["Projection"]["NonKeyAttributes"], json!(["y", "z"]));
    for described in [described, index] {
        let warm = json!({ "ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 4_000, "Status": "ACTIVE" });
        assert_eq!(described["WarmThroughput"], warm);
        assert_eq!(described["ProvisionedThroughput"]["ReadCapacityUnits"], 0);
    }
    assert_eq!(described["SSEDescription"]["Status"], "ENABLED");
    assert!(described.get("TableClassSummary").is_none());
    let resource = json!({ "ResourceArn": described["TableArn"] });
    let (_, tags) = raw.call("DynamoDB_20120810.ListTagsOfResource", resource).await;
    assert_eq!(tags["Tags"], json!([{ "Key": "team", "Value": "shop" }]));
}
