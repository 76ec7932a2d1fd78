//! `new`: the next migration, from a template.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde_json::json;

use crate::exit::{Done, Ended, Failure};
use crate::render::{self, say};
use crate::session::Session;

/// What editors complete migrations from.
const SCHEMA_FILE: &str = "migration.schema.json";
const TYPES_FILE: &str = "tablewright.d.ts";
/// Digits of the first number.
const DIGITS: usize = 4;

/// Write the next migration from a template
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright new label_orders             # migrations/0001_label_orders.yaml\n  \
    tablewright new --js split_names         # in JavaScript\n  \
    tablewright new --rust split_names       # prints what to add to your function")]
pub(crate) struct New {
    /// What it does, in a few words
    name: String,
    /// A declaration of what changes (the default)
    #[arg(long, group = "language")]
    yaml: bool,
    /// A script, run for each item
    #[arg(long, group = "language")]
    js: bool,
    /// Print it as Rust, to be compiled into your function
    #[arg(long, group = "language")]
    rust: bool,
    /// The table; by default the first one that is declared
    #[arg(long)]
    table: Option<String>,
}

impl New {
    #[expect(clippy::unused_async, reason = "verbs are called alike")]
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let settings = session.settings()?;
        let folder = settings.folder_to_be();
        let name = words(&self.name)?;
        let declared = || settings.tables().first().map(|table| (*table).to_owned());
        let table = self.table.clone().or_else(declared).unwrap_or_else(|| "my-table".to_owned());
        let ids = ids(&folder)?;
        let id = format!("{}_{name}", next(ids.iter().map(String::as_str)));
        if self.rust {
            say(RUST.replace("{id}", &id).replace("{table}", &table).trim_end());
            return Ok(Done::Done);
        }
        let (ending, template) = if self.js { ("js", JAVASCRIPT) } else { ("yaml", YAML) };
        let text =
            template.replace("{description}", &name.replace('_', " ")).replace("{table}", &table);
        let file = folder.join(format!("{id}.{ending}"));
        let failed = |error| Failure::failed(format!("{}: {error}", file.display()));
        fs::create_dir_all(&folder).map_err(failed)?;
        let mut written =
            OpenOptions::new().write(true).create_new(true).open(&file).map_err(failed)?;
        written.write_all(text.as_bytes()).map_err(failed)?;
        write_for_editors(&folder, self.js).map_err(failed)?;
        if session.global.json {
            let file = file.display().to_string();
            render::json(&json!({ "tablewright": "new", "id": id, "file": file }));
        } else {
            say(&format!("{}", file.display()));
        }
        Ok(Done::Done)
    }
}

/// Puts what editors complete from beside the migrations, where it is not there yet.
fn write_for_editors(folder: &Path, is_script: bool) -> std::io::Result<()> {
    let (name, text) = if is_script {
        (TYPES_FILE, tablewright::authoring::TYPES.to_owned())
    } else {
        (SCHEMA_FILE, format!("{:#}\n", tablewright::authoring::migration_schema()))
    };
    let file = folder.join(name);
    if file.exists() { Ok(()) } else { fs::write(file, text) }
}

/// The name as part of an id.
fn words(name: &str) -> Result<String, Failure> {
    let lower = name.trim().to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words = words.collect::<Vec<_>>().join("_");
    if words.is_empty() {
        return Err(Failure::usage("the name has no letter and no digit"));
    }
    Ok(words)
}

/// Names of the files that begin with a digit, whatever else is wrong with them.
fn ids(folder: &Path) -> Result<Vec<String>, Failure> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let failed = |error| Failure::failed(format!("{}: {error}", folder.display()));
    let entries = fs::read_dir(folder).map_err(failed)?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit())).collect())
}

/// The number after the highest, as wide as that.
fn next<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let digits = |id: &'a str| id.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let highest = ids
        .map(digits)
        .filter_map(|digits| digits.parse::<u64>().ok().map(|number| (number, digits.len())));
    let (number, width) = highest.max().unwrap_or((0, DIGITS));
    format!("{:0width$}", number + 1)
}

const YAML: &str = "\
# yaml-language-server: $schema=./migration.schema.json
description: {description}
table: {table}

# Which items, in CEL; leave it out for all of them.
when: \"!has(item.label)\"

# What changes: set, rename, remove, or delete: true.
set:
  label: { cel: \"'LABEL#' + item.pk\" }

# The way back.
down:
  remove: [label]
";

const JAVASCRIPT: &str = "\
// @ts-check
export const description = \"{description}\";
export const table = \"{table}\";

/**
 * Changes an item; one that is left as it is is not written.
 * @param {import('tablewright').Item} item
 */
export function up(item) {
  if (item.label !== undefined) return;
  item.label = `LABEL#${item.pk}`;
}

/**
 * The way back.
 * @param {import('tablewright').Item} item
 */
export function down(item) {
  delete item.label;
}
";

const RUST: &str = "\
/// What becomes of one item of {table}.
fn up(mut item: Item) -> Result<Change, MigrationError> {
    let label = format!(\"LABEL#{}\", item.text(\"pk\")?);
    item.set_text(\"label\", label);
    Ok(Change::Update(item))
}

/// The way back.
fn down(mut item: Item) -> Result<Change, MigrationError> {
    item.remove(\"label\");
    Ok(Change::Update(item))
}

// In the list of your function:
.migration(Migration::backfills(\"{id}\", [Backfill::new(\"{table}\", up).down(down)]))
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_number_is_as_wide_as_the_highest() {
        for (ids, expected) in [
            (&[][..], "0001"),
            (&["0001_a.yaml", "0009_b.js"], "0010"),
            (&["9_b.js", "10_c.yaml"], "11"),
            (&["099_a.yaml", "0100.bak"], "0101"),
        ] {
            assert_eq!(next(ids.iter().copied()), expected, "{ids:?}");
        }
    }

    #[test]
    fn a_name_becomes_part_of_an_id() {
        assert_eq!(words(" Label open-orders! ").unwrap(), "label_open_orders");
        assert!(words("ä!").is_err());
    }
}
