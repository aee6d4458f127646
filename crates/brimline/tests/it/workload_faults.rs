//! What goes wrong under a workload: what was recorded is kept, the exit code is right, and no process is left behind.
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use crate::python::any_python;
use crate::session::{Session, ended, ended_within, kill, wait_for};
use crate::workload_loads::{SERVER, conclusion, tool, under_load};

/// Processes whose command line holds `word`: the session's folder is in no other's.
fn processes(word: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        *pid != std::process::id() && String::from_utf8_lossy(&line).contains(word)
    })
    .collect()
}

#[track_caller]
fn nobody_is_left(session: &Session) {
    let word = session.work().display().to_string();
    wait_for("the end of all processes", || processes(&word).is_empty().then_some(()));
}

/// The server in the session's folder, so that its command line tells whose it is.
fn server(session: &Session, python: &crate::python::Python, variant: &str) -> [String; 3] {
    let path = session.write("server.py", SERVER);
    [python.bare.display().to_string(), path.display().to_string(), variant.to_owned()]
}

fn words(program: &[String; 3]) -> Vec<&str> {
    program.iter().map(String::as_str).collect()
}

#[test]
fn a_port_that_is_never_ready() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let path = session.write("sleeper.py", "import time\ntime.sleep(600)\n");
    let program = [python.bare.to_str().unwrap(), path.to_str().unwrap()];
    for ready in [&[][..], &["--ready", "port:1"], &["--ready", "log:never"], &["--target", "http://127.0.0.1:1"]] {
        let options = [&["--ready-timeout", "1s"], ready].concat();
        let run = ended(&mut under_load(&session, "http:/", &options, &program)).expect_code(4);
        assert!(run.stderr.contains("was not ready within 1 s"), "{}", run.stderr);
        assert_eq!(conclusion(&run)["outcome"]["end"]["how"], "not_ready");
        nobody_is_left(&session);
    }
}

#[test]
fn a_target_that_dies_under_load() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    session.write(
        "mix.toml",
        "rate = 50\n[[request]]\npath = '/a'\nweight = 99\n[[request]]\npath = '/die'\nweight = 1\n",
    );
    let program = server(&session, &python, "leaky");
    let options = ["--warm-up", "0", "--settle", "200ms", "--duration", "60s"];
    let run = ended(&mut under_load(&session, "http:mix.toml", &options, &words(&program))).expect_code(7);
    let told = conclusion(&run);
    assert_eq!(
        (&told["outcome"]["end"]["how"], &told["outcome"]["end"]["phase"]),
        (&"target_ended".into(), &"load".into())
    );
    assert!(told["outcome"]["load"]["requests"].as_u64().unwrap() > 0 && told["judged"].is_null(), "{told:#}");
    ended(&mut session.brimline(["report", "latest@baseline", "--json"])).expect_code(0);
    nobody_is_left(&session);
}

#[test]
fn scripts_that_cannot_be_read_start_nothing() {
    let session = Session::new();
    session.write("bad.toml", "[[request]\n");
    session.write("bad.py", "from locust import HttpUser\nclass A(HttpUser:\n");
    session.write("bad.js", "import http from 'k6/http';\nexport default function ( {\n");
    let mut loads = vec!["http:bad.toml", "http:none.toml", "none", "bad.toml", "gatling:x"];
    loads.extend(tool("locust").map(|_| "locust:bad.py"));
    loads.extend(tool("k6").map(|_| "k6:bad.js"));
    for load in loads {
        let run = ended(&mut under_load(&session, load, &[], &["/bin/touch", "started"])).expect_code(2);
        assert!(run.stderr.contains("error: ") && run.stderr.contains("hint: "), "{load}: {}", run.stderr);
        assert!(!session.work().join("started").exists() && !session.store().join("runs").exists(), "{load}");
    }
}

#[test]
fn a_missing_tool_is_named_with_the_way_to_get_it() {
    let session = Session::new();
    session.write("l.py", "from locust import HttpUser\n");
    session.write("k.js", "import http from 'k6/http';\n");
    for (load, wanted) in [("locust:l.py", "pip install locust=="), ("k6:k.js", "go install go.k6.io/k6@")] {
        let mut command = under_load(&session, load, &[], &["/bin/true"]);
        command.env_remove("BRIMLINE_K6").env_remove("BRIMLINE_LOCUST").env("PATH", "/bin").env("HOME", session.work());
        let run = ended(command.env_remove("XDG_CACHE_HOME").env_remove("GOBIN").env_remove("GOPATH")).expect_code(4);
        assert!(run.stderr.contains(wanted), "{}", run.stderr);
    }
}

#[test]
fn too_few_requests_and_too_many_errors_are_not_judged() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let program = server(&session, &python, "bounded");
    let short = ["--warm-up", "0", "--settle", "0", "--duration", "2s"];
    for (load, rate, expected) in
        [("http:/broken", "50", "to fail, found 100 %"), ("http:/a", "5", "at least 50 requests, found 10")]
    {
        let options = [&short[..], &["--rate", rate]].concat();
        let run = ended(&mut under_load(&session, load, &options, &words(&program))).expect_code(3);
        let told = conclusion(&run);
        assert!(told["outcome"]["not_judged"].as_str().unwrap().contains(expected), "{told:#}");
    }
    nobody_is_left(&session);
}

