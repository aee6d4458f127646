//! Many threads at once, threads that come and go, signals at 1 kHz, libraries that come and go, jumps over C frames:
//! no deadlock, no crash, and totals that equal counters in C ±0.
use serde_json::Value;

use crate::answer::{Figures, Report};
use crate::identity::{assert_same, command};
use crate::python::{Python, any_python, pythons, shared_library, soaking};
use crate::session::{Session, ended, ended_within};

const STORM: &str = include_str!("programs/threads_storm.py");
const REGION: &str = include_str!("programs/storm_region.py");
const SECONDS_OF_A_SOAK: u64 = 600;

fn storm_session() -> (Session, Vec<std::path::PathBuf>) {
    let session = Session::new();
    let faults = shared_library(&session.work(), "faults", include_str!("programs/faults.c"));
    shared_library(&session.work(), "plugin", include_str!("programs/faults_plugin.c"));
    let shim = shared_library(&session.work(), "shim", include_str!("programs/counting_shim.c"));
    session.write("storm_region.py", REGION);
    let main = session.write("threads_storm.py", STORM);
    (session, vec![main, faults, shim])
}

/// What the program printed, and the reports of what malloc and what Python's allocators handed out.
fn storm(python: &Python, threads: u32, seconds: u64) -> (Value, Report, Report) {
    let (session, arguments) = storm_session();
    let mut run = session.run([&python.bare]);
    run.args(arguments).arg(threads.to_string()).arg(seconds.to_string());
    let limit = std::time::Duration::from_secs(seconds * 2 + 120);
    let ended = ended_within(&mut run, limit).expect_code(0);
    let numbers = serde_json::from_str(&ended.stdout).unwrap();
    (numbers, session.report_of(&["--kind", "malloc"]), session.report_of(&["--kind", "python"]))
}

/// Blocks and bytes ever allocated, blocks and bytes that live.
fn four(figures: Figures) -> [i64; 4] {
    [figures.total_count, figures.total_bytes, figures.live_count, figures.live_bytes]
}

fn region(report: &Report) -> [i64; 2] {
    let mut sum = report.line_with("threads_storm.py", STORM, "storm_region.region()");
    report.lines("storm_region.py").into_values().for_each(|line| sum.add(line));
    [sum.total_count, sum.total_bytes]
}

fn check_storm(python: &Python, threads: u32, seconds: u64) {
    let (_, _, idle) = storm(python, 0, 0);
    let (numbers, malloc, python_blocks) = storm(python, threads, seconds);
    let list = |key: &str| numbers[key].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect::<Vec<_>>();
    let mut native = malloc.line_with("threads_storm.py", STORM, "        work(2000");
    native.add(malloc.line_with("threads_storm.py", STORM, "library.jump(20)"));
    let name = python.bare.display();
    assert_eq!(four(native).to_vec(), list("native"), "{name}: blocks of malloc");
    let (with, without) = (region(&python_blocks), region(&idle));
    assert_eq!(vec![with[0] - without[0], with[1] - without[1]], list("python"), "{name}: Python's blocks");
    let signals = numbers["signals"].as_i64().unwrap();
    assert!(signals > 100, "{name}: only {signals} signals came");
    eprintln!(
        "soak: {name}: {threads} threads, {seconds} s, {signals} signals, {} blocks of malloc and {} of Python counted, \
         0 missing",
        list("native")[0],
        list("python")[0]
    );
}

#[test]
fn sixty_four_threads_under_signals_equal_counters() {
    for python in pythons() {
        check_storm(&python, 64, 1);
    }
}

#[test]
fn soak_storm_of_threads_and_signals() {
    let Some(python) = any_python() else { return };
    check_storm(&python, 64, if soaking() { SECONDS_OF_A_SOAK } else { 4 });
}

const CHURN: &str = r#"
import sys, threading
kept = []
def short(number):
    kept.append(bytes(1000))
    [str(n) for n in range(20)]
