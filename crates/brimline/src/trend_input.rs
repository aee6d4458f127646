//! The series of a run or of plain files, ready to be judged.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use brimline_profile::formats::series_columns::{SeriesOptions, unit_by_name};
use brimline_profile::formats::series_file;
use brimline_profile::series::{Mark, Phase, Point, Series, Signal, Unit};
use brimline_store::{Resolved, ResolvedRun, RunRecord, RunState, series};

use crate::exit_code::ExitCode;
use crate::input::SelectArgs;
use crate::refusal::usage;
use crate::site::Site;
use crate::source_text::SourceText;
use crate::stores::{open, resolve};
use crate::trend_marks::{count_by_marks, load_rate};
use crate::trend_snapshots;
use crate::view::{FilterArgs, RowKind};

/// A file of numbers larger than this is something else.
const LARGEST_FILE: u64 = 1 << 30;

/// Which runs and files, and what their values are.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SeriesArgs {
    /// Read this column or metric only, even if its name says nothing.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) value: Option<String>,
    /// Unit of the values (`bytes`, `kb`, `MiB`, `count`) where the column's name does not tell it.
    #[arg(long, value_name = "UNIT", value_parser = unit)]
    pub(crate) unit: Option<String>,
    /// What the values are: the better the signal, the surer the verdict [default: by the column's name]
    #[arg(long, value_enum, value_name = "SIGNAL")]
    pub(crate) signal: Option<SignalArg>,
    /// What an allocation site is, in a run with snapshots.
    #[arg(long, value_enum, default_value = "line")]
    pub(crate) by: RowKind,
    /// Which store, which processes.
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    /// Which memory counts at the sites.
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// A [`Signal`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum SignalArg {
    /// Live bytes of one site after a collection
    SiteAfterGc,
    /// The heap after a collection
    HeapAfterGc,
    /// The heap at any moment, garbage included
    Heap,
    /// Resident memory of the process
    Rss,
    /// Descriptors, threads, goroutines
    Count,
}

impl SignalArg {
    /// The model's signal.
    pub(crate) fn signal(self) -> Signal {
        match self {
            Self::SiteAfterGc => Signal::SiteAfterGc,
            Self::HeapAfterGc => Signal::HeapAfterGc,
            Self::Heap => Signal::Heap,
            Self::Rss => Signal::Rss,
            Self::Count => Signal::Count,
        }
    }
}

fn unit(text: &str) -> Result<String, String> {
    match unit_by_name(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(format!("expected a unit such as `bytes`, `kb`, `MiB` or `count`, found `{text}`")),
    }
}

/// Series with what is known around them.
#[derive(Debug, Default)]
pub(crate) struct TrendInput {
    /// How to call it: the run's id or the files' paths.
    pub(crate) name: String,
    /// Facts about it in a line each.
    pub(crate) heading: Vec<String>,
    /// Processes, then sites.
    pub(crate) series: Vec<Series>,
    /// File and line of the sites among the series' subjects.
    pub(crate) sites: HashMap<String, Site>,
    /// The program's source.
    pub(crate) source: SourceText,
    /// Snapshots the sites come from; `None` for plain files.
    pub(crate) snapshots: Option<usize>,
    /// Milliseconds since 1970 at second 0; 0 where it is not known.
    pub(crate) start_ms: f64,
    /// Incomplete where something could not be read.
    pub(crate) exit_code: ExitCode,
}

/// Reads one run (the latest without `inputs`), or one or more files; with it, what could not be read.
pub(crate) fn load(inputs: &[String], args: &SeriesArgs) -> anyhow::Result<(TrendInput, Vec<String>)> {
    let store = open(args.select.store.as_deref());
    let texts: Vec<&str> = if inputs.is_empty() { vec![""] } else { inputs.iter().map(String::as_str).collect() };
    let mut paths = Vec::new();
    for text in &texts {
        match resolve(&store, text)? {
            Resolved::File(path) => paths.push(path),
            Resolved::Run(run) if texts.len() == 1 => return load_run(&run, args),
            Resolved::Run(run) => {
                return Err(usage(
                    format!(
                        "expected one run or several files, found the run `{}` among {}",
                        run.entry.record.id,
                        texts.len()
                    ),
                    "brimline compare-trends BEFORE AFTER sets two runs side by side",
                ));
            }
        }
    }
    load_files(&paths, args)
}

