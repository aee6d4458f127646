//! pprof files: [`View`] reads any of them, [`encode`] writes one from a [`brimline_profile::Profile`], [`cli`] is the
//! command line of `go tool pprof` with its reports byte for byte.
//!
//! The format is described in <https://github.com/google/pprof/blob/main/proto/profile.proto>.
//! Nothing here opens files or sockets: readers take bytes, reports write to a writer, the command line asks its host.
#![deny(missing_docs)]

pub mod cli;
mod combine;
mod convert;
mod encode;
mod error;
mod expression;
mod filter;
mod granularity;
mod graph;
mod inflate;
mod label_frames;
mod labels;
mod legacy;
mod measure;
mod merge;
mod model;
mod paths;
mod prune;
mod read;
mod report;
mod samples;
mod short;
mod tag_filter;
mod wire;
mod write;

pub use combine::{Merge, MergeError, Shape, Subtraction, subtract};
pub use encode::encode;
pub use error::ReadError;
pub use filter::{Matched, NameFilter};
pub use granularity::Granularity;
pub use inflate::{Limits, inflate};
pub use model::{Function, Line, Location, Mapping, Text, Texts, UnknownSampleType, ValueType, View};
pub use report::{ReportError, read_go_source};
pub use samples::{Encoded, Held, Label, Sample, Samples};
pub use wire::WireError;
