//! A million mutants of the files of tracemalloc and memray; the wheel, optimised, twice.
use std::path::Path;
use std::process::Command;

use anyhow::Result;

pub(super) fn soak(root: &Path) -> Result<bool> {
    let mutants = ["test", "--release", "--package", "brimline-profile", "--lib", "--", "--nocapture", "soak_mutants"];
    let files = super::succeeds(Command::new("cargo").args(mutants).env("BRIMLINE_SOAK", "1").current_dir(root))?;
    let wheel = ["--package", "brimline", "--test", "it", "--", "package::wheels"];
    let mut tests = Command::new(root.join("scripts/test.sh"));
    Ok(super::succeeds(
        tests.args(wheel).env("BRIMLINE_BUILD_WHEELS", "1").env("BRIMLINE_WHEEL_PROFILE", "release").current_dir(root),
    )? && files)
}
