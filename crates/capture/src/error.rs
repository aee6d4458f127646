//! Why a program was not started, or a snapshot not taken.

use std::io;
use std::path::PathBuf;

use brimline_store::StoreError;

use crate::node::Shortage;

/// The program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// No command at all.
    #[error("expected a command to run, found none")]
    NoCommand,
    /// No such program.
    #[error("failed to run `{command}`: command not found")]
    NotFound {
        /// The first word of the command.
        command: String,
    },
    /// The file is there and cannot be run.
    #[error("failed to run `{command}`: {source}")]
    NotExecutable {
        /// The first word of the command.
        command: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The run's folder could not be created, and the workload is of no use without.
    #[error("nothing can be recorded: {reason}")]
    NoFolder {
        /// Why.
        reason: String,
    },
    /// brimline itself failed: too many processes, no memory.
    #[error("failed to start `{command}`")]
    Failed {
        /// The first word of the command.
        command: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

impl LaunchError {
    /// What `brimline run` exits with: 127 and 126 as a shell would, 125 when the fault is brimline's.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NotExecutable { .. } => 126,
            Self::NoCommand | Self::NoFolder { .. } | Self::Failed { .. } => 125,
        }
    }
}

/// No snapshot was taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Nothing in the run is alive and tracked.
    #[error("expected a tracked process of run `{run}` that is alive, found none")]
    NothingAlive {
        /// The run's id.
        run: String,
    },
    /// The process asked for is not among those alive and tracked.
    #[error("expected a tracked process of run `{run}`, found process id {pid}; alive are {alive}")]
    UnknownProcess {
        /// The run's id.
        run: String,
        /// What was asked for.
        pid: u32,
        /// The known ones.
        alive: String,
    },
    /// The run has a snapshot of that name.
    #[error("expected a new name, found `{name}`, which run `{run}` already has")]
    NameTaken {
        /// The run's id.
        run: String,
        /// The name.
        name: String,
    },
    /// A heap snapshot could use up the memory; see [`crate::SnapshotRequest::depth`].
    #[error("{0}")]
    ShortOfMemory(Shortage),
    /// An isolate of a Node program did not give what was asked for.
    #[error("thread {thread} of Node process {pid}: {reason}")]
    Isolate {
        /// The process.
        pid: u32,
        /// Its thread; 0 is the main one.
        thread: u32,
        /// What it said, or that it said nothing.
        reason: String,
    },
    /// A recording holds no valid bytes.
    #[error("failed to read recording `{}`", path.display())]
    Recording {
        /// The recording.
        path: PathBuf,
        /// Why, from the reader.
        #[source]
        source: RecordingError,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Wraps the reader's error, which is `no_std`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RecordingError(pub brimline_recording::OpenError);
