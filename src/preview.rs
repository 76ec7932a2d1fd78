//! What the pending migrations would make of a few real items: counts, what is before and after, and the first errors.
//!
//! A preview reads with `Scan` and hands transforms to nothing that could write. It is shown to whoever asks for it and is
//! not logged: it is the one place that shows what items hold, unless it is asked to tell types and sizes alone.

mod text;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use self::values::Values;
use crate::backfill::preview::{Becomes, Fate, New, Sampled};
use crate::deadline::Deadline;
use crate::dynamo::{self, Dynamo, WireItem, same};
use crate::migration::{Backfill, Work};
use crate::migrator::Migrator;
use crate::observe::LiveTable;
use crate::plan::{Input, MigrationStep, Plan};

/// Different errors of a backfill that are shown.
const ERRORS_MAX: usize = 10;

/// How large a sample is taken, and what of its values is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Items of each table, about.
    pub items: usize,
    /// Whether values are shown.
    pub values: Values,
}

/// What the pending migrations would make of a sample. Its `Display` is text, its `Serialize` the same as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Items that were asked for of each table.
    pub items: usize,
    /// Whether values are shown.
    pub values: Values,
    /// The migrations, in the order in which they would run.
    pub migrations: Vec<PreviewedMigration>,
}

/// What one migration would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreviewedMigration {
    /// Its id.
    pub id: String,
    /// Why there is nothing to show of it.
    pub unknown: Option<&'static str>,
    /// Its backfills, in order.
    pub backfills: Vec<PreviewedBackfill>,
}

/// What one backfill would make of the sample of its table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PreviewedBackfill {
    /// The table.
    pub table: String,
    /// Items that the transform was given.
    pub read: usize,
    /// Items that it would change.
    pub changed: usize,
    /// Items that it would delete.
    pub deleted: usize,
    /// Items that it would put.
    pub put: usize,
    /// Items that it would leave alone.
    pub kept: usize,
    /// Items that it would leave alone for a reason of its author's.
    pub skipped: usize,
    /// Items that it could not handle.
    pub failed: usize,
    /// Items at which the migration would stop, since it is not right.
    pub refused: usize,
    /// What is before and after, of as many items as were asked for at most.
    pub differences: Vec<Difference>,
    /// The first errors.
    pub errors: Vec<ItemError>,
}

/// An item before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What becomes of it.
    pub kind: DifferenceKind,
    /// The table that it is in.
    pub table: String,
    /// Its key, as `pk=7 sk=A`.
    pub key: String,
    /// The attributes that differ.
    pub attributes: Vec<AttributeDifference>,
}

/// What becomes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// Some of its attributes change.
    Changed,
    /// It goes.
    Deleted,
    /// It is made.
    Put,
}

/// An attribute before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttributeDifference {
    /// Its name.
    pub name: String,
    /// What it is before; nothing where it is not there.
    pub before: Option<String>,
    /// What it is after; nothing where it is not there.
    pub after: Option<String>,
}

/// Why items cannot be handled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemError {
    /// The key of the first of them.
    pub key: String,
    /// How many there are.
    pub items: usize,
    /// Why.
    pub error: String,
}

/// Runs the transforms of the migrations of a plan, in their order, on a sample of each table: each is given what those
/// before it have made. Reads alone.
///
/// # Errors
/// What DynamoDB refuses, such as the right to scan.
pub async fn preview(
    dynamo: &Dynamo,
    migrator: &Migrator,
    plan: &Plan,
    input: &Input<'_>,
    sampling: Sampling,
    deadline: Deadline,
) -> Result<Preview, dynamo::Error> {
    let Sampling { items, values } = sampling;
    let mut sampled = Sampled::new(dynamo, items, deadline, keys(input));
    let mut migrations = Vec::new();
    for step in &plan.migrations {
        let id = match step {
            MigrationStep::Apply { id, .. } => id,
            MigrationStep::Baseline { .. }
            | MigrationStep::CatchUp { .. }
            | MigrationStep::RetryFailed { .. } => continue,
        };
        let Some(migration) = migrator.get(id) else { continue };
        let mut previewed =
            PreviewedMigration { id: id.clone(), unknown: None, backfills: Vec::new() };
        match &migration.work {
            Work::Backfills(backfills) => {
                for backfill in backfills {
                    let fates = sampled.run(id, backfill).await?;
                    previewed.backfills.push(PreviewedBackfill::of(backfill, fates, sampling));
                }
            }
            Work::Function(_) => {
                previewed.unknown = Some(match migration.source() {
                    Some(_) => "statements are free to do anything, and are not run",
                    None => "a function is free to do anything, and is not run",
                });
            }
            Work::Copy(_) | Work::FinishCopy { .. } => {
                previewed.unknown = Some("a copy is not tried on single items");
            }
        }
        migrations.push(previewed);
    }
    Ok(Preview { items, values, migrations })
}

/// Keys of the tables that are declared, and of those that are there.
fn keys(input: &Input<'_>) -> BTreeMap<String, Vec<String>> {
    let declared = input.desired.tables.iter().map(|declared| &declared.table);
    let live = input.observed.tables.values().map(LiveTable::table);
    let of = |table: &crate::schema::Table| {
        (table.name.clone(), table.keys.names().map(str::to_owned).collect())
    };
    declared.chain(live).map(of).collect()
}

impl PreviewedBackfill {
    fn of(backfill: &Backfill, fates: Vec<Fate>, sampling: Sampling) -> Self {
        let table = backfill.table.clone();
        let mut previewed = Self { table, read: fates.len(), ..Self::default() };
        for fate in fates {
            previewed.add(fate, sampling);
        }
        previewed
    }

    fn add(&mut self, Fate { key, becomes }: Fate, sampling: Sampling) {
        let table = self.table.clone();
        let nothing = WireItem::new();
        match becomes {
            Becomes::Keeps => self.kept += 1,
            Becomes::Skips => self.skipped += 1,
            Becomes::Changes { before, after } => {
                self.changed += 1;
                self.show(sampling, (DifferenceKind::Changed, table, key), &before, &after);
            }
            Becomes::Goes(before) => {
                self.deleted += 1;
                self.show(sampling, (DifferenceKind::Deleted, table, key), &before, &nothing);
            }
            Becomes::Puts(puts) => {
                self.put += puts.len();
                for New { table, key, item } in puts {
                    self.show(sampling, (DifferenceKind::Put, table, key), &nothing, &item);
                }
            }
            Becomes::Fails(error) => {
                self.failed += 1;
                self.err(key, error);
            }
            Becomes::Refuses(error) => {
                self.refused += 1;
                self.err(key, error);
            }
        }
    }

    fn err(&mut self, key: String, error: String) {
        let errors = &mut self.errors;
        let position = errors.iter().position(|earlier| earlier.error == error);
        match position {
            Some(position) => errors[position].items += 1,
            None if errors.len() < ERRORS_MAX => errors.push(ItemError { key, items: 1, error }),
            None => {}
        }
    }

    fn show(
        &mut self,
        sampling: Sampling,
        (kind, table, key): (DifferenceKind, String, String),
        before: &WireItem,
        after: &WireItem,
    ) {
        if self.differences.len() >= sampling.items {
            return;
        }
        let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let differ = names.into_iter().filter(|name| !same(before.get(*name), after.get(*name)));
        let attributes = differ.map(|name| AttributeDifference {
            name: name.clone(),
            before: before.get(name).map(|value| sampling.values.show(value)),
            after: after.get(name).map(|value| sampling.values.show(value)),
        });
        let attributes = attributes.collect();
        self.differences.push(Difference { kind, table, key, attributes });
    }
}
