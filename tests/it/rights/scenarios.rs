//! Lives of stacks that together take every right: each feature comes, changes and goes, each kind of migration runs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    ConditionCheck, KeysAndAttributes, PutRequest, TransactWriteItem, WriteRequest,
};
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};
use tablewright::authoring::{self, Language, Source};
use tablewright::desired::Desired;
use tablewright::migration::Spec;
use tablewright::migrator::Builder;
use tablewright::services::Regions;
use tablewright::testing::{ControlPlane, Deployed, KeyState, Stack};
use tablewright::{
    Backfill, Change, Context, Guard, Item, Migration, MigrationError, Migrator, Put, TableCopy,
};

use super::asked::{self, Ask, MACHINE};
use crate::strict;
use crate::support::{item, number, properties, table, text, with, with_index};

type Life = for<'a> fn(&'a mut World) -> LocalBoxFuture<'a, ()>;

/// What came of a scenario.
pub(super) struct Ran {
    /// What its requests took.
    pub(super) asked: BTreeSet<Ask>,
    /// What it took to plan each of its declarations at its end, and to look at what has happened.
    pub(super) asked_to_plan: BTreeSet<Ask>,
    /// What was declared in it.
    pub(super) declarations: Vec<Desired>,
    /// What its builds have.
    pub(super) specs: Vec<Spec>,
}

pub(super) const SCENARIOS: &[(&str, Life)] = &[
    ("a table of no features", |world| Box::pin(plain(world))),
    ("every feature comes, changes and goes", |world| Box::pin(features(world))),
    ("replicas", |world| Box::pin(replicas(world))),
    ("a table that leaves with a snapshot", |world| Box::pin(removed(world))),
    ("a deploy that fails and takes its tables back", |world| Box::pin(failing(world))),
    ("backfills", |world| Box::pin(backfills(world))),
    ("journals", |world| Box::pin(journals(world))),
    ("a rollback of the stack", |world| Box::pin(reverts(world))),
    ("a copy", |world| Box::pin(copies(world))),
    ("functions", |world| Box::pin(functions(world))),
    ("files", |world| Box::pin(files(world))),
];

/// Runs a scenario in a time of its own.
pub(super) fn run(life: Life) -> Ran {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new();
        life(&mut world).await;
        let asked = std::mem::take(&mut *world.asked.lock().unwrap());
        world.look().await;
        let asked_to_plan = std::mem::take(&mut *world.asked.lock().unwrap());
        Ran { asked, asked_to_plan, declarations: world.declarations, specs: world.specs }
    })
}

pub(super) struct World {
    plane: ControlPlane,
    stack: Stack,
    asked: Arc<Mutex<BTreeSet<Ask>>>,
    properties: Vec<Value>,
    declarations: Vec<Desired>,
    specs: Vec<Spec>,
    deploys: u32,
    /// Rights to take back what a newer build has done would hide that others are missing.
    on_stack_rollback: &'static str,
}

impl World {
    fn new() -> Self {
        let plane = ControlPlane::new();
        let asked = Arc::default();
        watch(&plane, "eu-west-1", &asked);
        let mut stack = Stack::new(&plane);
        stack.state_machine();
        let (properties, declarations, specs) = (Vec::new(), Vec::new(), Vec::new());
        // What no plane sees: the stack is asked for, and long runs are handed over.
        asked.lock().unwrap().extend([
            Ask::new("cloudformation:DescribeStacks", super::home().stack),
            Ask::new("states:StartExecution", MACHINE),
        ]);
        Self {
            plane,
            stack,
            asked,
            properties,
            declarations,
            specs,
            deploys: 0,
            on_stack_rollback: "keep",
        }
    }

    /// Deploys a build; what it takes is on record, whatever comes of it.
    async fn try_deploy(&mut self, tables: &[Value], migrations: Vec<Migration>) -> Deployed {
        self.deploys += 1;
        let declared = with(properties(tables), "MaxTableDeletes", json!(3));
        let migrating = json!({ "Hash": self.deploys.to_string(), "Baseline": "none" });
        let declared = with(declared, "Migrations", migrating);
        let declared = with(declared, "OnStackRollback", json!(self.on_stack_rollback));
        self.declarations.push(Desired::read(&declared).unwrap());
        self.properties.push(declared.clone());
        let builder = migrations.into_iter().fold(Migrator::builder(), Builder::migration);
        let migrator = builder.build().unwrap();
        self.specs.extend(migrator.specs());
        self.stack.build(Ok(migrator));
        self.stack.deploy(&declared).await
    }

