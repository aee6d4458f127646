//! Stores on a real file system.
#![allow(clippy::unwrap_used, reason = "a failed step of a test ends the test")]

mod damage;
mod names;
