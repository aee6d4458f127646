//! The peak is memray's within 1 % or 64 KiB.
use serde_json::Value;

use crate::python::{Python, pythons};
use crate::session::{Session, ended};

/// Large enough that what memray does not see, the interpreter's own start, is far below one percent.
const OBJECTS: &str = r#"
def build(count):
    return [[n, str(n), {"key": n * 1.5}] for n in range(count)]
first = build(400_000)
del first
second = build(500_000)
del second[1000:]
third = build(200_000)
"#;

const NATIVE: &str = r"
import numpy as np
kept = []
for round in range(30):
    a = np.ones(1_000_000) * round
    b = np.sqrt(a) + a * 2
    kept.append(b[: 100_000 * (round % 5)].copy())
big = np.concatenate([np.ones(30_000_000), np.ones(5_000_000)])
big = None
";

/// Peak by memray, all allocators.
fn oracle(session: &Session, python: &Python, script: &std::path::Path) -> i64 {
    let memray = |arguments: &[&str]| {
        let mut command = session.plain(python.in_venv(), ["-m", "memray"]);
        command.args(arguments);
        command
    };
    ended(memray(&["run", "--trace-python-allocators", "-q", "-o", "memray.bin"]).arg(script)).expect_code(0);
    ended(&mut memray(&["stats", "--json", "-o", "stats.json", "memray.bin"])).expect_code(0);
    let text = std::fs::read_to_string(session.work().join("stats.json")).unwrap();
    let stats: Value = serde_json::from_str(&text).unwrap();
    stats["metadata"]["peak_memory"].as_i64().expect("peak_memory")
}

#[track_caller]
fn compare(python: &Python, script: &str) {
    let session = Session::new();
    ended(&mut session.run([python.in_venv(), session.write("script.py", script)])).expect_code(0);
    let report = session.report_of(&["--metric", "peak"]);
    let expected = oracle(&session, python, &session.work().join("script.py"));
    // memray patches a library after `dlopen` has run its constructors and so misses what those take, 64 MiB of
    // mappings for OpenBLAS. brimline has them: on the import system's line, which is left out here, and without a frame
    // in the threads that a constructor starts, which memray sees or not, as it happens.
    let rows = |wanted: fn(&Value) -> bool| -> i64 {
        report.rows().filter(|row| wanted(row)).filter_map(|row| row["peak_bytes"].as_i64()).sum()
    };
    let seen = report.totals.peak_bytes
        - rows(|row| row["file"] == "<frozen importlib._bootstrap>" && row["function"] == "_call_with_frames_removed");
    let without_threads = seen - rows(|row| row["file"].is_null());
    let difference = (seen - expected).abs().min((without_threads - expected).abs());
    let allowed = (expected / 100).max(64 << 10);
    assert!(
        difference <= allowed,
        "{}: brimline {}, memray {expected}: {difference} apart",
        python.bare.display(),
        report.totals.peak_bytes
    );
    assert_eq!(report.sum().peak_bytes, report.totals.peak_bytes, "rows add up to the peak");
}

#[test]
fn peak_of_objects_equals_memrays() {
    for python in pythons() {
        compare(&python, OBJECTS);
    }
}

#[test]
fn peak_of_native_memory_equals_memrays() {
    for python in pythons() {
        compare(&python, NATIVE);
    }
}
