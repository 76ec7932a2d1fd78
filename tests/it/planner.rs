//! The pure planner by itself: what a person reads, and that any table leads to any other that it can become.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;
use tablewright::desired::{DeclaredTable, Desired, RemovalPolicy};
use tablewright::dynamo::{Description, Status};
use tablewright::ledger::Place;
use tablewright::ledger::rows::{MetaRow, Origin, TableRow};
use tablewright::migration::Spec;
use tablewright::observe::{LiveTable, OWNER_TAG, Observed};
use tablewright::plan::{self, Fate, Input, Mode, Plan, Setting, TableStep, changes};
use tablewright::schema::{Stream, Table, TableClass};
use tablewright::{Change, Migration, Migrator};

use crate::model::{any_table, apply, live};
use crate::support::{SCOPE, properties, table, with, with_index};

pub(crate) fn ours(table: Table, tags: BTreeMap<String, String>) -> (LiveTable, TableRow) {
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
        phases: BTreeMap::new(),
        items: 0,
        bytes: 0,
        is_strongly_replicated: false,
    };
    let owner = (OWNER_TAG.to_owned(), SCOPE.to_owned());
    let tags = tags.into_iter().chain([owner]).collect();
    (LiveTable { description, tags, empty: None, unsupported: [].into() }, row)
}

/// A scope with a history, in which these tables are ours.
pub(crate) fn observed(tables: impl IntoIterator<Item = Table>) -> Observed {
    let mut observed = Observed::default();
    observed.ledger.meta =
        Some(MetaRow { committed: Some("before".to_owned()), ..MetaRow::default() });
    for table in tables {
        let tags = table.settings.tags.clone().unwrap_or_default();
        let (live, row) = ours(table, tags);
        observed.ledger.tables.insert(row.name.clone(), row);
        observed.tables.insert(live.table().name.clone(), live);
    }
    observed
}

pub(crate) const PLACE: Place<'static> = Place { ledger: "tablewright-ledger", scope: SCOPE };

fn keep(id: &'static str, table: &'static str) -> Migration {
    Migration::backfill(id, table, |_| Ok(Change::Keep))
}

/// A declaration that wants something of every kind, the migrations that come with it, and what there is.
fn reviewed() -> (Desired, Vec<Spec>, Observed) {
    let old = [
        with_index(with_index(table("orders"), "by_a", "a"), "by_b", "b"),
        table("users"),
        table("retained"),
        table("snapshot"),
        table("protected"),
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
        table.settings.deletion_protection = Some(false);
        table.class = Some(TableClass::Standard);
    }
    let mut observed = observed(live);
    for (name, row) in &mut observed.ledger.tables {
        row.removal = match name.as_str() {
            "snapshot" => RemovalPolicy::Snapshot,
            "retained" => RemovalPolicy::Retain,
            _ => RemovalPolicy::Delete,
        };
    }
    observed.tables.remove("gone");
    let protected = observed.tables.get_mut("protected").unwrap();
    protected.description.table.settings.deletion_protection = Some(true);
    (desired, migrator.specs(), observed)
}

fn input(reviewed: &(Desired, Vec<Spec>, Observed), mode: Mode) -> Input<'_> {
    let (desired, specs, observed) = reviewed;
    Input { desired, specs, observed, place: PLACE, run: "run", mode }
}

