//! Migrations in YAML, from the file through a deploy to the items, and back.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tablewright::authoring::{Language, Source, read};
use tablewright::migrator::Builder;
use tablewright::testing::{ControlPlane, Durations, Fault, Stack};
use tablewright::{Migration, MigrationError, Migrator};

use crate::support::{item, number, properties, table, text};

type WireItem = crate::support::Item;

/// A stack with the tables `orders` and `archive`, and some orders.
struct World {
    plane: ControlPlane,
    stack: Stack,
    deploys: u32,
    declared: Value,
}

impl World {
    async fn new() -> Self {
        let plane = ControlPlane::builder().durations(Durations::none()).build();
        let mut stack = Stack::new(&plane);
        let declared = properties(&[table("orders"), table("archive")]);
        stack.deploy(&declared).await.expect_success();
        let world = Self { plane, stack, deploys: 0, declared };
        for (pk, status) in [("1", "open"), ("2", "open"), ("3", "closed")] {
            let sizes = AttributeValue::Ns(vec!["1".to_owned(), "2.5".to_owned()]);
            let order = item([
                ("pk", text(pk)),
                ("status", text(status)),
                ("n", number(1)),
                ("mail", text(&format!("{pk}@example.org"))),
                ("big", number("98765432109876543210987654321098765432")),
                ("sizes", sizes),
            ]);
            world.put("orders", order).await;
        }
        world
    }

    async fn put(&self, table: &str, item: WireItem) {
        let put = self.plane.client().put_item().table_name(table);
        put.set_item(Some(item)).send().await.unwrap();
    }

    async fn deploy(&mut self, migrations: impl IntoIterator<Item = Migration>) -> (bool, String) {
        let builder = migrations.into_iter().fold(Migrator::builder(), Builder::migration);
        self.stack.build(builder.build());
        self.deploys += 1;
        let mut declared = self.declared.clone();
        declared["Migrations"] = json!({ "Hash": self.deploys.to_string() });
        let answer = self.stack.deploy(&declared).await.answer;
        (answer.is_success(), answer.reason().to_owned())
    }

    async fn succeeds(&mut self, text: &str) {
        let (success, reason) = self.deploy([yaml("0001_a", text)]).await;
        assert!(success, "{reason}");
    }

    /// Deploys it with a migration behind it that fails, so that it is taken back.
    async fn is_taken_back(&mut self, text: &str) -> String {
        let fails = Migration::new("0002_b", |_| async { Err(MigrationError::new("no more")) })
            .down(|_| async { Ok(()) });
        let (success, reason) = self.deploy([yaml("0001_a", text), fails]).await;
        assert!(!success && reason.contains("0002_b failed: no more"), "{reason}");
        reason
    }

    async fn fails(&mut self, text: &str, parts: &[&str]) {
        let (success, reason) = self.deploy([yaml("0001_a", text)]).await;
        assert!(!success);
        for part in parts {
            assert!(reason.contains(part), "{part:?} is not in: {reason}");
        }
    }

    async fn items(&self, table: &str) -> BTreeMap<String, WireItem> {
        let client = self.plane.client();
        let pages = client.scan().table_name(table).into_paginator().items().send();
        let items: Vec<WireItem> = pages.collect::<Result<_, _>>().await.unwrap();
        items.into_iter().map(|item| (item["pk"].as_s().unwrap().clone(), item)).collect()
    }
}

#[track_caller]
fn yaml(id: &str, text: &str) -> Migration {
    let source = Source {
        id: id.to_owned(),
        language: Language::Yaml,
        file: format!("migrations/{id}.yaml"),
        text: text.to_owned(),
    };
    let told = |faults: Vec<tablewright::authoring::Fault>| {
        let all: Vec<_> = faults.iter().map(ToString::to_string).collect();
        panic!("{}", all.join("\n"))
    };
    read(&source).unwrap_or_else(told)
}

