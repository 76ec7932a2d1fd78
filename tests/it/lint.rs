//! What the planner says about a plan: each code where it is due and not where it nearly is, and nothing of an ordinary deploy.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tablewright::authoring::{self, Language, Source};
use tablewright::desired::{Desired, RemovalPolicy};
use tablewright::ledger::rows::{MetaRow, TableRow};
use tablewright::migration::{Loss, Phase, Spec};
use tablewright::observe::Observed;
use tablewright::plan::{self, Code, Finding, Input, Mode, Plan, Refused, Severity};
use tablewright::schema::{Encryption, Recovery, Table};
use tablewright::{Cap, Change, Guard, Migration, Migrator};

use crate::model::live;
use crate::planner::{PLACE, observed, ours};
use crate::support::{properties, table, with, with_index};

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/0a0b";
const KINESIS: &str = "arn:aws:kinesis:eu-west-1:111122223333:stream/changes";

/// A declaration, the migrations of a build, and what there is. As it begins, one migration runs on one table, and there is
/// nothing to be said about it.
struct World {
    declared: Value,
    specs: Vec<Spec>,
    observed: Observed,
    mode: Mode,
}

fn shape(declared: Value) -> Table {
    Desired::read(&properties(&[declared])).unwrap().tables.remove(0).table
}

/// A migration of orders, in a file, with a way back.
fn spec(id: &'static str) -> Spec {
    let migration = Migration::backfill(id, "orders", |_| Ok(Change::Keep));
    let spec = migration.down_items(|_| Ok(Change::Keep)).spec();
    Spec { language: Language::Yaml, ..spec }
}

impl World {
    fn quiet() -> Self {
        Self {
            declared: properties(&[table("orders")]),
            specs: vec![spec("0002_b")],
            observed: observed([live(shape(table("orders")))]),
            mode: Mode::Deploy,
        }
    }

    fn input<'a>(&'a self, desired: &'a Desired) -> Input<'a> {
        let Self { specs, observed, mode, .. } = self;
        Input { desired, specs, observed, place: PLACE, run: "run", mode: *mode }
    }

    fn plan(&self) -> Result<Plan, Refused> {
        let desired = Desired::read(&self.declared).unwrap();
        plan::plan(&self.input(&desired))
    }

    /// The findings, those that the plan is refused for among them.
    fn findings(&self) -> Vec<Finding> {
        match self.plan() {
            Ok(plan) => plan.findings,
            Err(Refused(objections)) => {
                let mut allowing = Self { declared: self.declared.clone(), ..Self::quiet() };
                allowing.specs.clone_from(&self.specs);
                allowing.observed = self.observed.clone();
                let is_code = |word: &&str| word.starts_with("TW");
                let codes = objections.iter().map(|said| said.split(' ').next().filter(is_code));
                let codes: Vec<_> =
                    codes.map(|code| code.unwrap_or_else(|| panic!("{objections:?}"))).collect();
                allowing.declared["Allow"] = json!(codes);
                allowing.plan().unwrap_or_else(|refused| panic!("{refused}")).findings
            }
        }
    }

    /// Declares orders so.
    fn declare(&mut self, property: &str, value: Value) {
        let orders = self.declared["Tables"][0].clone();
        self.declared["Tables"][0] = with(orders, property, value);
    }

    /// Has orders be so, by a declaration of ours.
    fn was(&mut self, declared: Value) {
        self.observed = observed([live(shape(declared))]);
    }

    fn live(&mut self, change: impl FnOnce(&mut Table)) {
        let live = self.observed.tables.get_mut("orders").unwrap();
        change(&mut live.description.table);
    }

    /// Has another table of ours leave the declaration.
    fn leaves(&mut self, removal: RemovalPolicy, change: impl FnOnce(&mut Table)) {
        let mut old = shape(table("old"));
        change(&mut old);
        let (live, row) = ours(live(old), BTreeMap::new());
        self.observed.ledger.tables.insert("old".to_owned(), TableRow { removal, ..row });
        self.observed.tables.insert("old".to_owned(), live);
    }

