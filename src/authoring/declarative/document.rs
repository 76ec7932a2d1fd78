//! What a migration in YAML says, once it is read.

use aws_sdk_dynamodb::types::AttributeValue;

use super::expression::Expression;
use super::faults::{At, Placed};
use super::path::Path;
use super::statement::Statement;
use crate::migration::{Cap, Guard, Phase, Sample};

/// A whole file.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) description: String,
    pub(super) phase: Phase,
    pub(super) work: Work,
    pub(super) down: Option<Work>,
    pub(super) how: How,
}

/// What is done, in order.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Changes(Vec<Change>),
    Statements(Vec<Statement>),
}

/// A change of the items of a table.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) at: At,
    pub(super) table: String,
    pub(super) when: Option<Expression>,
    pub(super) act: Act,
}

/// What becomes of an item.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Edit(Edit),
    Delete,
    CopyTo(CopyTo),
}

/// The places of an item that change.
#[derive(Debug, Clone, Default)]
pub(super) struct Edit {
    pub(super) set: Vec<Setting>,
    pub(super) rename: Vec<Renaming>,
    pub(super) remove: Vec<Placed<Path>>,
}

/// A copy of an item in another table, with some places set.
#[derive(Debug, Clone)]
pub(super) struct CopyTo {
    pub(super) table: String,
    pub(super) set: Vec<Setting>,
}

/// A place that is given a value.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) path: Placed<Path>,
    pub(super) value: Value,
}

/// A place whose value goes to another one.
#[derive(Debug, Clone)]
pub(super) struct Renaming {
    pub(super) from: Placed<Path>,
    pub(super) to: Placed<Path>,
}

/// A value to be set.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Literal(AttributeValue),
    Computed(Expression),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

/// How changes of items are carried out.
#[derive(Debug, Clone, Default)]
pub(super) struct How {
    pub(super) guard: Option<Guard>,
    pub(super) max_failed_items: u64,
    pub(super) verify: Option<(Sample, Expression)>,
    pub(super) pace: Pace,
}

/// How fast; it may be changed between two runs of the same migration.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    pub(super) at_most: Option<Cap>,
    pub(super) segments: Option<u32>,
    pub(super) concurrency: Option<usize>,
}
