//! What a right is, which of them each need has, and why: the one list, which the construct has as well.

use serde::Serialize;
use serde_json::{Value, json};

use super::document::Statement;
use super::needs::Need;
use super::{Home, actions};
use crate::observe::OWNER_TAG;

/// A right: actions on resources of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Right {
    /// What a policy calls it.
    pub sid: &'static str,
    /// What it is to.
    pub on: On,
    /// The actions.
    pub actions: &'static [&'static str],
    /// Under which condition alone.
    pub condition: Condition,
    /// Whether the end of a feature takes it too, in the deploy whose declaration is already without.
    pub ends: bool,
}

/// What a right is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// The table.
    Table,
    /// Its indexes.
    Indexes,
    /// Its streams.
    Streams,
    /// Its backups.
    Backups,
    /// The stack.
    Stack,
    /// What its need names.
    Named,
    /// Whatever there is: what has no name before it is there, or actions that take none.
    Anything,
}

/// Under which condition alone a right is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// None.
    Always,
    /// The table bears the owner tag of the scope.
    IsOwned,
    /// DynamoDB uses the key on behalf of whoever has the right.
    ByDynamoDb,
    /// The role is that of this service.
    RoleOf(&'static str),
}

impl Need {
    /// Its rights.
    #[must_use]
    pub const fn rights(self) -> &'static [Right] {
        match self {
            Self::Ledger => actions::LEDGER,
            Self::LedgerJournal => actions::LEDGER_JOURNAL,
            Self::Table => actions::TABLE,
            Self::Tags => actions::TAGS,
            Self::Expiry => actions::EXPIRY,
            Self::Recovery => actions::RECOVERY,
            Self::ResourcePolicy => actions::RESOURCE_POLICY,
            Self::Kinesis => actions::KINESIS,
            Self::Insights => actions::INSIGHTS,
            Self::IndexInsights => actions::INDEX_INSIGHTS,
            Self::Provisioned => actions::PROVISIONED,
            Self::Scaling => actions::SCALING,
            Self::Key => actions::KEY,
            Self::Replica => actions::REPLICA,
            Self::ReplicaEnd => actions::REPLICA_END,
            Self::ReplicaTable => actions::REPLICA_TABLE,
            Self::Snapshot => actions::SNAPSHOT,
            Self::Removed => actions::REMOVED,
            Self::Backfill => actions::BACKFILL,
            Self::Journal => actions::JOURNAL,
            Self::Put => actions::PUT,
            Self::CopySource => actions::COPY_SOURCE,
            Self::CopyTarget => actions::COPY_TARGET,
            Self::Statements => actions::STATEMENTS,
            Self::Free => actions::FREE,
            Self::Revert => actions::REVERT,
            Self::Stack => actions::STACK,
            Self::LongRuns => actions::LONG_RUNS,
        }
    }

    /// Why it is there, for whoever reviews the policy.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Ledger => {
                "the ledger table: made on first use with point-in-time recovery, then read and written"
            }
            Self::LedgerJournal => {
                "journals in the ledger, written and taken back in transactions with the items"
            }
            Self::Table => {
                "declared tables: looked at, made, changed, and taken back while they are empty where \
                 the deploy that made them fails; deleted with the resource where their policy says so"
            }
            Self::Tags => "tags of tables that leave the declaration",
            Self::Expiry => "expiry of items",
            Self::Recovery => "point-in-time recovery",
            Self::ResourcePolicy => "resource policies of tables",
            Self::Kinesis => "Kinesis streams that changes go to",
            Self::Insights => "contributor insights",
            Self::IndexInsights => "contributor insights of indexes",
            Self::Provisioned => {
                "provisioned throughput: whether something scales it, so that its figures are left alone"
            }
            Self::Scaling => "auto scaling of provisioned throughput, and the alarms that it makes",
            Self::Key => "KMS keys of tables, looked up by name and used by DynamoDB",
            Self::Replica => "replicas: what DynamoDB asks of whoever makes one, in its region",
            Self::ReplicaEnd => "replicas that leave the declaration, or go with their table",
            Self::ReplicaTable => "tags and protection of replicas, in their regions",
            Self::Snapshot => "a backup before a table goes",
            Self::Removed => {
                "tables that have left the declaration, known by their owner tag alone, and their backups"
            }
            Self::Backfill => "backfills: items are read, and changed by statements or one by one",
            Self::Journal => {
                "backfills with a journal: items are read, and changed in transactions"
            }
            Self::Put => {
                "items that backfills put into tables; compiled code and scripts do not tell which"
            }
            Self::CopySource => "tables that are copied: read, and their streams replayed",
            Self::CopyTarget => "tables that are copied to",
            Self::Statements => "PartiQL statements of migrations",
            Self::Free => "migrations that are functions, free to do anything with items",
            Self::Revert => {
                "a rollback of the stack comes to the older build with these rights, and takes back \
                 what newer migrations have changed; `OnStackRollback: keep` goes without"
            }
            Self::Stack => "what the stack is going through: it tells a rollback from a deploy",
            Self::LongRuns => "the state machine that goes on with long runs",
        }
    }

    /// Whether whoever plans sends this too.
    pub(super) fn is_looked_at_by(self, action: &str) -> bool {
        let looks = |all: &[&str]| all.contains(&action);
        match self {
            Self::Ledger => looks(LOOK_AT_LEDGER),
            Self::Table | Self::Removed | Self::ReplicaTable => looks(LOOK_AT_TABLE),
            Self::Backfill | Self::Journal => looks(&["dynamodb:DescribeTable", "dynamodb:Scan"]),
            Self::CopySource | Self::CopyTarget | Self::Put | Self::Statements => {
                looks(&["dynamodb:DescribeTable", "dynamodb:Scan"])
            }
            Self::Expiry
            | Self::Recovery
            | Self::ResourcePolicy
            | Self::Kinesis
            | Self::Insights
            | Self::IndexInsights
            | Self::Provisioned
            | Self::Scaling
            | Self::Key => looks(LOOK_AT_FEATURE),
            Self::LedgerJournal
            | Self::Tags
            | Self::Replica
            | Self::ReplicaEnd
            | Self::Snapshot
            | Self::Free
            | Self::Revert
            | Self::Stack
            | Self::LongRuns => false,
        }
    }
}

