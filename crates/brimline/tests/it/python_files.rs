//! Files of tracemalloc and memray: the same numbers as their own tools have.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::python::{Python, any_python, old_memrays, pythons, skip};
use crate::session::{Session, ended};

const SNAPSHOTS: &str = include_str!("programs/tracemalloc_snapshots.py");
const ORACLE: &str = include_str!("programs/memray_oracle.py");
const WORK: &str = include_str!("programs/memray_work.py");

/// Frames of a row and its numbers, sorted: orders of equal rows differ.
type Rows = BTreeMap<String, Vec<i64>>;

fn number(row: &Value, key: &str) -> i64 {
    row[key].as_i64().unwrap_or_else(|| panic!("`{key}` is no integer in {row}"))
}

/// Rows of an answer of tracemalloc.
fn expected(rows: &Value, keys: &[&str]) -> Rows {
    let name = |row: &Value| {
        let frames = row["frames"].as_array().unwrap();
        let frame = |frame: &Value| format!("{}:{}", frame[0].as_str().unwrap(), frame[1]);
        frames.iter().map(frame).collect::<Vec<_>>().join(";")
    };
    rows.as_array().unwrap().iter().map(|row| (name(row), keys.iter().map(|key| number(row, key)).collect())).collect()
}

/// Rows of an answer of brimline.
fn found(answer: &Value, by: &str, keys: &[&str]) -> Rows {
    let name = |row: &Value| match by {
        "stack" => {
            let frame = |frame: &Value| format!("{}:{}", frame["file"].as_str().unwrap(), frame["line"]);
            row["frames"].as_array().unwrap().iter().map(frame).collect::<Vec<_>>().join(";")
        }
        "file" => format!("{}:0", row["file"].as_str().unwrap()),
        _ => format!("{}:{}", row["file"].as_str().unwrap(), row["line"]),
    };
    let rows = answer["rows"].as_array().unwrap();
    rows.iter().map(|row| (name(row), keys.iter().map(|key| number(row, key)).collect())).collect()
}

#[test]
fn snapshots_of_every_version_equal_its_own_answers() {
    let filters: [(&str, &[&str]); 6] = [
        ("none", &[]),
        ("include", &["--include", "*alpha.py", "--match-frames", "innermost"]),
        ("exclude", &["--exclude", "*alpha.py", "--match-frames", "innermost"]),
        ("include_any", &["--include", "*beta.py", "--match-frames", "any"]),
        ("exclude_any", &["--exclude", "*beta.py", "--match-frames", "any"]),
        ("line", &["--include", "*alpha.py:2", "--match-frames", "innermost"]),
    ];
    for python in pythons() {
        for frames in ["1", "6", "100"] {
            let session = Session::new();
            let script = session.write("snapshots.py", SNAPSHOTS);
            let folder = session.work();
            let mut program = session.plain(&python.bare, [script.as_path(), &folder, Path::new(frames)]);
            ended(&mut program).expect_code(0);
            let answers = std::fs::read_to_string(folder.join("answers.json")).unwrap();
            let answers: Value = serde_json::from_str(&answers).unwrap();
            let mut compared = 0;
            for (filter, options) in filters {
                for (key, by) in [("lineno", "line"), ("filename", "file"), ("traceback", "stack")] {
                    for mode in ["own", "cumulative"] {
                        let own = &answers[format!("{filter} {key} {mode}")];
                        if own.is_null() {
                            continue;
                        }
                        let ask = |words: &[&str]| {
                            let mut command = session.brimline(words);
                            command.args(["--json", "--by", by]).args(options);
                            command.args((mode == "cumulative").then_some("--cumulative"));
                            serde_json::from_str::<Value>(&ended(&mut command).expect_code(0).stdout).unwrap()
                        };
                        let context = format!("{}, {frames} frames, {filter} {by} {mode}", python.bare.display());
                        let report = ask(&["report", "after.pickle"]);
                        let rows = found(&report, by, &["live_bytes", "live_count"]);
                        assert_eq!(rows, expected(&own["statistics"], &["size", "count"]), "{context}");
                        // compare_to also lists what did not change.
                        let keys = ["size", "size_diff", "count", "count_diff"];
                        let mut differences = expected(&own["compare"], &keys);
                        differences.retain(|_, row| row[1] != 0 || row[3] != 0);
                        let diff = ask(&["diff", "before.pickle", "after.pickle", "--all"]);
                        let keys = ["after_bytes", "delta_bytes", "after_count", "delta_count"];
                        assert_eq!(found(&diff, by, &keys), differences, "{context}");
                        compared += usize::from(!differences.is_empty());
                    }
                }
            }
            assert!(compared > 10, "only {compared} comparisons had rows");
            let mut filtered = session.brimline(["report", "filtered.pickle", "--json"]);
            ended(&mut filtered).expect_code(0);
        }
    }
}

