//! Which project and module a file belongs to, from its path alone.

use brimline_profile::{Function, Profile, StringId};

use crate::goroutines::package_of;

/// The project that paths are told relative to.
#[derive(Clone, Debug, Default)]
pub struct Places {
    project: Option<String>,
    /// Path of the main module of a Go program.
    go_module: Option<String>,
}

/// Folders below which a path is a module path; the last one in a path counts.
const PACKAGE_ROOTS: [&str; 2] = ["site-packages", "dist-packages"];

impl Places {
    /// `project` is the absolute path of the project's folder, `None` when there is none.
    pub fn new(project: Option<&str>) -> Self {
        let project = project.map(|path| path.trim_end_matches('/').to_owned()).filter(|path| !path.is_empty());
        Self { project, go_module: None }
    }

    /// Says which Go module is the project's own.
    pub fn set_go_module(&mut self, module: &str) {
        self.go_module = Some(module.to_owned());
    }

    /// `file` relative to the project; `None` when it lies elsewhere or is no file.
    pub fn path<'f>(&self, file: &'f str) -> Option<&'f str> {
        if file.is_empty() || file.starts_with('<') {
            return None;
        }
        if !file.starts_with('/') {
            if file.ends_with(".go") {
                // `-trimpath` names files by module; others are the library's and other modules'.
                return file.strip_prefix(self.go_module.as_deref()?)?.strip_prefix('/');
            }
            let inside = file.strip_prefix("./").unwrap_or(file);
            return (!inside.starts_with("../")).then_some(inside);
        }
        file.strip_prefix(self.project.as_deref()?)?.strip_prefix('/')
    }

    /// Whether `file` is the project's own: inside it, and not in an installed package or the standard library.
    pub fn is_own(&self, file: &str) -> bool {
        self.path(file).is_some_and(|path| library_path(path).is_none())
    }

    /// Whether a function is the project's own: by its source file, which for machine code must be a path from the root
    /// (compilers often name files relative to folders that nobody knows).
    pub fn owns(&self, profile: &Profile, function: Function) -> bool {
        let file = profile.strings.get(function.file);
        if let (Some(module), true) = (&self.go_module, file.ends_with(".go")) {
            let package = package_of(profile.strings.get(function.name));
            // Tests of another package in the same folder are `…_test`.
            let below = |module: &str| {
                package
                    .strip_prefix(module)
                    .is_some_and(|rest| rest.is_empty() || rest == "_test" || rest.starts_with('/'))
            };
            return package == "main" || below(module);
        }
        (function.library == StringId::default() || file.starts_with('/')) && self.is_own(file)
    }

    /// The module of a function: of machine code its library, else that of its source file.
    pub fn module_of(&self, profile: &Profile, function: Function) -> Option<String> {
        match profile.strings.get(function.library) {
            "" if profile.strings.get(function.file).ends_with(".go") => {
                Some(package_of(profile.strings.get(function.name)).replace("%2e", "."))
            }
            "" => self.module(profile.strings.get(function.file)),
            library => Some(self.library(library)),
        }
    }

    /// `numpy._core._multiarray_umath` for an extension module, `libc.so.6` for other libraries.
    fn library(&self, path: &str) -> String {
        let name = path.rsplit('/').next().unwrap_or(path);
        for ending in [".cpython-", ".abi3."] {
            if let Some(at) = name.find(ending) {
                let path = &path[..path.len() - name.len() + at];
                let path = library_path(path).map(|path| path.strip_prefix("lib-dynload/").unwrap_or(path));
                return path.or_else(|| self.path(&name[..at])).unwrap_or(&name[..at]).replace('/', ".");
            }
        }
        name.to_owned()
    }

    /// Dotted module of a source file: `requests.models`, `json.decoder`, `app.views`; packages without `__init__`.
    /// `None` where the path tells none, as for `<string>`.
    pub fn module(&self, file: &str) -> Option<String> {
        if let Some(frozen) = file.strip_prefix("<frozen ") {
            return frozen.strip_suffix('>').map(str::to_owned);
        }
        // A Go package is told by functions' names, not by their file.
        if file.is_empty() || file.starts_with('<') || file.ends_with(".go") {
            return None;
        }
        let name = file.rsplit('/').next().unwrap_or(file);
        let path = library_path(file).or_else(|| self.path(file)).unwrap_or(name);
        let path = path.strip_suffix(".py").unwrap_or(path);
        let path = path.strip_suffix("/__init__").unwrap_or(path);
        Some(path.trim_matches('/').replace('/', "."))
    }
}

