//! Growth in steps.

use super::statistics::order::{median, robust_deviation};
use super::statistics::pelt::pelt;
use super::statistics::theil_sen::theil_sen;

/// Levels and the steps between them.
#[derive(Clone, Debug)]
pub(crate) struct Staircase {
    /// Positions where a higher level begins.
    pub steps: Vec<usize>,
    /// Whether the last step is recent: less than 2.5 times the longest pause before it has passed since, and the last 40 % of the run carry a fifth of the growth.
    pub ongoing: bool,
    /// Steps in the last 60 % of the run: one alone may be the last one.
    pub late_steps: usize,
    /// Whether the steps are alike: none twice as high, and none with twice the pause before it, as another.
    pub regular: bool,
}

/// Recognises a series that climbs by at least two clear steps and is flat between them.
///
/// Change points by PELT with penalty `8 σ² ln n`, σ from first differences (steps do not disturb it), never below
/// `grain`. Steps must carry the growth: rises within the levels are at most a quarter of it, falls at most 15 %.
pub(crate) fn staircase(y: &[f64], grain: f64) -> Option<Staircase> {
    let n = y.len();
    let differences: Vec<f64> = y.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let sigma = (robust_deviation(&differences) / std::f64::consts::SQRT_2).max(grain);
    let ends = pelt(y, 8.0 * sigma * sigma * (n as f64).ln(), 3);
    if ends.len() < 3 || ends.len() > n / 6 + 2 {
        return None;
    }
    let mut start = 0;
    let mut levels: Vec<(usize, f64)> = Vec::new();
    let (mut within, mut up, mut down) = (0.0, 0.0, 0.0);
    let mut steps = Vec::new();
    for &end in &ends {
        let part = &y[start..end];
        let level = median(part);
        if part.len() >= 4 {
            let (x, values): (Vec<f64>, Vec<f64>) =
                part.iter().enumerate().step_by(part.len().div_ceil(40)).map(|(at, value)| (at as f64, *value)).unzip();
            within += theil_sen(&x, &values).unwrap_or(0.0) * part.len() as f64;
        }
        if let Some(&(_, before)) = levels.last() {
            if level > before {
                up += level - before;
                if level - before > 4.0 * sigma {
                    steps.push(start);
                }
            } else {
                down += before - level;
            }
        }
        levels.push((start, level));
        start = end;
    }
    if steps.len() < 2 || within.abs() > 0.25 * up || down > 0.15 * up {
        return None;
    }
    // Steps far smaller than the largest neither prove that it goes on nor that it has stopped.
    let height = |at: usize| levels.windows(2).find(|pair| pair[1].0 == at).map_or(0.0, |pair| pair[1].1 - pair[0].1);
    let largest = steps.iter().map(|&at| height(at)).fold(0.0, f64::max);
    steps.retain(|&at| height(at) >= 0.2 * largest);
    let late = levels.last().map_or(0.0, |end| end.1)
        - levels.iter().rev().find(|level| level.0 * 10 <= n * 6).map_or(0.0, |level| level.1);
    let pauses: Vec<usize> = steps.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let longest = pauses.iter().copied().fold(steps[0], usize::max);
    let alike = |values: &[f64]| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        values.iter().all(|value| *value <= 2.0 * least)
    };
    let regular = alike(&steps.iter().map(|&at| height(at)).collect::<Vec<_>>())
        && alike(&pauses.iter().map(|&pause| pause as f64).collect::<Vec<_>>());
    let since = n - steps[steps.len() - 1];
    let late_steps = steps.iter().filter(|&&at| at * 10 >= n * 4).count();
    Some(Staircase { ongoing: (since as f64) <= 2.5 * longest as f64 && late >= 0.2 * up, late_steps, regular, steps })
}
