//! The fields of a migration in YAML, read into a document.

use super::document::{Act, Change, CopyTo, Document, Edit, Renaming, Setting, Work};
use super::expression::Expression;
use super::faults::{At, Faults, Placed};
use super::how;
use super::path::Path;
use super::reader::{Fields, flag, list, mapping, text, word};
use super::statement;
use super::value;
use super::yaml::{Key, Kind, Node};
use crate::migration::{Phase, STAMP};

/// The fields that say what becomes of an item.
const ACTS: [&str; 5] = ["set", "rename", "remove", "delete", "copy_to"];
/// Reads a document; nothing where faults leave none.
pub(super) fn document(root: &Node, faults: &Faults) -> Option<(Document, Options)> {
    let mut fields = Fields::of(root, "a migration", faults)?;
    let description = fields.take("description").and_then(|node| text(node, "description", faults));
    let phase = fields.take("phase").and_then(|node| {
        word(node, "phase", &[("expand", Phase::Expand), ("contract", Phase::Contract)], faults)
    });
    let table = fields.take("table").and_then(|node| table(node, faults));
    let work = work(&mut fields, table.as_deref(), faults);
    let how = how::read(&mut fields, faults);
    let down = fields.take("down").map(|node| down(node, table.as_deref(), faults));
    let idempotent = fields.take("idempotent");
    let is_idempotent = idempotent.and_then(|node| flag(node, "idempotent", faults));
    let options = Options { is_idempotent: is_idempotent.unwrap_or(false) };
    misplaced(&fields, faults);
    fields.finish();
    let document = Document {
        description: description.map(|text| text.value.clone()).unwrap_or_default(),
        phase: phase.unwrap_or_default(),
        work: work?,
        down: match down {
            Some(down) => Some(down?),
            None => None,
        },
        how,
    };
    Some((document, options))
}

/// What concerns statements alone.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Options {
    pub(super) is_idempotent: bool,
}

/// Fields that do not go with the kind of work, or with each other.
fn misplaced(fields: &Fields, faults: &Faults) {
    if fields.has("statements") {
        for name in how::FIELDS {
            if let Some(at) = fields.key(name) {
                faults.add(
                    at,
                    format!("{name} is for changes of items, and these are statements"),
                    "leave it out",
                );
            }
        }
    } else if let Some(at) = fields.key("idempotent") {
        faults.add(
            at,
            "idempotent is for statements",
            "leave it out: of changes of items it is proved, item by item",
        );
    }
}

fn down(node: &Node, table: Option<&str>, faults: &Faults) -> Option<Work> {
    let mut fields = Fields::of(node, "down", faults)?;
    let own = fields.take("table").and_then(|node| self::table(node, faults));
    let work = work(&mut fields, own.as_deref().or(table), faults);
    fields.finish();
    work
}

fn work(fields: &mut Fields, table: Option<&str>, faults: &Faults) -> Option<Work> {
    let changes = fields.take("changes");
    let statements = fields.take("statements");
    let when =
        ["when"].into_iter().chain(ACTS).find_map(|name| fields.key(name).map(|at| (name, at)));
    let at = fields.at;
    for (name, is_there) in [("changes", changes.is_some()), ("statements", statements.is_some())] {
        if let (true, Some((other, at))) = (is_there, when) {
            faults.add(
                at,
                format!("{other} stands beside {name}"),
                format!("put it into {name}, or leave {name} out"),
            );
        }
    }
    if let (Some(_), Some(_), Some(at)) = (changes, statements, fields.key("statements")) {
        faults.add(at, "statements stand beside changes", "a file has one of them; make two files");
    }
    let single = change(fields, at, table, changes.is_none() && statements.is_none(), faults);
    match (changes, statements) {
        (Some(node), _) => {
            let nodes = list(node, "changes", faults)?;
            if nodes.is_empty() {
                faults.add(node.at, "changes are none", "write at least one");
            }
            let read = |node: &Node| {
                let mut fields = Fields::of(node, "a change", faults)?;
                let own = fields.take("table").and_then(|node| self::table(node, faults));
                let change = change(&mut fields, node.at, own.as_deref().or(table), true, faults);
                fields.finish();
                change
            };
            let changes: Vec<_> = nodes.iter().map(read).collect();
            changes.into_iter().collect::<Option<_>>().map(Work::Changes)
        }
        (None, Some(node)) => statement::read_all(node, faults).map(Work::Statements),
        (None, None) => single.map(|change| Work::Changes(vec![change])),
    }
}

