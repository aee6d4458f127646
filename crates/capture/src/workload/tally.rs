//! What a load did: counted while it goes on, kept with the run when it has ended.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::histogram::{Histogram, Percentiles};

/// Different failures that are told apart; the rest is counted together.
const MOST_FAILURES: usize = 20;
/// Names told apart, likewise: a URL with a number in it may come in millions.
const MOST_NAMES: usize = 500;

/// Counts of one stretch of load; shared between the driver, which counts, and whoever shows it.
#[derive(Debug, Default)]
pub struct Tally {
    done: AtomicU64,
    failed: AtomicU64,
    detail: Mutex<Detail>,
}

#[derive(Debug, Default)]
struct Detail {
    offered: Option<u64>,
    names: BTreeMap<String, Named>,
    failures: BTreeMap<String, u64>,
    crossed: Vec<String>,
    notes: Vec<String>,
    seconds: f64,
}

/// Requests of one name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) latency: Histogram,
}

/// The load of one stretch, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadResult {
    /// Seconds of load.
    pub seconds: f64,
    /// Requests (or commands, or calls) that were due in that time; `None` where the driver sets no pace.
    pub offered: Option<u64>,
    /// The same per second.
    pub offered_rate: Option<f64>,
    /// Requests made, failed ones included.
    pub requests: u64,
    /// Requests made per second.
    pub achieved_rate: f64,
    /// Of these, failed.
    pub errors: u64,
    /// Milliseconds from when a request was due (or sent, where the driver sets no pace) to its last byte.
    pub latency_ms: Option<Percentiles>,
    /// By name, most frequent first.
    pub by_name: Vec<NamedResult>,
    /// Kinds of failures, most frequent first.
    pub failures: Vec<(String, u64)>,
    /// Limits of the driver's own that were crossed (thresholds of a k6 script).
    pub crossed: Vec<String>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// Requests of one name, as they are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NamedResult {
    /// The name.
    pub name: String,
    /// Made, failed ones included.
    pub requests: u64,
    /// Failed.
    pub errors: u64,
    /// As in [`LoadResult::latency_ms`].
    pub latency_ms: Option<Percentiles>,
}

impl Tally {
    /// Requests made so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Requests failed so far.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Counts for those who look on; the details come with [`Self::add`].
    pub(crate) fn count(&self, done: u64, failed: u64) {
        self.done.fetch_add(done, Ordering::Relaxed);
        self.failed.fetch_add(failed, Ordering::Relaxed);
    }

    /// Sets the same, from a tool that counts itself.
    pub(crate) fn set(&self, done: u64, failed: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.failed.store(failed, Ordering::Relaxed);
    }

    /// Adds the details of requests of one name.
    pub(crate) fn add(&self, name: &str, more: &Named) {
        self.change(|detail| {
            let name =
                if detail.names.contains_key(name) || detail.names.len() < MOST_NAMES { name } else { "(others)" };
            let known = detail.names.entry(name.to_owned()).or_default();
            known.done += more.done;
            known.failed += more.failed;
            known.latency.merge(&more.latency);
        });
    }

    /// Adds failures of one kind.
    pub(crate) fn fail(&self, kind: &str, count: u64) {
        if count == 0 {
            return;
        }
        self.change(|detail| {
            let known = detail.failures.contains_key(kind) || detail.failures.len() < MOST_FAILURES;
            let kind = if known { kind } else { "(others)" };
            *detail.failures.entry(kind.to_owned()).or_insert(0) += count;
        });
    }

    /// Adds to what was due.
    pub(crate) fn offer(&self, count: u64) {
        self.change(|detail| *detail.offered.get_or_insert(0) += count);
    }

    /// Says something once.
    pub(crate) fn note(&self, text: String) {
        self.change(|detail| {
            if !detail.notes.contains(&text) {
                detail.notes.push(text);
            }
        });
    }

    /// A limit of the driver's own was crossed.
    pub(crate) fn cross(&self, text: String) {
        self.change(|detail| detail.crossed.push(text));
    }

    fn change(&self, change: impl FnOnce(&mut Detail)) {
        // A panic while counting has been told; the counts are as good as they were.
        change(&mut self.detail.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    /// Adds to the time that the load lasted.
    pub(crate) fn lasted(&self, time: Duration) {
        self.change(|detail| detail.seconds += time.as_secs_f64());
    }

    /// What is kept.
    pub fn result(&self) -> LoadResult {
        let detail = self.detail.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let seconds = detail.seconds;
        let mut all = Histogram::default();
        let mut by_name: Vec<NamedResult> = Vec::new();
        for (name, named) in &detail.names {
            all.merge(&named.latency);
            by_name.push(NamedResult {
                name: name.clone(),
                requests: named.done,
                errors: named.failed,
                latency_ms: named.latency.percentiles(),
            });
        }
        by_name.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.name.cmp(&b.name)));
        let mut failures: Vec<(String, u64)> = detail.failures.clone().into_iter().collect();
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.1));
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        LoadResult {
            seconds,
            offered: detail.offered,
            offered_rate: detail.offered.map(per_second),
            requests: self.done(),
            achieved_rate: per_second(self.done()),
            errors: self.failed(),
            latency_ms: all.percentiles(),
            by_name,
            failures,
            crossed: detail.crossed.clone(),
            notes: detail.notes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_failures_are_bounded_and_nothing_is_lost() {
        let tally = Tally::default();
        for at in 0..700 {
            let mut one = Named { done: 1, failed: 1, ..Named::default() };
            one.latency.add_many(at, 1);
            tally.count(1, 1);
            tally.add(&format!("/items/{at}"), &one);
            tally.fail(&format!("status {at}"), 1);
        }
        tally.lasted(Duration::from_secs(2));
        let result = tally.result();
        assert_eq!((result.requests, result.errors, result.achieved_rate), (700, 700, 350.0));
        assert_eq!(result.by_name.iter().map(|row| row.requests).sum::<u64>(), 700);
        assert_eq!((result.by_name.len(), &*result.by_name[0].name), (MOST_NAMES + 1, "(others)"));
        assert_eq!(result.failures.iter().map(|row| row.1).sum::<u64>(), 700);
        assert_eq!(result.offered, None);
    }
}
