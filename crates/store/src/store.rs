//! All runs of a store.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::database::{self, Database};
use crate::error::StoreError;
use crate::event::Event;
use crate::folder::{RunFolder, RunLock, RunState};
use crate::location::Location;
use crate::private_file;
use crate::record::{Mark, RunId, RunName, RunRecord};
use crate::timestamp::Timestamp;

/// A store; its folder need not exist until the first run is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEntry {
    /// Its folder.
    pub folder: RunFolder,
    /// What is known about it.
    pub record: RunRecord,
    /// How far it got.
    pub state: RunState,
}

impl Store {
    /// The store at a location.
    pub fn new(location: Location) -> Self {
        Self { root: location.root }
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folders of the runs.
    pub fn runs_path(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// The database's file.
    pub fn database_path(&self) -> PathBuf {
        self.root.join("brimline.db")
    }

    /// Creates a run's folder, locked for the caller, who records into it. Does not touch the database.
    pub fn create_run(&self) -> Result<(RunFolder, RunLock), StoreError> {
        if !self.root.is_dir() {
            private_file::ensure_folder(&self.root)?;
        }
        let ignore = self.root.join(".gitignore");
        if !ignore.exists() {
            private_file::replace(&ignore, b"*\n", private_file::Durability::Cached)?;
        }
        RunFolder::create(&self.runs_path())
    }

    /// Opens the database; a damaged one is set aside as `brimline.db.damaged` and built anew from the folders.
    pub fn database(&self) -> Result<Database, StoreError> {
        private_file::ensure_folder(&self.root)?;
        match Database::open(&self.database_path()) {
            Err(error) if database::is_damage(&error) => self.rebuild(),
            other => other,
        }
    }

    /// Builds the database anew from the folders; the old file is kept as `brimline.db.damaged`.
    pub fn rebuild(&self) -> Result<Database, StoreError> {
        let path = self.database_path();
        let moved = fs::rename(&path, self.root.join("brimline.db.damaged"));
        match moved {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("set aside", &path)(error));
            }
            _ => {}
        }
        for suffix in ["brimline.db-wal", "brimline.db-shm"] {
            // They belong to the file set aside; left here they would be taken for the new one's.
            let _ = fs::remove_file(self.root.join(suffix));
        }
        let mut database = Database::open(&path)?;
        for folder in self.folders()? {
            if let Ok(record) = folder.load() {
                database.put(&record, &folder.stamp())?;
            }
        }
        Ok(database)
    }

    /// Brings the database's rows of one run up to date with its folder.
    pub fn index(&self, folder: &RunFolder) -> Result<(), StoreError> {
        self.database()?.index(folder)
    }

    /// All runs, newest first. The database is brought up to date on the way where it can be written; where it cannot,
    /// the folders are read. Folders that cannot be read are left out (see [`Store::unreadable`]).
    pub fn runs(&self) -> Result<Vec<RunEntry>, StoreError> {
        let folders = self.folders()?;
        if folders.is_empty() {
            return Ok(Vec::new());
        }
        let mut database = match self.database() {
            Ok(database) => Some(database),
            Err(error @ StoreError::TooNew { .. }) => return Err(error),
            Err(_) => None,
        };
        let mut entries = Vec::with_capacity(folders.len());
        for folder in folders {
            if let Some(entry) = read_entry(folder, database.as_mut()) {
                entries.push(entry);
            }
        }
        if let Some(database) = &mut database {
            forget_missing(database, &entries);
        }
        entries.sort_by(|a, b| (b.record.start, &b.record.id).cmp(&(a.record.start, &a.record.id)));
        Ok(entries)
    }

    /// Folders of runs whose record cannot be read, with the reason.
    pub fn unreadable(&self) -> Result<Vec<(RunFolder, StoreError)>, StoreError> {
        let failed = |folder: RunFolder| folder.load().err().map(|error| (folder, error));
        Ok(self.folders()?.into_iter().filter_map(failed).collect())
    }

    /// The run with this id.
    pub fn folder(&self, id: &RunId) -> Option<RunFolder> {
        RunFolder::open(&self.runs_path().join(id.as_str()))
    }

    fn folders(&self) -> Result<Vec<RunFolder>, StoreError> {
        let path = self.runs_path();
        let listing = match fs::read_dir(&path) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        };
        Ok(listing.filter_map(|entry| RunFolder::open(&entry.ok()?.path())).collect())
    }

    /// Makes a run the baseline `name`; a run that had the name before loses it.
    pub fn set_baseline(&self, folder: &RunFolder, name: RunName) -> Result<(), StoreError> {
        folder.append(&Event::Baseline(Mark { name, at: Timestamp::now() }))?;
        self.index(folder)
    }

    /// Names a run, or takes its name away.
    pub fn rename(&self, folder: &RunFolder, name: Option<RunName>) -> Result<(), StoreError> {
        folder.append(&Event::Renamed { name, at: Timestamp::now() })?;
        self.index(folder)
    }

    /// Removes a run for good.
    pub fn delete(&self, folder: RunFolder) -> Result<(), StoreError> {
        let id = folder.id().clone();
        folder.remove()?;
        self.database()?.remove(&id)
    }
}

/// The run that is baseline `name` among `entries`: the one that got the name last.
pub(crate) fn baseline<'a>(entries: &'a [RunEntry], name: &str) -> Option<&'a RunEntry> {
    let when = |entry: &RunEntry| {
        entry.record.baselines.iter().filter(|mark| mark.name.as_str() == name).map(|mark| mark.at).max()
    };
    entries.iter().filter(|entry| when(entry).is_some()).max_by_key(|entry| when(entry))
}

fn read_entry(folder: RunFolder, database: Option<&mut Database>) -> Option<RunEntry> {
    let stamp = folder.stamp();
    let known = database.as_ref().and_then(|database| database.record(folder.id(), &stamp).ok().flatten());
    if let Some(record) = known
        && record.end.is_some()
    {
        return Some(RunEntry { state: RunState::Ended, folder, record });
    }
    let record = folder.load().ok()?;
    let state = folder.state(&record);
    if let Some(database) = database.filter(|_| database::is_lasting(state)) {
        // A failed write costs the next reader time and nothing else.
        let _ = database.put(&record, &stamp);
    }
    Some(RunEntry { folder, record, state })
}

/// Drops rows of runs whose folders somebody removed by hand.
fn forget_missing(database: &mut Database, entries: &[RunEntry]) {
    let present: HashSet<&RunId> = entries.iter().map(|entry| &entry.record.id).collect();
    for id in database.ids().unwrap_or_default() {
        if !present.contains(&id) {
            let _ = database.remove(&id);
        }
    }
}
