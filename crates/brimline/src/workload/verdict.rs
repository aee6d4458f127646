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
/// Share of the heap that must have been added to be a leak of the run, and the same in bytes: interpreters keep a few
/// bytes for many things (a bounded server of CPython's standard library gained 18 KiB in 600 requests).
const MATERIAL: (f64, f64) = (0.005, 32.0 * 1024.0);

/// Share of the heap's growth from which a site without a verdict of its own is named.
const SUSPECT: f64 = 0.25;

/// Growth below this, two samples of V8's or Go's profile, may hide from sampled sites: without a place it is no leak yet.
const SAMPLED: f64 = 1024.0 * 1024.0;

/// A run's series, judged.
pub(super) struct Judged {
    pub(super) input: TrendInput,
    pub(super) report: TrendReport,
    pub(super) warnings: Vec<String>,
    /// Whether every site is counted, as in Python, so that a leak of the heap must have a place.
    counts_sites: bool,
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
    let counts_sites = !folder.load()?.python_versions.is_empty();
    Ok(Judged { input, report, warnings, counts_sites })
}

impl Judged {
    /// The answers about processes: from heaps after a collection where there are any; resident memory, which grows for
    /// many reasons, only where nothing better is known.
    pub(super) fn headlines(&self) -> Vec<&VerdictReport> {
        let heaps: Vec<&VerdictReport> =
            self.report.verdicts.iter().filter(|one| one.signal == "heap_after_gc").collect();
        if heaps.is_empty() { self.report.headlines() } else { heaps }
    }

    /// Growth below this is not told from what a runtime keeps for itself.
    pub(super) fn least(&self) -> f64 {
        let heaps = self.report.series.iter().filter(|one| one.signal == "heap_after_gc");
        let heap: f64 = heaps.filter_map(|one| Some(one.points.last()?.1)).sum();
        (heap * MATERIAL.0).max(MATERIAL.1)
    }

    /// Whether a verdict is a leak, and one that is large enough to be told.
    pub(super) fn is_leak(&self, one: &VerdictReport) -> bool {
        one.verdict.is_leak() && (one.signal == "count" || self.is_large(one)) && !self.is_spread(one)
    }

    fn is_large(&self, one: &VerdictReport) -> bool {
        one.growth.is_some_and(|growth| growth >= self.least())
    }

    /// Whether a heap grows though no place in it does: what a program still settling looks like.
    pub(super) fn is_spread(&self, one: &VerdictReport) -> bool {
        let has_place = || !self.sites().is_empty() || !self.suspects().is_empty();
        (self.counts_sites || one.growth.is_some_and(|growth| growth < SAMPLED))
            && one.signal == "heap_after_gc"
            && one.verdict.is_leak()
            && self.is_large(one)
            && !has_place()
    }

    /// Sites that leak, the largest growth first.
    pub(super) fn sites(&self) -> Vec<&VerdictReport> {
        let is_site = |one: &&VerdictReport| one.is_site() && self.is_leak(one);
        let mut sites: Vec<&VerdictReport> = self.report.verdicts.iter().filter(is_site).collect();
        sites.sort_by(|a, b| b.growth.unwrap_or(0.0).total_cmp(&a.growth.unwrap_or(0.0)));
        sites
    }

    /// Sites that grew by much of a leaking heap's growth though none is beyond doubt, as in sampled profiles, where a leak
    /// may come by few large steps and look like a level in between.
    pub(super) fn suspects(&self) -> Vec<&VerdictReport> {
        let growth: f64 = self.headlines().iter().filter_map(|one| one.growth).map(|growth| growth.max(0.0)).sum();
        let least = (growth * SUSPECT).max(self.least());
        let grew = |one: &&VerdictReport| one.is_site() && one.growth.is_some_and(|growth| growth >= least);
        let mut sites: Vec<&VerdictReport> = self.report.verdicts.iter().filter(grew).collect();
        sites.sort_by(|a, b| b.growth.unwrap_or(0.0).total_cmp(&a.growth.unwrap_or(0.0)));
        sites
    }

    /// Whether a heap leaks as a whole, or a site in it.
    pub(super) fn leaks(&self) -> bool {
        self.headlines().iter().any(|one| self.is_leak(one)) || !self.sites().is_empty()
    }

    /// Whether nothing can be said of some process.
    pub(super) fn is_undecided(&self) -> bool {
        let headlines = self.headlines();
        headlines.is_empty()
            || headlines.iter().any(|one| one.verdict == Verdict::InsufficientData || self.is_spread(one))
    }

    /// The answer in a few words; firm when it is the same as `before`, sure, and from captures enough.
    pub(super) fn so_far(&self, before: Option<&VerdictSoFar>) -> Option<VerdictSoFar> {
        let best = self.sites().into_iter().next().or_else(|| {
            self.headlines().into_iter().max_by(|a, b| {
                let rank = |one: &VerdictReport| (self.is_leak(one), one.verdict == Verdict::InsufficientData);
                rank(a).cmp(&rank(b)).then(b.confidence.total_cmp(&a.confidence))
            })
        })?;
        let text = match best.verdict.name().replace('_', " ") {
            _ if best.verdict.is_leak() && !self.is_leak(best) => "too little growth to tell".to_owned(),
            name if best.is_site() => format!("{name} at {}", best.subject),
            name => name,
        };
        let is_sure = best.verdict != Verdict::InsufficientData && best.confidence >= FIRM;
        let is_enough = self.input.snapshots.is_some_and(|count| count >= FEWEST);
        let is_same = before.is_some_and(|before| before.text == text);
        Some(VerdictSoFar { text, is_firm: is_sure && is_enough && is_same })
    }
}
