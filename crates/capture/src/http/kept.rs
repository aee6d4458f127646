//! A connection that is kept for further requests.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use super::{Address, FetchError, Timed, Trust, Url, connect, tls};

/// An open connection whose reads and writes end at a deadline that moves with each request.
pub(crate) enum Kept {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Kept {
    /// Connects within `time`.
    pub(crate) fn open(url: &Url, trust: Trust, time: Duration) -> Result<Self, FetchError> {
        let deadline = Instant::now() + time;
        let timed_out = || FetchError::TimedOut { url: url.to_string(), time };
        let socket = connect(url, deadline).map_err(|source| match source.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => timed_out(),
            _ => FetchError::Connect { url: url.to_string(), source },
        })?;
        let timed = Timed { socket, deadline };
        match (&url.address, url.tls) {
            (Address::Tcp { host, .. }, true) => {
                let stream = tls::wrap(timed, host, trust, &url.to_string(), timed_out)?;
                Ok(Self::Tls(Box::new(stream)))
            }
            _ => Ok(Self::Plain(timed)),
        }
    }

    /// When the next reads and writes give up.
    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        match self {
            Self::Plain(timed) => timed.deadline = deadline,
            Self::Tls(stream) => stream.sock.deadline = deadline,
        }
    }
}

impl Read for Kept {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(timed) => timed.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Kept {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(timed) => timed.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(timed) => timed.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
