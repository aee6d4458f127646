//! What the user sees while the phases go by: one live line on a terminal, a line for each phase elsewhere.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use brimline_capture::{LiveState, Observer, PhaseState, Problem, VerdictSoFar};
use brimline_store::{RunFolder, SnapshotRecord};

use super::verdict::judge_run;
use crate::commands::run::Voice;
use crate::quantity::{bytes, count};
use crate::terminal::{clip, plain};

/// Columns where the terminal's width is not known.
const WIDTH: usize = 100;

/// An observer for runs with a workload.
pub(crate) struct WorkloadVoice<'a> {
    voice: &'a Voice,
    store: Option<PathBuf>,
    /// Whether standard error is a terminal that takes a live line.
    live: bool,
    quiet: bool,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    process: LiveState,
    phase: PhaseState,
    verdict: Option<VerdictSoFar>,
}

impl<'a> WorkloadVoice<'a> {
    pub(crate) fn new(voice: &'a Voice, store: Option<PathBuf>, live: bool, quiet: bool) -> Self {
        Self { voice, store, live: live && !quiet, quiet, seen: Mutex::default() }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self) {
        if !self.live {
            return;
        }
        let text = line(&self.seen().process, &self.seen().phase);
        let width = terminal_size::terminal_size_of(std::io::stderr()).map_or(WIDTH, |size| usize::from(size.0.0));
        // A closed standard error must not stop the recording.
        let _ = write!(std::io::stderr(), "\r\x1b[K{}", clip(&plain(&text), width.saturating_sub(1)));
    }

    pub(crate) fn clear(&self) {
        if self.live {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// The live line.
fn line(process: &LiveState, phase: &PhaseState) -> String {
    let mut parts = vec![phase.phase.clone()];
    parts.extend(phase.seconds_left.map(|left| format!("{left:.0} s left")));
    if phase.unit == "requests" {
        parts.push(format!("{:.0} requests/s", phase.rate));
    } else if !phase.unit.is_empty() {
        parts.push(format!("{} {}", count(phase.requests as i64), phase.unit));
    }
    if phase.errors > 0 {
        parts.push(format!("{} failed", count(phase.errors as i64)));
    }
    parts.push(format!("RSS {}", bytes(process.rss_bytes as i64)));
    parts.extend(process.live_bytes.map(|live| format!("live {}", bytes(live as i64))));
    parts.extend(phase.verdict.as_ref().map(|verdict| format!("so far: {verdict}")));
    parts.join(" · ")
}

impl Observer for WorkloadVoice<'_> {
    fn sampled(&self, state: &LiveState) {
        self.seen().process = state.clone();
        self.show();
    }

    fn phase(&self, state: &PhaseState) {
        self.seen().phase = state.clone();
        if state.is_new && !self.live && !self.quiet {
            self.voice.say(&match state.seconds_left {
                Some(left) => format!("phase {}, {left:.0} s", state.phase),
                None => format!("phase {}", state.phase),
            });
        }
        self.show();
    }

    fn verdict(&self, folder: &RunFolder) -> Option<VerdictSoFar> {
        // What cannot be judged yet is asked again after the next capture.
        let judged = judge_run(folder, self.store.clone()).ok()?;
        let mut seen = self.seen();
        let verdict = judged.so_far(seen.verdict.as_ref());
        seen.verdict.clone_from(&verdict);
        verdict
    }

    fn snapshot(&self, snapshot: &SnapshotRecord) {
        // Those of the phases come by the dozen and are seen in the answer.
        if !snapshot.trigger.starts_with("phase ") {
            self.clear();
            self.voice.snapshot(snapshot);
        }
    }

    fn target(&self, pid: u32, endpoint: &str) {
        self.clear();
        self.voice.target(pid, endpoint);
    }

    fn problem(&self, problem: &Problem) {
        self.clear();
        self.voice.problem(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_phase_rate_memory_time_and_verdict() {
        let process = LiveState { rss_bytes: 3 << 20, live_bytes: Some(1 << 20), ..LiveState::default() };
        let phase = PhaseState {
            phase: "load".into(),
            seconds_left: Some(12.4),
            unit: "requests",
            rate: 49.6,
            errors: 2,
            verdict: Some("linear leak".into()),
            ..PhaseState::default()
        };
        assert_eq!(
            line(&process, &phase),
            "load · 12 s left · 50 requests/s · 2 failed · RSS 3.0 MiB · live 1.0 MiB · so far: linear leak"
        );
    }
}
