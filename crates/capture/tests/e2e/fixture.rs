//! A store in a temporary folder, and recordings as a tracker would write them.

use std::ffi::OsString;
use std::fs;
use std::mem::offset_of;
use std::path::{Path, PathBuf};

use brimline_capture::{Outcome, Plan, record};
use brimline_recording::layout::{DATA_OFFSET, Header, MAGIC, STATE_RECORDING, VERSION};
use brimline_store::{Location, LocationSource, Store};

/// A fresh store.
pub(crate) struct Fixture {
    pub(crate) folder: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn location(&self) -> Location {
        Location { root: self.folder.path().join("store"), source: LocationSource::Given }
    }

    pub(crate) fn store(&self) -> Store {
        Store::new(self.location())
    }

    /// A plan for `sh -c SCRIPT` without a tracker.
    pub(crate) fn shell(&self, script: &str) -> Plan {
        let command = ["sh", "-c", script].map(OsString::from).to_vec();
        Plan::new(command, self.location(), Err("none in this test".to_owned()))
    }

    pub(crate) fn run(&self, script: &str) -> Outcome {
        record(&self.shell(script), &()).unwrap()
    }

    /// A file with a valid header of a Python 3.11.7 recording.
    pub(crate) fn header_file(&self) -> PathBuf {
        let path = self.folder.path().join("header.rec");
        fs::write(&path, recording_bytes()).unwrap();
        path
    }
}

/// A recording without rows whose pid is 0, as a template.
pub(crate) fn recording_bytes() -> Vec<u8> {
    let mut bytes = vec![0; DATA_OFFSET];
    bytes[..8].copy_from_slice(&MAGIC);
    put(&mut bytes, offset_of!(Header, version), &VERSION.to_le_bytes());
    put(&mut bytes, offset_of!(Header, state), &STATE_RECORDING.to_le_bytes());
    put(&mut bytes, offset_of!(Header, python_version), &0x030b_07f0_u32.to_le_bytes());
    put(&mut bytes, offset_of!(Header, start_unix_ns), &brimline_store::Timestamp::now().0.to_le_bytes());
    put(&mut bytes, offset_of!(Header, live_bytes), &1234_i64.to_le_bytes());
    put(&mut bytes, offset_of!(Header, peak_bytes), &5678_i64.to_le_bytes());
    bytes
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// Runs this test binary again as another program: only test `name`, with `MODE` telling it to play that part.
pub(crate) fn this_binary(name: &str, mode: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env("BRIMLINE_TEST_PART", mode);
    command
}

/// Waits until `condition` holds; a minute without it fails the test.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "{what} did not happen within a minute");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// One test at a time: a recorder's signal handlers belong to the whole process.
pub(crate) fn alone() -> std::sync::MutexGuard<'static, ()> {
    static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
