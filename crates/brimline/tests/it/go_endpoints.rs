//! Where the profiles of Go programs come from, and what is said where they do not: prefixes, TLS, sockets, pages, silence,
//! programs that end in the middle.
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::go_programs::{Server, build, get, has_go, json, programs, target, wait_for_capture};
use crate::session::{Session, ended, kill, wait_for};

/// Records the program `endpoints` of this kind until its first capture.
fn captured(kind: &str) -> String {
    let session = Session::new();
    let program = build("endpoints", &[]);
    let server = Server::start(&session, &["--", program.to_str().unwrap()], &[("ENDPOINT", kind)]);
    wait_for_capture(&session);
    let ended = server.stop(libc::SIGTERM);
    assert_eq!(ended.code(), Some(128 + libc::SIGTERM), "{}", ended.stderr);
    // Ended in the middle of a later capture, or of the first one's goroutines, it is told as not complete.
    let report = crate::session::ended(&mut session.brimline(["report", "--json"]));
    assert!(matches!(report.code(), Some(0 | 3)), "{}", report.stderr);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    let live = report["totals"]["live_heap_bytes"].as_i64().unwrap();
    assert!((32 << 20..33 << 20).contains(&live), "{live}");
    ended.stderr
}

#[test]
fn an_endpoint_below_a_prefix_is_found() {
    if has_go() {
        let said = captured("prefix");
        assert!(said.contains("/admin/debug/pprof"), "{said}");
    }
}

#[test]
fn a_certificate_of_its_own_is_accepted_on_this_machine_and_told() {
    if has_go() {
        let said = captured("tls");
        assert!(said.contains("accepted on this machine") && said.contains("https://127.0.0.1:"), "{said}");
    }
}

#[test]
fn a_server_that_takes_five_seconds_for_each_answer_is_captured() {
    if has_go() {
        // Told from the first answer on; the heap needs four.
        captured("slow");
    }
}

/// What brimline says of a program without profiles once it has ended.
fn refused(kind: &str, options: &[&str]) -> String {
    let session = Session::new();
    let program = build("endpoints", &[]);
    let arguments = [options, &["--", program.to_str().unwrap()]].concat();
    let server = Server::start(&session, &arguments, &[("ENDPOINT", kind)]);
    std::thread::sleep(Duration::from_secs(2));
    let begun = Instant::now();
    let ended = server.stop(libc::SIGTERM);
    assert!(begun.elapsed() < Duration::from_secs(2), "the end waited for {:?}", begun.elapsed());
    assert_eq!(ended.code(), Some(128 + libc::SIGTERM));
    let report = crate::session::ended(&mut session.brimline(["report"]));
    assert_eq!(report.code(), Some(3), "{}", report.stderr);
    assert!(report.stderr.contains("hint: "), "{}", report.stderr);
    ended.stderr
}

#[test]
fn one_message_says_what_to_add() {
    if !has_go() {
        return;
    }
    for (kind, options, expected) in [
        ("none", &[][..], "it listens nowhere"),
        ("html", &[], "found an HTML page"),
        ("odd", &[], "404"),
        ("silent", &[], "a socket that does not answer"),
        // Nobody listens on port 1.
        ("odd", &["--pprof", "http://127.0.0.1:1"], "Connection refused"),
    ] {
        let said = refused(kind, options);
        assert_eq!(said.matches("no profiles of Go process").count(), 1, "{kind}: {said}");
        for part in [expected, "net/http/pprof", "go/brimline", "--pprof URL"] {
            assert!(said.contains(part), "{kind}: expected `{part}` in {said}");
        }
    }
}

#[test]
fn the_endpoint_given_is_used_wherever_it_lies() {
    if !has_go() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    let url = format!("unix:{}:/a/b/c", socket.display());
    let session = Session::new();
    let program = build("endpoints", &[]);
    let mut command = session.brimline(["run", "--pprof", &url, "--"]);
    command.arg(&program).env("ENDPOINT", "odd").env("SOCKET", &socket).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_for("a run", || std::fs::read_dir(session.store().join("runs")).ok()?.next().map(drop));
    wait_for_capture(&session);
    kill(child.id(), libc::SIGTERM);
    child.wait().unwrap();
    assert_eq!(json(&session, &["report"])["captures"][0]["collected"], true);
}