#[test]
fn snapshots_become_runs_and_hostile_pickles_are_refused_unrun() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let script = session.write(
        "hostile.py",
        "import os, pickle, tracemalloc\n\
         class Evil:\n    def __reduce__(self):\n        return os.system, ('touch ran',)\n\
         open('evil.pickle', 'wb').write(pickle.dumps(Evil()))\n\
         tracemalloc.start()\nkept = [bytes(1000) for _ in range(10)]\n\
         snapshot = tracemalloc.take_snapshot()\nsnapshot.dump('good.pickle')\n\
         snapshot.traces._traces = [Evil()]\nsnapshot.dump('inside.pickle')\n\
         open('other.pickle', 'wb').write(pickle.dumps({'a': [1, 2]}))\n",
    );
    ended(&mut session.plain(&python.bare, [script])).expect_code(0);
    for name in ["evil.pickle", "inside.pickle", "other.pickle"] {
        for command in ["report", "import"] {
            let refused = ended(&mut session.brimline([command, name])).expect_code(2);
            assert!(refused.stderr.contains("snapshot of tracemalloc") && refused.stderr.contains("hint:"));
        }
    }
    assert!(!session.work().join("ran").exists(), "a pickle was executed");
    ended(&mut session.brimline(["import", "good.pickle", "--name", "before"])).expect_code(0);
    let report = ended(&mut session.brimline(["report", "before"])).expect_code(0);
    assert!(report.stdout.contains("hostile.py:7"), "{}", report.stdout);
    let peak = ended(&mut session.brimline(["report", "before", "--metric", "peak"])).expect_code(2);
    assert!(peak.stderr.contains("found live, count"), "{}", peak.stderr);
}

/// What memray says, or brimline: totals, peak, and by stack the bytes and blocks of `high` and `leak`.
#[derive(Debug, Default, PartialEq)]
struct Capture {
    total: Option<(i64, i64)>,
    peak: i64,
    high: BTreeMap<String, i64>,
    leaks: BTreeMap<String, (i64, i64)>,
}

fn of_memray(session: &Session, python: &Path, file: &str) -> Capture {
    let oracle = session.write("oracle.py", ORACLE);
    let answer = ended(&mut session.plain(python, [oracle.as_path(), Path::new(file)])).expect_code(0);
    let mut capture = Capture::default();
    for line in answer.stdout.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let number = |index: usize| fields[index].parse::<i64>().unwrap();
        match fields[0] {
            "total" => capture.total = Some((number(1), number(2))),
            "peak" => capture.peak = number(1),
            "high" => *capture.high.entry(fields[3].to_owned()).or_default() += number(1),
            _ => {
                let sum = capture.leaks.entry(fields[3].to_owned()).or_default();
                *sum = (sum.0 + number(1), sum.1 + number(2));
            }
        }
    }
    capture.high.retain(|_, bytes| *bytes != 0);
    capture
}

fn of_brimline(session: &Session, file: &str) -> Capture {
    let answer = ended(&mut session.brimline(["report", file, "--by", "stack", "--json"])).expect_code(0);
    let answer: Value = serde_json::from_str(&answer.stdout).unwrap();
    let total = answer["totals"]["total_bytes"].as_i64().map(|bytes| (bytes, number(&answer["totals"], "total_count")));
    let mut capture = Capture { total, peak: number(&answer["totals"], "peak_bytes"), ..Capture::default() };
    for row in answer["rows"].as_array().unwrap() {
        let frame = |frame: &Value| {
            let text = |key: &str| frame[key].as_str().unwrap_or_default();
            format!("{}|{}|{}", text("function"), text("file"), frame["line"].as_i64().unwrap_or(0))
        };
        let stack = row["frames"].as_array().unwrap().iter().map(frame).collect::<Vec<_>>().join(";");
        *capture.high.entry(stack.clone()).or_default() += number(row, "peak_bytes");
        let sum = capture.leaks.entry(stack).or_default();
        *sum = (sum.0 + number(row, "live_bytes"), sum.1 + number(row, "live_count"));
    }
    capture.high.retain(|_, bytes| *bytes != 0);
    capture.leaks.retain(|_, sum| *sum != (0, 0));
    capture
}

