//! The fault matrix: each fault strikes at each step of each scenario at which it can. Then Lambda and CloudFormation do
//! what they do, and the answers, the time that they took, tables, items and ledger are compared with a model.

#![expect(clippy::print_stdout, reason = "the matrix is what the run is for")]

mod fault;
mod lambda;
mod life;
mod machine;
mod model;
mod processes;
mod scenario;
mod stage;
mod table;
mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use tablewright::testing::{ControlPlane, Durations};

use self::fault::{Fault, Step};
use self::life::{Case, Life, Outcome};
use self::processes::{CODE, Processes};
use self::scenario::{Code, Scenario};
use self::stage::Stage;
use self::table::Cell;
use self::world::InProcess;
use crate::exactly_once::dice::Dice;

/// How long a request takes where time is virtual.
const LATENCY: Duration = Duration::from_millis(10);

fn plane() -> ControlPlane {
    ControlPlane::builder().durations(Durations::none()).unseen_reads(0).build()
}

/// The function: this very program, started once more for it.
#[test]
#[ignore = "it is the process that the other tests start and kill"]
fn function() {
    let Ok(code) = std::env::var(CODE) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(tablewright::run(Code::from_text(&code).migrator())).unwrap();
}

/// Cases that run at the same time, besides processes.
const AT_ONCE: usize = 3;
/// Steps of a case of the sample, before it is known how many there are.
const STEPS: u64 = 60;
/// Cases of the sample, and those of them in which a process dies.
const SAMPLE: usize = 24;
const DEATHS: usize = 4;

/// What is to be run, where that is not all.
struct Filter {
    fault: Option<String>,
    scenario: Option<String>,
    step: Option<u64>,
}

/// What came of many cases.
#[derive(Default)]
struct Record {
    cells: BTreeMap<(usize, usize), Cell>,
    failures: Vec<String>,
}

#[test]
fn some_faults_at_some_steps_end_as_the_model_has_it() {
    let mut dice = Dice::new(number("TABLEWRIGHT_SEED").unwrap_or(0));
    let needs_processes = |(fault, _): &(Fault, Scenario)| Fault::OF_PROCESSES.contains(fault);
    let (deaths, others): (Vec<_>, Vec<_>) = pairs().partition(needs_processes);
    let mut cases = Vec::new();
    for (pairs, count) in [(deaths, DEATHS), (others, SAMPLE - DEATHS)] {
        for _ in 0..count {
            let (fault, scenario) = *dice.pick(&pairs);
            cases.push(Case { scenario, fault, nth: dice.between(1, STEPS) });
        }
    }
    let record = all(cases, |mut case, record| {
        // Where there are fewer steps, one of them.
        while case.nth > 0 && !check(case, record) {
            case.nth /= 2;
        }
    });
    record.expect_no_failure();
}

#[test]
#[ignore = "it takes minutes; make test-faults runs it"]
fn every_fault_at_every_step_of_each_scenario_ends_as_the_model_has_it() {
    // Panics on purpose are many, and all others are told of in the end.
    std::panic::set_hook(Box::new(|_| {}));
    let filter = Filter::of_the_environment();
    let pairs = pairs().filter(|(fault, scenario)| filter.wants(*fault, *scenario));
    let first = filter.step.unwrap_or(1);
    let cases = pairs.map(|(fault, scenario)| Case { scenario, fault, nth: first }).collect();
    let record = all(cases, |mut case, record| {
        let is_the_last = |nth: u64| match case.fault.step() {
            Step::Whole => nth > 1,
            Step::Delivery => nth > 2,
            Step::Request
            | Step::RequestOfARun
            | Step::LedgerRequest
            | Step::LedgerWrite
            | Step::WriteOfASlice
            | Step::Item => false,
        };
        while !is_the_last(case.nth) && check(case, record) && filter.step.is_none() {
            case.nth += 1;
        }
        let cells = &record.lock().unwrap().cells;
        let cell = cells.get(&case.place()).map(Cell::show).unwrap_or_default();
        println!("{} in {}: {cell}", case.fault.name(), case.scenario.name());
    });
    println!("\n{}\n", table::markdown(&record.cells));
    record.expect_no_failure();
}

