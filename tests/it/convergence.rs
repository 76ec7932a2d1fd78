//! Any declaration leads to any other on the strict control plane, whatever goes wrong on the way: faults by chance, a
//! process that dies, another resource that fails.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::ProvisionedThroughputDescription;
use proptest::option::of as maybe;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tablewright::dynamo::{Class, classify};
use tablewright::schema::{AutoScaling, Dimension};
use tablewright::testing::{Call, ControlPlane, Durations, Fault, Outcome, Quotas, Stack};

use crate::support::{properties, table, with, with_index};
use crate::trap::{self, Trap};

/// Deploys until one succeeds, at most so many.
const DEPLOYS_MAX: usize = 8;
const TABLES: [&str; 3] = ["orders", "users", "carts"];
const STREAMS: [&str; 2] = ["KEYS_ONLY", "NEW_AND_OLD_IMAGES"];

/// One table of a declaration. What can be said to be off is always said, so that nothing is left unmanaged.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
struct Declared {
    indexes: BTreeSet<&'static str>,
    provisioned: Option<u64>,
    limit: Option<u64>,
    stream: Option<&'static str>,
    expiry: bool,
    recovery: bool,
    infrequent: bool,
    encrypted: bool,
    protected: bool,
    insights: bool,
    policy: Option<&'static str>,
    kinesis: Option<&'static str>,
    tags: BTreeSet<&'static str>,
    /// Auto scaling of what is provisioned, from so many units.
    scaled: Option<u64>,
    replicas: BTreeSet<&'static str>,
}

