//! Asks the script in an isolate, over its socket: one line of JSON each way.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use brimline_store::RunFolder;
use brimline_store::node_capture::{self, NodeIsolate};
use serde_json::Value;

use crate::error::SnapshotError;

/// No answer is longer.
const LONGEST_ANSWER: u64 = 1 << 20;

/// The answer to `request`; what the isolate refuses is an error.
pub(super) fn ask(
    run: &RunFolder,
    isolate: &NodeIsolate,
    request: &Value,
    patience: Duration,
) -> Result<Value, SnapshotError> {
    let failed = |reason: String| SnapshotError::Isolate { pid: isolate.pid, thread: isolate.thread, reason };
    let answer = exchange(run, isolate, request, patience).map_err(|error| {
        let late = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        failed(if late { format!("no answer within {} s", patience.as_secs()) } else { error.to_string() })
    })?;
    match answer.get("error").and_then(Value::as_str) {
        Some(reason) => Err(failed(reason.to_owned())),
        None => Ok(answer),
    }
}

/// Whether somebody listens. A thread that has ended leaves its socket behind.
pub(super) fn answers(run: &RunFolder, isolate: &NodeIsolate) -> io::Result<()> {
    connect(run, isolate).map(drop)
}

fn connect(run: &RunFolder, isolate: &NodeIsolate) -> io::Result<UnixStream> {
    let socket = isolate.socket.as_deref().unwrap_or_default();
    // Through the descriptor of the folder: the kernel takes no path of a socket beyond a hundred bytes.
    let folder = File::open(node_capture::folder_of(run))?;
    UnixStream::connect(format!("/proc/self/fd/{}/{socket}", folder.as_raw_fd()))
}

fn exchange(run: &RunFolder, isolate: &NodeIsolate, request: &Value, patience: Duration) -> io::Result<Value> {
    let mut stream = connect(run, isolate)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).take(LONGEST_ANSWER).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::Error::other("the isolate ended before it answered"));
    }
    serde_json::from_str(&line).map_err(io::Error::from)
}
