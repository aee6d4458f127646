//! The command line of `go tool pprof`. Whoever runs it lends files, network and terminal through [`Host`].

mod command;
mod config;
mod flags;
mod interactive;
mod page;
mod report;
mod source;

use std::ffi::OsString;
use std::io::{self, Write};
use std::rc::Rc;

use thiserror::Error;

pub use crate::report::{CallNode, CallTree, Curve, Drawing, GoFolders, NodeBox, Sources, Text, Zone};
pub use interactive::Completion;

use command::Command;
use config::Config;

/// What the command line needs from the outside.
pub trait Host: Sources {
    /// Whether the file at `path` is an ELF program. Only a regular file is looked into: a pipe gives its bytes once.
    fn is_program(&self, _path: &str) -> bool {
        false
    }
    /// Fetches a profile from a URL.
    fn fetch(&mut self, url: &str, timeout_seconds: u64) -> io::Result<Vec<u8>>;
    /// The local time zone at a moment, seconds since 1970.
    fn zone(&self, _seconds: i64) -> Zone {
        Zone::default()
    }
    /// Where reports go.
    fn stdout(&mut self) -> &mut dyn Write;
    /// Where messages go.
    fn stderr(&mut self) -> &mut dyn Write;
    /// Whether there is something at `path`.
    fn exists(&self, path: &str) -> bool;
    /// Writes a report to a file.
    fn write(&mut self, path: &str, bytes: &[u8]) -> io::Result<()>;
    /// The next line typed by the user, without its end; `None` at the end of input.
    fn read_line(&mut self, prompt: &str, completion: &Rc<Completion>) -> io::Result<Option<String>>;
    /// Draws a flame graph, as a page or as a drawing alone.
    fn flame(&mut self, _tree: &CallTree, _html: bool) -> io::Result<Vec<u8>> {
        Err(io::Error::other("expected a host that draws, found none"))
    }
    /// Makes a PNG picture of a drawing.
    fn png(&mut self, _drawing: &Drawing) -> io::Result<Vec<u8>> {
        Err(io::Error::other("expected a host that draws, found none"))
    }
    /// Shows a file of this kind (its name's extension) in the user's browser.
    fn open(&mut self, _bytes: &[u8], _extension: &str) -> io::Result<()> {
        Err(io::Error::other("expected a host with a browser, found none"))
    }
    /// Serves one page on the loopback until the user ends it, and shows it in a browser unless told not to.
    fn serve(&mut self, _address: &str, _page: &[u8], _browser: bool) -> io::Result<()> {
        Err(io::Error::other("expected a host with a network, found none"))
    }
    /// Whether reports go to a terminal, where compressed files are not welcome.
    fn stdout_is_terminal(&self) -> bool;
}

/// A command line that cannot be carried out.
#[derive(Debug, Error)]
pub(crate) enum RunError {
    /// The user asks for help, which is not an error but ends the run.
    #[error("{0}")]
    Help(String),
    /// The command line itself is wrong.
    #[error("{message}\n\nhint: {hint}")]
    Usage { message: String, hint: String },
    /// A profile cannot be read.
    #[error("{message}\n\nhint: {hint}")]
    Source { message: String, hint: String },
    /// Profiles cannot be put together.
    #[error("{0}\n\nhint: compare profiles of one kind; `-raw` shows the sample types of each")]
    Merge(#[from] crate::combine::MergeError),
    /// The column asked for is not there.
    #[error("{0}\n\nhint: choose one with `-sample_index=NAME`")]
    SampleType(#[from] crate::model::UnknownSampleType),
    /// A regular expression is wrong.
    #[error(
        "parsing {option} regexp: {source}\n\nhint: a backslash before `(`, `[`, `*` and `.` takes them as they are"
    )]
    Expression { option: &'static str, source: regex::Error },
    /// The report cannot be written.
    #[error(transparent)]
    Report(#[from] crate::report::ReportError),
    /// Output or input failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs a command line, without the program's name. Returns the exit code: 0, or 2 for wrong usage and input that
/// cannot be read.
pub fn run(args: &[OsString], host: &mut dyn Host) -> i32 {
    match try_run(args, host) {
        Ok(()) => 0,
        // A reader that has seen enough closes the pipe; that is its right.
        Err(RunError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(RunError::Help(text)) => {
            // If the message cannot be shown there is nobody to tell.
            let _ = writeln!(host.stdout(), "{text}");
            0
        }
        Err(error) => {
            let _ = writeln!(host.stderr(), "error: {error}");
            2
        }
    }
}

fn try_run(args: &[OsString], host: &mut dyn Host) -> Result<(), RunError> {
    let mut config = Config::default();
    let parsed = flags::parse(args, &mut config, host)?;
    let mut files = source::Files::load(&parsed, host)?;
    let mut view = source::profile(&mut files, &parsed, host)?;
    config.compared = parsed.marks_base() && !(parsed.base.is_empty() && parsed.diff_base.is_empty());
    if let Some(address) = &parsed.http {
        let page = page::generate(&view, &config, host)?;
        return Ok(host.serve(address, &page, !parsed.no_browser)?);
    }
    match parsed.command {
        Some(Command { name, argument }) => {
            let bytes = report::generate(&mut view, name, argument.as_deref(), &config, host)?;
            report::deliver(&bytes, name, &config, false, host)
        }
        None => interactive::run(&view, config, host),
    }
}