/// Reads the fields of one change; `is_wanted` where there has to be one.
fn change(
    fields: &mut Fields,
    at: At,
    table: Option<&str>,
    is_wanted: bool,
    faults: &Faults,
) -> Option<Change> {
    let when = fields.take("when").map(|node| condition(node, "when", faults));
    let set = fields.take("set").map(|node| settings(node, "set", faults));
    let rename = fields.take("rename").map(|node| renamings(node, faults));
    let remove = fields.take("remove").map(|node| removals(node, faults));
    let delete = fields.take("delete").map(|node| deletion(node, faults));
    let copy_to = fields.take("copy_to").map(|node| copy(node, table, fields.has("when"), faults));
    if !is_wanted {
        return None;
    }
    let acts: Vec<_> = ACTS.into_iter().filter(|name| fields.has(name)).collect();
    let alone = acts.iter().find(|name| ["delete", "copy_to"].contains(name));
    if let (Some(alone), true) = (alone, acts.len() > 1) {
        let others: Vec<_> = acts.iter().filter(|name| *name != alone).copied().collect();
        let problem = format!("{alone} stands beside {}", others.join(" and "));
        let fix = match *alone {
            "delete" => {
                "an item that goes has nothing else done to it; make two changes of it, with a `when` each"
            }
            _ => {
                "the copy is changed by the `set` in copy_to; what the item itself becomes is a change of its own"
            }
        };
        faults.add(fields.key(alone).unwrap_or(at), problem, fix);
        return None;
    }
    if acts.is_empty() {
        faults.add(
            at,
            "nothing is changed",
            "write set, rename, remove, delete or copy_to, or a list of changes or statements",
        );
        return None;
    }
    if table.is_none() && !fields.has("table") {
        faults.add(
            at,
            "no table is named",
            "write table: and the name of the table whose items are changed",
        );
    }
    if delete.is_some() && when.is_none() {
        let all = format!("delete takes away every item of {}", table.unwrap_or("the table"));
        faults.add(
            fields.key("delete").unwrap_or(at),
            all,
            "say which with `when`; if it is all of them: when: \"true\"",
        );
    }
    let act = match (delete, copy_to) {
        (Some(delete), _) => {
            delete?;
            Act::Delete
        }
        (None, Some(copy)) => Act::CopyTo(copy?),
        (None, None) => {
            let edit = Edit {
                set: set.unwrap_or(Some(Vec::new()))?,
                rename: rename.unwrap_or(Some(Vec::new()))?,
                remove: remove.unwrap_or(Some(Vec::new()))?,
            };
            conflicts(&edit, faults);
            Act::Edit(edit)
        }
    };
    let when = match when {
        Some(when) => Some(when?),
        None => None,
    };
    Some(Change { at, table: table?.to_owned(), when, act })
}

pub(super) fn condition(node: &Node, what: &str, faults: &Faults) -> Option<Expression> {
    match node.kind {
        // Without quotes it is no text.
        Kind::Bool(flag) => {
            let fix = format!("write {what}: \"{flag}\"");
            faults.add(node.at, format!("{what} is {flag} without quotes"), fix);
            None
        }
        _ => Expression::read(node.at, text(node, what, faults)?, faults),
    }
}

fn settings(node: &Node, what: &str, faults: &Faults) -> Option<Vec<Setting>> {
    let entries = not_empty(node, what, faults)?;
    let read = |(key, node): &(Key, Node)| {
        let path = path(key.at, &key.name, faults);
        let value = value::read(node, &key.name, faults);
        Some(Setting { path: path?, value: value? })
    };
    let settings: Vec<_> = entries.iter().map(read).collect();
    let settings = settings.into_iter().collect::<Option<Vec<_>>>()?;
    for (position, one) in settings.iter().enumerate() {
        overlap(&one.path, what, settings[..position].iter().map(|other| &other.path), faults);
    }
    Some(settings)
}

fn renamings(node: &Node, faults: &Faults) -> Option<Vec<Renaming>> {
    let entries = not_empty(node, "rename", faults)?;
    let read = |(key, node): &(Key, Node)| {
        let from = path(key.at, &key.name, faults);
        let to =
            text(node, "the new name", faults).and_then(|text| path(node.at, &text.value, faults));
        Some(Renaming { from: from?, to: to? })
    };
    let renamings: Vec<_> = entries.iter().map(read).collect();
    renamings.into_iter().collect()
}

