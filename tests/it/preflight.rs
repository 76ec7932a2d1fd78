//! What a declaration cannot say: refused with its path before any call, however deep it stands.

use serde_json::{Value, json};
use tablewright::desired::Desired;

use crate::support::{properties, table, with, with_index};

/// A change of a valid declaration, and what is said of it: path and message.
type Case = (&'static str, fn(&mut Value), &'static str);

/// What a table on demand with a global index cannot be.
const ON_DEMAND: &[Case] = &[
    (
        "throughput on demand",
        |t| t["ProvisionedThroughput"] = units(5, 5),
        "Tables[0].ProvisionedThroughput: cannot be given while the table is PAY_PER_REQUEST",
    ),
    (
        "throughput of an index on demand",
        |t| t["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"] = units(5, 5),
        "Tables[0].GlobalSecondaryIndexes[0].ProvisionedThroughput: cannot be given while the table is PAY_PER_REQUEST",
    ),
    (
        "a local index without a sort key of the table",
        |t| t["LocalSecondaryIndexes"] = local("by_l", "pk"),
        "Tables[0].LocalSecondaryIndexes[0]: a local index needs a table with a RANGE key",
    ),
    (
        "a local index with another partition key",
        |t| t["LocalSecondaryIndexes"] = local("by_l", "x"),
        "Tables[0].LocalSecondaryIndexes[0].KeySchema: a local index has the table's HASH key",
    ),
    (
        "projected attributes that are projected anyway",
        |t| t["GlobalSecondaryIndexes"][0]["Projection"]["NonKeyAttributes"] = json!(["x"]),
        "Tables[0].GlobalSecondaryIndexes[0].Projection.NonKeyAttributes: can only be given with ProjectionType INCLUDE",
    ),
    (
        "a projection of nothing",
        |t| t["GlobalSecondaryIndexes"][0]["Projection"] = json!({ "ProjectionType": "INCLUDE" }),
        "Tables[0].GlobalSecondaryIndexes[0].Projection.NonKeyAttributes: is required",
    ),
    (
        "too many projected attributes in one index",
        |t| t["GlobalSecondaryIndexes"][0]["Projection"] = including(21),
        "Tables[0].GlobalSecondaryIndexes[0].Projection.NonKeyAttributes: expected 1 to 20 names, found 21",
    ),
    (
        "too many projected attributes in all indexes",
        |t| {
            t["GlobalSecondaryIndexes"] = indexes(6);
            for index in t["GlobalSecondaryIndexes"].as_array_mut().unwrap() {
                index["Projection"] = including(20);
            }
        },
        "Tables[0].GlobalSecondaryIndexes: the indexes of a table name at most 100 NonKeyAttributes together, found 120",
    ),
    (
        "one name for two global indexes",
        |t| {
            let index = t["GlobalSecondaryIndexes"][0].clone();
            t["GlobalSecondaryIndexes"] = json!([index, index]);
        },
        "Tables[0].GlobalSecondaryIndexes[1]: by_a is declared twice",
    ),
    (
        "one name for a global and a local index",
        |t| t["LocalSecondaryIndexes"] = local("by_a", "pk"),
        "Tables[0].LocalSecondaryIndexes: by_a is also the name of a global index",
    ),
    (
        "a key without a type",
        |t| drop(t["AttributeDefinitions"].as_array_mut().unwrap().pop()),
        "Tables[0].AttributeDefinitions: a is used in a key but not defined",
    ),
    (
        "a type without a key",
        |t| define(t, "z", "S"),
        "Tables[0].AttributeDefinitions: z is defined but no key uses it",
    ),
    (
        "an attribute of two types",
        |t| define(t, "a", "N"),
        "Tables[0].AttributeDefinitions[2]: a is defined with two types",
    ),
    (
        "too many global indexes",
        |t| t["GlobalSecondaryIndexes"] = indexes(21),
        "Tables[0].GlobalSecondaryIndexes: a table has at most 20, found 21",
    ),
    (
        "too many local indexes",
        |t| {
            let local: Vec<_> =
                (0..6).map(|n| local(&format!("by_l{n}"), "pk")[0].clone()).collect();
            t["LocalSecondaryIndexes"] = local.into();
        },
        "Tables[0].LocalSecondaryIndexes: a table has at most 5, found 6",
    ),
    (
        "a stream without a view type",
        |t| t["StreamSpecification"] = json!({}),
        "Tables[0].StreamSpecification.StreamViewType: is required",
    ),
    (
        "a policy of the stream",
        |t| {
            t["StreamSpecification"] = json!({ "StreamViewType": "KEYS_ONLY", "ResourcePolicy": { "PolicyDocument": {} } });
        },
        "Tables[0].StreamSpecification.ResourcePolicy: policies of streams are not managed; leave it out, and attach one",
    ),
    (
        "a recovery period without recovery",
        |t| {
            t["PointInTimeRecoverySpecification"] =
                json!({ "PointInTimeRecoveryEnabled": false, "RecoveryPeriodInDays": 3 });
        },
        "Tables[0].PointInTimeRecoverySpecification.RecoveryPeriodInDays: cannot be given while",
    ),
    (
        "a key without encryption",
        |t| t["SSESpecification"] = json!({ "SSEEnabled": false, "KMSMasterKeyId": "alias/x" }),
        "Tables[0].SSESpecification: SSEType and KMSMasterKeyId cannot be given with SSEEnabled false",
    ),
    (
        "a kind of encryption without encryption",
        |t| t["SSESpecification"] = json!({ "SSEEnabled": "false", "SSEType": "KMS" }),
        "Tables[0].SSESpecification: SSEType and KMSMasterKeyId cannot be given with SSEEnabled false",
    ),
    (
        "protection of what is to be deleted",
        |t| {
            t["DeletionProtectionEnabled"] = json!("true");
            t["RemovalPolicy"] = json!("delete");
        },
        "Tables[0].RemovalPolicy: contradicts DeletionProtectionEnabled; choose one",
    ),
    (
        "warm throughput of nothing",
        |t| t["WarmThroughput"] = json!({}),
        "Tables[0].WarmThroughput: expected ReadUnitsPerSecond, WriteUnitsPerSecond, or both",
    ),
    (
        "no warm throughput",
        |t| t["GlobalSecondaryIndexes"][0]["WarmThroughput"] = json!({ "ReadUnitsPerSecond": "0" }),
        "Tables[0].GlobalSecondaryIndexes[0].WarmThroughput.ReadUnitsPerSecond: expected a whole number of at least 1",
    ),
    (
        "a mode of insights that are off",
        |t| {
            t["ContributorInsightsSpecification"] =
                json!({ "Enabled": false, "Mode": "THROTTLED_KEYS" });
        },
        "Tables[0].ContributorInsightsSpecification.Mode: cannot be given while Enabled is false",
    ),
    (
        "a destination that is no Kinesis stream",
        |t| t["KinesisStreamSpecification"] = json!({ "StreamArn": "orders" }),
        "Tables[0].KinesisStreamSpecification.StreamArn: \"orders\" is not the ARN of a Kinesis stream",
    ),
    (
        "a policy that is text",
        |t| t["ResourcePolicy"] = json!({ "PolicyDocument": "{}" }),
        "Tables[0].ResourcePolicy.PolicyDocument: expected an object",
    ),
    (
        "a policy that is too long",
        |t| {
            let sid = "x".repeat(20 * 1024);
            t["ResourcePolicy"] = json!({ "PolicyDocument": { "Statement": [{ "Sid": sid }] } });
        },
        "Tables[0].ResourcePolicy.PolicyDocument: expected at most 20480 bytes",
    ),
    (
        "a policy that shuts this function out",
        |t| {
            let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": "dynamodb:*" });
            t["ResourcePolicy"] = json!({ "PolicyDocument": { "Statement": deny } });
        },
        "Tables[0].ResourcePolicy.PolicyDocument: a Deny without a Condition takes dynamodb:PutResourcePolicy from everyone",
    ),
    (
        "an import",
        |t| t["ImportSourceSpecification"] = json!({}),
        "Tables[0].ImportSourceSpecification: an import is how a table begins",
    ),
    (
        "vector indexes",
        |t| t["VectorIndexes"] = json!([]),
        "Tables[0].VectorIndexes: vector indexes are not managed",
    ),
    (
        "strong consistency between regions",
        |t| t["MultiRegionConsistency"] = json!("STRONG"),
        "Tables[0].MultiRegionConsistency: strong consistency between regions",
    ),
    (
        "auto scaling on demand",
        |t| t["AutoScaling"] = json!({ "Read": range(1, 2, 70) }),
        "Tables[0].AutoScaling: cannot be given while the table is PAY_PER_REQUEST",
    ),
    (
        "auto scaling of an index on demand",
        |t| t["GlobalSecondaryIndexes"][0]["AutoScaling"] = json!({ "Read": range(1, 2, 70) }),
        "Tables[0].GlobalSecondaryIndexes[0].AutoScaling: cannot be given while the table is PAY_PER_REQUEST",
    ),
    (
        "two replicas of one region",
        |t| t["Replicas"] = json!([{ "Region": "us-east-1" }, { "Region": "us-east-1" }]),
        "Tables[0].Replicas[1]: us-east-1 is declared twice",
    ),
    (
        "a replica of no region",
        |t| t["Replicas"] = json!([{ "Region": "Ireland" }]),
        "Tables[0].Replicas[0].Region: \"Ireland\" is not a region like eu-west-1",
    ),
    (
        "a replica without a key of a table with one",
        |t| {
            t["SSESpecification"] = json!({ "SSEEnabled": true, "KMSMasterKeyId": "alias/x" });
            t["Replicas"] = json!([{ "Region": "us-east-1" }]);
        },
        "Tables[0].Replicas: the table has a KMS key of its own, so the replica in us-east-1 needs one of its region",
    ),
    (
        "a replica with a key of a table without",
        |t| {
            let key = json!({ "KMSMasterKeyId": "alias/x" });
            t["Replicas"] = json!([{ "Region": "us-east-1", "SSESpecification": key }]);
        },
        "Tables[0].Replicas: the replica in us-east-1 has a KMS key and the table none",
    ),
    (
        "a stream that replication cannot read",
        |t| {
            t["Replicas"] = json!([{ "Region": "us-east-1" }]);
            t["StreamSpecification"] = json!({ "StreamViewType": "KEYS_ONLY" });
        },
        "Tables[0].StreamSpecification: replication reads the stream: with Replicas give NEW_AND_OLD_IMAGES",
    ),
    (
        "insights of an index that a replica has not",
        |t| {
            let index = json!({ "IndexName": "by_z", "ContributorInsightsSpecification": { "Enabled": true } });
            t["Replicas"] = json!([{ "Region": "us-east-1", "GlobalSecondaryIndexes": [index] }]);
        },
        "Tables[0].Replicas: the replica in us-east-1 names the index by_z, which is not declared",
    ),
    (
        "throughput of a replica",
        |t| {
            t["Replicas"] =
                json!([{ "Region": "us-east-1", "ReadOnDemandThroughputSettings": {} }]);
        },
        "Tables[0].Replicas[0].ReadOnDemandThroughputSettings: replicas have the table's on-demand limits",
    ),
    (
        "write throughput in the words of a global table",
        |t| t["WriteProvisionedThroughputSettings"] = json!({}),
        "Tables[0].WriteProvisionedThroughputSettings: belongs to AWS::DynamoDB::GlobalTable",
    ),
];

