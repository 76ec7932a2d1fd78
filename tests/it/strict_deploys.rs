//! Deploys on the strict control plane, where everything takes its time and is done one at a time.

use serde_json::{Value, json};
use tablewright::testing::{ControlPlane, Stack};

use crate::support::{properties, table, with, with_index};

fn indexed(names: &[&str]) -> Value {
    names.iter().fold(table("orders"), |table, name| with_index(table, &format!("by_{name}"), name))
}

#[tokio::test(start_paused = true)]
async fn a_deploy_waits_for_everything_that_takes_time() {
    let plane = ControlPlane::new();
    let mut stack = Stack::new(&plane);
    let ttl = json!({ "AttributeName": "ttl", "Enabled": true });
    let pitr = json!({ "PointInTimeRecoveryEnabled": true });
    let orders = with(indexed(&["a"]), "TimeToLiveSpecification", ttl);
    let orders = with(orders, "PointInTimeRecoverySpecification", pitr);
    stack.deploy(&properties(&[orders])).await.expect_success();
    for call in plane.calls() {
        println!("{call:?}");
    }
    plane.reset_calls();
    stack.deploy(&properties(&[indexed(&["b", "c", "d"])])).await.expect_success();
    for call in plane.calls() {
        println!("{call:?}");
    }
}
