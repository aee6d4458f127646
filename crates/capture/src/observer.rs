//! What the caller hears while a program is recorded.

use brimline_store::go_capture::GoCapture;
use brimline_store::{RunFolder, SnapshotRecord};

use crate::phases::{PhaseState, VerdictSoFar};

/// Receives news during [`crate::record`], from the thread that samples; keep it quick. All methods do nothing unless
/// written.
pub trait Observer: Sync {
    /// The program runs. `folder` is `None` when nothing is recorded (see [`Problem::NoFolder`]).
    fn started(&self, folder: Option<&RunFolder>, pid: u32) {
        let _ = (folder, pid);
    }

    /// After each sample, and more often while a threshold is near.
    fn sampled(&self, state: &LiveState) {
        let _ = state;
    }

    /// A snapshot was taken.
    fn snapshot(&self, snapshot: &SnapshotRecord) {
        let _ = snapshot;
    }

    /// A Go process serves its profiles at `endpoint`.
    fn target(&self, pid: u32, endpoint: &str) {
        let _ = (pid, endpoint);
    }

    /// A Go process was captured, unasked.
    fn captured(&self, capture: &GoCapture) {
        let _ = capture;
    }

    /// A phase of the workload began or goes on.
    fn phase(&self, state: &PhaseState) {
        let _ = state;
    }

    /// Asked after a capture where the load ends at a firm verdict; may take its time.
    fn verdict(&self, folder: &RunFolder) -> Option<VerdictSoFar> {
        let _ = folder;
        None
    }

    /// Something could not be recorded; each problem comes once.
    fn problem(&self, problem: &Problem) {
        let _ = problem;
    }
}

/// The observer of nobody.
impl Observer for () {}

/// What could not be recorded; its text is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The run's folder could not be created or written: the program runs, nothing is recorded.
    #[error("nothing is recorded: {reason} (--store FOLDER records elsewhere)")]
    NoFolder {
        /// Why.
        reason: String,
    },
    /// The program runs without allocation tracking; the process series is recorded.
    #[error("allocations are not recorded: {reason}")]
    NoTracking {
        /// Why.
        reason: String,
    },
    /// The tracker refused a process.
    #[error("process {pid} is not tracked: {reason}")]
    Refused {
        /// The process.
        pid: u32,
        /// Why, as the tracker wrote it.
        reason: String,
    },
    /// No more samples are kept.
    #[error("the process series ends early: {reason}")]
    SeriesStopped {
        /// Why.
        reason: String,
    },
    /// A snapshot that was due was not taken.
    #[error("no snapshot ({trigger}): {reason}")]
    SnapshotFailed {
        /// What asked for it.
        trigger: String,
        /// Why.
        reason: String,
    },
    /// A recording stays as the tracker wrote it; it can be read all the same.
    #[error("a recording could not be closed: {reason}")]
    NotClosed {
        /// Why.
        reason: String,
    },
    /// A Go process serves no profiles.
    #[error(
        "no profiles of Go process {pid} ({package}): {tried}; add `import _ \"net/http/pprof\"` to a program that serves HTTP by the default mux, or `import _ \"github.com/brimline/brimline/go/brimline\"` to any program; `--pprof URL` names an endpoint that was not found"
    )]
    NoGoEndpoint {
        /// The process.
        pid: u32,
        /// Its main package.
        package: String,
        /// What its sockets said.
        tried: String,
    },
    /// A Go process could not be captured.
    #[error("a Go process could not be captured: {reason}")]
    GoCaptureFailed {
        /// Why.
        reason: String,
    },
    /// Something to know about a Go process.
    #[error("{note}")]
    GoNote {
        /// What.
        note: String,
    },
    /// The end of the run was not written down.
    #[error("the run's record is not complete: {reason}")]
    RecordNotWritten {
        /// Why.
        reason: String,
    },
}

/// The run at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveState {
    /// Seconds since the start.
    pub seconds: f64,
    /// Resident bytes of all processes together.
    pub rss_bytes: u64,
    /// Tracked bytes live in all processes together; `None` when none is tracked.
    pub live_bytes: Option<u64>,
    /// Highest sum of tracked bytes seen at a sample.
    pub peak_bytes: Option<u64>,
    /// The processes alive.
    pub processes: Vec<LiveProcess>,
}

/// One process in [`LiveState`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveProcess {
    /// Process id.
    pub pid: u32,
    /// Resident bytes.
    pub rss_bytes: Option<u64>,
    /// Tracked bytes live.
    pub live_bytes: Option<u64>,
}
