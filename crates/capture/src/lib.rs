//! Starts a program, watches its processes, and keeps what the tracker inside them counts.
//!
//! The program is in charge: its streams, process group, terminal, signals and exit code are its own, and whatever
//! goes wrong with the recording is told to the [`Observer`] while the program goes on.
#![deny(missing_docs)]

mod error;
mod observer;
mod plan;

pub use error::{LaunchError, RecordingError, SnapshotError};
pub use observer::{LiveProcess, LiveState, Observer, Problem};
pub use plan::{Plan, SnapshotThreshold, SnapshotTriggers};
