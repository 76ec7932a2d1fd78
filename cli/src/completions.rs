//! `completions`: what a shell needs to complete the arguments.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::exit::{Done, Ended};
use crate::render::say;
use crate::session::Session;

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright completions bash > ~/.local/share/bash-completion/completions/tablewright\n  \
    tablewright completions zsh > \"${fpath[1]}/_tablewright\"\n  \
    tablewright completions fish > ~/.config/fish/completions/tablewright.fish\n  \
    tablewright completions powershell >> $PROFILE")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    #[expect(clippy::unused_async, reason = "verbs are called alike")]
    pub(crate) async fn run(self, _: &Session) -> Ended {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Args::command(), "tablewright", &mut script);
        say(String::from_utf8_lossy(&script).trim_end());
        Ok(Done::Done)
    }
}
