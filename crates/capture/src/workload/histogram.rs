//! Latencies in buckets whose width is below one per cent of their value (as in `HdrHistogram`, Gil Tene 2012).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Buckets for each doubling: 128 make an error of 1/256 at most.
const STEPS: u64 = 128;
/// Doublings above the linear part: up to 2^37 microseconds, more than a day.
const DOUBLINGS: usize = 30;

/// Counts of latencies in microseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: u64,
    max: u64,
}

/// What a histogram says, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90 % were at most this.
    pub p90: f64,
    /// 95 %.
    pub p95: f64,
    /// 99 %.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; STEPS as usize * (DOUBLINGS + 1)], count: 0, sum: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one latency.
    pub fn add(&mut self, latency: Duration) {
        self.add_many(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX), 1);
    }

    /// Counts `count` latencies of this many microseconds.
    pub fn add_many(&mut self, micros: u64, count: u64) {
        self.counts[place(micros)] += count;
        self.count += count;
        self.sum = self.sum.saturating_add(micros.saturating_mul(count));
        self.max = self.max.max(micros);
    }

    /// Adds the counts of another one.
    pub fn merge(&mut self, other: &Self) {
        for (own, more) in self.counts.iter_mut().zip(&other.counts) {
            *own += more;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// Latencies counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Microseconds that this share (0 to 1) of the latencies did not exceed; 0 without any.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return middle(place).min(self.max);
            }
        }
        self.max
    }

    /// The usual ones; `None` without latencies.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let milliseconds = |micros: u64| micros as f64 / 1e3;
        (self.count > 0).then(|| Percentiles {
            mean: self.sum as f64 / self.count as f64 / 1e3,
            p50: milliseconds(self.quantile(0.5)),
            p90: milliseconds(self.quantile(0.9)),
            p95: milliseconds(self.quantile(0.95)),
            p99: milliseconds(self.quantile(0.99)),
            max: milliseconds(self.max),
        })
    }
}

/// Values below [`STEPS`] have a bucket each; above, each doubling has [`STEPS`] buckets.
fn place(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let doubling = u64::from(micros.ilog2()) - u64::from(STEPS.trailing_zeros());
    let within = (micros >> doubling) - STEPS;
    let place = (STEPS * (doubling + 1) + within) as usize;
    place.min(STEPS as usize * (DOUBLINGS + 1) - 1)
}

/// The middle of a bucket.
fn middle(place: usize) -> u64 {
    let place = place as u64;
    if place < STEPS {
        return place;
    }
    let doubling = place / STEPS - 1;
    ((STEPS + place % STEPS) << doubling) + ((1 << doubling) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_one_per_cent_of_the_sorted_values() {
        let mut histogram = Histogram::default();
        let mut values: Vec<u64> = (0..5000_u64).map(|at| (at * at * 7919) % 30_000_000).collect();
        for value in &values {
            histogram.add_many(*value, 1);
        }
        values.sort_unstable();
        for share in [0.01, 0.5, 0.9, 0.99, 1.0] {
            let exact = values[((values.len() as f64 * share).ceil() as usize).max(1) - 1] as f64;
            let found = histogram.quantile(share) as f64;
            assert!((found - exact).abs() <= 1.0 + exact / 100.0, "{share}: {found} for {exact}");
        }
    }

    #[test]
    fn every_bucket_holds_its_own_middle() {
        for at in 0..STEPS as usize * (DOUBLINGS + 1) - 1 {
            assert_eq!(place(middle(at)), at);
        }
        assert_eq!(place(u64::MAX), STEPS as usize * (DOUBLINGS + 1) - 1);
    }

    #[test]
    fn none_has_no_percentiles_and_merging_adds() {
        let (mut a, mut b) = (Histogram::default(), Histogram::default());
        assert_eq!(a.percentiles(), None);
        a.add(Duration::from_millis(2));
        b.add_many(10_000, 3);
        a.merge(&b);
        let told = a.percentiles().unwrap();
        assert_eq!((a.count(), told.max, told.mean), (4, 10.0, 8.0));
        assert!((told.p50 - 10.0).abs() < 0.1, "{told:?}");
    }
}
