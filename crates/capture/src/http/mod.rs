//! A small HTTP/1.1 client over TCP, TLS and unix sockets: one request for each connection, and a deadline over all of it.
//!
//! General clients bring connection pools and know no unix sockets; a capture needs neither the first nor the size.

mod kept;
mod tls;
mod url;

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use kept::Kept;
pub use tls::Trust;
pub use url::{Address, Url, UrlError};

/// Longest head of an answer.
const LARGEST_HEAD: usize = 64 << 10;
/// Longest path that fits a socket's address.
const SOCKET_PATH: usize = 107;
/// Most of a refusal's body that is told.
const TOLD: usize = 120;
/// Further away than anybody waits, and near enough for the clock to count to.
const FOREVER: Duration = Duration::from_secs(1 << 31);
/// Redirections that are followed.
const REDIRECTIONS: usize = 3;

/// How far a request may go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For connection, request and whole answer.
    pub time: Duration,
    /// Of the body.
    pub bytes: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody listens, or the connection was cut.
    #[error("failed to connect to `{url}`: {source}")]
    Connect {
        /// The endpoint.
        url: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Not in time.
    #[error("expected an answer from `{url}` within {:.1} s, found none", .time.as_secs_f64())]
    TimedOut {
        /// The request.
        url: String,
        /// The limit.
        time: Duration,
    },
    /// TLS failed.
    #[error("failed to speak TLS with `{url}`: {reason}")]
    Tls {
        /// The request.
        url: String,
        /// Why.
        reason: String,
        /// Whether it was the certificate.
        certificate: bool,
    },
    /// An answer that is not 200.
    #[error("expected status 200 from `{url}`, found {status}: {line}")]
    Status {
        /// The request.
        url: String,
        /// The status.
        status: u16,
        /// First line of the answer.
        line: String,
    },
    /// No HTTP, or cut short.
    #[error("expected a whole HTTP answer from `{url}`, found {found}")]
    Malformed {
        /// The request.
        url: String,
        /// What came.
        found: String,
    },
}

fn deadline_after(time: Duration) -> Instant {
    Instant::now() + time.min(FOREVER)
}

/// The body at `base` + `path` (which starts with a slash or is a query alone).
pub fn get(base: &Url, path: &str, trust: Trust, limits: Limits) -> Result<Vec<u8>, FetchError> {
    let deadline = deadline_after(limits.time);
    let mut place = base.with_base("");
    let mut target = format!("{}{path}", base.base);
    for _ in 0..=REDIRECTIONS {
        let url = format!("{place}{target}");
        let answer = exchange(&place, &target, trust, deadline, limits, &url)?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        let elsewhere = matches!(answer.status, 301 | 302 | 303 | 307 | 308).then_some(answer.location).flatten();
        let Some(next) = elsewhere.and_then(|location| redirected(&place, &target, &location)) else {
            let text = String::from_utf8_lossy(&answer.body);
            let line = text.lines().next().unwrap_or_default().trim().chars().take(TOLD).collect();
            return Err(FetchError::Status { url, status: answer.status, line });
        };
        (place, target) = next;
    }
    Err(FetchError::Malformed {
        url: format!("{place}{target}"),
        found: format!("more than {REDIRECTIONS} redirections"),
    })
}

/// Where the answer to `target` of `place` points to: place and target. Credentials stay with their host, and what began
/// encrypted is not followed into the open.
fn redirected(place: &Url, target: &str, location: &str) -> Option<(Url, String)> {
    if location.starts_with('/') && !location.starts_with("//") {
        return Some((place.clone(), location.to_owned()));
    }
    if !location.contains("//") {
        let path = target.split('?').next().unwrap_or_default();
        let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
        return Some((place.clone(), format!("{folder}{location}")));
    }
    let Address::Tcp { host, .. } = &place.address else { return None };
    let scheme = if place.tls { "https:" } else { "http:" };
    let location = if location.starts_with("//") { format!("{scheme}{location}") } else { location.to_owned() };
    let mut next = Url::parse(&location).ok()?;
    let Address::Tcp { host: next_host, .. } = &next.address else { return None };
    next.credentials = place.credentials.clone().filter(|_| next_host == host);
    let path = location.split_once("://")?.1;
    let target = path.find('/').map_or("", |at| &path[at..]).to_owned();
    (next.tls || !place.tls).then(|| (next.with_base(""), target))
}

struct Answer {
    status: u16,
    location: Option<String>,
    body: Vec<u8>,
}

