//! What came of a workload: the load in numbers, the verdict, the growing sites, and the exit code.

use std::io::Write;
use std::path::PathBuf;

use brimline_analysis::trend::amount;
use brimline_capture::workload::LoadResult;
use brimline_capture::{PhaseEnd, PhaseOutcome};
use brimline_profile::series::Unit;
use brimline_store::RunFolder;
use serde_json::{Value, json};

use super::verdict::{Judged, judge_run};
use crate::exit_code::ExitCode;
use crate::quantity::count;
use crate::terminal::{clip, plain};

/// Rows of requests, of failures and of sites.
const TOP: usize = 5;

/// What is told.
pub(crate) struct Conclusion {
    outcome: PhaseOutcome,
    unit: &'static str,
    judged: Option<Judged>,
    /// How brimline ends; `program` is how the program did.
    pub(crate) code: ExitCode,
}

/// Judges the run under load where it can be.
pub(crate) fn conclude(
    outcome: PhaseOutcome,
    unit: &'static str,
    folder: &RunFolder,
    store: Option<PathBuf>,
    program: i32,
) -> anyhow::Result<Conclusion> {
    let judged = if outcome.not_judged.is_none() { Some(judge_run(folder, store)?) } else { None };
    if let Some(judged) = &judged {
        crate::commands::warn(&judged.warnings);
    }
    let code = code(&outcome, judged.as_ref(), program);
    Ok(Conclusion { outcome, unit, judged, code })
}

/// Bad news first; then what is missing. A program that was not ended by brimline keeps its own code, unless that says
/// that all is well.
fn code(outcome: &PhaseOutcome, judged: Option<&Judged>, program: i32) -> ExitCode {
    match &outcome.end {
        PhaseEnd::NotReady { .. } | PhaseEnd::LoadFailed { .. } => return ExitCode::NO_CAPTURE,
        PhaseEnd::TargetEnded { .. } | PhaseEnd::Interrupted { .. } if program != 0 => {
            return ExitCode((program & 0xff) as u8);
        }
        PhaseEnd::TargetEnded { .. } | PhaseEnd::Interrupted { .. } => return ExitCode::INCOMPLETE,
        PhaseEnd::Completed => {}
    }
    let crossed = outcome.load.as_ref().is_some_and(|load| !load.crossed.is_empty());
    if crossed || judged.is_some_and(Judged::leaks) {
        return ExitCode::BAD_NEWS;
    }
    match judged {
        Some(judged) if !judged.is_undecided() => ExitCode::FINE,
        _ => ExitCode::INCOMPLETE,
    }
}

impl Conclusion {
    /// For people.
    pub(crate) fn write(&self, run: &str, out: &mut dyn Write) -> std::io::Result<()> {
        let mut say = |text: &str| writeln!(out, "brimline: {}", plain(text));
        if self.outcome.end != PhaseEnd::Completed {
            say(&format!("the workload did not come to its end: {}", self.outcome.end))?;
        }
        if let Some(load) = &self.outcome.load {
            self.write_load(load, &mut say)?;
        }
        if let Some(reason) = &self.outcome.not_judged {
            say(&format!("not judged: {reason}"))?;
        }
        let Some(judged) = &self.judged else { return Ok(()) };
        let sites = judged.sites();
        if let (Some(site), false) = (sites.first(), judged.headlines().iter().any(|one| judged.is_leak(one))) {
            let words = site.verdict.name().replace('_', " ");
            say(&format!("verdict: {words} at {}, {:.0} % sure", site.subject, site.confidence * 100.0))?;
        }
        for headline in judged.headlines().into_iter().filter(|one| sites.is_empty() || judged.is_leak(one)) {
            let subject = if headline.subject.is_empty() { String::new() } else { format!(" ({})", headline.subject) };
            if judged.is_spread(headline) {
                let growth = amount(headline.growth.unwrap_or(0.0), Unit::Bytes);
                say(&format!(
                    "verdict{subject}: undecided. `{}` grew by {growth} over the run, but no place in it keeps growing: a program that still settles looks like that; a longer --warm-up or --duration would tell",
                    headline.metric
                ))?;
                continue;
            }
            if headline.verdict.is_leak() && !judged.is_leak(headline) {
                let growth = amount(headline.growth.unwrap_or(0.0), Unit::Bytes);
                let least = amount(judged.least(), Unit::Bytes);
                say(&format!(
                    "verdict{subject}: no leak shown. `{}` grew by {growth} over the run, and less than {least} is not told from what a runtime keeps for itself; a longer load would tell",
                    headline.metric
                ))?;
                continue;
            }
            let words = headline.verdict.name().replace('_', " ");
            say(&format!(
                "verdict{subject}: {words}, {:.0} % sure. {}",
                headline.confidence * 100.0,
                headline.explanation
            ))?;
            if let Some(needs) = &headline.needs {
                say(&format!("to be surer: {needs}"))?;
            }
        }
        if sites.is_empty() && judged.leaks() {
            for site in judged.suspects().into_iter().take(TOP) {
                let growth = amount(site.growth.unwrap_or(0.0), Unit::Bytes);
                say(&format!("grew most: {}  +{growth} (not beyond doubt for this site alone)", site.subject))?;
            }
        }
        for site in sites.into_iter().take(TOP) {
            let slope = site.slope.per_request.or(site.slope.per_iteration).or(site.slope.per_second);
            let slope =
                slope.map_or_else(String::new, |slope| format!(", {}/{}", amount(slope, Unit::Bytes), site.slope.per));
            let share =
                site.growth_share.map_or_else(String::new, |share| format!(", {:.0} % of the growth", share * 100.0));
            let growth = amount(site.growth.unwrap_or(0.0), Unit::Bytes);
            say(&format!("grows: {}  +{growth}{slope}{share}", site.subject))?;
        }
        say(&format!("next: brimline trend {run} · brimline diff {run}@baseline {run}"))
    }

