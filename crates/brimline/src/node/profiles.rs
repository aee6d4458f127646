//! V8's sampling profiles as input of `report`, `diff` and `lines`.

use std::path::{Path, PathBuf};

use brimline_analysis::aggregate::Attribution;
use brimline_analysis::places::Places;
use brimline_profile::formats::recording::Recorded;
use brimline_profile::{Precision, Profile, ProfileBuilder, ValueType, value};
use brimline_store::node_capture::{self, NodeProfile, NodeState};
use brimline_store::{ResolvedRun, RunFolder, RunState, Timestamp};
use serde_json::{Value, json};

use super::pauses::Pauses;
use crate::commands::heap::source_maps::SourceMaps;
use crate::exit_code::ExitCode;
use crate::imported::heapprofile;
use crate::input::{Input, Untracked};
use crate::quantity::bytes;
use crate::source_text::SourceText;

/// The profiles that a report on Node programs is made of.
#[derive(Clone, Debug)]
pub(crate) struct NodeHeap {
    /// Facts for the head of a report, one a line.
    pub(crate) heading: Vec<String>,
    /// Each profile for programs.
    pub(crate) json: Vec<Value>,
    /// V8's heap in use, of all isolates; counted, not sampled.
    pub(crate) used_bytes: u64,
    /// Collections and delays of the whole run.
    pub(crate) pauses: Pauses,
}

/// Whether a run recorded Node programs.
pub(crate) fn has_profiles(run: &RunFolder) -> bool {
    !node_capture::profiles(&node_capture::folder_of(run)).is_empty()
}

/// The profiles that a RUN means, one an isolate. What only starts other programs counts where there is nothing else.
pub(crate) fn select(run: &ResolvedRun, process: Option<u32>) -> Vec<NodeProfile> {
    let folder = match &run.snapshot {
        Some(snapshot) => run.entry.folder.snapshots_path().join(snapshot.name.as_str()),
        None => node_capture::folder_of(&run.entry.folder),
    };
    let mut found = node_capture::profiles(&folder);
    match process {
        Some(wanted) => found.retain(|profile| profile.state.pid == wanted),
        None if found.iter().any(|profile| !profile.state.launcher) => found.retain(|profile| !profile.state.launcher),
        None => {}
    }
    found
}

/// The profiles, added up, as input of a report; with it, what there is to warn of.
pub(crate) fn input(
    run: &ResolvedRun,
    profiles: Vec<NodeProfile>,
    name: String,
) -> anyhow::Result<(Input, Vec<String>)> {
    let mut warnings = Vec::new();
    let mut read: Vec<Profile> = Vec::new();
    let mut states = Vec::new();
    let mut pauses = Pauses::default();
    let maps = SourceMaps::default();
    for profile in profiles {
        let bytes = profile.read()?;
        if run.snapshot.is_none() {
            pauses.add(&node_capture::series(&run.entry.folder, profile.stem()));
        }
        match heapprofile::read(&bytes, &profile.path, &maps) {
            Ok(found) => {
                read.push(found);
                states.push(profile.state);
            }
            Err(error) => warnings.push(format!("left out: {error:#}")),
        }
    }
    if read.is_empty() {
        anyhow::bail!("expected a profile in run `{name}`, found none that can be read: {}", warnings.join("; "));
    }
    let exit_code = if warnings.is_empty() { ExitCode::FINE } else { ExitCode::INCOMPLETE };
    let profile = if let [_] = read[..] { read.remove(0) } else { sum(&read) };
    let record = &run.entry.record;
    let cwd = record.cwd.clone().map(PathBuf::from);
    let project = cwd.as_deref().and_then(project).or_else(|| cwd.clone());
    let mut measured = [false; 6];
    measured[value::LIVE_BYTES] = true;
    let input = Input {
        name,
        process: one(&states),
        recorded: Recorded { profile, processes: Vec::new(), sizes: Vec::new() },
        places: Places::new(project.as_deref().and_then(Path::to_str)),
        source: SourceText::new(cwd.or(project)),
        measured,
        about: None,
        cumulative: Attribution::Cumulative,
        untracked: Untracked::default(),
        go: None,
        node: Some(NodeHeap::of(run, &states, pauses)),
        exit_code,
    };
    Ok((input, warnings))
}

