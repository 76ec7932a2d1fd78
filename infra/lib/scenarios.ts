// The demo's scenarios: successive declarations of its tables, each deployed over the one before.
import type { MigrationOptions, TableDeclaration } from './dynamo-tables';

export interface Scenario {
  readonly tables: TableDeclaration[];
  readonly migrations?: MigrationOptions;
  /** Whether another resource of the stack fails once the tables are done. */
  readonly failsLater?: boolean;
}

interface Index {
  readonly IndexName: string;
  readonly KeySchema: KeyElement[];
  readonly Projection: { readonly ProjectionType: string };
}

interface KeyElement {
  readonly AttributeName: string;
  readonly KeyType: string;
}

const BY_CUSTOMER = index('by_customer', 'customer_id', 'placed_at');
const BY_STATUS = index('by_status', 'status', 'placed_at');
const BY_CARRIER = index('by_carrier', 'carrier');
const BY_TIER = index('by_tier', 'tier');

const SCENARIOS: Record<string, Scenario> = {
  create: { tables: [orders(BY_CUSTOMER), customers()], migrations: { target: '0001_order_labels' } },
  indexes: {
    tables: [orders(BY_CUSTOMER, BY_STATUS, BY_CARRIER), customers()],
    migrations: { target: '0002_order_slugs' },
  },
  failing: { tables: [orders(BY_CUSTOMER, BY_STATUS, BY_CARRIER), customers(BY_TIER)] },
  removal: { tables: [orders(BY_CUSTOMER, BY_STATUS)], migrations: { target: '0002_order_slugs' } },
  'removal-failing': {
    tables: [orders(BY_CUSTOMER, BY_STATUS)],
    migrations: { target: '0002_order_slugs' },
    failsLater: true,
  },
};

export function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS[name];
  if (!scenario) {
    throw new Error(`no scenario '${name}'; there are ${Object.keys(SCENARIOS).join(', ')}`);
  }
  return scenario;
}

function orders(...indexes: Index[]): TableDeclaration {
  return {
    ...table('orders', keys('pk', 'sk'), indexes),
    StreamSpecification: { StreamViewType: 'NEW_AND_OLD_IMAGES' },
    PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    Tags: [{ Key: 'team', Value: 'shop' }],
  };
}

function customers(...indexes: Index[]): TableDeclaration {
  return {
    ...table('customers', keys('id'), indexes),
    TimeToLiveSpecification: { AttributeName: 'expires_at', Enabled: true },
    RemovalPolicy: 'snapshot',
  };
}

function table(name: string, keySchema: KeyElement[], indexes: Index[]): TableDeclaration {
  return {
    TableName: name,
    BillingMode: 'PAY_PER_REQUEST',
    KeySchema: keySchema,
    AttributeDefinitions: strings([keySchema, ...indexes.map((each) => each.KeySchema)].flat()),
    ...(indexes.length > 0 ? { GlobalSecondaryIndexes: indexes } : {}),
  };
}

function index(name: string, hash: string, range?: string): Index {
  return { IndexName: name, KeySchema: keys(hash, range), Projection: { ProjectionType: 'ALL' } };
}

function keys(hash: string, range?: string): KeyElement[] {
  const partition = { AttributeName: hash, KeyType: 'HASH' };
  return range === undefined ? [partition] : [partition, { AttributeName: range, KeyType: 'RANGE' }];
}

function strings(elements: KeyElement[]) {
  const names = new Set(elements.map((each) => each.AttributeName));
  return [...names].map((name) => ({ AttributeName: name, AttributeType: 'S' }));
}
