//! The loops that people write in Rust: a parallel scan, and the best batches that DynamoDB takes, so many at once.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementErrorCodeEnum, BatchStatementRequest,
    ReturnValuesOnConditionCheckFailure,
};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::Semaphore;

use crate::Result;
use crate::orders::{self, BATCH, Item, TABLE, label};

/// Parts of the scan, all of them read at the same time.
const SEGMENTS: i32 = 8;

/// How a batch is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Write {
    /// `BatchWriteItem`: whole items, over whatever others have written since they were read.
    Puts,
    /// `BatchExecuteStatement`: the new attribute, where it is still missing.
    Statements,
}

pub(crate) async fn migrate(client: &Client, write: Write, requests: usize) -> Result<()> {
    let requests = Arc::new(Semaphore::new(requests));
    let segments = (0..SEGMENTS).map(|segment| {
        let work = migrate_segment(client.clone(), segment, write, Arc::clone(&requests));
        tokio::spawn(work)
    });
    stream::iter(segments)
        .buffer_unordered(SEGMENTS.unsigned_abs() as usize)
        .map(|done| done?)
        .try_collect()
        .await
}

async fn migrate_segment(
    client: Client,
    segment: i32,
    write: Write,
    requests: Arc<Semaphore>,
) -> Result<()> {
    let mut start = None;
    loop {
        let page = client
            .scan()
            .table_name(TABLE)
            .segment(segment)
            .total_segments(SEGMENTS)
            .consistent_read(true)
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let write = |batch| {
            let (client, requests) = (client.clone(), Arc::clone(&requests));
            async move {
                let _permit = requests.acquire().await?;
                match write {
                    Write::Puts => put(client, batch).await,
                    Write::Statements => execute(client, batch).await,
                }
            }
        };
        let batches = stream::iter(page.items.unwrap_or_default()).chunks(BATCH);
        batches.map(write).buffer_unordered(usize::MAX).try_collect::<()>().await?;
        start = page.last_evaluated_key;
        if start.is_none() {
            return Ok(());
        }
    }
}

fn label_of(item: &Item) -> Result<String> {
    let key = item.get("pk").and_then(|key| key.as_s().ok());
    key.map(|key| label(key)).ok_or_else(|| "an item without a key".into())
}

async fn put(client: Client, mut items: Vec<Item>) -> Result<()> {
    for item in &mut items {
        let label = label_of(item)?;
        item.insert("label".to_owned(), AttributeValue::S(label));
    }
    orders::put(client, items).await
}

async fn execute(client: Client, items: Vec<Item>) -> Result<()> {
    let statement = |item: &Item| {
        let key = item.get("pk").cloned().ok_or("an item without a key")?;
        let statement = BatchStatementRequest::builder()
            .statement(r#"UPDATE "orders" SET "label"=? WHERE "pk"=? AND "label" IS MISSING"#)
            .parameters(AttributeValue::S(label_of(item)?))
            .parameters(key)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(statement.build()?)
    };
    let mut statements = items.iter().map(statement).collect::<Result<Vec<_>>>()?;
    while !statements.is_empty() {
        let sent = client.batch_execute_statement().set_statements(Some(statements.clone()));
        let sent = sent.send().await?;
        let fates = statements.into_iter().zip(sent.responses());
        // An item that others have changed is theirs; anything else is tried again.
        let failed = fates.filter(|(_, fate)| {
            let code = fate.error().and_then(|error| error.code());
            code.is_some_and(|code| *code != BatchStatementErrorCodeEnum::ConditionalCheckFailed)
        });
        statements = failed.map(|(statement, _)| statement).collect();
    }
    Ok(())
}
