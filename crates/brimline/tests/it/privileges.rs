//! `run` needs no privilege: another user, a filter of system calls, a root file system that cannot be written.
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python::{Python, pythons, skip};
use crate::session::{Session, ended};

const SCRIPT: &str = "kept = [bytes(1000) for _ in range(500)]\nprint('ran')\n";

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
}

/// A program that executes another one under a filter by which the named system calls fail with EPERM.
fn filter(session: &Session) -> PathBuf {
    let (source, program) =
        (session.write("filter.c", include_str!("programs/seccomp_filter.c")), session.work().join("filter"));
    let status = Command::new("cc").args(["-O1", "-o"]).args([&program, &source]).status().expect("a C compiler");
    assert!(status.success());
    program
}

/// The numbers are there, whatever was not allowed.
#[track_caller]
fn recorded(session: &Session, python: &Python) {
    let line = session.report().line_with("script.py", SCRIPT, "kept =");
    assert!((500..=502).contains(&line.live_count), "{}: {line:?}", python.bare.display());
}

#[test]
fn a_filter_of_system_calls_changes_nothing() {
    for python in pythons() {
        let session = Session::new();
        let script = session.write("script.py", SCRIPT);
        let mut run = session.plain(filter(&session), [env!("CARGO_BIN_EXE_brimline"), "run", "--"]);
        let ran = ended(run.args([&python.bare, &script]).env("BRIMLINE_STORE", session.store())).expect_code(0);
        assert_eq!(ran.stdout, "ran\n", "{}", ran.stderr);
        recorded(&session, &python);
    }
}

#[test]
fn a_root_file_system_that_cannot_be_written_needs_only_a_place_for_the_store() {
    let Some(python) = crate::python::any_python() else { return };
    let session = Session::new();
    let script = session.write("script.py", SCRIPT);
    // The temporary folder of the test is the one place that can be written.
    let writable = session.work().parent().unwrap().to_owned();
    let steps = "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind / && shift && exec \"$@\"";
    let mut probe = Command::new("unshare");
    if !probe.args(["--mount", "true"]).status().is_ok_and(|status| status.success()) {
        return skip("mount namespaces need root");
    }
    let mut run = session.plain("unshare", ["--mount", "sh", "-c", steps, "sh"]);
    run.arg(&writable).args([env!("CARGO_BIN_EXE_brimline"), "run", "--"]).args([&python.bare, &script]);
    let ran = ended(run.env("BRIMLINE_STORE", session.store()).env("HOME", "/nowhere")).expect_code(0);
    assert_eq!(ran.stdout, "ran\n", "{}", ran.stderr);
    recorded(&session, &python);
    // Without such a place the program runs all the same, and the way out is said.
    let mut run = session.plain("unshare", ["--mount", "sh", "-c", steps, "sh"]);
    run.arg(&writable).args([env!("CARGO_BIN_EXE_brimline"), "run", "--store", "/nowhere/store", "--"]);
    let ran = ended(run.args([&python.bare, &script]).env("HOME", "/nowhere")).expect_code(0);
    assert!(ran.stdout == "ran\n" && ran.stderr.contains("nothing is recorded"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Read-only") && ran.stderr.contains("--store"), "{}", ran.stderr);
}

#[test]
fn links_that_others_have_put_there_are_not_followed() {
    let Some(python) = crate::python::any_python() else { return };
    let session = Session::new();
    let script = session.write("script.py", SCRIPT);
    ended(&mut session.run([&python.bare, &script])).expect_code(0);
    let kept = session.write("kept", "kept");
    let run = session.run_folder();
    // Whatever a command writes in a run's folder or beside it: a link in its place is replaced or refused.
    let places = [
        run.join("run.json"),
        run.join("events.jsonl"),
        run.join("series.jsonl"),
        run.join("series.jsonl.zst"),
        run.join("lock"),
        run.join("snapshots"),
        run.join("processes/1-1.rec"),
        run.join("processes/1-1.rec.zst"),
        session.store().join("index.sqlite-journal"),
        session.store().join("index.sqlite-wal"),
    ];
    for place in &places {
        let aside = place.with_extension("aside");
        let was_there = std::fs::rename(place, &aside).is_ok();
        std::os::unix::fs::symlink(&kept, place).unwrap();
        for arguments in [&["report"][..], &["mark", "here"], &["runs", "--rename", "a-name", "latest"], &["snapshot"]]
        {
            ended(&mut session.brimline(arguments));
            assert_eq!(std::fs::read_to_string(&kept).unwrap(), "kept", "{} by {arguments:?}", place.display());
        }
        std::fs::remove_file(place).ok();
        if was_there {
            std::fs::rename(&aside, place).ok();
        }
    }
    open_to_all(&session.work());
}
