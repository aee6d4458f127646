//! `go test` and `go run`: what is added to the command, so that programs that live for moments leave their state.
//!
//! `go test` refuses `-memprofile` for several packages, and the binary is gone when it returns; so it is told to start
//! binaries by a script (`-exec`) that gives each a place of its own. Beyond the heap profile, both commands build programs
//! that keep a whole capture at their end ([`overlay`]).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;

use brimline_store::private_file::{self, Durability};
use brimline_store::{RunFolder, StoreError};

use super::build_info::BuildInfo;
use super::overlay;
use crate::launch;

const SCRIPT: &str = r#"#!/bin/sh
# Has a test binary keep its heap profile; other programs are started as they are.
case "$1" in
*.test) ;;
*) exec "$@" ;;
esac
folder="$BRIMLINE_GO_CAPTURES/test-$$"
mkdir -p "$folder" && chmod 700 "$folder" || exec "$@"
program=$1
shift
printf '%s\n%s\n' "${program##*/}" "$PWD" >"$folder/program"
exec "$program" -test.memprofile="$folder/heap.pb.gz" "$@"
"#;

/// The command to start instead of `command`; `None` if it neither runs nor tests Go packages, or has flags of its own for
/// what would be added.
pub(crate) fn with_captures(command: &[OsString], folder: &RunFolder) -> Result<Option<Vec<OsString>>, StoreError> {
    let Some((at, is_test)) = word(command) else { return Ok(None) };
    let rest = &command[at + 1..];
    let mut flags = Vec::new();
    if is_test && starts_binaries(rest) {
        let script = folder.path().join("go-test.sh");
        private_file::replace(&script, SCRIPT.as_bytes(), Durability::Cached)?;
        let failed = |source| StoreError::Io { action: "set the mode of", path: script.clone(), source };
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        let mut exec = OsString::from("-exec='");
        exec.push(&script);
        exec.push("'");
        // A cached result starts nothing that could be recorded. The user's own flags come behind and win.
        flags.extend([exec, OsString::from("-count=1")]);
    }
    if (!is_test || !flags.is_empty())
        && !overlay::is_taken(rest)
        && let Some(path) = overlay::write(&command[..at], folder)?
    {
        let mut flag = OsString::from("-overlay=");
        flag.push(path);
        flags.push(flag);
    }
    Ok((!flags.is_empty()).then(|| [&command[..=at], &flags, rest].concat()))
}

/// Place of the word `test` or `run` in a command of the Go installation, and whether it is `test`.
fn word(command: &[OsString]) -> Option<(usize, bool)> {
    let program = launch::find(command.first()?)?;
    let info = BuildInfo::read(&program)?;
    if info.package.as_deref() != Some("cmd/go") {
        return None;
    }
    // The one flag that may stand before the word.
    let at = match command.get(1)?.to_string_lossy().as_ref() {
        "-C" => 3,
        first if first.starts_with("-C=") => 2,
        _ => 1,
    };
    let word = command.get(at)?;
    [("test", true), ("run", false)]
        .iter()
        .find(|(name, _)| word == OsStr::new(name))
        .map(|(_, is_test)| (at, *is_test))
}

/// Whether `go test` with these flags starts test binaries, in a way of its own choice.
fn starts_binaries(flags: &[OsString]) -> bool {
    let words = flags.iter().map(|word| word.to_string_lossy());
    let mut flags = words.take_while(|word| !matches!(word.as_ref(), "-args" | "--args"));
    !flags.any(|word| {
        let name = word.trim_start_matches('-').split('=').next().unwrap_or_default().to_owned();
        word.starts_with('-') && matches!(name.as_str(), "exec" | "c" | "n" | "memprofile" | "list")
    })
}
