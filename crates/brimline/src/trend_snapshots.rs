//! The series that a run's snapshots give: live bytes after a collection, of each process and of each site.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use brimline_analysis::aggregate::{Attribution, By, Query, aggregate};
use brimline_analysis::filter::Filter;
use brimline_analysis::places::Places;
use brimline_profile::Profile;
use brimline_profile::formats::go_memstats::MemStats;
use brimline_profile::formats::recording::Recordings;
use brimline_profile::series::{Point, Series, Signal, Unit};
use brimline_profile::value;
use brimline_store::go_capture::{self, GoCaptureFolder, HEAP, MEMSTATS, captures_of};
use brimline_store::node_capture::{self, NodeProfile};
use brimline_store::{ResolvedRun, SnapshotRecord, artifacts};

use crate::commands::heap::source_maps::SourceMaps;
use crate::imported::{heapprofile, kind_of};
use crate::refusal::usage;
use crate::site::Site;
use crate::symbols::LocalFiles;
use crate::trend_input::{SeriesArgs, TrendInput};

/// A snapshot larger than this is refused.
const LARGEST_RECORDING: u64 = 4 << 30;
/// Live bytes of a process at the snapshots.
const LIVE: &str = "live_after_gc";
/// Live bytes of a site at the snapshots.
const SITE: &str = "site_live_after_gc";

/// Bytes allocated per second between two snapshots.
const RATE: &str = "allocation_rate";

/// What the runtime of a Go program counts at the snapshots.
const RUNTIME: [(&str, Unit, Signal); 3] = [
    ("goroutines", Unit::Count, Signal::Count),
    ("goroutine_stacks", Unit::Bytes, Signal::Reserved),
    ("heap_inuse", Unit::Bytes, Signal::Reserved),
];

