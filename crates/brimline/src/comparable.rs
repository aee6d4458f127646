//! Whether a run may be set against a baseline: the same program under the same load, recorded alike.

use std::path::Path;

use brimline_store::{Resolved, RunRecord, RunState};
use serde_json::Value;

use crate::refusal::usage;
use crate::stores::open;

/// Refuses a comparison with a baseline that would say more about the circumstances than about the program. Runs given
/// by id or name are compared as the user wishes.
pub(crate) fn check(before: &str, after: &str, store: Option<&Path>) -> anyhow::Result<()> {
    let store = open(store);
    let find = |text: &str| match store.resolve(text) {
        Ok(Resolved::Run(run)) => Some(*run),
        // What cannot be resolved is told by the command itself.
        _ => None,
    };
    let is_baseline = |record: &RunRecord, text: &str| {
        let name = text.split('@').next().unwrap_or(text);
        let has_name = record.name.as_ref().is_some_and(|own| own.as_str() == name);
        !has_name && record.baselines.iter().any(|mark| mark.name.as_str() == name)
    };
    let (Some(old), Some(new)) = (find(before), find(after)) else { return Ok(()) };
    let (old_record, new_record) = (&old.entry.record, &new.entry.record);
    if old_record.id == new_record.id || !(is_baseline(old_record, before) || is_baseline(new_record, after)) {
        return Ok(());
    }
    let mut found = obstacles(old_record, new_record);
    for (run, text) in [(&old, before), (&new, after)] {
        if run.entry.state == RunState::Interrupted {
            found.push(format!("`{text}` was interrupted while it was recorded"));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(usage(
        format!("expected runs that can be compared, found `{before}` and `{after}`: {}", found.join("; ")),
        format!("record again alike, or compare by id: {} {}", old_record.id, new_record.id),
    ))
}

/// What differs that should not; commits may, that is what a baseline is for.
fn obstacles(before: &RunRecord, after: &RunRecord) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, a: String, b: String| {
        if a != b {
            found.push(format!("{what}: {a} and {b}"));
        }
    };
    differ("commands differ", before.command.join(" "), after.command.join(" "));
    let versions = |record: &RunRecord| {
        let minors: Vec<String> = record
            .python_versions
            .iter()
            .map(|version| version.split('.').take(2).collect::<Vec<_>>().join("."))
            .collect();
        if minors.is_empty() { "no Python".to_owned() } else { format!("Python {}", minors.join(", ")) }
    };
    differ("interpreters differ", versions(before), versions(after));
    match (&before.workload, &after.workload) {
        (None, None) => {}
        (Some(a), Some(b)) => found.extend(loads_differ(a, b)),
        _ => found.push("only one of them had a workload".to_owned()),
    }
    found
}

/// The drivers' own words, without where their programs lie.
fn loads_differ(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for key in ["driver", "workload", "phases"] {
        let mut sides = [before[key].clone(), after[key].clone()];
        for side in &mut sides {
            if let Some(object) = side.as_object_mut() {
                object.remove("program");
                object.remove("ready");
            }
        }
        let [a, b] = sides;
        if a == b {
            continue;
        }
        let names: Vec<String> = match (a.as_object(), b.as_object()) {
            (Some(a), Some(b)) => a
                .iter()
                .filter(|(name, value)| b.get(*name) != Some(value))
                .map(|(name, _)| format!("`{name}`"))
                .collect(),
            _ => vec![format!("{a} and {b}")],
        };
        found.push(format!("workloads differ in {}", names.join(", ")));
    }
    for (side, name) in [(before, "earlier"), (after, "later")] {
        if let Some(reason) = side["outcome"]["not_judged"].as_str() {
            found.push(format!("the {name} workload was not judged: {reason}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use brimline_store::RunId;
    use serde_json::json;

    use super::*;

    fn record(command: &str, version: &str, workload: Option<Value>) -> RunRecord {
        let words = command.split(' ').map(str::to_owned).collect();
        let mut record = RunRecord::new(RunId::parse("0123abcd").unwrap(), words);
        record.python_versions = vec![version.to_owned()];
        record.workload = workload;
        record
    }

    #[test]
    fn what_is_alike_may_be_compared_and_what_is_not_is_named() {
        let load = |rate: f64, program: &str| {
            Some(
                json!({ "driver": "http", "workload": { "rate": rate, "program": program }, "phases": { "rounds": null }, "outcome": { "not_judged": null } }),
            )
        };
        let main = record("python app.py", "3.11.7", load(50.0, "/a/k6"));
        assert_eq!(obstacles(&main, &record("python app.py", "3.11.9", load(50.0, "/b/k6"))), Vec::<String>::new());
        let told = obstacles(&main, &record("python other.py", "3.12.1", load(60.0, "/a/k6"))).join("; ");
        for expected in [
            "commands differ: python app.py and python other.py",
            "Python 3.11 and Python 3.12",
            "workloads differ in `rate`",
        ] {
            assert!(told.contains(expected), "{told}");
        }
        assert_eq!(obstacles(&main, &record("python app.py", "3.11.7", None)), ["only one of them had a workload"]);
    }
}
