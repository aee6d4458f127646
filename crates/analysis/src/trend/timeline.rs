//! A series made fit for judging: finite values in order, one life of the process, a chosen axis.

use brimline_profile::series::{Point, Series, TimeBase, Unit};

use super::statistics::order::median;

/// What one step along the axis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// One iteration of the workload.
    Iteration,
    /// One request.
    Request,
    /// One second.
    Second,
}

impl Axis {
    /// Singular name for sentences and JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Iteration => "iteration",
            Self::Request => "request",
            Self::Second => "second",
        }
    }
}

/// Points of the last (longest) life of the process, in order.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    /// What `x` counts.
    pub axis: Axis,
    /// Position on the axis, increasing.
    pub x: Vec<f64>,
    /// Values, all finite.
    pub y: Vec<f64>,
    /// The points behind them.
    pub points: Vec<Point>,
    /// Oddities found and what was done about them.
    pub notes: Vec<String>,
}

/// Squares of larger values would leave the range of numbers; no memory is that large.
const LARGEST: f64 = 1e100;

/// Orders and repairs.
///
/// Values or times that are no finite numbers are dropped. A clock that ran backwards once or twice is shifted, many
/// backward steps mean unsorted points, which are sorted. A restart (a mark, a counter or a clock that begins anew) cuts
/// the series, and so does a gap of the clock longer than all the rest: the longest part is kept. Counters that do not
/// increase are not used as an axis.
pub(crate) fn timeline(series: &Series) -> Timeline {
    let mut notes = Vec::new();
    let points: Vec<Point> = series
        .points
        .iter()
        .copied()
        .filter(|point| point.seconds.is_finite() && point.value.abs() < LARGEST)
        .collect();
    if points.len() < series.points.len() {
        notes.push(format!("{} points without a number were left out", series.points.len() - points.len()));
    }
    if series.unit == Unit::Bytes && points.iter().any(|point| point.value < 0.0) {
        notes.push("some values are below zero, which no memory is: are they changes rather than sizes?".into());
    }
    let mut parts = clocks(points);
    if let [whole] = &mut parts[..] {
        repair_clock(whole, &mut notes);
    }
    for part in &mut parts {
        spread_ties(part);
    }
    let lives: Vec<Vec<Point>> = parts.iter().flat_map(|part| lives(part, series)).collect();
    if lives.len() > 1 {
        let times = if lives.len() == 2 { "once".to_owned() } else { format!("{} times", lives.len() - 1) };
        notes.push(format!("the process began anew {times}; its longest life is judged"));
    }
    let mut points = lives.into_iter().max_by_key(Vec::len).unwrap_or_default();
    let is_counted = |point: &Point| point.iteration.is_some() || point.requests.is_some();
    if series.time == TimeBase::Clock && !points.iter().any(is_counted) {
        cut_at_gap(&mut points, &mut notes);
    }
    let counted = |get: fn(&Point) -> Option<f64>| {
        let values: Option<Vec<f64>> = points.iter().map(get).collect();
        values.filter(|values| values.windows(2).all(|pair| pair[1] > pair[0]) && values.len() > 1)
    };
    let (axis, x) = counted(|point| point.iteration)
        .map(|x| (Axis::Iteration, x))
        .or_else(|| counted(|point| point.requests).map(|x| (Axis::Request, x)))
        .unwrap_or_else(|| {
            let axis = if series.time == TimeBase::Clock { Axis::Second } else { Axis::Iteration };
            (axis, points.iter().map(|point| point.seconds).collect())
        });
    let y = points.iter().map(|point| point.value).collect();
    Timeline { axis, x, y, points, notes }
}

/// The points of each clock: one that goes back to where it began, each time it goes back, counts from the start of the
/// process and began anew with it. Anything else is one clock.
fn clocks(points: Vec<Point>) -> Vec<Vec<Point>> {
    let Some(first) = points.first().map(|point| point.seconds) else { return vec![points] };
    let forward: Vec<f64> =
        points.windows(2).map(|pair| pair[1].seconds - pair[0].seconds).filter(|step| *step > 0.0).collect();
    let usual = if forward.is_empty() { 0.0 } else { median(&forward) };
    let anew: Vec<usize> = (1..points.len()).filter(|&at| points[at].seconds < points[at - 1].seconds).collect();
    let is_start = |&at: &usize| {
        (points[at].seconds - first).abs() <= 2.0 * usual && points[at - 1].seconds - points[at].seconds > 10.0 * usual
    };
    if anew.is_empty() || !anew.iter().all(is_start) {
        return vec![points];
    }
    let starts = std::iter::once(0).chain(anew.iter().copied());
    let ends = anew.iter().copied().chain(std::iter::once(points.len()));
    starts.zip(ends).map(|(start, end)| points[start..end].to_vec()).collect()
}

