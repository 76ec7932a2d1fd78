//! Billing mode and figures of a table or an index.

use super::reader::{Node, Object};
use crate::schema::{Capacity, Limits, Throughput, Warm};

/// `BillingMode`; that of the table is that of its indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Billing {
    OnDemand,
    Provisioned,
}

/// Reads `BillingMode`, which when absent follows from whether throughput is given.
pub(super) fn billing(fields: &Object<'_>) -> Option<Billing> {
    match fields.get("BillingMode") {
        Some(node) => node.one_of(&[
            ("PAY_PER_REQUEST", Billing::OnDemand),
            ("PROVISIONED", Billing::Provisioned),
        ]),
        None if fields.get("ProvisionedThroughput").is_some() => Some(Billing::Provisioned),
        None => Some(Billing::OnDemand),
    }
}

/// Reads the figures of a table or of an index.
pub(super) fn capacity(fields: &Object<'_>, billing: Billing) -> Option<Capacity> {
    match billing {
        Billing::OnDemand => {
            if let Some(node) = fields.get("ProvisionedThroughput") {
                node.problem("cannot be given while the table is PAY_PER_REQUEST");
            }
            limits(fields).map(Capacity::OnDemand)
        }
        Billing::Provisioned => {
            if let Some(node) = fields.get("OnDemandThroughput") {
                node.problem("cannot be given while the table is PROVISIONED");
            }
            fields
                .required("ProvisionedThroughput")
                .and_then(|node| throughput(&node))
                .map(Capacity::Provisioned)
        }
    }
}

fn throughput(node: &Node<'_>) -> Option<Throughput> {
    let fields = node.object(&["ReadCapacityUnits", "WriteCapacityUnits"])?;
    let read = fields.required("ReadCapacityUnits").and_then(|node| node.at_least(1));
    let write = fields.required("WriteCapacityUnits").and_then(|node| node.at_least(1));
    Some(Throughput { read: read?, write: write? })
}

fn limits(fields: &Object<'_>) -> Option<Limits> {
    let Some(node) = fields.get("OnDemandThroughput") else {
        return Some(Limits::default());
    };
    let fields = node.object(&["MaxReadRequestUnits", "MaxWriteRequestUnits"])?;
    let figure = |name: &str| {
        let node = fields.get(name)?;
        // DynamoDB spells "no limit" as -1.
        if node.integer()? == -1 { None } else { node.at_least(1) }
    };
    Some(Limits { read: figure("MaxReadRequestUnits"), write: figure("MaxWriteRequestUnits") })
}

/// Reads `WarmThroughput`.
pub(super) fn warm(fields: &Object<'_>) -> Option<Warm> {
    let node = fields.get("WarmThroughput")?;
    let fields = node.object(&["ReadUnitsPerSecond", "WriteUnitsPerSecond"])?;
    let figure = |name: &str| fields.get(name).and_then(|node| node.at_least(1));
    let warm = Warm { read: figure("ReadUnitsPerSecond"), write: figure("WriteUnitsPerSecond") };
    if warm == Warm::default() {
        node.problem("expected ReadUnitsPerSecond, WriteUnitsPerSecond, or both");
        return None;
    }
    Some(warm)
}
