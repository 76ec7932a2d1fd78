//! How fast a backfill may go: a token bucket of capacity units that grows while DynamoDB keeps up and halves when it throttles.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::migration::Cap;
use crate::schema::{Capacity, Warm};

/// What a new on-demand table serves from its first second (AWS documentation, "Understanding DynamoDB warm throughput").
const ON_DEMAND: Figures<f64> = Figures { read: 12_000.0, write: 4_000.0 };
/// Below this it never goes, so that it always comes to its end.
const FLOOR: f64 = 5.0;
/// Answers of requests that were under way together tell of one overload.
const CUT_EVERY: Duration = Duration::from_millis(500);
/// Part of the first rate that is added in each second after a cut.
const RECOVERY: f64 = 0.05;
/// Longest single sleep: the rate can change meanwhile.
const NAP: Duration = Duration::from_millis(100);
/// Throttles of so long ago tell nothing any more.
const WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Figures<T> {
    read: T,
    write: T,
}

/// The pace of reads and that of writes.
#[derive(Debug)]
pub(super) struct Paces {
    pub(super) read: Pace,
    pub(super) write: Pace,
}

impl Paces {
    /// The paces of one of so many workers.
    pub(super) fn new(cap: Cap, capacity: Capacity, warm: Option<Warm>, workers: u64) -> Self {
        let (first, ceiling) = limits(cap, capacity, warm);
        let of = figure(workers.max(1));
        Self {
            read: Pace::new(first.read / of, ceiling.read / of),
            write: Pace::new(first.write / of, ceiling.write / of),
        }
    }
}

/// Write units that all workers together begin with in a second.
pub(super) fn units_a_second(cap: Cap, capacity: Capacity, warm: Option<Warm>) -> u64 {
    let (first, _) = limits(cap, capacity, warm);
    Duration::try_from_secs_f64(first.write).map_or(u64::MAX, |units| units.as_secs())
}

/// With what rate to begin, and what never to exceed.
fn limits(cap: Cap, capacity: Capacity, warm: Option<Warm>) -> (Figures<f64>, Figures<f64>) {
    let per_cent = |figure: f64| match cap {
        Cap::PerCent(per_cent) => figure * f64::from(per_cent) / 100.0,
        Cap::Units(units) => f64::from(units),
    };
    match capacity {
        // Zero units cannot be provisioned: an engine that reports them does not keep the figure.
        Capacity::Provisioned(throughput) if throughput.write > 0 => {
            let read = per_cent(figure(throughput.read));
            let write = per_cent(figure(throughput.write));
            let most = Figures { read, write };
            (most, most)
        }
        Capacity::Provisioned(_) => (ON_DEMAND, unlimited(cap)),
        Capacity::OnDemand(limits) => {
            // An engine that does not keep warm throughput says zero.
            let known = |units: Option<u64>| units.filter(|units| *units > 0);
            let warm = Figures {
                read: warm.and_then(|warm| known(warm.read)).map_or(ON_DEMAND.read, figure),
                write: warm.and_then(|warm| known(warm.write)).map_or(ON_DEMAND.write, figure),
            };
            let limited = |limit: Option<u64>, unlimited: f64| {
                limit.map_or(unlimited, |limit| per_cent(figure(limit)))
            };
            let free = unlimited(cap);
            let ceiling = Figures {
                read: limited(limits.read, free.read),
                write: limited(limits.write, free.write),
            };
            let first = Figures {
                read: per_cent(warm.read).min(ceiling.read),
                write: per_cent(warm.write).min(ceiling.write),
            };
            (first, ceiling)
        }
    }
}

fn unlimited(cap: Cap) -> Figures<f64> {
    let most = match cap {
        Cap::Units(units) => f64::from(units),
        Cap::PerCent(_) => f64::INFINITY,
    };
    Figures { read: most, write: most }
}

