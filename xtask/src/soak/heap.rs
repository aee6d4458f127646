//! Heap snapshots: a million mutants, a cut at every 1,000th byte, and a file of 29.5 million nodes.
use std::path::Path;
use std::process::Command;

use anyhow::Result;

pub(super) fn run(root: &Path) -> Result<bool> {
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(arguments).current_dir(root);
        command
    };
    let mut mutants =
        cargo(&["test", "--release", "-p", "brimline-analysis", "--test", "heap_mutants", "--", "--nocapture"]);
    let passed = super::succeeds(mutants.env("BRIMLINE_SOAK", "1"))?;
    let built = super::succeeds(&mut cargo(&["build", "--release", "-p", "brimline"]))?
        && super::succeeds(&mut cargo(&["build", "--release", "-p", "brimline-analysis", "--example", "heap_resize"]))?;
    Ok(built && super::succeeds(Command::new(root.join("bench/heap/large.py")).current_dir(root))? && passed)
}
