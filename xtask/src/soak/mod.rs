//! The long versions of tests, one file per area.
mod pprof;
mod runs;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

/// Runs the areas named, all without a name.
pub(crate) fn run(root: &Path, areas: &[String]) -> Result<bool> {
    let all: [(&str, fn(&Path) -> Result<bool>); 2] = [("pprof", pprof::soak), ("runs", runs::soak)];
    let mut passed = true;
    for (name, soak) in all {
        if areas.is_empty() || areas.iter().any(|area| area == name) {
            passed &= soak(root)?;
        }
    }
    Ok(passed)
}

fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("failed to start {}", command.get_program().display()))?;
    Ok(status.success())
}
