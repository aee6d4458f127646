//! `report --by rss`: what the resident set of a Go process is made of, and how its collector does.

use std::io::Write;

use brimline_analysis::gc::Collector;
use brimline_analysis::resident::{Part, PartRow, resident};
use brimline_profile::formats::smaps::{mappings, vm_rss};
use brimline_store::ResolvedRun;
use brimline_store::go_capture::{SMAPS, STATUS};
use serde_json::{Value, json};

use super::{Moment, moments};
use crate::exit_code::ExitCode;
use crate::quantity::{bytes, count, percent};
use crate::refusal::Refusal;
use crate::terminal::{JsonGuard, plain};

/// The resident set of one process at one capture.
pub(crate) struct Resident {
    moment: Moment,
    vm_rss: u64,
    rows: Vec<PartRow>,
    collector: Collector,
    advice: Vec<String>,
}

/// The latest capture of each process that has what it takes.
pub(crate) fn residents(run: &ResolvedRun, process: Option<u32>) -> anyhow::Result<Vec<Resident>> {
    let mut latest = std::collections::BTreeMap::new();
    let mut found = 0;
    for moment in moments(run, process)? {
        found += 1;
        if let Some(resident) = Resident::of(moment)? {
            latest.insert(resident.moment.capture.record.pid, resident);
        }
    }
    if !latest.is_empty() {
        return Ok(latest.into_values().collect());
    }
    let why = if found == 0 {
        "it has no capture of a Go process".to_owned()
    } else {
        "its captures have no `/proc` figures: the program ran on another machine, as another user, or under `go test`"
            .to_owned()
    };
    Err(Refusal {
        message: format!("expected a Go process's memory in run `{}`, found none: {why}", run.entry.record.id),
        hint: "`brimline attach PID` captures a Go program on this machine; `brimline report --by line` tells the heap alone".into(),
        code: ExitCode::INCOMPLETE,
    }
    .into())
}

impl Resident {
    fn of(moment: Moment) -> anyhow::Result<Option<Self>> {
        let texts = (moment.capture.text(STATUS)?, moment.capture.text(SMAPS)?);
        let (Some(before), (Some(status), Some(smaps)), Some(collector)) = (moment.before(), texts, moment.collector())
        else {
            return Ok(None);
        };
        let Some(vm_rss) = vm_rss(&status) else { return Ok(None) };
        let mappings = mappings(&smaps);
        // The program's own file is the first that is mapped to be executed, at the lowest address.
        let executable = mappings.iter().map(|mapping| mapping.name.as_str()).find(|name| name.starts_with('/'));
        let executable = executable.unwrap_or_default();
        let executable = executable.strip_suffix(" (deleted)").unwrap_or(executable);
        let rows = resident(&before, moment.after().as_ref(), &mappings, vm_rss, executable);
        let foreign = rows.iter().filter(|row| row.part == Part::Foreign).map(|row| row.resident).sum();
        let advice = collector.advice(moment.capture.record.memory_limit_bytes, foreign, bytes);
        Ok(Some(Self { moment, vm_rss, rows, collector, advice }))
    }

    pub(crate) fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "part": row.part.name(), "title": row.part.title(), "resident_bytes": row.resident,
                "counted_bytes": row.counted, "explanation": row.part.explanation(),
            })
        });
        let collector = &self.collector;
        let record = &self.moment.capture.record;
        json!({
            "process": record.pid, "package": record.package, "version": record.go_version,
            "seconds": self.moment.seconds, "age_seconds": self.moment.age, "vm_rss_bytes": self.vm_rss,
            "rows": rows.collect::<Vec<_>>(),
            "gc": {
                "count": collector.count, "forced": collector.forced, "cpu_share": collector.cpu_share,
                "pause_median_ns": collector.pauses_ns.map(|pauses| pauses.0),
                "pause_highest_ns": collector.pauses_ns.map(|pauses| pauses.1),
                "next_target_bytes": collector.next_target, "gogc": collector.gogc,
                "memory_limit_bytes": collector.memory_limit, "held_bytes": collector.held,
                "live_bytes": collector.live, "cgroup_limit_bytes": record.memory_limit_bytes,
            },
            "advice": self.advice,
        })
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let record = &self.moment.capture.record;
        let package = record.package.as_deref().unwrap_or("Go program");
        writeln!(
            out,
            "{} (process {}): VmRSS {} at {:.1} s",
            plain(package),
            record.pid,
            bytes(self.vm_rss as i64),
            self.moment.seconds
        )?;
        writeln!(out, "\n{:>12}  {:>6}  {:>12}  {:<27}  what it is", "resident", "share", "counted", "part")?;
        for row in &self.rows {
            writeln!(
                out,
                "{:>12}  {:>6}  {:>12}  {:<27}  {}",
                bytes(row.resident as i64),
                percent(row.resident as i64, self.vm_rss as i64),
                row.counted.map_or_else(|| "–".to_owned(), |counted| bytes(counted as i64)),
                row.part.title(),
                row.part.explanation()
            )?;
        }
        writeln!(out, "{:>12}  {:>6}  {:>12}  VmRSS", bytes(self.vm_rss as i64), "100.0%", "")?;
        writeln!(out, "resident: pages in memory, by the kernel; counted: as the runtime counts what it has obtained")?;
        writeln!(out, "\n{}", self.collector_line())?;
        for advice in &self.advice {
            writeln!(out, "advice: {}", plain(advice))?;
        }
        Ok(())
    }

    fn collector_line(&self) -> String {
        let collector = &self.collector;
        let milliseconds = |nanos: u64| format!("{:.2} ms", nanos as f64 / 1e6);
        let mut facts = vec![format!(
            "collector: {} collections ({} asked for)",
            count(collector.count as i64),
            count(collector.forced as i64)
        )];
        if let Some((median, highest)) = collector.pauses_ns {
            facts.push(format!("pause {} median, {} highest", milliseconds(median), milliseconds(highest)));
        }
        facts.push(format!("{:.2} % of the processor", collector.cpu_share * 100.0));
        facts.push(format!("next at {}", bytes(collector.next_target as i64)));
        facts.push(format!("GOGC {}", collector.gogc.map_or("off".to_owned(), |percent| percent.to_string())));
        let limit = collector.memory_limit.map_or("none".to_owned(), |limit| bytes(limit as i64));
        facts.push(format!("GOMEMLIMIT {limit}"));
        if let Some(group) = self.moment.capture.record.memory_limit_bytes {
            facts.push(format!("control group's limit {}", bytes(group as i64)));
        }
        facts.join(" · ")
    }
}

/// Writes the tables of a run.
pub(crate) fn write(name: &str, residents: &[Resident], as_json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if as_json {
        let processes: Vec<Value> = residents.iter().map(Resident::to_json).collect();
        let answer = json!({ "schema": "brimline.rss/1", "run": name, "processes": processes });
        writeln!(JsonGuard(out), "{answer}")?;
        return Ok(());
    }
    for (index, resident) in residents.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        resident.write(out)?;
    }
    Ok(())
}
