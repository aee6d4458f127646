//! Mapped ranges, of which parts can be unmapped.

use std::collections::BTreeMap;

use super::MemrayError;

/// Looks at mappings that one file may cost: a real one has thousands of mappings, not millions that overlap.
const PATIENCE: u64 = 400_000_000;

#[derive(Default)]
pub(super) struct Mappings {
    /// By start and order of arrival: end and row. Ranges may overlap.
    ranges: BTreeMap<(u64, u64), (u64, u32)>,
    arrived: u64,
    longest: u64,
    looks: u64,
}

/// What unmapping did to the row of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) row: u32,
    /// Bytes that went.
    pub(super) bytes: u64,
    /// Ranges more than before: 1 when it was split, -1 when all of it went.
    pub(super) ranges: i64,
}

impl Mappings {
    pub(super) fn add(&mut self, start: u64, size: u64, row: u32) {
        if size > 0 {
            self.insert(start, start.saturating_add(size), row);
        }
    }

    fn insert(&mut self, start: u64, end: u64, row: u32) {
        self.longest = self.longest.max(end - start);
        self.arrived += 1;
        self.ranges.insert((start, self.arrived), (end, row));
    }

    /// Unmaps a range.
    pub(super) fn remove(&mut self, start: u64, size: u64) -> Result<Vec<Cut>, MemrayError> {
        let end = start.saturating_add(size);
        if size == 0 {
            return Ok(Vec::new());
        }
        let mut met = Vec::new();
        for (&key, &(until, row)) in self.ranges.range((start.saturating_sub(self.longest), 0)..(end, 0)) {
            self.looks += 1;
            if until > start {
                met.push((key, until, row));
            }
        }
        if self.looks > PATIENCE {
            return Err(MemrayError::TooMany { what: "looks at overlapping mappings", limit: PATIENCE });
        }
        let mut cuts = Vec::with_capacity(met.len());
        for (key, until, row) in met {
            self.ranges.remove(&key);
            let (from, to) = (key.0.max(start), until.min(end));
            let mut ranges = -1;
            for (left, right) in [(key.0, from), (to, until)] {
                if left < right {
                    self.insert(left, right, row);
                    ranges += 1;
                }
            }
            cuts.push(Cut { row, bytes: to - from, ranges });
        }
        Ok(cuts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_unmapped() {
        let mut mappings = Mappings::default();
        mappings.add(100, 100, 1);
        mappings.add(200, 50, 2);
        let cut = |row, bytes, ranges| Cut { row, bytes, ranges };
        // The middle, then the start of what is left up to the next mapping, then all.
        assert_eq!(mappings.remove(120, 10).unwrap(), [cut(1, 10, 1)]);
        assert_eq!(mappings.remove(190, 20).unwrap(), [cut(1, 10, 0), cut(2, 10, 0)]);
        assert_eq!(mappings.remove(0, 1000).unwrap(), [cut(1, 20, -1), cut(1, 60, -1), cut(2, 40, -1)]);
        assert_eq!(mappings.remove(0, 1000).unwrap(), []);
        assert_eq!(mappings.remove(u64::MAX - 1, u64::MAX).unwrap(), []);
    }
}