    fn holds(&mut self, items: u64, bytes: u64) {
        let live = self.observed.tables.get_mut("orders").unwrap();
        (live.description.items, live.description.bytes) = (items, bytes);
    }

    fn takes_away(&mut self, loss: Loss, phase: Phase, guard: Option<Guard>) {
        let spec = &mut self.specs[0];
        spec.phase = phase;
        (spec.backfills[0].loss, spec.backfills[0].guard) = (Some(loss), guard);
    }
}

fn attribute(name: &str) -> Loss {
    Loss::Attributes(vec![name.to_owned()])
}

fn streamed() -> Value {
    with(table("orders"), "StreamSpecification", json!({ "StreamViewType": "NEW_AND_OLD_IMAGES" }))
}

fn expiring(on: &str) -> Value {
    let by = json!({ "AttributeName": on, "Enabled": true });
    with(table("orders"), "TimeToLiveSpecification", by)
}

fn encrypted() -> Value {
    let by = json!({ "SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": KEY });
    with(table("orders"), "SSESpecification", by)
}

fn sending() -> Value {
    with(table("orders"), "KinesisStreamSpecification", json!({ "StreamArn": KINESIS }))
}

type Does = fn(&mut World);

/// What each code of tables is due for, and what it is nearly due for.
const OF_TABLES: &[(Code, Does, Does)] = &[
    (
        Code::TableDeleted,
        |world| world.leaves(RemovalPolicy::Delete, |_| {}),
        |world| {
            world.leaves(RemovalPolicy::Delete, |old| {
                old.settings.recovery = Some(Recovery::Days(35));
            });
        },
    ),
    (
        Code::TableBackedUp,
        |world| world.leaves(RemovalPolicy::Snapshot, |_| {}),
        |world| world.leaves(RemovalPolicy::Retain, |_| {}),
    ),
    (
        Code::IndexRemoved,
        |world| world.was(with_index(table("orders"), "by_a", "a")),
        |world| {
            world.was(with_index(table("orders"), "by_a", "a"));
            // Somebody else has made it.
            world.observed.ledger.tables.get_mut("orders").unwrap().indexes.clear();
        },
    ),
    (
        Code::StreamOff,
        |world| world.was(streamed()),
        |world| {
            world.was(streamed());
            world.declared = properties(&[streamed()]);
        },
    ),
    (
        Code::StreamReplaced,
        |world| {
            world.was(streamed());
            world.declare("StreamSpecification", json!({ "StreamViewType": "KEYS_ONLY" }));
        },
        |world| {
            world.live(|live| live.stream = Some(tablewright::schema::Stream::Off));
            world.declare("StreamSpecification", json!({ "StreamViewType": "KEYS_ONLY" }));
        },
    ),
    (
        Code::ExpiryOff,
        |world| world.was(expiring("a")),
        |world| {
            world.was(expiring("a"));
            world.declared = properties(&[expiring("b")]);
        },
    ),
    (
        Code::ExpiryOn,
        |world| {
            world.declared = properties(&[expiring("a")]);
            world.holds(7, 700);
        },
        |world| world.declared = properties(&[expiring("a")]),
    ),
    (
        Code::RecoveryOff,
        |world| {
            let off = json!({ "PointInTimeRecoveryEnabled": false });
            world.declare("PointInTimeRecoverySpecification", off);
            world.live(|live| live.settings.recovery = Some(Recovery::Days(35)));
        },
        |world| {
            let on = json!({ "PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": 7 });
            world.declare("PointInTimeRecoverySpecification", on);
            world.live(|live| live.settings.recovery = Some(Recovery::Days(35)));
        },
    ),
    (
        Code::KeyGivenUp,
        |world| {
            world.was(encrypted());
            world.declare("SSESpecification", json!({ "SSEEnabled": false }));
        },
        |world| {
            world.live(|live| live.encryption = Some(Encryption::AwsOwned));
            world.declare("SSESpecification", json!({ "SSEEnabled": true }));
        },
    ),
    (
        Code::ProtectionOff,
        |world| {
            world.live(|live| live.settings.deletion_protection = Some(true));
            world.declare("DeletionProtectionEnabled", json!(false));
        },
        |world| {
            world.live(|live| live.settings.deletion_protection = Some(false));
            world.declare("DeletionProtectionEnabled", json!(true));
        },
    ),
    (
        Code::ReplicaRemoved,
        |world| world.was(with(streamed(), "Replicas", json!([{ "Region": "us-west-2" }]))),
        |world| {
            let replicated = with(streamed(), "Replicas", json!([{ "Region": "us-west-2" }]));
            world.was(replicated.clone());
            world.declared = properties(&[replicated]);
        },
    ),
    (
        Code::DestinationStopped,
        |world| world.was(sending()),
        |world| world.declared = properties(&[sending()]),
    ),
    (
        Code::PolicyRemoved,
        |world| world.was(with(table("orders"), "ResourcePolicy", policy())),
        |world| world.declare("ResourcePolicy", policy()),
    ),
    (
        Code::CostsChange,
        |world| world.declare("TableClass", json!("STANDARD_INFREQUENT_ACCESS")),
        |world| world.declare("TableClass", json!("STANDARD")),
    ),
    (
        Code::SlowIndex,
        |world| {
            world.declared = properties(&[with_index(table("orders"), "by_a", "a")]);
            world.holds(1_000, 100 << 30);
        },
        |world| {
            world.declared = properties(&[with_index(table("orders"), "by_a", "a")]);
            world.holds(1_000, 1 << 30);
        },
    ),
];

