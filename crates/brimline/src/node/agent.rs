//! The script that Node programs load, written to the cache beside the tracker.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use brimline_capture::node::{AGENT, NodePlan};

/// The plan for Node programs; `tracker` is the file of the tracker or why there is none.
pub(crate) fn plan(tracker: &Result<PathBuf, String>) -> NodePlan {
    let agent = tracker.as_ref().map_err(Clone::clone).and_then(|tracker| {
        let folder = tracker.parent().unwrap_or(Path::new("/"));
        installed(folder).map_err(|error| format!("`{}`: {error}", folder.display()))
    });
    NodePlan { agent }
}

/// Writes the script under the hash of its text, unless it is there.
fn installed(folder: &Path) -> io::Result<PathBuf> {
    // FNV-1a: a name for the content; the bytes themselves are compared.
    let hash = AGENT
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let path = folder.join(format!("node-{hash:016x}.cjs"));
    if fs::read(&path).is_ok_and(|found| found == AGENT.as_bytes()) {
        return Ok(path);
    }
    // Whoever may read the tracker may read this.
    let mode = fs::metadata(folder)?.permissions().mode() & 0o666;
    let temporary = folder.join(format!(".node-{}.tmp", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(AGENT.as_bytes())?;
    fs::rename(&temporary, &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_once_and_repaired() {
        let folder = tempfile::tempdir().unwrap();
        let path = installed(folder.path()).unwrap();
        fs::write(&path, "exit()").unwrap();
        assert_eq!(installed(folder.path()).unwrap(), path);
        assert_eq!(fs::read_to_string(&path).unwrap(), AGENT);
        assert_eq!(plan(&Err("no cache".into())).agent, Err("no cache".into()));
    }
}
