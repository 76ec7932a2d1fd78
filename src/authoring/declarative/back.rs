//! The way back that follows from what a document says, as a text to be looked at and pasted into it.

use super::document::{Act, Change, Document, Edit, Work};
use crate::migration::Guard;

/// The `down` of a document that has none, where one follows: of what is renamed, and of what is set where its `when`
/// says that there is nothing.
pub(super) fn offered(document: &Document) -> Option<String> {
    let Work::Changes(changes) = &document.work else { return None };
    if document.down.is_some() || document.how.guard == Some(Guard::Journal) {
        return None;
    }
    let undone: Vec<_> = changes.iter().rev().map(undo).collect::<Option<_>>()?;
    let mut text = String::new();
    if document.how.guard != Some(Guard::Stamp) {
        text.push_str(
            "# Goes for all items that look as if they were migrated, those that did so before included;\n\
             # with guard: stamp for those alone that were.\n",
        );
    }
    match undone.as_slice() {
        [Undo { lines, .. }] => {
            text.push_str("down:\n");
            text.extend(lines.iter().map(|line| format!("  {line}\n")));
        }
        undone => {
            text.push_str("down:\n  changes:\n");
            for Undo { table, lines } in undone {
                text.extend([format!("    - table: {table}\n")]);
                text.extend(lines.iter().map(|line| format!("      {line}\n")));
            }
        }
    }
    Some(text)
}

struct Undo<'a> {
    table: &'a str,
    lines: Vec<String>,
}

fn undo(change: &Change) -> Option<Undo<'_>> {
    let Act::Edit(Edit { set, rename, remove }) = &change.act else { return None };
    let absent = change.when.as_ref().map(|when| when.absent()).unwrap_or_default();
    let is_new = |attribute: &str, keys: &[String]| {
        absent
            .iter()
            .any(|path| path.first().is_some_and(|first| first == attribute) && path[1..] == *keys)
    };
    let all_new = set.iter().all(|one| is_new(&one.path.value.attribute, &one.path.value.keys));
    if !remove.is_empty() || !all_new {
        return None;
    }
    let mut lines = Vec::new();
    if !rename.is_empty() {
        let pairs = rename
            .iter()
            .map(|one| format!("{}: {}", quoted(&one.to.value), quoted(&one.from.value)));
        lines.push(format!("rename: {{ {} }}", pairs.collect::<Vec<_>>().join(", ")));
    }
    if !set.is_empty() {
        let names = set.iter().map(|one| quoted(&one.path.value));
        lines.push(format!("remove: [{}]", names.collect::<Vec<_>>().join(", ")));
    }
    Some(Undo { table: &change.table, lines })
}

/// As YAML takes it for a text, whatever is in it.
fn quoted(name: &impl ToString) -> String {
    let name = name.to_string();
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        && !["true", "false", "null"].contains(&name.to_ascii_lowercase().as_str());
    if is_plain { name } else { format!("'{}'", name.replace('\'', "''")) }
}
