//! Snapshots of a running program, also while it blocks in C, and the growth between two of them.
use std::process::Stdio;

use serde_json::Value;

use crate::python::{any_python, pythons};
use crate::session::{Session, ended, wait_for};

/// Grows, waits for a line, grows, waits again; waiting blocks in C with the GIL released.
const STEPS: &str = r#"
import sys
kept = []
def grow(count):
    for number in range(count):
        kept.append(bytes(10_000))
def cycle():
    node = []
    node.append((node, bytes(500_000)))
grow(100)
cycle()
print("first", flush=True)
sys.stdin.readline()
grow(50)
print("second", flush=True)
sys.stdin.readline()
"#;

#[test]
fn snapshots_are_taken_while_the_program_blocks_and_compared() {
    use std::io::{BufRead as _, BufReader, Write as _};
    for python in pythons() {
        let session = Session::new();
        let script = session.write("steps.py", STEPS);
        let mut run = session.run([&python.bare, &script]);
        let mut child = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut input = child.stdin.take().unwrap();
        for name in ["first", "second"] {
            assert_eq!(lines.next().unwrap().unwrap(), name);
            ended(&mut session.brimline(["snapshot", "--name", name])).expect_code(0);
            input.write_all(b"\n").unwrap();
        }
        drop(input);
        assert_eq!(child.wait().unwrap().code(), Some(0));

        let first = session.report_of(&["latest@first"]).line_with("steps.py", STEPS, "kept.append(bytes(10_000))");
        assert!((100..=102).contains(&first.live_count), "{first:?}");
        let cycle = session.report_of(&["latest@first"]).line_with("steps.py", STEPS, "node.append((node");
        assert_eq!(cycle.live_bytes, 0, "garbage is collected before a snapshot");
        let diff = ended(&mut session.brimline(["diff", "latest@first", "latest@second", "--json"])).expect_code(0);
        let diff: Value = serde_json::from_str(&diff.stdout).unwrap();
        assert_eq!(diff["schema"], "brimline.diff/1");
        let top = &diff["rows"][0];
        assert!(top["file"].as_str().unwrap().ends_with("steps.py"), "{top:#}");
        assert_eq!((&top["state"], top["delta_count"].as_i64().unwrap()), (&Value::from("grown"), 50), "{top:#}");
        let bytes = top["delta_bytes"].as_i64().unwrap();
        assert!((50 * 10_033..50 * 10_033 + 2000).contains(&bytes), "{top:#}");
        assert_eq!(bytes, top["after_bytes"].as_i64().unwrap() - top["before_bytes"].as_i64().unwrap());
    }
}

#[test]
fn a_run_compared_with_itself_has_not_grown() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    session.record(&python.bare, "kept = [str(n) for n in range(1000)]\n");
    let diff = ended(&mut session.brimline(["diff", "latest", "latest", "--json"])).expect_code(0);
    let diff: Value = serde_json::from_str(&diff.stdout).unwrap();
    assert!(diff["rows"].as_array().unwrap().is_empty(), "{diff:#}");
}

#[test]
fn a_running_program_can_be_reported() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let script = session.write("steps.py", STEPS);
    let mut run = session.run([&python.bare, &script]);
    let mut child = run.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the line to hold its memory", || {
        let answer = ended(&mut session.brimline(["report", "--json"]));
        // A hundred blocks of 10,033 bytes and the list that holds them, of this version's size.
        let line = answer.stdout.lines().find(|line| line.contains("steps.py") && line.contains("grow"));
        line.filter(|line| line.contains("\"live_bytes\":1003") || line.contains("\"live_bytes\":1004")).map(|_| ())
    });
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
