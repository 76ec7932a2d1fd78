//! Migrations tried out: a trial passes what holds, and names what does not.

use serde_json::{Value, json};
use tablewright::testing::{Check, Tables, Trial, Tried, Verdict, item};
use tablewright::{Backfill, Change, Guard, Item, Migration, MigrationError, Migrator};

use crate::support::{properties, table};

type Transformed = Result<Change, MigrationError>;

fn label(mut order: Item) -> Transformed {
    let label = format!("ORDER#{}", order.text("pk")?);
    order.set_text("label", label);
    Ok(Change::Update(order))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a transform")]
fn unlabel(mut order: Item) -> Transformed {
    order.remove("label");
    Ok(Change::Update(order))
}

fn add_one(mut order: Item) -> Transformed {
    let n: u32 = order.number("n")?.parse()?;
    order.set_number("n", n + 1);
    Ok(Change::Update(order))
}

fn trial(migration: Migration) -> Trial {
    let id = migration.spec().id;
    let migrator = Migrator::builder()
        .migration(Migration::backfill("0001_before", "orders", |_| panic!("it is taken as done")))
        .migration(migration)
        .migration(Migration::backfill("0009_after", "orders", |_| panic!("it is not meant")))
        .build();
    let declared = properties(&[table("orders")]);
    let orders = (1..=3).map(|n| order(n, &json!({})));
    Trial::new(migrator.unwrap(), &id, declared).before("orders", orders)
}

fn order(
    n: u32,
    more: &Value,
) -> std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue> {
    let mut order = json!({ "pk": n.to_string(), "n": n });
    order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    item(order)
}

#[track_caller]
fn failed(tried: &Tried) -> Vec<(Check, &str)> {
    let failed = tried.checks.iter().filter_map(|(check, verdict)| match verdict {
        Verdict::Failed(why) => Some((*check, why[0].as_str())),
        Verdict::Passed(_) | Verdict::NotTried(_) => None,
    });
    failed.collect()
}

#[tokio::test(start_paused = true)]
async fn what_holds_is_told_check_by_check() {
    let labelled = (1..=3).map(|n| order(n, &json!({ "label": format!("ORDER#{n}") })));
    let trial = trial(Migration::backfill("0002_label", "orders", label).down_items(unlabel));
    let tried = trial.after("orders", labelled).run().await;
    insta::assert_snapshot!(tried.to_string(), @r"
    migration 0002_label
      ok      result
      ok      a second time
      ok      back again
      ok      killed: at each of 14 writes
      ok      hindered
      ok      superseded: at each of 14 writes
    ");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_result_is_named_item_by_item() {
    let expected = [
        order(1, &json!({ "label": "ORDER#1" })),
        order(2, &json!({ "label": "ORDER#1", "more": [true, null] })),
        order(4, &json!({})),
    ];
    let trial = trial(Migration::backfill("0002_label", "orders", label));
    let tried = trial.after("orders", expected).run().await;
    insta::assert_snapshot!(tried.to_string(), @r#"
    migration 0002_label
      FAILED  result
                orders pk=2: label is "ORDER#2", expected "ORDER#1"
                orders pk=2: more is missing, expected [true, null]
                orders pk=4 is missing
                orders pk=3 is not expected
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_guard_keeps_what_would_differ_a_second_time() {
    let counted = (1..=3).map(|n| order(n, &json!({ "n": n + 1 })));
    for guard in [Guard::Stamp, Guard::Journal] {
        let migration = Migration::backfill("0002_count", "orders", add_one).guard(guard);
        let expected: Tables = match guard {
            // The stamp is on each item.
            Guard::Stamp => Tables::new(),
            Guard::Journal => [("orders".to_owned(), counted.clone().collect())].into(),
        };
        let trial = expected
            .into_iter()
            .fold(trial(migration), |trial, (table, items)| trial.after(&table, items));
        trial.expect_success().await;
    }
    let tried = trial(Migration::backfill("0002_count", "orders", add_one)).run().await;
    let [(Check::Result, why)] = failed(&tried)[..] else { panic!("{tried}") };
    assert!(why.contains("changes n once more"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_way_back_that_does_not_lead_back_is_found() {
    let migration =
        Migration::backfill("0002_label", "orders", label).down_items(|_| Ok(Change::Keep));
    let tried = trial(migration).run().await;
    let [(Check::Back, why)] = failed(&tried)[..] else { panic!("{tried}") };
    assert_eq!(why, "orders pk=1: label is \"ORDER#1\", expected missing");
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_not_what_it_says_is_found_by_a_death_in_the_middle() {
    // It says that it may run again, and appends each time.
    let append = Migration::new("0002_append", |cx| async move {
        let scanned = cx.dynamo().scan().table_name("orders").send().await?;
        for order in scanned.items.unwrap_or_default() {
            let update = cx.dynamo().update_item().table_name("orders");
            let update = update.key("pk", order["pk"].clone());
            let one = aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned());
            update
                .update_expression("ADD n :one")
                .expression_attribute_values(":one", one)
                .send()
                .await?;
        }
        Ok(())
    });
    let tried = trial(append.idempotent()).run().await;
    let found: Vec<_> = failed(&tried).into_iter().map(|(check, _)| check).collect();
    assert!(found.contains(&Check::Again) && found.contains(&Check::Crash), "{tried}");
    let crash = tried.checks.iter().find(|(check, _)| *check == Check::Crash);
    let Some((_, Verdict::Failed(why))) = crash else { panic!("{tried}") };
    assert!(why[0].starts_with("killed before write "), "{tried}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_result_like_any_other() {
    let refusing = || {
        Migration::backfills(
            "0002_refuse",
            [Backfill::new("orders", |mut order: Item| {
                if order.number("n")? == "3" {
                    return Err(MigrationError::new("three is not to be had"));
                }
                order.set_text("label", "x");
                Ok(Change::Update(order))
            })
            .down(unlabel)],
        )
    };
    trial(refusing()).refused("three is not").expect_success().await;
    let tried = trial(refusing()).run().await;
    assert!(failed(&tried)[0].1.contains("three is not to be had"), "{tried}");
    let tried = trial(refusing()).refused("four").run().await;
    assert!(!tried.is_success(), "{tried}");
}
