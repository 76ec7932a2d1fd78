//! Replays a stream: each shard in its order, each record once, since a shard moves on in the transaction that writes what its
//! records want.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use super::Copying;
use super::expand::identity;
use super::lineage::{self, Gap, Known};
use super::rule::{Intent, Occasion, Want, is_same};
use super::write::Advance;
use crate::backfill::describe;
use crate::clock;
use crate::dynamo::size;
use crate::interrupt::Interrupt;
use crate::ledger::rows::{CopyRow, ShardRow};
use crate::streams::{Read, Record, Start};

/// Shards that are replayed at the same time.
const SHARDS: usize = 8;
/// Items of one transaction: of a hundred actions, each can take a second one for its note, and the shard takes one.
const ITEMS_MAX: usize = 45;
/// Bytes of them; a transaction has four megabytes.
const BYTES_MAX: usize = 1 << 20;
/// How long a stream keeps records (AWS documentation, "Change data capture for DynamoDB Streams"), in milliseconds.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;
/// How long a shard that had nothing new is left alone.
const PAUSE: Duration = Duration::from_millis(500);
/// So often in a row must a shard have nothing new before it counts as read: one empty answer says little.
const EMPTY_READS: u32 = 3;

/// Why replaying stops before it has come to an end.
#[derive(Debug)]
pub(super) enum Stop {
    Interrupt(Interrupt),
    /// Records are lost.
    Gap(Gap),
}

impl From<Interrupt> for Stop {
    fn from(interrupt: Interrupt) -> Self {
        Self::Interrupt(interrupt)
    }
}

impl From<Gap> for Stop {
    fn from(gap: Gap) -> Self {
        Self::Gap(gap)
    }
}

/// A stream that is being replayed.
pub(super) struct Replay<'a> {
    copying: &'a Copying,
    stream: &'a str,
    known: Known,
    reading: BTreeMap<String, Reading>,
}

/// How far the reading of a shard has come; what is replayed of it is in its row.
#[derive(Debug, Clone, Default)]
struct Reading {
    place: Option<String>,
    /// How often in a row it had nothing new.
    empty: u32,
    /// When the last record that was read was made.
    last_at_ms: u64,
}

/// A shard after another look at it.
struct Looked {
    shard: String,
    row: ShardRow,
    reading: Reading,
    records: usize,
}

impl<'a> Replay<'a> {
    /// Takes over from whoever replayed the stream before.
    pub(super) async fn begin(copying: &'a Copying, row: &'a CopyRow) -> Result<Self, Stop> {
        let stream = &row.stream;
        let known = copying.lease.claim_shards(&copying.id).await?;
        // What was there may have come and gone unseen.
        let is_long_ago = clock::now_ms().saturating_sub(row.looked_at_ms) > KEPT_MS;
        let unread = known.iter().find(|(_, shard)| !shard.done && shard.position.is_none());
        if let Some((shard, _)) = unread.filter(|_| is_long_ago) {
            let gap = format!("nothing was read of shard {shard}, and its first day is over");
            return Err(Gap(gap).into());
        }
        let mut replay = Self { copying, stream, known, reading: BTreeMap::new() };
        replay.find_shards().await?;
        Ok(replay)
    }

    /// When the newest record was made, by whoever was not DynamoDB itself.
    pub(super) fn newest_at_ms(&self) -> u64 {
        self.known.values().map(|row| row.newest_at_ms).max().unwrap_or_default()
    }

    pub(super) fn replayed(&self) -> u64 {
        self.known.values().map(|row| row.replayed).sum()
    }

    /// Replays until it has caught up.
    pub(super) async fn catch_up(&mut self, occasion: Occasion) -> Result<(), Stop> {
        self.reading.clear();
        loop {
            let records = self.round(occasion).await?;
            if self.has_caught_up() {
                return Ok(());
            }
            self.pause(records).await?;
        }
    }

