//! What has to hold afterwards: which tables there are, what is in them, and what the ledger says.

use std::collections::BTreeMap;
use std::fmt::Debug;

use aws_sdk_dynamodb::types::AttributeValue;

use super::fault::Fault;
use super::life::{Answer, Life};
use super::scenario::{self, ARCHIVE, FILLED, ORDERS, Scenario};
use super::stage::{LEDGER, Stage};
use super::world::World;
use crate::support::{Item, item, text};

pub(super) async fn put(stage: &Stage, table: &str, items: Vec<Item>) {
    let client = stage.plane.bystander();
    for item in items {
        client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    }
}

/// Names of the tables, the ledger left out.
pub(super) async fn tables(stage: &Stage) -> Vec<String> {
    let listed = stage.plane.bystander().list_tables().send().await.unwrap();
    let names = listed.table_names.unwrap_or_default().into_iter();
    names.filter(|name| name != LEDGER).collect()
}

/// The items of a table, in the order of their keys.
async fn items(stage: &Stage, table: &str) -> Vec<Item> {
    let scan = stage.plane.bystander().scan().table_name(table).into_paginator().items().send();
    let mut items: Vec<Item> = scan.collect::<Result<_, _>>().await.unwrap();
    items.sort_by_key(|item| item["pk"].as_s().unwrap().clone());
    items
}

async fn indexes(stage: &Stage, table: &str) -> Vec<String> {
    let described = stage.plane.bystander().describe_table().table_name(table).send().await;
    let described = described.unwrap().table.unwrap();
    let indexes = described.global_secondary_indexes.unwrap_or_default().into_iter();
    let mut names: Vec<_> = indexes.filter_map(|index| index.index_name).collect();
    names.sort();
    names
}

/// The rows of a partition of the ledger, by their entries.
async fn rows(stage: &Stage, is_wanted: impl Fn(&str) -> bool) -> BTreeMap<String, Item> {
    let scan = stage.plane.bystander().scan().table_name(LEDGER).into_paginator().items().send();
    let rows: Vec<Item> = scan.collect::<Result<_, _>>().await.unwrap_or_default();
    let rows = rows.into_iter().filter(|row| is_wanted(row["scope"].as_s().unwrap()));
    rows.map(|row| (row["entry"].as_s().unwrap().clone(), row)).collect()
}

/// What there is, apart from what each request leaves of itself.
pub(super) async fn portrait<W: World>(life: &Life<'_, W>) -> String {
    let stage = life.world.stage();
    let mut shown = Vec::new();
    for table in tables(stage).await {
        let (indexes, items) = (indexes(stage, &table).await, items(stage, &table).await);
        shown.push(format!("{table} {indexes:?} {}", show(&items)));
    }
    let (scope, kept) = (life.scope(), ["run#", "answer#", "lease"]);
    let rows = rows(stage, |of| of == scope).await;
    let rows =
        rows.into_iter().filter(|(entry, _)| !kept.iter().any(|kind| entry.starts_with(kind)));
    shown.extend(rows.map(|(entry, row)| format!("{entry} {}", show(&[row]))));
    shown.join("\n")
}

fn show(items: &[Item]) -> String {
    let sorted = items.iter().map(|item| item.iter().collect::<BTreeMap<_, _>>());
    format!("{:?}", sorted.collect::<Vec<_>>())
}

fn expect<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}:\n  found    {found:?}\n  expected {expected:?}"))
}

fn expect_items(what: &str, found: &[Item], expected: &[Item]) -> Result<(), String> {
    expect(what, &show(found), &show(expected))
}

/// After the way back data is as it was, whatever has happened; tables and indexes are at least those of before.
pub(super) async fn check_gone_back<W: World>(
    life: &Life<'_, W>,
    answer: Option<&Answer>,
) -> Result<(), String> {
    let stage = life.world.stage();
    let said = answer.map(|answer| answer.reason().to_owned()).unwrap_or_default();
    let orders = items(stage, ORDERS).await;
    if has_an_excuse(life.case.fault, &said) {
        check_half_migrated(&orders)?;
    } else {
        let what = format!("orders after the way back ({said})");
        expect_items(&what, &orders, &scenario::orders())?;
    }
    if !indexes(stage, ORDERS).await.contains(&"by_a".to_owned()) {
        return Err("the way back has removed an index".to_owned());
    }
    let rows = rows(stage, |scope| scope == life.scope()).await;
    for table in tables(stage).await {
        if !rows.contains_key(&format!("table#{table}")) {
            return Err(format!("table {table} is there, and not on record"));
        }
    }
    Ok(())
}

