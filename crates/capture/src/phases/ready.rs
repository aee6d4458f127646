//! When the program is ready for load, and where it listens.

use std::collections::BTreeMap;
use std::fmt;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use brimline_store::{RunFolder, go_capture};

use super::{Control, PhasePlan, ending};
use crate::go;
use crate::http::{self, FetchError, Limits, Trust, Url};
use crate::workload::Stop;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// One answer may take this long; the first one of a program often loads half of it.
const ANSWER: Limits = Limits { time: Duration::from_secs(5), bytes: 16 << 20 };
/// After the first socket others may come.
const SETTLED: Duration = Duration::from_millis(500);
/// A program that needs no address and opens none is ready after this time.
const NO_SOCKET: Duration = Duration::from_secs(2);

/// What makes a program ready.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Ready {
    /// It answers on the socket that it listens on.
    #[default]
    Answers,
    /// It accepts connections at this port of this machine.
    Port(u16),
    /// This path (or URL) answers with a status below 400.
    Path(String),
    /// It prints a line with this text.
    Log(String),
    /// This time has passed.
    After(Duration),
}

impl Ready {
    /// The text that is waited for in the output.
    pub(crate) fn log(&self) -> Option<&str> {
        if let Self::Log(text) = self { Some(text) } else { None }
    }

    /// Reads `port:8000`, `8000`, `/health`, `http://…`, `log:TEXT`, `after:5s`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(wanted) = text.strip_prefix("log:") {
            return (!wanted.is_empty()).then(|| Self::Log(wanted.to_owned()));
        }
        if let Some(time) = text.strip_prefix("after:") {
            let seconds: f64 =
                time.trim_end_matches('s').parse().ok().filter(|seconds| (0.0..1e6).contains(seconds))?;
            return Some(Self::After(Duration::from_secs_f64(seconds)));
        }
        if text.starts_with('/') || text.starts_with("http://") || text.starts_with("https://") {
            return Some(Self::Path(text.to_owned()));
        }
        text.strip_prefix("port:").unwrap_or(text).parse().ok().filter(|port| *port > 0).map(Self::Port)
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers => formatter.write_str("answers"),
            Self::Port(port) => write!(formatter, "port:{port}"),
            Self::Path(path) => formatter.write_str(path),
            Self::Log(text) => write!(formatter, "log:{text}"),
            Self::After(time) => write!(formatter, "after:{}s", time.as_secs_f64()),
        }
    }
}

/// Waits until the program is ready; where it is reached, if an address is needed or found. An error says in words why
/// it is not ready; nothing at all means that the wait was stopped.
pub(super) fn wait(
    plan: &PhasePlan,
    pid: u32,
    folder: &RunFolder,
    log: Option<&Arc<Stop>>,
    control: &Control,
) -> Option<Result<Option<Url>, String>> {
    let start = Instant::now();
    let mut first_socket = None;
    loop {
        if control.stop.is_set() {
            // A runner that refused its function has ended; why, it said before.
            return plan.load.is_ready().err().map(|error| Err(error.to_string()));
        }
        let last = match look(plan, pid, folder, log, start, &mut first_socket) {
            Look::Ready(target) => return Some(Ok(target)),
            Look::Never(reason) => return Some(Err(reason)),
            Look::NotYet(reason) => reason,
        };
        if start.elapsed() >= plan.ready_timeout {
            return Some(Err(format!(
                "the program was not ready within {:.0} s: {last}",
                plan.ready_timeout.as_secs_f64()
            )));
        }
        control.stop.sleep_until(Instant::now() + LOOK);
    }
}

enum Look {
    Ready(Option<Url>),
    /// Waiting longer would not help.
    Never(String),
    NotYet(String),
}

fn look(
    plan: &PhasePlan,
    pid: u32,
    folder: &RunFolder,
    log: Option<&Arc<Stop>>,
    start: Instant,
    first_socket: &mut Option<Instant>,
) -> Look {
    match plan.load.is_ready() {
        Ok(None) => {}
        Ok(Some(true)) => return Look::Ready(None),
        Ok(Some(false)) => return Look::NotYet("its runner has not started".into()),
        Err(error) => return Look::Never(error.to_string()),
    }
    match &plan.ready {
        Ready::After(time) if start.elapsed() < *time => return Look::NotYet("its time has not passed".into()),
        Ready::Log(text) if !log.is_some_and(|seen| seen.is_set()) => {
            return Look::NotYet(format!("it has not printed `{text}`"));
        }
        Ready::Port(port) => {
            let address = std::net::SocketAddr::from(([127, 0, 0, 1], *port));
            if let Err(error) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
                return Look::NotYet(format!("nobody accepts connections at port {port}: {error}"));
            }
        }
        _ => {}
    }
    let given = plan.target.as_ref().or_else(|| plan.load.target()).cloned();
    let by_port = match &plan.ready {
        Ready::Port(port) => Url::parse(&format!("http://127.0.0.1:{port}")).ok(),
        Ready::Path(text) if !text.starts_with('/') => Url::parse(text).ok().map(|url| url.with_base("")),
        _ => None,
    };
    let target = match given.or(by_port) {
        Some(target) => target,
        None => match find(plan, pid, folder, start, first_socket) {
            Ok(Some(target)) => target,
            Ok(None) => return Look::Ready(None),
            Err(not_yet) => return not_yet,
        },
    };
    if let Ready::Path(text) = &plan.ready {
        let (base, path) = if text.starts_with('/') {
            (target.with_base(""), text.clone())
        } else {
            match Url::parse(text) {
                Ok(url) => (url, String::new()),
                Err(error) => return Look::Never(error.to_string()),
            }
        };
        return match http::get(&base, &path, trust(&base), ANSWER) {
            Ok(_) => Look::Ready(Some(target)),
            Err(FetchError::Status { status, .. }) if status < 400 => Look::Ready(Some(target)),
            Err(error) => Look::NotYet(error.to_string()),
        };
    }
    match answers(&target) {
        Ok(()) => Look::Ready(Some(target)),
        // What was asked for has come; the rest is the load's affair.
        Err(_) if plan.ready != Ready::Answers => Look::Ready(Some(target)),
        Err(reason) => Look::NotYet(reason),
    }
}

