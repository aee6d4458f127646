//! A million mutants of each profile format.
use std::path::Path;
use std::process::Command;

use anyhow::Result;

pub(super) fn soak(root: &Path) -> Result<bool> {
    let arguments = ["test", "--release", "--package", "brimline-pprof", "--test", "it", "--", "--nocapture", "soak"];
    super::succeeds(Command::new("cargo").args(arguments).env("BRIMLINE_SOAK", "1").current_dir(root))
}
