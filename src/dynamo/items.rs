//! Operations on items: pages, conditional writes, transactions.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::execute_statement::ExecuteStatementError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types as sdk;
use futures::FutureExt;

use super::edit::Edit;
use super::{Class, Dynamo, Error, Result, Service, again_while, found, some_list};

/// An item or a key in DynamoDB's own form: numbers keep their 38 digits.
pub type WireItem = HashMap<String, sdk::AttributeValue>;

/// One page of a scan.
#[derive(Debug)]
pub struct Page {
    /// Items in wire form.
    pub items: Vec<WireItem>,
    /// Where to go on; `None` at the end.
    pub next: Option<WireItem>,
    /// Capacity units that it took, where the engine says.
    pub units: Option<f64>,
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

/// When a statement is sent again that may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Whenever it seems useful: a second time does no harm.
    AtWill,
    /// Only where DynamoDB has refused it, and so nothing was done.
    WhereRefused,
}

/// What became of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Executed {
    /// It was carried out.
    Done,
    /// It inserts an item where there is one.
    AlreadyThere,
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
    /// Whether a strongly consistent scan finds no item.
    ///
    /// # Errors
    /// As classified.
    pub async fn is_empty(&self, name: &str) -> Result<bool> {
        let call = self.client.scan().table_name(name).limit(1).consistent_read(true).send();
        let page = self.send("Scan", name, call).await?;
        Ok(page.items().is_empty())
    }

    /// Reads a page of at most `limit` items of one segment, strongly consistent, without trying again.
    ///
    /// # Errors
    /// As classified.
    pub(crate) async fn scan_page(
        &self,
        name: &str,
        (segment, segments): (u32, u32),
        start: Option<WireItem>,
        limit: usize,
    ) -> Result<Page> {
        // The whole of a table is read faster without a division of it, by engines that look for the segment of each item.
        let number = |number| (segments > 1).then(|| i32::try_from(number).unwrap_or(i32::MAX));
        let call = self
            .once
            .scan()
            .table_name(name)
            .set_segment(number(segment))
            .set_total_segments(number(segments))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .consistent_read(true)
            .return_consumed_capacity(sdk::ReturnConsumedCapacity::Total)
            .send();
        let page = self.send("Scan", name, call).await?;
        Ok(Page {
            units: page.consumed_capacity.as_ref().and_then(|consumed| consumed.capacity_units),
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

    /// Reads up to 100 items of a table in one request, each strongly consistent, though not all at one moment. Those that
    /// are not there are left out. What DynamoDB leaves unprocessed is asked for again as long as that leads on.
    ///
    /// # Errors
    /// As classified; where a request leads no further, [`Class::Throttled`].
    pub(crate) async fn get_items(
        &self,
        name: &str,
        mut keys: Vec<WireItem>,
    ) -> Result<Vec<WireItem>> {
        let mut items = Vec::new();
        while !keys.is_empty() {
            let asked = keys.len();
            let request = sdk::KeysAndAttributes::builder().set_keys(Some(keys));
            let request = request.consistent_read(true).build().expect("keys are set");
            let call = self.client.batch_get_item().request_items(name, request).send();
            let output = self.send("BatchGetItem", name, call).await?;
            items.extend(output.responses.and_then(|mut all| all.remove(name)).unwrap_or_default());
            let rest = output.unprocessed_keys.and_then(|mut all| all.remove(name));
            keys = rest.map(|rest| rest.keys).unwrap_or_default();
            if keys.len() >= asked {
                return Err(Error {
                    service: Service::DynamoDb,
                    action: "BatchGetItem",
                    resource: name.to_owned(),
                    class: Class::Throttled,
                    message: format!("none of {asked} keys was processed"),
                });
            }
        }
        Ok(items)
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
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let (page, next) = self.query(name, partition, sort, start, None).await?;
            items.extend(page);
            if next.is_none() {
                return Ok(items);
            }
            start = next;
        }
    }

    /// Reads the first of them, at most so many.
    ///
    /// # Errors
    /// As of [`query_between`](Self::query_between).
    pub(crate) async fn query_page(
        &self,
        name: &str,
        partition: (&str, &str),
        sort: (&str, &str, &str),
        most: usize,
    ) -> Result<Vec<WireItem>> {
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        Ok(self.query(name, partition, sort, None, Some(most)).await?.0)
    }

    async fn query(
        &self,
        name: &str,
        partition: (&str, &str),
        (sort_name, from, to): (&str, &str, &str),
        start: Option<WireItem>,
        most: Option<i32>,
    ) -> Result<(Vec<WireItem>, Option<WireItem>)> {
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
            .set_limit(most)
            .consistent_read(true)
            .send();
        let page = self.send("Query", name, call).await?;
        let next = page.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((page.items.unwrap_or_default(), next))
    }

    /// Updates or deletes one item on a condition.
    ///
    /// # Errors
    /// As classified; a failed condition is no error but [`Written::Conflict`].
    pub async fn write_item(&self, name: &str, write: ItemWrite) -> Result<Written> {
        self.conditional_write(&self.client, name, write).await.map(|(written, _)| written)
    }

    /// The same by one of the clients, and the capacity units that it took, where the engine says.
    pub(super) async fn conditional_write(
        &self,
        client: &Client,
        name: &str,
        write: ItemWrite,
    ) -> Result<(Written, Option<f64>)> {
        let ItemWrite { key, update, condition, names, values } = write;
        let names = (!names.is_empty()).then_some(names);
        let values = (!values.is_empty()).then_some(values);
        self.sent.fetch_add(1, Ordering::Relaxed);
        let Some(update) = update else {
            let call = client
                .delete_item()
                .table_name(name)
                .set_key(Some(key))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .return_consumed_capacity(sdk::ReturnConsumedCapacity::Total)
                .return_values_on_condition_check_failure(ALL_OLD);
            let result = call.send().boxed().await.map(|output| output.consumed_capacity);
            return conditional(name, "DeleteItem", result);
        };
        let call = client
            .update_item()
            .table_name(name)
            .set_key(Some(key))
            .update_expression(update)
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_consumed_capacity(sdk::ReturnConsumedCapacity::Total)
            .return_values_on_condition_check_failure(ALL_OLD);
        let result = call.send().boxed().await.map(|output| output.consumed_capacity);
        conditional(name, "UpdateItem", result)
    }

    /// Puts an item where there is none, without trying again.
    pub(super) async fn make_item(
        &self,
        name: &str,
        edit: &Edit,
    ) -> Result<(Written, Option<f64>)> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let call = self
            .once
            .put_item()
            .table_name(name)
            .set_item(Some(edit.made()))
            .condition_expression("attribute_not_exists(#key)")
            .set_expression_attribute_names(edit.key_name())
            .return_consumed_capacity(sdk::ReturnConsumedCapacity::Total)
            .return_values_on_condition_check_failure(ALL_OLD);
        let result = call.send().boxed().await.map(|output| output.consumed_capacity);
        conditional(name, "PutItem", result)
    }

    /// Carries out a PartiQL statement that writes.
    ///
    /// # Errors
    /// As classified.
    pub(crate) async fn execute_statement(
        &self,
        table: &str,
        statement: &str,
        parameters: &[sdk::AttributeValue],
        repeat: Repeat,
    ) -> Result<Executed> {
        let client = match repeat {
            Repeat::AtWill => &self.client,
            Repeat::WhereRefused => &self.once,
        };
        let parameters = some_list(parameters.to_vec());
        let send = || async {
            let call =
                client.execute_statement().statement(statement).set_parameters(parameters.clone());
            self.sent.fetch_add(1, Ordering::Relaxed);
            match call.send().boxed().await {
                Ok(_) => Ok(Executed::Done),
                Err(error) => match error.as_service_error() {
                    Some(ExecuteStatementError::DuplicateItemException(_)) => {
                        Ok(Executed::AlreadyThere)
                    }
                    _ => Err(Error::from_sdk("ExecuteStatement", table, &error)),
                },
            }
        };
        let passes = |error: &Error| match repeat {
            Repeat::AtWill => error.is_transient(),
            Repeat::WhereRefused => matches!(error.class, Class::Throttled | Class::Busy),
        };
        again_while(passes, send).await
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

const ALL_OLD: sdk::ReturnValuesOnConditionCheckFailure =
    sdk::ReturnValuesOnConditionCheckFailure::AllOld;

fn conditional<E>(
    name: &str,
    action: &'static str,
    result: std::result::Result<Option<sdk::ConsumedCapacity>, SdkError<E>>,
) -> Result<(Written, Option<f64>)>
where
    E: ProvideErrorMetadata + std::error::Error + FailedCondition + 'static,
{
    let error = match result {
        Ok(consumed) => return Ok((Written::Done, consumed.and_then(|one| one.capacity_units))),
        Err(error) => error,
    };
    match error.as_service_error().and_then(FailedCondition::conflict) {
        Some(conflict) => Ok((conflict, None)),
        None => Err(Error::from_sdk(action, name, &error)),
    }
}

/// A condition that did not hold; the SDK's error types share no trait for the item that it found.
trait FailedCondition {
    fn conflict(&self) -> Option<Written>;
}

macro_rules! failed_condition {
    ($($error:ident),*) => {$(
        impl FailedCondition for $error {
            fn conflict(&self) -> Option<Written> {
                match self {
                    Self::ConditionalCheckFailedException(failed) => {
                        let item = failed.item.clone().filter(|item| !item.is_empty());
                        Some(Written::Conflict(item))
                    }
                    _ => None,
                }
            }
        }
    )*};
}

failed_condition!(DeleteItemError, PutItemError, UpdateItemError);

fn text(value: &str) -> sdk::AttributeValue {
    sdk::AttributeValue::S(value.to_owned())
}
