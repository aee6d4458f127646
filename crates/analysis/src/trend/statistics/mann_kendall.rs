//! Is there a monotone trend? Supporting evidence only: on heap traces the plain test gives 48–92 % false alarms
//! (Machida, Andrzejak, Matias and Vicente, ISSREW 2013), so it never decides.

use super::distribution::normal_tail;
use super::theil_sen::theil_sen;

/// Outcome of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannKendall {
    /// Concordant minus discordant pairs.
    pub s: f64,
    /// Variance of `s` without a trend, corrected for ties and, if asked for, for serial correlation.
    pub variance: f64,
    /// Normal score with continuity correction; zero if the variance is.
    pub z: f64,
    /// Two-sided p-value.
    pub p: f64,
}

/// The test of Mann (1945) and Kendall (1975) with tie correction.
///
/// All values equal, or fewer than two: `s`, `z` 0 and `p` 1.
pub fn mann_kendall(y: &[f64]) -> MannKendall {
    let s = score(y);
    finish(s, tie_variance(y))
}

/// With the variance correction of Hamed and Rao (Journal of Hydrology 204, 1998): autocorrelations of the ranks of the
/// detrended values that are significant at 5 % widen it.
///
/// As [`mann_kendall`] below three values. Strong negative correlation can make the corrected variance negative; then
/// nothing is known and `p` is 1.
pub fn hamed_rao(y: &[f64]) -> MannKendall {
    let n = y.len();
    let s = score(y);
    if n < 3 {
        return finish(s, tie_variance(y));
    }
    let index: Vec<f64> = (1..=n).map(|at| at as f64).collect();
    let slope = theil_sen(&index, y).unwrap_or(0.0);
    let detrended: Vec<f64> = y.iter().zip(&index).map(|(value, at)| value - slope * at).collect();
    let ranks = ranks(&detrended);
    let mean = ranks.iter().sum::<f64>() / n as f64;
    let centred: Vec<f64> = ranks.iter().map(|rank| rank - mean).collect();
    let power: f64 = centred.iter().map(|value| value * value).sum();
    let bound = 1.959_963_984_540_054 / (n as f64).sqrt();
    let mut sum = 0.0;
    if power > 0.0 {
        for lag in 1..n {
            let product: f64 = centred.iter().zip(&centred[lag..]).map(|(a, b)| a * b).sum();
            let correlation = product / power;
            if correlation.abs() > bound {
                let left = (n - lag) as f64;
                sum += left * (left - 1.0) * (left - 2.0) * correlation;
            }
        }
    }
    let count = n as f64;
    let widening = 1.0 + 2.0 / (count * (count - 1.0) * (count - 2.0)) * sum;
    finish(s, tie_variance(y) * widening)
}

fn score(y: &[f64]) -> f64 {
    let mut s = 0_i64;
    for (at, first) in y.iter().enumerate() {
        for second in &y[at + 1..] {
            s += i64::from(second > first) - i64::from(second < first);
        }
    }
    s as f64
}

fn tie_variance(y: &[f64]) -> f64 {
    let mut sorted = y.to_vec();
    sorted.sort_by(f64::total_cmp);
    let term = |count: f64| count * (count - 1.0) * (2.0 * count + 5.0);
    let ties: f64 = sorted.chunk_by(|a, b| a == b).map(|equal| term(equal.len() as f64)).sum();
    (term(y.len() as f64) - ties) / 18.0
}

fn finish(s: f64, variance: f64) -> MannKendall {
    let z = if variance > 0.0 && s != 0.0 { (s - s.signum()) / variance.sqrt() } else { 0.0 };
    let p = if z == 0.0 { 1.0 } else { 2.0 * normal_tail(z.abs()) };
    MannKendall { s, variance, z, p }
}

/// Ranks from one, ties get their mean.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = below as f64 + 0.5 + equal.len() as f64 / 2.0;
        for &at in equal {
            ranks[at] = rank;
        }
        below += equal.len();
    }
    ranks
}
