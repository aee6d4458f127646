//! Records real programs: shells, and a fake tracker's files where there is no interpreter to track.
#![allow(clippy::unwrap_used, reason = "a failed step of a test ends the test")]

mod faults;
mod fixture;
mod programs;
mod snapshots;
