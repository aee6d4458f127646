//! A series made fit for judging: finite values in order, one life of the process, a chosen axis.

use brimline_profile::series::{Point, Series, TimeBase};

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
/// backward steps mean unsorted points, which are sorted. A restart (a mark, or a counter that begins anew) cuts the
/// series: the longest part is kept. Counters that do not increase are not used as an axis.
pub(crate) fn timeline(series: &Series) -> Timeline {
    let mut notes = Vec::new();
    let mut points: Vec<Point> = series
        .points
        .iter()
        .copied()
        .filter(|point| point.seconds.is_finite() && point.value.abs() < LARGEST)
        .collect();
    if points.len() < series.points.len() {
        notes.push(format!("{} points without a number were left out", series.points.len() - points.len()));
    }
    repair_clock(&mut points, &mut notes);
    spread_ties(&mut points);
    let lives = lives(&points, series);
    if lives.len() > 1 {
        notes.push(format!("the process began anew {} times; its longest life is judged", lives.len() - 1));
    }
    points = lives.into_iter().max_by_key(Vec::len).unwrap_or_default();
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
