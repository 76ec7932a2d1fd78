//! How long a plan will take, about: enough to tell minutes from hours before anything is begun.

use std::time::Duration;

use super::{MigrationStep, Plan, TablePlan, TableStep, Takes};
use crate::dynamo::Description;
use crate::migration::Spec;
use crate::observe::Observed;
use crate::schema::{Capacity, Warm};

/// Write units that a table on demand takes from the start ("Read/write capacity mode", AWS documentation).
const ON_DEMAND_UNITS: u64 = 4000;
/// Items that one invocation transforms and writes in a second.
const ITEMS_A_SECOND: u64 = 5000;
/// Bytes that DynamoDB reads in a second while it fills an index; a guess on the safe side.
const INDEX_BYTES_A_SECOND: u64 = 10 << 20;

impl Plan {
    /// How long it will take, about, with every item that a migration meets being changed. What nobody can know, such as how
    /// long a function takes, counts as nothing.
    #[must_use]
    pub fn takes(&self, observed: &Observed, specs: &[Spec]) -> Duration {
        // Tables are changed side by side, items migrated one migration after another.
        let tables = self.tables.iter().map(|plan| of_table(plan, observed)).max();
        let items = self.migrations.iter().map(|step| of_migration(step, observed, specs));
        tables.into_iter().chain(items).sum()
    }
}

fn described<'a>(observed: &'a Observed, table: &str) -> Option<&'a Description> {
    observed.tables.get(table).map(|live| &live.description)
}

fn of_table(plan: &TablePlan, observed: &Observed) -> Duration {
    let bytes = described(observed, &plan.table).map_or(0, |live| live.bytes);
    plan.steps.iter().map(|step| of_step(step, bytes)).sum()
}

fn of_step(step: &TableStep, bytes: u64) -> Duration {
    match step.facts().takes {
        Takes::NoTime | Takes::Unknown => Duration::ZERO,
        Takes::Seconds(_, most) => Duration::from_secs(most),
        Takes::ByItems => Duration::from_secs(17 * 60 + bytes / INDEX_BYTES_A_SECOND),
    }
}

fn of_migration(step: &MigrationStep, observed: &Observed, specs: &[Spec]) -> Duration {
    match step {
        MigrationStep::Apply { id, .. } => {
            let spec = specs.iter().find(|spec| spec.id == *id);
            let tables = spec.map(|spec| spec.tables.as_slice()).unwrap_or_default();
            tables.iter().filter_map(|table| described(observed, table)).map(of_items).sum()
        }
        MigrationStep::Baseline { .. }
        | MigrationStep::RetryFailed { .. }
        | MigrationStep::CatchUp { .. } => Duration::ZERO,
    }
}

/// How long it takes to write each item of a table once.
fn of_items(table: &Description) -> Duration {
    let units = match table.table.capacity {
        Capacity::Provisioned(throughput) => throughput.write,
        Capacity::OnDemand(_) => {
            let warm = table.table.warm.and_then(|Warm { write, .. }| write);
            warm.unwrap_or(ON_DEMAND_UNITS).max(ON_DEMAND_UNITS)
        }
    };
    // A write takes a unit for each kilobyte of the item.
    let an_item = table.bytes.checked_div(table.items).unwrap_or(0).div_ceil(1024).max(1);
    let by_units = (table.items * an_item) / units.max(1);
    Duration::from_secs(by_units.max(table.items / ITEMS_A_SECOND))
}
