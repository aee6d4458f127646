//! One connection of the load: writes a request, reads the whole answer, keeps the connection where the server does.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::http::{FetchError, Kept, Trust, Url};

/// Longest head of an answer.
const LARGEST_HEAD: usize = 64 << 10;

/// A connection to a target, opened when it is first needed and again when the server closed it.
pub(super) struct Connection<'a> {
    target: &'a Url,
    trust: Trust,
    timeout: Duration,
    keep_alive: bool,
    open: Option<Kept>,
    buffer: Vec<u8>,
}

/// Why a request failed, in words that many failures share.
pub(super) type Failure = String;

impl<'a> Connection<'a> {
    pub(super) fn new(target: &'a Url, timeout: Duration, keep_alive: bool) -> Self {
        // Certificates of programs on this machine are mostly self-signed.
        let trust = if target.is_loopback() { Trust::Any } else { Trust::Roots };
        Self { target, trust, timeout, keep_alive, open: None, buffer: vec![0; 32 << 10] }
    }

    /// The status of the answer to `request`, once its body has been read.
    pub(super) fn exchange(&mut self, request: &[u8], is_head: bool) -> Result<u16, Failure> {
        let was_open = self.open.is_some();
        match self.attempt(request, is_head) {
            // A server may close an idle connection in the moment it is used again; it has read nothing then.
            Err(Broken { before_answer: true, .. }) if was_open => {
                self.open = None;
                self.attempt(request, is_head).map_err(|broken| broken.failure)
            }
            other => other.map_err(|broken| broken.failure),
        }
        .inspect_err(|_| self.open = None)
    }

    fn attempt(&mut self, request: &[u8], is_head: bool) -> Result<u16, Broken> {
        let deadline = Instant::now() + self.timeout;
        let mut stream = match self.open.take() {
            Some(stream) => stream,
            None => Kept::open(self.target, self.trust, self.timeout).map_err(|error| Broken {
                failure: match &error {
                    FetchError::Connect { source, .. } => told(source),
                    FetchError::TimedOut { .. } => "timed out".to_owned(),
                    other => other.to_string(),
                },
                before_answer: false,
            })?,
        };
        stream.set_deadline(deadline);
        let early = |error: &io::Error| Broken {
            failure: told(error),
            before_answer: !matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock),
        };
        stream.write_all(request).map_err(|error| early(&error))?;
        let late = |failure: &str| Broken { failure: failure.to_owned(), before_answer: false };
        let mut filled = 0;
        loop {
            if filled == self.buffer.len() {
                if filled >= LARGEST_HEAD {
                    return Err(late("an answer whose head has no end"));
                }
                self.buffer.resize(LARGEST_HEAD, 0);
            }
            let count = stream.read(&mut self.buffer[filled..]).map_err(|error| early(&error))?;
            if count == 0 {
                let failure = if filled == 0 { "connection closed without an answer" } else { "answer cut short" };
                return Err(Broken { failure: failure.to_owned(), before_answer: filled == 0 });
            }
            let from = filled.saturating_sub(3);
            filled += count;
            let Some(end) = find(&self.buffer[from..filled], b"\r\n\r\n").map(|at| from + at + 4) else { continue };
            let head = Head::parse(&self.buffer[..end]).ok_or_else(|| late("an answer that is no HTTP"))?;
            if (100..200).contains(&head.status) {
                self.buffer.copy_within(end..filled, 0);
                filled -= end;
                continue;
            }
            let rest = end..filled;
            let stays = self.read_body(&mut stream, &head, rest, is_head).map_err(|error| late(&told(&error)))?;
            if stays && self.keep_alive {
                self.open = Some(stream);
            }
            return Ok(head.status);
        }
    }

    /// Reads the body, of which `rest` of the buffer has come already; whether the connection can be used again.
    fn read_body(
        &mut self,
        stream: &mut Kept,
        head: &Head,
        rest: std::ops::Range<usize>,
        is_head: bool,
    ) -> io::Result<bool> {
        let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "answer cut short");
        if is_head || matches!(head.status, 204 | 304) {
            return Ok(!head.closes);
        }
        match head.body {
            Body::Length(length) => {
                let mut left = length.saturating_sub(rest.len() as u64);
                while left > 0 {
                    let most = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    match stream.read(&mut self.buffer[..most])? {
                        0 => return Err(cut()),
                        count => left -= count as u64,
                    }
                }
                Ok(!head.closes)
            }
            Body::Chunked => {
                let mut chunks = Chunks::default();
                let mut is_over = chunks.take(&self.buffer[rest])?;
                while !is_over {
                    match stream.read(&mut self.buffer)? {
                        0 => return Err(cut()),
                        count => is_over = chunks.take(&self.buffer[..count])?,
                    }
                }
                Ok(!head.closes)
            }
            Body::UntilClose => {
                while stream.read(&mut self.buffer)? > 0 {}
                Ok(false)
            }
        }
    }
}

