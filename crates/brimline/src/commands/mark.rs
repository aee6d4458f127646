//! `brimline mark`: a name for this moment in a run.

use std::io::Write;
use std::path::PathBuf;

use brimline_store::RunState;
use serde_json::json;

use crate::exit_code::ExitCode;
use crate::stores::{name, open, resolve_run};

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline mark warm           the latest run is warm now
  brimline mark web load")]
pub(crate) struct Args {
    /// The run, if not the latest, and the mark's name.
    #[arg(num_args = 1..=2, required = true, value_names = ["RUN", "NAME"])]
    pub(crate) words: Vec<String>,
    /// JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let (run, mark) = match &args.words[..] {
        [run, mark] => (&**run, mark),
        [mark] => ("", mark),
        _ => return Err(crate::refusal::usage("expected a mark's name, found none", "`brimline mark NAME`")),
    };
    let mark = name(mark)?;
    let store = open(args.store.as_deref());
    let found = resolve_run(&store, run)?;
    if found.entry.state != RunState::Running {
        return Err(crate::refusal::usage(
            format!("expected a run that is running, found `{}`, which has ended", found.entry.record.id),
            "`brimline runs` lists the runs and their states",
        ));
    }
    let (mark, captured) = brimline_capture::mark(&found.entry.folder, mark)?;
    store.index(&found.entry.folder)?;
    let mut out = super::output(None)?;
    let record = &found.entry.record;
    if args.json {
        let answer = json!({
            "schema": "brimline.mark/1", "run": record.id.as_str(), "name": mark.name.as_str(),
            "at": mark.at.to_string(), "seconds": mark.at.seconds_since(record.start),
            "captured": captured.map(|captured| captured.files.len()),
        });
        writeln!(out, "{answer}")?;
    } else {
        let seconds = mark.at.seconds_since(record.start);
        writeln!(out, "marked {} in run {} at {seconds:.1} s", mark.name, record.id)?;
        if captured.is_some() {
            writeln!(out, "captured; next: brimline report {0}@{1} · brimline diff {0}@{1} {0}", record.id, mark.name)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::FINE)
}
