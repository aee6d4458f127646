//! How far a sampled number may be from the truth.

use brimline_profile::{Precision, value};

/// Quantile of the normal distribution for 95 %.
const Z: f64 = 1.959_964;

/// The 95 % interval of column `column` of a row or a total of a sampled recording (all its columns); `None` for what was
/// counted, not sampled.
///
/// The number is a sum over draws of a Poisson process, and of mappings, which are all counted. From its variance follows
/// how many draws it is worth, each of one period; the interval is the score interval of that Poisson number (Wilson 1927
/// for the binomial, here its limit). It covers the truth also where draws are few, which plus-minus two standard
/// deviations does not: with no draw at all it still says how much may have been missed.
pub fn interval(precision: Precision, values: &[i64], column: usize) -> Option<(i64, i64)> {
    let Precision::Sampled { period } = precision else { return None };
    let (&estimate, &variance) = (values.get(column)?, values.get(column + value::VARIANCE)?);
    let (estimate, variance) = (estimate as f64, variance as f64);
    let is_count = matches!(column, value::LIVE_COUNT | value::PEAK_COUNT | value::TOTAL_COUNT);
    // What one draw weighs, and the number of draws. How many blocks one stands for is known from those drawn only.
    let (weight, draws) = if !is_count {
        (period as f64, variance / period as f64)
    } else if estimate > 0.0 && variance > 0.0 {
        let variance = variance / value::COUNT_VARIANCE_UNIT as f64;
        (variance / estimate, estimate * estimate / variance)
    } else {
        return Some((estimate as i64, estimate as i64));
    };
    let middle = draws + Z * Z / 2.0;
    let half = Z * (draws + Z * Z / 4.0).sqrt();
    let at = |bound: f64| (estimate + (bound - draws) * weight).round().max(0.0) as i64;
    Some((at(middle - half).min(estimate as i64), at(middle + half)))
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
        // Blocks: variance in sixteenths.
        assert_eq!(of(100, 1600, value::TOTAL_COUNT), Some((82, 122)));
        // One draw: 0.18 … 5.66.
        assert_eq!(of(1000, 1000, value::PEAK_BYTES), Some((177, 5665)));
        // Nothing but mappings: up to 3.84 periods may have been missed.
        assert_eq!(of(5000, 0, value::PEAK_BYTES), Some((5000, 8841)));
        assert_eq!(interval(Precision::Exact, &[1; 6], 0), None);
    }
}
