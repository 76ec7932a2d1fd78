//! The command line without compiled migrations: those of files, and whatever the ledger tells.

use std::process::ExitCode;

use tablewright::Migrator;

fn main() -> ExitCode {
    tablewright_cli::main(Migrator::builder().build())
}
