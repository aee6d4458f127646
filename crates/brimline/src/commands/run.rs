//! `brimline run`: record a program.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use brimline_capture::go::is_go_command;
use brimline_capture::{
    LiveState, Observer, Plan, Problem, SnapshotThreshold, SnapshotTriggers, record, signal_number,
};
use brimline_profile::Profile;
use brimline_store::ProgramExit;
use brimline_store::{Location, RunFolder, SnapshotRecord};
use clap::ValueEnum;

use crate::decorated;
use crate::exit_code::ExitCode;
use crate::input::{self, SelectArgs};
use crate::python_package;
use crate::quantity::bytes;
use crate::refusal::{Refusal, usage};
use crate::stores::name;
use crate::summary::Summary;
use crate::terminal::plain;
use crate::tracker_library;
use crate::workload::{self, WorkloadArgs, WorkloadVoice};
use crate::{go, node};

/// Tells the tracker which functions' lines to follow, comma-separated.
const LINES_VARIABLE: &str = "BRIMLINE_TRACKER_LINES";
/// Tells the tracker what to count; without it everything.
const MODE_VARIABLE: &str = "BRIMLINE_TRACKER_MODE";
/// Tells the tracker the mean distance between samples in bytes.
const PERIOD_VARIABLE: &str = "BRIMLINE_TRACKER_PERIOD";

/// Asks the tracker for native frames.
const NATIVE_VARIABLE: &str = "BRIMLINE_TRACKER_NATIVE";

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline run -- python app.py --port 8000
  brimline run --name before -- pytest tests/test_orders.py
  brimline run --native-frames -- python train.py       C, C++ and Rust functions below the Python lines
  brimline run -- go run ./cmd/server                    a Go program, by the profiles it serves
  brimline run -- go test ./...                          Go tests: each package's heap profile
  brimline run --snapshot-at 85% -- gunicorn app:app     a snapshot before the OOM killer comes
  brimline run --workload locust:locustfile.py -- flask run      under load: does it leak, and where
  brimline run --workload http:/items --rate 100 -- node server.js
  brimline run --workload call:shop.orders:refresh --rounds 30

The program's output, input, signals and exit code are its own.")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct Args {
    /// The program with its arguments, as you would type it.
    #[arg(
        required_unless_present = "workload",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    pub(crate) command: Vec<OsString>,
    /// A name for the run.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What is counted.
    #[arg(long, value_enum, default_value = "exact")]
    pub(crate) mode: Mode,
    /// Also keep the C, C++ and Rust functions between a Python line and its allocations.
    #[arg(long)]
    pub(crate) native_frames: bool,
    /// Mean distance between samples (`64K`, `1M`) [default with --mode sampled: 512K]
    #[arg(long, value_name = "BYTES", value_parser = period)]
    pub(crate) sample_every: Option<u64>,
    /// Also keep what the process grew while each line of this function ran; repeatable. `brimline lines` shows it.
    #[arg(long, value_name = "FUNCTION")]
    pub(crate) lines: Vec<String>,
    /// Print the line-by-line tables of functions decorated with `@profile`, as `memory_profiler` does; by itself where the
    /// script has such a decorator.
    #[arg(long)]
    pub(crate) profile: bool,
    /// Resident memory in those tables, not tracked bytes.
    #[arg(long)]
    pub(crate) rss: bool,
    /// Digits behind the point in those tables [default: 1]
    #[arg(long, value_name = "DIGITS")]
    pub(crate) precision: Option<u8>,
    /// Append those tables to a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) table_output: Option<PathBuf>,
    /// Take a snapshot again and again after this time (`30s`, `5m`, `500ms`).
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) snapshot_every: Option<Duration>,
    /// Take a snapshot when brimline receives this signal (`USR2`).
    #[arg(long, value_name = "SIGNAL", value_parser = signal)]
    pub(crate) snapshot_on: Option<i32>,
    /// Take a snapshot when memory first reaches this (`1.5G`, or `85%` of the limit); repeatable.
    #[arg(long, value_name = "AMOUNT", value_parser = threshold)]
    pub(crate) snapshot_at: Vec<SnapshotThreshold>,
    /// The load.
    #[command(flatten)]
    pub(crate) workload: WorkloadArgs,
    /// Where a Go program serves its profiles, if it is not found (`http://localhost:6060`, `unix:/run/app.sock`); `off`
    /// leaves Go programs alone.
    #[arg(long, value_name = "URL")]
    pub(crate) pprof: Option<String>,
    /// Accept any certificate of a Go program's endpoint.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Leave Node programs alone: nothing is loaded into them.
    #[arg(long)]
    pub(crate) no_node: bool,
    /// Time between two samples of the process series.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub(crate) interval: Duration,
    /// Show live numbers even where the program writes to the same terminal.
    #[arg(long)]
    pub(crate) progress: bool,
    /// Say nothing but errors.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// The closing summary as JSON, on standard error (standard output is the program's).
    #[arg(long)]
    pub(crate) json: bool,
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
}

