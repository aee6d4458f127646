//! Where a Go program serves its profiles: found by asking its listening sockets.

use std::time::Duration;

use super::sockets::Listener;
use crate::http::{self, Address, FetchError, Limits, Trust, Url};

/// Below which paths programs put `net/http/pprof`: the usual one, then what routers' own packages and people choose.
const PREFIXES: [&str; 9] = [
    "/debug/pprof",
    "/pprof",
    "/debug",
    "/admin/debug/pprof",
    "/internal/debug/pprof",
    "/api/debug/pprof",
    "/_/debug/pprof",
    "/system/debug/pprof",
    "/admin/pprof",
];
/// What Go's TLS servers say to those who speak plain HTTP.
const WANTS_TLS: &str = "HTTP request to an HTTPS server";
/// The first words of the heap profile as text.
const HEAP_TEXT: &[u8] = b"heap profile: ";
/// A heap profile as text is never larger.
const LARGEST_TEXT: usize = 256 << 20;
/// A program in the middle of its work may need seconds for its first answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// A place that serves profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Names of profiles are appended to its base.
    pub url: Url,
    /// Which certificates are accepted.
    pub trust: Trust,
    /// Mean bytes between two sampled allocations (`runtime.MemProfileRate`); `None` if the text does not tell.
    pub sample_rate: Option<u64>,
    /// Whether others than this machine can reach it.
    pub open: bool,
    /// What the user should know, for example that a certificate was not checked.
    pub note: Option<String>,
}

/// Why a place does not serve profiles.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// No answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An answer, of another kind.
    #[error("expected Go's heap profile at `{url}`, found {found}")]
    Other {
        /// The request.
        url: String,
        /// What came.
        found: &'static str,
    },
}

impl Endpoint {
    /// The endpoint at a URL that the user gave: at its path as it is, then below it.
    pub fn at(given: &Url, insecure: bool) -> Result<Self, EndpointError> {
        let profile = ["heap", "allocs", "goroutine"]
            .into_iter()
            .find_map(|name| given.base.strip_suffix(name).filter(|base| base.ends_with("/pprof/")));
        let given = given.with_base(profile.unwrap_or(&given.base));
        let mut first = None;
        let below =
            PREFIXES.iter().filter(|_| !given.base.ends_with("/pprof")).map(|prefix| format!("{}{prefix}", given.base));
        let own = (!given.base.is_empty()).then(|| given.base.clone());
        for base in own.into_iter().chain(below) {
            match Self::try_place(&given.with_base(&base), insecure, false) {
                Ok(endpoint) => return Ok(endpoint),
                Err(error) => {
                    let hopeless = is_hopeless(&error);
                    // What the given path said matters most.
                    first.get_or_insert(error);
                    if hopeless {
                        break;
                    }
                }
            }
        }
        Err(first.expect("at least one place was tried"))
    }

