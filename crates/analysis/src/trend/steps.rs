//! What one iteration usually adds.
//!
//! A leak that is in the way of every iteration shows in the typical step, however small it is. Compilers, inline caches,
//! resizing tables and caches over a long tail of keys grow by rare events instead: their mean rises, their typical step
//! is nothing, or shrinks. Medians keep the two apart where a line through the levels cannot.

use super::statistics::order::{median, robust_deviation};

/// Steps between points behind the warm-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    /// The median step.
    pub typical: f64,
    /// Its standard error: 1.2533 robust deviations over the root of the count.
    error: f64,
    /// The least of the median steps over one, two and four points, per point: noise that hides one shows in the others.
    least: f64,
    /// Median step of the second half over that of the first.
    kept: f64,
    /// The same for steps over four points.
    kept_over_four: f64,
    /// Share of steps upward less share of steps downward.
    upward: f64,
    /// Median step of the last quarter of the run over that of the quarter before, where the steps begin at its third.
    kept_lately: f64,
    /// Net growth per step, or the same without jumps upward if that is more.
    calm_mean: f64,
    /// Steps farther than this from the typical one are jumps.
    usual: f64,
    /// Mean step of the second half over that of the first, less two standard errors of independent steps.
    events_kept: f64,
}

/// What the typical step says about growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// Nearly every step goes up, by about as much as before.
    EveryStep,
    /// The typical step goes up by about the mean, and by about as much as before.
    Typical,
    /// The noise hides what a typical step does.
    Hidden,
    /// Beyond doubt the typical step adds much less than the mean: growth comes in events.
    Events,
}

/// Fewest steps that are looked at.
const FEWEST: usize = 10;

impl Steps {
    /// Looks at the steps of `y`; `None` for fewer than ten.
    pub(crate) fn of(y: &[f64]) -> Option<Self> {
        let steps = over(y, 1);
        let count = steps.len();
        if count < FEWEST {
            return None;
        }
        let (typical, deviation) = (median(&steps), robust_deviation(&steps));
        let four = over(y, 4);
        let up = steps.iter().filter(|step| **step > 0.0).count() as f64;
        let down = steps.iter().filter(|step| **step < 0.0).count() as f64;
        let usual = (8.0 * deviation).max(2.0 * typical.abs());
        let calm: Vec<f64> = steps.iter().copied().filter(|step| step - typical <= usual).collect();
        let (early, late) = steps.split_at(count / 2);
        let scatter = standard_error(early).hypot(standard_error(late)) / mean(early).abs().max(f64::MIN_POSITIVE);
        Some(Self {
            typical,
            error: 1.2533 * deviation / (count as f64).sqrt(),
            least: typical.min(median(&over(y, 2))).min(median(&four)),
            kept: ratio(median(late), median(early)),
            kept_lately: {
                let lately = &steps[count / 4..];
                ratio(median(&lately[lately.len() / 2..]), median(&lately[..lately.len() / 2]))
            },
            kept_over_four: ratio(median(&four[four.len() / 2..]), median(&four[..four.len() / 2])),
            upward: (up - down) / count as f64,
            calm_mean: mean(&calm).max(mean(&steps)),
            usual,
            events_kept: ratio(mean(late), mean(early)) - 2.0 * scatter,
        })
    }

    /// Net growth per step, or the same without jumps upward if that is more.
    pub(crate) fn calm_rate(&self) -> f64 {
        self.calm_mean
    }

    /// Judges growth by `rate` per step, the slope of the line through the levels.
    pub(crate) fn growth(&self, rate: f64) -> Growth {
        // A rise that collections undo again is none.
        let lasts = self.typical > 0.0 && self.typical <= 1.5 * self.calm_mean;
        // Growth as the square root of the time keeps 0.77 from the second third to the last, and 0.84 in the last half.
        let keeps = self.kept >= 0.8 || self.kept_lately >= 0.93;
        if self.upward >= 0.6 && keeps && lasts {
            Growth::EveryStep
        } else if self.least >= 0.45 * rate && rate > 0.0 && self.kept_over_four >= 0.7 {
            Growth::Typical
        } else if self.typical + 2.0 * self.error < 0.4 * rate || (self.upward >= 0.5 && self.kept_over_four < 0.7) {
            Growth::Events
        } else {
            Growth::Hidden
        }
    }

