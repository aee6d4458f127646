//! Has programs that `go run` and `go test` build keep their state at the end, without a change of theirs.
//!
//! Go's own exit hooks run when `main` returns and at `os.Exit`, and only packages of the standard library can add one. So
//! the build is given two more files of `runtime/pprof` (`-overlay`); nothing on disk is changed, and Go's cache keeps the
//! result apart from its own. A program that does not link that package is as it would be without.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use brimline_store::private_file::{self, Durability};
use brimline_store::{RunFolder, StoreError};
use serde_json::json;

/// The package's own code for a capture at the end.
const CAPTURE: &str = include_str!("../../../../go/brimline/end.go");
const HOOK: &str = include_str!("end_hook.go");
/// Where Go has exit hooks, from Go 1.23 on, and how it declares what is used of them.
const HOOKS: &str = "src/internal/runtime/exithook/hooks.go";
const HOOKS_DECLARE: [&str; 2] = ["func Add(h Hook)", "RunOnFailure bool"];
const PACKAGE: &str = "src/runtime/pprof";
/// Where the files lie in the run. `./...` leaves out folders with such names: the store may be in the module.
const FOLDER: &str = ".go-overlay";

/// Writes the overlay for what `go`, the words of a command before `run` or `test`, will build in the folder that a flag
/// behind it names; its path. `None` where Go has no exit hooks.
pub(super) fn write(
    go: &[OsString],
    folder_flag: &[OsString],
    folder: &RunFolder,
) -> Result<Option<PathBuf>, StoreError> {
    let Some(root) = root(go, folder_flag).filter(|root| has_hooks(root)) else { return Ok(None) };
    let files = folder.path().join(FOLDER);
    private_file::ensure_folder(&files)?;
    let mut replace = serde_json::Map::new();
    for (name, text) in [("brimline_end.go", in_package(CAPTURE)), ("brimline_hook.go", HOOK.to_owned())] {
        let path = files.join(name);
        private_file::replace(&path, text.as_bytes(), Durability::Cached)?;
        let place = root.join(PACKAGE).join(name);
        replace.insert(place.to_string_lossy().into_owned(), json!(path.to_string_lossy()));
    }
    let path = files.join("overlay.json");
    private_file::replace(&path, json!({ "Replace": replace }).to_string().as_bytes(), Durability::Cached)?;
    Ok(Some(path))
}

/// The installation that builds: `go.mod` may ask for another than the one on `PATH`.
fn root(go: &[OsString], folder_flag: &[OsString]) -> Option<PathBuf> {
    let (program, flags) = go.split_first()?;
    let mut command = Command::new(program);
    command.args(flags).arg("env").args(folder_flag).arg("GOROOT").stdin(Stdio::null()).stderr(Stdio::null());
    let text = command.output().ok().filter(|output| output.status.success())?.stdout;
    let path = String::from_utf8(text).ok()?;
    let path = path.trim_end_matches('\n');
    (!path.is_empty()).then(|| PathBuf::from(path))
}

fn has_hooks(root: &Path) -> bool {
    let text = std::fs::read_to_string(root.join(HOOKS)).unwrap_or_default();
    HOOKS_DECLARE.iter().all(|declared| text.contains(declared)) && root.join(PACKAGE).is_dir()
}

/// Go code of the package `brimline` as a file of `runtime/pprof`.
fn in_package(text: &str) -> String {
    let text = text.replace("\t\"runtime/pprof\"\n", "");
    text.replace("package brimline\n", "package pprof\n").replace("pprof.Lookup(", "Lookup(")
}

/// Whether the user has an overlay already.
pub(super) fn is_taken(words: &[OsString]) -> bool {
    let names = |word: &OsStr| word.to_string_lossy().trim_start_matches('-').starts_with("overlay");
    let own = words.iter().filter(|word| word.as_encoded_bytes().starts_with(b"-")).any(|word| names(word));
    own || std::env::var("GOFLAGS").is_ok_and(|flags| flags.contains("-overlay"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_code_is_moved_whole() {
        let text = in_package(CAPTURE);
        assert!(text.starts_with("package pprof\n") && text.contains(" Lookup(name).WriteTo("), "{text}");
        assert!(!text.contains("\tpprof.") && !text.contains("\"runtime/pprof\""), "{text}");
    }

    #[test]
    fn an_overlay_of_the_users_own_stays() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(is_taken(&words("-v -overlay=x.json ./...")) && is_taken(&words("--overlay x.json .")));
        assert!(!is_taken(&words("-v ./overlay")));
    }
}