/// Keeps the side with more points of a gap longer than all other steps together: a clock that was set forward, or a pause
/// of which nothing is known.
fn cut_at_gap(points: &mut Vec<Point>, notes: &mut Vec<String>) {
    let steps: Vec<f64> = points.windows(2).map(|pair| pair[1].seconds - pair[0].seconds).collect();
    let Some((at, widest)) = steps.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1)) else { return };
    let others = steps.iter().sum::<f64>() - widest;
    if steps.len() < 12 || widest <= others {
        return;
    }
    let after = points.split_off(at + 1);
    if after.len() >= points.len() {
        *points = after;
    }
    notes.push(format!(
        "a gap of {widest:.0} seconds is longer than all the rest of the time; the side of it with more points is judged"
    ));
}

fn repair_clock(points: &mut [Point], notes: &mut Vec<String>) {
    let steps: Vec<f64> = points.windows(2).map(|pair| pair[1].seconds - pair[0].seconds).collect();
    let backward = steps.iter().filter(|step| **step < 0.0).count();
    if backward == 0 {
        return;
    }
    if backward > 2 || points.len() < 12 {
        points.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        notes.push("the points were not in order of time and were sorted".into());
        return;
    }
    let forward: Vec<f64> = steps.iter().copied().filter(|step| *step > 0.0).collect();
    let usual = if forward.is_empty() { 1.0 } else { median(&forward) };
    let mut shift = 0.0;
    for at in 1..points.len() {
        if steps[at - 1] < 0.0 {
            shift += usual - steps[at - 1];
        }
        points[at].seconds += shift;
    }
    notes.push("the clock was set back during the run; the time after that was shifted".into());
}

/// Points of one moment (a clock of whole seconds, sampled more often) are spread evenly until the next moment; those of
/// the last one at the pace of those before. All points at one moment stay there.
fn spread_ties(points: &mut [Point]) {
    let mut start = 0;
    let mut pace = 0.0;
    while start < points.len() {
        let moment = points[start].seconds;
        let count = points[start..].iter().take_while(|point| point.seconds <= moment).count();
        if let Some(next) = points.get(start + count) {
            pace = (next.seconds - moment) / count as f64;
        }
        for (at, point) in points[start..start + count].iter_mut().enumerate() {
            point.seconds = moment + pace * at as f64;
        }
        start += count;
    }
}

fn lives(points: &[Point], series: &Series) -> Vec<Vec<Point>> {
    let restarts: Vec<f64> = series.marks.iter().filter(|mark| mark.restart).map(|mark| mark.seconds).collect();
    let mut lives: Vec<Vec<Point>> = Vec::new();
    for point in points {
        let fresh = lives.last().and_then(|life| life.last()).is_none_or(|last| {
            let anew =
                |before: Option<f64>, now: Option<f64>| matches!((before, now), (Some(b), Some(n)) if n < b * 0.5);
            restarts.iter().any(|mark| last.seconds < *mark && *mark <= point.seconds)
                || anew(last.iteration, point.iteration)
                || anew(last.requests, point.requests)
        });
        if fresh {
            lives.push(Vec::new());
        }
        if let Some(life) = lives.last_mut() {
            life.push(*point);
        }
    }
    lives
}

/// At most `most` points: medians of equal stretches.
pub(crate) fn condense(x: &[f64], y: &[f64], most: usize) -> (Vec<f64>, Vec<f64>) {
    let width = x.len().div_ceil(most.max(1)).max(1);
    if width == 1 {
        return (x.to_vec(), y.to_vec());
    }
    let middle = |chunk: &[f64]| chunk.iter().sum::<f64>() / chunk.len() as f64;
    (x.chunks(width).map(middle).collect(), y.chunks(width).map(median).collect())
}