#[expect(clippy::cast_precision_loss, reason = "figures of throughput are far below 2^53")]
fn figure(units: u64) -> f64 {
    units as f64
}

/// A bucket that tasks wait at, in the order in which they came.
#[derive(Debug)]
pub(super) struct Pace {
    /// Held by the task whose turn it is, while it waits.
    turn: tokio::sync::Mutex<()>,
    bucket: Mutex<Bucket>,
}

impl Pace {
    fn new(first: f64, ceiling: f64) -> Self {
        let bucket = Mutex::new(Bucket::new(first, ceiling, Instant::now()));
        Self { turn: tokio::sync::Mutex::new(()), bucket }
    }

    /// Waits until `units` may be consumed.
    pub(super) async fn take(&self, units: f64) {
        let _turn = self.turn.lock().await;
        loop {
            let wait = self.bucket().take(units, Instant::now());
            let Some(wait) = wait else { return };
            tokio::time::sleep(wait.min(NAP)).await;
        }
    }

    /// Says what was consumed of what was taken.
    pub(super) fn settle(&self, taken: f64, consumed: Option<f64>) {
        self.bucket().settle(taken, consumed.unwrap_or(taken));
    }

    /// Says that a whole request was throttled.
    pub(super) fn throttled(&self) {
        self.bucket().cut(Instant::now());
    }