count = int(sys.argv[1])
for first in range(0, count, 20):
    threads = [threading.Thread(target=short, args=(n,), name=f"short-{n}") for n in range(first, first + 20)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print(len(kept))
"#;

#[test]
fn soak_thread_churn_stays_bounded_and_loses_nothing() {
    for python in pythons().into_iter().take(if soaking() { 1 } else { usize::MAX }) {
        let mut sizes = Vec::new();
        let counts = if soaking() { [2_000, 50_000] } else { [400, 4_000] };
        for count in counts {
            let session = Session::new();
            let script = session.write("script.py", CHURN);
            let ended = ended(session.run([&python.bare, &script]).arg(count.to_string())).expect_code(0);
            assert_eq!(ended.stdout, format!("{count}\n"));
            let line = session.report().line_with("script.py", CHURN, "kept.append(bytes(1000))");
            assert!((count..count + 20).contains(&line.live_count), "{count} kept, {line:?}");
            let rows = session.report_of(&["--by", "thread"]).rows().count();
            assert!(rows < 200, "{rows} rows of threads");
            sizes.push(session.recordings().iter().map(|path| path.metadata().unwrap().len()).sum::<u64>());
        }
        assert!(
            sizes[1] < sizes[0] * 3 / 2,
            "{}: recordings of {counts:?} threads: {sizes:?} bytes",
            python.bare.display()
        );
    }
}

const NAMES: &str = r#"
import threading, time
kept = {}
def hold(size):
    kept[size] = [bytes(size) for _ in range(100)]
    time.sleep(0.4)
def brief(size):
    kept[size] = [bytes(size) for _ in range(100)]
for size in (700, 710, 720):
    thread = threading.Thread(target=brief, args=(size,))
    thread.start()
    thread.join()
threads = [threading.Thread(target=hold, args=(size,), name=name) for size, name in ((5000, "loader"), (9000, "søker"))]
for thread in threads: thread.start()
for thread in threads: thread.join()
"#;

#[test]
fn threads_go_by_their_names() {
    for python in pythons() {
        let session = Session::new();
        session.record(&python.bare, NAMES);
        let report = session.report_of(&["--by", "thread", "--kind", "python"]);
        let live = |name: &str| {
            let row = report.rows().find(|row| row["thread"] == name);
            row.and_then(|row| row["live_bytes"].as_i64()).unwrap_or(0)
        };
        let rows: Vec<_> = report.rows().map(|row| (&row["thread"], &row["live_bytes"])).collect();
        for (name, least) in [("loader", 500_000), ("søker", 900_000), ("Thread-N (brief)", 213_000)] {
            let found = live(name);
            assert!((least..least + 60_000).contains(&found), "{}: {name}: {rows:?}", python.bare.display());
        }
    }
}

const DAEMONS: &str = r#"
import ctypes, threading, time
library = ctypes.CDLL("./libfaults.so")
def native():
    while True: library.work(500, 7)
def python():
    while True: [str(n) for n in range(500)]
for target in (native, python) * 4:
    threading.Thread(target=target, daemon=True).start()
time.sleep(0.05)
kept = [bytes(1000) for _ in range(300)]
print("over")
"#;

#[test]
fn daemon_threads_at_shutdown_do_no_harm() {
    for python in pythons() {
        let session = Session::new();
        shared_library(&session.work(), "faults", include_str!("programs/faults.c"));
        let script = session.write("script.py", DAEMONS);
        for _ in 0..if soaking() { 50 } else { 3 } {
            ended(&mut session.run([&python.bare, &script])).expect_code(0);
            let line = session.report().line_with("script.py", DAEMONS, "kept = [bytes(1000)");
            assert!((300..=303).contains(&line.live_count), "{}: {line:?}", python.bare.display());
        }
    }
}

const LATE: &str = r#"
import ctypes, os, threading
library = ctypes.CDLL("./libplugin.so")
def touch(): library.touch()
for _ in range(1000):
    thread = threading.Thread(target=touch)
    thread.start()
    thread.join()
kept = [bytes(1000) for _ in range(500)]
print("over", flush=True)
os._exit(5)
"#;

#[test]
fn what_the_c_library_frees_after_a_thread_is_not_live_and_os_exit_keeps_the_last_state() {
    for python in pythons() {
        let session = Session::new();
        shared_library(&session.work(), "plugin", include_str!("programs/faults_plugin.c"));
        session.write("script.py", LATE);
        let run = assert_same(&session, &command(&python.bare, &["script.py"]), |_| {});
        assert_eq!((run.code(), &*run.stdout), (Some(5), "over\n"));
        let report = session.report_of(&["--kind", "malloc"]);
        // One block of thread-local storage a thread, given back with the thread or when its stack is used again.
        let touch = report.line_with("script.py", LATE, "def touch()");
        assert!(touch.total_count >= 1000 && touch.live_count < 10, "{}: {touch:?}", python.bare.display());
        let line = session.report().line_with("script.py", LATE, "kept = [bytes(1000)");
        assert!((500..=503).contains(&line.live_count), "{}: {line:?}", python.bare.display());
    }
}
