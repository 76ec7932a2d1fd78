//! Direct commands: what a person asks of the function itself, from the event to one value.
//!
//! An event `{"tablewright": "VERB", …}`, sent with `aws lambda invoke`, is answered with JSON. Every verb takes `ledger`
//! (the ledger table, `tablewright-ledger` unless given) and either `scope` or `stack` (the name of the stack); neither
//! is needed where the ledger knows one scope. A field that a verb does not take is refused.
//!
//! | verb | fields | the result has also |
//! |---|---|---|
//! | `status` | | the whole of [`Status`] |
//! | `history` | `limit` (50) | `entries`, newest first, each a [`Entry`] |
//! | `plan` | `properties`, as CloudFormation would send them; `may_begin` (`false`): whether a scope that is not known is one that begins; `sample` (up to 100 items of each table, on which the pending migrations are tried), with it `redact` (`true`: of values, their types and sizes) | `pending` (whether there is something to do), `plan` (an [`Explanation`](crate::plan::Explanation), `null` where it is refused), `refused` (each objection), `sample` (a [`Preview`](crate::preview::Preview), or `null`), `text`, `markdown` (for a pull request) |
//! | `unlock` | | `was` (whose the lease was, or `null`) |
//! | `pause` | | `was` (as of `unlock`), `paused` (ids of migrations) |
//! | `resume` | | `was` (the hold, or `null`), `left` (ids of migrations that are pending or not done) |
//! | `repair` | `action` (`mark-applied`, `mark-rolled-back`, `fingerprint`), `id` | `from`, `to` (states or fingerprints) |
//! | `retry-failed` | `id` | `mended`, `failing` (counts of items) |
//! | `undo` | `to` (an id that stays), or `all`: `true` | `undone`, `left` (ids) |
//!
//! Each result has `tablewright` (the verb), `status` (`done`, or `pending`: sent again, it goes on), `ledger`, `scope` and
//! `stack`. Fields are only ever added. What is not done is an error of the invocation, whose message says what to do.
//!
//! Those from `unlock` on write. They need `by` and `reason`, since Lambda does not tell a function who has invoked it
//! (AWS documentation, "Logging Lambda API calls using AWS CloudTrail": the trail does, where data events are on). They act
//! under a lease, which `unlock` and `pause` take over from whoever holds it and all others take only when it is free, and are
//! on record in a row `command#<time>#<id>` before they act and after.

mod act;
mod event;
mod history;
mod hold;
mod plan;
mod repair;
mod retry;
mod scope;
mod status;
#[cfg(feature = "report")]
mod survey;
mod undo;

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use self::history::{Entry, What};
pub use self::status::{LeaseStatus, MigrationStatus, RunStatus, Status, TableStatus};
#[cfg(feature = "report")]
pub use self::survey::{Details, FailedItem, Prospect, Survey, Surveyed};
use crate::clock;
use crate::deadline::Deadline;
use crate::dynamo;
use crate::hex::hex;
use crate::interrupt::Interrupt;
use crate::ledger::Ledger;
use crate::ledger::rows::entry;
use crate::migrator::{BuildError, Migrator};
use crate::preview::Sampling;
use crate::services::Services;

/// Name of the field that makes an event a command, and holds its verb.
const VERB: &str = "tablewright";

/// Whether an event is a command, if perhaps not one that is known.
#[must_use]
pub fn is_command(event: &Value) -> bool {
    event.get(VERB).is_some()
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    ledger: Option<String>,
    wanted: Wanted,
    verb: Verb,
}

/// Which scope is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// The only one.
    Only,
    /// This one.
    Scope(String),
    /// That of the stack of this name.
    Stack(String),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verb {
    Look(Look),
    Act(Act, Signed),
}

/// What takes no lease and writes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Look {
    Status,
    History { limit: usize },
    Plan(Asked),
}

/// What a plan is made of, and what it is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    properties: Value,
    /// Of a scope that is not known, it is the plan with which one begins.
    may_begin: bool,
    sample: Option<Sampling>,
}

/// What writes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Act {
    Unlock,
    Pause,
    Resume,
    Repair { id: String, repair: Repair },
    RetryFailed { id: String },
    Undo(Back),
}

/// What a person says of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repair {
    MarkApplied,
    MarkRolledBack,
    Fingerprint,
}

/// How far back.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Back {
    /// What is newer than this migration is taken back.
    To(String),
    /// All is.
    All,
}

/// Who has what writes done, and why, in their own words.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signed {
    by: String,
    reason: String,
}

impl Verb {
    /// Its name in events.
    fn name(&self) -> &'static str {
        match self {
            Self::Look(Look::Status) => "status",
            Self::Look(Look::History { .. }) => "history",
            Self::Look(Look::Plan(_)) => "plan",
            Self::Act(act, _) => act.name(),
        }
    }
}

