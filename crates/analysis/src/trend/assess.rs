//! The decision for one series: warm-up cut, slope with interval, equivalence, shape.
//!
//! A leak must show all of: a slope whose 95 % interval lies above a material amount (two one-sided tests, Schuirmann
//! 1987, read from the interval), a lasting curve that beats every settling one by BIC, and a last third that still
//! rises. "Steady" is likewise shown, not assumed: the whole interval lies within the material amount. What is neither
//! is said to be undecided, with what would decide it.

use brimline_profile::series::Signal;

use super::envelope::sawtooth_lows;
use super::shape::{Curve, shapes};
use super::spikes::calm;
use super::staircase::staircase;
use super::statistics::order::{median, quantile, robust_deviation, running_median};
use super::statistics::prais_winsten::{SlopeEstimate, prais_winsten};
use super::statistics::theil_sen::theil_sen;
use super::timeline::condense;
use super::verdict::Verdict;
use super::warm_up::warm_up;

/// What was found about one series.
#[derive(Clone, Debug)]
pub(crate) struct Assessment {
    /// The answer.
    pub verdict: Verdict,
    /// The rung it was judged on: a [`Signal`] name, or `heap_envelope`.
    pub signal: &'static str,
    /// Slope after the warm-up per step of the axis, where there were points enough.
    pub slope: Option<SlopeEstimate>,
    /// First position on the axis after the warm-up.
    pub tail_start: f64,
    /// How far the evidence lies beyond what was asked: 1 just suffices.
    pub strength: f64,
    /// Level that a filling curve reaches.
    pub plateau: Option<f64>,
    /// Steps of the axis after which 63 % of the filling is done.
    pub time_constant: Option<f64>,
    /// Steps of the axis that would settle an undecided case.
    pub more: Option<f64>,
}

/// Fewest points that are judged.
pub(crate) const FEWEST: usize = 12;

/// Judges values `y` at increasing positions `x`; `bytes` says whether the byte floors apply.
pub(crate) fn assess(x: &[f64], y: &[f64], signal: Signal, bytes: bool) -> Assessment {
    let n = y.len();
    if n < FEWEST || x[n - 1] <= x[0] {
        let step = if n > 1 { (x[n - 1] - x[0]) / (n - 1) as f64 } else { 1.0 };
        return undecided(signal.name(), x, ((FEWEST + 12) as f64 - n as f64) * step.max(f64::MIN_POSITIVE));
    }
    if let Some(lows) = sawtooth_lows(y) {
        let base = median(y).abs();
        let swing = quantile(y, 0.95) - quantile(y, 0.05);
        if swing > 0.02 * base {
            return assess_sawtooth(x, y, &lows, signal, bytes);
        }
    }
    assess_level(x, y, signal, signal.name(), bytes)
}

fn assess_sawtooth(x: &[f64], y: &[f64], lows: &[usize], signal: Signal, bytes: bool) -> Assessment {
    let low_x: Vec<f64> = lows.iter().map(|&at| x[at]).collect();
    let low_y: Vec<f64> = lows.iter().map(|&at| y[at]).collect();
    let rung = if signal == Signal::Heap { "heap_envelope" } else { signal.name() };
    let mut found = assess_level(&low_x, &low_y, signal, rung, bytes);
    let climbed = low_y[low_y.len() - 1] - low_y[0];
    let calm_lows = climbed < 0.1 * median(&low_y).abs();
    if lows.len() < 6 && !calm_lows {
        return undecided(rung, x, (x[x.len() - 1] - x[0]) * 6.0 / lows.len() as f64);
    }
    if !found.verdict.is_leak() && (calm_lows || found.verdict != Verdict::InsufficientData) {
        found.verdict = Verdict::GcSawtooth;
        found.strength = found.strength.max(1.0);
    }
    found
}

