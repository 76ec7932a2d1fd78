//! The pure planner by itself: what a person reads, and that any table leads to any other that it can become.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use tablewright::desired::{DeclaredTable, Desired, RemovalPolicy};
use tablewright::dynamo::{Description, Status};
use tablewright::ledger::rows::{MetaRow, Origin, TableRow};
use tablewright::observe::{LiveTable, OWNER_TAG, Observed};
use tablewright::plan::{self, Input, Mode, TableStep, changes};
use tablewright::schema::{
    AttributeType, Capacity, Index, KeyElement, KeyRole, KeySchema, Limits, Projection, Recovery,
    Stream, Table, TableClass, Throughput, TimeToLive,
};
use tablewright::{Change, Migration, Migrator};

use crate::support::{SCOPE, properties, table, with, with_index};

fn ours(table: Table, tags: BTreeMap<String, String>) -> (LiveTable, TableRow) {
    let declaration = serde_json::to_string(&table).ok();
    let row = TableRow {
        name: table.name.clone(),
        origin: Origin::Created,
        table_id: Some("id".to_owned()),
        arn: Some("arn".to_owned()),
        declared: true,
        declaration,
        indexes: table.global_indexes.keys().cloned().collect(),
        ..TableRow::default()
    };
    let description = Description {
        table,
        id: Some("id".to_owned()),
        arn: "arn".to_owned(),
        stream_arn: None,
        status: Status::Active,
        unsettled: Vec::new(),
    };
    let owner = (OWNER_TAG.to_owned(), SCOPE.to_owned());
    let tags = tags.into_iter().chain([owner]).collect();
    (LiveTable { description, tags, empty: None, unsupported: [].into() }, row)
}

/// A scope with a history, in which these tables are ours.
fn observed(tables: impl IntoIterator<Item = Table>) -> Observed {
    let mut observed = Observed::default();
    observed.ledger.meta =
        Some(MetaRow { committed: Some("before".to_owned()), ..MetaRow::default() });
    for table in tables {
        let tags = table.tags.clone().unwrap_or_default();
        let (live, row) = ours(table, tags);
        observed.ledger.tables.insert(row.name.clone(), row);
        observed.tables.insert(live.table().name.clone(), live);
    }
    observed
}

fn keep(id: &'static str, table: &'static str) -> Migration {
    Migration::backfill(id, table, |_| Ok(Change::Keep))
}

