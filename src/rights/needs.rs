//! What makes rights necessary: each feature of each table, each kind of migration.

use std::collections::{BTreeMap, BTreeSet};

use super::{Role, Subject};
use crate::authoring::Language;
use crate::desired::{DeclaredTable, Desired, OnStackRollback, RemovalPolicy};
use crate::migration::{Guard, Spec};
use crate::schema::{AutoScaling, Capacity, Encryption, Settings, Table};

/// What makes rights necessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// The history.
    Ledger,
    /// A journal of what items were.
    LedgerJournal,
    /// A declared table.
    Table,
    /// Tags of its own.
    Tags,
    /// Expiry of items.
    Expiry,
    /// Point-in-time recovery.
    Recovery,
    /// A resource policy.
    ResourcePolicy,
    /// A Kinesis stream that changes go to.
    Kinesis,
    /// Contributor insights.
    Insights,
    /// Contributor insights of an index.
    IndexInsights,
    /// Provisioned throughput, which something may scale.
    Provisioned,
    /// Auto scaling.
    Scaling,
    /// A KMS key.
    Key,
    /// A replica.
    Replica,
    /// The end of a replica.
    ReplicaEnd,
    /// Settings of a replica that are its table's own in its region.
    ReplicaTable,
    /// A backup before the end.
    Snapshot,
    /// Tables that have left the declaration.
    Removed,
    /// A backfill.
    Backfill,
    /// A backfill with a journal.
    Journal,
    /// Items that a backfill puts into a table.
    Put,
    /// The source of a copy.
    CopySource,
    /// The target of a copy.
    CopyTarget,
    /// PartiQL statements of a migration.
    Statements,
    /// A migration that is free to do anything with items.
    Free,
    /// Migrations of a newer build, which a rollback of the stack takes back.
    Revert,
    /// What the stack is going through.
    Stack,
    /// Runs that are longer than an invocation.
    LongRuns,
}

impl Need {
    /// All of them, in the order in which a policy tells them.
    pub const ALL: [Self; 28] = [
        Self::Ledger,
        Self::LedgerJournal,
        Self::Table,
        Self::Tags,
        Self::Expiry,
        Self::Recovery,
        Self::ResourcePolicy,
        Self::Kinesis,
        Self::Insights,
        Self::IndexInsights,
        Self::Provisioned,
        Self::Scaling,
        Self::Key,
        Self::Replica,
        Self::ReplicaEnd,
        Self::ReplicaTable,
        Self::Snapshot,
        Self::Removed,
        Self::Backfill,
        Self::Journal,
        Self::Put,
        Self::CopySource,
        Self::CopyTarget,
        Self::Statements,
        Self::Free,
        Self::Revert,
        Self::Stack,
        Self::LongRuns,
    ];
}

/// What a right is to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// A table; in another region than the stack's where one is given.
    Table { name: String, region: Option<String> },
    /// What has this ARN.
    Named { arn: String },
    /// Whatever there is.
    Anything,
}

type Needs = BTreeMap<Need, BTreeSet<Target>>;

/// All needs, each with what it is about.
pub(super) fn of(subject: &Subject<'_>) -> Needs {
    let mut needs = Found(Needs::new());
    needs.table(Need::Ledger, subject.ledger);
    for declared in subject.declarations.iter().flat_map(|desired| &desired.tables) {
        needs.declared(declared);
    }
    needs.migrations(subject);
    if let Role::Deploy { state_machine } = subject.role {
        needs.anything(Need::Stack);
        if let Some(arn) = state_machine {
            needs.add(Need::LongRuns, Target::Named { arn: arn.to_owned() });
        }
    }
    needs.anything(Need::Removed);
    needs.0
}

struct Found(Needs);

impl Found {
    fn add(&mut self, need: Need, target: Target) {
        self.0.entry(need).or_default().insert(target);
    }

    fn table(&mut self, need: Need, name: &str) {
        self.add(need, Target::Table { name: name.to_owned(), region: None });
    }

    fn anything(&mut self, need: Need) {
        self.add(need, Target::Anything);
    }