    /// Whether growth by events has beyond doubt kept at least six tenths of its rate. Levels would hide the doubt: they
    /// are sums of the events.
    pub(crate) fn events_keep_their_rate(&self) -> bool {
        self.events_kept >= 0.6
    }

    /// The levels with jumps replaced by the typical step.
    pub(crate) fn without_jumps(&self, y: &[f64]) -> Vec<f64> {
        let mut level = y.first().copied().unwrap_or(0.0);
        let mut levels = vec![level; y.len().min(1)];
        for step in over(y, 1) {
            level += if (step - self.typical).abs() <= self.usual { step } else { self.typical };
            levels.push(level);
        }
        levels
    }
}

/// Steps over `reach` points, per point.
fn over(y: &[f64], reach: usize) -> Vec<f64> {
    y.windows(reach + 1).map(|window| (window[reach] - window[0]) / reach as f64).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Of the mean, from the means of six stretches: events that come by the clock scatter less than ones that come by chance.
fn standard_error(values: &[f64]) -> f64 {
    let stretches: Vec<f64> = values.chunks_exact((values.len() / 6).max(1)).map(mean).collect();
    let middle = mean(&stretches);
    let squares: f64 = stretches.iter().map(|one| (one - middle) * (one - middle)).sum();
    let count = stretches.len() as f64;
    (squares / (count * (count - 1.0).max(1.0))).sqrt()
}

/// `late` over `early`; infinite where growth only began.
fn ratio(late: f64, early: f64) -> f64 {
    if early > 0.0 {
        late / early
    } else if late > 0.0 {
        f64::INFINITY
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(steps: impl Iterator<Item = f64>) -> Vec<f64> {
        steps
            .scan(1e6, |level, step| {
                *level += step;
                Some(*level)
            })
            .collect()
    }

    #[test]
    fn a_drip_below_jumps_is_seen() {
        let y = levels((0..100).map(|at| {
            if at == 40 {
                30_000.0
            } else if at % 17 == 0 {
                -60.0
            } else {
                144.0
            }
        }));
        let steps = Steps::of(&y).unwrap();
        assert_eq!(steps.typical, 144.0);
        assert_eq!(steps.growth(400.0), Growth::EveryStep);
    }

    #[test]
    fn rare_events_are_no_drip() {
        let y = levels((0..100).map(|at| if at % 4 == 0 { 3065.0 } else { 0.0 }));
        assert_eq!(Steps::of(&y).unwrap().growth(766.0), Growth::Events);
        // By the clock as these come, they keep their rate; ones that thin out do not.
        assert!(Steps::of(&y).unwrap().events_keep_their_rate());
        let y = levels((0..100).map(|at| if (at * at) % (4 + at) == 0 { 3065.0 } else { 0.0 }));
        assert!(!Steps::of(&y).unwrap().events_keep_their_rate());
    }

    #[test]
    fn a_rise_that_collections_undo_is_no_drip() {
        let y = levels((0..110).map(|at| if at % 11 == 10 { -5600.0 } else { 560.0 }));
        assert_ne!(Steps::of(&y).unwrap().growth(1.0), Growth::EveryStep);
    }

    #[test]
    fn growth_that_slows_down_is_no_drip() {
        let y = levels((0..100).map(|at| 600.0 * (-f64::from(at) / 40.0).exp()));
        assert_eq!(Steps::of(&y).unwrap().growth(200.0), Growth::Events);
    }

    #[test]
    fn few_points_say_nothing() {
        assert!(Steps::of(&[1.0; 10]).is_none());
        assert_eq!(Steps::of(&[1.0; 11]).unwrap().growth(0.0), Growth::Hidden);
    }
}
