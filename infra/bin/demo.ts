// The demo app: one stack, whose scenario and function come from the CDK context.
import { App } from 'aws-cdk-lib';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { DemoStack } from '../lib/demo-stack';
import { scenarioNamed } from '../lib/scenarios';

const app = new App();
new DemoStack(app, 'TablewrightDemo', {
  code: requiredCode(app.node.tryGetContext('code')),
  migrationsFolder: app.node.tryGetContext('migrations'),
  architecture: Architecture.custom(app.node.tryGetContext('architecture') ?? Architecture.ARM_64.name),
  scenario: scenarioNamed(app.node.tryGetContext('scenario') ?? 'create'),
});

function requiredCode(code: unknown): string {
  if (typeof code !== 'string') {
    throw new Error('name the directory that holds the executable `bootstrap`: --context code=DIRECTORY');
  }
  return code;
}