#[test]
fn a_plan_reads_like_what_will_happen() {
    let reviewed = reviewed();
    insta::assert_snapshot!(plan::plan(&input(&reviewed, Mode::Deploy)).unwrap(), @r"
    + table orders: index by_c (c HASH; ALL)
    ~ table users: billing on demand -> provisioned 5 read, 1 write
    ~ table users: deletion protection on
    + table new: create (pk HASH, on demand, 1 index)
    ~ table new: time to live on ttl
    > migration 0001_a: run
    > migration 0002_b: run, no way back
    ~ table gone: left the declaration and is gone already; forgotten
    ~ table protected: left the declaration; it stays, it is protected against deletion
    ~ table retained: left the declaration; it stays, its removal policy is retain
    - table orders: index by_a, when the whole stack has succeeded
    - table orders: index by_b, when the whole stack has succeeded
    - table snapshot: doomed, goes when the whole stack has succeeded (snapshot first)
    ! TW003 warning: table orders: the index by_a is declared no more; whoever queries it fails then; see by its ConsumedReadCapacityUnits whether it is still read
    ! TW003 warning: table orders: the index by_b is declared no more; whoever queries it fails then; see by its ConsumedReadCapacityUnits whether it is still read
    ! TW025 warning: migration 0001_a: its down is compiled into this build, and a stack rollback asks the build before; use Guard::Journal, or a file, or say OnStackRollback: keep
    ! TW024 warning: migration 0002_b: it has no down and no journal, so what it does stays when the deploy fails; give it a down or guard: journal
    ! TW002 note: table snapshot: it is deleted when the whole stack has succeeded, and a backup is kept; note that a backup is restored under another name
    ! TW014 note: table users: on demand becomes provisioned 5 read, 1 write; compare what its traffic costs in either
    ");
}

#[test]
fn a_plan_explains_itself_to_a_reviewer() {
    let reviewed = reviewed();
    let plan = plan::plan(&input(&reviewed, Mode::Deploy)).unwrap();
    let explained = plan.explain(&input(&reviewed, Mode::Deploy));
    insta::assert_snapshot!(explained, @r"
    + table orders: index by_c (c HASH; ALL)
          declared, and not there; UpdateTable, 8 to 17 min without items, longer with them
    ~ table users: billing on demand -> provisioned 5 read, 1 write
          now it is on demand; UpdateTable, 60 to 98 s
    ~ table users: deletion protection on
          now deletion protection is off; UpdateTable, at once
    + table new: create (pk HASH, on demand, 1 index)
          declared, and not there; CreateTable, 14 to 22 s
    ~ table new: time to live on ttl
          the table is new; UpdateTimeToLive, at once; quota: one change an hour
    > migration 0001_a: run
          of orders; no items counted; taken back by its down, of this build alone
    > migration 0002_b: run, no way back
          of new; no items counted
    ~ table gone: left the declaration and is gone already; forgotten
          not declared any more
    ~ table protected: left the declaration; it stays, it is protected against deletion
          not declared any more
    ~ table retained: left the declaration; it stays, its removal policy is retain
          not declared any more
    once the whole stack has succeeded:
    - table orders: index by_a
          not declared any more; UpdateTable, 3 to 5 s; irreversible: the index has to be filled anew to come back
    - table orders: index by_b
          not declared any more; UpdateTable, 3 to 5 s; irreversible: the index has to be filled anew to come back
    - table snapshot: doomed, goes when the whole stack has succeeded (snapshot first)
          not declared any more; CreateBackup, DeleteTable, 4 to 6 s; irreversible: what is written after the snapshot is lost
    ! TW003 warning: table orders: the index by_a is declared no more; whoever queries it fails then; see by its ConsumedReadCapacityUnits whether it is still read
    ! TW003 warning: table orders: the index by_b is declared no more; whoever queries it fails then; see by its ConsumedReadCapacityUnits whether it is still read
    ! TW025 warning: migration 0001_a: its down is compiled into this build, and a stack rollback asks the build before; use Guard::Journal, or a file, or say OnStackRollback: keep
    ! TW024 warning: migration 0002_b: it has no down and no journal, so what it does stays when the deploy fails; give it a down or guard: journal
    ! TW002 note: table snapshot: it is deleted when the whole stack has succeeded, and a backup is kept; note that a backup is restored under another name
    ! TW014 note: table users: on demand becomes provisioned 5 read, 1 write; compare what its traffic costs in either
      estimates: each item is read once and changed, as many as DynamoDB counted some hours ago; US dollars by the on-demand prices of us-east-1 since November 2024; writes to indexes are not counted
    2 to add, 3 to change, 3 to remove, 2 migrations; the tables take 8 min or longer.
    ");
    let removal = serde_json::to_string_pretty(&explained.removals[0]).unwrap();
    insta::assert_snapshot!(removal, @r#"
    {
      "table": "orders",
      "step": "- table orders: index by_a",
      "why": "not declared any more",
      "call": "UpdateTable",
      "takes": "3 to 5 s",
      "irreversible": "the index has to be filled anew to come back",
      "quota": null
    }
    "#);
}

#[test]
fn a_cleanup_does_what_the_deploy_has_left_to_it_and_nothing_else() {
    let reviewed = reviewed();
    let cleanup = plan::plan(&input(&reviewed, Mode::Cleanup)).unwrap();
    let deploy = plan::plan(&input(&reviewed, Mode::Deploy)).unwrap();
    assert_eq!(cleanup.removals, deploy.removals);
    assert_eq!(Plan { removals: vec![], ..cleanup }, Plan::default());
}

#[test]
fn the_way_back_says_what_it_leaves() {
    let reviewed = reviewed();
    insta::assert_snapshot!(plan::plan(&input(&reviewed, Mode::Superset)).unwrap(), @r"
      nothing to do
    ! left as it is by this rollback, the next deploy brings it in line: + table orders: index by_c (c HASH; ALL); - table orders: index by_a; - table orders: index by_b
    ! left as it is by this rollback, the next deploy brings it in line: ~ table users: billing on demand -> provisioned 5 read, 1 write; ~ table users: deletion protection on
    ! table new does not exist and is not made by a rollback
    ");
}

/// Whether replication and the stream do not go together.
fn is_refused(to: &Table, live: &Table) -> bool {
    let is_partial = |stream: Option<Stream>| {
        !matches!(stream, None | Some(Stream::Off | Stream::NewAndOldImages))
    };
    let is_replicated = live.replicas.iter().flatten().next().is_some();
    match &to.replicas {
        Some(replicas) => !replicas.is_empty() && to.stream.is_none() && is_partial(live.stream),
        None => is_replicated && is_partial(to.stream),
    }
}

/// Where a step stands among those of a table.
fn rank(step: &TableStep) -> usize {
    match step {
        TableStep::Create(_) | TableStep::Adopt | TableStep::Settle { .. } => 0,
        TableStep::Unscale { .. } => 1,
        TableStep::DeleteIndex(_) => 2,
        TableStep::Billing { .. } => 3,
        TableStep::Throughput { .. } | TableStep::Limits(_) | TableStep::IndexLimits(..) => 4,
        TableStep::CreateIndex { .. } => 5,
        TableStep::Stream(_) => 6,
        TableStep::Encryption(_) => 7,
        TableStep::Class(_) => 8,
        TableStep::Warm(_) | TableStep::IndexWarm(..) => 9,
        TableStep::TimeToLive { .. } => 10,
        TableStep::Setting(Setting::DeletionProtection(_))
        | TableStep::ReplicaSetting { setting: Setting::DeletionProtection(_), .. } => 15,
        TableStep::Setting(_) => 11,
        TableStep::Scale { .. } => 12,
        TableStep::CreateReplica { .. } | TableStep::DeleteReplica(_) => 13,
        TableStep::ReplicaClass { .. } | TableStep::ReplicaSetting { .. } => 14,
    }
}

proptest! {
    #[test]
    fn steps_come_in_one_order(from in any_table(), to in any_table()) {
        let steps = changes(&to, &live(from)).steps;
        let ranks: Vec<_> = steps.iter().map(rank).collect();
        prop_assert!(ranks.is_sorted(), "{steps:?}");
    }

    #[test]
    fn any_table_becomes_any_other_step_by_step(from in any_table(), to in any_table()) {
        let mut table = live(from);
        let plan = changes(&to, &table);
        prop_assert_eq!(!plan.refused.is_empty(), is_refused(&to, &table), "{:?}", plan.refused);
        if !plan.refused.is_empty() {
            return Ok(());
        }
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
    fn a_declaration_is_remembered_as_it_was(table in any_table()) {
        let row = ours(table.clone(), BTreeMap::new()).1;
        prop_assert_eq!(row.last_declaration(), Some(table));
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
                detached: BTreeSet::new(),
            }],
            ..Desired::read(&json!({})).unwrap()
        };
        let input = Input {
            desired: &desired, specs: &[], observed: &observed, place: PLACE, run: "run", mode: Mode::Deploy,
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

    /// Whatever a row says of a table that is not declared: it is doomed only where policy, origin, identity and owner
    /// tag all allow it.
    #[test]
    fn only_what_is_ours_and_asks_for_it_is_doomed(
        removal in prop_oneof![
            Just(RemovalPolicy::Retain), Just(RemovalPolicy::Snapshot), Just(RemovalPolicy::Delete)
        ],
        origin in prop_oneof![Just(Origin::Created), Just(Origin::Adopted)],
        doomed in prop::option::of(1_u64..4),
        is_declared in any::<bool>(),
        is_same in any::<bool>(),
        is_tagged in any::<bool>(),
        is_protected in any::<bool>(),
        most in 0_u64..2,
        mode in prop_oneof![Just(Mode::First), Just(Mode::Deploy), Just(Mode::Superset), Just(Mode::Cleanup)],
    ) {
        let shape = Desired::read(&properties(&[table("orders")])).unwrap().tables.remove(0).table;
        let mut observed = observed([shape]);
        let row = observed.ledger.tables.get_mut("orders").unwrap();
        (row.removal, row.origin, row.doomed, row.declared) = (removal, origin, doomed, is_declared);
        if !is_same {
            row.table_id = Some("another".to_owned());
        }
        let live = observed.tables.get_mut("orders").unwrap();
        live.description.table.settings.deletion_protection = Some(is_protected);
        if !is_tagged {
            live.tags.clear();
        }
        let desired = Desired { max_table_deletes: most, ..Desired::read(&json!({})).unwrap() };
        let input = Input {
            desired: &desired, specs: &[], observed: &observed, place: PLACE, run: "run", mode,
        };
        let may_go = removal != RemovalPolicy::Retain && origin == Origin::Created
            && is_same && is_tagged && !is_protected && (is_declared || doomed.is_some());
        match plan::plan(&input) {
            Ok(plan) => {
                let goes = plan.leaving.iter().any(|leaving| matches!(leaving.fate, Fate::Doomed { .. }));
                prop_assert_eq!(goes, may_go && mode == Mode::Deploy);
                prop_assert!(plan.removals.is_empty() && plan.tables.is_empty());
            }
            Err(refused) => {
                prop_assert!(may_go && is_declared && most == 0 && mode == Mode::Deploy, "{refused}");
            }
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
            detached: BTreeSet::new(),
        };
        let desired = Desired {
            tables: vec![declare(declared), declare(extra)],
            ..Desired::read(&json!({})).unwrap()
        };
        let input = Input {
            desired: &desired, specs: &[], observed: &observed, place: PLACE, run: "run", mode: Mode::Superset,
        };
        let plan = plan::plan(&input).unwrap();
        prop_assert!(plan.removals.is_empty());
        for step in plan.tables.iter().flat_map(|plan| &plan.steps) {
            let is_kept = matches!(step, TableStep::Create(_) | TableStep::CreateIndex { .. } | TableStep::DeleteIndex(_));
            prop_assert!(!is_kept, "{step:?}");
        }
    }
}
