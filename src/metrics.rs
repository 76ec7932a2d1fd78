//! Metrics of a backfill for CloudWatch, in its embedded metric format: a line of JSON on standard output, and no request.

use std::io::Write;

use serde_json::{Value, json};

use crate::backfill::Counts;
use crate::clock;

/// Namespace of the metrics.
const NAMESPACE: &str = "tablewright";

/// Writes the metrics of a backfill.
pub(crate) fn emit(migration: &str, table: &str, counts: &Counts, per_cent: u32) {
    write(&line(migration, table, counts, per_cent, clock::now_ms()));
}

/// Writes how a run in the background has ended: nobody else is told.
pub(crate) fn detached_ended(scope: &str, is_done: bool) {
    let name = if is_done { "DetachedRunsDone" } else { "DetachedRunsFailed" };
    let mut line = head(clock::now_ms(), &["Scope"], &json!([{ "Name": name, "Unit": "Count" }]));
    line["Scope"] = json!(scope);
    line[name] = json!(1);
    write(&line);
}

/// In Lambda only: elsewhere nobody reads them.
fn write(line: &Value) {
    if std::env::var_os("AWS_LAMBDA_FUNCTION_NAME").is_none() {
        return;
    }
    // One write, for other lines come from other threads. That nobody listens is no failure of the work.
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}

/// What each line says of itself (AWS documentation, "Specification: Embedded metric format").
fn head(now_ms: u64, dimensions: &[&str], metrics: &Value) -> Value {
    json!({
        "_aws": {
            "Timestamp": now_ms,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [dimensions],
                "Metrics": metrics,
            }],
        },
    })
}

fn line(migration: &str, table: &str, counts: &Counts, per_cent: u32, now_ms: u64) -> Value {
    let Counts { read, changed, skipped, failed, contended, throttled, read_units, write_units } =
        *counts;
    let figures = [
        ("ItemsRead", read, "Count"),
        ("ItemsChanged", changed, "Count"),
        ("ItemsSkipped", skipped, "Count"),
        ("ItemsFailed", failed, "Count"),
        ("ItemsContended", contended, "Count"),
        ("RequestsThrottled", throttled, "Count"),
        ("ReadUnits", read_units, "Count"),
        ("WriteUnits", write_units, "Count"),
        ("PercentDone", u64::from(per_cent), "Percent"),
    ];
    let metrics = figures.map(|(name, _, unit)| json!({ "Name": name, "Unit": unit }));
    let mut line = head(now_ms, &["Migration", "Table"], &json!(metrics));
    line["Migration"] = json!(migration);
    line["Table"] = json!(table);
    for (name, value, _) in figures {
        line[name] = json!(value);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_and_dimension_that_is_named_has_a_value() {
        let counts = Counts { read: 10, changed: 7, ..Counts::default() };
        let line = line("0001_a", "orders", &counts, 62, 1_700_000_000_000);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_u64(), "{metric}");
        }
        for dimension in directive["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
        assert_eq!((&line["ItemsRead"], &line["PercentDone"]), (&json!(10), &json!(62)));
        assert_eq!(line["_aws"]["Timestamp"], json!(1_700_000_000_000_u64));
    }
}
