//! What a careful reviewer would say about a plan: findings, each with a code, and what to do about it. Pure.

mod codes;
mod declaration;
mod migrations;
mod tables;

use std::cmp::Reverse;
use std::fmt;

use serde::Serialize;

pub use self::codes::{Code, UnknownCode};
use super::{Input, Mode, Plan};

/// How heavy a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Somebody should have thought about it.
    Warning,
    /// The plan is refused for it, unless the declaration allows it.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing to be said about a plan. Its `Display` is one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is an instance of.
    pub code: Code,
    /// How heavy it is; a note where it is allowed.
    pub severity: Severity,
    /// Whether the declaration allows it.
    pub allowed: bool,
    /// What it is about, as `table orders` or `migration 0003_totals`.
    pub about: String,
    /// What is found.
    pub problem: String,
    /// What to do.
    pub fix: String,
    /// What follows from the migration and can be pasted into its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offered: Option<String>,
}

impl Finding {
    fn of_table(code: Code, table: &str, problem: impl Into<String>, fix: &str) -> Self {
        Self::new(code, format!("table {table}"), problem, fix)
    }

    fn of_migration(
        code: Code,
        id: &str,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(code, format!("migration {id}"), problem, fix)
    }

    fn new(
        code: Code,
        about: impl Into<String>,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let severity = code.severity();
        let (about, problem, fix) = (about.into(), problem.into(), fix.into());
        Self { code, severity, allowed: false, about, problem, fix, offered: None }
    }

    fn offering(self, offered: Option<&String>) -> Self {
        Self { offered: offered.cloned(), ..self }
    }

    /// What stands against the plan for it; it begins with the code, which `Allow` takes.
    fn objection(&self) -> String {
        let Self { code, about, problem, fix, .. } = self;
        format!("{code} {about}: {problem}; {fix}, or accept it with Allow: [{code}]")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, severity, about, problem, fix, .. } = self;
        let allowed = if self.allowed { ", allowed" } else { "" };
        write!(f, "{code} {severity}{allowed}: {about}: {problem}; {fix}")
    }
}

/// Looks at what the plan has become, adds what is to be said about it, the heaviest first, and objects to what nobody has
/// allowed.
pub(super) fn plan(input: &Input<'_>, plan: &mut Plan, objections: &mut Vec<String>) {
    match input.mode {
        Mode::First | Mode::Deploy => {}
        // What leads back, and what was left to be removed, was looked at when it was planned.
        Mode::Superset | Mode::Cleanup => return,
    }
    let mut findings = tables::findings(input, plan);
    findings.extend(migrations::findings(input, plan));
    findings.extend(declaration::findings(input, plan));
    for finding in &mut findings {
        finding.allowed = input.desired.allow.contains(&finding.code);
        if finding.allowed {
            finding.severity = Severity::Note;
        }
    }
    let mut findings = together(findings);
    findings.sort_by_key(|finding| Reverse(finding.severity));
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    objections.extend(errors.map(Finding::objection));
    plan.findings = findings;
}

impl Finding {
    /// Whether both say the same, if of different things.
    fn says_what(&self, other: &Self) -> bool {
        let Self { code, severity, allowed, about: _, problem, fix, offered } = self;
        (*code, *severity, *allowed) == (other.code, other.severity, other.allowed)
            && (problem, fix, offered) == (&other.problem, &other.fix, &other.offered)
    }
}

/// What is to be said alike of several things is said once.
fn together(findings: Vec<Finding>) -> Vec<Finding> {
    let mut said: Vec<Finding> = Vec::new();
    for finding in findings {
        match said.iter_mut().find(|earlier| earlier.says_what(&finding)) {
            Some(earlier) if earlier.about == finding.about => {}
            Some(earlier) => earlier.about = format!("{}, {}", earlier.about, finding.about),
            None => said.push(finding),
        }
    }
    said
}
