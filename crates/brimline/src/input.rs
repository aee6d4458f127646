//! The `RUN` of a command line as a profile in memory.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use brimline_analysis::aggregate::Attribution;
use brimline_analysis::places::Places;
use brimline_profile::formats::recording::{OpenError, Recorded, Recordings, is_recording};
use brimline_store::artifacts::{self, RecordingFile};
use brimline_store::{Resolved, ResolvedRun, RunFolder, RunState, Tracking, series};

use crate::exit_code::ExitCode;
use crate::go;
use crate::imported::kind_of;
use crate::node::{self, NodeHeap};
use crate::refusal::{Refusal, usage};
use crate::source_text::SourceText;
use crate::stores::{open, resolve};
use crate::symbols::LocalFiles;

/// No recording is larger; a compressed file that claims more is refused.
const LARGEST_RECORDING: u64 = 4 << 30;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A run that has been read.
#[derive(Debug)]
pub(crate) struct Input {
    /// How to call it: the run's id or the file's path.
    pub(crate) name: String,
    /// The one process that was asked for, `None` when all are merged.
    pub(crate) process: Option<u32>,
    /// Its numbers.
    pub(crate) recorded: Recorded,
    /// Project and modules.
    pub(crate) places: Places,
    /// The program's source.
    pub(crate) source: SourceText,
    /// Which columns of a tracked profile are known; the others are unknown, not zero.
    pub(crate) measured: [bool; 6],
    /// What a file from elsewhere is, for the head of a report.
    pub(crate) about: Option<String>,
    /// What `--cumulative` means in it.
    pub(crate) cumulative: Attribution,
    /// RSS minus tracked bytes, where both are known.
    pub(crate) untracked: Untracked,
    /// What is known beside the heap profile of Go programs.
    pub(crate) go: Option<GoHeap>,
    /// The same for Node programs.
    pub(crate) node: Option<NodeHeap>,
    /// How a command ends that answers from this input: incomplete where part of a recording could not be read.
    pub(crate) exit_code: ExitCode,
}

/// The captures that a report on Go programs is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct GoHeap {
    /// Live bytes by the runtime's own count after a collection.
    pub(crate) live_bytes: Option<u64>,
    /// Live objects by the same count.
    pub(crate) live_objects: Option<u64>,
    /// Mean bytes between two sampled allocations.
    pub(crate) period: Option<u64>,
    /// Each capture in a line.
    pub(crate) captures: Vec<String>,
    /// Each capture for programs.
    pub(crate) json: Vec<serde_json::Value>,
}

/// Resident bytes beyond the tracked ones: allocators linked statically, the interpreter's own code and data, unused
/// parts of arenas. `None` where they were not measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Untracked {
    /// At the last sample.
    pub(crate) at_end: Option<i64>,
    /// At the sample with the highest resident set.
    pub(crate) at_peak: Option<i64>,
}

/// Where a run is kept, and which of its processes count.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct SelectArgs {
    /// One process of the run [default: all, added up]
    #[arg(long, value_name = "PID")]
    pub(crate) process: Option<u32>,
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
}

/// Reads `run`, the latest one when there is none; with it, what could not be read.
pub(crate) fn load(run: Option<&str>, select: &SelectArgs) -> anyhow::Result<(Input, Vec<String>)> {
    let text = run.unwrap_or("");
    // A path is a path even where no store is.
    match resolve(&open(select.store.as_deref()), text)? {
        Resolved::Run(run) => load_run(&run, select),
        Resolved::File(path) => load_file(&path, select.process),
    }
}

