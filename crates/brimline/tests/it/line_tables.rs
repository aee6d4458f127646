//! `@profile`: the tables of `memory_profiler`, with that installed or not, imported or injected.
use std::ffi::OsStr;
use std::path::Path;

use crate::python::{Python, pythons, tools_venv};
use crate::session::{Session, ended};

const TEN: &str = include_str!("programs/profile_ten.py");

/// A row that ran: line, MiB held, MiB more, times.
#[derive(Debug, PartialEq)]
struct Row {
    line: u32,
    held: f64,
    increment: f64,
    occurrences: u64,
    text: String,
}

/// The tables in a program's output, by their first line.
fn tables(output: &str) -> Vec<Vec<Row>> {
    const HEAD: &str = "Line #    Mem usage    Increment  Occurrences   Line Contents";
    let mut tables = Vec::new();
    for part in output.split("Filename: ").skip(1) {
        assert!(part.lines().nth(2).is_some_and(|line| line == HEAD), "{part}");
        let mut rows = Vec::new();
        for line in part.lines().skip(4).take_while(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [number, held, "MiB", increment, "MiB", occurrences, ..] = words[..] {
                rows.push(Row {
                    line: number.parse().unwrap(),
                    held: held.parse().unwrap(),
                    increment: increment.parse().unwrap(),
                    occurrences: occurrences.parse().unwrap(),
                    text: line.chars().skip(48).collect::<String>().trim_end().to_owned(),
                });
            }
        }
        tables.push(rows);
    }
    tables.sort_by_key(|rows| rows.first().map(|row| row.line));
    tables
}

/// Has large blocks mapped and unmapped, so that resident memory falls when they are freed.
const MAPPED: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "65536");

fn run<I: IntoIterator<Item: AsRef<OsStr>>>(session: &Session, options: &[&str], command: I) -> Vec<Vec<Row>> {
    let mut all = session.brimline(["run", "-q"]);
    all.env(MAPPED.0, MAPPED.1);
    all.args(options).arg("--").args(command);
    tables(&ended(&mut all).expect_code(0).stdout)
}

/// Same lines, texts and occurrences; amounts within `slack` MiB where `compares` says so.
#[track_caller]
fn assert_equal(found: &[Vec<Row>], expected: &[Vec<Row>], slack: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let shape =
            |rows: &[Row]| rows.iter().map(|row| (row.line, row.occurrences, row.text.clone())).collect::<Vec<_>>();
        assert_eq!(shape(found), shape(expected), "{what}");
        for (row, other) in found.iter().zip(expected).skip(1) {
            let differs = (row.increment - other.increment).abs();
            assert!(differs <= slack, "{what}: {row:?}, expected {other:?}");
        }
    }
}

#[test]
fn ten_functions_equal_memory_profilers_tables() {
    let Some(tools) = tools_venv() else { return };
    let python = tools.join("bin/python");
    let session = Session::new();
    let script = session.write("ten.py", TEN);
    for mode in ["imported", "injected"] {
        let mut plain = session.plain(&python, ["-m", "memory_profiler"]);
        if mode == "imported" {
            plain = session.plain(&python, [] as [&str; 0]);
        }
        let expected = tables(&ended(plain.arg(&script).arg(mode).env(MAPPED.0, MAPPED.1)).expect_code(0).stdout);
        assert_eq!(expected.len(), 10);
        let command = [python.as_os_str(), script.as_os_str(), OsStr::new(mode)];
        let resident = run(&session, &["--rss"], command);
        // memory_profiler's increments start at the most that a line ever held: in loops and behind other
        // functions' lines they differ (docs/python-compat.md).
        let straight = |tables: Vec<Vec<Row>>| -> Vec<Vec<Row>> {
            tables.into_iter().filter(|rows| rows.iter().all(|row| row.occurrences == 1)).collect()
        };
        let tracked = run(&session, &[], command);
        for (found, what) in [(&resident, "resident"), (&tracked, "tracked")] {
            assert_equal(found, &expected, f64::INFINITY, &format!("{mode} {what}"));
        }
        if mode == "imported" {
            let expected = straight(expected);
            assert!(expected.len() >= 5, "{}", expected.len());
            assert_equal(&straight(resident), &expected, 2.0, "resident");
            assert_equal(&straight(tracked), &expected, 2.0, "tracked");
        }
    }
}

/// Runs under every interpreter, most of which have no `memory_profiler`.
#[test]
fn tables_hold_on_every_version() {
    for python in pythons() {
        let session = Session::new();
        let script = session.write("ten.py", TEN);
        let mut first: Option<Vec<Vec<Row>>> = None;
        for mode in ["imported", "injected"] {
            let tables = run(&session, &[], [python.bare.as_os_str(), script.as_os_str(), OsStr::new(mode)]);
            let what = format!("{} {mode}", python.bare.display());
            assert_eq!(tables.len(), 10, "{what}");
            let line = |text: &str| {
                let rows = tables.iter().flatten();
                rows.filter(|row| row.text.trim() == text)
                    .map(|row| (row.increment, row.occurrences))
                    .collect::<Vec<_>>()
            };
            let near = |text: &str, increment: f64, occurrences: u64| {
                let found = line(text);
                assert!(
                    found.len() == 1 && (found[0].0 - increment).abs() <= 0.2 && found[0].1 == occurrences,
                    "{what}: {text}: {found:?}"
                );
            };
            near("first = bytearray(24 * MIB)", 24.0, 1);
            near("del first", -24.0, 1);
            near("kept.append(bytearray(8 * MIB))", 40.0, 5);
            near("kept.append(bytearray(10 * MIB))", 50.0, 5);
            near("count += 1", 0.0, 5);
            near("value = helper()", 48.0, 1);
            near("self.value = None", -44.0, 1);
            near("raise ValueError", 0.0, 1);
            // What a line gains and loses sums up to what is held at the end.
            for rows in &tables {
                let sum: f64 = rows.iter().map(|row| row.increment).sum();
                let last = rows.last().expect("rows").held;
                assert!(sum <= last + 0.2, "{what}: {rows:?}");
            }
            if let Some(first) = &first {
                assert_equal(&tables, first, 0.2, &what);
            }
            first = Some(tables);
        }
    }
}

