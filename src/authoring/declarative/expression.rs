//! An expression in CEL: read once, checked before any item is met, and asked about each item.

mod bridge;
mod check;
mod evaluate;
mod functions;

use std::sync::{Arc, LazyLock};

use aws_sdk_dynamodb::types::AttributeValue;
use cel::{Env, IdedExpr};

pub(super) use self::evaluate::Asked;
use super::faults::{At, Faults};
use super::yaml::{Text, place_in};
use crate::item::Item;

/// An expression over `item`.
#[derive(Debug, Clone)]
pub(super) struct Expression {
    /// As it is written.
    pub(super) text: String,
    /// With each path that begins with `item` as a variable of its own, so that nothing else is looked at and converted.
    tree: Arc<IdedExpr>,
    /// The paths, by the number in the name of the variable.
    paths: Arc<[Vec<String>]>,
}

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(functions::environment()));

impl Expression {
    /// Reads one; nothing where it has faults.
    pub(super) fn read(at: At, text: &Text, faults: &Faults) -> Option<Self> {
        let place = |position| place_in(&faults.source.text, at, text, position);
        let parser = ENVIRONMENT.parser().enable_ident_escape_syntax(true);
        let (tree, places) = match parser.parse_with_source_info(&text.value) {
            Ok(parsed) => parsed,
            Err(errors) => {
                let position = |(line, column)| position_of(&text.value, line, column);
                // What follows the first is mostly its consequence.
                if let Some(error) = errors.errors.iter().min_by_key(|error| error.pos) {
                    let (problem, fix) = syntax(&error.msg);
                    faults.add(place(position(error.pos)), problem, fix);
                }
                return None;
            }
        };
        let checked = check::check(tree);
        for complaint in &checked.complaints {
            let byte = places.offset_for(complaint.node).map_or(0, |(start, _)| start as usize);
            let position = text.value.get(..byte).map_or(0, |before| before.chars().count());
            faults.add(place(position), complaint.problem.as_str(), complaint.fix.as_str());
        }
        checked.complaints.is_empty().then(|| Self {
            text: text.value.clone(),
            tree: Arc::new(checked.tree),
            paths: checked.paths.into(),
        })
    }

    /// Whether it is true of an item.
    ///
    /// # Errors
    /// Why it cannot be said; names attributes and types, never values.
    pub(super) fn holds(&self, item: &Item) -> Result<bool, String> {
        Asked::new(&self.tree, &self.paths, item).holds()
    }

    /// What it makes of an item.
    ///
    /// # Errors
    /// As of [`holds`](Self::holds), and where it is nothing that DynamoDB can have.
    pub(super) fn value(&self, item: &Item) -> Result<AttributeValue, String> {
        Asked::new(&self.tree, &self.paths, item).value()
    }

    /// The attributes without which alone it can be true.
    pub(super) fn absent(&self) -> Vec<&[String]> {
        check::absent(&self.tree, &self.paths)
    }
}

/// Position, in characters, of a line and a column of the parser's.
fn position_of(text: &str, line: isize, column: isize) -> usize {
    let line = usize::try_from(line - 1).unwrap_or_default();
    let column = usize::try_from(column - 1).unwrap_or_default();
    text.split_inclusive('\n').take(line).map(|line| line.chars().count()).sum::<usize>() + column
}

/// The parser's message in words of people.
fn syntax(message: &str) -> (String, &'static str) {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    if message.contains("'<EOF>'") {
        return ("the expression ends where more is expected".to_owned(), "");
    }
    if let Some(token) = message.strip_prefix("token recognition error at: ") {
        let token = token.trim_matches('\'');
        return match token.trim() {
            "=" => ("= compares nothing".to_owned(), "write == for `is equal to`"),
            token @ ("&" | "|") => {
                (format!("{token} stands alone"), "write && for `and`, || for `or`")
            }
            _ if token.starts_with(['\'', '"']) || message.contains("''") => (
                "a text is never closed".to_owned(),
                "close it with the quote that it begins with; where a # stands behind a space, all of the expression goes in \
                 quotes, since YAML takes the rest for a comment",
            ),
            token => (
                format!("{token} has no meaning in an expression"),
                "a name with other letters than a-z, 0-9 and _ is asked for as item[\"…\"]",
            ),
        };
    }
    for kind in ["mismatched input ", "extraneous input "] {
        if let Some((token, _)) =
            message.strip_prefix(kind).and_then(|rest| rest.split_once(" expecting "))
        {
            return (format!("{token} is unexpected here"), "");
        }
    }
    if let Some(input) = message.strip_prefix("no viable alternative at input ") {
        return (format!("{input} makes no sense"), "");
    }
    if message.starts_with("invalid argument to has()") {
        return (
            "has() asks for a name after a dot".to_owned(),
            "write has(item.name), or \"name\" in item where the name has other letters",
        );
    }
    if message.contains("unsupported syntax") && message.contains('?') {
        return ("optional access is not supported".to_owned(), "write has(item.x) ? item.x : …");
    }
    (message.to_owned(), "")
}

#[cfg(test)]
mod tests;
