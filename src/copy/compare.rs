//! Compares both tables: some items of each, to check that a copy has converged; all of them, to mend it after records were
//! lost.

use std::collections::{HashMap, HashSet};

use super::Copying;
use super::expand::{describe, identity};
use super::mark::Found;
use super::replay::{Replay, Stop};
use super::rule::{Intent, Occasion, Want, is_same};
use crate::dynamo::{WireItem, key_of, same};
use crate::interrupt::Interrupt;
use crate::ledger::rows::CheckpointRow;
use crate::migration::{AfterGap, Sample};

/// Parts of a table that items are taken from.
const PARTS: u32 = 16;
/// Items that are compared together.
const PAGE: usize = 90;
/// What differs may only not have been replayed yet: so often it is replayed and looked at again.
const LOOKS: usize = 5;

/// Two items that do not agree, by their keys.
#[derive(Debug, Clone)]
struct Difference {
    from: WireItem,
    key: WireItem,
}

/// One side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Target,
}

impl Copying {
    /// Checks that both tables agree, but for what the application has made of the target.
    pub(super) async fn check(
        &self,
        replay: &mut Replay<'_>,
        handed_over: bool,
    ) -> Result<(), Stop> {
        let mut differing = Vec::new();
        let mut compared = 0;
        for side in [Side::Source, Side::Target] {
            let (parts, each) = match self.copy.sample {
                Sample::All => (PARTS, usize::MAX),
                Sample::Items(items) => {
                    let parts = PARTS.min(items.max(1));
                    (parts, usize::try_from(items.div_ceil(parts)).unwrap_or(usize::MAX))
                }
            };
            for part in 0..parts {
                let (mut left, mut start) = (each, None);
                loop {
                    let (items, next) =
                        self.page(side, (part, parts), start, PAGE.min(left)).await?;
                    compared += items.len();
                    left -= items.len().min(left);
                    differing.extend(self.differences(side, items, handed_over).await?);
                    start = next;
                    if start.is_none() || left == 0 {
                        break;
                    }
                }
            }
        }
        for _ in 0..LOOKS {
            if differing.is_empty() {
                break;
            }
            replay.catch_up(Occasion::Follow).await?;
            let mut still = Vec::new();
            for some in differing.chunks(PAGE) {
                still.extend(self.look_again(some, handed_over).await?);
            }
            differing = still;
        }
        let Some(Difference { from, key }) = differing.first() else {
            tracing::info!(from = self.copy.from, to = self.copy.to, compared, "both tables agree");
            return Ok(());
        };
        Err(Stop::Interrupt(Interrupt::Failed(format!(
            "the copy has not converged: item {} of table {} is not what {} of table {} becomes ({} of {compared} items \
             that were compared differ). Is the transform pure?",
            describe(&self.shape.target_keys, key),
            self.copy.to,
            describe(&self.shape.source_keys, from),
            self.copy.from,
            differing.len(),
        ))))
    }

    async fn page(
        &self,
        side: Side,
        part: (u32, u32),
        start: Option<WireItem>,
        limit: usize,
    ) -> Result<(Vec<WireItem>, Option<WireItem>), Interrupt> {
        let table = match side {
            Side::Source => &self.copy.from,
            Side::Target => &self.copy.to,
        };
        let page = || self.dynamo.scan_page(table, part, start.clone(), limit);
        let page = self.persistently(page).await?;
        Ok((page.items, page.next))
    }

    async fn differences(
        &self,
        side: Side,
        items: Vec<WireItem>,
        handed_over: bool,
    ) -> Result<Vec<Difference>, Interrupt> {
        match side {
            Side::Source => self.compare_sources(&items, handed_over).await,
            Side::Target => {
                Ok(self.strays(items).await?.into_iter().map(|(found, _)| found).collect())
            }
        }
    }

    /// Source items whose copies are not what they are to be.
    async fn compare_sources(
        &self,
        items: &[WireItem],
        handed_over: bool,
    ) -> Result<Vec<Difference>, Interrupt> {
        let intents = self.intents_of(items)?;
        let keys = distinct(intents.iter().map(|intent| intent.key.clone()));
        let targets = self.by_key(self.read(&self.copy.to, keys).await?);
        let differs = |intent: &&Intent| {
            let Want::Item { item, .. } = &intent.want else { return false };
            match Found::of(&self.id, targets.get(&identity(&intent.key))) {
                Found::Nothing => !handed_over,
                Found::Others => false,
                Found::Tombstone(..) => true,
                Found::Copied(copy, mark) => {
                    let is_there = |(name, value): (&String, _)| same(Some(value), copy.get(name));
                    !is_same(&mark.from, &intent.from)
                        || copy.len() != item.len() + 1
                        || !item.iter().all(is_there)
                }
            }
        };
        let differing = intents.iter().filter(differs);
        Ok(differing
            .map(|intent| Difference { from: intent.from.clone(), key: intent.key.clone() })
            .collect())
    }

