//! How many leading points belong to the warm-up.

use super::statistics::mser::mser;
use super::statistics::order::{median, robust_deviation};
use super::statistics::theil_sen::theil_sen;

/// Number of points to leave out before the slope is measured, at most half of them.
///
/// The line of the last half is drawn back over the run (Theil-Sen, so single outliers do not tilt it) and the marginal
/// standard error rule finds where the values leave it; a trend is thus not mistaken for a warm-up. The cut stands only
/// if the values before it differ from the line by five robust deviations or `grain`.
pub(crate) fn warm_up(x: &[f64], y: &[f64], grain: f64) -> usize {
    let n = x.len();
    if n < 12 {
        return 0;
    }
    let half = n / 2;
    let Some(slope) = theil_sen(&x[half..], &y[half..]) else { return 0 };
    let residuals: Vec<f64> = x.iter().zip(y).map(|(at, value)| value - slope * at).collect();
    let level = median(&residuals[half..]);
    let cut = mser(&residuals);
    let spread = robust_deviation(&residuals[half..]);
    let before = if cut == 0 { level } else { median(&residuals[..cut]) };
    if (before - level).abs() > (5.0 * spread).max(grain) { cut } else { 0 }
}