#[test]
fn a_plan_reads_like_what_will_happen() {
    let old = [
        with_index(with_index(table("orders"), "by_a", "a"), "by_b", "b"),
        table("users"),
        table("gone"),
    ];
    let old = Desired::read(&properties(&old)).unwrap();
    let provisioned = json!({ "ReadCapacityUnits": "5", "WriteCapacityUnits": "1" });
    let orders = with(with_index(table("orders"), "by_c", "c"), "TableClass", json!("STANDARD"));
    let users = with(
        with(table("users"), "BillingMode", json!("PROVISIONED")),
        "ProvisionedThroughput",
        provisioned,
    );
    let users = with(users, "DeletionProtectionEnabled", json!("true"));
    let new = with_index(
        with(
            table("new"),
            "TimeToLiveSpecification",
            json!({ "AttributeName": "ttl", "Enabled": "true" }),
        ),
        "by_x",
        "x",
    );
    let desired = Desired::read(&properties(&[orders, users, new])).unwrap();
    let migrator = Migrator::builder()
        .migration(keep("0001_a", "orders").down_items(|_| Ok(Change::Keep)))
        .migration(keep("0002_b", "new"))
        .build()
        .unwrap();
    let mut live: Vec<Table> = old.tables.into_iter().map(|declared| declared.table).collect();
    for table in &mut live {
        table.deletion_protection = Some(false);
        table.class = Some(TableClass::Standard);
    }
    let observed = observed(live);
    let specs = migrator.specs();
    let input = Input {
        desired: &desired,
        specs: &specs,
        observed: &observed,
        scope: SCOPE,
        run: "run",
        mode: Mode::Deploy,
    };
    insta::assert_snapshot!(plan::plan(&input).unwrap(), @r"
    + table orders: index by_c (c HASH; ALL)
    ~ table users: billing on demand -> provisioned 5 read, 1 write
    ~ table users: deletion protection on
    + table new: create (pk HASH, on demand, 1 index)
    ~ table new: time to live on ttl
    ~ table gone: left the declaration; it stays
    > migration 0001_a: run
    > migration 0002_b: run, no way back
    - table orders: index by_a
    - table orders: index by_b
    ");
    let back = Input { mode: Mode::Superset, ..input };
    insta::assert_snapshot!(plan::plan(&back).unwrap(), @r"
      nothing to do
    ! left as it is by this rollback, the next deploy brings it in line: + table orders: index by_c (c HASH; ALL); - table orders: index by_a; - table orders: index by_b
    ! left as it is by this rollback, the next deploy brings it in line: ~ table users: billing on demand -> provisioned 5 read, 1 write; ~ table users: deletion protection on
    ! table new does not exist and is not made by a rollback
    ");
}

/// Does to a table what DynamoDB would do for a step.
fn apply(table: &mut Table, step: &TableStep) {
    match step.clone() {
        TableStep::Create(_)
        | TableStep::Adopt
        | TableStep::Release
        | TableStep::Settle { .. }
        | TableStep::Untag(_) => {}
        TableStep::Billing { to, indexes, .. } => {
            table.capacity = to;
            for index in table.global_indexes.values_mut() {
                index.capacity = indexes
                    .get(&index.name)
                    .copied()
                    .unwrap_or(Capacity::OnDemand(Limits::default()));
            }
        }
        TableStep::Throughput { table: own, indexes } => {
            if let Some(own) = own {
                table.capacity = Capacity::Provisioned(own);
            }
            for (name, capacity) in indexes {
                table.global_indexes.get_mut(&name).unwrap().capacity = capacity;
            }
        }
        TableStep::Limits(limits) => table.capacity = Capacity::OnDemand(limits),
        TableStep::IndexLimits(name, limits) => {
            table.global_indexes.get_mut(&name).unwrap().capacity = Capacity::OnDemand(limits);
        }
        TableStep::CreateIndex { index, attributes } => {
            assert!(index.keys.names().all(|key| attributes.contains_key(key)), "untyped key");
            table.attributes.extend(attributes);
            let before = table.global_indexes.insert(index.name.clone(), index);
            assert!(before.is_none(), "made twice");
        }
        TableStep::DeleteIndex(name) => {
            table.global_indexes.remove(&name).expect("it is there to be removed");
        }
        TableStep::Stream(stream) => {
            let is_on = table.stream.is_some_and(|stream| stream != Stream::Off);
            assert!(
                stream == Stream::Off || !is_on,
                "a view type cannot change while the stream is on"
            );
            table.stream = Some(stream);
        }
        TableStep::Encryption(encryption) => table.encryption = Some(encryption),
        TableStep::Class(class) => table.class = Some(class),
        TableStep::TimeToLive { attribute, on } => {
            let is_on = matches!(table.time_to_live, Some(TimeToLive::On(_)));
            assert!(!(on && is_on), "the attribute cannot change while expiry is on");
            table.time_to_live = Some(if on { TimeToLive::On(attribute) } else { TimeToLive::Off });
        }
        TableStep::Recovery(recovery) => table.recovery = Some(recovery),
        TableStep::Tag(tags) => table.tags.get_or_insert_default().extend(tags),
        TableStep::DeletionProtection(on) => table.deletion_protection = Some(on),
    }
    *table = table.clone().normalised();
}

fn throughput() -> impl Strategy<Value = Throughput> {
    (1_u64..5, 1_u64..5).prop_map(|(read, write)| Throughput { read, write })
}

fn limits() -> impl Strategy<Value = Limits> {
    (prop::option::of(1_u64..5), prop::option::of(1_u64..5))
        .prop_map(|(read, write)| Limits { read, write })
}

/// An index whose name gives its key away, so that two of one name never contradict each other.
fn index(provisioned: bool) -> impl Strategy<Value = Index> {
    let capacity = if provisioned {
        throughput().prop_map(Capacity::Provisioned).boxed()
    } else {
        limits().prop_map(Capacity::OnDemand).boxed()
    };
    (0_u8..5, capacity).prop_map(|(number, capacity)| Index {
        name: format!("by_{number}"),
        keys: KeySchema(vec![KeyElement { name: format!("k{}", number / 2), role: KeyRole::Hash }]),
        projection: if number % 2 == 0 { Projection::All } else { Projection::KeysOnly },
        capacity,
    })
}

/// Any table of one key; what it leaves out, if anything, is unmanaged.
fn any_table() -> impl Strategy<Value = Table> {
    let stream = prop_oneof![Just(Stream::Off), Just(Stream::KeysOnly), Just(Stream::NewImage)];
    let ttl = prop_oneof![Just(TimeToLive::Off), "[ab]".prop_map(TimeToLive::On)];
    let recovery = prop_oneof![Just(Recovery::Off), (1_u32..=35).prop_map(Recovery::Days)];
    let class = prop_oneof![Just(TableClass::Standard), Just(TableClass::InfrequentAccess)];
    let features = (
        prop::option::of(stream),
        prop::option::of(class),
        prop::option::of(any::<bool>()),
        prop::option::of(prop::collection::btree_map("[a-c]", "[xy]", 0..3)),
        prop::option::of(ttl),
        prop::option::of(recovery),
    );
    any::<bool>().prop_flat_map(move |provisioned| {
        let capacity = if provisioned {
            throughput().prop_map(Capacity::Provisioned).boxed()
        } else {
            limits().prop_map(Capacity::OnDemand).boxed()
        };
        let indexes = prop::collection::vec(index(provisioned), 0..5);
        (capacity, indexes, features.clone()).prop_map(|(capacity, indexes, features)| {
            let (stream, class, deletion_protection, tags, time_to_live, recovery) = features;
            let key = |name: &str| (name.to_owned(), AttributeType::String);
            let table = Table {
                name: "orders".to_owned(),
                keys: KeySchema(vec![KeyElement { name: "pk".to_owned(), role: KeyRole::Hash }]),
                attributes: ["pk", "k0", "k1", "k2"].map(key).into(),
                global_indexes: indexes
                    .into_iter()
                    .map(|index| (index.name.clone(), index))
                    .collect(),
                local_indexes: BTreeMap::new(),
                capacity,
                stream,
                encryption: None,
                class,
                deletion_protection,
                tags,
                time_to_live,
                recovery,
            };
            table.normalised()
        })
    })
}

/// A live table knows all of its features.
fn live(table: Table) -> Table {
    Table {
        stream: table.stream.or(Some(Stream::Off)),
        class: table.class.or(Some(TableClass::Standard)),
        deletion_protection: table.deletion_protection.or(Some(false)),
        tags: table.tags.or_else(|| Some(BTreeMap::new())),
        time_to_live: table.time_to_live.or(Some(TimeToLive::Off)),
        recovery: table.recovery.or(Some(Recovery::Off)),
        ..table
    }
}

proptest! {
    #[test]
    fn any_table_becomes_any_other_step_by_step(from in any_table(), to in any_table()) {
        let mut table = live(from);
        let plan = changes(&to, &table);
        prop_assert_eq!(&plan.refused, &Vec::<String>::new());
        for step in plan.steps.iter().chain(&plan.removals) {
            // The off half of a change by way of off is undone by its other half.
            let was_done = step.is_done(&table);
            prop_assert!(!was_done, "{step:?} is done already");
            apply(&mut table, step);
            prop_assert!(step.is_done(&table), "{step:?} does not show");
        }
        let again = changes(&to, &table);
        prop_assert_eq!(again.steps, vec![]);
        prop_assert_eq!(again.removals, vec![]);
    }

    #[test]
    fn what_is_not_declared_or_not_owned_is_never_in_a_plan(
        declared in any_table(),
        live_table in any_table(),
        is_ours in any::<bool>(),
    ) {
        let mut observed = observed([live(live_table.clone())]);
        let foreign = Table { name: "foreign".to_owned(), ..live(live_table) };
        observed.tables.insert("foreign".to_owned(), ours(foreign, BTreeMap::new()).0);
        if !is_ours {
            observed.ledger.tables.clear();
        }
        let desired = Desired {
            tables: vec![DeclaredTable {
                table: declared,
                removal: RemovalPolicy::Retain,
                adopt: false,
            }],
            ..Desired::read(&json!({})).unwrap()
        };
        let input = Input {
            desired: &desired, specs: &[], observed: &observed, scope: SCOPE, run: "run", mode: Mode::Deploy,
        };
        match plan::plan(&input) {
            Ok(plan) => {
                prop_assert!(is_ours);
                let mut touched = plan.tables.iter().chain(&plan.removals);
                prop_assert!(touched.all(|plan| plan.table == "orders"));
            }
            Err(refused) => prop_assert!(!is_ours, "{refused}"),
        }
    }

    #[test]
    fn a_rollback_creates_and_removes_nothing(declared in any_table(), live_table in any_table()) {
        let observed = observed([live(live_table)]);
        let extra = Table { name: "extra".to_owned(), ..declared.clone() };
        let declare = |table| DeclaredTable {
            table,
            removal: RemovalPolicy::Retain,
            adopt: false,
        };
        let desired = Desired {
            tables: vec![declare(declared), declare(extra)],
            ..Desired::read(&json!({})).unwrap()
        };
        let input = Input {
            desired: &desired, specs: &[], observed: &observed, scope: SCOPE, run: "run", mode: Mode::Superset,
        };
        let plan = plan::plan(&input).unwrap();
        prop_assert!(plan.removals.is_empty());
        for step in plan.tables.iter().flat_map(|plan| &plan.steps) {
            let is_kept = matches!(step, TableStep::Create(_) | TableStep::CreateIndex { .. } | TableStep::DeleteIndex(_));
            prop_assert!(!is_kept, "{step:?}");
        }
    }
}
