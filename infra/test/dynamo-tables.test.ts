// The construct's template: what follows from each of its properties, and what every stack with it has.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { App, Duration, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';

import { DynamoDBTables, type DynamoDBTablesProps } from '../lib/dynamo-tables';
import { packaged } from '../lib/package';

const ORDERS = { TableName: 'orders', KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }] };
const RESOURCE = 'Custom::DynamoDBTables';

/** A folder with these files. */
function folder(files: Record<string, string>): string {
  const made = mkdtempSync(join(tmpdir(), 'tablewright-test-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(made, name, '..'), { recursive: true });
    writeFileSync(join(made, name), text);
  }
  return made;
}

const CODE = folder({ bootstrap: 'an executable' });

function template(props: Partial<DynamoDBTablesProps> = {}): Template {
  const stack = new Stack(new App(), 'Shop');
  new DynamoDBTables(stack, 'Tables', { code: CODE, tables: [ORDERS], ...props });
  return Template.fromStack(stack);
}

/** The resource's properties. */
function properties(props: Partial<DynamoDBTablesProps> = {}): Record<string, any> {
  const [resource] = Object.values(template(props).findResources(RESOURCE));
  return resource!.Properties;
}

function hash(props: Partial<DynamoDBTablesProps> = {}): string {
  return properties(props).Migrations.Hash;
}

test('the resource says what was asked for, and nothing else', () => {
  const { ServiceToken, Migrations, ...rest } = properties();
  assert.deepEqual(rest, { Tables: [ORDERS], LedgerTable: 'tablewright-ledger', ServiceTimeout: '3600' });
  assert.deepEqual(Object.keys(Migrations), ['Hash']);
  const all = properties({
    ledgerTable: 'ledger',
    serviceTimeout: Duration.minutes(30),
    migrations: { target: '0002_b', baseline: 'none', outOfOrder: 'skip', missing: 'allow' },
    onFailure: 'halt',
    onStackRollback: 'keep',
    completion: 'detached',
    maxTableDeletes: 3,
    allow: ['TW020'],
  });
  const { Hash, ...options } = all.Migrations;
  assert.deepEqual(options, { Target: '0002_b', Baseline: 'none', OutOfOrder: 'skip', Missing: 'allow' });
  const { ServiceToken: _, Migrations: __, ...said } = all;
  assert.deepEqual(said, {
    Tables: [ORDERS],
    LedgerTable: 'ledger',
    ServiceTimeout: '1800',
    OnFailure: 'halt',
    OnStackRollback: 'keep',
    Completion: 'detached',
    MaxTableDeletes: 3,
    Allow: ['TW020'],
  });
});

test('a request that the function dies over comes back to it, and is kept as safe as what it holds', () => {
  const made = template();
  const [queue] = Object.keys(made.findResources('AWS::SQS::Queue'));
  const arn = { 'Fn::GetAtt': [queue, 'Arn'] };
  made.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
    MaximumRetryAttempts: 1,
    MaximumEventAgeInSeconds: 600,
    DestinationConfig: { OnFailure: { Destination: arn } },
  });
  made.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
    EventSourceArn: arn,
    BatchSize: 1,
    FunctionResponseTypes: ['ReportBatchItemFailures'],
  });
  made.hasResourceProperties('AWS::SQS::Queue', { SqsManagedSseEnabled: true, MessageRetentionPeriod: 3600 });
  made.hasResourceProperties('AWS::SQS::QueuePolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([
        Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
      ]),
    },
  });
});

test('all that answers is there before the resource, and stays until it is gone', () => {
  const made = template({ longRuns: true });
  const [resource] = Object.values(made.findResources(RESOURCE));
  const kinds = resource!.DependsOn.map((id: string) => made.toJSON().Resources[id].Type);
  for (const kind of [
    'AWS::IAM::Policy',
    'AWS::IAM::Role',
    'AWS::Lambda::EventInvokeConfig',
    'AWS::Lambda::EventSourceMapping',
    'AWS::Lambda::Function',
    'AWS::SQS::Queue',
    'AWS::StepFunctions::StateMachine',
  ]) {
    assert.ok(kinds.includes(kind), kind);
  }
});

test('the function is called when a migration changes, and not when what tries it does', () => {
  const yaml = 'table: orders\nset: { label: open }\n';
  const migrations = { '0001_a.yaml': yaml, '0001_a.test.yaml': 'after: {}', 'tablewright.d.ts': '' };
  const before = hash({ migrationsFolder: folder(migrations) });
  assert.notEqual(before, hash());
  assert.equal(hash({ migrationsFolder: folder(migrations) }), before);
  assert.equal(hash({ migrationsFolder: folder({ ...migrations, '0001_a.test.yaml': 'refused: no' }) }), before);
  assert.notEqual(hash({ migrationsFolder: folder({ ...migrations, '0001_a.yaml': `${yaml}# more` }) }), before);
  assert.notEqual(hash({ migrationsFolder: folder({ ...migrations, '0002_b.js': '' }) }), before);
});

test('the package has the executable and the migrations, odd ones included', () => {
  const files = { '0001_a.yaml': 'a', '0002_b.js': 'b', '0003_c.yml': 'c', '0001_a.test.yaml': '', 'seed.yaml': '' };
  const whole = packaged(CODE, folder(files));
  assert.deepEqual(readdirSync(whole).sort(), ['bootstrap', 'migrations']);
  assert.deepEqual(readdirSync(join(whole, 'migrations')).sort(), ['0001_a.yaml', '0002_b.js', '0003_c.yml']);
  assert.deepEqual(readdirSync(CODE), ['bootstrap'], 'nothing is written where the code is');
});

test('what cannot be packaged is told at once', () => {
  assert.throws(() => packaged(folder({ README: '' })), /no executable 'bootstrap'; build one with cargo lambda/);
  assert.throws(() => packaged(CODE, folder({ 'seed.yaml': '' })), /holds no migrations: files NNNN_name/);
  assert.throws(() => packaged(CODE, join(CODE, 'none')), /ENOENT.*none/);
});
