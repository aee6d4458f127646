//! `brimline completions`: shell completions.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit_code::ExitCode;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: brimline completions bash > ~/.local/share/bash-completion/completions/brimline")]
pub(crate) struct Args {
    /// The shell.
    pub(crate) shell: Shell,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "brimline", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::FINE)
}
