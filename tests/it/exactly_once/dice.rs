//! Chance that comes out the same for the same seed (SplitMix64).

#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll() % (high - low + 1)
    }

    pub(crate) fn per_cent(&mut self, chance: u64) -> bool {
        self.between(1, 100) <= chance
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let last = from.len() as u64 - 1;
        &from[usize::try_from(self.between(0, last)).unwrap()]
    }

    /// Some of these, in their order.
    pub(crate) fn some_of<T: Clone>(&mut self, from: &[T], chance: u64) -> Vec<T> {
        from.iter().filter(|_| self.per_cent(chance)).cloned().collect()
    }

    /// So many decimal digits, neither the first nor the last of them a zero.
    pub(crate) fn digits(&mut self, count: u64) -> String {
        (0..count).map(|_| char::from(b'1' + u8::try_from(self.between(0, 8)).unwrap())).collect()
    }
}
