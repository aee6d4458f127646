//! `brimline doctor`: what is installed, what is missing and how to get it; of a running Go program, what it serves.

use std::io::Write;
use std::path::PathBuf;

use brimline_capture::doctor::{Doctor, Python, Support, inspect};
use serde_json::json;

use crate::allocators::PACKAGES;
use crate::exit_code::ExitCode;
use crate::go;
use crate::node_doctor;
use crate::quantity::bytes;
use crate::stores::open;
use crate::terminal::plain;
use crate::tracker_library;

/// Free space below which a recording may not fit.
const LITTLE_SPACE: u64 = 256 << 20;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Looks at the interpreters of the active environment, of environments in this folder, on PATH, of pyenv, uv and conda, and lists the Go and Node programs that run.
With a PID or URL: where that Go program serves profiles or that Node program's inspector listens, who can reach it, and how its limits fit.
Exit code 0: a program can be recorded; 3: something is missing, and the answer says what."
)]
pub(crate) struct Args {
    /// A running Go or Node program: process id, or a Go program's URL.
    #[arg(value_name = "PID|URL")]
    pub(crate) target: Option<String>,
    /// Accept any certificate of the program's endpoint.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
}

/// Carries the command out. No usable interpreter is an incomplete answer.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(target) = &args.target {
        return node_doctor::examine(target, args.json)
            .unwrap_or_else(|| go::examine(target, args.insecure, args.json));
    }
    let store = open(args.store.as_deref());
    let found = inspect(store.root(), &PACKAGES.each_ref().map(|package| package.name));
    let tracker = tracker_library::installed(store.root());
    let problems = problems(&found, tracker.as_ref().err());
    let ready = problems.is_empty();
    let mut out = super::output(None)?;
    if args.json {
        let python = |python: &Python| {
            json!({
                "path": python.path.display().to_string(), "version": python.version,
                "virtual_environment": python.is_virtual_environment,
                "ready": unsupported(python).is_none(), "problem": unsupported(python).map(|(reason, _)| reason),
                "advice": unsupported(python).map(|(_, advice)| advice), "pymalloc": !python.is_without_pymalloc,
                "coarse": python.packages,
            })
        };
        let answer = json!({
            "schema": "brimline.doctor/1", "ready": ready, "problems": problems,
            "python": found.pythons.iter().map(python).collect::<Vec<_>>(),
            "tracker": tracker.ok().map(|path| path.display().to_string()),
            "store": store.root().display().to_string(), "store_free_bytes": found.store_free_bytes,
            "allocator": allocator(), "memory_limit_bytes": found.memory_limit_bytes, "physical_memory_bytes": found.physical_memory_bytes,
            "go": go::installed(), "node": node_doctor::installed(), "debug_files": has_debug_files(), "kernel": found.kernel, "architecture": found.architecture,
        });
        writeln!(out, "{answer}")?;
    } else {
        write_list(&found, &mut out)?;
        let sources = if has_debug_files() {
            "the libraries and from /usr/lib/debug"
        } else {
            "the libraries; install `-dbg` or `-dbgsym` packages for lines of stripped ones"
        };
        writeln!(out, "native frames (run --native-frames): names from {sources}")?;
        writeln!(out, "allocator: {}", plain(&allocator()))?;
        go::write_installed(&mut out)?;
        node_doctor::write_installed(&mut out)?;
        writeln!(out, "store: {}", plain(&store.root().display().to_string()))?;
        for problem in &problems {
            writeln!(out, "problem: {}", plain(problem))?;
        }
        if ready {
            writeln!(out, "\nready; next: brimline run -- python your_program.py")?;
        }
    }
    out.flush()?;
    Ok(if ready { ExitCode::FINE } else { ExitCode::INCOMPLETE })
}

/// What programs started here allocate with, as far as the environment says, and what that means.
fn allocator() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let preloaded = variable("LD_PRELOAD").unwrap_or_default();
    let replaced = ["jemalloc", "mimalloc", "tcmalloc"].into_iter().find(|name| preloaded.contains(name));
    match (variable("PYTHONMALLOC"), replaced) {
        (Some(value), _) if value.starts_with("malloc") => {
            format!("PYTHONMALLOC={value}: every Python object is a malloc; counted all the same, once each")
        }
        (Some(value), _) => format!("PYTHONMALLOC={value}: counted through Python's own hooks"),
        (None, Some(name)) => {
            format!("{name} is preloaded: each block counts once; what C++ takes by `new` is in the untracked number")
        }
        (None, None) => "Python's own over the C library's malloc".to_owned(),
    }
}

/// Whether debug files of stripped libraries are installed, by build id.
fn has_debug_files() -> bool {
    std::fs::read_dir("/usr/lib/debug/.build-id").is_ok_and(|mut entries| entries.next().is_some())
}

fn unsupported(python: &Python) -> Option<(&str, &str)> {
    match &python.support {
        Support::Supported => None,
        Support::Unsupported { reason, advice } => Some((reason, advice)),
    }
}

/// What stands in the way, each with what to do.
fn problems(found: &Doctor, tracker: Option<&String>) -> Vec<String> {
    let mut problems = Vec::new();
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        problems.push("recording allocations needs Linux on x86-64; the process series and reports work here".into());
    }
    if let Some(problem) = tracker {
        problems.push(format!("{problem}; set XDG_CACHE_HOME to a folder that can be written"));
    }
    if !found.pythons.iter().any(|python| python.support == Support::Supported) {
        problems.push(
            "no interpreter whose allocations can be recorded; install CPython 3.8 or newer (`apt install python3`, `pyenv install 3.13`)"
                .into(),
        );
    }
    if let Some(free) = found.store_free_bytes.filter(|free| *free < LITTLE_SPACE) {
        problems.push(format!("only {} free for recordings; choose another --store", bytes(free as i64)));
    }
    problems
}

fn write_list(found: &Doctor, out: &mut dyn Write) -> anyhow::Result<()> {
    for python in &found.pythons {
        let version = python.version.as_deref().unwrap_or("unknown version");
        let kind = if python.is_virtual_environment { ", virtual environment" } else { "" };
        let verdict = unsupported(python).map_or("ready", |(reason, _)| reason);
        let line = format!("python: {} ({version}{kind}): {verdict}", python.path.display());
        writeln!(out, "{}", plain(&line))?;
        if let Some((_, advice)) = unsupported(python) {
            writeln!(out, "  its process series can be recorded; {}", plain(advice))?;
        }
        if python.is_without_pymalloc {
            writeln!(out, "  built without pymalloc: every object is a malloc; counted all the same, once each")?;
        }
        for package in PACKAGES.iter().filter(|package| python.packages.iter().any(|name| name == package.name)) {
            writeln!(out, "  {}: {}", package.name, package.advice)?;
        }
    }
    let machine = found.physical_memory_bytes.map_or_else(|| "unknown".to_owned(), |memory| bytes(memory as i64));
    match found.memory_limit_bytes {
        Some(limit) => writeln!(
            out,
            "memory limit: {} by control group, of {machine}; a snapshot before it is reached: run --snapshot-at 85%",
            bytes(limit as i64)
        )?,
        None => writeln!(out, "memory limit: none, the machine has {machine}")?,
    }
    Ok(())
}
