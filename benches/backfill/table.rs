//! The outcomes as one table in Markdown, ratios first.

use std::fmt::Write;

use crate::compare::Outcome;
use crate::contenders::{Contender, Run};
use crate::orders::{BATCH, Billing};

const HEAD: &str = "\
| engine | items | ÷ Rust, statements | ÷ Rust, puts | ÷ Node.js, puts | ÷ Node.js, updates | YAML ÷ Rust | JavaScript ÷ Rust | ÷ bound | items/s | \
MiB | MiB, Rust | MiB, Node.js | write requests | write units |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
| *goal* | | *≥ 0.9* | | | *≥ 10* | *≥ 0.9* | *≥ 0.7* | *≥ 0.95* | | *≤ 64* | | | *≤ 1* | *1* |
";

/// All outcomes, a row each.
pub(crate) fn render(outcomes: &[Outcome]) -> String {
    let mut table = HEAD.to_owned();
    for outcome in outcomes {
        let cells = cells(outcome).join(" | ");
        // Writing to a string never fails.
        let _ = writeln!(table, "| {cells} |");
    }
    table
}

fn cells(outcome: &Outcome) -> Vec<String> {
    let meeting = &outcome.meeting;
    let mut engine = meeting.kind.to_string();
    if meeting.billing == Billing::OnDemand {
        engine.push_str(", on demand");
    }
    if outcome.latency > 0.0 {
        engine = format!(
            "{engine}, {:.1} ms a request, {} at once",
            outcome.latency * 1000.0,
            meeting.requests
        );
    }
    let mut cells = vec![engine, meeting.items.to_string()];
    let ours = outcome.run(Contender::Tablewright);
    for contender in
        [Contender::Statements, Contender::Puts, Contender::NodeBatches, Contender::NodeUpdates]
    {
        let ratio = ours.zip(outcome.run(contender));
        cells.push(said(ratio, |(ours, other)| format!("{:.2}", other.seconds / ours.seconds)));
    }
    for contender in [Contender::Yaml, Contender::JavaScript] {
        let ratio = ours.zip(outcome.run(contender));
        cells.push(said(ratio, |(ours, other)| format!("{:.2}", ours.seconds / other.seconds)));
    }
    let items = number(meeting.items as u64);
    let bound = number((meeting.requests * BATCH) as u64) / outcome.latency;
    let bound = ours.filter(|_| bound.is_finite()).map(|ours| items / ours.seconds / bound);
    cells.push(said(bound, |part| format!("{part:.2}")));
    cells.push(said(ours, |ours| format!("{:.0}", items / ours.seconds)));
    for contender in [Contender::Tablewright, Contender::Statements, Contender::NodeBatches] {
        cells.push(said(outcome.run(contender), |run| (run.peak / 1024).to_string()));
    }
    let counts = outcome.counts.as_ref();
    let fewest = number(meeting.items.div_ceil(BATCH) as u64);
    cells.push(said(counts, |counts| format!("{:.3}", number(counts.writes) / fewest)));
    cells.push(said(counts, |counts| format!("{:.3}", number(counts.write_units) / items)));
    cells
}

fn said<T>(value: Option<T>, say: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), say)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

impl Outcome {
    fn run(&self, contender: Contender) -> Option<Run> {
        self.runs.iter().find(|(one, _)| *one == contender).map(|(_, run)| *run)
    }
}