fn load_run(run: &ResolvedRun, select: &SelectArgs) -> anyhow::Result<(Input, Vec<String>)> {
    let (folder, record) = (&run.entry.folder, &run.entry.record);
    if let Some(import) = &record.imported {
        // The record is a file like any other: what it names must lie in the run's folder.
        let file = Path::new(&import.file).file_name().unwrap_or_default();
        let (mut input, warnings) = load_file(&folder.imports_path().join(file), select.process)?;
        input.name = record.id.to_string();
        let project = project_of(folder.path()).or_else(|| record.cwd.clone().map(PathBuf::from));
        input.places = Places::new(project.as_deref().and_then(Path::to_str));
        input.source = SourceText::new(record.cwd.clone().map(PathBuf::from).or(project));
        return Ok((input, warnings));
    }
    let mut files = match &run.snapshot {
        Some(snapshot) => artifacts::snapshot(folder, &snapshot.name)?,
        None => artifacts::processes(folder)?,
    };
    let name = match &run.snapshot {
        Some(snapshot) => format!("{}@{}", record.id, snapshot.name),
        None => record.id.to_string(),
    };
    let mut known: Vec<String> = files.iter().map(|file| file.pid.to_string()).collect();
    if let Some(wanted) = select.process {
        files.retain(|file| file.pid == wanted);
    }
    let captured = go::select(run, select.process)?;
    if files.is_empty() && !captured.is_empty() {
        return go::input(run, captured, name);
    }
    let sampled = node::select(run, select.process);
    if files.is_empty() && !sampled.is_empty() {
        return node::input(run, sampled, name);
    }
    if files.is_empty() {
        known.extend(node::select(run, None).iter().map(|profile| profile.state.pid.to_string()));
        known.extend(go::select(run, None)?.iter().map(|moment| moment.capture.record.pid.to_string()));
        return Err(nothing_recorded(run, &name, select.process, &known)?);
    }
    let (mut input, mut warnings) = read_all(&files)?;
    if run.entry.state == RunState::Interrupted && run.snapshot.is_none() {
        warnings.push(format!("run `{name}` was interrupted: the numbers are the last ones written"));
    }
    for moment in captured {
        let pid = moment.capture.record.pid;
        warnings.push(format!("the Go process {pid} is not in the numbers: --process {pid} shows it"));
    }
    for pid in sampled.iter().map(|profile| profile.state.pid).collect::<std::collections::BTreeSet<_>>() {
        warnings.push(format!("the Node process {pid} is not in the numbers: --process {pid} shows it"));
    }
    for refusal in artifacts::refusals(folder)? {
        warnings.push(format!("process {} is not in the numbers: {}", refusal.pid, refusal.reason));
    }
    input.name = name;
    input.process = select.process.or_else(|| one(&files));
    let project = project_of(folder.path()).or_else(|| record.cwd.clone().map(PathBuf::from));
    input.places = Places::new(project.as_deref().and_then(Path::to_str));
    input.source = SourceText::new(record.cwd.clone().map(PathBuf::from).or(project));
    if run.snapshot.is_none() {
        input.untracked = untracked(folder, select.process, &mut warnings);
    }
    Ok((input, warnings))
}

/// The process id of a run with one process.
fn one(files: &[RecordingFile]) -> Option<u32> {
    let first = files.first()?.pid;
    files.iter().all(|file| file.pid == first).then_some(first)
}

/// Why a run holds no allocations.
fn nothing_recorded(
    run: &ResolvedRun,
    name: &str,
    wanted: Option<u32>,
    known: &[String],
) -> anyhow::Result<anyhow::Error> {
    if let (Some(wanted), false) = (wanted, known.is_empty()) {
        return Ok(usage(
            format!("expected a process of run `{name}`, found process id {wanted}"),
            format!("its recorded processes are {}", known.join(", ")),
        ));
    }
    let mut reasons: Vec<String> = artifacts::refusals(&run.entry.folder)?
        .into_iter()
        .map(|refusal| format!("process {}: {}", refusal.pid, refusal.reason))
        .collect();
    if reasons.is_empty() {
        let refused =
            run.entry.record.processes.iter().filter_map(|process| Some((process.pid, process.refused.as_ref()?)));
        reasons.extend(refused.map(|(pid, reason)| format!("process {pid}: {reason}")));
    }
    if let Tracking::Off { reason } = &run.entry.record.tracking {
        reasons.push(reason.clone());
    }
    // Go programs without profiles have been told of there.
    reasons.extend(run.entry.record.problems.iter().filter(|problem| problem.contains("Go process")).cloned());
    let why = if reasons.is_empty() { "no Python, Go or Node process was seen".to_owned() } else { reasons.join("; ") };
    Ok(Refusal {
        message: format!("expected recorded allocations in run `{name}`, found none: {why}"),
        hint: "`brimline doctor` tells which interpreters can be recorded; the process series of the run is kept"
            .into(),
        code: ExitCode::INCOMPLETE,
    }
    .into())
}

/// Reads all recordings; one that is damaged is left out with a warning as long as another can be read.
fn read_all(files: &[RecordingFile]) -> anyhow::Result<(Input, Vec<String>)> {
    let mut recordings = Recordings::new(Box::new(LocalFiles::default()));
    let mut failures = Vec::new();
    for file in files {
        let read = file.read(LARGEST_RECORDING).map_err(anyhow::Error::from);
        if let Err(error) = read.and_then(|bytes| add(&mut recordings, &bytes, &file.path)) {
            failures.push(error);
        }
    }
    if failures.len() == files.len()
        && let Some(error) = failures.pop()
    {
        return Err(error);
    }
    let decoded = recordings.finish();
    let mut warnings: Vec<String> = failures.iter().map(|error| format!("left out: {error:#}")).collect();
    warnings.extend(decoded.warnings);
    let exit_code = completeness(&warnings);
    let input = Input {
        name: String::new(),
        process: None,
        recorded: decoded.value,
        places: Places::default(),
        source: SourceText::default(),
        measured: [true; 6],
        about: None,
        cumulative: Attribution::Cumulative,
        untracked: Untracked::default(),
        go: None,
        node: None,
        exit_code,
    };
    Ok((input, warnings))
}

/// The folder that holds the store a run's folder lies in: `PROJECT/.brimline/runs/ID`.
fn project_of(run: &Path) -> Option<PathBuf> {
    let store = run.parent()?.parent()?;
    let project = store.parent()?.canonicalize().ok()?;
    (store.file_name()? == ".brimline").then_some(project)
}