fn trust(url: &Url) -> Trust {
    if url.is_loopback() { Trust::Any } else { Trust::Roots }
}

/// Whether HTTP is spoken there, whatever the status.
fn answers(target: &Url) -> Result<(), String> {
    match http::get(&target.with_base(""), "/", trust(target), ANSWER) {
        Ok(_) | Err(FetchError::Status { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// The one TCP socket of the run's processes that speaks HTTP.
fn find(
    plan: &PhasePlan,
    pid: u32,
    folder: &RunFolder,
    start: Instant,
    first_socket: &mut Option<Instant>,
) -> Result<Option<Url>, Look> {
    let processes = ending::tree(pid);
    let mut sockets: BTreeMap<String, u64> = BTreeMap::new();
    for listener in processes.iter().flat_map(|(pid, _)| go::listeners(*pid)) {
        if let Some(url) = listener.url.filter(|url| url.starts_with("http://")) {
            sockets.insert(url, listener.inode);
        }
    }
    if sockets.is_empty() {
        if !plan.load.needs_target() && start.elapsed() >= NO_SOCKET {
            return Ok(None);
        }
        let hint = "--target URL names an address, --ready says what to wait for";
        return Err(Look::NotYet(format!("it listens on no port ({hint})")));
    }
    if first_socket.get_or_insert_with(Instant::now).elapsed() < SETTLED {
        return Err(Look::NotYet("it has just opened its port".into()));
    }
    let mut urls: Vec<Url> = sockets.keys().filter_map(|url| Url::parse(url).ok()).collect();
    if urls.len() > 1 {
        // Doors for tools: Go's profiles, Node's inspector.
        let profiles: Vec<String> = go_capture::targets(folder).into_iter().map(|target| target.endpoint).collect();
        let is_tool = |url: &Url| {
            let own = url.to_string();
            profiles.iter().any(|endpoint| endpoint.starts_with(&own)) || is_inspector(url)
        };
        let proper: Vec<Url> = urls.iter().filter(|url| !is_tool(url)).cloned().collect();
        if !proper.is_empty() {
            urls = proper;
        }
    }
    let (speaking, silent): (Vec<_>, Vec<_>) =
        urls.into_iter().map(|url| (answers(&url), url)).partition(|one| one.0.is_ok());
    match &speaking[..] {
        [(_, only)] => Ok(Some(only.clone())),
        [] => {
            let reason = silent.into_iter().find_map(|(answer, _)| answer.err()).unwrap_or_default();
            Err(Look::NotYet(reason))
        }
        several => {
            let list: Vec<String> = several.iter().map(|(_, url)| url.to_string()).collect();
            Err(Look::Never(format!(
                "expected one port that speaks HTTP, found {}: --target says which",
                list.join(", ")
            )))
        }
    }
}

fn is_inspector(url: &Url) -> bool {
    let limits = Limits { time: Duration::from_secs(1), bytes: 64 << 10 };
    http::get(url, "/json/version", Trust::Any, limits)
        .is_ok_and(|body| String::from_utf8_lossy(&body).contains("Protocol-Version"))
}

#[cfg(test)]
mod tests {
    use super::Ready;

    #[test]
    fn reads_what_people_wait_for() {
        for (text, ready) in [
            ("port:8000", Ready::Port(8000)),
            ("8000", Ready::Port(8000)),
            ("/health?x", Ready::Path("/health?x".into())),
            ("http://127.0.0.1:1/up", Ready::Path("http://127.0.0.1:1/up".into())),
            ("log:Listening on", Ready::Log("Listening on".into())),
            ("after:1.5s", Ready::After(std::time::Duration::from_millis(1500))),
        ] {
            assert_eq!(Ready::parse(text), Some(ready), "{text}");
        }
        for text in ["", "log:", "port:", "port:0", "70000", "soon", "after:x"] {
            assert_eq!(Ready::parse(text), None, "{text}");
        }
    }
}
