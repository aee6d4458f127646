//! Runs of Node programs: their sampling profiles as input of reports.

mod agent;
mod attach;
mod pauses;
mod profiles;
mod series;

pub(crate) use agent::plan;
pub(crate) use attach::{attach_process, attach_url};
pub(crate) use profiles::{NodeHeap, has_profiles, input, select};
pub(crate) use series::isolate_series;
