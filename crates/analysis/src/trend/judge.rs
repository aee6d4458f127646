//! From series to answers: one per series, then what several series say together.

use brimline_profile::series::{Series, Signal, TimeBase, Unit};

use super::assess::{Assessment, assess};
use super::explain::{RSS_CAVEAT, amount, explain};
use super::report::{SeriesReport, SlopeReport, TrendReport, VerdictReport};
use super::shape::Curves;
use super::statistics::autoregression::autoregressive_line;
use super::statistics::false_discovery::benjamini_yekutieli;
use super::statistics::mann_kendall::hamed_rao;
use super::statistics::order::median;
use super::timeline::{Axis, Timeline, condense, timeline};
use super::verdict::Verdict;

/// What the caller knows besides the series.
#[derive(Clone, Copy, Debug, Default)]
pub struct JudgeOptions {
    /// What the values are, where the metric's name does not say.
    pub signal: Option<Signal>,
    /// Bytes at which the process is killed: the cgroup's limit or the user's.
    pub limit: Option<f64>,
}

/// Judges each series, then resident memory against the live heap (two channels), then sites among each other.
pub fn judge(series: &[Series], options: &JudgeOptions) -> TrendReport {
    let is_evidence = |one: &Series| options.signal.unwrap_or_else(|| one.signal()) == Signal::Reserved;
    let mut curves = Curves::default();
    let only_evidence = series.iter().all(is_evidence);
    let mut judged: Vec<Judged> = series
        .iter()
        .filter(|one| only_evidence || !is_evidence(one))
        .map(|one| judge_one(one, options, &mut curves))
        .collect();
    weigh_sites(&mut judged);
    weigh_channels(&mut judged, series);
    for one in &mut judged {
        one.report.explanation = explain(&one.report, one.unit, one.level, one.length);
    }
    TrendReport {
        schema: "brimline.trend/1",
        series: series
            .iter()
            .map(|one| SeriesReport::of(one, options.signal.unwrap_or_else(|| one.signal())))
            .collect(),
        verdicts: judged.into_iter().map(|one| one.report).collect(),
    }
}

struct Judged {
    report: VerdictReport,
    unit: Unit,
    signal: Signal,
    gain: f64,
    /// Median of the last eighth.
    level: f64,
    /// Steps of the axis from the first to the last point.
    length: f64,
    /// Highest minus lowest value.
    range: f64,
    p_growth: f64,
}

fn judge_one(series: &Series, options: &JudgeOptions, curves: &mut Curves) -> Judged {
    let signal = options.signal.unwrap_or_else(|| series.signal());
    let line = timeline(series);
    let found = assess(&line.x, &line.y, signal, series.unit == Unit::Bytes, curves);
    let slope = slopes(&line, &found, series.time);
    let length = line.x.last().zip(line.x.first()).map_or(0.0, |(last, first)| last - first);
    let gain = found.slope.map_or(0.0, |slope| slope.slope * length);
    let mut notes = line.notes.clone();
    let mut needs = found.more.map(|more| {
        let keys = if found.filling { ", or how many distinct keys the growing container can get" } else { "" };
        format!("{} more {}s{keys}", round_up(more), line.axis.name())
    });
    if found.restarting {
        needs = Some("when the process was started: it falls back at once, as after a restart".into());
    }
    if found.verdict.is_leak() {
        let (_, condensed) = condense(&line.x, &line.y, if signal == Signal::SiteAfterGc { 50 } else { 300 });
        let trend = hamed_rao(&condensed);
        notes.push(format!("supporting: Hamed-Rao trend test z = {:.1}", trend.z));
        if signal == Signal::Rss {
            notes.push(RSS_CAVEAT.into());
            needs = Some("the live heap after a collection".into());
        } else if signal == Signal::Heap && series.unit != Unit::Count {
            needs = Some("the heap after a forced collection".into());
        }
    }
    let level = median(&line.y[line.y.len() - (line.y.len() / 8).max(1).min(line.y.len())..]);
    let limit = options.limit.filter(|_| series.unit == Unit::Bytes && signal != Signal::SiteAfterGc);
    let seconds_to_limit = match (found.verdict.is_leak(), limit, slope.per_second) {
        (true, Some(limit), Some(rate)) if rate > 0.0 && limit > level => Some((limit - level) / rate),
        (true, Some(limit), _) if level >= limit => Some(0.0),
        _ => None,
    };
    Judged {
        unit: series.unit,
        signal,
        gain,
        level,
        length,
        range: line.y.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            - line.y.iter().copied().fold(f64::INFINITY, f64::min),
        p_growth: found.slope.map_or(1.0, |slope| slope.p_growth),
        report: VerdictReport {
            metric: series.metric.clone(),
            subject: series.subject.clone(),
            verdict: found.verdict,
            signal: found.signal,
            slope,
            since: found.slope.and_then(|_| {
                let first = line.x.partition_point(|at| *at < found.tail_start);
                line.points.get(first).map(|point| point.seconds)
            }),
            growth: (!line.y.is_empty()).then(|| level - median(&line.y[..(line.y.len() / 8).max(1)])),
            confidence: confidence(&found),
            plateau: found.plateau,
            time_constant: found.time_constant,
            limit,
            seconds_to_limit,
            needs,
            growth_share: None,
            adjusted_p: None,
            notes,
            explanation: String::new(),
        },
    }
}

