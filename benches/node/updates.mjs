// A migration as many are written: scan what lacks the attribute, update the items of a page all at once.
import { ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { client, contend } from './contend.mjs';

const TableName = 'orders';

async function addLabels() {
  let ExclusiveStartKey;
  do {
    const page = await client.send(
      new ScanCommand({
        TableName,
        ProjectionExpression: 'pk',
        FilterExpression: 'attribute_not_exists(label)',
        ExclusiveStartKey,
      }),
    );
    await Promise.all(
      page.Items.map(({ pk }) =>
        client.send(
          new UpdateCommand({
            TableName,
            Key: { pk },
            UpdateExpression: 'set label = :label',
            ExpressionAttributeValues: { ':label': `ORDER#${pk}` },
          }),
        ),
      ),
    );
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey);
}

await contend(addLabels);
