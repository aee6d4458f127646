//! `go test`: each test binary writes its heap profile at its end, since no endpoint lives that long.
//!
//! `go test` itself refuses `-memprofile` for several packages, and the binary is gone when it returns; so it is told to
//! start binaries by a script (`-exec`) that gives each a place of its own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use brimline_store::go_capture::{GoCapture, HEAP, captures_path};
use brimline_store::private_file::{self, Durability};
use brimline_store::{RunFolder, StoreError, Timestamp};

use super::build_info::BuildInfo;
use crate::launch;

/// Tells the script where profiles go.
const VARIABLE: &str = "BRIMLINE_GO_TESTS";
/// How folders of test binaries begin.
const PREFIX: &str = "test-";
const SCRIPT: &str = r#"#!/bin/sh
# Has a test binary keep its heap profile; other programs are started as they are.
case "$1" in
*.test) ;;
*) exec "$@" ;;
esac
folder="$BRIMLINE_GO_TESTS/test-$$"
mkdir -p "$folder" && chmod 700 "$folder" || exec "$@"
program=$1
shift
printf '%s\n%s\n' "${program##*/}" "$PWD" >"$folder/program"
exec "$program" -test.memprofile="$folder/heap.pb.gz" "$@"
"#;

/// A command that runs Go's tests, made to keep their profiles.
#[derive(Debug)]
pub(crate) struct TestRun {
    /// The command to start instead.
    pub(crate) command: Vec<OsString>,
    /// What to add to its environment.
    pub(crate) environment: (OsString, OsString),
}

impl TestRun {
    /// Prepares `command` if it is `go test`; `None` if it is something else or has its own `-exec`.
    pub(crate) fn prepare(command: &[OsString], folder: &RunFolder) -> Result<Option<Self>, StoreError> {
        let Some(at) = test_word(command) else { return Ok(None) };
        let captures = captures_path(folder);
        private_file::ensure_folder(&captures)?;
        let script = folder.path().join("go-test.sh");
        private_file::replace(&script, SCRIPT.as_bytes(), Durability::Cached)?;
        let failed = |source| StoreError::Io { action: "set the mode of", path: script.clone(), source };
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        let mut all = command[..=at].to_vec();
        let mut exec = OsString::from("-exec='");
        exec.push(&script);
        exec.push("'");
        // A cached result starts nothing that could be recorded. The user's own flags come behind and win.
        all.extend([exec, OsString::from("-count=1")]);
        all.extend_from_slice(&command[at + 1..]);
        Ok(Some(Self { command: all, environment: (VARIABLE.into(), captures.into()) }))
    }
}

/// Place of the word `test` in a command of the Go installation; `None` where nothing is to be changed.
fn test_word(command: &[OsString]) -> Option<usize> {
    let program = launch::find(command.first()?)?;
    let info = BuildInfo::read(&program)?;
    if info.package.as_deref() != Some("cmd/go") {
        return None;
    }
    let text = |word: &OsString| word.to_string_lossy().into_owned();
    // The one flag that may stand before the word.
    let at = match text(command.get(1)?).as_str() {
        "-C" => 3,
        first if first.starts_with("-C=") => 2,
        _ => 1,
    };
    if command.get(at)? != OsStr::new("test") {
        return None;
    }
    let flags = command[at + 1..].iter().map(text).take_while(|word| !matches!(word.as_str(), "-args" | "--args"));
    let name = |word: &String| word.trim_start_matches('-').split('=').next().map(str::to_owned);
    let starts_nothing =
        |name: Option<String>| matches!(name.as_deref(), Some("exec" | "c" | "n" | "memprofile" | "list"));
    let mut flags = flags.filter(|word| word.starts_with('-'));
    (!flags.any(|word| starts_nothing(name(&word)))).then_some(at)
}

/// Makes captures of what the test binaries of a run have written.
pub(crate) fn collect(folder: &RunFolder) -> Result<(), StoreError> {
    let captures = captures_path(folder);
    let Ok(listing) = fs::read_dir(&captures) else { return Ok(()) };
    for entry in listing.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok()) else { continue };
        let path = entry.path();
        if !keep(&path, pid)? {
            // The binary was killed, or panicked: it wrote nothing.
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

fn keep(path: &Path, pid: u32) -> Result<bool, StoreError> {
    let profile = path.join(HEAP);
    let Some(written) = fs::metadata(&profile).ok().filter(|file| file.len() > 0) else { return Ok(false) };
    let failed = |source| StoreError::Io { action: "set the mode of", path: profile.clone(), source };
    fs::set_permissions(&profile, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let program = fs::read_to_string(path.join("program")).unwrap_or_default();
    let mut lines = program.lines();
    let (program, folder) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let capture = GoCapture {
        schema: GoCapture::SCHEMA.to_owned(),
        pid,
        at: written.modified().map_or_else(|_| Timestamp::now(), Timestamp::from),
        trigger: "go test".to_owned(),
        endpoint: format!("{program} in {folder}"),
        package: Some(program.to_owned()),
        module: module_above(Path::new(folder)),
        // The binary collects before it writes.
        collected: true,
        complete: true,
        ..GoCapture::default()
    };
    capture.save(path)?;
    Ok(true)
}

/// The module that a folder belongs to.
fn module_above(folder: &Path) -> Option<String> {
    let declaration = folder.ancestors().map(|folder| folder.join("go.mod")).find(|path: &PathBuf| path.is_file())?;
    let text = fs::read_to_string(declaration).ok()?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("module "))?;
    Some(line.trim().trim_matches('"').to_owned())
}
