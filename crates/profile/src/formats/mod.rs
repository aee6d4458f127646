//! File formats of profiles: what fills a [`Profile`](crate::Profile) and what a profile is written as.
//!
//! A format that can be written is a unit struct in [`ENCODERS`]; a new one is one file and one row there.

pub mod collapsed;
pub mod csv;
#[cfg(test)]
mod example;
pub mod go_goroutines;
pub mod go_memstats;
pub mod json;
pub mod linetable;
pub mod memray;
#[cfg(test)]
mod mutants;
pub mod native;
pub mod pickle;
mod recorded_process;
pub mod recording;
pub mod series_columns;
pub mod series_csv;
pub mod series_file;
pub mod series_json;
mod series_mprof;
pub mod series_prometheus;
pub mod smaps;
pub mod speedscope;
pub mod tracemalloc;

use std::io::{self, Write};

use crate::Profile;

/// A format a profile can be written in.
pub trait Encoder: Sync {
    /// The word used on the command line and in docs.
    fn name(&self) -> &'static str;
    /// One line for the help text.
    fn about(&self) -> &'static str;
    /// Usual file extension, without the dot.
    fn extension(&self) -> &'static str;
    /// Writes `profile`; formats that hold one number per stack take `column` of its values.
    fn encode(&self, profile: &Profile, column: usize, out: &mut dyn Write) -> io::Result<()>;
}

/// All formats that can be written from here.
pub static ENCODERS: &[&dyn Encoder] = &[&collapsed::Collapsed, &speedscope::Speedscope, &json::Json, &csv::Csv];

/// A decoded value together with what had to be left out.
#[derive(Clone, Debug)]
pub struct Decoded<T> {
    /// What could be read.
    pub value: T,
    /// One sentence for each part that could not.
    pub warnings: Vec<String>,
}

/// What a label set says about a kind of memory that is not counted as allocated: mapped files and descriptors.
pub const UNCOUNTED_KINDS: [&str; 3] = ["file", "fd", "line"];