fn load_files(paths: &[PathBuf], args: &SeriesArgs) -> anyhow::Result<(TrendInput, Vec<String>)> {
    let mut input = TrendInput { exit_code: ExitCode::FINE, ..TrendInput::default() };
    let mut warnings = Vec::new();
    let options = SeriesOptions { value: args.value.clone(), unit: args.unit.clone() };
    for path in paths {
        let shown = path.display().to_string();
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(LARGEST_FILE).read_to_end(&mut bytes))
            .with_context(|| format!("failed to read `{shown}`"))?;
        let decoded = series_file::decode(&bytes, &options).map_err(|error| {
            let hint = match &error {
                brimline_profile::formats::series_columns::SeriesDecodeError::Malformed { .. } => {
                    "give JSON (numbers, pairs, objects), CSV, Prometheus text or an mprof file; `brimline report` reads recordings"
                }
                _ => "name the column: --value COLUMN, and its unit: --unit mb",
            };
            usage(format!("failed to read `{shown}`: {error}"), hint)
        })?;
        warnings.extend(decoded.warnings.iter().map(|warning| format!("{shown}: {warning}")));
        for mut series in decoded.series {
            if paths.len() > 1 {
                let apart = if series.subject.is_empty() { "" } else { " " };
                series.subject = format!("{shown}{apart}{}", series.subject);
            }
            input.series.push(series);
        }
    }
    input.name = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Ok((input, warnings))
}

fn load_run(run: &ResolvedRun, args: &SeriesArgs) -> anyhow::Result<(TrendInput, Vec<String>)> {
    let (folder, record) = (&run.entry.folder, &run.entry.record);
    let read = series::read(folder)?;
    let mut warnings = read.warnings;
    let names = process_names(record);
    let mut input = TrendInput {
        name: record.id.to_string(),
        start_ms: record.start.0 as f64 / 1e6,
        source: SourceText::new(record.cwd.clone().map(PathBuf::from)),
        exit_code: if warnings.is_empty() { ExitCode::FINE } else { ExitCode::INCOMPLETE },
        ..TrendInput::default()
    };
    input.series = process_series(&read.samples, &names, args.select.process)?;
    input.series.extend(crate::node::isolate_series(folder, record, &names, args.select.process));
    let state = if run.entry.state == RunState::Running { ", still running" } else { "" };
    let seconds = read.samples.last().map_or(0.0, |sample| sample.seconds);
    input.heading.push(format!("run {}{state}: {}", record.label(), record.command.join(" ")));
    input.heading.push(format!(
        "{seconds:.0} s, {} process{}, {} snapshots",
        names.len(),
        if names.len() == 1 { "" } else { "es" },
        record.snapshots.len()
    ));
    trend_snapshots::add(run, args, &names, &mut input, &mut warnings)?;
    if let Some(wanted) = &args.value {
        let known: std::collections::BTreeSet<String> =
            input.series.iter().map(|series| format!("`{}`", series.metric)).collect();
        input.series.retain(|series| series.metric == *wanted);
        if input.series.is_empty() {
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return Err(usage(format!("expected a metric of the run, found `{wanted}`"), format!("it has {known}")));
        }
    }
    if input.series.is_empty() {
        return Err(usage(
            format!("expected measurements in run `{}`, found none", record.id),
            "runs shorter than --interval have no series; record again with a shorter one",
        ));
    }
    let at = |timestamp: brimline_store::Timestamp| timestamp.seconds_since(record.start);
    for series in &mut input.series {
        let mark = |mark: &brimline_store::Mark| {
            let name = mark.name.to_string();
            Mark { seconds: at(mark.at), restart: is_restart(&name), name }
        };
        series.marks = record.marks.iter().map(mark).collect();
        series.phases = record
            .phases
            .iter()
            .map(|phase| Phase {
                name: phase.name.to_string(),
                start: at(phase.start),
                end: phase.end.map_or(f64::INFINITY, at),
            })
            .collect();
        count_by_marks(series);
    }
    // Files of marks alone are no measurements, so this comes last.
    let load = input.series.first().and_then(|series| load_rate(&series.marks));
    input.series.extend(load.filter(|load| args.value.as_ref().is_none_or(|value| *value == load.metric)));
    Ok((input, warnings))
}

/// Whether a mark of this name says that the program began anew: `restart`, `restarted`, `restart 2`.
fn is_restart(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let word = lower.trim_end_matches(|letter: char| !letter.is_ascii_alphabetic());
    word == "restart" || word == "restarted"
}

