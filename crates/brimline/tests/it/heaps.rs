//! Heap snapshots of real Node programs through the command.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::session::{Ended, Session, ended};

/// A program with every shape that is named; `PREFIX-1` and `PREFIX-2` are snapshots of one process.
const PROGRAM: &str = include_str!("heap/service.cjs");

pub(crate) fn node() -> Option<PathBuf> {
    let found = std::env::var_os("PATH")
        .and_then(|path| std::env::split_paths(&path).map(|folder| folder.join("node")).find(|path| path.is_file()));
    if found.is_none() {
        eprintln!("SKIPPED: no `node` on the path");
        assert!(std::env::var_os("BRIMLINE_TEST_STRICT").is_none(), "BRIMLINE_TEST_STRICT allows no skip");
    }
    found
}

/// Both snapshots of the program at `script`.
fn record(session: &Session, node: &Path, script: &Path, prefix: &str) -> [PathBuf; 2] {
    let status = session.plain(node, [script.as_os_str(), prefix.as_ref()]).status().unwrap();
    assert!(status.success());
    [1, 2].map(|number| session.work().join(format!("{prefix}-{number}.heapsnapshot")))
}

pub(crate) fn heap(session: &Session, arguments: &[&str]) -> Ended {
    let mut command = session.brimline(["heap"]);
    command.args(arguments).env("XDG_CACHE_HOME", session.work().join("cache"));
    ended(&mut command)
}

pub(crate) fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
}

pub(crate) fn rows<'a>(value: &'a Value, list: &str) -> &'a [Value] {
    value[list].as_array().unwrap()
}

#[test]
fn names_leaks_in_source_terms() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let script = session.write("service.cjs", PROGRAM);
    session.write("mod.cjs", "exports.state = new Array(50).fill(0).map((_, i) => ({ i }));\n");
    let [before, after] = record(&session, &node, &script, "heap");
    let (before, after) = (before.to_str().unwrap(), after.to_str().unwrap());
    let answer = json(&heap(&session, &["top", after, "--json"]).expect_code(0));
    assert_eq!(answer["schema"], "brimline.heap.top/1");
    let line = |text: &str| {
        let at = PROGRAM.lines().position(|line| line.contains(text)).unwrap();
        format!("service.cjs:{}:", at + 1)
    };
    for (shape, label, function, count) in [
        ("listener_accumulation", "EventEmitter 'update'", "onEvent", 600),
        ("listener_accumulation", "EventTarget 'abort'", "onAbort", 600),
        ("pending_timers", "onTimeout", "onTimeout", 600),
        ("pending_promises", "onDone", "onDone", 600),
        ("map_growth", "Map", "", 600),
        ("set_growth", "Set", "", 600),
        ("array_growth", "Array", "", 600),
        ("object_growth", "Object", "", 600),
        ("closure_variable", "ballast", "useBallast", 1),
        ("module_cache", "mod.cjs", "", 40),
    ] {
        let found = rows(&answer, "holders").iter().find(|holder| {
            holder["shape"] == shape
                && holder["label"].as_str().unwrap().ends_with(label)
                && holder["count"].as_u64().unwrap() >= count
        });
        let found = found.unwrap_or_else(|| panic!("no {shape} {label} in {answer:#}"));
        assert_eq!(found["function"].as_str().unwrap_or(""), function, "{found}");
        if !function.is_empty() {
            let claim = found["claim"].as_str().unwrap();
            assert!(claim.contains(&line(&format!("function {function}"))), "{claim}");
        }
    }
    let session_row = rows(&answer, "rows").iter().find(|row| row["class"] == "Session").unwrap();
    assert_eq!(session_row["count"], 600);
    assert!(session_row["file"].as_str().unwrap().ends_with("/service.cjs"), "{session_row}");
    let diff = json(&heap(&session, &["diff", before, after, "--json"]).expect_code(0));
    assert_eq!(diff["by"], "id");
    let grown = rows(&diff, "rows").iter().find(|row| row["class"] == "Session").unwrap();
    assert_eq!((grown["added_count"].as_u64(), grown["removed_count"].as_u64()), (Some(300), Some(0)));
    let stays = json(&heap(&session, &["diff", before, after, after, "--json"]).expect_code(0));
    assert!(rows(&stays, "rows").iter().any(|row| row["class"] == "Session" && row["count"] == 300));
    // Another process: ids mean nothing, ways do.
    let [other, _] = record(&session, &node, &script, "other");
    let across = json(&heap(&session, &["diff", other.to_str().unwrap(), after, "--json"]).expect_code(0));
    assert_eq!(across["by"], "path");
    let row = rows(&across, "rows").iter().find(|row| row["class"] == "Session").unwrap();
    assert_eq!(
        (row["delta_count"].as_i64(), row["path"].as_str()),
        (Some(300), Some("global.state.sessions → Map entry"))
    );
    let paths = heap(&session, &["paths", "Session", after]).expect_code(0);
    assert!(paths.stdout.contains("global.state.sessions → Map entry"), "{}", paths.stdout);
    questions_agree(&session, after);
}

