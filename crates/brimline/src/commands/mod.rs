//! One file per command: its arguments, and what it does.

pub(crate) mod attach;
pub(crate) mod baseline;
pub(crate) mod compare_trends;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod goroutines;
pub(crate) mod heap;
pub(crate) mod import;
pub(crate) mod lines;
pub(crate) mod man;
pub(crate) mod mark;
pub(crate) mod pprof;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod snapshot;
pub(crate) mod tracker;
pub(crate) mod trend;
pub(crate) mod watch;
pub(crate) mod workload;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;

use crate::cli::{Cli, Command};
use crate::exit_code::ExitCode;
use crate::terminal::plain;

/// Carries out what the command line says.
pub(crate) fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Run(args) => run::execute(&args),
        Command::Attach(args) => attach::execute(&args),
        Command::Goroutines(args) => goroutines::execute(&args),
        Command::Snapshot(args) => snapshot::execute(&args),
        Command::Demo(args) => demo::execute(&args),
        Command::Runs(args) => runs::execute(&args),
        Command::Mark(args) => mark::execute(&args),
        Command::Baseline(args) => baseline::execute(&args),
        Command::Report(args) => report::execute(&args),
        Command::Lines(args) => lines::execute(&args),
        Command::Diff(args) => diff::execute(&args),
        Command::Pprof(args) => Ok(pprof::execute(&args)),
        Command::Import(args) => import::execute(&args),
        Command::Trend(args) => trend::execute(&args),
        Command::CompareTrends(args) => compare_trends::execute(&args),
        Command::Watch(args) => watch::execute(&args),
        Command::Workload(args) => workload::execute(&args),
        Command::Heap(args) => heap::execute(&args),
        Command::Export(args) => export::execute(&args),
        Command::Doctor(args) => doctor::execute(&args),
        Command::Tracker(args) => tracker::execute(&args),
        Command::Completions(args) => completions::execute(&args),
        Command::Man(args) => man::execute(&args),
    }
}

/// The file at `path`, created before the work starts, or standard output.
fn output(path: Option<&Path>) -> anyhow::Result<Box<dyn Write>> {
    Ok(match path {
        Some(path) if path != Path::new("-") => {
            let file = File::create(path).with_context(|| format!("failed to create `{}`", path.display()))?;
            Box::new(BufWriter::new(file))
        }
        _ => Box::new(BufWriter::new(std::io::stdout().lock())),
    })
}

/// Tells what had to be left out.
pub(crate) fn warn(warnings: &[String]) {
    let mut stderr = std::io::stderr().lock();
    for warning in warnings {
        // Warnings are lost when standard error is closed; the answer is not.
        let _ = writeln!(stderr, "warning: {}", plain(warning));
    }
}
