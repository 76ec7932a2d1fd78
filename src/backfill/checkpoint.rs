//! How far each segment has come, in memory and in the ledger. A position moves past a page only when every write that came
//! of it, and of those before it, is acknowledged.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedSemaphorePermit;

use super::share::Extent;
use super::{Job, checkpoint_prefix};
use crate::dynamo::WireItem;
use crate::interrupt::Interrupt;
use crate::ledger::rows::CheckpointRow;

/// The segments of one backfill.
#[derive(Debug)]
pub(super) struct Positions {
    prefix: String,
    count: u32,
    /// The segments that this job is about.
    own: Vec<u32>,
    segments: Mutex<Vec<Segment>>,
}

#[derive(Debug)]
struct Segment {
    row: CheckpointRow,
    is_moved: bool,
    /// Pages whose writes are not all acknowledged, in order, and the number of the first.
    pages: VecDeque<OpenPage>,
    first: u64,
    throttled: u64,
}

/// A page whose writes are not all acknowledged.
#[derive(Debug)]
struct OpenPage {
    open: usize,
    last_key: Option<WireItem>,
    read: u64,
    changed: u64,
    /// Bounds the open pages of a segment.
    _permit: OwnedSemaphorePermit,
}

/// One page of one segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageId {
    pub(super) segment: u32,
    number: u64,
}

impl Positions {
    /// Reads the checkpoints of this backfill. Those of another version of the migration do not count; the others decide
    /// into how many segments the scan is divided.
    pub(super) async fn load(job: &Job, wanted: u32) -> Result<Self, Interrupt> {
        let prefix = prefix(job);
        let saved = job.lease.checkpoints(&prefix).await?;
        let fingerprint = &job.migration.fingerprint;
        let saved: Vec<_> =
            saved.into_iter().filter(|(_, row)| row.fingerprint == *fingerprint).collect();
        let count = saved.iter().map(|(_, row)| row.segments).max().unwrap_or(wanted).max(1);
        let fresh = CheckpointRow {
            fingerprint: fingerprint.clone(),
            segments: count,
            ..CheckpointRow::default()
        };
        let mut rows = vec![fresh; count as usize];
        let resumed = saved.len();
        for (rest, row) in saved.into_iter().filter(|(_, row)| row.segments == count) {
            let segment = rest.parse::<usize>().ok().and_then(|segment| rows.get_mut(segment));
            if let Some(segment) = segment {
                *segment = row;
            }
        }
        if resumed > 0 {
            tracing::info!(
                table = job.backfill.table,
                segments = resumed,
                "resuming from checkpoints"
            );
        }
        let segments = rows.into_iter().map(|row| Segment {
            row,
            is_moved: false,
            pages: VecDeque::new(),
            first: 0,
            throttled: 0,
        });
        let own = match &job.extent {
            Extent::Whole | Extent::Divisible(_) => (0..count).collect(),
            Extent::Share(share) if share.of == count => share.segments.clone(),
            Extent::Share(share) => {
                return Err(Interrupt::Failed(format!(
                    "the scan is divided into {count} segments, and not into {}",
                    share.of
                )));
            }
        };
        Ok(Self { prefix, count, own, segments: Mutex::new(segments.collect()) })
    }

    /// Into how many segments the scan is divided.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// How many of the segments this job is about.
    pub(super) fn own_count(&self) -> usize {
        self.own.len()
    }

    /// Own segments that are not done.
    pub(super) fn open_segments(&self) -> VecDeque<u32> {
        let segments = self.lock();
        self.own.iter().copied().filter(|own| !segments[*own as usize].row.done).collect()
    }

    /// Where a segment goes on.
    pub(super) fn start_of(&self, segment: u32) -> Option<WireItem> {
        self.lock()[segment as usize].row.last_key.clone()
    }

    /// Items of own segments that were read and changed by earlier runs, as far as is on record.
    pub(super) fn recorded(&self) -> (u64, u64) {
        self.sum(|_| true)
    }

    /// The same of the segments that are done.
    pub(super) fn recorded_of_done(&self) -> (u64, u64) {
        self.sum(|row| row.done)
    }

    fn sum(&self, counts: impl Fn(&CheckpointRow) -> bool) -> (u64, u64) {
        let segments = self.lock();
        let rows = self.own.iter().map(|own| &segments[*own as usize].row);
        let add = |(read, changed), row: &CheckpointRow| (read + row.read, changed + row.changed);
        rows.filter(|row| counts(row)).fold((0, 0), add)
    }

    /// Which part of own segments is done.
    pub(super) fn part_done(&self) -> f64 {
        let part = |segments: usize| f64::from(u32::try_from(segments).unwrap_or(u32::MAX));
        let open = self.open_segments().len();
        part(self.own_count() - open) / part(self.own_count().max(1))
    }

    /// A number that grows whenever something is done.
    pub(super) fn mark(&self) -> u64 {
        let done = self.own_count() - self.open_segments().len();
        self.recorded().0 + done as u64
    }

    /// Notes a page that was read. It is held open until [`done`](Self::done) is called once more than for its writes.
    pub(super) fn open(
        &self,
        segment: u32,
        last_key: Option<WireItem>,
        read: usize,
        permit: OwnedSemaphorePermit,
    ) -> PageId {
        let mut segments = self.lock();
        let one = &mut segments[segment as usize];
        let number = one.first + one.pages.len() as u64;
        let read = read as u64;
        one.pages.push_back(OpenPage { open: 1, last_key, read, changed: 0, _permit: permit });
        PageId { segment, number }
    }

