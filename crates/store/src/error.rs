//! What can go wrong with files and database.

use std::io;
use std::path::{Path, PathBuf};

/// A failure to read or write the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder could not be read or written.
    #[error("failed to {action} `{}`", path.display())]
    Io {
        /// What was tried: `create`, `read`, `write`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A file holds something else than it should.
    #[error("failed to read `{}`: expected {expected}, found {found}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// Written by a newer brimline.
    #[error("failed to read `{}`: expected version {known} or older, found version {found}", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Newest version that this brimline knows.
        known: u32,
        /// Version found.
        found: u32,
    },
    /// A file would need more memory than allowed.
    #[error("failed to read `{}`: expected at most {limit} bytes, found more", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// The database failed.
    #[error("failed to {action} in database `{}`", path.display())]
    Database {
        /// What was tried.
        action: &'static str,
        /// The database.
        path: PathBuf,
        /// `SQLite`'s answer.
        #[source]
        source: rusqlite::Error,
    },
    /// A name that cannot be given to a run, a mark or a baseline.
    #[error("expected a name of 1 to 100 characters without `/`, `@`, `~` and control characters, found `{found}`")]
    BadName {
        /// The name.
        found: String,
    },
}

impl StoreError {
    /// For `map_err`: adds what was tried, and on which file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// The system's error number, if the system refused something.
    pub fn os_error(&self) -> Option<i32> {
        match self {
            Self::Io { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}
