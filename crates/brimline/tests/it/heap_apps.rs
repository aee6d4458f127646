//! Leaks planted in programs that stand on packages from npm, and the same programs without them.
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::heaps::{self, heap, node, rows};
use crate::session::Session;

const LOAD: &str = include_str!("heap/apps/load.cjs");
/// Requests before the first snapshot, and again before the second.
const REQUESTS: u64 = 300;

/// The folder with the packages of `programs/node/package.json`, installed by `scripts/test.sh`.
pub(crate) fn packages() -> Option<PathBuf> {
    let found = std::env::var_os("BRIMLINE_TEST_NODE_PACKAGES").map(PathBuf::from);
    if found.is_none() {
        eprintln!("SKIPPED: BRIMLINE_TEST_NODE_PACKAGES names no packages; run scripts/test.sh");
        assert!(std::env::var_os("BRIMLINE_TEST_STRICT").is_none(), "BRIMLINE_TEST_STRICT allows no skip");
    }
    found
}

/// A planted leak: its shape, what the claim says, the function with the text of its line where one is to blame, and the
/// way to it.
struct Plant {
    shape: &'static str,
    claim: &'static str,
    function: Option<(&'static str, &'static str)>,
    path: &'static str,
}

/// Records `program` clean and leaky; the first must name nothing, the other all `plants` before anything else.
fn check(name: &str, program: &str, plants: &[Plant]) {
    let (Some(node), Some(packages)) = (node(), packages()) else { return };
    let session = Session::new();
    session.write("load.cjs", LOAD);
    let script = session.write(&format!("{name}.cjs"), program);
    for kind in ["clean", "leaky"] {
        let mut command = session.plain(&node, [script.as_os_str(), kind.as_ref(), kind.as_ref()]);
        assert!(command.env("NODE_PATH", packages.join("node_modules")).status().unwrap().success());
        let [before, after] = [1, 2].map(|number| format!("{kind}-{number}.heapsnapshot"));
        let answer = heaps::json(&heap(&session, &["diff", &before, &after, "--json"]).expect_code(0));
        let top = heap(&session, &["top", &after]).expect_code(0).stdout;
        if kind == "clean" {
            assert_eq!(rows(&answer, "holders"), &[] as &[Value], "{name}");
            assert!(!top.contains("what holds memory"), "{name}: {top}");
            continue;
        }
        for plant in plants {
            let is_it = |holder: &&Value| {
                holder["shape"] == plant.shape && holder["path"].as_str().unwrap().contains(plant.path)
            };
            // An array of buffers is told of beside its buffers.
            let found = rows(&answer, "holders").iter().take(plants.len() + 1).find(is_it);
            let found = found.unwrap_or_else(|| panic!("{name}: no {} in {answer:#}", plant.shape));
            assert_eq!((&found["after_count"], &found["delta_count"]), (&json!(2 * REQUESTS), &json!(REQUESTS)));
            assert!(found["delta_bytes"].as_u64() > Some(REQUESTS * 50), "{found}");
            assert_eq!(found["file"], script.to_str().unwrap(), "{found}");
            if let Some((function, text)) = plant.function {
                let line = program.lines().position(|line| line.contains(text)).unwrap() + 1;
                assert_eq!((&found["function"], &found["line"]), (&json!(function), &json!(line)));
            }
            assert!(top.contains(plant.claim), "{name}: no `{}` in {top}", plant.claim);
        }
        // Three snapshots of the process; and the process without the leak, whose ids mean nothing here.
        let stays = ["diff", &before, &after, "leaky-3.heapsnapshot", "--json"];
        let stays = heaps::json(&heap(&session, &stays).expect_code(0));
        let across = ["diff", "clean-2.heapsnapshot", &after, "--json"];
        let across = heaps::json(&heap(&session, &across).expect_code(0));
        assert_eq!(across["by"], "path");
        for plant in plants {
            let is_on_way = |row: &&Value| row["path"].as_str().is_some_and(|path| path.contains(plant.path));
            let stayed = rows(&stays, "rows").iter().filter(is_on_way).any(|row| row["count"] == REQUESTS);
            assert!(stayed, "{name}: nothing of {} stays in {stays:#}", plant.path);
            let is_it = |holder: &Value| {
                holder["shape"] == plant.shape && holder["path"].as_str().unwrap().contains(plant.path)
            };
            let more =
                rows(&across, "holders").iter().any(|holder| is_it(holder) && holder["delta_count"] == 2 * REQUESTS);
            assert!(more, "{name}: no {} in {:#}", plant.path, across["holders"]);
        }
    }
}

#[test]
fn names_what_is_planted_in_express() {
    let timers = Plant {
        shape: "pending_timers",
        claim: "600 timers that wait to call `onExpire` at ",
        function: Some(("onExpire", "function onExpire")),
        path: "timerListMap",
    };
    let answers = Plant {
        shape: "object_growth",
        claim: "Object with 600 properties, seen by `",
        function: None,
        path: "variable answers in express.cjs",
    };
    check("express", include_str!("heap/apps/express.cjs"), &[timers, answers]);
}

#[test]
fn names_what_is_planted_in_fastify() {
    let map = Plant {
        shape: "map_growth",
        claim: "Map with 600 entries, seen by `",
        function: None,
        path: "variable recent in fastify.cjs",
    };
    let promises = Plant {
        shape: "pending_promises",
        claim: "600 pending promises, handled by `onApproved` at ",
        function: Some(("onApproved", "function onApproved")),
        path: "variable waiting in fastify.cjs → Set entry",
    };
    check("fastify", include_str!("heap/apps/fastify.cjs"), &[map, promises]);
}

#[test]
fn names_what_is_planted_in_ws() {
    let listeners = Plant {
        shape: "listener_accumulation",
        claim: "EventEmitter 'price': 600 listeners, all `onPrice` at ",
        function: Some(("onPrice", "function onPrice")),
        path: "variable feed in ws.cjs",
    };
    let buffers = Plant {
        shape: "off_heap_buffers",
        claim: "600 buffers outside the heap in ",
        function: None,
        path: "variable history in ws.cjs",
    };
    check("ws", include_str!("heap/apps/ws.cjs"), &[listeners, buffers]);
}
