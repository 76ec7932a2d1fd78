//! What is allowed only so often, and what only so many times.

use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    BillingMode, SseSpecification, SseType, TableClass, TimeToLiveSpecification, WarmThroughput,
};
use tablewright::testing::{ControlPlane, KeyState, Quotas, Rate};

use super::changes::{provisioned, units, update};
use super::{
    attribute, create, describe, key, new_index, once, plane_with, refused, settle, sleep,
};

/// A plane at half past ten in the evening, UTC, of the 9th of October 2026.
async fn evening() -> (ControlPlane, Client) {
    let date = UNIX_EPOCH + Duration::from_hours(20_735 * 24 + 22) + Duration::from_mins(30);
    let plane = ControlPlane::builder().starts_at(date).build();
    let client = once(&plane);
    client
        .create_table()
        .table_name("orders")
        .provisioned_throughput(units(50, 50))
        .key_schema(key("pk", aws_sdk_dynamodb::types::KeyType::Hash))
        .attribute_definitions(attribute("pk"))
        .send()
        .await
        .unwrap();
    settle().await;
    (plane, client)
}

#[tokio::test(start_paused = true)]
async fn throughput_decreases_four_times_a_day_then_hourly() {
    let (plane, client) = evening().await;
    let set = |read: i64| update(&client).provisioned_throughput(units(read, read));
    for read in [40, 39, 38, 37] {
        set(read).send().await.unwrap();
        sleep(5).await;
    }
    let fifth = set(36).send().await;
    refused(
        fifth,
        "LimitExceededException",
        "Number of decreases today: 4. Last decrease at Friday, October 9, 2026 at 10:45:15 PM Coordinated Universal \
         Time. Next decrease can be made at Friday, October 9, 2026 at 11:45:15 PM Coordinated Universal Time",
    );
    // More is always allowed.
    set(60).send().await.unwrap();
    sleep(5).await;
    plane.advance(Duration::from_hours(1));
    set(36).send().await.unwrap();
    sleep(5).await;
    let shown = describe(&client, "orders").await.provisioned_throughput.unwrap();
    assert_eq!(shown.number_of_decreases_today, Some(5));
    // The day ends before the hour does.
    let midnight = "Next decrease can be made at Saturday, October 10, 2026 at 12:00:00 AM";
    refused(set(35).send().await, "LimitExceededException", midnight);
    plane.advance(Duration::from_mins(15));
    set(34).send().await.unwrap();
    sleep(5).await;
    let shown = describe(&client, "orders").await.provisioned_throughput.unwrap();
    assert_eq!(shown.number_of_decreases_today, Some(1));
}

