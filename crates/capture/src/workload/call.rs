//! A function called again and again in one process, garbage collected between two calls.
//!
//! brimline starts a small runner in the function's own language, which connects to a socket in a private folder and does
//! one call for each line it reads. It ends when the socket is closed.

mod go_test;

use std::ffi::OsString;
use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::tally::Named;
use super::{Launch, Load, LoadDriver, LoadOptions, Stretch, WorkloadError};

/// Tells the runner where the socket is.
const SOCKET_VARIABLE: &str = "BRIMLINE_CALLS";
const PYTHON: &str = include_str!("call/runner.py");
const NODE: &str = include_str!("call/runner.cjs");
/// Between two looks at whether to stop while a call runs.
const LOOK: Duration = Duration::from_millis(50);
/// No message of a runner is longer.
const LONGEST: usize = 64 << 10;

/// The driver.
#[derive(Debug)]
pub(crate) struct Call;

impl LoadDriver for Call {
    fn scheme(&self) -> &'static str {
        "call"
    }

    fn takes(&self) -> &'static str {
        "MODULE:FUNCTION, FILE.js:EXPORT or ./PACKAGE:TestName"
    }

    fn open(&self, rest: &str, options: &LoadOptions<'_>) -> Result<Box<dyn Load>, WorkloadError> {
        let wrong = |found: String| {
            WorkloadError::spec(
                "a function such as `pkg.module:function`, `lib/work.js:run` or `./cache:TestFill`",
                found,
                "the name of the function stands behind the last colon",
            )
        };
        let (place, function) = rest
            .rsplit_once(':')
            .filter(|(place, function)| !place.is_empty() && !function.is_empty())
            .ok_or_else(|| wrong(format!("`{rest}`")))?;
        let language = Language::of(place, function);
        let folder = tempfile::tempdir().map_err(WorkloadError::broken)?;
        let mut arguments: Vec<OsString> = Vec::new();
        // The user's own interpreter, with its options, stands behind `--`.
        let mut command: Vec<OsString> = options.command.to_vec();
        match language {
            Language::Python => {
                if command.is_empty() {
                    let own = Path::new(".venv/bin/python");
                    command.push(if own.is_file() { own.into() } else { "python3".into() });
                }
                arguments.extend(["-c".into(), PYTHON.into(), place.into(), function.into()]);
            }
            Language::Node => {
                if !Path::new(place).is_file() {
                    return Err(wrong(format!("no file `{place}`")));
                }
                if command.is_empty() {
                    command.push("node".into());
                }
                arguments.extend([
                    "--expose-gc".into(),
                    "-e".into(),
                    NODE.into(),
                    "--".into(),
                    place.into(),
                    function.into(),
                ]);
            }
            Language::Go => {
                let overlay = go_test::overlay(place, function, folder.path()).map_err(wrong)?;
                if command.is_empty() {
                    command.extend(["go".into(), "test".into()]);
                }
                arguments.push("-overlay".into());
                arguments.push(overlay.into());
                let rest = ["-run=^TestBrimlineCalls$", "-count=1", "-timeout=0", "-benchtime=1x"];
                arguments.extend(rest.map(Into::into));
                arguments.push(place.into());
            }
        }
        command.extend(arguments);
        let socket = folder.path().join("calls.sock");
        let listener = UnixListener::bind(&socket).map_err(WorkloadError::broken)?;
        listener.set_nonblocking(true).map_err(WorkloadError::broken)?;
        Ok(Box::new(CallLoad {
            what: rest.to_owned(),
            calls: u64::from(options.calls.unwrap_or(1)),
            command,
            folder,
            listener,
            runner: Mutex::default(),
        }))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Python,
    Node,
    Go,
}

impl Language {
    fn of(place: &str, function: &str) -> Self {
        let ends = |known: &[&str]| Path::new(place).extension().is_some_and(|end| known.iter().any(|one| end == *one));
        if ends(&["js", "cjs", "mjs"]) {
            return Self::Node;
        }
        let is_test = function.starts_with("Test") || function.starts_with("Benchmark");
        let is_package = place == "." || place.starts_with("./") || place.starts_with("../") || place.starts_with('/');
        if is_test && is_package && !ends(&["py"]) { Self::Go } else { Self::Python }
    }
}

#[derive(Debug)]
struct CallLoad {
    what: String,
    calls: u64,
    command: Vec<OsString>,
    folder: tempfile::TempDir,
    listener: UnixListener,
    runner: Mutex<Option<Runner>>,
}

