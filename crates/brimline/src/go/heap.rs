//! Heap captures as input of `report`, `diff`, `lines` and `export`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use brimline_analysis::aggregate::Attribution;
use brimline_analysis::places::Places;
use brimline_profile::formats::recording::Recorded;
use brimline_profile::{Precision, ProfileBuilder, ValueType, value};
use brimline_store::go_capture::HEAP;
use brimline_store::{ResolvedRun, RunState};
use serde_json::{Value, json};

use super::{Moment, moments};
use crate::exit_code::ExitCode;
use crate::imported::{Numbers, kind_of};
use crate::input::{GoHeap, Input, Untracked};
use crate::quantity::{bytes, count};
use crate::source_text::SourceText;

/// Columns of a profile with its variances.
const COLUMNS: usize = 2 * value::VARIANCE;

/// The heap captures that a RUN means: the latest of each process.
pub(crate) fn select(run: &ResolvedRun, process: Option<u32>) -> anyhow::Result<Vec<Moment>> {
    let mut latest = BTreeMap::new();
    for moment in moments(run, process)?.into_iter().filter(|moment| moment.capture.has(HEAP)) {
        latest.insert(moment.capture.record.pid, moment);
    }
    Ok(latest.into_values().collect())
}

/// The captures, added up, as input of a report; with it, what there is to warn of.
pub(crate) fn input(run: &ResolvedRun, moments: Vec<Moment>, name: String) -> anyhow::Result<(Input, Vec<String>)> {
    let mut warnings = Vec::new();
    let mut read: Vec<Numbers> = Vec::new();
    let mut kept = Vec::new();
    for moment in moments {
        let path = moment.capture.path.join(HEAP);
        let Some(content) = moment.capture.read(HEAP)? else { continue };
        match kind_of(&content).numbers(&content, &path) {
            Ok(numbers) => {
                read.push(numbers);
                kept.push(moment);
            }
            Err(error) => warnings.push(format!("left out: {error:#}")),
        }
    }
    for record in kept.iter().map(|moment| &moment.capture.record).filter(|record| !record.complete) {
        let why = record.problems.first().map_or("it was cut short", String::as_str);
        warnings.push(format!("the capture of {} is not complete: {why}", process_name(record.pid)));
    }
    let exit_code = if warnings.is_empty() { ExitCode::FINE } else { ExitCode::INCOMPLETE };
    if read.is_empty() {
        anyhow::bail!("expected a heap profile in run `{name}`, found none that can be read: {}", warnings.join("; "));
    }
    if run.entry.state == RunState::Interrupted && run.snapshot.is_none() {
        warnings.push(format!("run `{name}` was interrupted: the numbers are those of the last capture"));
    }
    let measured = read[0].measured;
    let profile = if let [_] = read[..] { read.remove(0).profile } else { sum(&read) };
    let heap = GoHeap::of(&kept, profile.precision);
    let cwd = run.entry.record.cwd.clone().map(PathBuf::from);
    let module = kept.iter().find_map(|moment| moment.capture.record.module.clone());
    let project = project(run, module.as_deref()).or_else(|| cwd.clone());
    let mut places = Places::new(project.as_deref().and_then(Path::to_str));
    if let Some(module) = &module {
        places.set_go_module(module);
    }
    let process = match &kept[..] {
        [one] => Some(one.capture.record.pid).filter(|pid| *pid != 0),
        _ => None,
    };
    let input = Input {
        name,
        process,
        recorded: Recorded { profile, processes: Vec::new(), sizes: Vec::new() },
        places,
        source: SourceText::of_go(cwd.or(project)),
        measured,
        about: None,
        cumulative: Attribution::Cumulative,
        untracked: Untracked::default(),
        go: Some(heap),
        node: None,
        exit_code,
    };
    Ok((input, warnings))
}

/// Profiles of several processes as one.
fn sum(read: &[Numbers]) -> brimline_profile::Profile {
    let precision = read.iter().map(|numbers| numbers.profile.precision).find(|one| *one != Precision::Exact);
    let mut builder = ProfileBuilder::new(ValueType::sampled(), precision.unwrap_or_default());
    let same: Vec<(usize, usize)> = (0..COLUMNS).map(|column| (column, column)).collect();
    for numbers in read {
        builder.append_columns(&numbers.profile, &same);
    }
    builder.finish()
}

