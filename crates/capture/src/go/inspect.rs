//! Go processes that run already: what they are and where they serve profiles.

use std::path::PathBuf;
use std::sync::mpsc;

use super::build_info::BuildInfo;
use super::endpoint::Endpoint;
use super::sockets::{Listener, listeners, owners};
use super::{GoPlan, take};
use crate::cgroup;
use crate::command_line::without_secrets;
use crate::http::Url;
use crate::proc_files;

/// A Go process as `attach` and `doctor` see it.
#[derive(Debug)]
pub struct GoProcess {
    /// Process id.
    pub pid: u32,
    /// Clock ticks since boot when it was started.
    pub start_ticks: u64,
    /// What its executable says.
    pub info: BuildInfo,
    /// Arguments, without secrets.
    pub command: Vec<String>,
    /// The sockets it listens on.
    pub listeners: Vec<Listener>,
    /// Where it serves profiles.
    pub endpoint: Option<Endpoint>,
    /// What the sockets that serve none said, each in a line.
    pub refusals: Vec<String>,
    /// `GOGC`, `GOMEMLIMIT`, `GODEBUG` and `GOMAXPROCS` as it was started with.
    pub environment: Vec<(String, String)>,
    /// The limit of its control group.
    pub memory_limit_bytes: Option<u64>,
}

/// Looks at process `pid` and asks its sockets; `None` if it is no Go program, is gone, or is not ours to look at.
pub fn inspect(pid: u32, plan: &GoPlan) -> Option<GoProcess> {
    let info = BuildInfo::read(&executable(pid))?;
    let listeners = listeners(pid);
    let mut process = GoProcess {
        pid,
        start_ticks: proc_files::stat(pid)?.start_ticks,
        info,
        command: proc_files::command_line(pid).map(|command| without_secrets(&command)).unwrap_or_default(),
        endpoint: None,
        refusals: Vec::new(),
        environment: take::environment(pid),
        memory_limit_bytes: cgroup::memory_limit_of(pid),
        listeners,
    };
    if plan.off {
        return Some(process);
    }
    match &plan.endpoint {
        Some(url) => match Endpoint::at(url, plan.insecure) {
            Ok(endpoint) => process.endpoint = Some(endpoint),
            Err(error) => process.refusals.push(error.to_string()),
        },
        None => ask_all(&mut process, plan.insecure),
    }
    Some(process)
}

/// All sockets at once: one that never answers must not keep the others waiting.
fn ask_all(process: &mut GoProcess, insecure: bool) {
    let (sender, receiver) = mpsc::channel();
    for listener in process.listeners.clone() {
        let sender = sender.clone();
        std::thread::spawn(move || {
            // Nobody listens once another socket had the answer.
            let _ = sender.send(Endpoint::behind(&listener, insecure));
        });
    }
    drop(sender);
    for answer in receiver {
        match answer {
            Ok(endpoint) => {
                process.endpoint = Some(endpoint);
                return;
            }
            Err(error) => process.refusals.push(error.to_string()),
        }
    }
}

/// The Go processes that this user can look at, without those of the Go installation.
pub fn running() -> Vec<(u32, BuildInfo)> {
    let pids = proc_files::all_parents().into_iter().map(|(pid, _)| pid);
    let go = pids.filter_map(|pid| Some((pid, BuildInfo::read(&executable(pid))?)));
    go.filter(|(_, info)| !info.is_toolchain()).collect()
}

/// The process of this machine that listens at `url`; a Go program before others that share the socket.
pub fn find_process(url: &Url) -> Option<u32> {
    let pids: Vec<u32> = proc_files::all_parents().into_iter().map(|(pid, _)| pid).collect();
    let owners = if url.is_loopback() { owners(url, &pids) } else { Vec::new() };
    let is_go = |pid: &&u32| BuildInfo::read(&executable(**pid)).is_some();
    owners.iter().find(is_go).copied()
}

fn executable(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/exe"))
}

/// The id that a process has in its own namespace, as it sees it itself.
pub(super) fn innermost_pid(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.and_then(|ids| ids.split_whitespace().last()?.parse().ok()).or(Some(pid))
}
