//! Where faults are collected while a file is read, so that all of them are told at once.

use std::cell::RefCell;

use crate::authoring::{Fault, Source};

/// A line and a column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A value, and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed<T> {
    pub(super) at: At,
    pub(super) value: T,
}

/// The faults of one file.
pub(super) struct Faults<'a> {
    pub(super) source: &'a Source,
    found: RefCell<Vec<(At, Fault)>>,
}

impl<'a> Faults<'a> {
    pub(super) fn of(source: &'a Source) -> Self {
        Self { source, found: RefCell::default() }
    }

    pub(super) fn add(&self, at: At, problem: impl Into<String>, fix: impl Into<String>) {
        let fault = Fault::new(&self.source.file, problem);
        let fault = fault.at(self.source, at.line, at.column).fix(fix);
        self.found.borrow_mut().push((at, fault));
    }

    pub(super) fn are_none(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// All of them, in the order of the file.
    pub(super) fn into_list(self) -> Vec<Fault> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, fault)| fault).collect()
    }
}

/// The name among `known` that somebody may have meant.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let distances = known.iter().map(|known| (distance(&name, &known.to_lowercase()), *known));
    let (distance, known) = distances.min()?;
    (distance <= (name.chars().count() / 3).clamp(1, 3)).then_some(known)
}

/// How many letters have to be put in, taken out, replaced or swapped with their neighbour to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_understood_and_another_word_is_not() {
        let known = ["table", "when", "set", "remove", "max_failed_items"];
        for (name, meant) in [
            ("tabel", Some("table")),
            ("Table", Some("table")),
            ("sets", Some("set")),
            ("removes", Some("remove")),
            ("max_failed_item", Some("max_failed_items")),
            ("maxFailedItems", Some("max_failed_items")),
            ("where", None),
            ("filter", None),
        ] {
            assert_eq!(nearest(name, &known), meant, "{name}");
        }
    }
}
