//! Each request of a mix alone, one kind a round: which of them costs memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::http::probe_requests;
use super::{Load, LoadResult, Mix, Stretch, WorkloadError, run_mix};

/// A load whose round number `i` makes requests of kind `i` only. A stretch of a given time is the whole mix.
#[derive(Debug)]
pub struct ProbeLoad {
    mix: Mix,
    requests: u64,
    next: AtomicUsize,
    results: Mutex<Vec<LoadResult>>,
}

impl ProbeLoad {
    /// `requests` of each kind.
    pub fn new(mix: Mix, requests: u64) -> Self {
        Self { mix, requests, next: AtomicUsize::new(0), results: Mutex::default() }
    }

    /// What became of each kind, in the order of the mix, as far as the rounds came.
    pub fn results(&self) -> Vec<LoadResult> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Load for ProbeLoad {
    fn describe(&self) -> Value {
        let names: Vec<&str> = self.mix.requests.iter().map(|request| &*request.name).collect();
        json!({ "probe": names, "requests_of_each": self.requests })
    }

    fn target(&self) -> Option<&crate::http::Url> {
        self.mix.target.as_ref()
    }

    fn has_end(&self) -> bool {
        true
    }

    fn drive(&self, stretch: &Stretch<'_>) -> Result<(), WorkloadError> {
        let target = stretch.target.ok_or_else(|| WorkloadError::broken("the address of the program is not known"))?;
        if let Some(time) = stretch.time {
            run_mix(&self.mix, target, time, 0, stretch.tally, stretch.stop);
            return Ok(());
        }
        let place = self.next.fetch_add(1, Ordering::SeqCst);
        let Some(request) = self.mix.requests.get(place) else { return Ok(()) };
        // Numbers that the warm-up has not used.
        let first = u64::from(u32::MAX) + place as u64 * self.requests;
        let before = stretch.tally.done();
        let result = probe_requests(request, &self.mix, target, first..first + self.requests, stretch.stop);
        stretch.tally.set(before + result.requests, stretch.tally.failed() + result.errors);
        self.results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
        Ok(())
    }
}
