//! The documents exist, know every crate, and their links lead somewhere.
use std::path::Path;

use super::Tree;

const REQUIRED: &[&str] = &[
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "LICENSE-OFL",
    "docs/ARCHITECTURE.md",
    "docs/GLOSSARY.md",
    "docs/python.md",
];

pub(super) fn broken(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for name in REQUIRED {
        if !tree.files.iter().any(|file| file == Path::new(name)) {
            broken.push(format!("{name} is missing"));
        }
    }
    let architecture = tree.text(Path::new("docs/ARCHITECTURE.md")).unwrap_or_default();
    for file in tree.files.iter().filter(|file| file.ends_with("Cargo.toml") && file.starts_with("crates")) {
        let name = file.iter().nth(1).unwrap_or_default().to_string_lossy();
        if !architecture.contains(&format!("`crates/{name}`")) {
            broken.push(format!("docs/ARCHITECTURE.md: no word of `crates/{name}`"));
        }
    }
    for file in tree.with_extension("md") {
        let folder = file.parent().unwrap_or(Path::new(""));
        for target in links(&tree.text(file).unwrap_or_default()) {
            if !tree.root.join(folder).join(&target).exists() {
                broken.push(format!("{}: link to `{target}` leads nowhere", file.display()));
            }
        }
    }
    broken
}

/// Targets of Markdown links that are neither addresses nor places in the same page.
fn links(text: &str) -> Vec<String> {
    let parts = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    parts
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.contains(char::is_whitespace))
        .map(str::to_owned)
        .collect()
}