#[test]
fn a_threshold_of_k6_and_a_script_without_requests() {
    let (Some(python), Some(_)) = (any_python(), tool("k6")) else { return };
    let session = Session::new();
    session.write(
        "limit.js",
        "import http from 'k6/http';\nexport const options = { vus: 2, duration: '4s', thresholds: { http_req_duration: ['max<0.001'] } };\n\
         export default function () { http.get(`${__ENV.BASE_URL}/a`); http.get(`${__ENV.BASE_URL}/b`); }\n",
    );
    session.write("idle.js", "import { sleep } from 'k6';\nexport const options = { duration: '2s' };\nexport default function () { sleep(5); }\n");
    let program = server(&session, &python, "bounded");
    let options = ["--warm-up", "0", "--settle", "0", "--rounds", "1"];
    // Two runs at once, each with its own REST port.
    std::thread::scope(|scope| {
        let crossed = scope.spawn(|| ended(&mut under_load(&session, "k6:limit.js", &options, &words(&program))));
        let idle = scope.spawn(|| ended(&mut under_load(&session, "k6:idle.js", &options, &words(&program))));
        let told = conclusion(&crossed.join().unwrap().expect_code(1));
        assert!(told["outcome"]["load"]["crossed"][0].as_str().unwrap().contains("http_req_duration"), "{told:#}");
        assert!(told["outcome"]["load"]["requests"].as_u64().unwrap() > 50, "{told:#}");
        let told = conclusion(&idle.join().unwrap().expect_code(3));
        assert!(told["outcome"]["not_judged"].as_str().unwrap().starts_with("expected at least 50"), "{told:#}");
    });
    nobody_is_left(&session);
}

#[test]
fn a_program_without_recorded_allocations_is_judged_by_its_series() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let path = session.write("server.py", SERVER);
    let mut target = session.plain(&python.bare, [path.to_str().unwrap(), "bounded"]);
    let mut target = target.stdout(Stdio::piped()).spawn().unwrap();
    let port = wait_for("the server's port", || {
        let tcp = std::fs::read_to_string(format!("/proc/{}/net/tcp", target.id())).ok()?;
        let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{}/fd", target.id()))
            .ok()?
            .flatten()
            .filter_map(|entry| Some(std::fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
            .collect();
        tcp.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let own = sockets.contains(&format!("socket:[{}]", fields[9])) && fields[3] == "0A";
            own.then(|| u16::from_str_radix(fields[1].split(':').nth(1)?, 16).ok())?
        })
    });
    // `sleep` stands for what cannot be recorded; the load goes elsewhere.
    let options = ["--rate", "100", "--warm-up", "0", "--settle", "0", "--duration", "2s"];
    let load = format!("http://127.0.0.1:{port}/a");
    let run = ended(&mut under_load(&session, &load, &options, &["sleep", "600"]));
    let told = conclusion(&run);
    assert_eq!(
        (&told["outcome"]["load"]["requests"], &told["outcome"]["captures"]),
        (&200.into(), &0.into()),
        "{told:#}"
    );
    assert!(matches!(run.code(), Some(0 | 3)), "{}", run.stderr);
    target.kill().unwrap();
    target.wait().unwrap();
}

#[test]
fn ctrl_c_in_each_phase() {
    let Some(python) = any_python() else { return };
    for (phase, load, options) in [
        ("start", "http:/a", &["--ready", "log:never"][..]),
        ("warm-up", "http:/a", &["--warm-up", "60s"]),
        ("settle", "http:/a", &["--warm-up", "0", "--settle", "60s"]),
        ("load", "http:/a", &["--warm-up", "0", "--settle", "0"]),
        // The load's own processes end too, with what they started.
        ("load", "sh:tail -f FOLDER/server.py & wait", &["--warm-up", "0", "--settle", "0"]),
    ] {
        let session = Session::new();
        let load = load.replace("FOLDER", &session.work().display().to_string());
        let program = server(&session, &python, "leaky");
        let mut command = under_load(&session, &load, options, &words(&program));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains(&format!("phase {phase}")));
        assert!(line.is_some(), "{phase}");
        // The program's handlers must be in place; the phases say nothing of that.
        std::thread::sleep(Duration::from_millis(500));
        kill(child.id(), libc::SIGINT);
        let rest: Vec<String> = lines.collect();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{phase}: {rest:?}");
        let record = session.run_record();
        let end = &record["workload"]["outcome"]["end"];
        assert_eq!((&end["how"], &end["phase"]), (&"interrupted".into(), &phase.into()), "{record:#}");
        assert!(record["end"].is_object());
        nobody_is_left(&session);
        let report = ended(&mut session.brimline(["report", "--json"]));
        assert_eq!(report.code(), Some(0), "{phase}: {}", report.stderr);
    }
}

#[test]
fn a_program_that_will_not_end_is_ended() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let program = server(&session, &python, "stubborn");
    let options =
        ["--warm-up", "0", "--settle", "0", "--duration", "3s", "--patience", "300ms", "--ready", "log:listening now"];
    let run = ended_within(&mut under_load(&session, "http:/a", &options, &words(&program)), Duration::from_secs(60));
    let told = conclusion(&run);
    assert_eq!(
        (&told["outcome"]["end"]["how"], &told["outcome"]["ended_program"]),
        (&"completed".into(), &true.into())
    );
    // Its output went through brimline while its line was waited for.
    assert!(run.stdout.contains("listening now"), "{}", run.stdout);
    nobody_is_left(&session);
}