struct Broken {
    failure: Failure,
    /// Nothing had come of the answer.
    before_answer: bool,
}

fn told(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "timed out".to_owned(),
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset".to_owned(),
        _ => error.to_string(),
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// What matters of an answer's head.
#[derive(Debug, PartialEq)]
struct Head {
    status: u16,
    closes: bool,
    body: Body,
}

#[derive(Debug, PartialEq)]
enum Body {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Into::into);
        let mut lines = text.split("\r\n");
        let mut first = lines.next()?.splitn(3, ' ');
        let version = first.next()?.strip_prefix("HTTP/1.")?;
        let status = first.next()?.parse().ok()?;
        let mut head = Self { status, closes: version == "0", body: Body::UntilClose };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") && head.body != Body::Chunked {
                head.body = Body::Length(value.parse().ok()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.body = Body::Chunked;
            } else if name.eq_ignore_ascii_case("connection") {
                head.closes =
                    !value.eq_ignore_ascii_case("keep-alive") && (head.closes || value.eq_ignore_ascii_case("close"));
            }
        }
        Some(head)
    }
}

/// Follows chunks to their end without keeping them.
#[derive(Default)]
struct Chunks {
    /// Bytes of the current chunk, its line end included, still to come.
    left: u64,
    /// The line being read.
    line: Vec<u8>,
    /// Trailers follow the last chunk.
    in_trailers: bool,
}

impl Chunks {
    /// Whether the last line has come.
    fn take(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "broken chunks");
        while !bytes.is_empty() {
            let skipped = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= skipped as u64;
            bytes = &bytes[skipped..];
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                self.line.extend_from_slice(bytes);
                if self.line.len() > 8192 {
                    return Err(broken());
                }
                return Ok(false);
            };
            self.line.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            let line = line.trim();
            if self.in_trailers {
                if line.is_empty() {
                    return Ok(true);
                }
                continue;
            }
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| broken())?;
            if size == 0 {
                self.in_trailers = true;
            } else {
                self.left = size.checked_add(2).ok_or_else(broken)?;
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_say_how_the_body_ends() {
        let head = |text: &str| Head::parse(text.as_bytes());
        let expect = |status, closes, body| Some(Head { status, closes, body });
        assert_eq!(head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), expect(200, false, Body::Length(5)));
        assert_eq!(
            head("HTTP/1.1 200\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n"),
            expect(200, true, Body::Chunked)
        );
        assert_eq!(head("HTTP/1.0 404 No\r\n\r\n"), expect(404, true, Body::UntilClose));
        assert_eq!(
            head("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n"),
            expect(200, false, Body::Length(0))
        );
        for text in [
            "SSH-2.0-x\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        ] {
            assert_eq!(head(text), None, "{text}");
        }
    }

    #[test]
    fn chunks_end_wherever_the_pieces_are_cut() {
        let text = b"5\r\nhel\nl\r\n10;x=y\r\n0123456789abcdef\r\n0\r\nT: v\r\n\r\n";
        for cut in 1..text.len() {
            let mut chunks = Chunks::default();
            assert!(!chunks.take(&text[..cut]).unwrap() || cut == text.len(), "{cut}");
            assert!(chunks.take(&text[cut..]).unwrap(), "{cut}");
        }
        assert!(Chunks::default().take(b"zz\r\n").is_err());
        assert!(Chunks::default().take(b"ffffffffffffffff\r\n").is_err());
    }
}
