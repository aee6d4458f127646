//! What takes minutes or hours, one file per area: `cargo xtask soak [AREA…]`.

mod heap;
mod pprof;
mod programs;
mod python;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// An area's long tests; `false` when one failed.
type Area = fn(&Path) -> Result<bool>;

const AREAS: &[(&str, Area)] =
    &[("programs", programs::run), ("heap", heap::run), ("pprof", pprof::soak), ("python", python::soak)];

/// Runs the named areas, all without a name; goes on after a failure.
pub(crate) fn run(root: &Path, names: &[String]) -> Result<bool> {
    if let Some(unknown) = names.iter().find(|name| AREAS.iter().all(|(area, _)| area != name)) {
        let known: Vec<&str> = AREAS.iter().map(|(area, _)| *area).collect();
        bail!("expected an area of {}, found `{unknown}`", known.join(", "));
    }
    let mut passed = true;
    for (area, run) in AREAS.iter().filter(|(area, _)| names.is_empty() || names.iter().any(|name| name == area)) {
        println!("== soak {area}");
        passed &= run(root)?;
    }
    Ok(passed)
}

fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("failed to start {}", command.get_program().display()))?;
    Ok(status.success())
}
