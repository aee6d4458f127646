//! Verdicts of whole series, degenerate ones first.

use brimline_analysis::trend::{JudgeOptions, RSS_CAVEAT, SlopeChange, TrendReport, Verdict, compare, judge};
use brimline_profile::series::{Mark, Point, Series, Signal, TimeBase, Unit};

fn noise(at: usize) -> f64 {
    ((at * 7919) % 101) as f64 * 20.0
}

fn heap(values: impl Fn(usize) -> f64, count: usize) -> Series {
    let values: Vec<f64> = (0..count).map(values).collect();
    Series { signal: Some(Signal::HeapAfterGc), ..Series::from_values("heap", Unit::Bytes, &values) }
}

fn growing(at: usize) -> f64 {
    1e7 + 2e4 * at as f64 + noise(at)
}

fn answer(series: Series) -> Verdict {
    verdict(&judge(&[series], &JudgeOptions::default()))
}

fn verdict(report: &TrendReport) -> Verdict {
    report.verdicts[0].verdict
}

#[test]
fn degenerate_series_are_answered() {
    assert_eq!(answer(heap(|_| 5e6, 40)), Verdict::Steady);
    assert_eq!(answer(heap(|_| 0.0, 40)), Verdict::Steady);
    for count in 0..12 {
        assert_eq!(answer(heap(growing, count)), Verdict::InsufficientData, "{count} points");
    }
    assert_eq!(answer(heap(|_| f64::NAN, 40)), Verdict::InsufficientData);
    assert_eq!(answer(heap(|at| 1e307 * (1 + at % 3) as f64, 40)), Verdict::InsufficientData);
    for count in 12..40 {
        answer(heap(noise, count));
        answer(heap(|at| if at % 2 == 0 { f64::MAX / 1e10 } else { -1e300 }, count));
    }
    let mut still = heap(growing, 30);
    still.time = TimeBase::Clock;
    for point in &mut still.points {
        *point = Point::new(5.0, point.value);
    }
    assert_eq!(answer(still), Verdict::InsufficientData);
}

#[test]
fn missing_and_unsorted_points_change_nothing() {
    let clock = |at: usize| Point::new(at as f64 * 0.5, growing(at));
    let series = |points: Vec<Point>| Series { time: TimeBase::Clock, points, ..heap(growing, 0) };
    let sorted: Vec<Point> = (0..80).map(clock).collect();
    let whole = judge(&[series(sorted.clone())], &JudgeOptions::default());
    assert_eq!(verdict(&whole), Verdict::LinearLeak);
    let shuffled: Vec<Point> = (0..80).map(|at| clock(at * 37 % 80)).collect();
    assert_eq!(judge(&[series(shuffled)], &JudgeOptions::default()).verdicts[0].slope.low, whole.verdicts[0].slope.low);
    let mut holes = sorted.clone();
    holes.drain(30..45);
    holes[3].value = f64::NAN;
    holes[9].seconds = f64::INFINITY;
    assert_eq!(answer(series(holes)), Verdict::LinearLeak);
    let mut set_back = sorted;
    for point in &mut set_back[40..] {
        point.seconds -= 3600.0;
    }
    assert_eq!(answer(series(set_back)), Verdict::LinearLeak);
}

#[test]
fn whole_seconds_sampled_more_often_and_falling_values_are_read_right() {
    let clock = |per_second: usize, values: &dyn Fn(usize) -> f64| {
        let points = (0..60).map(|at| Point::new((at / per_second) as f64, values(at))).collect();
        judge(&[Series { time: TimeBase::Clock, points, ..heap(growing, 0) }], &JudgeOptions::default())
    };
    let report = clock(10, &|at| 1e8 + 5e5 * at as f64 + noise(at));
    assert_eq!(verdict(&report), Verdict::LinearLeak);
    let slope = report.verdicts[0].slope.per_second.unwrap();
    assert!((slope - 5e6).abs() < 5e4, "{slope}");
    assert_eq!(verdict(&clock(1, &|at| 1e8 - 5e5 * at as f64 + 100.0 * noise(at))), Verdict::Steady);
}

