//! `brimline man`: the manual pages.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::Cli;
use crate::exit_code::ExitCode;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: brimline man | man -l -")]
pub(crate) struct Args {
    /// Write all pages, one per command, into this folder [default: the main page to standard output]
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(folder) = &args.folder {
        std::fs::create_dir_all(folder).with_context(|| format!("failed to create `{}`", folder.display()))?;
        clap_mangen::generate_to(Cli::command(), folder)
            .with_context(|| format!("failed to write the pages to `{}`", folder.display()))?;
    } else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        std::io::stdout().write_all(&page)?;
    }
    Ok(ExitCode::FINE)
}
