//! One page on the loopback, for a browser on this machine.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// A request that takes longer, or is longer, is dropped.
const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST_REQUEST: u64 = 16 << 10;

/// A bound socket.
pub(crate) struct PageServer {
    listener: TcpListener,
}

impl PageServer {
    /// Binds `host:port`; the host is this machine, port 0 any free one.
    pub(crate) fn bind(address: &str) -> io::Result<Self> {
        let full = if address.starts_with(':') { format!("localhost{address}") } else { address.to_owned() };
        let wrong = |found: &dyn std::fmt::Display| {
            io::Error::other(format!(
                "expected an address of this machine such as localhost:8080, found `{address}`: {found}"
            ))
        };
        let addresses: Vec<SocketAddr> = full.to_socket_addrs().map_err(|error| wrong(&error))?.collect();
        if !addresses.iter().all(|address| address.ip().is_loopback()) {
            return Err(wrong(&"other machines could reach it"));
        }
        Ok(Self { listener: TcpListener::bind(&addresses[..])? })
    }

    /// Where the page is.
    pub(crate) fn url(&self) -> io::Result<String> {
        Ok(format!("http://localhost:{}/", self.listener.local_addr()?.port()))
    }

    /// Answers until the process ends.
    pub(crate) fn run(&self, page: &[u8]) -> io::Result<()> {
        let port = self.listener.local_addr()?.port();
        for stream in self.listener.incoming() {
            // A browser that hangs up is no reason to stop.
            let _ = stream.and_then(|stream| answer(&stream, page, port));
        }
        Ok(())
    }
}

fn answer(stream: &TcpStream, page: &[u8], port: u16) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.take(LONGEST_REQUEST)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut host = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("host")
        {
            host = Some(value.trim().to_owned());
        }
    }
    // A foreign page whose name was made to point here asks under its own name.
    let ours = ["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{port}"));
    let (status, kind, body): (_, _, &[u8]) = match request.split(' ').collect::<Vec<_>>()[..] {
        _ if !host.is_some_and(|host| ours.contains(&host)) => ("403 Forbidden", "text/plain", b"not this host\n"),
        ["GET", "/", _] => ("200 OK", "text/html; charset=utf-8", page),
        ["GET", ..] => ("404 Not Found", "text/plain", b"only / is here\n"),
        _ => ("405 Method Not Allowed", "text/plain", b"only GET is answered\n"),
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}
