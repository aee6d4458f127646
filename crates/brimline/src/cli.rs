//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::{
    attach, baseline, compare_trends, completions, demo, diff, doctor, export, goroutines, heap, import, lines, man,
    mark, pprof, report, run, runs, snapshot, tracker, trend, watch, workload,
};

/// Finds memory problems in programs: record one, see which lines hold the memory, compare two runs.
///
/// A RUN is a run's id or the start of it, its name, a baseline's name, `latest~N`, RUN@MARK for a snapshot in it, or a
/// recording's file. Data goes to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(name = "brimline", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, in the order of the help text.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Record a program
    Run(Box<run::Args>),
    /// Record a program that runs already
    Attach(attach::Args),
    /// The memory of a running program, live in the terminal
    Watch(watch::Args),
    /// Capture a running program now, after a collection
    Snapshot(snapshot::Args),
    /// What has been recorded
    Runs(runs::Args),
    /// Name this moment in a run
    Mark(mark::Args),
    /// Name a run that later ones are compared with
    Baseline(baseline::Args),
    /// Which lines, functions, files hold, held or allocated how much
    Report(report::Args),
    /// The line-by-line table of a function, callees included
    Lines(lines::Args),
    /// What grew between two runs, snapshots or files
    Diff(diff::Args),
    /// The command line of `go tool pprof`, its answers, and what it lacks
    Pprof(pprof::Args),
    /// Make a run of a file from another tool
    Import(import::Args),
    /// Is it a leak, or does it settle? Verdicts on a run's or a file's series
    Trend(trend::Args),
    /// Did a change alter the slope?
    CompareTrends(compare_trends::Args),
    /// What a load is made of, and which of its requests cost memory
    Workload(workload::Args),
    /// Who holds memory in a heap snapshot
    Heap(heap::Args),
    /// Which goroutines of a Go program leak or pile up
    Goroutines(goroutines::Args),
    /// Write a run for other tools
    Export(export::Args),
    /// What is installed, what is missing and how to get it
    Doctor(doctor::Args),
    /// The main job on a small leaky program, each command shown
    Demo(demo::Args),
    /// Where the tracker lies, for the Python package
    #[command(hide = true)]
    Tracker(tracker::Args),
    /// Shell completions
    Completions(completions::Args),
    /// The manual pages
    Man(man::Args),
}
