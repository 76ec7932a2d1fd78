//! Writes of many items in one request, each with its own condition and its own fate, and what they consumed.

use std::sync::atomic::Ordering;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types as sdk;
use futures::FutureExt;

use super::edit::{Edit, Kind, Statement};
use super::{Class, Dynamo, Error, Result, Service, WireItem, Written, classify};

/// Statements that one request holds (AWS documentation, `BatchExecuteStatement`).
pub(crate) const BATCH_MAX: usize = 25;

/// What became of one write of several.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It was done.
    Done,
    /// Its condition did not hold; this is the item as it is now, or `None` where it is gone.
    Conflict(Option<WireItem>),
    /// It was not done, for this reason.
    Refused(Error),
    /// It was not tried, because of others in its transaction.
    Untried,
}

/// What became of the writes of one request.
#[derive(Debug)]
pub(crate) struct Fates {
    /// One for each write, in their order.
    pub(crate) each: Vec<Fate>,
    /// Capacity units that they took, the indexes' among them, where the engine says.
    pub(crate) units: Option<f64>,
}

impl Dynamo {
    /// Sends statements in one request.
    ///
    /// # Errors
    /// As classified, where the request as a whole is refused.
    pub(crate) async fn write_batch(
        &self,
        table: &str,
        statements: Vec<Statement>,
    ) -> Result<Fates> {
        let expected = statements.len();
        let statements = statements.into_iter().map(|statement| {
            sdk::BatchStatementRequest::builder()
                .statement(statement.text)
                .set_parameters(Some(statement.parameters))
                .return_values_on_condition_check_failure(
                    sdk::ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .build()
                .expect("the statement is set")
        });
        let call = self
            .once
            .batch_execute_statement()
            .set_statements(Some(statements.collect()))
            .return_consumed_capacity(sdk::ReturnConsumedCapacity::Total)
            .send();
        let output = self.send("BatchExecuteStatement", table, call).await?;
        let units = units(output.consumed_capacity());
        let responses = output.responses.unwrap_or_default();
        if responses.len() != expected {
            return Err(failure(
                table,
                Class::Internal,
                format!("{} answers to {expected} statements", responses.len()),
            ));
        }
        Ok(Fates { each: responses.into_iter().map(|one| fate(table, one)).collect(), units })
    }

    /// Sends one change in a request of its own, without trying again.
    ///
    /// # Errors
    /// As classified.
    pub(crate) async fn write_one(
        &self,
        table: &str,
        edit: &Edit,
    ) -> Result<(Written, Option<f64>)> {
        if edit.kind == Kind::Make {
            return self.make_item(table, edit).await;
        }
        self.conditional_write(&self.once, table, edit.write()).await
    }

    /// Writes actions together or not at all, without trying again; of those that had to stand back, says why.
    ///
    /// # Errors
    /// As classified, where the request as a whole is refused.
    pub(crate) async fn transact_each(
        &self,
        table: &str,
        actions: Vec<sdk::TransactWriteItem>,
    ) -> Result<Fates> {
        let expected = actions.len();
        let call = self
            .once
            .transact_write_items()
            .set_transact_items(Some(actions))
            .return_consumed_capacity(sdk::ReturnConsumedCapacity::Total);
        self.sent.fetch_add(1, Ordering::Relaxed);
        let error = match call.send().boxed().await {
            Ok(output) => {
                let each = (0..expected).map(|_| Fate::Done).collect();
                return Ok(Fates { each, units: units(output.consumed_capacity()) });
            }
            Err(error) => error,
        };
        let reasons = match reasons(&error) {
            Some(reasons) if reasons.len() == expected => reasons,
            _ => return Err(Error::from_sdk("TransactWriteItems", table, &error)),
        };
        let fate = |reason: &sdk::CancellationReason| match reason.code() {
            None | Some("None") => Fate::Untried,
            Some("ConditionalCheckFailed") => Fate::Conflict(reason.item.clone().filter(is_there)),
            Some(code) => Fate::Refused(Error {
                action: "TransactWriteItems",
                ..refusal(table, code, reason.message().unwrap_or_default())
            }),
        };
        Ok(Fates { each: reasons.iter().map(fate).collect(), units: None })
    }
}

fn reasons(error: &SdkError<TransactWriteItemsError>) -> Option<&[sdk::CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(canceled) => {
            Some(canceled.cancellation_reasons())
        }
        _ => None,
    }
}

fn fate(table: &str, response: sdk::BatchStatementResponse) -> Fate {
    let Some(error) = response.error else { return Fate::Done };
    let code = error.code.map(|code| code.as_str().to_owned()).unwrap_or_default();
    if code == "ConditionalCheckFailed" {
        return Fate::Conflict(error.item.filter(is_there));
    }
    Fate::Refused(refusal(table, &code, error.message.as_deref().unwrap_or_default()))
}

fn is_there(item: &WireItem) -> bool {
    !item.is_empty()
}

/// The error that the code of one write among several stands for: it is that of a request without its ending.
fn refusal(table: &str, code: &str, message: &str) -> Error {
    let class = match code {
        "TransactionConflict" => Class::Busy,
        "ProvisionedThroughputExceeded" | "RequestLimitExceeded" | "ThrottlingError" => {
            Class::Throttled
        }
        "AccessDenied" => Class::Denied,
        "InternalServerError" => Class::Internal,
        "ResourceNotFound" => Class::Missing,
        _ => classify(&format!("{code}Exception"), message),
    };
    failure(table, class, format!("{code}: {message}"))
}

fn failure(table: &str, class: Class, message: String) -> Error {
    Error {
        service: Service::DynamoDb,
        action: "BatchExecuteStatement",
        resource: table.to_owned(),
        class,
        message,
    }
}

/// What a request took of all tables.
pub(super) fn units(consumed: &[sdk::ConsumedCapacity]) -> Option<f64> {
    let units = consumed.iter().filter_map(|consumed| consumed.capacity_units);
    units.reduce(|sum, units| sum + units)
}
