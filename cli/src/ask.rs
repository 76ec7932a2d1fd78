//! Questions to whoever sits at the terminal; where nobody does, there is no answer.

use std::io::{IsTerminal, Write};

use crate::exit::Failure;

/// Asks for a line; nothing where there is no terminal, or the line is empty.
pub(crate) fn line(question: &str) -> Option<String> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return None;
    }
    let mut terminal = anstream::stderr();
    write!(terminal, "{question}").and_then(|()| terminal.flush()).ok()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).ok()?;
    let answer = answer.trim().to_owned();
    (!answer.is_empty()).then_some(answer)
}

/// Asks whether to go on, unless that is said already.
///
/// # Errors
/// Where it is declined, and where nobody can be asked.
pub(crate) fn confirm(question: &str, is_said: bool) -> Result<(), Failure> {
    if is_said {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::usage(
            "nobody is here to confirm it; add --yes to do it without asking",
        ));
    }
    let yes = line(&format!("{question} [y/N] "))
        .is_some_and(|answer| matches!(answer.to_lowercase().as_str(), "y" | "yes"));
    if yes { Ok(()) } else { Err(Failure::failed("declined; nothing was changed")) }
}
