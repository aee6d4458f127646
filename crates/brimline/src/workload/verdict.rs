//! The verdict on a run under load: while it goes on, and when it is over.

use std::path::PathBuf;

use brimline_analysis::trend::{JudgeOptions, TrendReport, Verdict, VerdictReport, judge};
use brimline_capture::VerdictSoFar;
use brimline_store::RunFolder;

use crate::input::SelectArgs;
use crate::trend_input::{self, SeriesArgs, TrendInput};
use crate::view::{FilterArgs, RowKind};

/// Captures below which no verdict is firm: two beyond what a trend needs.
const FEWEST: usize = 14;
/// Confidence below which none is.
const FIRM: f64 = 0.9;

/// A run's series, judged.
pub(super) struct Judged {
    pub(super) input: TrendInput,
    pub(super) report: TrendReport,
    pub(super) warnings: Vec<String>,
}

/// Judges what is there of a run.
pub(super) fn judge_run(folder: &RunFolder, store: Option<PathBuf>) -> anyhow::Result<Judged> {
    let args = SeriesArgs {
        value: None,
        unit: None,
        signal: None,
        by: RowKind::Line,
        select: SelectArgs { process: None, store },
        filter: FilterArgs::default(),
    };
    let (input, warnings) = trend_input::load(&[folder.id().to_string()], &args)?;
    let limit = brimline_capture::memory_limit().map(|limit| limit as f64);
    let report = judge(&input.series, &JudgeOptions { signal: None, limit });
    Ok(Judged { input, report, warnings })
}

impl Judged {
    /// The answers about processes.
    pub(super) fn headlines(&self) -> Vec<&VerdictReport> {
        self.report.headlines()
    }

    /// Sites that leak, the largest share of the growth first.
    pub(super) fn sites(&self) -> Vec<&VerdictReport> {
        let is_site = |one: &&VerdictReport| one.signal == "site_after_gc" && one.verdict.is_leak();
        let mut sites: Vec<&VerdictReport> = self.report.verdicts.iter().filter(is_site).collect();
        sites.sort_by(|a, b| b.growth.unwrap_or(0.0).total_cmp(&a.growth.unwrap_or(0.0)));
        sites
    }

    /// Whether the heap as a whole leaks, or resident memory where nothing better is known.
    pub(super) fn leaks(&self) -> bool {
        self.headlines().iter().any(|one| one.verdict.is_leak())
    }

    /// Whether nothing can be said of some process.
    pub(super) fn is_undecided(&self) -> bool {
        let headlines = self.headlines();
        headlines.is_empty() || headlines.iter().any(|one| one.verdict == Verdict::InsufficientData)
    }

    /// The answer in a few words; firm when it is the same as `before`, sure, and from captures enough.
    pub(super) fn so_far(&self, before: Option<&VerdictSoFar>) -> Option<VerdictSoFar> {
        let headlines = self.headlines();
        let worst = headlines.iter().max_by(|a, b| {
            (a.verdict.is_leak(), a.confidence)
                .partial_cmp(&(b.verdict.is_leak(), b.confidence))
                .unwrap_or(std::cmp::Ordering::Equal)
        })?;
        let text = worst.verdict.name().replace('_', " ");
        let is_sure = |one: &&&VerdictReport| {
            one.verdict != Verdict::InsufficientData && one.confidence >= FIRM && one.signal == "heap_after_gc"
        };
        let is_firm = self.input.snapshots.is_some_and(|count| count >= FEWEST)
            && headlines.iter().filter(is_sure).count() > 0
            && !self.is_undecided()
            && before.is_some_and(|before| before.text == text);
        Some(VerdictSoFar { text, is_firm })
    }
}