/// The amount of growth over the run that matters.
fn material(base: f64, sigma: f64, steps: f64, signal: Signal, regular: bool, bytes: bool) -> f64 {
    let (share, deviations) = match signal {
        Signal::Rss => (0.05, 10.0),
        _ if regular => (0.003, 2.5),
        Signal::Heap | Signal::Reserved | Signal::Count => (0.05, 3.0),
        Signal::SiteAfterGc | Signal::HeapAfterGc => (0.035, 2.5),
    };
    let floor = if bytes { 64.0 * steps } else { 0.05 * steps };
    (share * base).max(deviations * sigma).max(floor)
}

/// Whether three of four stretches of an eighth (at most 8 points) grow at half the slope or more. A leak that adds to
/// every iteration does; compilers and inline caches that settle grow in rare jumps (seen in V8 for 1,000 requests).
fn is_regular(y: &[f64], slope_per_point: f64) -> bool {
    let lag = (y.len() / 8).clamp(1, 8);
    let growth: Vec<f64> = y.windows(lag + 1).map(|window| (window[lag] - window[0]) / lag as f64).collect();
    slope_per_point > 0.0 && quantile(&growth, 0.25) >= 0.45 * slope_per_point
}

fn assess_level(x: &[f64], y: &[f64], signal: Signal, rung: &'static str, bytes: bool) -> Assessment {
    let n = y.len();
    let length = x[n - 1] - x[0];
    let base = median(&y[..n.div_ceil(4)]).abs();
    let grain = (5e-4 * base).max(if bytes { 256.0 } else { 0.25 });
    let calm = calm(y, (0.03 * base).max(grain));
    // Thousands of sites share one second; a whole heap has time for detail.
    let most = if signal == Signal::SiteAfterGc { 50 } else { 400 };
    let (cx, cy) = condense(x, &calm.y, most);
    let cut = warm_up(&cx, &cy, grain);
    let tail_start = cx[cut];
    let first = x.partition_point(|at| *at < tail_start);
    let (tail_x, tail_y) = (&x[first..], &calm.y[first..]);
    let Some(slope) = prais_winsten(tail_x, tail_y) else { return undecided(rung, x, length) };
    let (low, high) = slope.interval();
    let rough: Vec<f64> = cy.iter().zip(running_median(&cy, 3)).map(|(value, level)| value - level).collect();
    let width = n.div_ceil(most) as f64;
    let sigma = robust_deviation(&rough) * width.sqrt();
    let regular = is_regular(tail_y, slope.slope * length / (n - 1) as f64);
    let delta = material(base, sigma, n as f64, signal, regular, bytes);
    let early_delta = (0.05 * base).max(4.0 * sigma).max(grain);
    let mut found = Assessment {
        verdict: Verdict::Steady,
        signal: rung,
        slope: Some(slope),
        tail_start,
        strength: 1.0,
        plateau: None,
        time_constant: None,
        more: None,
    };

    let smooth = running_median(&cy, 2);
    let (rise, fall) = excursions(&smooth);
    if fall > (0.1 * base).max(8.0 * sigma) && fall > 0.6 * rise && rise > 0.3 * fall {
        found.verdict = Verdict::Fluctuating;
        found.strength = fall / (0.1 * base).max(8.0 * sigma);
        return found;
    }

    let gain = level_at_end(&cy) - level_at_start(&cy);
    if let Some(stairs) = staircase(&cy, grain).filter(|_| gain > delta.min(0.05 * base).max(grain)) {
        if !stairs.ongoing {
            found.verdict = Verdict::WarmUpPlateau;
            found.plateau = Some(level_at_end(&cy));
            return found;
        }
        if stairs.steps.len() >= 3 && gain > delta {
            found.verdict = Verdict::StepwiseGrowth;
            found.strength = (gain / delta).min(stairs.steps.len() as f64);
            return found;
        }
        if stairs.steps.len() == 2 {
            return Assessment { slope: Some(slope), ..undecided(rung, x, length) };
        }
    }

    let unit: Vec<f64> = cx.iter().map(|at| (at - x[0]) / length).collect();
    let Some(shapes) = shapes(&unit, &cy, grain.min(delta / 30.0)) else { return undecided(rung, x, length) };
    let settling = &shapes.settling;
    let lasting = shapes.lasting.bic + 4.0 < settling.bic && shapes.lasting.lasting > 0.0;
    let later = |from: f64, to: f64| {
        let tail = &cx[cut..];
        let count = tail.len() as f64;
        let (from, to) = (cut + (count * from) as usize, (cut + (count * to) as usize).min(cx.len()));
        theil_sen(&cx[from..to], &cy[from..to]).unwrap_or(0.0)
    };
    let still_rising = later(0.6, 1.0) >= 0.4 * slope.slope && later(0.5, 1.0) >= 0.5 * later(0.0, 0.5);
    if low * length > delta && lasting && still_rising {
        found.verdict = Verdict::LinearLeak;
        found.strength = low * length / delta;
        return found;
    }

    match settling.curve {
        Curve::Filling { tau } if settling.settling > early_delta => {
            found.time_constant = Some(tau * length);
        }
        Curve::Hinge { knee } if settling.settling > early_delta => found.time_constant = Some(knee * length / 2.0),
        _ => {}
    }
    let tail_share = (x[n - 1] - tail_start) / length;
    let remaining = later(0.5, 1.0) * length * 0.25;
    let grew = gain > early_delta;
    if grew {
        let slow = matches!(settling.curve, Curve::Filling { tau } if tau > 0.5)
            || matches!(settling.curve, Curve::Hinge { knee } if knee > 0.75);
        let flat = remaining.abs() < early_delta.max(0.08 * gain);
        let creeping = signal == Signal::Rss && low * length > 0.005 * base;
        if flat && !slow && !creeping && tail_share >= 0.2 {
            found.verdict = Verdict::WarmUpPlateau;
            found.plateau = Some(level_at_end(&cy));
            found.strength = early_delta.max(0.08 * gain) / remaining.abs().max(1e-9 * base + f64::MIN_POSITIVE);
            return found;
        }
        if slope.slope * length < delta && signal != Signal::Rss {
            found.strength = delta / (slope.slope * length).abs().max(f64::MIN_POSITIVE);
            return found;
        }
        return Assessment { slope: Some(slope), time_constant: found.time_constant, ..undecided(rung, x, length) };
    }
    found.time_constant = None;
    let widest = low.abs().max(high.abs()) * length;
    let short_of_a_leak = signal == Signal::Rss && low * length > 0.02 * base;
    if (low * length < -delta || high * length <= delta || (slope.slope * length).abs() < 0.5 * delta)
        && !short_of_a_leak
    {
        found.strength = delta / widest.max(f64::MIN_POSITIVE);
        if calm.spikes > 0 && calm.highest > (0.05 * base).max(8.0 * sigma) {
            found.verdict = Verdict::Spikes;
            found.strength = calm.highest / (0.05 * base).max(8.0 * sigma);
        }
        return found;
    }
    let half = (high - low) / 2.0 * length;
    let needed = (2.0 * half / delta).max(1.2).powf(2.0 / 3.0) - 1.0;
    Assessment { slope: Some(slope), ..undecided(rung, x, length * needed.clamp(0.25, 10.0)) }
}

fn level_at_start(y: &[f64]) -> f64 {
    median(&y[..(y.len() / 20).clamp(1, 5).max(3).min(y.len())])
}

fn level_at_end(y: &[f64]) -> f64 {
    median(&y[y.len() - (y.len() / 8).max(3).min(y.len())..])
}

/// The largest rise above an earlier low and the largest fall below an earlier high.
fn excursions(y: &[f64]) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut rise, mut fall) = (0.0_f64, 0.0_f64);
    for &value in y {
        low = low.min(value);
        high = high.max(value);
        rise = rise.max(value - low);
        fall = fall.max(high - value);
    }
    (rise, fall)
}

fn undecided(rung: &'static str, x: &[f64], more: f64) -> Assessment {
    Assessment {
        verdict: Verdict::InsufficientData,
        signal: rung,
        slope: None,
        tail_start: x.first().copied().unwrap_or(0.0),
        strength: 1.0,
        plateau: None,
        time_constant: None,
        more: Some(more),
    }
}
