//! Migrations in files, there and back, as a person runs them.

use std::time::Duration;

use serde_json::json;
use tablewright::testing::Fault;

use crate::world::{SETTINGS, World};

const LABEL: &str = "\
description: a label for every open order
table: orders
when: \"item.status == 'open'\"
set:
  label: { cel: \"'ORDER#' + item.pk\" }
down:
  remove: [label]
";
const NOTE: &str = "\
export const table = 'orders'
export function up(item) { item.note = `n${item.pk}` }
";

/// A world with two orders, whose tables are made.
async fn with_orders() -> World {
    let world = World::new(SETTINGS).await;
    world.run(&["apply", "--yes"]).await.expect(0);
    let orders =
        json!({ "orders": [{ "pk": "1", "status": "open" }, { "pk": "2", "status": "closed" }] });
    world.plane.seed(&orders).unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_planned_applied_and_taken_back() {
    let world = with_orders().await;
    world.folder.write("migrations/0001_label.yaml", LABEL);
    let plan = world.run(&["plan", "--sample", "2"]).await.expect(3);
    assert!(plan.out.contains("0001_label") && plan.out.contains("ORDER#1"), "{}", plan.out);
    let redacted = world.run(&["plan", "--sample", "2", "--redact"]).await.expect(3);
    assert!(!redacted.out.contains("ORDER#1"), "{}", redacted.out);
    let markdown = world.run(&["plan", "--markdown"]).await.expect(3);
    assert!(markdown.out.contains("0001_label"), "{}", markdown.out);
    let status = world.run(&["status"]).await.expect(3);
    assert!(status.out.contains("0001_label  pending"), "{}", status.out);

    let applied = world.run(&["apply", "--yes"]).await.expect(0);
    assert!(
        applied.out.contains("done: 1 migration applied, the newest 0001_label"),
        "{}",
        applied.out
    );
    assert_eq!(world.attribute("1", "label").await.as_deref(), Some("ORDER#1"));
    assert_eq!(world.attribute("2", "label").await, None);
    world.run(&["plan"]).await.expect(0);
    world.run(&["status"]).await.expect(0);
    let history = world.run(&["history"]).await.expect(0);
    assert!(
        history.out.contains("0001_label up") && history.out.contains("1 of 2"),
        "{}",
        history.out
    );

    let asked = world.run(&["undo", "--all", "--reason", "wrong"]).await.expect(2);
    assert!(asked.err.contains("0001_label  a label for every open order"), "{}", asked.err);
    // An older checkout takes it back as well: the ledger has the text.
    std::fs::remove_file(world.folder.path().join("migrations/0001_label.yaml")).unwrap();
    let undone = world.run(&["undo", "--all", "--yes", "--reason", "wrong"]).await.expect(0);
    assert!(undone.out.contains("0001_label"), "{}", undone.out);
    assert_eq!(world.attribute("1", "label").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_back_stays_and_repair_says_what_is() {
    let world = with_orders().await;
    world.folder.write("migrations/0001_label.yaml", LABEL);
    world.folder.write("migrations/0002_note.js", NOTE);
    world.run(&["apply", "--yes"]).await.expect(0);
    assert_eq!(world.attribute("2", "note").await.as_deref(), Some("n2"));
    let refused = world.run(&["undo", "--all", "--yes", "--reason", "wrong"]).await.expect(1);
    assert!(refused.err.contains("0002_note has no way back"), "{}", refused.err);
    assert_eq!(world.attribute("1", "label").await.as_deref(), Some("ORDER#1"));

    world.folder.write("migrations/0002_note.js", &NOTE.replace("n$", "m$"));
    let changed = world.run(&["plan"]).await.expect(1);
    let way_out = "tablewright repair fingerprint 0002_note --scope";
    assert!(changed.err.contains(way_out) && !changed.err.contains('{'), "{}", changed.err);
    let status = world.run(&["status"]).await.expect(0);
    assert!(status.out.contains(way_out), "{}", status.out);
    let repair = ["repair", "fingerprint", "0002_note", "--reason", "the prefix"];
    let asked = world.run(&repair).await.expect(2);
    assert!(asked.err.contains("is applied; after this what it is now counts"), "{}", asked.err);
    world.run(&[&repair[..], &["--yes"]].concat()).await.expect(0);
    world.run(&["plan"]).await.expect(0);
    let history = world.run(&["history"]).await.expect(0);
    assert!(history.out.contains("repair"), "{}", history.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_leaves_everything_as_it_was() {
    let world = with_orders().await;
    world.folder.write("migrations/0001_label.yaml", LABEL);
    let failing = "export const table = 'orders'\n\
                   export function up(item) { throw new Error('not today') }\n\
                   export function down(item) {}\n";
    world.folder.write("migrations/0002_never.js", failing);
    let failed = world.run(&["apply", "--yes"]).await.expect(1);
    assert!(failed.err.contains("not today"), "{}", failed.err);
    assert_eq!(world.attribute("1", "label").await, None);
    let status = world.run(&["status"]).await.expect(3);
    assert!(status.out.contains("0001_label  undone"), "{}", status.out);
    std::fs::remove_file(world.folder.path().join("migrations/0002_never.js")).unwrap();
    world.run(&["apply", "--yes"]).await;
    assert_eq!(world.attribute("1", "label").await.as_deref(), Some("ORDER#1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_failed_have_a_second_chance() {
    let world = with_orders().await;
    let totals =
        "table: orders\nset:\n  cents: { cel: \"string(int(item.total))\" }\nmax_failed_items: 1\n";
    let order = |pk: &str, total: &str| json!({ "orders": [{ "pk": pk, "status": "open", "total": total }] });
    world.plane.seed(&order("1", "12")).unwrap();
    world.plane.seed(&order("2", "much")).unwrap();
    world.folder.write("migrations/0001_cents.yaml", totals);
    world.run(&["apply", "--yes"]).await.expect(0);
    assert_eq!(world.attribute("1", "cents").await.as_deref(), Some("12"));
    let status = world.run(&["status"]).await.expect(3);
    assert!(status.out.contains("1 items failed"), "{}", status.out);

    let retry = ["retry-failed", "0001_cents", "--reason", "mended"];
    let still = world.run(&retry).await.expect(0);
    assert!(still.out.contains("0 items are done now, 1 fail still"), "{}", still.out);
    world.plane.seed(&order("2", "15")).unwrap();
    world.run(&retry).await.expect(0);
    assert_eq!(world.attribute("2", "cents").await.as_deref(), Some("15"));
    world.run(&["status"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_can_be_watched_until_it_has_ended() {
    let world = with_orders().await;
    let orders: Vec<_> =
        (0..400).map(|pk| json!({ "pk": pk.to_string(), "status": "open" })).collect();
    world.plane.seed(&json!({ "orders": orders })).unwrap();
    world.folder.write("migrations/0001_label.yaml", &format!("{LABEL}concurrency: 1\n"));
    // As long as it takes to be seen at work, with the progress that is saved every two seconds.
    let slow = Fault::latency(Duration::from_millis(400)).table("orders");
    world.plane.fault(slow.operation("BatchExecuteStatement"));
    let applied = world.run(&["apply", "--yes"]);
    let watched = async {
        while world.run(&["status", "--json"]).await.json()["lease"].is_null() {}
        world.run(&["status", "--watch"]).await
    };
    let (applied, watched) = tokio::join!(applied, watched);
    applied.expect(0);
    let watched = watched.expect(0);
    assert!(watched.err.contains("0001_label orders"), "{}", watched.err);
    assert!(watched.err.contains(" read, "), "{}", watched.err);
    assert!(watched.out.contains("0001_label  applied"), "{}", watched.out);
}

#[test]
fn new_migrations_are_sound_as_they_come() {
    let folder = crate::world::Folder::new();
    folder.write("tablewright.yaml", SETTINGS);
    folder.run(&["new", "label orders"]).expect(0);
    folder.run(&["new", "--js", "label them"]).expect(0);
    let validated = folder.run(&["validate"]).expect(0);
    assert_eq!(validated.out, "sound: 1 table, 2 migrations\n");
    for beside in ["migration.schema.json", "tablewright.d.ts"] {
        assert!(folder.path().join("migrations").join(beside).is_file(), "{beside}");
    }
    let item =
        "before: { orders: [{ pk: a }] }\nafter: { orders: [{ pk: a, label: 'LABEL#a' }] }\n";
    for id in ["0001_label_orders", "0002_label_them"] {
        folder.write(&format!("migrations/{id}.test.yaml"), item);
    }
    let tested = folder.run(&["test", "0001"]).expect(0);
    insta::assert_snapshot!(tested.out);
    folder.write("migrations/0002_label_them.test.yaml", &item.replace("LABEL#a", "LABEL#b"));
    let tested = folder.run(&["test", "0002"]).expect(1);
    assert!(tested.out.contains("FAILED  result"), "{}", tested.out);
    let json = folder.run(&["test", "0002", "--json"]).expect(1).json();
    assert_eq!(json["migrations"][0]["cases"][0]["checks"][0]["verdict"], "failed", "{json}");
}