fn policy() -> Value {
    json!({ "PolicyDocument": { "Version": "2012-10-17", "Statement": [] } })
}

/// The same, of migrations and of the declaration.
const OF_MIGRATIONS: &[(Code, Does, Does)] = &[
    (
        Code::LossWhileExpanding,
        |world| world.takes_away(attribute("a"), Phase::Expand, Some(Guard::Stamp)),
        |world| world.takes_away(Loss::Items, Phase::Contract, None),
    ),
    (
        Code::LossBeforeCode,
        |world| world.takes_away(Loss::Items, Phase::Expand, Some(Guard::Journal)),
        |world| world.takes_away(Loss::Items, Phase::Contract, Some(Guard::Journal)),
    ),
    (
        Code::LossForGood,
        |world| world.takes_away(Loss::Items, Phase::Contract, None),
        |world| {
            world.takes_away(Loss::Items, Phase::Contract, None);
            let on = json!({ "PointInTimeRecoveryEnabled": true });
            world.declare("PointInTimeRecoverySpecification", on);
        },
    ),
    (
        Code::PhasesTogether,
        |world| world.specs.push(Spec { phase: Phase::Contract, ..spec("0003_c") }),
        |world| {
            world.specs[0].phase = Phase::Contract;
            world.specs.push(spec("0003_c"));
        },
    ),
    (
        Code::NoWayBack,
        |world| world.specs[0].reversible = false,
        |world| {
            world.specs[0].reversible = false;
            // The end of a copy has none by its nature.
            world.specs.insert(0, Spec { copies: Some("orders".to_owned()), ..spec("0001_a") });
            world.specs[1].finishes = Some("0001_a".to_owned());
            world.was(streamed());
            world.declared = properties(&[streamed()]);
            world.observed.ledger.migrations.insert("0001_a".to_owned(), applied("0001_a"));
        },
    ),
    (
        Code::WayBackInThisBuild,
        |world| world.specs[0].language = Language::Rust,
        |world| {
            world.specs[0].language = Language::Rust;
            world.declared["OnStackRollback"] = json!("keep");
        },
    ),
    (
        Code::NotRepeatable,
        |world| world.specs[0].idempotent = false,
        |world| world.declared["Migrations"] = json!({ "Baseline": "0002_b" }),
    ),
    (
        Code::LongerThanDeploy,
        |world| world.holds(40_000_000, 4_000_000_000),
        |world| {
            world.holds(40_000_000, 4_000_000_000);
            world.declared["Completion"] = json!("detached");
        },
    ),
    (
        Code::UncappedScan,
        |world| world.holds(10_000_000, 1_000_000_000),
        |world| {
            world.holds(10_000_000, 1_000_000_000);
            world.specs[0].backfills[0].cap = Cap::PerCent(50);
        },
    ),
    (
        Code::ForeignTable,
        |world| {
            world.specs[0].tables.push("theirs".to_owned());
            let theirs = ours(live(shape(table("theirs"))), BTreeMap::new()).0;
            world.observed.tables.insert("theirs".to_owned(), theirs);
        },
        |world| {
            world.specs[0].tables.push("old".to_owned());
            world.leaves(RemovalPolicy::Retain, |_| {});
        },
    ),
    (
        Code::ManyFailures,
        |world| world.specs[0].backfills[0].max_failed_items = 101,
        |world| world.specs[0].backfills[0].max_failed_items = 100,
    ),
    (
        Code::DearJournal,
        |world| {
            world.specs[0].backfills[0].guard = Some(Guard::Journal);
            world.holds(41_000_000, 4_000_000_000);
        },
        |world| {
            world.specs[0].backfills[0].guard = Some(Guard::Stamp);
            world.holds(41_000_000, 4_000_000_000);
        },
    ),
    (
        Code::StreamFlood,
        |world| {
            world.was(streamed());
            world.declared = properties(&[streamed()]);
            world.holds(10_000, 1_000_000);
        },
        |world| {
            world.was(streamed());
            world.declared = properties(&[streamed()]);
            world.holds(9_999, 1_000_000);
        },
    ),
    (
        Code::ReplicatedWrites,
        |world| {
            let replicated = with(streamed(), "Replicas", json!([{ "Region": "us-west-2" }]));
            world.was(replicated.clone());
            world.declared = properties(&[replicated]);
            world.holds(1, 100);
        },
        |world| world.holds(1, 100),
    ),
    (
        Code::LeavesIndex,
        |world| {
            let indexed = with_index(table("orders"), "by_a", "a");
            world.was(indexed.clone());
            world.declared = properties(&[indexed]);
            world.takes_away(attribute("a"), Phase::Contract, Some(Guard::Journal));
        },
        |world| {
            let indexed = with_index(table("orders"), "by_a", "a");
            world.was(indexed.clone());
            world.declared = properties(&[indexed]);
            world.takes_away(attribute("b"), Phase::Contract, Some(Guard::Journal));
        },
    ),
    (
        Code::LeavingTable,
        |world| {
            world.specs[0].tables.push("old".to_owned());
            world.leaves(RemovalPolicy::Snapshot, |_| {});
        },
        |world| world.leaves(RemovalPolicy::Snapshot, |_| {}),
    ),
    (
        Code::Halt,
        |world| world.declared["OnFailure"] = json!("halt"),
        |world| {
            world.declared["OnFailure"] = json!("halt");
            world.specs.clear();
        },
    ),
    (
        Code::RunsAll,
        |world| {
            world.mode = Mode::First;
            world.observed.ledger.meta = None;
            world.declared["Migrations"] = json!({ "Baseline": "none" });
            world.holds(1, 100);
        },
        |world| {
            world.declared["Migrations"] = json!({ "Baseline": "none" });
            world.holds(1, 100);
        },
    ),
    (
        Code::CodeBeforeData,
        |world| world.declared["Completion"] = json!("detached"),
        |world| {
            world.declared["Completion"] = json!("detached");
            world.specs.clear();
        },
    ),
];

