//! A complete function as a team would deploy it: its migrations, in order, and nothing else.
//!
//! `make demo` and `make e2e` run it over the items of `examples/items.json`.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use tablewright::{Change, Context, Item, Migration, MigrationError, Migrator};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let migrator = Migrator::builder()
        .migration(
            Migration::backfill("0001_order_labels", "orders", add_label)
                .description("a label on every order")
                .down_items(|mut order| {
                    order.remove("label");
                    Ok(Change::Update(order))
                }),
        )
        .migration(
            Migration::new("0002_customer_tiers", fill_tiers)
                .description("a tier for every customer that has none")
                .idempotent(),
        )
        .migration(
            Migration::backfill("0003_order_totals", "orders", total_to_cents)
                .description("order totals as whole cents instead of text")
                .down_items(cents_to_total),
        )
        .build();
    tablewright::run(migrator).await
}

fn add_label(mut order: Item) -> Result<Change, MigrationError> {
    let label = format!("ORDER#{}", order.text("pk")?);
    order.set_text("label", label);
    Ok(Change::Update(order))
}

/// Free-form work with the client: it can be anything, as long as running it again is right.
#[expect(clippy::disallowed_methods, reason = "a migration sends what it likes")]
async fn fill_tiers(cx: Context) -> Result<(), MigrationError> {
    let mut pages = cx
        .dynamo()
        .scan()
        .table_name("customers")
        .filter_expression("attribute_not_exists(tier)")
        .projection_expression("id")
        .into_paginator()
        .items()
        .send();
    while let Some(customer) = pages.try_next().await? {
        fill_tier(&cx, customer["id"].clone()).await?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a migration sends what it likes")]
async fn fill_tier(cx: &Context, id: AttributeValue) -> Result<(), MigrationError> {
    let update = cx
        .dynamo()
        .update_item()
        .table_name("customers")
        .key("id", id)
        .update_expression("SET tier = :standard")
        // Between the scan and this write the application may have set a tier, or deleted the customer.
        .condition_expression("attribute_exists(id) AND attribute_not_exists(tier)")
        .expression_attribute_values(":standard", AttributeValue::S("standard".to_owned()));
    match update.send().await {
        Err(error) if !is_condition_failure(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

fn is_condition_failure(error: &SdkError<UpdateItemError>) -> bool {
    let error = error.as_service_error();
    error.is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}

/// `total: "12.50"` becomes `total_cents: 1250`.
fn total_to_cents(mut order: Item) -> Result<Change, MigrationError> {
    if !order.has("total") {
        return Ok(Change::Keep);
    }
    let cents = parse_cents(order.text("total")?)
        .ok_or_else(|| MigrationError::new("total is not an amount like 12.50"))?;
    order.set_number("total_cents", cents);
    order.remove("total");
    Ok(Change::Update(order))
}

fn parse_cents(total: &str) -> Option<u64> {
    let (whole, cents) = total.split_once('.').filter(|(_, cents)| cents.len() == 2)?;
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(cents.parse().ok()?)
}

fn cents_to_total(mut order: Item) -> Result<Change, MigrationError> {
    if !order.has("total_cents") {
        return Ok(Change::Keep);
    }
    let cents: u64 = order.number("total_cents")?.parse()?;
    order.set_text("total", format!("{}.{:02}", cents / 100, cents % 100));
    order.remove("total_cents");
    Ok(Change::Update(order))
}
