//! How an answer is written: one file per format.

mod csv;
mod flame;
mod json;
mod markdown;
pub(crate) mod processes;
mod table;
mod tree;
pub(crate) mod treemap;
pub(crate) mod trend;

use std::io::Write;

use brimline_analysis::aggregate::{Attribution, Row};
use brimline_analysis::filter::Filter;
use brimline_analysis::sizes::SizeRow;
use brimline_profile::value;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::flame::Shape;
use crate::input::Input;
use crate::metric::Metric;
use crate::view::RowKind;

pub(crate) use table::asked_for_stacks;

/// The numbers of a row, by the names they have in files, and their columns in a tracked profile.
const NUMBERS: [(&str, usize); 5] = [
    ("live_bytes", value::LIVE_BYTES),
    ("live_count", value::LIVE_COUNT),
    ("peak_bytes", value::PEAK_BYTES),
    ("total_bytes", value::TOTAL_BYTES),
    ("total_count", value::TOTAL_COUNT),
];

/// Everything a report shows, as plain data.
#[derive(Debug)]
pub(crate) struct ReportInput<'a> {
    /// The run.
    pub(crate) input: &'a Input,
    /// What rows stand for.
    pub(crate) by: RowKind,
    /// What they are sorted by.
    pub(crate) metric: Metric,
    /// Whether rows include callees, and so overlap.
    pub(crate) attribution: Attribution,
    /// All rows, best first.
    pub(crate) rows: Rows,
    /// Sum over everything that counts, in the columns of a tracked profile.
    pub(crate) totals: Vec<i64>,
    /// Which samples count, for formats that show whole stacks.
    pub(crate) filter: &'a Filter,
    /// Most rows to show; `None` leaves it to the format.
    pub(crate) top: Option<usize>,
    /// Most tokens of a Markdown answer.
    pub(crate) budget: Option<usize>,
}

impl ReportInput<'_> {
    /// RSS beyond what is tracked, at the moment the metric is about.
    pub(crate) fn untracked_bytes(&self) -> Option<i64> {
        let untracked = self.input.untracked;
        if self.metric == Metric::Peak { untracked.at_peak } else { untracked.at_end }
    }
}

/// Rows of a report.
#[derive(Debug)]
pub(crate) enum Rows {
    /// Summed from stacks.
    Places(Vec<Row>),
    /// Counted by size.
    Sizes(Vec<SizeRow>),
    /// Summed by process.
    Processes(Vec<processes::ProcessRow>),
}

/// A format an answer can be written in.
pub(crate) trait Report: Sync {
    /// The word on the command line and in docs.
    fn name(&self) -> &'static str;
    /// One line for the help text.
    fn about(&self) -> &'static str;
    /// Writes the answer.
    fn render(&self, report: &ReportInput<'_>, out: &mut dyn Write) -> anyhow::Result<()>;
}

/// All formats.
pub(crate) static REPORTS: &[&dyn Report] = &[
    &table::Table,
    &tree::Tree,
    &flame::Flame(Shape::Svg),
    &flame::Flame(Shape::Html),
    &markdown::Markdown,
    &json::Json,
    &csv::Csv,
];

/// A format chosen on the command line.
#[derive(Clone, Copy)]
pub(crate) struct Format(pub(crate) &'static dyn Report);

impl std::fmt::Debug for Format {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0.name())
    }
}

/// Parses the name of a format.
pub(crate) fn format_parser() -> impl TypedValueParser<Value = Format> {
    let values = REPORTS.iter().map(|report| PossibleValue::new(report.name()).help(report.about()));
    PossibleValuesParser::new(values).try_map(|name| find(&name).ok_or("not a format"))
}

/// The format called `name`.
pub(crate) fn find(name: &str) -> Option<Format> {
    REPORTS.iter().find(|report| report.name() == name).map(|report| Format(*report))
}
