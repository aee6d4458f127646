//! What Go programs wrote themselves at their end, made captures like any other.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use brimline_store::go_capture::{
    self, AFTER_TESTS, GOROUTINES, GoCapture, GoCaptureFolder, HEAP, MEMSTATS, MEMSTATS_BEFORE, SMAPS, captures_path,
};
use brimline_store::private_file::{self, Durability};
use brimline_store::{RunFolder, StoreError, Timestamp};

use super::BEFORE_SIGNAL;
use super::take::{ZSTD_LEVEL, statistics_of};

/// How folders of test binaries begin, and those of other programs.
const TEST: &str = "test-";
pub(super) const END: &str = "end-";
/// The file that a capture written by the program itself ends with: Go's version, then variables.
const COMPLETE: &str = "complete";
/// Name and folder of a test binary.
const PROGRAM: &str = "program";

/// Makes captures of what the programs of a run have left.
pub(crate) fn collect(folder: &RunFolder) -> Result<(), StoreError> {
    let Ok(listing) = fs::read_dir(captures_path(folder)) else { return Ok(()) };
    let captures = go_capture::captures(folder)?;
    for entry in listing.flatten() {
        let name = entry.file_name();
        let Some(pid) = pid_of(&name) else { continue };
        let path = entry.path();
        // What a server has left after it put all away is not what it held when it was told to end.
        let was_asked = |capture: &GoCaptureFolder| {
            let record = &capture.record;
            record.pid == pid && record.trigger == BEFORE_SIGNAL && record.collected
        };
        let is_kept = if captures.iter().any(was_asked) {
            false
        } else if path.join(COMPLETE).is_file() {
            keep_whole(&path, pid)?;
            true
        } else {
            keep_profile(&path, pid)?
        };
        if !is_kept {
            // Ended by a signal or by a panic, in the middle of it.
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

fn pid_of(name: &OsStr) -> Option<u32> {
    let name = name.to_str()?;
    name.strip_prefix(TEST).or_else(|| name.strip_prefix(END))?.parse().ok()
}

/// Everything, as the exit hook or the package `brimline` writes it.
fn keep_whole(path: &Path, pid: u32) -> Result<(), StoreError> {
    let failed = |action: &'static str, file: &str| {
        let path = path.join(file);
        move |source| StoreError::Io { action, path, source }
    };
    let mut capture = described(path, pid);
    for name in [MEMSTATS_BEFORE, MEMSTATS] {
        let text = fs::read(path.join(name)).map_err(failed("read", name))?;
        private_file::replace(&path.join(name), statistics_of(&text), Durability::Cached)?;
    }
    for name in [SMAPS, GOROUTINES] {
        let plain = path.join(name.trim_end_matches(".zst"));
        // With very many goroutines their text is left out.
        let Ok(text) = fs::read(&plain) else { continue };
        if name == GOROUTINES {
            let heads = text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"goroutine "));
            capture.goroutines = Some(heads.count() as u64);
        }
        let compressed = zstd::encode_all(&text[..], ZSTD_LEVEL).map_err(failed("compress", name))?;
        private_file::replace(&path.join(name), &compressed, Durability::Cached)?;
        fs::remove_file(&plain).map_err(failed("remove", name))?;
    }
    narrow(&path.join(HEAP))?;
    let told = fs::read_to_string(path.join(COMPLETE)).unwrap_or_default();
    capture.go_version = told.lines().next().map(str::to_owned);
    let pairs = told.lines().skip(1).filter_map(|line| line.split_once('='));
    capture.environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    capture.save(path)
}

/// The heap profile alone, as a test binary without the hook writes it; false where there is none.
fn keep_profile(path: &Path, pid: u32) -> Result<bool, StoreError> {
    let profile = path.join(HEAP);
    if !fs::metadata(&profile).is_ok_and(|file| file.len() > 0) {
        return Ok(false);
    }
    // What else there is was cut off.
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if ![OsStr::new(HEAP), OsStr::new(PROGRAM)].contains(&entry.file_name().as_os_str()) {
            let _ = fs::remove_file(entry.path());
        }
    }
    narrow(&profile)?;
    described(path, pid).save(path)?;
    Ok(true)
}

/// Go's own file is readable by all.
fn narrow(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Io { action: "set the mode of", path: path.to_owned(), source };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)
}

fn described(path: &Path, pid: u32) -> GoCapture {
    let written = fs::metadata(path.join(HEAP)).and_then(|file| file.modified());
    let program = fs::read_to_string(path.join(PROGRAM)).unwrap_or_default();
    let mut lines = program.lines();
    let test = lines.next().zip(lines.next());
    GoCapture {
        schema: GoCapture::SCHEMA.to_owned(),
        pid,
        at: written.map_or_else(|_| Timestamp::now(), Timestamp::from),
        trigger: if test.is_some() { AFTER_TESTS } else { "end of main" }.to_owned(),
        endpoint: test.map_or_else(String::new, |(program, folder)| format!("{program} in {folder}")),
        package: test.map(|(program, _)| program.to_owned()),
        module: test.and_then(|(_, folder)| module_above(Path::new(folder))),
        // Both collect before they write.
        collected: true,
        complete: true,
        ..GoCapture::default()
    }
}

/// The module that a folder belongs to.
fn module_above(folder: &Path) -> Option<String> {
    let declaration = folder.ancestors().map(|folder| folder.join("go.mod")).find(|path: &PathBuf| path.is_file())?;
    let text = fs::read_to_string(declaration).ok()?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("module "))?;
    Some(line.trim().trim_matches('"').to_owned())
}