    async fn deploy(&mut self, tables: &[Value], migrations: Vec<Migration>) {
        self.try_deploy(tables, migrations).await.expect_success();
        // Expiry changes about once an hour.
        tokio::time::sleep(Duration::from_hours(2)).await;
    }

    async fn look(&self) {
        for verb in ["status", "history"] {
            // Of a first deploy that has failed, nothing is left to look at.
            self.stack.command(json!({ "tablewright": verb })).await.ok();
        }
        for properties in &self.properties {
            let plan = json!({ "tablewright": "plan", "properties": properties });
            self.stack.command(plan).await.ok();
        }
    }

    async fn put(&self, table: &str, items: impl IntoIterator<Item = crate::support::Item>) {
        for item in items {
            let put = self.plane.bystander().put_item().table_name(table).set_item(Some(item));
            put.send().await.unwrap();
        }
    }
}

fn watch(plane: &ControlPlane, region: &'static str, asked: &Arc<Mutex<BTreeSet<Ask>>>) {
    let asked = asked.clone();
    plane.watch(move |arrival| {
        asked.lock().unwrap().extend(asked::of(region, &arrival));
        async {}
    });
}

async fn plain(world: &mut World) {
    world.deploy(&[table("orders")], vec![]).await;
    world.deploy(&[with_index(table("orders"), "by_a", "a")], vec![]).await;
    world.deploy(&[table("orders")], vec![]).await;
}

/// A table with everything that a table can have, in one of two ways.
fn full(is_first: bool) -> Value {
    let [units, days] = if is_first { [5, 7] } else { [9, 9] };
    let throughput = json!({ "ReadCapacityUnits": units, "WriteCapacityUnits": units });
    let range = json!({ "MinCapacity": units, "MaxCapacity": 40, "TargetValue": 50 });
    let insights = json!({ "Enabled": true });
    let mut orders = with_index(table("orders"), "by_a", "a");
    for part in ["/GlobalSecondaryIndexes/0", ""] {
        let part = orders.pointer_mut(part).unwrap();
        part["ProvisionedThroughput"] = throughput.clone();
        part["AutoScaling"] = json!({ "Read": range, "Write": range });
        part["ContributorInsightsSpecification"] = insights.clone();
    }
    orders["BillingMode"] = json!("PROVISIONED");
    orders["Tags"] = json!([{ "Key": if is_first { "team" } else { "cost" }, "Value": "1" }]);
    orders["SSESpecification"] = json!({ "SSEEnabled": true, "KMSMasterKeyId": "alias/orders" });
    orders["TimeToLiveSpecification"] = json!({ "AttributeName": "ttl", "Enabled": true });
    orders["PointInTimeRecoverySpecification"] =
        json!({ "PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": days });
    let root = json!({ "AWS": "arn:aws:iam::111122223333:root" });
    let action = if is_first { "dynamodb:Query" } else { "dynamodb:Scan" };
    let statement =
        json!({ "Effect": "Allow", "Principal": root, "Action": action, "Resource": "*" });
    orders["ResourcePolicy"] = json!({ "PolicyDocument": { "Statement": [statement] } });
    let mut kinesis = json!({ "StreamArn": "arn:aws:kinesis:eu-west-1:111122223333:stream/a" });
    if !is_first {
        kinesis["ApproximateCreationDateTimePrecision"] = json!("MICROSECOND");
    }
    with(orders, "KinesisStreamSpecification", kinesis)
}

async fn features(world: &mut World) {
    let _arn = world.plane.add_key("orders", KeyState::Enabled);
    world.deploy(&[full(true)], vec![]).await;
    world.deploy(&[full(false)], vec![]).await;
    world.deploy(&[with_index(table("orders"), "by_a", "a")], vec![]).await;
}

