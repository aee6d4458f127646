//! A process of the load: in a group of its own, so that Ctrl-C reaches it through brimline, and all of it is ended.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Stop, WorkloadError};
use crate::signals;

/// Between two looks at whether it has ended.
const LOOK: Duration = Duration::from_millis(50);
/// How long it may take to end once asked to.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most of what it says that is kept, from its end.
const KEPT: usize = 4096;

/// A running process. Dropped, whatever is left of its group is killed.
pub(crate) struct Child {
    process: std::process::Child,
    name: &'static str,
    ended: Option<ExitStatus>,
    stderr: Option<JoinHandle<String>>,
    stdout: Option<JoinHandle<()>>,
}

impl Child {
    /// Starts `command`; each line of its standard output goes to `line`, what it says on standard error is kept.
    pub(crate) fn start(
        command: &mut Command,
        name: &'static str,
        mut line: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, WorkloadError> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // The tracker is for the program under test.
        command.env_remove("LD_PRELOAD");
        let mut process =
            command.spawn().map_err(|error| WorkloadError::broken(format!("`{name}` did not start: {error}")))?;
        let stdout = process.stdout.take().map(|stdout| {
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stdout);
                let mut bytes = Vec::new();
                while reader.by_ref().take(1 << 20).read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
                    line(String::from_utf8_lossy(&bytes).trim_end());
                    bytes.clear();
                }
            })
        });
        let stderr = process.stderr.take().map(|stderr| std::thread::spawn(move || tail(stderr)));
        Ok(Self { process, name, ended: None, stderr, stdout })
    }

    /// Waits until it ends, or `deadline`, or the stop; whether it has ended by itself.
    pub(crate) fn wait(&mut self, deadline: Option<Instant>, stop: &Stop) -> Result<bool, WorkloadError> {
        loop {
            if self.has_ended()? {
                return Ok(true);
            }
            if stop.is_set() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> Result<bool, WorkloadError> {
        if self.ended.is_none() {
            let name = self.name;
            let status = self.process.try_wait();
            self.ended = status.map_err(|error| WorkloadError::broken(format!("`{name}` is lost: {error}")))?;
        }
        Ok(self.ended.is_some())
    }

    /// Asks it to end by `signal`, then by force.
    pub(crate) fn end(&mut self, signal: i32) -> Result<(), WorkloadError> {
        if self.has_ended()? {
            return Ok(());
        }
        signals::send_group(self.process.id(), signal);
        let never = Stop::default();
        if !self.wait(Some(Instant::now() + PATIENCE), &never)? {
            signals::send_group(self.process.id(), libc::SIGKILL);
            self.wait(Some(Instant::now() + PATIENCE), &never)?;
        }
        Ok(())
    }

    /// How it ended, and the end of what it said on standard error. It must have ended.
    pub(crate) fn finish(mut self) -> (Option<ExitStatus>, String) {
        // Members of its group could hold the pipes open for ever.
        signals::send_group(self.process.id(), libc::SIGKILL);
        if let Some(stdout) = self.stdout.take() {
            // A panic in there was told by its thread.
            let _ = stdout.join();
        }
        let said = self.stderr.take().and_then(|stderr| stderr.join().ok()).unwrap_or_default();
        (self.ended, said)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended.is_none() {
            signals::send_group(self.process.id(), libc::SIGKILL);
            let _ = self.process.wait();
        }
    }
}

fn tail(mut stream: impl Read) -> String {
    let mut kept = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        kept.extend_from_slice(&piece[..count]);
        let excess = kept.len().saturating_sub(KEPT);
        kept.drain(..excess);
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

/// The last lines of what a tool said, in one line.
pub(crate) fn last_words(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join(" / ")
}

/// How a process ended, in words.
pub(crate) fn ended_how(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "an unknown end".into(), |status| status.to_string())
}
