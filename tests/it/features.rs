//! Features of tables on the strict control plane: each is turned on, changed and left out as AWS allows it.

use std::time::Duration;

use aws_sdk_dynamodb::types::TableDescription;
use serde_json::{Value, json};
use tablewright::testing::{ControlPlane, KeyState, Outcome, Stack};

use crate::support::{properties, table, with, with_index};

/// A stack of one table on a strict plane.
struct Strict {
    plane: ControlPlane,
    stack: Stack,
}

impl Strict {
    fn new() -> Self {
        let plane = ControlPlane::new();
        Self { stack: Stack::new(&plane), plane }
    }

    /// Deploys a table, then the same again under another hash: that must find nothing to do, and nothing to say.
    async fn deploy(&mut self, table: &Value) {
        let declared = properties(std::slice::from_ref(table));
        self.stack.deploy(&declared).await.expect_success();
        self.plane.reset_calls();
        let again = with(declared, "Migrations", json!({ "Hash": "again" }));
        let again = self.stack.deploy(&again).await;
        again.expect_success();
        assert_eq!(again.answer.reason(), "");
        assert_eq!(self.changes(), [""; 0]);
    }

    /// The calls that changed a table, since the last look.
    fn changes(&self) -> Vec<String> {
        let calls = self.plane.calls().into_iter();
        let of_tables = calls.filter(|call| {
            let is_read = ["Describe", "List", "Get"].iter().any(|r| call.operation.starts_with(r));
            let is_ledger = call.table.as_deref().is_none_or(|name| name == "tablewright-ledger");
            !is_read && !is_ledger && call.outcome == Outcome::Ok
        });
        of_tables.map(|call| call.operation).collect()
    }

    async fn describe(&self) -> TableDescription {
        let described = self.plane.client().describe_table().table_name("orders").send().await;
        described.unwrap().table.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn all_features_of_a_new_table_come_in_one_deploy_and_all_changes_of_it_in_another() {
    let mut strict = Strict::new();
    let _arn = strict.plane.add_key("orders", KeyState::Enabled);
    let by_alias = json!({ "SSEEnabled": true, "KMSMasterKeyId": "alias/orders" });
    let encryption = |on: bool| if on { by_alias.clone() } else { json!({ "SSEEnabled": false }) };
    let warm = |n: u64| json!({ "ReadUnitsPerSecond": n, "WriteUnitsPerSecond": n });
    let full = |on: bool, units: u64| {
        let mut orders = with_index(table("orders"), "by_a", "a");
        orders["WarmThroughput"] = warm(units);
        orders["GlobalSecondaryIndexes"][0]["WarmThroughput"] = warm(units);
        orders["SSESpecification"] = encryption(on);
        let class = if on { "STANDARD" } else { "STANDARD_INFREQUENT_ACCESS" };
        orders["TableClass"] = json!(class);
        orders["PointInTimeRecoverySpecification"] = json!({ "PointInTimeRecoveryEnabled": on });
        orders["TimeToLiveSpecification"] = json!({ "AttributeName": "expires", "Enabled": on });
        with(orders, "DeletionProtectionEnabled", json!(!on))
    };
    strict.deploy(&full(true, 13_000)).await;
    let described = strict.describe().await;
    assert_eq!(described.warm_throughput.unwrap().read_units_per_second, Some(13_000));
    let index = &described.global_secondary_indexes.unwrap()[0];
    assert_eq!(index.warm_throughput.as_ref().unwrap().write_units_per_second, Some(13_000));
    let key = described.sse_description.unwrap().kms_master_key_arn.unwrap();
    assert!(key.contains(":key/"), "{key}");
    // Expiry changes about once an hour.
    tokio::time::sleep(Duration::from_hours(2)).await;
    strict.deploy(&full(false, 14_000)).await;
    let described = strict.describe().await;
    assert_eq!(described.warm_throughput.unwrap().read_units_per_second, Some(14_000));
    assert_eq!(described.deletion_protection_enabled, Some(true));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_turned_off_now_is_turned_off_later_and_is_nobodys_drift() {
    let mut strict = Strict::new();
    let expiring = |on: bool| {
        let ttl = json!({ "AttributeName": "expires", "Enabled": on });
        with(table("orders"), "TimeToLiveSpecification", ttl)
    };
    strict.deploy(&expiring(true)).await;
    let blocked = "not everything was removed, the next deploy tries again: UpdateTimeToLive on orders is blocked";
    for hash in ["1", "2"] {
        let declared = properties(&[expiring(false)]);
        let declared = with(declared, "Migrations", json!({ "Hash": hash }));
        let deployed = strict.stack.deploy(&declared).await;
        deployed.expect_success();
        let cleanup = deployed.after.unwrap();
        let said = cleanup.reason();
        assert!(said.starts_with(blocked), "{said}");
    }
    tokio::time::sleep(Duration::from_hours(2)).await;
    strict.deploy(&expiring(false)).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_by_alias_is_sent_once_and_not_again() {
    let mut strict = Strict::new();
    let _arn = strict.plane.add_key("orders", KeyState::Enabled);
    let by_alias = json!({ "SSEEnabled": true, "KMSMasterKeyId": "alias/orders" });
    strict.deploy(&table("orders")).await;
    let encrypted = with(table("orders"), "SSESpecification", by_alias);
    strict.deploy(&encrypted).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_encrypt_is_refused_before_anything_is_made() {
    let mut strict = Strict::new();
    let _arn = strict.plane.add_key("asymmetric", KeyState::Asymmetric);
    for (key, why) in
        [("alias/asymmetric", "not SYMMETRIC_DEFAULT"), ("alias/nobody", "KMS knows no such key")]
    {
        let encryption = json!({ "SSEEnabled": true, "KMSMasterKeyId": key });
        let declared = properties(&[with(table("orders"), "SSESpecification", encryption)]);
        let refused = strict.stack.deploy(&declared).await.answer;
        let said = refused.reason();
        assert!(said.contains("refused before anything was changed"), "{said}");
        assert!(said.contains(key) && said.contains(why), "{said}");
        assert_eq!(strict.changes(), [""; 0]);
    }
}
