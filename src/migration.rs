//! What an author writes: a migration, its way back, and the context it runs in.

mod backfill;
mod copy;

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use self::backfill::{Backfill, BackfillSpec, Cap, Guard, Loss, STAMP, Sample};
pub(crate) use self::backfill::{CAP, Predicate};
pub use self::copy::{AfterGap, TableCopy, unmark};
use crate::authoring::{Language, Source};
use crate::backfill::share::Extent;
use crate::backfill::{self as engine, Counts, Direction, Job};
use crate::copy::Copying;
pub use crate::copy::MARK;
use crate::deadline::Deadline;
use crate::dynamo::Dynamo;
use crate::interrupt::{Interrupt, panic_message};
use crate::item::{Change, Item};
use crate::ledger::Lease;
use crate::services::Services;

type Outcome = Result<(), MigrationError>;
pub(crate) type Action =
    Arc<dyn Fn(Context) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// A transform of items: pure, called once an item and again where the item changed meanwhile.
pub(crate) type Transform = Arc<dyn Fn(Item) -> Result<Change, MigrationError> + Send + Sync>;

/// One versioned change of data.
///
/// ```
/// use tablewright::{Change, Context, Item, Migration, MigrationError};
///
/// async fn fill_settings(cx: Context) -> Result<(), MigrationError> {
///     let client = cx.dynamo();
///     # let _ = client;
///     Ok(())
/// }
///
/// fn add_label(mut order: Item) -> Result<Change, MigrationError> {
///     let label = format!("ORDER#{}", order.text("pk")?);
///     order.set_text("label", label);
///     Ok(Change::Update(order))
/// }
///
/// let migrations = [
///     Migration::new("0001_fill_settings", fill_settings).idempotent(),
///     Migration::backfill("0002_add_label", "orders", add_label).revision(2),
/// ];
/// # drop(migrations);
/// ```
#[derive(Clone)]
pub struct Migration {
    pub(crate) id: Cow<'static, str>,
    pub(crate) description: Cow<'static, str>,
    pub(crate) revision: u32,
    pub(crate) idempotent: bool,
    pub(crate) phase: Phase,
    pub(crate) file: Option<Arc<File>>,
    pub(crate) work: Work,
    pub(crate) undo: Option<Action>,
}

/// The file that a migration was read from, and what tells this version of it from another.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) source: Source,
    pub(crate) fingerprint: String,
    /// A way back that follows from what it does, to be pasted into the file; nothing where it has one, or none follows.
    pub(crate) offered: Option<String>,
    /// Tables that it names beside those of its backfills.
    pub(crate) tables: Vec<String>,
}

/// When a migration runs, as seen from the code that uses the data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before the code that needs it: it adds, and code that is older goes on working.
    #[default]
    Expand,
    /// After the last code that needed what it takes away.
    Contract,
}

/// What a migration does.
#[derive(Clone)]
pub(crate) enum Work {
    Function(Action),
    Backfills(Vec<Backfill>),
    Copy(TableCopy),
    /// Ends the copy that the migration of this id has made, and what is known of that once the list is complete.
    FinishCopy {
        of: String,
        copy: Option<Box<(Spec, TableCopy)>>,
    },
}

