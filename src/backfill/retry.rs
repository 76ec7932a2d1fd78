//! Which refusals are worth sending the same again, and how long to wait before it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::dynamo::{Class, Error};

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(2);

/// A backfill outlasts whatever passes; the deadline of its run is the only limit.
pub(crate) fn is_worthwhile(error: &Error) -> bool {
    error.is_transient() || error.class == Class::Unreachable
}

/// Says that something is sent again: in a whisper as long as that is nothing unusual.
pub(super) fn tell(tries: u32, error: &Error, what: &str) {
    const UNUSUAL: u32 = 5;
    if tries > 0 && tries.is_multiple_of(UNUSUAL) {
        tracing::warn!(%error, tries, "{what}");
    } else {
        tracing::debug!(%error, tries, "{what}");
    }
}

/// Doubles with each try, and differs from that of others that failed at the same moment.
pub(crate) fn pause(tries: u32) -> Duration {
    let longest = FIRST.saturating_mul(1 << tries.min(10)).min(LONGEST);
    // A hasher of the standard library is seeded at random, which is chance enough.
    let chance = RandomState::new().build_hasher().finish() % 1000;
    longest / 2 + longest.mul_f64(f64::from(u32::try_from(chance).unwrap_or_default()) / 2000.0)
}