#[test]
fn names_what_v8_shows_at_second_sight() {
    const PROGRAM: &str = include_str!("heap/roundabout.cjs");
    let Some(node) = node() else { return };
    let session = Session::new();
    let script = session.write("roundabout.cjs", PROGRAM);
    let store = session.write("store.cjs", "exports.byName = {};\n");
    let [before, after] = record(&session, &node, &script, "heap");
    let files = ["diff", before.to_str().unwrap(), after.to_str().unwrap()];
    let answer = json(&heap(&session, &[&files[..], &["--json"]].concat()).expect_code(0));
    let line = |text: &str| PROGRAM.lines().position(|line| line.contains(text)).unwrap() + 1;
    for (shape, function, file, text) in [
        ("listener_accumulation", "onReady", &script, "function onReady"),
        ("listener_accumulation", "onUpdate", &script, "onUpdate() {"),
        ("pending_timers", "onTick", &script, "onTick() {"),
        ("pending_promises", "lock", &script, "async function lock"),
    ] {
        let found = rows(&answer, "holders").iter().find(|row| row["shape"] == shape && row["function"] == function);
        let found = found.unwrap_or_else(|| panic!("no {shape} of {function} in {answer:#}"));
        assert_eq!((found["delta_count"].as_i64(), found["file"].as_str()), (Some(200), file.to_str()), "{found}");
        assert_eq!(found["line"], line(text), "{found}");
    }
    for (shape, way, file) in [
        ("object_growth", "global.state.byNumber", None),
        ("object_growth", "exports.byName", store.to_str()),
        ("map_growth", "(root)", None),
        ("map_growth", "global.state.walked", None),
    ] {
        let is_it = |row: &&Value| row["shape"] == shape && row["path"].as_str().unwrap().contains(way);
        let found = rows(&answer, "holders").iter().find(is_it);
        let found = found.unwrap_or_else(|| panic!("no {shape} at {way} in {answer:#}"));
        assert_eq!((found["delta_count"].as_i64(), found["after_count"].as_i64()), (Some(200), Some(400)), "{found}");
        assert_eq!(found["file"].as_str(), file, "{found}");
        assert!(found["delta_bytes"].as_u64() >= Some(200 * 32), "{found}");
        let told = heap(&session, &files).expect_code(0).stdout;
        assert!(told.contains(found["path"].as_str().unwrap()), "{told}");
    }
    // V8 orders the names of the global object by a hash with a seed; the same program again has grown nowhere.
    let [_, again] = record(&session, &node, &script, "again");
    let across = json(&heap(&session, &["diff", files[2], again.to_str().unwrap(), "--json"]).expect_code(0));
    assert_eq!((&across["by"], rows(&across, "holders")), (&serde_json::json!("path"), &[] as &[Value]));
    let is_moved = |row: &&Value| {
        ["Timeout", "Poller", "Promise", "Generator"].iter().any(|class| row["class"] == *class)
            && row["delta_count"].as_i64().unwrap().abs() >= 10
    };
    let moved: Vec<_> = rows(&across, "rows").iter().filter(is_moved).collect();
    assert!(moved.is_empty(), "{moved:#?}");
}

