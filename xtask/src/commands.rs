//! Tasks that only start other programs.
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

/// Runs every test with permission to overwrite goldens; look at `git diff` afterwards.
pub(crate) fn bless(root: &Path) -> Result<bool> {
    run(Command::new("cargo").args(["test", "--workspace"]).env("BRIMLINE_BLESS", "1").current_dir(root))
}

fn run(command: &mut Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("failed to start {}", command.get_program().display()))?;
    Ok(status.success())
}