/// Sums over the processes that count; `None` as soon as nothing was measured.
fn untracked(folder: &RunFolder, process: Option<u32>, warnings: &mut Vec<String>) -> Untracked {
    let series = match series::read(folder) {
        Ok(series) => series,
        Err(error) => {
            warnings.push(format!("the process series is not in the answer: {error}"));
            return Untracked::default();
        }
    };
    let mut at_end = std::collections::BTreeMap::new();
    let mut at_peak = std::collections::BTreeMap::new();
    for sample in &series.samples {
        if process.is_some_and(|wanted| wanted != sample.pid) {
            continue;
        }
        let (Some(resident), Some(tracked)) = (sample.rss_bytes, sample.live_bytes) else { continue };
        let beyond = (resident as i64).saturating_sub(tracked as i64);
        at_end.insert(sample.pid, beyond);
        let highest = at_peak.entry(sample.pid).or_insert((resident, beyond));
        if resident >= highest.0 {
            *highest = (resident, beyond);
        }
    }
    let measured = !at_end.is_empty();
    Untracked {
        at_end: measured.then(|| at_end.values().sum::<i64>().max(0)),
        at_peak: measured.then(|| at_peak.values().map(|(_, beyond)| beyond).sum::<i64>().max(0)),
    }
}

fn load_file(path: &Path, process: Option<u32>) -> anyhow::Result<(Input, Vec<String>)> {
    let bytes = read(path)?;
    if !is_recording(&bytes) {
        return load_foreign(path, &bytes, process);
    }
    let mut recordings = Recordings::new(Box::new(LocalFiles::default()));
    add(&mut recordings, &bytes, path)?;
    let decoded = recordings.finish();
    let found = decoded.value.processes.first().map(|process| process.pid);
    if let (Some(wanted), Some(found)) = (process, found)
        && wanted != found
    {
        return Err(usage(
            format!("expected process {wanted} in `{}`, found process {found}", path.display()),
            "leave out --process",
        ));
    }
    // A file tells no project; whoever looks at it usually stands in it.
    let folder = std::env::current_dir().ok();
    let input = Input {
        name: path.display().to_string(),
        process: found,
        recorded: decoded.value,
        places: Places::new(folder.as_deref().and_then(Path::to_str)),
        source: SourceText::new(folder),
        measured: [true; 6],
        about: None,
        cumulative: Attribution::Cumulative,
        untracked: Untracked::default(),
        go: None,
        node: None,
        exit_code: completeness(&decoded.warnings),
    };
    Ok((input, decoded.warnings))
}

/// A file of another tool.
fn load_foreign(path: &Path, bytes: &[u8], process: Option<u32>) -> anyhow::Result<(Input, Vec<String>)> {
    let numbers = kind_of(bytes).numbers(bytes, path)?;
    if let Some(wanted) = process {
        return Err(usage(
            format!("expected one process's recording, found process {wanted} asked of `{}`", path.display()),
            "leave out --process",
        ));
    }
    let folder = std::env::current_dir().ok();
    let input = Input {
        name: path.display().to_string(),
        process: None,
        recorded: Recorded { profile: numbers.profile, processes: Vec::new(), sizes: Vec::new() },
        places: Places::new(folder.as_deref().and_then(Path::to_str)),
        source: SourceText::new(folder),
        measured: numbers.measured,
        about: Some(numbers.about),
        cumulative: numbers.cumulative,
        untracked: Untracked::default(),
        go: None,
        node: None,
        exit_code: completeness(&numbers.warnings),
    };
    Ok((input, numbers.warnings))
}

fn completeness(warnings: &[String]) -> ExitCode {
    if warnings.is_empty() { ExitCode::FINE } else { ExitCode::INCOMPLETE }
}

/// Adds one process's recording, naming the file in the error.
fn add(recordings: &mut Recordings, bytes: &[u8], path: &Path) -> anyhow::Result<()> {
    recordings.add(bytes).map_err(|error| {
        let hint = match error {
            OpenError::TooNew { .. } => "the file was written by a newer brimline; update this one",
            _ => "give a run's id or name (`brimline runs` lists them) or a recording that brimline wrote",
        };
        usage(format!("failed to read `{}`: {error}", path.display()), hint)
    })
}

/// The bytes of a file, decompressed if need be.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let describe = || format!("failed to read `{}`", path.display());
    let metadata = std::fs::metadata(path).with_context(describe)?;
    let mut bytes = Vec::with_capacity(metadata.len().min(LARGEST_RECORDING) as usize);
    File::open(path).and_then(|file| file.take(LARGEST_RECORDING).read_to_end(&mut bytes)).with_context(describe)?;
    if !bytes.starts_with(&ZSTD_MAGIC) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    let decoder = zstd::Decoder::new(&*bytes).with_context(describe)?;
    // A compressed file that is cut short still gives what comes before the cut.
    let outcome = decoder.take(LARGEST_RECORDING).read_to_end(&mut plain);
    if plain.is_empty() {
        outcome.with_context(describe)?;
    }
    Ok(plain)
}
