//! A full disk and a folder that cannot be written stop the recording, never the program.
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::python::{any_python, skip, soaking};
use crate::session::{Ended, Session, ended};

/// Makes more and more distinct stacks, so that the recording has to grow.
const GROWING: &str = r#"
import sys
kept = []
for number in range(3000):
    source = "\n" * (number % 50) + f"def function_{number}(kept):\n    kept.append(bytes({number}))\n    kept.append([{number}])\n"
    scope = {}
    exec(compile(source, f"generated_{number}.py", "exec"), scope)
    scope[f"function_{number}"](kept)
print(len(kept))
"#;

fn is_root() -> bool {
    // SAFETY: plain system call.
    unsafe { libc::geteuid() == 0 }
}

/// A small tmpfs, unmounted when dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(folder: std::path::PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&folder).unwrap();
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&folder).status();
        done.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

/// What was recorded until the disk was full is still an answer; where that is nothing, run and report say why.
#[track_caller]
fn partly_answered(run: &Ended, answer: &Ended, size: &str) {
    if [Some(0), Some(3)].contains(&answer.code()) && !answer.stdout.is_empty() {
        return;
    }
    let reasons = ["free bytes", "disk is full", "limit of file sizes", "No space left", "File too large"];
    let told = |text: &str| reasons.iter().any(|reason| text.contains(reason));
    assert!(told(&run.stderr) && [Some(2), Some(3)].contains(&answer.code()), "{size}: {run:?} {answer:?}");
}

#[test]
fn soak_a_full_disk_stops_the_tracking_and_not_the_program() {
    let Some(python) = any_python() else { return };
    let sizes = [64, 512, 1024, 2048, 3072].into_iter().chain((1..=if soaking() { 20 } else { 0 }).map(|n| n * 170));
    for size in sizes.map(|size| format!("{size}k")) {
        let session = Session::new();
        let Some(disk) = is_root().then(|| SmallDisk::mount(session.work().join("disk"), &size)).flatten() else {
            return skip("a small tmpfs can only be mounted by root");
        };
        let script = session.write("growing.py", GROWING);
        let mut run = session.run([&python.bare, &script]);
        run.env("BRIMLINE_STORE", disk.0.join("store")).env("TMPDIR", &disk.0);
        let run = ended(&mut run);
        // Too small for the run's folder itself: brimline says so before the program starts.
        if run.code() == Some(125) {
            assert!(run.stdout.is_empty() && run.stderr.starts_with("error: "), "{size}: {}", run.stderr);
            continue;
        }
        let run = run.expect_code(0);
        assert_eq!(run.stdout, "6000\n", "{size}: {}", run.stderr);
        let mut report = session.brimline(["report", "--json"]);
        partly_answered(&run, &ended(report.env("BRIMLINE_STORE", disk.0.join("store"))), &size);
    }
}

#[test]
fn soak_a_limit_of_file_sizes_stops_the_tracking_and_not_the_program() {
    let Some(python) = any_python() else { return };
    for kilobytes in (1..=if soaking() { 20 } else { 3 }).map(|n| n * if soaking() { 100 } else { 600 }) {
        let session = Session::new();
        let script = session.write("growing.py", GROWING);
        let limited = format!("ulimit -f {kilobytes}; exec \"$@\"");
        let mut run = session.plain("bash", ["-c", &limited, "bash", env!("CARGO_BIN_EXE_brimline"), "run", "--"]);
        let run = ended(run.args([&python.bare, &script]).env("BRIMLINE_STORE", session.store()));
        if run.code() == Some(125) {
            assert!(run.stdout.is_empty() && run.stderr.starts_with("error: "), "{kilobytes}: {}", run.stderr);
            continue;
        }
        let run = run.expect_code(0);
        assert_eq!(run.stdout, "6000\n", "{kilobytes}");
        partly_answered(&run, &ended(&mut session.brimline(["report", "--json"])), &kilobytes.to_string());
    }
}

#[test]
fn an_unwritable_store_is_refused_before_the_program_or_runs_it() {
    let Some(python) = any_python() else { return };
    if !is_root() {
        return skip("becoming another user needs root");
    }
    let session = Session::new();
    let (closed, home) = (session.work().join("closed"), session.work().join("home"));
    std::fs::create_dir(&closed).unwrap();
    std::fs::create_dir(&home).unwrap();
    // The temporary folder belongs to root and is closed to others: the interpreter and the command lie outside it.
    let open = |path: &std::path::Path, mode| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(session.work().parent().unwrap(), 0o755);
    open(&home, 0o777);
    let python = if python.bare.starts_with("/usr") { python.bare } else { "/usr/bin/python3.11".into() };
    let command = session.work().join("brimline");
    std::fs::copy(env!("CARGO_BIN_EXE_brimline"), &command).unwrap();
    open(&command, 0o755);
    let mut run = Command::new(&command);
    run.args(["run", "--store"]).arg(closed.join("store")).arg("--").arg(&python).args(["-c", "print('ran')"]);
    run.uid(65534)
        .gid(65534)
        .current_dir(&home)
        .env("HOME", &home)
        .env_remove("XDG_CACHE_HOME")
        .env_remove("XDG_DATA_HOME");
    let refused = ended(&mut run);
    match refused.code() {
        Some(0) => assert_eq!(refused.stdout, "ran\n"),
        code => {
            assert_eq!(code, Some(125), "{}", refused.stderr);
            assert!(refused.stderr.starts_with("error: ") && refused.stdout.is_empty(), "{}", refused.stderr);
        }
    }
    // Without `--store` the user's own folders take the run, although the working directory cannot be written.
    let mut run = Command::new(&command);
    run.args(["run", "--"]).arg(&python).args(["-c", "print('ran')"]).env_remove("BRIMLINE_STORE");
    run.uid(65534)
        .gid(65534)
        .current_dir(&closed)
        .env("HOME", &home)
        .env_remove("XDG_CACHE_HOME")
        .env_remove("XDG_DATA_HOME");
    let ran = ended(&mut run).expect_code(0);
    assert_eq!(ran.stdout, "ran\n", "{}", ran.stderr);
}
