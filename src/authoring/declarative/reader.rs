//! Reads the nodes of a file by what is expected there; what does not fit is a fault, and reading goes on.

use super::faults::{At, Faults, nearest};
use super::yaml::{Key, Kind, Node, Text};

/// A mapping of fields, each of which is asked for by name; those that nobody asks for are faults.
pub(super) struct Fields<'a> {
    /// Where it begins.
    pub(super) at: At,
    what: &'static str,
    entries: &'a [(Key, Node)],
    known: Vec<&'static str>,
    faults: &'a Faults<'a>,
}

impl<'a> Fields<'a> {
    /// The fields of a node; `what` it is goes into messages.
    pub(super) fn of(node: &'a Node, what: &'static str, faults: &'a Faults<'a>) -> Option<Self> {
        let entries = mapping(node, what, faults)?;
        Some(Self { at: node.at, what, entries, known: Vec::new(), faults })
    }

    /// The field of this name; one without a value is a fault, and counts as left out.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        let (key, node) = self.entries.iter().find(|(key, _)| key.name == name)?;
        if node.kind == Kind::Null {
            self.faults.add(key.at, format!("{name} has no value"), "give it one, or leave it out");
            return None;
        }
        Some(node)
    }

    /// Whether there is a field of this name, be it right or wrong.
    pub(super) fn has(&self, name: &str) -> bool {
        self.key(name).is_some()
    }

    /// Where a field is named.
    pub(super) fn key(&self, name: &str) -> Option<At> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(key, _)| key.at)
    }

    /// Tells of every field that nobody has asked for.
    pub(super) fn finish(self) {
        for (key, _) in self.entries {
            if self.known.contains(&key.name.as_str()) {
                continue;
            }
            let problem = format!("{} has no field {}", self.what, key.name);
            let fix = match nearest(&key.name, &self.known) {
                Some(near) => format!("do you mean {near}?"),
                None => format!("its fields are {}", self.known.join(", ")),
            };
            self.faults.add(key.at, problem, fix);
        }
    }
}

fn expected<T>(node: &Node, what: &str, expected: &str, fix: &str, faults: &Faults) -> Option<T> {
    if node.kind != Kind::Faulty {
        faults.add(node.at, format!("{what} is {}, not {expected}", node.describe()), fix);
    }
    None
}

pub(super) fn mapping<'a>(
    node: &'a Node,
    what: &str,
    faults: &Faults,
) -> Option<&'a [(Key, Node)]> {
    match &node.kind {
        Kind::Map(entries) => Some(entries),
        _ => expected(
            node,
            what,
            "a mapping",
            "write name: value, each in a line of its own",
            faults,
        ),
    }
}

pub(super) fn list<'a>(node: &'a Node, what: &str, faults: &Faults) -> Option<&'a [Node]> {
    match &node.kind {
        Kind::List(nodes) => Some(nodes),
        _ => expected(
            node,
            what,
            "a list",
            "write [a, b], or - a, each in a line of its own",
            faults,
        ),
    }
}

/// A text that is not empty.
pub(super) fn text<'a>(node: &'a Node, what: &str, faults: &Faults) -> Option<&'a Text> {
    match &node.kind {
        Kind::Text(text) if text.value.trim().is_empty() => {
            faults.add(node.at, format!("{what} is empty"), "");
            None
        }
        Kind::Text(text) => Some(text),
        _ => expected(node, what, "a text", "put it in quotes", faults),
    }
}

pub(super) fn flag(node: &Node, what: &str, faults: &Faults) -> Option<bool> {
    match node.kind {
        Kind::Bool(flag) => Some(flag),
        _ => expected(node, what, "true or false", "write true, or leave it out", faults),
    }
}

/// A whole number within bounds.
pub(super) fn whole<T: TryFrom<u64>>(
    node: &Node,
    what: &str,
    (least, most): (u64, u64),
    faults: &Faults,
) -> Option<T> {
    let Kind::Number(digits) = &node.kind else {
        return expected(node, what, "a number", "write it in digits, without quotes", faults);
    };
    let number = digits.parse().ok().filter(|number| (least..=most).contains(number));
    if number.is_none() {
        let problem = format!("{what} is {digits}, not a whole number from {least} to {most}");
        faults.add(node.at, problem, "");
    }
    number.and_then(|number| T::try_from(number).ok())
}

/// One of several words.
pub(super) fn word<T: Copy>(
    node: &Node,
    what: &str,
    words: &[(&str, T)],
    faults: &Faults,
) -> Option<T> {
    let text = text(node, what, faults)?;
    let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
    if found.is_none() {
        let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let problem = format!("{what} is {}", text.value);
        faults.add(node.at, problem, format!("write {}", all.join(" or ")));
    }
    found
}
