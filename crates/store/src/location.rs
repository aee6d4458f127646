//! Where the store is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Name of the store's folder in a project.
const FOLDER: &str = ".brimline";
/// A store above a folder that holds one of these belongs to something else.
const REPOSITORY_SIGNS: [&str; 2] = [".git", ".hg"];
/// A folder that holds one of these is a project's own.
const PROJECT_SIGNS: [&str; 7] =
    [".git", ".hg", "pyproject.toml", "setup.py", "brimline.toml", "package.json", "go.mod"];

/// Who named the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocationSource {
    /// `--store` or `BRIMLINE_STORE`.
    Given,
    /// A `.brimline` in the working directory or above, within its repository.
    Found,
    /// None was found: a new one beside the project.
    NewInProject,
    /// The working directory is gone or cannot be written.
    UserData,
}

/// A place for a store; looking for it creates nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The store's folder, which need not exist yet.
    pub root: PathBuf,
    /// Why there.
    pub source: LocationSource,
}

impl Location {
    /// Finds the store.
    ///
    /// `given` is `--store`, else `BRIMLINE_STORE`; `cwd` the working directory if it still exists; `user_data` the
    /// folder for the user's data (`$XDG_DATA_HOME`, else `~/.local/share`). A `.brimline` of another user is passed
    /// by: in a shared folder such as `/tmp` it would receive our recordings.
    pub fn find(given: Option<&Path>, cwd: Option<&Path>, user_data: Option<&Path>) -> Self {
        if let Some(given) = given {
            let root = match cwd {
                Some(cwd) => cwd.join(given),
                None => given.to_owned(),
            };
            return Self { root, source: LocationSource::Given };
        }
        if let Some(cwd) = cwd {
            let has = |folder: &Path, signs: &[&str]| signs.iter().any(|sign| folder.join(sign).exists());
            let top = cwd.ancestors().position(|folder| has(folder, &REPOSITORY_SIGNS)).unwrap_or(usize::MAX);
            let mut folders = cwd.ancestors().take(top.saturating_add(1)).map(|folder| folder.join(FOLDER));
            if let Some(root) = folders.find(|root| is_own_folder(root)) {
                return Self { root, source: LocationSource::Found };
            }
            let project = cwd
                .ancestors()
                .find(|folder| has(folder, &PROJECT_SIGNS))
                .filter(|project| is_writable(project))
                .unwrap_or(cwd);
            if is_writable(project) {
                return Self { root: project.join(FOLDER), source: LocationSource::NewInProject };
            }
        }
        let root = user_data.map_or_else(std::env::temp_dir, Path::to_owned).join("brimline");
        Self { root, source: LocationSource::UserData }
    }

    /// [`Location::find`] with the process's own environment and working directory.
    pub fn of_process(given: Option<&Path>) -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let given = given.map(Path::to_owned).or_else(|| variable("BRIMLINE_STORE"));
        let user_data = variable("XDG_DATA_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| variable("HOME").map(|home| home.join(".local/share")));
        let cwd = std::env::current_dir().ok();
        Self::find(given.as_deref(), cwd.as_deref(), user_data.as_deref())
    }
}

fn own_uid() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

fn is_own_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| {
        metadata.is_dir() && own_uid().is_none_or(|uid| metadata.uid() == uid) && is_writable(path)
    })
}

/// Whether a folder lets this process create files, found out by asking, since modes do not tell about access lists,
/// read-only mounts and root.
fn is_writable(folder: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(path) = std::ffi::CString::new(folder.as_os_str().as_bytes()) else { return false };
    access(&path)
}

#[allow(unsafe_code, reason = "access(2) has no counterpart in std")]
fn access(path: &std::ffi::CStr) -> bool {
    // SAFETY: `path` is NUL-terminated and lives through the call, which only reads it.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::W_OK | libc::X_OK, libc::AT_EACCESS) == 0 }
}

#[cfg(test)]
mod tests {
    use super::{Location, LocationSource};

    #[test]
    fn prefers_given_then_found_then_project() {
        let base = tempfile::tempdir().unwrap();
        let deep = base.path().join("project/src/deep");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::create_dir(base.path().join("project/.git")).unwrap();
        std::fs::create_dir(base.path().join(".brimline")).unwrap();
        let location = Location::find(None, Some(&deep), None);
        assert_eq!(location.source, LocationSource::NewInProject);
        assert_eq!(location.root, base.path().join("project/.brimline"));
        std::fs::create_dir(base.path().join("project/src/.brimline")).unwrap();
        let location = Location::find(None, Some(&deep), None);
        assert_eq!(location.source, LocationSource::Found);
        assert_eq!(location.root, base.path().join("project/src/.brimline"));
        let location = Location::find(Some("elsewhere".as_ref()), Some(&deep), None);
        assert_eq!(location.source, LocationSource::Given);
        assert_eq!(location.root, deep.join("elsewhere"));
    }

    #[test]
    fn falls_back_to_the_users_data_without_a_working_directory() {
        let location = Location::find(None, None, Some("/data".as_ref()));
        assert_eq!(location.source, LocationSource::UserData);
        assert_eq!(location.root, std::path::Path::new("/data/brimline"));
    }
}
