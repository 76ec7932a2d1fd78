//! `state-machine`: the definition of what goes on with runs that are longer than an invocation.

use crate::exit::{Done, Ended};
use crate::render;
use crate::session::Session;

/// Print the definition of the state machine that goes on with long runs
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright state-machine > state-machine.json")]
pub(crate) struct StateMachine {}

impl StateMachine {
    #[expect(clippy::unused_async, reason = "verbs are called alike")]
    pub(crate) async fn run(self, _: &Session) -> Ended {
        render::json(&tablewright::state_machine::definition());
        Ok(Done::Done)
    }
}
