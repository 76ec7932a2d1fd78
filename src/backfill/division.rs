//! How a scan is divided: into how many segments, how many of them are read side by side, in which order, in pages of how
//! many items. Pure.

use std::collections::VecDeque;

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

/// How many segments are read side by side. A segment lies in one partition, or in a few one after another, and what is
/// read there is written there: so as many as there are partitions, going by what the table can serve.
pub(super) fn readers(capacity: Capacity, warm: Option<Warm>) -> u64 {
    let units = match capacity {
        Capacity::Provisioned(throughput) => throughput.write,
        Capacity::OnDemand(_) => warm.and_then(|warm| warm.write).unwrap_or_default(),
    };
    let (fewest, most) = READERS;
    units.div_ceil(PARTITION_UNITS).clamp(fewest, most)
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
            assert_eq!(readers(capacity, warm), expected, "{capacity:?} {warm:?}");
        }
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
