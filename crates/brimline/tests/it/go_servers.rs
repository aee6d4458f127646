//! Go servers under load with a planted leak, and the same without it: the leak is named with numbers that agree with the
//! runtime's own and with `go tool pprof`, the bounded one stays silent.
use std::process::Command;

use serde_json::Value;

use crate::answer::line_number;
use crate::go_programs::{Server, build, get, has_go, json, programs, visit, wait_for_capture};
use crate::session::{Session, ended};

const SESSIONS: i64 = 1200;
const PAYLOAD: i64 = 16 << 10;

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("expected a number, found {value}"))
}

/// Load on a session store between two marks, recorded.
fn store(package: &str) -> Session {
    let session = Session::new();
    let program = build(package, &[]);
    let server = Server::start(&session, &["--name", "store", "--", program.to_str().unwrap()], &[]);
    wait_for_capture(&session);
    ended(&mut session.brimline(["mark", "warm"])).expect_code(0);
    for id in 0..SESSIONS {
        get(&server.address, &format!("/session/{id}"));
    }
    let marked = ended(&mut session.brimline(["mark", "store", "loaded"])).expect_code(0);
    assert!(marked.stdout.contains("captured; next: "), "{}", marked.stdout);
    let stopped = server.stop(libc::SIGTERM).expect_code(0);
    assert!(stopped.stdout.contains("stopped"), "the program's own end: {}", stopped.stdout);
    assert!(stopped.stderr.contains("live heap"), "{}", stopped.stderr);
    session
}