/// Whether the way back says why it has not taken everything back.
fn has_an_excuse(fault: Fault, said: &str) -> bool {
    let is_out_of_reach = matches!(fault, Fault::Throttled | Fault::Denied);
    let words = [
        "is paused, and the next deploy goes on with it",
        "ran out of time",
        "left as it is; the function failed in every delivery",
    ];
    words.iter().any(|words| said.contains(words))
        || (is_out_of_reach
            && ["Not undone", "migrations stay as they are"]
                .iter()
                .any(|words| said.contains(words)))
}

/// What is paused is kept, and what the way back could not come to stays: each migration has met an order or has not.
fn check_half_migrated(orders: &[Item]) -> Result<(), String> {
    let (before, after) = (scenario::orders(), scenario::migrated());
    expect("how many orders there are", &orders.len(), &before.len())?;
    for (order, (before, after)) in orders.iter().zip(before.iter().zip(&after)) {
        let is_either = |name: &str| [before.get(name), after.get(name)].contains(&order.get(name));
        if !["pk", "n", "label"].into_iter().all(is_either) {
            return Err(format!("an order that no migration makes: {order:?}"));
        }
    }
    Ok(())
}

/// After a deletion the table that is to go is gone, and the other one as it was.
pub(super) async fn check_deleted<W: World>(life: &Life<'_, W>) -> Result<(), String> {
    let stage = life.world.stage();
    expect("tables after the delete", &tables(stage).await, &vec![ORDERS.to_owned()])?;
    let orders = items(stage, ORDERS).await;
    expect_items("orders after the delete", &orders, &scenario::migrated())
}

/// In the end all is as if nothing had gone wrong.
pub(super) async fn check_end<W: World>(life: &Life<'_, W>) -> Result<(), String> {
    let stage = life.world.stage();
    let expected = [ARCHIVE, ORDERS].map(str::to_owned);
    expect("tables", &tables(stage).await, &expected.to_vec())?;
    let expected = ["by_a", "by_b"].map(str::to_owned);
    expect("indexes", &indexes(stage, ORDERS).await, &expected.to_vec())?;
    let scenario = life.case.scenario;
    let (orders, archive) = match scenario {
        Scenario::Create => (Vec::new(), FILLED.map(|pk| item([("pk", text(pk))])).to_vec()),
        Scenario::Update | Scenario::Failing | Scenario::Rollback | Scenario::Delete => {
            (scenario::migrated(), Vec::new())
        }
    };
    expect_items("orders", &items(stage, ORDERS).await, &orders)?;
    expect_items("archive", &items(stage, ARCHIVE).await, &archive)?;
    check_ledger(life).await
}

/// Nothing in the ledger is half done.
async fn check_ledger<W: World>(life: &Life<'_, W>) -> Result<(), String> {
    let (scope, scenario) = (life.scope(), life.case.scenario);
    let rows = rows(life.world.stage(), |of| of == scope).await;
    let of = |kind: &'static str| {
        rows.iter().filter_map(move |(entry, row)| Some((entry.strip_prefix(kind)?, row)))
    };
    let state = |row: &Item| row["state"].as_s().unwrap().clone();
    let done = if scenario == Scenario::Delete { "baseline" } else { "applied" };
    let migrations: Vec<_> =
        of("migration#").map(|(id, row)| (id.to_owned(), state(row))).collect();
    let expected = scenario.migrations().iter().map(|id| ((*id).to_owned(), done.to_owned()));
    expect("migrations", &migrations, &expected.collect())?;
    for kind in ["checkpoint#", "progress#", "failed#"] {
        expect(kind, &of(kind).map(|(entry, _)| entry).collect(), &Vec::new())?;
    }
    expect("tables", &of("table#").map(|(name, _)| name).collect(), &vec![ARCHIVE, ORDERS])?;
    let meta = &rows["meta"];
    let is_open = matches!(meta.get("attempting"), Some(AttributeValue::S(_)));
    expect("a declaration that is begun", &is_open, &false)?;
    expect("who holds the lease", &rows["lease"].get("invocation"), &None)?;
    // A ledger that is out of reach keeps no record of what was answered meanwhile.
    let is_out_of_reach =
        matches!(life.case.fault, Fault::Throttled | Fault::Denied | Fault::Slow | Fault::Hangs);
    for (run, row) in of("run#") {
        let answer = rows.get(&format!("answer#{run}")).map(state);
        let is_ended = state(row) != "running" || answer.is_some();
        let is_settled = match answer.as_deref() {
            Some("answered") => true,
            Some("refused") => life.case.fault == Fault::AnswerRefused,
            Some(_) | None => is_out_of_reach,
        };
        if !is_settled || !(is_ended || is_out_of_reach) {
            return Err(format!("run {run} is {}, its answer {answer:?}", state(row)));
        }
    }
    Ok(())
}
