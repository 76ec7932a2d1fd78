//! `history`: who did what, when, with which build, for how long, to how many items.

use serde_json::{Value, json};
use tablewright::local::deployed_by;

use crate::args::Where;
use crate::exit::{Done, Ended};
use crate::lines;
use crate::render::{self, columns, list, moment, say, style, text, took};
use crate::session::Session;

/// Show what has happened, the newest first: deploys, migrations and commands
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright history\n  \
    tablewright history --limit 200 --json | jq '.entries[] | select(.what == \"attempt\")'")]
pub(crate) struct History {
    /// How many entries
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    place: Where,
}

impl History {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let settings = session.settings()?;
        let mut event = self.place.event("history", &settings);
        event["limit"] = json!(self.limit);
        let history = session.command(&settings, &event).await?;
        if session.global.json {
            render::json(&history);
            return Ok(Done::Done);
        }
        let head = ["WHEN", "WHAT", "WHO", "BUILD", "TOOK", "ITEMS", "OUTCOME"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        let entries = list(&history, "entries");
        rows.extend(entries.iter().map(row));
        let faint = style::FAINT;
        for (line, entry) in
            columns(&rows).iter().zip(std::iter::once(None).chain(entries.iter().map(Some)))
        {
            say(line);
            let why = entry.map(why).unwrap_or_default();
            if !why.is_empty() {
                say(&format!("{faint}    {}{faint:#}", lines::in_text(&why)));
            }
        }
        Ok(Done::Done)
    }
}

/// One entry as cells.
fn row(entry: &Value) -> Vec<String> {
    let took = took(text(entry, "started_at"), text(entry, "finished_at"));
    let (what, who, items, outcome) = match text(entry, "what") {
        "run" => {
            let what = format!("deploy ({})", text(entry, "kind"));
            let by = deployed_by(text(entry, "request_id")).unwrap_or("CloudFormation");
            (what, by.to_owned(), String::new(), text(entry, "state"))
        }
        "attempt" => {
            let what = format!("{} {}", text(entry, "migration"), text(entry, "direction"));
            (what, format!("run {}", text(entry, "run")), items(entry), text(entry, "outcome"))
        }
        "command" => {
            let what = format!("{} {}", text(entry, "verb"), arguments(text(entry, "arguments")));
            (
                what.trim_end().to_owned(),
                text(entry, "by").to_owned(),
                String::new(),
                text(entry, "state"),
            )
        }
        other => (other.to_owned(), String::new(), String::new(), ""),
    };
    let build = text(entry, "build").to_owned();
    let outcome = outcome.replace('_', " ");
    vec![moment(text(entry, "at")), what, who, build, took, items, outcome]
}

/// How many items an attempt has read and changed.
fn items(entry: &Value) -> String {
    let number = |name: &str| entry[name].as_u64();
    match (number("changed"), number("read"), number("failed")) {
        (Some(changed), Some(read), Some(failed @ 1..)) => {
            format!("{changed} of {read}, {failed} failed")
        }
        (Some(changed), Some(read), _) => format!("{changed} of {read}"),
        _ => String::new(),
    }
}

/// The arguments of a command, without the form of an event.
fn arguments(arguments: &str) -> String {
    let fields: Value = serde_json::from_str(arguments).unwrap_or_default();
    let field = |(name, value): (&String, &Value)| match value {
        Value::String(text) if name == "to" => format!("to {text}"),
        Value::String(text) => text.clone(),
        Value::Bool(true) => name.clone(),
        other => format!("{name} {other}"),
    };
    let fields = fields.as_object().into_iter().flatten();
    fields.map(field).collect::<Vec<_>>().join(" ")
}

/// What is said beside it: why it failed, what was answered, why it was done.
fn why(entry: &Value) -> String {
    match text(entry, "what") {
        "run" => text(entry, "reason").to_owned(),
        "attempt" => text(entry, "error").to_owned(),
        "command" => {
            let said = [text(entry, "reason"), text(entry, "outcome")];
            said.into_iter().filter(|said| !said.is_empty()).collect::<Vec<_>>().join("; ")
        }
        _ => String::new(),
    }
}
