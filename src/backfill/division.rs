//! How a scan is divided: into how many segments, among how many workers, how many segments are read side by side, in which
//! order, in pages of how many items. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use crate::schema::{Capacity, Warm};

/// Write units that one partition serves in a second (AWS documentation, "DynamoDB burst and adaptive capacity").
const PARTITION_UNITS: u64 = 1000;
/// Fewest segments that are read side by side, and most.
const READERS: (u64, u64) = (4, 32);
/// Segments for each reader, so that a full one does not hold the others back.
const SEGMENTS_A_READER: u64 = 4;
/// Bytes of a segment, where that makes more of them.
const SEGMENT_BYTES: u64 = 64 << 20;
const SEGMENTS_MAX: u64 = 4096;
/// Items in memory at the same time: one of 400 bytes takes up two or three thousand there.
const ITEMS_MAX: usize = 8192;
/// Pages of a segment that are read and not all written: one that is transformed, and the next.
pub(super) const OPEN_PAGES: usize = 2;
/// Write units that one process gets through in a second, about.
const WORKER_UNITS: u64 = 4000;
/// Most workers of a table. The state machine starts no more of them at the same time.
pub(crate) const WORKERS_MAX: u64 = 32;
/// What one process is through with in this time is not worth workers.
const WORTH_WORKERS: Duration = Duration::from_mins(3);
/// Most segments that are given out at a time: their numbers pass through the state machine, in states of 256 KB.
const GIVEN_OUT_MAX: usize = 8192;

/// How many segments one of so many workers reads side by side. A segment lies in one partition, or in a few one after
/// another, and what is read there is written there: so as many as there are partitions, going by what the table can serve.
pub(super) fn readers(capacity: Capacity, warm: Option<Warm>, workers: u64) -> u64 {
    let units = match capacity {
        Capacity::Provisioned(throughput) => throughput.write,
        Capacity::OnDemand(_) => warm.and_then(|warm| warm.write).unwrap_or_default(),
    };
    let (fewest, most) = READERS;
    (units / workers.max(1)).div_ceil(PARTITION_UNITS).clamp(fewest, most)
}

/// How many workers it takes to write so many units in a second.
pub(super) fn workers(units_a_second: u64) -> u64 {
    units_a_second.div_ceil(WORKER_UNITS).clamp(1, WORKERS_MAX)
}

/// Whether one process would be at it for minutes to write so many items, of a table of which this is counted, at this pace.
pub(super) fn is_worth_workers(items: u64, counted: Counted, units_a_second: u64) -> bool {
    // A write takes a unit for each kilobyte of the item.
    let an_item = counted.bytes.checked_div(counted.items).unwrap_or(0).div_ceil(1024).max(1);
    let pace = units_a_second.clamp(1, WORKER_UNITS);
    items.saturating_mul(an_item) / pace > WORTH_WORKERS.as_secs()
}

/// What so many of all segments have of a figure, about.
pub(super) fn part_of(figure: u64, segments: usize, all: u32) -> u64 {
    let part = u128::from(figure) * segments as u128 / u128::from(all.max(1));
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// What DynamoDB counts of a table, some hours behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) items: u64,
    pub(super) bytes: u64,
}

/// Deals segments out to so many workers at most, each of whose segments lie apart.
pub(super) fn deal(segments: VecDeque<u32>, count: u32, workers: u64) -> Vec<Vec<u32>> {
    let workers = usize::try_from(workers).unwrap_or(usize::MAX).min(segments.len()).max(1);
    let mut segments: Vec<_> = segments.into();
    segments.truncate(GIVEN_OUT_MAX);
    segments.sort_unstable();
    let mut shares = vec![VecDeque::new(); workers];
    for (position, segment) in segments.into_iter().enumerate() {
        shares[position % workers].push_back(segment);
    }
    let fewest = usize::try_from(READERS.0).unwrap_or(1);
    shares.into_iter().map(|share| spread(share, count, fewest).into()).collect()
}

/// Into how many segments a table of so many bytes is divided.
pub(super) fn segments(bytes: u64, readers: u64) -> u32 {
    let segments = (bytes / SEGMENT_BYTES).max(readers * SEGMENTS_A_READER).min(SEGMENTS_MAX);
    u32::try_from(segments).unwrap_or(u32::MAX)
}

/// Most items of a page, so that memory does not grow with the readers.
pub(super) fn page_items(readers: usize) -> usize {
    (ITEMS_MAX / (readers.max(1) * OPEN_PAGES)).max(1)
}

