//! Passes the program's output on and looks for a line in it: for programs that say when they are ready.

use std::io::{Read, Write};
use std::process::Child;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::workload::Stop;

/// How long output may still come after the program's end, from others that hold its streams.
const REST: Duration = Duration::from_secs(1);

/// Both streams of a program on their way through brimline.
#[derive(Debug)]
pub(crate) struct LogWatch {
    seen: Arc<Stop>,
    over: Receiver<()>,
    sender: Option<Sender<()>>,
}

impl LogWatch {
    /// Takes the streams of `child`, which were started as pipes.
    pub(crate) fn attach(child: &mut Child, wanted: &str) -> Self {
        let (sender, over) = channel();
        let watch = Self { seen: Arc::default(), over, sender: Some(sender) };
        if let Some(stream) = child.stdout.take() {
            watch.pass(stream, std::io::stdout(), wanted);
        }
        if let Some(stream) = child.stderr.take() {
            watch.pass(stream, std::io::stderr(), wanted);
        }
        watch
    }

    fn pass(&self, mut from: impl Read + Send + 'static, mut to: impl Write + Send + 'static, wanted: &str) {
        let (seen, sender, wanted) = (Arc::clone(&self.seen), self.sender.clone(), wanted.as_bytes().to_vec());
        std::thread::spawn(move || {
            let mut line: Vec<u8> = Vec::new();
            let mut piece = [0; 8192];
            while let Ok(count @ 1..) = from.read(&mut piece) {
                // Who no longer reads our output must not stop the program.
                let _ = to.write_all(&piece[..count]).and_then(|()| to.flush());
                if seen.is_set() {
                    continue;
                }
                line.extend_from_slice(&piece[..count]);
                if line.windows(wanted.len().max(1)).any(|window| window == wanted) {
                    seen.set();
                }
                let kept = line.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                line.drain(..kept.max(line.len().saturating_sub(64 << 10)));
            }
            drop(sender);
        });
    }

    /// Whether the text has come.
    pub(crate) fn seen(&self) -> Arc<Stop> {
        Arc::clone(&self.seen)
    }

    /// The program has ended: waits for the last of its output.
    pub(crate) fn finish(mut self) {
        self.sender = None;
        // Nothing is ever sent: the end of all senders is the news, or the time.
        let _ = self.over.recv_timeout(REST);
    }
}
