//! Starts the program and waits for it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use brimline_store::ProgramExit;

use crate::error::LaunchError;

/// Where the program's output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// Where brimline's goes.
    Inherited,
    /// Through brimline.
    Piped,
}

impl Streams {
    fn set(self, command: &mut Command) -> &mut Command {
        match self {
            Self::Inherited => command,
            Self::Piped => command.stdout(Stdio::piped()).stderr(Stdio::piped()),
        }
    }
}

/// Starts `command` with this environment added. Group, terminal and signals are inherited.
pub(crate) fn start(
    command: &[OsString],
    environment: &[(OsString, OsString)],
    streams: Streams,
) -> Result<Child, LaunchError> {
    let (program, arguments) = command.split_first().ok_or(LaunchError::NoCommand)?;
    let mut child = Command::new(program);
    child.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
    let started = match streams.set(&mut child).spawn() {
        // A script without `#!`: shells run it themselves.
        Err(error) if error.raw_os_error() == Some(libc::ENOEXEC) => {
            let script = find(program).unwrap_or_else(|| PathBuf::from(program));
            let mut shell = Command::new("/bin/sh");
            shell.arg(script).args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
            streams.set(&mut shell).spawn()
        }
        other => other,
    };
    started.map_err(|source| failure(program, source))
}

fn failure(program: &OsStr, source: io::Error) -> LaunchError {
    let command = program.to_string_lossy().into_owned();
    match source.raw_os_error() {
        Some(libc::ENOENT) if !Path::new(program).is_file() => LaunchError::NotFound { command },
        // The file is there: its interpreter is not.
        Some(libc::ENOENT | libc::EACCES | libc::ENOEXEC | libc::EISDIR | libc::ENOTDIR | libc::ELOOP) => {
            LaunchError::NotExecutable { command, source }
        }
        _ => LaunchError::Failed { command, source },
    }
}

/// The file that `PATH` gives for a program without a slash in its name.
pub(crate) fn find(program: &OsStr) -> Option<PathBuf> {
    if program.as_encoded_bytes().contains(&b'/') {
        return Some(PathBuf::from(program));
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// How the program ended.
pub(crate) fn exit_of(status: ExitStatus) -> ProgramExit {
    match (status.code(), status.signal()) {
        (Some(code), _) => ProgramExit::ExitCode(code),
        (None, signal) => ProgramExit::Signal(signal.unwrap_or(0)),
    }
}

/// `LD_PRELOAD` with the tracker before what is there.
pub(crate) fn preload(tracker: &Path) -> Result<OsString, String> {
    if tracker.as_os_str().as_encoded_bytes().iter().any(|byte| matches!(byte, b' ' | b':' | b'\t' | b'\n')) {
        return Err(format!("expected a tracker path without spaces and colons, found `{}`", tracker.display()));
    }
    if !tracker.is_file() {
        return Err(format!("expected the tracker at `{}`, found no file", tracker.display()));
    }
    let mut value = tracker.as_os_str().to_owned();
    if let Some(present) = std::env::var_os("LD_PRELOAD").filter(|present| !present.is_empty()) {
        value.push(":");
        value.push(present);
    }
    Ok(value)
}