/// Where the numbers of a moment are.
#[derive(Clone, Copy)]
enum Source<'a> {
    Snapshot(&'a SnapshotRecord),
    ByTime(&'a GoCaptureFolder),
}

/// Fewest collected moments beside which the others can be spared.
const FEWEST_COLLECTED: usize = 12;

/// Leaves out snapshots in which a process did not collect in time, where enough others remain. Says whether all that
/// remain are collected.
fn leave_out_garbage<At>(moments: &mut Vec<(At, Source<'_>)>, warnings: &mut Vec<String>) -> bool {
    let is_collected = |source: &Source<'_>| match source {
        Source::Snapshot(snapshot) => snapshot.files.iter().all(|file| file.collected),
        Source::ByTime(_) => true,
    };
    let all = moments.len();
    let collected = moments.iter().filter(|(_, source)| is_collected(source)).count();
    if collected == all {
        return true;
    }
    let garbage = format!("{} of {all} snapshots hold garbage, a process did not collect in time", all - collected);
    if collected < FEWEST_COLLECTED {
        warnings.push(garbage);
        return false;
    }
    warnings.push(format!("{garbage}: left out"));
    moments.retain(|(_, source)| is_collected(source));
    true
}

/// Captures of Go programs taken by time. Under a load of our own the moments at rest are marked, and they alone count.
fn by_time(run: &ResolvedRun, process: Option<u32>) -> anyhow::Result<Vec<GoCaptureFolder>> {
    if run.entry.record.workload.is_some() {
        return Ok(Vec::new());
    }
    let mut found = go_capture::captures(&run.entry.folder)?;
    found.retain(|capture| {
        let record = &capture.record;
        record.name.is_none() && record.collected && process.is_none_or(|wanted| wanted == record.pid)
    });
    Ok(found)
}

/// One process in one snapshot.
struct Captured {
    pid: u32,
    live_bytes: f64,
    /// So far; `None` where it is not counted.
    allocated_bytes: Option<f64>,
    /// `None` where only the total is known.
    profile: Option<Profile>,
    /// Of a Go program: the values of [`RUNTIME`].
    runtime: [Option<f64>; RUNTIME.len()],
    /// The main module of a Go program, whose packages are the project's.
    module: Option<String>,
}

/// Adds one point per snapshot to the series of each process and of each site.
pub(crate) fn add(
    run: &ResolvedRun,
    args: &SeriesArgs,
    names: &BTreeMap<u32, String>,
    input: &mut TrendInput,
    warnings: &mut Vec<String>,
) -> anyhow::Result<()> {
    let record = &run.entry.record;
    let Some(by) = args.by.aggregation() else {
        return Err(usage(
            "expected sites that snapshots can be compared by, found --by size",
            "use line, file or module",
        ));
    };
    let mut places = Places::new(record.cwd.as_deref());
    let filter = args.filter.filter();
    let mut heaps: BTreeMap<u32, Vec<Point>> = BTreeMap::new();
    let mut allocated: BTreeMap<u32, Vec<Point>> = BTreeMap::new();
    let mut runtime: BTreeMap<(usize, u32), Vec<Point>> = BTreeMap::new();
    let mut rows: HashMap<String, Vec<(usize, f64)>> = HashMap::new();
    let mut times = Vec::new();
    let symbols = LocalFiles::default();
    let is_ours = |metric: &str| [LIVE, SITE, RATE].contains(&metric) || RUNTIME.iter().any(|row| row.0 == metric);
    let wanted = args.value.as_deref().is_none_or(is_ours);
    let by_time = if wanted { by_time(run, args.select.process)? } else { Vec::new() };
    // Sites of several processes cannot be summed at moments that are one process's alone.
    let has_sites = |pid: u32| {
        by_time.iter().all(|capture| capture.record.pid == pid)
            && record.snapshots.iter().flat_map(|snapshot| &snapshot.files).all(|file| file.pid == pid)
    };
    let mut moments: Vec<_> =
        record.snapshots.iter().map(|snapshot| (snapshot.at, Source::Snapshot(snapshot))).collect();
    moments.extend(by_time.iter().map(|capture| (capture.record.at, Source::ByTime(capture))));
    moments.sort_by_key(|(at, _)| *at);
    let collected = leave_out_garbage(&mut moments, warnings);
    for (at, source) in moments.into_iter().filter(|_| wanted) {
        let found = match source {
            Source::Snapshot(snapshot) => read(run, snapshot, args.select.process, &symbols, warnings)?,
            // A program killed in the middle leaves a torn file.
            Source::ByTime(capture) => of_go(capture).ok().flatten().into_iter().collect(),
        };
        if found.is_empty() {
            continue;
        }
        let seconds = at.seconds_since(record.start);
        let is_summed = match source {
            Source::Snapshot(_) => true,
            Source::ByTime(capture) => has_sites(capture.record.pid),
        };
        for captured in found {
            for (row, value) in captured.runtime.into_iter().enumerate() {
                let points = value.map(|value| Point::new(seconds, value));
                if points.is_some() {
                    runtime.entry((row, captured.pid)).or_default().extend(points);
                }
            }
            heaps.entry(captured.pid).or_default().push(Point::new(seconds, captured.live_bytes));
            if let Some(bytes) = captured.allocated_bytes {
                allocated.entry(captured.pid).or_default().push(Point::new(seconds, bytes));
            }
            if let Some(module) = &captured.module {
                places.set_go_module(module);
            }
            // The many sites are summed only where they are asked for.
            let rows_wanted = args.value.as_deref().is_none_or(|metric| metric == SITE);
            let Some(profile) = captured.profile.filter(|_| rows_wanted && is_summed) else { continue };
            let query = Query {
                by,
                attribution: Attribution::Own,
                filter: &filter,
                places: &places,
                column: value::LIVE_BYTES,
            };
            for row in aggregate(&profile, query).rows {
                let site = Site::of(&profile, &places, &row.place);
                let label = site.label();
                rows.entry(label.clone()).or_default().push((times.len(), row.values[value::LIVE_BYTES] as f64));
                input.sites.entry(label).or_insert(site);
            }
        }
        if is_summed {
            times.push(seconds);
        }
    }
    input.snapshots = Some(if wanted { times.len() } else { record.snapshots.len() });
    let (heap, site) =
        if collected { (Signal::HeapAfterGc, Signal::SiteAfterGc) } else { (Signal::Heap, Signal::Heap) };
    for (pid, points) in heaps {
        let subject = names.get(&pid).cloned().unwrap_or_default();
        input.series.push(Series { metric: LIVE.into(), subject, signal: Some(heap), points, ..Series::default() });
    }
    for (pid, totals) in allocated {
        let subject = names.get(&pid).cloned().unwrap_or_default();
        let (signal, points) = (Some(Signal::Reserved), rates(&totals));
        input.series.push(Series { metric: RATE.into(), subject, signal, points, ..Series::default() });
    }
    for ((row, pid), points) in runtime {
        let subject = names.get(&pid).cloned().unwrap_or_default();
        let (metric, unit, signal) = RUNTIME[row];
        let (metric, signal) = (metric.to_owned(), Some(signal));
        input.series.push(Series { metric, subject, unit, signal, points, ..Series::default() });
    }
    let mut labels: Vec<(String, Vec<(usize, f64)>)> = rows.into_iter().collect();
    labels.sort_by(|a, b| a.0.cmp(&b.0));
    for (label, found) in labels {
        let mut points: Vec<Point> = times.iter().map(|seconds| Point::new(*seconds, 0.0)).collect();
        for (at, bytes) in found {
            points[at].value += bytes;
        }
        input.series.push(Series {
            metric: SITE.into(),
            subject: label,
            signal: Some(site),
            points,
            ..Series::default()
        });
    }
    Ok(())
}

/// Growth per second between neighbours, at the later one.
fn rates(totals: &[Point]) -> Vec<Point> {
    let rate = |pair: &[Point]| {
        let seconds = pair[1].seconds - pair[0].seconds;
        (seconds > 0.0).then(|| Point::new(pair[1].seconds, (pair[1].value - pair[0].value).max(0.0) / seconds))
    };
    totals.windows(2).filter_map(rate).collect()
}

/// The processes in a snapshot.
fn read(
    run: &ResolvedRun,
    snapshot: &SnapshotRecord,
    wanted: Option<u32>,
    symbols: &LocalFiles,
    warnings: &mut Vec<String>,
) -> anyhow::Result<Vec<Captured>> {
    let folder = &run.entry.folder;
    let is_wanted = |pid: u32| wanted.is_none_or(|wanted| wanted == pid);
    let mut found = Vec::new();
    for file in artifacts::snapshot(folder, &snapshot.name)?.into_iter().filter(|file| is_wanted(file.pid)) {
        let mut recordings = Recordings::new(Box::new(symbols.clone()));
        let outcome = file.read(LARGEST_RECORDING).map_err(anyhow::Error::from);
        match outcome.and_then(|bytes| Ok(recordings.add(&bytes)?)) {
            Ok(()) => {
                let profile = recordings.finish().value.profile;
                // The process's own counter lags behind: each thread adds to it in lots.
                let [live_bytes, allocated] = sums(&profile);
                let allocated_bytes = Some(allocated);
                let profile = Some(profile);
                found.push(Captured {
                    pid: file.pid,
                    live_bytes,
                    allocated_bytes,
                    profile,
                    runtime: [None; RUNTIME.len()],
                    module: None,
                });
            }
            Err(error) => warnings.push(format!("left out of snapshot {}: {error:#}", snapshot.name)),
        }
    }
    let maps = SourceMaps::default();
    let profiles = node_capture::profiles(&folder.snapshots_path().join(snapshot.name.as_str()));
    for profile in profiles.into_iter().filter(|profile| is_wanted(profile.state.pid) && !profile.state.launcher) {
        match of_node(&profile, &maps) {
            Ok(captured) => found.push(captured),
            Err(error) => warnings.push(format!("left out of snapshot {}: {error:#}", snapshot.name)),
        }
    }
    for capture in captures_of(folder, &snapshot.name)?.into_iter().filter(|capture| is_wanted(capture.record.pid)) {
        match of_go(&capture) {
            Ok(captured) => found.extend(captured),
            Err(error) => warnings.push(format!("left out of snapshot {}: {error:#}", snapshot.name)),
        }
    }
    Ok(found)
}

/// Bytes live after the collection and bytes allocated until then, of all processes in a snapshot; `None` without any.
pub(crate) fn totals(run: &ResolvedRun, snapshot: &SnapshotRecord) -> anyhow::Result<Option<(f64, Option<f64>)>> {
    let mut warnings = Vec::new();
    let found = read(run, snapshot, None, &LocalFiles::default(), &mut warnings)?;
    if let Some(warning) = warnings.pop() {
        anyhow::bail!(warning);
    }
    let sums = found.iter().map(|captured| (captured.live_bytes, captured.allocated_bytes));
    Ok(sums.reduce(|a, b| (a.0 + b.0, a.1.zip(b.1).map(|(a, b)| a + b))))
}

/// All memory that counts: live, and allocated so far.
fn sums(profile: &Profile) -> [f64; 2] {
    let (filter, places) = (Filter::default(), Places::default());
    let query = Query {
        by: By::File,
        attribution: Attribution::Own,
        filter: &filter,
        places: &places,
        column: value::LIVE_BYTES,
    };
    let totals = aggregate(profile, query).totals;
    [totals[value::LIVE_BYTES] as f64, totals[value::TOTAL_BYTES] as f64]
}

/// A Go process: its live heap as the runtime counts it after the collection, its sites from the sampled profile.
fn of_go(capture: &GoCaptureFolder) -> anyhow::Result<Option<Captured>> {
    let Some(stats) = capture.text(MEMSTATS)?.and_then(|text| MemStats::parse(&text)) else { return Ok(None) };
    let profile = match capture.read(HEAP)? {
        Some(bytes) => Some(kind_of(&bytes).numbers(&bytes, Path::new(HEAP))?.profile),
        None => None,
    };
    let module = capture.record.module.clone();
    let (live_bytes, allocated_bytes) = (stats.heap_alloc as f64, Some(stats.total_alloc as f64));
    let goroutines = capture.record.goroutines.map(|count| count as f64);
    let runtime = [goroutines, Some(stats.stack_inuse as f64), Some(stats.heap_inuse as f64)];
    Ok(Some(Captured { pid: capture.record.pid, live_bytes, allocated_bytes, profile, runtime, module }))
}

/// A Node isolate: its live heap with what hangs on it outside, as V8 counts them, its sites from the sampled profile.
fn of_node(profile: &NodeProfile, maps: &SourceMaps) -> anyhow::Result<Captured> {
    let live_bytes = (profile.state.used_heap_bytes + profile.state.external_bytes) as f64;
    let read = heapprofile::read(&profile.read()?, &profile.path, maps)?;
    let (pid, profile) = (profile.state.pid, Some(read));
    Ok(Captured { pid, live_bytes, allocated_bytes: None, profile, runtime: [None; RUNTIME.len()], module: None })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_spared_where_twelve_collected_snapshots_remain() {
        let snapshot = |collected: bool| SnapshotRecord {
            name: serde_json::from_value("s".into()).unwrap(),
            at: brimline_store::Timestamp(0),
            trigger: "command".into(),
            files: vec![brimline_store::SnapshotFile { pid: 1, file: "1.rec".into(), collected }],
        };
        let judged = |collected: usize, garbage: usize| {
            let records: Vec<SnapshotRecord> = (0..collected + garbage).map(|at| snapshot(at >= garbage)).collect();
            let mut moments: Vec<_> = records.iter().map(|record| ((), Source::Snapshot(record))).collect();
            let mut warnings = Vec::new();
            (leave_out_garbage(&mut moments, &mut warnings), moments.len(), warnings.len())
        };
        assert_eq!(judged(20, 0), (true, 20, 0));
        assert_eq!(judged(12, 3), (true, 12, 1));
        assert_eq!(judged(11, 3), (false, 14, 1));
    }
}
