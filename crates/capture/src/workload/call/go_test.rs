//! A test file that exists for the Go compiler only (`go test -overlay`): it calls one test or benchmark of its package
//! again and again, and serves the process's profiles meanwhile. Nothing is written into the user's folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

const TEMPLATE: &str = include_str!("runner_test.go.txt");
/// The file's name inside the package.
const NAME: &str = "brimline_calls_test.go";

/// Writes the test file and the overlay into `folder`; the overlay's path.
pub(super) fn overlay(package: &str, function: &str, folder: &Path) -> Result<PathBuf, String> {
    let place = fs::canonicalize(package).map_err(|error| format!("no package `{package}`: {error}"))?;
    if !function.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(format!("`{function}`"));
    }
    let clause =
        package_of(&place, function).ok_or_else(|| format!("no `func {function}(` in the tests of `{package}`"))?;
    let call = if function.starts_with("Benchmark") {
        format!("(testing.Benchmark({function}).N > 0)")
    } else {
        format!("t.Run(\"{function}\", {function})")
    };
    let text = TEMPLATE.replace("package calls", &format!("package {clause}")).replace("CALL()", &call);
    let file = folder.join(NAME);
    let overlay = folder.join("overlay.json");
    let replace = json!({ "Replace": { place.join(NAME).to_string_lossy(): file.to_string_lossy() } });
    let written = fs::write(&file, text).and_then(|()| fs::write(&overlay, replace.to_string()));
    written.map_err(|error| format!("no room for the overlay: {error}"))?;
    Ok(overlay)
}

/// The package clause of the test file that has the function: tests may live in `x` or in `x_test`.
fn package_of(folder: &Path, function: &str) -> Option<String> {
    let wanted = format!("func {function}(");
    for entry in fs::read_dir(folder).ok()?.flatten() {
        if !entry.file_name().to_string_lossy().ends_with("_test.go") {
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        if text.lines().any(|line| line.starts_with(&wanted)) {
            let clause = text.lines().find_map(|line| line.strip_prefix("package "))?;
            return Some(clause.split_whitespace().next()?.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overlay_has_the_package_of_the_test() {
        let folder = tempfile::tempdir().unwrap();
        let out = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a_test.go"), "package a_test // outside\n\nfunc TestFill(t *testing.T) {}\n")
            .unwrap();
        let place = folder.path().to_str().unwrap();
        let overlay = overlay(place, "TestFill", out.path()).unwrap();
        let text = fs::read_to_string(out.path().join(NAME)).unwrap();
        assert!(text.contains("package a_test\n") && text.contains("t.Run(\"TestFill\", TestFill)"), "{text}");
        assert!(fs::read_to_string(overlay).unwrap().contains("brimline_calls_test.go"));
        assert!(super::overlay(place, "TestOther", out.path()).unwrap_err().contains("no `func TestOther(`"));
        assert!(super::overlay(place, "Test(){}", out.path()).is_err());
    }
}