/// How allocations are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Every Python object and every malloc
    Exact,
    /// Every malloc and mapping; Python's small objects as the arenas they lie in. Cheaper
    Malloc,
    /// A sample of every object and every malloc, with 95 % intervals. Nearly free
    Sampled,
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("expected a unit of ms, s, m or h, found `{unit}`")),
    };
    let seconds = number.parse::<f64>().map_err(|_| format!("expected a time such as `30s`, found `{text}`"))? * factor;
    // Below a millisecond the sampling itself would be the load.
    if (0.001..1e9).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("expected a time from 1ms on, found `{text}`"))
    }
}

fn signal(text: &str) -> Result<i32, String> {
    signal_number(text).ok_or_else(|| format!("expected a signal such as `USR2`, found `{text}`"))
}

fn period(text: &str) -> Result<u64, String> {
    match SnapshotThreshold::parse(text) {
        Some(SnapshotThreshold::Bytes(bytes)) if (256..=1 << 30).contains(&bytes) => Ok(bytes),
        _ => Err(format!("expected an amount from 256 to 1G such as `64K`, found `{text}`")),
    }
}

fn threshold(text: &str) -> Result<SnapshotThreshold, String> {
    SnapshotThreshold::parse(text).ok_or_else(|| format!("expected an amount such as `1.5G` or `85%`, found `{text}`"))
}

