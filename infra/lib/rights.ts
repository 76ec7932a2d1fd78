// What the function may do to tables: the rights that every table takes, and those of the features that tables declare.
import { ArnFormat, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';

/** A table in CloudFormation's own spelling, as far as its rights depend on it. */
type Table = { readonly TableName: string; readonly [property: string]: unknown };

/** Whose rights they are. */
interface Subject {
  readonly tables: Table[];
  /** Names of tables that are not declared: the ledger, and what migrations touch. */
  readonly others: string[];
  /** What the owner tag of the tables says. */
  readonly owner: string;
}

/** The rights to tables in the region of the stack and in those of their replicas, and to what they take beside. */
export function rightsTo(stack: Stack, { tables, others, owner }: Subject): iam.PolicyStatement[] {
  const arn = (name: string, region = stack.region) => {
    const resource = { service: 'dynamodb', resource: 'table', resourceName: name, region };
    return stack.formatArn({ ...resource, arnFormat: ArnFormat.SLASH_RESOURCE_NAME });
  };
  const whole = (name: string, region?: string) => [arn(name, region), `${arn(name, region)}/*`];
  const names = [...tables.map((table) => table.TableName), ...others];
  const replicas = tables.flatMap((table) => replicasOf(table).flatMap(({ Region }) => whole(table.TableName, Region)));
  return [
    new iam.PolicyStatement({
      actions: [...CONTROL_ACTIONS, ...DATA_ACTIONS],
      resources: [...names.flatMap((name) => whole(name)), ...replicas],
    }),
    // A table that has left `tables` is known by the tag of its owner alone, and is still to be deleted.
    new iam.PolicyStatement({
      actions: REMOVAL_ACTIONS,
      resources: [arn('*')],
      conditions: { StringEquals: { [`aws:ResourceTag/${OWNER_TAG}`]: owner } },
    }),
    // Backups do not carry the tags of their table.
    new iam.PolicyStatement({ actions: ['dynamodb:DescribeBackup'], resources: [arn('*/backup/*')] }),
    // What has left a table ends with this very deploy: a replica in whatever region, auto scaling, insights.
    new iam.PolicyStatement({
      actions: ['dynamodb:DeleteTable', 'dynamodb:DeleteTableReplica'],
      resources: tables.flatMap((table) => whole(table.TableName, '*')),
    }),
    allow('application-autoscaling', ['DeregisterScalableTarget', 'DescribeScalableTargets', 'DescribeScalingPolicies']),
    allow('cloudwatch', ['DeleteAlarms', 'DeleteInsightRules', 'DescribeAlarms']),
    new iam.PolicyStatement({ actions: ['cloudformation:DescribeStacks'], resources: [stack.stackId] }),
    ...FEATURES.filter((feature) => tables.some(feature.isDeclared)).flatMap((feature) => feature.rights()),
  ].filter((statement) => statement.resources.length > 0);
}

interface Feature {
  readonly isDeclared: (table: Table) => boolean;
  readonly rights: () => iam.PolicyStatement[];
}

/** What features take beside rights to the table itself, from the pages of AWS's documentation about each. */
const FEATURES: Feature[] = [
  {
    isDeclared: (table) => [table, ...list(table.GlobalSecondaryIndexes)].some((part) => 'AutoScaling' in part),
    rights: () => [
      allow('application-autoscaling', ['PutScalingPolicy', 'RegisterScalableTarget']),
      allow('cloudwatch', ['PutMetricAlarm']),
      serviceRole('dynamodb.application-autoscaling.amazonaws.com'),
    ],
  },
  {
    isDeclared: (table) => Object.keys(Object(table.SSESpecification)).includes('KMSMasterKeyId'),
    rights: () => [
      allow('kms', ['DescribeKey']),
      new iam.PolicyStatement({
        actions: ['CreateGrant', 'Decrypt', 'Encrypt', 'GenerateDataKey*', 'ReEncrypt*'].map((action) => `kms:${action}`),
        resources: ['*'],
        conditions: { StringLike: { 'kms:ViaService': 'dynamodb.*.amazonaws.com' } },
      }),
    ],
  },
  {
    isDeclared: (table) => everywhere(table).some((place) => 'KinesisStreamSpecification' in place),
    rights: () => [
      allow('kinesis', ['DescribeStream', 'PutRecord', 'PutRecords']),
      serviceRole('kinesisreplication.dynamodb.amazonaws.com'),
    ],
  },
  {
    isDeclared: (table) =>
      everywhere(table).some((place) =>
        [place, ...list(place.GlobalSecondaryIndexes)].some((part) => 'ContributorInsightsSpecification' in part),
      ),
    rights: () => [
      allow('cloudwatch', ['PutInsightRule']),
      serviceRole('contributorinsights.dynamodb.amazonaws.com'),
    ],
  },
  {
    isDeclared: (table) => replicasOf(table).length > 0,
    rights: () => [serviceRole('replication.dynamodb.amazonaws.com')],
  },
];

function allow(service: string, actions: string[]): iam.PolicyStatement {
  return new iam.PolicyStatement({ actions: actions.map((action) => `${service}:${action}`), resources: ['*'] });
}

/** DynamoDB makes the role of a feature when it is first used in an account, with the rights of whoever uses it. */
function serviceRole(service: string): iam.PolicyStatement {
  return new iam.PolicyStatement({
    actions: ['iam:CreateServiceLinkedRole'],
    resources: ['*'],
    conditions: { StringEquals: { 'iam:AWSServiceName': service } },
  });
}

/** A table and its replicas: where settings are. */
function everywhere(table: Table): Record<string, unknown>[] {
  return [table, ...replicasOf(table)];
}

function replicasOf(table: Table): { readonly Region: string; readonly [property: string]: unknown }[] {
  return list(table.Replicas) as { readonly Region: string }[];
}

function list(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value : [];
}

const OWNER_TAG = 'tablewright:owner';

const CONTROL_ACTIONS = [
  'CreateBackup',
  'CreateTable',
  'CreateTableReplica',
  'DeleteResourcePolicy',
  'DeleteTable',
  'DeleteTableReplica',
  'DescribeContinuousBackups',
  'DescribeContributorInsights',
  'DescribeKinesisStreamingDestination',
  'DescribeTable',
  'DescribeTimeToLive',
  'DisableKinesisStreamingDestination',
  'EnableKinesisStreamingDestination',
  'GetResourcePolicy',
  'ListTagsOfResource',
  'PutResourcePolicy',
  'TagResource',
  'UntagResource',
  'UpdateContinuousBackups',
  'UpdateContributorInsights',
  'UpdateKinesisStreamingDestination',
  'UpdateTable',
  'UpdateTimeToLive',
].map((action) => `dynamodb:${action}`);

const REMOVAL_ACTIONS = ['CreateBackup', 'DeleteTable', 'DescribeTable', 'ListTagsOfResource', 'UpdateTable'].map(
  (action) => `dynamodb:${action}`,
);

const DATA_ACTIONS = [
  'BatchGetItem',
  'BatchWriteItem',
  'ConditionCheckItem',
  'DeleteItem',
  'DescribeStream',
  'GetItem',
  'GetRecords',
  'GetShardIterator',
  'PartiQLDelete',
  'PartiQLInsert',
  'PartiQLSelect',
  'PartiQLUpdate',
  'PutItem',
  'Query',
  'Scan',
  'UpdateItem',
].map((action) => `dynamodb:${action}`);
