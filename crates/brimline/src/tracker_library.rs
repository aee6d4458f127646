//! The tracker, carried inside this program and written to the user's cache folder when it is first needed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const LIBRARY: &[u8] = include_bytes!(env!("BRIMLINE_TRACKER"));

/// Path of the library in the user's cache, else in a temporary folder, else in the store; or in words why there is none.
pub(crate) fn installed(store: &Path) -> Result<PathBuf, String> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let user = fs::metadata("/proc/self").map_or(0, |own| own.uid());
    // A home that cannot be written (containers, system users) must not cost the recording.
    let fallback = std::env::temp_dir().join(format!("brimline-{user}"));
    let mut reasons = Vec::new();
    for folder in cache.map(|cache| cache.join("brimline")).into_iter().chain([fallback, store.join("tracker")]) {
        match install(LIBRARY, &folder) {
            Ok(path) => return Ok(path),
            Err(error) => reasons.push(format!("`{}`: {error}", folder.display())),
        }
    }
    Err(format!("the tracker could not be written to {}", reasons.join(" nor to ")))
}

/// Writes `library` to `folder` under the hash of its bytes, unless it is there already.
fn install(library: &[u8], folder: &Path) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::symlink_metadata(folder)?;
    let owner = fs::metadata("/proc/self")?.uid();
    if !metadata.is_dir() || metadata.uid() != owner {
        return Err(io::Error::other("the folder belongs to someone else"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    if !brimline_capture::can_execute(folder) {
        return Err(io::Error::other("the file system is mounted with `noexec`"));
    }
    let path = folder.join(format!("tracker-{:016x}.so", hash(library)));
    if is_intact(&path, library) {
        return Ok(path);
    }
    let temporary = folder.join(format!(".tracker-{}.tmp", std::process::id()));
    let written = write(&temporary, library).and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        // Whatever stopped the writing is what the user should hear.
        let _ = fs::remove_file(&temporary);
    }
    written.map(|()| path)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whether a regular file with exactly these bytes is there: what a crash or another user left is written anew.
fn is_intact(path: &Path, library: &[u8]) -> bool {
    let regular = fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == library.len() as u64);
    if !regular {
        return false;
    }
    let mut found = Vec::with_capacity(library.len());
    File::open(path).and_then(|mut file| file.read_to_end(&mut found)).is_ok() && found == library
}

/// FNV-1a, 64 bits: a name for the content; the bytes themselves are compared.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_once_private_and_repaired() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let folder = parent.path().join("a/brimline");
        let path = install(b"library", &folder).expect("installs");
        let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
        let first = fs::metadata(&path).expect("is there").ino();
        assert_eq!(install(b"library", &folder).expect("installs"), path);
        assert_eq!(fs::metadata(&path).expect("is there").ino(), first);
        fs::write(&path, b"librarx").expect("writes");
        install(b"library", &folder).expect("installs");
        assert_eq!(fs::read(&path).expect("reads"), b"library");
        assert_ne!(install(b"other", &folder).expect("installs"), path);
    }
}
