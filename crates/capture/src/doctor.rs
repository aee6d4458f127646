//! What is here and what would work: plain data for `brimline doctor`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::cgroup::memory_limit;
use crate::file_system::free_bytes;

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
/// An interpreter that says nothing for this long is left out.
const PATIENCE: Duration = Duration::from_secs(5);
const QUESTION: &str = "import sys, sysconfig, importlib.util\n\
    print(sys.implementation.name, *sys.version_info[:3], sys.prefix != sys.base_prefix, \
    sysconfig.get_config_var('Py_GIL_DISABLED') == 1, \
    ' '.join(name for name in sys.argv[1:] if importlib.util.find_spec(name)), sep='\\n')";

/// The state of this machine and working directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Doctor {
    /// Interpreters: the active environment's, the folder's own, those on `PATH`.
    pub pythons: Vec<Python>,
    /// The control group's memory limit.
    pub memory_limit_bytes: Option<u64>,
    /// Memory of the machine.
    pub physical_memory_bytes: Option<u64>,
    /// Yama's setting; `None` where there is no Yama, so that attaching needs the same user only.
    pub ptrace_scope: Option<u8>,
    /// Room for runs.
    pub store_free_bytes: Option<u64>,
    /// Room for temporary files.
    pub temporary_free_bytes: Option<u64>,
    /// `x86_64`, `aarch64`.
    pub architecture: &'static str,
    /// Linux release.
    pub kernel: Option<String>,
}

/// An interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    /// As found.
    pub path: PathBuf,
    /// For example `3.11.7`; `None` if it did not answer.
    pub version: Option<String>,
    /// Whether it belongs to a virtual environment.
    pub is_virtual_environment: bool,
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
    },
}

/// Looks around; `store` is where runs would be kept, `packages` are those whose presence matters.
pub fn inspect(store: &Path, packages: &[&str]) -> Doctor {
    Doctor {
        pythons: python_paths().into_iter().map(|path| ask(path, packages)).collect(),
        memory_limit_bytes: memory_limit(),
        physical_memory_bytes: crate::proc_files::physical_memory(),
        ptrace_scope: read("/proc/sys/kernel/yama/ptrace_scope").and_then(|text| text.parse().ok()),
        store_free_bytes: free_bytes(store),
        temporary_free_bytes: free_bytes(&std::env::temp_dir()),
        architecture: std::env::consts::ARCH,
        kernel: read("/proc/sys/kernel/osrelease"),
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn python_paths() -> Vec<PathBuf> {
    let environment = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from).into_iter();
    let own = [".venv", "venv"].into_iter().filter_map(|name| Some(std::env::current_dir().ok()?.join(name)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let environments = environment.chain(own).map(|folder| folder.join("bin/python"));
    let on_path =
        std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name))).collect::<Vec<_>>();
    let mut seen = BTreeSet::new();
    // `python` and `python3` beside each other are one interpreter; an environment's is another than the one it links to.
    let identity = |path: &PathBuf| (path.parent().map(Path::to_owned), fs::canonicalize(path).ok());
    environments.chain(on_path).filter(|path| path.is_file() && seen.insert(identity(path))).collect()
}

fn ask(path: PathBuf, packages: &[&str]) -> Python {
    let answer = output(&path, packages);
    let lines: Vec<&str> = answer.as_deref().unwrap_or_default().lines().collect();
    let [name, major, minor, micro, environment, is_free_threaded, present] = lines[..] else {
        let support = Support::Unsupported { reason: "the interpreter did not answer".to_owned() };
        return Python { path, version: None, is_virtual_environment: false, packages: Vec::new(), support };
    };
    let version = format!("{major}.{minor}.{micro}");
    let is_known = major == "3" && minor.parse().is_ok_and(|minor: u32| minor >= OLDEST_MINOR);
    let reason = if name != "cpython" {
        Some(format!("expected CPython, found {name}"))
    } else if is_free_threaded == "True" {
        Some("free-threaded builds are not supported".to_owned())
    } else if !is_known {
        Some(format!("expected Python 3.{OLDEST_MINOR} or newer, found {version}"))
    } else {
        None
    };
    let support = reason.map_or(Support::Supported, |reason| Support::Unsupported { reason });
    let packages = present.split_whitespace().map(str::to_owned).collect();
    Python { path, version: Some(version), is_virtual_environment: environment == "True", packages, support }
}

/// What the interpreter prints within [`PATIENCE`]: a few bytes, which a pipe holds.
fn output(path: &Path, packages: &[&str]) -> Option<String> {
    let mut child = Command::new(path)
        .args(["-I", "-c", QUESTION])
        .args(packages)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
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
