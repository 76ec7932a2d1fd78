//! The scenarios: what a stack declares, which builds lead from one declaration to the next, and the one request that
//! things go wrong in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tablewright::migrator::{BuildError, Builder};
use tablewright::{Backfill, Change, Guard, Item, Migration, MigrationError, Migrator};

use crate::support::{item, number, properties, table, text, with, with_index};

pub(super) const ORDERS: &str = "orders";
pub(super) const ARCHIVE: &str = "archive";
/// How many orders there are.
pub(super) const COUNT: u64 = 6;
/// The order that the failing build cannot handle.
const POISONED: &str = "4";

/// What is asked for when things go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenario {
    /// A Create with two tables, and a migration that fills one.
    Create,
    /// An Update with an index, a table and two migrations: one has a `down`, the other keeps a journal.
    Update,
    /// The same with two journals, and the second migration fails.
    Failing,
    /// The way back from such an Update that had succeeded, by the build of before.
    Rollback,
    /// The Delete of a resource with two tables, one of which is to go.
    Delete,
}

/// Which build of the function answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    /// The one of before, which knows no migration.
    Old,
    /// The one that is deployed.
    New,
    /// The one that is deployed after a failure.
    Mended,
}

/// What a migration does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misstep {
    Panics,
    /// Takes memory until there is none left.
    Hoards,
}

/// A build with migrations that go wrong at the nth item that they meet, if at all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code {
    pub(super) scenario: Scenario,
    pub(super) build: Build,
    pub(super) misstep: Option<(Misstep, u64)>,
}

impl Scenario {
    pub(super) const ALL: [Self; 5] =
        [Self::Create, Self::Update, Self::Failing, Self::Rollback, Self::Delete];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Failing => "failing update",
            Self::Rollback => "rollback",
            Self::Delete => "delete",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// The build that answers when CloudFormation goes back: mostly the function has gone back before its resource.
    pub(super) fn build_on_the_way_back(self) -> Build {
        match self {
            Self::Update => Build::New,
            Self::Create | Self::Failing | Self::Rollback | Self::Delete => Build::Old,
        }
    }

    /// Ids of the migrations of the deployed build.
    pub(super) fn migrations(self) -> &'static [&'static str] {
        match self {
            Self::Create => &["0001_fill"],
            Self::Update | Self::Failing | Self::Rollback | Self::Delete => {
                &["0001_label", "0002_count"]
            }
        }
    }
}

/// The declaration that a stack starts from, where it has one.
pub(super) fn before() -> Value {
    declaration("old", &[with_index(table(ORDERS), "by_a", "a")])
}

/// The declaration that is deployed.
pub(super) fn after() -> Value {
    let orders = with_index(with_index(table(ORDERS), "by_a", "a"), "by_b", "b");
    let archive = with(table(ARCHIVE), "RemovalPolicy", json!("delete"));
    declaration("new", &[orders, archive])
}

/// The orders of before the migrations, by key and in their order.
pub(super) fn orders() -> Vec<crate::support::Item> {
    (1..=COUNT).map(|n| item([("pk", text(&n.to_string())), ("n", number(n))])).collect()
}

/// The orders of after the migrations.
pub(super) fn migrated() -> Vec<crate::support::Item> {
    let order = |n: u64| {
        let pk = n.to_string();
        let label = text(&label(&pk));
        item([("pk", text(&pk)), ("n", number(n + 1)), ("label", label)])
    };
    (1..=COUNT).map(order).collect()
}

fn declaration(hash: &str, tables: &[Value]) -> Value {
    with(properties(tables), "Migrations", json!({ "Hash": hash, "Baseline": "none" }))
}

fn label(pk: &str) -> String {
    format!("ORDER#{pk}")
}

impl Build {
    pub(super) const ALL: [Self; 3] = [Self::Old, Self::New, Self::Mended];
}

impl Code {
    pub(super) fn migrator(self) -> Result<Migrator, BuildError> {
        let stumble = Stumble { at: self.misstep, met: Arc::default() };
        let migrations = match (self.build, self.scenario) {
            (Build::Old, _) => Vec::new(),
            (Build::New | Build::Mended, Scenario::Create) => vec![fill(stumble)],
            (Build::New | Build::Mended, Scenario::Update) => {
                vec![labels(&stumble, false), counts(&stumble, None)]
            }
            (Build::New, Scenario::Failing) => {
                vec![labels(&stumble, true), counts(&stumble, Some(POISONED))]
            }
            (Build::Mended, Scenario::Failing)
            | (Build::New | Build::Mended, Scenario::Rollback | Scenario::Delete) => {
                vec![labels(&stumble, true), counts(&stumble, None)]
            }
        };
        migrations.into_iter().fold(Migrator::builder(), Builder::migration).build()
    }
}

/// Where a migration goes wrong: at the nth item that it meets in this process, and at no other.
#[derive(Debug, Clone)]
struct Stumble {
    at: Option<(Misstep, u64)>,
    met: Arc<AtomicU64>,
}

impl Stumble {
    fn meet(&self) {
        let met = self.met.fetch_add(1, Ordering::SeqCst) + 1;
        match self.at {
            Some((Misstep::Panics, nth)) if nth == met => panic!("a migration panics on purpose"),
            Some((Misstep::Hoards, nth)) if nth == met => hoard(),
            Some(_) | None => {}
        }
    }
}

/// Takes memory, and uses it, until the process has no more.
fn hoard() {
    let mut hoarded: Vec<Vec<u8>> = Vec::new();
    loop {
        hoarded.push(vec![1; 16 << 20]);
        std::hint::black_box(&hoarded);
    }
}

/// A label on every order.
fn labels(stumble: &Stumble, has_journal: bool) -> Migration {
    let stumble = stumble.clone();
    let backfill = Backfill::new(ORDERS, move |mut order: Item| {
        stumble.meet();
        let label = label(order.text("pk")?);
        order.set_text("label", label);
        Ok(Change::Update(order))
    });
    let backfill = if has_journal {
        backfill.guard(Guard::Journal)
    } else {
        backfill.down(|mut order| {
            order.remove("label");
            Ok(Change::Update(order))
        })
    };
    Migration::backfills("0001_label", [backfill.segments(2)])
}

/// One more for every order, which twice would be one too many.
fn counts(stumble: &Stumble, poisoned: Option<&'static str>) -> Migration {
    let stumble = stumble.clone();
    let backfill = Backfill::new(ORDERS, move |mut order: Item| {
        stumble.meet();
        if poisoned.is_some_and(|pk| order.text("pk").is_ok_and(|found| found == pk)) {
            return Err(MigrationError::new("it is poisoned"));
        }
        let n: u64 = order.number("n")?.parse()?;
        order.set_number("n", n + 1);
        Ok(Change::Update(order))
    });
    Migration::backfills("0002_count", [backfill.guard(Guard::Journal).segments(2)])
}

/// Items of the archive.
pub(super) const FILLED: [&str; 2] = ["1", "2"];

/// Fills the archive, by hand.
fn fill(stumble: Stumble) -> Migration {
    Migration::new("0001_fill", move |cx| {
        let stumble = stumble.clone();
        async move {
            for pk in FILLED {
                stumble.meet();
                let item = item([("pk", text(pk))]);
                cx.dynamo().put_item().table_name(ARCHIVE).set_item(Some(item)).send().await?;
            }
            Ok(())
        }
    })
    .idempotent()
    .down(|cx| async move {
        for pk in FILLED {
            cx.dynamo().delete_item().table_name(ARCHIVE).key("pk", text(pk)).send().await?;
        }
        Ok(())
    })
}
