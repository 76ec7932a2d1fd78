//! The ledger's rows and keys. The format is additive: an older build reads what it knows and keeps the rest.
//!
//! | sort key | row |
//! |---|---|
//! | `meta` | the scope: stack, generation, committed declaration |
//! | `generation#<n>#<part>` | the properties of a generation, as long as the way back may lead to it |
//! | `lease` | holder, expiry, fence |
//! | `migration#<id>` | state of a migration |
//! | `text#<id>` | the file that a migration was read from |
//! | `attempt#<id>#<number>` | one run of it, forward or back; never changed once finished |
//! | `checkpoint#<id>#<up or down>#…` | position of one segment, or a finished step |
//! | `failed#<id>#<up or down>#…` | an item that could not be handled |
//! | `progress#<id>#<up or down>#…` | how far a backfill has come, or a worker with its part of one, for people |
//! | `journal#<id>#…` | what an item was; in partitions `<scope>#journal#<shard>` |
//! | `copy#<id>` | how far a copy of a table has come |
//! | `copy#<id>#<shard, gone or left>#…` | a shard of its stream; an item that it has to come back to, or leaves alone |
//! | `table#<name>` | a table: its identity, origin and last declaration |
//! | `run#<run>` | one request |
//! | `answer#<run>` | the one answer to it |
//! | `parked#<run>#<part>` | the request of a run that several invocations carry out, until it is answered |
//! | `parked#<run>#url` | where its answer goes |
//! | `command#<time>#<id>` | what a person has had the function do |
//!
//! The partition `scopes` is a directory: it has a row for each scope, whose sort key is the scope.

mod by_hand;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use self::by_hand::{CommandRow, CommandState, Hold, SCOPES, ScopeRow};
use super::state::State;
use crate::authoring::Language;
use crate::desired::RemovalPolicy;
use crate::dynamo::WireItem;

/// Version of the format, on every row.
pub const FORMAT: u32 = 1;

/// Partition key of the ledger table.
pub const SCOPE: &str = "scope";
/// Sort key of the ledger table.
pub const ENTRY: &str = "entry";

/// Attribute at whose moment, in seconds since the epoch, DynamoDB removes a row of the ledger; only journal rows have it.
pub const EXPIRES: &str = "expires_at";

/// Partitions that a journal is spread over: one serves a thousand write units a second.
pub(crate) const JOURNAL_SHARDS: u32 = 32;

/// What follows on the key of a backfill's progress in those of its workers.
pub(crate) const WORKER: &str = "#worker#";

/// Sort keys.
pub(crate) mod entry {
    pub(crate) const META: &str = "meta";
    pub(crate) const LEASE: &str = "lease";
    pub(crate) const MIGRATION: &str = "migration#";
    pub(crate) const TABLE: &str = "table#";
    pub(crate) const GENERATION: &str = "generation#";
    pub(crate) const RUN: &str = "run#";
    pub(crate) const ATTEMPT: &str = "attempt#";
    pub(crate) const COMMAND: &str = "command#";
    /// Sorts after every id and name.
    pub(crate) const LAST: &str = "~";

    pub(crate) fn migration(id: &str) -> String {
        format!("{MIGRATION}{id}")
    }

    pub(crate) fn text(id: &str) -> String {
        format!("text#{id}")
    }

    pub(crate) fn attempt(id: &str, number: u32) -> String {
        format!("{ATTEMPT}{id}#{number:06}")
    }

    pub(crate) fn checkpoint(key: &str) -> String {
        format!("checkpoint#{key}")
    }

    pub(crate) fn failed(key: &str) -> String {
        format!("failed#{key}")
    }

    pub(crate) fn progress(key: &str) -> String {
        format!("progress#{key}")
    }

    pub(crate) fn journal(key: &str) -> String {
        format!("journal#{key}")
    }

    pub(crate) fn copy(id: &str) -> String {
        format!("copy#{id}")
    }

    /// A row about a part of a copy: a shard, or an item.
    pub(crate) fn copied(id: &str, kind: &str, part: &str) -> String {
        format!("copy#{id}#{kind}#{part}")
    }