    /// Says that a write of this segment was throttled, while `active` segments are being worked on. It slows the run
    /// down where it happens to many of them; to few, it is a matter of their partition.
    pub(super) fn throttled_in(&self, segment: u32, active: usize) {
        self.bucket().throttled_in(segment, active, Instant::now());
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The arithmetic; time is given to it.
#[derive(Debug)]
struct Bucket {
    rate: f64,
    ceiling: f64,
    first: f64,
    /// Until the first throttle the rate doubles, after it it grows by a fixed part.
    doubles: bool,
    tokens: f64,
    at: Instant,
    cut_at: Option<Instant>,
    throttled: HashSet<u32>,
    window: Instant,
}

impl Bucket {
    fn new(first: f64, ceiling: f64, now: Instant) -> Self {
        let (first, ceiling) = (first.max(FLOOR), ceiling.max(FLOOR));
        Self {
            rate: first,
            ceiling,
            first,
            doubles: true,
            tokens: first,
            at: now,
            cut_at: None,
            throttled: HashSet::new(),
            window: now,
        }
    }

    /// Takes units, which may leave a debt; or says how long there is nothing to take.
    fn take(&mut self, units: f64, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        if !self.doubles {
            self.rate = (self.rate + self.first * RECOVERY * passed).min(self.ceiling);
        }
        // What one second leaves over the next may use.
        self.tokens = (self.tokens + self.rate * passed).min(self.rate);
        if self.tokens > 0.0 {
            self.tokens -= units;
            return None;
        }
        let wait = Duration::from_secs_f64((1.0 - self.tokens) / self.rate);
        Some(wait.max(Duration::from_millis(1)))
    }

    fn settle(&mut self, taken: f64, consumed: f64) {
        self.tokens += taken - consumed;
        if self.doubles {
            // What flows in a second is the rate: so it doubles in each, as long as it is used.
            self.rate = (self.rate + consumed * std::f64::consts::LN_2).min(self.ceiling);
        }
    }

    fn cut(&mut self, now: Instant) {
        if self.cut_at.is_some_and(|at| now.saturating_duration_since(at) < CUT_EVERY) {
            return;
        }
        self.cut_at = Some(now);
        self.doubles = false;
        self.rate = (self.rate / 2.0).max(FLOOR);
        self.tokens = self.tokens.min(0.0);
    }

    fn throttled_in(&mut self, segment: u32, active: usize, now: Instant) {
        if now.saturating_duration_since(self.window) > WINDOW {
            self.window = now;
            self.throttled.clear();
        }
        self.throttled.insert(segment);
        if self.throttled.len() * 2 >= active {
            self.cut(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Consumes batches of 25 units for some seconds, as fast as the bucket lets it; how many units came through.
    fn consume(bucket: &mut Bucket, now: &mut Instant, seconds: u64) -> f64 {
        let end = *now + Duration::from_secs(seconds);
        let mut consumed = 0.0;
        while *now < end {
            match bucket.take(25.0, *now) {
                None => {
                    bucket.settle(25.0, 25.0);
                    consumed += 25.0;
                }
                Some(wait) => *now += wait,
            }
        }
        consumed
    }

    fn about(value: f64, expected: f64) -> bool {
        (value - expected).abs() <= expected * 0.05
    }

    #[test]
    fn a_provisioned_table_is_used_up_to_its_cap() {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(900.0, 900.0, now);
        // The first second has its own units and those of the bucket that it found full.
        consume(&mut bucket, &mut now, 1);
        assert!(about(consume(&mut bucket, &mut now, 10), 9000.0));
    }

    #[test]
    fn an_on_demand_table_doubles_each_second_until_it_throttles() {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(4000.0, f64::INFINITY, now);
        let mut seconds = [0.0; 4];
        for second in &mut seconds {
            *second = consume(&mut bucket, &mut now, 1);
        }
        assert!(seconds.is_sorted() && seconds[3] > 4.0 * seconds[0], "{seconds:?}");
        let before = bucket.rate;
        bucket.cut(now);
        assert!(about(bucket.rate, before / 2.0));
        // Others of the same moment tell nothing new.
        bucket.cut(now);
        assert!(about(bucket.rate, before / 2.0));
        consume(&mut bucket, &mut now, 10);
        assert!(about(bucket.rate, before / 2.0 + 10.0 * RECOVERY * 4000.0));
    }

    #[test]
    fn it_never_stops() {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(100.0, 100.0, now);
        for _ in 0..50 {
            now += CUT_EVERY;
            bucket.cut(now);
        }
        assert!(about(bucket.rate, FLOOR));
        assert!(consume(&mut bucket, &mut now, 30) > 0.0);
    }

    #[test]
    fn a_hot_partition_slows_nobody_else_down() {
        let now = Instant::now();
        let mut bucket = Bucket::new(1000.0, 1000.0, now);
        for _ in 0..100 {
            bucket.throttled_in(3, 8, now);
        }
        assert!(about(bucket.rate, 1000.0));
        for segment in 0..4 {
            bucket.throttled_in(segment, 8, now);
        }
        assert!(about(bucket.rate, 500.0));
    }

    #[test]
    fn the_cap_is_of_what_the_table_can_serve() {
        use crate::schema::{Limits, Throughput};
        let provisioned = Capacity::Provisioned(Throughput { read: 100, write: 50 });
        let (free, limited) = (Limits::default(), Limits { read: Some(1000), write: Some(200) });
        let warm = Some(Warm { read: Some(40_000), write: Some(10_000) });
        let unknown = Some(Warm { read: Some(0), write: Some(0) });
        for (cap, capacity, warm, first, ceiling) in [
            (Cap::PerCent(90), provisioned, None, 45.0, 45.0),
            (Cap::Units(10), provisioned, None, 10.0, 10.0),
            (Cap::PerCent(100), Capacity::OnDemand(free), None, 4000.0, f64::INFINITY),
            (Cap::PerCent(50), Capacity::OnDemand(limited), None, 100.0, 100.0),
            (Cap::PerCent(50), Capacity::OnDemand(free), warm, 5000.0, f64::INFINITY),
            (Cap::Units(300), Capacity::OnDemand(free), warm, 300.0, 300.0),
            (Cap::PerCent(100), Capacity::OnDemand(free), unknown, 4000.0, f64::INFINITY),
        ] {
            let (begins, most) = limits(cap, capacity, warm);
            assert_eq!((begins.write, most.write), (first, ceiling), "{cap:?} {capacity:?}");
        }
    }
}
