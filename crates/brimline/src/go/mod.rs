//! Runs of Go programs: their captures as input of reports, the resident set explained, goroutines over time.

mod advice;
mod attach;
mod doctor;
mod heap;
mod moment;
pub(crate) mod resident;
mod sources;

pub(crate) use attach::{attach_process, attach_url, plan, recognise};
pub(crate) use doctor::{Weight, examine, installed, write_installed};
pub(crate) use heap::{input, select};
pub(crate) use moment::{Moment, moments};
pub(crate) use sources::{go_folders, source};