/// What takes a migration back.
pub(crate) enum WayBack<'a> {
    Function(&'a Action),
    /// Each by its own way back, the last first.
    Backfills(&'a [Backfill]),
    Copy(&'a TableCopy),
    /// The journals of all that it did, by a build that does not know it.
    Journal,
}

fn action<F, Fut>(run: F) -> Action
where
    F: Fn(Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Outcome> + Send + 'static,
{
    Arc::new(move |cx| Box::pin(run(cx)))
}

impl Migration {
    /// A migration that is free to do anything: an `async fn(Context)`.
    ///
    /// It may be interrupted at any await. Declare it [`idempotent`](Self::idempotent) where running it
    /// again after that is right; otherwise a person has to look first.
    pub fn new<F, Fut>(id: impl Into<Cow<'static, str>>, up: F) -> Self
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        Self::of(id.into(), Work::Function(action(up)), false)
    }

    /// A migration of the items of one table: `transform` is given each item and says what to do with it. What else there
    /// is to say about it, [`Backfill`] says.
    ///
    /// # Guarantees
    /// Only attributes that differ are written, on the condition that they still have the values that were
    /// read; where they have not, `transform` is called again with the item as it is now. An interrupted
    /// run resumes where it stopped.
    ///
    /// # Assumptions
    /// `transform` is pure, and transforming its own result changes nothing: an item may be met twice. The first item
    /// for which that is not so stops the migration before it is written; a [`guard`](Self::guard) lifts the condition.
    pub fn backfill<F>(
        id: impl Into<Cow<'static, str>>,
        table: impl Into<String>,
        transform: F,
    ) -> Self
    where
        F: Fn(Item) -> Result<Change, MigrationError> + Send + Sync + 'static,
    {
        Self::backfills(id, [Backfill::new(table, transform)])
    }

    /// A migration of the items of several tables, one after another.
    pub fn backfills(
        id: impl Into<Cow<'static, str>>,
        backfills: impl IntoIterator<Item = Backfill>,
    ) -> Self {
        Self::of(id.into(), Work::Backfills(backfills.into_iter().collect()), true)
    }

    /// A migration that copies a table into another one with another key schema, and keeps up with what is written to the first
    /// one meanwhile: until it has caught up, and then with each deploy until the copy is
    /// [finished](Self::finish_copy). See [`TableCopy`].
    pub fn copy(id: impl Into<Cow<'static, str>>, copy: TableCopy) -> Self {
        Self::of(id.into(), Work::Copy(copy), true)
    }

    /// A migration that ends the copy which the migration `copy` has made in an earlier deploy, when all code uses the new
    /// table: it replays what was written to the old one last, and checks once more. There is no way back.
    pub fn finish_copy(id: impl Into<Cow<'static, str>>, copy: impl Into<String>) -> Self {
        Self::of(id.into(), Work::FinishCopy { of: copy.into(), copy: None }, true)
    }

    fn of(id: Cow<'static, str>, work: Work, idempotent: bool) -> Self {
        Self {
            id,
            description: Cow::Borrowed(""),
            revision: 1,
            idempotent,
            phase: Phase::default(),
            file: None,
            work,
            undo: None,
        }
    }

    /// Gives the way back as an `async fn(Context)`.
    #[must_use]
    pub fn down<F, Fut>(mut self, down: F) -> Self
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        self.undo = Some(action(down));
        self
    }

    /// Gives the way back of a backfill as a transform over the same table.
    ///
    /// It must leave items alone that were not migrated: after a failure only some are.
    ///
    /// # Panics
    /// Where the migration is not one backfill; those of several tables have each their own [`Backfill::down`].
    #[must_use]
    pub fn down_items<F>(self, transform: F) -> Self
    where
        F: Fn(Item) -> Result<Change, MigrationError> + Send + Sync + 'static,
    {
        self.with_backfill("down_items", |backfill| backfill.down(transform))
    }

    /// Makes a backfill exactly once though a second application would differ.
    ///
    /// # Panics
    /// Where the migration is not one backfill; those of several tables have each their own [`Backfill::guard`].
    #[must_use]
    pub fn guard(self, guard: Guard) -> Self {
        self.with_backfill("guard", |backfill| backfill.guard(guard))
    }

    fn with_backfill(mut self, method: &str, act: impl FnOnce(Backfill) -> Backfill) -> Self {
        let Work::Backfills(backfills) = &mut self.work else {
            panic!("{method} is for a migration that is one backfill, and {} is none", self.id)
        };
        let [backfill] = backfills.as_mut_slice() else {
            panic!("{method} is for a migration that is one backfill, and {} has several", self.id)
        };
        *backfill = act(backfill.clone());
        self
    }

    /// What takes it back, where there is something.
    pub(crate) fn way_back(&self) -> Option<WayBack<'_>> {
        if let Some(undo) = &self.undo {
            return Some(WayBack::Function(undo));
        }
        match &self.work {
            Work::Backfills(backfills) if backfills.iter().all(Backfill::is_reversible) => {
                Some(WayBack::Backfills(backfills))
            }
            Work::Copy(copy) => Some(WayBack::Copy(copy)),
            Work::Backfills(_) | Work::Function(_) | Work::FinishCopy { .. } => None,
        }
    }

    /// One sentence for the history.
    #[must_use]
    pub fn description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = description.into();
        self
    }

    /// The author's version of this migration; 1 unless given.
    ///
    /// Compiled code cannot be hashed at run time, so this number is the fingerprint. Raise it when you change
    /// a migration that failed: it is the word that running it again is right. Changing the number of one
    /// that was applied is refused.
    #[must_use]
    pub fn revision(mut self, revision: u32) -> Self {
        self.revision = revision;
        self
    }

    /// When it runs, as seen from the code that uses the data: before it, unless given.
    ///
    /// It changes nothing about the run. The plan warns where a migration takes something away in an expanding phase, and
    /// where one that contracts would run in the same deploy as what expands.
    #[must_use]
    pub fn phase(mut self, phase: Phase) -> Self {
        self.phase = phase;
        self
    }

    /// Says which file it was read from.
    #[must_use]
    pub(crate) fn read_from(mut self, file: File) -> Self {
        self.file = Some(Arc::new(file));
        self
    }

    /// Says that running it again, after it was interrupted or failed, is right.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// What the planner needs to know of it.
    #[must_use]
    pub fn spec(&self) -> Spec {
        Spec {
            id: self.id.to_string(),
            description: self.description.to_string(),
            fingerprint: match &self.file {
                Some(file) => file.fingerprint.clone(),
                None => format!("revision {}", self.revision),
            },
            language: self.source().map_or(Language::Rust, |source| source.language),
            phase: self.phase,
            tables: self.tables(),
            backfills: match &self.work {
                Work::Backfills(all) => all.iter().map(Backfill::spec).collect(),
                Work::Function(_) | Work::Copy(_) | Work::FinishCopy { .. } => Vec::new(),
            },
            copies: match &self.work {
                Work::Copy(copy) => Some(copy.from.clone()),
                Work::Function(_) | Work::Backfills(_) | Work::FinishCopy { .. } => None,
            },
            finishes: match &self.work {
                Work::FinishCopy { of, .. } => Some(of.clone()),
                Work::Function(_) | Work::Backfills(_) | Work::Copy(_) => None,
            },
            reversible: self.way_back().is_some(),
            journal: match &self.work {
                Work::Backfills(all) => all.iter().all(|one| one.guard == Some(Guard::Journal)),
                Work::Function(_) | Work::Copy(_) | Work::FinishCopy { .. } => false,
            },
            idempotent: self.idempotent,
            offered: self.file.as_ref().and_then(|file| file.offered.clone()),
        }
    }

    /// The file that it was read from.
    pub(crate) fn source(&self) -> Option<&Source> {
        self.file.as_ref().map(|file| &file.source)
    }

    fn tables(&self) -> Vec<String> {
        let mut tables: Vec<String> = match &self.work {
            Work::Function(_) => Vec::new(),
            Work::Backfills(all) => all.iter().map(|one| one.table.clone()).collect(),
            Work::Copy(copy) => vec![copy.from.clone(), copy.to.clone()],
            Work::FinishCopy { copy, .. } => {
                let copies = copy.iter().map(|copy| &copy.1);
                copies.flat_map(|copy| [copy.from.clone(), copy.to.clone()]).collect()
            }
        };
        let named = self.file.iter().flat_map(|file| &file.tables);
        tables.extend(named.filter(|name| !tables.contains(name)).cloned().collect::<Vec<_>>());
        tables
    }
}

