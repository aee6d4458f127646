//! Whether a command line starts a Python program that has `@profile` in it.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// So much of a script is looked at.
const LONGEST_SCRIPT: u64 = 4 << 20;
/// Arguments in front of a script: `uv run --with x python -X dev app.py`.
const MOST_ARGUMENTS: usize = 16;

/// So many modules that a script imports are looked at.
const MOST_MODULES: usize = 256;

/// True if the script named on the command line decorates a function with `profile`, or imports `memory_profiler`, or if a
/// module beside it does that it imports, directly or not; also for `python -m memory_profiler`.
pub(crate) fn names_profile(command: &[OsString]) -> bool {
    let mut words = command.iter().take(MOST_ARGUMENTS).peekable();
    while let Some(word) = words.next() {
        let next = words.peek().map(|next| next.as_os_str());
        let found = match (word.as_encoded_bytes(), next) {
            (b"-m", Some(module)) => {
                let files = module_files(Path::new(""), &module.to_string_lossy());
                return module == "memory_profiler" || mentioned_from(files, Path::new(""));
            }
            (b"-c", Some(code)) => {
                let code = code.to_string_lossy();
                return mentions(&code) || mentioned_from(imported(&code, Path::new(""), Path::new("")), Path::new(""));
            }
            _ => match word.to_string_lossy().split_once(':') {
                // `gunicorn shop.app:create()`
                Some((module, _)) => mentioned_from(module_files(Path::new(""), module), Path::new("")),
                None => mentioned_from(vec![PathBuf::from(word)], Path::new(word).parent().unwrap_or(Path::new(""))),
            },
        };
        if found {
            return true;
        }
    }
    false
}

/// Whether one of the files, or one that they import from `folder` or from their own package, uses `profile`.
fn mentioned_from(files: Vec<PathBuf>, folder: &Path) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = VecDeque::from(files);
    while let Some(file) = next.pop_front() {
        if seen.len() == MOST_MODULES || !seen.insert(file.clone()) {
            continue;
        }
        let Some(text) = script(&file) else { continue };
        if mentions(&text) {
            return true;
        }
        next.extend(imported(&text, folder, file.parent().unwrap_or(Path::new(""))));
    }
    false
}

/// Files of the modules that `text` imports: absolute names below `folder`, relative ones below `package`.
fn imported(text: &str, folder: &Path, package: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if let Some(names) = line.strip_prefix("import ") {
            for name in names.split(',').filter_map(|part| part.split_whitespace().next()) {
                files.extend(module_files(folder, name));
            }
        } else if let Some((module, names)) = line.strip_prefix("from ").and_then(|rest| rest.split_once(" import ")) {
            let name = module.trim().trim_start_matches('.');
            let dots = module.trim().len() - name.len();
            let base = if dots == 0 { Some(folder) } else { package.ancestors().nth(dots - 1) };
            let Some(base) = base else { continue };
            files.extend(module_files(base, name));
            // What is imported may be a module of that package.
            let package = base.join(name.replace('.', "/"));
            for name in names.split([',', '(']).filter_map(|part| part.split_whitespace().next()) {
                files.extend(module_files(&package, name));
            }
        }
    }
    files
}

/// Where the module may be.
fn module_files(folder: &Path, module: &str) -> Vec<PathBuf> {
    let path = folder.join(module.replace('.', "/"));
    ["__init__.py", "__main__.py"].map(|name| path.join(name)).into_iter().chain([path.with_extension("py")]).collect()
}

/// The text of a file that ends in `.py` or names Python in its first line.
fn script(path: &Path) -> Option<String> {
    let mut text = Vec::new();
    let file = File::open(path).ok()?;
    let is_file = file.metadata().ok()?.is_file();
    file.take(if is_file { LONGEST_SCRIPT } else { 0 }).read_to_end(&mut text).ok()?;
    let is_script = path.extension().is_some_and(|ending| ending == "py" || ending == "pyw")
        || text.starts_with(b"#!") && first_line(&text).contains("python");
    is_script.then(|| String::from_utf8_lossy(&text).into_owned())
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
        for (name, text) in [
            ("direct.py", "import os, app as main"),
            ("through.py", "from pack.inner import (\n    work)"),
            ("member.py", "if True:\n    from pack import inner"),
            ("pack/inner.py", "from ..pack import deep"),
            ("pack/deep.py", "from . import deepest\nimport through"),
            ("pack/deepest.py", "import app"),
            ("alone.py", "import os, apple\nfrom .. import app\nfrom collections import deque"),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("is made");
            std::fs::write(path, text).expect("writes");
        }
        for (name, wanted) in [("direct.py", true), ("through.py", true), ("member.py", true), ("alone.py", false)] {
            let path = folder.path().join(name);
            assert_eq!(names_profile(&command(&["python3", path.to_str().expect("text")])), wanted, "{name}");
        }
        assert!(!names_profile(&command(&["ls", folder.path().to_str().expect("text")])));
    }
}
