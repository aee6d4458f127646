//! The folder of one run.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::event::Event;
use crate::private_file::{self, Durability};
use crate::record::{RunId, RunRecord};
use crate::timestamp::Timestamp;

/// `run.json` and `events.jsonl` are read up to this size.
const TEXT_LIMIT: u64 = 256 << 20;

/// A run's folder. Holding one keeps nothing open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
    id: RunId,
}

/// Held by the recorder while it records; the kernel lets go of it however the recorder ends.
#[derive(Debug)]
pub struct RunLock {
    _folder: File,
}

/// How far a run got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// A recorder is at work.
    Running,
    /// The end was written.
    Ended,
    /// The recorder was killed: everything up to then is there, the end is not.
    Interrupted,
}

impl RunState {
    /// The word for it in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ended => "ended",
            Self::Interrupted => "interrupted",
        }
    }
}

impl RunFolder {
    /// Creates `runs/<new id>/` with its `processes/`, and locks it as recorder.
    pub(crate) fn create(runs: &Path) -> Result<(Self, RunLock), StoreError> {
        private_file::ensure_folder(runs)?;
        loop {
            let id = RunId::random();
            let path = runs.join(id.as_str());
            match private_file::create_folder(&path) {
                Ok(()) => {}
                Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
            let folder = Self { path, id };
            private_file::create_folder(&folder.processes_path())?;
            let lock = File::open(&folder.path).map_err(StoreError::io("open", &folder.path))?;
            // A file system without locks (some network mounts) makes the run look interrupted while it runs; no more.
            let _ = lock.try_lock();
            return Ok((folder, RunLock { _folder: lock }));
        }
    }

    /// The run in folder `path`; `None` if this is no run's folder.
    pub fn open(path: &Path) -> Option<Self> {
        let path = fs::canonicalize(path).ok()?;
        let id = RunId::parse(path.file_name()?.to_str()?)?;
        path.join("processes").is_dir().then_some(Self { path, id })
    }

    /// The run's id.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the tracker writes recordings.
    pub fn processes_path(&self) -> PathBuf {
        self.path.join("processes")
    }

    /// Where snapshots lie, a folder each.
    pub fn snapshots_path(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    /// Where imported files lie, as they were given.
    pub fn imports_path(&self) -> PathBuf {
        self.path.join("imports")
    }

    /// The series' latest samples, as text.
    pub fn series_path(&self) -> PathBuf {
        self.path.join("series.jsonl")
    }

    /// The series' earlier samples, compressed.
    pub fn closed_series_path(&self) -> PathBuf {
        self.path.join("series.jsonl.zst")
    }

    fn record_path(&self) -> PathBuf {
        self.path.join("run.json")
    }

    fn events_path(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// What is known about the run: `run.json`, and the events since.
    pub fn load(&self) -> Result<RunRecord, StoreError> {
        let mut record = self.load_record()?;
        if let Some(text) = read_text(&self.events_path())? {
            // The last line may be torn (full disk, kill): what cannot be read was not said.
            for event in text.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok()) {
                event.apply(&mut record);
            }
        }
        record.marks.sort_by_key(|mark| mark.at);
        record.snapshots.sort_by_key(|snapshot| snapshot.at);
        Ok(record)
    }

    fn load_record(&self) -> Result<RunRecord, StoreError> {
        let path = self.record_path();
        let Some(text) = read_text(&path)? else {
            // Killed between creating the folder and writing the file.
            let mut record = RunRecord::new(self.id.clone(), Vec::new());
            record.start =
                fs::metadata(&self.path).and_then(|metadata| metadata.modified()).map_or(Timestamp(0), Timestamp::from);
            record.problems.push("the recorder was killed before it wrote anything down".to_owned());
            return Ok(record);
        };
        let malformed = |found: String| StoreError::Malformed { path: path.clone(), expected: "a run's record", found };
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let schema = value.get("schema").and_then(serde_json::Value::as_str).unwrap_or_default();
        let version = schema.strip_prefix("brimline.run-record/").and_then(|version| version.parse::<u32>().ok());
        match version {
            None => return Err(malformed(format!("schema `{}`", schema.escape_default()))),
            Some(found) if found > RunRecord::VERSION => {
                return Err(StoreError::TooNew { path, known: RunRecord::VERSION, found });
            }
            Some(_) => {}
        }
        serde_json::from_value(value).map_err(|error| malformed(error.to_string()))
    }

    /// Writes `run.json`.
    pub fn save(&self, record: &RunRecord, durability: Durability) -> Result<(), StoreError> {
        let mut bytes = serde_json::to_vec_pretty(record).map_err(|error| StoreError::Malformed {
            path: self.record_path(),
            expected: "a record that can be written as JSON",
            found: error.to_string(),
        })?;
        bytes.push(b'\n');
        private_file::replace(&self.record_path(), &bytes, durability)
    }

    /// Adds a line to `events.jsonl`; works while a recorder is at work and after.
    pub fn append(&self, event: &Event) -> Result<(), StoreError> {
        let path = self.events_path();
        let mut line = serde_json::to_vec(event).map_err(|error| StoreError::Malformed {
            path: path.clone(),
            expected: "an event that can be written as JSON",
            found: error.to_string(),
        })?;
        line.push(b'\n');
        private_file::open_append(&path)?.write_all(&line).map_err(StoreError::io("write", &path))
    }

    /// How far the run got, given its record.
    pub fn state(&self, record: &RunRecord) -> RunState {
        if record.end.is_some() || record.imported.is_some() {
            RunState::Ended
        } else if self.is_locked() {
            RunState::Running
        } else {
            RunState::Interrupted
        }
    }

    fn is_locked(&self) -> bool {
        File::open(&self.path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Changes whenever `run.json` or the events do.
    pub(crate) fn stamp(&self) -> String {
        let stamp = |path: PathBuf| {
            fs::symlink_metadata(path).map_or_else(
                |_| "-".to_owned(),
                |metadata| {
                    let modified = metadata.modified().map_or(Timestamp(0), Timestamp::from);
                    format!("{}.{}", modified.0, metadata.len())
                },
            )
        };
        format!("{}/{}", stamp(self.record_path()), stamp(self.events_path()))
    }

    /// Removes the folder and everything in it.
    pub fn remove(self) -> Result<(), StoreError> {
        fs::remove_dir_all(&self.path).map_err(StoreError::io("remove", &self.path))
    }
}

fn read_text(path: &Path) -> Result<Option<String>, StoreError> {
    let file = match private_file::open_read(path) {
        Ok(file) => file,
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(TEXT_LIMIT + 1).read_to_end(&mut bytes).map_err(StoreError::io("read", path))?;
    if bytes.len() as u64 > TEXT_LIMIT {
        return Err(StoreError::TooLarge { path: path.to_owned(), limit: TEXT_LIMIT });
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
