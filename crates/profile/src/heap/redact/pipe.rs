//! Redaction of what somebody else writes, on a thread of its own.

use super::RedactError;
use std::io::{Error, ErrorKind, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Bytes handed over at once, and how many such pieces may wait: the writer is slowed rather than memory filled.
const PIECE: usize = 1 << 18;
const WAITING: usize = 8;

/// Takes a plain `.heapsnapshot` piece by piece and writes the redacted copy to the writer behind it.
///
/// [`finish`](Self::finish) must be called to learn how it went; when it is dropped instead, the copy ends where the
/// pieces ended.
#[derive(Debug)]
pub struct RedactingWriter<W> {
    piece: Vec<u8>,
    pieces: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<(Result<u64, RedactError>, W)>>,
}

impl<W: Write + Send + 'static> RedactingWriter<W> {
    /// A redactor before `writer`.
    pub fn new(mut writer: W) -> Self {
        let (pieces, receiver) = sync_channel(WAITING);
        let work = move || {
            let mut reader = Pieces { receiver, piece: Vec::new(), at: 0 };
            let outcome = super::redact(&mut reader, &mut writer);
            (outcome, writer)
        };
        Self { piece: Vec::with_capacity(PIECE), pieces: Some(pieces), thread: Some(std::thread::spawn(work)) }
    }

    /// Ends the snapshot; answers the writer, and how many strings were changed or why the copy is not whole.
    pub fn finish(mut self) -> (Result<u64, RedactError>, W) {
        let handed_on = self.hand_on();
        self.pieces = None;
        let joined = self.thread.take().map(JoinHandle::join);
        let Some(Ok((outcome, writer))) = joined else {
            unreachable!("the thread is joined once, and `redact` does not panic")
        };
        (outcome.and_then(|changed| handed_on.map(|()| changed).map_err(RedactError::Copy)), writer)
    }

    fn hand_on(&mut self) -> std::io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let sent = self.pieces.as_ref().is_some_and(|pieces| piece.is_empty() || pieces.send(piece).is_ok());
        if sent { Ok(()) } else { Err(Error::new(ErrorKind::BrokenPipe, "the redaction of the snapshot has failed")) }
    }
}

impl<W: Write + Send + 'static> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.hand_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.hand_on()
    }
}

impl<W> Drop for RedactingWriter<W> {
    fn drop(&mut self) {
        self.pieces = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The pieces as a stream.
struct Pieces {
    receiver: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.piece.len() {
            match self.receiver.recv() {
                Ok(piece) => (self.piece, self.at) = (piece, 0),
                Err(_) => return Ok(0),
            }
        }
        let read = (&self.piece[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}
