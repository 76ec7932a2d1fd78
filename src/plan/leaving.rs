//! Plans what becomes of tables that are not declared any more: which are doomed, which stay, and why.

use std::collections::BTreeSet;
use std::fmt;

use super::{Input, Mode, Plan};
use crate::desired::RemovalPolicy;
use crate::dynamo::Status;
use crate::ledger::rows::{Origin, TableRow};
use crate::observe::{Feature, LiveTable, OWNER_TAG};
use crate::schema::Table;

/// A table that is not declared any more, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// Its name.
    pub table: String,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a table that is not declared any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is deleted when the whole stack has succeeded without it.
    Doomed {
        /// Whether it is backed up first.
        snapshot: bool,
        /// Why it is still there, where an earlier cleanup tried.
        failure: Option<String>,
    },
    /// It stays, for this reason.
    Stays(String),
    /// Somebody else has deleted it.
    Gone,
}

impl fmt::Display for Leaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, fate } = self;
        match fate {
            Fate::Doomed { snapshot, failure } => {
                let first = if *snapshot { " (snapshot first)" } else { "" };
                write!(
                    f,
                    "- table {table}: doomed, goes when the whole stack has succeeded{first}"
                )?;
                match failure {
                    Some(failure) => write!(f, "; the last try failed: {failure}"),
                    None => Ok(()),
                }
            }
            Fate::Stays(why) => write!(f, "~ table {table}: left the declaration; it stays, {why}"),
            Fate::Gone => {
                write!(f, "~ table {table}: left the declaration and is gone already; forgotten")
            }
        }
    }
}

pub(super) fn plan(input: &Input<'_>, plan: &mut Plan, objections: &mut Vec<String>) {
    let declared = input.desired.tables.iter().map(|declared| &declared.table.name);
    let declared: BTreeSet<&String> = declared.collect();
    let mut newly_doomed = Vec::new();
    for row in input.observed.ledger.tables.values() {
        if declared.contains(&row.name) {
            if row.is_doomed() {
                plan.notices.push(format!("table {} is declared again, it stays", row.name));
            }
            continue;
        }
        if !row.declared && !row.is_doomed() {
            continue;
        }
        let fate = fate(input, row);
        if matches!(fate, Fate::Doomed { .. }) && row.declared {
            newly_doomed.push(row.name.as_str());
        }
        plan.leaving.push(Leaving { table: row.name.clone(), fate });
    }
    let most = input.desired.max_table_deletes;
    if u64::try_from(newly_doomed.len()).is_ok_and(|doomed| doomed > most) {
        objections.push(format!(
            "{} left the declaration and would be deleted after this deploy, MaxTableDeletes allows {most}; \
             raise it, or let fewer tables go at a time",
            names(&newly_doomed)
        ));
    }
}

fn names(tables: &[&str]) -> String {
    let noun = if tables.len() == 1 { "table" } else { "tables" };
    format!("{noun} {}", tables.join(", "))
}

/// A table goes only where its policy asks for it and three signs agree that it is ours: ledger row, identity, owner
/// tag. They are looked at again before it goes.
fn fate(input: &Input<'_>, row: &TableRow) -> Fate {
    let stays = |why: &str| Fate::Stays(why.to_owned());
    if input.mode == Mode::First {
        return stays("it is left from an earlier life of this resource");
    }
    let snapshot = match row.removal {
        RemovalPolicy::Retain => return stays("its removal policy is retain"),
        RemovalPolicy::Snapshot => true,
        RemovalPolicy::Delete => false,
    };
    let doomed = Fate::Doomed { snapshot, failure: row.failure.clone() };
    match row.origin {
        Origin::Adopted => return stays("it was taken over and not made here"),
        Origin::Created => {}
    }
    if input.observed.unreadable.contains(&row.name) {
        return doomed;
    }
    match input.observed.tables.get(&row.name) {
        None => Fate::Gone,
        Some(live) => stand_in_the_way(input.place.scope, row, live).map_or(doomed, stays),
    }
}

/// What keeps a live table that its policy would have deleted.
fn stand_in_the_way(scope: &str, row: &TableRow, live: &LiveTable) -> Option<&'static str> {
    if row.table_id != live.description.id {
        return Some("it is not the table that was made here");
    }
    if live.description.status == Status::Deleting {
        return None;
    }
    let is_tagged = live.tags.get(OWNER_TAG).map(String::as_str) == Some(scope);
    // Where an engine keeps no tags, the row and the identity have to do.
    if !is_tagged && !live.unsupported.contains(&Feature::Tags) {
        return Some("it does not carry this resource's owner tag");
    }
    if live.table().settings.deletion_protection == Some(true) {
        return Some("it is protected against deletion");
    }
    if !has_only_own_replicas(row, live.table()) {
        return Some("it has replicas that were not declared here");
    }
    None
}

/// Whether all replicas of a table are those of its last declaration.
#[must_use]
pub fn has_only_own_replicas(row: &TableRow, live: &Table) -> bool {
    let last = row.last_declaration().and_then(|last| last.replicas).unwrap_or_default();
    live.replicas.iter().flatten().all(|(region, _)| last.contains_key(region))
}
