//! Where an HTTP endpoint is: `http://host:port/base`, `https://…`, `unix:/path/to.sock` with an optional `:/base`.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host's name or IP address, without brackets, and a port.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A URL without query; it is the base that names of profiles are appended to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Where to connect to.
    pub address: Address,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Starts with a slash and does not end with one; empty for the root.
    pub base: String,
    /// `user:password`.
    pub credentials: Option<String>,
}

/// What is not a URL of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL such as `http://127.0.0.1:6060`, `https://…` or `unix:/run/app.sock`, found `{found}`")]
pub struct UrlError {
    found: String,
}

impl Url {
    /// Reads a URL; `localhost:6060` and `:6060` are taken as `http`.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let wrong = || UrlError { found: text.to_owned() };
        if let Some(rest) = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:")) {
            let (path, base) = match rest.split_once(":/") {
                Some((path, base)) => (path, format!("/{base}")),
                None => (rest, String::new()),
            };
            let address = Address::Unix(PathBuf::from(path));
            return if path.is_empty() {
                Err(wrong())
            } else {
                Ok(Self { address, tls: false, base: clean(&base), credentials: None })
            };
        }
        let (tls, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return Err(wrong()),
            None => (false, text),
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((credentials, place)) => (Some(decoded(credentials)), place),
            None => (None, authority),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match place.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().map_err(|_| wrong())?,
            // A word alone is more likely a name of something else.
            None if !text.contains("://") => return Err(wrong()),
            None => 80 + 363 * u16::from(tls),
        };
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        if host.chars().any(|c| c.is_whitespace() || c.is_control()) || base.chars().any(char::is_whitespace) {
            return Err(wrong());
        }
        Ok(Self { address: Address::Tcp { host: host.to_owned(), port }, tls, base: clean(base), credentials })
    }

    /// The same place with another base.
    #[must_use]
    pub fn with_base(&self, base: &str) -> Self {
        Self { base: clean(base), ..self.clone() }
    }

    /// Whether the endpoint is on this machine and reached without a network.
    pub fn is_loopback(&self) -> bool {
        match &self.address {
            Address::Unix(_) => true,
            Address::Tcp { host, .. } => {
                host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

/// With `%40` as `@`, which names and passwords can only be written with like this; a `%` without two digits stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|digits| first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        rest = if byte.is_some() { &behind[2..] } else { behind };
        bytes.push(byte.unwrap_or(first));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn clean(base: &str) -> String {
    base.trim_end_matches('/').to_owned()
}

/// Without credentials: it is shown and written down.
impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Unix(path) => {
                write!(formatter, "unix:{}", path.display())?;
                if !self.base.is_empty() {
                    formatter.write_str(":")?;
                }
            }
            Address::Tcp { host, port } => {
                let (scheme, usual) = if self.tls { ("https", 443) } else { ("http", 80) };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(formatter, "{scheme}://{open}{host}{close}")?;
                if *port != usual {
                    write!(formatter, ":{port}")?;
                }
            }
        }
        formatter.write_str(&self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_type() {
        for (text, shown, loopback) in [
            ("http://localhost:6060/debug/pprof/", "http://localhost:6060/debug/pprof", true),
            ("localhost:6060", "http://localhost:6060", true),
            (":6060", "http://127.0.0.1:6060", true),
            ("https://app.example/x?y#z", "https://app.example/x", false),
            ("http://[::1]:80", "http://[::1]", true),
            ("http://me:secret@10.0.0.1:81/", "http://10.0.0.1:81", false),
            ("unix:/run/app.sock", "unix:/run/app.sock", true),
            ("unix:/run/app.sock:/debug/pprof/", "unix:/run/app.sock:/debug/pprof", true),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.to_string().as_str(), url.is_loopback()), (shown, loopback), "{text}");
        }
        for text in ["", "web", "ftp://x", "http://x:99999", "unix:", "http://a b/", "12x:y"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
        assert_eq!(Url::parse("https://h").unwrap().address, Address::Tcp { host: "h".into(), port: 443 });
        for (text, credentials) in
            [("u:p", "u:p"), ("u:s%3Ac%40r%2Fet", "u:s:c@r/et"), ("u:50%", "u:50%"), ("u:%zz%4", "u:%zz%4")]
        {
            let url = Url::parse(&format!("http://{text}@h")).unwrap();
            assert_eq!(url.credentials.as_deref(), Some(credentials));
        }
    }
}
