//! The lower envelope of a heap that is looked at with its garbage in it.

use super::statistics::order::quantile;

/// Positions of the low points right after each large collection, if the series is a sawtooth.
///
/// A large drop takes more than a quarter of the usual range (5th to 95th percentile) at once. A sawtooth has at least
/// three, and rises slowly: large rises are less than half as many as large drops. Anything else gives `None`.
pub(crate) fn sawtooth_lows(y: &[f64]) -> Option<Vec<usize>> {
    let detrended = detrend(y);
    let range = quantile(&detrended, 0.95) - quantile(&detrended, 0.05);
    if y.len() < 12 || range <= 0.0 {
        return None;
    }
    let large = 0.3 * range;
    let rises = y.windows(2).filter(|pair| pair[1] - pair[0] > large).count();
    // A collection may stretch over two samples.
    let mut lows: Vec<usize> = Vec::new();
    let (mut falling, mut length) = (0.0, 0);
    for at in 1..y.len() {
        let step = y[at] - y[at - 1];
        falling = if step < 0.0 { step + if length < 2 { falling } else { 0.0 } } else { 0.0 };
        length = if step < 0.0 { length + 1 } else { 0 };
        let ends = at + 1 == y.len() || y[at + 1] >= y[at];
        if ends && -falling > large {
            lows.push(at);
        }
    }
    (lows.len() >= 3 && lows.len() * 2 < y.len() / 2 + 2 && rises * 2 < lows.len()).then_some(lows)
}

/// The series less the line through its ends.
pub(crate) fn detrend(y: &[f64]) -> Vec<f64> {
    let last = y.len().saturating_sub(1).max(1) as f64;
    let slope = (y.last().copied().unwrap_or(0.0) - y.first().copied().unwrap_or(0.0)) / last;
    y.iter().enumerate().map(|(at, value)| value - slope * at as f64).collect()
}
