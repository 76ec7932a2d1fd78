//! Features of tables on the strict control plane: each is turned on, changed and left out as AWS allows it.

use std::time::Duration;

use serde_json::{Value, json};
use tablewright::handler::Handler;
use tablewright::testing::{ControlPlane, KeyState, Server};

use crate::engine::Engine;
use crate::support::{self, Stack, properties, table, with, with_index};

/// How much faster than ours the plane's clock goes.
const SPEED: f64 = 2_000.0;

/// A stack of one table on a strict plane.
struct Strict {
    plane: ControlPlane,
    stack: Stack,
    function: Handler,
    _server: Server,
}

impl Strict {
    async fn start() -> Self {
        let plane = ControlPlane::builder().speed(SPEED).build();
        let server = plane.serve().await.unwrap();
        let stack = Stack::on(Engine::at(server.endpoint()), support::receiver().await);
        let function = stack.function(vec![]);
        Self { plane, stack, function, _server: server }
    }

    /// Deploys one declaration over another; then the same again, which must find nothing to do.
    async fn deploy(&self, old: Option<&Value>, new: &Value) {
        let new = properties(std::slice::from_ref(new));
        match old {
            None => self.stack.create(&self.function, &new).await.expect_success(),
            Some(old) => {
                let old = properties(std::slice::from_ref(old));
                self.stack.update(&self.function, &new, &old).await.expect_success()
            }
        };
        self.plane.reset_calls();
        let again = self.stack.update(&self.function, &new, &new).await.expect_success();
        assert_eq!(again.reason(), "");
        let changes = self.changes();
        assert!(changes.is_empty(), "{changes:?}");
    }

    /// The calls that change something, since the last look.
    fn changes(&self) -> Vec<String> {
        let calls = self.plane.calls().into_iter().map(|call| call.operation);
        let reads = ["Describe", "List", "Get", "Query", "TransactWriteItems", "UpdateItem"];
        calls.filter(|call| !reads.iter().any(|read| call.starts_with(read))).collect()
    }
}

#[tokio::test]
async fn all_features_of_a_new_table_come_in_one_deploy_and_all_changes_of_it_in_another() {
    let strict = Strict::start().await;
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
    strict.deploy(None, &full(true, 13_000)).await;
    let described = strict.stack.describe("orders").await;
    assert_eq!(described.warm_throughput.unwrap().read_units_per_second, Some(13_000));
    let index = &described.global_secondary_indexes.unwrap()[0];
    assert_eq!(index.warm_throughput.as_ref().unwrap().write_units_per_second, Some(13_000));
    let key = described.sse_description.unwrap().kms_master_key_arn.unwrap();
    assert!(key.contains(":key/"), "{key}");
    // Expiry changes about once an hour.
    strict.plane.advance(Duration::from_hours(2));
    strict.deploy(Some(&full(true, 13_000)), &full(false, 14_000)).await;
    let described = strict.stack.describe("orders").await;
    assert_eq!(described.warm_throughput.unwrap().read_units_per_second, Some(14_000));
    assert_eq!(described.deletion_protection_enabled, Some(true));
}

#[tokio::test]
async fn what_cannot_be_turned_off_now_is_turned_off_later_and_is_nobodys_drift() {
    let strict = Strict::start().await;
    let expiring = |on: bool| {
        let ttl = json!({ "AttributeName": "expires", "Enabled": on });
        with(table("orders"), "TimeToLiveSpecification", ttl)
    };
    strict.deploy(None, &expiring(true)).await;
    let (old, new) = (properties(&[expiring(true)]), properties(&[expiring(false)]));
    let blocked = "not everything was removed, the next deploy tries again: UpdateTimeToLive on orders is blocked";
    for old in [&old, &new] {
        let answer = strict.stack.update(&strict.function, &new, old).await.expect_success();
        assert!(answer.reason().starts_with(blocked), "{}", answer.reason());
    }
    strict.plane.advance(Duration::from_hours(2));
    let answer = strict.stack.update(&strict.function, &new, &new).await.expect_success();
    assert!(!answer.reason().contains("drift"), "{}", answer.reason());
    assert_eq!(strict.stack.time_to_live("orders").await, None);
}

#[tokio::test]
async fn a_key_by_alias_is_sent_once_and_not_again() {
    let strict = Strict::start().await;
    let _arn = strict.plane.add_key("orders", KeyState::Enabled);
    let by_alias = json!({ "SSEEnabled": true, "KMSMasterKeyId": "alias/orders" });
    strict.deploy(None, &table("orders")).await;
    let encrypted = with(table("orders"), "SSESpecification", by_alias);
    strict.deploy(Some(&table("orders")), &encrypted).await;
}

#[tokio::test]
async fn a_key_that_cannot_encrypt_is_refused_before_anything_is_made() {
    let strict = Strict::start().await;
    let _arn = strict.plane.add_key("asymmetric", KeyState::Asymmetric);
    for (key, why) in
        [("alias/asymmetric", "not SYMMETRIC_DEFAULT"), ("alias/nobody", "KMS knows no such key")]
    {
        let encryption = json!({ "SSEEnabled": true, "KMSMasterKeyId": key });
        let declared = properties(&[with(table("orders"), "SSESpecification", encryption)]);
        let refused = strict.stack.create(&strict.function, &declared).await;
        refused.expect_failure(&["refused before anything was changed", key, why]);
        assert_eq!(strict.stack.tables().await, ["tablewright-ledger"]);
    }
}
