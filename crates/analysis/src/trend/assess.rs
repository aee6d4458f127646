//! The decision for one series: warm-up cut, slope with interval, equivalence, shape.
//!
//! A leak must show all of: a slope whose 95 % interval lies above a material amount (two one-sided tests, Schuirmann
//! 1987, read from the interval), a lasting curve that beats every settling one by BIC, and a last third that still
//! rises. "Steady" is likewise shown, not assumed: the whole interval lies within the material amount. What is neither
//! is said to be undecided, with what would decide it.

use brimline_profile::series::Signal;

use super::envelope::{detrend, sawtooth_lows};
use super::shape::{Curve, Curves};
use super::spikes::calm;
use super::staircase::staircase;
use super::statistics::autoregression::{SlopeEstimate, autoregressive_line};
use super::statistics::order::{median, quantile, robust_deviation, running_median};
use super::statistics::theil_sen::theil_sen;
use super::steps::{Growth, Steps};
use super::timeline::condense;
use super::verdict::Verdict;

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
    /// Undecided between a container that fills slowly and a leak: what it can hold would settle it too.
    pub filling: bool,
    /// The process may have begun anew where it fell.
    pub restarting: bool,
}

/// Resident memory counts as level where its last half excludes growth by this share of it: half of what accuses.
const RSS_LEVEL: f64 = 0.025;

/// Resident memory whose last half has new highs in so many of its eighths creeps. Of values in any order the last half
/// has .7 highs (Foster and Stuart, JRSS B 16, 1954) and three or more once in forty times, however they scatter; a leak
/// goes on having them, where runtimes take more pages in one jump.
const RSS_HIGHS: usize = 3;

/// Share of resident memory from which on falls may be restarts.
const RSS_FALL: f64 = 0.4;

/// Fewest points that are judged.
pub(crate) const FEWEST: usize = 12;

/// Judges values `y` at increasing positions `x`; `bytes` says whether the byte floors apply. `curves` is kept between
/// calls so that sites at the same positions share it.
pub(crate) fn assess(x: &[f64], y: &[f64], signal: Signal, bytes: bool, curves: &mut Curves) -> Assessment {
    let n = y.len();
    if n < FEWEST || x[n - 1] <= x[0] {
        let step = if n > 1 { (x[n - 1] - x[0]) / (n - 1) as f64 } else { 1.0 };
        return undecided(signal.name(), x, ((FEWEST + 12) as f64 - n as f64) * step.max(f64::MIN_POSITIVE));
    }
    if let Some(lows) = sawtooth_lows(y) {
        let base = median(y).abs();
        let swing = |values: &[f64]| quantile(values, 0.95) - quantile(values, 0.05);
        // A trend is no swing, nor is what a crooked end does to the line through both.
        if swing(y).min(swing(&detrend(y))) > 0.02 * base {
            return assess_sawtooth(x, y, &lows, signal, bytes, curves);
        }
    }
    assess_level(x, y, Judging { signal, rung: signal.name(), bytes, least: 0.0 }, curves)
}

/// What a level is judged as.
#[derive(Clone, Copy)]
struct Judging {
    signal: Signal,
    rung: &'static str,
    /// Whether the byte floors apply.
    bytes: bool,
    /// Growth below this is nothing, whatever the noise.
    least: f64,
}

fn assess_sawtooth(
    x: &[f64],
    y: &[f64],
    lows: &[usize],
    signal: Signal,
    bytes: bool,
    curves: &mut Curves,
) -> Assessment {
    let low_x: Vec<f64> = lows.iter().map(|&at| x[at]).collect();
    let low_y: Vec<f64> = lows.iter().map(|&at| y[at]).collect();
    let rung = if signal == Signal::Heap { "heap_envelope" } else { signal.name() };
    // A low is seen up to one sample after the collection, and where the period is no whole number of samples the delay
    // creeps: growth of the lows up to what a sample adds may be that alone.
    let rises: Vec<f64> = y.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0.0).collect();
    let least = if rises.is_empty() { 0.0 } else { 1.2 * median(&rises) };
    let mut found = assess_level(&low_x, &low_y, Judging { signal, rung, bytes, least }, curves);
    let climbed = low_y[low_y.len() - 1] - low_y[0];
    let calm_lows = climbed < 0.1 * median(&low_y).abs();
    // Collectors give back pages, but seldom most of them; a process that is killed at its limit gives back all.
    if signal == Signal::Rss && median(&lows.iter().map(|&at| fall_to(y, at)).collect::<Vec<_>>()) > RSS_FALL {
        return Assessment { restarting: true, ..undecided(rung, x, x[x.len() - 1] - x[0]) };
    }
    if lows.len() < 6 && !calm_lows {
        return undecided(rung, x, (x[x.len() - 1] - x[0]) * 6.0 / lows.len() as f64);
    }
    if !found.verdict.is_leak() && (calm_lows || found.verdict != Verdict::InsufficientData) {
        found.verdict = Verdict::GcSawtooth;
        found.strength = found.strength.max(1.0);
    }
    found
}

