//! What goes on, or stopped half way: who holds the lease, and how far each backfill, worker and segment has come.

use super::icon::{Look, badge};
use super::node::{Element, Node, el};
use super::page::Section;
use super::words;
use crate::command::{Details, MigrationStatus, Survey};
use crate::ledger::rows::{CheckpointRow, ProgressRow};

/// What follows on the key of a backfill's progress in those of its workers.
const WORKER: &str = crate::ledger::rows::WORKER;

pub(super) fn section(survey: &Survey) -> Option<Section> {
    let status = &survey.status;
    let mut body: Vec<Node> = Vec::new();
    if let Some(lease) = &status.lease {
        let until = match &lease.until {
            Some(until) => format!("until {}, renewed while it works", words::moment(until)),
            None => "between two slices, a state machine goes on with it".to_owned(),
        };
        body.push(line("Lease", &format!("{}, {until}", lease.run)).into());
    }
    if let Some(detached) = &status.detached {
        let since = words::moment(&detached.since);
        let ids = detached.migrations.join(", ");
        body.push(line("In the background", &format!("since {since}: {ids}")).into());
    }
    let partial = status.migrations.iter().filter_map(|migration| {
        let details = survey.details.get(&migration.row.id)?;
        let has_more = !details.progress.is_empty() || !details.segments.is_empty();
        (has_more && migration.row.state.is_partial()).then(|| card(migration, details).into())
    });
    body.extend(partial);
    (!body.is_empty()).then_some(Section { id: "goes-on", title: "What goes on", body })
}

fn line(name: &str, what: &str) -> Element {
    el("p").child(el("strong").text(name)).text(" ").child(el("span").class("mono").text(what))
}

fn card(migration: &MigrationStatus, details: &Details) -> Element {
    let row = &migration.row;
    let (workers, backfills): (Vec<_>, Vec<_>) =
        details.progress.iter().partition(|(key, _)| key.contains(WORKER));
    let bars = backfills.into_iter().map(|(key, progress)| {
        let of = |worker: &&&(String, ProgressRow)| {
            worker.0.strip_prefix(key).is_some_and(|rest| rest.starts_with(WORKER))
        };
        let workers: Vec<_> = workers.iter().filter(of).copied().collect();
        backfill(progress, &workers)
    });
    let bars: Vec<_> = bars.collect();
    el("article")
        .class("card")
        .child(
            el("h3")
                .child(el("span").class("id").text(&row.id))
                .child(badge(Look::of(row.state), row.state)),
        )
        .children(bars)
        .children(segments(&details.segments))
}

fn backfill(progress: &ProgressRow, workers: &[&(String, ProgressRow)]) -> Element {
    let rows: Vec<_> = workers.iter().map(|(_, row)| row.clone()).collect();
    let all = if rows.is_empty() { progress.clone() } else { progress.clone().together(&rows) };
    let each = workers
        .iter()
        .enumerate()
        .map(|(position, (_, row))| bar("bar worker", row, &format!("worker {}", position + 1)));
    let each: Vec<_> = each.collect();
    let workers = (!each.is_empty()).then(|| el("div").class("workers").children(each));
    el("div").class("backfill").child(bar("bar", &all, &all.table)).children(workers)
}

fn bar(class: &'static str, row: &ProgressRow, name: &str) -> Element {
    let per_cent = row.per_cent.min(100);
    let left = row.seconds_left.map(|seconds| format!("{} left", words::duration(seconds * 1000)));
    let counts = [
        (row.read, "read"),
        (row.changed, "changed"),
        (row.failed, "failed"),
        (row.contended, "contended"),
        (row.throttled, "throttled"),
    ];
    let counts = counts.into_iter().filter(|(n, word)| *n > 0 || *word == "read");
    let counts = counts.map(|(n, word)| format!("{} {word}", words::count(n)));
    let at = (class == "bar").then(|| format!("at {}", words::moment(&row.at)));
    let figures: Vec<_> = counts.chain(left).chain(at).collect();
    el("div")
        .class(class)
        .child(
            el("div")
                .class("bar-head")
                .child(el("span").class("mono").text(name))
                .child(el("strong").text(format_args!("{per_cent} %"))),
        )
        .child(
            el("progress")
                .attr("max", 100)
                .attr("value", per_cent)
                .attr("aria-label", name)
                .text(format_args!("{per_cent} %")),
        )
        .child(el("p").class("figures").text(figures.join(" · ")))
}

/// The segments of each backfill, a cell for each.
fn segments(rows: &[(String, CheckpointRow)]) -> Vec<Element> {
    let mut backfills: Vec<(&str, Vec<&CheckpointRow>)> = Vec::new();
    for (key, row) in rows.iter().filter(|(_, row)| row.segments > 0) {
        let Some((backfill, _)) = key.rsplit_once('#') else { continue };
        match backfills.last_mut() {
            Some((name, rows)) if *name == backfill => rows.push(row),
            _ => backfills.push((backfill, vec![row])),
        }
    }
    backfills.into_iter().map(|(name, rows)| cells(name, &rows)).collect()
}

fn cells(backfill: &str, rows: &[&CheckpointRow]) -> Element {
    const IN_A_ROW: usize = 32;
    const MOST: usize = 512;
    let of = rows.iter().map(|row| row.segments as usize).max().unwrap_or_default();
    let done = rows.iter().filter(|row| row.done).count();
    let begun = rows.len() - done;
    let shown = of.min(MOST);
    let rects = (0..shown).map(|at| {
        // By their number, not by which: cells tell how many, and where the work is does not matter.
        let class = match at * of.max(1) / shown.max(1) {
            at if at < done => "done",
            at if at < done + begun => "begun",
            _ => "open",
        };
        el("rect")
            .class(class)
            .attr("x", at % IN_A_ROW * 10)
            .attr("y", at / IN_A_ROW * 10)
            .attr("width", 8)
            .attr("height", 8)
            .attr("rx", 1.5)
    });
    let said = format!("{done} of {of} segments are done, {begun} begun");
    let height = shown.div_ceil(IN_A_ROW).max(1) * 10;
    let width = shown.clamp(1, IN_A_ROW) * 10;
    let drawn = el("svg")
        .class("cells")
        .attr("viewBox", format_args!("0 0 {width} {height}"))
        .attr("style", format_args!("max-width:{}px", width * 2))
        .attr("role", "img")
        .attr("aria-label", &said)
        .child(el("title").text(&said))
        .children(rects);
    let name = backfill.split('#').next_back().unwrap_or(backfill);
    el("figure")
        .class("segments")
        .child(drawn)
        .child(el("figcaption").text(format_args!("{name}: {said}")))
}
