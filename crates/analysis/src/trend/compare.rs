//! Did a change alter the slope?

use std::collections::HashMap;

use serde::Serialize;

use super::report::{SlopeReport, TrendReport};
use super::verdict::Verdict;

/// What became of a slope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SlopeChange {
    /// It leaked and does not any more.
    Gone,
    /// At most half as steep, shown by the interval or nearly so; `ratio` says how much.
    Halved,
    /// The same within the intervals, and these are narrow.
    Unchanged,
    /// Steeper.
    Steeper,
    /// The data does not decide.
    NotDecidable,
}

impl SlopeChange {
    /// The answer in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Halved => "halved",
            Self::Unchanged => "unchanged",
            Self::Steeper => "steeper",
            Self::NotDecidable => "not decidable",
        }
    }
}

/// Two slopes of one metric side by side, per step of the same axis.
#[derive(Clone, Debug, Serialize)]
pub struct TrendComparison {
    /// Metric name.
    pub metric: String,
    /// Whom it was measured of.
    pub subject: String,
    /// The answer.
    pub change: SlopeChange,
    /// `bytes`, `count` or `unknown`.
    pub unit: &'static str,
    /// What the slopes are per: `iteration`, `request` or `second`.
    pub per: &'static str,
    /// Slope before.
    pub before: Option<f64>,
    /// Slope after.
    pub after: Option<f64>,
    /// Verdict before.
    pub verdict_before: Verdict,
    /// Verdict after.
    pub verdict_after: Verdict,
    /// Slope after minus slope before.
    pub difference: Option<f64>,
    /// Lower end of the difference's 95 % interval.
    pub low: Option<f64>,
    /// Upper end of the difference's 95 % interval.
    pub high: Option<f64>,
    /// Slope after over slope before, where that leaked.
    pub ratio: Option<f64>,
}

impl TrendComparison {
    /// Whether people want to see it: it leaked, leaks now, or changed.
    pub fn is_worth_a_row(&self) -> bool {
        self.verdict_before.is_leak() || self.verdict_after.is_leak() || self.change == SlopeChange::Steeper
    }
}

/// Compares the verdicts of two reports that have metric, subject and axis in common.
///
/// The half widths of the two 95 % intervals add in squares, as for independent runs.
pub fn compare(before: &TrendReport, after: &TrendReport) -> Vec<TrendComparison> {
    let mut rows = Vec::new();
    let twins: HashMap<(&str, &str), _> =
        after.verdicts.iter().map(|new| ((new.metric.as_str(), new.subject.as_str()), new)).collect();
    let units: HashMap<(&str, &str), &'static str> =
        before.series.iter().map(|one| ((one.metric.as_str(), one.subject.as_str()), one.unit)).collect();
    for old in &before.verdicts {
        let key = (old.metric.as_str(), old.subject.as_str());
        let Some(new) = twins.get(&key) else { continue };
        let mut row = TrendComparison {
            metric: old.metric.clone(),
            subject: old.subject.clone(),
            change: SlopeChange::NotDecidable,
            unit: units.get(&key).copied().unwrap_or("unknown"),
            per: old.slope.per,
            before: middle(&old.slope).map(|middle| middle.0),
            after: middle(&new.slope).map(|middle| middle.0),
            verdict_before: old.verdict,
            verdict_after: new.verdict,
            difference: None,
            low: None,
            high: None,
            ratio: None,
        };
        if let (Some((was, was_half)), Some((is, is_half))) = (middle(&old.slope), middle(&new.slope))
            && old.slope.per == new.slope.per
        {
            let difference = is - was;
            let half = was_half.hypot(is_half);
            row.difference = Some(difference);
            row.low = Some(difference - half);
            row.high = Some(difference + half);
            row.ratio = old.verdict.is_leak().then(|| is / was);
            row.change = if old.verdict.is_leak() && !new.verdict.is_leak() && difference + half < 0.0 && is < 0.2 * was
            {
                SlopeChange::Gone
            } else if difference - half > 0.0 {
                SlopeChange::Steeper
            } else if old.verdict.is_leak() && difference + half < 0.0 && is <= 0.6 * was {
                SlopeChange::Halved
            } else if (difference == 0.0 && half == 0.0)
                || difference.abs() + half < 0.25 * was.abs()
                || (difference.abs() <= half && half < 0.5 * was.abs())
            {
                SlopeChange::Unchanged
            } else {
                SlopeChange::NotDecidable
            };
        }
        rows.push(row);
    }
    rows
}

fn middle(slope: &SlopeReport) -> Option<(f64, f64)> {
    let (low, high) = (slope.low?, slope.high?);
    Some((f64::midpoint(low, high), (high - low) / 2.0))
}
