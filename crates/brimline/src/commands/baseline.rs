//! `brimline baseline`: a run that later ones are compared with, by name.

use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use crate::exit_code::ExitCode;
use crate::stores::{name, open, resolve_run};

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: brimline baseline set release latest; later: brimline diff release latest")]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What to do with baselines.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Make a run the baseline of that name; the run that was it before loses the name
    Set(SetArgs),
}

/// Arguments of `baseline set`.
#[derive(clap::Args, Debug)]
pub(crate) struct SetArgs {
    /// The baseline's name.
    pub(crate) name: String,
    /// The run [default: the latest run]
    pub(crate) run: Option<String>,
    /// JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let Action::Set(args) = &args.action;
    let baseline = name(&args.name)?;
    let store = open(args.store.as_deref());
    let found = resolve_run(&store, args.run.as_deref().unwrap_or(""))?;
    store.set_baseline(&found.entry.folder, baseline.clone())?;
    let mut out = super::output(None)?;
    let run = found.entry.record.id.as_str();
    if args.json {
        writeln!(out, "{}", json!({ "schema": "brimline.baseline/1", "name": baseline.as_str(), "run": run }))?;
    } else {
        writeln!(out, "run {run} is the baseline {baseline}; compare with: brimline diff {baseline} latest")?;
    }
    out.flush()?;
    Ok(ExitCode::FINE)
}
