//! Whether there is memory enough for a heap snapshot, and how long it will take.

use std::time::Duration;

use brimline_store::RunFolder;
use brimline_store::node_capture::{NodeIsolate, NodeState};
use serde_json::json;

use super::client;
use crate::error::SnapshotError;
use crate::{cgroup, proc_files};

/// A snapshot takes this many times the used heap: measured at three sizes (9, 9.4 and 10).
const TIMES: u64 = 10;
/// Heap bytes that V8 takes a snapshot of in a second: the slower end of what was measured.
const BYTES_PER_SECOND: u64 = 16 << 20;
/// A busy program answers between two of its functions.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a heap snapshot is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a heap snapshot of process {pid}, thread {thread}, needs about {} MiB (ten times its used heap of {} MiB), {} MiB are free in {place}; it would stop the program for about {seconds} s",
    needed >> 20, used >> 20, free >> 20
)]
pub struct Shortage {
    /// The process.
    pub pid: u32,
    /// Its isolate.
    pub thread: u32,
    /// Bytes of V8's heap in use.
    pub used: u64,
    /// Bytes that the snapshot takes beside.
    pub needed: u64,
    /// Bytes that are to be had.
    pub free: u64,
    /// Where they are few: `its control group` or `the machine`.
    pub place: &'static str,
    /// How long the program would stand still.
    pub seconds: u64,
}

/// What stands against a snapshot now; `None` if nothing does.
pub(super) fn shortage(run: &RunFolder, isolate: &NodeIsolate) -> Result<Option<Shortage>, SnapshotError> {
    let answer = client::ask(run, isolate, &json!({"do": "usage"}), PATIENCE)?;
    let usage: NodeState = serde_json::from_value(answer).unwrap_or_default();
    Ok(judge(isolate, usage.used_heap_bytes, &places(isolate.pid)))
}

/// Free bytes of the process's control group and of the machine, where they are known.
fn places(pid: u32) -> Vec<(&'static str, u64)> {
    let group = cgroup::memory_group_of(pid).and_then(|group| Some(("its control group", group.free()?)));
    let machine = proc_files::available_memory().map(|free| ("the machine", free));
    group.into_iter().chain(machine).collect()
}

fn judge(isolate: &NodeIsolate, used: u64, places: &[(&'static str, u64)]) -> Option<Shortage> {
    let needed = used.saturating_mul(TIMES);
    let &(place, free) = places.iter().min_by_key(|(_, free)| *free)?;
    (free < needed).then(|| Shortage {
        pid: isolate.pid,
        thread: isolate.thread,
        used,
        needed,
        free,
        place,
        seconds: used.div_ceil(BYTES_PER_SECOND).max(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tighter_place_decides() {
        let isolate = NodeIsolate { pid: 7, ..NodeIsolate::default() };
        let places = [("its control group", 900 << 20), ("the machine", 8 << 30)];
        assert_eq!(judge(&isolate, 90 << 20, &places), None);
        let shortage = judge(&isolate, 91 << 20, &places).unwrap();
        assert_eq!((shortage.place, shortage.seconds), ("its control group", 6));
        let text = shortage.to_string();
        assert!(text.contains("about 910 MiB") && text.contains("900 MiB are free in its control group"), "{text}");
        assert_eq!(judge(&isolate, u64::MAX, &[]), None);
    }
}
