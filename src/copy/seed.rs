//! Scans the source by the item engine, and puts what its items become where there is nothing yet; takes copies away again.

use std::sync::Arc;

use futures::FutureExt;

use super::Copying;
use super::mark::{Found, MARK};
use super::rule::{Intent, Occasion, Want};
use crate::backfill::share::Extent;
use crate::backfill::{self, Counts, Direction, Job};
use crate::dynamo::{Edit, WireItem, key_of};
use crate::interrupt::Interrupt;
use crate::item::{Change, Item, Put};
use crate::ledger::Note;
use crate::migration::{Backfill, MigrationError, Spec};

impl Copying {
    /// Puts what the items of the source become. What is there already was put by an earlier run or by the replay, or is
    /// another item's, or the application's: that is decided one by one.
    pub(super) async fn seed(self: &Arc<Self>, spec: &Spec) -> Result<Counts, Interrupt> {
        let this = Arc::clone(self);
        let transform = move |item: Item| {
            let intents = this.shape.of_item(item.wire()).map_err(MigrationError::new)?;
            let put = |intent: Intent| {
                let Want::Item { item, .. } = &intent.want else { return None };
                let item = Item::from(intent.mark(&this.id).on(item));
                Some(Put { table: this.copy.to.clone(), item })
            };
            Ok(Change::Put(intents.into_iter().filter_map(put).collect()))
        };
        let this = Arc::clone(self);
        let mut backfill =
            Backfill::new(&self.copy.from, transform).where_taken(move |from, wanted| {
                let this = Arc::clone(&this);
                async move { this.meet(from, wanted).await }.boxed()
            });
        if let Some(cap) = self.copy.cap {
            backfill = backfill.at_most(cap);
        }
        backfill::run(self.job(spec, "seed", backfill, Direction::Up)).await
    }

    /// Decides about an item of the scan whose place is taken.
    async fn meet(&self, from: WireItem, mut wanted: WireItem) -> Result<(), Interrupt> {
        let key = key_of(&self.shape.target_keys, &wanted);
        wanted.remove(MARK);
        let intent = Intent::of_scan(key, from, wanted);
        self.carry_out(Occasion::Scan, &[intent], None).await.map(drop)
    }

    /// Takes away what this migration has put into the target, unless somebody has changed it since.
    pub(super) async fn clear(
        &self,
        spec: &Spec,
        direction: Direction,
    ) -> Result<Counts, Interrupt> {
        let id = self.id.clone();
        let clear = move |item: Item| {
            Ok(match Found::of(&id, Some(item.wire())) {
                Found::Copied(..) | Found::Tombstone(..) => Change::Delete,
                Found::Nothing | Found::Others => Change::Keep,
            })
        };
        let backfill = Backfill::new(&self.copy.to, clear.clone()).down(clear);
        backfill::run(self.job(spec, "clear", backfill, direction)).await
    }

    /// Takes the tombstones away; nothing that the scan has read is on its way any more.
    pub(super) async fn sweep(&self) -> Result<(), Interrupt> {
        const TOGETHER: usize = 100;
        let notes = self.lease.notes(&self.id, Note::Gone).await?;
        for some in notes.chunks(TOGETHER) {
            let keys = some.iter().map(|(_, row)| row.key.clone()).collect();
            for item in self.read(&self.copy.to, keys).await? {
                if let Found::Tombstone(item, _) = Found::of(&self.id, Some(&item)) {
                    let edit = Edit::delete(&self.shape.target_keys, item);
                    // What somebody has written there meanwhile is no tombstone any more.
                    let write = || self.dynamo.write_item(&self.copy.to, edit.write());
                    self.persistently(write).await?;
                }
            }
            let digests: Vec<_> = some.iter().map(|(digest, _)| digest.clone()).collect();
            self.lease.forget_notes(&self.id, Note::Gone, &digests).await?;
        }
        Ok(())
    }

    fn job(&self, spec: &Spec, name: &str, backfill: Backfill, direction: Direction) -> Job {
        Job {
            migration: spec.clone(),
            direction,
            name: name.to_owned(),
            backfill,
            extent: Extent::Whole,
            dynamo: self.dynamo.clone(),
            lease: self.lease.clone(),
            deadline: self.deadline,
        }
    }
}
