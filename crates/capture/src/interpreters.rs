//! Python interpreters of this machine: where they are, whether their allocations can be tracked, and what to do if not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Oldest minor version of `CPython` 3 that the tracker records.
const OLDEST_MINOR: u32 = 8;
/// Names of interpreters that are looked for on the `PATH`.
const NAMES: [&str; 10] = [
    "python3",
    "python",
    "python3.8",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "python3.15",
];
/// An interpreter that says nothing for this long is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const QUESTION: &str = "import sys, sysconfig, importlib.util\n\
    print(sys.implementation.name, *sys.version_info[:3], sys.prefix != sys.base_prefix, \
    sysconfig.get_config_var('Py_GIL_DISABLED') == 1, 'musl' in str(sysconfig.get_config_vars('HOST_GNU_TYPE', 'SOABI')), \
    sysconfig.get_config_var('WITH_PYMALLOC') == 0, \
    ' '.join(name for name in sys.argv[1:] if importlib.util.find_spec(name)), sep='\\n')";

/// An interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    /// As found.
    pub path: PathBuf,
    /// For example `3.11.7`; `None` if it did not answer.
    pub version: Option<String>,
    /// Whether it belongs to a virtual environment.
    pub is_virtual_environment: bool,
    /// Whether its objects come from `malloc` because it was built without pymalloc.
    pub is_without_pymalloc: bool,
    /// Those of the packages asked about that it can import.
    pub packages: Vec<String>,
    /// Whether allocations can be tracked.
    pub support: Support,
}

/// Whether the tracker supports an interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    /// Yes.
    Supported,
    /// No: the program runs untracked, the process series is recorded.
    Unsupported {
        /// Why.
        reason: String,
        /// What to do.
        advice: String,
    },
}

impl Support {
    fn unsupported(reason: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Unsupported { reason: reason.into(), advice: advice.into() }
    }
}

/// Interpreters of the active environment, of environments in the working directory, on `PATH`, and those that pyenv, uv
/// and conda keep, each asked which of `packages` it can import.
pub(crate) fn interpreters(packages: &[&str]) -> Vec<Python> {
    let mut seen = BTreeSet::new();
    // `python` and `python3` beside each other are one interpreter; an environment's is another than the one it links to.
    let identity = |path: &PathBuf| (path.parent().map(Path::to_owned), fs::canonicalize(path).ok());
    let candidates = environments().chain(on_path()).chain(managed());
    candidates.filter(|path| path.is_file() && seen.insert(identity(path))).map(|path| ask(path, packages)).collect()
}

fn environments() -> impl Iterator<Item = PathBuf> {
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let here = std::env::current_dir().map(|folder| subfolders(&folder)).unwrap_or_default();
    let own = here.into_iter().filter(|folder| folder.join("pyvenv.cfg").is_file());
    active.chain(own).map(|folder| folder.join("bin/python"))
}

fn on_path() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let shims = pyenv().join("shims");
    // pyenv's stand-ins for versions that are not chosen here only say so; `versions` has them all.
    let names = |folder: PathBuf| {
        if folder == shims { &NAMES[..2] } else { &NAMES[..] }.iter().map(move |name| folder.join(name))
    };
    std::env::split_paths(&path).flat_map(names).collect::<Vec<_>>().into_iter()
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default()
}

fn pyenv() -> PathBuf {
    std::env::var_os("PYENV_ROOT").map_or_else(|| home().join(".pyenv"), PathBuf::from)
}

/// What version managers keep beside the `PATH`.
fn managed() -> impl Iterator<Item = PathBuf> {
    let home = home();
    let folders = [
        pyenv().join("versions"),
        home.join(".local/share/uv/python"),
        home.join("miniconda3/envs"),
        home.join("miniforge3/envs"),
        home.join("anaconda3/envs"),
    ];
    folders.into_iter().flat_map(|folder| subfolders(&folder)).map(|folder| folder.join("bin/python3"))
}

/// Folders in `folder`, links left out: they are second names. Sorted.
fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<_> =
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

