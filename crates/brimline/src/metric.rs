//! Which number of a recording a report is about.

use brimline_profile::value;

/// A number of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Metric {
    /// Bytes live at the end
    Live,
    /// Bytes live when the process was at its highest
    Peak,
    /// All bytes ever allocated
    Total,
    /// Blocks live at the end
    Count,
}

impl Metric {
    /// The word in JSON and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Peak => "peak",
            Self::Total => "total",
            Self::Count => "count",
        }
    }

    /// Column of a tracked profile.
    pub(crate) fn column(self) -> usize {
        match self {
            Self::Live => value::LIVE_BYTES,
            Self::Peak => value::PEAK_BYTES,
            Self::Total => value::TOTAL_BYTES,
            Self::Count => value::LIVE_COUNT,
        }
    }

    /// Bytes and blocks to compare for this number.
    pub(crate) fn pair(self) -> (usize, usize) {
        match self {
            Self::Live | Self::Count => (value::LIVE_BYTES, value::LIVE_COUNT),
            Self::Peak => (value::PEAK_BYTES, value::PEAK_COUNT),
            Self::Total => (value::TOTAL_BYTES, value::TOTAL_COUNT),
        }
    }

    /// A value as people read it.
    pub(crate) fn format(self, value: i64) -> String {
        self.text()(value)
    }

    /// How values are written for people.
    pub(crate) fn text(self) -> fn(i64) -> String {
        match self {
            Self::Count => crate::quantity::count,
            _ => crate::quantity::bytes,
        }
    }
}

/// Refuses a number that the input does not have.
pub(crate) fn require(input: &crate::input::Input, metric: Metric) -> anyhow::Result<()> {
    if input.measured[metric.column()] {
        return Ok(());
    }
    let known: Vec<&str> = [Metric::Live, Metric::Peak, Metric::Total, Metric::Count]
        .into_iter()
        .filter(|metric| input.measured[metric.column()])
        .map(Metric::name)
        .collect();
    Err(crate::refusal::usage(
        format!("expected the number `{}` in `{}`, found {}", metric.name(), input.name, known.join(", ")),
        format!("--metric {}", known.first().copied().unwrap_or("live")),
    ))
}
