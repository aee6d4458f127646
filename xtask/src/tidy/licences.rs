//! Every dependency can be used under a licence that asks for no more than a notice.
use super::Tree;

const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

pub(super) fn broken(tree: &Tree) -> Vec<String> {
    let packages = tree.metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter_map(|package| {
            let name = package["name"].as_str().unwrap_or_default();
            match package["license"].as_str() {
                Some(expression) if accepted(expression) => None,
                Some(expression) => Some(format!("{name}: licence `{expression}`")),
                None => Some(format!("{name}: no licence named")),
            }
        })
        .collect()
}

/// Evaluates an SPDX expression of `AND`, `OR`, the old `/` and brackets: can all its duties be met with accepted ones?
fn accepted(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let inner = expression.trim();
    if let Some((left, right)) = split(inner, " OR ") {
        return accepted(left) || accepted(right);
    }
    if let Some((left, right)) = split(inner, " AND ") {
        return accepted(left) && accepted(right);
    }
    match inner.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(bracketed) => accepted(bracketed),
        None => ACCEPTED.contains(&inner),
    }
}

/// Splits at the first separator outside brackets.
fn split<'text>(text: &'text str, separator: &str) -> Option<(&'text str, &'text str)> {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && text[at..].starts_with(separator) => {
                return Some((&text[..at], &text[at + separator.len()..]));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::accepted;

    #[test]
    fn evaluates_expressions() {
        for good in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
            assert!(accepted(good), "{good}");
        }
        for bad in ["CDDL-1.0", "GPL-2.0-only", "WTFPL", "MIT AND GPL-3.0", "(MIT OR ISC) AND WTFPL", ""] {
            assert!(!accepted(bad), "{bad}");
        }
    }
}