fn removals(node: &Node, faults: &Faults) -> Option<Vec<Placed<Path>>> {
    if let Kind::Text(text) = &node.kind {
        faults.add(node.at, "remove is a text, not a list", format!("write [{}]", text.value));
        return None;
    }
    let nodes = list(node, "remove", faults)?;
    if nodes.is_empty() {
        faults.add(node.at, "remove is empty", "name at least one attribute, or leave it out");
    }
    let read = |node: &Node| path(node.at, &text(node, "a name", faults)?.value, faults);
    let paths: Vec<_> = nodes.iter().map(read).collect();
    paths.into_iter().collect()
}

fn deletion(node: &Node, faults: &Faults) -> Option<()> {
    if !flag(node, "delete", faults)? {
        faults.add(node.at, "delete is false", "leave it out");
        return None;
    }
    Some(())
}

fn copy(node: &Node, from: Option<&str>, has_when: bool, faults: &Faults) -> Option<CopyTo> {
    let mut fields = Fields::of(node, "copy_to", faults)?;
    let table = fields.take("table").map(|node| self::table(node, faults));
    let set = fields.take("set").map(|node| settings(node, "set", faults));
    let at = fields.at;
    fields.finish();
    let Some(table) = table else {
        faults.add(
            at,
            "copy_to names no table",
            "write table: and the name of the table that the copies go to",
        );
        return None;
    };
    let (table, set) = (table?, set.unwrap_or(Some(Vec::new()))?);
    if from == Some(table.as_str()) && !has_when {
        faults.add(
            at,
            "copy_to puts copies into the table that is read, where they are met again",
            "say with `when` which items are the originals",
        );
    }
    Some(CopyTo { table, set })
}

fn not_empty<'a>(node: &'a Node, what: &str, faults: &Faults) -> Option<&'a [(Key, Node)]> {
    let entries = mapping(node, what, faults)?;
    if entries.is_empty() {
        faults.add(
            node.at,
            format!("{what} is empty"),
            "name at least one attribute, or leave it out",
        );
        return None;
    }
    Some(entries)
}

fn path(at: At, name: &str, faults: &Faults) -> Option<Placed<Path>> {
    match Path::parse(name) {
        Ok(path) if path.attribute == STAMP => {
            faults.add(at, format!("{STAMP} is what guard: stamp sets"), "leave it alone");
            None
        }
        Ok(value) => Some(Placed { at, value }),
        Err(problem) => {
            let fix = "address.street is the key street of the map address; a name that holds dots is written '\"a.b\"'";
            faults.add(at, format!("the name {name} {problem}"), fix);
            None
        }
    }
}

/// All places of one edit are apart: each value is that of before, and the order of the fields means nothing.
fn conflicts(edit: &Edit, faults: &Faults) {
    let set = || edit.set.iter().map(|one| (&one.path, "set"));
    let removed = || edit.remove.iter().map(|path| (path, "removed"));
    let renamed = || edit.rename.iter().map(|one| (&one.from, "renamed"));
    let named = || edit.rename.iter().map(|one| (&one.to, "the new name of another"));
    let all: Vec<_> = set().chain(renamed()).chain(named()).chain(removed()).collect();
    for (position, (path, what)) in all.iter().enumerate() {
        // Those of `set` among themselves are told where they are read.
        let others = all[..position].iter().filter(|(_, other)| (*what, *other) != ("set", "set"));
        let Some((other, other_what)) =
            others.into_iter().find(|(other, _)| other.value.overlaps(&path.value))
        else {
            continue;
        };
        let problem = format!(
            "{} is {what}, and {} is {other_what} in line {}",
            path.value, other.value, other.at.line
        );
        faults.add(
            path.at,
            problem,
            "make two changes of it, in the order that is meant, under changes",
        );
    }
}

fn overlap<'a>(
    path: &Placed<Path>,
    what: &str,
    mut others: impl Iterator<Item = &'a Placed<Path>>,
    faults: &Faults,
) {
    if let Some(other) = others.find(|other| other.value.overlaps(&path.value)) {
        let problem = format!(
            "{} and {} are both {what}, and one is within the other",
            other.value, path.value
        );
        faults.add(path.at, problem, "set the whole of it once");
    }
}

/// AWS documentation, "Naming rules": letters, digits, `_`, `-` and `.`, 3 to 255 of them.
fn table(node: &Node, faults: &Faults) -> Option<String> {
    let name = &text(node, "table", faults)?.value;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.chars().all(is_allowed) || !(3..=255).contains(&name.len()) {
        let fix = "a name has 3 to 255 letters, digits, _, - and .";
        faults.add(node.at, format!("{name} is no name of a table"), fix);
        return None;
    }
    Some(name.clone())
}
