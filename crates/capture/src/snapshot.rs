//! A capture of running processes at one moment, and marks in time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use brimline_store::artifacts::{self, RecordingFile, RecordingState};
use brimline_store::go_capture::GoTarget;
use brimline_store::node_capture::NodeIsolate;
use brimline_store::{
    Event, Mark, RunFolder, RunName, SnapshotFile, SnapshotRecord, StoreError, Timestamp, private_file,
};

use crate::close::{is_written, write_closed};
use crate::error::SnapshotError;
use crate::go;
use crate::mailbox::Mailbox;
use crate::node::{self, Depth};

/// How long a process may take to collect its garbage.
pub const COLLECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// What to capture.
#[derive(Clone, Debug)]
pub struct SnapshotRequest {
    /// The snapshot's name; `None` is `snapshot-1`, `snapshot-2`, ….
    pub name: Option<RunName>,
    /// One process; `None` is every tracked one.
    pub pid: Option<u32>,
    /// What asked for it, for the record: `command`, `every 30s`, ….
    pub trigger: String,
    /// How long to wait for the collection; after it the snapshot is taken without.
    pub timeout: Duration,
    /// What is taken of Node programs, whose heaps cost memory and time to look at.
    pub depth: Depth,
}

impl Default for SnapshotRequest {
    fn default() -> Self {
        Self { name: None, pid: None, trigger: "command".to_owned(), timeout: COLLECTION_TIMEOUT, depth: Depth::Heap }
    }
}

/// Collects garbage in the tracked processes of a running run, copies their recordings, and notes the snapshot in the
/// run's events. Works from any process of the same user.
pub fn snapshot(folder: &RunFolder, request: &SnapshotRequest) -> Result<SnapshotRecord, SnapshotError> {
    let Living { files, targets, isolates } = living(folder, request.pid)?;
    let (name, path) = create_folder(folder, request.name.as_ref())?;
    let at = Timestamp::now();
    let captured = capture_all(&files, &path, request.timeout)
        .and_then(|files| Ok((files, go::capture_targets(&targets, &path, &name, &request.trigger)?)))
        .and_then(|taken| Ok((taken, node::capture(folder, &isolates, &path, &request.trigger, request.depth)?)));
    let result = captured.and_then(|((mut files, of_go), of_node)| {
        files.extend(of_go);
        files.extend(of_node);
        let record = SnapshotRecord { name, at, trigger: request.trigger.clone(), files };
        folder.append(&Event::Snapshot(record.clone()))?;
        Ok(record)
    });
    if result.is_err() {
        // Half a snapshot is none; the error tells.
        let _ = fs::remove_dir_all(&path);
    }
    result
}

/// Notes a moment. Go and Node programs are captured at it, since their growth is told between two captures: the second
/// value.
pub fn mark(folder: &RunFolder, name: RunName) -> Result<(Mark, Option<SnapshotRecord>), SnapshotError> {
    let mark = Mark { name, at: Timestamp::now() };
    folder.append(&Event::Mark(mark.clone()))?;
    if go::living_targets(folder).is_empty() && node::living(folder).is_empty() {
        return Ok((mark, None));
    }
    let name = Some(mark.name.clone());
    let depth = Depth::HeapIfPossible;
    let request = SnapshotRequest { name, trigger: "mark".to_owned(), depth, ..SnapshotRequest::default() };
    let captured = snapshot(folder, &request)?;
    Ok((mark, Some(captured)))
}

/// What can be captured.
struct Living {
    files: Vec<RecordingFile>,
    targets: Vec<GoTarget>,
    isolates: Vec<NodeIsolate>,
}

fn living(folder: &RunFolder, pid: Option<u32>) -> Result<Living, SnapshotError> {
    let mut files = artifacts::processes(folder)?;
    files.retain(|file| file.state == RecordingState::Raw && is_written(file));
    let mut targets = go::living_targets(folder);
    let mut isolates = node::living(folder);
    let run = folder.id().to_string();
    let mut pids: Vec<u32> = files.iter().map(|file| file.pid).chain(targets.iter().map(|target| target.pid)).collect();
    pids.extend(isolates.iter().map(|isolate| isolate.pid));
    pids.dedup();
    if pids.is_empty() {
        return Err(SnapshotError::NothingAlive { run });
    }
    if let Some(pid) = pid {
        if !pids.contains(&pid) {
            let alive: Vec<String> = pids.iter().map(ToString::to_string).collect();
            return Err(SnapshotError::UnknownProcess { run, pid, alive: alive.join(", ") });
        }
        files.retain(|file| file.pid == pid);
        targets.retain(|target| target.pid == pid);
        isolates.retain(|isolate| isolate.pid == pid);
    }
    Ok(Living { files, targets, isolates })
}

/// Creates the snapshot's folder, which reserves its name.
fn create_folder(folder: &RunFolder, name: Option<&RunName>) -> Result<(RunName, PathBuf), SnapshotError> {
    let parent = folder.snapshots_path();
    private_file::ensure_folder(&parent)?;
    for number in 1_u64.. {
        let candidate = match name {
            Some(name) => name.clone(),
            None => RunName::parse(&format!("snapshot-{number}"))?,
        };
        let path = parent.join(candidate.as_str());
        match private_file::create_folder(&path) {
            Ok(()) => return Ok((candidate, path)),
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                if let Some(name) = name {
                    let run = folder.id().to_string();
                    return Err(SnapshotError::NameTaken { run, name: name.to_string() });
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("every u64 is taken as a snapshot's number")
}

/// All processes at once: each may need its whole time-out. One that ends meanwhile leaves its last state.
fn capture_all(files: &[RecordingFile], path: &Path, timeout: Duration) -> Result<Vec<SnapshotFile>, SnapshotError> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = files.iter().map(|file| scope.spawn(move || capture(file, path, timeout))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn capture(file: &RecordingFile, folder: &Path, timeout: Duration) -> Result<SnapshotFile, SnapshotError> {
    // Without a mailbox (a full system) the copy is still worth having.
    let collected = Mailbox::open(&file.path).is_ok_and(|mailbox| mailbox.collect(timeout, || is_written(file)));
    let name = format!("{}.rec.zst", file.stem);
    write_closed(file, &folder.join(&name))?;
    Ok(SnapshotFile { pid: file.pid, file: name, collected })
}
