//! How a trend is shown: a table for terminals, charts for browsers.

mod chart;
mod series_text;
mod table;

use std::io::Write;

use brimline_analysis::trend::{SeriesReport, TrendReport, VerdictReport};
use brimline_profile::series::Unit;

use crate::trend_input::TrendInput;

/// What a trend is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TrendFormat {
    /// For a terminal
    Table,
    /// The documented schema, all series and verdicts
    Json,
    /// Charts, one SVG file
    Svg,
    /// Charts and sentences, one HTML file that loads nothing
    Html,
    /// The series alone: a column for each metric, a row for each moment and subject
    Csv,
    /// The series alone, in Prometheus' text format with time stamps
    Prometheus,
}

impl TrendFormat {
    /// Writes the answer; JSON is the report itself and written by the command.
    pub(crate) fn render(self, view: &TrendView<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
        match self {
            Self::Table | Self::Json => table::write(view, out),
            Self::Svg => chart::write_svg(view, out),
            Self::Html => chart::write_html(view, out),
            Self::Csv => series_text::write_csv(view, out),
            Self::Prometheus => series_text::write_prometheus(view, out),
        }
    }
}

/// Everything a trend shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrendView<'a> {
    /// Names, sites and source.
    pub(crate) input: &'a TrendInput,
    /// The verdicts.
    pub(crate) report: &'a TrendReport,
    /// Whether to say what each metric means.
    pub(crate) explain: bool,
    /// Most sites or charts.
    pub(crate) top: Option<usize>,
}

impl<'a> TrendView<'a> {
    /// The series a verdict is about.
    fn series_of(&self, verdict: &VerdictReport) -> Option<&'a SeriesReport> {
        self.report.series.iter().find(|one| one.metric == verdict.metric && one.subject == verdict.subject)
    }

    /// Verdicts about processes, and those about sites with the largest growth first.
    fn split(&self) -> (Vec<&'a VerdictReport>, Vec<&'a VerdictReport>) {
        let (mut sites, processes): (Vec<_>, Vec<_>) =
            self.report.verdicts.iter().partition(|one| self.input.sites.contains_key(&one.subject));
        let growth = |one: &VerdictReport| one.growth.unwrap_or(0.0);
        sites.sort_by(|a, b| b.verdict.is_leak().cmp(&a.verdict.is_leak()).then(growth(b).total_cmp(&growth(a))));
        (processes, sites)
    }
}

/// The unit of a [`SeriesReport`].
pub(crate) fn unit_named(name: &str) -> Unit {
    match name {
        "bytes" => Unit::Bytes,
        "count" => Unit::Count,
        _ => Unit::Unknown,
    }
}

/// `linear leak` for `linear_leak`.
fn words(verdict: &VerdictReport) -> String {
    verdict.verdict.name().replace('_', " ")
}

/// `/s`, `/request`, `/iteration`.
fn per(verdict: &VerdictReport) -> String {
    if verdict.slope.per == "second" { "s".to_owned() } else { verdict.slope.per.to_owned() }
}

/// The slope along the axis the verdict was judged on.
fn own_slope(verdict: &VerdictReport) -> Option<f64> {
    match verdict.slope.per {
        "iteration" => verdict.slope.per_iteration,
        "request" => verdict.slope.per_request,
        _ => verdict.slope.per_second,
    }
}

/// `3.2 days`, `41 min`.
fn duration(seconds: f64) -> String {
    for (size, name) in [(86_400.0 * 365.0, "years"), (86_400.0, "days"), (3_600.0, "h"), (60.0, "min")] {
        if seconds >= 2.0 * size {
            return format!("{:.1} {name}", seconds / size);
        }
    }
    format!("{seconds:.0} s")
}
