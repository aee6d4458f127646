//! Marks that count: a run marked at its iterations or requests has slopes per iteration and per request.

use brimline_profile::series::{Mark, Point, Series, Signal, Unit};

/// Fewest points between the first and the last mark for the others to be left out.
const FEWEST: usize = 12;

/// What a mark's name counts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Counted {
    /// Iterations finished; without a number the marks of the name are counted themselves.
    Iterations(Option<f64>),
    /// Requests served.
    Requests(f64),
}

/// Gives the points between counting marks their iterations and requests: the marks' own at their moments, in proportion
/// to the time between them. `iteration`, `iteration 12`, `round-3`, `requests 500` and `500 requests` count.
///
/// Points before the first and after the last counting mark are left out where twelve remain between: setting up and
/// shutting down are no iterations. Marks that do not increase count nothing.
pub(crate) fn count_by_marks(series: &mut Series) {
    let (mut iterations, mut requests) = (Vec::new(), Vec::new());
    let mut marks: Vec<(f64, Counted)> =
        series.marks.iter().filter_map(|mark| Some((mark.seconds, counted(&mark.name)?))).collect();
    marks.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (seconds, counted) in marks {
        match counted {
            Counted::Iterations(number) => iterations.push((seconds, number.unwrap_or(iterations.len() as f64))),
            Counted::Requests(number) => requests.push((seconds, number)),
        }
    }
    for knots in [&iterations, &requests] {
        let rises = |pair: &[(f64, f64)]| pair[1].0 > pair[0].0 && pair[1].1 > pair[0].1;
        if knots.len() < 2 || !knots.windows(2).all(rises) {
            continue;
        }
        let (first, last) = (knots[0].0, knots[knots.len() - 1].0);
        let within = |seconds: f64| first <= seconds && seconds <= last;
        if series.points.iter().filter(|point| within(point.seconds)).count() < FEWEST {
            continue;
        }
        series.points.retain(|point| within(point.seconds));
        for point in &mut series.points {
            let next = knots.partition_point(|knot| knot.0 < point.seconds).clamp(1, knots.len() - 1);
            let ((from, low), (to, high)) = (knots[next - 1], knots[next]);
            let count = Some(low + (high - low) * (point.seconds - from) / (to - from));
            if std::ptr::eq(knots, &raw const iterations) {
                point.iteration = count;
            } else {
                point.requests = count;
            }
        }
    }
}

/// Requests or iterations per second between marks that count them: the load beside the memory.
pub(crate) fn load_rate(marks: &[Mark]) -> Option<Series> {
    let number = |mark: &Mark| match counted(&mark.name)? {
        Counted::Iterations(number) => number,
        Counted::Requests(number) => Some(number),
    };
    let mut knots: Vec<(f64, f64)> = marks.iter().filter_map(|mark| Some((mark.seconds, number(mark)?))).collect();
    knots.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rate = |pair: &[(f64, f64)]| {
        let (seconds, done) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        (seconds > 0.0 && done >= 0.0).then(|| Point::new(pair[1].0, done / seconds))
    };
    let points: Vec<Point> = knots.windows(2).filter_map(rate).collect();
    (points.len() > 1).then(|| Series {
        metric: "load_rate".into(),
        subject: "workload".into(),
        unit: Unit::Count,
        signal: Some(Signal::Reserved),
        points,
        ..Series::default()
    })
}

fn counted(name: &str) -> Option<Counted> {
    let lower = name.to_ascii_lowercase();
    let mut words = lower.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let (first, second) = (words.next()?, words.next());
    if words.next().is_some() {
        return None;
    }
    let number = |word: &str| word.parse::<f64>().ok();
    match (first, second) {
        ("iteration" | "iterations" | "round" | "cycle", None) => Some(Counted::Iterations(None)),
        ("iteration" | "iterations" | "round" | "cycle", Some(count)) => {
            number(count).map(|n| Counted::Iterations(Some(n)))
        }
        ("request" | "requests", Some(count)) | (count, Some("requests")) => number(count).map(Counted::Requests),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(marks: &[(f64, &str)]) -> Series {
        let mark = |&(seconds, name): &(f64, &str)| Mark { seconds, name: name.into(), restart: false };
        Series {
            points: (0..40).map(|at| Point::new(f64::from(at), 1.0)).collect(),
            marks: marks.iter().map(mark).collect(),
            ..Series::default()
        }
    }

    #[test]
    fn points_between_marks_are_counted() {
        let mut series = marked(&[(10.0, "requests 100"), (5.0, "warm"), (30.0, "500 requests")]);
        count_by_marks(&mut series);
        assert_eq!(series.points.len(), 21);
        assert_eq!(series.points[10].requests, Some(300.0));
        assert_eq!(series.points[0].iteration, None);
    }

    #[test]
    fn the_load_is_a_series_beside_the_others() {
        let series = marked(&[(0.0, "requests 0"), (10.0, "requests 500"), (5.0, "warm"), (20.0, "requests 700")]);
        let load = load_rate(&series.marks).unwrap();
        assert_eq!(load.points.iter().map(|point| point.value).collect::<Vec<_>>(), [50.0, 20.0]);
        assert_eq!(load_rate(&marked(&[(0.0, "requests 0"), (10.0, "requests 5")]).marks), None);
    }

    #[test]
    fn marks_without_numbers_count_themselves() {
        let mut series = marked(&[(0.0, "iteration"), (10.0, "iteration"), (39.0, "iteration")]);
        count_by_marks(&mut series);
        assert_eq!(series.points[10].iteration, Some(1.0));
        assert_eq!(series.points[39].iteration, Some(2.0));
    }

    #[test]
    fn marks_that_do_not_rise_or_stand_too_close_change_nothing() {
        for marks in
            [&[(0.0, "iteration 9"), (30.0, "iteration 3")][..], &[(1.0, "iteration 1"), (4.0, "iteration 2")], &[]]
        {
            let mut series = marked(marks);
            let before = series.clone();
            count_by_marks(&mut series);
            assert_eq!(series, before);
        }
    }
}
