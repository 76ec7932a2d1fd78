//! What an author writes: a migration, its way back, and the context it runs in.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::backfill::{self, Counts, Direction, Job};
use crate::deadline::Deadline;
use crate::dynamo::Dynamo;
use crate::interrupt::Interrupt;
use crate::item::{Change, Item};
use crate::ledger::Lease;

type Outcome = Result<(), MigrationError>;
type Action = Arc<dyn Fn(Context) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

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
pub struct Migration {
    pub(crate) id: Cow<'static, str>,
    pub(crate) description: Cow<'static, str>,
    pub(crate) revision: u32,
    pub(crate) idempotent: bool,
    pub(crate) work: Work,
    pub(crate) undo: Option<Work>,
}

/// What a migration does, forward or back.
#[derive(Clone)]
pub(crate) enum Work {
    Function(Action),
    Backfill { table: String, transform: Transform },
}

impl Work {
    fn function<F, Fut>(run: F) -> Self
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        Self::Function(Arc::new(move |cx| Box::pin(run(cx))))
    }
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
        Self::of(id.into(), Work::function(up), false)
    }

    /// A migration of the items of one table: `transform` is given each item and says what to do with it.
    ///
    /// # Guarantees
    /// Only attributes that differ are written, on the condition that they still have the values that were
    /// read; where they have not, `transform` is called again with the item as it is now. An interrupted
    /// run resumes where it stopped.
    ///
    /// # Assumptions
    /// `transform` is pure, and transforming its own result changes nothing: an item may be met twice.
    pub fn backfill<F>(
        id: impl Into<Cow<'static, str>>,
        table: impl Into<String>,
        transform: F,
    ) -> Self
    where
        F: Fn(Item) -> Result<Change, MigrationError> + Send + Sync + 'static,
    {
        let work = Work::Backfill { table: table.into(), transform: Arc::new(transform) };
        Self::of(id.into(), work, true)
    }

    fn of(id: Cow<'static, str>, work: Work, idempotent: bool) -> Self {
        Self { id, description: Cow::Borrowed(""), revision: 1, idempotent, work, undo: None }
    }

    /// Gives the way back as an `async fn(Context)`.
    #[must_use]
    pub fn down<F, Fut>(mut self, down: F) -> Self
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        self.undo = Some(Work::function(down));
        self
    }

    /// Gives the way back of a backfill as a transform over the same table.
    ///
    /// It must leave items alone that were not migrated: after a failure only some are.
    ///
    /// # Panics
    /// Where the migration is not a backfill; it has no table to go over.
    #[must_use]
    pub fn down_items<F>(mut self, transform: F) -> Self
    where
        F: Fn(Item) -> Result<Change, MigrationError> + Send + Sync + 'static,
    {
        let Work::Backfill { table, .. } = &self.work else {
            panic!("down_items is for backfills; give {} a down function", self.id);
        };
        let table = table.clone();
        self.undo = Some(Work::Backfill { table, transform: Arc::new(transform) });
        self
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
            fingerprint: format!("revision {}", self.revision),
            table: match &self.work {
                Work::Function(_) => None,
                Work::Backfill { table, .. } => Some(table.clone()),
            },
            reversible: self.undo.is_some(),
            idempotent: self.idempotent,
        }
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
    /// The table of a backfill.
    pub table: Option<String>,
    /// Whether there is a way back.
    pub reversible: bool,
    /// Whether running it again is right.
    pub idempotent: bool,
}

/// What a migration function is given; cheap to clone.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    migration: Spec,
    direction: Direction,
    dynamo: Dynamo,
    lease: Lease,
    deadline: Deadline,
}

impl Context {
    pub(crate) fn new(
        migration: Spec,
        direction: Direction,
        dynamo: Dynamo,
        lease: Lease,
        deadline: Deadline,
    ) -> Self {
        Self { inner: Arc::new(Inner { migration, direction, dynamo, lease, deadline }) }
    }

    /// The DynamoDB client of the function.
    #[must_use]
    pub fn dynamo(&self) -> &aws_sdk_dynamodb::Client {
        self.inner.dynamo.client()
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
        let key = backfill::step_key(migration, *direction, name);
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
    /// The first item that cannot be handled, lost time, loss of the lease, and what DynamoDB refuses.
    pub async fn backfill<F>(
        &self,
        name: &str,
        table: &str,
        transform: F,
    ) -> Result<Counts, MigrationError>
    where
        F: Fn(Item) -> Result<Change, MigrationError> + Send + Sync + 'static,
    {
        let transform: Transform = Arc::new(transform);
        Ok(self.run_backfill(name, table, &transform).await?)
    }

    pub(crate) async fn run_backfill(
        &self,
        name: &str,
        table: &str,
        transform: &Transform,
    ) -> Result<Counts, Interrupt> {
        let Inner { migration, direction, dynamo, lease, deadline } = &*self.inner;
        backfill::run(&Job {
            migration,
            direction: *direction,
            name,
            table,
            transform,
            dynamo,
            lease,
            deadline: *deadline,
        })
        .await
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
