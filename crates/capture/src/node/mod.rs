//! Node programs: sampled by a script that each isolate loads before the program, asked over its socket.
//!
//! The script ([`AGENT`]) writes profiles and series into the run's folder by itself; what is done here is to have it
//! loaded, and to ask it for what cannot wait or does not fit a file: a profile now, a heap snapshot.

mod attach;
mod client;
mod heap;
mod inspector;
mod memory;
mod pipe;

pub use attach::{NodeAttachError, NodeAttachment, attach};
pub use inspector::{InspectorError, is_node, owner};
pub use memory::Shortage;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use brimline_store::node_capture::{self, NodeIsolate, PROFILE, SNAPSHOT};
use brimline_store::{RunFolder, SnapshotFile, Timestamp};
use serde_json::json;

use crate::error::SnapshotError;
use crate::proc_files;

/// The script that Node programs load.
pub const AGENT: &str = include_str!("agent.cjs");

/// Tells the script where to leave its files.
const FOLDER_VARIABLE: &str = "BRIMLINE_NODE_FOLDER";
/// Tells it whose end ends the recording.
const RECORDER_VARIABLE: &str = "BRIMLINE_NODE_RECORDER";
/// How long a profile may take; a collection of a large heap is part of it.
const PROFILE_PATIENCE: Duration = Duration::from_secs(10);
/// How long after its start an isolate may be without a socket, and the time between two looks for it.
const START_PATIENCE: Duration = Duration::from_secs(3);
const START_LOOK: Duration = Duration::from_millis(10);
/// With these the script could not be read, and the program would not start.
const FORBIDS_FILES: [&str; 2] = ["--permission", "--experimental-permission"];

/// What to do about Node programs.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// The script as a file, or why there is none.
    pub agent: Result<PathBuf, String>,
}

/// Variables that have Node programs load the script; none for a command that must not.
pub(crate) fn environment(plan: &NodePlan, command: &[OsString], run: &RunFolder) -> Vec<(OsString, OsString)> {
    let present = std::env::var_os("NODE_OPTIONS").unwrap_or_default();
    let forbids = |text: &OsStr| {
        let text = text.to_string_lossy();
        text.split_whitespace().any(|word| FORBIDS_FILES.contains(&word))
    };
    let Ok(agent) = &plan.agent else { return Vec::new() };
    if command.iter().any(|word| forbids(word)) || forbids(&present) {
        return Vec::new();
    }
    let mut options = present;
    if !options.is_empty() {
        options.push(" ");
    }
    options.push(format!("--require={}", quoted(agent)));
    vec![
        ("NODE_OPTIONS".into(), options),
        (FOLDER_VARIABLE.into(), node_capture::folder_of(run).into()),
        (RECORDER_VARIABLE.into(), std::process::id().to_string().into()),
    ]
}

/// As a word of `NODE_OPTIONS`.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Isolates of a run that can be asked. One that has just been started is waited for: its socket comes a moment later.
pub(crate) fn living(run: &RunFolder) -> Vec<NodeIsolate> {
    let mut isolates = node_capture::isolates(run);
    isolates.retain(|isolate| !isolate.launcher && isolate.socket.is_some() && is_served(run, isolate));
    isolates
}

fn is_served(run: &RunFolder, isolate: &NodeIsolate) -> bool {
    let started = Timestamp(isolate.start_ms.saturating_mul(1_000_000));
    while proc_files::is_alive(isolate.pid) {
        match client::answers(run, isolate) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            answer => return answer.is_ok(),
        }
        if Timestamp::now().seconds_since(started) > START_PATIENCE.as_secs_f64() {
            return false;
        }
        std::thread::sleep(START_LOOK);
    }
    false
}

/// Has every isolate write its profile anew, after a collection; sets `ready` when all have, or their time is over.
/// False if there is none to ask.
pub(crate) fn capture_last(run: &RunFolder, ready: &Arc<AtomicBool>) -> bool {
    let isolates = living(run);
    if isolates.is_empty() {
        return false;
    }
    ready.store(false, Ordering::SeqCst);
    let (run, ready) = (run.clone(), Arc::clone(ready));
    std::thread::spawn(move || {
        let request = json!({"do": "profile", "trigger": "signal", "collect": "now"});
        std::thread::scope(|scope| {
            for isolate in &isolates {
                // One that does not answer has its profile of some seconds ago.
                scope.spawn(|| client::ask(&run, isolate, &request, PROFILE_PATIENCE).is_ok());
            }
        });
        ready.store(true, Ordering::SeqCst);
    });
    true
}

/// What is taken of each isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Its profile, after a collection.
    Profile,
    /// Its profile and its heap; refused where memory is short.
    Heap,
    /// The same, come what may.
    HeapAnyway,
    /// Its heap where memory allows, its profile in any case.
    HeapIfPossible,
}

/// Captures isolates, one after the other since each takes many times its heap, into a snapshot's folder. One that ends
/// meanwhile is left out, unless it was the only one.
pub(crate) fn capture(
    run: &RunFolder,
    isolates: &[NodeIsolate],
    snapshot: &Path,
    trigger: &str,
    depth: Depth,
) -> Result<Vec<SnapshotFile>, SnapshotError> {
    let mut files = Vec::new();
    let mut gone = None;
    for isolate in isolates {
        match capture_one(run, isolate, snapshot, trigger, depth) {
            Ok(file) => files.push(file),
            Err(error @ SnapshotError::Isolate { .. }) if client::answers(run, isolate).is_err() => gone = Some(error),
            Err(error) => return Err(error),
        }
    }
    match gone {
        Some(error) if files.is_empty() => Err(error),
        _ => Ok(files),
    }
}

fn capture_one(
    run: &RunFolder,
    isolate: &NodeIsolate,
    snapshot: &Path,
    trigger: &str,
    depth: Depth,
) -> Result<SnapshotFile, SnapshotError> {
    let shortage = if depth == Depth::Profile { None } else { memory::shortage(run, isolate)? };
    if let (Some(shortage), Depth::Heap) = (&shortage, depth) {
        return Err(SnapshotError::ShortOfMemory(shortage.clone()));
    }
    let profile = format!("{}{PROFILE}", isolate.stem);
    let only_profile = depth == Depth::Profile || (shortage.is_some() && depth == Depth::HeapIfPossible);
    let heap = format!("{}{SNAPSHOT}", isolate.stem);
    let mut request = json!({"do": "profile", "trigger": trigger, "file": snapshot.join(&profile)});
    if !only_profile {
        // In case that the heap is all there is time for; the one after it says more.
        let _ = client::ask(run, isolate, &request, PROFILE_PATIENCE);
        heap::take(run, isolate, &snapshot.join(&heap))?;
    }
    // V8 has collected before it took the heap.
    request["collect"] = if only_profile { "now" } else { "done" }.into();
    let answer = client::ask(run, isolate, &request, PROFILE_PATIENCE);
    if !only_profile {
        // The heap says more: it is worth having without the profile too.
        return Ok(SnapshotFile { pid: isolate.pid, file: heap, collected: true });
    }
    let collected = answer?.get("collected").and_then(serde_json::Value::as_bool).unwrap_or_default();
    Ok(SnapshotFile { pid: isolate.pid, file: profile, collected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_spaces_and_quotes_are_one_word() {
        assert_eq!(quoted(Path::new("/a b/\"c\"\\d.cjs")), r#""/a b/\"c\"\\d.cjs""#);
    }
}
