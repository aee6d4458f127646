//! The end-to-end tests at full length: kills, forks, races, out-of-memory kills, a storm of threads; docs/soak.md.
use std::path::Path;
use std::process::Command;

use anyhow::Result;

pub(super) fn run(root: &Path) -> Result<bool> {
    let script = root.join("scripts/test.sh");
    let arguments =
        ["--package", "brimline", "--test", "it", "--release", "--", "--nocapture", "--test-threads=1", "soak"];
    super::succeeds(Command::new(script).args(arguments).env("BRIMLINE_SOAK", "1").current_dir(root))
}
