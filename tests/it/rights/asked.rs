//! What AWS asks a policy about each request, by the documentation of each service's actions and resources.

use serde_json::Value;
use tablewright::testing::Arrival;

/// The state machine of functions that have one.
pub(super) const MACHINE: &str = "arn:aws:states:eu-west-1:111122223333:stateMachine:LongRuns";

/// An action on a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ask {
    pub(super) action: String,
    pub(super) resource: String,
}

impl Ask {
    pub(super) fn new(action: &str, resource: impl Into<String>) -> Self {
        Self { action: action.to_owned(), resource: resource.into() }
    }
}

fn arn(region: &str, table: &str) -> String {
    format!("arn:aws:dynamodb:{region}:111122223333:table/{table}")
}

/// What a request takes that is sent in this region.
pub(super) fn of(region: &str, arrival: &Arrival) -> Vec<Ask> {
    let Arrival { operation, request, .. } = arrival;
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let dynamodb =
        |action: &str, resource: String| Ask::new(&format!("dynamodb:{action}"), resource);
    let table = || arn(region, text("TableName"));
    match operation.as_str() {
        "Scan" | "Query" if request["IndexName"].is_string() => {
            vec![dynamodb(operation, format!("{}/index/{}", table(), text("IndexName")))]
        }
        "BatchExecuteStatement" | "ExecuteStatement" => statements(region, request),
        "TransactWriteItems" => transaction(region, request),
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = request["RequestItems"].as_object().unwrap().keys();
            tables.map(|name| dynamodb(operation, arn(region, name))).collect()
        }
        "ListTagsOfResource"
        | "TagResource"
        | "UntagResource"
        | "GetResourcePolicy"
        | "PutResourcePolicy"
        | "DeleteResourcePolicy" => {
            vec![dynamodb(operation, text("ResourceArn").to_owned())]
        }
        "DescribeStream" | "GetShardIterator" => {
            vec![dynamodb(operation, text("StreamArn").to_owned())]
        }
        // The iterator stands for the stream that it was given for.
        "GetRecords" => vec![dynamodb(operation, arn(region, "orders/stream/any"))],
        "DescribeBackup" => vec![dynamodb(operation, text("BackupArn").to_owned())],
        "CreateTable" => created(region, request),
        "UpdateTable" => updated(region, request),
        "EnableKinesisStreamingDestination" => {
            let used = ["DescribeStream", "PutRecord", "PutRecords"];
            let used = used.map(|action| Ask::new(&format!("kinesis:{action}"), text("StreamArn")));
            let role = role("kinesisreplication.dynamodb.amazonaws.com");
            [vec![dynamodb(operation, table()), role], used.to_vec()].concat()
        }
        "UpdateContributorInsights" | "DescribeContributorInsights" => {
            insights(region, operation, request)
        }
        "DescribeKey" => vec![Ask::new("kms:DescribeKey", text("KeyId"))],
        "DescribeScalableTargets" | "DescribeScalingPolicies" => vec![scaling(operation)],
        "RegisterScalableTarget" => {
            vec![scaling(operation), role("dynamodb.application-autoscaling.amazonaws.com")]
        }
        "PutScalingPolicy" => {
            let alarms = ["cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms"];
            [vec![scaling(operation)], alarms.map(|action| Ask::new(action, "*")).to_vec()].concat()
        }
        "DeregisterScalableTarget" => {
            vec![scaling(operation), Ask::new("cloudwatch:DeleteAlarms", "*")]
        }
        _ => vec![dynamodb(operation, table())],
    }
}

fn scaling(operation: &str) -> Ask {
    Ask::new(&format!("application-autoscaling:{operation}"), "*")
}

fn role(service: &str) -> Ask {
    Ask::new("iam:CreateServiceLinkedRole", service)
}

/// The action of each statement goes by its verb.
fn statements(region: &str, request: &Value) -> Vec<Ask> {
    let each = request["Statements"].as_array().cloned().unwrap_or_else(|| vec![request.clone()]);
    let asked = each.iter().map(|one| {
        let text = one["Statement"].as_str().unwrap();
        let action = match text.split(' ').next().unwrap() {
            "UPDATE" => "PartiQLUpdate",
            "DELETE" => "PartiQLDelete",
            "INSERT" => "PartiQLInsert",
            "SELECT" => "PartiQLSelect",
            verb => panic!("{verb} is no verb of PartiQL's"),
        };
        let mut names = text.split('"').skip(1);
        let table = arn(region, names.next().unwrap());
        let index = names.next().filter(|rest| *rest == ".").and_then(|_| names.next());
        let resource =
            index.map_or_else(|| table.clone(), |index| format!("{table}/index/{index}"));
        Ask::new(&format!("dynamodb:{action}"), resource)
    });
    asked.collect()
}

