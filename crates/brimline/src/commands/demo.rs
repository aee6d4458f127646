//! `brimline demo`: the main job on a small leaky program, every command shown before it runs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::json;

use crate::exit_code::ExitCode;
use crate::refusal::usage;

const PROGRAM: &str = include_str!("demo.py");

/// Records a small program with a leak twice, shows which lines hold its memory and what grew between the two runs.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The interpreter to run the program with.
    #[arg(long, default_value = "python3")]
    pub(crate) python: PathBuf,
    /// Keep the program and its runs in this folder [default: a temporary one]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// JSON: the commands with their exit codes; their output goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Carries the command out; the exit code is that of the first step that fails.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let temporary = tempfile::tempdir().context("failed to create a temporary folder")?;
    let folder = args.folder.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(folder).with_context(|| format!("failed to create `{}`", folder.display()))?;
    fs::write(folder.join("service.py"), PROGRAM)
        .with_context(|| format!("failed to write `{}`", folder.join("service.py").display()))?;
    let python = args.python.to_str().ok_or_else(|| {
        usage("expected the path of an interpreter in UTF-8, found other bytes", "give another path with --python")
    })?;
    let steps: [&[&str]; 4] = [
        &["run", "--name", "before", "--", python, "service.py", "2000"],
        &["run", "--name", "after", "--", python, "service.py", "20000"],
        &["lines", "service:main", "service:open_session", "--run", "after"],
        &["diff", "before", "after", "--project-only", "--top", "5"],
    ];
    let mut done = Vec::new();
    let mut code = ExitCode::FINE;
    for step in steps {
        code = run(step, folder, args.json)?;
        done.push(json!({ "command": step, "exit_code": code.0 }));
        if code != ExitCode::FINE {
            break;
        }
    }
    if args.json {
        writeln!(std::io::stdout(), "{}", json!({ "schema": "brimline.demo/1", "steps": done }))?;
    }
    Ok(code)
}

/// Runs this program with `words` in `folder`, after showing them.
fn run(words: &[&str], folder: &Path, json: bool) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stderr(), "\n$ brimline {}", words.join(" "))?;
    let program = std::env::current_exe().context("failed to find this program's own file")?;
    let mut command = Command::new(program);
    command.args(words).current_dir(folder).env("BRIMLINE_STORE", folder.join(".brimline"));
    if json {
        command.stdout(std::io::stderr());
    }
    let status = command.status().context("failed to start brimline again")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::NOT_STARTED, ExitCode))
}
