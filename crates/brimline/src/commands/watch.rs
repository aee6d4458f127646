//! `brimline watch`: the memory of a running program, live in the terminal.

use std::collections::{BTreeMap, VecDeque};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use brimline_analysis::trend::sparkline;
use brimline_capture::Watcher;
use brimline_store::series::Sample;
use brimline_store::{RunFolder, RunState};

use crate::commands::run::duration;
use crate::exit_code::ExitCode;
use crate::quantity::{bytes, count};
use crate::refusal::{Refusal, usage};
use crate::stores::{open, resolve_run};
use crate::terminal::{JsonGuard, clip, plain, width};

/// Values behind a sparkline.
const HISTORY: usize = 240;
const SPARK: usize = 24;
/// Processes with a row of their own.
const ROWS: usize = 20;

/// Looks at a process and those below it, without touching them.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline watch 4711                    any process
  brimline watch web                     a run that goes on, with its live heap and phases
  brimline watch 4711 --json --interval 100ms > series.jsonl")]
pub(crate) struct Args {
    /// A process id, or a run that goes on [default: the latest run]
    target: Option<String>,
    /// Time between two samples.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    interval: Duration,
    /// End after so many samples [default: when the program ends]
    #[arg(long, value_name = "N")]
    samples: Option<u64>,
    /// A line of JSON for each process and sample.
    #[arg(long)]
    json: bool,
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    store: Option<PathBuf>,
}

/// What was seen of one process, bounded.
#[derive(Default)]
struct Seen {
    rss: VecDeque<f64>,
    /// The figures that are not taken at every sample, from when they were.
    last: Sample,
    faults: Option<(f64, u64)>,
    faults_per_second: Option<f64>,
}

impl Seen {
    fn take(&mut self, sample: &Sample) {
        if self.rss.len() == HISTORY {
            self.rss.pop_front();
        }
        self.rss.extend(sample.rss_bytes.map(|rss| rss as f64));
        if let Some(faults) = sample.minor_faults {
            if let Some((seconds, before)) = self.faults.filter(|(seconds, _)| *seconds < sample.seconds) {
                self.faults_per_second = Some(faults.saturating_sub(before) as f64 / (sample.seconds - seconds));
            }
            self.faults = Some((sample.seconds, faults));
        }
        let last = std::mem::replace(&mut self.last, sample.clone());
        self.last.pss_bytes = sample.pss_bytes.or(last.pss_bytes);
        self.last.uss_bytes = sample.uss_bytes.or(last.uss_bytes);
        self.last.heap_bytes = sample.heap_bytes.or(last.heap_bytes);
    }
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let (pid, folder) = target(args)?;
    let mut watcher = Watcher::new(pid, folder.clone(), args.interval).ok_or_else(|| Refusal {
        message: format!("expected a process {pid} that can be looked at, found none"),
        hint: "check the id with `ps`; processes of other users need their user or root".into(),
        code: ExitCode::NO_CAPTURE,
    })?;
    let mut out = super::output(None)?;
    let live = !args.json && std::io::stdout().is_terminal();
    let mut seen: BTreeMap<u32, Seen> = BTreeMap::new();
    let mut drawn = 0;
    if args.json {
        writeln!(out, "{{\"schema\":\"{}\"}}", brimline_store::series::SCHEMA)?;
    }
    let mut next = Instant::now();
    for number in 0_u64.. {
        if args.samples.is_some_and(|most| number >= most) {
            break;
        }
        let samples = watcher.sample();
        if samples.is_empty() {
            break;
        }
        seen.retain(|pid, _| samples.iter().any(|(sample, _)| sample.pid == *pid));
        for (sample, _) in &samples {
            seen.entry(sample.pid).or_default().take(sample);
        }
        if args.json {
            for (sample, _) in &samples {
                writeln!(JsonGuard(&mut out), "{}", serde_json::to_string(sample)?)?;
            }
        } else if live {
            let lines = table(&samples, &seen, folder.as_ref());
            if drawn > 0 {
                write!(out, "\x1b[{drawn}A\x1b[J")?;
            }
            for line in &lines {
                writeln!(out, "{}", clip(&plain(line), width().unwrap_or(120).saturating_sub(1)))?;
            }
            drawn = lines.len();
        } else {
            writeln!(out, "{}", plain(&line(&samples)))?;
        }
        out.flush()?;
        next += args.interval;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        // After a pause (suspend, a stop by Ctrl-Z) the samples missed are not made up for.
        next = next.max(Instant::now());
    }
    Ok(ExitCode::FINE)
}