#[tokio::test(start_paused = true)]
async fn an_index_has_decreases_of_its_own() {
    let (_plane, client) = provisioned().await;
    for read in [9, 8, 7, 6] {
        update(&client).provisioned_throughput(units(read, 10)).send().await.unwrap();
        sleep(5).await;
    }
    let table = update(&client).provisioned_throughput(units(5, 10)).send().await;
    refused(table, "LimitExceededException", "Provisioned throughput decreases are limited");
    let index = super::changes::index_units("by_a", 5, 5);
    update(&client).global_secondary_index_updates(index).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_key_changes_four_times_a_day_even_where_it_is_the_same() {
    let (plane, client) = plane_with("orders").await;
    let arn = plane.add_key("orders", KeyState::Enabled);
    let encrypt = |key: &str| {
        let encryption = SseSpecification::builder().enabled(true).sse_type(SseType::Kms);
        update(&client).sse_specification(encryption.kms_master_key_id(key).build())
    };
    for named in ["alias/orders", "alias/orders", arn.rsplit('/').next().unwrap(), "alias/orders"] {
        encrypt(named).send().await.unwrap();
        let shown = describe(&client, "orders").await;
        let status = shown.sse_description.and_then(|encryption| encryption.status);
        assert_eq!(status, Some(aws_sdk_dynamodb::types::SseStatus::Updating));
        assert_eq!(shown.table_status, Some(aws_sdk_dynamodb::types::TableStatus::Active));
        settle().await;
    }
    let shown = describe(&client, "orders").await.sse_description.unwrap();
    assert_eq!(shown.kms_master_key_arn.as_ref(), Some(&arn));
    // Only by its ARN it is seen to be the same.
    let same = encrypt(&arn).send().await;
    refused(same, "ValidationException", "Table is already encrypted with given KMSMasterKeyId");
    refused(
        encrypt("alias/aws/dynamodb").send().await,
        "LimitExceededException",
        "Encryption mode changes are limited in the 24h window ending at",
    );
    plane.advance(Duration::from_hours(6));
    encrypt("alias/aws/dynamodb").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_used_changes_nothing_and_uses_nothing_up() {
    let (plane, client) = plane_with("orders").await;
    let encrypt = |key: &str| {
        let encryption = SseSpecification::builder().enabled(true).sse_type(SseType::Kms);
        update(&client).sse_specification(encryption.kms_master_key_id(key).build())
    };
    for (alias, state, code, message) in [
        ("off", KeyState::Disabled, "ValidationException", "is disabled"),
        ("rsa", KeyState::Asymmetric, "InternalServerError", "symmetric encryption KMS key"),
    ] {
        let _arn = plane.add_key(alias, state);
        refused(encrypt(&format!("alias/{alias}")).send().await, code, message);
    }
    let unknown = encrypt("alias/unknown").send().await;
    refused(unknown, "ValidationException", "Alias alias/unknown is not found");
    let off = SseSpecification::builder().enabled(false).build();
    let off = update(&client).sse_specification(off).send().await;
    refused(off, "ValidationException", "Table is already encrypted by default");
    assert_eq!(describe(&client, "orders").await.sse_description, None);
}

#[tokio::test(start_paused = true)]
async fn the_class_changes_twice_a_month() {
    let (plane, client) = plane_with("orders").await;
    let set = |class: TableClass| update(&client).table_class(class);
    // It is so already, which costs nothing.
    set(TableClass::Standard).send().await.unwrap();
    for class in [TableClass::StandardInfrequentAccess, TableClass::Standard] {
        set(class.clone()).send().await.unwrap();
        settle().await;
        let shown = describe(&client, "orders").await.table_class_summary.unwrap();
        assert_eq!(shown.table_class, Some(class));
    }
    for class in [TableClass::StandardInfrequentAccess, TableClass::Standard] {
        let spent = "Updates to TableClass are limited to 2 times in 30 day(s).";
        refused(set(class).send().await, "LimitExceededException", spent);
    }
    plane.advance(Duration::from_hours(30 * 24));
    set(TableClass::StandardInfrequentAccess).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn protection_changes_every_fifteen_seconds() {
    let (plane, client) = plane_with("orders").await;
    let client_once = once(&plane);
    update(&client).deletion_protection_enabled(true).send().await.unwrap();
    // Again the same is no change.
    update(&client).deletion_protection_enabled(true).send().await.unwrap();
    let off = || update(&client_once).deletion_protection_enabled(false);
    refused(
        off().send().await,
        "ThrottlingException",
        "modified within the previous 15000 milliseconds. Please try again after",
    );
    let protected = client.delete_table().table_name("orders").send().await;
    refused(protected, "ValidationException", "currently protected against deletion");
    sleep(15).await;
    off().send().await.unwrap();
    client.delete_table().table_name("orders").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn expiry_changes_once_an_hour() {
    let (plane, client) = plane_with("orders").await;
    let set = |attribute: &str, on: bool| {
        let wanted = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(on);
        let request = client.update_time_to_live().table_name("orders");
        request.time_to_live_specification(wanted.build().unwrap()).send()
    };
    refused(set("ttl", false).await, "ValidationException", "TimeToLive is already disabled");
    set("ttl", true).await.unwrap();
    refused(set("ttl", true).await, "ValidationException", "TimeToLive is already enabled");
    let other = "TimeToLive is active on a different AttributeName: current AttributeName is ttl";
    refused(set("other", true).await, "ValidationException", other);
    let often = "Time to live has been modified multiple times within a fixed interval";
    refused(set("ttl", false).await, "ValidationException", often);
    plane.advance(Duration::from_hours(1));
    set("ttl", false).await.unwrap();
    refused(set("other", true).await, "ValidationException", often);
}

#[tokio::test(start_paused = true)]
async fn a_table_becomes_on_demand_four_times_a_day() {
    let (_plane, client) = plane_with("orders").await;
    for _ in 0..4 {
        let to_provisioned = update(&client).billing_mode(BillingMode::Provisioned);
        to_provisioned.provisioned_throughput(units(1, 1)).send().await.unwrap();
        settle().await;
        update(&client).billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
        settle().await;
    }
    let to_provisioned = update(&client).billing_mode(BillingMode::Provisioned);
    to_provisioned.provisioned_throughput(units(1, 1)).send().await.unwrap();
    settle().await;
    let fifth = update(&client).billing_mode(BillingMode::PayPerRequest).send().await;
    refused(fifth, "LimitExceededException", "Update to PayPerRequest mode are limited");
}

#[tokio::test(start_paused = true)]
async fn warm_throughput_never_decreases() {
    let (_plane, client) = plane_with("orders").await;
    let set = |read: i64| {
        let warm = WarmThroughput::builder().read_units_per_second(read).build();
        update(&client).warm_throughput(warm)
    };
    let shown = || async {
        let warm = describe(&client, "orders").await.warm_throughput.unwrap();
        (warm.read_units_per_second.unwrap(), warm.write_units_per_second.unwrap())
    };
    assert_eq!(shown().await, (12_000, 4_000));
    refused(
        set(11_000).send().await,
        "ValidationException",
        "decreasing WarmThroughput is not supported",
    );
    set(13_000).send().await.unwrap();
    sleep(60).await;
    // The last one wins.
    set(14_000).send().await.unwrap();
    assert_eq!(shown().await, (12_000, 4_000));
    settle().await;
    assert_eq!(shown().await, (14_000, 4_000));
    set(15_000).send().await.unwrap();
    sleep(3).await;
    assert_eq!(shown().await, (15_000, 4_000));
}

#[tokio::test(start_paused = true)]
async fn a_table_has_so_many_indexes_and_no_more() {
    let quotas = Quotas { global_indexes: 1, ..Quotas::default() };
    let plane = ControlPlane::builder().quotas(quotas).build();
    let client = plane.client();
    create(&client, "orders").await;
    settle().await;
    let add = |name: &str| {
        let request = update(&client).attribute_definitions(attribute("a"));
        request.global_secondary_index_updates(new_index(name, "a"))
    };
    add("by_a").send().await.unwrap();
    settle().await;
    let exists = "Attempting to create an index which already exists";
    refused(add("by_a").send().await, "ValidationException", exists);
    refused(
        add("by_a2").send().await,
        "LimitExceededException",
        "Number of global secondary indexes exceeds per-table limit of 1",
    );
}

#[tokio::test(start_paused = true)]
async fn only_so_many_tables_change_at_once() {
    let quotas = Quotas { operations: 2, mutations: None, ..Quotas::default() };
    let plane = ControlPlane::builder().quotas(quotas).build();
    let client = plane.client();
    create(&client, "one").await;
    create(&client, "two").await;
    let third = client.create_table().table_name("three").billing_mode(BillingMode::PayPerRequest);
    let third = third
        .key_schema(key("pk", aws_sdk_dynamodb::types::KeyType::Hash))
        .attribute_definitions(attribute("pk"));
    refused(third.clone().send().await, "LimitExceededException", "simultaneously");
    sleep(10).await;
    third.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn changes_of_an_account_are_throttled_and_reads_are_not() {
    let quotas =
        Quotas { mutations: Some(Rate { burst: 3, per_second: 0.5 }), ..Quotas::default() };
    let plane = ControlPlane::builder().quotas(quotas).build();
    let client = once(&plane);
    for name in ["one", "two", "three"] {
        create(&client, name).await;
    }
    let fourth = client.create_table().table_name("four").billing_mode(BillingMode::PayPerRequest);
    let fourth = fourth
        .key_schema(key("pk", aws_sdk_dynamodb::types::KeyType::Hash))
        .attribute_definitions(attribute("pk"));
    let too_many = "The rate of control plane requests made by this account is too high";
    refused(fourth.clone().send().await, "ThrottlingException", too_many);
    for _ in 0..20 {
        client.list_tables().send().await.unwrap();
    }
    sleep(2).await;
    fourth.send().await.unwrap();
}
