//! What a script did not manage: in the words of what it threw, at the line and column of the script.

use std::fmt;

use super::{MEMORY_BYTES_MAX, TIME_MAX};
use crate::authoring::{Fault, Source};

/// An error of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) message: String,
    /// Line and column, both from 1, where that is known.
    pub(super) at: Option<(usize, usize)>,
    /// Whether what is left of the engine is not to be used again.
    pub(super) is_fatal: bool,
}

/// What an error tells of itself.
pub(super) struct Thrown {
    pub(super) name: String,
    pub(super) message: String,
    pub(super) stack: String,
}

impl Trouble {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), at: None, is_fatal: false }
    }

    /// One after which the engine is not used again.
    pub(super) fn fatal(message: impl Into<String>) -> Self {
        Self { is_fatal: true, ..Self::new(message) }
    }

    /// What was thrown while this script ran.
    pub(super) fn thrown(thrown: &Thrown, source: &Source, was_ended: bool) -> Self {
        let Thrown { name, message, stack } = thrown;
        let at = place(stack, &source.file);
        let is_internal = name == "InternalError";
        let message = match message.as_str() {
            _ if was_ended => {
                format!("it ran for more than {} s and was ended", TIME_MAX.as_secs())
            }
            "out of memory" if is_internal => out_of_memory(),
            "null" if is_internal => format!("{}, or threw null", out_of_memory()),
            "" => {
                let name = if name.is_empty() { "an error" } else { name };
                format!("it threw {name} without a message")
            }
            // What authors say is theirs; what the engine says may quote a value, as the name of a property that is not there.
            message if name == "Error" => message.to_owned(),
            message => format!("{name}: {}", without_values(message, &source.text)),
        };
        Self { message, at, is_fatal: was_ended || is_internal }
    }

    /// One for want of memory.
    pub(super) fn out_of_memory() -> Self {
        Self::fatal(out_of_memory())
    }

    /// As an error of an item, which names the file.
    pub(super) fn of_item(&self, source: &Source) -> String {
        match self.at {
            Some((line, column)) => format!("{}:{line}:{column}: {}", source.file, self.message),
            None => format!("{}: {}", source.file, self.message),
        }
    }

    /// As a fault of the file.
    pub(super) fn into_fault(self, source: &Source) -> Fault {
        let fault = Fault::new(&source.file, self.message);
        match self.at {
            Some((line, column)) => fault.at(source, line, column),
            None => fault,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn out_of_memory() -> String {
    format!("it needs more than {} MiB", MEMORY_BYTES_MAX >> 20)
}

/// Where in this file a stack is, the innermost first.
fn place(stack: &str, file: &str) -> Option<(usize, usize)> {
    stack.lines().find_map(|frame| {
        let after = frame.split_once(file)?.1.strip_prefix(':')?;
        let mut numbers = after.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let line = numbers.next()?.ok()?;
        Some((line, numbers.next().and_then(Result::ok).unwrap_or(1)))
    })
}

/// The message, and nothing for what it quotes where that is no word of the script: it may be a value then.
fn without_values(message: &str, script: &str) -> String {
    let mut quoted = message.split('\'').skip(1).step_by(2);
    let is_paired = message.matches('\'').count().is_multiple_of(2);
    if is_paired && quoted.all(|quoted| script.contains(quoted)) {
        return message.to_owned();
    }
    match (message.split_once('\''), message.rsplit_once('\'')) {
        (Some((before, _)), Some((_, after))) => format!("{before}'…'{after}"),
        (_, _) => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_quotes_the_script_and_no_value() {
        let script = "item.address.city";
        for (message, kept) in [
            (
                "Cannot read property 'city' of undefined",
                "Cannot read property 'city' of undefined",
            ),
            ("Cannot read property 'Jane' of undefined", "Cannot read property '…' of undefined"),
            ("Cannot read property 'O'city' of undefined", "Cannot read property '…' of undefined"),
            ("'city' is no 'Jane'", "'…'"),
            ("not a function", "not a function"),
            ("don't", "don'…'t"),
        ] {
            assert_eq!(without_values(message, script), kept);
        }
    }

    #[test]
    fn a_place_is_that_of_the_innermost_frame_of_the_script() {
        let stack = "    at put (tablewright:9:9)\n    at label (m/0001_a.js:3:11)\n    at up (m/0001_a.js:7:2)\n";
        assert_eq!(place(stack, "m/0001_a.js"), Some((3, 11)));
        assert_eq!(place("    at m/0001_a.js:5\n", "m/0001_a.js"), Some((5, 1)));
        assert_eq!(place("    at native\n", "m/0001_a.js"), None);
    }
}