#[test]
fn a_restart_cuts_the_series() {
    let mut reset = heap(|at| growing(at % 70), 140);
    for (at, point) in reset.points.iter_mut().enumerate() {
        point.iteration = Some((at % 70) as f64);
    }
    let report = judge(&[reset], &JudgeOptions::default());
    assert_eq!(verdict(&report), Verdict::LinearLeak);
    assert!(report.verdicts[0].notes[0].contains("began anew once"));
    let mut marked = heap(|at| growing(at % 70), 140);
    marked.marks.push(Mark { seconds: 70.0, name: "restart".into(), restart: true });
    assert_eq!(answer(marked), Verdict::LinearLeak);
}

#[test]
fn a_clock_that_begins_anew_is_a_restart_and_a_jump_cuts() {
    let clock = |points: Vec<Point>| Series { time: TimeBase::Clock, points, ..heap(growing, 0) };
    let judged = |points: Vec<Point>| judge(&[clock(points)], &JudgeOptions::default()).verdicts.remove(0);
    for life in [60, 100, 150] {
        let one = judged((0..300).map(|at| Point::new((at % life) as f64, growing(at % life))).collect());
        assert_eq!(one.verdict, Verdict::LinearLeak, "lives of {life}");
        assert!(one.notes.iter().any(|note| note.contains("began anew")), "{:?}", one.notes);
        assert!((one.slope.per_second.unwrap() - 2e4).abs() < 1e3);
    }
    let ahead = judged((0..100).map(|at| Point::new((at + at / 60 * 1_000_000) as f64, growing(at))).collect());
    assert_eq!(ahead.verdict, Verdict::LinearLeak);
    assert!((ahead.slope.per_second.unwrap() - 2e4).abs() < 1e3 && ahead.notes[0].contains("gap"), "{ahead:?}");
}

#[test]
fn resident_memory_that_falls_back_again_and_again_may_be_restarts() {
    let rss = |height: f64| {
        let mut series = heap(|at| 1e8 + height * (at % 60) as f64 / 60.0 + noise(at), 300);
        series.signal = Some(Signal::Rss);
        judge(&[series], &JudgeOptions::default()).verdicts.remove(0)
    };
    assert_eq!(rss(3e7).verdict, Verdict::GcSawtooth);
    let killed = rss(4e8);
    assert_eq!(killed.verdict, Verdict::InsufficientData);
    assert!(killed.explanation.contains("when the process was started"), "{}", killed.explanation);
    let mut twice = heap(|at| 1e8 + 4e6 * (at % 110) as f64 + noise(at), 250);
    twice.signal = Some(Signal::Rss);
    let twice = judge(&[twice], &JudgeOptions::default()).verdicts.remove(0);
    assert!(twice.needs.is_some_and(|needs| needs.contains("started")), "{}", twice.verdict.name());
}

#[test]
fn sizes_below_zero_are_remarked_on() {
    let one = &judge(&[heap(|at| growing(at) - 1.1e7, 60)], &JudgeOptions::default()).verdicts[0];
    assert!(one.notes[0].contains("below zero"), "{:?}", one.notes);
}

#[test]
fn resident_memory_alone_never_accuses() {
    let mut rss = heap(|at| 5e7 + 3e5 * at as f64 + 50.0 * noise(at), 120);
    rss.metric = "rss".into();
    rss.signal = None;
    let options = JudgeOptions { signal: None, limit: Some(2e8) };
    let one = &judge(&[rss.clone()], &options).verdicts[0];
    assert_eq!((one.verdict, one.signal), (Verdict::LinearLeak, "rss"));
    assert!(one.confidence <= 0.6 && one.explanation.contains(RSS_CAVEAT));
    let both = judge(&[heap(|at| 1e7 + noise(at), 120), rss], &options);
    assert_eq!(both.verdicts[1].verdict, Verdict::FragmentationOrNative);
    assert!(!both.verdicts[1].explanation.contains(RSS_CAVEAT));
}

