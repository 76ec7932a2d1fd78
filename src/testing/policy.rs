//! The resource policy of a table: written once in a while, read late, and in the service's own spelling.

use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{Account, read};
use super::clock::{Clock, Moment};
use super::rejection::{Rejection, Result};
use super::table::{Status, Table};

/// The policy of a table and what readers still see.
#[derive(Debug, Clone, Default)]
pub(super) struct ResourcePolicy {
    current: Option<Policy>,
    /// What is read, and until when.
    old: Option<(Option<Policy>, Moment)>,
    changed: Option<Moment>,
}

#[derive(Debug, Clone)]
struct Policy {
    document: Value,
    revision: String,
}

/// The largest document.
const MAX_BYTES: usize = 20_480;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    resource_arn: String,
    policy: Option<String>,
    expected_revision_id: Option<String>,
    #[serde(default)]
    confirm_remove_self_resource_access: bool,
}

impl ResourcePolicy {
    /// The policy that a table is created with is read from the start.
    pub(super) fn first(document: &str, clock: &Clock, now: Moment) -> Result<Self> {
        let policy = Policy { document: canonical(document)?, revision: revision(clock, now) };
        Ok(Self { current: Some(policy), old: None, changed: None })
    }

    /// Whether a write is so recent that the table is locked.
    pub(super) fn is_pending(&self, now: Moment, pending: std::time::Duration) -> bool {
        self.changed.is_some_and(|changed| now < changed.plus(pending))
    }
}

impl Account {
    pub(super) fn get_resource_policy(&self, request: &Value) -> Result<Value> {
        let request: Request = read(request)?;
        let table = self.policy_table(&request.resource_arn)?;
        let policy = &table.features.policy;
        let seen = match &policy.old {
            Some((old, until)) if self.now < *until => old,
            Some(_) | None => &policy.current,
        };
        let seen = seen.as_ref().ok_or_else(|| Rejection::no_policy(&request.resource_arn))?;
        let mut document = seen.document.clone();
        if document["Version"].is_null() {
            document["Version"] = json!("2008-10-17");
        }
        Ok(json!({ "Policy": document.to_string(), "RevisionId": seen.revision }))
    }

    pub(super) fn put_resource_policy(&mut self, request: &Value) -> Result<Value> {
        let request: Request = read(request)?;
        let document = canonical(&request.policy.clone().unwrap_or_default())?;
        if locks_out(&document) && !request.confirm_remove_self_resource_access {
            return Err(Rejection::denied(
                "The new resource policy will not allow you to update the resource policy in the future.",
            ));
        }
        let table = self.policy_table(&request.resource_arn)?;
        check_revision(table, &request)?;
        let current = &table.features.policy.current;
        if let Some(same) = current.as_ref().filter(|current| current.document == document) {
            return Ok(json!({ "RevisionId": same.revision }));
        }
        self.admit_policy(table)?;
        let (name, revision) = (table.name.clone(), revision(&self.clock, self.now));
        self.change_policy(&name, Some(Policy { document, revision: revision.clone() }));
        Ok(json!({ "RevisionId": revision }))
    }

    /// A policy that is not there is deleted without complaint.
    pub(super) fn delete_resource_policy(&mut self, request: &Value) -> Result<Value> {
        let request: Request = read(request)?;
        let table = self.policy_table(&request.resource_arn)?;
        check_revision(table, &request)?;
        let Some(current) = &table.features.policy.current else { return Ok(json!({})) };
        self.admit_policy(table)?;
        let (name, revision) = (table.name.clone(), current.revision.clone());
        self.change_policy(&name, None);
        Ok(json!({ "RevisionId": revision }))
    }

    fn change_policy(&mut self, name: &str, policy: Option<Policy>) {
        let (now, until) = (self.now, self.now.plus(self.durations.policy_lag));
        let state = &mut self.at(name).features.policy;
        let old = std::mem::replace(&mut state.current, policy);
        state.old = Some((old, until));
        state.changed = Some(now);
    }

