//! A connection that is kept for further requests.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use super::{Address, FetchError, Socket, Timed, Trust, Url, connect, deadline_after, tls};

/// An open connection for one request after the other.
pub(crate) enum Kept {
    /// Each read and write may take as long as a request: a deadline over all of them would cost two more system calls a
    /// request, half as many as the request itself.
    Plain(Socket),
    /// Reads and writes end at a deadline that moves with each request.
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Kept {
    /// Connects within `time`.
    pub(crate) fn open(url: &Url, trust: Trust, time: Duration) -> Result<Self, FetchError> {
        let deadline = deadline_after(time);
        let timed_out = || FetchError::TimedOut { url: url.to_string(), time };
        let socket = connect(url, deadline).map_err(|source| match source.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => timed_out(),
            _ => FetchError::Connect { url: url.to_string(), source },
        })?;
        let timed = Timed { socket, deadline };
        if let (Address::Tcp { host, .. }, true) = (&url.address, url.tls) {
            let stream = tls::wrap(timed, host, trust, &url.to_string(), timed_out)?;
            return Ok(Self::Tls(Box::new(stream)));
        }
        let (read, write) = match &timed.socket {
            Socket::Tcp(stream) => (stream.set_read_timeout(Some(time)), stream.set_write_timeout(Some(time))),
            Socket::Unix(stream) => (stream.set_read_timeout(Some(time)), stream.set_write_timeout(Some(time))),
        };
        read.and(write).map_err(|source| FetchError::Connect { url: url.to_string(), source })?;
        Ok(Self::Plain(timed.socket))
    }

    /// When the next request gives up.
    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        if let Self::Tls(stream) = self {
            stream.sock.deadline = deadline;
        }
    }
}

impl Read for Kept {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(Socket::Tcp(stream)) => stream.read(buffer),
            Self::Plain(Socket::Unix(stream)) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Kept {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(Socket::Tcp(stream)) => stream.write(buffer),
            Self::Plain(Socket::Unix(stream)) => stream.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