impl fmt::Debug for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Migration").field(&self.spec()).finish()
    }
}

/// A migration as plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Immutable id; the order is its order.
    pub id: String,
    /// One sentence.
    pub description: String,
    /// What tells this version of it from another.
    pub fingerprint: String,
    /// What it is written in.
    pub language: Language,
    /// When it runs.
    pub phase: Phase,
    /// The tables of its backfills, or of its copy, and those that its file names.
    pub tables: Vec<String>,
    /// The table that it copies from.
    pub copies: Option<String>,
    /// Id of the migration whose copy it finishes.
    pub finishes: Option<String>,
    /// Whether there is a way back.
    pub reversible: bool,
    /// Whether its journal is the way back, which another build can go as well.
    pub journal: bool,
    /// Whether running it again is right.
    pub idempotent: bool,
    /// What is known of its backfills, in order.
    pub backfills: Vec<BackfillSpec>,
    /// A way back that follows from what its file says, to be pasted into it; nothing where it has one, or none follows.
    pub offered: Option<String>,
}

/// What a migration function is given; cheap to clone.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    migration: Spec,
    direction: Direction,
    services: Services,
    lease: Lease,
    deadline: Deadline,
}

impl Context {
    pub(crate) fn new(
        migration: Spec,
        direction: Direction,
        services: Services,
        lease: Lease,
        deadline: Deadline,
    ) -> Self {
        Self { inner: Arc::new(Inner { migration, direction, services, lease, deadline }) }
    }

    /// The DynamoDB client of the function.
    #[must_use]
    pub fn dynamo(&self) -> &aws_sdk_dynamodb::Client {
        self.inner.services.dynamo.client()
    }