/// Carries the command out; the exit code is the program's.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    if args.mode != Mode::Exact && !args.lines.is_empty() {
        return Err(usage(
            "expected --lines with --mode exact alone: lines are counted block by block",
            "leave out --mode",
        ));
    }
    let is_go = is_go_command(&args.command);
    if args.mode != Mode::Sampled && args.sample_every.is_some() && !is_go {
        return Err(usage(
            "expected --sample-every with --mode sampled or a Go program",
            "brimline run --mode sampled --sample-every 64K -- …",
        ));
    }
    let phases = args.workload.plan(&args.command, args.quiet)?;
    let location = Location::of_process(args.store.as_deref());
    let tracker = tracker_library::installed(&location.root);
    let mut plan = Plan::new(args.command.clone(), location, tracker);
    plan.name = args.name.as_deref().map(name).transpose()?;
    plan.interval = args.interval;
    match args.mode {
        Mode::Exact => {}
        Mode::Malloc => plan.environment.push((MODE_VARIABLE.into(), "malloc".into())),
        Mode::Sampled => plan.environment.push((MODE_VARIABLE.into(), "sampled".into())),
    }
    plan.node = (!args.no_node).then(|| node::plan(&plan.tracker));
    plan.go = go::plan(args.pprof.as_deref(), args.insecure)?;
    if let (Some(period), true) = (args.sample_every, is_go) {
        // Go reads its sampling distance from there when it starts.
        let known = std::env::var("GODEBUG").ok().filter(|known| !known.is_empty());
        let setting = format!("memprofilerate={period}");
        let setting = known.map_or_else(|| setting.clone(), |known| format!("{known},{setting}"));
        plan.environment.push(("GODEBUG".into(), setting.into()));
    }
    if let Some(period) = args.sample_every {
        plan.environment.push((PERIOD_VARIABLE.into(), period.to_string().into()));
    }
    if !args.lines.is_empty() {
        plan.environment.push((LINES_VARIABLE.into(), args.lines.join(",").into()));
    }
    if let Ok(own) = std::env::current_exe() {
        // The Python package asks the command that recorded it.
        plan.environment.push(("BRIMLINE_BINARY".into(), own.into()));
    }
    if args.native_frames {
        plan.environment.push((NATIVE_VARIABLE.into(), "1".into()));
    }
    profile(args, &mut plan)?;
    plan.triggers =
        SnapshotTriggers { every: args.snapshot_every, on_signal: args.snapshot_on, at: args.snapshot_at.clone() };
    if let Some(launch) = phases.as_ref().and_then(|phases| phases.load.launch()) {
        plan.command = launch.command;
        plan.environment.extend(launch.environment);
    }
    let unit = phases.as_ref().map(|phases| phases.load.unit());
    plan.phases = phases;
    let stderr_is_terminal = std::io::stderr().is_terminal();
    let own_terminal = stderr_is_terminal && !std::io::stdout().is_terminal();
    let voice = Voice::new(args.quiet, !args.quiet && (args.progress && stderr_is_terminal || own_terminal));
    let under_load = WorkloadVoice::new(&voice, args.store.clone(), stderr_is_terminal, args.quiet);
    let observer: &dyn Observer = if unit.is_some() { &under_load } else { &voice };
    let outcome = record(&plan, observer).map_err(|error| {
        let hint = "check the command; it is looked up in PATH as a shell would";
        anyhow::Error::from(Refusal { message: error.to_string(), hint: hint.into(), code: ExitCode::NOT_STARTED })
    })?;
    voice.clear();
    let ended_by_us = outcome.phases.as_ref().is_some_and(|phases| phases.ended_program);
    if let (ProgramExit::Signal(signal), false) = (outcome.exit, args.quiet || ended_by_us) {
        let why = match (signal, outcome.oom_killed) {
            (9, Some(true)) => ", by the kernel's out-of-memory killer",
            (9, None) => ", often by the kernel's out-of-memory killer",
            _ => "",
        };
        voice.say(&format!("the program was ended by signal {signal}{why}; what follows is its last state"));
    }
    let code = outcome.exit.code();
    let problems = voice.into_problems();
    let conclusion = match (outcome.phases, &outcome.folder, unit) {
        (Some(phases), Some(folder), Some(unit)) => {
            Some(workload::conclude(phases, unit, folder, args.store.clone(), code)?)
        }
        _ => None,
    };
    if let (Some(folder), false) = (&outcome.folder, args.quiet && !args.json) {
        // The program is what the user came for: a summary that fails is told, its exit code stays.
        // Where a problem has been told already, it is the reason and said once.
        if let Err(error) =
            summarise(folder, &args.lines, args.store.clone(), args.json, code, &problems, conclusion.as_ref())
        {
            if problems.is_empty() {
                let _ = writeln!(std::io::stderr(), "brimline: {}", plain(&format!("{error:#}")));
            }
            // A program without recorded allocations has been under load all the same.
            if let (Some(conclusion), true) = (&conclusion, args.json) {
                let answer = conclusion.without_allocations(folder, code, &problems);
                writeln!(std::io::stderr(), "{answer}")?;
            }
        }
    }
    if let (Some(conclusion), Some(folder), false) = (&conclusion, &outcome.folder, args.quiet || args.json) {
        conclusion.write(folder.id().as_str(), &mut std::io::stderr().lock())?;
    }
    Ok(conclusion.map_or(ExitCode((code & 0xff) as u8), |conclusion| conclusion.code))
}

/// Has `@profile` provided in the program, where it is asked for or the script has it.
fn profile(args: &Args, plan: &mut Plan) -> anyhow::Result<()> {
    let is_asked = args.profile || args.rss || args.precision.is_some() || args.table_output.is_some();
    if !is_asked && !decorated::names_profile(&args.command) {
        return Ok(());
    }
    let Ok(tracker) = &plan.tracker else { return Ok(()) };
    let script = python_package::installed(tracker).context("failed to write the Python package to the cache")?;
    let mut set = |name: &str, value: OsString| plan.environment.push((name.into(), value));
    set("BRIMLINE_TRACKER_INJECT", script.into());
    set("BRIMLINE_PROFILE", if args.rss { "rss" } else { "tracked" }.into());
    if let Some(precision) = args.precision {
        set("BRIMLINE_PROFILE_PRECISION", precision.to_string().into());
    }
    if let Some(output) = &args.table_output {
        let path = std::path::absolute(output).context("failed to find the working directory")?;
        set("BRIMLINE_PROFILE_OUTPUT", path.into());
    }
    Ok(())
}