/// A program that runs without brimline, and its address.
pub(crate) struct Program(Child, pub(crate) String);

impl Program {
    pub(crate) fn start(program: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = std::process::Command::new(program);
        let mut child =
            command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
        Self(child, line.trim().rsplit(' ').next().unwrap().to_owned())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        kill(self.0.id(), libc::SIGKILL);
        let _ = self.0.wait();
    }
}

#[test]
fn a_running_program_is_attached_to_by_id_and_by_address() {
    if !has_go() {
        return;
    }
    // Without symbols, without paths, linked statically: what people ship.
    let program = build("growing_map/leaky", &["-trimpath", "-ldflags=-s -w", "CGO_ENABLED=0"]);
    let program = Program::start(&program, &[]);
    (0..600).for_each(|id| drop(get(&program.1, &format!("/session/{id}"))));
    for target in [program.0.id().to_string(), format!("http://{}", program.1)] {
        let session = Session::new();
        let mut command = session.brimline(["attach", &target, "--duration", "1s"]);
        ended(command.current_dir(programs())).expect_code(0);
        let report = json(&session, &["report"]);
        let capture = &report["captures"][0];
        assert_eq!((&capture["process"], &capture["collected"]), (&program.0.id().into(), &true.into()), "{capture}");
        let row = &report["rows"][0];
        assert_eq!(
            (&row["function"], &row["path"]),
            (&"main.(*Store).Open".into(), &"growing_map/leaky/main.go".into()),
            "{row}"
        );
        // The source is found although the program names it by its module.
        let table = ended(&mut session.brimline(["report"])).expect_code(0).stdout;
        assert!(table.contains("make([]byte, 16<<10)"), "{table}");
        let first =
            std::fs::read_dir(session.run_folder().join("captures")).unwrap().map(|entry| entry.unwrap().path()).min();
        let record: Value =
            serde_json::from_str(&std::fs::read_to_string(first.unwrap().join("capture.json")).unwrap()).unwrap();
        let run = session.run_record();
        let seconds: f64 = record["seconds"].as_array().unwrap().iter().map(|row| row[1].as_f64().unwrap()).sum();
        assert!(seconds < 1.0, "the first capture took {seconds} s");
        assert!(record["at"].as_str().unwrap() >= run["start"].as_str().unwrap());
        assert!(json(&session, &["report", "--by", "rss"])["processes"][0]["vm_rss_bytes"].as_i64() > Some(0));
    }
    assert!(get(&program.1, "/session/1").contains("bytes"), "the program goes on");
    let refused = ended(&mut Session::new().brimline(["attach", &std::process::id().to_string()])).expect_code(4);
    assert!(
        refused.stderr.contains("expected a Go or Node program with process id") && refused.stderr.contains("hint: "),
        "{}",
        refused.stderr
    );
    let refused = ended(&mut Session::new().brimline(["attach", "http://127.0.0.1:1"])).expect_code(4);
    assert!(refused.stderr.contains("refused"), "{}", refused.stderr);
}

#[test]
fn the_doctor_tells_who_can_reach_the_profiles() {
    if !has_go() {
        return;
    }
    let binary = build("endpoints", &[]);
    let program = Program::start(&binary, &[("ADDRESS", "0.0.0.0:0"), ("GOMEMLIMIT", "64MiB")]);
    let session = Session::new();
    let answer = json(&session, &["doctor", &program.0.id().to_string()]);
    let weight = |subject: &str| {
        let findings = answer["findings"].as_array().unwrap();
        findings.iter().find(|row| row["subject"] == subject).map(|row| row["weight"].clone())
    };
    assert_eq!(weight("reach"), Some("warning".into()), "{answer}");
    assert_eq!((weight("endpoint"), &answer["sample_rate"]), (Some("ok".into()), &(512 << 10).into()), "{answer}");
    assert!(weight("memory limit").is_some());
    let without = Program::start(&binary, &[("ENDPOINT", "html")]);
    let answer = ended(&mut session.brimline(["doctor", &without.0.id().to_string()])).expect_code(3);
    assert!(
        answer.stdout.contains("problem  endpoint") && answer.stdout.contains("net/http/pprof"),
        "{}",
        answer.stdout
    );
    let all = ended(&mut session.brimline(["doctor", "--json"]));
    let all: Value = serde_json::from_str(&all.stdout).unwrap();
    let known = all["go"]["processes"].as_array().unwrap();
    assert!(known.iter().any(|row| row["process"] == program.0.id()), "{all}");
}