fn exchange(
    base: &Url,
    target: &str,
    trust: Trust,
    deadline: Instant,
    limits: Limits,
    url: &str,
) -> Result<Answer, FetchError> {
    let timed_out = || FetchError::TimedOut { url: url.to_owned(), time: limits.time };
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => timed_out(),
        _ => FetchError::Malformed { url: url.to_owned(), found: format!("an error: {error}") },
    };
    let socket = connect(base, deadline).map_err(|source| match source.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => timed_out(),
        _ => FetchError::Connect { url: url.to_owned(), source },
    })?;
    let timed = Timed { socket, deadline };
    let mut stream: Box<dyn Stream> = match (&base.address, base.tls) {
        (Address::Tcp { host, .. }, true) => Box::new(tls::wrap(timed, host, trust, url, timed_out)?),
        _ => Box::new(timed),
    };
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: brimline/{}\r\nAccept-Encoding: identity\r\nConnection: close\r\n",
        if target.is_empty() { "/" } else { target },
        host_of(base),
        env!("CARGO_PKG_VERSION"),
    );
    if let Some(credentials) = &base.credentials {
        let encoded = base64(credentials.as_bytes());
        request.extend(["Authorization: Basic ", &encoded, "\r\n"]);
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).and_then(|()| stream.flush()).map_err(failed)?;
    let mut received = Vec::new();
    let end_of_head = loop {
        if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        let malformed = |found: &str| FetchError::Malformed { url: url.to_owned(), found: found.to_owned() };
        if received.len() > LARGEST_HEAD {
            return Err(malformed("a head without an end"));
        }
        if received.len() >= 5 && !received.starts_with(b"HTTP/") {
            return Err(malformed("no HTTP"));
        }
        if read_more(&mut *stream, &mut received).map_err(failed)? == 0 {
            return Err(malformed(if received.is_empty() { "a closed connection" } else { "half a head" }));
        }
    };
    let head = Head::parse(&received[..end_of_head])
        .ok_or_else(|| FetchError::Malformed { url: url.to_owned(), found: "no HTTP".to_owned() })?;
    let mut body = received.split_off(end_of_head + 4);
    loop {
        if body.len() > limits.bytes {
            let found = format!("more than {} bytes", limits.bytes);
            return Err(FetchError::Malformed { url: url.to_owned(), found });
        }
        match head.whole(&mut body) {
            Whole::Yes(body) => {
                return Ok(Answer { status: head.status, location: head.location, body });
            }
            Whole::Broken => {
                return Err(FetchError::Malformed { url: url.to_owned(), found: "broken chunks".to_owned() });
            }
            Whole::NotYet => {}
        }
        if read_more(&mut *stream, &mut body).map_err(failed)? == 0 {
            if head.length.is_none() && !head.chunked {
                return Ok(Answer { status: head.status, location: head.location, body });
            }
            let found = format!("its first {} bytes", body.len());
            return Err(FetchError::Malformed { url: url.to_owned(), found });
        }
    }
}

fn read_more(stream: &mut dyn Stream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut piece = [0; 16 << 10];
    loop {
        match stream.read(&mut piece) {
            Ok(count) => {
                buffer.extend_from_slice(&piece[..count]);
                return Ok(count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Servers that close without TLS's goodbye have said all the same; lengths tell whether it was all.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            Err(error) => return Err(error),
        }
    }
}

/// The first lines of an answer.
struct Head {
    status: u16,
    length: Option<usize>,
    chunked: bool,
    location: Option<String>,
}

/// Whether a body is complete.
enum Whole {
    Yes(Vec<u8>),
    NotYet,
    Broken,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let mut words = lines.next()?.split(' ');
        words.next().filter(|version| version.starts_with("HTTP/"))?;
        let mut head = Self { status: words.next()?.parse().ok()?, length: None, chunked: false, location: None };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => head.length = Some(value.parse().ok()?),
                "transfer-encoding" => head.chunked = value.eq_ignore_ascii_case("chunked"),
                "location" => head.location = Some(value.to_owned()),
                _ => {}
            }
        }
        Some(head)
    }

    /// Takes the body if it is complete.
    fn whole(&self, body: &mut Vec<u8>) -> Whole {
        if self.chunked {
            // Looked at once more for each piece only where the end may have come.
            return if body.ends_with(b"\r\n\r\n") || body.ends_with(b"0\r\n\r\n") {
                dechunk(body)
            } else {
                Whole::NotYet
            };
        }
        match self.length {
            Some(length) if body.len() >= length => {
                body.truncate(length);
                Whole::Yes(std::mem::take(body))
            }
            _ => Whole::NotYet,
        }
    }
}

fn dechunk(mut body: &[u8]) -> Whole {
    let mut plain = Vec::with_capacity(body.len());
    loop {
        let Some(at) = body.windows(2).position(|window| window == b"\r\n") else { return Whole::NotYet };
        let line = String::from_utf8_lossy(&body[..at]);
        let size = line.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else { return Whole::Broken };
        body = &body[at + 2..];
        if size == 0 {
            return Whole::Yes(plain);
        }
        let Some(end) = size.checked_add(2).filter(|end| *end <= body.len()) else { return Whole::NotYet };
        plain.extend_from_slice(&body[..size]);
        body = &body[end..];
    }
}

