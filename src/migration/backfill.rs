//! What an author says about a backfill: its table, its transform, its way back, and how it is to be carried out.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{MigrationError, Transform};
use crate::dynamo::WireItem;
use crate::interrupt::Interrupt;
use crate::item::{Change, Item};

pub(crate) type Predicate = Arc<dyn Fn(&Item) -> Result<(), MigrationError> + Send + Sync>;
/// Decides about an item that is to be put where there is another one: given the key of the item that it comes from, and
/// what was to be put.
pub(crate) type Taken =
    Arc<dyn Fn(WireItem, WireItem) -> BoxFuture<'static, Result<(), Interrupt>> + Send + Sync>;
pub(crate) type PauseHook = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// A change of the items of one table: each is given to a transform, which says what becomes of it.
///
/// ```
/// use tablewright::{Backfill, Cap, Change, Guard, Item, Migration, MigrationError, Sample};
///
/// fn to_cents(mut order: Item) -> Result<Change, MigrationError> {
///     let total: u64 = order.number("total")?.parse()?;
///     order.set_number("total", total * 100);
///     Ok(Change::Update(order))
/// }
///
/// let orders = Backfill::new("orders", to_cents)
///     .guard(Guard::Journal) // a second application would multiply again
///     .at_most(Cap::PerCent(50))
///     .verify(Sample::Items(1000), |order| order.number("total").map(drop));
/// let archive = Backfill::new("orders-archive", to_cents).guard(Guard::Journal);
/// # drop(
/// Migration::backfills("0007_totals_in_cents", [orders, archive])
/// # );
/// ```
#[derive(Clone)]
pub struct Backfill {
    pub(crate) table: String,
    pub(crate) up: Transform,
    pub(crate) down: Option<Transform>,
    pub(crate) guard: Option<Guard>,
    pub(crate) max_failed_items: u64,
    pub(crate) cap: Cap,
    pub(crate) segments: Option<u32>,
    pub(crate) concurrency: usize,
    pub(crate) single_writes: bool,
    pub(crate) verify: Option<(Sample, Predicate)>,
    pub(crate) pause: Option<PauseHook>,
    pub(crate) taken: Option<Taken>,
    pub(crate) loss: Option<Loss>,
}

/// What makes a change exactly once where a second application of its transform would differ from the first.
///
/// A run that is interrupted reads up to two seconds' worth of items again when it goes on, some of which are changed
/// already. Without a guard each result is transformed once more before it is written, and the migration stops at
/// the first for which that makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The attribute [`STAMP`] of an item holds the id of the migration that changed it last, written together with the
    /// change. Cheap; a writer that puts whole items takes it away together with what was migrated.
    Stamp,
    /// The item as it was goes into the ledger, in one transaction with the change: exactly once, and taken back
    /// without a transform, also by an older build. Each item costs four times the write units. Of an item that is deleted
    /// it has what was read: an attribute that somebody adds at that very moment is not in it, since no condition of
    /// DynamoDB's says that there is nothing else.
    Journal,
}

/// What a backfill takes away that only a journal brings back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Attributes of these names.
    Attributes(Vec<String>),
    /// Whole items.
    Items,
}

/// A backfill as plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillSpec {
    /// The table whose items are read.
    pub table: String,
    /// What makes it exactly once, where something has to.
    pub guard: Option<Guard>,
    /// Whether a transform takes it back.
    pub has_down: bool,
    /// Most that it consumes.
    pub cap: Cap,
    /// Into how many segments its author has divided the scan.
    pub segments: Option<u32>,
    /// Past how many items that cannot be handled it goes on.
    pub max_failed_items: u64,
    /// What it takes away, where that is known: the transform of a compiled or scripted migration does not tell.
    pub loss: Option<Loss>,
}

/// Name of the attribute that [`Guard::Stamp`] sets.
pub const STAMP: &str = "tablewright:stamp";

/// Most that a backfill consumes in a second, of reads and of writes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// Capacity units.
    Units(u32),
    /// A part of what the table can serve: of what is provisioned; on demand, of its limit, or else of its warm throughput.
    /// An on-demand table without a limit is not held to it: the backfill begins there and doubles until it is throttled.
    PerCent(u8),
}

/// How many items are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// All of them.
    All,
    /// About this many, from all parts of the table.
    Items(u32),
}

/// Of a provisioned table: something is left to the application.
pub(crate) const CAP: Cap = Cap::PerCent(90);
/// Write requests under way at the same time.
const CONCURRENCY: usize = 16;

