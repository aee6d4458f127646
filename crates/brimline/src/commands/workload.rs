//! `brimline workload`: a mix of requests from a log, and what each kind of them costs.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use brimline_capture::http::Url;
use brimline_capture::workload::{Load, Mix, ProbeLoad, Source, read_mix};
use brimline_capture::{PhaseEnd, PhasePlan, Plan, Ready, record};
use brimline_store::{Location, ResolvedRun};
use serde_json::json;

use crate::commands::run::{Voice, duration};
use crate::exit_code::ExitCode;
use crate::quantity::{bytes, delta_bytes};
use crate::refusal::Refusal;
use crate::stores::{open, resolve_run};
use crate::terminal::{JsonGuard, clip, plain};
use crate::tracker_library;
use crate::trend_snapshots::totals;
use crate::workload::{WorkloadVoice, refuse};

/// Load at this pace warms the program before the probe.
const WARM_UP_RATE: f64 = 20.0;

/// Arguments.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

/// What to do with workloads.
#[derive(Debug, clap::Subcommand)]
enum Action {
    /// The most frequent requests of an access log or HAR file as a workload file, and what it lacks
    Mix(MixArgs),
    /// Make each kind of request alone and say which costs most memory
    Probe(ProbeArgs),
}

/// Arguments of `workload mix`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline workload mix access.log > mix.toml
  brimline workload mix session.har --json")]
struct MixArgs {
    /// An access log, a HAR file or a workload file.
    file: PathBuf,
    /// JSON.
    #[arg(long)]
    json: bool,
    /// Write to a file.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Arguments of `workload probe`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline workload probe access.log -- python app.py
  brimline workload probe mix.toml --requests 500 -o hungry.toml -- ./server")]
struct ProbeArgs {
    /// A workload file, an access log or a HAR file: its kinds of requests are probed.
    file: PathBuf,
    /// The program with its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<OsString>,
    /// Requests of each kind.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    requests: u64,
    /// Most kinds, the most frequent ones.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=1000))]
    top: u16,
    /// Load with all of them before the first is probed.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    warm_up: Duration,
    /// Where requests go to [default: the port on which the program listens]
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// JSON.
    #[arg(long)]
    json: bool,
    /// Write a workload file of the probed requests, the most memory-hungry first.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    store: Option<PathBuf>,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Mix(args) => mix(args),
        Action::Probe(args) => probe(args),
    }
}

fn mix(args: &MixArgs) -> anyhow::Result<ExitCode> {
    let mix = read_mix(&args.file).map_err(|error| refuse(&error))?;
    let mut out = super::output(args.output.as_deref())?;
    if args.json {
        let total: f64 = mix.requests.iter().map(|request| request.weight).sum();
        let rows = mix.requests.iter().map(|request| {
            json!({
                "name": request.name, "method": request.method, "weight": request.weight,
                "share": request.weight / total, "paths": request.paths.len(),
            })
        });
        let source = match mix.source {
            Source::File => "workload_file",
            Source::Har => "har",
            Source::AccessLog => "access_log",
        };
        let answer = json!({
            "schema": "brimline.workload-mix/1", "file": args.file.display().to_string(), "source": source,
            "requests": rows.collect::<Vec<_>>(), "lacks": mix.lacks,
        });
        writeln!(JsonGuard(&mut out), "{answer}")?;
    } else {
        // TOML has no raw control characters, and line ends only where this program puts them.
        write!(out, "{}", mix.to_toml())?;
    }
    out.flush()?;
    for line in &mix.lacks {
        writeln!(std::io::stderr(), "lacks: {}", plain(line))?;
    }
    Ok(ExitCode::FINE)
}

/// What one kind of request cost, per request.
struct Row {
    place: usize,
    requests: u64,
    errors: u64,
    p95: Option<f64>,
    retained: Option<f64>,
    allocated: Option<f64>,
}

