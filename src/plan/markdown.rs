//! The plan as a comment of a pull request shows it: counts, tables of steps and of migrations, findings, and the details
//! behind a fold.

use std::fmt::Write;
use std::time::Duration;

use super::Refused;
use super::estimate::{Estimate, bytes, dollars, thousands, words};
use super::explain::{ExplainedMigration, ExplainedStep, Explanation};
use super::lint::{Finding, Severity};

impl Explanation {
    /// The plan in GitHub's Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let counts = if self.pending { self.counts() } else { "nothing to do".to_owned() };
        let mut out = format!("### tablewright: {counts}\n");
        if let Some(weights) = weights(&self.findings) {
            let _ = write!(out, "\n**{weights}**\n");
        }
        steps(&mut out, "Tables", &self.tables);
        migrations(&mut out, self);
        steps(&mut out, "Once the whole stack has succeeded", &self.removals);
        list(&mut out, "Findings", &self.findings, finding);
        let stays = |step: &ExplainedStep| inline(&step.step);
        list(&mut out, "Left as it is", &self.staying, stays);
        list(&mut out, "Notices", &self.notices, |notice| inline(notice));
        if self.pending {
            let _ = write!(
                out,
                "\n<details>\n<summary>Why, and by which calls</summary>\n\n{}\n\n</details>\n",
                fenced(&self.to_string(), "text")
            );
        }
        out
    }
}

impl Refused {
    /// What stands against the plan, in GitHub's Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out =
            "### tablewright: refused\n\nA deploy would fail before it changes anything:\n"
                .to_owned();
        out.push('\n');
        for objection in &self.0 {
            let _ = writeln!(out, "- {}", inline(objection));
        }
        out
    }
}

/// How many findings of each weight there are; nothing where none asks for attention.
fn weights(findings: &[Finding]) -> Option<String> {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let named = |severity: Severity| match count(severity) {
        0 => None,
        1 => Some(format!("1 {severity}")),
        n => Some(format!("{n} {severity}s")),
    };
    let all: Vec<_> = [Severity::Error, Severity::Warning].into_iter().filter_map(named).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn steps(out: &mut String, heading: &str, steps: &[ExplainedStep]) {
    if steps.is_empty() {
        return;
    }
    let _ = write!(
        out,
        "\n#### {heading}\n\n| | step | call | takes | mind |\n|---|---|---|---|---|\n"
    );
    for step in steps {
        let (sign, rest) = step.step.split_once(' ').unwrap_or(("", &step.step));
        let loss = step.irreversible.map(|loss| format!("irreversible: {loss}"));
        let quota = step.quota.map(|quota| format!("quota: {quota}"));
        let mind: Vec<_> = loss.into_iter().chain(quota).collect();
        let call = step.call.map(code).unwrap_or_default();
        let takes = if step.call.is_some() { step.takes.as_str() } else { "" };
        row(out, &[code(sign), cell(rest), call, cell(takes), cell(&mind.join("; "))]);
    }
}

fn migrations(out: &mut String, explained: &Explanation) {
    if explained.details.is_empty() && explained.held.is_empty() {
        return;
    }
    out.push_str("\n#### Migrations\n");
    if !explained.details.is_empty() {
        out.push_str(
            "\n| migration | items | size | read units | write units | on demand | takes | way back |\n\
             |---|---:|---:|---:|---:|---:|---:|---|\n",
        );
    }
    for (line, details) in explained.migrations.iter().zip(&explained.details) {
        migration(out, line, details);
    }
    if let Some(total) = explained.total.filter(|_| explained.details.len() > 1) {
        let mut cells = vec!["**all**".to_owned()];
        cells.extend(figures(&total));
        cells.push(String::new());
        row(out, &cells);
    }
    if let Some(basis) = explained.basis {
        let _ = write!(out, "\n<sub>{}</sub>\n", inline(basis));
    }
    if !explained.held.is_empty() {
        out.push_str("\nNot run:\n\n");
    }
    for held in &explained.held {
        let _ = writeln!(out, "- {}: {}", code(&held.id), held.why);
    }
}

fn migration(out: &mut String, line: &str, details: &ExplainedMigration) {
    let does = line.split_once(": ").map_or("", |(_, does)| does);
    let mut name = format!("{} {}", code(&details.id), cell(does));
    if !details.description.is_empty() {
        let _ = write!(name, "<br>{}", cell(&details.description));
    }
    let mut cells = vec![name];
    cells.extend(details.estimate.as_ref().map_or([const { String::new() }; 6], figures));
    cells.push(details.way_back.map_or_else(|| "none".to_owned(), cell));
    row(out, &cells);
}

fn figures(estimate: &Estimate) -> [String; 6] {
    [
        thousands(estimate.items),
        bytes(estimate.bytes),
        thousands(estimate.read_units),
        thousands(estimate.write_units),
        dollars(estimate.us_cents),
        words(Duration::from_secs(estimate.seconds)),
    ]
}

fn finding(finding: &Finding) -> String {
    let Finding { code, severity, allowed, about, problem, fix, offered } = finding;
    let allowed = if *allowed { ", allowed" } else { "" };
    let (about, problem, fix) = (inline(about), inline(problem), inline(fix));
    let offered = offered.as_ref().map(|text| format!("\n{}", indented(&fenced(text, "yaml"))));
    let offered = offered.unwrap_or_default();
    format!("**{code}** {severity}{allowed}, {about}: {problem}; {fix}{offered}")
}

fn list<T>(out: &mut String, heading: &str, all: &[T], line: impl Fn(&T) -> String) {
    if all.is_empty() {
        return;
    }
    let _ = write!(out, "\n#### {heading}\n\n");
    for one in all {
        let _ = writeln!(out, "- {}", line(one));
    }
}

fn row(out: &mut String, cells: &[String]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

/// Text that stays text: nothing in it is taken for Markdown, HTML or a mention.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '~' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

/// The same in a cell of a table.
fn cell(text: &str) -> String {
    inline(text).replace('|', "\\|")
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace('|', "\\|"))
}

/// A block of text as it is, whatever backticks it has.
pub(crate) fn fenced(text: &str, language: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}", text.trim_end())
}

/// A block that belongs to an entry of a list.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