/// Between a half (the evidence just suffices) and what the rung allows.
fn confidence(found: &Assessment) -> f64 {
    let cap = match found.signal {
        "site_after_gc" => 0.99,
        "heap_after_gc" => 0.97,
        "heap_envelope" | "count" => 0.85,
        "rss" => 0.6,
        _ => 0.7,
    };
    if found.verdict == Verdict::InsufficientData {
        return 0.3;
    }
    let evidence = 1.0 - 0.5 * (-(found.strength - 1.0).max(0.0)).exp();
    (evidence * cap * 1000.0).round() / 1000.0
}

/// The slope along the axis with its interval, and along the other counters the run has.
fn slopes(line: &Timeline, found: &Assessment, time: TimeBase) -> SlopeReport {
    let Some(own) = found.slope else { return SlopeReport { per: line.axis.name(), ..SlopeReport::default() } };
    let (low, high) = own.interval();
    let from = line.x.partition_point(|at| *at < found.tail_start);
    let along = |get: &dyn Fn(usize) -> Option<f64>| {
        let x: Option<Vec<f64>> = (from..line.y.len()).map(get).collect();
        autoregressive_line(&x?, &line.y[from..]).map(|estimate| estimate.slope)
    };
    let points = &line.points;
    let (mut second, mut request, mut iteration) = (None, None, None);
    match line.axis {
        Axis::Second => second = Some(own.slope),
        Axis::Request => request = Some(own.slope),
        Axis::Iteration => iteration = Some(own.slope),
    }
    if time == TimeBase::Clock {
        second = second.or_else(|| along(&|at| Some(points[at].seconds)));
    }
    request = request.or_else(|| along(&|at| points[at].requests));
    SlopeReport {
        per_second: second,
        per_request: request,
        per_iteration: iteration,
        low: Some(low),
        high: Some(high),
        per: line.axis.name(),
    }
}

/// Two significant digits, upward: nobody runs 287 more requests.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let scale = 10_f64.powf(value.log10().floor() - 1.0).max(1.0);
    (value / scale).ceil() * scale
}

/// False-discovery control over allocation sites and each one's share of the growth (the `LeakShare` of `BLeak`, PLDI 2018).
fn weigh_sites(judged: &mut [Judged]) {
    let sites: Vec<usize> = (0..judged.len()).filter(|&at| judged[at].report.is_site()).collect();
    if sites.len() < 2 {
        return;
    }
    // Sites that hardly change cannot be discoveries and are not counted among the tests: filtering by range, which
    // under "no growth" says nothing about the test, keeps the rate (Bourgon, Gentleman and Huber, PNAS 107, 2010).
    let widest = sites.iter().map(|&at| judged[at].range).fold(0.0, f64::max);
    let least = |unit: Unit| if unit == Unit::Bytes { 1024.0 } else { 1.0 };
    let sites: Vec<usize> =
        sites.into_iter().filter(|&at| judged[at].range >= (1e-3 * widest).max(least(judged[at].unit))).collect();
    let p_values: Vec<f64> = sites.iter().map(|&at| judged[at].p_growth).collect();
    let total: f64 = sites.iter().map(|&at| judged[at].gain.max(0.0)).sum();
    for (&at, p) in sites.iter().zip(benjamini_yekutieli(&p_values)) {
        let one = &mut judged[at];
        one.report.adjusted_p = Some(p);
        one.report.growth_share = (total > 0.0).then(|| one.gain.max(0.0) / total);
        if one.report.verdict == Verdict::LinearLeak && p > 0.05 {
            one.report.verdict = Verdict::InsufficientData;
            one.report.confidence = 0.3;
            one.report.needs = Some("a longer run: among so many sites this growth may be chance".into());
        }
    }
}

/// Resident memory that grows while the live heap of the same subject does not is fragmentation or native memory.
fn weigh_channels(judged: &mut [Judged], series: &[Series]) {
    for at in 0..judged.len() {
        if judged[at].signal != Signal::Rss || !judged[at].report.verdict.is_leak() {
            continue;
        }
        let subject = judged[at].report.subject.clone();
        let heap = judged
            .iter()
            .filter(|one| matches!(one.signal, Signal::HeapAfterGc | Signal::Heap) && one.report.subject == subject)
            .min_by_key(|one| one.signal);
        let Some(heap) = heap else { continue };
        let calm = matches!(
            heap.report.verdict,
            Verdict::Steady | Verdict::WarmUpPlateau | Verdict::GcSawtooth | Verdict::Spikes
        );
        if !calm || heap.gain.max(0.0) > 0.3 * judged[at].gain {
            continue;
        }
        let mut notes = vec![format!(
            "resident memory grew by {} over the run, the live heap by {}",
            amount(judged[at].gain, Unit::Bytes),
            amount(heap.gain, Unit::Bytes)
        )];
        for reserved in series.iter().filter(|one| one.signal() == Signal::Reserved && one.subject == subject) {
            let ends = reserved.points.first().zip(reserved.points.last());
            if let Some((first, last)) = ends {
                let change = amount(last.value - first.value, Unit::Bytes);
                notes.push(format!("`{}` (reserved by the allocator) changed by {change}", reserved.metric));
            }
        }
        let report = &mut judged[at].report;
        report.verdict = Verdict::FragmentationOrNative;
        report.notes.retain(|note| note != RSS_CAVEAT);
        report.notes.append(&mut notes);
        report.needs = None;
    }
}