const LABEL: &str = "
description: a label for every open order
table: orders
when: \"item.status == 'open'\"
set:
  label: { cel: \"'ORDER#' + item.pk.pad(4)\" }
  exact: { cel: item.big }
  sizes2: { cel: 'item.n == 1 ? item.sizes : []' }
  retries: 0
rename: { mail: email }
at_most: 50%
verify: \"item.status != 'open' || has(item.label)\"
down:
  when: has(item.label)
  rename: { email: mail }
  remove: [label, exact, sizes2, retries]
";

#[tokio::test(start_paused = true)]
async fn a_change_is_made_and_taken_back() {
    let mut world = World::new().await;
    let before = world.items("orders").await;
    world.is_taken_back(LABEL).await;
    assert_eq!(world.items("orders").await, before);

    world.succeeds(LABEL).await;
    let orders = world.items("orders").await;
    assert_eq!(orders["3"], before["3"]);
    let order = &orders["1"];
    assert_eq!(order["label"], text("ORDER#0001"));
    assert_eq!(order["exact"], before["1"]["big"]);
    assert_eq!(order["sizes2"], before["1"]["sizes"]);
    assert_eq!((&order["retries"], &order["email"]), (&number(0), &text("1@example.org")));
    assert!(!order.contains_key("mail"));
}

#[tokio::test(start_paused = true)]
async fn what_a_second_application_would_change_is_refused_in_words_of_the_file() {
    let mut world = World::new().await;
    let increment = "table: orders\nset: { n: { cel: item.n + 1 } }\n";
    world.fails(increment, &["changes n once more", "give it a guard: stamp marks"]).await;
    world.plane.fault(Fault::lost_answer().table("orders").data_plane().chance(0.3));
    world.succeeds(&format!("{increment}guard: stamp\n")).await;
    world.plane.clear_faults();
    assert!(world.items("orders").await.values().all(|order| order["n"] == number(2)));
}

#[tokio::test(start_paused = true)]
async fn a_stamp_lets_the_way_back_go_by_itself() {
    let mut world = World::new().await;
    let before = world.items("orders").await;
    let text = "table: orders\nwhen: \"item.status == 'open'\"\nset: { n: { cel: item.n + 1 } }\nguard: stamp\n\
                down: { set: { n: { cel: item.n - 1 } } }\n";
    world.is_taken_back(text).await;
    assert_eq!(world.items("orders").await, before);
}

#[tokio::test(start_paused = true)]
async fn a_journal_brings_back_what_is_removed_and_deleted() {
    let mut world = World::new().await;
    let before = world.items("orders").await;
    let text = "table: orders\nguard: journal\nchanges:\n  - remove: [mail, sizes]\n\
                \x20 - { when: \"item.status == 'closed'\", delete: true }\n";
    world.is_taken_back(text).await;
    assert_eq!(world.items("orders").await, before);
    world.succeeds(text).await;
    let orders = world.items("orders").await;
    assert_eq!(orders.keys().collect::<Vec<_>>(), ["1", "2"]);
    assert!(orders.values().all(|order| !order.contains_key("mail")));
}

#[tokio::test(start_paused = true)]
async fn changes_of_several_tables_are_one_migration_with_one_way_back() {
    let mut world = World::new().await;
    let before = world.items("orders").await;
    let text = "
changes:
  - table: orders
    when: \"item.status == 'closed'\"
    copy_to: { table: archive, set: { from: orders } }
  - table: orders
    when: \"item.status == 'closed'\"
    set: { archived: true }
  - table: archive
    rename: { mail: email }
down:
  changes:
    - { table: archive, when: 'true', delete: true }
    - { table: orders, remove: [archived] }
";
    world.is_taken_back(text).await;
    assert_eq!(world.items("orders").await, before);
    assert_eq!(world.items("archive").await, BTreeMap::new());

    world.succeeds(text).await;
    let mut expected = before["3"].clone();
    expected.insert("from".to_owned(), crate::support::text("orders"));
    let mail = expected.remove("mail").unwrap();
    expected.insert("email".to_owned(), mail);
    assert_eq!(world.items("archive").await, [("3".to_owned(), expected)].into());
    assert_eq!(world.items("orders").await["3"]["archived"], AttributeValue::Bool(true));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_cannot_be_handled_is_told_by_its_key_and_attribute_alone() {
    let mut world = World::new().await;
    world.put("orders", item([("pk", text("4")), ("status", text("secret"))])).await;
    let text = "table: orders\nset: { label: { cel: \"item.mail + 1\" } }\n";
    world.fails(text, &["set label: + cannot be applied to string and int"]).await;
    let text = "table: orders\nset: { copy: { cel: item.mail } }\n";
    world.fails(text, &["item pk=4", "set copy: item.mail is missing; has(item.mail) tells"]).await;
    world.succeeds(&format!("{text}max_failed_items: 1\n")).await;
    let orders = world.items("orders").await;
    assert_eq!(orders.values().filter(|order| order.contains_key("copy")).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_stays_what_it_is() {
    let mut world = World::new().await;
    world.fails("table: orders\nset: { pk: x }\n", &["changed its key"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_verify_does_not_find_is_taken_back() {
    let mut world = World::new().await;
    let before = world.items("orders").await;
    let text =
        "table: orders\nset: { a: 1 }\nverify: \"item.status == 'open'\"\ndown: { remove: [a] }\n";
    world.fails(text, &["verify: item.status == 'open' does not hold"]).await;
    assert_eq!(world.items("orders").await, before);
}

const STATEMENTS: &str = "
statements:
  - >
    INSERT INTO archive VALUE {'pk': 'settings', 'n': 0}
  - { statement: \"UPDATE archive SET n = n + ? WHERE pk = ?\", parameters: [5, settings] }
  - { statement: \"UPDATE archive SET tags = ? WHERE pk = 'settings'\", parameters: [{ ss: [a, b] }] }
down:
  statements: [\"DELETE FROM archive WHERE pk = 'settings'\"]
";

#[tokio::test(start_paused = true)]
async fn statements_are_carried_out_and_taken_back() {
    let mut world = World::new().await;
    world.is_taken_back(STATEMENTS).await;
    assert_eq!(world.items("archive").await, BTreeMap::new());
    world.succeeds(STATEMENTS).await;
    let settings = &world.items("archive").await["settings"];
    assert_eq!(settings["n"], number(5));
    let mut tags = settings["tags"].as_ss().unwrap().clone();
    tags.sort();
    assert_eq!(tags, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_dynamodb_refuses_for_now_is_sent_again_and_one_that_was_lost_is_not() {
    let mut world = World::new().await;
    world.plane.fault(Fault::throttled().operation("ExecuteStatement").nth(1));
    world.succeeds(STATEMENTS).await;
    assert_eq!(world.items("archive").await["settings"]["n"], number(5));

    let mut world = World::new().await;
    world.plane.fault(Fault::lost_answer().operation("ExecuteStatement").nth(1));
    // Whether it was carried out is not known, and n may be added to once only.
    world.fails(STATEMENTS, &["statement 1, on archive"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_there_already_is_right_where_the_statements_are_idempotent() {
    let insert = "statements: [\"INSERT INTO archive VALUE {'pk': 'settings'}\"]\n";
    let mut world = World::new().await;
    world.put("archive", item([("pk", text("settings"))])).await;
    world.fails(insert, &["an item of this key is there already", "`idempotent: true`"]).await;
    world.plane.fault(Fault::lost_answer().operation("ExecuteStatement").nth(1));
    world.succeeds(&format!("{insert}idempotent: true\n")).await;
}