    pub(crate) fn table(name: &str) -> String {
        format!("{TABLE}{name}")
    }

    /// What all parts of a generation's properties begin with.
    pub(crate) fn generation(generation: u64) -> String {
        format!("{GENERATION}{generation:09}#")
    }

    pub(crate) fn run(run: &str) -> String {
        format!("{RUN}{run}")
    }

    pub(crate) fn answer(run: &str) -> String {
        format!("answer#{run}")
    }

    /// What all that is parked of a run begins with.
    pub(crate) fn parked(run: &str) -> String {
        format!("parked#{run}#")
    }
}

/// `meta`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetaRow {
    /// Name of the stack, for people.
    pub stack: String,
    /// ARN of the stack.
    pub stack_id: String,
    /// The newest generation of the table set with which the stack is known to have succeeded: a rollback of the stack
    /// leads back to it.
    pub generation: u64,
    /// A newer generation that an Update has answered with, until CloudFormation deletes the one before it or this one.
    pub answered: Option<Answered>,
    /// The highest number that a generation of this scope ever had; none is given twice.
    pub highest: u64,
    /// Hash of the declaration that last succeeded.
    pub committed: Option<String>,
    /// Hash of the one that succeeded before it, as long as a rollback can lead back there.
    pub previous: Option<String>,
    /// Hash of a declaration that was begun and has not succeeded.
    pub attempting: Option<String>,
    /// The run that has begun it, or, where there is none, the last that began one.
    pub attempted_by: Option<String>,
    /// The run with which the committed declaration succeeded.
    pub committed_by: Option<String>,
    /// What goes on though its request is answered.
    pub detached: Option<Detached>,
    /// Who has deploys wait, since when and why.
    pub hold: Option<Hold>,
    /// Whether the scope stands in the directory.
    pub listed: bool,
}

/// A generation that an Update has answered with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answered {
    /// Its number.
    pub generation: u64,
    /// The run that has answered with it; empty where a later one was gone back from.
    pub run: String,
}

/// Migrations that go on though the request that brought them is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Detached {
    /// The run that carries them out.
    pub run: String,
    /// Their ids.
    pub migrations: Vec<String>,
    /// When the request was answered.
    pub since: String,
}

/// The run that goes on when `run` is answered.
#[must_use]
pub fn detached_from(run: &str) -> String {
    format!("{run}{DETACHED}")
}

/// Whether a run goes on after its request.
#[must_use]
pub fn is_detached(run: &str) -> bool {
    run.ends_with(DETACHED)
}

const DETACHED: &str = "-detached";

impl MetaRow {
    /// The generation that holds: of the one before it, and of those after it, nothing is declared any more.
    #[must_use]
    pub fn live(&self) -> u64 {
        let answered = self.answered.as_ref().map_or(0, |answered| answered.generation);
        self.generation.max(answered)
    }

    /// The generation that this run has answered with, or would have, had it not died over it.
    #[must_use]
    pub fn answered_by(&self, run: &str) -> Option<u64> {
        let answered = self.answered.as_ref().filter(|answered| answered.run == run)?;
        Some(answered.generation)
    }
}

/// `generation#<n>#<part>`: a row holds 400 KB, properties can be longer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerationRow {
    /// Hash of the declaration.
    pub declaration: String,
    /// Number of parts.
    pub parts: usize,
    /// This part of `ResourceProperties`, as JSON.
    pub properties: String,
}

/// `migration#<id>`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MigrationRow {
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: State,
    /// Fingerprint of what ran.
    pub fingerprint: String,
    /// One sentence.
    pub description: String,
    /// Run that last applied it, or tried to.
    pub run: String,
    /// Build of that run.
    pub build: String,
    /// How often it was started, forward or back.
    pub attempts: u32,
    /// When it was last started.
    pub started_at: Option<String>,
    /// When it last ended, in whatever way.
    pub finished_at: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether it ran after a newer one.
    pub out_of_order: bool,
    /// Whether its journal takes it back, whatever build there is.
    pub journal: bool,
    /// What it is written in; the text of one that is not compiled is in the ledger.
    pub language: Language,
    /// Run that is taking it back or has; `None` where none has since it was last applied.
    pub undone_by: Option<String>,
}

