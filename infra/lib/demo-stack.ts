// The demo stack: two tables with their migrations, and an application that needs both.
import { CfnOutput, CfnWaitCondition, CfnWaitConditionHandle, Stack, StackProps } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { DynamoDBTables } from './dynamo-tables';
import type { Scenario } from './scenarios';

export interface DemoStackProps extends StackProps {
  readonly code: string;
  /** The folder of migration files, where there are some beside those that `code` was compiled with. */
  readonly migrationsFolder?: string;
  readonly architecture: lambda.Architecture;
  readonly scenario: Scenario;
}

export class DemoStack extends Stack {
  constructor(scope: Construct, id: string, props: DemoStackProps) {
    super(scope, id, props);
    const { failsLater, ...declaration } = props.scenario;
    const tables = new DynamoDBTables(this, 'Tables', {
      code: props.code,
      ...(props.migrationsFolder === undefined ? {} : { migrationsFolder: props.migrationsFolder }),
      architecture: props.architecture,
      logRetention: RetentionDays.ONE_WEEK,
      longRuns: true,
      ...declaration,
    });
    if (failsLater) {
      this.addResourceThatFails(tables);
    }
    const orders = dynamodb.Table.fromTableArn(this, 'Orders', tables.tableArn('orders'));
    const application = new lambda.Function(this, 'Application', {
      runtime: lambda.Runtime.NODEJS_22_X,
      handler: 'index.handler',
      code: lambda.Code.fromInline(COUNT_ORDERS),
      environment: { ORDERS_TABLE: orders.tableName },
    });
    orders.grant(application, 'dynamodb:Scan');

    new CfnOutput(this, 'TablesFunction', { value: tables.function.functionName });
    new CfnOutput(this, 'ApplicationFunction', { value: application.functionName });
    new CfnOutput(this, 'LedgerHead', { value: tables.resource.getAttString('LedgerHead') });
  }

  /** It waits a second for a signal that nobody gives. */
  private addResourceThatFails(tables: DynamoDBTables): void {
    const handle = new CfnWaitConditionHandle(this, 'Handle');
    const condition = new CfnWaitCondition(this, 'NeverSignalled', { handle: handle.ref, timeout: '1', count: 1 });
    condition.node.addDependency(tables.resource);
  }
}

const COUNT_ORDERS = `
const { DynamoDBClient, ScanCommand } = require('@aws-sdk/client-dynamodb');
const client = new DynamoDBClient();

exports.handler = async () => {
  const table = process.env.ORDERS_TABLE;
  const { Count } = await client.send(new ScanCommand({ TableName: table, Select: 'COUNT' }));
  return { table, orders: Count };
};
`;