fn applied(id: &str) -> tablewright::ledger::rows::MigrationRow {
    tablewright::ledger::rows::MigrationRow {
        id: id.to_owned(),
        state: tablewright::ledger::state::State::Applied,
        fingerprint: spec("0001_a").fingerprint,
        ..Default::default()
    }
}

fn case(code: Code) -> (Does, Does) {
    let case = OF_TABLES.iter().chain(OF_MIGRATIONS).find(|case| case.0 == code);
    let (_, due, nearly) = case.unwrap_or_else(|| panic!("{code} has no case"));
    (*due, *nearly)
}

#[test]
fn every_code_is_found_where_it_is_due_and_not_where_it_nearly_is() {
    assert_eq!(World::quiet().findings(), []);
    for code in Code::ALL {
        let (due, nearly) = case(*code);
        let mut world = World::quiet();
        due(&mut world);
        let findings = world.findings();
        assert!(findings.iter().any(|found| found.code == *code), "{code}: {findings:#?}");
        let mut world = World::quiet();
        nearly(&mut world);
        let findings = world.findings();
        assert!(findings.iter().all(|found| found.code != *code), "{code}: {findings:#?}");
    }
}

#[test]
fn every_finding_names_both_sides_and_what_to_do() {
    let mut said = Vec::new();
    for code in Code::ALL {
        let (due, _) = case(*code);
        let mut world = World::quiet();
        due(&mut world);
        let found = world.findings().into_iter().find(|found| found.code == *code).unwrap();
        said.push(found.to_string());
    }
    insta::assert_snapshot!("findings", said.join("\n"));
}

