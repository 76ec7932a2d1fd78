//! Writes under a lease: every row together with a check of its fence, and what is written of migrations.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, TransactWriteItem, Update};
use serde::Serialize;

use super::lease::{HELD, Lease, number, superseded};
use super::rows::{AttemptRow, FORMAT, MigrationRow, entry};
use super::state::{Event, State};
use super::{Ledger, SetExpression};
use crate::backfill::Counts;
use crate::clock;
use crate::dynamo::{Transacted, WireItem, patiently};
use crate::interrupt::Interrupt;
use crate::migration::Migration;

impl Lease {
    /// Writes rows together, on the condition that the lease still holds. Attributes that a row type does not
    /// know stay as they are, so an older build keeps what a newer one wrote.
    pub(crate) async fn write(&self, rows: Vec<RowWrite>) -> Result<(), Interrupt> {
        match self.transact(Vec::new(), rows).await? {
            None => Ok(()),
            Some(position) => Err(Interrupt::Failed(format!(
                "the ledger refused row {position} of a write; this is a bug"
            ))),
        }
    }

    /// Records that its run works on, unless that is answered; a delivery of the event, unless it is handed over.
    pub(crate) async fn begin(&self, turn: Turn) -> Result<Begun, Interrupt> {
        let ledger = self.ledger();
        // Every row bears the fence that it is written under.
        let mut row = RowWrite::fields(entry::run(self.run()), WireItem::new());
        if let (Turn::Delivery, RowWrite::Set { is_false, .. }) = (turn, &mut row) {
            *is_false = Some("handed_over");
        }
        let unanswered = ConditionCheck::builder()
            .table_name(&ledger.table)
            .set_key(Some(ledger.key(&entry::answer(self.run()))))
            .condition_expression("attribute_not_exists(#entry)")
            .expression_attribute_names("#entry", super::rows::ENTRY)
            .build()
            .expect("table, key and condition are set");
        let unanswered = TransactWriteItem::builder().condition_check(unanswered).build();
        Ok(match self.transact(vec![unanswered], vec![row]).await? {
            None => Begun::Now,
            Some(0) => Begun::Answered,
            Some(_) => Begun::HandedOver,
        })
    }

    /// Writes rows together, on these conditions and on that of the fence. Returns the position of what was refused,
    /// counted without the fence.
    async fn transact(
        &self,
        conditions: Vec<TransactWriteItem>,
        rows: Vec<RowWrite>,
    ) -> Result<Option<usize>, Interrupt> {
        self.check()?;
        let (ledger, fence) = (self.ledger(), self.fence());
        let mut actions = vec![self.fence_check()];
        actions.extend(conditions);
        actions.extend(rows.into_iter().map(|row| row.action(ledger, fence)));
        let transacted =
            patiently(|| ledger.dynamo.transact(&ledger.table, actions.clone())).await?;
        match transacted {
            Transacted::Done => Ok(None),
            Transacted::Refused(0) => {
                let row = ledger.get(entry::LEASE).await.ok().flatten();
                Err(self.lose(superseded(row.as_ref(), self.run())))
            }
            Transacted::Refused(position) => Ok(Some(position - 1)),
        }
    }

    /// Sets the fields of one row, and leaves its others.
    pub(crate) async fn set(&self, entry: String, row: &impl Serialize) -> Result<(), Interrupt> {
        self.write(vec![RowWrite::set(entry, row)?]).await
    }

    /// Writes any number of rows in their order, as many together as fit: what makes the others count comes last.
    pub(crate) async fn write_all(&self, rows: Vec<RowWrite>) -> Result<(), Interrupt> {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            self.write(rows.by_ref().take(ROWS_PER_WRITE).collect()).await?;
        }
        Ok(())
    }

    fn fence_check(&self) -> TransactWriteItem {
        let (ledger, fence) = (self.ledger(), self.fence());
        let check = ConditionCheck::builder()
            .table_name(&ledger.table)
            .set_key(Some(ledger.key(entry::LEASE)))
            .condition_expression(HELD)
            .expression_attribute_names("#fence", "fence")
            .expression_attribute_names("#invocation", "invocation")
            .expression_attribute_values(":fence", number(fence))
            .expression_attribute_values(
                ":invocation",
                AttributeValue::S(self.invocation().to_owned()),
            )
            .build()
            .expect("table, key and condition are set");
        TransactWriteItem::builder().condition_check(check).build()
    }

    /// Records what happened to a migration: its row and the attempt it belongs to.
    pub(crate) async fn record(
        &self,
        row: &MigrationRow,
        event: Event,
        detail: Detail<'_>,
    ) -> Result<MigrationRow, Interrupt> {
        let state = row.state.next(event).map_err(|error| {
            Interrupt::Failed(format!("migration {}: {error}; this is a bug", row.id))
        })?;
        let now = clock::now();
        let mut next = MigrationRow { state, ..row.clone() };
        match event {
            // Whoever takes another run's work back does not make it their own: who goes on with that finds it by the run
            // that did it.
            Event::Undo | Event::UndoSucceed | Event::UndoFail => {
                next.undone_by = Some(self.run().to_owned());
            }
            // Nor does whoever mends or stops it, to be taken back with it.
            Event::Mend | Event::Pause => {}
            Event::Baseline
            | Event::Start
            | Event::Succeed
            | Event::SucceedWithErrors
            | Event::Fail
            | Event::MarkApplied
            | Event::MarkRolledBack
            | Event::Identify => {
                next.run = self.run().to_owned();
                crate::BUILD.clone_into(&mut next.build);
                next.undone_by = None;
            }
        }
        let begins = matches!(event, Event::Start | Event::Undo);
        if begins {
            next.attempts += 1;
            next.started_at = Some(now.clone());
            next.finished_at = None;
        } else {
            next.finished_at = Some(now.clone());
        }
        // Why it failed stays readable while, and after, it is taken back.
        if !matches!(event, Event::Undo | Event::UndoSucceed) {
            next.error = detail.error.map(bounded);
        }
        if let Some(migration) = detail.migration {
            let spec = migration.spec();
            next.fingerprint = spec.fingerprint;
            next.description = spec.description;
            next.journal = spec.journal;
            next.language = spec.language;
        }
        let mut writes = vec![RowWrite::set(entry::migration(&next.id), &next)?];
        if let Some(source) = detail.migration.and_then(Migration::source) {
            writes.push(RowWrite::text(source)?);
        }
        if event != Event::Baseline {
            let attempt = AttemptRow {
                direction: attempt_direction(state).to_owned(),
                outcome: state,
                fingerprint: next.fingerprint.clone(),
                run: next.undone_by.clone().unwrap_or_else(|| next.run.clone()),
                build: crate::BUILD.to_owned(),
                started_at: next.started_at.clone().unwrap_or_default(),
                finished_at: next.finished_at.clone(),
                error: detail.error.map(bounded),
                read: detail.counts.map(|counts| counts.read),
                changed: detail.counts.map(|counts| counts.changed),
                skipped: detail.counts.map(|counts| counts.skipped),
                failed: detail.counts.map(|counts| counts.failed),
            };
            writes.push(RowWrite::set(entry::attempt(&next.id, next.attempts), &attempt)?);
        }
        self.write(writes).await?;
        Ok(next)
    }
}