/// What a provisioned table with a global index cannot be.
const PROVISIONED: &[Case] = &[
    (
        "limits with throughput",
        |t| t["OnDemandThroughput"] = json!({ "MaxReadRequestUnits": 5 }),
        "Tables[0].OnDemandThroughput: cannot be given while the table is PROVISIONED",
    ),
    (
        "limits of an index with throughput",
        |t| {
            t["GlobalSecondaryIndexes"][0]["OnDemandThroughput"] =
                json!({ "MaxReadRequestUnits": 5 });
        },
        "Tables[0].GlobalSecondaryIndexes[0].OnDemandThroughput: cannot be given while the table is PROVISIONED",
    ),
    (
        "an index without throughput",
        |t| {
            t["GlobalSecondaryIndexes"][0].as_object_mut().unwrap().remove("ProvisionedThroughput");
        },
        "Tables[0].GlobalSecondaryIndexes[0].ProvisionedThroughput: is required",
    ),
    (
        "a range that ends before it begins",
        |t| t["AutoScaling"] = json!({ "Read": range(5, 4, 70) }),
        "Tables[0].AutoScaling.Read.MaxCapacity: is 4 and below MinCapacity, 5",
    ),
    (
        "a target that is no utilisation",
        |t| t["AutoScaling"] = json!({ "Read": range(1, 4, 95) }),
        "Tables[0].AutoScaling.Read.TargetValue: expected 20 to 90 per cent with up to two decimals, found 95",
    ),
    (
        "replicas whose writes do not scale",
        |t| t["Replicas"] = json!([{ "Region": "us-east-1" }]),
        "Tables[0].Replicas: with PROVISIONED, replicas need AutoScaling.Write of the table and of every index; it is \
         missing of the table, by_a",
    ),
    (
        "no throughput",
        |t| t["ProvisionedThroughput"] = units(0, 0),
        "Tables[0].ProvisionedThroughput.ReadCapacityUnits: expected a whole number of at least 1",
    ),
];