#[test]
fn the_package_serves_programs_without_http() {
    if !has_go() {
        return;
    }
    let session = Session::new();
    let program = build("imported", &[]);
    // Long enough for a capture after the first, which may fall into the filling.
    ended(session.run([&program]).env("PATIENCE", "5s")).expect_code(0);
    let report = json(&session, &["report"]);
    let live = report["totals"]["live_heap_bytes"].as_i64().unwrap();
    assert!((32 << 20..33 << 20).contains(&live), "{report}");
    let folder = Path::new(report["captures"][0]["folder"].as_str().unwrap());
    let metrics: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("metrics.json")).unwrap()).unwrap();
    // The collector's own count of the same collection.
    let marked = metrics["metrics"]["/gc/heap/live:bytes"].as_i64().unwrap();
    assert!((live - marked).abs() * 100 < live, "MemStats {live}, /gc/heap/live {marked}");
    // Alone it does nothing: no socket, the same output.
    let alone = ended(session.plain(&program, [] as [&str; 0]).env("PATIENCE", "1ms")).expect_code(0);
    assert_eq!(alone.stdout, "filled\n");
}

#[test]
fn go_run_gives_its_program_the_signal_and_leaves_nothing_behind() {
    if !has_go() {
        return;
    }
    let session = Session::new();
    let package = "./growing_map/leaky";
    let server = Server::start(&session, &["--", "go", "-C", programs().to_str().unwrap(), "run", package], &[]);
    wait_for_capture(&session);
    let pid = target(&session);
    let ended = server.stop(libc::SIGTERM).expect_code(0);
    assert!(ended.stdout.contains("stopped"), "{}", ended.stdout);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} was left behind");
    let report = json(&session, &["report"]);
    assert_eq!(report["captures"][0]["process"], pid);
    // The state in which it was told to end, not the one after it had put all away.
    assert_eq!(report["captures"][0]["trigger"], "end", "{report}");
    assert!(!session.run_folder().join(format!("captures/end-{pid}")).exists());
}

#[test]
fn a_program_killed_in_the_middle_of_a_capture_leaves_what_had_arrived() {
    if !has_go() {
        return;
    }
    let session = Session::new();
    let program = build("endpoints", &[]);
    let server = Server::start(&session, &["--", program.to_str().unwrap()], &[("ENDPOINT", "slow")]);
    // The heap has arrived, the goroutines take five seconds more.
    wait_for_capture(&session);
    let pid = target(&session);
    kill(pid, libc::SIGKILL);
    let ended = server.wait();
    assert_eq!((ended.code(), ended.status.signal()), (Some(137), None), "{}", ended.stderr);
    let report = crate::session::ended(&mut session.brimline(["report", "--json"])).expect_code(3);
    assert!(report.stderr.contains("is not complete"), "{}", report.stderr);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    assert!(report["totals"]["live_heap_bytes"].as_i64() > Some(32 << 20), "{report}");
    assert_eq!(report["captures"][0]["complete"], false);
    // How old the state is.
    assert!(report["captures"][0]["age_seconds"].as_f64() > Some(0.0), "{report}");
}

#[test]
fn a_program_with_a_root_folder_of_its_own_is_captured() {
    if !has_go() {
        return;
    }
    // SAFETY: a plain system call without arguments.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: chroot needs root");
        return;
    }
    let session = Session::new();
    let program = build("endpoints", &["CGO_ENABLED=0"]);
    let root = session.work().join("root");
    std::fs::create_dir(&root).unwrap();
    std::fs::copy(&program, root.join("server")).unwrap();
    let mut command = session.run(["chroot", root.to_str().unwrap(), "/server"]);
    let mut child = command.env("SOCKET", "/app.sock").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("a run", || std::fs::read_dir(session.store().join("runs")).ok()?.next().map(drop));
    wait_for_capture(&session);
    kill(child.id(), libc::SIGTERM);
    child.wait().unwrap();
    let live = json(&session, &["report"])["totals"]["live_heap_bytes"].as_i64().unwrap();
    assert!(live > 32 << 20, "{live}");
}
