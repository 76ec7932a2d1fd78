//! Resource policies, compared by what they mean: DynamoDB hands one back in a form of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The resource policy of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// None.
    Off,
    /// This one.
    Document(Document),
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Document(document) => match document.statements().count() {
                1 => f.write_str("of 1 statement"),
                n => write!(f, "of {n} statements"),
            },
        }
    }
}

/// A policy document. Two are equal when they mean the same: a list of one is its element, the order of statements,
/// actions, principals and values is no matter, and an account is its root user.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Document(Value);

impl Document {
    /// Bytes that a policy may have (AWS documentation, "Resource-based policy considerations").
    pub const BYTES_MAX: usize = 20 * 1024;
    /// What a document without a version is read as (AWS documentation, "IAM JSON policy elements: Version").
    const DEFAULT_VERSION: &str = "2008-10-17";

    /// Takes a document, and gives it a version where it has none.
    #[must_use]
    pub fn new(mut document: Value) -> Self {
        if let Some(fields) = document.as_object_mut() {
            fields.entry("Version").or_insert_with(|| Self::DEFAULT_VERSION.into());
        }
        Self(document)
    }

    /// The JSON to send.
    #[must_use]
    pub fn json(&self) -> String {
        self.0.to_string()
    }

    fn statements(&self) -> impl Iterator<Item = &Value> {
        elements(self.0.get("Statement"))
    }

    /// The action without which no later deploy could mend the table, where a statement denies it to everyone. What
    /// has a condition cannot be judged here and counts as meant.
    #[must_use]
    pub fn locks_out(&self) -> Option<&'static str> {
        const NEEDED: [&str; 6] = [
            "dynamodb:PutResourcePolicy",
            "dynamodb:DeleteResourcePolicy",
            "dynamodb:GetResourcePolicy",
            "dynamodb:UpdateTable",
            "dynamodb:DescribeTable",
            "dynamodb:ListTagsOfResource",
        ];
        let denies_everyone = |statement: &&Value| {
            let has_condition = elements(statement.get("Condition"))
                .any(|condition| condition.as_object().is_some_and(|c| !c.is_empty()));
            statement["Effect"] == "Deny" && !has_condition && is_everyone(statement)
        };
        let denied: Vec<_> = self.statements().filter(denies_everyone).collect();
        NEEDED.into_iter().find(|action| denied.iter().any(|statement| covers(statement, action)))
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        normal(&self.0) == normal(&other.0)
    }
}

impl Eq for Document {}

/// The elements of a list, or the one value that stands for a list of one.
fn elements(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let list = match value {
        None | Some(Value::Null) => &[],
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    list.iter()
}

/// Whether a statement speaks of all principals, or of all but some, among which this function's role may not be.
fn is_everyone(statement: &Value) -> bool {
    let all = |principal: &Value| principal == "*";
    statement.get("NotPrincipal").is_some()
        || statement
            .get("Principal")
            .is_some_and(|principal| all(principal) || elements(principal.get("AWS")).any(all))
}

fn covers(statement: &Value, action: &str) -> bool {
    let action = action.to_lowercase();
    let names_it = |property| {
        let patterns = elements(statement.get(property)).filter_map(Value::as_str);
        patterns.map(str::to_lowercase).any(|pattern| matches(&pattern, &action))
    };
    match statement.get("NotAction") {
        Some(_) => !names_it("NotAction"),
        None => names_it("Action"),
    }
}

/// Whether a pattern with `*` and `?` fits all of a text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    if first == '*' {
        return text.char_indices().any(|(at, _)| matches(rest, &text[at..])) || matches(rest, "");
    }
    let Some(next) = text.chars().next() else { return false };
    (first == '?' || first == next) && matches(rest, &text[next.len_utf8()..])
}

/// JSON of which two values that mean the same in a policy are equal: one value stands for a list of it, and no
/// order of a list means anything.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Normal {
    Text(String),
    Fields(BTreeMap<String, BTreeSet<Normal>>),
}

fn normal(value: &Value) -> BTreeSet<Normal> {
    let one = |value: &Value| match value {
        Value::Object(fields) => Normal::Fields(fields.iter().map(normal_field).collect()),
        Value::String(text) => Normal::Text(text.clone()),
        // IAM reads a number or a boolean as its text.
        other => Normal::Text(other.to_string()),
    };
    elements(Some(value)).map(one).collect()
}

fn normal_field((name, value): (&String, &Value)) -> (String, BTreeSet<Normal>) {
    let value = match name.as_str() {
        "Principal" | "NotPrincipal" => normal_principal(value),
        _ => normal(value),
    };
    (name.clone(), value)
}