#[test]
fn sites_share_the_growth() {
    let site = |number: usize| {
        let rate = if number == 3 { 900.0 } else { 0.0 };
        let mut series = heap(|at| 1e5 + rate * at as f64 + noise(at * (number + 1)), 100);
        series.signal = Some(Signal::SiteAfterGc);
        series.subject = format!("app.py:{number}");
        series
    };
    let report = judge(&(0..40).map(site).collect::<Vec<_>>(), &JudgeOptions::default());
    let leaks: Vec<_> = report.verdicts.iter().filter(|one| one.verdict.is_leak()).collect();
    assert_eq!(leaks.len(), 1);
    assert_eq!(leaks[0].subject, "app.py:3");
    assert!(leaks[0].growth_share.unwrap() > 0.8 && leaks[0].adjusted_p.unwrap() < 0.001);
    // With garbage in them they are judged as a heap is, and are sites still: none stands for the process.
    let garbage =
        |number: usize| Series { metric: "site_live_after_gc".into(), signal: Some(Signal::Heap), ..site(number) };
    let report = judge(&(0..40).map(garbage).collect::<Vec<_>>(), &JudgeOptions::default());
    assert!(report.headlines().is_empty() && report.verdicts[3].growth_share.is_some());
}

#[test]
fn two_trends_are_compared() {
    let report = |rate: f64| judge(&[heap(|at| 1e7 + rate * at as f64 + noise(at), 120)], &JudgeOptions::default());
    let change = |before: f64, after: f64| compare(&report(before), &report(after))[0].change;
    assert_eq!(change(2e4, 0.0), SlopeChange::Gone);
    assert_eq!(change(2e4, 1e4), SlopeChange::Halved);
    assert_eq!(change(2e4, 2e4), SlopeChange::Unchanged);
    assert_eq!(change(1e4, 3e4), SlopeChange::Steeper);
}

#[test]
fn json_has_the_agreed_shape() {
    let value = serde_json::to_value(judge(&[heap(growing, 60)], &JudgeOptions::default())).unwrap();
    assert_eq!(value["schema"], "brimline.trend/1");
    assert_eq!(value["verdicts"][0]["verdict"], "linear_leak");
    assert!(value["verdicts"][0]["slope"]["per_second"].is_null());
    assert!(value["verdicts"][0]["slope"]["low"].as_f64().unwrap() > 1.9e4);
}

#[test]
fn a_drip_under_jumps_is_a_small_leak() {
    // 144 bytes in each iteration under two jumps of a compiler: 0.5 % of the heap.
    let drip = |at: usize| {
        3e6 + 144.0 * at as f64 + if at > 30 { 26_000.0 } else { 0.0 } + if at > 61 { 27_000.0 } else { 0.0 }
    };
    let one = &judge(&[heap(drip, 120)], &JudgeOptions::default()).verdicts[0];
    assert_eq!(one.verdict, Verdict::LinearLeak);
    assert!(
        one.explanation.contains("a small leak beside") && one.explanation.contains("in a million iterations"),
        "{}",
        one.explanation
    );
    // The same two jumps without the drip, and a drip below 64 bytes, are none.
    assert_eq!(answer(heap(|at| drip(at) - 144.0 * at as f64, 120)), Verdict::Steady);
    assert_eq!(answer(heap(|at| 3e6 + 40.0 * at as f64, 120)), Verdict::Steady);
}

#[test]
fn a_drip_behind_a_long_warm_up_is_a_leak_and_no_plateau() {
    // The runtime settles for a third of the run; every iteration adds 400 bytes to 7 MB.
    let warm = |at: usize| 7e6 + 7e5 * (1.0 - (-(at as f64) / 5.0).exp()) + if at % 17 == 9 { 1.9e5 } else { 0.0 };
    assert_eq!(answer(heap(|at| warm(at).round() + 400.0 * at as f64, 70)), Verdict::LinearLeak);
    assert!(!answer(heap(|at| warm(at).round(), 70)).is_leak());
    // A request that adds now 2,200 and now takes 500: too little for a leak in this run, and no level either.
    let uneven = |at: usize| warm(at).round() + 850.0 * at as f64 + if at.is_multiple_of(2) { 1350.0 } else { 0.0 };
    assert!(!matches!(answer(heap(uneven, 70)), Verdict::Steady | Verdict::WarmUpPlateau));
}

#[test]
fn a_drip_that_falls_back_at_once_is_not_called_a_leak() {
    // A table that drops its rows when it is full, every 72 iterations.
    let table = |at: usize| 1.43e7 + 240.0 * ((at + 38) % 72) as f64;
    for count in [80, 90, 100, 300] {
        assert!(!answer(heap(table, count)).is_leak(), "{count}");
    }
}