/// The part of `file` below `site-packages` or below the standard library's `pythonX.Y`.
fn library_path(file: &str) -> Option<&str> {
    let mut rest = file;
    let mut found = None;
    while let Some((folder, below)) = rest.split_once('/') {
        let library = PACKAGE_ROOTS.contains(&folder)
            || folder.strip_prefix("python").is_some_and(|version| {
                let (major, minor) = version.split_once('.').unwrap_or(("", ""));
                !major.is_empty() && [major, minor].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()))
            });
        if library {
            found = Some(below);
        }
        rest = below;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_follow_the_roots_of_packages_standard_library_and_project() {
        let places = Places::new(Some("/srv/shop/"));
        for (file, module) in [
            ("/srv/shop/app/models.py", Some("app.models")),
            ("/srv/shop/app/__init__.py", Some("app")),
            ("/srv/shop/.venv/lib/python3.11/site-packages/requests/models.py", Some("requests.models")),
            ("/usr/lib/python3/dist-packages/yaml/__init__.py", Some("yaml")),
            ("/usr/lib/python3.11/json/decoder.py", Some("json.decoder")),
            ("/usr/lib/python3.11/os.py", Some("os")),
            ("/opt/tool.py", Some("tool")),
            ("app.py", Some("app")),
            ("<frozen importlib._bootstrap>", Some("importlib._bootstrap")),
            ("<string>", None),
            ("", None),
        ] {
            assert_eq!(places.module(file).as_deref(), module, "{file}");
        }
    }

    #[test]
    fn libraries_are_modules_where_python_loads_them_as_such() {
        let places = Places::default();
        for (path, module) in [
            (
                "/v/lib/python3.11/site-packages/numpy/_core/_umath.cpython-311-x86_64-linux-gnu.so",
                "numpy._core._umath",
            ),
            ("/usr/lib/python3.11/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so", "_json"),
            ("/srv/app/fast.abi3.so", "fast"),
            ("/lib/x86_64-linux-gnu/libc.so.6", "libc.so.6"),
            ("/usr/bin/python3.11", "python3.11"),
        ] {
            assert_eq!(places.library(path), module);
        }
    }

    #[test]
    fn go_files_are_told_by_module_where_paths_are_trimmed() {
        let mut places = Places::new(Some("/srv/shop"));
        places.set_go_module("example.com/shop");
        assert_eq!(places.path("example.com/shop/store/map.go"), Some("store/map.go"));
        assert_eq!(places.path("/srv/shop/store/map.go"), Some("store/map.go"));
        assert_eq!(places.path("net/http/server.go"), None);
        assert_eq!(places.path("example.com/shopping/a.go"), None);
    }

    #[test]
    fn own_files_exclude_a_virtual_environment_inside_the_project() {
        let places = Places::new(Some("/srv/shop"));
        assert!(places.is_own("/srv/shop/app.py"));
        assert!(!places.is_own("/srv/shop/.venv/lib/python3.11/site-packages/six.py"));
        assert!(!places.is_own("/srv/shopping/app.py"));
        assert!(!places.is_own("<string>"));
        assert_eq!(places.path("/srv/shop/a/b.py"), Some("a/b.py"));
        assert_eq!(Places::new(None).path("/x/y.py"), None);
    }
}
