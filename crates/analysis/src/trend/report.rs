//! The answer as plain data: the shape of `trend --json`, schema `brimline.trend/1`.

use brimline_profile::series::{Point, Series, Signal, TimeBase};
use serde::Serialize;

use super::verdict::Verdict;

/// Everything `judge` says.
#[derive(Clone, Debug, Serialize)]
pub struct TrendReport {
    /// `brimline.trend/1`.
    pub schema: &'static str,
    /// The series as judged from.
    pub series: Vec<SeriesReport>,
    /// One per series, then none for evidence such as reserved bytes.
    pub verdicts: Vec<VerdictReport>,
}

impl TrendReport {
    /// The answer for each subject that is no site: what its best decided signal says, resident memory where only that
    /// grows; then whatever else is counted and leaks (descriptors, threads).
    pub fn headlines(&self) -> Vec<&VerdictReport> {
        let mut subjects: Vec<&str> = Vec::new();
        for one in self.verdicts.iter().filter(|one| !one.is_site()) {
            if !subjects.contains(&one.subject.as_str()) {
                subjects.push(&one.subject);
            }
        }
        let rung = |one: &VerdictReport| match one.signal {
            "heap_after_gc" => 0,
            "heap_envelope" => 1,
            "heap" => 2,
            "rss" => 3,
            _ => 4,
        };
        let grows = |one: &VerdictReport| one.verdict.is_leak() || one.verdict == Verdict::FragmentationOrNative;
        let mut found: Vec<&VerdictReport> = Vec::new();
        for subject in subjects {
            let own: Vec<&VerdictReport> =
                self.verdicts.iter().filter(|one| one.subject == subject && !one.is_site()).collect();
            let decided = |one: &&&VerdictReport| one.verdict != Verdict::InsufficientData && one.signal != "count";
            let heap = own.iter().filter(decided).filter(|one| one.signal != "rss").min_by_key(|one| rung(one));
            let resident =
                own.iter().filter(|one| one.signal == "rss" && grows(one)).min_by_key(|one| one.metric != "rss");
            let best = match (heap, resident) {
                (Some(heap), Some(resident)) if !grows(heap) => Some(resident),
                (Some(heap), _) => Some(heap),
                (None, Some(resident)) => Some(resident),
                (None, None) => own.iter().filter(decided).min_by_key(|one| rung(one)),
            };
            found.extend(best.or_else(|| own.iter().min_by_key(|one| rung(one))).copied());
            found.extend(own.iter().filter(|one| one.signal == "count" && grows(one)).copied());
        }
        found.dedup_by(|a, b| std::ptr::eq(*a, *b));
        found
    }
}

impl VerdictReport {
    /// Whether it is about an allocation site, class or group, collected or not.
    pub fn is_site(&self) -> bool {
        self.signal == Signal::SiteAfterGc.name() || Signal::of_metric(&self.metric) == Signal::SiteAfterGc
    }
}

/// A series, repeated for charts.
#[derive(Clone, Debug, Serialize)]
pub struct SeriesReport {
    /// Metric name.
    pub metric: String,
    /// Whom it was measured of, empty for the process.
    pub subject: String,
    /// `bytes`, `count` or `unknown`.
    pub unit: &'static str,
    /// The signal's name.
    pub signal: &'static str,
    /// `clock`, or `point_number` where the seconds are the point's number.
    pub time: &'static str,
    /// Seconds and value; points without a number are left out.
    pub points: Vec<(f64, f64)>,
    /// Iterations finished at each point, where every point has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iterations: Option<Vec<f64>>,
    /// Requests served at each point, where every point has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Vec<f64>>,
}

impl SeriesReport {
    /// The series as it is repeated.
    pub(crate) fn of(series: &Series, signal: Signal) -> Self {
        let finite = |point: &&Point| point.seconds.is_finite() && point.value.is_finite();
        let points = || series.points.iter().filter(finite);
        let counted = |get: fn(&Point) -> Option<f64>| points().map(get).collect::<Option<Vec<f64>>>();
        let numbered = series.time == TimeBase::PointNumber;
        Self {
            metric: series.metric.clone(),
            subject: series.subject.clone(),
            unit: series.unit.name(),
            signal: signal.name(),
            time: if numbered { "point_number" } else { "clock" },
            points: points().map(|point| (point.seconds, point.value)).collect(),
            iterations: counted(|point| point.iteration).filter(|_| !numbered),
            requests: counted(|point| point.requests),
        }
    }
}

/// Growth per step, null where the run has no such counter.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct SlopeReport {
    /// Per second.
    pub per_second: Option<f64>,
    /// Per request.
    pub per_request: Option<f64>,
    /// Per iteration.
    pub per_iteration: Option<f64>,
    /// Lower end of the 95 % interval, per step of `per`.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval, per step of `per`.
    pub high: Option<f64>,
    /// What `low` and `high` are per: `iteration`, `request` or `second`.
    pub per: &'static str,
}

/// The answer for one series.
#[derive(Clone, Debug, Serialize)]
pub struct VerdictReport {
    /// Metric name.
    pub metric: String,
    /// Whom it was measured of, empty for the process.
    pub subject: String,
    /// The answer.
    pub verdict: Verdict,
    /// The rung of the signal ladder the answer stands on.
    pub signal: &'static str,
    /// Growth after the warm-up.
    pub slope: SlopeReport,
    /// Where on the clock the warm-up ends and the growth is measured; null without a slope.
    pub since: Option<f64>,
    /// 0 to 1, at most what the signal allows.
    pub confidence: f64,
    /// Level a filling cache reaches, in the series' unit.
    pub plateau: Option<f64>,
    /// Change over the run, warm-up included, between the medians of its ends; null without points.
    pub growth: Option<f64>,
    /// Steps of `slope.per` until 63 % of the filling is done.
    pub time_constant: Option<f64>,
    /// The limit asked about, in the series' unit.
    pub limit: Option<f64>,
    /// Seconds until a leak reaches it.
    pub seconds_to_limit: Option<f64>,
    /// What would settle an undecided case or firm up a weak one.
    pub needs: Option<String>,
    /// Share of all sites' growth, where sites were judged together.
    pub growth_share: Option<f64>,
    /// p-value adjusted for the number of sites.
    pub adjusted_p: Option<f64>,
    /// Evidence and oddities in words.
    pub notes: Vec<String>,
    /// Two sentences.
    pub explanation: String,
}
