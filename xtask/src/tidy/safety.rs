//! `unsafe` stands only where memory of another program or the C interface is touched, each time with its reason.
use std::path::Path;

use super::Tree;

/// Crates that may contain `unsafe` at all, with why.
const ALLOWED: &[(&str, &str)] = &[
    ("crates/tracker", "hooks C allocators and reads the interpreter's structures"),
    ("crates/recording", "views bytes of a shared mapping as rows"),
    ("crates/capture", "signals, pre-exec set-up and mapped recordings"),
    ("crates/store", "maps artifacts"),
    ("crates/symbols", "maps files of machine code"),
    ("crates/brimline", "end-to-end tests act on processes"),
];

pub(super) fn broken(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for file in tree.with_extension("rs") {
        let Some(text) = tree.text(file) else { continue };
        for line in without_reason(&text) {
            broken.push(format!("{}:{line}: `unsafe` without a `SAFETY:` reason above it", file.display()));
        }
        if uses_unsafe(&text) && !ALLOWED.iter().any(|(folder, _)| file.starts_with(Path::new(folder))) {
            broken.push(format!("{}: `unsafe` outside the crates that may use it", file.display()));
        }
    }
    broken
}

fn uses_unsafe(text: &str) -> bool {
    text.lines().any(|line| starts_unsafe(code_of(line)))
}

/// Numbers of the lines that open an unsafe block or implementation with no reason in the comment above it (a statement
/// that began up to three lines earlier counts as one with it).
fn without_reason(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if starts_unsafe(code_of(line)) && !has_reason(&lines[..=index]) {
            found.push(index + 1);
        }
    }
    found
}

fn starts_unsafe(code: &str) -> bool {
    let block = code.match_indices("unsafe").any(|(at, word)| {
        let rest = code[at + word.len()..].trim_start();
        let free = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"' || c == '`');
        free && (rest.starts_with('{') || rest.starts_with("impl "))
    });
    block && !code.trim_start().starts_with("//")
}

/// The line without its trailing comment.
fn code_of(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn has_reason(upto: &[&str]) -> bool {
    let Some((last, above)) = upto.split_last() else { return false };
    if last.contains("SAFETY:") {
        return true;
    }
    let mut statement_lines = 0;
    for line in above.iter().rev() {
        let trimmed = line.trim();
        if trimmed.starts_with("//") {
            if trimmed.contains("SAFETY:") || trimmed.contains("# Safety") {
                return true;
            }
        } else if !trimmed.starts_with("#[") {
            statement_lines += 1;
            let ended = trimmed.is_empty() || trimmed.ends_with(';') || trimmed == "}";
            if statement_lines > 3 || ended {
                return false;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::without_reason;

    #[test]
    fn wants_a_reason_near_the_block() {
        let word = "unsafe";
        assert_eq!(without_reason(&format!("fn f() {{\n    {word} {{ g() }}\n}}")), [2]);
        assert!(without_reason(&format!("// SAFETY: g has no duties.\n// More.\n{word} {{ g() }}")).is_empty());
        assert!(without_reason(&format!("// SAFETY: yes.\nlet x =\n    {word} {{ g() }};")).is_empty());
        assert_eq!(without_reason(&format!("// SAFETY: of the first.\n{word} {{ g() }};\n{word} {{ h() }};")), [3]);
    }
}
