//! `brimline doctor` for Go: the installation, the programs that run, and what one of them serves to whom.

use std::io::Write;

use brimline_analysis::gc::memory_limit;
use brimline_capture::go::{BuildInfo, Endpoint, GoPlan, GoProcess, find_process, inspect, running};
use brimline_capture::http::Url;
use serde_json::{Value, json};

use super::advice::how_to_add;
use crate::exit_code::ExitCode;
use crate::quantity::bytes;
use crate::refusal::{Refusal, usage};
use crate::terminal::{JsonGuard, plain};

/// The runtime's own distance between sampled allocations.
const USUAL_RATE: u64 = 512 << 10;
/// Programs listed for people.
const LISTED: usize = 10;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Fine,
    Warning,
    Problem,
}

impl Weight {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// The Go installation on `PATH`, and the Go programs that run.
pub(crate) fn installed() -> Value {
    let programs = running()
        .into_iter()
        .map(|(pid, info)| json!({ "process": pid, "package": info.package, "version": info.version }));
    json!({ "version": toolchain(), "processes": programs.collect::<Vec<_>>() })
}

/// The same for people.
pub(crate) fn write_installed(out: &mut dyn Write) -> std::io::Result<()> {
    let version = toolchain().map_or("no `go` on PATH; programs are recorded without it".to_owned(), |version| {
        format!("{version}; `brimline run -- go run .` and `go test ./...` can be recorded")
    });
    writeln!(out, "go: {}", plain(&version))?;
    let programs = running();
    for (pid, info) in programs.iter().take(LISTED) {
        let package = info.package.as_deref().unwrap_or("unnamed");
        writeln!(out, "  running: {pid} {} ({}); brimline doctor {pid}", plain(package), plain(&info.version))?;
    }
    if programs.len() > LISTED {
        writeln!(out, "  and {} more", programs.len() - LISTED)?;
    }
    Ok(())
}

fn toolchain() -> Option<String> {
    let folders = std::env::split_paths(&std::env::var_os("PATH")?).collect::<Vec<_>>();
    let path = folders.iter().map(|folder| folder.join("go")).find(|path| path.is_file())?;
    BuildInfo::read(&path).map(|info| info.version)
}

/// Looks at one program. Without an endpoint the answer is incomplete.
pub(crate) fn examine(target: &str, insecure: bool, as_json: bool) -> anyhow::Result<ExitCode> {
    let plan = GoPlan { insecure, ..GoPlan::default() };
    let (process, endpoint, refusals) = if let Ok(pid) = target.parse::<u32>() {
        let mut process = inspect(pid, &plan).ok_or_else(|| Refusal {
            message: format!("expected a Go program with process id {pid}, found none that is yours to look at"),
            hint: "`brimline doctor` lists the Go programs that run".into(),
            code: ExitCode::USAGE,
        })?;
        let endpoint = process.endpoint.take();
        let refusals = std::mem::take(&mut process.refusals);
        (Some(process), endpoint, refusals)
    } else {
        let url = Url::parse(target).map_err(|error| {
            usage(error.to_string(), "brimline doctor PID, or brimline doctor http://localhost:6060")
        })?;
        let quiet = GoPlan { off: true, ..GoPlan::default() };
        let process = find_process(&url).and_then(|pid| inspect(pid, &quiet));
        match Endpoint::at(&url, insecure) {
            Ok(endpoint) => (process, Some(endpoint), Vec::new()),
            Err(error) => (process, None, vec![error.to_string()]),
        }
    };
    let findings = findings(process.as_ref(), endpoint.as_ref(), &refusals);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if as_json {
        let rows = findings
            .iter()
            .map(|(weight, subject, text)| json!({ "subject": subject, "weight": weight.name(), "text": text }));
        let answer = json!({
            "schema": "brimline.doctor-go/1", "process": process.as_ref().map(|process| process.pid),
            "package": process.as_ref().and_then(|process| process.info.package.as_deref()),
            "version": process.as_ref().map(|process| process.info.version.as_str()),
            "endpoint": endpoint.as_ref().map(|endpoint| endpoint.url.to_string()),
            "sample_rate": endpoint.as_ref().and_then(|endpoint| endpoint.sample_rate),
            "memory_limit_bytes": process.as_ref().and_then(|process| process.memory_limit_bytes),
            "findings": rows.collect::<Vec<_>>(),
        });
        writeln!(JsonGuard(&mut out), "{answer}")?;
    } else {
        if let Some(process) = &process {
            let package = process.info.package.as_deref().unwrap_or("Go program");
            writeln!(out, "{} (process {}, {})", plain(package), process.pid, plain(&process.info.version))?;
        }
        for (weight, subject, text) in &findings {
            writeln!(out, "{:<8} {subject}: {}", weight.name(), plain(text))?;
        }
        if endpoint.is_some() {
            writeln!(out, "\nready; next: brimline attach {}", plain(target))?;
        }
    }
    out.flush()?;
    Ok(if endpoint.is_some() { ExitCode::FINE } else { ExitCode::INCOMPLETE })
}

type Finding = (Weight, &'static str, String);

fn findings(process: Option<&GoProcess>, endpoint: Option<&Endpoint>, refusals: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(endpoint) = endpoint {
        findings.push((Weight::Fine, "endpoint", endpoint.url.to_string()));
        findings.extend(endpoint.note.iter().map(|note| (Weight::Warning, "certificate", note.clone())));
        findings.extend(reach(process, endpoint));
        findings.push(rate(endpoint.sample_rate));
    } else {
        let tried = if refusals.is_empty() { "it listens nowhere".to_owned() } else { refusals.join("; ") };
        findings.push((Weight::Problem, "endpoint", format!("none found: {tried}; {}", how_to_add())));
    }
    if let Some(process) = process {
        findings.push(limit(process));
    } else {
        let text = "the process is not on this machine, or not yours: its resident memory and limits are not seen";
        findings.push((Weight::Warning, "process", text.to_owned()));
    }
    findings
}

/// Profiles tell command lines, source paths and what the program does; whoever reaches them can also slow it down.
fn reach(process: Option<&GoProcess>, endpoint: &Endpoint) -> Option<Finding> {
    let url = endpoint.url.with_base("").to_string();
    let listener = process.and_then(|process| {
        let plain = url.replacen("https:", "http:", 1).replace("localhost", "127.0.0.1");
        process.listeners.iter().find(|listener| listener.url.as_deref() == Some(plain.as_str()))
    });
    let (open, bound) = match listener {
        Some(listener) => (listener.open, listener.bound.clone()),
        None => (endpoint.open || !endpoint.url.is_loopback(), url),
    };
    open.then(|| {
        let text = format!(
            "profiles are served on {bound}, beyond this machine: anyone there can read and slow the program; listen on localhost or a unix socket"
        );
        (Weight::Warning, "reach", text)
    })
}

fn rate(rate: Option<u64>) -> Finding {
    let subject = "profile rate";
    match rate {
        Some(0) => (
            Weight::Problem,
            subject,
            "runtime.MemProfileRate is 0: the heap profile stays empty; leave it alone or set it at the start of main"
                .into(),
        ),
        Some(1) => {
            (Weight::Warning, subject, "every allocation is recorded (rate 1): exact, but the program is slow".into())
        }
        Some(USUAL_RATE) | None => (Weight::Fine, subject, "one allocation in about 512 KiB (Go's own)".into()),
        Some(rate) => (Weight::Fine, subject, format!("one allocation in about {}", bytes(rate as i64))),
    }
}

fn limit(process: &GoProcess) -> Finding {
    let subject = "memory limit";
    let set = process.environment.iter().find(|(name, _)| name == "GOMEMLIMIT").map(|(_, value)| value.as_str());
    let own = set.and_then(memory_limit);
    let amount = |value: u64| bytes(value as i64);
    let suggestion = |group: u64| amount(group / 10 * 9);
    match (own, process.memory_limit_bytes) {
        (Some(own), Some(group)) if own > group => (
            Weight::Warning,
            subject,
            format!(
                "GOMEMLIMIT {} is above the control group's {}: the kernel kills before the collector presses; set it to about {}",
                amount(own),
                amount(group),
                suggestion(group)
            ),
        ),
        (None, Some(group)) => (
            Weight::Warning,
            subject,
            format!(
                "the control group allows {} and GOMEMLIMIT is not set; set it to about {}",
                amount(group),
                suggestion(group)
            ),
        ),
        (Some(own), Some(group)) => {
            (Weight::Fine, subject, format!("GOMEMLIMIT {} within the control group's {}", amount(own), amount(group)))
        }
        (Some(own), None) => (Weight::Fine, subject, format!("GOMEMLIMIT {}, no control group's limit", amount(own))),
        (None, None) => match set {
            Some(text) => (Weight::Warning, subject, format!("GOMEMLIMIT `{text}` is no limit")),
            None => (Weight::Fine, subject, "neither GOMEMLIMIT nor a control group's limit".into()),
        },
    }
}
