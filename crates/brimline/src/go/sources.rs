//! Sources of Go programs that are not where the program says: built with `-trimpath`, or on another machine.

use std::fs;
use std::io;
use std::path::Path;

use brimline_pprof::cli::{GoFolders, Sources};
use brimline_pprof::read_go_source;

/// Files larger than this are no source.
const LARGEST_FILE: u64 = 8 << 20;

/// The bytes of `file` from the Go installation, the module cache, a vendor folder or the modules around `folder`.
pub(crate) fn source(file: &str, folder: Option<&Path>) -> Option<Vec<u8>> {
    read_go_source(file, folder?.to_str()?, &Disk)
}

struct Disk;

impl Sources for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() || metadata.len() > LARGEST_FILE {
            return Err(io::Error::other("expected a source file"));
        }
        fs::read(path)
    }

    fn current_directory(&self) -> String {
        String::new()
    }

    fn go_folders(&self) -> GoFolders {
        go_folders()
    }
}

/// Where Go and its module cache are, by the environment and by custom.
pub(crate) fn go_folders() -> GoFolders {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let usual_roots = ["/usr/local/go", "/usr/lib/go", "/usr/lib/golang"].map(str::to_owned);
    let home = variable("HOME").map(|home| format!("{home}/go"));
    let workspaces = variable("GOPATH").or(home).unwrap_or_default();
    let caches = workspaces.split(':').filter(|folder| !folder.is_empty()).map(|folder| format!("{folder}/pkg/mod"));
    GoFolders {
        roots: variable("GOROOT").into_iter().chain(usual_roots).collect(),
        modules: variable("GOMODCACHE").into_iter().chain(caches).collect(),
    }
}