/// `"*"` is everyone, and so is `{ "AWS": "*" }`; the root user of an account stands for the account.
fn normal_principal(principal: &Value) -> BTreeSet<Normal> {
    let Some(kinds) = principal.as_object() else {
        let kinds = BTreeMap::from([("AWS".to_owned(), normal(principal))]);
        return BTreeSet::from([Normal::Fields(kinds)]);
    };
    let account = |name: Normal| match name {
        Normal::Text(name) => Normal::Text(root_account(&name).unwrap_or(&name).to_owned()),
        Normal::Fields(fields) => Normal::Fields(fields),
    };
    let kind = |(kind, names): (&String, &Value)| {
        (kind.clone(), normal(names).into_iter().map(account).collect())
    };
    BTreeSet::from([Normal::Fields(kinds.iter().map(kind).collect())])
}

/// The account of `arn:<partition>:iam::<account>:root`.
fn root_account(arn: &str) -> Option<&str> {
    let (_, account) = arn.strip_suffix(":root")?.split_once(":iam::")?;
    Some(account)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statement(effect: &str, principal: &Value, action: &Value) -> Value {
        json!({
            "Sid": "One", "Effect": effect, "Principal": principal, "Action": action, "Resource": "*"
        })
    }

    fn document(statements: &Value) -> Document {
        Document::new(json!({ "Version": "2012-10-17", "Statement": statements }))
    }

    #[test]
    fn a_policy_that_dynamodb_has_rewritten_is_the_same_policy() {
        let root = "arn:aws:iam::111122223333:root";
        let read = |principal: Value, action: Value| statement("Allow", &principal, &action);
        for (declared, live) in [
            (
                json!(read(json!({ "AWS": [root] }), json!(["dynamodb:Query"]))),
                json!([read(json!({ "AWS": "111122223333" }), json!("dynamodb:Query"))]),
            ),
            (
                json!([read(json!("*"), json!(["dynamodb:Scan", "dynamodb:Query"]))]),
                json!([read(json!({ "AWS": "*" }), json!(["dynamodb:Query", "dynamodb:Scan"]))]),
            ),
            (
                json!([{ "Condition": { "Bool": { "aws:SecureTransport": false } } }, { "Sid": "A" }]),
                json!([{ "Sid": "A" }, { "Condition": { "Bool": { "aws:SecureTransport": ["false"] } } }]),
            ),
        ] {
            assert_eq!(document(&declared), document(&live));
        }
        let unversioned = Document::new(json!({ "Statement": [] }));
        assert_eq!(unversioned, Document::new(json!({ "Version": "2008-10-17", "Statement": [] })));
    }

    #[test]
    fn a_policy_that_means_something_else_is_another_policy() {
        let of = |action: Value| document(&json!([statement("Allow", &json!("*"), &action)]));
        assert_ne!(of(json!("dynamodb:Query")), of(json!("dynamodb:Scan")));
        assert_ne!(of(json!("dynamodb:Query")), of(json!(["dynamodb:Query", "dynamodb:Scan"])));
        assert_ne!(document(&json!([])), Document::new(json!({ "Statement": [] })));
    }

    #[test]
    fn a_policy_that_shuts_every_later_deploy_out_is_found() {
        let deny = |principal: Value, action: Value| statement("Deny", &principal, &action);
        let everyone = json!({ "AWS": ["*"] });
        let conditional = json!({
            "Effect": "Deny", "Principal": "*", "Action": "*",
            "Condition": { "StringNotEquals": { "aws:PrincipalAccount": "111122223333" } },
        });
        let all_but =
            |action: &str| json!({ "Effect": "Deny", "Principal": "*", "NotAction": action });
        let but_one = json!({ "Effect": "Deny", "NotPrincipal": { "AWS": "a" }, "Action": "*" });
        for (statement, locked) in [
            (deny(json!("*"), json!("*")), Some("dynamodb:PutResourcePolicy")),
            (deny(everyone, json!("dynamodb:Update*")), Some("dynamodb:UpdateTable")),
            (deny(json!("*"), json!("DYNAMODB:d?scribetable")), Some("dynamodb:DescribeTable")),
            (all_but("dynamodb:Query"), Some("dynamodb:PutResourcePolicy")),
            (but_one, Some("dynamodb:PutResourcePolicy")),
            (all_but("dynamodb:*"), None),
            (deny(json!("*"), json!("dynamodb:DeleteTable")), None),
            (deny(json!({ "AWS": "111122223333" }), json!("*")), None),
            (statement("Allow", &json!("*"), &json!("*")), None),
            (conditional, None),
        ] {
            assert_eq!(document(&json!([statement])).locks_out(), locked, "{statement}");
        }
    }
}
