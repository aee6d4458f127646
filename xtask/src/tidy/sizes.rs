//! Files stay small enough to be read in one go.
use super::Tree;

const LONGEST: usize = 600;

/// Longer files, with why: flat tables of peers and generated code only.
const LONGER: &[(&str, &str)] = &[];

pub(super) fn broken(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for extension in ["rs", "py", "sh", "ts", "tsx", "go", "js", "c"] {
        for file in tree.with_extension(extension) {
            if LONGER.iter().any(|(name, _)| file.ends_with(name)) {
                continue;
            }
            let lines = tree.text(file).map_or(0, |text| text.lines().count());
            if lines > LONGEST {
                broken.push(format!("{}: {lines} lines, at most {LONGEST}; which nouns are in it?", file.display()));
            }
        }
    }
    broken
}
