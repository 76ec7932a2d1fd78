// What the function may do to tables, of the rights that `rights.json` lists: those of every table, and of declared features.
import { ArnFormat, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';

import * as catalogue from './rights.json';

/** A right as `make infra/lib/rights.json` writes it: a test holds that no request of the function's takes another. */
interface Right {
  readonly on: string;
  readonly actions: string[];
  /** `always`, `is_owned`, `by_dynamo_db`, or the service whose role it is about. */
  readonly condition: string | { readonly role_of: string };
  /** Whether the end of a feature takes it too, in the deploy whose declaration is already without. */
  readonly ends: boolean;
}

/** What makes rights necessary. */
type Need = Exclude<keyof typeof catalogue, 'default'>;

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
  const removed = rightsOf('Removed');
  return [
    // Migrations are known to the function alone, and what a table turned on before is to be turned off: all on all.
    statement(NEEDS.flatMap(rightsOf).filter(isOfTables), [...names.flatMap((name) => whole(name)), ...replicas]),
    // A table that has left `tables` is known by the tag of its owner alone, and is still to be deleted.
    new iam.PolicyStatement({
      actions: actionsOf(removed.filter((right) => right.on === 'table')),
      resources: [arn('*')],
      conditions: { StringEquals: { [`aws:ResourceTag/${OWNER_TAG}`]: owner } },
    }),
    statement(removed.filter((right) => right.on === 'backups'), [arn('*/backup/*')]),
    // What has left a table ends with this very deploy: a replica in whatever region, auto scaling, insights.
    statement(
      rightsOf('ReplicaEnd'),
      tables.flatMap((table) => whole(table.TableName, '*')),
    ),
    statement(NEEDS.flatMap(rightsOf).filter((right) => isOfAnything(right) && right.ends), ['*']),
    statement(rightsOf('Stack'), [stack.stackId]),
    ...Object.entries(FEATURES)
      .filter(([, isDeclared]) => tables.some(isDeclared))
      .flatMap(([need]) => rightsOf(need as Need).filter((right) => isOfAnything(right) && !right.ends))
      .map((right) => statement([right], ['*'])),
  ].filter(({ resources }) => resources.length > 0);
}

const NEEDS = Object.keys(catalogue).filter((need) => need !== 'default') as Need[];

function rightsOf(need: Need): Right[] {
  return catalogue[need].rights;
}

/** Rights to declared tables, and to what is a part of one. */
function isOfTables({ on, condition }: Right): boolean {
  return ['table', 'indexes', 'streams'].includes(on) && condition === 'always';
}

function isOfAnything({ on }: Right): boolean {
  return on === 'anything';
}

function actionsOf(rights: Right[]): string[] {
  return [...new Set(rights.flatMap(({ actions }) => actions))].sort();
}

function statement(rights: Right[], resources: string[]): iam.PolicyStatement {
  return new iam.PolicyStatement({ actions: actionsOf(rights), resources, conditions: conditions(rights[0]) });
}

function conditions(right: Right | undefined): Record<string, Record<string, string>> {
  if (right?.condition === 'by_dynamo_db') {
    return { StringLike: { 'kms:ViaService': 'dynamodb.*.amazonaws.com' } };
  }
  if (typeof right?.condition === 'object') {
    return { StringEquals: { 'iam:AWSServiceName': right.condition.role_of } };
  }
  return {};
}

/** When a feature is declared that takes rights beside those to the table itself. */
const FEATURES: { readonly [need in Need]?: (table: Table) => boolean } = {
  Scaling: (table) => [table, ...list(table.GlobalSecondaryIndexes)].some((part) => 'AutoScaling' in part),
  Key: (table) => Object.keys(Object(table.SSESpecification)).includes('KMSMasterKeyId'),
  Kinesis: (table) => everywhere(table).some((place) => 'KinesisStreamSpecification' in place),
  Insights: (table) =>
    everywhere(table).some((place) =>
      [place, ...list(place.GlobalSecondaryIndexes)].some((part) => 'ContributorInsightsSpecification' in part),
    ),
  Replica: (table) => replicasOf(table).length > 0,
};

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
