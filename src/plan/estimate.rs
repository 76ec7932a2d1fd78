//! How long a plan will take, and what its migrations read, write and cost, about: enough to tell minutes from hours, and
//! cents from hundreds of dollars, before anything is begun.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use serde::Serialize;

use super::{MigrationStep, Plan, TablePlan, TableStep, Takes};
use crate::dynamo::Description;
use crate::migration::{BackfillSpec, Cap, Guard, Spec};
use crate::observe::Observed;
use crate::schema::{Capacity, TableClass, Warm};

/// How long a deploy has for its work of the hour that CloudFormation waits.
pub(super) const DEPLOY: Duration = Duration::from_mins(55);

/// Write units that a table on demand takes from the start ("Read/write capacity mode", AWS documentation).
const ON_DEMAND_UNITS: u64 = 4000;
/// Items that one invocation transforms and writes in a second.
const ITEMS_A_SECOND: u64 = 5000;
/// Bytes that DynamoDB reads in a second while it fills an index; a guess on the safe side.
const INDEX_BYTES_A_SECOND: u64 = 10 << 20;
/// What a change costs that keeps a journal: a transaction is paid for twice, and so is the row of what was before.
const JOURNAL_WRITES: u64 = 4;

/// What a million units cost on demand, in thousandths of a US dollar.
#[derive(Debug, Clone, Copy)]
struct Prices {
    reads: u64,
    writes: u64,
}

/// On demand, region us-east-1, since 2024-11-01 ("Amazon DynamoDB pricing for on-demand capacity", AWS).
const STANDARD: Prices = Prices { reads: 125, writes: 625 };
/// The same, of the class `STANDARD_INFREQUENT_ACCESS`.
const INFREQUENT_ACCESS: Prices = Prices { reads: 155, writes: 780 };

/// What estimates rest on, for whoever reads one.
pub const BASIS: &str = "estimates: each item is read once and changed, as many as DynamoDB counted some hours ago; US dollars by \
                         the on-demand prices of us-east-1 since November 2024; writes to indexes are not counted";

/// What a migration reads, writes and costs, about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Items of its tables, as DynamoDB counted them some hours ago.
    pub items: u64,
    /// Bytes of its tables, likewise.
    pub bytes: u64,
    /// Read units that it takes to read them all.
    pub read_units: u64,
    /// Write units that it takes to change them all, with journals and replicas.
    pub write_units: u64,
    /// What that costs where units are paid for by the request, in hundredths of a US dollar.
    pub us_cents: u64,
    /// How long it takes.
    pub seconds: u64,
}

impl Add for Estimate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            items: self.items.saturating_add(other.items),
            bytes: self.bytes.saturating_add(other.bytes),
            read_units: self.read_units.saturating_add(other.read_units),
            write_units: self.write_units.saturating_add(other.write_units),
            us_cents: self.us_cents.saturating_add(other.us_cents),
            seconds: self.seconds.saturating_add(other.seconds),
        }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.items == 0 {
            return f.write_str("no items counted");
        }
        write!(
            f,
            "{} items, {}; {} read and {} write units, {} on demand, about {}",
            thousands(self.items),
            bytes(self.bytes),
            thousands(self.read_units),
            thousands(self.write_units),
            dollars(self.us_cents),
            words(Duration::from_secs(self.seconds))
        )
    }
}

/// A number with its thousands apart.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut parts: Vec<_> = digits.as_bytes().rchunks(3).map(String::from_utf8_lossy).collect();
    parts.reverse();
    parts.join(",")
}

pub(super) fn dollars(cents: u64) -> String {
    format!("{}.{:02} USD", thousands(cents / 100), cents % 100)
}

pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TB", 40), ("GB", 30), ("MB", 20), ("kB", 10)];
    let unit = UNITS.iter().find(|(_, bits)| bytes >> bits > 0);
    let Some((unit, bits)) = unit else { return format!("{bytes} bytes") };
    format!("{}.{} {unit}", bytes >> bits, ((bytes >> (bits - 10)) & 1023) * 10 / 1024)
}

/// A time as people say it.
pub(super) fn words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{} s", seconds.max(1)),
        seconds @ ..7200 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

impl Plan {
    /// How long it will take, about, with every item that a migration meets being changed. What nobody can know, such as how
    /// long a function takes, counts as nothing.
    #[must_use]
    pub fn takes(&self, observed: &Observed, specs: &[Spec]) -> Duration {
        // Tables are changed side by side, items migrated one migration after another.
        let tables = self.tables.iter().map(|plan| of_table(plan, observed)).max();
        let items = self.migrations.iter().filter_map(|step| of_migration(step, observed, specs));
        let items = items.map(|estimate| Duration::from_secs(estimate.seconds));
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
        Takes::ByItems => of_index(bytes),
    }
}

