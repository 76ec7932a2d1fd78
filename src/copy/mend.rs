//! Compares all items of both tables and mends the target, after records of the stream were lost.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::Copying;
use super::compare::{PAGE, Side};
use super::expand::identity;
use super::replay::{Replay, Stop};
use super::rule::{Intent, Occasion, Want};
use crate::dynamo::WireItem;
use crate::interrupt::Interrupt;
use crate::ledger::rows::CheckpointRow;
use crate::migration::AfterGap;

/// How often the stream has its turn.
const TURN: Duration = Duration::from_secs(20);

impl Copying {
    /// Mends in turns with the replay: between the reading of an item and the writing of its copy, nothing is replayed, so
    /// that no version is put over a later one.
    pub(super) async fn mend(
        &self,
        replay: &mut Replay<'_>,
        handed_over: bool,
    ) -> Result<(), Stop> {
        // Until the application has the target, what is not there was lost, and not deleted.
        let occasion = if handed_over { Occasion::Follow } else { Occasion::Replay };
        replay.catch_up(occasion).await?;
        let mut turn = Instant::now();
        for side in [Side::Source, Side::Target] {
            let key = format!("{}{side:?}", self.mending());
            let mut row = self.lease.checkpoint(&key).await?.unwrap_or_default();
            while !row.done {
                let (items, next) = self.page(side, (0, 1), row.last_key.take(), PAGE).await?;
                row.read += items.len() as u64;
                row.changed += self.mend_page(side, &items, handed_over).await?;
                row = CheckpointRow { done: next.is_none(), last_key: next, ..row };
                if row.done || turn.elapsed() >= TURN {
                    self.lease.save_checkpoints(vec![(key.clone(), row.clone())]).await?;
                    replay.catch_up(occasion).await?;
                    turn = Instant::now();
                }
            }
            tracing::info!(?side, read = row.read, changed = row.changed, "compared and mended");
        }
        Ok(())
    }

    async fn mend_page(
        &self,
        side: Side,
        items: &[WireItem],
        handed_over: bool,
    ) -> Result<u64, Interrupt> {
        const TOGETHER: usize = 45;
        let leaves_missing = handed_over && self.copy.after_gap == Some(AfterGap::LeaveMissing);
        // What is not there then counts as deleted.
        let occasion = if leaves_missing { Occasion::Follow } else { Occasion::Repair };
        let mut intents = match side {
            Side::Source => self.intents_of(items)?,
            Side::Target => {
                self.strays(items).await?.into_iter().map(|(_, intent)| intent).collect()
            }
        };
        for intent in &mut intents {
            if let Want::Item { stays, .. } = &mut intent.want {
                *stays = leaves_missing;
            }
        }
        let mut changed = 0;
        while !intents.is_empty() {
            let (some, rest) = take_distinct(intents, TOGETHER);
            changed += self.carry_out(occasion, &some, None).await?;
            intents = rest;
        }
        Ok(changed)
    }
}

/// So many intents at most of which no two are about one key, and the rest.
fn take_distinct(intents: Vec<Intent>, most: usize) -> (Vec<Intent>, Vec<Intent>) {
    let mut ids = HashSet::new();
    let is_taken = |intent: &Intent| ids.len() < most && ids.insert(identity(&intent.key));
    intents.into_iter().partition(is_taken)
}
