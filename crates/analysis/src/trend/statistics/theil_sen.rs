//! The median of all pairwise slopes.

use super::order::quantile_of;

/// Slope of `y` over `x` after Theil (1950) and Sen (JASA 63, 1968): breaks down only beyond 29 % of outliers.
///
/// Pairs with equal `x` are left out; `None` if no pair is left (one point, all at one moment). Quadratic in the number
/// of points: condense long series first.
pub fn theil_sen(x: &[f64], y: &[f64]) -> Option<f64> {
    let mut slopes = Vec::with_capacity(x.len() * x.len().saturating_sub(1) / 2);
    for (at, (&x1, &y1)) in x.iter().zip(y).enumerate() {
        for (&x2, &y2) in x[at + 1..].iter().zip(&y[at + 1..]) {
            let run = x2 - x1;
            if run != 0.0 {
                slopes.push((y2 - y1) / run);
            }
        }
    }
    (!slopes.is_empty()).then(|| quantile_of(&mut slopes, 0.5))
}
