//! Starts a program, watches its processes, and keeps what the tracker inside them counts.
//!
//! [`record`] runs a program from start to end; [`snapshot()`] asks a running run for a capture, from any process;
//! [`go`] captures Go programs through the profiles they serve, [`node`] asks a script inside Node programs; [`attach`] records one that runs already;
//! [`close`] turns the recordings of dead processes into small files; [`doctor`] tells what would work here.
//!
//! The program is in charge: its streams, process group, terminal, signals and exit code are its own, and whatever
//! goes wrong with the recording is told to the [`Observer`] while the program goes on.
#![deny(missing_docs)]

mod attach;
mod cgroup;
pub mod close;
mod command_line;
pub mod doctor;
mod error;
mod executable;
mod file_system;
mod forwarding;
mod git;
pub mod go;
pub mod http;
mod interpreters;
mod launch;
mod looks;
mod mailbox;
pub mod node;
pub mod node_doctor;
mod observer;
mod phases;
mod plan;
mod proc_files;
mod processes;
mod recorder;
mod recording_header;
mod run_end;
mod sampler;
mod series_writer;
mod signals;
mod snapshot;
mod triggers;
mod waiting;
mod watch;
pub mod workload;

pub use attach::{GoAttachment, attach};
pub use cgroup::memory_limit;
pub use error::{LaunchError, RecordingError, SnapshotError};
pub use file_system::can_execute;
pub use observer::{LiveProcess, LiveState, Observer, Problem};
pub use phases::{PhaseEnd, PhaseOutcome, PhasePlan, PhaseState, Ready, VerdictSoFar};
pub use plan::{Plan, SnapshotThreshold, SnapshotTriggers};
pub use recorder::{Outcome, record};
pub use recording_header::RecordingHeader;
pub use signals::{signal_number, survive_limit_of_file_sizes};
pub use snapshot::{COLLECTION_TIMEOUT, SnapshotRequest, mark, snapshot};
pub use watch::Watcher;
