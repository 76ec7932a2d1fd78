//! The table that every contender migrates: its items of about 400 bytes, and whether all of them are migrated.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ProvisionedThroughput, PutRequest, ScalarAttributeType, Select, TableStatus, WriteRequest,
};
use futures::{StreamExt, TryStreamExt, stream};

use crate::Result;

pub(crate) const TABLE: &str = "orders";
/// What one write request may hold.
pub(crate) const BATCH: usize = 25;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// How the table is paid for: what a backfill begins with follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Billing {
    /// For this many units, of reads and of writes each.
    Provisioned(i64),
    OnDemand,
}

pub(crate) fn client(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "bench"));
    Client::from_conf(config.build())
}

/// What each contender sets on the item of this key.
pub(crate) fn label(key: &str) -> String {
    format!("ORDER#{key}")
}

/// Makes the table with this many items.
pub(crate) async fn make(client: &Client, billing: Billing, items: usize) -> Result<()> {
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash);
    let attribute =
        AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S);
    let create = client
        .create_table()
        .table_name(TABLE)
        .key_schema(key.build()?)
        .attribute_definitions(attribute.build()?);
    let create = match billing {
        Billing::OnDemand => create.billing_mode(BillingMode::PayPerRequest),
        Billing::Provisioned(units) => {
            let throughput = ProvisionedThroughput::builder();
            let units = throughput.read_capacity_units(units).write_capacity_units(units);
            create.billing_mode(BillingMode::Provisioned).provisioned_throughput(units.build()?)
        }
    };
    create.send().await?;
    loop {
        let described = client.describe_table().table_name(TABLE).send().await?;
        if described.table().and_then(|table| table.table_status()) == Some(&TableStatus::Active) {
            break;
        }
    }
    let batches = (0..items).step_by(BATCH).map(|first| {
        let batch = (first..items.min(first + BATCH)).map(order);
        put(client.clone(), batch.collect())
    });
    stream::iter(batches).buffer_unordered(16).try_collect().await
}

pub(crate) async fn drop(client: &Client) -> Result<()> {
    client.delete_table().table_name(TABLE).send().await?;
    Ok(())
}

/// Whether every item has its label.
pub(crate) async fn check(client: &Client, items: usize) -> Result<()> {
    let (mut labelled, mut start) = (0, None);
    loop {
        let page = client
            .scan()
            .table_name(TABLE)
            .select(Select::Count)
            .filter_expression("attribute_exists(label)")
            .set_exclusive_start_key(start)
            .send()
            .await?;
        labelled += usize::try_from(page.count)?;
        start = page.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    if labelled == items {
        return Ok(());
    }
    Err(format!("{labelled} of {items} items are migrated").into())
}

/// Puts up to 25 items, and those that are left unprocessed again.
pub(crate) async fn put(client: Client, items: Vec<Item>) -> Result<()> {
    let put = |item| {
        let put = PutRequest::builder().set_item(Some(item)).build()?;
        Ok(WriteRequest::builder().put_request(put).build())
    };
    let puts = items.into_iter().map(put).collect::<Result<Vec<_>>>()?;
    let mut requests = HashMap::from([(TABLE.to_owned(), puts)]);
    while !requests.is_empty() {
        let sent = client.batch_write_item().set_request_items(Some(requests)).send().await?;
        requests = sent.unprocessed_items.unwrap_or_default();
    }
    Ok(())
}

fn order(number: usize) -> Item {
    let text = |text: String| AttributeValue::S(text);
    let digits = |digits: String| AttributeValue::N(digits);
    let line = |line: usize| {
        let sku = ("sku".to_owned(), text(format!("SKU-{:06}", number % 1000 + line)));
        AttributeValue::M(HashMap::from([sku, ("count".to_owned(), digits(line.to_string()))]))
    };
    [
        ("pk", text(format!("ORDER-{number:010}"))),
        ("customer", text(format!("CUSTOMER-{:08}", number * 7919 % 100_000))),
        ("status", text("open".to_owned())),
        ("total", digits(format!("{}.{:02}", number % 1000, number % 100))),
        ("placed_at", text("2026-01-01T00:00:00.000Z".to_owned())),
        ("lines", AttributeValue::L((1..=3).map(line).collect())),
        ("note", text("n".repeat(200))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
