//! The command line: it parses, calls the library, and renders what comes back.
//!
//! The binary `tablewright` has the migrations of files. A team that compiles some has a command line of its own, which
//! knows them as well:
//!
//! ```no_run
//! use tablewright::{Migration, Migrator};
//!
//! fn main() -> std::process::ExitCode {
//!     let label = Migration::new("0001_label", |_| async { Ok(()) });
//!     tablewright_cli::main(Migrator::builder().migration(label).build())
//! }
//! ```

mod apply;
mod args;
mod ask;
mod completions;
mod dev;
mod exit;
mod history;
mod hold;
mod iam;
mod lines;
mod new;
mod plan;
mod render;
mod repair;
mod report;
mod retry;
mod schema;
mod session;
mod settings;
mod signed;
mod state_machine;
mod status;
mod test;
mod undo;
mod validate;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use tablewright::Migrator;
use tablewright::migrator::BuildError;

use self::args::{Args, in_groups};
use self::exit::Failure;
use self::session::Session;

/// Does what the arguments of the process say, with these compiled migrations beside those of files.
///
/// Exit codes: 0 done, 1 failed, 2 bad usage, 3 work is pending.
#[must_use]
pub fn main(compiled: Result<Migrator, BuildError>) -> ExitCode {
    let args = match in_groups(Args::command()).try_get_matches() {
        Ok(matches) => Args::from_arg_matches(&matches),
        Err(error) => Err(error),
    };
    let args = match args {
        Ok(args) => args,
        Err(error) => {
            // Help that was asked for is no failure, and says so by its code.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    args.global.color.write_global();
    if args.global.verbose {
        tablewright::logging::to_stderr("info");
    }
    let session = Session::new(args.global, compiled);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(args.verb.run(&session));
            // A watcher of files, or a question that nobody answers, must not keep the process.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(Failure::Failed(format!("no threads can be started: {error}"))),
    };
    exit::code(ended)
}
