//! One capture of one Go program.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use brimline_store::go_capture::{
    GOROUTINE, GOROUTINELEAK, GOROUTINES, GoCapture, GoTarget, HEAP, MEMSTATS, MEMSTATS_BEFORE, METRICS, SMAPS, STATUS,
};
use brimline_store::private_file::{self, Durability};
use brimline_store::{RunName, StoreError, Timestamp};

use crate::cgroup;
use crate::http::{self, FetchError, Limits, Trust, Url};

/// For one profile: a collection of a heap of many gigabytes takes this long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// No profile is larger.
const LARGEST: usize = 1 << 30;
/// The runtime stops the program while it writes goroutines as text, a quarter of a millisecond for each hundred: beyond
/// this many they are taken without their states, except where somebody asked for the capture.
const MANY_GOROUTINES: u64 = 10_000;
/// The same where somebody asked.
const TOO_MANY_GOROUTINES: u64 = 100_000;
/// No list of profiles is larger.
const LARGEST_PAGE: usize = 1 << 20;
/// Where the statistics begin in the heap profile's text.
const STATISTICS: &[u8] = b"# runtime.MemStats\n";
pub(super) const ZSTD_LEVEL: i32 = 3;

/// How much to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The heap alone.
    Heap,
    /// Goroutines too.
    Whole,
    /// Goroutines with their states however many they are: somebody waits for this capture.
    Asked,
}

/// What asked for a capture.
#[derive(Clone, Debug)]
pub(crate) struct Occasion<'a> {
    pub(crate) name: Option<&'a RunName>,
    pub(crate) trigger: &'a str,
    pub(crate) depth: Depth,
}

/// Fetches into `folder`, which exists. What cannot be fetched is a problem in the record; an error is one of the disk.
pub(crate) fn take(target: &GoTarget, folder: &Path, occasion: &Occasion<'_>) -> Result<GoCapture, StoreError> {
    let mut capture = GoCapture {
        schema: GoCapture::SCHEMA.to_owned(),
        pid: target.pid,
        at: Timestamp::now(),
        name: occasion.name.cloned(),
        trigger: occasion.trigger.to_owned(),
        endpoint: target.endpoint.clone(),
        go_version: target.go_version.clone(),
        package: target.package.clone(),
        module: target.module.clone(),
        environment: environment(target.pid),
        memory_limit_bytes: cgroup::memory_limit_of(target.pid),
        ..GoCapture::default()
    };
    // Killed from here on, this process leaves what had arrived and a record that says it is not all.
    capture.save(folder)?;
    let base = match Url::parse(&target.endpoint) {
        Ok(url) => Url { credentials: target.credentials.clone(), ..url },
        Err(error) => {
            capture.problems.push(error.to_string());
            capture.save(folder)?;
            return Ok(capture);
        }
    };
    let trust = if target.insecure { Trust::Any } else { Trust::Roots };
    let mut fetching = Fetching { folder, base, trust, gone: false, capture };
    if occasion.depth != Depth::Heap {
        fetching.before(target.pid)?;
    }
    fetching.heap()?;
    if occasion.depth == Depth::Heap {
        fetching.count_goroutines();
    } else {
        fetching.goroutines(occasion.depth)?;
    }
    let mut capture = fetching.capture;
    capture.complete = capture.problems.is_empty();
    capture.save(folder)?;
    Ok(capture)
}

struct Fetching<'a> {
    folder: &'a Path,
    base: Url,
    trust: Trust,
    /// Nobody answers any more.
    gone: bool,
    capture: GoCapture,
}

