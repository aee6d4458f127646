//! Runs of Node programs: their sampling profiles as input of reports.

mod agent;
mod attach;
mod profiles;

pub(crate) use agent::plan;
pub(crate) use attach::{attach_process, attach_url};
pub(crate) use profiles::{NodeHeap, has_profiles, input, select};
