//! The truth of a program names lines that exist: every `text` of a `truth.toml` occurs on exactly one line of its `file`.
use super::Tree;

pub(super) fn broken(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for file in tree.files.iter().filter(|file| file.starts_with("programs") && file.ends_with("truth.toml")) {
        let folder = file.parent().unwrap_or(file);
        let text = tree.text(file).unwrap_or_default();
        for line in text.lines() {
            let (Some(name), Some(wanted)) = (value(line, "file"), value(line, "text")) else { continue };
            let source = tree.text(&folder.join(name)).unwrap_or_default();
            let found = source.lines().filter(|line| line.contains(wanted)).count();
            if found != 1 {
                broken.push(format!("{}: `{wanted}` is on {found} lines of {name}", file.display()));
            }
        }
        for line in text.lines() {
            let Some(main) = value(line, "main") else { continue };
            if !tree.files.contains(&folder.join(main)) {
                broken.push(format!("{}: no program {main}", file.display()));
            }
        }
    }
    broken
}

/// The string after `key = ` in a line of TOML, in single or double quotes without escapes.
fn value<'line>(line: &'line str, key: &str) -> Option<&'line str> {
    let (_, rest) = line.split_once(&format!("{key} = "))?;
    let quote = rest.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    rest[1..].split(quote).next()
}
