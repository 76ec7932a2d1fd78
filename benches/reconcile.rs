//! What a deploy costs when it has little to do: planning many tables, and finding that 100 tables need nothing.
#![expect(clippy::print_stdout, reason = "a benchmark reports")]

use std::collections::{BTreeMap, BTreeSet};

use divan::Bencher;
use serde_json::{Value, json};
use tablewright::desired::Desired;
use tablewright::dynamo::{Description, Status};
use tablewright::ledger::Place;
use tablewright::ledger::rows::{MetaRow, Origin, TableRow};
use tablewright::observe::{LiveTable, OWNER_TAG, Observed};
use tablewright::plan::{Input, Mode, plan};
use tablewright::testing::{ControlPlane, Durations, Quotas, Stack};

const SCOPE: &str = "6f1d2c80/Data";

fn main() {
    divan::main();
}

fn table(name: &str, indexes: usize) -> Value {
    let attributes = (0..indexes).map(|n| format!("a{n:02}")).chain(["pk".to_owned()]);
    let attributes: Vec<_> =
        attributes.map(|name| json!({ "AttributeName": name, "AttributeType": "S" })).collect();
    let index = |n: usize| {
        json!({
            "IndexName": format!("by_a{n:02}"),
            "KeySchema": [{ "AttributeName": format!("a{n:02}"), "KeyType": "HASH" }],
            "Projection": { "ProjectionType": "ALL" },
        })
    };
    json!({
        "TableName": name,
        "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
        "AttributeDefinitions": attributes,
        "GlobalSecondaryIndexes": (0..indexes).map(index).collect::<Vec<_>>(),
    })
}

fn declaration(tables: usize, indexes: usize) -> Value {
    let tables: Vec<_> = (0..tables).map(|n| table(&format!("table{n:04}"), indexes)).collect();
    json!({ "Tables": tables })
}

fn desired(tables: usize, indexes: usize) -> Desired {
    Desired::read(&declaration(tables, indexes)).expect("the declaration is right")
}

/// A scope in which all this is deployed.
fn observed(deployed: &Desired) -> Observed {
    let mut observed = Observed::default();
    observed.ledger.meta =
        Some(MetaRow { committed: Some("hash".to_owned()), ..MetaRow::default() });
    for declared in &deployed.tables {
        let name = declared.table.name.clone();
        let row = TableRow {
            name: name.clone(),
            origin: Origin::Created,
            table_id: Some("id".to_owned()),
            arn: Some("arn".to_owned()),
            declared: true,
            declaration: serde_json::to_string(&declared.table).ok(),
            indexes: declared.table.global_indexes.keys().cloned().collect(),
            ..TableRow::default()
        };
        observed.ledger.tables.insert(name.clone(), row);
        let description = Description {
            table: declared.table.clone(),
            id: Some("id".to_owned()),
            arn: "arn".to_owned(),
            stream_arn: None,
            status: Status::Active,
            unsettled: Vec::new(),
            is_strongly_replicated: false,
            phases: BTreeMap::new(),
            items: 0,
            bytes: 0,
        };
        let tags = BTreeMap::from([(OWNER_TAG.to_owned(), SCOPE.to_owned())]);
        let live = LiveTable { description, tags, empty: None, unsupported: BTreeSet::new() };
        observed.tables.insert(name, live);
    }
    observed
}

fn plan_from(bencher: Bencher<'_, '_>, deployed: &Desired, desired: &Desired) {
    let observed = observed(deployed);
    let input = Input {
        desired,
        specs: &[],
        observed: &observed,
        place: Place { ledger: "tablewright-ledger", scope: SCOPE },
        run: "run",
        mode: Mode::Deploy,
    };
    bencher.bench_local(|| plan(divan::black_box(&input)).expect("nothing is refused"));
}

#[divan::bench]
fn plan_1000_tables_of_20_indexes_without_a_change(bencher: Bencher<'_, '_>) {
    let desired = desired(1000, 20);
    plan_from(bencher, &desired, &desired);
}

#[divan::bench]
fn plan_one_more_index_on_each_of_1000_tables(bencher: Bencher<'_, '_>) {
    plan_from(bencher, &desired(1000, 19), &desired(1000, 20));
}

#[divan::bench]
fn read_the_declaration_of_1000_tables_of_20_indexes(bencher: Bencher<'_, '_>) {
    let declaration = declaration(1000, 20);
    bencher.bench_local(|| Desired::read(divan::black_box(&declaration)));
}

/// The whole request in process, so that the time of the embedded engine is in it too.
#[divan::bench(sample_count = 20)]
fn find_nothing_to_do_in_100_tables(bencher: Bencher<'_, '_>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let quotas =
        Quotas { operations: 10_000, operations_with_indexes: 10_000, ..Quotas::default() };
    let plane = runtime.block_on(async {
        ControlPlane::builder().durations(Durations::none()).quotas(quotas).build()
    });
    let mut stack = Stack::new(&plane);
    let mut declaration = declaration(100, 2);
    runtime.block_on(stack.deploy(&declaration)).expect_success();
    plane.reset_calls();
    let mut deploys = 0_usize;
    bencher.bench_local(|| {
        deploys += 1;
        declaration["Migrations"] = json!({ "Hash": deploys.to_string() });
        runtime.block_on(stack.deploy(&declaration)).expect_success();
    });
    println!("requests of a deploy with nothing to do: {}", plane.calls().len() / deploys.max(1));
}