impl Act {
    fn name(&self) -> &'static str {
        match self {
            Self::Unlock => "unlock",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Repair { .. } => "repair",
            Self::RetryFailed { .. } => "retry-failed",
            Self::Undo(_) => "undo",
        }
    }
}

/// Why a command is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The event is none that can be carried out.
    #[error("{0}")]
    Malformed(String),
    /// What is on record stands against it: nothing was changed but the record of commands.
    #[error("{0}")]
    Refused(String),
    /// It stopped before its end.
    #[error("{0}")]
    Failed(String),
}

impl From<dynamo::Error> for CommandError {
    fn from(error: dynamo::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Interrupt> for CommandError {
    fn from(interrupt: Interrupt) -> Self {
        Self::Failed(interrupt.to_string())
    }
}

/// What commands are carried out with.
#[derive(Debug, Clone)]
pub struct Hands {
    services: Services,
    migrator: Result<Arc<Migrator>, BuildError>,
    /// Key of the row that a writing command leaves, and the name under which it holds a lease.
    id: String,
    invocation: String,
    budget: Deadline,
}

impl Hands {
    /// Puts together what one command needs. Sends nothing.
    #[must_use]
    pub fn new(
        services: Services,
        migrator: Result<Arc<Migrator>, BuildError>,
        invocation: &str,
        budget: Deadline,
    ) -> Self {
        let digest = Sha256::digest(invocation);
        let unique = hex(&digest[..4]);
        let id = format!("{}{}#{unique}", entry::COMMAND, clock::now());
        Self { services, migrator, id, invocation: invocation.to_owned(), budget }
    }

    /// What names the command in the log and in the ledger.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The build's migrations.
    fn migrator(&self) -> Result<&Arc<Migrator>, CommandError> {
        self.migrator.as_ref().map_err(|error| {
            CommandError::Refused(format!("the function's migrations are refused: {error}"))
        })
    }
}

/// Whether a command has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    Done,
    Pending,
}

/// What a command is answered with.
#[derive(Serialize)]
struct Reply<'a, T> {
    tablewright: &'static str,
    status: Ended,
    ledger: &'a str,
    scope: &'a str,
    stack: &'a str,
    #[serde(flatten)]
    body: T,
}

impl Command {
    /// Reads an event.
    ///
    /// # Errors
    /// [`CommandError::Malformed`] with every problem of it.
    pub fn read(event: &Value) -> Result<Self, CommandError> {
        event::read(event)
    }

    /// Carries it out.
    ///
    /// # Errors
    /// [`CommandError`]: what stands against it, or what stopped it, and what to do.
    pub async fn obey(self, hands: &Hands) -> Result<Value, CommandError> {
        let verb = self.verb.name();
        tracing::info!(verb, "command");
        match &self.verb {
            Verb::Look(Look::Status) => {
                let (ledger, snapshot) = self.scope(hands).await?;
                let status = status::of(hands, &ledger, &snapshot).await?;
                reply(verb, Ended::Done, &ledger, stack_of(&snapshot), status)
            }
            Verb::Look(Look::History { limit }) => {
                let (ledger, snapshot) = self.scope(hands).await?;
                let history = history::of(&ledger, *limit).await?;
                reply(verb, Ended::Done, &ledger, stack_of(&snapshot), history)
            }
            Verb::Look(Look::Plan(asked)) => {
                let Asked { properties, may_begin, .. } = asked;
                let (ledger, snapshot) =
                    self.scope_of_a_plan(hands, properties, *may_begin).await?;
                let stack = stack_of(&snapshot).to_owned();
                let plan = plan::of(hands, &ledger, snapshot, asked).await?;
                reply(verb, Ended::Done, &ledger, &stack, plan)
            }
            Verb::Act(act, signed) => {
                let (ledger, snapshot) = self.scope(hands).await?;
                let outcome = act::carry_out(hands, &ledger, act, signed).await?;
                reply(verb, outcome.ended, &ledger, stack_of(&snapshot), outcome)
            }
        }
    }
}

fn stack_of(snapshot: &crate::ledger::Snapshot) -> &str {
    snapshot.meta.as_ref().map_or("", |meta| meta.stack.as_str())
}

fn reply(
    verb: &'static str,
    status: Ended,
    ledger: &Ledger,
    stack: &str,
    body: impl Serialize,
) -> Result<Value, CommandError> {
    let (scope, ledger) = (ledger.scope(), ledger.table());
    let reply = Reply { tablewright: verb, status, ledger, scope, stack, body };
    serde_json::to_value(reply).map_err(|error| CommandError::Failed(error.to_string()))
}