/// One object asked for in every way.
fn questions_agree(session: &Session, file: &str) {
    let class = json(&heap(session, &["class", "Session", file, "--json"]).expect_code(0));
    let first = &rows(&class, "rows")[0];
    let id = format!("@{}", first["id"]);
    let object = json(&heap(session, &["object", &id, file, "--json"]).expect_code(0));
    assert_eq!(object["object"]["retained_bytes"], first["retained_bytes"]);
    assert!(rows(&object, "fields").iter().any(|field| field["reference"]["name"] == "user"));
    let nodes = heap(session, &["nodes", file]).expect_code(0);
    let line = nodes.stdout.lines().find(|line| line.starts_with(&format!("{}\t", first["id"]))).unwrap();
    let fields: Vec<&str> = line.split('\t').collect();
    assert_eq!((fields[2], fields[6]), (first["retained_bytes"].to_string().as_str(), "Session"));
    let stats = json(&heap(session, &["stats", file, "--json"]).expect_code(0));
    assert_eq!(nodes.stdout.lines().count() as u64, stats["nodes"].as_u64().unwrap());
    let root = json(&heap(session, &["dominators", file, "--json"]).expect_code(0));
    let native = nodes.stdout.lines().next().unwrap().split('\t').nth(2).unwrap().to_owned();
    assert_eq!(root["tree"]["retained_bytes"].to_string(), native);
    let strings = json(&heap(session, &["strings", file, "--json"]).expect_code(0));
    assert!(rows(&strings, "rows").iter().any(|row| row["text"] == "twice told" && row["count"].as_u64() >= Some(600)));
    for format in ["html", "svg"] {
        let page = heap(session, &["treemap", file, "--format", format]).expect_code(0).stdout;
        assert!(page.contains("<svg ") && page.contains("Session") && !page.contains("<script>alert"), "{format}");
        assert!(!page.contains("href=") && !page.contains("src="), "{format}");
    }
    let refused = heap(session, &["class", "Sesion", file]).expect_code(2);
    assert!(refused.stderr.contains("expected a class") && refused.stderr.contains("hint:"), "{}", refused.stderr);
    heap(session, &["object", "@1234567891", file]).expect_code(2);
}

#[test]
fn opens_from_the_index_and_never_from_a_wrong_one() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let script = session.write("service.cjs", PROGRAM);
    session.write("mod.cjs", "");
    let [first, second] = record(&session, &node, &script, "heap");
    let file = session.work().join("file.heapsnapshot");
    std::fs::copy(&first, &file).unwrap();
    let name = file.to_str().unwrap();
    let indexes = || -> Vec<PathBuf> {
        let folder = session.work().join("cache/brimline/heap");
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    let plain = heap(&session, &["nodes", name, "--no-index"]).expect_code(0).stdout;
    assert!(indexes().is_empty());
    let top = heap(&session, &["top", name]).expect_code(0).stdout;
    let [index] = &indexes()[..] else { panic!("expected one index, found {:?}", indexes()) };
    let started = Instant::now();
    assert_eq!(heap(&session, &["top", name]).expect_code(0).stdout, top);
    let taken = started.elapsed();
    assert!(taken < Duration::from_secs(2), "{taken:?}");
    assert_eq!(heap(&session, &["nodes", name]).expect_code(0).stdout, plain);
    // Damage anywhere: the answer is computed anew, and the index with it.
    let whole = std::fs::read(index).unwrap();
    for at in [0, 9, 20, 60, whole.len() / 3, whole.len() - 9] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        std::fs::write(index, &damaged).unwrap();
        assert_eq!(heap(&session, &["nodes", name]).expect_code(0).stdout, plain, "byte {at}");
        assert_eq!(heap(&session, &["top", name]).expect_code(0).stdout, top, "byte {at}");
    }
    std::fs::write(index, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(heap(&session, &["nodes", name]).expect_code(0).stdout, plain);
    // Another snapshot under the same name.
    std::fs::copy(&second, &file).unwrap();
    assert_ne!(heap(&session, &["top", name]).expect_code(0).stdout, top);
}

