//! `run --native-frames`: the C, C++ and Rust frames between a Python line and an allocation.
//!
//! The thread walks its own native stack ([`frames`]) by the objects' unwind tables, up to the interpreter's frame loop
//! or to the thread's start, and adds one node a frame below the Python line. Addresses are stored; names are the
//! reader's work.
//!
//! A walk depends on nothing but the registers it starts with and the words of the stack it reads. So the words that
//! decided earlier walks are kept ([`paths`]): where they are all the same, the walk would end at the same node.

mod bounds;
mod cursor;
mod expression;
mod frames;
#[cfg(not(test))]
mod modules;
mod object;
mod paths;
mod rule;
mod table;

#[cfg(not(test))]
mod nodes;
#[cfg(test)]
mod walk_tests;

#[cfg(not(test))]
pub(crate) use nodes::{Native, clear, enabled, init, lock_for_fork, node, unlock_after_fork};
