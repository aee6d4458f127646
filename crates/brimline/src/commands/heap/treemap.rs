//! `brimline heap treemap`: retained sizes as a picture.

use std::io::Write;
use std::path::PathBuf;

use brimline_profile::heap::NodeId;
use clap::ValueEnum;

use super::snapshot_file::{OpenArgs, SnapshotFile};
use super::target;
use crate::exit_code::ExitCode;
use crate::report::treemap::{self, Page};

/// Arguments.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The run or file [default: the latest run]
    run: Option<String>,
    /// Begin at this object instead of the root.
    #[arg(long, value_name = "@ID")]
    of: Option<String>,
    /// What is written [default: SVG into a file `….svg`, else HTML]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write to a file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A page for a browser
    Html,
    /// A picture
    Svg,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let mut out = crate::commands::output(args.output.as_deref())?;
    let file = SnapshotFile::find(args.run.as_deref(), &args.open)?;
    let opened = file.heap()?;
    crate::commands::warn(&opened.warnings);
    let root = args.of.as_deref().map_or(Ok(NodeId(0)), |text| target::object(&opened.value, text))?;
    let is_svg = args.output.as_ref().is_some_and(|path| path.extension().is_some_and(|extension| extension == "svg"));
    let page = match args.format {
        Some(Format::Svg) => Page::Svg,
        None if is_svg => Page::Svg,
        _ => Page::Html,
    };
    treemap::write(&opened.value, root, &file.name, page, &mut out)?;
    out.flush()?;
    Ok(opened.exit_code)
}