    fn intents_of(&self, items: &[WireItem]) -> Result<Vec<Intent>, Interrupt> {
        let mut intents = Vec::new();
        for item in items {
            intents.extend(self.shape.of_item(item).map_err(|error| {
                let key = describe(&self.shape.source_keys, item);
                Interrupt::Failed(format!("item {key}: {error}"))
            })?);
        }
        Ok(intents)
    }

    fn by_key(&self, items: Vec<WireItem>) -> HashMap<String, WireItem> {
        let keys = &self.shape.target_keys;
        items.into_iter().map(|item| (identity(&key_of(keys, &item)), item)).collect()
    }

    /// Copies whose source items do not have their key any more, each with what would take it away.
    async fn strays(&self, items: Vec<WireItem>) -> Result<Vec<(Difference, Intent)>, Interrupt> {
        let mut copies = Vec::new();
        for item in &items {
            if let Found::Copied(_, mark) = Found::of(&self.id, Some(item)) {
                copies.push((mark, key_of(&self.shape.target_keys, item)));
            }
        }
        let froms = distinct(copies.iter().map(|(mark, _)| mark.from.clone()));
        let source_keys = &self.shape.source_keys;
        let sources: HashMap<_, _> = self
            .read(&self.copy.from, froms)
            .await?
            .into_iter()
            .map(|item| (identity(&key_of(source_keys, &item)), item))
            .collect();
        let is_stray = |(mark, key): &(super::mark::Mark, WireItem)| {
            let source = sources.get(&identity(&mark.from));
            !source.is_some_and(|source| self.shape.holds(source, key))
        };
        let strays = copies.into_iter().filter(is_stray).map(|(mark, key)| {
            let difference = Difference { from: mark.from.clone(), key: key.clone() };
            let want = Want::Nothing;
            (difference, Intent { key, from: mark.from, at: mark.at, want })
        });
        Ok(strays.collect())
    }

    /// Which of these differ still.
    async fn look_again(
        &self,
        differing: &[Difference],
        handed_over: bool,
    ) -> Result<Vec<Difference>, Interrupt> {
        let froms = differing.iter().map(|one| one.from.clone());
        let sources = self.read(&self.copy.from, distinct(froms)).await?;
        let mut still = self.compare_sources(&sources, handed_over).await?;
        let copies = distinct(differing.iter().map(|one| one.key.clone()));
        let copies = self.read(&self.copy.to, copies).await?;
        still.extend(self.strays(copies).await?.into_iter().map(|(difference, _)| difference));
        Ok(still)
    }

    /// Compares all items and mends what differs, in turns with the replay: between the reading of an item and the writing of
    /// its copy, nothing is replayed, so that no version is put over a later one.
    pub(super) async fn mend(
        &self,
        replay: &mut Replay<'_>,
        handed_over: bool,
    ) -> Result<(), Stop> {
        replay.catch_up(Occasion::Follow).await?;
        for side in [Side::Source, Side::Target] {
            let key = format!("{}{side:?}", self.mending());
            let saved = self.lease.checkpoint(&key).await?.unwrap_or_default();
            if saved.done {
                continue;
            }
            let (mut start, mut read, mut changed) = (saved.last_key, saved.read, saved.changed);
            loop {
                let (items, next) = self.page(side, (0, 1), start, PAGE).await?;
                read += items.len() as u64;
                changed += self.mend_page(side, items, handed_over).await?;
                start = next;
                let row = CheckpointRow {
                    last_key: start.clone(),
                    done: start.is_none(),
                    read,
                    changed,
                    ..CheckpointRow::default()
                };
                self.lease.save_checkpoints(vec![(key.clone(), row)]).await?;
                if start.is_none() {
                    break;
                }
                replay.catch_up(Occasion::Follow).await?;
            }
            tracing::info!(?side, read, changed, "compared and mended");
        }
        Ok(())
    }

    async fn mend_page(
        &self,
        side: Side,
        items: Vec<WireItem>,
        handed_over: bool,
    ) -> Result<u64, Interrupt> {
        const TOGETHER: usize = 45;
        let leaves_missing = handed_over && self.copy.after_gap == Some(AfterGap::LeaveMissing);
        // What is not there then counts as deleted.
        let occasion = if leaves_missing { Occasion::Follow } else { Occasion::Repair };
        let mut intents = match side {
            Side::Source => self.intents_of(&items)?,
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

/// Keys, each once: DynamoDB refuses to read an item twice in one request.
fn distinct(keys: impl Iterator<Item = WireItem>) -> Vec<WireItem> {
    let by_identity: HashMap<_, _> = keys.map(|key| (identity(&key), key)).collect();
    by_identity.into_values().collect()
}

/// So many intents at most of which no two are about one key, and the rest.
fn take_distinct(intents: Vec<Intent>, most: usize) -> (Vec<Intent>, Vec<Intent>) {
    let mut ids = HashSet::new();
    let is_taken = |intent: &Intent| ids.len() < most && ids.insert(identity(&intent.key));
    intents.into_iter().partition(is_taken)
}
