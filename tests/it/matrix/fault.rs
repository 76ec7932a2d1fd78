//! What goes wrong, and at which steps of a scenario it can.

use super::scenario::{Misstep, Scenario};

/// Something that goes wrong at one step of a request, or with all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Code of ours panics.
    OwnPanic,
    /// Code of a migration panics.
    MigrationPanic,
    /// A request to DynamoDB takes as long as the invocation may.
    Hangs,
    /// All requests take so long that the time is over soon.
    Slow,
    /// The ledger throttles a few requests.
    ThrottledForAWhile,
    /// The ledger throttles every request, until this one is over.
    Throttled,
    /// The function may not use its ledger, until this request is over.
    Denied,
    /// Somebody else takes the lease.
    LeaseLost,
    /// CloudFormation has given up, and goes back while the run goes on.
    OvertakenByTheWayBack,
    /// The event is delivered once more while its run goes on.
    TwiceAtOnce,
    /// The event is delivered once more after it was answered, and again after all that followed.
    Again,
    /// The answer is refused.
    AnswerRefused,
    /// The answer gets through in none of the first deliveries.
    AnswerLost,
    /// The answer is taken and the response is lost.
    AnswerDuplicated,
    /// Another resource fails after all has gone well.
    AnotherResourceFails,
    /// A Delete of an id that is none of ours comes before and after.
    UnknownDelete,
    /// The process is killed before a write to the ledger gets there.
    KilledBefore,
    /// The process is killed when a write to the ledger has got there.
    KilledAfter,
    /// The process is killed in each delivery.
    KilledEachTime,
    /// A migration takes more memory than there is, in each delivery.
    OutOfMemory,
    /// A slice of a run that was handed over is killed before a write to the ledger.
    SliceKilled,
    /// Each of its slices is.
    SlicesKilled,
}

/// What the steps are at which a fault can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Each request to DynamoDB; queries that follow upon each other are one.
    Request,
    /// Each of them, from the first on that the run sends under its lease.
    RequestOfARun,
    /// Each request to the ledger.
    LedgerRequest,
    /// Each of them that writes.
    LedgerWrite,
    /// Each of them that writes, in slices.
    WriteOfASlice,
    /// Each item that a migration meets.
    Item,
    /// Each delivery, as far as Lambda makes them by itself.
    Delivery,
    /// The whole.
    Whole,
}

impl Fault {
    /// Those for which no process is needed, so that time is virtual.
    pub(super) const IN_PROCESS: [Self; 16] = [
        Self::OwnPanic,
        Self::MigrationPanic,
        Self::Hangs,
        Self::Slow,
        Self::ThrottledForAWhile,
        Self::Throttled,
        Self::Denied,
        Self::LeaseLost,
        Self::OvertakenByTheWayBack,
        Self::TwiceAtOnce,
        Self::Again,
        Self::AnswerRefused,
        Self::AnswerLost,
        Self::AnswerDuplicated,
        Self::AnotherResourceFails,
        Self::UnknownDelete,
    ];

    /// Those that end a process.
    pub(super) const OF_PROCESSES: [Self; 6] = [
        Self::KilledBefore,
        Self::KilledAfter,
        Self::KilledEachTime,
        Self::OutOfMemory,
        Self::SliceKilled,
        Self::SlicesKilled,
    ];

    /// All, in the order of the table.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        Self::IN_PROCESS.into_iter().chain(Self::OF_PROCESSES)
    }

    /// What it is called in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OwnPanic => "a panic of ours",
            Self::MigrationPanic => "a panic of a migration",
            Self::Hangs => "a request that hangs",
            Self::Slow => "the time is over",
            Self::ThrottledForAWhile => "ledger throttled for a while",
            Self::Throttled => "ledger throttled",
            Self::Denied => "ledger denied",
            Self::LeaseLost => "lease lost",
            Self::OvertakenByTheWayBack => "the way back comes while the run goes on",
            Self::TwiceAtOnce => "delivered twice at once",
            Self::Again => "delivered again after the answer",
            Self::AnswerRefused => "answer refused (403)",
            Self::AnswerLost => "answer lost",
            Self::AnswerDuplicated => "answer duplicated",
            Self::AnotherResourceFails => "another resource fails",
            Self::UnknownDelete => "Delete of an unknown id",
            Self::KilledBefore => "killed before a write",
            Self::KilledAfter => "killed after a write",
            Self::KilledEachTime => "killed in every delivery",
            Self::OutOfMemory => "out of memory in every delivery",
            Self::SliceKilled => "a slice killed before a write",
            Self::SlicesKilled => "killed in every slice",
        }
    }

    pub(super) fn step(self) -> Step {
        match self {
            Self::OwnPanic | Self::Hangs | Self::Slow | Self::LeaseLost | Self::TwiceAtOnce => {
                Step::Request
            }
            // Before it has its lease, a run cannot be told from one that comes later.
            Self::OvertakenByTheWayBack => Step::RequestOfARun,
            Self::ThrottledForAWhile | Self::Throttled | Self::Denied => Step::LedgerRequest,
            Self::KilledBefore | Self::KilledAfter | Self::KilledEachTime => Step::LedgerWrite,
            Self::SliceKilled | Self::SlicesKilled => Step::WriteOfASlice,
            Self::MigrationPanic | Self::OutOfMemory => Step::Item,
            Self::AnswerLost => Step::Delivery,
            Self::Again
            | Self::AnswerRefused
            | Self::AnswerDuplicated
            | Self::AnotherResourceFails
            | Self::UnknownDelete => Step::Whole,
        }
    }

    /// Whether it can strike in a scenario.
    pub(super) fn strikes(self, scenario: Scenario) -> bool {
        match self {
            Self::MigrationPanic | Self::OutOfMemory => {
                !matches!(scenario, Scenario::Rollback | Scenario::Delete)
            }
            // Nothing leads back from the other two.
            Self::OvertakenByTheWayBack => {
                !matches!(scenario, Scenario::Rollback | Scenario::Delete)
            }
            // An index on a table that exists is what is handed over.
            Self::SliceKilled | Self::SlicesKilled => {
                matches!(scenario, Scenario::Update | Scenario::Failing)
            }
            Self::AnotherResourceFails => matches!(scenario, Scenario::Create | Scenario::Update),
            _ => true,
        }
    }

    /// What a migration does wrong by it.
    pub(super) fn misstep(self) -> Option<Misstep> {
        match self {
            Self::MigrationPanic => Some(Misstep::Panics),
            Self::OutOfMemory => Some(Misstep::Hoards),
            _ => None,
        }
    }
}