/// Says what was recorded; `lines` are the functions whose lines were asked for.
pub(crate) fn summarise(
    folder: &RunFolder,
    lines: &[String],
    store: Option<PathBuf>,
    as_json: bool,
    code: i32,
    problems: &[String],
    conclusion: Option<&workload::Conclusion>,
) -> anyhow::Result<()> {
    let path = folder.path().display().to_string();
    let select = SelectArgs { process: None, store };
    let (input, warnings) = input::load(Some(folder.id().as_str()), &select)?;
    super::warn(&warnings);
    for wanted in lines.iter().filter(|wanted| !has_function(&input.recorded.profile, wanted)) {
        let text = format!("no lines are kept: expected a function `{wanted}` that allocates, found none of that name");
        let _ = writeln!(std::io::stderr(), "brimline: {}", plain(&text));
    }
    let summary = Summary::of(&input);
    let mut stderr = std::io::stderr().lock();
    if as_json {
        let mut json = summary.to_json(&path, code, problems);
        if let (Some(object), Some(conclusion)) = (json.as_object_mut(), conclusion) {
            object.insert("workload".into(), conclusion.to_json());
        }
        writeln!(stderr, "{json}")?;
    } else {
        summary.write(&shorter(&path), &mut stderr)?;
    }
    Ok(())
}

/// Whether a function of the run goes by this name; `load`, `Session.load` and `models:Session.load` may be one.
fn has_function(profile: &Profile, wanted: &str) -> bool {
    let wanted = wanted.rsplit(':').next().unwrap_or(wanted);
    profile.functions.iter().any(|function| {
        let name = profile.strings.get(function.name);
        let ends = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|front| front.ends_with('.'));
        name == wanted || ends(name, wanted) || ends(wanted, name)
    })
}

/// Relative to the working directory where that is shorter to read.
fn shorter(path: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    Path::new(path).strip_prefix(here).map_or_else(|_| path.to_owned(), |below| below.display().to_string())
}

/// What the user hears while the program runs.
pub(crate) struct Voice {
    progress: bool,
    quiet: bool,
    problems: Mutex<Vec<String>>,
}

impl Voice {
    pub(crate) fn new(quiet: bool, progress: bool) -> Self {
        Self { progress, quiet, problems: Mutex::default() }
    }

    /// The problems that were told.
    pub(crate) fn into_problems(self) -> Vec<String> {
        self.problems.into_inner().unwrap_or_default()
    }

    pub(crate) fn clear(&self) {
        if self.progress {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    pub(crate) fn say(&self, text: &str) {
        self.clear();
        // A closed standard error must not stop the recording.
        let _ = writeln!(std::io::stderr(), "brimline: {}", plain(text));
    }
}

impl Observer for Voice {
    fn sampled(&self, state: &LiveState) {
        if !self.progress {
            return;
        }
        let tracked = state.live_bytes.map(|live| format!(" · live {}", bytes(live as i64))).unwrap_or_default();
        let _ = write!(
            std::io::stderr(),
            "\r\x1b[K{:.0} s · RSS {}{tracked} · {} processes",
            state.seconds,
            bytes(state.rss_bytes as i64),
            state.processes.len()
        );
    }

    fn snapshot(&self, snapshot: &SnapshotRecord) {
        if !self.quiet {
            self.say(&format!("snapshot {} taken ({})", snapshot.name, snapshot.trigger));
        }
    }

    fn target(&self, pid: u32, endpoint: &str) {
        if !self.quiet {
            self.say(&format!("process {pid} is a Go program; its profiles come from {endpoint}"));
        }
    }

    fn problem(&self, problem: &Problem) {
        let text = problem.to_string();
        self.say(&text);
        if let Ok(mut problems) = self.problems.lock() {
            problems.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "s", "-1s", "5 weeks", "0", "NaN", "inf"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
