//! `brimline tracker`: where the tracker lies, for the Python package that loads it into its own process.

use std::io::Write;
use std::path::PathBuf;

use anyhow::anyhow;

use crate::exit_code::ExitCode;
use crate::stores::open;
use crate::tracker_library;

/// Arguments.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
}

/// Writes the tracker to the cache where it is not there, and prints its path.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let path = tracker_library::installed(open(args.store.as_deref()).root()).map_err(|reason| anyhow!(reason))?;
    let mut out = super::output(None)?;
    writeln!(out, "{}", path.display())?;
    out.flush()?;
    Ok(ExitCode::FINE)
}