/// A transaction holds 100 actions, one of which checks the fence.
pub(super) const ROWS_PER_WRITE: usize = 50;

/// An author's error can be of any length, a row cannot.
fn bounded(error: &str) -> String {
    const CHARACTERS_MAX: usize = 2000;
    error.chars().take(CHARACTERS_MAX).collect()
}

fn attempt_direction(state: State) -> &'static str {
    match state {
        State::Undoing | State::Undone | State::UndoFailed => "down",
        _ => "up",
    }
}

/// What a state change of a migration is recorded with.
#[derive(Default, Clone, Copy)]
pub(crate) struct Detail<'a> {
    /// What runs; absent where the row's own words stand.
    pub(crate) migration: Option<&'a Migration>,
    /// Why it failed.
    pub(crate) error: Option<&'a str>,
    /// What its backfills did.
    pub(crate) counts: Option<Counts>,
}

/// Who works on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A delivery of its event.
    Delivery,
    /// A slice of it, after it was handed over.
    Slice,
}

/// What came of beginning to work on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// It is on record.
    Now,
    /// The run is answered.
    Answered,
    /// A state machine goes on with it.
    HandedOver,
}

/// One row to write.
pub(crate) enum RowWrite {
    Set {
        entry: String,
        fields: WireItem,
        /// A field that has to be absent or false.
        is_false: Option<&'static str>,
    },
    Delete(String),
    /// A row of another partition than that of the scope.
    In(String, Box<RowWrite>),
}

impl RowWrite {
    pub(crate) fn set(entry: String, row: &impl Serialize) -> Result<Self, Interrupt> {
        match serde_dynamo::to_item(row) {
            Ok(fields) => Ok(Self::fields(entry, fields)),
            Err(error) => Err(Interrupt::Failed(format!("ledger row {entry}: {error}"))),
        }
    }

    /// Sets these fields of a row, and leaves the others.
    pub(crate) fn fields(entry: String, fields: WireItem) -> Self {
        Self::Set { entry, fields, is_false: None }
    }

    pub(crate) fn in_partition(self, partition: impl Into<String>) -> Self {
        Self::In(partition.into(), Box::new(self))
    }

    fn action(self, ledger: &Ledger, fence: u64) -> TransactWriteItem {
        let builder = TransactWriteItem::builder();
        match self {
            Self::In(partition, row) => {
                let elsewhere = Ledger { scope: partition, ..ledger.clone() };
                row.action(&elsewhere, fence)
            }
            Self::Delete(entry) => {
                let delete = Delete::builder()
                    .table_name(&ledger.table)
                    .set_key(Some(ledger.key(&entry)))
                    .build()
                    .expect("table and key are set");
                builder.delete(delete).build()
            }
            Self::Set { entry, mut fields, is_false } => {
                fields.insert("format".to_owned(), number(FORMAT.into()));
                fields.insert("fence".to_owned(), number(fence));
                let mut set = SetExpression::of(fields);
                let condition = is_false.map(|name| {
                    set.names.insert("#c".to_owned(), name.to_owned());
                    set.values.insert(":false".to_owned(), AttributeValue::Bool(false));
                    "attribute_not_exists(#c) OR #c = :false"
                });
                let update = Update::builder()
                    .table_name(&ledger.table)
                    .set_key(Some(ledger.key(&entry)))
                    .set_condition_expression(condition.map(str::to_owned))
                    .update_expression(set.text)
                    .set_expression_attribute_names(Some(set.names))
                    .set_expression_attribute_values(Some(set.values))
                    .build()
                    .expect("table, key and expression are set");
                builder.update(update).build()
            }
        }
    }
}
