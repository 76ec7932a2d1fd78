//! How the changes of a migration are carried out, as its file says it.

use super::document::{How, Pace};
use super::expression::Expression;
use super::faults::Faults;
use super::reader::{Fields, text, whole, word};
use super::syntax::condition;
use super::yaml::{Kind, Node};
use crate::migration::{Cap, Guard, Sample};

/// The fields of it, which statements have not.
pub(super) const FIELDS: [&str; 6] =
    ["guard", "max_failed_items", "at_most", "segments", "concurrency", "verify"];

/// Reads the fields of a migration that say how.
pub(super) fn read(fields: &mut Fields, faults: &Faults) -> How {
    const MILLION: u64 = 1_000_000;
    let guards = [("stamp", Guard::Stamp), ("journal", Guard::Journal)];
    let guard = fields.take("guard").and_then(|node| word(node, "guard", &guards, faults));
    let max_failed_items = fields
        .take("max_failed_items")
        .and_then(|node| whole(node, "max_failed_items", (0, u64::MAX), faults));
    let pace = Pace {
        at_most: fields.take("at_most").and_then(|node| cap(node, faults)),
        segments: fields
            .take("segments")
            .and_then(|node| whole(node, "segments", (1, MILLION), faults)),
        concurrency: fields
            .take("concurrency")
            .and_then(|node| whole(node, "concurrency", (1, 1000), faults)),
    };
    let verify = fields.take("verify").and_then(|node| verify(node, faults));
    if let (Some(Guard::Journal), Some(at)) = (guard, fields.key("down")) {
        faults.add(
            at,
            "down stands beside guard: journal",
            "leave one of them out: the journal brings back what was, without a down",
        );
    }
    How { guard, max_failed_items: max_failed_items.unwrap_or(0), verify, pace }
}

/// `50%`, or capacity units.
fn cap(node: &Node, faults: &Faults) -> Option<Cap> {
    if let Kind::Number(_) = node.kind {
        return whole(node, "at_most", (1, u64::from(u32::MAX)), faults).map(Cap::Units);
    }
    let text = text(node, "at_most", faults)?;
    let part = text.value.strip_suffix('%').and_then(|part| part.trim().parse().ok());
    let part = part.filter(|part| (1..=100).contains(part)).map(Cap::PerCent);
    if part.is_none() {
        faults.add(
            node.at,
            format!("at_most is {}", text.value),
            "write a part of what the table can serve, 50%, or capacity units a second, 200",
        );
    }
    part
}

fn verify(node: &Node, faults: &Faults) -> Option<(Sample, Expression)> {
    let Kind::Map(_) = node.kind else {
        return condition(node, "verify", faults).map(|that| (Sample::All, that));
    };
    let mut fields = Fields::of(node, "verify", faults)?;
    let that = fields.take("that").map(|node| condition(node, "that", faults));
    let sample = fields
        .take("sample")
        .and_then(|node| whole(node, "sample", (1, u64::from(u32::MAX)), faults));
    let at = fields.at;
    fields.finish();
    if that.is_none() {
        faults.add(
            at,
            "verify says nothing",
            "write verify: \"has(item.label)\", or { that: \"…\", sample: 1000 }",
        );
    }
    Some((sample.map_or(Sample::All, Sample::Items), that??))
}