    /// Notes more writes that a page has to wait for.
    pub(super) fn expect(&self, page: PageId, writes: usize) {
        self.with(page, |open| open.open += writes);
    }

    /// Notes that one of them is acknowledged.
    pub(super) fn done(&self, page: PageId, changed: bool) {
        self.with(page, |open| {
            open.open -= 1;
            open.changed += u64::from(changed);
        });
        let mut segments = self.lock();
        let segment = &mut segments[page.segment as usize];
        while segment.pages.front().is_some_and(|page| page.open == 0) {
            let Some(page) = segment.pages.pop_front() else { break };
            segment.first += 1;
            segment.row.read += page.read;
            segment.row.changed += page.changed;
            segment.row.done = page.last_key.is_none();
            segment.row.last_key = page.last_key;
            segment.is_moved = true;
        }
    }

    fn with(&self, page: PageId, act: impl FnOnce(&mut OpenPage)) {
        let mut segments = self.lock();
        let segment = &mut segments[page.segment as usize];
        let place = page.number.checked_sub(segment.first);
        let place = place.and_then(|place| usize::try_from(place).ok());
        if let Some(open) = place.and_then(|place| segment.pages.get_mut(place)) {
            act(open);
        }
    }

    /// Counts a throttled write of a segment.
    pub(super) fn throttled(&self, segment: u32) {
        self.lock()[segment as usize].throttled += 1;
    }

    /// The segment that was throttled most, and how often, where it has far more than its share.
    pub(super) fn hottest(&self) -> Option<(u32, u64)> {
        const FEW: u64 = 100;
        let segments = self.lock();
        let all: u64 = segments.iter().map(|segment| segment.throttled).sum();
        let throttled = (0..).zip(segments.iter()).map(|(n, segment)| (n, segment.throttled));
        let hottest = throttled.max_by_key(|(_, throttled)| *throttled)?;
        (self.count > 1 && hottest.1 > FEW && hottest.1 * 2 > all).then_some(hottest)
    }

    /// Saves every position that has moved since it was last saved.
    pub(super) async fn save(&self, job: &Job) -> Result<(), Interrupt> {
        let moved: Vec<_> = {
            let segments = self.lock();
            let moved = (0_u32..).zip(segments.iter()).filter(|(_, segment)| segment.is_moved);
            moved.map(|(number, segment)| (number, segment.row.clone())).collect()
        };
        let rows = moved.iter();
        let rows = rows.map(|(number, row)| (format!("{}{number:06}", self.prefix), row.clone()));
        job.lease.save_checkpoints(rows.collect()).await?;
        let mut segments = self.lock();
        for (number, saved) in moved {
            let segment = &mut segments[number as usize];
            segment.is_moved = segment.row != saved;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Segment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn prefix(job: &Job) -> String {
    format!(
        "{}{}#items#{}#{}#",
        checkpoint_prefix(&job.migration.id),
        job.direction,
        job.name,
        job.backfill.table
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_sdk_dynamodb::types::AttributeValue;
    use tokio::sync::Semaphore;

    use super::*;

    fn positions(count: u32) -> Positions {
        let segment = || Segment {
            row: CheckpointRow { segments: count, ..CheckpointRow::default() },
            is_moved: false,
            pages: VecDeque::new(),
            first: 0,
            throttled: 0,
        };
        let segments = (0..count).map(|_| segment()).collect();
        let (own, segments) = ((0..count).collect(), Mutex::new(segments));
        Positions { prefix: "0001_a#".to_owned(), count, own, segments }
    }

    fn key(n: u32) -> WireItem {
        WireItem::from([("pk".to_owned(), AttributeValue::N(n.to_string()))])
    }

    #[test]
    fn a_position_moves_past_a_page_when_that_and_all_before_it_are_acknowledged() {
        let (positions, permits) = (positions(1), Arc::new(Semaphore::new(3)));
        let open = |last_key| {
            let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
            let page = positions.open(0, last_key, 10, permit);
            positions.expect(page, 1);
            page
        };
        let pages = [open(Some(key(1))), open(Some(key(2))), open(None)];
        let at = || (positions.start_of(0), positions.recorded(), permits.available_permits());
        // All of the later pages is written, of the first one half.
        for page in [pages[2], pages[1], pages[2], pages[1], pages[0]] {
            assert_eq!(at(), (None, (0, 0), 0));
            positions.done(page, true);
        }
        assert_eq!(positions.open_segments(), [0]);
        positions.done(pages[0], false);
        assert_eq!(at(), (None, (30, 5), 3));
        assert_eq!(positions.open_segments(), VecDeque::<u32>::new());

        let next = open(Some(key(4)));
        positions.done(next, false);
        assert_eq!(positions.recorded(), (30, 5));
        positions.done(next, false);
        assert_eq!(positions.start_of(0), Some(key(4)));
    }

    #[test]
    fn a_segment_that_is_throttled_more_than_all_others_is_hot() {
        let positions = positions(8);
        for segment in 0..8 {
            for _ in 0..20 {
                positions.throttled(segment);
            }
        }
        assert_eq!(positions.hottest(), None);
        for _ in 0..200 {
            positions.throttled(5);
        }
        assert_eq!(positions.hottest(), Some((5, 220)));
    }
}
