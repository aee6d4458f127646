//! Public behaviour of the pprof crate.

mod encode;
mod goldens;
mod host;
mod legacy;
mod mutants;
mod properties;
mod reading;
