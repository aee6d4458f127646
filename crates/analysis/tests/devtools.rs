//! Every number against DevTools' own heap model, on snapshots of real Node programs.
//!
//! `BRIMLINE_DEVTOOLS_ORACLE` names the folder of the built oracle; without it the test says that it was skipped.
//! `BRIMLINE_NODES` lists further Node binaries, with colons between.
#![expect(clippy::disallowed_methods, reason = "the test runs Node and reads what it wrote")]
#![expect(clippy::unwrap_used, reason = "helpers of a test fail as the test does")]

use brimline_analysis::heap::retainer::Retainers;
use brimline_analysis::heap::source::Scripts;
use brimline_analysis::heap::table::ClassTable;
use brimline_analysis::heap::{Heap, compare, duplicates, leak, listing, path, statistics};
use brimline_profile::heap::{heapsnapshot, redact};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn open(path: &Path) -> Heap {
    let bytes = std::fs::read(path).unwrap();
    let decoded = heapsnapshot::decode(&mut &bytes[..]).unwrap();
    assert_eq!(decoded.damage, None);
    Heap::new(decoded.graph)
}

fn nodes_to_test() -> Vec<PathBuf> {
    let listed = std::env::var("BRIMLINE_NODES").unwrap_or_default();
    let listed = listed.split(':').filter(|path| !path.is_empty()).map(PathBuf::from);
    std::iter::once(PathBuf::from("node")).chain(listed).collect()
}

fn record(node: &Path, folder: &Path) {
    let workload = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/heap/workload.cjs");
    let status = Command::new(node).arg(workload).arg(folder.join("heap")).status().unwrap();
    assert!(status.success(), "{} failed", node.display());
}

#[test]
fn equals_devtools() {
    let Ok(oracle) = std::env::var("BRIMLINE_DEVTOOLS_ORACLE") else {
        println!("SKIPPED: set BRIMLINE_DEVTOOLS_ORACLE to the folder of the built DevTools oracle");
        return;
    };
    let oracle = PathBuf::from(oracle);
    let folder = tempfile::tempdir().unwrap();
    // The oracle prints the heads of its tables; whole ones are asked for here.
    let script = std::fs::read_to_string(oracle.join("oracle.mjs")).expect("the oracle is built");
    let own = script.rfind("aggregatesWithFilter(").expect("the oracle asks for the class table");
    let (bundled, own) = script.split_at(own);
    let mut whole = own.to_owned();
    for cut in [".slice(0, 15)", ".slice(0, 20)", ".slice(0, 5)"] {
        assert!(whole.contains(cut), "the oracle prints a table with `{cut}`");
        whole = whole.replace(cut, "");
    }
    let whole = format!("{bundled}{whole}");
    let whole_path = folder.path().join("oracle.mjs");
    std::fs::write(&whole_path, whole).unwrap();
    for node in nodes_to_test() {
        record(&node, folder.path());
        let (base, path) = (folder.path().join("heap-1.heapsnapshot"), folder.path().join("heap-2.heapsnapshot"));
        let truth = ask_devtools(&oracle, &whole_path, &path, Some(&base));
        let heap = open(&path);
        let mut lines = Vec::new();
        listing::write_nodes(&heap, &mut lines).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        for (at, (found, expected)) in lines.lines().zip(truth.nodes.lines()).enumerate() {
            assert_eq!(found, expected, "node {at} of {}", node.display());
        }
        assert_eq!(lines.len(), truth.nodes.len());
        check_tables(&heap, &open(&base), &truth.tables);
        check_leaks(&heap);
        check_paths(&heap);
        let copy = check_redaction(&path);
        check_redaction_in_devtools(&truth, &ask_devtools(&oracle, &whole_path, &copy, None));
        check_truncation(&path);
        check_itself(&heap, &open(&base));
    }
}