fn host_of(url: &Url) -> String {
    match &url.address {
        Address::Unix(_) => "localhost".to_owned(),
        Address::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
        Address::Tcp { host, port } => format!("{host}:{port}"),
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// What requests are written to and answers read from.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

fn connect(url: &Url, deadline: Instant) -> io::Result<Socket> {
    match &url.address {
        Address::Unix(path) => connect_unix(path).map(Socket::Unix),
        Address::Tcp { host, port } => {
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            for address in (host.as_str(), *port).to_socket_addrs()? {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                match TcpStream::connect_timeout(&address, left) {
                    Ok(stream) => {
                        // The request is one write; nothing gains by waiting for more.
                        let _ = stream.set_nodelay(true);
                        return Ok(Socket::Tcp(stream));
                    }
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
    }
}

/// A socket's address holds 107 bytes of path; a longer one is reached through its folder's descriptor.
fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    if path.as_os_str().len() <= SOCKET_PATH {
        return UnixStream::connect(path);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return UnixStream::connect(path);
    };
    let folder = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(folder)?;
    UnixStream::connect(Path::new(&format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))
}

/// A socket whose reads and writes end at the deadline.
pub(crate) struct Timed {
    socket: Socket,
    deadline: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = Some(self.left()?);
        match &mut self.socket {
            Socket::Tcp(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(buffer)),
            Socket::Unix(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(buffer)),
        }
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let left = Some(self.left()?);
        match &mut self.socket {
            Socket::Tcp(stream) => stream.set_write_timeout(left).and_then(|()| stream.write(buffer)),
            Socket::Unix(stream) => stream.set_write_timeout(left).and_then(|()| stream.write(buffer)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    const LIMITS: Limits = Limits { time: Duration::from_millis(500), bytes: 1 << 20 };

    /// Answers one request with these bytes, written in pieces, and hangs up unless `holds`.
    fn server(pieces: &'static [&'static [u8]], holds: bool) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/base", listener.local_addr().unwrap())).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            for piece in pieces {
                let _ = stream.write_all(piece);
                std::thread::sleep(Duration::from_millis(5));
            }
            if holds {
                std::thread::sleep(Duration::from_secs(2));
            }
        });
        url
    }

    #[test]
    fn reads_bodies_of_every_kind() {
        let cases: [(&'static [&'static [u8]], bool); 4] = [
            (&[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", b"lo"], true),
            (
                &[
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
                    b"2;x=y\r\nlo\r\n0\r",
                    b"\n\r\n",
                ],
                true,
            ),
            (&[b"HTTP/1.0 200 OK\r\n\r\nhel", b"lo"], false),
            (&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"], false),
        ];
        for (pieces, holds) in cases {
            assert_eq!(get(&server(pieces, holds), "/x", Trust::Roots, LIMITS).unwrap(), b"hello");
        }
    }

    #[test]
    fn names_what_is_wrong() {
        let cases: [(&'static [&'static [u8]], bool, &str); 7] = [
            (&[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"], false, "its first 3 bytes"),
            (&[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"], true, "within 0.5 s"),
            (&[], true, "within 0.5 s"),
            (&[], false, "a closed connection"),
            (&[b"SSH-2.0-OpenSSH\r\n"], true, "no HTTP"),
            (&[b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nno pe"], true, "found 404: no pe"),
            (&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"], true, "broken chunks"),
        ];
        for (pieces, holds, expected) in cases {
            let error = get(&server(pieces, holds), "/x", Trust::Roots, LIMITS).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn reaches_sockets_whose_path_is_long() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let short = folder.path().join("s");
        let listener = UnixListener::bind(&short).unwrap();
        std::fs::rename(&short, deep.join("app.sock")).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhere");
        });
        let url = Url::parse(&format!("unix:{}", deep.join("app.sock").display())).unwrap();
        assert_eq!(get(&url, "/", Trust::Roots, LIMITS).unwrap(), b"here");
    }

    #[test]
    fn credentials_are_encoded() {
        assert_eq!(base64(b"Aladdin:open sesame"), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(base64(b"ab"), "YWI=");
        assert_eq!(base64(b"abc"), "YWJj");
    }

    #[test]
    fn redirections_lead_where_browsers_would_go() {
        let place = Url::parse("http://u:p@h:1").unwrap();
        for (location, url, target) in [
            ("/x", "http://h:1", "/x"),
            ("heap?gc=1", "http://h:1", "/debug/pprof/heap?gc=1"),
            ("//other/x", "http://other", "/x"),
            ("https://h:2/x", "https://h:2", "/x"),
        ] {
            let (next, path) = redirected(&place, "/debug/pprof/old?a=/b", location).unwrap();
            assert_eq!((next.to_string().as_str(), path.as_str()), (url, target), "{location}");
            assert_eq!(next.credentials.is_some(), !url.contains("other"));
        }
        let safe = Url::parse("https://h").unwrap();
        assert_eq!(redirected(&safe, "/", "http://h/x"), None);
    }
}
