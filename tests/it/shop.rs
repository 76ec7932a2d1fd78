//! The example of migration files, `examples/shop`, through the requests of a stack: there, and back by a build without it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tablewright::Migration;
use tablewright::authoring::{folder, read};

use crate::support::{Item, Stack, with};

/// Migrations that can all be taken back, and the next, which cannot.
const LAST_WITH_A_WAY_BACK: &str = "0003_totals_in_cents";

fn parsed(file: &str) -> Value {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    serde_saphyr::from_str(&std::fs::read_to_string(shop.join(file)).unwrap()).unwrap()
}

fn migrations() -> Vec<Migration> {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop/migrations");
    folder(&shop).unwrap().iter().map(|source| read(source).unwrap()).collect()
}

/// The tables with their seed, by a build without migrations, and what they declare.
async fn filled() -> (Stack, Value) {
    let stack = Stack::start().await;
    let declared = parsed("tablewright.yaml")["properties"].clone();
    stack.create(&stack.function(vec![]), &declared).await.expect_success();
    for (table, items) in parsed("seed.yaml").as_object().unwrap() {
        for item in items.as_array().unwrap() {
            stack.put(table, serde_dynamo::to_item(item).unwrap()).await;
        }
    }
    (stack, declared)
}

/// The items of a table by the value of their key.
async fn items(stack: &Stack, table: &str, key: &str) -> BTreeMap<String, Value> {
    let as_json = |item: Item| -> Value { serde_dynamo::from_item(item).unwrap() };
    let items = stack.items(table).await.into_iter().map(as_json);
    items.map(|item| (item[key].as_str().unwrap().to_owned(), item)).collect()
}

#[tokio::test]
async fn files_of_each_kind_run_in_one_deploy_in_the_order_of_their_ids() {
    let (stack, declared) = filled().await;
    let next = with(declared.clone(), "Migrations", json!({ "Hash": "1", "Baseline": "none" }));
    let function = stack.function(migrations());
    stack.update(&function, &next, &declared).await.expect_success();
    let orders = items(&stack, "orders", "pk").await;
    assert_eq!(
        orders["ORDER-1"],
        json!({
            "pk": "ORDER-1", "customer": "ada", "status": "open", "total": 1250, "label": "ORDER#ORDER-1",
            "placed_at": "2026-01-05T10:00:00Z", "email": "ada@example.com",
        })
    );
    assert_eq!(orders["ORDER-2"]["label"], Value::Null);
    assert_eq!(orders["ORDER-3"]["legacy"], Value::Null);
    let mut archived = orders["ORDER-2"].clone();
    archived["archived"] = json!(true);
    assert_eq!(items(&stack, "orders-archive", "pk").await["ORDER-2"], archived);
    let settings = items(&stack, "settings", "name").await;
    assert_eq!(settings["currency"]["value"], "EUR");
    assert_eq!(settings["vat"]["value"], 19);
}

#[tokio::test]
async fn a_build_without_the_files_takes_them_back_by_their_texts_in_the_ledger() {
    let (stack, declared) = filled().await;
    let before = items(&stack, "orders", "pk").await;
    let target = json!({ "Hash": "1", "Baseline": "none", "Target": LAST_WITH_A_WAY_BACK });
    let next = with(declared.clone(), "Migrations", target);
    stack.update(&stack.function(migrations()), &next, &declared).await.expect_success();
    assert_ne!(items(&stack, "orders", "pk").await, before);
    let older = stack.function(vec![]);
    stack.roll_back(&older, &declared, &next).await.expect_success();
    assert_eq!(items(&stack, "orders", "pk").await, before);
    let undone = |id: &str| format!("{id} undone");
    let ids = ["0001_order_labels", "0002_email_addresses", LAST_WITH_A_WAY_BACK];
    assert_eq!(stack.migrations().await, ids.map(undone));
}