/// `text#<id>`: the file that a migration was read from, as it last began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextRow {
    /// What it is written in.
    pub language: Language,
    /// Name of the file.
    pub file: String,
    /// The whole of it.
    pub text: String,
}

/// `attempt#<id>#<number>`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttemptRow {
    /// `up` or `down`.
    pub direction: String,
    /// State that it led to.
    pub outcome: State,
    /// Fingerprint of what ran.
    pub fingerprint: String,
    /// Run it was part of.
    pub run: String,
    /// Build that ran it.
    pub build: String,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Items read, where it was a backfill.
    pub read: Option<u64>,
    /// Items changed, where it was a backfill.
    pub changed: Option<u64>,
    /// Items that the transform skipped, where it was a backfill.
    pub skipped: Option<u64>,
    /// Items that could not be handled, or not be taken back, where it was a backfill.
    pub failed: Option<u64>,
}

/// `checkpoint#…`: the position of one segment of a backfill, or a finished step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckpointRow {
    /// Fingerprint of the migration that wrote it; another one starts over.
    pub fingerprint: String,
    /// Number of segments of the scan.
    pub segments: u32,
    /// Whether there is nothing left to do.
    pub done: bool,
    /// Items read so far.
    pub read: u64,
    /// Items changed so far.
    pub changed: u64,
    /// Key of the last item whose write is acknowledged, in wire form.
    #[serde(skip)]
    pub last_key: Option<WireItem>,
}

/// How far a copy has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyStage {
    /// What an earlier version of it has copied is being taken away.
    Clearing,
    /// The source is being scanned, and its stream replayed beside it.
    Seeding,
    /// Records were lost: both tables are being compared, and the target mended.
    Mending,
    /// All is copied; the stream is replayed now and then.
    Following,
    /// Nothing is copied any more.
    Finished,
    /// A stage of a newer version.
    #[default]
    #[serde(other)]
    Unknown,
}

/// `copy#<id>`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CopyRow {
    /// How far it has come.
    pub stage: CopyStage,
    /// Fingerprint of the migration; another one starts over.
    pub fingerprint: String,
    /// ARN of the stream that is replayed.
    pub stream: String,
    /// Whether the target was handed over to the application once: what is not there may have been deleted by it.
    pub handed_over: bool,
    /// When its stream was last looked at, in milliseconds since the epoch.
    pub looked_at_ms: u64,
    /// When it last had caught up.
    pub caught_up_at: Option<String>,
}

/// `copy#<id>#shard#<shard>`: how far a shard of the stream is replayed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardRow {
    /// The shard before it.
    pub parent: Option<String>,
    /// Number of its first record, as far as that was known at the first sight of it.
    pub first: Option<String>,
    /// Number of the last record that was replayed, or passed over.
    pub position: Option<String>,
    /// Whether it is replayed to its end.
    pub done: bool,
    /// Records before this moment, in milliseconds since the epoch, are passed over until the first that is not.
    pub skip_before_ms: u64,
    /// Records that were replayed.
    pub replayed: u64,
    /// When the newest of them was made, by whoever was not DynamoDB itself, in milliseconds since the epoch.
    pub newest_at_ms: u64,
}

/// `copy#<id>#gone#…`: something stands in the target for an item that is gone; `copy#<id>#left#…`: an item that is not
/// touched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CopiedRow {
    /// Why.
    pub why: String,
    /// When.
    pub at: String,
    /// Its key in the target, in wire form.
    #[serde(skip)]
    pub key: WireItem,
}

/// `failed#…`: an item that could not be handled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailedRow {
    /// Table that holds it.
    pub table: String,
    /// Why.
    pub error: String,
    /// Run that met it.
    pub run: String,
    /// When.
    pub at: String,
    /// Its key, in wire form.
    #[serde(skip)]
    pub key: WireItem,
}

