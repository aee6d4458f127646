//! The Python package: from within a program, in a notebook, as a wheel.
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python::{pythons, tools_venv, wheels};
use crate::session::{Session, ended};

const SESSION: &str = include_str!("programs/package_session.py");
const NOTEBOOK: &str = include_str!("programs/notebook.py");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn with_package(command: &mut Command) -> &mut Command {
    command.env("PYTHONPATH", root().join("python")).env("BRIMLINE_BINARY", env!("CARGO_BIN_EXE_brimline"))
}

#[test]
fn counts_from_within_on_every_version() {
    for python in pythons() {
        let session = Session::new();
        let script = session.write("session.py", SESSION);
        let mut bare = session.plain(&python.bare, [&script, &session.work()]);
        assert!(ended(with_package(&mut bare)).expect_code(0).stdout.contains("all held"));
        // numpy is loaded after the start.
        let mut venv = session.plain(python.in_venv(), [&script, &session.work(), &PathBuf::from("numpy")]);
        assert!(ended(with_package(&mut venv)).expect_code(0).stdout.contains("all held"));
        let series = session.work().join("series.json");
        // Too few points for a verdict.
        let trend = ended(session.brimline(["trend", "--json"]).arg(series)).expect_code(3);
        assert!(trend.stdout.contains("\"rss\""), "{}", trend.stdout);
    }
}

#[test]
fn under_the_command_the_package_shares_its_recording() {
    let script = "import brimline, os\n\
                  assert brimline.is_tracking()\n\
                  brimline.start()\nbrimline.stop()\nassert brimline.is_tracking()\n\
                  kept = bytearray(2_000_000)\n\
                  rows = [row for row in brimline.snapshot().rows() if os.path.basename(row.file or '') == 'script.py']\n\
                  assert rows[0].line == 6 and rows[0].live_bytes >= 2_000_000, rows\n";
    for python in pythons() {
        let session = Session::new();
        let path = session.write("script.py", script);
        let mut run = session.run([&python.bare, &path]);
        ended(run.env("PYTHONPATH", root().join("python"))).expect_code(0);
        assert!(session.report().lines("script.py").values().any(|figures| figures.peak_bytes >= 2_000_000));
    }
}

#[test]
fn a_process_that_cannot_be_counted_says_why() {
    let Some(python) = pythons().into_iter().next() else { return };
    let session = Session::new();
    let script = session.write("script.py", "import brimline\nbrimline.start()\n");
    let line = format!("ulimit -v 8000000; exec {} {}", python.bare.display(), script.display());
    let mut limited = session.plain("sh", ["-c", &line]);
    let ended = ended(with_package(&mut limited)).expect_code(1);
    assert!(ended.stderr.contains("address space is limited"), "{}", ended.stderr);
}

#[test]
fn a_notebook_shows_tables_and_pictures() {
    let Some(tools) = tools_venv() else { return };
    let session = Session::new();
    let script = session.write("notebook.py", NOTEBOOK);
    let mut run = session.plain(tools.join("bin/python"), [script]);
    run.env("IPYTHONDIR", session.work()).env("JUPYTER_PLATFORM_DIRS", "1").env("HOME", session.work());
    assert!(ended(with_package(&mut run)).expect_code(0).stdout.contains("all held"));
}

#[test]
fn the_package_is_typed() {
    let Some(tools) = tools_venv() else { return };
    let session = Session::new();
    let mut mypy = session.plain(tools.join("bin/python"), ["-m", "mypy", "--strict", "--cache-dir", "mypy"]);
    mypy.args(["--exclude", "_inject.py"]).arg(root().join("python/brimline"));
    ended(&mut mypy).expect_code(0);
}

/// `scripts/test.sh` has built this checkout twice, `cargo xtask soak python` optimised.
#[test]
fn wheels_are_the_same_bytes_and_install() {
    let Some([wheel, again]) = wheels() else { return };
    let session = Session::new();
    assert!(std::fs::read(&wheel).unwrap() == std::fs::read(&again).unwrap(), "two builds differ");
    for python in [pythons().first(), pythons().last()].into_iter().flatten() {
        let venv = session.work().join("venv");
        ended(
            &mut session
                .plain(&python.bare, ["-m", "venv", "--clear"].map(Path::new).into_iter().chain([venv.as_path()])),
        )
        .expect_code(0);
        let mut pip = session.plain(venv.join("bin/python"), ["-m", "pip", "install", "-q", "--no-index"]);
        ended(pip.arg(&wheel)).expect_code(0);
        let script = session.write("session.py", SESSION);
        let mut run = session.plain(venv.join("bin/python"), [&script, &session.work()]);
        assert!(ended(&mut run).expect_code(0).stdout.contains("all held"));
        session.write("app.py", "@profile\ndef f():\n    return bytearray(1 << 20)\nf()\n");
        let mut module = session.plain(venv.join("bin/python"), ["-m", "brimline", "app.py"]);
        let table = ended(module.env("BRIMLINE_STORE", session.store())).expect_code(0);
        assert!(table.stdout.contains("1.0 MiB           1       return bytearray(1 << 20)"), "{}", table.stdout);
    }
}
