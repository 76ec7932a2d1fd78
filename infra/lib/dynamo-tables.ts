// The construct: a set of DynamoDB tables and their data migrations as one resource of a stack.
import { ArnFormat, Aws, CfnResource, CustomResource, Duration, FileSystem, Fn, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';

import { packaged } from './package';
import { rightsTo } from './rights';
import * as definition from './state-machine.json';

/** The properties of an `AWS::DynamoDB::Table` in CloudFormation's own spelling, so that a template's table can be pasted. */
export interface TableDeclaration {
  readonly TableName: string;
  /**
   * What becomes of the table when it leaves `tables`, once the whole stack has succeeded without it, and when the stack
   * is deleted; `retain` by default.
   */
  readonly RemovalPolicy?: 'retain' | 'snapshot' | 'delete';
  /** Takes over a table that exists already. */
  readonly Adopt?: boolean;
  readonly [property: string]: unknown;
}

export interface MigrationOptions {
  /** The last migration to run. */
  readonly target?: string;
  /** What a database without history has seen: `auto` finds out, `none`, or the id of the last one. */
  readonly baseline?: string;
  /** A new migration that is older than the newest applied one; `fail` by default. */
  readonly outOfOrder?: 'fail' | 'skip' | 'allow';
  /** An applied migration that the code no longer has; `fail` by default. */
  readonly missing?: 'fail' | 'allow';
}

export interface DynamoDBTablesProps {
  /** The directory that holds the function's executable, `bootstrap`. */
  readonly code: string;
  /** What `bootstrap` was built for; `ARM_64` by default. */
  readonly architecture?: lambda.Architecture;
  readonly tables: TableDeclaration[];
  /** The folder of migration files, packaged with the function; those that are in `code` by default. */
  readonly migrationsFolder?: string;
  /** Which migrations run; every pending one by default. */
  readonly migrations?: MigrationOptions;
  /** What a failing deploy does with what it has done so far; `rollback`, taking it back, by default. */
  readonly onFailure?: 'rollback' | 'halt';
  /** What a rollback of the stack does with the migrations of the update; `revert`, taking them back, by default. */
  readonly onStackRollback?: 'revert' | 'keep';
  /** Whether a deploy waits for its migrations; `blocking` by default, `detached` needs `longRuns`. */
  readonly completion?: 'blocking' | 'detached';
  /** How many tables may leave `tables` at a time in order to be deleted; one by default. */
  readonly maxTableDeletes?: number;
  /** Codes of findings of the plan that a deploy accepts, as `TW020`; `tablewright explain` tells what each is. */
  readonly allow?: string[];
  /** Tables that are not declared here and that migrations read or write. */
  readonly otherTables?: string[];
  /** The table that holds the history; `tablewright-ledger` by default. */
  readonly ledgerTable?: string;
  /** How long CloudFormation waits for one answer; an hour, its maximum, by default. */
  readonly serviceTimeout?: Duration;
  /**
   * Adds a state machine that goes on with what takes longer than the 15 minutes of an invocation, for as long as
   * CloudFormation waits; without it such a deploy fails, and goes on when it is repeated.
   */
  readonly longRuns?: boolean;
  /** Keeps the function's log in a group of its own for this long; Lambda's own group by default. */
  readonly logRetention?: logs.RetentionDays;
}

/** A function has that long, and so has who answers for one that died: longer than a message may be hidden again. */
const INVOCATION = Duration.minutes(15);

export class DynamoDBTables extends Construct {
  /** Makes a resource wait for the tables: `consumer.node.addDependency(tables.resource)`. */
  readonly resource: CustomResource;
  readonly function: lambda.Function;
  /** What goes on with long runs, where `longRuns` is set. */
  readonly stateMachine: sfn.StateMachine | undefined;
  /** Requests that the function died over in each delivery; it is called with them again, and answers FAILED. */
  readonly deadLetters: sqs.Queue;

  constructor(scope: Construct, id: string, props: DynamoDBTablesProps) {
    super(scope, id);
    const ledgerTable = props.ledgerTable ?? 'tablewright-ledger';
    const code = packaged(props.code, props.migrationsFolder);
    this.deadLetters = this.createQueue();
    this.function = this.createFunction(code, props);
    this.stateMachine = props.longRuns ? this.createStateMachine() : undefined;
    this.resource = new CustomResource(this, 'Resource', {
      resourceType: 'Custom::DynamoDBTables',
      serviceToken: this.function.functionArn,
      serviceTimeout: props.serviceTimeout ?? Duration.hours(1),
      properties: {
        Tables: props.tables,
        LedgerTable: ledgerTable,
        Migrations: {
          // CloudFormation calls only when a property changes, and new migrations come with new code.
          Hash: FileSystem.fingerprint(code),
          Target: props.migrations?.target,
          Baseline: props.migrations?.baseline,
          OutOfOrder: props.migrations?.outOfOrder,
          Missing: props.migrations?.missing,
        },
        OnFailure: props.onFailure,
        OnStackRollback: props.onStackRollback,
        Completion: props.completion,
        MaxTableDeletes: props.maxTableDeletes,
        Allow: props.allow,
      },
    });
    const permissions = this.permit(props.tables, [...(props.otherTables ?? []), ledgerTable]);
    // A stack that is deleted, or rolled back, must not take the function's rights before its last request.
    this.resource.node.addDependency(this.function, this.deadLetters, permissions);
    if (this.stateMachine) {
      this.resource.node.addDependency(this.stateMachine, ...this.permitLongRuns(this.stateMachine));
    }
  }

  /** The ARN of a declared table; reading it waits for the table and for its migrations. */
  tableArn(tableName: string): string {
    return this.resource.getAttString(`${tableName}.Arn`);
  }

  /** Nobody else would answer for a function that dies twice, or never comes up, and CloudFormation would wait. */
  private createQueue(): sqs.Queue {
    return new sqs.Queue(this, 'DeadLetters', {
      // The messages hold the URLs that answers go to, for as long as CloudFormation waits for one.
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.hours(1),
      visibilityTimeout: INVOCATION,
    });
  }

  private createFunction(code: string, props: DynamoDBTablesProps): lambda.Function {
    const made = new lambda.Function(this, 'Function', {
      description: 'Reconciles DynamoDB tables and runs their data migrations',
      runtime: lambda.Runtime.PROVIDED_AL2023,
      architecture: props.architecture ?? lambda.Architecture.ARM_64,
      handler: 'bootstrap',
      code: lambda.Code.fromAsset(code),
      timeout: INVOCATION,
      memorySize: 512,
      // One more chance after a crash, and soon, because CloudFormation waits for no more than an hour.
      retryAttempts: 1,
      maxEventAge: Duration.minutes(10),
      onFailure: new SqsDestination(this.deadLetters),
      ...(props.logRetention === undefined ? {} : { logGroup: this.createLogGroup(props.logRetention) }),
    });
    made.addEventSource(new SqsEventSource(this.deadLetters, { batchSize: 1, reportBatchItemFailures: true }));
    return made;
  }

  /** Its definition is what `tablewright state-machine` prints; it is told the function's name with each run. */
  private createStateMachine(): sfn.StateMachine {
    const machine = new sfn.StateMachine(this, 'LongRuns', {
      comment: 'Goes on with deploys of DynamoDB tables that take longer than an invocation',
      definitionBody: sfn.DefinitionBody.fromString(JSON.stringify(definition)),
      definitionSubstitutions: { Partition: Aws.PARTITION },
      stateMachineType: sfn.StateMachineType.STANDARD,
    });
    this.function.addEnvironment('TABLEWRIGHT_STATE_MACHINE_ARN', machine.stateMachineArn);
    return machine;
  }

  /** A policy apart from the machine's own, since the function names the machine. */
  private permitLongRuns(machine: sfn.StateMachine): iam.Policy[] {
    const right = (resources: string[], ...actions: string[]) => new iam.PolicyStatement({ actions, resources });
    const policy = (id: string, role: iam.IRole, ...statements: iam.PolicyStatement[]) =>
      new iam.Policy(this, id, { roles: [role], statements });
    const executions = ['/*', ':*'].map((rest) =>
      Stack.of(this).formatArn({
        service: 'states',
        resource: 'execution',
        resourceName: `${machine.stateMachineName}${rest}`,
        arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      }),
    );
    const start = right([machine.stateMachineArn], 'states:StartExecution');
    return [
      policy('LongRunsStart', this.function.role!, start),
      policy(
        'LongRunsInvoke',
        machine.role,
        right([this.function.functionArn], 'lambda:InvokeFunction'),
        // Workers that share a table are executions of the machine's own ("IAM policies for using Distributed Map states").
        start,
        right(executions, 'states:DescribeExecution', 'states:StopExecution'),
      ),
    ];
  }

  private createLogGroup(retention: logs.RetentionDays): logs.LogGroup {
    // Retained: it is the record of what the deletion of the stack did to the tables.
    return new logs.LogGroup(this, 'Logs', { retention, removalPolicy: RemovalPolicy.RETAIN });
  }

  private permit(tables: TableDeclaration[], others: string[]): iam.Policy {
    return new iam.Policy(this, 'Permissions', {
      roles: [this.function.role!],
      statements: rightsTo(Stack.of(this), { tables, others, owner: this.owner() }),
    });
  }

  /** What the owner tag says on each of the tables: `<stack uuid>/<logical id>`. */
  private owner(): string {
    const stackUuid = Fn.select(2, Fn.split('/', Stack.of(this).stackId));
    return `${stackUuid}/${(this.resource.node.defaultChild as CfnResource).logicalId}`;
  }
}