    fn write_load(&self, load: &LoadResult, say: &mut dyn FnMut(&str) -> std::io::Result<()>) -> std::io::Result<()> {
        let mut facts = vec![format!("{} {} in {:.1} s", count(load.requests as i64), self.unit, load.seconds)];
        facts.push(match (load.offered_rate, load.offered) {
            (Some(rate), Some(offered)) if offered > 0 => format!(
                "{:.1}/s of {rate:.1}/s offered ({:.1} %)",
                load.achieved_rate,
                100.0 * load.requests as f64 / offered as f64
            ),
            _ => format!("{:.1}/s", load.achieved_rate),
        });
        facts.push(format!("{} failed", count(load.errors as i64)));
        if let Some(latency) = &load.latency_ms {
            facts.push(format!(
                "ms p50 {:.1} p95 {:.1} p99 {:.1} max {:.1}",
                latency.p50, latency.p95, latency.p99, latency.max
            ));
        }
        say(&format!("load: {}", facts.join(" · ")))?;
        let several = load.by_name.len() > 1;
        for row in load.by_name.iter().take(if several { TOP } else { 0 }) {
            let p95 = row.latency_ms.map_or_else(String::new, |latency| format!(", p95 {:.1} ms", latency.p95));
            let failed = if row.errors > 0 { format!(", {} failed", row.errors) } else { String::new() };
            say(&format!("  {:>8}  {}{failed}{p95}", count(row.requests as i64), clip(&row.name, 60)))?;
        }
        for (failure, number) in load.failures.iter().take(TOP) {
            say(&format!("  failed {} times: {}", count(*number as i64), clip(failure, 100)))?;
        }
        for text in load.crossed.iter().chain(&load.notes) {
            say(text)?;
        }
        Ok(())
    }

    /// The summary of a run that holds no allocations.
    pub(crate) fn without_allocations(&self, folder: &RunFolder, code: i32, problems: &[String]) -> Value {
        json!({
            "schema": "brimline.run/1", "run": folder.id().as_str(), "folder": folder.path().display().to_string(),
            "exit_code": code, "totals": null, "rows": [], "problems": problems, "workload": self.to_json(),
        })
    }

    /// For programs: the value of the key `workload`.
    pub(crate) fn to_json(&self) -> Value {
        let verdicts = self.judged.as_ref().map(|judged| {
            let row = |one: &brimline_analysis::trend::VerdictReport| {
                json!({
                    "metric": one.metric, "subject": one.subject, "verdict": one.verdict.name(), "signal": one.signal,
                    "confidence": one.confidence, "growth": one.growth, "growth_share": one.growth_share,
                    "slope": one.slope, "needs": one.needs, "is_leak": judged.is_leak(one),
                })
            };
            let of_sites = |sites: Vec<&brimline_analysis::trend::VerdictReport>| -> Vec<Value> {
                let with_place = |one: &brimline_analysis::trend::VerdictReport| {
                    let mut value = row(one);
                    if let (Some(object), Some(site)) = (value.as_object_mut(), judged.input.sites.get(&one.subject)) {
                        object.extend(site.to_json());
                    }
                    value
                };
                sites.into_iter().map(with_place).collect()
            };
            let suspects = if judged.leaks() && judged.sites().is_empty() { judged.suspects() } else { Vec::new() };
            json!({
                "verdicts": judged.headlines().into_iter().map(row).collect::<Vec<_>>(),
                "sites": of_sites(judged.sites()), "suspects": of_sites(suspects),
            })
        });
        json!({ "outcome": self.outcome, "judged": verdicts, "exit_code": self.code.0 })
    }
}
