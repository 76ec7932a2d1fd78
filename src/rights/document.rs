//! Policies as IAM takes them: documents within its limits, and the same with reasons for people.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

/// One statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What the policy calls it.
    pub sid: String,
    /// Why it is there.
    pub reason: &'static str,
    /// What it allows.
    pub actions: Vec<&'static str>,
    /// On what.
    pub resources: Vec<String>,
    /// Under which condition alone.
    pub condition: Option<Value>,
}

/// What a policy may hold, in characters without white space (AWS documentation, "IAM and AWS STS quotas").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// A managed policy: 6,144. A role takes ten of them, unless its account was given more.
    Managed,
    /// All inline policies of a role together: 10,240.
    Inline,
}

impl Within {
    /// Its characters.
    #[must_use]
    pub const fn characters(self) -> usize {
        match self {
            Self::Managed => 6144,
            Self::Inline => 10_240,
        }
    }

    /// How many of them a role takes.
    #[must_use]
    pub const fn policies(self) -> usize {
        match self {
            Self::Managed => 10,
            Self::Inline => 1,
        }
    }
}

/// Policies that together say what statements say; `Display` is the same with the reasons, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// The statements of each.
    pub each: Vec<Vec<Statement>>,
    /// What they are to fit in.
    pub within: Within,
}

impl Policies {
    /// The documents.
    #[must_use]
    pub fn documents(&self) -> Vec<Value> {
        self.each.iter().map(|statements| document(statements)).collect()
    }

    /// Why a role cannot take them, where it cannot.
    #[must_use]
    pub fn misfit(&self) -> Option<String> {
        let (has, takes) = (self.each.len(), self.within.policies());
        let kind = match self.within {
            Within::Managed => "managed policies of 6,144 characters, and IAM attaches",
            Within::Inline => "inline policies of 10,240 characters, and IAM gives",
        };
        (has > takes).then(|| {
            format!(
                "the rights fill {has} {kind} {takes} to a role: divide the tables among several \
                 resources, or name fewer in otherTables"
            )
        })
    }
}

/// Puts statements into as few policies as hold them. Where one does not hold them all, rights to the same resources
/// under the same condition become one statement first.
#[must_use]
pub fn policies(statements: Vec<Statement>, within: Within) -> Policies {
    if size(&statements) <= within.characters() {
        return Policies { each: vec![statements], within };
    }
    let mut each: Vec<Vec<Statement>> = Vec::new();
    for statement in grouped(statements).into_iter().flat_map(|all| parts(all, within)) {
        match each.last_mut() {
            Some(last) if size(last) + one(&statement) < within.characters() => {
                last.push(statement);
            }
            _ => each.push(vec![statement]),
        }
    }
    Policies { each, within }
}

/// One statement for each set of resources, with all actions on it.
fn grouped(statements: Vec<Statement>) -> Vec<Statement> {
    let mut groups: BTreeMap<(Vec<String>, String), Statement> = BTreeMap::new();
    for statement in statements {
        let condition = statement.condition.as_ref().map(Value::to_string).unwrap_or_default();
        let key = (statement.resources.clone(), condition);
        match groups.get_mut(&key) {
            None => drop(groups.insert(key, statement)),
            Some(group) => {
                group.sid = format!("{}{}", group.sid, statement.sid);
                group.reason =
                    "several rights to the same resources, in one statement for its size";
                group.actions.extend(statement.actions);
                group.actions.sort_unstable();
                group.actions.dedup();
            }
        }
    }
    groups.into_values().collect()
}

/// The statement, in halves of its resources where it is longer than a policy.
fn parts(statement: Statement, within: Within) -> Vec<Statement> {
    const EMPTY: usize = 40;
    if one(&statement) + EMPTY <= within.characters() || statement.resources.len() < 2 {
        return vec![statement];
    }
    let mut first = statement;
    let second = first.resources.split_off(first.resources.len() / 2);
    let (sid, other) = (format!("{}A", first.sid), format!("{}B", first.sid));
    let second = Statement { sid: other, resources: second, ..first.clone() };
    first.sid = sid;
    [first, second].into_iter().flat_map(|part| parts(part, within)).collect()
}

fn size(statements: &[Statement]) -> usize {
    document(statements).to_string().len()
}

fn one(statement: &Statement) -> usize {
    statement.json().to_string().len() + 1
}

fn document(statements: &[Statement]) -> Value {
    let statements: Vec<_> = statements.iter().map(Statement::json).collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

impl Statement {
    fn json(&self) -> Value {
        let Self { sid, actions, resources, condition, .. } = self;
        let mut json =
            json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources });
        if let Some(condition) = condition {
            json["Condition"] = condition.clone();
        }
        json
    }
}

impl fmt::Display for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(misfit) = self.misfit() {
            writeln!(f, "! {misfit}\n")?;
        }
        for (position, statements) in self.each.iter().enumerate() {
            if self.each.len() > 1 {
                writeln!(f, "policy {} of {}\n", position + 1, self.each.len())?;
            }
            statements.iter().try_for_each(|statement| writeln!(f, "{statement}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}: {}", self.sid, self.reason)?;
        for action in &self.actions {
            writeln!(f, "  {action}")?;
        }
        for resource in &self.resources {
            writeln!(f, "    on {resource}")?;
        }
        if let Some(condition) = &self.condition {
            writeln!(f, "    if {condition}")?;
        }
        Ok(())
    }
}
