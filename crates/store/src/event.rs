//! What is said about a run after it was started, one line each in `events.jsonl`.
//!
//! Lines are appended with one `write` each, so several processes can add to a running run without a lock.

use serde::{Deserialize, Serialize};

use crate::record::{Mark, Phase, RunName, RunRecord, SnapshotRecord, Verdict};
use crate::timestamp::Timestamp;

/// One line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A mark.
    Mark(Mark),
    /// A snapshot.
    Snapshot(SnapshotRecord),
    /// A phase; one with the same name and start replaces it.
    Phase(Phase),
    /// The run became a baseline.
    Baseline(Mark),
    /// The run got another name, or lost it.
    Renamed {
        /// The name.
        name: Option<RunName>,
        /// When.
        at: Timestamp,
    },
    /// A verdict.
    Verdict(Verdict),
}

impl Event {
    /// Adds the event to the record, once.
    pub(crate) fn apply(self, record: &mut RunRecord) {
        match self {
            Self::Mark(mark) => add(&mut record.marks, mark),
            Self::Snapshot(snapshot) => add(&mut record.snapshots, snapshot),
            Self::Baseline(mark) => add(&mut record.baselines, mark),
            Self::Verdict(verdict) => add(&mut record.verdicts, verdict),
            Self::Renamed { name, .. } => record.name = name,
            Self::Phase(phase) => {
                let same = |known: &&mut Phase| known.name == phase.name && known.start == phase.start;
                match record.phases.iter_mut().find(same) {
                    Some(known) => known.end = phase.end.or(known.end),
                    None => record.phases.push(phase),
                }
            }
        }
    }
}

/// The recorder writes what it read from the events into `run.json` at the end, so each may come twice.
fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
