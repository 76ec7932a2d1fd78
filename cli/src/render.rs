//! What is printed: to standard output what was asked for, to standard error what goes on and what is wrong.

use std::io::{IsTerminal, Write};

use serde_json::Value;

/// The colours, which are left out where there is no terminal.
pub(crate) mod style {
    use anstyle::{AnsiColor, Style};

    pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
    pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
    pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
    pub(crate) const STRONG: Style = Style::new().bold();
    pub(crate) const FAINT: Style = Style::new().dimmed();
}

/// Prints a line of the result. Whoever reads it may have gone, as `head` does; that is no failure.
pub(crate) fn say(line: &str) {
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// Prints a line about what goes on, or is wrong.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Prints a result as the library has it.
pub(crate) fn json(value: &Value) {
    say(&format!("{value:#}"));
}

/// Whether a person sees what goes on.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// A text field, or nothing.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The elements of a list, or none.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// A number of things.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Rows in columns that are as wide as their widest cell.
pub(crate) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate();
        let cells = cells.map(|(column, cell)| {
            let width = width(column).unwrap_or(0);
            format!("{cell:<width$}")
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// How long from one moment to another, as people say it; empty where one is not known.
pub(crate) fn took(from: &str, to: &str) -> String {
    let ms = tablewright::clock::parse_ms;
    let (Some(from), Some(to)) = (ms(from), ms(to)) else { return String::new() };
    duration(to.saturating_sub(from))
}

/// Milliseconds as people say them.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A moment without the fraction of its second.
pub(crate) fn moment(moment: &str) -> String {
    let whole = moment.split('.').next().unwrap_or_default();
    whole.trim_end_matches('Z').replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_exact_as_they_are_long() {
        let said = [12, 1_250, 62_000, 3_720_000].map(duration);
        assert_eq!(said, ["12 ms", "1.2 s", "1 min 2 s", "1 h 2 min"]);
        assert_eq!(took("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:02.500Z"), "2.5 s");
        assert_eq!(took("", "2026-01-01T00:00:02.500Z"), "");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "bb", ""], ["ccc", "d", "e"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns(&rows), ["a    bb", "ccc  d   e"]);
    }
}
