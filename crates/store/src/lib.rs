//! Runs on disk: one folder for each run, and an index over them that can be rebuilt from the folders.
//!
//! ```text
//! .brimline/
//!   .gitignore               everything here is ignored
//!   brimline.db              index: runs, phases, marks, baselines, verdicts, rollup
//!   tracker/                 the library loaded into programs, where no cache or temporary folder can be written
//!   runs/<id>/
//!     run.json               RunRecord; without an end while the program runs, or for ever if the recorder was killed
//!     events.jsonl           marks, snapshots, baselines, phases: one line each, appended by whoever learns of them
//!     series.jsonl           latest samples of every process; series.jsonl.zst holds the earlier ones
//!     processes/             <pid>-<ns>.rec while open, .rec.zst once closed, .refused with the reason
//!     snapshots/<name>/      <pid>-<ns>.rec.zst; <pid>-<ns>.go/ of Go programs
//!     captures/<ns>-<pid>/   Go programs, see go_capture
//!     node/                  Node programs, see node_capture
//! ```
//!
//! A [`Store`] is where runs lie, a [`RunFolder`] is one of them; [`Store::resolve`] finds the run that a user means.
//! Nothing here prints, and reading creates nothing.
#![deny(missing_docs)]

pub mod artifacts;
mod database;
mod error;
mod event;
mod folder;
pub mod go_capture;
mod location;
pub mod node_capture;
pub mod private_file;
mod record;
mod reference;
pub mod series;
mod store;
mod timestamp;

pub use database::{Database, RollupRow};
pub use error::StoreError;
pub use event::Event;
pub use folder::{RunFolder, RunLock, RunState};
pub use location::{Location, LocationSource};
pub use record::{
    GitState, Import, Mark, Phase, ProcessRecord, ProgramExit, RunEnd, RunId, RunName, RunRecord, SnapshotFile,
    SnapshotRecord, Tracking, Verdict,
};
pub use reference::{ResolveError, Resolved, ResolvedRun};
pub use store::{RunEntry, Store};
pub use timestamp::Timestamp;
