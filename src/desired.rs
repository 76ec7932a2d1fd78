//! Stage two, the declared side: resource properties to the desired state, or every problem in one list.

mod capacity;
mod indexes;
mod reader;
mod replicas;
mod settings;
mod table;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

pub use self::reader::Problem;
use self::reader::{Node, Problems};
use crate::plan::{Code, UnknownCode};
use crate::schema::Table;

/// Properties that CloudFormation adds or reads; no part of the declaration.
pub const NOT_OURS: [&str; 2] = ["ServiceToken", "ServiceTimeout"];

/// Ledger table of a declaration that names none.
pub const DEFAULT_LEDGER_TABLE: &str = "tablewright-ledger";

/// Tables that may leave a declaration at a time in order to be deleted, where it does not say.
pub const DEFAULT_MAX_TABLE_DELETES: u64 = 1;

/// The desired state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Declared tables, in the order of the declaration.
    pub tables: Vec<DeclaredTable>,
    /// How pending migrations are chosen.
    pub migrations: MigrationPolicy,
    /// What a failing request does with what it has done so far.
    pub on_failure: OnFailure,
    /// What a rollback of the stack does with the migrations of the declaration that it takes back.
    pub on_stack_rollback: OnStackRollback,
    /// Whether CloudFormation waits for the migrations.
    pub completion: Completion,
    /// Findings that do not stand against this deploy.
    pub allow: BTreeSet<Code>,
    /// Most tables that may leave a declaration at a time in order to be deleted.
    pub max_table_deletes: u64,
}

/// Whether CloudFormation waits for the migrations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Completion {
    /// It is answered when they are done.
    #[default]
    Blocking,
    /// It is answered when the tables are as declared, and the migrations go on after that.
    Detached,
}

/// A declared table and how it is handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredTable {
    /// Its shape.
    pub table: Table,
    /// What becomes of it when the resource is deleted.
    pub removal: RemovalPolicy,
    /// Whether an existing table that nobody owns may be taken over.
    pub adopt: bool,
    /// Global indexes that are filled on after the deploy that makes them.
    pub detached: BTreeSet<String>,
}

/// What becomes of a table that is no longer wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalPolicy {
    /// It is backed up, then deleted.
    Snapshot,
    /// It is deleted.
    Delete,
    /// It stays. Also what a newer version's word is taken for.
    #[default]
    #[serde(other)]
    Retain,
}

impl fmt::Display for RemovalPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retain => "retain",
            Self::Snapshot => "snapshot",
            Self::Delete => "delete",
        })
    }
}

/// What a rollback of the stack does with the migrations of the declaration that it takes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnStackRollback {
    /// Takes them back, where every one of them can be.
    #[default]
    Revert,
    /// Leaves them applied.
    Keep,
}

/// How pending migrations are chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MigrationPolicy {
    /// The last migration to run; all when absent.
    pub target: Option<String>,
    /// What a scope without history does.
    pub baseline: Baseline,
    /// What happens to a new migration that is older than the newest applied one.
    pub out_of_order: OutOfOrder,
    /// What happens when the ledger knows an older migration that this build does not.
    pub missing: Missing,
}

/// What a scope without history does with the migrations that exist already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Baseline {
    /// Marks all as done where every table is new or empty, and fails where one has data.
    #[default]
    Auto,
    /// Runs them all.
    None,
    /// Marks those up to this id as done and runs the rest.
    At(String),
}

/// What happens to a new migration that is older than the newest applied one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutOfOrder {
    /// The plan is refused.
    #[default]
    Fail,
    /// It is left out.
    Skip,
    /// It runs, and its row says so.
    Allow,
}

/// What happens when the ledger knows an older migration that this build does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missing {
    /// The plan is refused.
    #[default]
    Fail,
    /// It is mentioned.
    Allow,
}

/// What a failing request does with what it has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Takes it back.
    #[default]
    Rollback,
    /// Leaves it for the next deploy to resume.
    Halt,
}

impl Desired {
    /// Indexes of a table that are not waited for.
    #[must_use]
    pub fn detached(&self, table: &str) -> BTreeSet<String> {
        let declared = self.tables.iter().find(|declared| declared.table.name == table);
        declared.map(|declared| declared.detached.clone()).unwrap_or_default()
    }

