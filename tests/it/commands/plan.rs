//! The command `plan`: what a reviewer is shown, what becomes of a sample, and that all of it reads alone.

use serde_json::{Value, json};
use tablewright::migrator::Builder;
use tablewright::testing::{self, ControlPlane};
use tablewright::{Backfill, Change, Guard, Item, Migration, MigrationError, Migrator, Phase, Put};

use super::assert_says;
use crate::support::{item, number, properties, table, text, with, with_index};

/// What an item holds and nobody but who asks may see.
const SECRET: &str = "open sesame";

fn streamed(name: &str) -> Value {
    with(table(name), "StreamSpecification", json!({ "StreamViewType": "NEW_AND_OLD_IMAGES" }))
}

/// What is there: orders with a stream and an index that nobody declares any more, and a table that is to go.
fn before() -> Value {
    let old = with(table("old"), "RemovalPolicy", json!("delete"));
    properties(&[with_index(streamed("orders"), "by_a", "a"), old])
}

/// What is declared next, as far as the migration before the last.
fn after() -> Value {
    let mut after = properties(&[with_index(streamed("orders"), "by_b", "b"), table("archive")]);
    after["Migrations"] = json!({ "Target": "0005_f" });
    after
}

fn add_label(mut order: Item) -> Result<Change, MigrationError> {
    let label = format!("ORDER#{}", order.text("pk")?);
    order.set_text("label", label);
    Ok(Change::Update(order))
}

/// Sees the label that the migration before it has made; some it cannot handle, and one it leaves alone.
fn shorten(mut order: Item) -> Result<Change, MigrationError> {
    match order.number("n")? {
        "3" => Err(MigrationError::new("n is 3")),
        "4" => Ok(Change::Skip("n is 4".to_owned())),
        _ => {
            let short = order.text("label")?.replace("ORDER#", "");
            order.set_text("short", short);
            order.remove("card");
            Ok(Change::Update(order))
        }
    }
}

fn count(mut order: Item) -> Result<Change, MigrationError> {
    let n: u64 = order.number("n")?.parse()?;
    order.set_number("n", n + 1);
    Ok(Change::Update(order))
}

/// Has the archive take over the orders of which it sees that they are short.
#[expect(clippy::unnecessary_wraps, reason = "a transform can fail, and this one does not")]
fn archive(order: Item) -> Result<Change, MigrationError> {
    if !order.has("short") {
        return Ok(Change::Keep);
    }
    Ok(Change::Put(vec![Put { table: "archive".to_owned(), item: order }]))
}

fn migrations() -> Vec<Migration> {
    let undo = |mut order: Item| {
        order.remove("label");
        Ok(Change::Update(order))
    };
    vec![
        Migration::backfill("0001_a", "orders", add_label)
            .description("a label on every order")
            .down_items(undo),
        Migration::backfills(
            "0002_b",
            [Backfill::new("orders", shorten).max_failed_items(5).guard(Guard::Journal)],
        ),
        Migration::backfill("0003_c", "orders", count),
        Migration::backfills(
            "0004_d",
            [Backfill::new("orders", archive), Backfill::new("archive", add_label)],
        )
        .phase(Phase::Contract),
        Migration::new("0005_f", |_| async { Ok(()) }).idempotent(),
        Migration::backfill("0006_g", "orders", |_| Ok(Change::Delete)),
    ]
}

async fn world() -> (ControlPlane, testing::Stack) {
    crate::logs::collect();
    let plane = ControlPlane::new();
    let mut stack = testing::Stack::new(&plane);
    stack.deploy(&before()).await.expect_success();
    for n in 1..=4 {
        let order = item([("pk", text(&n.to_string())), ("n", number(n)), ("card", text(SECRET))]);
        plane.client().put_item().table_name("orders").set_item(Some(order)).send().await.unwrap();
    }
    plane.count("orders", 12_345_678, 5 << 30);
    let build = migrations().into_iter().fold(Migrator::builder(), Builder::migration).build();
    stack.build(build);
    (plane, stack)
}

