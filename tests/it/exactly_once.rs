//! The proof of the item engine by chance: an application writes, requests fail, the function's process is killed, frozen and
//! started again. In the end each item is as one application of the migration and all changes of the application, in
//! some order, make it.
//!
//! What a case is made of is drawn from its seed: the table and its items, the migration, the faults, what the
//! application does, after how many requests a process is stopped and what comes then. In which order the requests of one
//! process come is not: threads and the kernel decide. So a seed that fails may have to be repeated to fail again; a failure
//! prints the command, and leaves the log of its processes.

mod case;
mod change;
pub(crate) mod dice;
mod model;
mod run;
mod verdict;
mod writer;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tablewright::testing::checkpoint_every;

use self::case::Case;
use self::run::Run;

/// Names the case to the process.
const CASE: &str = "TABLEWRIGHT_CASE";
/// Cases that run at the same time; each mostly waits.
const AT_ONCE: usize = 8;

#[test]
fn every_item_ends_as_one_application_and_the_writers_changes_make_it() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |value| value.parse().unwrap())
    };
    let first = number("TABLEWRIGHT_SEED", 0);
    let cases = number("TABLEWRIGHT_CASES", 50);
    let next = AtomicU64::new(first);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..AT_ONCE {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + cases {
                        break;
                    }
                    if let Err(failure) = check(seed) {
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let count = failures.len();
    assert!(failures.is_empty(), "{count} of {cases} cases failed:\n{}", failures.join("\n"));
}

/// The function: this very program, which [`Process`](crate::process::Process) starts once more for it.
#[test]
#[ignore = "it is the process that the other test starts and kills"]
fn function() {
    let Ok(seed) = std::env::var(CASE) else { return };
    let case = Case::new(seed.parse().unwrap());
    checkpoint_every(case.checkpoints);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(tablewright::run(case.migrator())).unwrap();
}

/// Where the processes of a case log.
fn log_path(case: &Case) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("exactly-once-{}.log", case.seed))
}

/// Runs one case; the failure says how to run it again.
fn check(seed: u64) -> Result<(), String> {
    let case = Arc::new(Case::new(seed));
    let log = log_path(&case);
    drop(std::fs::remove_file(&log));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let work = AssertUnwindSafe(|| runtime.block_on(Run::check(case)));
    let failure = match std::panic::catch_unwind(work) {
        Ok(Ok(())) => {
            drop(std::fs::remove_file(&log));
            return Ok(());
        }
        Ok(Err(failure)) => failure,
        Err(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(said), _) => said.clone(),
            (None, said) => (*said.unwrap_or(&"it panicked")).to_owned(),
        },
    };
    Err(format!(
        "seed {seed}: {failure}\n  log: {}\n  again: make test-faults SEED={seed} CASES=1",
        log.display()
    ))
}