    /// The same, as our own code sends requests.
    pub(crate) fn requests(&self) -> &Dynamo {
        &self.inner.services.dynamo
    }

    /// Time left before this slice of work has to stop.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.inner.deadline.remaining()
    }

    /// Runs a named part of the migration once: a later run of the same migration skips it.
    ///
    /// # Guarantees
    /// The part is recorded after it succeeded, so a crash between the two runs it again.
    ///
    /// # Errors
    /// What the part fails with, and loss of the lease.
    pub async fn step<F, Fut>(&self, name: &str, part: F) -> Outcome
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Outcome>,
    {
        let Inner { migration, direction, lease, .. } = &*self.inner;
        lease.check()?;
        let key = engine::step_key(migration, *direction, name);
        if lease.checkpoint(&key).await?.is_some() {
            tracing::info!(step = name, "done by an earlier run, skipped");
            return Ok(());
        }
        part().await?;
        lease.save_step(&key, &migration.fingerprint).await?;
        Ok(())
    }

    /// Transforms the items of a table, resuming where an earlier run of the same migration stopped. The name tells it
    /// from other backfills of the same migration.
    ///
    /// # Errors
    /// The first item that cannot be handled, or that a second application would change once more; lost time, loss of the
    /// lease, and what DynamoDB refuses.
    pub async fn backfill<F>(
        &self,
        name: &str,
        table: &str,
        transform: F,
    ) -> Result<Counts, MigrationError>
    where
        F: Fn(Item) -> Result<Change, MigrationError> + Send + Sync + 'static,
    {
        self.run(name, Backfill::new(table, transform)).await
    }

    /// Runs a backfill, resuming where an earlier run of the same migration stopped. The name tells it from other
    /// backfills of the same migration. Taking it back is a matter of the migration's own `down`.
    ///
    /// # Errors
    /// As of [`backfill`](Self::backfill).
    pub async fn run(&self, name: &str, backfill: Backfill) -> Result<Counts, MigrationError> {
        let job = self.job(name, backfill, Direction::Up, Extent::Whole);
        Ok(engine::run(job).await?)
    }

    pub(crate) fn job(
        &self,
        name: &str,
        backfill: Backfill,
        direction: Direction,
        extent: Extent,
    ) -> Job {
        let Inner { migration, services, lease, deadline, .. } = &*self.inner;
        Job {
            migration: migration.clone(),
            direction,
            name: name.to_owned(),
            backfill,
            extent,
            dynamo: services.dynamo.clone(),
            lease: lease.clone(),
            deadline: *deadline,
        }
    }

    /// The copy of the migration of this id.
    pub(crate) async fn copying(
        &self,
        id: &str,
        copy: &TableCopy,
    ) -> Result<Arc<Copying>, Interrupt> {
        let Inner { services, lease, deadline, .. } = &*self.inner;
        Copying::begin(id, copy, services, lease, *deadline).await
    }
}

/// Calls an author's code about an item; its panic is an error of that item like any other.
pub(crate) fn ask<T>(author: impl FnOnce() -> Result<T, MigrationError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(author)) {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(panic) => Err(format!("it panicked: {}", panic_message(&*panic))),
    }
}

/// Why a migration failed. Any error converts into it with `?`.
///
/// It does not implement [`std::error::Error`] itself, for that conversion would then conflict with this one.
#[derive(Debug)]
pub struct MigrationError(pub(crate) Cause);

#[derive(Debug)]
pub(crate) enum Cause {
    /// The author's own words, or those of an error with its causes.
    Author(String),
    /// The engine stopped the migration.
    Stopped(Interrupt),
}

impl MigrationError {
    /// An error with this message. Name attributes and keys in it, never an item's values: it is shown to whoever deploys.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Cause::Author(message.into()))
    }

    pub(crate) fn into_interrupt(self) -> Interrupt {
        match self.0 {
            Cause::Author(message) => Interrupt::Failed(message),
            Cause::Stopped(interrupt) => interrupt,
        }
    }
}

impl<E: std::error::Error> From<E> for MigrationError {
    fn from(error: E) -> Self {
        Self::new(crate::dynamo::chain(&error))
    }
}

impl From<Interrupt> for MigrationError {
    fn from(interrupt: Interrupt) -> Self {
        Self(Cause::Stopped(interrupt))
    }
}

impl fmt::Display for MigrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Author(message) => f.write_str(message),
            Cause::Stopped(interrupt) => interrupt.fmt(f),
        }
    }
}
