//! The answer as plain data: the shape of `trend --json`, schema `brimline.trend/1`.

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
    /// Seconds and value; points without a number are left out.
    pub points: Vec<(f64, f64)>,
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
    /// 0 to 1, at most what the signal allows.
    pub confidence: f64,
    /// Level a filling cache reaches, in the series' unit.
    pub plateau: Option<f64>,
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