#[test]
fn generators_coroutines_threads_and_errors_have_tables() {
    let script = "import asyncio, sys, threading
MIB = 1 << 20

@profile
def counted(times):
    for index in range(times):
        held = bytearray(4 * MIB)
        yield index

@profile
async def waiting():
    held = bytearray(6 * MIB)
    await asyncio.sleep(0)
    return len(held)

@profile
def recursive(depth):
    held = bytearray(2 * MIB)
    return recursive(depth - 1) if depth else 0

@profile
def failing():
    held = bytearray(8 * MIB)
    raise ValueError

class Kinds:
    @staticmethod
    @profile
    def of_static():
        return bytearray(3 * MIB)

    @classmethod
    @profile
    def of_class(cls):
        return bytearray(5 * MIB)

@profile
def in_thread():
    return bytearray(7 * MIB)

def silent(frame, event, argument):
    return None

def main():
    assert list(counted(3)) == [0, 1, 2]
    assert asyncio.run(waiting()) == 6 * MIB
    recursive(4)
    try:
        failing()
    except ValueError:
        pass
    kept = [Kinds.of_static(), Kinds().of_class()]
    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    sys.settrace(silent)
    in_thread()
    assert sys.gettrace() is silent
    sys.settrace(None)

main()
";
    for python in pythons() {
        let session = Session::new();
        let path = session.write("kinds.py", script);
        let tables = run(&session, &[], [&python.bare, &path]);
        let occurrences = |text: &str| -> Vec<u64> {
            tables.iter().flatten().filter(|row| row.text.trim() == text).map(|row| row.occurrences).collect()
        };
        let what = format!("{} {tables:#?}", python.bare.display());
        assert_eq!(occurrences("held = bytearray(4 * MIB)"), [3], "{what}");
        assert_eq!(occurrences("held = bytearray(6 * MIB)"), [1], "{what}");
        assert_eq!(occurrences("held = bytearray(2 * MIB)"), [5], "{what}");
        assert_eq!(occurrences("raise ValueError"), [1], "{what}");
        assert_eq!(occurrences("return bytearray(3 * MIB)"), [1], "{what}");
        assert_eq!(occurrences("return bytearray(5 * MIB)"), [1], "{what}");
        assert_eq!(occurrences("return bytearray(7 * MIB)"), [2], "{what}");
    }
}

/// `python -m brimline`, with the package beside this repository's sources.
fn module(session: &Session, python: &Python, arguments: &[&str]) -> crate::session::Ended {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python");
    let mut command = session.plain(&python.bare, ["-m", "brimline"]);
    command.args(arguments).env("PYTHONPATH", package).env("BRIMLINE_BINARY", env!("CARGO_BIN_EXE_brimline"));
    ended(command.env("BRIMLINE_STORE", session.store()))
}

#[test]
fn the_module_runs_scripts_and_commands() {
    for python in pythons() {
        let session = Session::new();
        session.write("ten.py", TEN);
        let ended = module(&session, &python, &["--precision", "3", "ten.py", "injected"]).expect_code(0);
        let found = tables(&ended.stdout);
        assert_eq!(found.len(), 10);
        assert!(ended.stdout.contains(" 24.000 MiB"), "{}", ended.stdout);
        let ended =
            module(&session, &python, &["--rss", "--table-output", "t.txt", "ten.py", "injected"]).expect_code(0);
        assert!(ended.stdout.is_empty());
        let written = std::fs::read_to_string(session.work().join("t.txt")).unwrap();
        assert_eq!(tables(&written).len(), 10);
        let report = module(&session, &python, &["report", "--metric", "peak"]).expect_code(0);
        assert!(report.stdout.contains("ten.py:"), "{}", report.stdout);
        session.write("exit.py", "import sys; sys.exit(7)");
        module(&session, &python, &["exit.py"]).expect_code(7);
    }
}

/// Programs without a decorator see nothing of all this.
#[test]
fn nothing_is_injected_where_nothing_is_decorated() {
    for python in pythons() {
        let session = Session::new();
        let script = "import builtins, sys\nassert not hasattr(builtins, 'profile')\n\
                      assert 'ctypes' not in sys.modules and 'brimline' not in sys.modules\n\
                      assert all(f.__module__ != 'brimline.inject' for f in sys.meta_path)\n";
        session.record(&python.bare, script);
    }
}
