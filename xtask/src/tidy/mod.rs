//! Rules that the compiler and clippy do not know. One file per rule, one row here.
mod docs;
mod edges;
mod licences;
mod names;
mod paths;
mod safety;
mod sizes;
mod truth;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// What a rule may look at.
pub(crate) struct Tree {
    root: PathBuf,
    /// Tracked files and new ones that are not ignored, relative to the root.
    files: Vec<PathBuf>,
    /// `cargo metadata` with all dependencies.
    metadata: serde_json::Value,
}

impl Tree {
    fn read(root: &Path) -> Result<Self> {
        let listed = output(
            Command::new("git")
                .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
                .current_dir(root),
        )?;
        let files = listed
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned()))
            .filter(|path| root.join(path).is_file())
            .collect();
        let metadata =
            output(Command::new("cargo").args(["metadata", "--format-version", "1", "--locked"]).current_dir(root))?;
        Ok(Self { root: root.to_path_buf(), files, metadata: serde_json::from_slice(&metadata)? })
    }

    /// Text of a file; `None` if it is not UTF-8.
    fn text(&self, file: &Path) -> Option<String> {
        std::fs::read(self.root.join(file)).ok().and_then(|bytes| String::from_utf8(bytes).ok())
    }

    fn with_extension<'tree>(&'tree self, extension: &'tree str) -> impl Iterator<Item = &'tree PathBuf> {
        self.files.iter().filter(move |file| file.extension().is_some_and(|found| found == extension))
    }
}

/// A rule: its name and a function that lists what breaks it.
type Rule = (&'static str, fn(&Tree) -> Vec<String>);

const RULES: &[Rule] = &[
    ("crate edges", edges::broken),
    ("docs", docs::broken),
    ("licences", licences::broken),
    ("names", names::broken),
    ("paths", paths::broken),
    ("reasons for unsafe", safety::broken),
    ("sizes", sizes::broken),
    ("truth of the programs", truth::broken),
];

/// Checks every rule; true if none is broken.
pub(crate) fn run(root: &Path) -> Result<bool> {
    let tree = Tree::read(root)?;
    let mut clean = true;
    for (name, rule) in RULES {
        let broken = rule(&tree);
        clean &= broken.is_empty();
        println!("{name}: {}", if broken.is_empty() { "ok".to_owned() } else { format!("{} broken", broken.len()) });
        for line in broken {
            println!("  {line}");
        }
    }
    Ok(clean)
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let result = command.output().with_context(|| format!("failed to start {}", command.get_program().display()))?;
    ensure!(result.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&result.stderr));
    Ok(result.stdout)
}
