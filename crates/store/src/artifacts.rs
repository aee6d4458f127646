//! The recordings in a run's folder, raw or closed, as bytes.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::folder::RunFolder;
use crate::private_file;
use crate::record::RunName;

/// A sensible limit for [`RecordingFile::read`].
pub const DEFAULT_LIMIT: u64 = 1 << 30;
/// A refusal is one line; more is not read.
const REFUSAL_LIMIT: u64 = 4096;

/// How a recording lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingState {
    /// As the tracker writes it: the process runs, or nobody has closed it since.
    Raw,
    /// Compacted and compressed.
    Closed,
}

/// One process's recording, in a run or in a snapshot. A process that calls exec has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingFile {
    /// Process id.
    pub pid: u32,
    /// The file's name without suffix: `<pid>-<ns>`.
    pub stem: String,
    /// Raw or closed.
    pub state: RecordingState,
    /// The file.
    pub path: PathBuf,
}

/// A process that the tracker would not track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Process id.
    pub pid: u32,
    /// Why, in one line, as the tracker wrote it.
    pub reason: String,
}

impl RecordingFile {
    /// The recording's bytes, decompressed; more than `limit` bytes are an error, not an allocation.
    pub fn read(&self, limit: u64) -> Result<Vec<u8>, StoreError> {
        let file = match private_file::open_read(&self.path) {
            Err(StoreError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && self.state == RecordingState::Raw =>
            {
                // Closed since it was listed.
                let path = self.path.with_extension("rec.zst");
                return Self { state: RecordingState::Closed, path, ..self.clone() }.read(limit);
            }
            file => file?,
        };
        match self.state {
            RecordingState::Raw => read_limited(file, &self.path, limit),
            RecordingState::Closed => {
                let decoder = zstd::Decoder::new(file).map_err(StoreError::io("decompress", &self.path))?;
                read_limited(decoder, &self.path, limit)
            }
        }
    }
}

/// Recordings of a run's processes, by process id, then by time. Where a raw file lies beside its closed one (a kill
/// between the two steps of closing), the closed one counts: it was written from the finished raw one.
pub fn processes(folder: &RunFolder) -> Result<Vec<RecordingFile>, StoreError> {
    list(&folder.processes_path())
}

/// Recordings in the snapshot `name`; empty if there is none of that name.
pub fn snapshot(folder: &RunFolder, name: &RunName) -> Result<Vec<RecordingFile>, StoreError> {
    list(&folder.snapshots_path().join(name.as_str()))
}

/// Processes that the tracker refused, by process id.
pub fn refusals(folder: &RunFolder) -> Result<Vec<Refusal>, StoreError> {
    let mut refusals = Vec::new();
    for (name, path) in entries(&folder.processes_path())? {
        let Some(pid) = name.strip_suffix(".refused").and_then(pid_of) else { continue };
        let mut bytes = Vec::new();
        private_file::open_read(&path)?
            .take(REFUSAL_LIMIT)
            .read_to_end(&mut bytes)
            .map_err(StoreError::io("read", &path))?;
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().next().unwrap_or_default();
        let reason = line.chars().filter(|c| !c.is_control()).collect::<String>();
        refusals.push(Refusal { pid, reason });
    }
    refusals.sort_by_key(|refusal| refusal.pid);
    Ok(refusals)
}

/// The process id at the start of a file name `<pid>-<ns>…`.
pub fn pid_of(name: &str) -> Option<u32> {
    name.split_once('-')?.0.parse().ok()
}

fn list(folder: &Path) -> Result<Vec<RecordingFile>, StoreError> {
    let mut files = Vec::new();
    for (name, path) in entries(folder)? {
        let (stem, state) = if let Some(stem) = name.strip_suffix(".rec.zst") {
            (stem, RecordingState::Closed)
        } else if let Some(stem) = name.strip_suffix(".rec") {
            (stem, RecordingState::Raw)
        } else {
            continue;
        };
        let Some(pid) = pid_of(stem) else { continue };
        files.push(RecordingFile { pid, stem: stem.to_owned(), state, path });
    }
    files.sort_by(|a, b| {
        let closed_first = |file: &RecordingFile| file.state == RecordingState::Raw;
        (a.pid, a.stem.len(), &a.stem, closed_first(a)).cmp(&(b.pid, b.stem.len(), &b.stem, closed_first(b)))
    });
    files.dedup_by(|later, earlier| later.stem == earlier.stem);
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("read", folder)(error)),
    };
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry.map_err(StoreError::io("read", folder))?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

fn read_limited(reader: impl Read, path: &Path, limit: u64) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    match reader.take(limit.saturating_add(1)).read_to_end(&mut bytes) {
        // A compressed file that was cut: what is there says itself how much is missing.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !bytes.is_empty() => {}
        other => drop(other.map_err(StoreError::io("read", path))?),
    }
    if bytes.len() as u64 > limit {
        return Err(StoreError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}