impl Right {
    pub(super) fn statement(
        &self,
        need: Need,
        actions: Vec<&'static str>,
        mut resources: Vec<String>,
        home: &Home,
    ) -> Statement {
        resources.sort();
        resources.dedup();
        if self.on == On::Anything {
            resources = vec!["*".to_owned()];
        }
        let condition = self.condition.json(&home.scope);
        Statement { sid: self.sid.to_owned(), reason: need.reason(), actions, resources, condition }
    }
}

impl Condition {
    fn json(self, scope: &str) -> Option<Value> {
        let owner = format!("aws:ResourceTag/{OWNER_TAG}");
        match self {
            Self::Always => None,
            Self::IsOwned => Some(json!({ "StringEquals": { owner: scope } })),
            Self::ByDynamoDb => {
                Some(json!({ "StringLike": { "kms:ViaService": "dynamodb.*.amazonaws.com" } }))
            }
            Self::RoleOf(service) => {
                Some(json!({ "StringEquals": { "iam:AWSServiceName": service } }))
            }
        }
    }
}

/// All rights as data, for the construct, which finds out by itself which needs its tables have.
#[must_use]
pub fn catalogue() -> Value {
    let needs = Need::ALL.into_iter().map(|need| {
        let name = format!("{need:?}");
        (name, json!({ "reason": need.reason(), "rights": need.rights() }))
    });
    Value::Object(needs.collect())
}

const LOOK_AT_TABLE: &[&str] =
    &["dynamodb:DescribeTable", "dynamodb:ListTagsOfResource", "dynamodb:Scan"];
const LOOK_AT_LEDGER: &[&str] = &["dynamodb:GetItem", "dynamodb:Query"];
const LOOK_AT_FEATURE: &[&str] = &[
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScalingPolicies",
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeContributorInsights",
    "dynamodb:DescribeKinesisStreamingDestination",
    "dynamodb:DescribeTimeToLive",
    "dynamodb:GetResourcePolicy",
    "kms:DescribeKey",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_right_has_a_name_of_its_own_that_a_policy_may_have() {
        let mut names = BTreeSet::new();
        for right in Need::ALL.into_iter().flat_map(Need::rights) {
            assert!(
                right.sid.chars().all(|character| character.is_ascii_alphanumeric()),
                "{right:?}"
            );
            assert!(names.insert(right.sid), "{right:?}");
            assert!(right.actions.is_sorted(), "{right:?}");
        }
    }
}