/// `progress#…`: how far a backfill has come, written now and then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressRow {
    /// Its table.
    pub table: String,
    /// Run that works on it.
    pub run: String,
    /// Items read.
    pub read: u64,
    /// Items changed.
    pub changed: u64,
    /// Items that could not be handled.
    pub failed: u64,
    /// Items that others changed meanwhile.
    pub contended: u64,
    /// Requests and statements that were throttled.
    pub throttled: u64,
    /// How much of it is done, about.
    pub per_cent: u32,
    /// Seconds that it will still take at its present pace, about.
    pub seconds_left: Option<u64>,
    /// When this was written.
    pub at: String,
}

impl ProgressRow {
    /// What workers have done of a backfill together, over and above what this row says was done before them.
    #[must_use]
    pub fn together(self, workers: &[Self]) -> Self {
        let sum = |of: fn(&Self) -> u64| of(&self) + workers.iter().map(of).sum::<u64>();
        // They have about equal parts of what was left.
        let each = u32::try_from(workers.len()).unwrap_or(u32::MAX).max(1);
        let part = workers.iter().map(|worker| worker.per_cent).sum::<u32>() / each;
        let latest = workers.iter().map(|worker| &worker.at).max().filter(|at| **at > self.at);
        Self {
            read: sum(|row| row.read),
            changed: sum(|row| row.changed),
            failed: sum(|row| row.failed),
            contended: sum(|row| row.contended),
            throttled: sum(|row| row.throttled),
            per_cent: self.per_cent + (100_u32.saturating_sub(self.per_cent)) * part / 100,
            seconds_left: workers.iter().map(|worker| worker.seconds_left).max().flatten(),
            at: latest.cloned().unwrap_or_else(|| self.at.clone()),
            ..self
        }
    }
}

/// What was done to an item that a journal remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalKind {
    /// Some of its attributes were changed.
    Update,
    /// It was deleted.
    Delete,
    /// It was put where there was none.
    Make,
    /// What only a newer version does.
    #[default]
    #[serde(other)]
    Unknown,
}

/// `journal#…`: what an item was before a migration changed it, and how to tell whether it is still as it was left.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JournalRow {
    /// Table that holds it.
    pub table: String,
    /// What was done to it.
    pub kind: JournalKind,
    /// Attributes that were changed.
    pub names: BTreeSet<String>,
    /// Digest of what they were changed to.
    pub after: String,
    /// Run that changed it.
    pub run: String,
    /// When.
    pub at: String,
    /// When DynamoDB may remove the row, in seconds since the epoch.
    pub expires_at: u64,
    /// Key of the item, in wire form.
    #[serde(skip)]
    pub key: WireItem,
    /// What the attributes were, in wire form; one that is not here was absent.
    #[serde(skip)]
    pub before: WireItem,
}

/// How a table came to be ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// We made it; we may delete it.
    Created,
    /// It was there before; we never delete it. Also what a newer version's word is taken for.
    #[default]
    #[serde(other)]
    Adopted,
}

/// `table#<name>`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableRow {
    /// Its name.
    pub name: String,
    /// How it came to be ours.
    pub origin: Origin,
    /// `TableId`; `None` from the intent to create it until it is there.
    pub table_id: Option<String>,
    /// ARN.
    pub arn: Option<String>,
    /// Run that created or adopted it; also on the table itself, as a tag, where it was created.
    pub run: String,
    /// What becomes of it when it is no longer wanted.
    pub removal: RemovalPolicy,
    /// Whether the newest declaration has it.
    pub declared: bool,
    /// The last declaration that succeeded, as JSON of [`crate::schema::Table`].
    pub declaration: Option<String>,
    /// Global indexes that were made or declared here. No other is ever removed.
    pub indexes: BTreeSet<String>,
    /// The generation that left the table out, where it is to be deleted for that.
    pub doomed: Option<u64>,
    /// Why it could not be deleted, at the last try.
    pub failure: Option<String>,
    /// ARNs of the backups that were made before it was deleted, the newest last.
    pub backups: Vec<String>,
    /// When it was deleted; the row stays for the sake of its backups.
    pub deleted_at: Option<String>,
}

