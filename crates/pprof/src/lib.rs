//! pprof files: [`encode`] writes one from a [`brimline_profile::Profile`].
//!
//! The format is described in <https://github.com/google/pprof/blob/main/proto/profile.proto>.
//! Nothing here opens files or sockets: readers take bytes, reports write to a writer.
#![deny(missing_docs)]

mod encode;
mod wire;

pub use encode::encode;
