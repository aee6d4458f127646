//! The end-to-end tests at full length: 100 kills, 1,000 forks, 10 races.
use std::path::Path;
use std::process::Command;

use anyhow::Result;

pub(super) fn run(root: &Path) -> Result<bool> {
    let script = root.join("scripts/test.sh");
    let arguments =
        ["--package", "brimline", "--test", "it", "--release", "--", "--nocapture", "--test-threads=1", "soak"];
    super::succeeds(Command::new(script).args(arguments).env("BRIMLINE_SOAK", "1").current_dir(root))
}
