//! Files from elsewhere: what they are, told by their content alone, and their numbers in the columns of a run. One
//! file per kind.

pub(crate) mod heapprofile;
mod memray;
mod pprof;
mod tracemalloc;

use std::path::Path;

use brimline_analysis::aggregate::Attribution;
use brimline_profile::Profile;

/// Columns of a tracked profile.
const COLUMNS: usize = 6;

/// A kind of file that can be a run.
pub(crate) trait Kind: Sync {
    /// The word in `run.json` and in answers.
    fn name(&self) -> &'static str;
    /// Whether the content looks like it; a few bytes decide.
    fn sniff(&self, bytes: &[u8]) -> bool;
    /// Reads the whole file, only to tell whether it can be read; `path` is for the error.
    fn check(&self, bytes: &[u8], path: &Path) -> anyhow::Result<()>;
    /// Its stacks and values; an error with the right command where the file has none.
    fn numbers(&self, bytes: &[u8], path: &Path) -> anyhow::Result<Numbers>;
}

/// What a file says about memory.
#[derive(Debug)]
pub(crate) struct Numbers {
    /// Stacks and values in the columns of `ValueType::tracked`.
    pub(crate) profile: Profile,
    /// Which of them the file has; the others are unknown, not zero.
    pub(crate) measured: [bool; COLUMNS],
    /// One line for the head of a report.
    pub(crate) about: String,
    /// What the file lacks or what was left out, one sentence each.
    pub(crate) warnings: Vec<String>,
    /// What `--cumulative` means to the tool that wrote the file.
    pub(crate) cumulative: Attribution,
}

/// All kinds. Where no content is recognised the last one names what is wrong.
static KINDS: &[&dyn Kind] = &[&tracemalloc::Tracemalloc, &memray::Memray, &heapprofile::HeapProfile, &pprof::Pprof];

/// The kind of a file by its content.
pub(crate) fn kind_of(bytes: &[u8]) -> &'static dyn Kind {
    KINDS.iter().copied().find(|kind| kind.sniff(bytes)).unwrap_or(&pprof::Pprof)
}
