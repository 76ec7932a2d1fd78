//! What has operations of its own: tags, backups, insights, policies, destinations.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    ApproximateCreationDateTimePrecision as Precision, BackupStatus, ContributorInsightsAction,
    ContributorInsightsMode, ContributorInsightsStatus, DestinationStatus,
    PointInTimeRecoverySpecification, TableStatus, Tag, TimeToLiveSpecification,
};
use serde_json::{Value, json};
use tablewright::testing::{ControlPlane, KeyState};

use super::changes::update;
use super::{
    attribute, create, describe, new_index, no_index, once, plane_with, refused, settle, sleep,
};
use crate::support::{item, text};

fn arn(table: &str) -> String {
    format!("arn:aws:dynamodb:eu-west-1:111122223333:table/{table}")
}

async fn tags(client: &Client) -> Vec<(String, String)> {
    let tags = client.list_tags_of_resource().resource_arn(arn("orders")).send().await.unwrap();
    tags.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_write_of_tags_locks_them_and_is_read_late() {
    let (plane, _) = plane_with("orders").await;
    let client = once(&plane);
    let write = |value: &str| {
        client.tag_resource().resource_arn(arn("orders")).tags(tag("stage", value)).send()
    };
    write("test").await.unwrap();
    assert_eq!(tags(&client).await, []);
    // The same again is no change.
    write("test").await.unwrap();
    let locked = "Table tags are being updated";
    refused(write("live").await, "LimitExceededException", locked);
    // What contains the write under way is let in.
    let both = client.tag_resource().resource_arn(arn("orders")).tags(tag("stage", "test"));
    both.tags(tag("team", "shop")).send().await.unwrap();
    let untag = || client.untag_resource().resource_arn(arn("orders")).tag_keys("stage").send();
    refused(untag().await, "LimitExceededException", locked);
    let deleted = client.delete_table().table_name("orders").send().await;
    refused(deleted, "ResourceInUseException", locked);
    sleep(3).await;
    let (stage, team) =
        (("stage".to_owned(), "test".to_owned()), ("team".to_owned(), "shop".to_owned()));
    assert_eq!(tags(&client).await, [stage, team.clone()]);
    untag().await.unwrap();
    sleep(3).await;
    assert_eq!(tags(&client).await, std::slice::from_ref(&team));
    let foreign = client.tag_resource().resource_arn(arn("orders")).tags(tag("aws:x", "y")).send();
    refused(foreign.await, "ValidationException", "Tag Key cannot be prefixed with aws:");
    plane.tag_as_aws("orders", &[("aws:x", "y")]);
    assert_eq!(tags(&client).await, [("aws:x".to_owned(), "y".to_owned()), team]);
    let many = (0..50).map(|n| tag(&n.to_string(), "")).collect();
    let many = client.tag_resource().resource_arn(arn("orders")).set_tags(Some(many)).send().await;
    refused(many, "ValidationException", "Number of Tags exceed the current limit");
}

#[tokio::test(start_paused = true)]
async fn the_operations_of_features_do_not_know_a_table_that_is_being_created() {
    let plane = ControlPlane::new();
    let client = plane.client();
    create(&client, "orders").await;
    let not_found = "ResourceNotFoundException";
    let listed = client.list_tags_of_resource().resource_arn(arn("orders")).send().await;
    refused(listed, not_found, "ResourceArn: arn:aws:dynamodb");
    let wanted = TimeToLiveSpecification::builder().attribute_name("ttl").enabled(true).build();
    let expiry = client.update_time_to_live().table_name("orders");
    let expiry = expiry.time_to_live_specification(wanted.unwrap()).send().await;
    refused(expiry, not_found, "Table: orders not found");
    let described = client.describe_time_to_live().table_name("orders").send().await;
    refused(
        described,
        "ValidationException",
        "Cannot describe time to live while table is in CREATING",
    );
    let backups = client.describe_continuous_backups().table_name("orders").send().await;
    refused(backups, "TableNotFoundException", "Table not found: orders");
    let policy = client.get_resource_policy().resource_arn(arn("orders")).send().await;
    refused(policy, not_found, "Table: orders not found");
    let insights = client.describe_contributor_insights().table_name("orders").send().await;
    refused(insights, not_found, "Table: orders not found");
    let kinesis = client.describe_kinesis_streaming_destination().table_name("orders").send().await;
    refused(kinesis, not_found, "Table: orders not found");
}

#[tokio::test(start_paused = true)]
async fn a_table_whose_key_is_disabled_loses_its_items_and_then_its_status() {
    let (plane, client) = plane_with("orders").await;
    let key = plane.add_key("orders", KeyState::Enabled);
    let encryption = aws_sdk_dynamodb::types::SseSpecification::builder()
        .enabled(true)
        .sse_type(aws_sdk_dynamodb::types::SseType::Kms)
        .kms_master_key_id(&key)
        .build();
    update(&client).sse_specification(encryption).send().await.unwrap();
    settle().await;
    plane.set_key(&key, KeyState::Disabled);
    let scan = || client.scan().table_name("orders").send();
    scan().await.unwrap();
    plane.advance(Duration::from_mins(10));
    refused(scan().await, "ValidationException", "is disabled");
    assert_eq!(describe(&client, "orders").await.table_status, Some(TableStatus::Active));
    plane.advance(Duration::from_mins(40));
    let described = describe(&client, "orders").await;
    assert_eq!(described.table_status, Some(TableStatus::InaccessibleEncryptionCredentials));
    assert!(described.sse_description.unwrap().inaccessible_encryption_date_time.is_some());
    // What needs no key is made all the same.
    update(&client).deletion_protection_enabled(true).send().await.unwrap();
    let backup = client.create_backup().table_name("orders").backup_name("late").send().await;
    refused(backup, "ValidationException", "is disabled");
    plane.set_key(&key, KeyState::Enabled);
    scan().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn recovery_can_be_had_some_seconds_after_a_table_was_made() {
    let plane = ControlPlane::new();
    let client = plane.client();
    create(&client, "orders").await;
    let set = |on: bool, days: Option<i32>| {
        let wanted = PointInTimeRecoverySpecification::builder()
            .point_in_time_recovery_enabled(on)
            .set_recovery_period_in_days(days)
            .build()
            .unwrap();
        let request = client.update_continuous_backups().table_name("orders");
        request.point_in_time_recovery_specification(wanted).send()
    };
    let shown = || async {
        let request = client.describe_continuous_backups().table_name("orders").send().await;
        let described = request.unwrap().continuous_backups_description.unwrap();
        described.point_in_time_recovery_description.unwrap()
    };
    refused(set(true, None).await, "TableNotFoundException", "Table not found: orders");
    sleep(7).await;
    let early = set(true, None).await;
    refused(early, "ContinuousBackupsUnavailableException", "Backups are being enabled");
    sleep(3).await;
    refused(set(true, Some(36)).await, "ValidationException", "recoveryPeriodInDays");
    refused(
        set(false, Some(7)).await,
        "ValidationException",
        "RecoveryPeriodInDays can only be set",
    );
    set(true, Some(7)).await.unwrap();
    let first = shown().await;
    assert_eq!(first.recovery_period_in_days, Some(7));
    plane.advance(Duration::from_hours(1));
    set(true, Some(14)).await.unwrap();
    let longer = shown().await;
    assert_eq!(longer.earliest_restorable_date_time, first.earliest_restorable_date_time);
    // What is turned off loses its history and its period.
    set(false, None).await.unwrap();
    set(true, None).await.unwrap();
    let again = shown().await;
    assert_eq!(again.recovery_period_in_days, Some(35));
    assert_ne!(again.earliest_restorable_date_time, first.earliest_restorable_date_time);
}

#[tokio::test(start_paused = true)]
async fn a_backup_has_the_data_of_its_moment_and_outlives_the_table() {
    let (_plane, client) = plane_with("orders").await;
    let put = |pk: &str| client.put_item().table_name("orders").item("pk", text(pk)).send();
    put("before").await.unwrap();
    let backup = client.create_backup().table_name("orders").backup_name("snapshot").send().await;
    let details = backup.unwrap().backup_details.unwrap();
    assert_eq!(details.backup_status, BackupStatus::Creating);
    put("after").await.unwrap();
    sleep(1).await;
    client.delete_table().table_name("orders").send().await.unwrap();
    settle().await;
    let described = client.describe_backup().backup_arn(&details.backup_arn).send().await.unwrap();
    let described = described.backup_description.unwrap().backup_details.unwrap();
    assert_eq!(described.backup_status, BackupStatus::Available);
    let listed = client.list_backups().table_name("orders").send().await.unwrap();
    assert_eq!(listed.backup_summaries().len(), 1);

    let restore = |name: &str| {
        let request = client.restore_table_from_backup().backup_arn(&details.backup_arn);
        request.target_table_name(name).send()
    };
    restore("copy").await.unwrap();
    let delete = || client.delete_backup().backup_arn(&details.backup_arn).send();
    refused(restore("other").await, "BackupInUseException", "");
    refused(delete().await, "BackupInUseException", "");
    refused(restore("copy").await, "TableAlreadyExistsException", "copy");
    settle().await;
    let items = client.scan().table_name("copy").send().await.unwrap();
    assert_eq!(items.items(), [item([("pk", text("before"))])]);
    delete().await.unwrap();
    refused(restore("late").await, "BackupNotFoundException", "");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_table_with_recovery_leaves_a_backup_that_stays() {
    let (_plane, client) = plane_with("orders").await;
    let wanted = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
    let request = client.update_continuous_backups().table_name("orders");
    request.point_in_time_recovery_specification(wanted.build().unwrap()).send().await.unwrap();
    client.delete_table().table_name("orders").send().await.unwrap();
    settle().await;
    let of_users = client.list_backups().send().await.unwrap();
    assert_eq!(of_users.backup_summaries().len(), 0);
    let all = client.list_backups().backup_type("ALL".into()).send().await.unwrap();
    let backup = &all.backup_summaries()[0];
    assert_eq!(backup.backup_name.as_deref(), Some("orders$DeletedTableBackup"));
    let arn = backup.backup_arn.clone().unwrap();
    let deleted = client.delete_backup().backup_arn(arn).send().await;
    refused(deleted, "ValidationException", "not allowed to delete the system backup");
}

#[tokio::test(start_paused = true)]
async fn an_index_is_read_by_no_means_before_it_is_filled() {
    let (_plane, client) = plane_with("orders").await;
    let request = update(&client).attribute_definitions(attribute("a"));
    request.global_secondary_index_updates(new_index("by_a", "a")).send().await.unwrap();
    for wait in [1, 60] {
        sleep(wait).await;
        let filling = "Cannot read from backfilling global secondary index: by_a";
        let scan = client.scan().table_name("orders").index_name("by_a").send().await;
        refused(scan, "ValidationException", filling);
        let select = client.execute_statement().statement(r#"SELECT * FROM "orders"."by_a""#);
        refused(select.send().await, "ValidationException", filling);
    }
    settle().await;
    client.scan().table_name("orders").index_name("by_a").send().await.unwrap();
    update(&client).global_secondary_index_updates(no_index("by_a")).send().await.unwrap();
    let scan = client.scan().table_name("orders").index_name("by_a").send().await;
    refused(scan, "ValidationException", "index");
}

#[tokio::test(start_paused = true)]
async fn insights_are_per_table_and_per_index() {
    let (_plane, client) = plane_with("orders").await;
    let set = |index: Option<&str>, action: ContributorInsightsAction| {
        let request = client.update_contributor_insights().table_name("orders");
        let request = request.set_index_name(index.map(str::to_owned));
        request.contributor_insights_action(action)
    };
    let status = |index: Option<&'static str>| {
        let request = client.describe_contributor_insights().table_name("orders");
        let request = request.set_index_name(index.map(str::to_owned)).send();
        async { request.await.unwrap().contributor_insights_status.unwrap() }
    };
    let (enable, disable) = (ContributorInsightsAction::Enable, ContributorInsightsAction::Disable);
    assert_eq!(status(None).await, ContributorInsightsStatus::Disabled);
    set(None, enable.clone()).send().await.unwrap();
    assert_eq!(status(None).await, ContributorInsightsStatus::Enabling);
    sleep(3).await;
    assert_eq!(status(None).await, ContributorInsightsStatus::Enabled);

    let request = update(&client).attribute_definitions(attribute("a"));
    request.global_secondary_index_updates(new_index("by_a", "a")).send().await.unwrap();
    let early = set(Some("by_a"), enable.clone()).send().await;
    refused(early, "ResourceNotFoundException", "Index: by_a not found for table: orders");
    sleep(60).await;
    let early = set(Some("by_a"), enable.clone()).send().await;
    refused(early, "ValidationException", "IndexStatus must be ACTIVE");
    settle().await;
    let throttled = ContributorInsightsMode::ThrottledKeys;
    let request = set(Some("by_a"), enable.clone()).contributor_insights_mode(throttled.clone());
    request.send().await.unwrap();
    sleep(3).await;
    let listed = client.list_contributor_insights().table_name("orders").send().await.unwrap();
    let modes = listed.contributor_insights_summaries().iter();
    let modes: Vec<_> = modes.map(|summary| summary.contributor_insights_mode.clone()).collect();
    assert_eq!(modes, [Some(ContributorInsightsMode::AccessedAndThrottledKeys), Some(throttled)]);
    // Without a mode it is the default one again.
    let again = set(Some("by_a"), enable).send().await.unwrap();
    assert_eq!(again.contributor_insights_status, Some(ContributorInsightsStatus::Enabling));
    set(None, disable).send().await.unwrap();
    sleep(3).await;
    assert_eq!(status(None).await, ContributorInsightsStatus::Disabled);
}

#[tokio::test(start_paused = true)]
async fn insights_fail_where_the_account_has_no_rules_left() {
    let quotas = tablewright::testing::Quotas { insights_rules: 2, ..Default::default() };
    let plane = ControlPlane::builder().quotas(quotas).build();
    let client = plane.client();
    for name in ["one", "two"] {
        create(&client, name).await;
    }
    settle().await;
    let enable = |name: &str| {
        let request = client.update_contributor_insights().table_name(name);
        request.contributor_insights_action(ContributorInsightsAction::Enable).send()
    };
    let status = |name: &str| {
        let request = client.describe_contributor_insights().table_name(name).send();
        async { request.await.unwrap().contributor_insights_status.unwrap() }
    };
    enable("one").await.unwrap();
    let second = enable("two").await.unwrap();
    assert_eq!(second.contributor_insights_status, Some(ContributorInsightsStatus::Enabling));
    sleep(3).await;
    assert_eq!(status("one").await, ContributorInsightsStatus::Enabled);
    assert_eq!(status("two").await, ContributorInsightsStatus::Failed);
}

fn policy(actions: &Value) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": { "AWS": ["111122223333"] },
            "Action": actions,
            "Resource": [arn("orders")],
        },
    })
    .to_string()
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_read_late_in_other_words_and_written_every_fifteen_seconds() {
    let (plane, _) = plane_with("orders").await;
    let client = once(&plane);
    let put =
        |policy: String| client.put_resource_policy().resource_arn(arn("orders")).policy(policy);
    let get = || client.get_resource_policy().resource_arn(arn("orders")).send();
    let first = put(policy(&json!(["dynamodb:GetItem"]))).send().await.unwrap();
    refused(get().await, "PolicyNotFoundException", "Resource-based policy not found");
    // In other words the same is no change.
    let same = put(policy(&json!("dynamodb:GetItem"))).send().await.unwrap();
    assert_eq!(first.revision_id, same.revision_id);
    let other = || put(policy(&json!(["dynamodb:GetItem", "dynamodb:PutItem"])));
    refused(
        other().send().await,
        "ResourceInUseException",
        "pending previous resource-based policy",
    );
    let deleted = client.delete_table().table_name("orders").send().await;
    refused(deleted, "ResourceInUseException", "has a pending resource-based policy update");
    sleep(5).await;
    let soon = "modified within the previous 15000 milliseconds. Please try again after";
    refused(other().send().await, "ThrottlingException", soon);
    let read = get().await.unwrap();
    assert_eq!(read.revision_id, first.revision_id);
    let read: Value = serde_json::from_str(&read.policy.unwrap()).unwrap();
    let statement = &read["Statement"][0];
    assert_eq!(statement["Action"], "dynamodb:GetItem");
    assert_eq!(statement["Principal"]["AWS"], "arn:aws:iam::111122223333:root");
    sleep(15).await;
    let wrong = other().expected_revision_id("1").send().await;
    refused(wrong, "PolicyNotFoundException", "did not match");
    other().expected_revision_id(first.revision_id.unwrap()).send().await.unwrap();
    sleep(20).await;
    client.delete_resource_policy().resource_arn(arn("orders")).send().await.unwrap();
    // For a moment it seems to be there still.
    get().await.unwrap();
    sleep(3).await;
    refused(get().await, "PolicyNotFoundException", "Resource-based policy not found");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_cannot_be_is_refused() {
    let (_plane, client) = plane_with("orders").await;
    let put =
        |policy: &str| client.put_resource_policy().resource_arn(arn("orders")).policy(policy);
    for (document, message) in [
        ("{", "This policy contains invalid Json"),
        ("{}", "Statement is empty"),
        (r#"{"Statement":[{"Action":"*"}]}"#, "Missing required field Effect"),
    ] {
        refused(put(document).send().await, "ValidationException", message);
    }
    let deny = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "dynamodb:*", "Resource": "*",
    }]});
    let locked = put(&deny.to_string()).send().await;
    refused(locked, "AccessDeniedException", "will not allow you to update the resource policy");
    put(&deny.to_string()).confirm_remove_self_resource_access(true).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_kinesis_stream_at_a_time_and_a_wrong_one_fails_later() {
    let (_plane, client) = plane_with("orders").await;
    let stream = |name: &str| format!("arn:aws:kinesis:eu-west-1:111122223333:stream/{name}");
    let enable = |arn: String| {
        client.enable_kinesis_streaming_destination().table_name("orders").stream_arn(arn).send()
    };
    let shown = || async {
        let request = client.describe_kinesis_streaming_destination().table_name("orders");
        let listed = request.send().await.unwrap().kinesis_data_stream_destinations.unwrap();
        listed.into_iter().map(|to| to.destination_status.unwrap()).collect::<Vec<_>>()
    };
    enable("arn:aws:kinesis:us-east-1:111122223333:stream/far".to_owned()).await.unwrap();
    assert_eq!(shown().await, [DestinationStatus::Enabling]);
    sleep(7).await;
    assert_eq!(shown().await, [DestinationStatus::EnableFailed]);
    enable(stream("one")).await.unwrap();
    let busy = "EnableKinesisStreamingDestination must be DISABLED or ENABLE_FAILED";
    refused(enable(stream("two")).await, "ValidationException", busy);
    let disable = |arn: String| {
        client.disable_kinesis_streaming_destination().table_name("orders").stream_arn(arn).send()
    };
    let inactive = "must be ACTIVE to perform DISABLE operation";
    refused(disable(stream("one")).await, "ValidationException", inactive);
    sleep(7).await;
    refused(enable(stream("one")).await, "ValidationException", busy);
    refused(disable(stream("two")).await, "ValidationException", inactive);
    let precise = |precision| {
        let configuration = aws_sdk_dynamodb::types::UpdateKinesisStreamingConfiguration::builder()
            .approximate_creation_date_time_precision(precision)
            .build();
        let request = client.update_kinesis_streaming_destination().table_name("orders");
        let request = request.stream_arn(stream("one"));
        request.update_kinesis_streaming_configuration(configuration).send()
    };
    refused(
        precise(Precision::Millisecond).await,
        "ValidationException",
        "Precision is already set",
    );
    precise(Precision::Microsecond).await.unwrap();
    sleep(60).await;
    assert_eq!(shown().await[1], DestinationStatus::Updating);
    sleep(90).await;
    disable(stream("one")).await.unwrap();
    sleep(3).await;
    assert_eq!(shown().await, [DestinationStatus::EnableFailed, DestinationStatus::Disabled]);
}