fn probe(args: &ProbeArgs) -> anyhow::Result<ExitCode> {
    let mut mix = read_mix(&args.file).map_err(|error| refuse(&error))?;
    mix.requests.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    mix.requests.truncate(usize::from(args.top));
    mix.rate = Some(mix.rate.unwrap_or(WARM_UP_RATE));
    mix.connections = Some(mix.connections.unwrap_or(2));
    let target = args.target.as_deref().map(Url::parse).transpose();
    let target = target.map_err(|error| crate::refusal::usage(error.to_string(), "check --target"))?;
    if let Some(path) = &args.output {
        // A path that cannot be written is told before the minutes of probing.
        std::fs::write(path, "").with_context(|| format!("failed to create `{}`", path.display()))?;
    }
    let load = Arc::new(ProbeLoad::new(mix.clone(), args.requests));
    let location = Location::of_process(args.store.as_deref());
    let tracker = tracker_library::installed(&location.root);
    let mut plan = Plan::new(args.command.clone(), location, tracker);
    plan.phases = Some(phases(&load, &mix, target, args.warm_up));
    let voice = Voice::new(false, false);
    let observer = WorkloadVoice::new(&voice, args.store.clone(), std::io::stderr().is_terminal(), false);
    let outcome = record(&plan, &observer).map_err(|error| Refusal {
        message: error.to_string(),
        hint: "check the command; it is looked up in PATH as a shell would".into(),
        code: ExitCode::NOT_STARTED,
    })?;
    observer.clear();
    let (Some(folder), Some(phases)) = (&outcome.folder, &outcome.phases) else {
        anyhow::bail!("expected a recorded run, found none");
    };
    let run = resolve_run(&open(args.store.as_deref()), folder.id().as_str())?;
    let mut rows = rows(&run, &load)?;
    let hunger = |row: &Row| (row.retained.unwrap_or(0.0).max(0.0), row.allocated.unwrap_or(0.0));
    rows.sort_by(|a, b| hunger(b).partial_cmp(&hunger(a)).unwrap_or(std::cmp::Ordering::Equal));
    tell(args, &mix, &rows, folder.id().as_str())?;
    if let Some(path) = &args.output {
        let requests = rows.iter().map(|row| mix.requests[row.place].clone()).collect();
        write_file(path, &Mix { requests, ..mix.clone() })?;
    }
    Ok(match &phases.end {
        PhaseEnd::Completed if rows.iter().all(|row| row.retained.is_some()) => ExitCode::FINE,
        PhaseEnd::NotReady { reason } | PhaseEnd::LoadFailed { reason } => {
            writeln!(std::io::stderr(), "brimline: {}", plain(reason))?;
            ExitCode::NO_CAPTURE
        }
        end => {
            writeln!(std::io::stderr(), "brimline: incomplete: {}", plain(&end.to_string()))?;
            ExitCode::INCOMPLETE
        }
    })
}

fn phases(load: &Arc<ProbeLoad>, mix: &Mix, target: Option<Url>, warm_up: Duration) -> PhasePlan {
    PhasePlan {
        scheme: "probe",
        load: Arc::clone(load) as Arc<dyn Load>,
        target,
        ready: Ready::default(),
        ready_timeout: Duration::from_secs(60),
        warm_up,
        duration: None,
        rounds: Some(u32::try_from(mix.requests.len()).unwrap_or(u32::MAX)),
        every: None,
        until_verdict: false,
        settle: Duration::from_millis(500),
        least_requests: 0,
        most_errors: 1.0,
        patience: Duration::from_secs(10),
    }
}

/// Differences between the captures around each round.
fn rows(run: &ResolvedRun, load: &ProbeLoad) -> anyhow::Result<Vec<Row>> {
    let snapshots = &run.entry.record.snapshots;
    let at = |name: &str| match snapshots.iter().find(|snapshot| snapshot.name.as_str() == name) {
        Some(snapshot) => totals(run, snapshot),
        None => Ok(None),
    };
    let mut before = at("baseline")?;
    let mut rows = Vec::new();
    for (place, result) in load.results().into_iter().enumerate() {
        let after = at(&format!("round-{}", place + 1))?;
        let each = |after: Option<f64>, before: Option<f64>| {
            (result.requests > 0).then(|| Some((after? - before?) / result.requests as f64))?
        };
        rows.push(Row {
            place,
            requests: result.requests,
            errors: result.errors,
            p95: result.latency_ms.map(|latency| latency.p95),
            retained: each(after.map(|sums| sums.0), before.map(|sums| sums.0)),
            allocated: each(after.and_then(|sums| sums.1), before.and_then(|sums| sums.1)),
        });
        before = after;
    }
    Ok(rows)
}

fn tell(args: &ProbeArgs, mix: &Mix, rows: &[Row], run: &str) -> anyhow::Result<()> {
    let mut out = super::output(None)?;
    if args.json {
        let rows = rows.iter().map(|row| {
            json!({
                "name": mix.requests[row.place].name, "weight": mix.requests[row.place].weight,
                "requests": row.requests, "errors": row.errors, "p95_ms": row.p95,
                "retained_bytes_per_request": row.retained, "allocated_bytes_per_request": row.allocated,
            })
        });
        let answer = json!({
            "schema": "brimline.workload-probe/1", "run": run, "rows": rows.collect::<Vec<_>>(), "lacks": mix.lacks,
        });
        writeln!(JsonGuard(&mut out), "{answer}")?;
        return Ok(out.flush()?);
    }
    writeln!(
        out,
        "{:>12}  {:>12}  {:>8}  {:>7}  {:>8}  request",
        "retained", "allocated", "p95 ms", "failed", "weight"
    )?;
    for row in rows {
        let request = &mix.requests[row.place];
        let unknown = || "unknown".to_owned();
        writeln!(
            out,
            "{:>12}  {:>12}  {:>8}  {:>7}  {:>8}  {}",
            row.retained.map_or_else(unknown, |each| delta_bytes(each.round() as i64)),
            row.allocated.map_or_else(unknown, |each| bytes(each.round() as i64)),
            row.p95.map_or_else(unknown, |p95| format!("{p95:.1}")),
            row.errors,
            request.weight,
            plain(&clip(&request.name, 60)),
        )?;
    }
    writeln!(out, "\nper request, {} of each kind, after a collection; run {run}", args.requests)?;
    Ok(out.flush()?)
}

fn write_file(path: &Path, mix: &Mix) -> anyhow::Result<()> {
    std::fs::write(path, mix.to_toml()).with_context(|| format!("failed to write `{}`", path.display()))
}
