//! Turns recordings of processes that are gone into small files.

use std::fs;
use std::path::Path;

use brimline_recording::{Recording, compact};
use brimline_store::artifacts::{self, RecordingFile, RecordingState};
use brimline_store::private_file::{self, Durability};
use brimline_store::{RunFolder, StoreError};

use crate::error::{RecordingError, SnapshotError};
use crate::proc_files;
use crate::recording_header::RecordingHeader;

/// The fastest level: the program's user waits for it, and counters compress well at any.
const ZSTD_LEVEL: i32 = 1;
/// [`brimline_recording::layout::Header::end`]: the process called exec, so this recording is over though its process lives.
const END_EXEC: u32 = 2;

/// What [`close_recordings`] did.
#[derive(Debug, Default)]
pub struct Closed {
    /// Recordings closed now.
    pub count: usize,
    /// Recordings that stay raw since their processes still run.
    pub running: Vec<RecordingFile>,
    /// Recordings that stay raw since they could not be closed, and why.
    pub failures: Vec<(RecordingFile, SnapshotError)>,
}

/// Closes the recordings of a run whose processes are gone.
pub fn close_recordings(folder: &RunFolder) -> Result<Closed, StoreError> {
    close_some(folder, |_| true)
}

/// The same for recordings whose stem is `wanted`.
pub(crate) fn close_some(folder: &RunFolder, wanted: impl Fn(&str) -> bool) -> Result<Closed, StoreError> {
    let mut closed = Closed::default();
    for file in artifacts::processes(folder)?.into_iter().filter(|file| wanted(&file.stem)) {
        if file.state == RecordingState::Closed {
            // A kill between the two steps of closing left the raw one behind.
            let _ = fs::remove_file(folder.processes_path().join(format!("{}.rec", file.stem)));
            continue;
        }
        if is_written(&file) {
            closed.running.push(file);
            continue;
        }
        match close_recording(folder, &file) {
            Ok(()) => closed.count += 1,
            Err(error) => closed.failures.push((file, error)),
        }
    }
    Ok(closed)
}

/// Whether the process that writes this recording is alive.
pub(crate) fn is_written(file: &RecordingFile) -> bool {
    match RecordingHeader::read(&file.path) {
        Ok(Some(header)) => header.end != END_EXEC && proc_files::is_alive_since(file.pid, header.start_unix_ns),
        _ => proc_files::is_alive(file.pid),
    }
}

fn close_recording(folder: &RunFolder, file: &RecordingFile) -> Result<(), SnapshotError> {
    let path = folder.processes_path().join(format!("{}.rec.zst", file.stem));
    write_closed(file, &path)?;
    // Renaming and removing in one folder reach the disk in this order on every journalling file system.
    let raw = file.path.clone();
    fs::remove_file(&raw).map_err(|source| StoreError::Io { action: "remove", path: raw, source })?;
    Ok(())
}

/// Writes a compacted and compressed copy of a recording.
pub(crate) fn write_closed(file: &RecordingFile, path: &Path) -> Result<(), SnapshotError> {
    let bytes = file.read(artifacts::DEFAULT_LIMIT)?;
    let recording = Recording::open(&bytes)
        .map_err(|error| SnapshotError::Recording { path: file.path.clone(), source: RecordingError(error) })?;
    let small = compact(&recording);
    drop(bytes);
    let compressed = zstd::encode_all(&small[..], ZSTD_LEVEL).map_err(|source| StoreError::Io {
        action: "compress",
        path: file.path.clone(),
        source,
    })?;
    private_file::replace(path, &compressed, Durability::Synced)?;
    Ok(())
}