    /// Reads `ResourceProperties`.
    ///
    /// # Errors
    /// All problems together, each with its path.
    pub fn read(properties: &Value) -> Result<Self, Vec<Problem>> {
        let problems = Problems::default();
        let desired = read(&Node::root(properties, &problems));
        let problems = problems.into_list();
        match desired {
            Some(desired) if problems.is_empty() => Ok(desired),
            _ => Err(problems),
        }
    }
}

/// The ledger table that properties name, however broken the rest of them is.
///
/// Delete must succeed where an earlier version's properties no longer parse.
#[must_use]
pub fn ledger_table(properties: &Value) -> String {
    let named = properties.get("LedgerTable").and_then(Value::as_str);
    named.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_LEDGER_TABLE).to_owned()
}

fn read(node: &Node<'_>) -> Option<Desired> {
    let fields = node.object(&[
        NOT_OURS[0],
        NOT_OURS[1],
        "Tables",
        "LedgerTable",
        "Migrations",
        "OnFailure",
        "OnStackRollback",
        "Completion",
        "Allow",
        "MaxTableDeletes",
    ])?;
    let mut tables: Vec<DeclaredTable> = Vec::new();
    for node in fields.get("Tables").map(|list| list.items()).unwrap_or_default() {
        let Some(declared) = table::read(&node) else { continue };
        if tables.iter().any(|earlier| earlier.table.name == declared.table.name) {
            node.problem(format!("the table {} is declared twice", declared.table.name));
        }
        tables.push(declared);
    }
    let ledger_table = match fields.get("LedgerTable") {
        Some(node) => node.text()?,
        None => DEFAULT_LEDGER_TABLE.to_owned(),
    };
    if tables.iter().any(|declared| declared.table.name == ledger_table) {
        fields.problem("LedgerTable", format!("{ledger_table} is also declared under Tables"));
    }
    let migrations = fields
        .get("Migrations")
        .map_or(Some(MigrationPolicy::default()), |node| migration_policy(&node));
    let on_failure = fields.get("OnFailure").map_or(Some(OnFailure::default()), |node| {
        node.one_of(&[("rollback", OnFailure::Rollback), ("halt", OnFailure::Halt)])
    });
    let on_stack_rollback =
        fields.get("OnStackRollback").map_or(Some(OnStackRollback::default()), |node| {
            node.one_of(&[("revert", OnStackRollback::Revert), ("keep", OnStackRollback::Keep)])
        });
    let completion = fields.get("Completion").map_or(Some(Completion::default()), |node| {
        node.one_of(&[("blocking", Completion::Blocking), ("detached", Completion::Detached)])
    });
    let mut allow = BTreeSet::new();
    for node in fields.get("Allow").map(|list| list.items()).unwrap_or_default() {
        match node.text().map(|word| word.parse()) {
            Some(Ok(code)) => drop(allow.insert(code)),
            Some(Err(unknown)) => node.problem(UnknownCode::to_string(&unknown)),
            None => {}
        }
    }
    let max_table_deletes = match fields.get("MaxTableDeletes") {
        Some(node) => node.at_least(0)?,
        None => DEFAULT_MAX_TABLE_DELETES,
    };
    Some(Desired {
        tables,
        migrations: migrations?,
        on_failure: on_failure?,
        on_stack_rollback: on_stack_rollback?,
        completion: completion?,
        allow,
        max_table_deletes,
    })
}

fn migration_policy(node: &Node<'_>) -> Option<MigrationPolicy> {
    let fields = node.object(&["Hash", "Target", "Baseline", "OutOfOrder", "Missing"])?;
    let baseline = match fields.get("Baseline").map(|node| node.text()) {
        None => Baseline::Auto,
        Some(word) => match word?.as_str() {
            "auto" => Baseline::Auto,
            "none" => Baseline::None,
            id => Baseline::At(id.to_owned()),
        },
    };
    let target = match fields.get("Target") {
        Some(node) => Some(node.text()?),
        None => None,
    };
    let out_of_order = fields.get("OutOfOrder").map_or(Some(OutOfOrder::Fail), |node| {
        node.one_of(&[
            ("fail", OutOfOrder::Fail),
            ("skip", OutOfOrder::Skip),
            ("allow", OutOfOrder::Allow),
        ])
    });
    let missing = fields.get("Missing").map_or(Some(Missing::Fail), |node| {
        node.one_of(&[("fail", Missing::Fail), ("allow", Missing::Allow)])
    });
    Some(MigrationPolicy { target, baseline, out_of_order: out_of_order?, missing: missing? })
}