/// What DevTools answers about a snapshot.
struct Truth {
    tables: Value,
    /// A line for each node, as `listing::write_nodes` writes them.
    nodes: String,
}

fn ask_devtools(oracle: &Path, script: &Path, snapshot: &Path, base: Option<&Path>) -> Truth {
    let (nodes, answer) = (snapshot.with_extension("tsv"), snapshot.with_extension("json"));
    let status = Command::new(oracle.join("node_modules/.bin/node"))
        .args([script, snapshot, &nodes])
        .args(base)
        .env("DUP", "1")
        // To a file: Node exits before a pipe is drained.
        .stdout(std::fs::File::create(&answer).unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "the oracle failed on {}", snapshot.display());
    // Problem reports come before the JSON.
    let text = std::fs::read_to_string(&answer).unwrap();
    let tables = serde_json::from_str(&text[text.find("{\n").unwrap()..]).unwrap();
    Truth { tables, nodes: std::fs::read_to_string(&nodes).unwrap() }
}

fn check_tables(heap: &Heap, base: &Heap, truth: &Value) {
    let sums = statistics::statistics(heap);
    assert_eq!(
        truth["statistics"],
        json!({"total": sums.total, "native": {"total": sums.native, "typedArrays": sums.typed_arrays},
            "v8heap": {"total": sums.managed, "code": sums.code, "jsArrays": sums.arrays, "strings": sums.strings,
            "system": sums.system}})
    );
    let table = ClassTable::of(heap);
    let mut rows: Vec<Value> = table
        .rows
        .iter()
        .map(|row| {
            json!({"key": row.key, "name": row.name, "count": row.count, "distance": row.distance,
                "self": row.self_size, "maxRet": row.retained_size})
        })
        .collect();
    compare_rows(&mut rows, &truth["top"]);
    let mut rows: Vec<Value> = compare::by_id(base, heap)
        .iter()
        .map(|diff| {
            json!({"key": diff.key, "name": diff.name, "added": diff.added, "removed": diff.removed,
                "addedSize": diff.added_size, "removedSize": diff.removed_size, "dCount": diff.count_delta(),
                "dSize": diff.size_delta()})
        })
        .collect();
    compare_rows(&mut rows, &truth["diff"]);
    let groups = duplicates::duplicate_strings(heap);
    let expected = truth["dups"].as_array().unwrap();
    assert_eq!(groups.len(), expected.len());
    for (group, expected) in groups.iter().zip(expected) {
        assert_eq!(
            json!([group.count, group.self_size, group.retained_size, group.truncated]),
            json!([expected["count"], expected["totalSelfSize"], expected["totalRetainedSize"], expected["truncated"]]),
            "{:?}",
            group.value
        );
    }
}

fn compare_rows(rows: &mut [Value], expected: &Value) {
    let mut expected = expected.as_array().unwrap().clone();
    rows.sort_by_key(|row| row["key"].as_str().unwrap().to_owned());
    expected.sort_by_key(|row| row["key"].as_str().unwrap().to_owned());
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row, expected);
    }
    assert_eq!(rows.len(), expected.len());
}

fn check_leaks(heap: &Heap) {
    let scripts = Scripts::of(heap);
    let holders = leak::holders(heap, &scripts, leak::Thresholds::default());
    let find = |shape, label: &str| {
        let holder = holders.iter().find(|holder| holder.shape == shape && holder.label == label);
        holder.unwrap_or_else(|| panic!("no {shape:?} of {label} in {holders:#?}"))
    };
    let place = |holder: &leak::Holder| holder.place.as_ref().map(ToString::to_string).unwrap_or_default();
    let listeners = find(leak::Shape::ListenerAccumulation, "EventEmitter 'update'");
    assert_eq!((listeners.count, listeners.function.as_deref()), (1500, Some("onEvent")));
    assert!(place(listeners).contains("workload.cjs:"), "{listeners:?}");
    let timers = find(leak::Shape::PendingTimers, "onTimeout");
    assert_eq!(timers.count, 1500);
    assert!(place(timers).contains("workload.cjs:"), "{timers:?}");
    assert_eq!(find(leak::Shape::PendingPromises, "onDone").count, 1500);
    for (shape, label, count) in [(leak::Shape::MapGrowth, "Map", 1300), (leak::Shape::SetGrowth, "Set", 1500)] {
        let is_found = |holder: &leak::Holder| (holder.shape, &*holder.label, holder.count) == (shape, label, count);
        assert!(holders.iter().any(is_found), "no {label} of {count} in {holders:#?}");
    }
    assert!(find(leak::Shape::OffHeapBuffers, "global.state.buffers[…]").bytes > 1_000_000);
    assert!(holders.iter().any(|holder| holder.shape == leak::Shape::ArrayGrowth && holder.count >= 1500));
}