impl Fetching<'_> {
    /// Whether the package `brimline` answers, which need not write the whole profile as text for the statistics.
    fn is_package(&self) -> bool {
        self.base.base == super::PACKAGE_BASE
    }

    /// The statistics and the kernel's figures as they are, garbage included.
    fn before(&mut self, pid: u32) -> Result<(), StoreError> {
        let statistics = if self.is_package() { "/memstats" } else { "/heap?debug=1" };
        let Some(text) = self.fetch(statistics, MEMSTATS_BEFORE) else { return Ok(()) };
        // At the same instant, before anything else is asked for.
        let status = fs::read(format!("/proc/{pid}/status"));
        let smaps = fs::read(format!("/proc/{pid}/smaps"));
        self.write(MEMSTATS_BEFORE, statistics_of(&text))?;
        if let Ok(status) = status {
            self.write(STATUS, &status)?;
        }
        if let Ok(smaps) = smaps {
            self.write_compressed(SMAPS, &smaps)?;
        }
        Ok(())
    }

    /// A collection, the statistics after it, and its profile.
    fn heap(&mut self) -> Result<(), StoreError> {
        let statistics = if self.is_package() { "/memstats?gc=1" } else { "/heap?gc=1&debug=1" };
        if let Some(text) = self.fetch(statistics, MEMSTATS) {
            self.capture.collected = true;
            self.write(MEMSTATS, statistics_of(&text))?;
        }
        if self.is_package()
            && let Some(metrics) = self.fetch("/metrics", METRICS)
        {
            self.capture.goroutines = metric(&metrics, "/sched/goroutines:goroutines");
            self.write(METRICS, &metrics)?;
        }
        // Of the collection just made; both columns, in use and allocated, are in it.
        if let Some(profile) = self.fetch("/heap", HEAP) {
            self.write(HEAP, &profile)?;
        }
        Ok(())
    }

    /// How many goroutines there are: the page that lists the profiles says it without looking at any. Where it is not
    /// served, other pages may be.
    fn count_goroutines(&mut self) {
        if self.gone || self.is_package() {
            return;
        }
        let limits = Limits { time: PATIENCE, bytes: LARGEST_PAGE };
        let page = http::get(&self.base, "/", self.trust, limits).ok();
        self.capture.goroutines = page.and_then(|page| listed_goroutines(&String::from_utf8_lossy(&page)));
    }

    fn goroutines(&mut self, depth: Depth) -> Result<(), StoreError> {
        if let Some(profile) = self.fetch("/goroutine", GOROUTINE) {
            self.write(GOROUTINE, &profile)?;
        }
        let most = if depth == Depth::Asked { TOO_MANY_GOROUTINES } else { MANY_GOROUTINES };
        // One line of the text says how many there are.
        let count = self.fetch("/goroutine?debug=1", GOROUTINES).and_then(|text| goroutine_count(&text));
        self.capture.goroutines = count.or(self.capture.goroutines);
        if count.is_some_and(|count| count <= most)
            && let Some(text) = self.fetch("/goroutine?debug=2", GOROUTINES)
        {
            self.write_compressed(GOROUTINES, &text)?;
        }
        // Most programs are built without it: that is no problem.
        if let Some(profile) = self.fetch("/goroutineleak", GOROUTINELEAK) {
            self.write(GOROUTINELEAK, &profile)?;
        }
        Ok(())
    }

    /// The answer to one request; `None` with a problem noted where there is none.
    fn fetch(&mut self, path: &str, file: &str) -> Option<Vec<u8>> {
        if self.gone {
            return None;
        }
        let begun = Instant::now();
        let answer = http::get(&self.base, path, self.trust, Limits { time: PATIENCE, bytes: LARGEST });
        self.capture.seconds.push((file.to_owned(), begun.elapsed().as_secs_f64()));
        match answer {
            Ok(bytes) => Some(bytes),
            Err(FetchError::Status { .. }) if file == GOROUTINELEAK => None,
            Err(error) => {
                // Whoever does not answer once will not answer six times more.
                self.gone = matches!(error, FetchError::Connect { .. } | FetchError::TimedOut { .. });
                self.capture.problems.push(error.to_string());
                None
            }
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        private_file::replace(&self.folder.join(name), bytes, Durability::Cached)
    }

    fn write_compressed(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        let failed = |source| StoreError::Io { action: "compress", path: path.clone(), source };
        let compressed = zstd::encode_all(bytes, ZSTD_LEVEL).map_err(failed)?;
        self.write(name, &compressed)
    }
}

/// The statistics behind a heap profile's text; the whole text if they are not marked.
pub(super) fn statistics_of(text: &[u8]) -> &[u8] {
    let at = text.windows(STATISTICS.len()).rposition(|window| window == STATISTICS);
    at.map_or(text, |at| &text[at..])
}

/// Go lists `<td>12</td><td><a href='goroutine?debug=1'>goroutine</a></td>`.
fn listed_goroutines(page: &str) -> Option<u64> {
    let (before, _) = page.split_once(">goroutine</a>")?;
    let (before, link) = before.rsplit_once("<a href=")?;
    let is_meant = link.trim_matches(['\'', '"']).starts_with("goroutine?debug=");
    let count = before.trim_end().strip_suffix("<td>").unwrap_or(before).trim_end().strip_suffix("</td>")?;
    count.rsplit('>').next()?.trim().parse().ok().filter(|_| is_meant)
}

/// A whole number among the metrics that the package writes.
fn metric(metrics: &[u8], name: &str) -> Option<u64> {
    let metrics: serde_json::Value = serde_json::from_slice(metrics).ok()?;
    metrics["metrics"][name].as_u64()
}

/// `goroutine profile: total 12`.
fn goroutine_count(text: &[u8]) -> Option<u64> {
    let line = text.split(|byte| *byte == b'\n').next()?;
    std::str::from_utf8(line).ok()?.rsplit_once("total ")?.1.trim().parse().ok()
}

/// The variables that the runtime looks at, as the process was started with.
pub(super) fn environment(pid: u32) -> Vec<(String, String)> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let pairs = bytes.split(|byte| *byte == 0).filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='));
    pairs
        .filter(|(name, _)| matches!(*name, "GOGC" | "GOMEMLIMIT" | "GODEBUG" | "GOMAXPROCS"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goroutines_are_counted_by_what_lists_them() {
        let page = "<td>0</td><td><a href='cmdline?debug=1'>cmdline</a></td></tr>\n<tr><td>12</td><td><a href='goroutine?debug=1'>goroutine</a></td></tr>";
        assert_eq!(listed_goroutines(page), Some(12));
        assert_eq!(listed_goroutines("<td>3</td><td><a href='/x'>goroutine</a>"), None);
        assert_eq!(listed_goroutines("<html>"), None);
        assert_eq!(goroutine_count(b"goroutine profile: total 12\n1 @ 0x1"), Some(12));
        assert_eq!(metric(br#"{"metrics":{"/a:b":4}}"#, "/a:b"), Some(4));
    }
}
