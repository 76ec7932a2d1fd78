//! What an author says about a copy: its two tables, what an item of the one becomes in the other, and how it is checked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Cap, MigrationError, Sample};
use crate::copy::{MARK, Rekey};
use crate::item::{Change, Item};

/// A copy of a table into another one with another key schema, kept up with what is written to the first one meanwhile.
///
/// A key schema cannot be changed, so a table that is to have another one is copied, in two migrations of two deploys:
///
/// 1. The first deploy declares the new table beside the old one, gives the old one a stream
///    (`StreamSpecification: { StreamViewType: NEW_AND_OLD_IMAGES }`), has the [copy](super::Migration::copy) as a migration,
///    and code that uses the new table. The items of the old table are put into the new one, the changes that are made
///    meanwhile are replayed, and the migration is done when it has caught up and both tables agree. Then the new code goes
///    live, while the old code still writes to the old table for a moment.
/// 2. The next deploy has a migration that [finishes the copy](super::Migration::finish_copy): it replays what the old code
///    has written last, checks once more, and lets go of the old table, which may leave the declaration from the deploy
///    after that.
///
/// A deploy between the two catches up as well, before its code goes live. A stream keeps its records for 24 hours: deploy
/// the second within that time (see [`AfterGap`]).
///
/// ```
/// use tablewright::{Item, Migration, MigrationError, Migrator, TableCopy};
///
/// /// Orders by customer, where they were by their own id.
/// fn by_customer(mut order: Item) -> Result<Vec<Item>, MigrationError> {
///     let customer = order.text("customer")?.to_owned();
///     let id = order.text("id")?.to_owned();
///     order.set_text("pk", format!("CUSTOMER#{customer}"));
///     order.set_text("sk", format!("ORDER#{id}"));
///     Ok(vec![order])
/// }
///
/// let copy = TableCopy::new("orders", "orders-by-customer", by_customer);
/// let migrator = Migrator::builder()
///     .migration(Migration::copy("0005_orders_by_customer", copy))
///     // In the next deploy:
///     .migration(Migration::finish_copy("0006_orders_by_customer_only", "0005_orders_by_customer"))
///     .build();
/// # drop(migrator);
/// ```
///
/// # Guarantees
/// Whoever writes, no update is lost: changes of an old item are replayed in their order and once, and only over an item that
/// is still as the copy wrote it. What the application has changed or deleted in the new table is left alone, and noted in
/// the ledger under `copy#<id>#left#`. The old table is never written to. Taking the copy back deletes what it has put
/// and nobody has changed since.
///
/// # Assumptions
/// The transform is pure, and gives no two items of the old table one key in the new one; where it does, the migration fails
/// with both keys. Each item bears a mark, the attribute [`MARK`]; `Migration::backfill(id, table, tablewright::unmark)`
/// takes it off again, at a write for each item. Until the copy has caught up for the first time, the new table can hold
/// items with nothing but their key and the mark, in the place of some that were deleted.
#[derive(Clone)]
pub struct TableCopy {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) rekey: Rekey,
    pub(crate) within: Duration,
    pub(crate) quiet: Duration,
    pub(crate) sample: Sample,
    pub(crate) cap: Option<Cap>,
    pub(crate) after_gap: Option<AfterGap>,
}

/// What becomes of items that are not in the new table, where records of the stream were lost after the new code went live:
/// nothing tells then which of them the new code has deleted, and which the old code has made last.
///
/// Records are lost where more than 24 hours pass between one deploy that catches up and the next. Both tables are then
/// compared item by item. As long as the new table has not been handed over, what is missing is put; after that, a deploy
/// fails until this is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterGap {
    /// They are put: nothing that the old code wrote is lost, and something that the new code deleted can come back.
    PutMissing,
    /// They are left out: nothing that was deleted comes back, and something that the old code made last can be lost.
    LeaveMissing,
}

/// A record this old, or one of a busy table, is recent enough.
const WITHIN: Duration = Duration::from_secs(10);
/// Nobody may have written to the old table for so long when a copy is finished.
const QUIET: Duration = Duration::from_mins(1);
/// Items of each table that are compared.
const SAMPLE: Sample = Sample::Items(1000);

impl TableCopy {
    /// Copies the items of the table `from` to the table `to`. What an item is to be there, `rekey` says: one item most of
    /// the time, none to leave it out, or several.
    pub fn new<F>(from: impl Into<String>, to: impl Into<String>, rekey: F) -> Self
    where
        F: Fn(Item) -> Result<Vec<Item>, MigrationError> + Send + Sync + 'static,
    {
        Self {
            from: from.into(),
            to: to.into(),
            rekey: Arc::new(rekey),
            within: WITHIN,
            quiet: QUIET,
            sample: SAMPLE,
            cap: None,
            after_gap: None,
        }
    }

    /// Takes a busy table for caught up when the newest change that was replayed is no older than this, ten seconds unless
    /// given. One that nobody writes to has caught up when there is nothing left to replay.
    #[must_use]
    pub fn caught_up_within(mut self, lag: Duration) -> Self {
        self.within = lag;
        self
    }

    /// Finishes only when nobody has written to the old table for this long, a minute unless given: otherwise some code
    /// has not switched yet.
    #[must_use]
    pub fn quiet_for(mut self, time: Duration) -> Self {
        self.quiet = time;
        self
    }

    /// Compares so many items of each table with the other one when it has caught up, about a thousand unless given.
    #[must_use]
    pub fn compare(mut self, sample: Sample) -> Self {
        self.sample = sample;
        self
    }

    /// Caps what the scan and its writes consume, as [`Backfill::at_most`](super::Backfill::at_most) does.
    #[must_use]
    pub fn at_most(mut self, cap: Cap) -> Self {
        self.cap = Some(cap);
        self
    }

    /// Decides what becomes of missing items where records of the stream were lost after the new code went live.
    #[must_use]
    pub fn after_gap(mut self, decision: AfterGap) -> Self {
        self.after_gap = Some(decision);
        self
    }
}

impl fmt::Debug for TableCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableCopy")
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

/// A transform for a backfill of a table that was copied to: takes the mark of the copy off an item. For a migration after
/// the one that has finished the copy.
///
/// # Errors
/// None.
pub fn unmark(mut item: Item) -> Result<Change, MigrationError> {
    Ok(if item.remove(MARK).is_some() { Change::Update(item) } else { Change::Keep })
}
