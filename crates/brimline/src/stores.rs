//! The store of a command line, and the runs in it.

use std::path::Path;

use brimline_store::{Location, ResolveError, Resolved, ResolvedRun, RunName, Store, StoreError};

use crate::refusal::usage;

/// The store at `given`, else the project's.
pub(crate) fn open(given: Option<&Path>) -> Store {
    Store::new(Location::of_process(given))
}

/// What `text` means, with the next step when it means nothing.
pub(crate) fn resolve(store: &Store, text: &str) -> anyhow::Result<Resolved> {
    store.resolve(text).map_err(|error| {
        let hint = match &error {
            ResolveError::NoRuns { .. } => "record one: `brimline run -- python your_program.py`",
            ResolveError::Ambiguous { .. } => "give more characters of the id",
            ResolveError::UnknownMark { .. } => "`brimline runs RUN` lists a run's snapshots",
            ResolveError::Store(StoreError::TooNew { .. }) => "update brimline",
            _ => "`brimline runs` lists the recorded runs",
        };
        let message = match &error {
            ResolveError::NoRuns { .. } if !text.is_empty() => format!("{error}, and no file `{text}`"),
            _ => format!("{:#}", anyhow::Error::from(error)),
        };
        usage(message, hint)
    })
}

/// A run in the store; a file is none.
pub(crate) fn resolve_run(store: &Store, text: &str) -> anyhow::Result<ResolvedRun> {
    match resolve(store, text)? {
        Resolved::Run(run) => Ok(*run),
        Resolved::File(path) => Err(usage(
            format!("expected a run of the store, found the file `{}`", path.display()),
            "`brimline runs` lists the recorded runs",
        )),
    }
}

/// A name for a run, mark or baseline.
pub(crate) fn name(text: &str) -> anyhow::Result<RunName> {
    RunName::parse(text).map_err(|error| usage(error.to_string(), "letters, digits, `-`, `_` and `.` are always fine"))
}
