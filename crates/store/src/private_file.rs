//! Files that only their owner can read: mode 0600 in folders of mode 0700 whatever the umask, never through a
//! symbolic link, and replaced as a whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// Whether a replaced file must survive a power cut, or only a killed process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Waits for the disk before the rename.
    Synced,
    /// The rename is atomic for everyone who looks, and the disk follows when it likes.
    Cached,
}

/// Creates one folder; it must not exist yet.
pub fn create_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().mode(0o700).create(path).map_err(StoreError::io("create", path))?;
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(StoreError::io("set the mode of", path))
}

/// Creates a folder and those above it; folders that exist stay as they are.
pub fn ensure_folder(path: &Path) -> Result<(), StoreError> {
    match create_folder(path) {
        Ok(()) => Ok(()),
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                ensure_folder(parent)?;
            }
            match create_folder(path) {
                // Another process was faster.
                Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                other => other,
            }
        }
        Err(error) => Err(error),
    }
}

/// Opens a file for appending and creates it if needed.
pub fn open_append(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
        .map_err(StoreError::io("open", path))?;
    make_private(&file, path)?;
    Ok(file)
}

/// Creates a file that must not exist yet.
pub fn create_new(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
        .map_err(StoreError::io("create", path))?;
    make_private(&file, path)?;
    Ok(file)
}

/// Opens a file for reading; refuses a symbolic link in the last place.
pub fn open_read(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        // Without O_NONBLOCK a named pipe put there would stop us for ever.
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)
        .map_err(StoreError::io("open", path))
}

/// Writes `bytes` to a temporary file beside `path` and renames it into place.
pub fn replace(path: &Path, bytes: &[u8], durability: Durability) -> Result<(), StoreError> {
    let temporary = temporary_path(path);
    let result = write_temporary(&temporary, bytes, durability)
        .and_then(|()| fs::rename(&temporary, path).map_err(StoreError::io("write", path)));
    if result.is_err() {
        // Best effort: the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn write_temporary(path: &Path, bytes: &[u8], durability: Durability) -> Result<(), StoreError> {
    let mut file = create_new(path)?;
    file.write_all(bytes).map_err(StoreError::io("write", path))?;
    match durability {
        Durability::Synced => file.sync_data().map_err(StoreError::io("sync", path)),
        Durability::Cached => Ok(()),
    }
}

/// A name that no other process uses: the process id and a counter are in it. A leftover of a dead process with the
/// same id is removed.
fn temporary_path(path: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{count}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let _ = fs::remove_file(&temporary);
    temporary
}

fn make_private(file: &File, path: &Path) -> Result<(), StoreError> {
    let mode = file.metadata().map_err(StoreError::io("read", path))?.permissions().mode();
    if mode & 0o777 == 0o600 {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(0o600)).map_err(StoreError::io("set the mode of", path))
}
