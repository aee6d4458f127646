//! Names that say nothing are reserved: a file is named for the noun it holds.
use super::Tree;

const RESERVED: &[&str] =
    &["base", "common", "core", "helper", "helpers", "imp", "manager", "misc", "shared", "stuff", "util", "utils"];

pub(super) fn broken(tree: &Tree) -> Vec<String> {
    let ours = ["crates", "xtask", "scripts", "bench", "web", "programs"];
    let mut broken = Vec::new();
    for file in tree.files.iter().filter(|file| ours.iter().any(|folder| file.starts_with(folder))) {
        for part in file {
            let part = part.to_string_lossy();
            let stem = part.split('.').next().unwrap_or_default();
            if RESERVED.contains(&stem.to_lowercase().as_str()) {
                broken.push(format!("{}: `{stem}` says nothing about what is inside", file.display()));
            }
        }
    }
    broken
}