#[test]
fn captures_of_every_format_equal_memrays_own_answers() {
    let mut interpreters: Vec<PathBuf> = pythons().iter().map(Python::in_venv).collect();
    interpreters.extend(old_memrays().into_iter().map(|venv| venv.join("bin/python")));
    for python in interpreters {
        let session = Session::new();
        let script = session.write("work.py", WORK);
        for options in [
            &[][..],
            &["--trace-python-allocators"],
            &["--aggregate"],
            &["--aggregate", "--trace-python-allocators"],
            &["--native"],
        ] {
            let mut run = session.plain(&python, ["-m", "memray", "run", "-q", "-f", "-o", "work.bin"]);
            ended(run.args(options).arg(&script)).expect_code(0);
            let (mut expected, mut found) =
                (of_memray(&session, &python, "work.bin"), of_brimline(&session, "work.bin"));
            if options.contains(&"--aggregate") {
                // memray counts one block for each of its rows that meet in a stack; the file has the sums.
                for sum in expected.leaks.values_mut().chain(found.leaks.values_mut()) {
                    sum.1 = 0;
                }
            }
            assert!(expected.leaks.len() > 20 && expected.peak > 20 << 20);
            assert_eq!(found, expected, "{} {options:?}", python.display());
        }
    }
}

#[test]
fn a_capture_that_was_cut_tells_what_it_has() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let script =
        session.write("work.py", &format!("{WORK}\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"));
    let mut run = session.plain(python.in_venv(), ["-m", "memray", "run", "-q", "-o", "killed.bin"]);
    assert_eq!(ended(run.arg(script)).code(), None);
    let answer = ended(&mut session.brimline(["report", "killed.bin", "--metric", "peak"])).expect_code(3);
    assert!(answer.stderr.contains("no end mark"), "{}", answer.stderr);
    assert!(answer.stdout.contains("work.py:"), "{}", answer.stdout);
    let whole = std::fs::read(session.work().join("killed.bin")).unwrap();
    for length in (0..2000).step_by(37) {
        std::fs::write(session.work().join("cut.bin"), &whole[..length]).unwrap();
        let ended = ended(&mut session.brimline(["report", "cut.bin"]));
        assert!(matches!(ended.code(), Some(2 | 3)), "{length}: {:?} {}", ended.code(), ended.stderr);
    }
}

#[test]
fn numbers_that_a_file_lacks_are_refused() {
    let Some(python) = any_python() else { return skip("no interpreter") };
    let session = Session::new();
    let script = session.write("work.py", "kept = [bytearray(1 << 20) for _ in range(3)]\n");
    let mut run = session.plain(python.in_venv(), ["-m", "memray", "run", "-q", "--aggregate", "-o", "work.bin"]);
    ended(run.arg(script)).expect_code(0);
    let refused = ended(&mut session.brimline(["report", "work.bin", "--metric", "total"])).expect_code(2);
    assert!(refused.stderr.contains("hint: --metric live"), "{}", refused.stderr);
    ended(&mut session.brimline(["import", "work.bin", "--name", "capture"])).expect_code(0);
    let report = ended(&mut session.brimline(["report", "capture", "--metric", "peak"])).expect_code(0);
    assert!(report.stdout.contains("memray capture") && report.stdout.contains("work.py:1"), "{}", report.stdout);
}

#[test]
fn a_program_that_uses_tracemalloc_sees_the_same_figures() {
    let script = "import tracemalloc\n\
                  tracemalloc.start(3)\n\
                  def grow(n):\n    return [bytes(1000 + i) for i in range(n)]\n\
                  kept = grow(100)\nbefore = tracemalloc.take_snapshot()\nkept += grow(50)\n\
                  after = tracemalloc.take_snapshot()\n\
                  for stat in after.compare_to(before, 'traceback'):\n\
                  \x20   if stat.traceback[-1].filename == __file__ and stat.size_diff:\n\
                  \x20       print([f.lineno for f in stat.traceback], stat.size, stat.size_diff, stat.count_diff)\n";
    for python in pythons() {
        let session = Session::new();
        let path = session.write("own.py", script);
        let plain = ended(&mut session.plain(&python.bare, [&path])).expect_code(0);
        let tracked = ended(&mut session.run([&python.bare, &path])).expect_code(0);
        assert!(plain.stdout.lines().count() >= 1, "{}", plain.stdout);
        assert_eq!(tracked.stdout, plain.stdout, "{}", python.bare.display());
    }
}
