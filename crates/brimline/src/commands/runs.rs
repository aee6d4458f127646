//! `brimline runs`: what has been recorded; naming and deleting.

use std::io::Write;
use std::path::PathBuf;

use brimline_store::{ResolvedRun, RunEntry, RunName, Timestamp};
use serde_json::{Value, json};

use crate::exit_code::ExitCode;
use crate::quantity::bytes;
use crate::stores::{name, open, resolve_run};
use crate::terminal::{JsonGuard, clip, plain};

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline runs                    all runs of this project, newest first
  brimline runs web                one run with its processes, marks and snapshots
  brimline runs web --rename before
  brimline runs 3f2a --delete")]
pub(crate) struct Args {
    /// One run, in detail [default: a list of all]
    pub(crate) run: Option<String>,
    /// Give the run another name.
    #[arg(long, value_name = "NAME", requires = "run")]
    pub(crate) rename: Option<String>,
    /// Delete the run for good.
    #[arg(long, requires = "run", conflicts_with = "rename")]
    pub(crate) delete: bool,
    /// Most runs to list.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
    /// JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let store = open(args.store.as_deref());
    let mut out = super::output(None)?;
    let entries = match &args.run {
        None => {
            for (folder, error) in store.unreadable()? {
                super::warn(&[format!("run `{}` is left out: {error}", folder.id())]);
            }
            let mut entries = store.runs()?;
            entries.truncate(args.top.unwrap_or(usize::MAX));
            entries
        }
        Some(text) => {
            let ResolvedRun { entry, .. } = resolve_run(&store, text)?;
            if args.delete {
                store.delete(entry.folder.clone())?;
            } else if let Some(new) = &args.rename {
                store.rename(&entry.folder, Some(name(new)?))?;
                let record = entry.folder.load()?;
                return finish(&mut out, args, &[RunEntry { record, ..entry }]);
            }
            vec![entry]
        }
    };
    finish(&mut out, args, &entries)
}

fn finish(out: &mut dyn Write, args: &Args, entries: &[RunEntry]) -> anyhow::Result<ExitCode> {
    if args.json {
        let rows: Vec<_> = entries.iter().map(to_json).collect();
        writeln!(JsonGuard(out), "{}", json!({ "schema": "brimline.runs/1", "deleted": args.delete, "runs": rows }))?;
    } else if entries.is_empty() {
        writeln!(out, "no runs yet; record one: brimline run -- python your_program.py")?;
    } else if args.delete {
        writeln!(out, "deleted {}", entries[0].record.id)?;
    } else {
        write_list(out, entries)?;
        if let (Some(_), [entry]) = (&args.run, entries) {
            write_detail(out, entry)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::FINE)
}

fn to_json(entry: &RunEntry) -> Value {
    let record = &entry.record;
    json!({
        "id": record.id.as_str(),
        "name": record.name.as_ref().map(RunName::as_str),
        "state": entry.state.as_str(),
        "start": record.start.to_string(),
        "seconds": record.end.map(|end| end.at.seconds_since(record.start)),
        "exit_code": record.end.map(|end| end.exit.code()),
        "command": record.command,
        "cwd": record.cwd,
        "commit": record.git.as_ref().map(|git| git.commit.as_str()),
        "python_versions": record.python_versions,
        "processes": record.processes.iter().map(|process| json!({
            "pid": process.pid, "parent_pid": process.parent_pid, "command": process.command,
            "python_version": process.python_version, "max_rss_bytes": process.max_rss_bytes,
            "refused": process.refused,
        })).collect::<Vec<_>>(),
        "marks": record.marks.iter().map(|mark| named(mark.name.as_str(), mark.at)).collect::<Vec<_>>(),
        "snapshots": record.snapshots.iter().map(|snapshot| named(snapshot.name.as_str(), snapshot.at)).collect::<Vec<_>>(),
        "baselines": record.baselines.iter().map(|mark| named(mark.name.as_str(), mark.at)).collect::<Vec<_>>(),
        "phases": record.phases.iter().map(|phase| json!({
            "name": phase.name.as_str(), "start": phase.start.to_string(), "end": phase.end.map(|end| end.to_string()),
        })).collect::<Vec<_>>(),
        "workload": record.workload,
        "problems": record.problems,
        "folder": entry.folder.path().display().to_string(),
    })
}

fn named(name: &str, at: Timestamp) -> Value {
    json!({ "name": name, "at": at.to_string() })
}

fn write_list(out: &mut dyn Write, entries: &[RunEntry]) -> anyhow::Result<()> {
    writeln!(out, "{:<10}  {:<16}  {:<20}  {:>8}  {:<11}  command", "id", "name", "start (UTC)", "seconds", "state")?;
    for entry in entries {
        let record = &entry.record;
        let start = record.start.to_string();
        let seconds = record.end.map(|end| format!("{:.1}", end.at.seconds_since(record.start)));
        let line = format!(
            "{:<10}  {:<16}  {:<20}  {:>8}  {:<11}  {}",
            record.id.as_str(),
            clip(record.name.as_ref().map_or("", RunName::as_str), 16),
            start.get(..19).unwrap_or(&start),
            seconds.unwrap_or_default(),
            entry.state.as_str(),
            clip(&record.command.join(" "), 80),
        );
        writeln!(out, "{}", plain(line.trim_end()))?;
    }
    Ok(())
}

fn write_detail(out: &mut dyn Write, entry: &RunEntry) -> anyhow::Result<()> {
    let record = &entry.record;
    for process in &record.processes {
        let highest = process.max_rss_bytes.map_or("unknown".to_owned(), |resident| bytes(resident as i64));
        let line = format!("  process {}: highest RSS {highest}, {}", process.pid, process.command.join(" "));
        writeln!(out, "{}", plain(&line))?;
        if let Some(reason) = &process.refused {
            writeln!(out, "    not tracked: {}", plain(reason))?;
        }
    }
    let times = record.marks.iter().map(|mark| ("mark", &mark.name, mark.at));
    let times = times.chain(record.snapshots.iter().map(|snapshot| ("snapshot", &snapshot.name, snapshot.at)));
    let times = times.chain(record.baselines.iter().map(|mark| ("baseline", &mark.name, mark.at)));
    let times = times.chain(record.phases.iter().map(|phase| ("phase", &phase.name, phase.start)));
    let mut times: Vec<_> = times.collect();
    times.sort_by_key(|(_, _, at)| *at);
    for (kind, name, at) in times {
        writeln!(out, "  {kind} {} at {:.1} s", plain(name.as_str()), at.seconds_since(record.start))?;
    }
    for problem in &record.problems {
        writeln!(out, "  problem: {}", plain(problem))?;
    }
    writeln!(out, "  in {}", plain(&entry.folder.path().display().to_string()))?;
    Ok(())
}
