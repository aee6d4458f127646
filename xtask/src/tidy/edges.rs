//! Which crate of the workspace may depend on which. A new edge is a rare decision, with a note in ARCHITECTURE.md.
use super::Tree;

/// Crate, and the crates of the workspace that it may name. A crate that is missing here is an error.
const EDGES: &[(&str, &[&str])] = &[
    ("brimline", &["profile", "recording", "pprof", "analysis", "source", "diagnosis", "store", "capture", "symbols"]),
    ("brimline-profile", &["recording"]),
    ("brimline-recording", &[]),
    ("brimline-tracker", &["recording"]),
    ("brimline-pprof", &["profile"]),
    ("brimline-analysis", &["profile"]),
    ("brimline-source", &["profile"]),
    ("brimline-diagnosis", &["profile", "analysis", "source"]),
    ("brimline-store", &["profile", "recording"]),
    ("brimline-symbols", &[]),
    ("brimline-capture", &["profile", "recording", "store"]),
    ("xtask", &[]),
];

/// The one outside crate that code loaded into other people's programs may use.
const TRACKER_DEPENDENCIES: &[&str] = &["brimline-recording", "libc"];

pub(super) fn broken(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for package in members(tree) {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
            broken.push(format!("{name}: not in the table of xtask/src/tidy/edges.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let target = dependency["name"].as_str().unwrap_or_default();
            let development = dependency["kind"].as_str() == Some("dev");
            if name == "brimline-recording" && !development {
                broken.push(format!("{name} depends on {target}: it has no dependencies"));
            }
            if name == "brimline-tracker" && dependency["kind"].is_null() && !TRACKER_DEPENDENCIES.contains(&target) {
                broken.push(format!("{name} depends on {target}: only recording and libc"));
            }
            let short = target.strip_prefix("brimline-").unwrap_or(target);
            let inside = dependency["path"].is_string();
            if inside && !development && !allowed.contains(&short) {
                broken.push(format!("{name} -> {target}: not an edge of the design"));
            }
        }
    }
    broken
}

fn members(tree: &Tree) -> impl Iterator<Item = &serde_json::Value> {
    tree.metadata["packages"].as_array().into_iter().flatten().filter(|package| package["source"].is_null())
}
