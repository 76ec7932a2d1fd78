//! Migrations in JavaScript through whole deploys: there and back, exactly once, and what the answer says of a script.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tablewright::authoring::{self, Language, Source};
use tablewright::migrator::Builder;
use tablewright::testing::{ControlPlane, Durations, Stack};
use tablewright::{Migration, Migrator};

use crate::support::{Item, item, number, properties, table, text};

/// A stack with the tables `orders` and `labels`, and some orders.
struct World {
    plane: ControlPlane,
    stack: Stack,
    declared: Value,
    deploys: u32,
}

impl World {
    async fn with(orders: impl IntoIterator<Item = Item>) -> Self {
        let plane = ControlPlane::builder().durations(Durations::none()).build();
        let mut stack = Stack::new(&plane);
        let declared = properties(&[table("orders"), table("labels")]);
        stack.deploy(&declared).await.expect_success();
        let client = plane.client();
        for order in orders {
            client.put_item().table_name("orders").set_item(Some(order)).send().await.unwrap();
        }
        Self { plane, stack, declared, deploys: 0 }
    }

    /// Deploys a build with these migrations, and another resource that fails after it where that is asked for; whether the
    /// answer says SUCCESS, and its reason.
    async fn deploy(&mut self, scripts: &[&str], fails_later: bool) -> (bool, String) {
        let numbered = scripts.iter().enumerate().map(|(n, text)| migration(n + 1, text));
        let builder = numbered.fold(Migrator::builder(), Builder::migration);
        self.stack.build(builder.build());
        self.deploys += 1;
        let mut declared = self.declared.clone();
        declared["Migrations"] = json!({ "Hash": self.deploys.to_string() });
        let deployed = if fails_later {
            self.stack.deploy_and_fail_later(&declared).await
        } else {
            self.stack.deploy(&declared).await
        };
        (deployed.answer.is_success(), deployed.answer.reason().to_owned())
    }

    #[track_caller]
    fn succeeds(&mut self, scripts: &[&str]) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let (success, reason) = self.deploy(scripts, false).await;
            assert!(success, "{caller}: {reason}");
            reason
        }
    }

    async fn fails(&mut self, script: &str, parts: &[&str]) {
        let before = self.items("orders").await;
        let (success, reason) = self.deploy(&[script], false).await;
        assert!(!success, "{reason}");
        for part in parts {
            assert!(reason.contains(part), "{part:?} is not in: {reason}");
        }
        assert!(!reason.contains("SECRET"), "{reason}");
        assert_eq!(self.items("orders").await, before);
    }

    async fn items(&self, table: &str) -> BTreeMap<String, Item> {
        let pages = self.plane.client().scan().table_name(table).into_paginator().items().send();
        let items: Vec<Item> = pages.collect::<Result<_, _>>().await.unwrap();
        items.into_iter().map(|item| (item["pk"].as_s().unwrap().clone(), item)).collect()
    }
}

fn migration(number: usize, text: &str) -> Migration {
    let id = format!("{number:04}_script");
    let file = format!("migrations/{id}.js");
    let source = Source { id, language: Language::JavaScript, file, text: text.to_owned() };
    authoring::read(&source).unwrap_or_else(|faults| panic!("{}", faults[0].shown()))
}

fn orders(count: usize) -> impl Iterator<Item = Item> {
    (0..count).map(|n| {
        let status = if n % 2 == 0 { "open" } else { "closed" };
        item([
            ("pk", text(&format!("{n:03}"))),
            ("status", text(status)),
            ("n", AttributeValue::N(format!("{n}.0"))),
            ("id", AttributeValue::N("98765432109876543210987654321098765432".to_owned())),
            ("tags", AttributeValue::Ss(vec!["b".to_owned(), "a".to_owned()])),
            ("raw", AttributeValue::B(Blob::new([0, 255]))),
        ])
    })
}

const LABEL: &str = r"
export const table = 'orders'
export const description = 'a label for every open order'

export function up(item) {
  if (item.status === 'open') item.label = `ORDER#${item.pk}`
}

export function down(item) {
  delete item.label
}
";