fn units(read: u64, write: u64) -> Value {
    json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": write })
}

fn range(min: u64, max: u64, target: u64) -> Value {
    json!({ "MinCapacity": min, "MaxCapacity": max, "TargetValue": target })
}

fn local(name: &str, hash: &str) -> Value {
    json!([{
        "IndexName": name,
        "KeySchema": [
            { "AttributeName": hash, "KeyType": "HASH" },
            { "AttributeName": "a", "KeyType": "RANGE" },
        ],
        "Projection": { "ProjectionType": "ALL" },
    }])
}

fn indexes(count: usize) -> Value {
    let index = |n| {
        json!({
            "IndexName": format!("by_{n:02}"),
            "KeySchema": [{ "AttributeName": "a", "KeyType": "HASH" }],
            "Projection": { "ProjectionType": "ALL" },
        })
    };
    (0..count).map(index).collect()
}

fn including(count: usize) -> Value {
    let names: Vec<_> = (0..count).map(|n| format!("n{n}")).collect();
    json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": names })
}

fn define(table: &mut Value, name: &str, kind: &str) {
    let definition = json!({ "AttributeName": name, "AttributeType": kind });
    table["AttributeDefinitions"].as_array_mut().unwrap().push(definition);
}

fn problems(table: &Value) -> Vec<String> {
    let read = Desired::read(&properties(std::slice::from_ref(table)));
    read.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn every_forbidden_combination_is_named_with_its_path() {
    let on_demand = with_index(table("orders"), "by_a", "a");
    let mut provisioned = with(on_demand.clone(), "BillingMode", json!("PROVISIONED"));
    provisioned["ProvisionedThroughput"] = units(5, 5);
    provisioned["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"] = units(5, 5);
    for (valid, cases) in [(on_demand, ON_DEMAND), (provisioned, PROVISIONED)] {
        assert_eq!(problems(&valid), [""; 0]);
        for (what, break_it, said) in cases {
            let mut table = valid.clone();
            break_it(&mut table);
            let problems = problems(&table);
            assert!(problems.iter().any(|problem| problem.contains(said)), "{what}: {problems:#?}");
        }
    }
}

#[test]
fn two_declarations_of_one_table_are_refused() {
    let twice = properties(&[table("orders"), table("orders")]);
    let problems = Desired::read(&twice).unwrap_err();
    assert_eq!(problems[0].to_string(), "Tables[1]: the table orders is declared twice");
}
