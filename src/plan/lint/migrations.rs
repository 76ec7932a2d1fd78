//! Findings about the migrations that a plan runs: what they take away, what takes them back, how long and how dear they are.

use std::time::Duration;

use super::tables::is_recoverable;
use super::{Code, Finding};
use crate::authoring::Language;
use crate::desired::{Completion, OnStackRollback};
use crate::dynamo::Description;
use crate::migration::{BackfillSpec, CAP, Guard, Loss, Phase, Spec};
use crate::plan::estimate::{self, DEPLOY, bytes, dollars, thousands, words};
use crate::plan::{Fate, Input, MigrationStep, Plan};
use crate::schema::{Destination, Stream, Table};

/// From here on a table is large: at 4,000 items a second it is migrated for the better part of an hour, and felt as long.
const LARGE_ITEMS: u64 = 10_000_000;
const LARGE_BYTES: u64 = 10 << 30;
/// More items than this that fail are no oddities any more.
const FEW_FAILURES: u64 = 100;
/// Hundredths of a US dollar from which on a journal is dear.
const DEAR_CENTS: u64 = 10_000;
/// Items from which on readers of a stream have more of a migration than of the application.
const FLOOD_ITEMS: u64 = 10_000;

pub(super) fn findings(input: &Input<'_>, plan: &Plan) -> Vec<Finding> {
    let runs = plan.migrations.iter().filter_map(|step| match step {
        MigrationStep::Apply { id, .. } => input.specs.iter().find(|spec| spec.id == *id),
        MigrationStep::Baseline { .. }
        | MigrationStep::CatchUp { .. }
        | MigrationStep::RetryFailed { .. } => None,
    });
    let runs: Vec<&Spec> = runs.collect();
    let all = [phases_together(&runs), too_long(input, &runs)];
    let mut findings: Vec<_> = all.into_iter().flatten().collect();
    for spec in runs {
        findings.extend(way_back(input, spec));
        findings.extend(not_repeatable(spec));
        findings.extend(spec.tables.iter().filter_map(|table| foreign(input, spec, table)));
        findings.extend(spec.tables.iter().filter_map(|table| leaving(plan, spec, table)));
        for backfill in &spec.backfills {
            let about = Backfilled { input, spec, backfill };
            findings.extend(about.loss());
            findings.extend(about.key_of_an_index());
            findings.extend(about.many_failures());
            findings.extend(about.dear_journal());
            if let Some(live) = about.live() {
                findings.extend(about.uncapped(live));
                findings.extend(about.stream(live));
                findings.extend(about.replicas(live));
            }
        }
    }
    findings
}

fn phases_together(runs: &[&Spec]) -> Option<Finding> {
    let contracts = runs.iter().position(|spec| spec.phase == Phase::Contract)?;
    let expands = runs[..contracts].iter().rfind(|spec| spec.phase == Phase::Expand)?;
    let contracts = runs[contracts];
    Some(Finding::of_migration(
        Code::PhasesTogether,
        &contracts.id,
        format!(
            "it contracts, and runs in one deploy with migration {}, which expands",
            expands.id
        ),
        format!("deploy with Migrations.Target: {} first, then the rest", expands.id),
    ))
}

fn way_back(input: &Input<'_>, spec: &Spec) -> Option<Finding> {
    // The end of a copy has none by its nature.
    if spec.finishes.is_some() {
        return None;
    }
    if !spec.reversible {
        let fix = match &spec.offered {
            Some(_) => {
                "paste the down that follows from what it does, which the plan shows, into its file"
            }
            None => "give it a down or guard: journal",
        };
        let problem = "it has no down and no journal, so what it does stays when the deploy fails";
        let found = Finding::of_migration(Code::NoWayBack, &spec.id, problem, fix);
        return Some(found.offering(spec.offered.as_ref()));
    }
    let is_kept_by_ledger = match spec.language {
        Language::Rust | Language::Unknown => spec.journal || spec.copies.is_some(),
        Language::Yaml | Language::JavaScript => true,
    };
    match input.desired.on_stack_rollback {
        OnStackRollback::Revert if !is_kept_by_ledger => Some(Finding::of_migration(
            Code::WayBackInThisBuild,
            &spec.id,
            "its down is compiled into this build, and a stack rollback asks the build before",
            "use Guard::Journal, or a file, or say OnStackRollback: keep",
        )),
        OnStackRollback::Revert | OnStackRollback::Keep => None,
    }
}