fn declared() -> impl Strategy<Value = Declared> {
    let some_of =
        |names: [&'static str; 3]| prop::collection::btree_set(select(names.to_vec()), 0..=3);
    let bits =
        (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let figures = (maybe(1_u64..20), maybe(10_u64..90), maybe(select(STREAMS.to_vec())));
    let others = (
        maybe(select(vec!["dynamodb:GetItem", "dynamodb:Query"])),
        maybe(select(vec!["a", "b"])),
        some_of(["team", "cost", "env"]),
        maybe(1_u64..30),
        some_of(["us-east-1", "eu-west-2", "eu-west-3"]),
    );
    (some_of(["a", "b", "c"]), figures, bits, others).prop_map(
        |(indexes, figures, bits, others)| Declared {
            indexes,
            provisioned: figures.0,
            limit: figures.1,
            stream: figures.2,
            expiry: bits.0,
            recovery: bits.1,
            infrequent: bits.2,
            encrypted: bits.3,
            protected: bits.4,
            insights: bits.5,
            policy: others.0,
            kinesis: others.1,
            tags: others.2,
            scaled: others.3,
            // A provisioned table has replicas only where its writes scale, and the strict plane asks each for a key
            // where the table is encrypted.
            replicas: if bits.3 || (figures.0.is_some() && others.3.is_none()) {
                BTreeSet::new()
            } else {
                others.4
            },
        },
    )
}

impl Declared {
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
            json!({ "AttributeName": "ttl", "Enabled": self.expiry });
        table["PointInTimeRecoverySpecification"] =
            json!({ "PointInTimeRecoveryEnabled": self.recovery });
        table["TableClass"] =
            json!(if self.infrequent { "STANDARD_INFREQUENT_ACCESS" } else { "STANDARD" });
        table["SSESpecification"] = json!({ "SSEEnabled": self.encrypted });
        table["DeletionProtectionEnabled"] = json!(self.protected);
        table["RemovalPolicy"] = json!(if self.protected { "retain" } else { "delete" });
        table["ContributorInsightsSpecification"] = json!({ "Enabled": self.insights });
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
}

impl Declared {
    fn scale(&self, table: &mut Value) {
        let (Some(min), Some(_)) = (self.scaled, self.provisioned) else { return };
        let range = json!({ "MinCapacity": min, "MaxCapacity": 40, "TargetValue": 50 });
        for index in table["GlobalSecondaryIndexes"].as_array_mut().into_iter().flatten() {
            index["AutoScaling"] = json!({ "Write": range });
        }
        table["AutoScaling"] = json!({ "Read": range, "Write": range });
    }
}

/// A declaration: some of the three tables.
fn declaration() -> impl Strategy<Value = Value> {
    let tables = TABLES.map(|_| prop::option::weighted(0.8, declared()));
    tables.prop_map(|tables| {
        let declared = TABLES.iter().zip(tables);
        let tables: Vec<_> = declared.filter_map(|(name, table)| Some(table?.json(name))).collect();
        with(properties(&tables), "MaxTableDeletes", json!(3))
    })
}

/// What goes wrong.
#[derive(Debug, Clone)]
struct Trouble {
    seed: u64,
    throttled: f64,
    lost: f64,
    failing: f64,
    /// The process dies before this call of the first deploy.
    crash: Option<usize>,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let crash = prop::option::of(0_usize..150);
    (any::<u64>(), 0.0..0.1, 0.0..0.05, 0.0..0.05, crash).prop_map(
        |(seed, throttled, lost, failing, crash)| Trouble { seed, throttled, lost, failing, crash },
    )
}

fn plane(seed: u64) -> ControlPlane {
    let second = std::time::Duration::from_secs(1);
    let durations = Durations { index_backfill: 20 * second, ..Durations::default() };
    // Quotas end a deploy, and rightly so; they have tests of their own.
    let quotas = Quotas { time_to_live_interval: second, decreases: 1000, ..Quotas::default() };
    ControlPlane::builder().seed(seed).durations(durations).quotas(quotas).build()
}

/// Calls that change something, the ledger's own left out.
fn changing(plane: &ControlPlane) -> Vec<Call> {
    let calls = plane.calls().into_iter();
    let changing = calls.filter(|call| {
        let reads = ["Describe", "List", "Get", "Query", "Scan", "BatchGet"];
        let is_read = reads.iter().any(|verb| call.operation.starts_with(verb));
        !is_read && call.table.as_deref() != Some("tablewright-ledger")
    });
    changing.collect()
}

/// What AWS would show of the declared tables.
async fn portrait(plane: &ControlPlane, declaration: &Value) -> Vec<String> {
    let mut portrait = Vec::new();
    for table in declaration["Tables"].as_array().unwrap() {
        portrait.push(portrait_of(plane, table["TableName"].as_str().unwrap()).await);
    }
    portrait
}

/// Units that nothing scales; others are where they were driven to.
fn fixed(
    scaling: &AutoScaling,
    units: &ProvisionedThroughputDescription,
) -> (Option<i64>, Option<i64>) {
    let fixed = |dimension, units: Option<i64>| units.filter(|_| !scaling.scales(dimension));
    (
        fixed(Dimension::Read, units.read_capacity_units),
        fixed(Dimension::Write, units.write_capacity_units),
    )
}

async fn portrait_of(plane: &ControlPlane, name: &str) -> String {
    let client = plane.client();
    let table = client.describe_table().table_name(name).send().await.unwrap().table.unwrap();
    let arn = table.table_arn.clone().unwrap();
    let names = table.global_secondary_indexes().iter().filter_map(|index| index.index_name());
    let scaling = plane.services().scaler.of_table(name, names).await.unwrap();
    let mut shown = vec![
        format!(
            "{:?}",
            table
                .billing_mode_summary
                .as_ref()
                .map_or(Some("PROVISIONED".into()), |mode| mode.billing_mode.clone())
        ),
        format!("{:?}", table.provisioned_throughput.as_ref().map(|t| fixed(&scaling.table, t))),
        format!(
            "{:?}",
            table.on_demand_throughput.as_ref().and_then(|limits| limits.max_read_request_units)
        ),
        format!(
            "{:?}",
            table.stream_specification.as_ref().and_then(|stream| stream.stream_view_type.clone())
        ),
        format!(
            "{:?}",
            table.sse_description.as_ref().and_then(|sse| sse.kms_master_key_arn.clone()).is_some()
        ),
        format!("{:?}", table.deletion_protection_enabled),
        format!(
            "{:?}",
            table
                .table_class_summary
                .as_ref()
                .and_then(|class| class.table_class.clone())
                .unwrap_or("STANDARD".into())
        ),
    ];
    let mut indexes: Vec<_> = table
        .global_secondary_indexes()
        .iter()
        .map(|index| {
            format!(
                "{:?} {:?} {:?} {:?} {:?}",
                index.index_name,
                index.key_schema,
                index.index_status,
                index
                    .provisioned_throughput
                    .as_ref()
                    .map(|t| fixed(&scaling.indexes[index.index_name().unwrap()], t)),
                index
                    .on_demand_throughput
                    .as_ref()
                    .and_then(|limits| limits.max_read_request_units),
            )
        })
        .collect();
    indexes.sort();
    shown.extend(indexes);
    let mut replicas: Vec<_> =
        table.replicas().iter().map(|replica| format!("{:?}", replica.region_name)).collect();
    replicas.sort();
    shown.extend(replicas);
    shown.push(format!("{scaling:?}"));
    let ttl = client.describe_time_to_live().table_name(name).send().await.unwrap();
    let ttl = ttl.time_to_live_description.unwrap();
    let is_on = ttl.time_to_live_status.is_some_and(|status| status.as_str().starts_with("ENABL"));
    shown.push(format!("expires {is_on}"));
    let backups = client.describe_continuous_backups().table_name(name).send().await.unwrap();
    let backups = backups.continuous_backups_description.unwrap();
    shown.push(format!(
        "{:?}",
        backups.point_in_time_recovery_description.unwrap().point_in_time_recovery_status
    ));
    let insights = client.describe_contributor_insights().table_name(name).send().await.unwrap();
    let is_on = insights
        .contributor_insights_status
        .is_some_and(|status| status.as_str().starts_with("ENABL"));
    shown.push(format!("insights {is_on}"));
    let policy = client.get_resource_policy().resource_arn(&arn).send().await;
    shown.push(format!("{:?}", policy.ok().and_then(|policy| policy.policy)));
    let kinesis =
        client.describe_kinesis_streaming_destination().table_name(name).send().await.unwrap();
    let destinations = kinesis.kinesis_data_stream_destinations.unwrap_or_default();
    let active = destinations.into_iter().filter(|to| {
        to.destination_status.as_ref().is_some_and(|status| status.as_str() == "ACTIVE")
    });
    shown.extend(active.map(|to| format!("{:?}", to.stream_arn)));
    let tags = client.list_tags_of_resource().resource_arn(&arn).send().await.unwrap();
    let tags =
        tags.tags.unwrap_or_default().into_iter().map(|tag| format!("{}={}", tag.key, tag.value));
    let mut tags: Vec<_> = tags.filter(|tag| !tag.starts_with("tablewright:")).collect();
    tags.sort();
    shown.extend(tags);
    format!("{name}: {}", shown.join(" | "))
}

/// Deploys, and deploys again where it fails, as a person would; says what the last one answered.
async fn deploy_until_done(stack: &mut Stack, declaration: &Value) -> Result<usize, String> {
    let mut said = String::new();
    for deploys in 1..=DEPLOYS_MAX {
        let deployed = stack.deploy(declaration).await;
        if deployed.answer.is_success() {
            return Ok(deploys);
        }
        deployed.answer.reason().clone_into(&mut said);
        // What is not there yet may be there later; tags are read late, a protection can be turned again.
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    }
    Err(said)
}

async fn converges(from: &Value, to: &Value, trouble: &Trouble) -> Result<(), TestCaseError> {
    let plane = plane(trouble.seed);
    let mut stack = Stack::new(&plane);
    let settled = deploy_until_done(&mut stack, from).await;
    prop_assert!(settled.is_ok(), "the first deploy: {settled:?}");
    plane.reset_calls();
    if let Some(request) = trouble.crash {
        let trap = Trap::at(request, trap::Fault::Crash);
        stack.connect(trap.client(plane.config()));
        tokio::select! {
            biased;
            () = trap.crashed.notified() => {}
            _ = stack.deploy(to) => {}
        }
        stack.connect(plane.client());
    }
    plane.fault(Fault::throttled().chance(trouble.throttled));
    plane.fault(Fault::lost_answer().chance(trouble.lost));
    plane.fault(Fault::internal_error().chance(trouble.failing));
    let settled = deploy_until_done(&mut stack, to).await;
    prop_assert!(settled.is_ok(), "after {DEPLOYS_MAX} deploys: {settled:?}");
    plane.clear_faults();
    for call in plane.calls() {
        if let Outcome::Rejected { code, message } = &call.outcome {
            let is_mistake = classify(code, message) == Class::Permanent
                && !code.contains("ConditionalCheck")
                && !code.contains("TransactionCanceled");
            prop_assert!(!is_mistake, "{call:?}");
        }
    }
    // What a fault kept the cleanup from is for the next update.
    stack.deploy(&with(to.clone(), "Migrations", json!({ "Hash": "1" }))).await.expect_success();
    plane.reset_calls();
    stack.deploy(&with(to.clone(), "Migrations", json!({ "Hash": "2" }))).await.expect_success();
    prop_assert_eq!(changing(&plane), vec![], "the second run has something to do");

    let fresh = self::plane(0);
    let mut other = Stack::new(&fresh);
    let settled = deploy_until_done(&mut other, to).await;
    prop_assert!(settled.is_ok(), "the fresh deploy: {settled:?}");
    tokio::time::sleep(std::time::Duration::from_mins(5)).await;
    prop_assert_eq!(portrait(&plane, to).await, portrait(&fresh, to).await);
    Ok(())
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn any_declaration_leads_to_any_other_whatever_goes_wrong(
        from in declaration(), to in declaration(), trouble in trouble()
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(converges(&from, &to, &trouble))?;
    }
}
