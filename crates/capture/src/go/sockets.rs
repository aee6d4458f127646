//! On which sockets a process listens.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use crate::http::{Address, Url};

/// `st` of a listening TCP socket.
const TCP_LISTEN: &str = "0A";
/// `Flags` of a listening unix socket.
const UNIX_ACCEPTS: &str = "00010000";
/// `Type` of a stream.
const UNIX_STREAM: &str = "0001";

/// A socket that accepts connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// Number of the socket; two processes may share it.
    pub inode: u64,
    /// What it is bound to, in words.
    pub bound: String,
    /// Whether others than this machine can reach it.
    pub open: bool,
    /// Where to connect to; `None` if it lies in another network or has no path.
    pub url: Option<String>,
}

/// The sockets that process `pid` listens on; none for a process that is not ours to look at.
pub(crate) fn listeners(pid: u32) -> Vec<Listener> {
    let own = inodes(pid);
    if own.is_empty() {
        return Vec::new();
    }
    let same_network = namespace(pid, "net") == namespace_of("self", "net");
    let mut found = Vec::new();
    for file in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{file}")).unwrap_or_default();
        for (inode, address, port) in text.lines().skip(1).filter_map(tcp_listener) {
            if own.contains(&inode) {
                found.push(tcp(inode, address, port, same_network));
            }
        }
    }
    let text = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap_or_default();
    for (inode, path) in text.lines().skip(1).filter_map(unix_listener) {
        if own.contains(&inode) {
            let url = reachable(pid, path).map(|path| format!("unix:{}", path.display()));
            found.push(Listener { inode, bound: format!("unix:{path}"), open: false, url });
        }
    }
    found
}

/// Processes that listen on this endpoint and whose files can be looked at, those of `candidates`.
pub(super) fn owners(url: &Url, candidates: &[u32]) -> Vec<u32> {
    let wanted: BTreeSet<u64> = match &url.address {
        Address::Unix(path) => {
            let text = fs::read_to_string("/proc/net/unix").unwrap_or_default();
            text.lines()
                .filter_map(unix_listener)
                .filter(|(_, bound)| Path::new(bound) == path)
                .map(|row| row.0)
                .collect()
        }
        Address::Tcp { port, .. } => {
            let files = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| fs::read_to_string(file).unwrap_or_default());
            let rows = files.iter().flat_map(|text| text.lines().skip(1)).filter_map(tcp_listener);
            rows.filter(|(_, _, bound)| bound == port).map(|row| row.0).collect()
        }
    };
    candidates.iter().copied().filter(|pid| inodes(*pid).iter().any(|inode| wanted.contains(inode))).collect()
}

/// Numbers of the sockets among a process's descriptors.
fn inodes(pid: u32) -> BTreeSet<u64> {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return BTreeSet::new() };
    descriptors
        .flatten()
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect()
}

fn tcp_listener(line: &str) -> Option<(u64, IpAddr, u16)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if *fields.get(3)? != TCP_LISTEN {
        return None;
    }
    let (address, port) = fields[1].split_once(':')?;
    Some((fields.get(9)?.parse().ok()?, ip(address)?, u16::from_str_radix(port, 16).ok()?))
}

/// Words of 32 bits in the machine's order, each in network order inside.
fn ip(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.swap_bytes());
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bits = words.iter().fold(0_u128, |bits, word| bits << 32 | u128::from(*word));
            Some(IpAddr::V6(Ipv6Addr::from(bits)))
        }
        _ => None,
    }
}

fn tcp(inode: u64, address: IpAddr, port: u16, same_network: bool) -> Listener {
    // Who listens everywhere is reached by the loopback address.
    let reached = match address {
        IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        other => other,
    };
    let place = |address: IpAddr| match address {
        IpAddr::V4(v4) => format!("{v4}:{port}"),
        IpAddr::V6(v6) => format!("[{v6}]:{port}"),
    };
    Listener {
        inode,
        bound: place(address),
        open: !address.is_loopback(),
        url: same_network.then(|| format!("http://{}", place(reached))),
    }
}

/// Number and path; the path comes last and may hold blanks.
fn unix_listener(line: &str) -> Option<(u64, &str)> {
    let mut fields = [""; 7];
    let mut rest = line;
    for field in &mut fields {
        (*field, rest) = rest.trim_start_matches(' ').split_once(' ')?;
    }
    let listens = fields[3] == UNIX_ACCEPTS && fields[4] == UNIX_STREAM;
    listens.then_some((fields[6].parse().ok()?, rest))
}

/// The path of another process's socket as this one can open it: through its root where that is another.
fn reachable(pid: u32, path: &str) -> Option<PathBuf> {
    if path.starts_with('@') {
        return None;
    }
    let elsewhere = fs::read_link(format!("/proc/{pid}/root")).is_ok_and(|root| root != Path::new("/"))
        || namespace(pid, "mnt") != namespace_of("self", "mnt");
    Some(match path.strip_prefix('/') {
        Some(below) if elsewhere => PathBuf::from(format!("/proc/{pid}/root/{below}")),
        Some(_) => PathBuf::from(path),
        None => PathBuf::from(format!("/proc/{pid}/cwd/{path}")),
    })
}

fn namespace(pid: u32, kind: &str) -> Option<PathBuf> {
    namespace_of(&pid.to_string(), kind)
}

fn namespace_of(process: &str, kind: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/ns/{kind}")).ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn finds_the_sockets_of_this_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("with a blank.sock");
        let _unix = UnixListener::bind(&path).unwrap();
        let own = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = TcpListener::bind("0.0.0.0:0").unwrap();
        let six = TcpListener::bind("[::1]:0").ok();
        let found = listeners(std::process::id());
        let by_url = |url: String| found.iter().find(|listener| listener.url.as_ref() == Some(&url));
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        assert!(!by_url(format!("http://127.0.0.1:{}", port(&own))).unwrap().open);
        let listener = by_url(format!("http://127.0.0.1:{}", port(&open))).unwrap();
        assert!(listener.open && listener.bound == format!("0.0.0.0:{}", port(&open)), "{listener:?}");
        if let Some(six) = six {
            assert!(by_url(format!("http://[::1]:{}", port(&six))).is_some(), "{found:?}");
        }
        assert!(by_url(format!("unix:{}", path.display())).is_some(), "{found:?}");
        let url = Url::parse(&format!("http://127.0.0.1:{}", port(&own))).unwrap();
        assert_eq!(owners(&url, &[std::process::id()]), [std::process::id()]);
    }
}
