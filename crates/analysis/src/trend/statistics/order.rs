//! Order statistics: quantiles and the median absolute deviation.

/// The `q`-quantile by linear interpolation between order statistics (Hyndman and Fan 1996, type 7, as numpy).
///
/// Not a number for an empty slice; values that are not finite sort last by [`f64::total_cmp`].
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut owned = values.to_vec();
    quantile_of(&mut owned, q)
}

/// Like [`quantile`], reordering the values instead of copying them.
pub fn quantile_of(values: &mut [f64], q: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let place = q.clamp(0.0, 1.0) * (values.len() - 1) as f64;
    let below = place.floor() as usize;
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let share = place - below as f64;
    if share == 0.0 || above.is_empty() {
        return low;
    }
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    low + share * (high - low)
}

/// The middle value; not a number for an empty slice.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// Standard deviation estimated by the median absolute deviation from the median, times 1.4826 (Hampel 1974).
///
/// Zero as soon as more than half of the values are equal.
pub fn robust_deviation(values: &[f64]) -> f64 {
    let middle = median(values);
    let mut distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    1.482_602_218_505_602 * quantile_of(&mut distances, 0.5)
}

/// Median of the values at most `half` places away, for each place; windows are cut off at the ends.
pub fn running_median(values: &[f64], half: usize) -> Vec<f64> {
    (0..values.len()).map(|at| median(&values[at.saturating_sub(half)..(at + half + 1).min(values.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.5), 2.5);
        assert_eq!(quantile(&[1.0, 2.0], 0.25), 1.25);
        assert_eq!(quantile(&[7.0], 0.9), 7.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn deviation_is_zero_for_equal_values() {
        assert_eq!(robust_deviation(&[3.0; 9]), 0.0);
        assert_eq!(running_median(&[1.0, 9.0, 1.0, 1.0], 1), [5.0, 1.0, 1.0, 1.0]);
    }
}