/// The share of the level before it that the fall to the low at `low` takes.
fn fall_to(y: &[f64], low: usize) -> f64 {
    let top = y[..low].iter().rev().scan(y[low], |before, &value| {
        (value >= *before).then(|| {
            *before = value;
            value
        })
    });
    let top = top.last().unwrap_or(y[low]);
    (top - y[low]) / top.abs().max(f64::MIN_POSITIVE)
}

/// Shares of the level and deviations of the noise that growth over the run must exceed to be called a leak, and that it
/// must stay below to be called none.
///
/// What adds to every step is no chance and no compiler: a thousandth counts, above the floor per step. What only the mean shows must be
/// larger than what runtimes add while they settle (measured: up to 5 % of a small V8 heap in 300 requests).
fn thresholds(signal: Signal, growth: Growth) -> ((f64, f64), (f64, f64)) {
    let calm = match signal {
        Signal::Rss => (0.05, 10.0),
        Signal::Heap | Signal::Reserved | Signal::Count => (0.05, 3.0),
        Signal::SiteAfterGc | Signal::HeapAfterGc => (0.035, 2.5),
    };
    let leak = match (signal, growth) {
        (Signal::Rss | Signal::Heap | Signal::Reserved, _) => calm,
        (_, Growth::EveryStep) => (0.001, 2.5),
        (_, Growth::Typical) => (0.02, 2.5),
        (_, Growth::Hidden | Growth::Events) => (0.07, 2.5),
    };
    (leak, calm)
}

