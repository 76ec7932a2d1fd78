//! The only file that sends DynamoDB requests: one method an operation, each error classified.
#![expect(clippy::disallowed_methods, reason = "this is the one place that sends")]

mod convert;
mod errors;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_table::builders::UpdateTableFluentBuilder;
use aws_sdk_dynamodb::types as sdk;
use backon::{ExponentialBuilder, Retryable};
use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};

pub(crate) use self::errors::chain;
pub use self::errors::{Class, Error, classify};
use crate::schema::{
    AttributeType, Capacity, Encryption, Index, Limits, Recovery, Stream, Table, TableClass,
    Throughput, TimeToLive,
};

/// An item or a key in DynamoDB's own form: numbers keep their 38 digits.
pub type WireItem = HashMap<String, sdk::AttributeValue>;

type Result<T> = std::result::Result<T, Error>;

/// A DynamoDB client that classifies errors and counts what it sends.
#[derive(Debug, Clone)]
pub struct Dynamo {
    client: Client,
    sent: Arc<AtomicU64>,
}

/// What `DescribeTable` says about a table.
#[derive(Debug, Clone)]
pub struct Description {
    /// Its shape; tags, expiry and recovery are reported elsewhere and unknown here.
    pub table: Table,
    /// `TableId`: the identity of a table. A table made again under the same name has the same ARN and another id.
    pub id: Option<String>,
    /// ARN.
    pub arn: String,
    /// ARN of the newest stream.
    pub stream_arn: Option<String>,
    /// Whether it can be used.
    pub status: Status,
    /// What is still going on, in words; empty when settled.
    pub unsettled: Vec<String>,
}

/// State of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Usable, or about to be.
    Active,
    /// Going.
    Deleting,
    /// In a state that waiting does not end, as `INACCESSIBLE_ENCRYPTION_CREDENTIALS`.
    Broken(String),
}

/// One page of a scan.
#[derive(Debug)]
pub struct Page {
    /// Items in wire form.
    pub items: Vec<WireItem>,
    /// Where to go on; `None` at the end.
    pub next: Option<WireItem>,
}

/// A conditional write of one item.
#[derive(Debug, Clone, Default)]
pub struct ItemWrite {
    /// Key of the item.
    pub key: WireItem,
    /// `UpdateExpression`; `None` deletes the item.
    pub update: Option<String>,
    /// `ConditionExpression`.
    pub condition: Option<String>,
    /// `ExpressionAttributeNames`.
    pub names: HashMap<String, String>,
    /// `ExpressionAttributeValues`.
    pub values: WireItem,
}

/// What became of a conditional write.
#[derive(Debug)]
pub enum Written {
    /// It was done.
    Done,
    /// The condition did not hold; this is the item as it is now, or `None` where it is gone.
    Conflict(Option<WireItem>),
}

/// What became of a transaction whose first action is a condition.
#[derive(Debug, PartialEq, Eq)]
pub enum Transacted {
    /// All of it was done.
    Done,
    /// The condition of the action at this position did not hold; nothing was done.
    Refused(usize),
}

