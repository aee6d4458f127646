//! The process series: one line of JSON for each process and sample.
//!
//! The newest samples are text in `series.jsonl`, complete up to the last full line after any kill. From time to time
//! the recorder appends them as one zstd frame to `series.jsonl.zst` and empties the text. A kill between these two
//! steps leaves samples in both; the reader drops the second copy, since time never runs backwards for a process.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::folder::RunFolder;
use crate::private_file;

/// First line of each file.
pub const SCHEMA: &str = "brimline.series/1";
/// A line longer than this is damage.
const LINE_LIMIT: usize = 64 << 10;

/// A sample of one process. What could not be measured is `None`, never 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the run's start, by the monotonic clock.
    pub seconds: f64,
    /// Process id.
    pub pid: u32,
    /// Resident set.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rss_bytes: Option<u64>,
    /// Highest resident set so far, by the kernel's own count.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_rss_bytes: Option<u64>,
    /// Proportional set: shared pages divided among those who share them. Not taken at every sample.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pss_bytes: Option<u64>,
    /// Unique set: private pages, clean and dirty. Not taken at every sample.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uss_bytes: Option<u64>,
    /// Address space in use.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vms_bytes: Option<u64>,
    /// Extent of the `[heap]` mapping (what `brk` gave). Not taken at every sample.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heap_bytes: Option<u64>,
    /// Main thread's stack.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stack_bytes: Option<u64>,
    /// Swapped out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub swap_bytes: Option<u64>,
    /// Resident pages of mapped files.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mapped_file_bytes: Option<u64>,
    /// Resident pages of shared memory: `shm_open`, tmpfs, anonymous shared mappings.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shared_bytes: Option<u64>,
    /// Page faults so far that needed no disk.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub minor_faults: Option<u64>,
    /// Page faults so far that read a disk.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub major_faults: Option<u64>,
    /// Bytes charged to the control group, page cache included; beside one process of each sample.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cgroup_bytes: Option<u64>,
    /// The control group's limit, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cgroup_limit_bytes: Option<u64>,
    /// How often that limit was met.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cgroup_limit_hits: Option<u64>,
    /// Processes of the group that the kernel has killed for memory.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cgroup_oom_kills: Option<u64>,
    /// Open file descriptors.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub open_fds: Option<u64>,
    /// Threads.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub threads: Option<u64>,
    /// Tracked bytes live.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub live_bytes: Option<u64>,
    /// Highest tracked bytes live so far.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub peak_bytes: Option<u64>,
    /// Arenas that Python's small-object allocator holds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub arena_bytes: Option<u64>,
    /// Of these, in use by objects.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub arena_used_bytes: Option<u64>,
    /// What malloc holds from the system.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub malloc_reserved_bytes: Option<u64>,
    /// What malloc has handed out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub malloc_used_bytes: Option<u64>,
}

/// A series as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// In the order of time.
    pub samples: Vec<Sample>,
    /// What could not be read, in words.
    pub warnings: Vec<String>,
}

/// What a series says about one process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesSummary {
    /// Process id.
    pub pid: u32,
    /// Samples taken.
    pub count: usize,
    /// Time of the first sample.
    pub first_seconds: f64,
    /// Time of the last sample.
    pub last_seconds: f64,
    /// Resident set at the last sample that has one.
    pub last_rss_bytes: Option<u64>,
    /// Highest resident set, by the kernel's count where it is known.
    pub max_rss_bytes: Option<u64>,
}

impl Series {
    /// One row for each process, in the order of their first samples.
    pub fn summaries(&self) -> Vec<SeriesSummary> {
        let mut rows: Vec<SeriesSummary> = Vec::new();
        let mut places = BTreeMap::new();
        for sample in &self.samples {
            let place = *places.entry(sample.pid).or_insert_with(|| {
                rows.push(SeriesSummary { pid: sample.pid, first_seconds: sample.seconds, ..SeriesSummary::default() });
                rows.len() - 1
            });
            let row = &mut rows[place];
            row.count += 1;
            row.last_seconds = sample.seconds;
            row.last_rss_bytes = sample.rss_bytes.or(row.last_rss_bytes);
            row.max_rss_bytes = row.max_rss_bytes.max(sample.max_rss_bytes).max(sample.rss_bytes);
        }
        rows
    }
}

/// Reads a run's series; a run without one has no samples.
pub fn read(folder: &RunFolder) -> Result<Series, StoreError> {
    let mut series = Series::default();
    let mut last = BTreeMap::new();
    let closed = folder.closed_series_path();
    if let Some(file) = open_existing(&closed)? {
        let decoder = zstd::Decoder::new(file).map_err(StoreError::io("decompress", &closed))?;
        read_lines(BufReader::new(decoder), &closed, &mut last, &mut series)?;
    }
    let open = folder.series_path();
    if let Some(file) = open_existing(&open)? {
        read_lines(BufReader::new(file), &open, &mut last, &mut series)?;
    }
    Ok(series)
}

fn open_existing(path: &Path) -> Result<Option<std::fs::File>, StoreError> {
    match private_file::open_read(path) {
        Ok(file) => Ok(Some(file)),
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_lines(
    mut reader: impl BufRead,
    path: &Path,
    last: &mut BTreeMap<u32, f64>,
    series: &mut Series,
) -> Result<(), StoreError> {
    let mut line = Vec::new();
    let mut skipped = 0_usize;
    loop {
        line.clear();
        match io::Read::take(&mut reader, LINE_LIMIT as u64).read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                series.warnings.push(format!("`{}` is cut short: {error}", path.display()));
                break;
            }
        }
        if line.starts_with(b"{\"schema\"") {
            if let Ok(value) = serde_json::from_slice(&line) {
                check_schema(&value, path)?;
            } else {
                skipped += 1;
            }
            continue;
        }
        match serde_json::from_slice::<Sample>(&line) {
            Ok(sample) => {
                let newest = last.entry(sample.pid).or_insert(f64::NEG_INFINITY);
                if sample.seconds > *newest {
                    *newest = sample.seconds;
                    series.samples.push(sample);
                }
            }
            Err(_) => skipped += 1,
        }
    }
    if skipped > 0 {
        series.warnings.push(format!("{skipped} damaged lines of `{}` were left out", path.display()));
    }
    Ok(())
}

fn check_schema(value: &serde_json::Value, path: &Path) -> Result<(), StoreError> {
    let schema = value.get("schema").and_then(serde_json::Value::as_str).unwrap_or_default();
    if schema == SCHEMA {
        return Ok(());
    }
    match schema.strip_prefix("brimline.series/").and_then(|version| version.parse().ok()) {
        Some(found) => Err(StoreError::TooNew { path: path.to_owned(), known: 1, found }),
        None => Err(StoreError::Malformed {
            path: path.to_owned(),
            expected: SCHEMA,
            found: schema.escape_default().to_string(),
        }),
    }
}
