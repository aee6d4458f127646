//! `brimline heap nodes`: every node on a line, as DevTools' model gives them.

use std::io::Write;
use std::path::PathBuf;

use brimline_analysis::heap::listing;

use super::snapshot_file::{OpenArgs, SnapshotFile};
use crate::exit_code::ExitCode;

/// Arguments.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The run or file.
    run: String,
    #[command(flatten)]
    open: OpenArgs,
    /// Write to a file.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let mut out = crate::commands::output(args.output.as_deref())?;
    let opened = SnapshotFile::find(Some(&args.run), &args.open)?.heap()?;
    crate::commands::warn(&opened.warnings);
    listing::write_nodes(&opened.value, &mut out)?;
    out.flush()?;
    Ok(opened.exit_code)
}
