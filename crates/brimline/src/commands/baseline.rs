//! `brimline baseline`: a run that later ones are compared with, by name.

use std::io::Write;
use std::path::PathBuf;

use brimline_store::{Mark, RunRecord};
use serde_json::json;

use crate::exit_code::ExitCode;
use crate::stores::{name, open, resolve_run};
use crate::terminal::{JsonGuard, plain};

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
    /// The baselines, with what each was recorded from
    List(ListArgs),
}

/// Arguments of `baseline list`.
#[derive(clap::Args, Debug)]
pub(crate) struct ListArgs {
    /// JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
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
    match &args.action {
        Action::Set(args) => set(args),
        Action::List(args) => list(args),
    }
}

/// Newest name first; a run that lost a name to another is not listed under it.
fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let runs = open(args.store.as_deref()).runs()?;
    let mut rows: Vec<(&Mark, &RunRecord)> =
        runs.iter().flat_map(|run| run.record.baselines.iter().map(move |mark| (mark, &run.record))).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.0.at));
    let mut seen = std::collections::BTreeSet::new();
    rows.retain(|(mark, _)| seen.insert(mark.name.as_str()));
    let mut out = super::output(None)?;
    if args.json {
        let rows = rows.iter().map(|(mark, record)| {
            json!({
                "name": mark.name.as_str(), "set": mark.at.to_string(), "run": record.id.as_str(), "command": record.command,
                "commit": record.git.as_ref().map(|git| &git.commit), "dirty": record.git.as_ref().and_then(|git| git.dirty),
                "python_versions": record.python_versions, "brimline_version": record.brimline_version,
                "workload": record.workload,
            })
        });
        let answer = json!({ "schema": "brimline.baselines/1", "baselines": rows.collect::<Vec<_>>() });
        writeln!(JsonGuard(&mut out), "{answer}")?;
    }
    for (mark, record) in rows.iter().filter(|_| !args.json) {
        let commit = record.git.as_ref().map_or("no commit", |git| git.commit.get(..12).unwrap_or(&git.commit));
        let load = record.workload.as_ref().and_then(|load| load["driver"].as_str()).unwrap_or("no workload");
        let line = format!("{}  run {}  {commit}  {load}  {}", mark.name, record.id, record.command.join(" "));
        writeln!(out, "{}", plain(&line))?;
    }
    out.flush()?;
    Ok(ExitCode::FINE)
}

fn set(args: &SetArgs) -> anyhow::Result<ExitCode> {
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
