//! What `run.json` says about a run.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::timestamp::Timestamp;

/// A run's id: eight lower-case hexadecimal digits, also the name of its folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    /// Number of digits.
    pub const DIGITS: usize = 8;

    /// Reads an id; `None` if the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == Self::DIGITS && text.bytes().all(digits)).then(|| Self(text.to_owned()))
    }

    /// A new random id.
    pub(crate) fn random() -> Self {
        use std::hash::{BuildHasher, Hasher};
        // The keys of each `RandomState` come from the system's randomness.
        let bits = std::collections::hash_map::RandomState::new().build_hasher().finish();
        Self(format!("{:08x}", bits as u32))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for RunId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("expected a run id of 8 hexadecimal digits, found `{text}`"))
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

/// A name for a run, a mark, a snapshot or a baseline: 1 to 100 characters, none of `/`, `@`, `~`, no control
/// character, not starting with `-` or `.`, and not `latest`. Several runs may have one name; the newest is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunName(String);

impl RunName {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let length = text.chars().count();
        let bad = |c: char| c.is_control() || matches!(c, '/' | '@' | '~');
        if !(1..=100).contains(&length) || text.chars().any(bad) || text.starts_with(['-', '.']) || text == "latest" {
            return Err(StoreError::BadName { found: text.escape_default().to_string() });
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for RunName {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        Self::parse(&text)
    }
}

impl From<RunName> for String {
    fn from(name: RunName) -> Self {
        name.0
    }
}

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramExit {
    /// With this exit code.
    ExitCode(i32),
    /// By this signal.
    Signal(i32),
}

impl ProgramExit {
    /// The code with which `brimline run` ends: the program's own, 128+N after signal N.
    pub fn code(self) -> i32 {
        match self {
            Self::ExitCode(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnd {
    /// When.
    pub at: Timestamp,
    /// How.
    #[serde(flatten)]
    pub exit: ProgramExit,
}

/// What allocation tracking the run had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tracking {
    /// Every object and every malloc.
    Exact,
    /// Process series only; the reason in words.
    Off {
        /// Why.
        reason: String,
    },
}

/// The version-control state of the working directory at the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitState {
    /// The commit, in hexadecimal.
    pub commit: String,
    /// The branch, `None` when detached.
    pub branch: Option<String>,
    /// Whether tracked files differed from the commit; `None` if git did not answer in time.
    pub dirty: Option<bool>,
}

/// One process of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessRecord {
    /// Process id.
    pub pid: u32,
    /// Parent's process id.
    pub parent_pid: u32,
    /// Arguments, values of secret-looking options replaced by `…`; the program's name alone if they were unreadable.
    pub command: Vec<String>,
    /// For example `3.11.7`.
    pub python_version: Option<String>,
    /// First seen.
    pub start: Timestamp,
    /// Last seen alive; `None` if it still ran at the end of the run.
    pub end: Option<Timestamp>,
    /// Resident set at the last sample.
    pub last_rss_bytes: Option<u64>,
    /// Highest resident set the kernel knew at the last sample.
    pub max_rss_bytes: Option<u64>,
    /// The recordings' file names without suffix (`<pid>-<ns>`): several after an exec.
    pub recordings: Vec<String>,
    /// Why the tracker refused this process.
    pub refused: Option<String>,
}

/// A moment with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The name.
    pub name: RunName,
    /// When.
    pub at: Timestamp,
}

/// A capture of some processes at one moment. It counts as a mark too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    /// The name.
    pub name: RunName,
    /// When it was asked for.
    pub at: Timestamp,
    /// What asked for it: `command`, `every 30s`, `signal USR2`, `at 85%`.
    pub trigger: String,
    /// One per process.
    pub files: Vec<SnapshotFile>,
}

/// One process in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFile {
    /// Process id.
    pub pid: u32,
    /// File in `snapshots/<name>/`.
    pub file: String,
    /// Whether garbage was collected first; `false` if the process did not answer in time.
    pub collected: bool,
}