#[tokio::test(start_paused = true)]
async fn a_reviewer_is_shown_all_of_it_as_text_as_data_and_for_a_pull_request() {
    let (_plane, stack) = world().await;
    let plan = json!({ "tablewright": "plan", "properties": after() });
    let plan = stack.command(plan).await.unwrap();
    assert_eq!((&plan["pending"], &plan["sample"]), (&json!(true), &Value::Null));
    insta::assert_snapshot!("plan_text", plan["text"].as_str().unwrap());
    insta::assert_snapshot!("plan_markdown", plan["markdown"].as_str().unwrap());
    insta::assert_snapshot!("plan_json", serde_json::to_string_pretty(&plan["plan"]).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_sample_goes_through_all_migrations_and_their_checks() {
    let (plane, stack) = world().await;
    let ask = async |sample: Value| {
        let mut plan = json!({ "tablewright": "plan", "properties": after() });
        plan.as_object_mut().unwrap().extend(sample.as_object().unwrap().clone());
        stack.command(plan).await.unwrap()
    };
    plane.reset_calls();
    let shown = ask(json!({ "sample": 10 })).await;
    let calls = plane.calls();
    let reads = ["DescribeTable", "ListTagsOfResource", "Query", "Scan"];
    let is_read = |operation: &str| reads.contains(&operation) || operation.starts_with("Describe");
    assert!(calls.iter().all(|call| is_read(&call.operation)), "{calls:?}");
    assert!(calls.iter().any(|call| call.operation == "Scan"), "{calls:?}");

    let sample = |plan: &Value| {
        let text = plan["text"].as_str().unwrap();
        text[text.find("A sample of").unwrap()..].to_owned()
    };
    insta::assert_snapshot!("sample_shown", sample(&shown));
    let redacted = ask(json!({ "sample": 10, "redact": true })).await;
    insta::assert_snapshot!("sample_redacted", sample(&redacted));
    assert!(shown["markdown"].as_str().unwrap().contains(&sample(&shown)));
    // Whoever asks is shown what items hold, unless it is to be redacted; nobody else is.
    assert!(shown.to_string().contains(SECRET));
    assert!(!redacted.to_string().contains(SECRET));
    assert!(crate::logs::holds(r#""verb":"plan""#) && !crate::logs::holds(SECRET));
    let orders = &shown["sample"]["migrations"][1]["backfills"][0];
    assert_eq!((&orders["read"], &orders["failed"]), (&json!(4), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_sample_has_about_as_many_items_as_were_asked_for_from_all_parts() {
    let plane = ControlPlane::builder().page_items(3).build();
    let mut stack = testing::Stack::new(&plane);
    stack.deploy(&before()).await.expect_success();
    for n in 0..60 {
        let order = item([("pk", text(&n.to_string())), ("n", number(1))]);
        plane.client().put_item().table_name("orders").set_item(Some(order)).send().await.unwrap();
    }
    let label = Migration::backfill("0001_a", "orders", add_label);
    stack.build(Migrator::builder().migration(label).build());
    for (asked, read) in [(1, 1), (7, 7), (50, 50), (100, 60)] {
        let plan = json!({ "tablewright": "plan", "properties": before(), "sample": asked });
        let plan = stack.command(plan).await.unwrap();
        assert_eq!(plan["sample"]["migrations"][0]["backfills"][0]["read"], read, "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_is_refused_says_so_in_markdown_too() {
    let (_plane, stack) = world().await;
    let mut declared = after();
    declared["Migrations"] = json!({ "Target": "0009_x" });
    let plan = json!({ "tablewright": "plan", "properties": declared, "sample": 1 });
    let plan = stack.command(plan).await.unwrap();
    assert_eq!((&plan["pending"], &plan["sample"]), (&json!(false), &Value::Null));
    let markdown = plan["markdown"].as_str().unwrap();
    assert_says(markdown, &["### tablewright: refused", r"- Migrations.Target 0009\_x is none"]);
}

#[tokio::test(start_paused = true)]
async fn migrations_in_files_are_tried_on_a_sample_like_all_others() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/shop/migrations");
    let plane = ControlPlane::new();
    let mut stack = testing::Stack::new(&plane);
    let declared = properties(&[table("orders"), table("orders-archive"), table("settings")]);
    stack.deploy(&declared).await.expect_success();
    for (pk, status, total) in [("1", "open", "12.50"), ("2", "closed", "7"), ("3", "open", "7,5")]
    {
        let order = [("pk", pk), ("status", status), ("total", total), ("mail", "a@example.com")];
        let order = item(order.map(|(name, value)| (name, text(value))));
        plane.client().put_item().table_name("orders").set_item(Some(order)).send().await.unwrap();
    }
    stack.build(Migrator::builder().folder(shop).build());
    let plan = json!({ "tablewright": "plan", "properties": declared, "sample": 9 });
    let plan = stack.command(plan).await.unwrap();
    // Files are named as they were found.
    let text = plan["text"].as_str().unwrap().replace(shop, "migrations");
    insta::assert_snapshot!("shop", text);
}
