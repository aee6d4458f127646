//! Files as other programs leave them: compressed, allocation timelines, snapshots of browsers; and pages in a browser.
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::heaps::{heap, json, node, rows};
use crate::session::Session;

const TIMELINE: &str = include_str!("heap/timeline.cjs");
const BROWSER: &str = include_str!("heap/browser.cjs");

/// A snapshot of the tests of the analysis.
fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../analysis/tests/heap").join(name);
    path.to_str().unwrap().to_owned()
}

#[test]
fn compressed_files_answer_as_plain_ones() {
    use std::io::Write as _;
    let session = Session::new();
    let plain = fixture("node.heapsnapshot");
    let bytes = std::fs::read(&plain).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).unwrap();
    // In several blocks, of which the first ones of a cut file can be read.
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    for piece in bytes.chunks(8 << 10) {
        zstd.write_all(piece).unwrap();
        zstd.flush().unwrap();
    }
    let nodes = heap(&session, &["nodes", &plain]).expect_code(0).stdout;
    for (name, packed) in
        [("a.heapsnapshot.gz", gzip.finish().unwrap()), ("a.heapsnapshot.zst", zstd.finish().unwrap())]
    {
        let file = session.work().join(name);
        std::fs::write(&file, &packed).unwrap();
        assert_eq!(heap(&session, &["nodes", name]).expect_code(0).stdout, nodes, "{name}");
        let top = json(&heap(&session, &["top", name, "--json"]).expect_code(0));
        assert_eq!(top["totals"], json(&heap(&session, &["top", &plain, "--json"]).expect_code(0))["totals"]);
        assert_eq!(
            rows(&json(&heap(&session, &["diff", &plain, name, "--json"]).expect_code(0)), "rows"),
            &[] as &[Value]
        );
        // Cut within the compressed bytes: what is whole is shown.
        std::fs::write(&file, &packed[..packed.len() * 3 / 4]).unwrap();
        let cut = heap(&session, &["top", name, "--json"]).expect_code(3);
        assert_eq!(json(&cut)["partial"], true, "{name}");
        assert!(!cut.stderr.is_empty(), "{name}");
    }
}

#[test]
fn a_timeline_tells_where_objects_were_allocated() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let script = session.write("timeline.cjs", TIMELINE);
    let file = "orders.heaptimeline";
    assert!(session.plain(&node, [script.as_os_str(), file.as_ref()]).status().unwrap().success());
    let place = |text: &str| TIMELINE.lines().position(|line| line.contains(text)).unwrap() as u64 + 1;
    // The constructor is called when the object is there: it is `readOrder` that allocates.
    let expected = [("readOrder", place("function readOrder")), ("handle", place("function handle"))];
    let found = |stack: &Value| {
        let frames = stack.as_array().unwrap().iter().take(2);
        frames
            .map(|frame| (frame["function"].as_str().unwrap().to_owned(), frame["line"].as_u64().unwrap()))
            .collect::<Vec<_>>()
    };
    let expected = expected.map(|(function, line)| (function.to_owned(), line));
    let sites = json(&heap(&session, &["top", "--by", "site", file, "--json"]).expect_code(0));
    let site = rows(&sites, "rows").iter().find(|site| found(&site["stack"]) == expected);
    let site = site.unwrap_or_else(|| panic!("no `readOrder` in {sites:#}"));
    assert!(site["live_count"].as_u64() >= Some(700) && site["file"] == Value::Null, "{site:#}");
    assert!(site["total_count"].as_u64() >= site["live_count"].as_u64(), "{site:#}");
    let class = json(&heap(&session, &["class", "Order", file, "--json"]).expect_code(0));
    assert_eq!(class["count"], 700);
    let id = format!("@{}", rows(&class, "rows")[0]["id"]);
    let object = json(&heap(&session, &["object", &id, file, "--json"]).expect_code(0));
    assert_eq!(found(&object["allocation"]), expected, "{object:#}");
}

/// Chromium, of which one test wants a snapshot and another one to see a page.
fn chromium() -> Option<PathBuf> {
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|folder| folder.join("chromium")).find(|path| path.is_file())
    });
    if found.is_none() {
        eprintln!("SKIPPED: no `chromium` on the path");
        assert!(std::env::var_os("BRIMLINE_TEST_STRICT").is_none(), "BRIMLINE_TEST_STRICT allows no skip");
    }
    found
}

#[test]
fn tells_which_nodes_left_their_document() {
    let (Some(node), Some(chromium)) = (node(), chromium()) else { return };
    let session = Session::new();
    let script = session.write("browser.cjs", BROWSER);
    let mut recorder = session.plain(&node, [script.as_os_str(), chromium.as_os_str(), session.work().as_os_str()]);
    assert!(recorder.status().unwrap().success());
    let top = heap(&session, &["top", "page.heapsnapshot"]).expect_code(0).stdout;
    let claim = "100 nodes Detached <section> that left their document\n";
    let at = top.find(claim).unwrap_or_else(|| panic!("no `{claim}` in {top}"));
    let path = top[at..].lines().nth(1).unwrap();
    assert!(path.contains(".page.removed[") && path.contains(".element @"), "{top}");
    // The other hundred are in their document.
    let nodes = heap(&session, &["nodes", "page.heapsnapshot"]).expect_code(0).stdout;
    let sections = |class: &str| nodes.lines().filter(|line| line.split('\t').nth(6) == Some(class)).count();
    assert_eq!((sections("Detached <section>"), sections("<section>")), (100, 100));
}

#[test]
fn a_treemap_is_drawn_by_a_browser() {
    let Some(chromium) = chromium() else { return };
    let session = Session::new();
    heap(&session, &["treemap", &fixture("node.heapsnapshot"), "-o", "map.html"]).expect_code(0);
    let page = session.work().join("map.html");
    // A second script of the page sees what the page's own script made of a step of the mouse onto the root's tile.
    let text = std::fs::read_to_string(&page).unwrap();
    let probe = "<script>document.querySelector('svg g rect').dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));\
                 document.body.dataset.errors = String(document.querySelectorAll('parsererror').length);</script></body>";
    std::fs::write(&page, text.replace("</body>", probe)).unwrap();
    let drawn = session
        .plain(&chromium, ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--user-data-dir={}", session.work().join("profile").display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let drawn = String::from_utf8(drawn.stdout).unwrap();
    assert!(drawn.contains("data-errors=\"0\"") && drawn.matches("<rect ").count() > 20, "{drawn}");
    let note =
        |page: &str| page.split("id=\"note\">").nth(1).and_then(|rest| rest.split("</p>").next()).unwrap().to_owned();
    assert!(
        note(&text).contains("retained by") && note(&drawn) != note(&text),
        "the page's script ran: {}",
        note(&drawn)
    );
    assert_eq!(
        drawn.matches("http").count(),
        drawn.matches("http://www.w3.org/2000/svg").count() + drawn.matches("http-equiv").count()
    );
}
