//! The actions that each need takes, by AWS's documentation of its services.

use super::grants::{Condition, On, Right};

const fn right(sid: &'static str, on: On, actions: &'static [&'static str]) -> Right {
    Right { sid, on, actions, condition: Condition::Always, ends: false }
}

const fn ending(sid: &'static str, on: On, actions: &'static [&'static str]) -> Right {
    Right { ends: true, ..right(sid, on, actions) }
}

/// DynamoDB makes the role of a feature when it is first used in an account, with the rights of whoever uses it (AWS
/// documentation, "Using service-linked roles").
const fn role_of(sid: &'static str, service: &'static str) -> Right {
    let make = right(sid, On::Anything, &["iam:CreateServiceLinkedRole"]);
    Right { condition: Condition::RoleOf(service), ..make }
}

const fn when(condition: Condition, right: Right) -> Right {
    Right { condition, ..right }
}

pub(super) const LEDGER: &[Right] = &[right(
    "Ledger",
    On::Table,
    &[
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:CreateTable",
        "dynamodb:DeleteItem",
        "dynamodb:DescribeTable",
        "dynamodb:GetItem",
        "dynamodb:Query",
        "dynamodb:TagResource",
        "dynamodb:UpdateContinuousBackups",
        "dynamodb:UpdateItem",
        "dynamodb:UpdateTimeToLive",
    ],
)];
pub(super) const LEDGER_JOURNAL: &[Right] = &[right(
    "LedgerJournal",
    On::Table,
    &["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query"],
)];
pub(super) const TABLE: &[Right] = &[ending(
    "Tables",
    On::Table,
    &[
        "dynamodb:CreateTable",
        "dynamodb:DeleteTable",
        "dynamodb:DescribeTable",
        "dynamodb:ListTagsOfResource",
        "dynamodb:Scan",
        "dynamodb:TagResource",
        "dynamodb:UpdateTable",
    ],
)];
pub(super) const TAGS: &[Right] = &[ending("Tags", On::Table, &["dynamodb:UntagResource"])];
pub(super) const EXPIRY: &[Right] =
    &[ending("Expiry", On::Table, &["dynamodb:DescribeTimeToLive", "dynamodb:UpdateTimeToLive"])];
pub(super) const RECOVERY: &[Right] = &[ending(
    "Recovery",
    On::Table,
    &["dynamodb:DescribeContinuousBackups", "dynamodb:UpdateContinuousBackups"],
)];
pub(super) const RESOURCE_POLICY: &[Right] = &[ending(
    "ResourcePolicy",
    On::Table,
    &["dynamodb:DeleteResourcePolicy", "dynamodb:GetResourcePolicy", "dynamodb:PutResourcePolicy"],
)];
/// AWS documentation, "Using IAM policies for Amazon Kinesis Data Streams and Amazon DynamoDB".
pub(super) const KINESIS: &[Right] = &[
    ending(
        "Kinesis",
        On::Table,
        &[
            "dynamodb:DescribeKinesisStreamingDestination",
            "dynamodb:DisableKinesisStreamingDestination",
            "dynamodb:EnableKinesisStreamingDestination",
            "dynamodb:UpdateKinesisStreamingDestination",
        ],
    ),
    right(
        "KinesisStreams",
        On::Anything,
        &["kinesis:DescribeStream", "kinesis:PutRecord", "kinesis:PutRecords"],
    ),
    role_of("KinesisRole", "kinesisreplication.dynamodb.amazonaws.com"),
];
/// AWS documentation, "Using IAM with CloudWatch contributor insights for DynamoDB".
pub(super) const INSIGHTS: &[Right] = &[
    ending(
        "Insights",
        On::Table,
        &["dynamodb:DescribeContributorInsights", "dynamodb:UpdateContributorInsights"],
    ),
    ending("InsightsEnd", On::Anything, &["cloudwatch:DeleteInsightRules"]),
    right("InsightsRules", On::Anything, &["cloudwatch:PutInsightRule"]),
    role_of("InsightsRole", "contributorinsights.dynamodb.amazonaws.com"),
];
pub(super) const INDEX_INSIGHTS: &[Right] = &[
    ending(
        "IndexInsights",
        On::Indexes,
        &["dynamodb:DescribeContributorInsights", "dynamodb:UpdateContributorInsights"],
    ),
    ending(
        "IndexInsightsTable",
        On::Table,
        &["dynamodb:DescribeContributorInsights", "dynamodb:UpdateContributorInsights"],
    ),
    ending("IndexInsightsEnd", On::Anything, &["cloudwatch:DeleteInsightRules"]),
    right("IndexInsightsRules", On::Anything, &["cloudwatch:PutInsightRule"]),
    role_of("IndexInsightsRole", "contributorinsights.dynamodb.amazonaws.com"),
];
pub(super) const PROVISIONED: &[Right] = &[ending(
    "Provisioned",
    On::Anything,
    &[
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:DescribeScalingPolicies",
    ],
)];
/// Alarms come and go with policies, by the rights of whoever makes those (AWS documentation, "Identity-based policy
/// examples for Application Auto Scaling").
pub(super) const SCALING: &[Right] = &[
    ending(
        "ScalingEnd",
        On::Anything,
        &[
            "application-autoscaling:DeregisterScalableTarget",
            "application-autoscaling:DescribeScalableTargets",
            "application-autoscaling:DescribeScalingPolicies",
            "cloudwatch:DeleteAlarms",
            "cloudwatch:DescribeAlarms",
        ],
    ),
    right(
        "Scaling",
        On::Anything,
        &[
            "application-autoscaling:PutScalingPolicy",
            "application-autoscaling:RegisterScalableTarget",
            "cloudwatch:PutMetricAlarm",
        ],
    ),
    role_of("ScalingRole", "dynamodb.application-autoscaling.amazonaws.com"),
];
/// AWS documentation, "Encryption at rest: Authorizing use of your AWS KMS key".
pub(super) const KEY: &[Right] = &[
    right("Key", On::Anything, &["kms:DescribeKey"]),
    when(
        Condition::ByDynamoDb,
        right(
            "KeyUse",
            On::Anything,
            &[
                "kms:CreateGrant",
                "kms:Decrypt",
                "kms:Encrypt",
                "kms:GenerateDataKey*",
                "kms:ReEncrypt*",
            ],
        ),
    ),
];
/// AWS documentation, "Using IAM with global tables".
pub(super) const REPLICA: &[Right] = &[
    ending(
        "Replicas",
        On::Table,
        &[
            "dynamodb:BatchWriteItem",
            "dynamodb:CreateTable",
            "dynamodb:CreateTableReplica",
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        ],
    ),
    role_of("ReplicasRole", "replication.dynamodb.amazonaws.com"),
];
pub(super) const REPLICA_END: &[Right] =
    &[ending("ReplicasEnd", On::Table, &["dynamodb:DeleteTable", "dynamodb:DeleteTableReplica"])];
pub(super) const REPLICA_TABLE: &[Right] = &[ending(
    "ReplicaTables",
    On::Table,
    &[
        "dynamodb:DescribeTable",
        "dynamodb:ListTagsOfResource",
        "dynamodb:TagResource",
        "dynamodb:UntagResource",
        "dynamodb:UpdateTable",
    ],
)];
pub(super) const SNAPSHOT: &[Right] = &[
    ending("Snapshots", On::Table, &["dynamodb:CreateBackup"]),
    ending("SnapshotsReady", On::Backups, &["dynamodb:DescribeBackup"]),
];
/// Backups do not carry the tags of their table.
pub(super) const REMOVED: &[Right] = &[
    when(
        Condition::IsOwned,
        ending(
            "Removed",
            On::Table,
            &[
                "dynamodb:CreateBackup",
                "dynamodb:DeleteTable",
                "dynamodb:DescribeTable",
                "dynamodb:ListTagsOfResource",
                "dynamodb:UpdateTable",
            ],
        ),
    ),
    ending("RemovedBackups", On::Backups, &["dynamodb:DescribeBackup"]),
];
pub(super) const BACKFILL: &[Right] = &[right(
    "Backfills",
    On::Table,
    &[
        "dynamodb:DeleteItem",
        "dynamodb:DescribeTable",
        "dynamodb:GetItem",
        "dynamodb:PartiQLDelete",
        "dynamodb:PartiQLUpdate",
        "dynamodb:Scan",
        "dynamodb:UpdateItem",
    ],
)];
/// A transaction is allowed by the rights to its actions (AWS documentation, "Amazon DynamoDB Transactions: How it works").
pub(super) const JOURNAL: &[Right] = &[right(
    "Journals",
    On::Table,
    &[
        "dynamodb:DeleteItem",
        "dynamodb:DescribeTable",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Scan",
        "dynamodb:UpdateItem",
    ],
)];
pub(super) const PUT: &[Right] = &[right(
    "Puts",
    On::Table,
    &["dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan"],
)];
/// AWS documentation, "Using AWS Identity and Access Management": streams are resources of their own.
pub(super) const COPY_SOURCE: &[Right] = &[
    right(
        "CopySources",
        On::Table,
        &["dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Scan"],
    ),
    right(
        "CopyStreams",
        On::Streams,
        &["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
    ),
];
pub(super) const COPY_TARGET: &[Right] = &[right(
    "CopyTargets",
    On::Table,
    &[
        "dynamodb:BatchGetItem",
        "dynamodb:DeleteItem",
        "dynamodb:DescribeTable",
        "dynamodb:PartiQLDelete",
        "dynamodb:PutItem",
        "dynamodb:Scan",
        "dynamodb:UpdateItem",
    ],
)];
pub(super) const STATEMENTS: &[Right] = &[right(
    "Statements",
    On::Table,
    &[
        "dynamodb:DescribeTable",
        "dynamodb:PartiQLDelete",
        "dynamodb:PartiQLInsert",
        "dynamodb:PartiQLUpdate",
        "dynamodb:Scan",
    ],
)];
pub(super) const FREE: &[Right] = &[
    right(
        "Functions",
        On::Table,
        &[
            "dynamodb:BatchGetItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:ConditionCheckItem",
            "dynamodb:DeleteItem",
            "dynamodb:DescribeTable",
            "dynamodb:GetItem",
            "dynamodb:PartiQLDelete",
            "dynamodb:PartiQLInsert",
            "dynamodb:PartiQLSelect",
            "dynamodb:PartiQLUpdate",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        ],
    ),
    right(
        "FunctionsIndexes",
        On::Indexes,
        &["dynamodb:PartiQLSelect", "dynamodb:Query", "dynamodb:Scan"],
    ),
];
pub(super) const REVERT: &[Right] = &[right(
    "Reverts",
    On::Table,
    &[
        "dynamodb:DeleteItem",
        "dynamodb:DescribeTable",
        "dynamodb:GetItem",
        "dynamodb:PartiQLDelete",
        "dynamodb:PartiQLUpdate",
        "dynamodb:PutItem",
        "dynamodb:Scan",
        "dynamodb:UpdateItem",
    ],
)];
pub(super) const STACK: &[Right] =
    &[ending("Stack", On::Stack, &["cloudformation:DescribeStacks"])];
pub(super) const LONG_RUNS: &[Right] = &[right("LongRuns", On::Named, &["states:StartExecution"])];
