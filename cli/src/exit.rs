//! How a verb ends: its exit code, and what it says where it failed.

use std::process::ExitCode;

use tablewright::authoring::Fault;
use tablewright::command::CommandError;

use crate::lines;
use crate::render::{complain, counted, style};

/// What a verb returns.
pub(crate) type Ended = Result<Done, Failure>;

/// How a verb ended that did what it was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// There is nothing left.
    Done,
    /// Something is left to be done.
    Pending,
}

/// Why a verb did not.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was called in a way that says too little, or two things.
    Usage(String),
    /// What stands against it, and what to do.
    Failed(String),
    /// Files that cannot be used.
    Faults(Vec<Fault>),
}

impl Failure {
    pub(crate) fn usage(said: impl Into<String>) -> Self {
        Self::Usage(said.into())
    }

    pub(crate) fn failed(said: impl Into<String>) -> Self {
        Self::Failed(said.into())
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Says why it failed, and ends with the code of it.
pub(crate) fn code(ended: Ended) -> ExitCode {
    let error = style::ERROR;
    match ended {
        Ok(Done::Done) => ExitCode::SUCCESS,
        Ok(Done::Pending) => ExitCode::from(3),
        Err(Failure::Usage(said)) => {
            complain(&format!("{error}error:{error:#} {said}"));
            ExitCode::from(2)
        }
        Err(Failure::Failed(said)) => {
            complain(&format!("{error}error:{error:#} {}", lines::in_text(&said)));
            ExitCode::FAILURE
        }
        Err(Failure::Faults(faults)) => {
            for fault in &faults {
                complain(&format!("{error}error:{error:#} {}\n", fault.shown()));
            }
            let count = counted(faults.len(), "fault");
            complain(&format!("{count}; nothing was changed"));
            ExitCode::FAILURE
        }
    }
}
