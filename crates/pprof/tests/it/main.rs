//! Public behaviour of the pprof crate.

mod encode;
