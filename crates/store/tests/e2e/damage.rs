//! Databases that are gone, damaged or too new; modes; links; foreign files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use brimline_store::private_file::{self, Durability};
use brimline_store::{Mark, RollupRow, RunName, RunState, StoreError, Timestamp, artifacts, series};

use crate::names::{add_run, store};

#[test]
fn rebuilds_the_database_from_the_folders() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let run = add_run(&store, Some("app"), 1);
    store.set_baseline(&run, RunName::parse("main").unwrap()).unwrap();
    let before = store.runs().unwrap();
    for damage in
        ["", "not a database at all, and longer than a header needs to be: one hundred bytes and some more, please"]
    {
        fs::write(store.database_path(), damage).unwrap();
        let _ = fs::remove_file(store.root().join("brimline.db-wal"));
        assert_eq!(store.runs().unwrap(), before);
    }
    fs::remove_file(store.database_path()).unwrap();
    assert_eq!(store.runs().unwrap(), before);
    drop(store.rebuild().unwrap());
    assert_eq!(store.runs().unwrap(), before);
}

#[test]
fn notices_folders_that_came_and_went() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let gone = add_run(&store, None, 1);
    let row = RollupRow {
        function: "f".into(),
        file: "a.py".into(),
        live_bytes: 1,
        peak_bytes: 2,
        total_bytes: 3,
        total_count: 4,
    };
    store.index(&gone).unwrap();
    store.database().unwrap().put_rollup(gone.id(), std::slice::from_ref(&row)).unwrap();
    let history = store.database().unwrap().rollup_history("f", "a.py", 9).unwrap();
    assert_eq!(history, [(gone.id().clone(), row)]);
    fs::remove_dir_all(gone.path()).unwrap();
    let kept = add_run(&store, None, 2);
    let runs = store.runs().unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].record.id, *kept.id());
    assert!(store.database().unwrap().rollup_history("f", "a.py", 9).unwrap().is_empty());
}

#[test]
fn refuses_what_a_newer_version_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let run = add_run(&store, None, 1);
    let path = run.path().join("run.json");
    let text = fs::read_to_string(&path).unwrap().replace("run-record/1", "run-record/2");
    fs::write(&path, text).unwrap();
    assert!(matches!(run.load(), Err(StoreError::TooNew { known: 1, found: 2, .. })));
    assert_eq!(store.unreadable().unwrap().len(), 1);
    fs::write(&path, "{").unwrap();
    assert!(matches!(run.load(), Err(StoreError::Malformed { .. })));
}

#[test]
fn keeps_everything_private_and_follows_no_link() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let run = add_run(&store, None, 1);
    store.index(&run).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(store.root()), 0o700);
    assert_eq!(mode(run.path()), 0o700);
    assert_eq!(mode(&run.processes_path()), 0o700);
    assert_eq!(mode(&run.path().join("run.json")), 0o600);
    assert_eq!(mode(&store.database_path()), 0o600);
    let target = folder.path().join("target");
    fs::write(&target, "kept").unwrap();
    let link = run.path().join("events.jsonl");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let mark = brimline_store::Event::Mark(Mark { name: RunName::parse("m").unwrap(), at: Timestamp(1) });
    assert!(run.append(&mark).is_err());
    private_file::replace(&link, b"replaced", Durability::Cached).unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
}

#[test]
fn opens_a_run_that_got_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let (run, lock) = store.create_run().unwrap();
    assert_eq!(run.state(&run.load().unwrap()), RunState::Running);
    drop(lock);
    assert_eq!(run.state(&run.load().unwrap()), RunState::Interrupted);
    assert_eq!(store.runs().unwrap().len(), 1);
}

#[test]
fn reads_a_series_cut_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let run = add_run(&store(&folder), None, 1);
    let text = "{\"schema\":\"brimline.series/1\"}\n{\"seconds\":0.5,\"pid\":7,\"rss_bytes\":10}\n{\"seconds\":1.5,\"pid\":7,\"rss_bytes\":20}\n";
    for length in 0..=text.len() {
        fs::write(run.series_path(), &text[..length]).unwrap();
        if length >= 30 || length == 0 {
            assert!(series::read(&run).unwrap().samples.len() <= 2);
        } else {
            assert!(series::read(&run).is_ok_and(|series| series.samples.is_empty()), "cut at byte {length}");
        }
    }
    // The same samples in both files count once.
    fs::write(run.closed_series_path(), zstd::encode_all(text.as_bytes(), 3).unwrap()).unwrap();
    assert_eq!(series::read(&run).unwrap().samples.len(), 2);
}

#[test]
fn caps_what_it_decompresses() {
    let folder = tempfile::tempdir().unwrap();
    let run = add_run(&store(&folder), None, 1);
    let bomb = zstd::encode_all(&vec![0_u8; 10 << 20][..], 3).unwrap();
    fs::write(run.processes_path().join("7-1.rec.zst"), bomb).unwrap();
    let files = artifacts::processes(&run).unwrap();
    assert!(matches!(files[0].read(1 << 20), Err(StoreError::TooLarge { .. })));
    assert_eq!(files[0].read(artifacts::DEFAULT_LIMIT).unwrap().len(), 10 << 20);
}