#[test]
fn shows_what_a_cut_file_holds() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let script = session.write("service.cjs", PROGRAM);
    session.write("mod.cjs", "");
    let [file, _] = record(&session, &node, &script, "heap");
    let bytes = std::fs::read(&file).unwrap();
    let cut = session.work().join("cut.heapsnapshot");
    std::fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let ended = heap(&session, &["top", cut.to_str().unwrap(), "--json"]).expect_code(3);
    assert!(ended.stderr.contains("killed while writing"), "{}", ended.stderr);
    let answer = json(&ended);
    assert_eq!(answer["partial"], true);
    assert!(!rows(&answer, "rows").is_empty());
    let empty = session.write("empty.heapsnapshot", "");
    let refused = heap(&session, &["top", empty.to_str().unwrap()]).expect_code(2);
    assert!(refused.stderr.contains("empty file") && refused.stderr.contains("hint:"), "{}", refused.stderr);
    let other = session.write("other.heapsnapshot", "{\"a\":1}");
    heap(&session, &["top", other.to_str().unwrap()]).expect_code(2);
}

#[test]
fn applies_source_maps() {
    let Some(node) = node() else { return };
    let session = Session::new();
    // Columns of the generated line at which names and parameters stand, with the places they come from.
    let generated = "var v8=require('v8'),e=new(require('events'));e.setMaxListeners(0);globalThis.e=e;\
                     for(let i=0;i<200;i++)e.on('x',function a(){return i});v8.writeHeapSnapshot(process.argv[2]);";
    let name = generated.find("function a").unwrap() + "function ".len();
    let vlq = |value: usize| {
        let (mut value, mut text) = (value << 1, String::new());
        loop {
            let digit = value & 31;
            value >>= 5;
            let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            text.push(char::from(digits[if value > 0 { digit | 32 } else { digit }]));
            if value == 0 {
                return text;
            }
        }
    };
    // name: source 0, line 41, column 10, name 0; one column on: column 18.
    let mappings = format!("{}A{}{}A,CAAQ", vlq(name), vlq(40), vlq(9));
    let map = format!(
        "{{\"version\":3,\"sources\":[\"src/listen.ts\"],\"names\":[\"onUpdate\"],\"mappings\":\"{mappings}\"}}"
    );
    for (kind, comment) in [
        ("beside", "bundle.js.map".to_owned()),
        ("inline", format!("data:application/json,{}", map.replace('"', "%22"))),
    ] {
        let script = session.write("bundle.js", &format!("{generated}\n//# sourceMappingURL={comment}\n"));
        session.write("bundle.js.map", if kind == "beside" { &map } else { "" });
        let file = session.work().join(format!("{kind}.heapsnapshot"));
        let status = session.plain(&node, [&script, &file]).status().unwrap();
        assert!(status.success());
        let top = heap(&session, &["top", file.to_str().unwrap()]).expect_code(0).stdout;
        let wanted = format!("200 listeners, all `onUpdate` at {}/src/listen.ts:41:", session.work().display());
        assert!(top.contains(&wanted), "{kind}: {top}");
    }
}

#[test]
fn report_and_diff_take_snapshots() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let script = session.write("service.cjs", PROGRAM);
    session.write("mod.cjs", "");
    let [before, after] = record(&session, &node, &script, "heap");
    let (before, after) = (before.to_str().unwrap(), after.to_str().unwrap());
    let report = ended(&mut session.brimline(["report", after, "--json"])).expect_code(0);
    assert_eq!(json(&report)["schema"], "brimline.heap.top/1");
    let diff = ended(&mut session.brimline(["diff", before, after])).expect_code(0);
    assert!(diff.stdout.contains("matched by object id"), "{}", diff.stdout);
    ended(&mut session.brimline(["report", after, "--format", "flame"])).expect_code(2);
}

