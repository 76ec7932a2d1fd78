//! The policies: no request is sent that they do not allow, and nothing is in them that no request takes.

mod asked;
mod scenarios;

use std::collections::{BTreeMap, BTreeSet};
use std::slice;
use std::sync::LazyLock;

use serde_json::{Value, json};
use tablewright::desired::Desired;
use tablewright::rights::{Home, Role, Subject, Within, catalogue, policies};
use tablewright::{Change, Item, Migration};

use self::asked::Ask;
use self::scenarios::{Ran, SCENARIOS};
use crate::support::{properties, table, with};

/// All scenarios, by their names.
static RAN: LazyLock<Vec<(&str, Ran)>> =
    LazyLock::new(|| SCENARIOS.iter().map(|(name, life)| (*name, scenarios::run(*life))).collect());

fn home() -> Home {
    Home {
        partition: "aws".to_owned(),
        region: "eu-west-1".to_owned(),
        account: "111122223333".to_owned(),
        stack: "arn:aws:cloudformation:eu-west-1:111122223333:stack/Test/6f1d2c80".to_owned(),
        scope: "6f1d2c80/Data".to_owned(),
    }
}

/// Whether a text fits a pattern with `*`.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).any(|at| rest.is_char_boundary(at) && fits(after, &rest[at..]))
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Whether a statement allows something whose request meets its condition.
fn allows(statement: &Value, ask: &Ask) -> bool {
    let service = statement["Condition"]["StringEquals"]["iam:AWSServiceName"].as_str();
    let is_on = match service {
        Some(service) => service == ask.resource,
        None => texts(&statement["Resource"]).any(|on| fits(on, &ask.resource)),
    };
    is_on && texts(&statement["Action"]).any(|action| fits(action, &ask.action))
}

fn documents(ran: &Ran, role: Role<'_>) -> Vec<Value> {
    let subject = Subject::new(&ran.declarations, &ran.specs, role);
    policies(subject.statements(&home()), Within::Managed).documents()
}

/// What statements of documents name, one after another.
fn statements(documents: &[Value]) -> impl Iterator<Item = &Value> {
    documents.iter().flat_map(|document| document["Statement"].as_array().unwrap())
}

fn sid(statement: &Value) -> &str {
    statement["Sid"].as_str().unwrap()
}

#[test]
fn no_request_is_sent_that_the_policy_does_not_allow_and_no_action_is_in_it_that_none_takes() {
    let mut denied = Vec::new();
    let mut unused: BTreeMap<(String, String), bool> = BTreeMap::new();
    for (name, ran) in RAN.iter() {
        let documents = documents(ran, Role::Deploy { state_machine: Some(asked::MACHINE) });
        for statement in statements(&documents) {
            for action in texts(&statement["Action"]) {
                let right = (sid(statement).to_owned(), action.to_owned());
                let takes = |ask: &Ask| fits(action, &ask.action) && allows(statement, ask);
                *unused.entry(right).or_default() |= ran.asked.iter().any(takes);
            }
        }
        let is_denied = |ask: &&Ask| !statements(&documents).any(|one| allows(one, ask));
        denied.extend(ran.asked.iter().filter(is_denied).map(|ask| format!("{name}: {ask:?}")));
    }
    assert!(denied.is_empty(), "denied:\n{}", denied.join("\n"));
    let unused: Vec<_> = unused.iter().filter(|(_, is_used)| !**is_used).collect();
    assert!(unused.is_empty(), "never used: {unused:#?}");
}

#[test]
fn whoever_plans_is_allowed_to_look_at_all_that_plans_look_at_and_to_change_nothing() {
    for (name, ran) in RAN.iter() {
        let documents = documents(ran, Role::Plan);
        for ask in &ran.asked_to_plan {
            assert!(
                statements(&documents).any(|one| allows(one, ask)),
                "{name}: {ask:?} is denied"
            );
        }
        for statement in statements(&documents) {
            let changes = texts(&statement["Action"]).find(|action| {
                let (_, verb) = action.split_once(':').unwrap();
                !["Describe", "Get", "List", "Query", "Scan"].iter().any(|r| verb.starts_with(r))
            });
            assert_eq!(changes, None, "{name}");
        }
    }
}

fn desired(tables: &[Value]) -> Desired {
    Desired::read(&properties(tables)).unwrap()
}

#[test]
fn what_one_policy_does_not_hold_is_in_several_that_each_fit_and_say_the_same() {
    let tables: Vec<_> = (0..150)
        .map(|n| {
            let plain = table(&format!("a-table-with-quite-a-long-name-{n:03}"));
            let ttl = json!({ "AttributeName": "ttl", "Enabled": true });
            if n % 2 == 0 { with(plain, "TimeToLiveSpecification", ttl) } else { plain }
        })
        .collect();
    for count in [1, 10, 40, 150] {
        let declared = [desired(&tables[..count])];
        let subject = Subject::new(&declared, &[], Role::Deploy { state_machine: None });
        let wanted = subject.statements(&home());
        for within in [Within::Managed, Within::Inline] {
            let policies = policies(wanted.clone(), within);
            let documents = policies.documents();
            for document in &documents {
                let length = document.to_string().len();
                assert!(length <= within.characters(), "{count} tables: {length}");
            }
            assert_eq!(policies.misfit().is_some(), documents.len() > within.policies());
            let names: BTreeSet<_> = documents
                .iter()
                .flat_map(|one| statements(slice::from_ref(one)).map(sid))
                .collect();
            assert_eq!(
                names.len(),
                documents.iter().flat_map(|one| statements(slice::from_ref(one))).count()
            );
            for statement in &wanted {
                for (action, resource) in statement
                    .actions
                    .iter()
                    .flat_map(|action| statement.resources.iter().map(move |on| (action, on)))
                {
                    let has = |one: &Value| {
                        texts(&one["Action"]).any(|a| a == *action)
                            && texts(&one["Resource"]).any(|on| on == resource)
                            && one.get("Condition") == statement.condition.as_ref()
                    };
                    assert!(statements(&documents).any(has), "{action} on {resource}");
                }
            }
        }
    }
}

#[test]
fn people_read_why_each_right_is_there() {
    let snapshot = with(table("orders"), "RemovalPolicy", json!("snapshot"));
    let mut declared = properties(&[snapshot]);
    declared["OnStackRollback"] = json!("keep");
    let declared = [Desired::read(&declared).unwrap()];
    let label = |order: Item| Ok(Change::Update(order));
    let specs = [Migration::backfill("0001_label", "orders", label).spec()];
    let subject = Subject::new(&declared, &specs, Role::Deploy { state_machine: None });
    insta::assert_snapshot!(policies(subject.statements(&Home::default()), Within::Managed));
}

#[test]
fn the_construct_has_these_rights() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/infra/lib/rights.json");
    let has: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(has, catalogue(), "`make infra/lib/rights.json` writes it");
}