fn not_repeatable(spec: &Spec) -> Option<Finding> {
    (!spec.idempotent).then(|| {
        Finding::of_migration(
            Code::NotRepeatable,
            &spec.id,
            "it is a function that is not declared idempotent, so an interruption leaves it to a person",
            "make it safe to repeat and call idempotent(), or make it a backfill",
        )
    })
}

fn declared<'a>(input: &Input<'a>, table: &str) -> Option<&'a Table> {
    let declared = input.desired.tables.iter().find(|declared| declared.table.name == table);
    declared.map(|declared| &declared.table)
}

fn foreign(input: &Input<'_>, spec: &Spec, table: &str) -> Option<Finding> {
    let is_owned = input.observed.ledger.tables.contains_key(table);
    (!is_owned && declared(input, table).is_none()).then(|| {
        Finding::of_migration(
            Code::ForeignTable,
            &spec.id,
            format!("it names table {table}, which this resource neither declares nor owns"),
            format!("give the function rights on it (otherTables: {table} of the construct)"),
        )
    })
}

fn leaving(plan: &Plan, spec: &Spec, table: &str) -> Option<Finding> {
    let is_doomed = plan
        .leaving
        .iter()
        .any(|leaving| leaving.table == table && matches!(leaving.fate, Fate::Doomed { .. }));
    is_doomed.then(|| {
        Finding::of_migration(
            Code::LeavingTable,
            &spec.id,
            format!(
                "it works on table {table}, which is deleted when the whole stack has succeeded"
            ),
            format!("keep {table} in the declaration for this deploy"),
        )
    })
}

/// What all migrations of the deploy take together, which one deploy has an hour for.
fn too_long(input: &Input<'_>, runs: &[&Spec]) -> Option<Finding> {
    match input.desired.completion {
        Completion::Blocking => {}
        Completion::Detached => return None,
    }
    let of = |spec: &&Spec| -> u64 {
        let each = spec.backfills.iter();
        each.map(|one| estimate::of_backfill(one, input.observed).seconds).sum()
    };
    let takes = Duration::from_secs(runs.iter().map(of).sum());
    let longest = runs.iter().max_by_key(|spec| of(spec))?;
    (takes > DEPLOY).then(|| {
        let alone = words(Duration::from_secs(of(longest)));
        let problem = match runs {
            [_] => format!("it takes about {alone}, and a deploy waits an hour"),
            several => format!(
                "it takes about {alone}, all {} of this deploy {}, and a deploy waits an hour",
                several.len(),
                words(takes)
            ),
        };
        let fix = "set Completion: detached, deploy some at a time (Migrations.Target), raise a cap, or give the table more \
                   throughput meanwhile";
        Finding::of_migration(Code::LongerThanDeploy, &longest.id, problem, fix)
    })
}

/// One backfill of a migration that is to run.
struct Backfilled<'a> {
    input: &'a Input<'a>,
    spec: &'a Spec,
    backfill: &'a BackfillSpec,
}

impl<'a> Backfilled<'a> {
    fn found(&self, code: Code, problem: String, fix: &str) -> Finding {
        Finding::of_migration(code, &self.spec.id, problem, fix)
    }