impl Backfill {
    /// Changes the items of `table` by `transform`.
    ///
    /// # Guarantees
    /// Only attributes that differ are written, on the condition that they still have the values that were read;
    /// where they have not, `transform` is called again with the item as it is now. An interrupted run resumes.
    ///
    /// # Assumptions
    /// `transform` is pure. It is called with its own results too, unless there is a [guard](Self::guard).
    pub fn new<F>(table: impl Into<String>, transform: F) -> Self
    where
        F: Fn(Item) -> Result<Change, MigrationError> + Send + Sync + 'static,
    {
        Self {
            table: table.into(),
            up: Arc::new(transform),
            down: None,
            guard: None,
            max_failed_items: 0,
            cap: CAP,
            segments: None,
            concurrency: CONCURRENCY,
            single_writes: false,
            verify: None,
            pause: None,
            taken: None,
            loss: None,
        }
    }

    /// Gives the way back as a transform. It must leave items alone that were not migrated: after a failure only some are.
    /// With [`Guard::Stamp`] it is called for items that bear the stamp alone; [`Guard::Journal`] needs none and takes
    /// none.
    #[must_use]
    pub fn down<F>(mut self, transform: F) -> Self
    where
        F: Fn(Item) -> Result<Change, MigrationError> + Send + Sync + 'static,
    {
        self.down = Some(Arc::new(transform));
        self
    }

    /// Makes the change exactly once though a second application would differ.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = Some(guard);
        self
    }

    /// Goes on past this many items that cannot be handled, none unless given. Their keys and errors are recorded, the
    /// migration ends as applied with errors, and they can be tried again.
    #[must_use]
    pub fn max_failed_items(mut self, items: u64) -> Self {
        self.max_failed_items = items;
        self
    }

    /// Caps what it consumes: 90 per cent of what the table can serve unless given.
    #[must_use]
    pub fn at_most(mut self, cap: Cap) -> Self {
        self.cap = cap;
        self
    }

    /// Divides the scan into this many segments, instead of by the size of the table. A run that goes on keeps to the
    /// division that it began with.
    #[must_use]
    pub fn segments(mut self, segments: u32) -> Self {
        self.segments = Some(segments.clamp(1, 1_000_000));
        self
    }

    /// Has at most this many write requests under way at the same time, 16 unless given.
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests.max(1);
        self
    }

    /// Writes each item in a request of its own (`UpdateItem`), as for a role that may not use PartiQL.
    #[must_use]
    pub fn single_writes(mut self) -> Self {
        self.single_writes = true;
        self
    }

    /// Looks at items after the run; one that `predicate` refuses fails the migration, which is then taken back like any
    /// other failure.
    #[must_use]
    pub fn verify<F>(mut self, sample: Sample, predicate: F) -> Self
    where
        F: Fn(&Item) -> Result<(), MigrationError> + Send + Sync + 'static,
    {
        self.verify = Some((sample, Arc::new(predicate)));
        self
    }

    /// Says what it takes away.
    #[must_use]
    pub(crate) fn takes_away(mut self, loss: Loss) -> Self {
        self.loss = Some(loss);
        self
    }

    /// Has this decide about an item that is to be put where there is another one, instead of failing.
    #[must_use]
    pub(crate) fn where_taken<F>(mut self, decide: F) -> Self
    where
        F: Fn(WireItem, WireItem) -> BoxFuture<'static, Result<(), Interrupt>>
            + Send
            + Sync
            + 'static,
    {
        self.taken = Some(Arc::new(decide));
        self
    }

    /// Asks before it begins and every five seconds whether to pause, as while an alarm is on. Nothing is read or written
    /// as long as the answer is yes; the time of the run goes on.
    #[must_use]
    pub fn pause_while<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.pause = Some(Arc::new(move || hook().boxed()));
        self
    }
}

impl Backfill {
    /// What is known of it.
    pub(crate) fn spec(&self) -> BackfillSpec {
        BackfillSpec {
            table: self.table.clone(),
            guard: self.guard,
            has_down: self.down.is_some(),
            cap: self.cap,
            segments: self.segments,
            max_failed_items: self.max_failed_items,
            loss: self.loss.clone(),
        }
    }

    /// Whether there is a way back: a transform, or the journal.
    pub(crate) fn is_reversible(&self) -> bool {
        self.down.is_some() || self.guard == Some(Guard::Journal)
    }
}

impl fmt::Debug for Backfill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backfill")
            .field("table", &self.table)
            .field("guard", &self.guard)
            .field("has_down", &self.down.is_some())
            .finish_non_exhaustive()
    }
}