fn check_paths(heap: &Heap) {
    let table = ClassTable::of(heap);
    let session = table.rows.iter().find(|row| row.name == "Session").unwrap();
    let node = table.instances(&session.key).next().unwrap();
    let retainers = Retainers::of(heap.graph());
    let paths = path::retaining_paths(heap, &retainers, node, 3);
    let first = path::describe(heap, &Scripts::of(heap), &paths[0], path::Detail::Exact);
    assert!(first.contains("state.sessions → Map entry"), "{first}");
    assert!(heap.graph().location(node).is_some());
}

fn check_itself(heap: &Heap, base: &Heap) {
    assert_eq!(compare::by_id(heap, heap), []);
    assert_eq!(compare::by_class(heap, heap), []);
    let grown = compare::by_class(base, heap);
    let nodes = grown.iter().find(|shape| shape.name == "Node2").unwrap();
    assert_eq!((nodes.before_count, nodes.after_count), (1000, 1500));
    let survivors = compare::survivors(base, heap, heap);
    let nodes = survivors.iter().find(|group| group.name == "Node2").unwrap();
    assert_eq!((nodes.count, nodes.nodes.len()), (500, 500));
}

/// Writes the redacted copy beside the snapshot and answers its path.
fn check_redaction(path: &Path) -> PathBuf {
    let bytes = std::fs::read(path).unwrap();
    let mut copy = Vec::new();
    let emptied = redact::redact(&mut &bytes[..], &mut copy).unwrap();
    assert!(emptied > 1000);
    let secrets =
        ["value", "text", "key", "symbol", "expression", "slice"].map(|kind| format!("planted secret {kind}"));
    for secret in
        secrets.iter().map(String::as_str).chain(["planted-token", "duplicate text number 3", "agent17", "key 17"])
    {
        let is_in = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(is_in(&bytes), "{secret} was not planted");
        assert!(!is_in(&copy), "{secret} is in the copy");
    }
    let copy_path = path.with_file_name("redacted.heapsnapshot");
    std::fs::write(&copy_path, copy).unwrap();
    copy_path
}

/// DevTools opens the copy and has the same numbers for every node, the same classes and statistics.
fn check_redaction_in_devtools(whole: &Truth, copy: &Truth) {
    for (at, (found, expected)) in copy.nodes.lines().zip(whole.nodes.lines()).enumerate() {
        assert_eq!(found, expected, "node {at} of the copy");
    }
    assert_eq!(copy.nodes.lines().count(), whole.nodes.lines().count());
    assert_eq!(copy.tables["statistics"], whole.tables["statistics"]);
}

fn check_truncation(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    for part in 1..16 {
        let cut = bytes.len() * part / 16;
        let decoded = heapsnapshot::decode(&mut &bytes[..cut]).unwrap();
        let damage = decoded.damage.expect("a cut file is said to be cut");
        assert!(damage.cut && damage.nodes.0 > 0, "{damage}");
        let heap = Heap::new(decoded.graph);
        assert!(!ClassTable::of(&heap).rows.is_empty());
    }
}
