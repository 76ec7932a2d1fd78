//! The loops that people write in Rust: a parallel scan, and the best batches that DynamoDB takes, so many at once.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementErrorCodeEnum, BatchStatementRequest,
    ReturnValuesOnConditionCheckFailure,
};
use futures::{StreamExt, TryStream, TryStreamExt, stream};
use tokio::sync::Semaphore;

use crate::contenders::Pace;
use crate::orders::{self, BATCH, Item, TABLE, label};
use crate::{Error, Result};

/// Parts of the scan where none are prescribed, all of them read at the same time.
const SEGMENTS: i32 = 8;

/// How a batch is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Write {
    /// `BatchWriteItem`: whole items, over whatever others have written since they were read.
    Puts,
    /// `BatchExecuteStatement`: the new attribute, where it is still missing.
    Statements,
}

pub(crate) async fn migrate(client: &Client, write: Write, pace: Pace) -> Result<()> {
    let at_once = Arc::new(Semaphore::new(pace.requests));
    let segments = if pace.segments == 0 { SEGMENTS } else { i32::try_from(pace.segments)? };
    let work = (0..segments).map(|segment| {
        let batches = batches(client.clone(), segment, segments);
        let (client, at_once) = (client.clone(), Arc::clone(&at_once));
        let written = batches.map_ok(move |batch| {
            let (client, at_once) = (client.clone(), Arc::clone(&at_once));
            async move {
                let _permit = at_once.acquire().await?;
                match write {
                    Write::Puts => put(client, batch).await,
                    Write::Statements => execute(client, batch).await,
                }
            }
        });
        tokio::spawn(written.try_buffer_unordered(pace.requests).try_collect::<()>())
    });
    for segment in work.collect::<Vec<_>>() {
        segment.await??;
    }
    Ok(())
}

/// The items of a segment in batches; the next page is read while the batches of one are written.
fn batches(
    client: Client,
    segment: i32,
    segments: i32,
) -> impl TryStream<Ok = Vec<Item>, Error = Error> {
    // Nothing before the first page, and the key after which the next begins.
    let pages = stream::try_unfold(Some(None), move |start: Option<Option<Item>>| {
        let client = client.clone();
        async move {
            let Some(start) = start else { return Ok(None) };
            let division = (segments > 1).then_some((segment, segments));
            let page = client
                .scan()
                .table_name(TABLE)
                .set_segment(division.map(|(segment, _)| segment))
                .set_total_segments(division.map(|(_, segments)| segments))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            let batches = stream::iter(page.items.unwrap_or_default()).chunks(BATCH).map(Ok);
            Ok::<_, Error>(Some((batches, page.last_evaluated_key.map(Some))))
        }
    });
    pages.try_flatten()
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
