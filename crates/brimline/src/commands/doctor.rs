//! `brimline doctor`: what is installed, what is missing and how to get it. The Python part.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::exit_code::ExitCode;
use crate::terminal::plain;
use crate::tracker_library;

/// An interpreter that does not answer by then is told as silent.
const PATIENCE: Duration = Duration::from_secs(5);
/// Asks an interpreter what the tracker needs to know. `-I -S` keeps the user's own code out.
const QUESTION: &str = "import sys, sysconfig, platform; print(platform.python_implementation(), \
    '.'.join(map(str, sys.version_info[:3])), sysconfig.get_config_var('Py_GIL_DISABLED') or 0, \
    platform.libc_ver()[0] or '-')";

/// Finds the Python interpreters on PATH and in the active environment and tells which of them can be recorded.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Interpreters to look at [default: those on PATH]
    #[arg(value_name = "PYTHON")]
    pub(crate) interpreters: Vec<PathBuf>,
}

/// What was found out about one interpreter.
struct Interpreter {
    path: PathBuf,
    version: Option<String>,
    /// What cannot be done with it and what to do instead; `None` when all can.
    problem: Option<String>,
}

/// Carries the command out. No usable interpreter is an incomplete answer.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let paths = if args.interpreters.is_empty() { on_path() } else { args.interpreters.clone() };
    let interpreters: Vec<_> = paths.into_iter().map(look).collect();
    let platform = platform_problem();
    let tracker = tracker_library::installed();
    let ready = platform.is_none() && tracker.is_ok() && interpreters.iter().any(|found| found.problem.is_none());
    let mut out = std::io::stdout().lock();
    if args.json {
        let rows: Vec<_> = interpreters
            .iter()
            .map(|found| {
                json!({ "path": found.path.display().to_string(), "version": found.version, "ready": found.problem.is_none(), "problem": found.problem })
            })
            .collect();
        let answer = json!({ "schema": "brimline.doctor/1", "ready": ready, "platform_problem": platform,
            "tracker": tracker.as_ref().ok().map(|path| path.display().to_string()), "tracker_problem": tracker.err(), "python": rows });
        writeln!(out, "{answer}")?;
    } else {
        if let Some(problem) = &platform {
            writeln!(out, "platform: {problem}")?;
        }
        let tracker = match &tracker {
            Ok(path) => path.display().to_string(),
            Err(problem) => format!("{problem}; set XDG_CACHE_HOME to a folder that can be written"),
        };
        writeln!(out, "tracker: {}", plain(&tracker))?;
        if interpreters.is_empty() {
            writeln!(
                out,
                "python: none found on PATH; install CPython 3.11 (`apt install python3`, `pyenv install 3.11`)"
            )?;
        }
        for found in &interpreters {
            let version = found.version.as_deref().unwrap_or("unknown version");
            let verdict = found.problem.as_deref().unwrap_or("ready");
            let line = format!("{} ({version}): {verdict}", found.path.display());
            writeln!(out, "{}", plain(&line))?;
        }
        if ready {
            writeln!(out, "\nnext: brimline run -- python your_program.py")?;
        }
    }
    Ok(if ready { ExitCode::FINE } else { ExitCode::INCOMPLETE })
}

fn platform_problem() -> Option<String> {
    let supported = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    (!supported).then(|| "recording Python needs Linux on x86-64; reports work here".to_owned())
}

/// `python3`, `python` and `python3.N` on PATH, each program once.
fn on_path() -> Vec<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = Vec::new();
    let mut programs: Vec<PathBuf> = Vec::new();
    for folder in std::env::split_paths(&folders) {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        let mut names: Vec<_> =
            entries.flatten().map(|entry| entry.path()).filter(|path| is_interpreter(path)).collect();
        names.sort();
        for path in names {
            let program = path.canonicalize().unwrap_or_else(|_| path.clone());
            // pyenv's shims are one script under many names: each name may be another Python.
            let is_shim = folder.ends_with("shims");
            if is_shim || !programs.contains(&program) {
                programs.push(program);
                found.push(path);
            }
        }
    }
    found
}

fn is_interpreter(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    let version = name.strip_prefix("python").unwrap_or("-");
    version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !version.starts_with('2') && path.is_file()
}

fn look(path: PathBuf) -> Interpreter {
    let answer = match ask(&path) {
        Ok(answer) => answer,
        Err(problem) => return Interpreter { path, version: None, problem: Some(problem) },
    };
    let words: Vec<_> = answer.split_whitespace().collect();
    let [implementation, version, without_gil, libc] = words[..] else {
        let problem = Some("gave no answer that is understood; is it a Python 3?".to_owned());
        return Interpreter { path, version: None, problem };
    };
    let problem = if implementation != "CPython" {
        Some(format!("{implementation} cannot be recorded yet, CPython 3.11 can; its process series is recorded"))
    } else if without_gil != "0" {
        Some("free-threaded builds cannot be recorded yet; its process series is recorded".to_owned())
    } else if libc != "glibc" {
        Some("needs glibc (this one is musl or unknown); its process series is recorded".to_owned())
    } else if !version.starts_with("3.11.") {
        Some("only CPython 3.11 can be recorded yet; its process series is recorded".to_owned())
    } else {
        None
    };
    Interpreter { path, version: Some(version.to_owned()), problem }
}

/// Runs the question; an interpreter that hangs is ended.
fn ask(path: &Path) -> Result<String, String> {
    let mut child = Command::new(path)
        .args(["-I", "-S", "-c", QUESTION])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                // It may have ended meanwhile; either way nothing is left to wait for.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("did not answer within {} s", PATIENCE.as_secs()));
            }
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
    }
    let output = child.wait_with_output().map_err(|error| format!("cannot be read: {error}"))?;
    if !output.status.success() {
        return Err(format!("failed with {}; pyenv names a version that is not chosen here so", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
