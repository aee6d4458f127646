//! Captures of Go programs: a folder each, with the profiles as the runtime wrote them.
//!
//! ```text
//! captures/<unix ns>-<pid>/        taken by time, at the start and at the end
//! snapshots/<name>/<pid>-<ns>.go/  taken at a mark or on demand
//!   capture.json                   GoCapture; `complete` is false until all was fetched
//!   heap.pb.gz                     the heap profile; inuse_… and alloc_… columns in one file
//!   memstats-before.txt            the runtime's MemStats before the collection
//!   memstats.txt                   the same after it
//!   status.txt  smaps.txt.zst      `/proc/<pid>/status` and `smaps`, read together with memstats-before.txt
//!   goroutine.pb.gz                every goroutine's stack, with labels
//!   goroutines.txt.zst             the same as text: state, since when, where created
//!   goroutineleak.pb.gz            goroutines that can never run again, where the runtime finds them
//!   metrics.json                   `runtime/metrics`, from programs that import the package `brimline`
//! ```
//!
//! Every file is complete or absent, so a program killed while it was captured leaves all that had arrived.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::folder::RunFolder;
use crate::private_file;
use crate::record::RunName;
use crate::timestamp::Timestamp;

/// The heap profile.
pub const HEAP: &str = "heap.pb.gz";
/// `MemStats` before the collection.
pub const MEMSTATS_BEFORE: &str = "memstats-before.txt";
/// `MemStats` after it.
pub const MEMSTATS: &str = "memstats.txt";
/// `/proc/<pid>/status`.
pub const STATUS: &str = "status.txt";
/// `/proc/<pid>/smaps`, compressed.
pub const SMAPS: &str = "smaps.txt.zst";
/// Goroutines with labels.
pub const GOROUTINE: &str = "goroutine.pb.gz";
/// Goroutines with states, compressed.
pub const GOROUTINES: &str = "goroutines.txt.zst";
/// Goroutines that can never run again.
pub const GOROUTINELEAK: &str = "goroutineleak.pb.gz";
/// `runtime/metrics`.
pub const METRICS: &str = "metrics.json";
/// What is known about the capture itself.
const RECORD: &str = "capture.json";
/// [`GoCapture::trigger`] of what a test binary leaves at its end.
pub const AFTER_TESTS: &str = "go test";
/// How the folder of a capture inside a snapshot ends.
pub const SUFFIX: &str = ".go";
/// No artifact is larger.
const LARGEST: u64 = 1 << 30;

/// `capture.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GoCapture {
    /// `brimline.go-capture/1`.
    pub schema: String,
    /// Process id; 0 for a program on another machine.
    pub pid: u32,
    /// When it was begun.
    pub at: Timestamp,
    /// The name of the snapshot or mark it belongs to.
    pub name: Option<RunName>,
    /// What asked for it: `start`, `every 10s`, `end`, `mark`, `command`, …
    pub trigger: String,
    /// Where the profiles came from, a URL.
    pub endpoint: String,
    /// For example `go1.26.8`.
    pub go_version: Option<String>,
    /// Path of the main package.
    pub package: Option<String>,
    /// Path of the main module.
    pub module: Option<String>,
    /// Whether a collection was made first.
    pub collected: bool,
    /// Whether everything asked for has arrived.
    pub complete: bool,
    /// Seconds that the fetching took, per file.
    pub seconds: Vec<(String, f64)>,
    /// `GOGC`, `GOMEMLIMIT` and `GODEBUG` as the process was started with.
    pub environment: Vec<(String, String)>,
    /// How many goroutines there were, where the program told it.
    pub goroutines: Option<u64>,
    /// The memory limit of the process's control group.
    pub memory_limit_bytes: Option<u64>,
    /// What could not be fetched, in words.
    pub problems: Vec<String>,
}

impl GoCapture {
    /// First key of the file.
    pub const SCHEMA: &'static str = "brimline.go-capture/1";

    /// Writes `capture.json` into the capture's folder.
    pub fn save(&self, folder: &Path) -> Result<(), StoreError> {
        let path = folder.join(RECORD);
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| StoreError::Malformed {
            path: path.clone(),
            expected: "a capture that can be written as JSON",
            found: error.to_string(),
        })?;
        bytes.push(b'\n');
        private_file::replace(&path, &bytes, private_file::Durability::Cached)
    }
}

/// A capture in a run's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct GoCaptureFolder {
    /// The folder.
    pub path: PathBuf,
    /// What `capture.json` says.
    pub record: GoCapture,
}

