//! The interpreters that the tests use, found by `scripts/test.sh`, and what it means when one is missing.
use std::path::{Path, PathBuf};
use std::process::Command;

/// A CPython and a virtual environment made from it with the packages of `requirements.txt`.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    /// The interpreter itself.
    pub(crate) bare: PathBuf,
    /// The virtual environment's folder.
    pub(crate) venv: PathBuf,
}

impl Python {
    /// The virtual environment's interpreter.
    pub(crate) fn in_venv(&self) -> PathBuf {
        self.venv.join("bin/python")
    }
}

/// All interpreters: one per version and layout, 3.11 first. Empty, with a word on stderr, if the set-up did not run.
pub(crate) fn pythons() -> Vec<Python> {
    let list = |name| std::env::var(name).unwrap_or_default().split(':').map(PathBuf::from).collect::<Vec<_>>();
    let (bare, venvs) = (list("BRIMLINE_TEST_PYTHONS"), list("BRIMLINE_TEST_VENVS"));
    let found: Vec<Python> = bare
        .into_iter()
        .zip(venvs)
        .filter(|(bare, _)| !bare.as_os_str().is_empty())
        .map(|(bare, venv)| Python { bare, venv })
        .collect();
    if found.is_empty() {
        skip("no interpreter: run me through scripts/test.sh");
    }
    found
}

/// Interpreters with servers, greenlets and large native packages in their virtual environments
/// (`requirements-services.txt`).
pub(crate) fn service_pythons() -> Vec<Python> {
    let list = std::env::var("BRIMLINE_TEST_SERVICE_VENVS").unwrap_or_default();
    let venvs = list.split(':').filter(|venv| !venv.is_empty()).map(PathBuf::from);
    let found: Vec<Python> = venvs.map(|venv| Python { bare: venv.join("bin/python"), venv }).collect();
    if found.is_empty() {
        skip("no virtual environment with servers: run me through scripts/test.sh");
    }
    found
}

/// A virtual environment with `memory_profiler`, Jupyter and maturin (`requirements-tools.txt`).
pub(crate) fn tools_venv() -> Option<PathBuf> {
    let found = std::env::var_os("BRIMLINE_TEST_TOOLS_VENV").map(PathBuf::from);
    if found.is_none() {
        skip("no virtual environment with memory_profiler: run me through scripts/test.sh");
    }
    found
}

/// Two wheels, built one after the other.
pub(crate) fn wheels() -> Option<[PathBuf; 2]> {
    let list = std::env::var("BRIMLINE_TEST_WHEELS").unwrap_or_default();
    let found = list.split_once(':').map(|(first, second)| [first, second].map(PathBuf::from));
    if found.is_none() {
        skip("no wheels: scripts/test.sh builds them when it runs all tests, or with BRIMLINE_BUILD_WHEELS=1");
    }
    found
}

/// Virtual environments with old releases of memray.
pub(crate) fn old_memrays() -> Vec<PathBuf> {
    let list = std::env::var("BRIMLINE_TEST_OLD_MEMRAYS").unwrap_or_default();
    let found: Vec<PathBuf> = list.split(':').filter(|venv| !venv.is_empty()).map(PathBuf::from).collect();
    if found.is_empty() {
        skip("no old releases of memray: run me through scripts/test.sh");
    }
    found
}

/// Any one interpreter, for tests where the layout does not matter.
pub(crate) fn any_python() -> Option<Python> {
    pythons().into_iter().next()
}

/// A version that the tracker does not support.
pub(crate) fn old_python() -> Option<PathBuf> {
    let found = std::env::var_os("BRIMLINE_TEST_OLD_PYTHON").map(PathBuf::from);
    if found.is_none() {
        skip("no Python 3.7 or 3.6 on this machine");
    }
    found
}

/// Says that a test could not run; a failure where nothing may be skipped.
pub(crate) fn skip(reason: &str) {
    let strict = std::env::var("BRIMLINE_TEST_STRICT").is_ok_and(|value| value == "1");
    assert!(!strict, "a test would be skipped: {reason}");
    eprintln!("SKIPPED: {reason}");
}

/// True when the long versions of the tests are asked for (`cargo xtask soak`).
pub(crate) fn soaking() -> bool {
    std::env::var("BRIMLINE_SOAK").is_ok_and(|value| value == "1")
}

/// Compiles C into a shared library in `folder`.
pub(crate) fn shared_library(folder: &Path, name: &str, source: &str) -> PathBuf {
    let (from, to) = (folder.join(format!("{name}.c")), folder.join(format!("lib{name}.so")));
    std::fs::write(&from, source).unwrap();
    let status = Command::new("cc")
        .args(["-O1", "-fno-builtin", "-shared", "-fPIC", "-pthread", "-o"])
        .args([&to, &from])
        .arg("-ldl")
        .status()
        .expect("a C compiler");
    assert!(status.success(), "cc failed on {name}.c");
    to
}
