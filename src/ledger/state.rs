//! The life of a migration's row: states, events, and the one function that leads from one to the next.

use std::fmt;

use serde::{Deserialize, Serialize};

/// State of a migration in the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not begun.
    #[default]
    Pending,
    /// Taken as done when the scope began; it never ran.
    Baseline,
    /// Running, or cut off while it ran.
    Started,
    /// Done.
    Applied,
    /// Done, but for items that could not be handled and are on record.
    AppliedWithErrors,
    /// Stopped at a safe point for lack of time.
    Paused,
    /// Stopped by an error; part of it may be done.
    Failed,
    /// Being taken back, or cut off while it was.
    Undoing,
    /// Taken back; it can run again.
    Undone,
    /// Taking it back failed; part of it may be in place.
    UndoFailed,
    /// A state of a newer version.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Baseline => "baseline",
            Self::Started => "started",
            Self::Applied => "applied",
            Self::AppliedWithErrors => "applied with errors",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::UndoFailed => "undo failed",
            Self::Unknown => "in a state of a newer version",
        })
    }
}

/// What happens to a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is taken as done without running.
    Baseline,
    /// It begins, or goes on.
    Start,
    /// It is done.
    Succeed,
    /// It is done, but for some items.
    SucceedWithErrors,
    /// The items that had failed are done as well.
    Mend,
    /// It stops for lack of time.
    Pause,
    /// It stops with an error.
    Fail,
    /// Taking it back begins, or goes on.
    Undo,
    /// It is taken back.
    UndoSucceed,
    /// Taking it back stops with an error.
    UndoFail,
    /// A person says that it is done.
    MarkApplied,
    /// A person says that it is taken back, or never ran.
    MarkRolledBack,
    /// A person says that what ran is what the build has.
    Identify,
}

/// An event that cannot happen in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a migration that is {state} cannot {event:?}")]
pub struct IllegalTransition {
    state: State,
    event: Event,
}

impl State {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 11] = [
        Self::Pending,
        Self::Baseline,
        Self::Started,
        Self::Applied,
        Self::AppliedWithErrors,
        Self::Paused,
        Self::Failed,
        Self::Undoing,
        Self::Undone,
        Self::UndoFailed,
        Self::Unknown,
    ];

    /// The state after `event`.
    ///
    /// # Errors
    /// [`IllegalTransition`] where the event cannot happen in this state.
    pub fn next(self, event: Event) -> Result<Self, IllegalTransition> {
        use State::{
            Applied, AppliedWithErrors, Baseline, Failed, Paused, Pending, Started, UndoFailed,
            Undoing, Undone,
        };
        match (self, event) {
            (Pending, Event::Baseline) => Ok(Baseline),
            (Pending | Undone | Started | Paused | Failed | Undoing | UndoFailed, Event::Start) => {
                Ok(Started)
            }
            (Started, Event::Succeed)
            | (AppliedWithErrors, Event::Mend)
            | (
                Pending | Undone | Started | Paused | Failed | Undoing | UndoFailed
                | AppliedWithErrors,
                Event::MarkApplied,
            ) => Ok(Applied),
            (Started, Event::SucceedWithErrors) => Ok(AppliedWithErrors),
            (Started, Event::Pause) => Ok(Paused),
            (Started, Event::Fail) => Ok(Failed),
            (
                Applied | AppliedWithErrors | Started | Paused | Failed | Undoing | UndoFailed,
                Event::Undo,
            ) => Ok(Undoing),
            (Undoing, Event::UndoSucceed)
            | (
                Baseline | Applied | AppliedWithErrors | Started | Paused | Failed | Undoing
                | UndoFailed,
                Event::MarkRolledBack,
            ) => Ok(Undone),
            (Undoing, Event::UndoFail) => Ok(UndoFailed),
            (Baseline | Applied | AppliedWithErrors, Event::Identify) => Ok(self),
            _ => Err(IllegalTransition { state: self, event }),
        }
    }

    /// Whether it has run to its end.
    #[must_use]
    pub fn is_applied(self) -> bool {
        matches!(self, Self::Applied | Self::AppliedWithErrors)
    }

    /// Whether the migration counts as done.
    #[must_use]
    pub fn is_done(self) -> bool {
        self.is_applied() || self == Self::Baseline
    }

    /// Whether some of the migration may be in place without all of it being so.
    #[must_use]
    pub fn is_partial(self) -> bool {
        matches!(
            self,
            Self::Started | Self::Paused | Self::Failed | Self::Undoing | Self::UndoFailed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_never_runs_again_by_itself() {
        for state in State::ALL.into_iter().filter(|state| state.is_done()) {
            assert!(state.next(Event::Start).is_err(), "{state}");
        }
    }

    #[test]
    fn every_partial_state_has_a_way_forward_and_a_way_back() {
        for state in State::ALL.into_iter().filter(|state| state.is_partial()) {
            assert!(state.next(Event::Undo).is_ok(), "{state}");
            assert!(state.next(Event::Start).is_ok(), "{state}");
        }
    }

    #[test]
    fn a_person_can_end_every_partial_state_either_way_and_says_nothing_twice() {
        for state in State::ALL {
            let (applied, back) =
                (state.next(Event::MarkApplied), state.next(Event::MarkRolledBack));
            if state.is_partial() {
                assert_eq!((applied.unwrap(), back.unwrap()), (State::Applied, State::Undone));
            }
        }
        for state in [State::Applied, State::Baseline] {
            assert!(state.next(Event::MarkApplied).is_err(), "{state}");
        }
        for state in [State::Pending, State::Undone] {
            assert!(state.next(Event::MarkRolledBack).is_err(), "{state}");
        }
    }

    #[test]
    fn only_what_is_done_can_be_said_to_be_what_the_build_has() {
        for state in State::ALL {
            let same = state.next(Event::Identify);
            assert_eq!(same.is_ok(), state.is_done(), "{state}");
            assert!(same.is_err() || same == Ok(state));
        }
    }

    #[test]
    fn a_state_of_a_newer_version_is_read_and_left_alone() {
        let state: State = serde_json::from_str("\"held_for_release\"").unwrap();
        assert_eq!(state, State::Unknown);
        let by_hand = [Event::MarkApplied, Event::MarkRolledBack, Event::Identify];
        for event in
            [Event::Start, Event::Undo, Event::Succeed, Event::Baseline].into_iter().chain(by_hand)
        {
            assert!(state.next(event).is_err());
        }
    }
}
