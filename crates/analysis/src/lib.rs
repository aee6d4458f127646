//! What the numbers say: who holds how much, what grew, which lines of a function cost what.
//!
//! No file is opened, no process started, no clock or environment read in this crate: models go in, tables come out.
#![deny(missing_docs)]

pub mod aggregate;
pub mod diff;
#[cfg(test)]
mod example;
pub mod filter;
pub mod gc;
pub mod goroutines;
pub mod heap;
pub mod interval;
pub mod lines;
pub mod places;
pub mod resident;
pub mod sizes;
pub mod tree;
pub mod trend;
