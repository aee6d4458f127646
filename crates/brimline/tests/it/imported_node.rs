//! The files that people have of Node programs, each written in the way they write it, as runs.
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::heap_apps::packages;
use crate::heaps::{heap, json, node, rows};
use crate::session::{Session, ended, ended_within};

const PROGRAM: &str = include_str!("heap/files.cjs");

/// Runs the program with `options`; answers the only file with `ending` that it left.
fn record(session: &Session, node: &Path, options: &[&str], how: &str, ending: &str) -> PathBuf {
    let script = session.write("files.cjs", PROGRAM);
    let mut command = session.plain(node, options);
    if let Some(packages) = packages() {
        command.env("NODE_PATH", packages.join("node_modules"));
    }
    ended_within(command.arg(&script).arg(how), Duration::from_secs(60));
    let files = std::fs::read_dir(session.work()).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    assert_eq!(found.len(), 1, "{how}: {found:?}");
    found[0].clone()
}

/// Imports `file` as run `kept`; nothing of it in the store tells a secret.
fn import(session: &Session, file: &Path, format: &str) {
    let bytes = std::fs::read(file).unwrap();
    let is_snapshot = format == "heapsnapshot";
    assert_eq!(String::from_utf8_lossy(&bytes).contains("planted secret"), is_snapshot);
    let mut command = session.brimline(["import", file.to_str().unwrap(), "--name", "kept", "--json"]);
    let answer = json(&ended(&mut command).expect_code(0));
    assert_eq!(answer["format"], format);
    let folder = PathBuf::from(answer["folder"].as_str().unwrap()).join("imports");
    let copy = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let copy = std::fs::read(copy).unwrap();
    let copy = if is_snapshot { zstd::decode_all(&copy[..]).unwrap() } else { copy };
    assert!(!String::from_utf8_lossy(&copy).contains("planted secret"));
}

/// A snapshot's orders, wherever it came from.
fn check_snapshot(session: &Session, file: &Path, orders: u64) {
    import(session, file, "heapsnapshot");
    let class = json(&heap(session, &["class", "Order", "kept", "--json"]).expect_code(0));
    assert!(class["count"].as_u64() >= Some(orders), "{}: {}", file.display(), class["count"]);
    let report = ended(&mut session.brimline(["report", "kept"])).expect_code(0).stdout;
    let claim = report.lines().find(|line| line.contains("Array with ") && line.contains("elements"));
    assert!(claim.is_some(), "{}: {report}", file.display());
    assert!(report.contains("kept"), "{report}");
}

#[test]
fn snapshots_of_every_origin_are_runs() {
    let Some(node) = node() else { return };
    for (options, how) in [
        (&[][..], "write"),
        (&["--heapsnapshot-signal=SIGUSR2"], "signal"),
        (&["--heapsnapshot-near-heap-limit=1", "--max-old-space-size=16"], "limit"),
        (&[], "panel"),
    ] {
        let session = Session::new();
        let file = record(&session, &node, options, how, ".heapsnapshot");
        check_snapshot(&session, &file, 5000);
    }
}

#[test]
fn snapshots_of_the_package_heapdump_are_runs() {
    let (Some(node), Some(packages)) = (node(), packages()) else { return };
    if !packages.join("node_modules/heapdump/build/Release/addon.node").exists() {
        eprintln!("SKIPPED: the package heapdump is not built; run scripts/test.sh");
        assert!(std::env::var_os("BRIMLINE_TEST_STRICT").is_none(), "BRIMLINE_TEST_STRICT allows no skip");
        return;
    }
    for how in ["heapdump", "heapdump_signal"] {
        let session = Session::new();
        let file = record(&session, &node, &[], how, ".heapsnapshot");
        check_snapshot(&session, &file, 5000);
    }
}

#[test]
fn a_timeline_is_a_run_with_its_allocation_stacks() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let file = record(&session, &node, &["--no-opt", "--no-maglev"], "timeline", ".heaptimeline");
    check_snapshot(&session, &file, 6000);
    let sites = json(&heap(&session, &["top", "--by", "site", "kept", "--json"]).expect_code(0));
    let is_it =
        |site: &&Value| site["stack"][0]["function"] == "takeOrder" && site["live_count"].as_u64() >= Some(1000);
    assert!(rows(&sites, "rows").iter().any(|site| is_it(&site)), "{sites:#}");
}

#[test]
fn sampling_profiles_are_runs_whose_unknown_numbers_are_said_to_be() {
    let Some(node) = node() else { return };
    // The sampler sees no calls that were compiled into their caller.
    const PLAIN: [&str; 2] = ["--no-opt", "--no-maglev"];
    let at_exit = [&PLAIN[..], &["--heap-prof", "--heap-prof-interval=16384"]].concat();
    for (options, how) in [(&at_exit[..], "exit"), (&PLAIN, "sampling")] {
        let session = Session::new();
        let file = record(&session, &node, options, how, ".heapprofile");
        import(&session, &file, "heapprofile");
        let report =
            json(&ended(&mut session.brimline(["report", "kept", "--by", "function", "--json"])).expect_code(0));
        let row = rows(&report, "rows").iter().find(|row| row["function"] == "takeOrder").unwrap();
        let line = PROGRAM.lines().position(|line| line.contains("function takeOrder")).unwrap() + 1;
        assert!(row["file"].as_str().unwrap().ends_with("/files.cjs"), "{row}");
        assert_eq!(row["line"].as_u64().unwrap_or(line as u64), line as u64, "{row}");
        assert!(row["live_bytes"].as_u64() > Some(100_000), "{row}");
        for unknown in ["live_count", "peak_bytes", "total_bytes", "total_count"] {
            assert_eq!((&row[unknown], &report["totals"][unknown]), (&Value::Null, &Value::Null));
        }
        let table = ended(&mut session.brimline(["report", "kept"])).expect_code(0).stdout;
        let line = table.lines().find(|line| line.contains("takeOrder")).unwrap();
        assert!(line.split_whitespace().any(|word| word == "-"), "{table}");
        assert!(table.contains("block counts unknown") && !table.contains(" blocks ·"), "{table}");
        // Twice the same: nothing grew, and no count is made up.
        let diff =
            json(&ended(&mut session.brimline(["diff", "kept", file.to_str().unwrap(), "--json"])).expect_code(0));
        assert_eq!(rows(&diff, "rows"), &[] as &[Value]);
        assert_eq!((&diff["totals"]["delta_bytes"], &diff["totals"]["delta_count"]), (&0.into(), &Value::Null));
        let all = ended(&mut session.brimline(["diff", "kept", file.to_str().unwrap(), "--all"])).expect_code(0).stdout;
        assert!(!all.contains("blocks 0"), "{all}");
        ended(&mut session.brimline(["report", "kept", "--metric", "count"])).expect_code(2);
    }
}
