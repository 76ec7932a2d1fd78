//! PartiQL statements: what can be known of one, and how it is carried out once.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::document::Value;
use super::faults::{At, Faults};
use super::reader::{Fields, list, text};
use super::value;
use super::yaml::{Kind, Node};
use crate::dynamo::{Executed, Repeat, digest};
use crate::migration::{Context, MigrationError};

/// A statement that writes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) parameters: Vec<AttributeValue>,
    /// As it is named in the statement.
    pub(super) table: String,
}

/// Reads the list under `statements`.
pub(super) fn read_all(node: &Node, faults: &Faults) -> Option<Vec<Statement>> {
    let nodes = list(node, "statements", faults)?;
    if nodes.is_empty() {
        faults.add(node.at, "statements are none", "write at least one");
    }
    let read: Vec<_> = nodes.iter().map(|node| read(node, faults)).collect();
    read.into_iter().collect()
}

fn read(node: &Node, faults: &Faults) -> Option<Statement> {
    let (at, statement, parameters) = if let Kind::Map(_) = node.kind {
        let mut fields = Fields::of(node, "a statement", faults)?;
        let (at, statement) = (fields.at, fields.take("statement"));
        let parameters = fields.take("parameters");
        fields.finish();
        let Some(statement) = statement else {
            faults.add(
                at,
                "a statement without its text",
                "write { statement: \"…\", parameters: […] }",
            );
            return None;
        };
        let parameters = parameters.map(|node| parameters_of(node, faults));
        (
            statement.at,
            text(statement, "a statement", faults)?,
            parameters.unwrap_or(Some(Vec::new()))?,
        )
    } else {
        (node.at, text(node, "a statement", faults)?, Vec::new())
    };
    let table = understand(at, &statement.value, parameters.len(), faults)?;
    Some(Statement { text: statement.value.trim().to_owned(), parameters, table })
}

fn parameters_of(node: &Node, faults: &Faults) -> Option<Vec<AttributeValue>> {
    let values = list(node, "parameters", faults)?.iter().map(|node| {
        match value::read(node, "a parameter", faults)? {
            Value::Literal(value) => Some(value),
            Value::Computed(_) | Value::List(_) | Value::Map(_) => {
                faults.add(
                    node.at,
                    "a parameter is computed, and a statement knows no item",
                    "write the value itself",
                );
                None
            }
        }
    });
    values.collect::<Vec<_>>().into_iter().collect()
}

/// The table of a statement that can be carried out.
fn understand(at: At, statement: &str, given: usize, faults: &Faults) -> Option<String> {
    let words = words(statement);
    let word = |position: usize| words.get(position).map(|word| word.to_ascii_uppercase());
    let table = match (word(0).as_deref(), word(1).as_deref()) {
        (Some("INSERT"), Some("INTO")) | (Some("DELETE"), Some("FROM")) => words.get(2),
        (Some("UPDATE"), _) => words.get(1),
        (Some("SELECT"), _) => {
            faults.add(
                at,
                "SELECT changes nothing",
                "leave it out; a change of all items that match is `table` with `when`",
            );
            return None;
        }
        (verb, _) => {
            let problem = format!("a statement begins with {}", verb.unwrap_or("nothing"));
            faults.add(at, problem, "write INSERT INTO, UPDATE or DELETE FROM");
            return None;
        }
    };
    let Some(table) = table.map(|table| table.trim_matches('"')).filter(|table| !table.is_empty())
    else {
        faults.add(at, "a statement names no table", "write INSERT INTO \"orders\" …");
        return None;
    };
    let wanted = words.iter().filter(|word| **word == "?").count();
    if wanted != given {
        faults.add(
            at,
            format!("a statement has {wanted} times ?, and {given} parameters"),
            "write { statement: \"…\", parameters: […] } with one for each",
        );
        return None;
    }
    Some(table.to_owned())
}

/// Words, quoted parts and question marks of a statement, which is as much of its grammar as is needed.
fn words(statement: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = statement.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            c if c.is_alphanumeric() => rest
                .find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.'))
                .unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        words.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    words
}

/// Carries each out once, in order: what an earlier run has done is left out.
///
/// # Errors
/// What DynamoDB refuses, with the number of the statement; lost time and loss of the lease.
pub(super) async fn run(
    cx: &Context,
    statements: &[Statement],
    repeat: Repeat,
) -> Result<(), MigrationError> {
    let mut seen = BTreeMap::new();
    for (position, statement) in statements.iter().enumerate() {
        // By what it says, so that a list that was mended goes on at the right place.
        let digest = statement.digest();
        let times: &mut u32 = seen.entry(digest.clone()).or_default();
        *times += 1;
        cx.step(&format!("statement {digest} {times}"), || {
            execute(cx, position + 1, statement, repeat)
        })
        .await?;
    }
    Ok(())
}

async fn execute(
    cx: &Context,
    number: usize,
    Statement { text, parameters, table }: &Statement,
    repeat: Repeat,
) -> Result<(), MigrationError> {
    let executed = cx.requests().execute_statement(table, text, parameters, repeat).await;
    let problem = match (executed, repeat) {
        (Ok(Executed::Done), _) => return Ok(()),
        (Ok(Executed::AlreadyThere), Repeat::AtWill) => {
            tracing::info!(number, table, "the item of the statement is there already");
            return Ok(());
        }
        (Ok(Executed::AlreadyThere), Repeat::WhereRefused) => {
            "an item of this key is there already. Where that is right, as after a run that was interrupted, say \
             `idempotent: true`"
                .to_owned()
        }
        (Err(error), _) => error.to_string(),
    };
    Err(MigrationError::new(format!("statement {number}, on {table}: {problem}")))
}

impl Statement {
    fn digest(&self) -> String {
        let names: Vec<_> = (0..self.parameters.len()).map(|number| number.to_string()).collect();
        let text = ("text".to_owned(), AttributeValue::S(self.text.clone()));
        let parameters = names.iter().zip(self.parameters.iter().map(Some));
        digest(parameters.chain([(&text.0, Some(&text.1))]))[..12].to_owned()
    }
}
