//! How much of the beginning is warm-up.

/// Number of leading values to drop so that the mean of the rest has the least standard error: the marginal standard
/// error rule of White (Simulation 69, 1997), looking at most at the first half as he advises.
///
/// Zero for fewer than four values and for all equal ones.
pub fn mser(y: &[f64]) -> usize {
    let n = y.len();
    if n < 4 {
        return 0;
    }
    let offset = y[n - 1];
    let (mut sum, mut squares) = (0.0, 0.0);
    let mut best = (f64::INFINITY, 0);
    for at in (0..n).rev() {
        let value = y[at] - offset;
        sum += value;
        squares += value * value;
        let count = (n - at) as f64;
        if at <= n / 2 {
            let error = (squares - sum * sum / count).max(0.0) / (count * count);
            if error <= best.0 {
                best = (error, at);
            }
        }
    }
    best.1
}
