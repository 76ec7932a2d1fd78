//! Shows things to a person.

use std::error::Error;
use std::io::IsTerminal;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use crate::cloud::{Cloud, Item};

/// Emphasis, where the output is a terminal.
fn bold(text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

pub(crate) fn title(what: &str, why: &str) {
    println!(
        "\n{} {}",
        bold(&format!("━━ {what}")),
        bold("━".repeat(70 - what.len().min(60)).as_str())
    );
    println!("   {why}");
}

pub(crate) fn note(text: &str) {
    println!("   {text}");
}

/// The plan, the steps and whatever went wrong, from the function's log.
pub(crate) fn log(lines: &[Value]) {
    let message = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
    section("plan");
    for line in lines.iter().map(message).filter_map(|m| Some(m.strip_prefix("plan ")?.to_owned()))
    {
        println!("     {line}");
    }
    section("as it runs");
    for line in lines {
        let text = message(line);
        let time = line["timestamp"].as_str().and_then(|t| t.get(11..23)).unwrap_or_default();
        // Lines without a span are not about the request.
        let is_ours = line["spans"].as_array().is_some_and(|spans| !spans.is_empty());
        if !is_ours || text.starts_with("plan ") || text == "request" || text == "finished" {
            continue;
        }
        let text = text.strip_prefix("step ").unwrap_or(&text);
        println!("     {time} {text}{}", fields(line));
    }
}

/// What a log line says beside its message, without what every line has.
fn fields(line: &Value) -> String {
    let own = ["timestamp", "level", "message", "spans"];
    let Some(fields) = line.as_object() else { return String::new() };
    let fields = fields.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    fields.map(|(name, value)| format!(" {name}={}", plain(value))).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(crate) fn answer(answer: &Value) {
    section("the answer to CloudFormation");
    for (name, value) in answer.as_object().into_iter().flatten() {
        match value.as_object() {
            None => println!("     {name}: {}", plain(value)),
            Some(data) => {
                println!("     {name}:");
                for (name, value) in data {
                    println!("       {name}: {}", plain(value));
                }
            }
        }
    }
}

pub(crate) async fn ledger(cloud: &Cloud) -> Result<(), Box<dyn Error>> {
    section("the ledger");
    let text = |row: &Item, name: &str| match row.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        Some(AttributeValue::N(digits)) => digits.clone(),
        _ => String::new(),
    };
    for row in cloud.items("tablewright-ledger").await? {
        let entry = text(&row, "entry");
        if entry.starts_with("migration#") {
            println!("     {entry:<34} {:<10} {}", text(&row, "state"), text(&row, "error"));
        } else if entry.starts_with("table#") {
            let (origin, removal) = (text(&row, "origin"), text(&row, "removal"));
            let doomed = match text(&row, "doomed") {
                generation if generation.is_empty() => generation,
                generation => format!(", doomed by generation {generation}"),
            };
            println!("     {entry:<34} {origin:<10} removal policy {removal}{doomed}");
        }
    }
    Ok(())
}

pub(crate) async fn tables(cloud: &Cloud) -> Result<(), Box<dyn Error>> {
    section("the tables");
    for name in cloud.client.list_tables().send().await?.table_names() {
        if name == "tablewright-ledger" {
            continue;
        }
        let table = cloud.client.describe_table().table_name(name).send().await?.table;
        let table = table.ok_or("a table without a description")?;
        let indexes: Vec<_> =
            table.global_secondary_indexes().iter().filter_map(|i| i.index_name.clone()).collect();
        let indexes = if indexes.is_empty() { "none".to_owned() } else { indexes.join(", ") };
        println!("     {name} (indexes: {indexes})");
        for item in cloud.items(name).await? {
            println!("       {}", render(&item));
        }
    }
    Ok(())
}

/// The attributes that the story is about.
fn render(item: &Item) -> String {
    const SHOWN: [&str; 8] =
        ["pk", "id", "name", "status", "total", "total_cents", "label", "tier"];
    let shown = SHOWN.iter().filter_map(|name| {
        let value = match item.get(*name)? {
            AttributeValue::S(text) => format!("{text:?}"),
            AttributeValue::N(digits) => digits.clone(),
            _ => "…".to_owned(),
        };
        Some(format!("{name}={value}"))
    });
    let shown: Vec<_> = shown.collect();
    let more = item.len() - shown.len();
    if more == 0 { shown.join(" ") } else { format!("{} (+{more})", shown.join(" ")) }
}

fn section(name: &str) {
    println!("\n   {}", bold(name));
}
