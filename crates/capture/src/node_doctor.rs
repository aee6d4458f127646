//! Node installations and the Node programs that run: what `brimline doctor` tells of them, as plain data.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cgroup::memory_limit_of;
use crate::go::sockets::{Listener, listeners};
use crate::http::{self, Limits, Trust, Url};
use crate::interpreters::output_of;
use crate::proc_files;

/// Where the inspector listens unless told otherwise, also after SIGUSR1.
const INSPECTOR_PORT: u16 = 9229;
/// The inspector has a thread of its own and answers at once.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bit of SIGUSR1 in the masks of `/proc/PID/status`.
const SIGUSR1: u64 = 1 << (libc::SIGUSR1 - 1);

/// A Node executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// As found.
    pub path: PathBuf,
    /// For example `22.3.0`; `None` if it did not answer.
    pub version: Option<String>,
}

/// A Node program that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeProcess {
    /// Its process.
    pub pid: u32,
    /// What it runs: the script, or `node` when it is told none. Arguments are left out: they may hold secrets.
    pub script: String,
    /// For example `22.3.0`; `None` if its executable did not answer.
    pub version: Option<String>,
    /// Where its inspector listens.
    pub inspectors: Vec<Inspector>,
    /// Whether SIGUSR1 would open the inspector, rather than be ignored or end the program.
    pub catches_sigusr1: bool,
    /// `--max-old-space-size`, in bytes.
    pub heap_limit_bytes: Option<u64>,
    /// The control group's limit.
    pub memory_limit_bytes: Option<u64>,
}

/// An inspector's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspector {
    /// Address and port.
    pub bound: String,
    /// Whether others than this machine can reach it.
    pub open: bool,
}

/// Node executables on `PATH` and those that nvm, fnm and volta keep, each once.
pub fn installations() -> Vec<Installation> {
    let mut seen = BTreeSet::new();
    let mut candidates: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name))).collect())
        .unwrap_or_default();
    if let Some(home) = std::env::var_os("HOME").map(PathBuf::from) {
        for (folder, below) in [
            (".nvm/versions/node", "bin/node"),
            (".local/share/fnm/node-versions", "installation/bin/node"),
            (".volta/tools/image/node", "bin/node"),
        ] {
            let entries = fs::read_dir(home.join(folder)).into_iter().flatten().flatten();
            let mut found: Vec<_> = entries.map(|entry| entry.path().join(below)).collect();
            found.sort();
            candidates.extend(found);
        }
    }
    candidates
        .into_iter()
        .filter(|path| fs::canonicalize(path).is_ok_and(|real| real.is_file() && seen.insert(real)))
        .map(|path| Installation { version: version_of(&path), path })
        .collect()
}

const NAMES: [&str; 2] = ["node", "nodejs"];

/// The Node programs of this machine that are ours to look at.
pub fn running() -> Vec<NodeProcess> {
    let mut pids: Vec<u32> = proc_files::all_parents().into_iter().map(|(pid, _)| pid).collect();
    pids.sort_unstable();
    pids.into_iter().filter_map(inspect).collect()
}

/// Looks at one process; `None` if it is no Node program, or not ours to look at.
pub fn inspect(pid: u32) -> Option<NodeProcess> {
    let executable = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let name = executable.file_name()?.to_str()?;
    // An executable that was replaced while it runs has ` (deleted)` behind its name.
    if !NAMES.contains(&name.trim_end_matches(" (deleted)")) {
        return None;
    }
    let arguments = proc_files::command_line(pid)?;
    let options = Options::of(&arguments, node_options(pid).as_deref());
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(NodeProcess {
        pid,
        script: script(&arguments),
        version: version_of_process(pid),
        inspectors: listeners(pid).into_iter().filter_map(|socket| inspector(&socket, &options.ports)).collect(),
        catches_sigusr1: catches(&status, SIGUSR1),
        heap_limit_bytes: options.heap_limit_bytes,
        memory_limit_bytes: memory_limit_of(pid),
    })
}

/// An executable that somebody else may have written is not started for its version.
fn version_of_process(pid: u32) -> Option<String> {
    let path = PathBuf::from(format!("/proc/{pid}/exe"));
    let own = fs::metadata("/proc/self").ok()?.uid();
    let owner = fs::metadata(&path).ok()?.uid();
    (owner == 0 || owner == own).then(|| version_of(&path))?
}

