//! Allocations by size class.

use brimline_profile::Precision;
use brimline_profile::formats::recording::SizeClass;

use crate::interval::of_size;

/// One size class with something in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeRow {
    /// Smallest block of the class, in bytes.
    pub min_bytes: u64,
    /// Largest block of the class.
    pub max_bytes: u64,
    /// Bytes live at the end.
    pub live_bytes: i64,
    /// Blocks live at the end.
    pub live_count: i64,
    /// Bytes ever allocated.
    pub total_bytes: u64,
    /// Blocks ever allocated.
    pub total_count: u64,
}

/// A 95 % interval: lowest and highest value.
pub type Interval = (i64, i64);

impl SizeRow {
    /// Intervals of the live bytes and blocks, then of those ever allocated; `None` for what was counted, not sampled.
    pub fn intervals(&self, precision: Precision) -> Option<[Interval; 4]> {
        let of = |bytes: i64, count: i64| {
            let size = if count > 0 { bytes as f64 / count as f64 } else { self.max_bytes as f64 };
            let (low, high) = of_size(precision, count, size)?;
            let in_bytes = |count: i64| (count as f64 * size).round() as i64;
            Some([(in_bytes(low).min(bytes), in_bytes(high).max(bytes)), (low, high)])
        };
        let [live_bytes, live_count] = of(self.live_bytes, self.live_count)?;
        let [total_bytes, total_count] = of(self.total_bytes as i64, self.total_count as i64)?;
        Some([live_bytes, live_count, total_bytes, total_count])
    }
}

/// The classes in use, smallest blocks first. What was allocated and freed in different classes (a block resized in
/// place) is counted as the tracker saw it: allocated in the one, freed from the other.
pub fn by_size(classes: &[SizeClass]) -> Vec<SizeRow> {
    let row = |(class, counts): (usize, &SizeClass)| SizeRow {
        min_bytes: if class == 0 { 0 } else { (1_u64 << (class - 1).min(62)) + 1 },
        max_bytes: 1 << class.min(62),
        live_bytes: counts.total_bytes.wrapping_sub(counts.freed_bytes) as i64,
        live_count: counts.total_count.wrapping_sub(counts.freed_count) as i64,
        total_bytes: counts.total_bytes,
        total_count: counts.total_count,
    };
    classes.iter().enumerate().filter(|(_, counts)| counts.total_count > 0 || counts.freed_count > 0).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_blocks_above_the_one_before_it() {
        let mut classes = [SizeClass::default(); 5];
        classes[4] = SizeClass { total_bytes: 30, total_count: 2, freed_bytes: 14, freed_count: 1 };
        let rows = by_size(&classes);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].min_bytes, rows[0].max_bytes), (9, 16));
        assert_eq!((rows[0].live_bytes, rows[0].live_count), (16, 1));
    }
}