/// What each process is called: its command, numbered where several have the same; one process alone has no name.
fn process_names(record: &RunRecord) -> BTreeMap<u32, String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut processes: Vec<_> = record.processes.iter().collect();
    processes.sort_by_key(|process| (process.start, process.pid));
    processes
        .iter()
        .map(|process| {
            if processes.len() == 1 {
                return (process.pid, String::new());
            }
            let command: Vec<&str> =
                process.command.iter().map(|word| word.rsplit('/').next().unwrap_or(word)).take(4).collect();
            let command = crate::terminal::clip(&command.join(" "), 40).into_owned();
            let number = seen.entry(command.clone()).or_insert(0);
            *number += 1;
            (process.pid, if *number > 1 { format!("{command} #{number}") } else { command })
        })
        .collect()
}

/// One series per process and number of a sample, and the resident memory of the tree where it has several processes.
fn process_series(
    samples: &[series::Sample],
    names: &BTreeMap<u32, String>,
    wanted: Option<u32>,
) -> anyhow::Result<Vec<Series>> {
    let mut found: Vec<Series> = Vec::new();
    let mut places: HashMap<(u32, String), usize> = HashMap::new();
    let mut tree: BTreeMap<u64, (f64, usize)> = BTreeMap::new();
    let mut pids = std::collections::BTreeSet::new();
    for sample in samples {
        if wanted.is_some_and(|wanted| wanted != sample.pid) {
            continue;
        }
        pids.insert(sample.pid);
        if let Some(resident) = sample.rss_bytes {
            let sum = tree.entry(sample.seconds.to_bits()).or_default();
            *sum = (sum.0 + resident as f64, sum.1 + 1);
        }
        let serde_json::Value::Object(fields) = serde_json::to_value(sample)? else { continue };
        for (name, number) in fields {
            let Some(number) = number.as_f64() else { continue };
            let Some((metric, unit, signal)) = metric_of(&name) else { continue };
            let at = *places.entry((sample.pid, name)).or_insert_with(|| {
                let subject = names.get(&sample.pid).cloned().unwrap_or_else(|| format!("process {}", sample.pid));
                found.push(Series { metric, subject, unit, signal: Some(signal), ..Series::default() });
                found.len() - 1
            });
            found[at].points.push(Point::new(sample.seconds, number));
        }
    }
    if pids.len() > 1 {
        let points = tree.iter().map(|(at, (sum, _))| Point::new(f64::from_bits(*at), *sum)).collect();
        found.insert(
            0,
            Series {
                metric: "rss".into(),
                subject: "all processes".into(),
                signal: Some(Signal::Rss),
                points,
                ..Series::default()
            },
        );
    }
    // What stayed at nothing (swap, mostly) says nothing, nor do helpers that lived for a moment.
    found.retain(|series| series.points.iter().any(|point| point.value != 0.0));
    let longest = found.iter().map(|series| series.points.len()).max().unwrap_or(0);
    found.retain(|series| series.points.len() * 10 >= longest.min(120));
    Ok(found)
}

/// Metric, unit and signal of a sample's field; `None` for what is no measurement of its own.
fn metric_of(field: &str) -> Option<(String, Unit, Signal)> {
    let (metric, unit) = match field.strip_suffix("_bytes") {
        Some(metric) => (metric, Unit::Bytes),
        None => (field, Unit::Count),
    };
    let signal = match metric {
        "seconds" | "pid" | "max_rss" | "peak" | "vms" | "stack" => return None,
        "rss" | "pss" | "uss" | "swap" => Signal::Rss,
        // Totals that only rise, and what others share: shown, not judged.
        "heap" | "arena" | "malloc_reserved" | "mapped_file" | "shared" | "minor_faults" | "major_faults"
        | "cgroup" | "cgroup_limit" | "cgroup_limit_hits" | "cgroup_oom_kills" => Signal::Reserved,
        _ => match (unit, Signal::of_metric(field)) {
            (Unit::Count, Signal::Heap) => Signal::Count,
            (_, signal) => signal,
        },
    };
    Some((metric.to_owned(), unit, signal))
}

/// Whether `text` is a file that holds measurements rather than a recording or a run.
pub(crate) fn is_series_file(text: &str) -> bool {
    let path = Path::new(text);
    let mut start = Vec::new();
    let known = path
        .extension()
        .is_some_and(|end| ["csv", "json", "jsonl", "prom", "dat", "tsv", "txt"].iter().any(|own| end == *own));
    let mut read = || File::open(path).and_then(|file| file.take(64 << 20).read_to_end(&mut start));
    known && path.is_file() && read().is_ok() && series_file::decode(&start, &SeriesOptions::default()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_restart;

    #[test]
    fn marks_named_restart_say_that_the_process_began_anew() {
        assert!(["restart", "Restarted", "restart 2", "restart-3"].iter().all(|name| is_restart(name)));
        assert!(!["before restart", "start", "restarts work", "load"].iter().any(|name| is_restart(name)));
    }
}