fn version_of(path: &Path) -> Option<String> {
    let text = output_of(Command::new(path).arg("--version").env_remove("NODE_OPTIONS"))?;
    let version = text.trim().strip_prefix('v')?;
    version.starts_with(|first: char| first.is_ascii_digit()).then(|| version.to_owned())
}

fn node_options(pid: u32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let set = environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"NODE_OPTIONS="))?;
    Some(String::from_utf8_lossy(set).into_owned())
}

fn catches(status: &str, signal: u64) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & signal != 0)
}

/// The first word behind the options.
fn script(arguments: &[String]) -> String {
    // These take their value as the next word.
    const TAKE_A_WORD: [&str; 8] =
        ["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--env-file"];
    let mut words = arguments.iter().skip(1);
    while let Some(word) = words.next() {
        if TAKE_A_WORD.contains(&word.as_str()) {
            words.next();
        } else if ["-e", "--eval", "-p", "--print"].contains(&word.as_str()) {
            break;
        } else if !word.starts_with('-') {
            return word.clone();
        }
    }
    "node".to_owned()
}

/// What the command line and `NODE_OPTIONS` say about the heap and the inspector.
#[derive(Debug, PartialEq)]
struct Options {
    heap_limit_bytes: Option<u64>,
    ports: BTreeSet<u16>,
}

impl Options {
    fn of(arguments: &[String], node_options: Option<&str>) -> Self {
        let mut options = Self { heap_limit_bytes: None, ports: BTreeSet::from([INSPECTOR_PORT]) };
        let from_environment = node_options.unwrap_or_default().split_whitespace();
        // The command line has the last word.
        for word in from_environment.chain(arguments.iter().skip(1).map(String::as_str)) {
            let Some((name, value)) = word.split_once('=') else { continue };
            match name.replace('_', "-").as_str() {
                "--max-old-space-size" => {
                    options.heap_limit_bytes = value.parse::<u64>().ok().and_then(|size| size.checked_mul(1 << 20));
                }
                "--inspect" | "--inspect-brk" | "--inspect-wait" | "--inspect-port" | "--debug-port" => {
                    options.ports.extend(value.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()));
                }
                _ => {}
            }
        }
        options
    }
}

/// The socket as an inspector's, if it is one: only those at the ports that are meant for one are asked.
fn inspector(socket: &Listener, ports: &BTreeSet<u16>) -> Option<Inspector> {
    let port: u16 = socket.bound.rsplit(':').next()?.parse().ok()?;
    // A free port (`--inspect-port=0`) may be any.
    if !ports.contains(&port) && !ports.contains(&0) {
        return None;
    }
    let answers = socket.url.as_ref().is_none_or(|url| {
        let limits = Limits { time: PATIENCE, bytes: 64 << 10 };
        let body = Url::parse(url).ok().and_then(|url| http::get(&url, "/json/version", Trust::Any, limits).ok());
        body.is_some_and(|body| String::from_utf8_lossy(&body).contains("Protocol-Version"))
    });
    answers.then(|| Inspector { bound: socket.bound.clone(), open: socket.open })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn finds_the_script_among_options() {
        for (line, expected) in [
            ("node app.js --token x", "app.js"),
            ("node --inspect=0.0.0.0:9230 -r ts-node/register src/main.ts", "src/main.ts"),
            ("node --import ./hook.mjs --enable-source-maps dist/a.mjs", "dist/a.mjs"),
            ("node -e secret()", "node"),
            ("node", "node"),
        ] {
            assert_eq!(script(&words(line)), expected, "{line}");
        }
    }

    #[test]
    fn the_command_line_has_the_last_word() {
        let options = Options::of(
            &words("node --inspect=0.0.0.0:9230 --max_old_space_size=300 app.js"),
            Some("--max-old-space-size=4096 --inspect-port=9999"),
        );
        assert_eq!(options.heap_limit_bytes, Some(300 << 20));
        assert_eq!(options.ports, BTreeSet::from([9229, 9230, 9999]));
        assert_eq!(Options::of(&words("node app.js"), None).heap_limit_bytes, None);
    }

    #[test]
    fn reads_the_mask_of_caught_signals() {
        assert!(catches("Name:\tnode\nSigCgt:\t0000000108004602\n", SIGUSR1));
        assert!(!catches("Name:\tnode\nSigCgt:\t0000000108004402\n", SIGUSR1));
    }
}