#[test]
fn small_regular_steps_are_stepwise_growth_and_uneven_ones_are_not() {
    let steps = |at: usize| 3.17e7 + 1.62e5 * (at / 13) as f64 + 160.0 * at as f64;
    assert_eq!(answer(heap(steps, 80)), Verdict::StepwiseGrowth);
    let compiler = [(8, 1e4), (18, 6e3), (24, 2.6e4), (28, 2.1e4), (36, 1.1e4), (43, 4.7e4)];
    let y = |at: usize| 4.12e6 + compiler.iter().filter(|(from, _)| at >= *from).map(|(_, step)| step).sum::<f64>();
    assert!(!answer(heap(y, 60)).is_leak());
}

#[test]
fn keys_that_run_out_are_not_called_a_leak() {
    // Draws from a long tail: new keys come as events, and ever more rarely.
    let mut seen = std::collections::BTreeSet::new();
    let mut level = 3e5;
    let y: Vec<f64> = (0..160_u64)
        .map(|at| {
            for draw in 0..3 {
                let mixed = (at * 3 + draw).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
                let key = (1.0 / (mixed as f64 / (1_u64 << 24) as f64 + 1e-3)).floor() as u64;
                level += if seen.insert(key) { 3000.0 } else { 0.0 };
            }
            level
        })
        .collect();
    assert!(!answer(heap(|at| y[at], 160)).is_leak());
}

#[test]
fn resident_memory_that_creeps_is_not_called_level() {
    let rss = |rate: f64| {
        let mut series = heap(|at| 5e7 + rate * at as f64 + noise(at), 120);
        series.signal = Some(Signal::Rss);
        answer(series)
    };
    assert_eq!(rss(0.0), Verdict::Steady);
    // 1.2 % in the run: less than resident memory can accuse anyone of.
    assert_eq!(rss(5e3), Verdict::InsufficientData);
}

#[test]
fn resident_memory_is_level_however_it_scatters_unless_it_goes_on_to_new_highs() {
    let rss = |values: &dyn Fn(usize) -> f64| {
        let mut series = heap(values, 120);
        series.signal = Some(Signal::Rss);
        judge(&[series], &JudgeOptions::default()).verdicts.remove(0)
    };
    // Three pages in a jump, as an allocator takes them, and scatter of 1 % are level; a page every eight points is not.
    let level = rss(&|at| 5e7 + if at > 70 { 12_288.0 } else { 0.0 } + 250.0 * noise(at));
    assert_eq!(level.verdict, Verdict::Steady);
    assert!(level.explanation.contains("ruled out"), "{}", level.explanation);
    let creeping = rss(&|at| 5e7 + 4096.0 * (at / 8) as f64);
    assert_eq!(creeping.verdict, Verdict::InsufficientData);
}

#[test]
fn a_leak_says_when_it_reaches_the_limit() {
    let points = (0..100_u32).map(|at| Point::new(f64::from(at) * 2.0, 1e7 + 2e4 * f64::from(at))).collect();
    let series = Series { time: TimeBase::Clock, points, ..heap(growing, 0) };
    let until = |limit: f64| {
        let options = JudgeOptions { signal: None, limit: Some(limit) };
        judge(std::slice::from_ref(&series), &options).verdicts[0].seconds_to_limit
    };
    // 10 kB a second; the level is the median of the last eighth, 11.87 MB.
    let seconds = until(2.187e7).unwrap();
    assert!((seconds - 1000.0).abs() < 2.0, "{seconds}");
    assert_eq!(until(1e7), Some(0.0));
}

#[test]
fn groups_of_things_share_the_discovery() {
    let group = |number: usize| {
        let mut series = heap(|at| 40.0 + if number == 2 { at as f64 } else { ((at * 7 + number) % 3) as f64 }, 60);
        (series.unit, series.signal) = (Unit::Count, Some(Signal::SiteAfterGc));
        series.subject = format!("group {number}");
        series
    };
    let report = judge(&(0..12).map(group).collect::<Vec<_>>(), &JudgeOptions::default());
    let leaks: Vec<_> = report.verdicts.iter().filter(|one| one.verdict.is_leak()).map(|one| &*one.subject).collect();
    assert_eq!(leaks, ["group 2"]);
    assert!(report.verdicts[2].adjusted_p.is_some_and(|p| p < 1e-3));
}