fn ask(path: PathBuf, packages: &[&str]) -> Python {
    let answer = output(&path, packages);
    let lines: Vec<&str> = answer.as_deref().unwrap_or_default().lines().collect();
    let [name, major, minor, micro, environment, is_free_threaded, is_musl, is_without_pymalloc, present] = lines[..]
    else {
        let advice = format!(
            "see what `{} -c 1` says; a broken environment is made anew with `python3 -m venv`",
            path.display()
        );
        let support = Support::unsupported("the interpreter did not answer", advice);
        return Python {
            path,
            version: None,
            is_virtual_environment: false,
            is_without_pymalloc: false,
            packages: Vec::new(),
            support,
        };
    };
    let version = format!("{major}.{minor}.{micro}");
    let is_known = major == "3" && minor.parse().is_ok_and(|minor: u32| minor >= OLDEST_MINOR);
    let support = if name != "cpython" {
        Support::unsupported(
            format!("expected CPython, found {name}"),
            "run the program with CPython to see its allocations",
        )
    } else if is_free_threaded == "True" {
        let advice = format!(
            "use the build of Python {major}.{minor} with the global interpreter lock (`python{major}.{minor}` without `t`)"
        );
        Support::unsupported("free-threaded builds are not supported", advice)
    } else if !is_known {
        let reason = format!("expected Python 3.{OLDEST_MINOR} or newer, found {version}");
        Support::unsupported(reason, format!("run the program with Python 3.{OLDEST_MINOR} or newer"))
    } else if is_musl == "True" {
        let advice = "use an image with glibc (`python:slim` in place of `python:alpine`)";
        Support::unsupported("expected the GNU C library, found musl", advice)
    } else {
        Support::Supported
    };
    Python {
        path,
        version: Some(version),
        is_virtual_environment: environment == "True",
        is_without_pymalloc: is_without_pymalloc == "True",
        packages: present.split_whitespace().map(str::to_owned).collect(),
        support,
    }
}

fn output(path: &Path, packages: &[&str]) -> Option<String> {
    output_of(Command::new(path).args(["-I", "-c", QUESTION]).args(packages))
}

/// What a command prints within [`PATIENCE`]: a few bytes, which a pipe holds.
pub(crate) fn output_of(command: &mut Command) -> Option<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait().ok()? {
            Some(exit) => {
                let mut text = String::new();
                std::io::Read::read_to_string(child.stdout.as_mut()?, &mut text).ok()?;
                return exit.success().then_some(text);
            }
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn answering(folder: &Path, name: &str, answer: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\nprintf '{answer}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn says_of_each_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        for (answer, reason, advice) in [
            ("pypy\\n3\\n10\\n14\\nFalse\\nFalse\\nFalse\\nFalse\\n\\n", "found pypy", "with CPython"),
            ("cpython\\n3\\n14\\n0\\nFalse\\nTrue\\nFalse\\nFalse\\n\\n", "free-threaded", "`python3.14` without `t`"),
            ("cpython\\n3\\n6\\n9\\nFalse\\nFalse\\nFalse\\nFalse\\n\\n", "found 3.6.9", "3.8 or newer"),
            ("cpython\\n3\\n12\\n0\\nFalse\\nFalse\\nTrue\\nFalse\\n\\n", "found musl", "python:slim"),
            ("", "did not answer", "-c 1"),
        ] {
            let python = ask(answering(folder.path(), "python3", answer), &[]);
            let Support::Unsupported { reason: said, advice: told } = python.support else {
                panic!("{answer} is supported")
            };
            assert!(said.contains(reason) && told.contains(advice), "{answer}: {said}; {told}");
        }
        let plain = ask(
            answering(folder.path(), "python3", "cpython\\n3\\n13\\n1\\nTrue\\nFalse\\nFalse\\nTrue\\nnumpy torch\\n"),
            &[],
        );
        assert_eq!((plain.support, plain.is_without_pymalloc), (Support::Supported, true));
        assert_eq!(plain.packages, ["numpy", "torch"]);
        assert!(plain.is_virtual_environment);
    }
}
