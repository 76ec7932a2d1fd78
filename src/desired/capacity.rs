//! Billing mode and figures of a table or an index.

use super::reader::{Node, Object};
use crate::schema::{
    AutoScaling, Capacity, Limits, Range, Scaling, Throughput, Tracking, Utilisation, Warm,
};

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

/// Reads `AutoScaling`, a property of ours: in a template it is a resource of its own.
pub(super) fn scaling(fields: &Object<'_>, billing: Billing) -> AutoScaling {
    let Some(node) = fields.get("AutoScaling") else { return AutoScaling::default() };
    if billing == Billing::OnDemand {
        node.problem("cannot be given while the table is PAY_PER_REQUEST");
    }
    let Some(fields) = node.object(&["Read", "Write"]) else { return AutoScaling::default() };
    let dimension =
        |name: &str| fields.get(name).and_then(|node| range(&node)).map(Scaling::Between);
    AutoScaling { read: dimension("Read"), write: dimension("Write") }
}

fn range(node: &Node<'_>) -> Option<Range> {
    let fields = node.object(&[
        "MinCapacity",
        "MaxCapacity",
        "TargetValue",
        "ScaleInCooldown",
        "ScaleOutCooldown",
        "DisableScaleIn",
    ])?;
    let figure =
        |node: Node<'_>, least| Some(u32::try_from(node.at_least(least)?).unwrap_or(u32::MAX));
    let min = fields.required("MinCapacity").and_then(|node| figure(node, 1));
    let max = fields.required("MaxCapacity").and_then(|node| figure(node, 1));
    let target = fields.required("TargetValue").and_then(|node| utilisation(&node));
    let cooldown = |name: &str| fields.get(name).and_then(|node| figure(node, 0));
    let only_out = fields.get("DisableScaleIn").map_or(Some(false), |node| node.boolean());
    let range = Range {
        min: min?,
        max: max?,
        tracking: Some(Tracking {
            policy: None,
            target: target?,
            scale_in_cooldown: cooldown("ScaleInCooldown"),
            scale_out_cooldown: cooldown("ScaleOutCooldown"),
            only_out: only_out?,
        }),
    };
    if range.min > range.max {
        fields.problem(
            "MaxCapacity",
            format!("is {} and below MinCapacity, {}", range.max, range.min),
        );
    }
    Some(range)
}

/// Per cent with up to two decimals, within what DynamoDB allows ("Managing throughput capacity automatically with
/// DynamoDB auto scaling").
fn utilisation(node: &Node<'_>) -> Option<Utilisation> {
    let percent = node.decimal()?;
    let hundredths = (percent * 100.0).round();
    if !(20.0..=90.0).contains(&percent) || (percent * 100.0 - hundredths).abs() > 1e-6 {
        node.problem(format!(
            "expected 20 to 90 per cent with up to two decimals, found {percent}"
        ));
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is 2000 to 9000"
    )]
    Some(Utilisation(hundredths as u32))
}