    /// The endpoint behind one of a process's sockets.
    pub(super) fn behind(listener: &Listener, insecure: bool) -> Result<Self, EndpointError> {
        let found = if listener.bound.starts_with("unix:") {
            "a socket without a path"
        } else {
            "a socket in another network namespace (start brimline in it, `nsenter --net -t PID brimline …`, or serve the profiles on a unix socket)"
        };
        let wrong = || EndpointError::Other { url: listener.bound.clone(), found };
        let url = listener.url.as_deref().and_then(|url| Url::parse(url).ok()).ok_or_else(wrong)?;
        let mut first = None;
        // The package `brimline` serves on unix sockets alone.
        let own = matches!(url.address, Address::Unix(_)).then_some(super::PACKAGE_BASE);
        for prefix in PREFIXES.into_iter().chain(own) {
            match Self::try_place(&url.with_base(prefix), insecure, listener.open) {
                Ok(endpoint) => return Ok(endpoint),
                Err(error) if is_hopeless(&error) => return Err(error),
                // What the usual place said is what the user should hear.
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or_else(|| Err(wrong()), Err)
    }

    fn try_place(url: &Url, insecure: bool, open: bool) -> Result<Self, EndpointError> {
        match Self::ask(url, insecure, open) {
            Err(EndpointError::Fetch(error)) if !url.tls && wants_tls(&error) => {
                Self::ask(&Url { tls: true, ..url.clone() }, insecure, open)
            }
            other => other,
        }
    }

    fn ask(url: &Url, insecure: bool, open: bool) -> Result<Self, EndpointError> {
        let limits = Limits { time: PATIENCE, bytes: LARGEST_TEXT };
        let path = "/heap?debug=1";
        let mut trust = if insecure { Trust::Any } else { Trust::Roots };
        let mut answer = http::get(url, path, trust, limits);
        let mut note = None;
        if let Err(FetchError::Tls { certificate: true, .. }) = &answer
            && url.is_loopback()
        {
            // Nobody stands between two programs of one machine.
            trust = Trust::Any;
            answer = http::get(url, path, trust, limits);
            note = Some(format!(
                "the certificate of `{url}` is not signed by a known authority; accepted on this machine"
            ));
        } else if insecure && url.tls {
            note = Some(format!("the certificate of `{url}` is not checked, as asked"));
        }
        let body = answer?;
        if body.starts_with(HEAP_TEXT) {
            return Ok(Self { url: url.clone(), trust, sample_rate: sample_rate(&body), open, note });
        }
        let start = String::from_utf8_lossy(&body[..body.len().min(512)]).trim_start().to_ascii_lowercase();
        let found = if start.starts_with("<!doctype") || start.starts_with("<html") {
            "an HTML page"
        } else if body.is_empty() {
            "nothing"
        } else {
            "something else"
        };
        Err(EndpointError::Other { url: format!("{url}{path}"), found })
    }
}

/// Whether other paths at the same place cannot do better.
fn is_hopeless(error: &EndpointError) -> bool {
    match error {
        EndpointError::Fetch(FetchError::Status { .. }) | EndpointError::Other { .. } => false,
        EndpointError::Fetch(_) => true,
    }
}

fn wants_tls(error: &FetchError) -> bool {
    match error {
        FetchError::Status { line, .. } => line.contains(WANTS_TLS),
        // A TLS alert, or a hang-up on what is no handshake.
        FetchError::Malformed { found, .. } => found == "no HTTP" || found == "a closed connection",
        _ => false,
    }
}

/// The head of the text names twice the rate, as C++ profilers do: `… @ heap/1048576`.
fn sample_rate(text: &[u8]) -> Option<u64> {
    let line = text.split(|byte| *byte == b'\n').next()?;
    let (_, rate) = std::str::from_utf8(line).ok()?.rsplit_once("heap/")?;
    Some(rate.trim().parse::<u64>().ok()? / 2)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Serves the heap's text below one path, 404 elsewhere.
    fn server(base: &'static str) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 1024];
                let count = stream.read(&mut request).unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..count]).into_owned();
                let answer = if text.starts_with(&format!("GET {base}/heap?debug=1 ")) {
                    "HTTP/1.0 200 OK\r\n\r\nheap profile: 1: 2 [3: 4] @ heap/1048576\n"
                } else if text.contains("/page") {
                    "HTTP/1.0 200 OK\r\n\r\n<!DOCTYPE html><html></html>"
                } else {
                    "HTTP/1.0 404 Not Found\r\n\r\n404 page not found"
                };
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        url
    }

    #[test]
    fn finds_the_usual_places_and_the_one_given() {
        let url = server("/admin/debug/pprof");
        let found = Endpoint::at(&url, false).unwrap();
        assert_eq!((found.url.base.as_str(), found.sample_rate), ("/admin/debug/pprof", Some(524_288)));
        let odd = server("/x/y/debug/pprof");
        assert_eq!(Endpoint::at(&odd.with_base("/x/y"), false).unwrap().url.base, "/x/y/debug/pprof");
        let whole = odd.with_base("/x/y/debug/pprof/heap");
        assert_eq!(Endpoint::at(&whole, false).unwrap().url.base, "/x/y/debug/pprof");
        assert!(Endpoint::at(&odd, false).unwrap_err().to_string().contains("404"));
        let error = Endpoint::at(&odd.with_base("/page"), false).unwrap_err().to_string();
        assert!(error.contains("found an HTML page"), "{error}");
    }
}
