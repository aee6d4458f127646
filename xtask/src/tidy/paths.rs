//! No file names a folder of the machine it was written on.
use super::Tree;

/// Files that contain this on purpose: recordings of real programs keep the paths they were made with.
const DATA: &[&str] = &["Cargo.lock"];

pub(super) fn broken(tree: &Tree) -> Vec<String> {
    // Put together here, so that this file does not break its own rule.
    let folders = ["work", "root", "home"].map(|name| format!("/{name}/"));
    let mut broken = Vec::new();
    for file in &tree.files {
        if DATA.iter().any(|name| file.ends_with(name)) {
            continue;
        }
        let Some(text) = tree.text(file) else { continue };
        for (number, line) in text.lines().enumerate() {
            if folders.iter().any(|folder| contains_path(line, folder)) {
                broken.push(format!("{}:{}: a path of one machine", file.display(), number + 1));
            }
        }
    }
    broken
}

/// True if the folder occurs as the start of an absolute path: not as `src/work/` nor as `https://host/work/`.
fn contains_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        // A made-up user of examples.
        if line[at + folder.len()..].starts_with("me/") {
            return false;
        }
        !before.is_some_and(|character| character.is_alphanumeric() || "_-./}>$~*".contains(character))
    })
}

#[cfg(test)]
mod tests {
    use super::contains_path;

    #[test]
    fn tells_absolute_paths_from_parts() {
        let folder = "/place/";
        assert!(contains_path("open(\"/place/alice/x\")", folder));
        assert!(contains_path("/place/alice", folder));
        assert!(!contains_path("crates/place/src", folder));
        assert!(!contains_path("https://example.org/place/", folder));
        assert!(!contains_path("$dir/place/x", folder));
    }
}
