//! A workload in phases: start → ready → warm-up → baseline capture → load → settle → capture, then the program is ended.
//!
//! Each phase is written to the run's events when it begins and when it ends, and each capture is a snapshot after a
//! collection with a mark that counts the requests until then, so that growth can be told per request.

mod conductor;
mod ending;
mod log_watch;
mod ready;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::http::Url;
use crate::workload::{Load, LoadResult, Stop};

pub(crate) use conductor::Conductor;
pub(crate) use log_watch::LogWatch;
pub use ready::Ready;

/// Load where nobody says how long.
const DURATION: Duration = Duration::from_secs(60);
/// The same where it ends at a firm verdict.
const TIME_BOX: Duration = Duration::from_secs(600);
/// Captures in that time, where nobody says how often: a trend needs a dozen.
const CAPTURES: u32 = 20;
/// Between two captures at most, while a verdict is waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What happens around the load.
#[derive(Clone, Debug)]
pub struct PhasePlan {
    /// The driver's scheme.
    pub scheme: &'static str,
    /// The load.
    pub load: Arc<dyn Load>,
    /// Where requests go to, if the user says so; else the workload says it, or the program's socket is found.
    pub target: Option<Url>,
    /// When the program is ready.
    pub ready: Ready,
    /// How long it may take to be.
    pub ready_timeout: Duration,
    /// Load before the baseline.
    pub warm_up: Duration,
    /// Load after it, all rounds together.
    pub duration: Option<Duration>,
    /// Load in so many pieces, the program at rest in between, and a capture after each.
    pub rounds: Option<u32>,
    /// Time between two captures under load.
    pub every: Option<Duration>,
    /// End as soon as the verdict is firm.
    pub until_verdict: bool,
    /// Rest before a capture after load.
    pub settle: Duration,
    /// Fewer requests than this are not judged.
    pub least_requests: u64,
    /// Nor is a larger share of failed ones.
    pub most_errors: f64,
    /// How long the program may take to end once asked to, before it is asked harder.
    pub patience: Duration,
}

impl PhasePlan {
    /// All load after the baseline.
    pub(crate) fn load_time(&self) -> Duration {
        self.duration.unwrap_or(if self.until_verdict { TIME_BOX } else { DURATION })
    }

    /// Between two captures under load.
    pub(crate) fn pause(&self) -> Duration {
        let even = self.load_time() / CAPTURES;
        self.every.unwrap_or(if self.until_verdict { even.min(LONGEST_PAUSE) } else { even })
    }

    /// One piece of load; `None` is one whole of what the driver has.
    pub(crate) fn piece(&self, rounds: u32) -> Option<Duration> {
        (self.duration.is_some() || !self.load.has_end()).then(|| self.load_time() / rounds.max(1))
    }

    /// For the run's record.
    pub(crate) fn describe(&self) -> serde_json::Value {
        json!({
            "schema": "brimline.workload/1", "driver": self.scheme, "workload": self.load.describe(),
            "target": self.target.as_ref().or_else(|| self.load.target()).map(ToString::to_string),
            "phases": {
                "ready": self.ready.to_string(), "warm_up_seconds": self.warm_up.as_secs_f64(),
                "load_seconds": self.rounds.map_or(Some(self.load_time()), |rounds| self.piece(rounds).map(|one| one * rounds)).map(|time| time.as_secs_f64()),
                "rounds": self.rounds, "every_seconds": self.rounds.is_none().then(|| self.pause().as_secs_f64()),
                "until_verdict": self.until_verdict, "settle_seconds": self.settle.as_secs_f64(),
            },
        })
    }
}

/// How far the phases came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum PhaseEnd {
    /// All of them.
    Completed,
    /// The program was not ready in time, or where it listens is not clear.
    NotReady {
        /// Why.
        reason: String,
    },
    /// The program ended by itself.
    TargetEnded {
        /// In this phase.
        phase: String,
    },
    /// A signal asked for the end.
    Interrupted {
        /// In this phase.
        phase: String,
        /// The signal.
        signal: i32,
    },
    /// The load broke off.
    LoadFailed {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for PhaseEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => formatter.write_str("the workload is over"),
            Self::NotReady { reason } | Self::LoadFailed { reason } => formatter.write_str(reason),
            Self::TargetEnded { phase } => write!(formatter, "the program ended by itself in phase {phase}"),
            Self::Interrupted { phase, .. } => write!(formatter, "interrupted in phase {phase}"),
        }
    }
}

/// What the phases leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseOutcome {
    /// How far they came.
    pub end: PhaseEnd,
    /// Where requests went to.
    pub target: Option<String>,
    /// Whether brimline ended the program.
    pub ended_program: bool,
    /// Captures taken.
    pub captures: u32,
    /// The load before the baseline.
    pub warm_up: Option<LoadResult>,
    /// The load after it.
    pub load: Option<LoadResult>,
    /// Why the run says nothing about memory under this load.
    pub not_judged: Option<String>,
}

/// One moment of the phases, for whoever shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PhaseState {
    /// The phase.
    pub phase: String,
    /// Whether it has just begun.
    pub is_new: bool,
    /// Seconds until it ends, where that is known.
    pub seconds_left: Option<f64>,
    /// What is counted: `requests`, `runs`, `calls`.
    pub unit: &'static str,
    /// So many in this phase.
    pub requests: u64,
    /// A second, lately.
    pub rate: f64,
    /// Failed in this phase.
    pub errors: u64,
    /// The verdict so far.
    pub verdict: Option<String>,
}

/// A verdict while the load goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictSoFar {
    /// In a few words.
    pub text: String,
    /// More of the same load would not change it.
    pub is_firm: bool,
}

/// What the phases hear from the rest of the recorder.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// The program has ended.
    ended: Stop,
    /// The signal that asked for the end; 0 is none.
    signal: AtomicI32,
    /// Either of them.
    stop: Stop,
}

impl Control {
    /// The program has ended.
    pub(crate) fn program_ended(&self) {
        self.ended.set();
        self.stop.set();
    }

    /// A signal came that ends programs.
    pub(crate) fn interrupt(&self, signal: i32) {
        if matches!(signal, libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT) {
            // The first one is the one told.
            let _ = self.signal.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
            self.stop.set();
        }
    }
}
