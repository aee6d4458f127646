//! Full disks, folders that cannot be written, killed recorders, folders that are gone.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use brimline_capture::{Plan, Problem, record};
use brimline_store::{Location, LocationSource, ProgramExit, RunState, Store, series};

use crate::fixture::{Fixture, alone, eventually, this_binary};

/// Played by this binary in another process: records `sh -c 'echo out; sleep $SECONDS; exit 9'` in the store given.
#[test]
fn part_records() {
    let Some(root) = std::env::var_os("BRIMLINE_TEST_PART") else { return };
    let command = ["sh", "-c", "echo out; sleep ${PART_SECONDS:-0}; exit 9"].map(Into::into).to_vec();
    let location = Location { root: PathBuf::from(root), source: LocationSource::Given };
    let outcome = record(&Plan::new(command, location, Err("none in this test".to_owned())), &()).unwrap();
    assert_eq!(outcome.exit, ProgramExit::ExitCode(9));
    for problem in &outcome.problems {
        println!("problem: {problem}");
    }
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").unwrap().contains("Uid:\t0\t")
}

#[test]
fn opens_a_run_whose_recorder_was_killed() {
    let fixture = Fixture::new();
    let root = fixture.location().root;
    let mut recorder = this_binary("faults::part_records", &root).env("PART_SECONDS", "5").spawn().unwrap();
    let store = fixture.store();
    let sampled = || {
        store.runs().unwrap().first().is_some_and(|entry| {
            entry.state == RunState::Running && series::read(&entry.folder).unwrap().samples.len() > 3
        })
    };
    eventually("a few samples", sampled);
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    let entries = store.runs().unwrap();
    assert_eq!(entries[0].state, RunState::Interrupted);
    assert_eq!(entries[0].record.end, None);
    assert!(!entries[0].record.processes.is_empty());
    assert!(series::read(&entries[0].folder).unwrap().warnings.is_empty());
}

#[test]
fn runs_the_program_when_the_folder_cannot_be_written() {
    let fixture = Fixture::new();
    let root = fixture.folder.path().join("closed/store");
    std::fs::create_dir(fixture.folder.path().join("closed")).unwrap();
    std::fs::set_permissions(fixture.folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(fixture.folder.path().join("closed"), PermissionsExt::from_mode(0o555)).unwrap();
    let output = if is_root() {
        // Root writes everywhere: play the part as nobody, with a copy of this binary that nobody can reach.
        let copy = fixture.folder.path().join("part");
        std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
        Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(copy)
            .args(["--exact", "faults::part_records", "--nocapture"])
            .env("BRIMLINE_TEST_PART", &root)
            .current_dir("/")
            .output()
            .unwrap()
    } else {
        this_binary("faults::part_records", &root).output().unwrap()
    };
    assert_untracked(&output);
}

fn assert_untracked(output: &std::process::Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("out\n"), "{text}");
    assert_eq!(text.matches("problem: ").count(), 1, "{text}");
    assert!(text.contains("problem: nothing is recorded: "), "{text}");
}

/// A file system of its own, unmounted at the end.
struct Mount(PathBuf);

impl Mount {
    fn new(path: &Path, size: &str) -> Option<Self> {
        let option = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(path).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(path.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn runs_the_program_when_the_disk_is_full() {
    let fixture = Fixture::new();
    let Some(mount) = Mount::new(fixture.folder.path(), "1m") else {
        println!("SKIPPED: mounting a small file system needs root");
        return;
    };
    assert_untracked(&this_binary("faults::part_records", &mount.0.join("store")).output().unwrap());
}

#[test]
fn tells_when_the_disk_fills_up_meanwhile() {
    let _alone = alone();
    let fixture = Fixture::new();
    let Some(mount) = Mount::new(fixture.folder.path(), "8m") else {
        println!("SKIPPED: mounting a small file system needs root");
        return;
    };
    let fill = mount.0.join("fill");
    let outcome = fixture.run(&format!("head -c 100m /dev/zero > {} 2>/dev/null; sleep 1.2; exit 4", fill.display()));
    assert_eq!(outcome.exit, ProgramExit::ExitCode(4));
    let stopped = |problem: &Problem| matches!(problem, Problem::SeriesStopped { .. });
    assert!(outcome.problems.iter().any(stopped), "{:?}", outcome.problems);
    std::fs::remove_file(fill).unwrap();
    let entry = Store::runs(&fixture.store()).unwrap().remove(0);
    assert!(!entry.record.command.is_empty());
}

#[test]
fn records_in_a_folder_that_is_gone() {
    let fixture = Fixture::new();
    let gone = fixture.folder.path().join("gone");
    std::fs::create_dir(&gone).unwrap();
    let script = "rmdir \"$PWD\"; exec \"$0\" --exact faults::part_records --nocapture";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("BRIMLINE_TEST_PART", fixture.location().root)
        .current_dir(&gone)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let entries = fixture.store().runs().unwrap();
    assert_eq!((entries.len(), entries[0].record.cwd.clone()), (1, None));
}