impl Load for CallLoad {
    fn describe(&self) -> Value {
        json!({ "function": self.what, "calls_per_round": self.calls })
    }

    fn needs_target(&self) -> bool {
        false
    }

    fn has_end(&self) -> bool {
        true
    }

    fn unit(&self) -> &'static str {
        "calls"
    }

    fn launch(&self) -> Option<Launch> {
        let socket = self.folder.path().join("calls.sock");
        let environment = vec![(SOCKET_VARIABLE.into(), socket.into())];
        Some(Launch { command: self.command.clone(), environment })
    }

    fn is_ready(&self) -> Result<Option<bool>, WorkloadError> {
        let mut runner = self.runner.lock().unwrap_or_else(PoisonError::into_inner);
        if runner.is_none() {
            *runner = match self.listener.accept() {
                Ok((stream, _)) => Some(Runner::new(stream).map_err(WorkloadError::broken)?),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                Err(error) => return Err(WorkloadError::broken(error)),
            };
        }
        let Some(runner) = runner.as_mut() else { return Ok(Some(false)) };
        match runner.line() {
            Ok(Some(line)) if line == "ready" => Ok(Some(true)),
            Ok(Some(line)) => Err(WorkloadError::Script {
                tool: "the runner",
                script: self.what.clone(),
                reason: line.strip_prefix("refused ").unwrap_or(&line).to_owned(),
            }),
            Ok(None) => Ok(Some(false)),
            Err(error) => Err(WorkloadError::broken(format!("the runner is gone: {error}"))),
        }
    }

    fn drive(&self, stretch: &Stretch<'_>) -> Result<(), WorkloadError> {
        let mut runner = self.runner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(runner) = runner.as_mut() else { return Err(WorkloadError::broken("the runner is gone")) };
        let start = Instant::now();
        let deadline = stretch.time.map(|time| Instant::now() + time);
        let mut named = Named::default();
        let mut outcome = Ok(());
        for number in 0_u64.. {
            let is_over = match deadline {
                Some(deadline) => Instant::now() >= deadline,
                None => number >= self.calls,
            };
            if is_over || stretch.stop.is_set() {
                break;
            }
            let begin = Instant::now();
            let answer = match runner.call(stretch) {
                Ok(Some(answer)) => answer,
                Ok(None) => break,
                Err(error) => {
                    outcome = Err(WorkloadError::broken(format!("the runner is gone: {error}")));
                    break;
                }
            };
            let failure = answer.strip_prefix("failed ");
            named.done += 1;
            named.failed += u64::from(failure.is_some());
            // The runner's own time leaves the collection out.
            let micros = answer.strip_prefix("done ").and_then(|micros| micros.parse().ok());
            named.latency.add_many(micros.unwrap_or(begin.elapsed().as_micros() as u64), 1);
            stretch.tally.count(1, u64::from(failure.is_some()));
            if let Some(failure) = failure {
                stretch.tally.fail(failure, 1);
            }
        }
        stretch.tally.lasted(start.elapsed());
        stretch.tally.add(&self.what, &named);
        outcome
    }

    fn end(&self) {
        // Closing the socket ends the runner.
        *self.runner.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The runner's end of the socket.
#[derive(Debug)]
struct Runner {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Runner {
    fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LOOK))?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// The answer to one call; `None` when the load was stopped meanwhile.
    fn call(&mut self, stretch: &Stretch<'_>) -> io::Result<Option<String>> {
        self.stream.write_all(b"call\n")?;
        loop {
            if let Some(line) = self.line()? {
                return Ok(Some(line));
            }
            if stretch.stop.is_set() {
                return Ok(None);
            }
        }
    }

    /// The next line, if one comes soon.
    fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            if self.read.len() > LONGEST {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without end"));
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.read.extend_from_slice(&piece[..count]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_tells_the_language() {
        for (place, function, language) in [
            ("pkg.mod", "func", Language::Python),
            ("tests/work.py", "main", Language::Python),
            ("pkg.mod", "TestCase.run", Language::Python),
            ("./lib/work.js", "run", Language::Node),
            ("lib/work.mjs", "default", Language::Node),
            ("./cache", "TestFill", Language::Go),
            (".", "BenchmarkFill", Language::Go),
        ] {
            assert_eq!(Language::of(place, function), language, "{place}:{function}");
        }
    }
}
