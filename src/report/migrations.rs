//! The migrations: how many are where, the time line, and each with its attempts and the items that it could not handle.

use std::collections::BTreeMap;

use super::icon::{Look, badge};
use super::node::{Element, Node, el};
use super::page::Section;
use super::{timeline, words};
use crate::authoring::Language;
use crate::command::{Details, FailedItem, MigrationStatus, Survey, What};
use crate::ledger::rows::AttemptRow;

/// Migrations that are shown at once, the newest; those before them are one click away.
const OPEN: usize = 25;

/// The attempts of a migration, the newest first.
type Attempts<'a> = BTreeMap<&'a str, Vec<&'a AttemptRow>>;

pub(super) fn section(survey: &Survey) -> Section {
    let all = &survey.status.migrations;
    let mut body: Vec<Node> = Vec::new();
    if all.is_empty() {
        body.push(
            el("p").class("empty").text("There are none, in the ledger or in the build.").into(),
        );
    } else {
        body.push(counts(all).into());
    }
    body.extend(timeline::draw(survey).map(Node::from));
    let mut attempts = Attempts::new();
    for entry in &survey.history {
        if let What::Attempt { migration, row } = &entry.what {
            attempts.entry(migration).or_default().push(row);
        }
    }
    let none = Details::default();
    let mut entries: Vec<_> = all
        .iter()
        .rev()
        .map(|migration| {
            let id = migration.row.id.as_str();
            let attempts = attempts.get(id).map(Vec::as_slice).unwrap_or_default();
            entry(migration, attempts, survey.details.get(id).unwrap_or(&none))
        })
        .collect();
    let older = entries.split_off(entries.len().min(OPEN));
    body.push(el("ol").class("migrations").attr("reversed", "").children(entries).into());
    if !older.is_empty() {
        let more = words::many(older.len(), "older migration", "older migrations");
        let older = el("ol").class("migrations").attr("reversed", "").children(older);
        body.push(el("details").child(el("summary").text(more)).child(older).into());
    }
    Section { id: "migrations", title: "Migrations", body }
}

fn counts(all: &[MigrationStatus]) -> Element {
    let mut counts: BTreeMap<Look, usize> = BTreeMap::new();
    for migration in all {
        *counts.entry(Look::of(migration.row.state)).or_default() += 1;
    }
    let each = counts.into_iter().map(|(look, n)| {
        el("li").child(badge(look, format_args!("{} {}", words::count(n as u64), look.word())))
    });
    el("ul").class("counts").attr("aria-label", "Migrations by state").children(each)
}

fn entry(migration: &MigrationStatus, attempts: &[&AttemptRow], details: &Details) -> Element {
    let row = &migration.row;
    let look = Look::of(row.state);
    let language = match row.language {
        Language::Rust | Language::Unknown => None,
        language @ (Language::Yaml | Language::JavaScript) => Some(language.to_string()),
    };
    let marks = [
        language,
        row.journal.then(|| "journal".to_owned()),
        row.out_of_order.then(|| "out of order".to_owned()),
        (!migration.in_build).then(|| "not in this build".to_owned()),
    ];
    let marks = marks.into_iter().flatten().map(|mark| el("span").class("chip").text(mark));
    let took = words::between(row.started_at.as_deref(), row.finished_at.as_deref());
    let when = row.started_at.as_deref().or(row.finished_at.as_deref());
    let by = Some(&row.build).filter(|build| !build.is_empty());
    let facts = [when.map(words::moment), took, by.map(|build| format!("build {build}"))];
    let facts: Vec<_> = facts.into_iter().flatten().collect();
    let text = |class: &'static str, text: &str| {
        (!text.is_empty()).then(|| el("p").class(class).text(text))
    };
    let reached = migration.reached.as_ref().map(|reached| words::sentence(&reached.to_string()));
    el("li")
        .class(format_args!("migration {}", look.name()))
        .child(
            el("div")
                .class("migration-head")
                .child(el("h3").class("id").text(&row.id))
                .child(badge(look, row.state))
                .children(marks),
        )
        .children(text("description", &row.description))
        .children(text("figures", &facts.join(" · ")))
        .children(row.error.as_deref().and_then(|error| text("error", error)))
        .children(reached.as_deref().and_then(|reached| text("figures", reached)))
        .children(items(migration, &details.items))
        .children((!attempts.is_empty()).then(|| tries(attempts)))
}

/// The items that could not be handled, by key and error.
fn items(migration: &MigrationStatus, items: &[FailedItem]) -> Option<Element> {
    if items.is_empty() {
        return None;
    }
    let rows = items.iter().map(|item| {
        vec![
            el("td").class("mono").text(&item.table),
            el("td").class("mono").text(&item.key),
            el("td").class("said").text(&item.error),
            el("td").class("nowrap").text(words::moment(&item.at)),
        ]
    });
    let summary = words::many(
        migration.failed_items,
        "item could not be handled",
        "items could not be handled",
    );
    let shown = (migration.failed_items > items.len()).then(|| {
        el("p").class("figures").text(format_args!("The first {} are shown.", items.len()))
    });
    Some(
        el("details")
            .attr("open", "")
            .child(el("summary").text(summary))
            .child(table(&["Table", "Key", "Error", "When"], rows))
            .children(shown),
    )
}

fn tries(attempts: &[&AttemptRow]) -> Element {
    let rows = attempts.iter().map(|row| {
        let counted = [
            (row.read, "read"),
            (row.changed, "changed"),
            (row.skipped, "skipped"),
            (row.failed, "failed"),
        ];
        let counted = counted.into_iter().filter_map(|(n, word)| Some((n?, word)));
        let counted = counted.filter(|(n, word)| *n > 0 || *word == "read");
        let counted: Vec<_> =
            counted.map(|(n, word)| format!("{} {word}", words::count(n))).collect();
        let took = words::between(Some(&row.started_at), row.finished_at.as_deref());
        let direction = if row.direction == "down" { "undo" } else { "run" };
        let outcome = el("td").child(badge(Look::of(row.outcome), row.outcome));
        vec![
            el("td").class("nowrap").text(words::moment(&row.started_at)),
            el("td").text(direction),
            outcome,
            el("td").class("nowrap").text(took.unwrap_or_default()),
            el("td").text(counted.join(", ")),
            el("td").text(format_args!("build {}, run {}", row.build, row.run)),
            el("td").class("said").text(row.error.as_deref().unwrap_or_default()),
        ]
    });
    let heads = ["Began", "What", "Outcome", "Took", "Items", "By", "Error"];
    el("details")
        .child(el("summary").text(words::many(attempts.len(), "attempt", "attempts")))
        .child(table(&heads, rows))
}

/// A table, in which each cell also says of which column it is: on a phone each row is a block of its own. Its roles are
/// said, since browsers take those of a table away with its look.
pub(super) fn table(
    heads: &[&'static str],
    rows: impl IntoIterator<Item = Vec<Element>>,
) -> Element {
    let column =
        |head: &&'static str| el("th").attr("scope", "col").attr("role", "columnheader").text(head);
    let head = el("tr").attr("role", "row").children(heads.iter().map(column));
    let rows = rows.into_iter().map(|cells| {
        let cells = cells.into_iter().zip(heads);
        let cells = cells.map(|(cell, head)| cell.attr("role", "cell").attr("data-head", head));
        el("tr").attr("role", "row").children(cells)
    });
    el("table")
        .attr("role", "table")
        .child(el("thead").attr("role", "rowgroup").child(head))
        .child(el("tbody").attr("role", "rowgroup").children(rows))
}