#[test]
fn an_error_stands_against_the_plan_until_it_is_allowed() {
    let mut world = World::quiet();
    world.takes_away(attribute("mail"), Phase::Expand, None);
    let Refused(objections) = world.plan().unwrap_err();
    insta::assert_snapshot!(objections.join("\n"), @"TW020 migration 0002_b: it takes away mail of items of orders while it expands, and keeps no journal; say phase: contract and run it when no code reads that any more, or keep guard: journal, or accept it with Allow: [TW020]");
    world.declared["Allow"] = json!(["TW020"]);
    let plan = world.plan().unwrap();
    let [found] = plan.findings.as_slice() else { panic!("{:?}", plan.findings) };
    assert_eq!((found.severity, found.allowed), (Severity::Note, true));
    assert!(plan.lines().iter().any(|line| line.starts_with("! TW020 note, allowed: ")));
}

#[test]
fn an_unknown_code_is_told_the_nearest() {
    let problems = Desired::read(&json!({ "Allow": ["TW003", "TW021x", 7] })).unwrap_err();
    let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    Allow[1]: TW021x is no code of a finding; the nearest is TW021 (a migration takes data away before the code that reads it has gone)
    Allow[2]: expected text, found 7
    ");
}

#[test]
fn a_way_back_that_follows_from_the_file_is_offered() {
    let mut world = World::quiet();
    world.specs[0].reversible = false;
    world.specs[0].offered = Some("down:\n  rename: { email: mail }\n".to_owned());
    let found = world.findings().remove(0);
    assert_eq!(found.offered, world.specs[0].offered);
    assert_eq!(found.to_string().lines().count(), 1);
    let desired = Desired::read(&world.declared).unwrap();
    let explained = world.plan().unwrap().explain(&world.input(&desired));
    for shown in [explained.to_string(), explained.markdown()] {
        assert!(
            shown.contains("down:\n") && shown.contains("  rename: { email: mail }\n"),
            "{shown}"
        );
    }
}

