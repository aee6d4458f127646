//! The tracker's recording: its layout ([`layout`]) and a validating reader ([`Recording`]).
//!
//! A recording is the shared-memory file in which the tracker counts inside a running process, or a copy of it. It is
//! readable at any moment: while the process runs, after it was killed, or cut short.
#![no_std]
#![deny(missing_docs)]

extern crate alloc;

mod compact;
pub mod layout;
mod reader;

pub use compact::compact;
pub use reader::{CodeView, ModuleView, OpenError, Recording, ThreadView, Warning};
