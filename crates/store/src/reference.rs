//! The `RUN` that a user types: an id prefix, a name, a baseline's name, `latest`, `latest~N`, a file, each with an
//! optional `@MARK` for a snapshot in it.

use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::folder::RunFolder;
use crate::record::{RunName, SnapshotRecord};
use crate::store::{RunEntry, Store, baseline};

/// At most this many known names are listed in an error.
const LISTED: usize = 10;

/// What a `RUN` means.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved {
    /// A run of the store.
    Run(Box<ResolvedRun>),
    /// A file outside the store.
    File(PathBuf),
}

/// A run, and the snapshot in it that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedRun {
    /// The run.
    pub entry: RunEntry,
    /// The snapshot after `@`, `None` without one.
    pub snapshot: Option<SnapshotRecord>,
}

/// Why a `RUN` means nothing.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The store has no run at all.
    #[error("expected a recorded run, found none in `{}`", store.display())]
    NoRuns {
        /// The store.
        store: PathBuf,
    },
    /// No run of that name, and no file.
    #[error("expected a run or a file, found `{text}`, which is neither; known runs: {known}")]
    Unknown {
        /// What was typed.
        text: String,
        /// Some known names.
        known: String,
    },
    /// An id prefix of several runs.
    #[error("expected the start of one run's id, found `{text}`, which fits {fitting}")]
    Ambiguous {
        /// What was typed.
        text: String,
        /// The ids.
        fitting: String,
    },
    /// `latest~N` with too large an N.
    #[error("expected one of the {count} recorded runs, found `{text}`; the oldest is `latest~{}`", count - 1)]
    TooFarBack {
        /// What was typed.
        text: String,
        /// Number of runs.
        count: usize,
    },
    /// No snapshot of that name in the run.
    #[error("expected a snapshot of run `{run}`, found `{mark}`; known snapshots: {known}")]
    UnknownMark {
        /// The run.
        run: String,
        /// What was typed after `@`.
        mark: String,
        /// The known ones.
        known: String,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Finds what `text` means; an empty text is the latest run. Paths are relative to the working directory.
    pub fn resolve(&self, text: &str) -> Result<Resolved, ResolveError> {
        // A path is a path even where a run has that name: `./app` for the file, `app` for the run.
        if text.contains('/')
            && let Some(found) = as_path(text)?
        {
            return Ok(found);
        }
        let entries = self.runs()?;
        match self.find(&entries, text) {
            Ok(entry) => Ok(run(entry, None)),
            Err(error) => {
                if let Some((word, mark)) = text.rsplit_once('@') {
                    return self.with_mark(&entries, word, mark);
                }
                as_path(text)?.ok_or(error)
            }
        }
    }

    fn with_mark(&self, entries: &[RunEntry], word: &str, mark: &str) -> Result<Resolved, ResolveError> {
        let given;
        let entry = match as_path(word)?.filter(|_| word.contains('/')) {
            Some(Resolved::Run(found)) => {
                given = found.entry;
                &given
            }
            _ => self.find(entries, word)?,
        };
        let snapshot = entry.record.snapshots.iter().rev().find(|snapshot| snapshot.name.as_str() == mark);
        let Some(snapshot) = snapshot else {
            let known = list(entry.record.snapshots.iter().map(|snapshot| snapshot.name.as_str()));
            return Err(ResolveError::UnknownMark {
                run: entry.record.label().to_owned(),
                mark: mark.escape_default().to_string(),
                known,
            });
        };
        Ok(run(entry, Some(snapshot.clone())))
    }

    /// Order: `latest`, whole id, name (newest first), baseline, start of an id.
    fn find<'a>(&self, entries: &'a [RunEntry], text: &str) -> Result<&'a RunEntry, ResolveError> {
        if entries.is_empty() {
            return Err(ResolveError::NoRuns { store: self.root().to_owned() });
        }
        let back = match text {
            "" | "latest" => Some(0),
            _ => text.strip_prefix("latest~").and_then(|count| count.parse::<usize>().ok()),
        };
        if let Some(back) = back {
            return entries
                .get(back)
                .ok_or_else(|| ResolveError::TooFarBack { text: text.to_owned(), count: entries.len() });
        }
        let named = |entry: &&RunEntry| entry.record.name.as_ref().is_some_and(|name| name.as_str() == text);
        let whole = entries.iter().find(|entry| entry.record.id.as_str() == text);
        if let Some(entry) = whole.or_else(|| entries.iter().find(named)).or_else(|| baseline(entries, text)) {
            return Ok(entry);
        }
        let fitting: Vec<_> = entries.iter().filter(|entry| entry.record.id.as_str().starts_with(text)).collect();
        match fitting[..] {
            [entry] => Ok(entry),
            [] => Err(ResolveError::Unknown { text: text.escape_default().to_string(), known: known_names(entries) }),
            _ => Err(ResolveError::Ambiguous {
                text: text.to_owned(),
                fitting: list(fitting.iter().map(|entry| entry.record.id.as_str())),
            }),
        }
    }
}

fn run(entry: &RunEntry, snapshot: Option<SnapshotRecord>) -> Resolved {
    Resolved::Run(Box::new(ResolvedRun { entry: entry.clone(), snapshot }))
}

/// A run's folder or another file at that path.
fn as_path(text: &str) -> Result<Option<Resolved>, StoreError> {
    let path = Path::new(text);
    if let Some(folder) = RunFolder::open(path) {
        let record = folder.load()?;
        let state = folder.state(&record);
        return Ok(Some(run(&RunEntry { folder, record, state }, None)));
    }
    Ok(path.is_file().then(|| Resolved::File(path.to_owned())))
}

fn known_names(entries: &[RunEntry]) -> String {
    let baselines = entries.iter().flat_map(|entry| &entry.record.baselines).map(|mark| mark.name.as_str());
    let mut names: Vec<&str> = entries
        .iter()
        .map(|entry| entry.record.name.as_ref().map_or(entry.record.id.as_str(), RunName::as_str))
        .chain(baselines)
        .collect();
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(*name));
    list(names.into_iter())
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => "none".to_owned(),
        count if count > LISTED => format!("{} and {} more", names[..LISTED].join(", "), count - LISTED),
        _ => names.join(", "),
    }
}
