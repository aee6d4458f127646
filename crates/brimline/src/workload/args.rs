//! The options of a workload.

use std::ffi::OsString;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use brimline_capture::http::Url;
use brimline_capture::workload::{self, LoadOptions};
use brimline_capture::{PhasePlan, Ready};

use super::refuse;
use crate::commands::run::duration;
use crate::refusal::usage;

/// Requests below which nothing is judged: fewer make no trend.
const LEAST_REQUESTS: u64 = 50;
/// The same for commands and calls.
const LEAST_RUNS: u64 = 1;

/// Load on the program, and what happens around it.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Workload")]
pub(crate) struct WorkloadArgs {
    /// Put load on the program: `locust:FILE`, `k6:FILE`, `http:FILE` (TOML, HAR, access log), `http:/path`, `sh:CMD`,
    /// `call:pkg.mod:func`, or a file that tells by its content.
    #[arg(long, value_name = "LOAD")]
    pub(crate) workload: Option<String>,
    /// Where requests go to [default: the port on which the program listens]
    #[arg(long, value_name = "URL", requires = "workload", value_parser = url)]
    target: Option<Url>,
    /// When the program is ready: `port:8000`, `/health`, `log:TEXT`, `after:5s` [default: its port answers]
    #[arg(long, value_name = "WHAT", requires = "workload", value_parser = ready)]
    ready: Option<Ready>,
    /// How long that may take.
    #[arg(long, value_name = "TIME", requires = "workload", value_parser = duration, default_value = "60s")]
    ready_timeout: Duration,
    /// Load before the baseline capture (`0` for none).
    #[arg(long, value_name = "TIME", requires = "workload", value_parser = pause, default_value = "10s")]
    warm_up: Duration,
    /// Load after it [default: 60s; with --rounds, what the script, command or calls take]
    #[arg(long, value_name = "TIME", requires = "workload", value_parser = duration)]
    duration: Option<Duration>,
    /// Load in N pieces, a capture of the resting program after each [default: one piece, captured under load]
    #[arg(long, value_name = "N", requires = "workload", conflicts_with = "every", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: Option<u32>,
    /// Time between two captures under load [default: a twentieth of the load]
    #[arg(long, value_name = "TIME", requires = "workload", value_parser = duration)]
    every: Option<Duration>,
    /// End as soon as the verdict is firm; --duration is the time box then [default: 10m]
    #[arg(long, requires = "workload")]
    until_verdict: bool,
    /// Rest before a capture after load (`0` for none).
    #[arg(long, value_name = "TIME", requires = "workload", value_parser = pause, default_value = "2s")]
    settle: Duration,
    /// Requests a second (http) [default: the file's, else 50]
    #[arg(long, value_name = "N", requires = "workload", value_parser = positive)]
    rate: Option<f64>,
    /// Connections at once (http) [default: the file's, else 10]
    #[arg(long, value_name = "N", requires = "workload", value_parser = clap::value_parser!(u16).range(1..))]
    connections: Option<u16>,
    /// Simulated users (locust) [default: 10]
    #[arg(long, value_name = "N", requires = "workload", value_parser = clap::value_parser!(u32).range(1..))]
    users: Option<u32>,
    /// Users started a second (locust) [default: all at once]
    #[arg(long, value_name = "N", requires = "workload", value_parser = positive)]
    spawn_rate: Option<f64>,
    /// Processes of the load generator (locust).
    #[arg(long, value_name = "N", requires = "workload", value_parser = clap::value_parser!(u32).range(1..=256))]
    processes: Option<u32>,
    /// Calls in each round (call) [default: 1]
    #[arg(long, value_name = "N", requires = "workload", value_parser = clap::value_parser!(u32).range(1..))]
    calls: Option<u32>,
    /// Fewer requests are not judged [default: 50; 1 run or call]
    #[arg(long, value_name = "N", requires = "workload")]
    min_requests: Option<u64>,
    /// A larger share of failed requests is not judged.
    #[arg(long, value_name = "SHARE", requires = "workload", value_parser = share, default_value = "5%")]
    max_errors: f64,
    /// How long the program may take to end after Ctrl-C, before it is asked harder.
    #[arg(long, value_name = "TIME", requires = "workload", value_parser = duration, default_value = "10s")]
    patience: Duration,
    /// Install a load tool that is missing (locust) without asking.
    #[arg(long, requires = "workload")]
    yes: bool,
}

fn url(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|error| error.to_string())
}

fn ready(text: &str) -> Result<Ready, String> {
    Ready::parse(text)
        .ok_or_else(|| format!("expected `port:8000`, `/health`, `http://…`, `log:TEXT` or `after:5s`, found `{text}`"))
}

fn pause(text: &str) -> Result<Duration, String> {
    if ["0", "0s"].contains(&text) { Ok(Duration::ZERO) } else { duration(text) }
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0.0 && *number <= 1e6)
        .ok_or_else(|| format!("expected a number above 0, found `{text}`"))
}

fn share(text: &str) -> Result<f64, String> {
    let wrong = || format!("expected a share such as `5%`, found `{text}`");
    let number = text.strip_suffix('%').ok_or_else(wrong)?.trim().parse::<f64>().map_err(|_| wrong())?;
    if (0.0..=100.0).contains(&number) { Ok(number / 100.0) } else { Err(wrong()) }
}

impl WorkloadArgs {
    /// The phases, once everything that can be checked before the program starts has been.
    pub(crate) fn plan(&self, command: &[OsString], quiet: bool) -> anyhow::Result<Option<PhasePlan>> {
        let Some(text) = &self.workload else { return Ok(None) };
        let consent = |what: &str| self.yes || (!quiet && ask(what));
        let options = LoadOptions {
            rate: self.rate,
            connections: self.connections.map(usize::from),
            users: self.users,
            spawn_rate: self.spawn_rate,
            processes: self.processes,
            calls: self.calls,
            command,
            cache: cache(),
            consent: &consent,
        };
        let (scheme, load) = workload::open(text, &options).map_err(|error| refuse(&error))?;
        if command.is_empty() && load.launch().is_none() {
            return Err(usage(
                "expected a program behind `--`, found none",
                format!("brimline run --workload {text} -- CMD"),
            ));
        }
        let least = if load.unit() == "requests" { LEAST_REQUESTS } else { LEAST_RUNS };
        Ok(Some(PhasePlan {
            scheme,
            load: Arc::from(load),
            target: self.target.clone(),
            ready: self.ready.clone().unwrap_or_default(),
            ready_timeout: self.ready_timeout,
            warm_up: self.warm_up,
            duration: self.duration,
            rounds: self.rounds,
            every: self.every,
            until_verdict: self.until_verdict,
            settle: self.settle,
            least_requests: self.min_requests.unwrap_or(least),
            most_errors: self.max_errors,
            patience: self.patience,
        }))
    }
}

/// Where tools that brimline installs for itself lie.
fn cache() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("brimline")
}

/// Asks the person at the terminal; without one the answer is no.
fn ask(what: &str) -> bool {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return false;
    }
    let mut answer = String::new();
    let asked = write!(std::io::stderr(), "brimline: {what}? [y/N] ");
    asked.is_ok()
        && std::io::stdin().lock().read_line(&mut answer).is_ok()
        && ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_pauses() {
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(pause("0"), Ok(Duration::ZERO));
        for bad in ["5", "101%", "-1%", "%", ""] {
            assert!(share(bad).is_err(), "{bad}");
        }
        assert!(positive("0").is_err() && positive("NaN").is_err() && pause("-1s").is_err());
    }
}