    fn table(&self) -> &'a str {
        &self.backfill.table
    }

    fn live(&self) -> Option<&'a Description> {
        self.input.observed.tables.get(self.table()).map(|live| &live.description)
    }

    fn loss(&self) -> Option<Finding> {
        let loss = self.backfill.loss.as_ref()?;
        let table = self.table();
        let what = match loss {
            Loss::Attributes(names) => format!("{} of items of {table}", names.join(", ")),
            Loss::Items => format!("items of {table}"),
        };
        let has_journal = match self.backfill.guard {
            Some(Guard::Journal) => true,
            Some(Guard::Stamp) | None => false,
        };
        let (code, problem, fix) = match (self.spec.phase, has_journal) {
            (Phase::Expand, false) => (
                Code::LossWhileExpanding,
                format!("it takes away {what} while it expands, and keeps no journal"),
                "say phase: contract and run it when no code reads that any more, or keep guard: journal",
            ),
            (Phase::Expand, true) => (
                Code::LossBeforeCode,
                format!("it takes away {what} while it expands, which the code before still reads"),
                "say phase: contract and run it when no code reads that any more",
            ),
            (Phase::Contract, false) if !is_recoverable(self.input, table) => (
                Code::LossForGood,
                format!(
                    "it takes away {what}, with neither a journal nor point-in-time recovery of the table"
                ),
                "set guard: journal, or turn point-in-time recovery on in the deploy before",
            ),
            (Phase::Contract, _) => return None,
        };
        Some(self.found(code, problem, fix))
    }

    fn key_of_an_index(&self) -> Option<Finding> {
        let Some(Loss::Attributes(names)) = &self.backfill.loss else { return None };
        let table = match declared(self.input, self.table()) {
            Some(declared) => declared,
            None => &self.live()?.table,
        };
        let uses = |name: &&String| {
            let mut indexes = table.global_indexes.values().chain(table.local_indexes.values());
            indexes.find(|index| index.keys.uses(name))
        };
        let (name, index) = names.iter().find_map(|name| Some((name, uses(&name)?)))?;
        let problem = format!(
            "it takes away {name}, a key of the index {} of {}, whose items leave the index",
            index.name, table.name
        );
        Some(self.found(
            Code::LeavesIndex,
            problem,
            "remove the index first, or keep the attribute",
        ))
    }

    fn many_failures(&self) -> Option<Finding> {
        let (most, items) =
            (self.backfill.max_failed_items, self.live().map_or(0, |live| live.items));
        let is_many = most > FEW_FAILURES || (items > 0 && most > 0 && most >= items);
        is_many.then(|| {
            let problem = format!(
                "it goes on past {} items of {} (about {}) that fail",
                thousands(most),
                self.table(),
                thousands(items)
            );
            self.found(
                Code::ManyFailures,
                problem,
                "try it on a sample, and set the limit to what is expected",
            )
        })
    }

    fn dear_journal(&self) -> Option<Finding> {
        match self.backfill.guard {
            Some(Guard::Journal) => {}
            Some(Guard::Stamp) | None => return None,
        }
        let with = estimate::of_backfill(self.backfill, self.input.observed);
        let without = BackfillSpec { guard: None, ..self.backfill.clone() };
        let without = estimate::of_backfill(&without, self.input.observed);
        (with.us_cents >= DEAR_CENTS).then(|| {
            let problem = format!(
                "its journal of {} makes it cost about {} on demand, where without it would be {}",
                self.table(),
                dollars(with.us_cents),
                dollars(without.us_cents)
            );
            self.found(
                Code::DearJournal,
                problem,
                "give it a down and guard: stamp, if a transform can take it back",
            )
        })
    }

    fn uncapped(&self, live: &Description) -> Option<Finding> {
        let is_large = live.items >= LARGE_ITEMS || live.bytes >= LARGE_BYTES;
        let is_default = self.backfill.cap == CAP && self.backfill.segments.is_none();
        (is_large && is_default).then(|| {
            let problem = format!(
                "it reads and writes {} ({} items, {}) at up to 90 per cent of what the table serves",
                self.table(),
                thousands(live.items),
                bytes(live.bytes)
            );
            self.found(Code::UncappedScan, problem, "say how much it may take: a cap, such as 50 per cent")
        })
    }

    fn stream(&self, live: &Description) -> Option<Finding> {
        let streams = match (live.table.stream, &live.table.settings.destination) {
            (Some(Stream::Off) | None, Some(Destination::Stream { .. })) => "Kinesis stream",
            (Some(Stream::Off) | None, _) => return None,
            (Some(_), _) => "stream",
        };
        (live.items >= FLOOD_ITEMS).then(|| {
            let problem = format!(
                "it sends up to {} records through the {streams} of {}",
                thousands(live.items),
                self.table()
            );
            self.found(
                Code::StreamFlood,
                problem,
                "have its readers leave out what only the migration changes",
            )
        })
    }

    fn replicas(&self, live: &Description) -> Option<Finding> {
        let regions: Vec<_> =
            live.table.replicas.iter().flatten().map(|(region, _)| region.as_str()).collect();
        (!regions.is_empty() && live.items > 0).then(|| {
            let problem = format!(
                "it writes to {}, which has replicas in {}; conditions do not hold across regions",
                self.table(),
                regions.join(", ")
            );
            self.found(
                Code::ReplicatedWrites,
                problem,
                "have the application write in this region alone meanwhile",
            )
        })
    }
}
