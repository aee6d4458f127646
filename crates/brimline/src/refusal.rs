//! Errors that tell what to do next.

use crate::exit_code::ExitCode;

/// An error with the next step and the exit code it ends the command with.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    /// Expected, found, where.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: String,
    /// How the command ends.
    pub(crate) code: ExitCode,
}

/// A refusal of bad usage or unreadable input.
pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Refusal { message: message.into(), hint: hint.into(), code: ExitCode::USAGE }.into()
}

/// The text for standard error and the exit code of an error.
pub(crate) fn explain(error: &anyhow::Error) -> (String, ExitCode) {
    let refusal = error.chain().find_map(|cause| cause.downcast_ref::<Refusal>());
    let mut text = format!("error: {}\n", crate::terminal::plain(&format!("{error:#}")));
    if let Some(refusal) = refusal {
        text.push_str("\nhint: ");
        text.push_str(&crate::terminal::plain(&refusal.hint));
        text.push('\n');
    }
    (text, refusal.map_or(ExitCode::USAGE, |refusal| refusal.code))
}
