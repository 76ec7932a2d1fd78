//! What is wrong with a migration file, where, and how to mend it.

use std::fmt;

use super::Source;

/// One thing that is wrong with a file. Its `Display` is one line, for logs and for the answer to CloudFormation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, as a person finds it.
    pub file: String,
    /// Where in it; nothing where it is about the whole of it.
    pub place: Option<Place>,
    /// What is wrong; names what was found and what was expected.
    pub problem: String,
    /// What to do; may be empty.
    pub fix: String,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The text of that line.
    pub excerpt: String,
}

impl Fault {
    /// One about the whole of a file.
    #[must_use]
    pub fn new(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { file: file.into(), place: None, problem: problem.into(), fix: String::new() }
    }

    /// The same, at this line and column of the file, both from 1.
    #[must_use]
    pub fn at(mut self, source: &Source, line: usize, column: usize) -> Self {
        let excerpt = source.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        self.place = Some(Place { line, column, excerpt: excerpt.to_owned() });
        self
    }

    /// The same, with what to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// The fault as a terminal shows it: the line that it is on, a mark under its column, and what to do.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut shown = self.head();
        if let Some(Place { line, column, excerpt }) = &self.place {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            // A tab stays one, so that the mark stands where the eye looks for it.
            let before = excerpt.chars().take(column.saturating_sub(1));
            let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let lines = format!("\n {margin} |\n {number} | {excerpt}\n {margin} | {indent}^");
            shown.push_str(&lines);
        }
        if !self.fix.is_empty() {
            shown.push_str("\n  fix: ");
            shown.push_str(&self.fix.replace('\n', "\n       "));
        }
        shown
    }

    fn head(&self) -> String {
        match &self.place {
            Some(Place { line, column, .. }) => {
                format!("{}:{line}:{column}: {}", self.file, self.problem)
            }
            None => format!("{}: {}", self.file, self.problem),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head())?;
        if self.fix.is_empty() { Ok(()) } else { write!(f, "; {}", self.fix.replace('\n', " ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authoring::Language;

    #[test]
    fn a_fault_is_one_line_in_a_log_and_shows_its_line_on_a_terminal() {
        let source = Source {
            id: "0001_a".to_owned(),
            language: Language::Yaml,
            file: "migrations/0001_a.yaml".to_owned(),
            text: "description: x\n\ttabel: orders\n".to_owned(),
        };
        let fault = Fault::new(&source.file, "unknown field tabel")
            .at(&source, 2, 2)
            .fix("write table:\n  table: orders");
        assert_eq!(
            fault.to_string(),
            "migrations/0001_a.yaml:2:2: unknown field tabel; write table:   table: orders"
        );
        assert_eq!(
            fault.shown(),
            "migrations/0001_a.yaml:2:2: unknown field tabel\n   |\n 2 | \ttabel: orders\n   | \t^\n  fix: write table:\n         table: orders"
        );
    }
}
