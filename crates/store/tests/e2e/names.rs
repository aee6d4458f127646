//! What a user may type for a run.

use brimline_store::private_file::Durability;
use brimline_store::{
    Event, Location, LocationSource, ProgramExit, ResolveError, Resolved, RunEnd, RunFolder, RunName, RunRecord,
    SnapshotRecord, Store, Timestamp,
};

pub(crate) fn store(folder: &tempfile::TempDir) -> Store {
    Store::new(Location { root: folder.path().join("store"), source: LocationSource::Given })
}

/// A finished run that began `second` seconds after 1970.
pub(crate) fn add_run(store: &Store, name: Option<&str>, second: u64) -> RunFolder {
    let (folder, _lock) = store.create_run().unwrap();
    let mut record = RunRecord::new(folder.id().clone(), vec!["true".to_owned()]);
    record.name = name.map(|name| RunName::parse(name).unwrap());
    record.start = Timestamp(second * 1_000_000_000);
    record.end = Some(RunEnd { at: record.start, exit: ProgramExit::ExitCode(0) });
    folder.save(&record, Durability::Synced).unwrap();
    folder
}

fn id_of(store: &Store, text: &str) -> String {
    match store.resolve(text).unwrap() {
        Resolved::Run(run) => run.entry.record.id.to_string(),
        Resolved::File(path) => panic!("{text} is {}", path.display()),
    }
}

#[test]
fn finds_runs_by_every_kind_of_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    assert!(matches!(store.resolve(""), Err(ResolveError::NoRuns { .. })));
    let old = add_run(&store, Some("app"), 1);
    let middle = add_run(&store, None, 2);
    let new = add_run(&store, Some("app"), 3);
    store.set_baseline(&new, RunName::parse("main").unwrap()).unwrap();
    store.set_baseline(&old, RunName::parse("main").unwrap()).unwrap();
    assert_eq!(id_of(&store, ""), new.id().as_str());
    assert_eq!(id_of(&store, "latest~2"), old.id().as_str());
    assert_eq!(id_of(&store, "app"), new.id().as_str());
    assert_eq!(id_of(&store, "main"), old.id().as_str());
    assert_eq!(id_of(&store, middle.id().as_str()), middle.id().as_str());
    assert_eq!(id_of(&store, &middle.id().as_str()[..7]), middle.id().as_str());
    assert_eq!(id_of(&store, middle.path().to_str().unwrap()), middle.id().as_str());
    assert!(matches!(store.resolve("latest~3"), Err(ResolveError::TooFarBack { count: 3, .. })));
    let unknown = store.resolve("aap").unwrap_err().to_string();
    assert!(unknown.contains("`app`") && unknown.contains("`main`"), "{unknown}");
    let file = folder.path().join("x.pprof");
    std::fs::write(&file, "").unwrap();
    assert_eq!(store.resolve(file.to_str().unwrap()).unwrap(), Resolved::File(file));
}

#[test]
fn finds_snapshots_and_lists_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let run = add_run(&store, Some("app"), 1);
    let name = RunName::parse("after").unwrap();
    let record = SnapshotRecord { name, at: Timestamp(5), trigger: "command".to_owned(), files: Vec::new() };
    run.append(&Event::Snapshot(record.clone())).unwrap();
    for text in ["app@after", "@after", "latest@after", &format!("{}@after", run.path().display())] {
        let Resolved::Run(found) = store.resolve(text).unwrap() else { panic!("{text} is no run") };
        assert_eq!(found.snapshot.as_ref(), Some(&record), "{text}");
    }
    let error = store.resolve("app@before").unwrap_err().to_string();
    assert!(error.contains("known snapshots: `after`"), "{error}");
}

#[test]
fn refuses_names_that_would_mean_something_else() {
    for text in ["", "latest", "a/b", "a@b", "a~1", "-x", ".hidden", "line\nbreak", &"x".repeat(101)] {
        assert!(RunName::parse(text).is_err(), "{text:?}");
    }
}