    /// After a change the next one is refused, first as a conflict, then as too soon.
    fn admit_policy(&self, table: &Table) -> Result<()> {
        let name = &table.name;
        if table.status() == Status::Deleting {
            return Err(Rejection::in_use(format!("Table is being deleted: {name}")));
        }
        let policy = &table.features.policy;
        if policy.is_pending(self.now, self.durations.policy_pending) {
            return Err(Rejection::in_use(format!(
                "Table is pending previous resource-based policy update: {name}"
            )));
        }
        let next = policy.changed.map(|changed| changed.plus(self.quotas.policy_interval));
        match next.filter(|next| self.now < *next) {
            None => Ok(()),
            Some(next) => Err(Rejection::throttled(format!(
                "Resource-based policy for table {name} modified within the previous {} milliseconds. Please try again \
                 after {}.",
                self.quotas.policy_interval.as_millis(),
                self.clock.text(next),
            ))),
        }
    }

    fn policy_table(&self, arn: &str) -> Result<&Table> {
        let name =
            arn.strip_prefix(&self.arn_prefix()).and_then(|rest| rest.strip_prefix("table/"));
        let name = name.ok_or_else(|| {
            Rejection::invalid(format!("ARNs must start with 'arn:' and name a table: {arn}"))
        })?;
        self.known_table(name)
    }
}

fn check_revision(table: &Table, request: &Request) -> Result<()> {
    let Some(expected) = &request.expected_revision_id else { return Ok(()) };
    let name = &table.name;
    let why = match &table.features.policy.current {
        Some(policy) if policy.revision == *expected => return Ok(()),
        Some(_) => format!("but the policy associated to target table {name} did not match"),
        None => format!("but table {name} has no associated policy"),
    };
    Err(Rejection::no_policy(&format!(
        "Requested update for policy with revision id {expected}, {why}"
    )))
}

/// The time of the change, in milliseconds.
fn revision(clock: &Clock, now: Moment) -> String {
    format!("{:.0}", clock.timestamp(now) * 1000.0)
}

/// The document as the service gives it back: lists of one element as the element, an account as its root.
fn canonical(document: &str) -> Result<Value> {
    let invalid = |what: &str| Rejection::invalid(format!("Invalid policy document: {what}"));
    if document.len() > MAX_BYTES {
        return Err(invalid("the size of the policy exceeds the limit of 20480 bytes"));
    }
    let mut parsed: Value =
        serde_json::from_str(document).map_err(|_| invalid("This policy contains invalid Json"))?;
    if !parsed.is_object() {
        return Err(invalid("This policy contains invalid Json"));
    }
    if parsed["Statement"].is_object() {
        parsed["Statement"] = json!([parsed["Statement"]]);
    }
    let Some(statements) = parsed["Statement"].as_array_mut().filter(|list| !list.is_empty())
    else {
        return Err(invalid("Could not parse the policy: Statement is empty!"));
    };
    for statement in statements {
        let Some(statement) = statement.as_object_mut() else {
            return Err(invalid("This text appears not to be a policy"));
        };
        if !statement.contains_key("Effect") {
            return Err(invalid("Missing required field Effect"));
        }
        for (member, value) in statement.iter_mut() {
            match member.as_str() {
                "Action" | "NotAction" | "Resource" | "NotResource" => collapse(value),
                "Principal" | "NotPrincipal" => {
                    for principal in value.as_object_mut().into_iter().flat_map(|p| p.values_mut())
                    {
                        name_roots(principal);
                        collapse(principal);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(parsed)
}

fn collapse(value: &mut Value) {
    if let Some([one]) = value.as_array().map(Vec::as_slice) {
        *value = one.clone();
    }
}

fn name_roots(principal: &mut Value) {
    let is_account =
        |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let named = match principal {
        Value::String(text) if is_account(text) => format!("arn:aws:iam::{text}:root"),
        Value::Array(list) => {
            list.iter_mut().for_each(name_roots);
            list.dedup();
            return;
        }
        _ => return,
    };
    *principal = json!(named);
}

/// Whether whoever put the policy could not put another one.
fn locks_out(document: &Value) -> bool {
    let statements = document["Statement"].as_array().into_iter().flatten();
    statements.into_iter().any(|statement| {
        let is_everybody = statement["Principal"] == "*" || statement["Principal"]["AWS"] == "*";
        let actions = match &statement["Action"] {
            Value::Array(actions) => actions.clone(),
            action => vec![action.clone()],
        };
        let denies = |action: &Value| {
            ["*", "dynamodb:*", "dynamodb:PutResourcePolicy"].iter().any(|denied| action == denied)
        };
        statement["Effect"] == "Deny" && is_everybody && actions.iter().any(denies)
    })
}