/// Too small for a line in the first snapshot is not nothing.
#[test]
fn growth_counts_from_what_was_there() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let program = "const { EventEmitter } = require('events');\n\
        const prefix = process.argv[2], bus = new EventEmitter(), orders = new Map(), names = new Set();\n\
        bus.setMaxListeners(0);\n\
        function fill(n) { for (let i = 0; i < n; i++) { orders.set({}, i); names.add({});\n\
          setTimeout(function later() { return orders; }, 1e8).unref(); bus.on('x', function onX() { return names; }); } }\n\
        fill(60); require('v8').writeHeapSnapshot(`${prefix}-1.heapsnapshot`);\n\
        fill(400); require('v8').writeHeapSnapshot(`${prefix}-2.heapsnapshot`);\n\
        globalThis.kept = [bus, orders, names];\n";
    let script = session.write("grows.cjs", program);
    let [before, after] = record(&session, &node, &script, "heap");
    let arguments = ["diff", before.to_str().unwrap(), after.to_str().unwrap(), "--by", "id", "--json"];
    let answer = json(&heap(&session, &arguments).expect_code(0));
    for shape in ["map_growth", "set_growth", "pending_timers", "listener_accumulation"] {
        let holder = rows(&answer, "holders").iter().find(|holder| holder["shape"] == shape);
        let counts = holder.map(|holder| (holder["before_count"].as_u64(), holder["delta_count"].as_i64()));
        assert_eq!(counts, Some((Some(60), Some(400))), "{shape}: {:#}", answer["holders"]);
    }
}

#[test]
fn imports_a_copy_without_what_strings_say() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let script = session.write("service.cjs", PROGRAM);
    session.write("mod.cjs", "");
    let [file, _] = record(&session, &node, &script, "heap");
    let name = file.to_str().unwrap();
    let plain = heap(&session, &["nodes", name, "--no-index"]).expect_code(0).stdout;
    let answer = json(&ended(&mut session.brimline(["import", name, "--name", "kept", "--json"])).expect_code(0));
    assert_eq!(answer["format"], "heapsnapshot");
    assert!(answer["bytes"].as_u64().unwrap() * 3 < std::fs::metadata(&file).unwrap().len());
    // The run answers as the file does, and again from the index beside the copy.
    for _ in 0..2 {
        assert_eq!(heap(&session, &["nodes", "kept"]).expect_code(0).stdout, plain);
    }
    let strings = heap(&session, &["strings", "kept", "--json"]).expect_code(0);
    assert!(!strings.stdout.contains("twice told"), "{}", strings.stdout);
    let report = ended(&mut session.brimline(["report", "kept"])).expect_code(0);
    assert!(report.stdout.contains("all `onEvent` at"), "{}", report.stdout);
    let folder = PathBuf::from(answer["folder"].as_str().unwrap());
    let copy = std::fs::read(folder.join("imports/heap-1.heapsnapshot.zst")).unwrap();
    let copied = zstd::decode_all(&copy[..]).unwrap();
    assert!(!copied.windows(10).any(|window| window == b"twice told"));
    // What is whole of a cut one is kept; its strings come last, so none of them is in it.
    let cut = session.work().join("cut.heapsnapshot");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let cut = cut.to_str().unwrap();
    let told = ended(&mut session.brimline(["import", cut, "--name", "half"])).expect_code(3);
    assert!(told.stderr.contains("is cut, what is whole is kept"), "{}", told.stderr);
    heap(&session, &["top", "half"]).expect_code(3);
    ended(&mut session.brimline(["import", cut, "--keep-strings", "--name", "cut"])).expect_code(3);
    heap(&session, &["top", "cut"]).expect_code(3);
}
