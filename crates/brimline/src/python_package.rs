//! The Python package's files, carried inside this program: what `@profile` needs in a program that is recorded.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../python/brimline/", $name)))),*]
    };
}

const FILES: [(&str, &str); 11] = files![
    "__init__.py",
    "_command.py",
    "_inject.py",
    "_lines.py",
    "_magics.py",
    "_measure.py",
    "_memory_profiler.py",
    "_session.py",
    "_snapshot.py",
    "_tracker.py",
    "_watch.py",
];

/// Writes the package beside the tracker, under the hash of its content, unless it is there; the script that the tracker
/// runs in the program.
pub(crate) fn installed(tracker: &Path) -> io::Result<PathBuf> {
    let folder = tracker.parent().unwrap_or(Path::new("/"));
    // Whoever may read the tracker may read this.
    let mode = fs::metadata(folder)?.permissions().mode() & 0o777;
    let hash = FILES
        .iter()
        .flat_map(|(name, text)| name.bytes().chain(text.bytes()))
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let package = folder.join(format!("python-{hash:016x}")).join("brimline");
    DirBuilder::new().recursive(true).mode(mode).create(&package)?;
    for (name, text) in FILES {
        let path = package.join(name);
        if fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
            continue;
        }
        let temporary = package.join(format!(".{name}-{}.tmp", std::process::id()));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode & 0o666).open(&temporary)?;
        file.set_permissions(fs::Permissions::from_mode(mode & 0o666))?;
        file.write_all(text.as_bytes())?;
        drop(file);
        fs::rename(&temporary, &path)?;
    }
    Ok(package.join("_inject.py"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_once_and_repaired() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tracker = folder.path().join("tracker.so");
        let script = installed(&tracker).expect("installs");
        assert!(script.is_file() && script.with_file_name("_watch.py").is_file());
        fs::write(&script, "exit()").expect("writes");
        assert_eq!(installed(&tracker).expect("installs"), script);
        assert!(fs::read_to_string(&script).expect("reads").contains("Finder"));
    }
}
