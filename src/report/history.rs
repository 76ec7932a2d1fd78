//! What has happened: deploys and commands by hand, the newest first.

use super::icon::{Look, badge};
use super::node::{Element, Node, el};
use super::page::Section;
use super::{migrations, words};
use crate::command::{Entry, Survey, What};
use crate::ledger::rows::{CommandRow, CommandState, RunRow, RunState};

/// Deploys and commands that are shown at once; those before them are one click away.
const OPEN: usize = 15;
const HEADS: [&str; 5] = ["Began", "What", "Outcome", "Took", "Who and why"];

pub(super) fn section(survey: &Survey) -> Section {
    let mut rows: Vec<_> = survey.history.iter().filter_map(row).collect();
    let mut body: Vec<Node> = Vec::new();
    if rows.is_empty() {
        body.push(el("p").class("empty").text("Nothing is on record.").into());
        return Section { id: "history", title: "History", body };
    }
    let older = rows.split_off(rows.len().min(OPEN));
    body.push(migrations::table(&HEADS, rows).into());
    if !older.is_empty() {
        let summary =
            el("summary").text(format_args!("{} older", words::count(older.len() as u64)));
        body.push(el("details").child(summary).child(migrations::table(&HEADS, older)).into());
    }
    Section { id: "history", title: "History", body }
}

fn row(entry: &Entry) -> Option<Vec<Element>> {
    let cells = match &entry.what {
        What::Run { run, row } => of_run(run, row),
        What::Command { row, .. } => of_command(row),
        // Each stands with its migration.
        What::Attempt { .. } => return None,
    };
    let began = el("td").class("nowrap").text(words::moment(&entry.at));
    Some(std::iter::once(began).chain(cells).collect())
}

fn of_run(run: &str, row: &RunRow) -> [Element; 4] {
    let (look, word) = match row.state {
        RunState::Succeeded => (Look::Done, "succeeded"),
        RunState::Failed => (Look::Failed, "failed"),
        RunState::Running => (Look::Running, "running"),
    };
    let took = words::between(Some(&row.started_at), row.finished_at.as_deref());
    let reason = row.reason.as_deref().or(row.failure.as_deref()).unwrap_or_default();
    let by = el("p").class("figures").text(format_args!("build {}, run {run}", row.build));
    [
        el("td").child(el("strong").text(&row.kind)),
        el("td").child(badge(look, word)),
        el("td").class("nowrap").text(took.unwrap_or_default()),
        el("td")
            .class("said")
            .child(by)
            .children((!reason.is_empty()).then(|| el("p").text(reason))),
    ]
}

fn of_command(row: &CommandRow) -> [Element; 4] {
    let (look, word) = match row.state {
        CommandState::Done => (Look::Done, "done"),
        CommandState::Pending => (Look::Paused, "pending"),
        CommandState::Failed => (Look::Failed, "not done"),
        CommandState::Begun => (Look::Running, "begun"),
    };
    let took = words::between(Some(&row.started_at), row.finished_at.as_deref());
    let by = el("p").class("figures").text(format_args!("{}: {}", row.by, row.reason));
    let said = [&row.arguments].into_iter().chain(&row.outcome);
    let said = said.filter(|said| !said.is_empty() && *said != "{}");
    [
        el("td").child(el("strong").text(&row.verb)),
        el("td").child(badge(look, word)),
        el("td").class("nowrap").text(took.unwrap_or_default()),
        el("td").class("said").child(by).children(said.map(|said| el("p").text(said))),
    ]
}