#[tokio::test(start_paused = true)]
async fn a_script_leads_there_and_back_and_what_it_does_not_touch_stays_as_it_was() {
    let mut world = World::with(orders(60)).await;
    let before = world.items("orders").await;
    world.succeeds(&[]).await;
    let (success, _) = world.deploy(&[LABEL], true).await;
    assert!(success);
    assert_eq!(world.items("orders").await, before, "the stack was rolled back");

    world.succeeds(&[LABEL]).await;
    for (pk, order) in world.items("orders").await {
        let mut wanted = before[&pk].clone();
        if wanted["status"] == text("open") {
            wanted.insert("label".to_owned(), text(&format!("ORDER#{pk}")));
        }
        assert_eq!(order, wanted);
    }
    let ledger = world.plane.client().scan().table_name("tablewright-ledger").send().await.unwrap();
    let row =
        ledger.items().iter().find(|row| row["entry"] == text("migration#0001_script")).unwrap();
    assert_eq!(row["state"], text("applied"));
    assert!(row["fingerprint"].as_s().unwrap().starts_with("javascript "), "{row:?}");
}

#[tokio::test(start_paused = true)]
async fn a_script_deletes_skips_and_puts() {
    let mut world = World::with(orders(30)).await;
    let script = r"
import { put, remove, skip } from 'tablewright'
export const table = 'orders'
export function up(item) {
  if (item.status === 'closed') return remove()
  if (item.n < 10) return skip('it is small')
  return put({ table: 'labels', item: { pk: `LABEL#${item.pk}`, id: item.id } })
}
";
    let reason = world.succeeds(&[script]).await;
    assert!(world.items("orders").await.values().all(|order| order["status"] == text("open")));
    let labels = world.items("labels").await;
    assert_eq!(labels.len(), 10, "{reason}");
    assert_eq!(
        labels["LABEL#010"]["id"],
        AttributeValue::N("98765432109876543210987654321098765432".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_second_application_would_change_needs_a_guard() {
    let count = "export const table = 'orders'\nexport function up(item) { item.n += 1 }\n";
    let mut world = World::with(orders(40)).await;
    world.fails(count, &["changes n once more", "stamp", "journal"]).await;

    for guard in ["stamp", "journal"] {
        let mut world = World::with(orders(40)).await;
        let guarded = format!("{count}export const guard = '{guard}'\n");
        world.succeeds(&[&guarded]).await;
        let after = world.items("orders").await;
        assert!(
            after.iter().all(|(pk, order)| order["n"] == number(pk.parse::<u32>().unwrap() + 1))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_script_that_fails_is_taken_back_and_the_answer_names_file_line_and_key() {
    let mut world = World::with(
        orders(20).chain([item([("pk", text("the last")), ("total", text("SECRET"))])]),
    )
    .await;
    for (body, parts) in [
        ("throw new Error('no total')", &["0001_script.js:5:", "no total"][..]),
        ("item.total.digits.length", &["0001_script.js:5:", "cannot read property 'length'"]),
        ("item.total = Number(item.total)", &["total is NaN"]),
        ("return null", &["up returned null; return nothing"]),
        ("for (;;);", &["ran for more than 1 s"]),
        ("item.pk += '!'", &["changed its key"]),
    ] {
        let script = format!(
            "export const table = 'orders'\nexport function up(item) {{\n  item.seen = true\n  if (!item.total) return\n{body}\n}}\n\
             export function down(item) {{ delete item.seen }}\n"
        );
        world.fails(&script, &[parts, &["pk=the last"]].concat()).await;
    }
    let (success, reason) = world
        .deploy(&["export const table = 'orders', maxFailedItems = 1\nexport function up(item) { if (item.total) throw new Error('no'); item.seen = true }"], false)
        .await;
    assert!(success, "{reason}");
    let orders = world.items("orders").await;
    assert_eq!(orders.values().filter(|order| order.contains_key("seen")).count(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_script_verifies_what_it_has_made() {
    let verify = |made: &str| {
        format!(
            "{LABEL}\nexport const verifySample = 'all'\nexport function verify(item) {{ return item.status !== 'open' || item.label === {made} }}"
        )
    };
    let mut world = World::with(orders(20)).await;
    world.fails(&verify("'x'"), &["verify returned false", "pk="]).await;
    world.succeeds(&[&verify("`ORDER#${item.pk}`")]).await;
}
