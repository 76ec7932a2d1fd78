//! Carries out what is wanted in the target: reads what is there, decides, and writes all of it together or not at all, with
//! the step of the stream that it comes from.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use aws_sdk_dynamodb::types::TransactWriteItem;

use super::Copying;
use super::expand::identity;
use super::mark::{self, Found};
use super::rule::{Holders, Intent, Occasion, Verdict};
use crate::backfill::{describe, retry};
use crate::clock;
use crate::dynamo::{Edit, Fate, WireItem, patiently};
use crate::interrupt::Interrupt;
use crate::ledger::Note;
use crate::ledger::rows::{CopiedRow, ShardRow};

/// How often what others change meanwhile is looked at anew.
const CONTENDED_MAX: usize = 10;
/// Items that are noted because they are not touched; the others are only counted.
const LEFT_MAX: u64 = 100;

/// A step along a shard, taken together with what its records want.
#[derive(Debug)]
pub(super) struct Advance<'a> {
    pub(super) shard: &'a str,
    pub(super) before: &'a ShardRow,
    pub(super) after: &'a ShardRow,
}

/// What is to be written of several intents.
#[derive(Default)]
struct Decided {
    edits: Vec<Edit>,
    left: Vec<(WireItem, &'static str)>,
}

impl Copying {
    /// Carries out intents, of which no two are about one key; returns how many items were written.
    pub(super) async fn carry_out(
        &self,
        occasion: Occasion,
        intents: &[Intent],
        advance: Option<Advance<'_>>,
    ) -> Result<u64, Interrupt> {
        let mut current = self.read_target(intents).await?;
        for _ in 0..CONTENDED_MAX {
            let decided = self.decide(occasion, intents, &current).await?;
            let actions = self.actions(&decided, advance.as_ref())?;
            if actions.is_empty()
                || self.send(&decided, actions, advance.as_ref(), &mut current).await?
            {
                self.note_left(&decided.left).await?;
                return Ok(decided.edits.len() as u64);
            }
        }
        Err(Interrupt::Failed(format!(
            "items of table {} were changed by others {CONTENDED_MAX} times while they were being written",
            self.copy.to
        )))
    }

    /// What is there under the keys of intents, strongly consistent.
    async fn read_target(
        &self,
        intents: &[Intent],
    ) -> Result<HashMap<String, WireItem>, Interrupt> {
        let keys = intents.iter().map(|intent| intent.key.clone());
        let items = self.read(&self.copy.to, keys.collect()).await?;
        let by_key = |item: WireItem| {
            (identity(&crate::dynamo::key_of(&self.shape.target_keys, &item)), item)
        };
        Ok(items.into_iter().map(by_key).collect())
    }

    /// Items of a table by their keys; those that are not there are left out.
    pub(super) async fn read(
        &self,
        table: &str,
        keys: Vec<WireItem>,
    ) -> Result<Vec<WireItem>, Interrupt> {
        const READ_MAX: usize = 100;
        let mut items = Vec::new();
        for some in keys.chunks(READ_MAX) {
            items.extend(self.persistently(|| self.dynamo.get_items(table, some.to_vec())).await?);
        }
        Ok(items)
    }

    async fn decide(
        &self,
        occasion: Occasion,
        intents: &[Intent],
        current: &HashMap<String, WireItem>,
    ) -> Result<Decided, Interrupt> {
        let mut decided = Decided::default();
        for intent in intents {
            let current = current.get(&identity(&intent.key));
            let keys = &self.shape.target_keys;
            let verdict = match intent.meets(&self.id, keys, occasion, current) {
                Verdict::Disputed(other) => self.settle(occasion, intent, current, &other).await?,
                verdict => verdict,
            };
            let named = |what: String| {
                let key = describe(&self.shape.source_keys, &intent.from);
                Err(Interrupt::Failed(format!("item {key}: {what}")))
            };
            match verdict {
                Verdict::Keep | Verdict::Disputed(_) => {}
                Verdict::Write(edit) => decided.edits.push(edit),
                Verdict::Left(why) => decided.left.push((intent.key.clone(), why)),
                Verdict::Fails(error) => return named(error),
                Verdict::Collides => {
                    let key = describe(keys, &intent.key);
                    let other = current.and_then(|item| match Found::of(&self.id, Some(item)) {
                        Found::Copied(_, mark) => Some(mark.from),
                        _ => None,
                    });
                    let other = other.map(|key| describe(&self.shape.source_keys, &key));
                    return named(format!(
                        "it becomes {key} of table {}, and so does item {}; give each a key of its own",
                        self.copy.to,
                        other.unwrap_or_default()
                    ));
                }
            }
        }
        Ok(decided)
    }