/// A stretch of time with a name: `warm-up`, `load`, `settle`, or the user's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The name.
    pub name: RunName,
    /// When it began.
    pub start: Timestamp,
    /// When it ended, if it did.
    pub end: Option<Timestamp>,
}

/// A file from elsewhere that is the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// What it is: `pprof`, …
    pub format: String,
    /// File in `imports/`, the bytes as they were given.
    pub file: String,
    /// The path it was copied from.
    pub source: String,
}

/// An answer about a run that later commands want to find again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// When it was given.
    pub at: Timestamp,
    /// What it is about, for example a metric or a site.
    pub subject: String,
    /// The answer, for example `linear_leak`.
    pub verdict: String,
    /// The whole answer as the command printed it.
    pub detail: serde_json::Value,
}

/// `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`RunRecord::SCHEMA`].
    pub schema: String,
    /// The run's id.
    pub id: RunId,
    /// The user's name for it.
    pub name: Option<RunName>,
    /// The command as typed, values of secret-looking options replaced by `…`.
    pub command: Vec<String>,
    /// Where it was started; `None` if that folder no longer exists.
    pub cwd: Option<String>,
    /// When the program was started.
    pub start: Timestamp,
    /// `None` while the program runs, and for ever if the recorder was killed.
    pub end: Option<RunEnd>,
    /// Allocation tracking.
    pub tracking: Tracking,
    /// Versions of the interpreters that were tracked, for example `3.11.7`.
    #[serde(default)]
    pub python_versions: Vec<String>,
    /// Version control.
    #[serde(default)]
    pub git: Option<GitState>,
    /// The machine.
    #[serde(default)]
    pub hostname: Option<String>,
    /// The brimline that recorded.
    pub brimline_version: String,
    /// Process id of the program; `None` before it was started.
    #[serde(default)]
    pub pid: Option<u32>,
    /// All processes seen; complete once the run has ended.
    #[serde(default)]
    pub processes: Vec<ProcessRecord>,
    /// Marks in the order of time.
    #[serde(default)]
    pub marks: Vec<Mark>,
    /// Snapshots in the order of time.
    #[serde(default)]
    pub snapshots: Vec<SnapshotRecord>,
    /// Phases in the order of time.
    #[serde(default)]
    pub phases: Vec<Phase>,
    /// Baselines that this run is, or was before another took the name.
    #[serde(default)]
    pub baselines: Vec<Mark>,
    /// Verdicts given so far.
    #[serde(default)]
    pub verdicts: Vec<Verdict>,
    /// The workload that was driven, in the driver's own words.
    #[serde(default)]
    pub workload: Option<serde_json::Value>,
    /// The file that was imported, for a run that brimline did not record itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Import>,
    /// What could not be recorded, in words.
    #[serde(default)]
    pub problems: Vec<String>,
}

impl RunRecord {
    /// First key of the file.
    pub const SCHEMA: &'static str = "brimline.run-record/1";
    /// Version in [`Self::SCHEMA`].
    pub const VERSION: u32 = 1;

    /// A run that has not started its program yet.
    pub fn new(id: RunId, command: Vec<String>) -> Self {
        Self {
            schema: Self::SCHEMA.to_owned(),
            id,
            name: None,
            command,
            cwd: None,
            start: Timestamp::now(),
            end: None,
            tracking: Tracking::Exact,
            python_versions: Vec::new(),
            git: None,
            hostname: None,
            brimline_version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: None,
            processes: Vec::new(),
            marks: Vec::new(),
            snapshots: Vec::new(),
            phases: Vec::new(),
            baselines: Vec::new(),
            verdicts: Vec::new(),
            workload: None,
            imported: None,
            problems: Vec::new(),
        }
    }

    /// Name if it has one, else id: what to call the run in a sentence.
    pub fn label(&self) -> &str {
        self.name.as_ref().map_or(self.id.as_str(), RunName::as_str)
    }
}