    fn declared(&mut self, declared: &DeclaredTable) {
        let table = &declared.table;
        let name = &table.name;
        self.table(Need::Table, name);
        if table.settings.tags.is_some() {
            self.table(Need::Tags, name);
        }
        if table.time_to_live.is_some() {
            self.table(Need::Expiry, name);
        }
        if declared.removal == RemovalPolicy::Snapshot {
            self.table(Need::Snapshot, name);
        }
        if matches!(table.capacity, Capacity::Provisioned(_)) {
            self.anything(Need::Provisioned);
        }
        if is_scaled(table) {
            self.anything(Need::Scaling);
        }
        if let Some(Encryption::Kms(Some(_))) = table.encryption {
            self.anything(Need::Key);
        }
        self.settings(name, None, &table.settings);
        for (region, replica) in table.replicas.iter().flatten() {
            let target = Target::Table { name: name.clone(), region: Some(region.clone()) };
            self.add(Need::Replica, target.clone());
            self.add(Need::ReplicaEnd, target.clone());
            if replica.settings.tags.is_some() || replica.settings.deletion_protection.is_some() {
                self.add(Need::ReplicaTable, target);
            }
            self.settings(name, Some(region), &replica.settings);
        }
    }

    fn settings(&mut self, name: &str, region: Option<&String>, settings: &Settings) {
        let managed = [
            (Need::Recovery, settings.recovery.is_some()),
            (Need::ResourcePolicy, settings.policy.is_some()),
            (Need::Kinesis, settings.destination.is_some()),
            (Need::Insights, settings.insights.is_some()),
            (Need::IndexInsights, !settings.index_insights.is_empty()),
        ];
        for (need, _) in managed.into_iter().filter(|(_, is_managed)| *is_managed) {
            self.add(need, Target::Table { name: name.to_owned(), region: region.cloned() });
        }
    }

    fn migrations(&mut self, subject: &Subject<'_>) {
        let declared = subject.declarations.iter().flat_map(|desired| &desired.tables);
        let declared: BTreeSet<&str> =
            declared.map(|declared| declared.table.name.as_str()).collect();
        let others = subject.others.iter().map(String::as_str);
        let all: BTreeSet<&str> = declared.iter().copied().chain(others).collect();
        for spec in subject.specs {
            self.migration(spec, subject.specs, &all);
        }
        let reverts = |desired: &Desired| desired.on_stack_rollback == OnStackRollback::Revert;
        if subject.declarations.iter().any(reverts) {
            for table in &all {
                self.table(Need::Revert, table);
            }
            self.table(Need::LedgerJournal, subject.ledger);
        }
        let journals = |spec: &Spec| spec.backfills.iter().any(|one| is_journalled(one.guard));
        if subject.specs.iter().any(journals) {
            self.table(Need::LedgerJournal, subject.ledger);
        }
    }

    fn migration(&mut self, spec: &Spec, specs: &[Spec], all: &BTreeSet<&str>) {
        let copy = spec.finishes.as_ref().and_then(|of| specs.iter().find(|spec| spec.id == *of));
        if let Some(source) = copy.unwrap_or(spec).copies.as_ref() {
            self.table(Need::CopySource, source);
            let targets = copy.unwrap_or(spec).tables.iter().filter(|table| *table != source);
            targets.for_each(|table| self.table(Need::CopyTarget, table));
            return;
        }
        for backfill in &spec.backfills {
            let need = if is_journalled(backfill.guard) { Need::Journal } else { Need::Backfill };
            self.table(need, &backfill.table);
        }
        let beside = spec.tables.iter().map(String::as_str);
        let beside = beside.filter(|table| spec.backfills.iter().all(|one| one.table != *table));
        match (spec.language, spec.backfills.is_empty()) {
            // What it puts where, its code knows alone.
            (Language::Rust | Language::JavaScript | Language::Unknown, false) => {
                all.iter().copied().chain(beside).for_each(|table| self.table(Need::Put, table));
            }
            (Language::Rust | Language::JavaScript | Language::Unknown, true) => {
                all.iter().copied().chain(beside).for_each(|table| self.table(Need::Free, table));
            }
            (Language::Yaml, is_of_statements) => {
                if !is_of_statements {
                    beside.for_each(|table| self.table(Need::Put, table));
                }
                self.written(spec, is_of_statements);
            }
        }
    }

    /// What a file says beside its backfills: statements, and a way back that is not theirs.
    fn written(&mut self, spec: &Spec, is_of_statements: bool) {
        let goes_back = spec.reversible && !spec.journal;
        let has_own_way_back = goes_back && !spec.backfills.iter().all(|one| one.has_down);
        for table in &spec.tables {
            if is_of_statements || has_own_way_back {
                self.table(Need::Statements, table);
            }
            if (is_of_statements && goes_back) || has_own_way_back {
                self.table(Need::Backfill, table);
            }
        }
    }
}

fn is_journalled(guard: Option<Guard>) -> bool {
    guard == Some(Guard::Journal)
}

fn is_scaled(table: &Table) -> bool {
    table.scaling != AutoScaling::default() || !table.index_scaling.is_empty()
}
