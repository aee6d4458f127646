//! Snapshots of a process that answers as the tracker does, and of one that does not.

use std::fs::{File, OpenOptions};
use std::mem::offset_of;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use brimline_capture::{SnapshotError, SnapshotRequest, SnapshotThreshold, record, snapshot};
use brimline_recording::layout::Header;
use brimline_store::{RunFolder, RunLock, RunName, artifacts};

use crate::fixture::{Fixture, alone, eventually, recording_bytes};

/// A run whose only process is this test's own.
fn own_run(fixture: &Fixture) -> (RunFolder, RunLock, File) {
    let (folder, lock) = fixture.store().create_run().unwrap();
    let path = folder.processes_path().join(format!("{}-1.rec", std::process::id()));
    std::fs::write(&path, recording_bytes()).unwrap();
    (folder, lock, OpenOptions::new().read(true).write(true).open(path).unwrap())
}

#[test]
fn waits_for_the_collection() {
    let fixture = Fixture::new();
    let (folder, _lock, file) = own_run(&fixture);
    let tracker = std::thread::spawn(move || {
        let mut word = [0; 4];
        eventually("a request", || {
            file.read_exact_at(&mut word, offset_of!(Header, request) as u64).unwrap();
            word != [0; 4]
        });
        file.write_all_at(&word, offset_of!(Header, done) as u64).unwrap();
    });
    let name = RunName::parse("before").unwrap();
    let request = SnapshotRequest { name: Some(name.clone()), ..SnapshotRequest::default() };
    let taken = snapshot(&folder, &request).unwrap();
    tracker.join().unwrap();
    assert!(taken.files.len() == 1 && taken.files[0].collected);
    assert_eq!(folder.load().unwrap().snapshots, [taken]);
    let files = artifacts::snapshot(&folder, &name).unwrap();
    brimline_recording::Recording::open(&files[0].read(1 << 20).unwrap()).unwrap();
    assert!(matches!(snapshot(&folder, &request), Err(SnapshotError::NameTaken { .. })));
}

#[test]
fn goes_on_without_an_answer() {
    let fixture = Fixture::new();
    let (folder, _lock, _file) = own_run(&fixture);
    let request = SnapshotRequest { timeout: Duration::from_millis(300), ..SnapshotRequest::default() };
    let start = Instant::now();
    let taken = snapshot(&folder, &request).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert!(!taken.files[0].collected);
    assert_eq!(taken.name.as_str(), "snapshot-1");
    let other = SnapshotRequest { pid: Some(1), ..request };
    assert!(matches!(snapshot(&folder, &other), Err(SnapshotError::UnknownProcess { pid: 1, .. })));
}

#[test]
fn takes_them_at_a_threshold_and_by_time() {
    let _alone = alone();
    let fixture = Fixture::new();
    let runs = fixture.store().runs_path();
    let header = fixture.header_file();
    let mut plan = fixture.shell(&format!(
        "cp {} \"$(echo {}/*/processes)/$$-1.rec\"; sleep 2.4; :",
        header.display(),
        runs.display()
    ));
    plan.triggers.at.push(SnapshotThreshold::Bytes(1));
    plan.triggers.every = Some(Duration::from_secs(30));
    let outcome = record(&plan, &()).unwrap();
    let record = outcome.record.unwrap();
    // The very first look may come before the shell has written its recording: then there is a problem instead.
    let told = outcome.problems.iter().any(|problem| problem.to_string().starts_with("no snapshot (at 0.0M)"));
    assert!(told || record.snapshots.iter().any(|snapshot| snapshot.trigger == "at 0.0M"), "{record:?}");
}
