//! Which calls can be heavy, in little memory.

/// Sums by hash of caller and callee: a first pass adds up the absolute values of all calls, a second one then records
/// only those whose sum reaches the cutoff. No heavy call is missed; a light one that shares its place with others may
/// come along, and edge trimming takes it out. (A count-min sketch with one row, Cormode and Muthukrishnan 2005.)
///
/// Profiles of hundreds of thousands of stacks have as many distinct calls, and a table of them does not fit in a
/// processor's cache; this does.
#[derive(Debug)]
pub(super) struct Sketch {
    /// In parts of the cutoff; saturated where there is more than 32 bits hold.
    sums: Vec<u32>,
    parts_per_value: f64,
}

const PLACES: usize = 1 << 17;
/// Parts that the cutoff is divided into: rounding up each value by two of them stays invisible for millions of samples.
const CUTOFF: u32 = 1 << 20;

impl Sketch {
    /// A sketch for a cutoff above 0.
    pub(super) fn new(cutoff: i64) -> Self {
        Self { sums: vec![0; PLACES], parts_per_value: f64::from(CUTOFF) / cutoff as f64 }
    }

    /// What a sample's value adds, rounded up.
    pub(super) fn parts(&self, value: i64) -> u32 {
        ((value.unsigned_abs() as f64 * self.parts_per_value).ceil() as u32).saturating_add(1)
    }

    /// Adds a call's part; `hash` is of its ends.
    #[inline]
    pub(super) fn add(&mut self, hash: u64, parts: u32) {
        let sum = &mut self.sums[hash as usize % PLACES];
        *sum = sum.saturating_add(parts);
    }

    /// Whether a call may reach the cutoff.
    #[inline]
    pub(super) fn may_be_heavy(&self, hash: u64) -> bool {
        self.sums[hash as usize % PLACES] >= CUTOFF
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_reaches_the_cutoff_and_little_else() {
        let mut sketch = Sketch::new(1000);
        let add = |sketch: &mut Sketch, hash: u64, value: i64| {
            let parts = sketch.parts(value);
            sketch.add(hash, parts);
        };
        for _ in 0..10 {
            add(&mut sketch, 1, 100);
            add(&mut sketch, 2, -100);
            add(&mut sketch, 3, 99);
        }
        add(&mut sketch, 4, i64::MIN);
        assert!([1, 2, 4].iter().all(|&hash| sketch.may_be_heavy(hash)));
        assert!([0, 3, 5].iter().all(|&hash| !sketch.may_be_heavy(hash)));
    }
}
