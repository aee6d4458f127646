//! `brimline attach`: record a program that runs already. What kind of program it is decides who records it.

use std::path::PathBuf;
use std::time::Duration;

use crate::exit_code::ExitCode;
use crate::refusal::Refusal;
use crate::{go, node};

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline attach 4711                                   a Go or Node program by its process id
  brimline attach ws://127.0.0.1:9229/ID                 a Node program by its inspector
  brimline attach http://localhost:6060                  by the endpoint of its net/http/pprof
  brimline attach unix:/run/app.sock --duration 5m --name canary
  brimline attach https://app.internal:6060 --insecure   a certificate that nobody has signed

The program goes on as before. Recording ends with it, after --duration, or with Ctrl-C.")]
pub(crate) struct Args {
    /// A process id, or the URL of an endpoint (`http`, `https`, `unix`) or inspector (`ws`).
    #[arg(value_name = "PID|URL")]
    pub(crate) target: String,
    /// A name for the run.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// End the recording after this time (`30s`, `5m`).
    #[arg(long, value_name = "TIME", value_parser = super::run::duration)]
    pub(crate) duration: Option<Duration>,
    /// Time between two samples of the process series.
    #[arg(long, value_name = "TIME", value_parser = super::run::duration, default_value = "1s")]
    pub(crate) interval: Duration,
    /// Where a Go program serves its profiles, if it is not found.
    #[arg(long, value_name = "URL")]
    pub(crate) pprof: Option<String>,
    /// Accept any certificate.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Say nothing but errors.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// The closing summary as JSON, on standard error.
    #[arg(long)]
    pub(crate) json: bool,
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    if let Ok(pid) = args.target.parse::<u32>() {
        return match go::recognise(pid, args)? {
            Some(process) => go::attach_process(process, args),
            None if brimline_capture::node::is_node(pid) => node::attach_process(pid, args),
            None => Err(unknown(pid)),
        };
    }
    match args.target.split_once(':') {
        Some(("ws", _)) => node::attach_url(args),
        _ => go::attach_url(args),
    }
}

fn unknown(pid: u32) -> anyhow::Error {
    let found = if std::path::Path::new(&format!("/proc/{pid}")).exists() {
        "a program of another kind, or not yours to look at"
    } else {
        "no process of that id"
    };
    Refusal {
        message: format!("expected a Go or Node program with process id {pid}, found {found}"),
        hint: "`brimline doctor` lists the Go programs that run here; `brimline run -- …` starts and records others"
            .into(),
        code: ExitCode::NO_CAPTURE,
    }
    .into()
}