fn assess_level(x: &[f64], y: &[f64], judging: Judging, curves: &mut Curves) -> Assessment {
    let Judging { signal, rung, bytes, least } = judging;
    let n = y.len();
    let length = x[n - 1] - x[0];
    let base = median(&y[..n.div_ceil(4)]).abs();
    let grain = (5e-4 * base).max(if bytes { 256.0 } else { 0.25 });
    let calm = calm(y, (0.03 * base).max(grain));
    // Thousands of sites share one second; a whole heap has time for detail.
    let most = if signal == Signal::SiteAfterGc { 50 } else { 400 };
    let (cx, cy) = condense(x, &calm.y, most);
    let unit: Vec<f64> = cx.iter().map(|at| (at - x[0]) / length).collect();
    let Some(shapes) = curves.at(&unit).fit(&cy, grain) else { return undecided(rung, x, length) };
    let cut = unit.partition_point(|at| *at < shapes.warm_up()).min(cx.len() / 2);
    let tail_start = if cut == 0 { x[0] } else { cx[cut] };
    let first = x.partition_point(|at| *at < tail_start);
    let (tail_x, tail_y) = (&x[first..], &calm.y[first..]);
    let Some(slope) = autoregressive_line(tail_x, tail_y) else { return undecided(rung, x, length) };
    let (low, high) = slope.interval();
    let rough: Vec<f64> = cy.iter().zip(running_median(&cy, 3)).map(|(value, level)| value - level).collect();
    let width = n.div_ceil(most) as f64;
    let sigma = robust_deviation(&rough) * width.sqrt();
    let quiet = matches!(signal, Signal::SiteAfterGc | Signal::HeapAfterGc | Signal::Count);
    let steps = Steps::of(&calm.y[first.max(n / 3)..]).filter(|_| quiet);
    let growth = steps.map_or(Growth::Hidden, |steps| steps.growth(slope.slope * length / (n - 1) as f64));
    let floor = if bytes { 64.0 } else { 0.05 };
    let (leak, calm_below) = thresholds(signal, growth);
    let amount =
        |(share, deviations): (f64, f64)| (share * base).max(deviations * sigma).max(floor * n as f64).max(least);
    let leak_delta = amount(leak);
    // What would be a leak if it were a little more is not called level.
    let delta = amount(calm_below).min(if growth == Growth::Typical { leak_delta } else { f64::INFINITY });
    let smooth = running_median(&cy, 2);
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
        filling: false,
        restarting: false,
    };

    let (rise, fall) = excursions(&smooth);
    if fall > (0.1 * base).max(8.0 * sigma) && fall > 0.6 * rise && rise > 0.3 * fall {
        found.verdict = Verdict::Fluctuating;
        found.restarting = signal == Signal::Rss && y.windows(2).any(|pair| pair[0] - pair[1] > RSS_FALL * pair[0]);
        found.strength = fall / (0.1 * base).max(8.0 * sigma);
        return found;
    }

    let gain = level_at_end(&cy) - level_at_start(&cy);
    let lately = Steps::of(&calm.y[n / 2..]).filter(|_| quiet);
    let lately_growth = lately.map_or(Growth::Hidden, |steps| steps.growth(steps.calm_rate()));
    let least_drip = amount(thresholds(signal, Growth::EveryStep).0);
    // What goes on in every step of the last half leaks, whatever warmed up before; but not what falls back at once as
    // soon as a table is full.
    let fallen = excursions(&smooth[smooth.len() / 5..]).1;
    let goes_on = |steps: &Steps| fallen < 0.5 * steps.typical * n as f64;
    let drip = steps
        .filter(|steps| growth == Growth::EveryStep && steps.typical * n as f64 > leak_delta)
        .or(lately.filter(|steps| lately_growth == Growth::EveryStep && steps.typical * n as f64 > least_drip));
    let undone = drip.is_some_and(|steps| !goes_on(&steps));
    let drip = drip.filter(goes_on);
    // A typical step that goes up is no level, even where it does not suffice for a leak.
    let dripping = undone || (quiet && growth == Growth::Typical && low * length > 0.25 * leak_delta);
    if let Some(stairs) = staircase(&cy, grain) {
        let shows = gain > delta.min(0.05 * base).max(grain);
        if shows && !stairs.ongoing && drip.is_none() && !dripping {
            found.verdict = Verdict::WarmUpPlateau;
            found.plateau = Some(level_at_end(&cy));
            return found;
        }
        // Compilers take steps too, but seldom four regular ones.
        let enough = if quiet && stairs.regular && stairs.steps.len() >= 4 {
            delta.min(0.01 * base)
        } else {
            delta.max(leak_delta.min(0.07 * base))
        };
        if stairs.ongoing && stairs.steps.len() >= 3 && stairs.late_steps >= 2 && gain > enough.max(grain) {
            found.verdict = Verdict::StepwiseGrowth;
            found.strength = (gain / enough).min(stairs.steps.len() as f64);
            return found;
        }
        if shows && stairs.steps.len() == 2 && drip.is_none() {
            return Assessment { slope: Some(slope), ..undecided(rung, x, length) };
        }
    }

    if let Some(steps) = drip {
        if low <= 0.0 {
            found.slope = autoregressive_line(tail_x, &steps.without_jumps(tail_y)).or(found.slope);
        }
        found.verdict = Verdict::LinearLeak;
        found.strength = steps.typical * n as f64 / leak_delta;
        return found;
    }

    let settling = &shapes.settling;
    let halves = Halves::of(&cx[cut..], &cy[cut..]);
    if low * length > leak_delta && halves.second >= 0.5 * slope.slope {
        // The last third against the middle one over the whole run, then the halves of what lies behind the warm-up.
        let third = unit.partition_point(|at| *at < 1.0 / 3.0);
        let later = |from: usize| Halves::of(&cx[from..], &cy[from..]);
        let advantage =
            if shapes.lasting.lasting > 0.0 { settling.bic - shapes.lasting.bic } else { f64::NEG_INFINITY };
        let lasting = if growth == Growth::Typical || growth == Growth::EveryStep {
            true
        } else if growth == Growth::Events && !steps.is_some_and(|steps| steps.events_keep_their_rate()) {
            false
        } else if advantage > -12.0 && later(cx.len() / 2).keeps_its_rate() {
            // Whatever the first half was: compilers and pools settle while a leak goes on.
            true
        } else if later(third).slows_down() {
            advantage > 20.0 && !halves.slows_down()
        } else {
            advantage > 4.0 || (advantage > -4.0 && later(cut.max(third)).is_constant())
        };
        if lasting {
            found.verdict = Verdict::LinearLeak;
            found.strength = low * length / leak_delta;
            return found;
        }
    }

    found.time_constant = match settling.curve {
        Curve::Filling { tau } if settling.settling > early_delta => Some(tau * length),
        Curve::Hinge { knee } if settling.settling > early_delta => Some(knee * length / 2.0),
        _ => None,
    };
    // Resident memory hides small leaks in pages it already has: only what shows no growth at all is called level.
    let creeping = signal == Signal::Rss && {
        let half = autoregressive_line(&x[n / 2..], &calm.y[n / 2..]);
        half.is_none_or(|line| line.high * length / 2.0 > RSS_LEVEL * base) || late_highs(y) >= RSS_HIGHS
    };
    let tail_share = (x[n - 1] - tail_start) / length;
    let remaining = halves.second * length * 0.25;
    if gain > early_delta {
        let slow = matches!(settling.curve, Curve::Filling { tau } if tau > 0.5)
            || matches!(settling.curve, Curve::Hinge { knee } if knee > 0.75);
        let flat = remaining.abs() < early_delta.min(0.08 * gain).max(0.5 * delta);
        if flat && !slow && !creeping && !dripping && tail_share >= 0.2 {
            found.verdict = Verdict::WarmUpPlateau;
            found.plateau = Some(level_at_end(&cy));
            found.strength = early_delta.max(0.08 * gain) / remaining.abs().max(1e-9 * base + f64::MIN_POSITIVE);
            return found;
        }
        if slope.slope * length < delta && signal != Signal::Rss && !dripping {
            found.strength = delta / (slope.slope * length).abs().max(f64::MIN_POSITIVE);
            return found;
        }
        return Assessment {
            slope: Some(slope),
            time_constant: found.time_constant,
            filling: slope.slope > 0.0,
            ..undecided(rung, x, length)
        };
    }
    found.time_constant = None;
    let widest = low.abs().max(high.abs()) * length;
    let within = rise.max(fall) < delta && smooth.len() > 20;
    if (low * length < -delta || high * length <= delta || (slope.slope * length).abs() < 0.5 * delta || within)
        && !creeping
        && !dripping
    {
        found.strength = delta / widest.max(f64::MIN_POSITIVE);
        if calm.spikes > 0 && calm.highest > (0.15 * base).max(8.0 * sigma) {
            found.verdict = Verdict::Spikes;
            found.strength = calm.highest / (0.15 * base).max(8.0 * sigma);
        }
        return found;
    }
    let half = (high - low) / 2.0 * length;
    let needed = (2.0 * half / delta).max(1.2).powf(2.0 / 3.0) - 1.0;
    Assessment { slope: Some(slope), ..undecided(rung, x, length * needed.clamp(0.25, 10.0)) }
}

