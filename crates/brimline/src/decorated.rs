//! Whether a command line starts a Python program that has `@profile` in it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// So much of a script is looked at.
const LONGEST_SCRIPT: u64 = 4 << 20;
/// Arguments in front of a script: `uv run --with x python -X dev app.py`.
const MOST_ARGUMENTS: usize = 16;

/// True if the script named on the command line decorates a function with `profile`, or imports `memory_profiler`; also
/// for `python -m memory_profiler`. Modules that the script imports are not looked at.
pub(crate) fn names_profile(command: &[OsString]) -> bool {
    let mut words = command.iter().take(MOST_ARGUMENTS).peekable();
    while let Some(word) = words.next() {
        let next = words.peek().map(|next| next.as_os_str());
        let found = match (word.as_encoded_bytes(), next) {
            (b"-m", Some(module)) => {
                return module == "memory_profiler" || module_files(module).iter().any(|file| mentions_file(file));
            }
            (b"-c", Some(code)) => return mentions(&code.to_string_lossy()),
            _ => mentions_file(Path::new(word)),
        };
        if found {
            return true;
        }
    }
    false
}

fn module_files(module: &OsStr) -> Vec<PathBuf> {
    let path = module.to_string_lossy().replace('.', "/");
    vec![PathBuf::from(format!("{path}.py")), PathBuf::from(path).join("__main__.py")]
}

/// Of files that end in `.py` or name Python in their first line.
fn mentions_file(path: &Path) -> bool {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| {
        let is_file = file.metadata()?.is_file();
        file.take(if is_file { LONGEST_SCRIPT } else { 0 }).read_to_end(&mut text)
    });
    let is_script = path.extension().is_some_and(|ending| ending == "py" || ending == "pyw")
        || text.starts_with(b"#!") && first_line(&text).contains("python");
    read.is_ok() && is_script && mentions(&String::from_utf8_lossy(&text))
}

fn first_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text.split(|&byte| byte == b'\n').next().unwrap_or_default()).into_owned()
}

fn mentions(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        let is_decorator = line
            .strip_prefix("@profile")
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        let imports = (line.starts_with("import ") || line.starts_with("from ")) && line.contains("memory_profiler");
        is_decorator || imports
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decorators_and_imports_count() {
        for yes in ["@profile\ndef f(): ...", "  @profile(precision=4)", "from memory_profiler import profile"] {
            assert!(mentions(yes), "{yes}");
        }
        for no in ["# @profile", "@profiled", "x = 'memory_profiler'", "@line.profile"] {
            assert!(!mentions(no), "{no}");
        }
    }

    #[test]
    fn command_lines_name_the_script() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = folder.path().join("app.py");
        std::fs::write(&script, "@profile\ndef f(): ...\n").expect("writes");
        let command = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let path = script.to_str().expect("text");
        assert!(names_profile(&command(&["python3", "-X", "dev", path, "1"])));
        assert!(names_profile(&command(&["python3", "-m", "memory_profiler", "other.py"])));
        assert!(names_profile(&command(&["python3", "-c", "import memory_profiler"])));
        assert!(!names_profile(&command(&["python3", "-m", "http.server", path])));
        assert!(!names_profile(&command(&["ls", folder.path().to_str().expect("text")])));
    }
}
