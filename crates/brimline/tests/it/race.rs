//! No block is lost when an address changes hands between threads during `realloc`.
use crate::python::{any_python, shared_library, soaking};
use crate::session::Session;

const THREADS: i64 = 4;
const KEEP: i64 = 10_000;

const PYTHON_THREADS: &str = r#"
import ctypes, sys, threading
library = ctypes.CDLL("./librace.so")
library.one_arena()
churn = library.churn
def work():
    churn(10000)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"#;

const NATIVE_THREADS: &str = r#"
import ctypes
library = ctypes.CDLL("./librace.so")
library.one_arena()
library.churn_native(4, 10000)
"#;

#[test]
fn soak_realloc_race_loses_no_block_of_python_threads() {
    let Some(python) = any_python() else { return };
    for _ in 0..if soaking() { 20 } else { 10 } {
        let session = Session::new();
        shared_library(&session.work(), "race", include_str!("programs/race.c"));
        session.record(&python.bare, PYTHON_THREADS);
        let line = session.report().line_with("script.py", PYTHON_THREADS, "churn(10000)");
        // Each thread's blocks and the array that holds them; nothing else stays on this line.
        assert_eq!((line.live_count, line.live_bytes), (THREADS * (KEEP + 1), THREADS * KEEP * (96 + 8)), "{line:?}");
    }
}

#[test]
fn soak_realloc_race_loses_no_block_of_native_threads() {
    let Some(python) = any_python() else { return };
    for _ in 0..if soaking() { 20 } else { 10 } {
        let session = Session::new();
        shared_library(&session.work(), "race", include_str!("programs/race.c"));
        session.record(&python.bare, NATIVE_THREADS);
        let report = session.report_of(&["--by", "thread"]);
        let exact = report.rows().filter(|row| row["live_count"] == KEEP + 1 && row["live_bytes"] == KEEP * (96 + 8));
        let sum: i64 = report.rows().filter_map(|row| row["live_count"].as_i64()).sum();
        assert!(
            exact.count() == 4 || sum >= THREADS * (KEEP + 1),
            "blocks are missing: {}",
            serde_json::to_string_pretty(&report.json["rows"]).unwrap()
        );
    }
}