/// Profiles of several isolates as one.
fn sum(read: &[Profile]) -> Profile {
    let mut builder = ProfileBuilder::new(ValueType::tracked(), Precision::Exact);
    let same: Vec<(usize, usize)> = (0..6).map(|column| (column, column)).collect();
    for profile in read {
        builder.append_columns(profile, &same);
    }
    builder.finish()
}

/// The folder of the package that was started: the nearest `package.json` at or above.
fn project(cwd: &Path) -> Option<PathBuf> {
    cwd.ancestors().find(|folder| folder.join("package.json").is_file()).map(Path::to_owned)
}

fn one(states: &[NodeState]) -> Option<u32> {
    let first = states.first()?.pid;
    states.iter().all(|state| state.pid == first).then_some(first)
}

impl NodeHeap {
    fn of(run: &ResolvedRun, states: &[NodeState], pauses: Pauses) -> Self {
        let record = &run.entry.record;
        let end = match run.entry.state {
            RunState::Ended => record.end.map(|end| end.at),
            RunState::Running => Some(Timestamp::now()),
            RunState::Interrupted => None,
        };
        let age = |state: &NodeState| end.map(|end| end.seconds_since(state.at()).max(0.0));
        let used_bytes = states.iter().map(|state| state.used_heap_bytes).sum();
        let mut heading = match states {
            [one] => vec![described(one, run, age(one))],
            several => {
                // The oldest tells how far back the sum may be.
                let oldest = several.iter().min_by_key(|state| state.at_ms);
                let mut lines = vec![format!("{} Node isolates, added up; the oldest state:", several.len())];
                lines.extend(oldest.map(|state| format!("  {}", described(state, run, age(state)))));
                lines
            }
        };
        let external: u64 = states.iter().map(|state| state.external_bytes).sum();
        heading.push(format!(
            "V8 heap in use {}, outside of it (buffers) {}: counted, not sampled",
            bytes(used_bytes as i64),
            bytes(external as i64)
        ));
        heading.extend(pauses.heading());
        let interval = states.first().map_or(0, |state| state.interval_bytes);
        heading.push(format!(
            "below: V8's sampling profile of what lives, one allocation in about {} sampled; lines are where functions begin",
            bytes(interval as i64)
        ));
        let json = states
            .iter()
            .map(|state| {
                json!({
                    "process": state.pid, "thread": state.thread, "version": state.node, "script": state.script,
                    "trigger": state.trigger, "at": state.at().to_string(),
                    "seconds": state.at().seconds_since(record.start), "age_seconds": age(state),
                    "collected": state.collected, "used_heap_bytes": state.used_heap_bytes,
                    "heap_limit_bytes": state.heap_limit_bytes, "external_bytes": state.external_bytes,
                    "array_buffer_bytes": state.array_buffer_bytes, "rss_bytes": state.rss_bytes,
                })
            })
            .collect();
        Self { heading, json, used_bytes, pauses }
    }
}

fn described(state: &NodeState, run: &ResolvedRun, age: Option<f64>) -> String {
    let version = state.node.trim_start_matches('v');
    let script = Path::new(&state.script).file_name().map_or_else(|| "-".into(), |name| name.to_string_lossy());
    let thread = if state.thread == 0 { String::new() } else { format!(", thread {}", state.thread) };
    let collected = if state.collected { "after a collection" } else { "without a collection" };
    let seconds = state.at().seconds_since(run.entry.record.start).max(0.0);
    let when = match (&run.snapshot, age) {
        (Some(snapshot), _) => format!("at {}, {seconds:.1} s after the start", snapshot.name),
        (None, Some(age)) => format!("{age:.1} s before the end"),
        (None, None) => format!("{seconds:.1} s after the start"),
    };
    let when = if run.snapshot.is_none() && run.entry.state == RunState::Running {
        when.replace("before the end", "ago")
    } else {
        when
    };
    format!("Node {version} {script} (process {}{thread}), state {collected} {when}", state.pid)
}
