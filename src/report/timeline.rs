//! The time line: deploys, migrations and commands by hand as marks on one axis of time.

use super::node::{Element, el};
use super::words;
use crate::clock;
use crate::command::{Survey, What};
use crate::ledger::rows::{CommandState, RunState};
use crate::ledger::state::State;

/// Width of the axis, in units of the drawing.
const WIDTH: u64 = 1000;
/// Least width of a mark.
const LEAST: u64 = 5;

/// Something that has happened: when, how it ended, and what it is called.
struct Mark {
    lane: Lane,
    from: u64,
    to: u64,
    class: &'static str,
    title: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Runs,
    Up,
    Down,
    Commands,
}

impl Lane {
    const ALL: [(Self, &str); 4] = [
        (Self::Runs, "Deploys"),
        (Self::Up, "Migrations"),
        (Self::Down, "Undone"),
        (Self::Commands, "By hand"),
    ];
}

/// Draws it; nothing where nothing has happened.
pub(super) fn draw(survey: &Survey) -> Option<Element> {
    let marks = marks(survey);
    let from = marks.iter().map(|mark| mark.from).min()?;
    let to = marks.iter().map(|mark| mark.to).max()?.max(from + 1);
    let lanes = Lane::ALL.into_iter().filter_map(|(lane, name)| {
        let marks: Vec<_> = marks.iter().filter(|mark| mark.lane == lane).collect();
        (!marks.is_empty()).then(|| draw_lane(name, &marks, (from, to)))
    });
    let days = [from, to].map(|ms| words::moment(&clock::format_ms(ms)));
    let said = format!("From {} to {}", days[0], days[1]);
    let [first, last] = days.map(|day| el("span").text(day));
    let axis = el("div").class("axis").attr("aria-hidden", "true").child(first).child(last);
    let legend = [
        ("done", "succeeded"),
        ("running", "running"),
        ("paused", "stopped or undone"),
        ("failed", "failed"),
    ]
    .map(|(class, word)| el("span").child(el("i").class(format_args!("key {class}"))).text(word));
    Some(
        el("figure")
            .class("timeline")
            .attr("aria-label", said)
            .children(lanes)
            .child(axis)
            .child(el("figcaption").class("legend").children(legend)),
    )
}

fn draw_lane(name: &'static str, marks: &[&Mark], (from, to): (u64, u64)) -> Element {
    let span = to - from;
    let at = |ms: u64| {
        let at = u128::from(ms - from) * u128::from(WIDTH - LEAST) / u128::from(span);
        u64::try_from(at).unwrap_or(WIDTH)
    };
    let rects = marks.iter().map(|mark| {
        let (x, end) = (at(mark.from), at(mark.to));
        el("rect")
            .class(mark.class)
            .attr("x", x)
            .attr("y", 2)
            .attr("width", (end - x).max(LEAST))
            .attr("height", 16)
            .child(el("title").text(&mark.title))
    });
    let said = format!("{name}: {}", words::many(marks.len(), "mark", "marks"));
    el("div").class("lane").child(el("span").class("lane-name").text(name)).child(
        el("svg")
            .attr("viewBox", format_args!("0 0 {WIDTH} 20"))
            .attr("preserveAspectRatio", "none")
            .attr("role", "img")
            .attr("aria-label", said)
            .children(rects),
    )
}

fn marks(survey: &Survey) -> Vec<Mark> {
    let now = clock::parse_ms(&survey.made_at).unwrap_or_default();
    let entries = survey.history.iter().filter_map(|entry| {
        let from = clock::parse_ms(&entry.at)?;
        let (lane, class, finished_at, title) = match &entry.what {
            What::Run { row, .. } => {
                let title = format!("{} by build {}", row.kind, row.build);
                (Lane::Runs, of_run(row.state), row.finished_at.as_ref(), title)
            }
            What::Attempt { migration, row } => {
                let lane = if row.direction == "down" { Lane::Down } else { Lane::Up };
                let title = format!("{migration}: {}", row.outcome);
                (lane, of_attempt(row.outcome), row.finished_at.as_ref(), title)
            }
            What::Command { row, .. } => {
                let title = format!("{} by {}", row.verb, row.by);
                (Lane::Commands, of_command(row.state), row.finished_at.as_ref(), title)
            }
        };
        let ended = finished_at.and_then(|at| clock::parse_ms(at));
        let to = ended.unwrap_or_else(|| if class == "running" { now } else { from }).max(from);
        let took = ended.map(|to| format!(", {}", words::duration(to.saturating_sub(from))));
        let title = format!("{title}, {}{}", words::moment(&entry.at), took.unwrap_or_default());
        Some(Mark { lane, from, to, class, title })
    });
    // What came later lies over what came before, and what failed over all.
    let mut marks: Vec<_> = entries.collect();
    marks.sort_by_key(|mark| (mark.class == "failed", mark.from));
    marks
}

fn of_run(state: RunState) -> &'static str {
    match state {
        RunState::Succeeded => "done",
        RunState::Failed => "failed",
        RunState::Running => "running",
    }
}

fn of_command(state: CommandState) -> &'static str {
    match state {
        CommandState::Done => "done",
        CommandState::Pending => "paused",
        CommandState::Failed => "failed",
        CommandState::Begun => "running",
    }
}

fn of_attempt(outcome: State) -> &'static str {
    match outcome {
        State::Applied | State::Baseline => "done",
        State::Failed | State::UndoFailed | State::AppliedWithErrors => "failed",
        State::Undone | State::Paused | State::Pending | State::Unknown => "paused",
        State::Started | State::Undoing => "running",
    }
}
