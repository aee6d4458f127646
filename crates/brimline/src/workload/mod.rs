//! `run --workload`: what the command line says about the load, what the user sees of it, and what comes of it.

mod args;
mod conclusion;
mod verdict;
mod voice;

pub(crate) use args::WorkloadArgs;
pub(crate) use conclusion::{Conclusion, conclude};
pub(crate) use voice::WorkloadVoice;

use brimline_capture::workload::WorkloadError;

use crate::exit_code::ExitCode;
use crate::refusal::Refusal;

/// A workload that cannot be driven, with the next step.
pub(crate) fn refuse(error: &WorkloadError) -> anyhow::Error {
    let code = if error.is_usage() { ExitCode::USAGE } else { ExitCode::NO_CAPTURE };
    Refusal { message: error.to_string(), hint: error.hint().to_owned(), code }.into()
}