/// The process to look at, and its run.
fn target(args: &Args) -> anyhow::Result<(u32, Option<RunFolder>)> {
    let text = args.target.as_deref().unwrap_or("");
    let store = open(args.store.as_deref());
    // A number of one to seven digits is a process: a run's id has eight.
    if let Ok(pid) = text.parse::<u32>()
        && text.len() < 8
    {
        let runs = store.runs().unwrap_or_default();
        let own = runs.into_iter().find(|run| run.state == RunState::Running && run.record.pid == Some(pid));
        return Ok((pid, own.map(|run| run.folder)));
    }
    let run = resolve_run(&store, text)?.entry;
    match run.record.pid {
        Some(pid) if run.state == RunState::Running => Ok((pid, Some(run.folder))),
        _ => Err(usage(
            format!("expected a run that goes on, found `{}`, which has ended", run.record.id),
            format!("`brimline trend {}` shows its series", run.record.id),
        )),
    }
}

/// One line about all processes, for what is no terminal.
fn line(samples: &[(Sample, Vec<String>)]) -> String {
    let sum = |get: fn(&Sample) -> Option<u64>| {
        samples.iter().filter_map(|(sample, _)| get(sample)).reduce(|sum, value| sum + value)
    };
    let seconds = samples.first().map_or(0.0, |(sample, _)| sample.seconds);
    let mut parts = vec![format!("{seconds:.1} s"), format!("{} processes", samples.len())];
    let mut part =
        |name: &str, value: Option<u64>| parts.extend(value.map(|value| format!("{name} {}", bytes(value as i64))));
    part("RSS", sum(|sample| sample.rss_bytes));
    part("PSS", sum(|sample| sample.pss_bytes));
    part("swap", sum(|sample| sample.swap_bytes.filter(|swap| *swap > 0)));
    part("live", sum(|sample| sample.live_bytes));
    parts.extend(sum(|sample| sample.open_fds).map(|fds| format!("{fds} descriptors")));
    parts.extend(sum(|sample| sample.threads).map(|threads| format!("{threads} threads")));
    parts.join(" · ")
}

fn table(samples: &[(Sample, Vec<String>)], seen: &BTreeMap<u32, Seen>, folder: Option<&RunFolder>) -> Vec<String> {
    let mut lines = vec![line(samples)];
    lines.extend(samples.first().and_then(|(sample, _)| group(sample)));
    lines.extend(folder.and_then(phase));
    lines.push(format!(
        "{:>8}  {:>10}  {:>10}  {:>10}  {:>10}  {:>9}  {:>5}  {:>5}  {:>8}  {:<SPARK$}  command",
        "process", "RSS", "PSS", "USS", "live", "swap", "fds", "thr", "faults/s", "RSS over time"
    ));
    for (sample, command) in samples.iter().take(ROWS) {
        let Some(seen) = seen.get(&sample.pid) else { continue };
        let amount = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |value| bytes(value as i64));
        let number = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |value| count(value as i64));
        let values: Vec<f64> = seen.rss.iter().copied().collect();
        lines.push(format!(
            "{:>8}  {:>10}  {:>10}  {:>10}  {:>10}  {:>9}  {:>5}  {:>5}  {:>8}  {:<SPARK$}  {}",
            sample.pid,
            amount(sample.rss_bytes),
            amount(seen.last.pss_bytes),
            amount(seen.last.uss_bytes),
            amount(sample.live_bytes),
            amount(sample.swap_bytes),
            number(sample.open_fds),
            number(sample.threads),
            seen.faults_per_second.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.0}")),
            sparkline(&values, SPARK),
            command.join(" "),
        ));
    }
    if samples.len() > ROWS {
        lines.push(format!("{} more processes", samples.len() - ROWS));
    }
    lines
}

/// The control group's memory, where it has a limit.
fn group(sample: &Sample) -> Option<String> {
    let (current, limit) = (sample.cgroup_bytes?, sample.cgroup_limit_bytes?);
    let share = 100.0 * current as f64 / limit.max(1) as f64;
    let hits = sample
        .cgroup_limit_hits
        .filter(|hits| *hits > 0)
        .map_or_else(String::new, |hits| format!(", met {hits} times"));
    let kills = sample
        .cgroup_oom_kills
        .filter(|kills| *kills > 0)
        .map_or_else(String::new, |kills| format!(", {kills} killed"));
    Some(format!("control group: {} of {} ({share:.0} %){hits}{kills}", bytes(current as i64), bytes(limit as i64)))
}

/// The phase and the last mark of a run with a workload.
fn phase(folder: &RunFolder) -> Option<String> {
    let record = folder.load().ok()?;
    let phase = record.phases.iter().rfind(|phase| phase.end.is_none())?;
    let mark = record.marks.last().map_or_else(String::new, |mark| format!(" · {}", mark.name));
    Some(format!("phase {}{mark}", phase.name))
}
