//! Measures the processes of a run.

use std::time::{Duration, Instant};

use brimline_store::series::Sample;

use crate::cgroup;
use crate::command_line::without_secrets;
use crate::observer::{LiveProcess, LiveState};
use crate::proc_files;
use crate::processes::{Processes, Watched};
use crate::recording_header::RecordingHeader;

/// The costly figures (PSS, USS, heap) may take this share of the time: they walk all pages and hold a lock of the process.
const ROLLUP_SHARE: u32 = 10_000;
/// Samples between two of them at most.
const ROLLUP_WAIT: u32 = 300;

/// One sample of every living process.
pub(crate) fn sample(processes: &mut Processes, seconds: f64, interval: Duration) -> Vec<Sample> {
    let mut samples = Vec::new();
    for watched in processes.alive_mut() {
        if let Some(sample) = sample_process(watched, seconds, interval) {
            samples.push(sample);
        }
    }
    // The group is that of all of them; it is written beside the first.
    if let Some(first) = samples.first_mut()
        && let Some(group) = cgroup::state_of(first.pid)
    {
        first.cgroup_bytes = group.current;
        first.cgroup_limit_bytes = group.limit;
        first.cgroup_limit_hits = group.limit_hits;
        first.cgroup_oom_kills = group.oom_kills;
    }
    samples
}

fn sample_process(watched: &mut Watched, seconds: f64, interval: Duration) -> Option<Sample> {
    let pid = watched.record.pid;
    let status = proc_files::status(pid)?;
    if watched.user != status.user {
        // Who changes the user executes the program proper next.
        watched.user = status.user;
        watched.record.command =
            proc_files::command_line(pid).map(|command| without_secrets(&command)).unwrap_or_default();
    }
    watched.record.last_rss_bytes = status.rss;
    watched.record.max_rss_bytes = watched.record.max_rss_bytes.max(status.max_rss);
    let mut sample = Sample {
        seconds,
        pid,
        rss_bytes: status.rss,
        max_rss_bytes: status.max_rss,
        vms_bytes: status.vms,
        stack_bytes: status.stack,
        swap_bytes: status.swap,
        mapped_file_bytes: status.mapped_files,
        shared_bytes: status.shared,
        minor_faults: watched.faults.map(|faults| faults.0),
        major_faults: watched.faults.map(|faults| faults.1),
        threads: status.threads,
        open_fds: proc_files::open_fds(pid),
        ..Sample::default()
    };
    if watched.rollup_wait == 0 {
        let start = Instant::now();
        if let Some(rollup) = proc_files::rollup(pid) {
            sample.pss_bytes = rollup.pss;
            sample.uss_bytes = rollup.uss;
        }
        sample.heap_bytes = proc_files::heap(pid);
        let budget = (interval / ROLLUP_SHARE).max(Duration::from_micros(1));
        let wait = (start.elapsed().as_micros() / budget.as_micros()).min(u128::from(ROLLUP_WAIT)) as u32;
        // Programs that live for seconds have some, too.
        watched.rollup_wait = wait.min(watched.rollups);
        watched.rollups = watched.rollups.saturating_add(1);
    } else {
        watched.rollup_wait -= 1;
    }
    let header = watched.recording.as_deref().and_then(|path| RecordingHeader::read(path).ok().flatten());
    if let Some(header) = header {
        // A counter below zero is one read between two writes of different threads.
        let counted = |value: i64| Some(value.max(0) as u64);
        sample.live_bytes = counted(header.live_bytes);
        sample.peak_bytes = counted(header.peak_bytes);
        sample.arena_bytes = counted(header.arena_bytes);
        sample.arena_used_bytes = counted(header.arena_used_bytes);
        sample.malloc_reserved_bytes = Some(header.malloc_reserved_bytes);
        sample.malloc_used_bytes = Some(header.malloc_used_bytes);
    }
    Some(sample)
}

/// Reads only the resident set of every known process: a few microseconds each. Their sum.
pub(crate) fn look(processes: &mut Processes) -> u64 {
    let mut total = 0;
    for watched in processes.alive_mut() {
        if let Some(rss) = proc_files::resident(watched.record.pid) {
            watched.record.last_rss_bytes = Some(rss);
            watched.record.max_rss_bytes = watched.record.max_rss_bytes.max(Some(rss));
            total += rss;
        }
    }
    total
}

/// What an observer sees of these samples; `peak` is the highest sum of tracked bytes before.
pub(crate) fn live_state(samples: &[Sample], seconds: f64, peak: Option<u64>) -> LiveState {
    let live_bytes = samples.iter().filter_map(|sample| sample.live_bytes).reduce(|sum, live| sum + live);
    // One process knows its own peak exactly; several may have theirs at different times.
    let tracked: Vec<_> = samples.iter().filter_map(|sample| sample.peak_bytes).collect();
    let known = if let [only] = tracked[..] { Some(only) } else { live_bytes };
    LiveState {
        seconds,
        rss_bytes: samples.iter().filter_map(|sample| sample.rss_bytes).sum(),
        live_bytes,
        peak_bytes: peak.max(known),
        processes: samples
            .iter()
            .map(|sample| LiveProcess { pid: sample.pid, rss_bytes: sample.rss_bytes, live_bytes: sample.live_bytes })
            .collect(),
    }
}