async fn replicas(world: &mut World) {
    // Another region is another plane, on which the replica is a table like others.
    let there = ControlPlane::builder().region("us-east-1").build();
    strict::create(&there.bystander(), "orders").await;
    watch(&there, "us-east-1", &world.asked);
    let client = there.clone();
    world.stack.connect_regions(Regions::new(move |_| client.client()));
    let replica = |on: bool| {
        json!([{
            "Region": "us-east-1",
            "Tags": [{ "Key": if on { "team" } else { "cost" }, "Value": "1" }],
            "DeletionProtectionEnabled": on,
            "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": on },
            "ContributorInsightsSpecification": { "Enabled": on },
            "TableClass": if on { "STANDARD_INFREQUENT_ACCESS" } else { "STANDARD" },
        }])
    };
    for on in [true, false] {
        world.deploy(&[with(table("orders"), "Replicas", replica(on))], vec![]).await;
    }
    world.deploy(&[table("orders")], vec![]).await;
}

async fn removed(world: &mut World) {
    let policy = |policy: &str| with(table("carts"), "RemovalPolicy", json!(policy));
    world.deploy(&[table("orders"), policy("snapshot")], vec![]).await;
    world.deploy(&[table("orders")], vec![]).await;
}

#[expect(clippy::unnecessary_wraps, reason = "transforms can fail")]
fn update(mut order: Item) -> Result<Change, MigrationError> {
    order.set_text("label", "x");
    Ok(Change::Update(order))
}

#[expect(clippy::unnecessary_wraps, reason = "transforms can fail")]
fn delete(_: Item) -> Result<Change, MigrationError> {
    Ok(Change::Delete)
}

fn poisoned(order: Item) -> Result<Change, MigrationError> {
    if order.text("pk")? == "0" { Err(MigrationError::new("poison")) } else { update(order) }
}

#[expect(clippy::unnecessary_wraps, reason = "transforms can fail")]
fn archive(order: Item) -> Result<Change, MigrationError> {
    Ok(Change::Put(vec![Put { table: "carts".to_owned(), item: order }]))
}

fn increment(mut order: Item) -> Result<Change, MigrationError> {
    let n: u64 = order.number("n")?.parse()?;
    order.set_number("n", n + 1);
    Ok(Change::Update(order))
}

fn orders(count: u64) -> impl Iterator<Item = crate::support::Item> {
    (0..count).map(|id| item([("pk", text(&id.to_string())), ("n", number(id))]))
}

/// Fails, and leaves nothing to be taken back; a function would take the rights to anything.
fn fails(id: &'static str) -> Migration {
    let up = |_| Err(MigrationError::new("no"));
    Migration::backfill(id, "orders", up).down_items(|_| Ok(Change::Keep))
}

async fn failing(world: &mut World) {
    // Another region's stream turns out unusable when the table is made.
    let stream = json!({ "StreamArn": "arn:aws:kinesis:us-east-1:111122223333:stream/a" });
    let unusable = with(table("orders"), "KinesisStreamSpecification", stream);
    let failed = world.try_deploy(&[unusable], vec![]).await;
    assert!(!failed.answer.is_success());
}

/// The migrations of a build, made anew for each.
fn backfilling(newest: usize) -> Vec<Migration> {
    let some = Backfill::new("orders", poisoned).max_failed_items(1);
    let all = [
        Migration::backfill("0001_put", "orders", archive),
        Migration::backfills("0002_some", [some]),
        Migration::backfill("0003_delete", "orders", delete),
        Migration::backfill("0004_label", "carts", update).guard(Guard::Stamp),
        Migration::backfill("0005_one", "single", update).down_items(|_| Ok(Change::Delete)),
        Migration::backfill("0006_gone", "single", delete),
    ];
    all.into_iter().take(newest).collect()
}

async fn backfills(world: &mut World) {
    let tables = [table("orders"), table("carts"), table("single")];
    world.deploy(&tables, vec![]).await;
    world.put("orders", orders(60)).await;
    // One item alone is no batch.
    world.put("single", orders(1)).await;
    // What could not be handled is tried again by the next.
    for newest in [2, 2, 6] {
        world.deploy(&tables, backfilling(newest)).await;
    }
}

fn journalled() -> Vec<Migration> {
    let gone = |order: Item| if order.text("pk")? > "2" { delete(order) } else { update(order) };
    vec![
        Migration::backfill("0001_n", "orders", increment).guard(Guard::Journal),
        Migration::backfill("0002_gone", "orders", gone).guard(Guard::Journal),
    ]
}