fn pairs() -> impl Iterator<Item = (Fault, Scenario)> {
    let pairs = Fault::all().flat_map(|fault| Scenario::ALL.map(|scenario| (fault, scenario)));
    pairs.filter(|(fault, scenario)| fault.strikes(*scenario))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|value| !value.is_empty())?.parse().ok()
}

impl Filter {
    fn of_the_environment() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            fault: text("TABLEWRIGHT_FAULT"),
            scenario: text("TABLEWRIGHT_SCENARIO"),
            step: number("TABLEWRIGHT_STEP"),
        }
    }

    fn wants(&self, fault: Fault, scenario: Scenario) -> bool {
        self.fault.as_ref().is_none_or(|name| *name == fault.name())
            && self.scenario.as_ref().is_none_or(|name| *name == scenario.name())
    }
}

/// Does all that follows from each of these cases, some at a time.
fn all(cases: Vec<Case>, work: impl Fn(Case, &Mutex<Record>) + Sync) -> Record {
    let (cases, record) = (Mutex::new(cases.into_iter()), Mutex::default());
    std::thread::scope(|threads| {
        for _ in 0..AT_ONCE {
            threads.spawn(|| {
                loop {
                    let case = cases.lock().unwrap().next();
                    let Some(case) = case else { return };
                    work(case, &record);
                }
            });
        }
    });
    record.into_inner().unwrap()
}

/// Runs one case and keeps record of it; whether the fault struck, or may strike at a later step.
fn check(case: Case, record: &Mutex<Record>) -> bool {
    let lived = std::panic::catch_unwind(|| live(case));
    let lived = lived.unwrap_or_else(|panic| Err(panic_message(&*panic).to_owned()));
    let mut record = record.lock().unwrap();
    match lived {
        Ok(outcome) => {
            if outcome.has_struck {
                record.cells.entry(case.place()).or_default().count(&outcome);
            }
            outcome.has_struck
        }
        Err(failure) => {
            let failed = case.failed(&failure);
            println!("{failed}");
            record.failures.push(failed);
            case.nth < STEPS_MAX
        }
    }
}

/// Where a loop ends in which every case fails.
const STEPS_MAX: u64 = 500;

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it panicked")
}

impl Record {
    fn expect_no_failure(&self) {
        let count = self.failures.len();
        assert!(count == 0, "{count} cases failed:\n{}", self.failures.join("\n"));
    }
}

impl Case {
    /// Row and column of the table.
    fn place(&self) -> (usize, usize) {
        let row = Fault::all().position(|fault| fault == self.fault);
        let column = Scenario::ALL.iter().position(|scenario| *scenario == self.scenario);
        (row.unwrap(), column.unwrap())
    }

    /// Where its processes log.
    fn log(&self) -> PathBuf {
        let (row, column) = self.place();
        let name = format!("matrix-{row}-{column}-{}.log", self.nth);
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
    }

    fn failed(&self, failure: &str) -> String {
        let Self { scenario, fault, nth } = self;
        let (fault, scenario) = (fault.name(), scenario.name());
        format!(
            "{fault}, at step {nth} of {scenario}: {failure}\n  \
             again: make test-faults CASES=0 FAULT=\"{fault}\" SCENARIO=\"{scenario}\" STEP={nth}"
        )
    }
}

/// Lives through a case: with processes where some have to die, and otherwise in virtual time.
fn live(case: Case) -> Result<Outcome, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all();
    if Fault::IN_PROCESS.contains(&case.fault) {
        return runtime.start_paused(true).build().unwrap().block_on(async {
            let world = InProcess::new(Stage::new(plane(), LATENCY));
            Life::live(&world, case).await
        });
    }
    let log = case.log();
    drop(std::fs::remove_file(&log));
    let outcome = runtime.build().unwrap().block_on(async {
        let world = Processes::start(Stage::new(plane(), Duration::ZERO), log.clone()).await;
        Life::live(&world, case).await
    });
    if outcome.is_ok() {
        drop(std::fs::remove_file(&log));
    }
    outcome
}
