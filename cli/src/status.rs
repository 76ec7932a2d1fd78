//! `status`: where a scope stands, what goes on, and what needs a person.

mod watch;

use serde_json::Value;

use crate::args::Where;
use crate::exit::{Done, Ended};
use crate::lines;
use crate::render::{self, columns, list, moment, say, style, text};
use crate::session::Session;

/// Show where a scope stands, what goes on, and what needs a person
///
/// The exit code is 3 where migrations are pending, under way, or not done.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright status\n  \
    tablewright status --watch               # until nothing runs any more\n  \
    tablewright status --stack shop-prod --json | jq .migrations")]
pub(crate) struct Status {
    /// Follow what runs until nothing does
    #[arg(long, short)]
    watch: bool,
    #[command(flatten)]
    place: Where,
}

impl Status {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let settings = session.settings()?;
        let event = self.place.event("status", &settings);
        let status = if self.watch {
            watch::watch(session, &settings, &event).await?
        } else {
            session.command(&settings, &event).await?
        };
        if session.global.json {
            render::json(&status);
        } else {
            show(&status);
        }
        Ok(if is_pending(&status) { Done::Pending } else { Done::Done })
    }
}

/// Whether something is left to be done.
fn is_pending(status: &Value) -> bool {
    let is_open = |row: &Value| match text(row, "state") {
        "applied" | "baseline" => false,
        "applied_with_errors" => row["failed_items"].as_u64() > Some(0),
        _ => row["in_build"] == true || text(row, "state") != "undone",
    };
    list(status, "migrations").iter().any(is_open)
}

fn show(status: &Value) {
    let (strong, faint, warning) = (style::STRONG, style::FAINT, style::WARNING);
    say(&format!(
        "{strong}{}{strong:#}  {faint}scope {}, ledger {}{faint:#}",
        text(status, "stack"),
        text(status, "scope"),
        text(status, "ledger")
    ));
    say(&format!("generation {}, {}", status["generation"], lease(status)));
    if let Some(hold) = status["hold"].as_object() {
        let word = |name: &str| hold.get(name).and_then(Value::as_str).unwrap_or_default();
        say(&format!(
            "{warning}deploys wait{warning:#} since {}, by {}: {}",
            moment(word("at")),
            word("by"),
            word("reason")
        ));
    }
    migrations(status);
    for table in list(status, "tables") {
        let failure = text(table, "failure");
        let failure = if failure.is_empty() { String::new() } else { format!(": {failure}") };
        say(&format!("table {} is to be deleted{failure}", text(table, "name")));
    }
    if let Some(run) = list(status, "runs").first() {
        let ended = match text(run, "finished_at") {
            "" => "not ended".to_owned(),
            at => format!("{} at {}", text(run, "state"), moment(at)),
        };
        let kind = text(run, "kind");
        say(&format!("last run {} ({kind}): {ended}", text(run, "run")));
    }
    for notice in list(status, "notices").iter().filter_map(Value::as_str) {
        say(&format!("{warning}!{warning:#} {}", lines::in_text(notice)));
    }
}

fn lease(status: &Value) -> String {
    let lease = &status["lease"];
    if lease.is_null() {
        return "nobody is at work".to_owned();
    }
    let until = match text(lease, "until") {
        "" => "between two slices".to_owned(),
        until => format!("lease until {}", moment(until)),
    };
    format!("run {} is at work, {until}", text(lease, "run"))
}

fn migrations(status: &Value) {
    let migrations = list(status, "migrations");
    let cells = |row: &Value| {
        let at = moment(text(row, "finished_at"));
        let state = text(row, "state").replace('_', " ");
        let failed = row["failed_items"].as_u64().filter(|failed| *failed > 0);
        let failed = failed.map(|failed| format!("{failed} items failed")).unwrap_or_default();
        let strange = if row["in_build"] == true { "" } else { "not in this build" };
        vec![
            format!("  {}", text(row, "id")),
            state,
            at,
            text(row, "build").to_owned(),
            [failed.as_str(), strange, text(row, "description")].join(" ").trim().to_owned(),
        ]
    };
    let rows: Vec<_> = migrations.iter().map(cells).collect();
    for (line, row) in columns(&rows).iter().zip(migrations) {
        let style = match text(row, "state") {
            "applied" | "baseline" => style::GOOD,
            "failed" | "undo_failed" => style::ERROR,
            _ => style::WARNING,
        };
        say(&format!("{style}{line}{style:#}"));
        if !text(row, "error").is_empty() && text(row, "state") != "applied" {
            say(&format!("      {}", text(row, "error")));
        }
        needs(&row["needs"]);
    }
}

/// What a person has to decide, with a line for each way out.
fn needs(concern: &Value) {
    if concern.is_null() {
        return;
    }
    let (warning, faint) = (style::WARNING, style::FAINT);
    say(&format!("      {warning}{}{warning:#}", lines::in_text(text(concern, "why"))));
    for way in list(concern, "ways_out") {
        say(&format!("      - {}", lines::in_text(text(way, "means"))));
        if way["command"].is_object() {
            say(&format!("        {faint}{}{faint:#}", lines::of(&way["command"])));
        }
    }
}
