//! `brimline snapshot`: a capture of a running program now, after a collection.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use brimline_capture::node::Depth;
use brimline_capture::{SnapshotError, SnapshotRequest};
use serde_json::json;

use crate::exit_code::ExitCode;
use crate::refusal::{Refusal, usage};
use crate::stores::{name, open, resolve_run};

/// Collects garbage in every tracked process of a running run and keeps what it holds then.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline snapshot                     the latest run, as snapshot-1, snapshot-2, …
  brimline snapshot web --name warm     then: brimline diff web@warm web@later")]
pub(crate) struct Args {
    /// The run, or the id of one of its processes [default: the latest run]
    pub(crate) run: Option<String>,
    /// The snapshot's name.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Only this process of the run.
    #[arg(long, value_name = "PID")]
    pub(crate) process: Option<u32>,
    /// Seconds to wait for the collection; after them the snapshot is taken without.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) timeout: u64,
    /// Take the heap of a Node program even where memory is short.
    #[arg(long)]
    pub(crate) force: bool,
    /// JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
}

/// Carries the command out. A snapshot without a collection is an incomplete answer.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let store = open(args.store.as_deref());
    let (entry, process) = match args.run.as_deref().and_then(|text| process_of(&store, text)) {
        Some((entry, pid)) => (entry, Some(pid)),
        None => (resolve_run(&store, args.run.as_deref().unwrap_or(""))?.entry, args.process),
    };
    let request = SnapshotRequest {
        name: args.name.as_deref().map(name).transpose()?,
        pid: process,
        timeout: Duration::from_secs(args.timeout),
        depth: if args.force { Depth::HeapAnyway } else { Depth::Heap },
        ..SnapshotRequest::default()
    };
    let snapshot = brimline_capture::snapshot(&entry.folder, &request).map_err(explain)?;
    store.index(&entry.folder)?;
    let collected = snapshot.files.iter().all(|file| file.collected);
    let run = entry.record.id.as_str();
    let mut out = super::output(None)?;
    if args.json {
        let files: Vec<_> =
            snapshot.files.iter().map(|file| json!({ "pid": file.pid, "collected": file.collected })).collect();
        let answer = json!({
            "schema": "brimline.snapshot/1", "run": run, "name": snapshot.name.as_str(),
            "at": snapshot.at.to_string(), "processes": files,
        });
        writeln!(out, "{answer}")?;
    } else {
        writeln!(out, "snapshot {1} of run {0}; next: brimline report {0}@{1}", run, snapshot.name)?;
    }
    out.flush()?;
    if !collected {
        super::warn(&["a process did not collect its garbage in time: the snapshot holds garbage too".to_owned()]);
    }
    Ok(if collected { ExitCode::FINE } else { ExitCode::INCOMPLETE })
}

/// The running run that has a process of this id, for a number that names no run.
fn process_of(store: &brimline_store::Store, text: &str) -> Option<(brimline_store::RunEntry, u32)> {
    let pid: u32 = text.parse().ok()?;
    let entries = store.runs().ok()?;
    let named = entries.iter().any(|entry| entry.record.id.as_str().starts_with(text));
    let has_process = |entry: &brimline_store::RunEntry| {
        entry.state == brimline_store::RunState::Running
            && (brimline_store::artifacts::processes(&entry.folder)
                .is_ok_and(|files| files.iter().any(|file| file.pid == pid))
                || brimline_store::go_capture::targets(&entry.folder).iter().any(|target| target.pid == pid)
                || brimline_store::node_capture::isolates(&entry.folder).iter().any(|isolate| isolate.pid == pid))
    };
    if named { None } else { entries.into_iter().find(has_process).map(|entry| (entry, pid)) }
}

fn explain(error: SnapshotError) -> anyhow::Error {
    match error {
        SnapshotError::NothingAlive { .. } => Refusal {
            message: error.to_string(),
            hint: "a snapshot needs a running program; `brimline runs` tells the state of each run".into(),
            code: ExitCode::NO_CAPTURE,
        }
        .into(),
        SnapshotError::ShortOfMemory(_) => Refusal {
            message: error.to_string(),
            hint: "`brimline mark NAME` keeps the sampling profile of this moment, which costs next to nothing; `--force` \
                   takes the heap all the same"
                .into(),
            code: ExitCode::NO_CAPTURE,
        }
        .into(),
        SnapshotError::Isolate { .. } => Refusal {
            message: format!("failed to take the snapshot: {error}"),
            hint: "the program goes on; `brimline mark NAME` keeps its sampling profile".into(),
            code: ExitCode::NO_CAPTURE,
        }
        .into(),
        SnapshotError::UnknownProcess { .. } => usage(error.to_string(), "leave out --process for all of them"),
        SnapshotError::NameTaken { .. } => usage(error.to_string(), "give another --name, or none"),
        other => anyhow::Error::from(other),
    }
}
