//! Migrations in JavaScript: a script that says what becomes of one item, run by an engine inside the process.
//!
//! # What a script can rely on
//! It is called for one item at a time, in no order, by several threads, and more than once for the same item. It sees the
//! language, its item, and the module `tablewright`. There is no network, no clock, no chance, no time zone, no code from
//! text, no log: what it does follows from its item alone. What is built in and what it exports is frozen. What else
//! stands outside of its functions is evaluated once for each engine, and how many engines there are and how long
//! they live is not defined, so that nothing should be kept there that a call changes.
//!
//! # Limits
//! Each call has a second, each engine 32 MiB and 256 KiB of stack. A call that has no end, or that needs more, is an error
//! of its item like any other. Only loops inside the engine's own functions are not ended: `indexOf` of an array-like with a
//! length of 2^53 runs on.

mod engine;
mod exports;
mod number;
mod trouble;
mod values;

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::Duration;

use sha2::{Digest, Sha256};

use self::engine::Engine;
use self::exports::Declared;
use self::trouble::Trouble;
use super::{Fault, Source, TEXT_BYTES_MAX};
use crate::item::Item;
use crate::migration::{Backfill, File, Migration, MigrationError};

/// The types of what a script exports and imports, for editors.
pub const TYPES: &str = include_str!("script/tablewright.d.ts");

const MEMORY_BYTES_MAX: usize = 32 << 20;
const STACK_BYTES_MAX: usize = 256 << 10;
/// Of one call about one item.
const TIME_MAX: Duration = Duration::from_secs(1);
/// Engines that a thread keeps, each with its script.
const ENGINES_MAX: usize = 4;

thread_local! {
    /// Engines of this thread, the one used last at the end.
    static ENGINES: RefCell<Vec<(Weak<Source>, Engine)>> = const { RefCell::new(Vec::new()) };
}

/// Reads a script.
///
/// # Errors
/// What is wrong with its syntax or its code outside of functions, or every fault of its exports.
pub(super) fn read(source: &Source) -> Result<Migration, Vec<Fault>> {
    if source.text.len() > TEXT_BYTES_MAX {
        let problem =
            format!("it has {} bytes, more than the {TEXT_BYTES_MAX} of a migration", source.text.len());
        return Err(vec![Fault::new(&source.file, problem).fix("divide it into several migrations")]);
    }
    let script = Arc::new(source.clone());
    let exports = with_engine(&script, |engine| engine.declared(&script))
        .map_err(|trouble| vec![fault(trouble, source)])?;
    let declared = exports::read(source, &exports)?;
    let file = File {
        source: source.clone(),
        fingerprint: fingerprint(&source.text),
        offered: None,
        tables: Vec::new(),
    };
    Ok(migration(script, declared).read_from(file))
}

fn migration(script: Arc<Source>, declared: Declared) -> Migration {
    let transform = |name: &'static str| {
        let script = Arc::clone(&script);
        move |item: Item| {
            with_engine(&script, |engine| engine.transform(&script, name, &item))
                .map_err(|trouble| MigrationError::new(trouble.of_item(&script)))
        }
    };
    let mut backfill = Backfill::new(declared.table, transform("up"))
        .max_failed_items(declared.max_failed_items);
    if declared.has_down {
        backfill = backfill.down(transform("down"));
    }
    if let Some(guard) = declared.guard {
        backfill = backfill.guard(guard);
    }
    if let Some(cap) = declared.cap {
        backfill = backfill.at_most(cap);
    }
    if let Some(segments) = declared.segments {
        backfill = backfill.segments(segments);
    }
    if let Some(requests) = declared.concurrency {
        backfill = backfill.concurrency(requests);
    }
    if let Some(sample) = declared.verify {
        let script = Arc::clone(&script);
        backfill = backfill.verify(sample, move |item| verify(&script, item));
    }
    Migration::backfills(script.id.clone(), [backfill])
        .description(declared.description)
        .phase(declared.phase)
}

fn verify(script: &Arc<Source>, item: &Item) -> Result<(), MigrationError> {
    match with_engine(script, |engine| engine.verify(script, item)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(MigrationError::new(format!("{}: verify returned false", script.file))),
        Err(trouble) => Err(MigrationError::new(trouble.of_item(script))),
    }
}

/// Calls with an engine of this thread that has evaluated the script. One that was ended in the middle of something, or in
/// which the call panicked, is not used again; those of scripts that are gone go too.
fn with_engine<R>(
    script: &Arc<Source>,
    call: impl FnOnce(&Engine) -> Result<R, Trouble>,
) -> Result<R, Trouble> {
    let kept = ENGINES.with_borrow_mut(|engines| {
        let index = engines.iter().position(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(script)));
        index.map(|index| engines.remove(index).1)
    });
    let engine = match kept {
        Some(engine) => engine,
        None => Engine::start(script)?,
    };
    let result = call(&engine);
    if result.as_ref().is_ok_and(|_| true) || result.as_ref().is_err_and(|trouble| !trouble.is_fatal) {
        ENGINES.with_borrow_mut(|engines| {
            engines.retain(|(of, _)| of.strong_count() > 0);
            if engines.len() >= ENGINES_MAX {
                engines.remove(0);
            }
            engines.push((Arc::downgrade(script), engine));
        });
    }
    result
}

/// What is wrong with a script as a whole, with what to do where that is known.
fn fault(trouble: Trouble, source: &Source) -> Fault {
    let fix = match trouble.message.as_str() {
        message if message.contains("could not load module") => {
            "there is one module, and all it has: import { Decimal, put, remove, skip } from 'tablewright'"
        }
        message if message.contains("Could not find export") => {
            "the module has Decimal, put, remove and skip"
        }
        _ => "",
    };
    trouble.into_fault(source).fix(fix)
}

/// What tells a version of a script from another: its text, whatever its line ends and the white space at the end of lines.
fn fingerprint(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    let digest = Sha256::digest(lines.join("\n").trim_end().as_bytes());
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("javascript {hex}")
}

#[cfg(test)]
mod tests;
