//! Go programs behind walls: a password, another network namespace, a control group whose limit they meet.
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::go_endpoints::Program;
use crate::go_programs::{Server, build, has_go, json};
use crate::session::{Session, ended, kill};

/// The file that limits a group, and how to call a fresh group; `None` where none can be made.
struct Group(PathBuf);

impl Group {
    fn new(name: &str, limit: u64) -> Option<Self> {
        let (root, file) = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]
            .into_iter()
            .find(|(root, _)| Path::new(root).join("memory.stat").exists())?;
        let folder = Path::new(root).join(format!("brimline-test-{}-{name}", std::process::id()));
        std::fs::create_dir(&folder).ok()?;
        let group = Self(folder);
        std::fs::write(group.0.join(file), limit.to_string()).ok()?;
        Some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// What takes root is skipped without it, also where nothing else may be.
fn skip(why: &str) {
    // SAFETY: a plain system call without arguments.
    let is_root = unsafe { libc::geteuid() } == 0;
    assert!(!is_root || std::env::var("BRIMLINE_TEST_STRICT").as_deref() != Ok("1"), "{why}");
    eprintln!("skipped: {why}");
}

#[test]
fn a_password_opens_the_endpoint_and_is_kept_from_others() {
    if !has_go() {
        return;
    }
    let program = Program::start(&build("endpoints", &[]), &[("ENDPOINT", "guarded")]);
    let session = Session::new();
    let url = format!("http://ops:s%3Acret@{}", program.1);
    let attached = ended(&mut session.brimline(["attach", &url, "--duration", "1s"])).expect_code(0);
    let report = json(&session, &["report"]);
    assert!(report["totals"]["live_heap_bytes"].as_i64() > Some(32 << 20), "{report}");
    // Neither what is printed nor what people hand on tells it.
    let record = std::fs::read_to_string(session.run_folder().join("run.json")).unwrap();
    for text in [&attached.stdout, &attached.stderr, &report.to_string(), &record] {
        assert!(!text.contains("cret"), "{text}");
    }
    for url in [format!("http://ops:wrong@{}", program.1), format!("http://{}", program.1)] {
        let refused = ended(&mut Session::new().brimline(["attach", &url])).expect_code(4);
        assert!(refused.stderr.contains("401") && refused.stderr.contains("hint: "), "{}", refused.stderr);
    }
}

#[test]
fn a_program_in_another_network_says_how_to_reach_it() {
    if !has_go() {
        return;
    }
    let works = std::process::Command::new("unshare").args(["-n", "true"]).stderr(Stdio::null()).status();
    if !works.is_ok_and(|status| status.success()) {
        return skip("`unshare -n` is not allowed here");
    }
    let program = build("endpoints", &[]);
    let session = Session::new();
    // Its loopback device is down; binding everywhere needs none.
    let command = ["--", "unshare", "-n", program.to_str().unwrap()];
    let server = Server::start(&session, &command, &[("ADDRESS", "0.0.0.0:0")]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let ended = server.stop(libc::SIGTERM);
    assert!(ended.stderr.contains("another network namespace"), "{}", ended.stderr);
    assert!(ended.stderr.contains("nsenter --net"), "{}", ended.stderr);
}

#[test]
fn the_out_of_memory_killer_leaves_the_state_before_it() {
    if !has_go() {
        return;
    }
    let limit = 160 << 20;
    let Some(group) = Group::new("oom", limit) else { return skip("no control group with a memory limit can be made") };
    let program = build("endpoints", &[]);
    let session = Session::new();
    let enter = format!("echo $$ > {}/cgroup.procs; exec {}", group.0.display(), program.display());
    let variables = [("ENDPOINT", "eater"), ("GOMEMLIMIT", "400MiB")];
    let run = Server::start(&session, &["--", "sh", "-c", &enter], &variables).wait();
    assert_eq!(run.code(), Some(137), "{}", run.stderr);
    assert!(run.stderr.contains("by the kernel's out-of-memory killer; what follows"), "{}", run.stderr);
    assert!(!run.stderr.contains("often"), "{}", run.stderr);
    let report = ended(&mut session.brimline(["report", "--json"]));
    assert!(matches!(report.code(), Some(0 | 3)), "{}", report.stderr);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    assert!(report["totals"]["live_heap_bytes"].as_i64() > Some(32 << 20), "{report}");
    let age = report["captures"][0]["age_seconds"].as_f64().unwrap();
    assert!((0.0..10.0).contains(&age), "the last state is {age} s old");
    // A limit of Go's own above that of the group is no limit.
    let memory = json(&session, &["report", "--by", "rss"]);
    let process = &memory["processes"][0];
    assert_eq!(process["gc"]["cgroup_limit_bytes"], limit, "{memory}");
    let advice = process["advice"].to_string();
    assert!(advice.contains("GOMEMLIMIT"), "{memory}");
}

#[test]
fn a_kill_by_someone_else_is_not_the_kernels() {
    if !has_go() {
        return;
    }
    let Some(group) = Group::new("kill", 1 << 30) else {
        return skip("no control group with a memory limit can be made");
    };
    let program = build("endpoints", &[]);
    let session = Session::new();
    let enter = format!("echo $$ > {}/cgroup.procs; exec {}", group.0.display(), program.display());
    let server = Server::start(&session, &["--", "sh", "-c", &enter], &[]);
    crate::go_programs::wait_for_capture(&session);
    kill(crate::go_programs::target(&session), libc::SIGKILL);
    let run = server.wait();
    assert_eq!(run.code(), Some(137));
    assert!(run.stderr.contains("ended by signal 9;"), "{}", run.stderr);
}

#[test]
fn captures_by_time_are_a_trend() {
    if !has_go() {
        return;
    }
    let session = Session::new();
    let program = build("growing_map/leaky", &[]);
    let server = Server::start(&session, &["--", program.to_str().unwrap()], &[]);
    let captures = || std::fs::read_dir(session.run_folder().join("captures")).map_or(0, Iterator::count);
    crate::go_programs::wait_for_capture(&session);
    let begun = std::time::Instant::now();
    let mut number = 0;
    // After one, two and four seconds, and the last one at the end.
    while captures() < 5 {
        assert!(begun.elapsed().as_secs() < 30, "{} captures", captures());
        crate::go_programs::get(&server.address, &format!("/session/{number}"));
        number += 1;
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    server.stop(libc::SIGTERM).expect_code(0);
    let answer = |metric: &str| -> Value {
        // Too short to judge, it still shows what was measured.
        let text = ended(&mut session.brimline(["trend", "--value", metric, "--json"])).expect_code(3).stdout;
        serde_json::from_str(&text).unwrap()
    };
    let line = "growing_map/leaky/main.go:";
    let of_the_runtime = ["goroutine_stacks", "goroutines", "heap_inuse"].map(|metric| (metric, ""));
    for (metric, subject) in [("live_after_gc", ""), ("site_live_after_gc", line)].into_iter().chain(of_the_runtime) {
        let series = answer(metric)["series"].as_array().unwrap().clone();
        let is_meant = |one: &&Value| one["subject"].as_str().unwrap().contains(subject);
        let one = series.iter().find(is_meant).unwrap_or_else(|| panic!("no series of {metric}: {series:?}"));
        let points = one["points"].as_array().unwrap();
        assert!(points.len() >= 5, "{one}");
        let value = |point: &Value| point[1].as_f64().unwrap();
        if metric.contains("live") {
            // The sampled site has an interval; the whole heap has none.
            assert!(value(&points[points.len() - 1]) > value(&points[0]) + 1e6, "{one}");
        } else {
            assert!(points.iter().all(|point| value(point) >= 1.0), "{one}");
        }
    }
}
