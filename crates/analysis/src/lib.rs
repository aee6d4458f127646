//! What the models of `brimline-profile` mean: who holds memory, what grew, what repeats.
//!
//! No file is opened, no process started, no clock or environment read in this crate.
#![deny(missing_docs)]

pub mod heap;
