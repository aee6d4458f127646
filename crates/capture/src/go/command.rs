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
    // What says in which folder to work must stay first.
    let (folder_flag, rest) = command[at + 1..].split_at(folder_words(&command[at + 1..]));
    let mut flags = Vec::new();
    let script = folder.path().join("go-test.sh");
    if is_test
        && starts_binaries(rest)
        && let Some(exec) = quoted("-exec=", script.as_os_str())
    {
        private_file::replace(&script, SCRIPT.as_bytes(), Durability::Cached)?;
        let failed = |source| StoreError::Io { action: "set the mode of", path: script.clone(), source };
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        // A cached result starts nothing that could be recorded. The user's own flags come behind and win.
        flags.extend([exec, OsString::from("-count=1")]);
    }
    if (!is_test || !flags.is_empty())
        && !overlay::is_taken(rest)
        && let Some(path) = overlay::write(&command[..at], folder_flag, folder)?
    {
        let mut flag = OsString::from("-overlay=");
        flag.push(path);
        flags.push(flag);
    }
    Ok((!flags.is_empty()).then(|| [&command[..=at], folder_flag, &flags, rest].concat()))
}

/// How many words at the start of flags name the folder to work in.
fn folder_words(flags: &[OsString]) -> usize {
    match flags.first().and_then(|word| word.to_str()) {
        Some("-C" | "--C") => 2.min(flags.len()),
        Some(word) if word.starts_with("-C=") || word.starts_with("--C=") => 1,
        _ => 0,
    }
}

/// A flag whose value `go` splits at blanks, which quotes keep it from; `None` for a path with both kinds of them.
fn quoted(flag: &str, path: &OsStr) -> Option<OsString> {
    let quote = ["'", "\""].into_iter().find(|quote| !path.as_encoded_bytes().contains(&quote.as_bytes()[0]))?;
    let mut text = OsString::from(flag);
    text.push(quote);
    text.push(path);
    text.push(quote);
    Some(text)
}

/// Place of the word `test` or `run` in a command of the Go installation, and whether it is `test`.
fn word(command: &[OsString]) -> Option<(usize, bool)> {
    let program = launch::find(command.first()?)?;
    let info = BuildInfo::read(&program)?;
    if info.package.as_deref() != Some("cmd/go") {
        return None;
    }
    // The one flag that may stand before the word.
    let at = 1 + folder_words(&command[1..]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_to_work_in_stays_first() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(folder_words(&words("-C ../x ./...")), 2);
        assert_eq!((folder_words(&words("-C=../x .")), folder_words(&words("-v -C x"))), (1, 0));
        assert_eq!((folder_words(&words("-C")), folder_words(&[])), (1, 0));
    }

    #[test]
    fn paths_with_quotes_are_quoted_by_the_other_kind() {
        assert_eq!(quoted("-exec=", "/a b".as_ref()), Some("-exec='/a b'".into()));
        assert_eq!(quoted("-exec=", "/it's".as_ref()), Some("-exec=\"/it's\"".into()));
        assert_eq!(quoted("-exec=", "/\"it's".as_ref()), None);
    }
}
