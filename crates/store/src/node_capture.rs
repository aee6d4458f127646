//! What is kept of Node programs: a sampling profile and a series for each isolate, heap snapshots where asked for.
//!
//! ```text
//! node/<pid>-<ms>-<thread>.json         NodeIsolate; thread 0 is the main isolate
//! node/<pid>-<ms>-<thread>.heapprofile  V8's sampling heap profile, the latest; its first key `brimline` is NodeState
//! node/<pid>-<ms>-<thread>.jsonl        a line a second: heap, spaces, collections, delays of the event loop
//! node/<pid>-<ms>-<thread>.sock         takes requests while the isolate lives
//! snapshots/<name>/<same>.heapprofile   the profile at the snapshot
//! snapshots/<name>/<same>.heapsnapshot.zst
//! ```
//!
//! Profiles and descriptions are written by the program itself, each whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::folder::RunFolder;
use crate::private_file;
use crate::timestamp::Timestamp;

/// How a profile's name ends.
pub const PROFILE: &str = ".heapprofile";
/// How the name of a heap snapshot's redacted copy ends.
pub const SNAPSHOT: &str = ".heapsnapshot.zst";
/// How the file ends that a program leaves when it wants a snapshot.
const WANTED: &str = ".wanted";
/// No description is larger.
const LARGEST_DESCRIPTION: u64 = 1 << 20;
/// No profile is larger: V8 samples once in 512 KiB.
const LARGEST_PROFILE: u64 = 1 << 30;
/// No series is larger: that would be weeks.
const LARGEST_SERIES: u64 = 1 << 30;
/// What a profile begins with.
const STATE_KEY: &[u8] = b"{\"brimline\":";

/// An isolate of a Node process: the main one or a worker's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeIsolate {
    /// Name of its files, without what they end in.
    #[serde(skip)]
    pub stem: String,
    /// Process id.
    pub pid: u32,
    /// `threadId`; 0 is the main isolate.
    pub thread: u32,
    /// When it was started, Unix milliseconds.
    pub start_ms: u64,
    /// For example `v24.1.0`.
    pub node: String,
    /// The program's first file.
    pub script: String,
    /// Whether it only starts other programs, as `npm` does.
    pub launcher: bool,
    /// Where the process was started.
    pub cwd: String,
    /// File name of its socket.
    pub socket: Option<String>,
    /// URL of its inspector, where it is reached by that.
    pub inspector: Option<String>,
    /// Why its allocations are not sampled.
    pub refusal: Option<String>,
}

/// An isolate when its profile was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeState {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// What asked for it: `start`, `every 10s`, `signal`, `exit`, `mark`, ….
    pub trigger: String,
    /// Whether a collection was made first.
    pub collected: bool,
    /// Mean bytes between two samples.
    pub interval_bytes: u64,
    /// Process id.
    pub pid: u32,
    /// `threadId`; 0 is the main isolate.
    pub thread: u32,
    /// For example `v24.1.0`.
    pub node: String,
    /// The program's first file.
    pub script: String,
    /// Whether it only starts other programs.
    pub launcher: bool,
    /// Where the process was started.
    pub cwd: String,
    /// V8's heap in use.
    pub used_heap_bytes: u64,
    /// The same with what V8 keeps free.
    pub total_heap_bytes: u64,
    /// Beyond it V8 gives up.
    pub heap_limit_bytes: u64,
    /// Memory of C++ objects that hang on JavaScript ones, array buffers included.
    pub external_bytes: u64,
    /// Of these, array buffers.
    pub array_buffer_bytes: u64,
    /// The process's resident set.
    pub rss_bytes: u64,
}

impl NodeState {
    /// When it was.
    pub fn at(&self) -> Timestamp {
        Timestamp(self.at_ms.saturating_mul(1_000_000))
    }
}

/// A sampling profile in a run's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeProfile {
    /// The file.
    pub path: PathBuf,
    /// What its first key says.
    pub state: NodeState,
}

impl NodeProfile {
    /// Name of its isolate's files, without what they end in.
    pub fn stem(&self) -> &str {
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_suffix(PROFILE).unwrap_or(name)
    }