impl TableRow {
    /// Whether it records that the table is about to be made, and not that it was.
    #[must_use]
    pub fn is_intent(&self) -> bool {
        self.origin == Origin::Created && self.table_id.is_none() && self.arn.is_none()
    }

    /// Whether it is to be deleted once the stack has succeeded without it. The declaration has the last word: an
    /// older build, which knows nothing of this, declares a table without taking its doom away.
    #[must_use]
    pub fn is_doomed(&self) -> bool {
        self.doomed.is_some() && !self.declared && self.deleted_at.is_none()
    }

    /// A row with nothing but what outlives an earlier table of the same name.
    #[must_use]
    pub fn after(earlier: Option<&Self>) -> Self {
        let backups = earlier.map(|row| row.backups.clone()).unwrap_or_default();
        Self { backups, ..Self::default() }
    }

    /// What is left of the row when its table is gone: the record of its backups, or nothing.
    #[must_use]
    pub fn of_a_gone_table(&self, now: String) -> Option<Self> {
        (!self.backups.is_empty()).then(|| Self {
            table_id: None,
            declared: false,
            doomed: None,
            failure: None,
            deleted_at: Some(now),
            ..self.clone()
        })
    }

    /// The last declaration, where this build can read it.
    #[must_use]
    pub fn last_declaration(&self) -> Option<crate::schema::Table> {
        serde_json::from_str(self.declaration.as_deref()?).ok()
    }
}

/// How far a request has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Done.
    Succeeded,
    /// Not done.
    Failed,
    /// Not finished.
    #[default]
    #[serde(other)]
    Running,
}

/// `run#<run>`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunRow {
    /// Id of the request.
    pub request_id: String,
    /// `Create`, `Update` or `Delete`.
    pub kind: String,
    /// Hash of its declaration.
    pub declaration: String,
    /// Build that runs it.
    pub build: String,
    /// How far it has come.
    pub state: RunState,
    /// When it was first seen.
    pub started_at: String,
    /// Fence of the last lease that it held.
    pub fence: Option<u64>,
    /// Whether a state machine goes on with it, since it takes more than one invocation.
    pub handed_over: bool,
    /// Why it failed, from the moment on at which it is undone.
    pub failure: Option<String>,
    /// Whether a Delete turned out to be the way back to the generation before.
    pub goes_back: bool,
    /// What was last left to workers.
    pub workers: Option<WorkersRow>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Reason that was answered.
    pub reason: Option<String>,
}

/// In `run#<run>`: a backfill that was left to workers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkersRow {
    /// Which: `<migration>#<up or down>#<name>`.
    pub backfill: String,
    /// The items that were read before them and the segments that were done, added up: where it is the same after them,
    /// they have got nowhere.
    pub mark: u64,
    /// Why it failed, in the words of the first of them who met it.
    pub failure: Option<String>,
}

/// How far an answer has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerState {
    /// CloudFormation has it.
    Answered,
    /// It was refused for good; nothing helps.
    Refused,
    /// Somebody is sending it.
    #[default]
    #[serde(other)]
    Answering,
}

/// `answer#<run>`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswerRow {
    /// How far it has come.
    pub state: AnswerState,
    /// The body, so that whoever repeats it says the same.
    pub body: String,
    /// When it was claimed, in milliseconds since the epoch.
    pub claimed_at_ms: u64,
}

impl AnswerRow {
    /// The claim, made now, to answer with `body`.
    #[must_use]
    pub fn claim(body: String) -> Self {
        Self { state: AnswerState::Answering, body, claimed_at_ms: crate::clock::now_ms() }
    }

    /// Whether it was claimed so long ago, without being confirmed, that it may be sent again as it is.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        const AFTER_MS: u64 = 60_000;
        let is_old = self.claimed_at_ms.saturating_add(AFTER_MS) < crate::clock::now_ms();
        self.state == AnswerState::Answering && is_old
    }
}