impl GoCaptureFolder {
    /// Whether the capture has this file.
    pub fn has(&self, name: &str) -> bool {
        self.path.join(name).is_file()
    }

    /// An artifact, decompressed if its name ends in `.zst`; `None` if the capture has none of that name.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path.join(name);
        let file = match private_file::open_read(&path) {
            Ok(file) => file,
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let reader: Box<dyn Read> = if name.ends_with(".zst") {
            Box::new(zstd::Decoder::new(file).map_err(StoreError::io("decompress", &path))?)
        } else {
            Box::new(file)
        };
        let mut bytes = Vec::new();
        reader.take(LARGEST + 1).read_to_end(&mut bytes).map_err(StoreError::io("read", &path))?;
        if bytes.len() as u64 > LARGEST {
            return Err(StoreError::TooLarge { path, limit: LARGEST });
        }
        Ok(Some(bytes))
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self.read(name)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// Where captures without a name lie.
pub fn captures_path(folder: &RunFolder) -> PathBuf {
    folder.path().join("captures")
}

/// All captures of a run, by time. One without a readable `capture.json` is left out.
pub fn captures(folder: &RunFolder) -> Result<Vec<GoCaptureFolder>, StoreError> {
    let mut found = Vec::new();
    for path in folders(&captures_path(folder))? {
        found.extend(open(path));
    }
    for snapshot in folders(&folder.snapshots_path())? {
        for path in folders(&snapshot)?.into_iter().filter(|path| is_capture(path)) {
            found.extend(open(path));
        }
    }
    found.sort_by_key(|capture| (capture.record.at, capture.record.pid));
    Ok(found)
}

/// The captures of the snapshot `name`.
pub fn captures_of(folder: &RunFolder, name: &RunName) -> Result<Vec<GoCaptureFolder>, StoreError> {
    let snapshot = folder.snapshots_path().join(name.as_str());
    let mut found: Vec<_> = folders(&snapshot)?.into_iter().filter(|path| is_capture(path)).filter_map(open).collect();
    found.sort_by_key(|capture| capture.record.pid);
    Ok(found)
}

fn is_capture(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(SUFFIX))
}

fn open(path: PathBuf) -> Option<GoCaptureFolder> {
    let mut text = String::new();
    private_file::open_read(&path.join(RECORD)).ok()?.take(1 << 20).read_to_string(&mut text).ok()?;
    let record = serde_json::from_str(&text).ok()?;
    Some(GoCaptureFolder { path, record })
}

fn folders(parent: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let listing = match fs::read_dir(parent) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("read", parent)(error)),
    };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    Ok(listing.flatten().filter(is_folder).map(|entry| entry.path()).collect())
}

/// A Go process of a run that can be captured, for whoever asks while the run goes on. Lies in `go-targets.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GoTarget {
    /// Process id; 0 for a program on another machine.
    pub pid: u32,
    /// Clock ticks since boot when it was started; with the id it names a process for good.
    pub start_ticks: u64,
    /// Base URL of its profiles, without a slash at the end.
    pub endpoint: String,
    /// Accept whatever certificate the endpoint shows.
    pub insecure: bool,
    /// `user:password` for the endpoint. Kept while the run goes on, in a file that only its owner can read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// For example `go1.26.8`.
    pub go_version: Option<String>,
    /// Path of the main package.
    pub package: Option<String>,
    /// Path of the main module.
    pub module: Option<String>,
}

const TARGETS: &str = "go-targets.json";

/// Writes down which Go processes can be captured.
pub fn save_targets(folder: &RunFolder, targets: &[GoTarget]) -> Result<(), StoreError> {
    let path = folder.path().join(TARGETS);
    let bytes = serde_json::to_vec(targets).map_err(|error| StoreError::Malformed {
        path: path.clone(),
        expected: "targets that can be written as JSON",
        found: error.to_string(),
    })?;
    private_file::replace(&path, &bytes, private_file::Durability::Cached)
}

/// Forgets them: the run is over.
pub fn remove_targets(folder: &RunFolder) {
    // One that stays names processes that are gone.
    let _ = fs::remove_file(folder.path().join(TARGETS));
}

/// The Go processes that can be captured; none when nobody wrote them down.
pub fn targets(folder: &RunFolder) -> Vec<GoTarget> {
    let Ok(file) = private_file::open_read(&folder.path().join(TARGETS)) else { return Vec::new() };
    let mut text = String::new();
    match file.take(1 << 20).read_to_string(&mut text) {
        Ok(_) => serde_json::from_str(&text).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}
