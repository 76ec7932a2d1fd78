//! Migrations in JavaScript: a script that says what becomes of one item, run by an engine inside the process.
//!
//! # What a script can rely on
//! It is called for one item at a time, in no order, by several threads, and more than once for the same item. It sees the
//! language, its item, and the module `tablewright`. There is no network, no clock, no chance, no time zone, no code from
//! text, no log: what it does follows from its item alone. What is built in, and what stands outside of its functions, is
//! evaluated once for each engine and constant from then on: variables are refused, objects, arrays, maps and sets are
//! frozen, and a regular expression begins anew for each item. Not held: the bytes of binary, and variables of a function
//! that has ended and whose inner functions go on. An engine lives as long as its thread has a use for it.
//!
//! # Limits
//! Each call has a second, each engine 32 MiB and 256 KiB of stack. A call that has no end, or that needs more, is an error
//! of its item like any other. Only loops inside the engine's own functions are not ended: `indexOf` of an array-like with a
//! length of 2^53 runs on.

mod bindings;
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
use super::{Fault, Source};
use crate::hex::hex;
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
    let script = Arc::new(source.clone());
    let told = with_engine(&script, |engine| {
        let variables = engine.variables().iter().map(|name| variable(name, source)).collect();
        Ok((engine.declared(&script)?, variables))
    });
    let (exports, mut faults): (_, Vec<_>) =
        told.map_err(|trouble| vec![fault(trouble, source)])?;
    let declared = match exports::read(source, &exports) {
        Ok(declared) if faults.is_empty() => declared,
        Ok(_) => return Err(faults),
        Err(others) => {
            faults.extend(others);
            return Err(faults);
        }
    };
    let file = File {
        source: source.clone(),
        fingerprint: fingerprint(&source.text),
        offered: None,
        tables: Vec::new(),
    };
    Ok(migration(&script, declared).read_from(file))
}

fn migration(script: &Arc<Source>, declared: Declared) -> Migration {
    let transform = |name: &'static str| {
        let script = Arc::clone(script);
        move |item: Item| {
            with_engine(&script, |engine| engine.transform(&script, name, &item))
                .map_err(|trouble| MigrationError::new(trouble.of_item(&script)))
        }
    };
    let mut backfill =
        Backfill::new(declared.table, transform("up")).max_failed_items(declared.max_failed_items);
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
        let script = Arc::clone(script);
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
        let index =
            engines.iter().position(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(script)));
        index.map(|index| engines.remove(index).1)
    });
    let engine = match kept {
        Some(engine) => engine,
        None => Engine::start(script)?,
    };
    let result = call(&engine);
    if result.as_ref().err().is_none_or(|trouble| !trouble.is_fatal) {
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
    const IMPORT: &str = "there is one module, and this is all of it: import { Decimal, put, remove, skip } from 'tablewright'";
    let message = trouble.message.clone();
    let imported = message.split('\'').nth(1).unwrap_or_default();
    let import = |fault| exports::placed(fault, source, &["import", "}", "export"], imported);
    let fault = trouble.into_fault(source);
    let is = |part: &str| message.contains(part);
    if is("could not load module") || is("Could not find export") {
        return import(fault).fix(IMPORT);
    }
    if is("module is not defined") || is("exports is not defined") || is("require is not defined") {
        return fault.fix(format!(
            "a script is a module: export const table, export function up; {IMPORT}"
        ));
    }
    if is("it awaits") {
        return fault.fix("a script does not wait; take the await away");
    }
    fault
}

/// What stands outside of the functions and can change would tell one item of another, and differ from run to run.
fn variable(name: &str, source: &Source) -> Fault {
    let problem = format!(
        "{name} is a variable outside of the functions, where one item could leave something for another"
    );
    let fault = Fault::new(&source.file, problem);
    exports::placed(fault, source, &["let", "var", "export"], name)
        .fix("make it a const, or move it into the function that uses it")
}

/// What tells a version of a script from another: its text, whatever its line ends and the white space at the end of lines.
fn fingerprint(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    let digest = Sha256::digest(lines.join("\n").trim_end().as_bytes());
    format!("javascript {}", hex(&digest[..8]))
}

#[cfg(test)]
mod tests;