    /// Looks which of two source items has a key of the target now.
    async fn settle(
        &self,
        occasion: Occasion,
        intent: &Intent,
        current: Option<&WireItem>,
        other: &WireItem,
    ) -> Result<Verdict, Interrupt> {
        let Some(current) = current else { return Ok(Verdict::Keep) };
        let holds = async |from: &WireItem| {
            let item =
                self.persistently(|| self.dynamo.get_item(&self.copy.from, from.clone())).await?;
            Ok::<_, Interrupt>(item.is_some_and(|item| self.shape.holds(&item, &intent.key)))
        };
        let holders = Holders::of(holds(&intent.from).await?, holds(other).await?);
        Ok(intent.settles(&self.id, &self.shape.target_keys, occasion, current, holders))
    }

    fn actions(
        &self,
        decided: &Decided,
        advance: Option<&Advance<'_>>,
    ) -> Result<Vec<TransactWriteItem>, Interrupt> {
        let mut actions = Vec::new();
        if let Some(Advance { shard, before, after }) = advance {
            actions.push(self.lease.advance(&self.id, shard, before, after)?);
        }
        actions.extend(decided.edits.iter().map(|edit| edit.action(&self.copy.to)));
        for edit in decided.edits.iter().filter(|edit| mark::buries(edit)) {
            let row = CopiedRow { key: edit.key.clone(), at: clock::now(), ..CopiedRow::default() };
            actions.push(self.lease.note(&self.id, Note::Gone, &identity(&edit.key), &row));
        }
        Ok(actions)
    }

    /// Sends it until it is done, or until something is not as it was read: then `current` tells how it is now.
    async fn send(
        &self,
        decided: &Decided,
        actions: Vec<TransactWriteItem>,
        advance: Option<&Advance<'_>>,
        current: &mut HashMap<String, WireItem>,
    ) -> Result<bool, Interrupt> {
        for tries in 0_u32.. {
            self.may_go_on()?;
            let error = match self.dynamo.transact_each(&self.copy.to, actions.clone()).await {
                Err(error) => error,
                Ok(fates) => {
                    let mut fates = fates.each.into_iter();
                    if let Some(advance) = advance
                        && matches!(fates.next(), Some(Fate::Conflict(_)))
                    {
                        return self.has_advanced(advance).await.map(|()| true);
                    }
                    match look_at(&decided.edits, fates, current) {
                        Ok(is_done) => return Ok(is_done),
                        Err(error) => error,
                    }
                }
            };
            if !retry::is_worthwhile(&error) {
                return Err(error.into());
            }
            tracing::debug!(%error, "sending it again");
            tokio::time::sleep(retry::pause(tries)).await;
        }
        Ok(false)
    }

    /// A step whose answer was lost finds itself taken. Any other that finds the shard moved on is another run's.
    async fn has_advanced(&self, advance: &Advance<'_>) -> Result<(), Interrupt> {
        let row = self.lease.shard(&self.id, advance.shard).await?;
        if row.as_ref() == Some(advance.after) {
            return Ok(());
        }
        self.lease.confirm().await?;
        Err(Interrupt::Failed(format!(
            "shard {} of the stream of {} is not where it was left; deploy again",
            advance.shard, self.copy.from
        )))
    }

    async fn note_left(&self, left: &[(WireItem, &'static str)]) -> Result<(), Interrupt> {
        for (key, why) in left {
            let name = describe(&self.shape.target_keys, key);
            tracing::warn!(table = self.copy.to, item = name, "left as it is: {why}");
            if self.left.fetch_add(1, Ordering::Relaxed) < LEFT_MAX {
                let row = CopiedRow { why: (*why).to_owned(), at: clock::now(), key: key.clone() };
                self.lease.save_note(&self.id, Note::Left, &identity(key), &row).await?;
            }
        }
        Ok(())
    }

    /// Sends a request until it gets through, or until the run has to stop.
    pub(super) async fn persistently<T, F, Fut>(&self, mut request: F) -> Result<T, Interrupt>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, crate::dynamo::Error>>,
    {
        loop {
            self.may_go_on()?;
            match patiently(&mut request).await {
                Err(error) if error.is_transient() => tracing::warn!(%error, "still trying"),
                result => return Ok(result?),
            }
        }
    }

    /// Whether the lease is held and there is time.
    pub(super) fn may_go_on(&self) -> Result<(), Interrupt> {
        self.lease.check()?;
        if self.deadline.passed() { Err(Interrupt::OutOfTime(String::new())) } else { Ok(()) }
    }
}

/// Whether all edits were done. What they met instead goes into `current`.
fn look_at(
    edits: &[Edit],
    fates: impl Iterator<Item = Fate>,
    current: &mut HashMap<String, WireItem>,
) -> Result<bool, crate::dynamo::Error> {
    let mut is_done = true;
    for (edit, fate) in edits.iter().zip(fates) {
        match fate {
            Fate::Done | Fate::Untried => {}
            Fate::Refused(error) => return Err(error),
            Fate::Conflict(found) => {
                is_done = false;
                let id = identity(&edit.key);
                match found {
                    Some(item) => current.insert(id, item),
                    None => current.remove(&id),
                };
            }
        }
    }
    Ok(is_done)
}
