//! The plan as a reviewer reads it on a terminal.

use std::fmt;
use std::time::Duration;

use super::estimate::{dollars, words};
use super::explain::{ExplainedMigration, ExplainedStep, Explanation, Held};
use super::facts::Takes;

impl fmt::Display for ExplainedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.step)?;
        write!(f, "      {}", self.why)?;
        if let Some(call) = self.call {
            write!(f, "; {call}, {}", self.takes)?;
        }
        if let Some(loss) = self.irreversible {
            write!(f, "; irreversible: {loss}")?;
        }
        if let Some(quota) = self.quota {
            write!(f, "; quota: {quota}")?;
        }
        writeln!(f)
    }
}

impl fmt::Display for ExplainedMigration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.description.is_empty() {
            parts.push(self.description.clone());
        }
        if !self.tables.is_empty() {
            parts.push(format!("of {}", self.tables.join(", ")));
        }
        parts.extend(self.estimate.as_ref().map(ToString::to_string));
        parts.extend(self.way_back.map(|way| format!("taken back {way}")));
        if parts.is_empty() {
            return Ok(());
        }
        writeln!(f, "      {}", parts.join("; "))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables.iter().try_for_each(|step| write!(f, "{step}"))?;
        for (line, details) in self.migrations.iter().zip(&self.details) {
            writeln!(f, "{line}")?;
            write!(f, "{details}")?;
        }
        for held in self.held.iter().filter(|held| held.why == Held::BeyondTarget) {
            writeln!(f, "  migration {}: {}, not run", held.id, held.why)?;
        }
        self.staying.iter().try_for_each(|step| write!(f, "{step}"))?;
        if !self.removals.is_empty() {
            writeln!(f, "once the whole stack has succeeded:")?;
        }
        self.removals.iter().try_for_each(|step| write!(f, "{step}"))?;
        self.notices.iter().try_for_each(|notice| writeln!(f, "! {notice}"))?;
        for finding in &self.findings {
            writeln!(f, "! {finding}")?;
            let mut offered = finding.offered.iter().flat_map(|offered| offered.lines());
            offered.try_for_each(|line| writeln!(f, "      {line}"))?;
        }
        if let Some(basis) = self.basis {
            writeln!(f, "  {basis}")?;
        }
        let steps = || self.tables.iter().chain(&self.removals);
        if steps().next().is_none() && self.migrations.is_empty() {
            return writeln!(f, "Nothing to do.");
        }
        f.write_str(&self.counts())?;
        match self.seconds {
            (0, Some(0)) => {}
            (least, Some(most)) => write!(f, "; the tables take {}", Takes::Seconds(least, most))?,
            (least, None) => {
                write!(f, "; the tables take {} min or longer", least.div_ceil(60).max(1))?;
            }
        }
        if let Some(total) = self.total.filter(|total| total.items > 0) {
            let takes = words(Duration::from_secs(total.seconds));
            write!(f, "; the migrations take about {takes} and {}", dollars(total.us_cents))?;
        }
        writeln!(f, ".")
    }
}

impl Explanation {
    /// How many steps of each kind there are, in words.
    pub(super) fn counts(&self) -> String {
        let steps = || self.tables.iter().chain(&self.removals);
        let count = |sign: char| steps().filter(|step| step.step.starts_with(sign)).count();
        let (add, change, remove) = (count('+'), count('~'), count('-'));
        let migrations = match self.migrations.len() {
            0 => String::new(),
            1 => ", 1 migration".to_owned(),
            n => format!(", {n} migrations"),
        };
        format!("{add} to add, {change} to change, {remove} to remove{migrations}")
    }
}