/// The order in which segments are read: neighbours lie in one partition, so those that are read side by side lie apart.
pub(super) fn spread(segments: VecDeque<u32>, count: u32, readers: usize) -> VecDeque<u32> {
    let readers = u32::try_from(readers).unwrap_or(u32::MAX).max(1);
    let apart = count.div_ceil(readers).max(1);
    let mut segments = Vec::from(segments);
    segments.sort_by_key(|segment| (segment % apart, *segment));
    segments.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Limits, Throughput};

    #[test]
    fn readers_follow_what_the_table_can_serve() {
        let provisioned = |write| Capacity::Provisioned(Throughput { read: 1, write });
        let on_demand = Capacity::OnDemand(Limits::default());
        let warm = |write| Some(Warm { read: None, write });
        for (capacity, warm, expected) in [
            (provisioned(5), None, 4),
            (provisioned(10_001), None, 11),
            (provisioned(1_000_000), None, 32),
            (on_demand, None, 4),
            (on_demand, warm(None), 4),
            (on_demand, warm(Some(20_000)), 20),
        ] {
            assert_eq!(readers(capacity, warm, 1), expected, "{capacity:?} {warm:?}");
        }
    }

    #[test]
    fn a_table_has_the_workers_that_it_takes_to_use_what_it_serves() {
        for (units, expected) in
            [(0, 1), (4000, 1), (4001, 2), (64_000, 16), (10_000_000, WORKERS_MAX)]
        {
            assert_eq!(workers(units), expected, "{units}");
        }
        let provisioned = Capacity::Provisioned(Throughput { read: 1, write: 64_000 });
        assert_eq!(readers(provisioned, None, 1), 32);
        assert_eq!(readers(provisioned, None, 4), 16);
        assert_eq!(readers(provisioned, None, 16), 4);
    }

    #[test]
    fn workers_are_for_what_takes_one_process_minutes() {
        let small = Counted { items: 1_000_000, bytes: 400_000_000 };
        let large = Counted { items: 1_000_000, bytes: 4_000_000_000 };
        assert!(is_worth_workers(1_000_000, small, 64_000), "four minutes");
        assert!(!is_worth_workers(500_000, small, 64_000), "two minutes");
        assert!(is_worth_workers(500_000, large, 64_000), "of four units each");
        assert!(is_worth_workers(500_000, small, 1000), "it may not go faster");
        let unknown = Counted { items: 0, bytes: 0 };
        assert!(!is_worth_workers(0, unknown, 0));
    }

    #[test]
    fn each_segment_is_dealt_to_one_worker() {
        let open = || (0..256).filter(|segment| segment % 5 != 3).collect::<VecDeque<_>>();
        for workers in [1, 2, 16, 32, 1000] {
            let shares = deal(open(), 256, workers);
            let lengths = shares.iter().map(Vec::len);
            assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1, "{workers}");
            let mut all = shares.concat();
            all.sort_unstable();
            assert_eq!(VecDeque::from(all), open(), "{workers}");
        }
        assert_eq!(deal((0..16).collect(), 16, 2)[0][..4], [0, 4, 8, 12]);
        let dealt = deal((0..1_000_000).collect(), 1_000_000, 32);
        assert_eq!(dealt.concat().len(), GIVEN_OUT_MAX);
    }

    #[test]
    fn a_large_table_has_more_segments_and_the_same_items_in_memory() {
        assert_eq!(segments(0, 4), 16);
        assert_eq!(segments(0, 20), 80);
        assert_eq!(segments(SEGMENT_BYTES * 1000, 4), 1000);
        assert_eq!(segments(u64::MAX, 32), 4096);
        for readers in [1, 4, 20, 32] {
            let items = readers * OPEN_PAGES * page_items(readers);
            assert!((ITEMS_MAX * 9 / 10..=ITEMS_MAX).contains(&items), "{readers}: {items}");
        }
    }

    #[test]
    fn segments_that_are_read_side_by_side_lie_apart() {
        let all: VecDeque<_> = (0..16).collect();
        let order: Vec<_> = spread(all, 16, 4).into();
        assert_eq!(order[..8], [0, 4, 8, 12, 1, 5, 9, 13]);
        // Of a run that goes on, too.
        assert_eq!(spread([1, 2, 5].into(), 8, 2), [1, 5, 2]);
        assert_eq!(spread([0].into(), 1, 4), [0]);
    }
}
