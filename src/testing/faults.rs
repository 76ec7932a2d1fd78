//! What goes wrong on purpose: which calls are hit, and how.

use std::time::Duration;

/// A rule by which calls fail.
///
/// Every call that the rule is about is hit, unless it says which: [`nth`](Self::nth),
/// [`every`](Self::every) or [`chance`](Self::chance). The first rule that hits a call decides; latencies add up.
///
/// ```
/// use tablewright::testing::Fault;
///
/// let lost = Fault::lost_answer().operation("CreateTable").table("orders").nth(1);
/// let flaky = Fault::throttled().data_plane().chance(0.05);
/// ```
#[derive(Debug, Clone)]
pub struct Fault {
    failure: Failure,
    operation: Option<String>,
    table: Option<String>,
    plane: Option<Plane>,
    turn: Turn,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Throttled,
    Denied,
    InternalError,
    LostAnswer,
    NotSent,
    Unprocessed,
    Latency(Duration),
}

/// Tables and their settings, or items and streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plane {
    Control,
    Data,
}

/// Which of the calls that a rule is about are hit.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Always,
    Nth(u64),
    Every(u64),
    Chance(f64),
}

impl Fault {
    fn new(failure: Failure) -> Self {
        Self { failure, operation: None, table: None, plane: None, turn: Turn::Always }
    }

    /// The call is refused: `ThrottlingException` or, for items, `ProvisionedThroughputExceededException`.
    #[must_use]
    pub fn throttled() -> Self {
        Self::new(Failure::Throttled)
    }

    /// The call is refused: `AccessDeniedException`, as to a role that lacks the right.
    #[must_use]
    pub fn denied() -> Self {
        Self::new(Failure::Denied)
    }

    /// The call fails with HTTP 500 and was not carried out.
    #[must_use]
    pub fn internal_error() -> Self {
        Self::new(Failure::InternalError)
    }

    /// The call is carried out, and then the connection breaks.
    #[must_use]
    pub fn lost_answer() -> Self {
        Self::new(Failure::LostAnswer)
    }

    /// The connection breaks before the call arrives.
    #[must_use]
    pub fn not_sent() -> Self {
        Self::new(Failure::NotSent)
    }

    /// Half of a batch, rounded up, comes back as unprocessed; of a batch of statements every other one with the error of
    /// a throttled one. Other calls are left alone.
    #[must_use]
    pub fn unprocessed() -> Self {
        Self::new(Failure::Unprocessed)
    }

    /// The call takes this long, in plane time.
    #[must_use]
    pub fn latency(time: Duration) -> Self {
        Self::new(Failure::Latency(time))
    }

    /// Only calls of this operation, as `UpdateTable`.
    #[must_use]
    pub fn operation(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Only calls that name this table.
    #[must_use]
    pub fn table(mut self, table: &str) -> Self {
        self.table = Some(table.to_owned());
        self
    }

    /// Only calls about tables and their settings.
    #[must_use]
    pub fn control_plane(mut self) -> Self {
        self.plane = Some(Plane::Control);
        self
    }

    /// Only calls about items and streams.
    #[must_use]
    pub fn data_plane(mut self) -> Self {
        self.plane = Some(Plane::Data);
        self
    }

    /// Only the nth of the calls that the rule is about, counted from one, from now on.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.turn = Turn::Nth(n);
        self
    }

    /// Each kth of the calls that the rule is about.
    #[must_use]
    pub fn every(mut self, k: u64) -> Self {
        self.turn = Turn::Every(k);
        self
    }

    /// Each of the calls that the rule is about with this probability, drawn from the plane's seed.
    #[must_use]
    pub fn chance(mut self, probability: f64) -> Self {
        self.turn = Turn::Chance(probability);
        self
    }

    fn is_about(&self, operation: &str, plane: Plane, tables: &[String]) -> bool {
        self.operation.as_ref().is_none_or(|wanted| wanted == operation)
            && self.plane.is_none_or(|wanted| wanted == plane)
            && self.table.as_ref().is_none_or(|wanted| tables.contains(wanted))
    }
}

/// What happens to one call.
#[derive(Debug, Default)]
pub(super) struct Strike {
    pub(super) failure: Option<Failure>,
    pub(super) latency: Duration,
}

/// The rules and how many calls each has seen.
#[derive(Debug)]
pub(super) struct Faults {
    rules: Vec<(Fault, u64)>,
    dice: Dice,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self { rules: Vec::new(), dice: Dice::new(seed) }
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.rules.push((fault, 0));
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn strike(&mut self, operation: &str, plane: Plane, tables: &[String]) -> Strike {
        let mut strike = Strike::default();
        for (rule, seen) in &mut self.rules {
            if !rule.is_about(operation, plane, tables) {
                continue;
            }
            *seen += 1;
            let hits = match rule.turn {
                Turn::Always => true,
                Turn::Nth(n) => *seen == n,
                Turn::Every(k) => k > 0 && seen.is_multiple_of(k),
                Turn::Chance(probability) => self.dice.unit() < probability,
            };
            match rule.failure {
                _ if !hits => {}
                Failure::Latency(time) => strike.latency += time,
                Failure::Throttled
                | Failure::Denied
                | Failure::InternalError
                | Failure::LostAnswer
                | Failure::NotSent
                | Failure::Unprocessed => strike.failure = strike.failure.or(Some(rule.failure)),
            }
        }
        strike
    }
}

/// Chance that comes out the same for the same seed (SplitMix64).
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to just below 1.
    fn unit(&mut self) -> f64 {
        // Half as many bits as a double holds are plenty, and convert without loss.
        let bits = u32::try_from(self.roll() >> 32).unwrap_or_default();
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    /// A random identifier.
    pub(super) fn uuid(&mut self) -> String {
        let (high, low) = (self.roll(), self.roll());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48) & 0x3fff,
            low & 0xffff_ffff_ffff,
        )
    }

    /// Eight hexadecimal digits.
    pub(super) fn digits(&mut self) -> String {
        format!("{:08x}", self.roll() >> 32)
    }
}