/// Slopes of the two halves of the tail.
struct Halves {
    first: f64,
    second: f64,
    /// Upper end of the second's 95 % interval.
    second_high: f64,
    /// Lower end of it.
    second_low: f64,
}

impl Halves {
    fn of(x: &[f64], y: &[f64]) -> Self {
        let middle = x.len() / 2;
        let second = autoregressive_line(&x[middle..], &y[middle..]);
        Self {
            first: theil_sen(&x[..middle], &y[..middle]).unwrap_or(0.0),
            second: theil_sen(&x[middle..], &y[middle..]).unwrap_or(0.0),
            second_high: second.map_or(f64::INFINITY, |line| line.high),
            second_low: second.map_or(f64::NEG_INFINITY, |line| line.low),
        }
    }

    /// Whether growth fades, as in a container whose keys run out: half of it is gone, or a fifth beyond doubt. (Growth as
    /// the square root of the time has lost a third from one half to the other, growth as the logarithm half.)
    fn slows_down(&self) -> bool {
        self.second < 0.5 * self.first || self.second_high < 0.8 * self.first
    }

    /// Whether growth is beyond doubt as fast as before. (Over a last half, growth as the square root of the time has a
    /// ratio of 0.84, as the logarithm less.)
    fn keeps_its_rate(&self) -> bool {
        self.second_low >= 0.75 * self.first && self.second >= 0.9 * self.first && self.second > 0.0
    }

    /// Whether growth is as fast as before, and shown not to have lost more than two fifths.
    fn is_constant(&self) -> bool {
        self.second_low >= 0.6 * self.first && self.second >= 0.85 * self.first && self.second > 0.0
    }
}

fn level_at_start(y: &[f64]) -> f64 {
    median(&y[..(y.len() / 20).clamp(1, 5).max(3).min(y.len())])
}

fn level_at_end(y: &[f64]) -> f64 {
    median(&y[y.len() - (y.len() / 8).max(3).min(y.len())..])
}

/// How many eighths of the last half hold a value above all before it.
fn late_highs(y: &[f64]) -> usize {
    let (early, late) = y.split_at(y.len() / 2);
    let mut highest = early.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    late.chunks(late.len().div_ceil(8).max(1))
        .filter(|part| {
            let before = highest;
            highest = part.iter().copied().fold(highest, f64::max);
            highest > before
        })
        .count()
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
        filling: false,
        restarting: false,
    }
}