async fn journals(world: &mut World) {
    world.deploy(&[table("orders")], vec![]).await;
    world.put("orders", orders(40)).await;
    let mut build = journalled();
    let no = |_| Err(MigrationError::new("no"));
    build.push(Migration::backfill("0003_fails", "orders", no).guard(Guard::Journal));
    let failed = world.try_deploy(&[table("orders")], build).await;
    assert!(!failed.answer.is_success());
}

/// Takes the label away, and leaves one item another than the journal has it.
fn unlabel(mut order: Item) -> Result<Change, MigrationError> {
    order.remove("label");
    if order.text("pk")? == "1" {
        order.set_number("n", 99);
    }
    Ok(Change::Update(order))
}

/// The rights are those of the older build, which has no migrations.
async fn reverts(world: &mut World) {
    world.on_stack_rollback = "revert";
    let tables = [table("orders"), table("carts"), table("single")];
    world.deploy(&tables, vec![]).await;
    world.put("orders", orders(40)).await;
    world.put("carts", orders(40)).await;
    world.put("single", orders(1)).await;
    let labelled = |id, of| Migration::backfill(id, of, update).down_items(unlabel);
    let made = |id, of| Migration::backfill(id, of, update).down_items(delete);
    let mut build = journalled();
    build.extend([labelled("0003_all", "orders"), labelled("0004_one", "single")]);
    build.extend([made("0005_made", "carts"), made("0006_one", "single"), fails("0007_fails")]);
    let failed = world.try_deploy(&tables, build).await;
    assert!(!failed.answer.is_success());
    assert!(!failed.answer.reason().contains("Not undone"), "{}", failed.answer.reason());
    world.specs.clear();
}

fn by_customer(mut order: Item) -> Result<Vec<Item>, MigrationError> {
    if !order.has("customer") {
        return Ok(Vec::new());
    }
    let customer = order.text("customer")?.to_owned();
    order.set_text("pk", customer);
    Ok(vec![order])
}

/// Orders of customers of their own, each pair of which may have changed places.
fn of_customers(is_swapped: bool) -> impl Iterator<Item = crate::support::Item> {
    (0..16_u32).map(move |id| {
        let customer = if is_swapped { id ^ 1 } else { id };
        item([("pk", text(&id.to_string())), ("customer", text(&format!("c{customer}")))])
    })
}

async fn copies(world: &mut World) {
    let stream = json!({ "StreamViewType": "NEW_AND_OLD_IMAGES" });
    let tables = [with(table("orders"), "StreamSpecification", stream), table("carts")];
    world.deploy(&tables, vec![]).await;
    world.put("orders", of_customers(false)).await;
    let copy = || {
        let copy = TableCopy::new("orders", "carts", by_customer);
        Migration::copy("0001_copy", copy.caught_up_within(Duration::from_secs(5)))
    };
    let failed = world.try_deploy(&tables, vec![copy(), fails("0002_fails")]).await;
    assert!(!failed.answer.is_success());
    world.deploy(&tables, vec![copy()]).await;
    world.put("orders", of_customers(true)).await;
    for change in ["REMOVE customer", "SET n = :n"] {
        let client = world.plane.bystander();
        let update = client.update_item().table_name("orders").update_expression(change);
        let id = if change.starts_with("SET") { "3" } else { "7" };
        let update = update.key("pk", text(id));
        let value = change.starts_with("SET").then(|| (":n".to_owned(), number(1)));
        let update = update.set_expression_attribute_values(value.map(|value| [value].into()));
        update.send().await.unwrap();
    }
    let finish = Migration::finish_copy("0002_done", "0001_copy");
    world.deploy(&tables, vec![copy(), finish]).await;
}

