//! Public behaviour of the pprof crate.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod encode;
mod goldens;
mod host;
mod legacy;
mod mutants;
mod properties;
mod reading;
mod transcript;
