//! Takes a heap snapshot of an isolate: redacted and compressed while V8 writes it.

use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::time::Duration;

use brimline_profile::heap::redact::RedactingWriter;
use brimline_store::node_capture::{self, NodeIsolate};
use brimline_store::{RunFolder, private_file};
use serde_json::json;

use super::client;
use super::pipe::NamedPipe;
use crate::error::SnapshotError;

/// How long V8 may take: gigabytes need minutes.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Time between two looks into an empty pipe.
const LOOK: Duration = Duration::from_millis(1);
const PIECE: usize = 1 << 18;
/// The stream comes as fast as V8 can write; more would be slower than V8.
const ZSTD_LEVEL: i32 = 1;

/// Writes the snapshot to `path`, whole or not at all.
///
/// V8 writes into a pipe. It waits while this side is slow, and goes on at once when this side ends.
pub(super) fn take(run: &RunFolder, isolate: &NodeIsolate, path: &Path) -> Result<(), SnapshotError> {
    let failed = |reason: String| SnapshotError::Isolate { pid: isolate.pid, thread: isolate.thread, reason };
    let name = node_capture::folder_of(run).join(format!("{}.fifo", isolate.stem));
    let mut pipe = NamedPipe::create(&name).map_err(|error| failed(format!("no pipe: {error}")))?;
    let temporary = path.with_extension("part");
    let outcome = std::thread::scope(|scope| {
        let request = json!({"do": "snapshot", "file": name});
        let asking = scope.spawn(move || client::ask(run, isolate, &request, PATIENCE));
        let received = receive(&mut pipe.reader, &temporary, &|| asking.is_finished());
        // A reader that stays open would have V8 wait for it.
        drop(pipe);
        let answered = asking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // What this side met with is the cause of what V8 then met with.
        received.map_err(failed).and(answered.map(drop))
    });
    let renamed = outcome.and_then(|()| fs::rename(&temporary, path).map_err(|error| failed(error.to_string())));
    if renamed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    renamed
}

/// Reads until the writer has closed the pipe, or `is_over` says that there will be none.
fn receive(reader: &mut dyn Read, path: &Path, is_over: &dyn Fn() -> bool) -> Result<(), String> {
    let file = private_file::create_new(path).map_err(|error| error.to_string())?;
    let encoder = zstd::Encoder::new(BufWriter::new(file), ZSTD_LEVEL).map_err(|error| error.to_string())?;
    let mut writer = RedactingWriter::new(encoder);
    let mut piece = vec![0; PIECE];
    let mut has_begun = false;
    let copied: io::Result<()> = loop {
        // Asked before the read: what was written until then is still in the pipe.
        let over = is_over();
        match reader.read(&mut piece) {
            Ok(0) if has_begun || over => break Ok(()),
            Ok(0) => std::thread::sleep(LOOK),
            Ok(count) => {
                has_begun = true;
                if let Err(error) = writer.write_all(&piece[..count]) {
                    break Err(error);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(LOOK),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    let (redacted, encoder) = writer.finish();
    // The redactor's own reason says more than that it has hung up.
    redacted.map_err(|error| error.to_string())?;
    copied.map_err(|error| error.to_string())?;
    let mut buffer = encoder.finish().map_err(|error| error.to_string())?;
    buffer.flush().map_err(|error| error.to_string())?;
    buffer.get_ref().sync_all().map_err(|error| error.to_string())
}
