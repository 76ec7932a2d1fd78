//! Compares some items of both tables, to check that a copy has converged: forward, whether each source item is copied as it
//! is, and back, whether each copy has a source item.

use std::collections::HashMap;
use std::time::Duration;

use super::expand::identity;
use super::mark::{Found, Mark};
use super::replay::{Replay, Stop};
use super::rule::{Intent, Occasion, Want, is_same};
use super::{Copying, POLL};
use crate::backfill::describe;
use crate::dynamo::{WireItem, digest, key_of, same};
use crate::interrupt::Interrupt;
use crate::migration::Sample;

/// Parts of a table that items are taken from.
const PARTS: u32 = 16;
/// Items that are read together.
pub(super) const PAGE: usize = 90;
/// What differs may only not have been replayed yet, or be written to all the time: so often it is looked at again.
const LOOKS: u32 = 10;
/// It is wrong where its source item has stayed the same for so many looks, with all replayed in between.
const LOOKS_WRONG: u32 = 6;
/// More than this need no further proof.
const DIFFERING_MAX: usize = 1000;

/// Two items that do not agree.
#[derive(Debug, Clone)]
pub(super) struct Difference {
    /// Key of the source item.
    from: WireItem,
    /// Key of the copy.
    key: WireItem,
    /// A digest of the source item; none where there is none.
    source: Option<String>,
    /// For how many looks all of this has stayed the same.
    looks: u32,
}

/// One side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
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
        let (compared, mut differing) = self.compare(handed_over).await?;
        let pause = POLL.max(self.copy.within / (LOOKS_WRONG - 1));
        for _ in 0..LOOKS {
            if differing.is_empty() {
                break;
            }
            self.wait(pause).await?;
            replay.catch_up(Occasion::Follow).await?;
            let mut still = Vec::new();
            for some in differing.chunks(PAGE) {
                still.extend(self.look_again(some, handed_over).await?);
            }
            differing = still;
        }
        differing.retain(|one| one.looks >= LOOKS_WRONG);
        let Some(Difference { from, key, .. }) = differing.first() else {
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

    async fn wait(&self, time: Duration) -> Result<(), Interrupt> {
        if self.deadline.sleep(time).await {
            Ok(())
        } else {
            Err(Interrupt::OutOfTime(String::new()))
        }
    }

    /// Compares the sample; returns how many items that were, and what differs.
    async fn compare(&self, handed_over: bool) -> Result<(usize, Vec<Difference>), Interrupt> {
        let (parts, each) = match self.copy.sample {
            Sample::All => (PARTS, usize::MAX),
            Sample::Items(items) => {
                let parts = PARTS.min(items.max(1));
                (parts, usize::try_from(items.div_ceil(parts)).unwrap_or(usize::MAX))
            }
        };
        let (mut compared, mut differing) = (0, Vec::new());
        for (side, part) in [Side::Source, Side::Target]
            .into_iter()
            .flat_map(|side| (0..parts).map(move |part| (side, part)))
        {
            let (mut left, mut start) = (each, None);
            while left > 0 && differing.len() < DIFFERING_MAX {
                let (items, next) = self.page(side, (part, parts), start, PAGE.min(left)).await?;
                compared += items.len();
                left -= items.len().min(left);
                differing.extend(self.differences(side, &items, handed_over).await?);
                start = next;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok((compared, differing))
    }

    pub(super) async fn page(
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
        items: &[WireItem],
        handed_over: bool,
    ) -> Result<Vec<Difference>, Interrupt> {
        match side {
            Side::Source => self.compare_sources(items, handed_over).await,
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
        let sources = self.digests(items);
        let difference = |intent: &Intent| Difference {
            from: intent.from.clone(),
            key: intent.key.clone(),
            source: sources.get(&identity(&intent.from)).cloned(),
            looks: 0,
        };
        Ok(intents.iter().filter(differs).map(difference).collect())
    }

    /// Digests of source items, by the identities of their keys.
    fn digests(&self, items: &[WireItem]) -> HashMap<String, String> {
        let one = |item: &WireItem| {
            let whole = digest(item.iter().map(|(name, value)| (name, Some(value))));
            (identity(&key_of(&self.shape.source_keys, item)), whole)
        };
        items.iter().map(one).collect()
    }

    pub(super) fn intents_of(&self, items: &[WireItem]) -> Result<Vec<Intent>, Interrupt> {
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
    pub(super) async fn strays(
        &self,
        items: &[WireItem],
    ) -> Result<Vec<(Difference, Intent)>, Interrupt> {
        let mut copies = Vec::new();
        for item in items {
            if let Found::Copied(_, mark) = Found::of(&self.id, Some(item)) {
                copies.push((mark, key_of(&self.shape.target_keys, item)));
            }
        }
        let froms = distinct(copies.iter().map(|(mark, _)| mark.from.clone()));
        let sources = self.read(&self.copy.from, froms).await?;
        let digests = self.digests(&sources);
        let source_keys = &self.shape.source_keys;
        let sources: HashMap<_, _> =
            sources.into_iter().map(|item| (identity(&key_of(source_keys, &item)), item)).collect();
        let is_stray = |(mark, key): &(Mark, WireItem)| {
            let source = sources.get(&identity(&mark.from));
            !source.is_some_and(|source| self.shape.holds(source, key))
        };
        let strays = copies.into_iter().filter(is_stray).map(|(mark, key)| {
            let source = digests.get(&identity(&mark.from)).cloned();
            let difference =
                Difference { from: mark.from.clone(), key: key.clone(), source, looks: 0 };
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
        still.extend(self.strays(&copies).await?.into_iter().map(|(difference, _)| difference));
        for one in &mut still {
            let before = differing.iter().find(|before| {
                is_same(&before.key, &one.key)
                    && is_same(&before.from, &one.from)
                    && before.source == one.source
            });
            one.looks = before.map_or(0, |before| before.looks + 1);
        }
        Ok(still)
    }
}

/// Keys, each once: DynamoDB refuses to read an item twice in one request.
fn distinct(keys: impl Iterator<Item = WireItem>) -> Vec<WireItem> {
    let by_identity: HashMap<_, _> = keys.map(|key| (identity(&key), key)).collect();
    by_identity.into_values().collect()
}
