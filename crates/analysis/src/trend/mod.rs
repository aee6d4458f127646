//! Is it a leak, or does it settle? Series in, one of nine verdicts out, with the evidence.
//!
//! The signal decides more than the test, so every verdict names the rung of the ladder it stands on (live bytes per
//! site after a collection, the heap after a collection, its lower envelope, resident memory) and its confidence is
//! capped by that rung. [`judge`] is the entry; [`compare`] sets two reports side by side.

mod assess;
mod compare;
mod envelope;
mod explain;
mod judge;
mod report;
mod shape;
mod sparkline;
mod spikes;
mod staircase;
pub mod statistics;
mod steps;
mod timeline;
mod verdict;

pub use compare::{SlopeChange, TrendComparison, compare};
pub use explain::{RSS_CAVEAT, amount, metric_meaning};
pub use judge::{JudgeOptions, judge};
pub use report::{SeriesReport, SlopeReport, TrendReport, VerdictReport};
pub use sparkline::sparkline;
pub use verdict::Verdict;