impl Dynamo {
    /// Takes a configured client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, sent: Arc::default() }
    }

    /// The SDK's client, for code that users write.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How many requests were sent so far, the SDK's own retries not counted.
    #[must_use]
    pub fn requests_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Boxed, for the SDK's futures are nested so deeply that callers of callers would not compile.
    fn send<'a, T, E>(
        &'a self,
        action: &'static str,
        resource: &'a str,
        call: impl Future<Output = std::result::Result<T, SdkError<E>>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T>>
    where
        T: 'a,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.sent.fetch_add(1, Ordering::Relaxed);
        Box::pin(call.map_err(move |error| Error::from_sdk(action, resource, &error)))
    }

    // Tables.

    /// Describes a table; `None` where there is none.
    ///
    /// # Errors
    /// Any but "not found".
    pub async fn describe_table(&self, name: &str) -> Result<Option<Description>> {
        let call = self.client.describe_table().table_name(name).send();
        let described = found(self.send("DescribeTable", name, call).await)?;
        Ok(described.and_then(|output| output.table).map(convert::description))
    }

    /// Creates a table with everything that `CreateTable` takes, and these tags.
    ///
    /// # Errors
    /// [`Class::Exists`] where the name is taken.
    pub async fn create_table(&self, table: &Table, tags: &BTreeMap<String, String>) -> Result<()> {
        let global = table.global_indexes.values().map(convert::global_index_request);
        let local = table.local_indexes.values().map(convert::local_index_request);
        let mut request = self
            .client
            .create_table()
            .table_name(&table.name)
            .set_key_schema(Some(convert::key_elements(&table.keys)))
            .set_attribute_definitions(Some(convert::attribute_definitions(&table.attributes)))
            .set_global_secondary_indexes(some_list(global.collect()))
            .set_local_secondary_indexes(some_list(local.collect()))
            .set_table_class(table.class.map(convert::class_request))
            .set_deletion_protection_enabled(table.deletion_protection)
            .set_tags(Some(convert::tag_requests(tags)));
        request = match table.capacity {
            Capacity::Provisioned(throughput) => request
                .billing_mode(sdk::BillingMode::Provisioned)
                .provisioned_throughput(convert::throughput_request(throughput)),
            Capacity::OnDemand(limits) => request
                .billing_mode(sdk::BillingMode::PayPerRequest)
                .set_on_demand_throughput(convert::first_limits_request(limits)),
        };
        if let Some(stream) = table.stream.filter(|stream| *stream != Stream::Off) {
            request = request.stream_specification(convert::stream_request(stream));
        }
        if let Some(encryption @ Encryption::Kms(_)) = &table.encryption {
            request = request.sse_specification(convert::encryption_request(encryption));
        }
        self.send("CreateTable", &table.name, request.send()).await.map(drop)
    }

    /// Deletes a table. One that is gone already is no error.
    ///
    /// # Errors
    /// [`Class::Busy`] while something is going on with it.
    pub async fn delete_table(&self, name: &str) -> Result<()> {
        let call = self.client.delete_table().table_name(name).send();
        found(self.send("DeleteTable", name, call).await).map(drop)
    }

    async fn update(&self, name: &str, request: UpdateTableFluentBuilder) -> Result<()> {
        self.send("UpdateTable", name, request.table_name(name).send()).await.map(drop)
    }

    /// Switches the billing mode; a switch to provisioned names the throughput of every index in the same call.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_billing(
        &self,
        name: &str,
        capacity: Capacity,
        indexes: &BTreeMap<String, Capacity>,
    ) -> Result<()> {
        let request = self.client.update_table();
        let request = match capacity {
            Capacity::Provisioned(throughput) => request
                .billing_mode(sdk::BillingMode::Provisioned)
                .provisioned_throughput(convert::throughput_request(throughput))
                .set_global_secondary_index_updates(index_capacities(indexes)),
            Capacity::OnDemand(limits) => request
                .billing_mode(sdk::BillingMode::PayPerRequest)
                .set_on_demand_throughput(convert::first_limits_request(limits)),
        };
        self.update(name, request).await
    }

    /// Changes provisioned throughput of the table, of indexes, or of both.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_throughput(
        &self,
        name: &str,
        table: Option<Throughput>,
        indexes: &BTreeMap<String, Capacity>,
    ) -> Result<()> {
        let request = self
            .client
            .update_table()
            .set_provisioned_throughput(table.map(convert::throughput_request))
            .set_global_secondary_index_updates(index_capacities(indexes));
        self.update(name, request).await
    }

    /// Changes the on-demand limits of the table.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_limits(&self, name: &str, limits: Limits) -> Result<()> {
        let limits = convert::limits_request(limits);
        self.update(name, self.client.update_table().on_demand_throughput(limits)).await
    }

    /// Changes the on-demand limits of one index.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_index_limits(&self, name: &str, index: &str, limits: Limits) -> Result<()> {
        let update = convert::index_capacity_request(index, Capacity::OnDemand(limits));
        self.update(name, self.client.update_table().global_secondary_index_updates(update)).await
    }

    /// Adds a global index; `attributes` are the types of the table's keys and of the index's.
    ///
    /// # Errors
    /// [`Class::Busy`] while another index of the table is made or removed.
    pub async fn create_index(
        &self,
        name: &str,
        index: &Index,
        attributes: &BTreeMap<String, AttributeType>,
    ) -> Result<()> {
        let request = self
            .client
            .update_table()
            .set_attribute_definitions(Some(convert::attribute_definitions(attributes)))
            .global_secondary_index_updates(convert::create_index_request(index));
        self.update(name, request).await
    }

    /// Removes a global index.
    ///
    /// # Errors
    /// [`Class::Missing`] where there is none.
    pub async fn delete_index(&self, name: &str, index: &str) -> Result<()> {
        let update = convert::delete_index_request(index);
        self.update(name, self.client.update_table().global_secondary_index_updates(update)).await
    }

    /// Turns the stream on or off.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_stream(&self, name: &str, stream: Stream) -> Result<()> {
        let stream = convert::stream_request(stream);
        self.update(name, self.client.update_table().stream_specification(stream)).await
    }

    /// Changes the encryption key.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_encryption(&self, name: &str, encryption: &Encryption) -> Result<()> {
        let encryption = convert::encryption_request(encryption);
        self.update(name, self.client.update_table().sse_specification(encryption)).await
    }

    /// Changes the table class.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_class(&self, name: &str, class: TableClass) -> Result<()> {
        let class = convert::class_request(class);
        self.update(name, self.client.update_table().table_class(class)).await
    }

    /// Turns deletion protection on or off.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_deletion_protection(&self, name: &str, on: bool) -> Result<()> {
        self.update(name, self.client.update_table().deletion_protection_enabled(on)).await
    }

    // Features that have operations of their own.

    /// Reports how items expire.
    ///
    /// # Errors
    /// [`Class::Busy`] or [`Class::Missing`] while the table is being created.
    pub async fn time_to_live(&self, name: &str) -> Result<TimeToLive> {
        let call = self.client.describe_time_to_live().table_name(name).send();
        let described = self.send("DescribeTimeToLive", name, call).await?;
        let described = described.time_to_live_description;
        let status = described.as_ref().and_then(|ttl| ttl.time_to_live_status.as_ref());
        let on = matches!(
            status,
            Some(sdk::TimeToLiveStatus::Enabled | sdk::TimeToLiveStatus::Enabling)
        );
        let attribute = described.as_ref().and_then(|ttl| ttl.attribute_name.clone());
        Ok(attribute.filter(|_| on).map_or(TimeToLive::Off, TimeToLive::On))
    }

    /// Turns expiry by `attribute` on or off; turning it off takes the attribute that is active.
    ///
    /// # Errors
    /// [`Class::Blocked`] within about an hour of the last change.
    pub async fn set_time_to_live(&self, name: &str, attribute: &str, on: bool) -> Result<()> {
        let specification = sdk::TimeToLiveSpecification::builder()
            .attribute_name(attribute)
            .enabled(on)
            .build()
            .map_err(|error| invalid("UpdateTimeToLive", name, &error))?;
        let call = self
            .client
            .update_time_to_live()
            .table_name(name)
            .time_to_live_specification(specification)
            .send();
        self.send("UpdateTimeToLive", name, call).await.map(drop)
    }

    /// Reports point-in-time recovery.
    ///
    /// # Errors
    /// [`Class::Unsupported`] on engines without continuous backups.
    pub async fn recovery(&self, name: &str) -> Result<Recovery> {
        let call = self.client.describe_continuous_backups().table_name(name).send();
        let described = self.send("DescribeContinuousBackups", name, call).await?;
        let recovery = described
            .continuous_backups_description
            .and_then(|backups| backups.point_in_time_recovery_description);
        let Some(recovery) = recovery else { return Ok(Recovery::Off) };
        if recovery.point_in_time_recovery_status != Some(sdk::PointInTimeRecoveryStatus::Enabled) {
            return Ok(Recovery::Off);
        }
        let days = recovery.recovery_period_in_days.and_then(|days| u32::try_from(days).ok());
        Ok(Recovery::Days(days.unwrap_or(Recovery::DEFAULT_DAYS)))
    }

    /// Turns point-in-time recovery on or off.
    ///
    /// # Errors
    /// [`Class::Busy`] for some seconds after the table was made.
    pub async fn set_recovery(&self, name: &str, recovery: Recovery) -> Result<()> {
        let builder = sdk::PointInTimeRecoverySpecification::builder();
        let specification = match recovery {
            Recovery::Off => builder.point_in_time_recovery_enabled(false),
            Recovery::Days(days) => builder
                .point_in_time_recovery_enabled(true)
                .recovery_period_in_days(i32::try_from(days).unwrap_or(i32::MAX)),
        };
        let specification = specification
            .build()
            .map_err(|error| invalid("UpdateContinuousBackups", name, &error))?;
        let call = self
            .client
            .update_continuous_backups()
            .table_name(name)
            .point_in_time_recovery_specification(specification)
            .send();
        self.send("UpdateContinuousBackups", name, call).await.map(drop)
    }

    /// All tags of the table with this ARN.
    ///
    /// # Errors
    /// As classified.
    pub async fn tags(&self, name: &str, arn: &str) -> Result<BTreeMap<String, String>> {
        /// DynamoDB answers ten tags a page and keeps at most 50.
        const PAGES_MAX: usize = 20;
        let mut tags = BTreeMap::new();
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let call = self.client.list_tags_of_resource().resource_arn(arn).set_next_token(next);
            let page = self.send("ListTagsOfResource", name, call.send()).await?;
            tags.extend(page.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)));
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(tags)
    }

    /// Sets tags; others stay as they are.
    ///
    /// # Errors
    /// As classified.
    pub async fn tag(&self, name: &str, arn: &str, tags: &BTreeMap<String, String>) -> Result<()> {
        let tags = Some(convert::tag_requests(tags));
        let call = self.client.tag_resource().resource_arn(arn).set_tags(tags).send();
        self.send("TagResource", name, call).await.map(drop)
    }

    /// Takes tags away by key.
    ///
    /// # Errors
    /// As classified.
    pub async fn untag(&self, name: &str, arn: &str, keys: Vec<String>) -> Result<()> {
        let call = self.client.untag_resource().resource_arn(arn).set_tag_keys(Some(keys)).send();
        self.send("UntagResource", name, call).await.map(drop)
    }

    /// Starts an on-demand backup and returns its ARN.
    ///
    /// # Errors
    /// [`Class::Unsupported`] on engines without backups.
    pub async fn create_backup(&self, name: &str, backup: &str) -> Result<String> {
        let call = self.client.create_backup().table_name(name).backup_name(backup).send();
        let output = self.send("CreateBackup", name, call).await?;
        Ok(output.backup_details.map(|details| details.backup_arn).unwrap_or_default())
    }

    /// Whether a backup can be restored from.
    ///
    /// # Errors
    /// As classified.
    pub async fn backup_available(&self, name: &str, arn: &str) -> Result<bool> {
        let call = self.client.describe_backup().backup_arn(arn).send();
        let output = self.send("DescribeBackup", name, call).await?;
        let details = output.backup_description.and_then(|backup| backup.backup_details);
        Ok(details.is_some_and(|details| details.backup_status == sdk::BackupStatus::Available))
    }

    // Items.

    /// Whether a strongly consistent scan finds no item.
    ///
    /// # Errors
    /// As classified.
    pub async fn is_empty(&self, name: &str) -> Result<bool> {
        let call = self.client.scan().table_name(name).limit(1).consistent_read(true).send();
        let page = self.send("Scan", name, call).await?;
        Ok(page.items().is_empty())
    }

    /// Reads one page of one segment, strongly consistent.
    ///
    /// # Errors
    /// As classified.
    pub async fn scan_page(
        &self,
        name: &str,
        segment: u32,
        segments: u32,
        start: Option<WireItem>,
    ) -> Result<Page> {
        let call = self
            .client
            .scan()
            .table_name(name)
            .segment(i32::try_from(segment).unwrap_or(i32::MAX))
            .total_segments(i32::try_from(segments).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .consistent_read(true)
            .send();
        let page = self.send("Scan", name, call).await?;
        Ok(Page {
            items: page.items.unwrap_or_default(),
            next: page.last_evaluated_key.filter(|key| !key.is_empty()),
        })
    }

    /// Reads one item, strongly consistent; `None` where it, or the table, is not there.
    ///
    /// # Errors
    /// As classified.
    pub async fn get_item(&self, name: &str, key: WireItem) -> Result<Option<WireItem>> {
        let call =
            self.client.get_item().table_name(name).set_key(Some(key)).consistent_read(true).send();
        let output = found(self.send("GetItem", name, call).await)?;
        Ok(output.and_then(|output| output.item))
    }

    /// Reads all items of a partition whose sort key lies between two texts, strongly consistent.
    ///
    /// # Errors
    /// As classified; a table that does not exist is [`Class::Missing`].
    pub async fn query_between(
        &self,
        name: &str,
        partition: (&str, &str),
        sort: (&str, &str, &str),
    ) -> Result<Vec<WireItem>> {
        let (sort_name, from, to) = sort;
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let call = self
                .client
                .query()
                .table_name(name)
                .key_condition_expression("#p = :p AND #s BETWEEN :from AND :to")
                .expression_attribute_names("#p", partition.0)
                .expression_attribute_names("#s", sort_name)
                .expression_attribute_values(":p", text(partition.1))
                .expression_attribute_values(":from", text(from))
                .expression_attribute_values(":to", text(to))
                .set_exclusive_start_key(start)
                .consistent_read(true)
                .send();
            let page = self.send("Query", name, call).await?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    /// Updates or deletes one item on a condition.
    ///
    /// # Errors
    /// As classified; a failed condition is no error but [`Written::Conflict`].
    pub async fn write_item(&self, name: &str, write: ItemWrite) -> Result<Written> {
        let ItemWrite { key, update, condition, names, values } = write;
        let names = (!names.is_empty()).then_some(names);
        let values = (!values.is_empty()).then_some(values);
        let all_old = sdk::ReturnValuesOnConditionCheckFailure::AllOld;
        self.sent.fetch_add(1, Ordering::Relaxed);
        let Some(update) = update else {
            let call = self
                .client
                .delete_item()
                .table_name(name)
                .set_key(Some(key))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .return_values_on_condition_check_failure(all_old);
            return conditional(name, "DeleteItem", call.send().boxed().await.map(drop), |error| {
                error.is_conditional_check_failed_exception()
            });
        };
        let call = self
            .client
            .update_item()
            .table_name(name)
            .set_key(Some(key))
            .update_expression(update)
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(all_old);
        conditional(name, "UpdateItem", call.send().boxed().await.map(drop), |error| {
            error.is_conditional_check_failed_exception()
        })
    }

    /// Writes up to 100 actions together or not at all.
    ///
    /// # Errors
    /// As classified; a failed condition is no error but [`Transacted::Refused`].
    pub async fn transact(
        &self,
        name: &str,
        actions: Vec<sdk::TransactWriteItem>,
    ) -> Result<Transacted> {
        let call = self.client.transact_write_items().set_transact_items(Some(actions)).send();
        self.sent.fetch_add(1, Ordering::Relaxed);
        let Err(error) = call.boxed().await else { return Ok(Transacted::Done) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
            error.as_service_error()
        {
            let codes = canceled.cancellation_reasons().iter().map(|reason| reason.code());
            let codes: Vec<_> = codes.collect();
            if let Some(position) =
                codes.iter().position(|code| *code == Some("ConditionalCheckFailed"))
            {
                return Ok(Transacted::Refused(position));
            }
            // Conflicts and throttles inside a transaction are worth another try; anything else is not.
            let transient = codes.iter().flatten().any(|code| {
                matches!(
                    *code,
                    "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"
                )
            });
            let class = if transient { Class::Throttled } else { Class::Permanent };
            let mut error = Error::from_sdk("TransactWriteItems", name, &error);
            error.class = class;
            return Err(error);
        }
        Err(Error::from_sdk("TransactWriteItems", name, &error))
    }
}

/// Sends a request again while its error is one that passes, for a bounded time.
pub(crate) async fn patiently<T, F, Fut>(request: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    request
        .retry(
            ExponentialBuilder::default()
                .with_jitter()
                .with_min_delay(Duration::from_millis(50))
                .with_max_delay(Duration::from_secs(2))
                .with_max_times(6),
        )
        .when(Error::is_transient)
        .await
}

/// Turns "not found" into `None`.
fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.class == Class::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

fn conditional<E>(
    name: &str,
    action: &'static str,
    result: std::result::Result<(), SdkError<E>>,
    is_conflict: impl Fn(&E) -> bool,
) -> Result<Written>
where
    E: ProvideErrorMetadata + std::error::Error + FailedItem + 'static,
{
    let Err(error) = result else { return Ok(Written::Done) };
    match error.as_service_error().filter(|error| is_conflict(error)) {
        Some(conflict) => Ok(Written::Conflict(conflict.failed_item())),
        None => Err(Error::from_sdk(action, name, &error)),
    }
}

/// The item that a failed condition hands back; the SDK's error types share no trait for it.
trait FailedItem {
    fn failed_item(&self) -> Option<WireItem>;
}

macro_rules! failed_item {
    ($error:path, $variant:path) => {
        impl FailedItem for $error {
            fn failed_item(&self) -> Option<WireItem> {
                match self {
                    $variant(failed) => failed.item.clone().filter(|item| !item.is_empty()),
                    _ => None,
                }
            }
        }
    };
}

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
failed_item!(DeleteItemError, DeleteItemError::ConditionalCheckFailedException);
failed_item!(UpdateItemError, UpdateItemError::ConditionalCheckFailedException);

fn index_capacities(
    indexes: &BTreeMap<String, Capacity>,
) -> Option<Vec<sdk::GlobalSecondaryIndexUpdate>> {
    let update =
        |(name, capacity): (&String, &Capacity)| convert::index_capacity_request(name, *capacity);
    some_list(indexes.iter().map(update).collect())
}

/// DynamoDB refuses empty lists; an absent one is what is meant.
fn some_list<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn invalid(action: &'static str, resource: &str, error: &dyn std::error::Error) -> Error {
    Error {
        action,
        resource: resource.to_owned(),
        class: Class::Permanent,
        message: error.to_string(),
    }
}

fn text(value: &str) -> sdk::AttributeValue {
    sdk::AttributeValue::S(value.to_owned())
}
