//! Short excursions above an otherwise calm level.

use super::statistics::order::{robust_deviation, running_median};

/// A series without its excursions.
#[derive(Clone, Debug)]
pub(crate) struct Calm {
    /// The values, excursions replaced by the running median.
    pub y: Vec<f64>,
    /// How many points stood out above, the first tenth of the run left out: starting up is not a peak problem.
    pub spikes: usize,
    /// Height of the largest above its surroundings.
    pub highest: f64,
}

/// Replaces points more than eight robust deviations (and `least`) away from the median of their eleven neighbours.
///
/// Where more than half of the values equal their surroundings the deviation is zero and `least` decides alone.
pub(crate) fn calm(y: &[f64], least: f64) -> Calm {
    let around = running_median(y, 5);
    let residuals: Vec<f64> = y.iter().zip(&around).map(|(value, level)| value - level).collect();
    let bound = (8.0 * robust_deviation(&residuals)).max(least);
    let mut calm = Calm { y: y.to_vec(), spikes: 0, highest: 0.0 };
    for (at, residual) in residuals.iter().enumerate() {
        // At the ends half a window cannot tell a steep beginning from an excursion.
        if residual.abs() > bound && at >= 3 && at + 1 < y.len() {
            calm.y[at] = around[at];
            if *residual > 0.0 && at * 10 >= y.len() {
                calm.spikes += 1;
                calm.highest = calm.highest.max(*residual);
            }
        }
    }
    if calm.spikes * 5 > y.len() {
        return Calm { y: y.to_vec(), spikes: 0, highest: 0.0 };
    }
    calm
}
