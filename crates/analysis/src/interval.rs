//! How far a sampled number may be from the truth.

use brimline_profile::{Precision, value};

/// Quantile of the normal distribution for 95 %.
const Z: f64 = 1.959_964;

/// Blocks that were not drawn are thought to have at least this many bytes: how many there may be follows from it.
const SMALL_BLOCK: f64 = 64.0;

/// The 95 % interval of column `column` of a row or a total of a sampled recording (all its columns); `None` for what was
/// counted, not sampled. See [`of`].
pub fn interval(precision: Precision, values: &[i64], column: usize) -> Option<(i64, i64)> {
    of(precision, *values.get(column)?, *values.get(column + value::VARIANCE)?, column)
}

/// The 95 % interval of a number of column `column` with its variance, both in that column's units.
///
/// The number is a sum over draws of a Poisson process, and of mappings, which are all counted. From its variance follows
/// how many draws it is worth; the interval is the score interval of that Poisson number (Wilson 1927 for the binomial,
/// here its limit). It covers the truth also where draws are few, which plus-minus two standard deviations does not: with
/// no draw at all it still says how much may have been missed, 3.84 periods of bytes, and as many blocks of 64 bytes as
/// make that up.
pub fn of(precision: Precision, estimate: i64, variance: i64, column: usize) -> Option<(i64, i64)> {
    let Precision::Sampled { period } = precision else { return None };
    let (period, estimate, variance) = (period as f64, estimate as f64, variance as f64);
    let (low, high) = if matches!(column, value::LIVE_COUNT | value::PEAK_COUNT | value::TOTAL_COUNT) {
        let variance = variance / value::COUNT_VARIANCE_UNIT as f64;
        // Of how many blocks one drawn stands is known from those drawn; of those not drawn only that they were small.
        let (low, high) = score_of_drawn(estimate, variance);
        let unseen = (period / SMALL_BLOCK).max(1.0);
        (low, high.max(score(estimate, variance / (unseen * unseen), unseen).1))
    } else {
        score(estimate, variance / period, period)
    };
    Some((low.round() as i64, high.round() as i64))
}

/// The 95 % interval of `count` blocks that have about `bytes` each; `None` for what was counted, not sampled.
pub fn of_size(precision: Precision, count: i64, bytes: f64) -> Option<(i64, i64)> {
    let Precision::Sampled { period } = precision else { return None };
    let hit = -(-bytes.max(1.0) / period as f64).exp_m1();
    let weight = (1.0 - hit) / hit;
    if weight < f64::EPSILON {
        return Some((count, count));
    }
    let (low, high) = score(count as f64, count.max(0) as f64 / weight, weight);
    Some((low.round() as i64, high.round() as i64))
}

/// The interval of a number whose draws all weigh the same.
fn score_of_drawn(estimate: f64, variance: f64) -> (f64, f64) {
    if estimate <= 0.0 || variance <= 0.0 {
        return (estimate, estimate);
    }
    score(estimate, estimate * estimate / variance, variance / estimate)
}

/// Score interval of `estimate`, which is worth `draws` of `weight` each and a certain rest.
fn score(estimate: f64, draws: f64, weight: f64) -> (f64, f64) {
    let middle = draws + Z * Z / 2.0;
    let half = Z * (draws + Z * Z / 4.0).sqrt();
    let at = |bound: f64| (estimate + (bound - draws) * weight).max(0.0);
    (at(middle - half).min(estimate), at(middle + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(estimate: i64, variance: i64, column: usize) -> Option<(i64, i64)> {
        let mut values = [0; 12];
        values[column] = estimate;
        values[column + value::VARIANCE] = variance;
        interval(Precision::Sampled { period: 1000 }, &values, column)
    }

    #[test]
    fn is_the_score_interval_of_a_poisson_number() {
        // 100 draws of 1000 bytes: the interval of 100 is 82.23 … 121.61.
        assert_eq!(of(100_000, 100_000, value::LIVE_BYTES), Some((82_227, 121_614)));
        // Blocks: variance in sixteenths; 16 blocks of 64 bytes make a period up, and few of them hide beside 100 draws.
        assert_eq!(of(100, 1600, value::TOTAL_COUNT), Some((82, 166)));
        assert_eq!(of(10_000, 160_000 * 100, value::TOTAL_COUNT), Some((8223, 12_161)));
        // Blocks so large that each is drawn, and what may lie beside them.
        assert_eq!(of(19, 0, value::TOTAL_COUNT), Some((19, 79)));
        // One draw: 0.18 … 5.66.
        assert_eq!(of(1000, 1000, value::PEAK_BYTES), Some((177, 5665)));
        // Nothing but mappings: up to 3.84 periods may have been missed.
        assert_eq!(of(5000, 0, value::PEAK_BYTES), Some((5000, 8841)));
        assert_eq!(interval(Precision::Exact, &[1; 6], 0), None);
        let sampled = Precision::Sampled { period: 1000 };
        assert_eq!(of_size(sampled, 0, 100.0), Some((0, 37)));
        assert_eq!(of_size(sampled, 7, 50_000.0), Some((7, 7)));
    }
}
