//! The command line.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it says is for whoever calls it"
)]

use std::process::ExitCode;

const USAGE: &str = "usage: tablewright state-machine\n\n  state-machine    \
    print the definition of the state machine that goes on with runs longer than an invocation";

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["state-machine"] => {
            println!("{:#}", tablewright::state_machine::definition());
            ExitCode::SUCCESS
        }
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