    /// The whole file.
    pub fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(&self.path)?.take(LARGEST_PROFILE).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Where isolates of a run leave their files.
pub fn folder_of(run: &RunFolder) -> PathBuf {
    run.path().join("node")
}

/// The isolates that were ever seen in a run, by start.
pub fn isolates(run: &RunFolder) -> Vec<NodeIsolate> {
    let mut found: Vec<NodeIsolate> = files(&folder_of(run), ".json")
        .into_iter()
        .filter_map(|(stem, path)| {
            let mut text = String::new();
            private_file::open_read(&path).ok()?.take(LARGEST_DESCRIPTION).read_to_string(&mut text).ok()?;
            let isolate: NodeIsolate = serde_json::from_str(&text).ok()?;
            Some(NodeIsolate { stem, ..isolate })
        })
        .collect();
    found.sort_by_key(|isolate| (isolate.start_ms, isolate.pid, isolate.thread));
    found
}

/// The profiles in `folder`: a run's `node` or a snapshot's.
pub fn profiles(folder: &Path) -> Vec<NodeProfile> {
    let mut found: Vec<NodeProfile> = files(folder, PROFILE)
        .into_iter()
        .filter_map(|(_, path)| Some(NodeProfile { state: state_of(&path)?, path }))
        .collect();
    found.sort_by_key(|profile| (profile.state.pid, profile.state.thread, profile.state.at_ms));
    found
}

fn state_of(path: &Path) -> Option<NodeState> {
    let mut head = Vec::new();
    private_file::open_read(path).ok()?.take(LARGEST_DESCRIPTION).read_to_end(&mut head).ok()?;
    let rest = head.strip_prefix(STATE_KEY)?;
    // What follows the first value is the profile proper.
    serde_json::Deserializer::from_slice(rest).into_iter::<NodeState>().next()?.ok()
}

/// A second of an isolate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeSample {
    /// Unix seconds.
    pub seconds: f64,
    /// V8's heap in use, garbage included.
    pub used_heap_bytes: Option<u64>,
    /// The same after the last full collection in this second.
    pub heap_after_gc_bytes: Option<u64>,
    /// The heap with what V8 keeps free.
    pub total_heap_bytes: Option<u64>,
    /// Memory of C++ objects that hang on JavaScript ones, array buffers included.
    pub external_bytes: Option<u64>,
    /// Of these, array buffers.
    pub array_buffer_bytes: Option<u64>,
    /// Bytes in use by space: `old_space`, `large_object_space`, ….
    pub spaces: BTreeMap<String, u64>,
    /// Collections in this second by kind: `Scavenge`, `MarkSweepCompact`, ….
    pub gc: BTreeMap<String, Collections>,
    /// The longest that the event loop was late in this second.
    pub loop_delay_seconds: Option<f64>,
}

/// Collections of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Collections {
    /// How many.
    pub count: u64,
    /// How long they took together.
    pub seconds: f64,
}

/// The series of the isolate whose files begin with `stem`, by time; a line that a kill has torn is left out.
pub fn series(run: &RunFolder, stem: &str) -> Vec<NodeSample> {
    let path = folder_of(run).join(format!("{stem}.jsonl"));
    let mut text = String::new();
    // An isolate of an instant has none.
    let read = private_file::open_read(&path).ok().map(|file| file.take(LARGEST_SERIES).read_to_string(&mut text));
    if !matches!(read, Some(Ok(_))) {
        return Vec::new();
    }
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Isolates whose program asked for a snapshot (by SIGUSR2) since the last call.
pub fn take_wanted(run: &RunFolder) -> bool {
    let wanted = files(&folder_of(run), WANTED);
    for (_, path) in &wanted {
        // One that stays asks again.
        let _ = fs::remove_file(path);
    }
    !wanted.is_empty()
}

/// Removes what is of use only while programs run.
pub fn remove_sockets(run: &RunFolder) {
    for suffix in [".sock", WANTED, ".fifo"] {
        for (_, path) in files(&folder_of(run), suffix) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Files in `folder` whose name ends with `suffix`, with the rest of their name.
fn files(folder: &Path, suffix: &str) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let stem = entry.file_name().to_str()?.strip_suffix(suffix)?.to_owned();
        Some((stem, entry.path()))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_tell_their_state_and_others_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let state = r#"{"brimline":{"at_ms":5,"pid":7,"thread":1,"used_heap_bytes":9},"head":{"children":["#;
        write("7-1-1.heapprofile", state);
        write("6-1-0.heapprofile", r#"{"head":{}}"#);
        write("8-1-0.heapprofile", r#"{"brimline":{"at_ms":"#);
        let found = profiles(folder.path());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].state.pid, found[0].state.thread, found[0].state.used_heap_bytes), (7, 1, 9));
        assert_eq!(found[0].state.at().0, 5_000_000);
    }
}