/// A transaction is allowed by the rights to its actions ("Amazon DynamoDB Transactions: How it works").
fn transaction(region: &str, request: &Value) -> Vec<Ask> {
    let kinds = [
        ("Put", "PutItem"),
        ("Update", "UpdateItem"),
        ("Delete", "DeleteItem"),
        ("ConditionCheck", "ConditionCheckItem"),
    ];
    let each = request["TransactItems"].as_array().unwrap().iter();
    let asked = each.flat_map(|one| {
        kinds.iter().filter_map(|(kind, action)| {
            let table = one[*kind]["TableName"].as_str()?;
            Some(Ask::new(&format!("dynamodb:{action}"), arn(region, table)))
        })
    });
    asked.collect()
}

/// Tags and a key take rights of their own.
fn created(region: &str, request: &Value) -> Vec<Ask> {
    let table = arn(region, request["TableName"].as_str().unwrap());
    let mut asked = vec![Ask::new("dynamodb:CreateTable", &*table)];
    if request["Tags"].as_array().is_some_and(|tags| !tags.is_empty()) {
        asked.push(Ask::new("dynamodb:TagResource", &*table));
    }
    asked.extend(keys(request));
    asked
}

/// What DynamoDB does with a key, it does with the rights of whoever asks.
fn keys(request: &Value) -> Vec<Ask> {
    let Some(key) = request["SSESpecification"]["KMSMasterKeyId"].as_str() else {
        return Vec::new();
    };
    let used =
        ["CreateGrant", "Decrypt", "Encrypt", "GenerateDataKeyWithoutPlaintext", "ReEncryptTo"];
    used.map(|action| Ask::new(&format!("kms:{action}"), key)).to_vec()
}

/// "Using IAM with global tables".
fn updated(region: &str, request: &Value) -> Vec<Ask> {
    let name = request["TableName"].as_str().unwrap();
    let mut asked = vec![Ask::new("dynamodb:UpdateTable", arn(region, name))];
    asked.extend(keys(request));
    for update in request["ReplicaUpdates"].as_array().into_iter().flatten() {
        let actions: &[&str] = if update["Create"].is_object() {
            asked.push(role("replication.dynamodb.amazonaws.com"));
            &[
                "CreateTable",
                "CreateTableReplica",
                "Scan",
                "Query",
                "UpdateItem",
                "PutItem",
                "GetItem",
                "DeleteItem",
                "BatchWriteItem",
            ]
        } else if update["Delete"].is_object() {
            &["DeleteTable", "DeleteTableReplica"]
        } else {
            &[]
        };
        let replica =
            ["Create", "Delete"].iter().find_map(|kind| update[*kind]["RegionName"].as_str());
        let there = arn(replica.unwrap_or(region), name);
        asked.extend(actions.iter().map(|action| Ask::new(&format!("dynamodb:{action}"), &*there)));
    }
    asked
}

/// "Using IAM with CloudWatch contributor insights for DynamoDB": the table, or the index.
fn insights(region: &str, operation: &str, request: &Value) -> Vec<Ask> {
    let table = arn(region, request["TableName"].as_str().unwrap());
    let action = format!("dynamodb:{operation}");
    let mut asked = vec![Ask::new(&action, &*table)];
    if let Some(index) = request["IndexName"].as_str() {
        asked.push(Ask::new(&action, format!("{table}/index/{index}")));
    }
    if operation == "UpdateContributorInsights" {
        let enable = request["ContributorInsightsAction"] == "ENABLE";
        let rules = if enable { "PutInsightRule" } else { "DeleteInsightRules" };
        asked.push(Ask::new(&format!("cloudwatch:{rules}"), "*"));
        asked.extend(enable.then(|| role("contributorinsights.dynamodb.amazonaws.com")));
    }
    asked
}
