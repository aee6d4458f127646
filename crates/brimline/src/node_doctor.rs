//! `brimline doctor` for Node: what is installed, what runs, who can reach its inspector, and how its limits fit.

use std::io::Write;

use brimline_capture::node_doctor::{Inspector, Installation, NodeProcess, inspect, installations, running};
use serde_json::{Value, json};

use crate::exit_code::ExitCode;
use crate::go::Weight;
use crate::quantity::bytes;
use crate::terminal::{JsonGuard, plain};

/// Oldest release whose files and inspector are known to fit.
const OLDEST: u32 = 18;
/// From here on V8 sizes its heap by the limits of control groups of either version.
const SEES_GROUPS: u32 = 20;
/// Programs listed for people.
const LISTED: usize = 10;

type Finding = (Weight, &'static str, String);

/// Installations and programs that run.
pub(crate) fn installed() -> Value {
    let node = |node: Installation| json!({ "path": node.path.display().to_string(), "version": node.version });
    json!({
        "installations": installations().into_iter().map(node).collect::<Vec<_>>(),
        "processes": running().iter().map(to_json).collect::<Vec<_>>(),
    })
}

/// The same for people.
pub(crate) fn write_installed(out: &mut dyn Write) -> std::io::Result<()> {
    let found = installations();
    for node in &found {
        let version = node.version.as_deref().unwrap_or("unknown version");
        writeln!(out, "node: {} ({})", plain(&node.path.display().to_string()), plain(version))?;
    }
    if found.is_empty() {
        writeln!(out, "node: none on PATH")?;
    }
    let programs = running();
    for process in programs.iter().take(LISTED) {
        writeln!(out, "  running: {}; brimline doctor {}", plain(&title(process)), process.pid)?;
        for (weight, subject, text) in findings(process).iter().filter(|finding| finding.0 != Weight::Fine) {
            writeln!(out, "    {} {subject}: {}", weight.name(), plain(text))?;
        }
    }
    if programs.len() > LISTED {
        writeln!(out, "  and {} more", programs.len() - LISTED)?;
    }
    Ok(())
}

/// Looks at process `target`; `None` if it is no Node program.
pub(crate) fn examine(target: &str, as_json: bool) -> Option<anyhow::Result<ExitCode>> {
    let process = inspect(target.parse().ok()?)?;
    Some(write(&process, as_json))
}

fn write(process: &NodeProcess, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if as_json {
        let mut answer = json!({ "schema": "brimline.doctor-node/1" });
        if let (Some(answer), Value::Object(process)) = (answer.as_object_mut(), to_json(process)) {
            answer.extend(process);
        }
        writeln!(JsonGuard(&mut out), "{answer}")?;
    } else {
        writeln!(out, "{}", plain(&title(process)))?;
        for (weight, subject, text) in findings(process) {
            writeln!(out, "{:<8} {subject}: {}", weight.name(), plain(&text))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::FINE)
}

fn title(process: &NodeProcess) -> String {
    let version = process.version.as_deref().map_or_else(|| "Node".to_owned(), |version| format!("Node {version}"));
    format!("{} (process {}, {version})", process.script, process.pid)
}

fn to_json(process: &NodeProcess) -> Value {
    let inspector = |inspector: &Inspector| json!({ "address": inspector.bound, "open": inspector.open });
    let finding =
        |(weight, subject, text): Finding| json!({ "subject": subject, "weight": weight.name(), "text": text });
    json!({
        "process": process.pid, "script": process.script, "version": process.version,
        "inspectors": process.inspectors.iter().map(inspector).collect::<Vec<_>>(),
        "heap_limit_bytes": process.heap_limit_bytes, "memory_limit_bytes": process.memory_limit_bytes,
        "findings": findings(process).into_iter().map(finding).collect::<Vec<_>>(),
    })
}

fn findings(process: &NodeProcess) -> Vec<Finding> {
    let mut findings = vec![release(process.version.as_deref())];
    findings.extend(process.inspectors.iter().map(reach));
    if process.inspectors.is_empty() {
        findings.push(closed(process.catches_sigusr1));
    }
    findings.push(limit(process));
    findings
}

fn major(version: Option<&str>) -> Option<u32> {
    version?.split('.').next()?.parse().ok()
}

fn release(version: Option<&str>) -> Finding {
    let subject = "version";
    match (version, major(version)) {
        (Some(version), Some(major)) if major >= OLDEST => (Weight::Fine, subject, version.to_owned()),
        (Some(version), _) => (
            Weight::Warning,
            subject,
            format!("{version} is older than Node {OLDEST}: its files may not be read right"),
        ),
        (None, _) => (Weight::Warning, subject, "unknown: its executable did not answer".to_owned()),
    }
}

/// Who reaches an inspector runs code in the program, and needs no password.
fn reach(inspector: &Inspector) -> Finding {
    let bound = &inspector.bound;
    if inspector.open {
        let text = format!(
            "listens on {bound}, beyond this machine: anyone there can run code in the program; use --inspect=127.0.0.1, or a tunnel"
        );
        (Weight::Warning, "inspector", text)
    } else {
        (Weight::Fine, "inspector", format!("listens on {bound}, this machine alone"))
    }
}

fn closed(catches_sigusr1: bool) -> Finding {
    let text = if catches_sigusr1 {
        "closed; SIGUSR1 opens it on this machine, unless the program handles that signal itself"
    } else {
        "closed; SIGUSR1 is not caught and must not be sent (--disable-sigusr1?); start it with --inspect=127.0.0.1:0"
    };
    (Weight::Fine, "inspector", text.to_owned())
}

fn limit(process: &NodeProcess) -> Finding {
    let subject = "heap limit";
    let amount = |value: u64| bytes(value as i64);
    match (process.heap_limit_bytes, process.memory_limit_bytes) {
        // The heap is not all: code, stacks, buffers and libraries need room beside it.
        (Some(heap), Some(group)) if heap > group / 10 * 9 => (
            Weight::Warning,
            subject,
            format!(
                "--max-old-space-size {} leaves no room in the control group's {}: the kernel kills before V8 collects or reports; set it to about {} ({})",
                amount(heap),
                amount(group),
                amount(group / 4 * 3),
                (group / 4 * 3) >> 20
            ),
        ),
        (Some(heap), Some(group)) => (
            Weight::Fine,
            subject,
            format!("--max-old-space-size {} within the control group's {}", amount(heap), amount(group)),
        ),
        (Some(heap), None) => {
            (Weight::Fine, subject, format!("--max-old-space-size {}, no control group's limit", amount(heap)))
        }
        (None, Some(group)) if major(process.version.as_deref()).is_none_or(|major| major < SEES_GROUPS) => (
            Weight::Warning,
            subject,
            format!(
                "--max-old-space-size is not set, and before Node {SEES_GROUPS} V8 may size its heap by the machine and not by the control group's {}; set it to about {} MiB",
                amount(group),
                (group / 4 * 3) >> 20
            ),
        ),
        (None, Some(group)) => {
            (Weight::Fine, subject, format!("V8's own choice within the control group's {}", amount(group)))
        }
        (None, None) => (Weight::Fine, subject, "V8's own choice, no control group's limit".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight_of(version: &str, heap: Option<u64>, group: Option<u64>) -> &'static str {
        let process = NodeProcess {
            pid: 1,
            script: "app.js".into(),
            version: Some(version.into()),
            inspectors: Vec::new(),
            catches_sigusr1: true,
            heap_limit_bytes: heap.map(|megabytes| megabytes << 20),
            memory_limit_bytes: group.map(|megabytes| megabytes << 20),
        };
        limit(&process).0.name()
    }

    #[test]
    fn an_inspector_that_others_reach_is_a_warning() {
        let of = |bound: &str, open| reach(&Inspector { bound: bound.into(), open });
        let (weight, _, text) = of("0.0.0.0:9229", true);
        assert!(weight == Weight::Warning && text.contains("0.0.0.0:9229, beyond this machine"), "{text}");
        assert_eq!(of("127.0.0.1:9229", false).0.name(), "ok");
        assert!(closed(false).2.contains("must not be sent"));
    }

    #[test]
    fn the_heap_must_leave_room_in_its_group() {
        for (version, heap, group, expected) in [
            ("22.1.0", Some(4096), Some(512), "warning"),
            ("22.1.0", Some(500), Some(512), "warning"),
            ("22.1.0", Some(380), Some(512), "ok"),
            ("22.1.0", None, Some(512), "ok"),
            ("18.2.0", None, Some(512), "warning"),
            ("18.2.0", None, None, "ok"),
            ("20.0.0", Some(4096), None, "ok"),
        ] {
            assert_eq!(weight_of(version, heap, group), expected, "{version} {heap:?} {group:?}");
        }
    }
}
