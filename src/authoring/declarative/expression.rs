//! An expression in CEL: read once, checked before any item is met, and asked about each item.

mod bridge;
mod check;
mod evaluate;
mod functions;

use std::sync::{Arc, LazyLock};

use aws_sdk_dynamodb::types::AttributeValue;
use cel::common::ast::SourceInfo;
use cel::{Env, IdedExpr};

use self::check::Checked;
pub(super) use self::evaluate::Asked;
use super::faults::{At, Faults};
use super::yaml::{Text, place_in};
use crate::item::Item;

/// A line, a column and what is wrong there.
type Complaint = ((isize, isize), String);

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

/// The parser calls itself a dozen times for each bracket within another, and a process whose stack is full is gone: it has
/// a thread of its own, with a stack that holds so many.
const NESTING_MAX: usize = 16;
const STACK_BYTES: usize = 16 << 20;
const CHARACTERS_MAX: usize = 4096;
const OPERATORS_MAX: usize = 64;

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(functions::environment()));

impl Expression {
    /// Reads one; nothing where it has faults.
    pub(super) fn read(at: At, text: &Text, faults: &Faults) -> Option<Self> {
        let place = |position| place_in(&faults.source.text, at, text, position);
        if let Some((position, problem)) = too_much(&text.value) {
            let fix =
                "have one change set a part of it, and the next of `changes` go on from there";
            faults.add(place(position), problem, fix);
            return None;
        }
        let (checked, places) = match parse(&text.value) {
            Ok(parsed) => parsed,
            Err(complaint) => {
                if let Some(((line, column), message)) = complaint {
                    let (problem, fix) = syntax(&message);
                    faults.add(place(position_of(&text.value, line, column)), problem, fix);
                }
                return None;
            }
        };
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

/// The parser's tree, checked, or its first complaint and the line and column of that: what follows is mostly its consequence.
fn parse(text: &str) -> Result<(Checked, SourceInfo), Option<Complaint>> {
    let parse = || {
        let parser = ENVIRONMENT.parser().enable_ident_escape_syntax(true);
        let parsed = parser.parse_with_source_info(text);
        parsed.map(|(tree, places)| (check::check(tree), places)).map_err(|errors| {
            let first = errors.errors.into_iter().min_by_key(|error| error.pos);
            first.map(|error| (error.pos, error.msg))
        })
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let parsing = thread.spawn_scoped(scope, parse).expect("the system has a thread to spare");
        parsing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Where an expression is longer, or more deeply nested, than is read, and how it is said. Signs in texts count as well:
/// whoever counts them out has to know where a text ends as well as the parser does.
fn too_much(text: &str) -> Option<(usize, String)> {
    let (mut depth, mut operators) = (0_usize, 0);
    for (position, character) in text.chars().enumerate() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '!' | '-' | '+' | '*' | '/' | '%' | '&' | '|' | '?' | '<' | '>' | '=' => operators += 1,
            _ => {}
        }
        if operators > OPERATORS_MAX {
            let problem = format!("more than {OPERATORS_MAX} signs of operators stand in it");
            return Some((position, problem));
        }
        if depth > NESTING_MAX {
            let problem = format!("more than {NESTING_MAX} brackets are open");
            return Some((position, problem));
        }
        if position >= CHARACTERS_MAX {
            let problem = format!("the expression has more than {CHARACTERS_MAX} characters");
            return Some((position, problem));
        }
    }
    None
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