#[test]
fn a_map_that_grows_is_found_with_the_runtimes_numbers() {
    if !has_go() {
        return;
    }
    let session = store("growing_map/leaky");
    let source = std::fs::read_to_string(programs().join("growing_map/leaky/main.go")).unwrap();
    let line = line_number(&source, "Payload: make([]byte, 16<<10)}");
    let planted = SESSIONS * PAYLOAD;
    let report = json(&session, &["report", "store@loaded"]);
    let totals = &report["totals"];
    // Counted by the runtime: the sessions, their payload, the map and what a server has open.
    let live = number(&totals["live_heap_bytes"]);
    assert!((planted..planted + (3 << 20)).contains(&live), "{live} of {planted}");
    let row = &report["rows"][0];
    assert_eq!((&row["line"], &row["function"]), (&line.into(), &"main.(*Store).Open".into()), "{row}");
    assert_eq!(row["module"], "main");
    // One interval in twenty misses; all of three standard deviations does not.
    let slack = 12 << 20;
    assert!(
        number(&row["live_bytes_low"]) - slack < planted && planted < number(&row["live_bytes_high"]) + slack,
        "{row}"
    );
    let diff = json(&session, &["diff", "store@warm", "store@loaded"]);
    assert_eq!(diff["rows"][0]["line"], line, "{diff}");
    assert_eq!(diff["rows"][0]["within_noise"], false);
    let lines = json(&session, &["lines", "Store.Open", "--run", "store"]);
    let rows = lines["functions"][0]["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["line"] == line && number(&row["live_bytes"]) > planted / 2), "{lines}");
    let own = json(&session, &["report", "store", "--by", "package", "--project-only", "--metric", "total"]);
    assert_eq!(own["rows"][0]["module"], "main");
    let labels = json(&session, &["report", "store", "--by", "label"]);
    assert_eq!(labels["rows"][0]["labels"], format!("bytes={PAYLOAD}"));
    let file = session.run_folder().join("snapshots/loaded");
    let capture = std::fs::read_dir(file).unwrap().next().unwrap().unwrap().path();
    agrees_with_go(&capture.join("heap.pb.gz"), &report);
}

/// `go tool pprof` on the same file has the same total and the same largest function.
fn agrees_with_go(file: &std::path::Path, report: &Value) {
    for (index, total) in
        [("inuse_space", "live_bytes"), ("alloc_space", "total_bytes"), ("inuse_objects", "live_count")]
    {
        let unit = if index.ends_with("space") { "-unit=B" } else { "-unit=count" };
        let output = Command::new("go")
            .args(["tool", "pprof", "-top", unit, "-nodefraction=0", &format!("-sample_index={index}")])
            .arg(file)
            .env("TZ", "UTC")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = text.lines().find(|line| line.starts_with("Showing nodes accounting for")).expect("a legend");
        let said = said.rsplit(" of ").next().unwrap().trim_end_matches(" total").trim_end_matches('B');
        assert_eq!(said.parse::<i64>().unwrap(), number(&report["totals"][total]), "{index}: {text}");
    }
}

#[test]
fn a_map_with_a_bound_does_not_grow() {
    if !has_go() {
        return;
    }
    let session = store("growing_map/bounded");
    let diff = json(&session, &["diff", "store@warm", "store@loaded"]);
    // A hundred sessions may stay; what is drawn of them may be seven times as much in one run of a thousand.
    for row in diff["rows"].as_array().unwrap() {
        assert!(number(&row["delta_bytes_low"]) <= 100 * PAYLOAD + (1 << 20), "{row}");
    }
    let live = number(&json(&session, &["report", "store@loaded"])["totals"]["live_heap_bytes"]);
    assert!(live < 100 * PAYLOAD + (3 << 20), "{live}");
}

/// Starts a program, plants goroutines by `load`, and tells what `brimline goroutines` says.
fn goroutines(package: &str, flags: &[&str], load: impl Fn(&str)) -> Value {
    let session = Session::new();
    let program = build(package, flags);
    let server = Server::start(&session, &["--name", "app", "--", program.to_str().unwrap()], &[]);
    wait_for_capture(&session);
    ended(&mut session.brimline(["mark", "warm"])).expect_code(0);
    load(&server.address);
    // What was sent off has a moment to end.
    std::thread::sleep(std::time::Duration::from_millis(300));
    ended(&mut session.brimline(["snapshot", "app", "--name", "loaded"])).expect_code(0);
    server.stop(libc::SIGTERM).expect_code(0);
    let answer = json(&session, &["goroutines", "app@loaded", "--since", "warm"]);
    let text = ended(&mut session.brimline(["goroutines", "app@loaded"])).expect_code(0).stdout;
    assert!(text.contains("goroutines"), "{text}");
    answer["processes"][0].clone()
}

/// The creating and the blocking line of a program.
fn truth(package: &str) -> (u64, u64) {
    let (keeps, blocks) = match package {
        "goroutine" => ("go h.write(client)", "for message := range client.send {"),
        _ => ("go func() {\n\t\ttime.Sleep", "done <- result{input * 2}"),
    };
    let source = std::fs::read_to_string(programs().join(package).join("leaky/main.go")).unwrap();
    let keeps = source[..source.find(keeps).unwrap()].lines().count() as u64;
    (keeps, line_number(&source, blocks))
}

fn is_planted(row: &Value, package: &str) -> bool {
    let (keeps, blocks) = truth(package);
    row["created_by"]["line"] == keeps && row["blocked_at"]["line"] == blocks
}

const PLANTED: i64 = 20_020;

fn work(address: &str) {
    get(address, &format!("/work?count={PLANTED}"));
}

#[test]
fn the_leak_detector_tells_the_planted_goroutines_exactly() {
    if !has_go() {
        return;
    }
    let answer = goroutines("worker_pool/leaky", &["GOEXPERIMENT=goroutineleakprofile"], work);
    assert_eq!(answer["leaks"]["count"], PLANTED, "{answer}");
    let row = &answer["leaks"]["rows"][0];
    assert!(is_planted(row, "worker_pool") && row["count"] == PLANTED && row["state"] == "chan send", "{row}");
    assert_eq!(row["labels"][0]["value"], "/work", "{row}");
    assert_eq!(answer["grown"].as_array().unwrap().len(), 0, "{answer}");
}

#[test]
fn without_the_detector_the_site_is_named_by_growth() {
    if !has_go() {
        return;
    }
    let answer = goroutines("worker_pool/leaky", &[], work);
    assert!(answer["leaks"].is_null(), "{answer}");
    let row = &answer["grown"][0];
    assert!(is_planted(row, "worker_pool") && row["delta"] == PLANTED, "{row}");
    assert!(number(&row["stack_bytes"]) > PLANTED * 2000 && row["since_seconds"].as_f64() > Some(0.0), "{row}");
    assert_eq!(answer["grown"].as_array().unwrap().len(), 1, "{answer}");
}

#[test]
fn workers_that_end_are_no_leak() {
    if !has_go() {
        return;
    }
    let answer = goroutines("worker_pool/bounded", &["GOEXPERIMENT=goroutineleakprofile"], work);
    assert_eq!(answer["leaks"]["count"], 0, "{answer}");
    assert_eq!(answer["grown"].as_array().unwrap().len(), 0, "{answer}");
}

#[test]
fn a_hub_that_forgets_its_writers_is_told_from_one_that_does_not() {
    if !has_go() {
        return;
    }
    let visits = |address: &str| (0..150).for_each(|_| visit(address, "/page"));
    let answer = goroutines("goroutine/leaky", &[], visits);
    let row = &answer["grown"][0];
    assert!(is_planted(row, "goroutine") && row["delta"] == 150 && row["state"] == "chan receive", "{answer}");
    let answer = goroutines("goroutine/bounded", &[], visits);
    assert_eq!(answer["grown"].as_array().unwrap().len(), 0, "{answer}");
}

#[test]
fn the_resident_set_is_explained_to_the_last_byte() {
    if !has_go() {
        return;
    }
    let session = Session::new();
    let program = build("cgo_buffer", &["CGO_ENABLED=1"]);
    let server = Server::start(&session, &["--", program.to_str().unwrap()], &[("GOMEMLIMIT", "1GiB")]);
    wait_for_capture(&session);
    get(&server.address, &format!("/grow?bytes={}", 64 << 20));
    get(&server.address, &format!("/grow?where=go&bytes={}", 24 << 20));
    ended(&mut session.brimline(["snapshot", "--name", "grown"])).expect_code(0);
    server.stop(libc::SIGTERM).expect_code(0);
    for run in ["latest@grown", "latest"] {
        let answer = json(&session, &["report", run, "--by", "rss"]);
        let process = &answer["processes"][0];
        let rows = process["rows"].as_array().unwrap();
        let resident = |part: &str| number(&rows.iter().find(|row| row["part"] == part).unwrap()["resident_bytes"]);
        assert!(rows.iter().all(|row| number(&row["resident_bytes"]) >= 0), "{answer}");
        let sum: i64 = rows.iter().map(|row| number(&row["resident_bytes"])).sum();
        assert_eq!(sum, number(&process["vm_rss_bytes"]), "{answer}");
        let (c, go) = (resident("not_go_memory"), resident("live"));
        assert!((60 << 20..80 << 20).contains(&c), "{c} bytes of C: {answer}");
        assert!((24 << 20..28 << 20).contains(&go), "{go} bytes of Go: {answer}");
        assert_eq!(process["gc"]["memory_limit_bytes"], 1_i64 << 30);
        assert!(process["gc"]["count"].as_i64() > Some(0) && process["gc"]["pause_highest_ns"].as_i64() > Some(0));
    }
    let text = ended(&mut session.brimline(["report", "--by", "rss"])).expect_code(0).stdout;
    assert!(text.contains("most of the resident memory") && text.contains("GOMEMLIMIT 1.0 GiB"), "{text}");
}

#[test]
fn go_test_keeps_the_profile_of_each_package() {
    if !has_go() {
        return;
    }
    let session = Session::new();
    let mut command = session.brimline(["run", "--", "go", "test", "./leaking", "./serving"]);
    let run = ended(command.current_dir(programs())).expect_code(0);
    assert!(run.stdout.contains("ok  \tbrimline.dev/programs/go/leaking"), "{}", run.stdout);
    let report = json(&session, &["report", "--by", "function"]);
    assert_eq!(report["rows"][0]["function"], "brimline.dev/programs/go/leaking.Remember", "{report}");
    // 800 pages of 64 KiB, of which one in eight is drawn.
    let live = number(&report["rows"][0]["live_bytes"]);
    assert!((25 << 20..90 << 20).contains(&live), "{live}");
    // With every allocation counted there is nothing to estimate.
    let mut command = session.brimline(["run", "--sample-every", "256", "--", "go", "test", "./leaking"]);
    ended(command.current_dir(programs())).expect_code(0);
    let live = number(&json(&session, &["report", "--by", "function"])["rows"][0]["live_bytes"]);
    // The map itself is part of what the function keeps.
    assert!((800 * (64 << 10)..801 * (64 << 10)).contains(&live), "{live}");
}
