//! A set of small integers, one bit each.

/// Integers below a limit that is fixed at the start.
#[derive(Clone, Debug, Default)]
pub struct BitSet {
    words: Vec<u64>,
}

impl BitSet {
    /// An empty set for integers below `limit`.
    pub fn new(limit: usize) -> Self {
        Self { words: vec![0; limit.div_ceil(64)] }
    }

    /// True when `value` is in the set; `false` beyond the limit.
    pub fn contains(&self, value: usize) -> bool {
        self.words.get(value / 64).is_some_and(|word| word >> (value % 64) & 1 == 1)
    }

    /// Adds `value`; true when it is new.
    ///
    /// # Panics
    /// When `value` is beyond the limit.
    pub fn insert(&mut self, value: usize) -> bool {
        let (word, bit) = (&mut self.words[value / 64], 1 << (value % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Removes `value`.
    ///
    /// # Panics
    /// When `value` is beyond the limit.
    pub fn remove(&mut self, value: usize) {
        self.words[value / 64] &= !(1 << (value % 64));
    }

    /// Number of integers in the set.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// True without an integer.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }
}
