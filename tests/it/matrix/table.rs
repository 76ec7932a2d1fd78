//! The matrix in Markdown: a row for each fault, a column for each scenario.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fault::Fault;
use super::life::Outcome;
use super::scenario::Scenario;

/// What came of all cases of a fault in a scenario.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cell {
    cases: u64,
    succeeded: u64,
    failed: u64,
    unanswered: u64,
    longest: Duration,
}

impl Cell {
    /// Takes a case into account in which the fault struck.
    pub(super) fn count(&mut self, outcome: &Outcome) {
        self.cases += 1;
        match outcome.is_success {
            Some(true) => self.succeeded += 1,
            Some(false) => self.failed += 1,
            None => self.unanswered += 1,
        }
        self.longest = self.longest.max(outcome.answered_after.unwrap_or_default());
    }

    pub(super) fn show(&self) -> String {
        let answers = [
            (self.succeeded, "succeeded"),
            (self.failed, "failed"),
            (self.unanswered, "not answered"),
        ];
        let answers = answers.iter().filter(|(count, _)| *count > 0);
        let answers: Vec<_> = answers.map(|(count, what)| format!("{count} {what}")).collect();
        let within = if self.unanswered == self.cases {
            String::new()
        } else {
            format!(", in {}", time(self.longest))
        };
        format!("{}{within}", answers.join(", "))
    }
}

/// The table of these cells, by the places of fault and scenario.
pub(super) fn markdown(cells: &BTreeMap<(usize, usize), Cell>) -> String {
    let names: Vec<_> = Scenario::ALL.iter().map(|scenario| scenario.name()).collect();
    let mut lines = vec![
        format!("| fault | {} |", names.join(" | ")),
        format!("|---|{}", "---|".repeat(names.len())),
    ];
    for (row, fault) in Fault::all().enumerate() {
        let cell = |column| cells.get(&(row, column)).map_or("–".to_owned(), Cell::show);
        let cells: Vec<_> = (0..names.len()).map(cell).collect();
        lines.push(format!("| {} | {} |", fault.name(), cells.join(" | ")));
    }
    let cases: u64 = cells.values().map(|cell| cell.cases).sum();
    lines.push(format!("\n{cases} cases"));
    lines.join("\n")
}

fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_secs() {
        0..100 => format!("{seconds:.1} s"),
        _ => format!("{:.0} min", seconds / 60.0),
    }
}