#[test]
fn what_a_file_says_decides_what_is_said_of_it() {
    let cases: [(&str, &[&str]); 6] = [
        ("remove: [a]", &["TW020", "TW024"]),
        ("remove: [a]\ndown:\n  set: { a: 1 }", &[]),
        ("remove: [a]\nguard: journal", &["TW021"]),
        ("when: item.a == 1\ndelete: true\nphase: contract", &["TW022", "TW024"]),
        ("when: item.a == 1\ndelete: true\nphase: contract\nguard: journal", &[]),
        ("rename: { a: b }\ndown:\n  rename: { b: a }", &[]),
    ];
    for (text, codes) in cases {
        let source = Source {
            id: "0002_b".to_owned(),
            language: Language::Yaml,
            file: "0002_b.yaml".to_owned(),
            text: format!("table: orders\n{text}\n"),
        };
        let mut world = World::quiet();
        world.specs = vec![authoring::read(&source).unwrap().spec()];
        let found: Vec<_> = world.findings().iter().map(|one| one.code.as_str()).collect();
        let found: BTreeSet<_> = found.into_iter().collect();
        assert_eq!(found, codes.iter().copied().collect(), "{text}");
    }
}

#[test]
fn the_way_back_and_the_cleanup_are_not_looked_at_again() {
    for mode in [Mode::Superset, Mode::Cleanup] {
        let mut world = World::quiet();
        world.was(streamed());
        world.takes_away(attribute("a"), Phase::Expand, None);
        world.mode = mode;
        assert_eq!(world.plan().unwrap().findings, []);
    }
}

/// The migrations of `examples/functions.rs`, as the planner knows them.
fn of_the_demo() -> Vec<Spec> {
    let keep = |id, table| Migration::backfill(id, table, |_| Ok(Change::Keep));
    let migrator = Migrator::builder()
        .migration(keep("0001_order_labels", "orders").down_items(|_| Ok(Change::Keep)))
        .migration(Migration::new("0002_customer_tiers", |_| async { Ok(()) }).idempotent())
        .migration(keep("0003_order_totals", "orders").down_items(|_| Ok(Change::Keep)));
    migrator.build().unwrap().specs()
}

#[test]
fn an_ordinary_deploy_is_told_what_is_right_and_no_more() {
    let read = |name: &str| -> Value {
        let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        event["ResourceProperties"].clone()
    };
    let order = ["create", "update", "update-failing", "update-indexes", "removal"];
    let mut said = Vec::new();
    let mut before = Observed::default();
    for name in order {
        let declared = read(name);
        let desired = Desired::read(&declared).unwrap();
        let mode = if name == "create" { Mode::First } else { Mode::Deploy };
        let world = World { declared, specs: of_the_demo(), observed: before, mode };
        let plan = world.plan().unwrap();
        assert!(plan.findings.iter().all(|found| found.severity < Severity::Error));
        let found: Vec<_> =
            plan.findings.iter().map(|one| format!("{} {}", one.code, one.about)).collect();
        said.push(format!("{name}: {}", found.join(", ")));
        before = observed(desired.tables.iter().map(|declared| live(declared.table.clone())));
        before.ledger.meta =
            Some(MetaRow { committed: Some("x".to_owned()), ..MetaRow::default() });
        for declared in &desired.tables {
            before.ledger.tables.get_mut(&declared.table.name).unwrap().removal = declared.removal;
        }
        for id in ["0001_order_labels", "0002_customer_tiers"] {
            before.ledger.migrations.insert(id.to_owned(), applied_as(id));
        }
        if name == "create" {
            before.ledger.migrations.remove("0002_customer_tiers");
        }
    }
    insta::assert_snapshot!(said.join("\n"), @r"
    create: 
    update: TW024 migration 0002_customer_tiers
    update-failing: TW025 migration 0003_order_totals
    update-indexes: 
    removal: TW001 table customers, TW003 table orders, TW003 table orders
    ");
}

fn applied_as(id: &str) -> tablewright::ledger::rows::MigrationRow {
    tablewright::ledger::rows::MigrationRow { id: id.to_owned(), ..applied("0001_a") }
}