/// How long an index of a table of so many bytes takes to be filled.
pub(super) fn of_index(bytes: u64) -> Duration {
    Duration::from_secs(17 * 60 + bytes / INDEX_BYTES_A_SECOND)
}

/// What a step of the data's way takes; nothing where only the migration itself could tell.
pub(super) fn of_migration(
    step: &MigrationStep,
    observed: &Observed,
    specs: &[Spec],
) -> Option<Estimate> {
    let id = match step {
        MigrationStep::Apply { id, .. } => id,
        MigrationStep::Baseline { .. }
        | MigrationStep::RetryFailed { .. }
        | MigrationStep::CatchUp { .. } => return None,
    };
    let spec = specs.iter().find(|spec| spec.id == *id)?;
    let backfills = spec.backfills.iter().map(|backfill| of_backfill(backfill, observed));
    if let Some(sum) = backfills.reduce(Add::add) {
        return Some(sum);
    }
    // A copy reads one table and writes as many items to the other.
    let from = spec.copies.as_ref()?;
    let copied = described(observed, from)?;
    Some(of_items(copied, 2, &Pace::of(copied, None)))
}

/// What a backfill takes.
pub(super) fn of_backfill(backfill: &BackfillSpec, observed: &Observed) -> Estimate {
    let Some(table) = described(observed, &backfill.table) else { return Estimate::default() };
    let times = match backfill.guard {
        Some(Guard::Journal) => JOURNAL_WRITES,
        Some(Guard::Stamp) | None => 1,
    };
    of_items(table, times, &Pace::of(table, Some(backfill.cap)))
}

/// Units that a table gives in a second; of reads, none where nothing limits them.
struct Pace {
    read: Option<u64>,
    write: u64,
}

impl Pace {
    fn of(table: &Description, cap: Option<Cap>) -> Self {
        let warm = table.table.warm.and_then(|Warm { write, .. }| write);
        let serves = warm.unwrap_or(ON_DEMAND_UNITS).max(ON_DEMAND_UNITS);
        let part = |units: u64, per_cent: u8| (units * u64::from(per_cent) / 100).max(1);
        let (read, write, is_limited) = match table.table.capacity {
            Capacity::Provisioned(throughput) => (Some(throughput.read), throughput.write, true),
            Capacity::OnDemand(limits) => {
                (limits.read, limits.write.unwrap_or(serves), limits.write.is_some())
            }
        };
        match cap {
            Some(Cap::Units(units)) => {
                let units = u64::from(units).max(1);
                Self { read: Some(read.unwrap_or(units).min(units)), write: write.min(units) }
            }
            Some(Cap::PerCent(per_cent)) => Self {
                read: read.map(|units| part(units, per_cent)),
                write: if is_limited { part(write, per_cent) } else { write },
            },
            None => Self { read, write },
        }
    }
}

/// What it takes to read each item of a table once, and to write it with so many times the units.
fn of_items(table: &Description, times: u64, pace: &Pace) -> Estimate {
    let replicas = table.table.replicas.as_ref().map_or(0, |replicas| replicas.len() as u64);
    // A write takes a unit for each kilobyte of the item, and a read one for each four of the page.
    let an_item = table.bytes.checked_div(table.items).unwrap_or(0).div_ceil(1024).max(1);
    let once = table.items.saturating_mul(an_item);
    let read_units = table.bytes.div_ceil(4096);
    let here = once.saturating_mul(times.min(2));
    let write_units = once.saturating_mul(times).saturating_add(once.saturating_mul(replicas));
    let by_writes = here / pace.write.max(1);
    let by_reads = pace.read.map_or(0, |read| read_units / read.max(1));
    let prices = match table.table.class {
        Some(TableClass::InfrequentAccess) => INFREQUENT_ACCESS,
        Some(TableClass::Standard) | None => STANDARD,
    };
    let (paid_reads, paid_writes) = match table.table.capacity {
        Capacity::OnDemand(_) => (read_units, write_units),
        // The rows of a journal are in the ledger, which is on demand.
        Capacity::Provisioned(_) => (0, once.saturating_mul(times.saturating_sub(2))),
    };
    let thousandths = u128::from(paid_reads) * u128::from(prices.reads)
        + u128::from(paid_writes) * u128::from(prices.writes);
    Estimate {
        items: table.items,
        bytes: table.bytes,
        read_units,
        write_units,
        us_cents: u64::try_from(thousandths.div_ceil(10_000_000)).unwrap_or(u64::MAX),
        seconds: by_writes.max(by_reads).max(table.items / ITEMS_A_SECOND),
    }
}