/// The folder with the module's `go.mod`: where the program was started or above, else where its store lies.
fn project(run: &ResolvedRun, module: Option<&str>) -> Option<PathBuf> {
    let cwd = run.entry.record.cwd.as_deref().map(Path::new)?;
    let names = |folder: &&Path| {
        let text = std::fs::read_to_string(folder.join("go.mod")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("module ").map(str::to_owned));
        line.is_some_and(|line| module.is_none_or(|module| line.trim().trim_matches('"') == module))
    };
    cwd.ancestors().find(names).map(Path::to_owned)
}

impl GoHeap {
    fn of(moments: &[Moment], precision: Precision) -> Self {
        let live: Vec<u64> = moments.iter().filter_map(|moment| Some(moment.after()?.heap_alloc)).collect();
        let objects: Vec<u64> = moments.iter().filter_map(|moment| Some(moment.after()?.heap_objects)).collect();
        let known = live.len() == moments.len();
        Self {
            live_bytes: known.then(|| live.iter().sum()),
            live_objects: known.then(|| objects.iter().sum()),
            period: match precision {
                Precision::Sampled { period } => Some(period),
                Precision::Exact => None,
            },
            captures: moments.iter().map(described).collect(),
            json: moments.iter().map(to_json).collect(),
        }
    }

    /// Facts for the head of a report, one a line.
    pub(crate) fn heading(&self) -> Vec<String> {
        let mut lines = match &self.captures[..] {
            [one] => vec![one.clone()],
            [first, ..] => vec![format!("{} Go processes, added up; one of them: {first}", self.captures.len())],
            [] => Vec::new(),
        };
        if let (Some(live), Some(objects)) = (self.live_bytes, self.live_objects) {
            lines.push(format!(
                "live heap {} in {} objects: MemStats after a collection, counted, not sampled",
                bytes(live as i64),
                count(objects as i64)
            ));
        }
        lines.push(match self.period {
            Some(period) => format!(
                "below: the heap profile, one allocation in about {} sampled, each number with its 95 % interval",
                bytes(period as i64)
            ),
            None => "below: the heap profile, every allocation counted".to_owned(),
        });
        lines
    }
}

/// The process with its id, which those of other machines lack.
fn process_name(pid: u32) -> String {
    if pid == 0 { "a process not of this machine".to_owned() } else { format!("process {pid}") }
}

fn described(moment: &Moment) -> String {
    let record = &moment.capture.record;
    let version = record.go_version.as_deref().map_or("Go".to_owned(), |version| version.replacen("go", "Go ", 1));
    let package = record.package.as_deref().unwrap_or(&record.endpoint);
    let process = process_name(record.pid);
    let collected = if record.collected { "after a collection" } else { "without a collection" };
    let when = match (&record.name, moment.age) {
        (Some(name), _) => format!("at {name}, {:.1} s after the start", moment.seconds),
        (None, Some(age)) => format!("{age:.1} s before the end"),
        (None, None) => format!("{:.1} s after the start", moment.seconds),
    };
    format!("{version} {package} ({process}), captured {collected} {when}")
}

fn to_json(moment: &Moment) -> Value {
    let record = &moment.capture.record;
    let after = moment.after();
    json!({
        "process": (record.pid != 0).then_some(record.pid), "version": record.go_version, "package": record.package,
        "module": record.module, "trigger": record.trigger, "name": record.name.as_ref().map(brimline_store::RunName::as_str),
        "at": record.at.to_string(), "seconds": moment.seconds, "age_seconds": moment.age,
        "collected": record.collected, "complete": record.complete,
        "live_heap_bytes": after.as_ref().map(|stats| stats.heap_alloc),
        "live_heap_objects": after.as_ref().map(|stats| stats.heap_objects),
        "folder": moment.capture.path.display().to_string(),
    })
}
