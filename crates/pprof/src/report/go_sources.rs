//! Where the sources of Go programs are when they are not at the path that the profile has.
//!
//! Programs built with `-trimpath` name their files by module (`example.com/app/x.go`, `example.com/dep@v1.2.3/y.go`,
//! `net/http/server.go`), those from other machines by that machine's folders.

use super::list::Sources;

/// Folders of a Go installation on this machine.
#[derive(Clone, Debug, Default)]
pub struct GoFolders {
    /// Installations, each with the standard library in `src`.
    pub roots: Vec<String>,
    /// Module caches, usually `~/go/pkg/mod`.
    pub modules: Vec<String>,
}

/// The file's bytes from the first place that has it; `search` are the folders asked for, colon-separated.
pub fn read(file: &str, search: &str, sources: &dyn Sources) -> Option<Vec<u8>> {
    let folders = sources.go_folders();
    let mut places: Vec<String> = Vec::new();
    let library = file.rsplit_once("/src/").map_or(file, |(_, rest)| rest);
    places.extend(folders.roots.iter().map(|root| format!("{root}/src/{library}")));
    let module_file = file.rsplit_once("/pkg/mod/").map_or(file, |(_, rest)| rest);
    if let Some((module, version_and_file)) = module_file.split_once('@')
        && let Some((version, inner)) = version_and_file.split_once('/')
    {
        let cached = format!("{}@{}/{inner}", escaped(module), escaped(version));
        places.extend(folders.modules.iter().map(|cache| format!("{cache}/{cached}")));
        let vendored = format!("vendor/{}/{inner}", unescaped(module));
        places.extend(search.split(':').flat_map(upwards).map(|folder| format!("{folder}/{vendored}")));
    }
    let in_workspace = || search.split(':').flat_map(upwards).find_map(|folder| workspace_file(file, folder, sources));
    places.iter().find_map(|place| sources.read(place).ok()).or_else(in_workspace)
}

/// The folder, its parent, and so on.
fn upwards(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder.trim_end_matches('/')), |folder| {
        folder.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty())
    })
}

/// The file if it belongs to the module in `folder`, or to one that a `go.work` there uses.
fn workspace_file(file: &str, folder: &str, sources: &dyn Sources) -> Option<Vec<u8>> {
    let text = |name: &str| {
        let bytes = sources.read(&format!("{folder}/{name}")).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let of_module = |module_folder: &str| {
        let declaration = sources.read(&format!("{module_folder}/go.mod")).ok()?;
        let declaration = String::from_utf8_lossy(&declaration).into_owned();
        let module = declaration.lines().find_map(|line| line.trim().strip_prefix("module "))?;
        let rest = file.strip_prefix(module.trim().trim_matches('"'))?.strip_prefix('/')?;
        sources.read(&format!("{module_folder}/{rest}")).ok()
    };
    of_module(folder).or_else(|| {
        let work = text("go.work")?;
        // Both `use ./a` and the lines of a `use ( … )` block name a folder.
        let used = work.lines().map(|line| line.trim().trim_start_matches("use ").trim().trim_matches('"'));
        used.filter(|used| used.starts_with('.'))
            .find_map(|used| of_module(&crate::paths::clean(&format!("{folder}/{used}"))))
    })
}

/// As the module cache writes paths, which must differ on file systems that ignore case.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            out.push('!');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

fn unescaped(path: &str) -> String {
    let mut parts = path.split('!');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        out.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    struct Tree(&'static [&'static str]);

    impl Sources for Tree {
        fn read(&self, path: &str) -> io::Result<Vec<u8>> {
            match path {
                "/src/app/go.mod" => Ok(b"// the app\nmodule example.com/app\n".into()),
                "/src/tool/go.mod" => Ok(b"module example.com/tool\n".into()),
                "/src/go.work" => Ok(b"go 1.26\nuse (\n\t./app\n\t./tool\n)\n".into()),
                _ if self.0.contains(&path) => Ok(path.into()),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }
        fn current_directory(&self) -> String {
            "/src/app/cmd".into()
        }
        fn go_folders(&self) -> GoFolders {
            GoFolders { roots: vec!["/go".into()], modules: vec!["/cache".into()] }
        }
    }

    #[test]
    fn finds_the_library_modules_vendored_ones_and_the_workspace() {
        let tree = Tree(&[
            "/go/src/net/http/server.go",
            "/cache/github.com/!burnt!sushi/toml@v1.0.0-!r!c1/lex.go",
            "/src/app/vendor/github.com/BurntSushi/xgb/help.go",
            "/src/app/store/map.go",
            "/src/tool/main.go",
        ]);
        for (file, place) in [
            ("net/http/server.go", 0),
            ("/opt/go1.22/src/net/http/server.go", 0),
            ("github.com/BurntSushi/toml@v1.0.0-RC1/lex.go", 1),
            ("/ci/go/pkg/mod/github.com/!burnt!sushi/toml@v1.0.0-!r!c1/lex.go", 1),
            ("github.com/BurntSushi/xgb@v1.2.0/help.go", 2),
            ("/ci/go/pkg/mod/github.com/!burnt!sushi/xgb@v1.2.0/help.go", 2),
            ("example.com/app/store/map.go", 3),
            ("example.com/tool/main.go", 4),
        ] {
            assert_eq!(read(file, "/src/app/cmd", &tree).as_deref(), Some(tree.0[place].as_bytes()), "{file}");
        }
        assert_eq!(read("example.com/application/store/map.go", "/src/app/cmd", &tree), None);
    }
}