    /// Replays until something else is over, which stops by itself, and in order, when the time is.
    pub(super) async fn beside(&mut self, is_over: &AtomicBool) -> Result<(), Stop> {
        while !is_over.load(Ordering::Relaxed) {
            let records = match self.round(Occasion::Replay).await {
                Err(Stop::Interrupt(Interrupt::OutOfTime(_))) => 0,
                records => records?,
            };
            if records == 0 {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    async fn pause(&self, records: usize) -> Result<(), Interrupt> {
        self.copying.may_go_on()?;
        if records == 0 && !self.copying.deadline.sleep(PAUSE).await {
            return Err(Interrupt::OutOfTime(String::new()));
        }
        Ok(())
    }

    fn has_caught_up(&self) -> bool {
        let within = u64::try_from(self.copying.copy.within.as_millis()).unwrap_or(u64::MAX);
        let is_recent = |at_ms: u64| clock::now_ms().saturating_sub(at_ms) <= within;
        let has = |id: &String| {
            self.reading.get(id).is_some_and(|reading| {
                reading.empty >= EMPTY_READS || is_recent(reading.last_at_ms)
            })
        };
        let open = self.known.iter().filter(|(_, row)| !row.done).count();
        let readable = lineage::readable(&self.known);
        readable.len() == open && readable.iter().all(has)
    }

    async fn find_shards(&mut self) -> Result<(), Stop> {
        let (copying, stream) = (self.copying, self.stream);
        let listed = copying.persistently(|| copying.streams.shards(stream)).await?;
        let new = lineage::grown(&self.known, &listed.unwrap_or_default())?;
        copying.lease.save_shards(&copying.id, &new).await?;
        self.known.extend(new);
        Ok(())
    }

    /// Replays what there is next of each shard; returns how many records that were.
    async fn round(&mut self, occasion: Occasion) -> Result<usize, Stop> {
        let this = &*self;
        let looks: Vec<_> = lineage::readable(&this.known)
            .into_iter()
            .filter_map(|shard| {
                let row = this.known.get(&shard)?.clone();
                let reading = this.reading.get(&shard).cloned().unwrap_or_default();
                Some(this.look(shard, row, reading, occasion))
            })
            .collect();
        let looked: Vec<_> = stream::iter(looks).buffer_unordered(SHARDS).try_collect().await?;
        let mut records = 0;
        let mut has_ended = false;
        for Looked { shard, row, reading, records: more } in looked {
            records += more;
            has_ended |= row.done;
            self.reading.insert(shard.clone(), reading);
            self.known.insert(shard, row);
        }
        if has_ended {
            self.find_shards().await?;
        }
        Ok(records)
    }

    async fn look(
        &self,
        shard: String,
        mut row: ShardRow,
        mut reading: Reading,
        occasion: Occasion,
    ) -> Result<Looked, Stop> {
        let (copying, stream) = (self.copying, self.stream);
        let trimmed = || Gap(format!("records of shard {shard} are gone that were not replayed"));
        let place = if let Some(place) = reading.place.take() {
            Read::Found(place)
        } else {
            let start = start(&row);
            copying.persistently(|| copying.streams.place(stream, &shard, &start)).await?
        };
        let place = match place {
            Read::Found(place) => place,
            Read::Trimmed => return Err(trimmed().into()),
            Read::Expired => return Ok(Looked { shard, row, reading, records: 0 }),
        };
        let read = copying.persistently(|| copying.streams.records(stream, &place)).await?;
        let read = match read {
            Read::Found(read) => read,
            Read::Trimmed => return Err(trimmed().into()),
            Read::Expired => return Ok(Looked { shard, row, reading, records: 0 }),
        };
        let records = read.records.len();
        if let Some(last) = read.records.last() {
            reading.last_at_ms = last.at_ms;
        }
        reading.empty = if records == 0 { reading.empty + 1 } else { 0 };
        let is_end = read.next.is_none();
        reading.place = read.next;
        row = self.replay(&shard, row, read.records, is_end, occasion).await?;
        Ok(Looked { shard, row, reading, records })
    }

    /// Replays records of a shard in as few transactions as hold what they want.
    async fn replay(
        &self,
        shard: &str,
        mut row: ShardRow,
        records: Vec<Record>,
        is_end: bool,
        occasion: Occasion,
    ) -> Result<ShardRow, Interrupt> {
        let mut part = Part::of(&row);
        for record in records {
            if row.replayed == 0 && part.after.replayed == 0 && record.at_ms < row.skip_before_ms {
                part.after.position = Some(record.number);
                continue;
            }
            let intents = self.copying.shape.of_record(&record).map_err(|error| {
                let key = describe(&self.copying.shape.source_keys, &record.key);
                Interrupt::Failed(format!("item {key}: {error}"))
            })?;
            if intents.len() > ITEMS_MAX {
                let key = describe(&self.copying.shape.source_keys, &record.key);
                return Err(Interrupt::Failed(format!(
                    "item {key}: a change of it is about {} items of table {}, more than the {ITEMS_MAX} that are \
                     written together",
                    intents.len(),
                    self.copying.copy.to
                )));
            }
            let intents: Vec<_> =
                intents.into_iter().map(|intent| (identity(&intent.key), intent)).collect();
            if !part.has_room_for(&intents) {
                row = self.finish(shard, row, part, occasion).await?;
                part = Part::of(&row);
            }
            part.add(&record, intents);
        }
        part.after.done = is_end;
        if part.after == row { Ok(row) } else { self.finish(shard, row, part, occasion).await }
    }

    async fn finish(
        &self,
        shard: &str,
        row: ShardRow,
        part: Part,
        occasion: Occasion,
    ) -> Result<ShardRow, Interrupt> {
        let advance = Advance { shard, before: &row, after: &part.after };
        self.copying.carry_out(occasion, &part.intents, Some(advance)).await?;
        Ok(part.after)
    }
}

/// Where a shard is read on.
fn start(row: &ShardRow) -> Start {
    match (&row.position, &row.first) {
        (Some(position), _) => Start::After(position.clone()),
        (None, Some(first)) => Start::At(first.clone()),
        (None, None) => Start::Oldest,
    }
}

/// Records that are replayed together: what they come to for each key.
struct Part {
    after: ShardRow,
    intents: Vec<Intent>,
    /// Positions of the intents, by the identities of their keys.
    places: HashMap<String, usize>,
    bytes: usize,
}

impl Part {
    fn of(row: &ShardRow) -> Self {
        Self { after: row.clone(), intents: Vec::new(), places: HashMap::new(), bytes: 0 }
    }

    fn earlier(&self, id: &str) -> Option<&Intent> {
        self.places.get(id).map(|place| &self.intents[*place])
    }

    /// Where a key goes from one source item to another, each is written for itself.
    fn has_room_for(&self, more: &[(String, Intent)]) -> bool {
        let bytes: usize = more.iter().map(|(_, intent)| intent.size()).sum();
        let fits = self.intents.len() + more.len() <= ITEMS_MAX && self.bytes + bytes <= BYTES_MAX;
        let changes_hands = |(id, intent): &(String, Intent)| {
            self.earlier(id).is_some_and(|earlier| !is_same(&earlier.from, &intent.from))
        };
        self.intents.is_empty() || (fits && !more.iter().any(changes_hands))
    }

    fn add(&mut self, record: &Record, intents: Vec<(String, Intent)>) {
        for (id, intent) in intents {
            self.bytes += intent.size();
            if let Some(earlier) = self.earlier(&id).cloned() {
                self.intents[self.places[&id]] = earlier.followed_by(intent);
            } else {
                self.places.insert(id, self.intents.len());
                self.intents.push(intent);
            }
        }
        self.after.position = Some(record.number.clone());
        self.after.replayed += 1;
        if !record.by_service {
            self.after.newest_at_ms = self.after.newest_at_ms.max(record.at_ms);
        }
    }
}

impl Intent {
    fn size(&self) -> usize {
        let item = match &self.want {
            Want::Item { item, .. } => size(item),
            Want::Nothing => 0,
        };
        size(&self.key) + size(&self.from) + item
    }
}