/// Does all that can be done with items, as a function may.
async fn anything(cx: Context) -> Result<(), MigrationError> {
    let client = cx.dynamo();
    let key = KeysAndAttributes::builder().keys(item([("pk", text("1"))])).build()?;
    client.batch_get_item().request_items("orders", key).send().await?;
    let put = PutRequest::builder().set_item(Some(item([("pk", text("b"))]))).build()?;
    let put = WriteRequest::builder().put_request(put).build();
    client.batch_write_item().request_items("orders", vec![put]).send().await?;
    let key = ("pk", text("1"));
    client.get_item().table_name("orders").key(key.0, key.1.clone()).send().await?;
    client.put_item().table_name("orders").item(key.0, key.1.clone()).send().await?;
    for index in [None, Some("by_a".to_owned())] {
        client.scan().table_name("orders").set_index_name(index.clone()).send().await?;
        let name = if index.is_some() { "a" } else { "pk" };
        let query = client.query().table_name("orders").set_index_name(index);
        let query =
            query.key_condition_expression("#k = :k").expression_attribute_names("#k", name);
        query.expression_attribute_values(":k", text("1")).send().await?;
    }
    let check = ConditionCheck::builder().table_name("orders").key(key.0, key.1);
    let check = check.condition_expression("attribute_exists(pk)").build()?;
    let check = TransactWriteItem::builder().condition_check(check).build();
    client.transact_write_items().transact_items(check).send().await?;
    let labels = || async { cx.backfill("labels", "orders", update).await.map(drop) };
    cx.step("labels", labels).await?;
    cx.run("delete", Backfill::new("orders", delete)).await?;
    client.update_item().table_name("orders").key("pk", text("u")).send().await?;
    client.delete_item().table_name("orders").key("pk", text("u")).send().await?;
    partiql(cx).await
}

/// Statements of each kind.
async fn partiql(cx: Context) -> Result<(), MigrationError> {
    let client = cx.dynamo();
    for statement in [
        r#"INSERT INTO "orders" VALUE {'pk': 'p'}"#,
        r#"UPDATE "orders" SET a='1' WHERE pk='p'"#,
        r#"SELECT * FROM "orders" WHERE pk='p'"#,
        r#"SELECT * FROM "orders"."by_a" WHERE a='1'"#,
        r#"DELETE FROM "orders" WHERE pk='p'"#,
    ] {
        client.execute_statement().statement(statement).send().await?;
    }
    Ok(())
}

async fn functions(world: &mut World) {
    let tables = [with_index(table("orders"), "by_a", "a")];
    world.deploy(&tables, vec![]).await;
    world.put("orders", orders(30)).await;
    world.deploy(&tables, vec![Migration::new("0001_free", anything)]).await;
}

/// A migration that is written in a file.
fn file(id: &str, language: Language, text: &str) -> Migration {
    let file = format!("migrations/{id}");
    let source = Source { id: id.to_owned(), language, file, text: text.to_owned() };
    authoring::read(&source).unwrap_or_else(|faults| panic!("{}", faults[0].shown()))
}

fn written() -> Vec<Migration> {
    let statements = r#"
statements:
  - >-
    INSERT INTO "legacy" VALUE {'pk': 's', 'n': 1}
  - UPDATE "legacy" SET n = 2 WHERE pk = 's'
  - DELETE FROM "legacy" WHERE pk = 's'
down: { statements: ["DELETE FROM \"legacy\" WHERE pk = 's'"] }
"#;
    let copied = "
changes: [{ table: orders, copy_to: { table: archive, set: { from: orders } } }]
down: { changes: [{ table: archive, when: 'true', delete: true }] }
";
    let script = r#"
export const table = "orders";
export function up(item) { return { ...item, label: "x" }; }
export function down(item) { delete item.label; return item; }
"#;
    vec![
        file("0001_statements", Language::Yaml, statements),
        file("0002_copied", Language::Yaml, copied),
        file("0003_label", Language::JavaScript, script),
    ]
}

/// Of tables that are not declared, all that is known is in the files.
async fn files(world: &mut World) {
    for name in ["legacy", "archive"] {
        strict::create(&world.plane.bystander(), name).await;
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    world.deploy(&[table("orders")], vec![]).await;
    world.put("orders", orders(30)).await;
    let mut build = written();
    build.push(fails("0004_fails"));
    let failed = world.try_deploy(&[table("orders")], build).await;
    assert!(!failed.answer.is_success());
    assert!(!failed.answer.reason().contains("Not undone"), "{}", failed.answer.reason());
    world.deploy(&[table("orders")], written()).await;
}
