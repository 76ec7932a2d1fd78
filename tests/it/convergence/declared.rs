//! Declarations as they come: some of three tables, each with any of the features.

use std::collections::BTreeSet;

use proptest::collection::btree_set;
use proptest::option::of as maybe;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::support::{properties, table, with, with_index};

const TABLES: [&str; 3] = ["orders", "users", "carts"];

/// One table of a declaration. What can be said to be off is always said, so that nothing is left unmanaged.
#[derive(Debug, Clone)]
struct Declared {
    indexes: BTreeSet<&'static str>,
    provisioned: Option<u64>,
    limit: Option<u64>,
    stream: Option<&'static str>,
    /// What is on or off.
    on: BTreeSet<&'static str>,
    policy: Option<&'static str>,
    kinesis: Option<&'static str>,
    tags: BTreeSet<&'static str>,
    /// Auto scaling of what is provisioned, from so many units.
    scaled: Option<u64>,
    replicas: BTreeSet<&'static str>,
}

fn some_of(names: &[&'static str]) -> impl Strategy<Value = BTreeSet<&'static str>> + use<> {
    btree_set(select(names.to_vec()), 0..=names.len())
}

fn one_of(names: &[&'static str]) -> impl Strategy<Value = Option<&'static str>> + use<> {
    maybe(select(names.to_vec()))
}

fn declared() -> impl Strategy<Value = Declared> {
    let switches = ["expiry", "recovery", "infrequent", "encrypted", "protected", "insights"];
    let capacity = (maybe(1_u64..20), maybe(10_u64..90), maybe(1_u64..30));
    let streams = (one_of(&["KEYS_ONLY", "NEW_AND_OLD_IMAGES"]), one_of(&["a", "b"]));
    let others = (
        one_of(&["dynamodb:GetItem", "dynamodb:Query"]),
        some_of(&["team", "cost", "env"]),
        some_of(&["us-east-1", "eu-west-2", "eu-west-3"]),
    );
    (some_of(&["a", "b", "c"]), some_of(&switches), capacity, streams, others).prop_map(
        |(indexes, on, capacity, streams, others)| {
            let ((provisioned, limit, scaled), (stream, kinesis)) = (capacity, streams);
            let (policy, tags, mut replicas) = others;
            // Writes of a provisioned table with replicas have to scale, and each replica of an encrypted one has a key.
            if on.contains("encrypted") || (provisioned.is_some() && scaled.is_none()) {
                replicas.clear();
            }
            Declared {
                indexes,
                provisioned,
                limit,
                stream,
                on,
                policy,
                kinesis,
                tags,
                scaled,
                replicas,
            }
        },
    )
}

/// A declaration: some of the three tables.
pub(super) fn declaration() -> impl Strategy<Value = Value> {
    let tables = TABLES.map(|_| prop::option::weighted(0.8, declared()));
    tables.prop_map(|tables| {
        let declared = TABLES.iter().zip(tables);
        let tables: Vec<_> = declared.filter_map(|(name, table)| Some(table?.json(name))).collect();
        with(properties(&tables), "MaxTableDeletes", json!(3))
    })
}

impl Declared {
    fn has(&self, switch: &str) -> bool {
        self.on.contains(switch)
    }

    fn json(&self, name: &str) -> Value {
        let mut table = self
            .indexes
            .iter()
            .fold(table(name), |table, index| with_index(table, &format!("by_{index}"), index));
        self.bill(&mut table);
        self.scale(&mut table);
        let replicas = self.replicas.iter().map(|region| json!({ "Region": region }));
        table["Replicas"] = replicas.collect();
        let replicated = (!self.replicas.is_empty()).then_some("NEW_AND_OLD_IMAGES");
        if let Some(view) = replicated.or(self.stream) {
            table["StreamSpecification"] = json!({ "StreamViewType": view });
        }
        table["TimeToLiveSpecification"] =
            json!({ "AttributeName": "ttl", "Enabled": self.has("expiry") });
        table["PointInTimeRecoverySpecification"] =
            json!({ "PointInTimeRecoveryEnabled": self.has("recovery") });
        table["TableClass"] =
            json!(if self.has("infrequent") { "STANDARD_INFREQUENT_ACCESS" } else { "STANDARD" });
        table["SSESpecification"] = json!({ "SSEEnabled": self.has("encrypted") });
        table["DeletionProtectionEnabled"] = json!(self.has("protected"));
        table["RemovalPolicy"] = json!(if self.has("protected") { "retain" } else { "delete" });
        table["ContributorInsightsSpecification"] = json!({ "Enabled": self.has("insights") });
        if let Some(action) = self.policy {
            let principal = json!({ "AWS": "arn:aws:iam::111122223333:role/reader" });
            let statement = json!({ "Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*" });
            let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
            table["ResourcePolicy"] = json!({ "PolicyDocument": document });
        }
        if let Some(stream) = self.kinesis {
            let arn = format!("arn:aws:kinesis:eu-west-1:111122223333:stream/{stream}");
            table["KinesisStreamSpecification"] = json!({ "StreamArn": arn });
        }
        let tags: Vec<_> =
            self.tags.iter().map(|key| json!({ "Key": key, "Value": "1" })).collect();
        with(table, "Tags", json!(tags))
    }

    fn bill(&self, table: &mut Value) {
        let (key, figures) = match (self.provisioned, self.limit) {
            (Some(read), _) => {
                table["BillingMode"] = json!("PROVISIONED");
                (
                    "ProvisionedThroughput",
                    json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": 1 }),
                )
            }
            (None, Some(limit)) => ("OnDemandThroughput", json!({ "MaxReadRequestUnits": limit })),
            (None, None) => return,
        };
        table[key] = figures.clone();
        for index in table["GlobalSecondaryIndexes"].as_array_mut().into_iter().flatten() {
            index[key] = figures.clone();
        }
    }

    fn scale(&self, table: &mut Value) {
        let (Some(min), Some(_)) = (self.scaled, self.provisioned) else { return };
        let range = json!({ "MinCapacity": min, "MaxCapacity": 40, "TargetValue": 50 });
        for index in table["GlobalSecondaryIndexes"].as_array_mut().into_iter().flatten() {
            index["AutoScaling"] = json!({ "Write": range });
        }
        table["AutoScaling"] = json!({ "Read": range, "Write": range });
    }
}
