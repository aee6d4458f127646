//! What stands around workloads: a mix from a log, the probe of routes, the live view, baselines.
use serde_json::Value;

use crate::python::any_python;
use crate::session::{Session, ended, kill, wait_for};
use crate::workload_loads::{SERVER, under_load};

fn log() -> String {
    let mut text = String::new();
    for at in 0..30 {
        text.push_str("h - - [t] \"GET /items/");
        text.push_str(&at.to_string());
        text.push_str("?q=1 HTTP/1.1\" 200 1\n");
        if at % 3 == 0 {
            text.push_str("h - - [t] \"GET /heavy HTTP/1.1\" 200 1\nh - - [t] \"POST /cart HTTP/1.1\" 200 1\n");
        }
    }
    text
}

#[test]
fn a_mix_from_a_log_and_the_probe_of_its_routes() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    session.write("access.log", &log());
    let mix = ended(&mut session.brimline(["workload", "mix", "access.log", "-o", "mix.toml"])).expect_code(0);
    assert!(mix.stderr.contains("lacks: POST /cart (20.0 % of the requests)"), "{}", mix.stderr);
    let json = ended(&mut session.brimline(["workload", "mix", "mix.toml", "--json"])).expect_code(0);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let shares: Vec<f64> =
        json["requests"].as_array().unwrap().iter().map(|row| row["share"].as_f64().unwrap()).collect();
    assert_eq!(shares, [0.75, 0.25], "{json:#}");
    // The rare route is the one that keeps memory: a megabyte in a hundred requests.
    let server = SERVER.replace("self.path * 100", "self.path * 1700 if self.path == '/heavy' else ''");
    session.write("server.py", &server);
    let options = ["workload", "probe", "mix.toml", "--warm-up", "500ms", "--json", "-o", "hungry.toml", "--"];
    let run =
        ended(session.brimline(options).args([python.bare.to_str().unwrap(), "server.py", "leaky"])).expect_code(0);
    let line = run.stdout.lines().find(|line| line.starts_with("{\"schema\":\"brimline.workload-probe/1\"")).unwrap();
    let rows = serde_json::from_str::<Value>(line).unwrap()["rows"].clone();
    assert_eq!(rows[0]["name"], "GET /heavy", "{rows:#}");
    let retained = rows[0]["retained_bytes_per_request"].as_f64().unwrap();
    assert!((10_000.0..12_000.0).contains(&retained), "{rows:#}");
    assert!(rows[1]["retained_bytes_per_request"].as_f64().unwrap() < 1000.0, "{rows:#}");
    let written = std::fs::read_to_string(session.work().join("hungry.toml")).unwrap();
    assert!(written.find("GET /heavy").unwrap() < written.find("GET /items").unwrap(), "{written}");
}

#[test]
fn watch_follows_a_process_and_a_run_in_bounded_memory() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    session.write(
        "grow.py",
        "import time\nkept = []\nfor _ in range(300):\n    kept.append(bytearray(1 << 18))\n    time.sleep(0.02)\n",
    );
    let mut child = session.run([python.bare.to_str().unwrap(), "grow.py"]).spawn().unwrap();
    wait_for("the run", || {
        let watched = ended(&mut session.brimline(["watch", "latest", "--samples", "1", "--json"]));
        watched.stdout.contains("\"live_bytes\"").then_some(())
    });
    let watched =
        ended(&mut session.brimline(["watch", "--samples", "10", "--interval", "100ms", "--json"])).expect_code(0);
    let samples: Vec<Value> = watched.stdout.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    let live: Vec<u64> = samples.iter().filter_map(|sample| sample["live_bytes"].as_u64()).collect();
    assert!(live.len() >= 10 && live.last() > live.first(), "{live:?}");
    assert!(samples.iter().all(|sample| sample["minor_faults"].as_u64() > Some(0)), "{}", samples[0]);
    assert!(samples.iter().any(|sample| sample["uss_bytes"].is_u64()), "{}", samples[0]);
    // A thousand samples, the recorder among what is watched: our own memory stays.
    let mut watch = session.brimline(["watch", &child.id().to_string(), "--interval", "2ms", "--samples", "1000"]);
    let mut watch = watch.stdout(std::process::Stdio::null()).spawn().unwrap();
    let resident = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmRSS"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    std::thread::sleep(std::time::Duration::from_millis(500));
    let before = resident(watch.id()).unwrap();
    let mut after = before;
    while watch.try_wait().unwrap().is_none() {
        after = resident(watch.id()).unwrap_or(after);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(after < before + 2048, "{before} kB became {after} kB");
    kill(child.id(), libc::SIGTERM);
    child.wait().unwrap();
    let refused = ended(&mut session.brimline(["watch", "latest"])).expect_code(2);
    assert!(
        refused.stderr.contains("which has ended") && refused.stderr.contains("brimline trend"),
        "{}",
        refused.stderr
    );
    ended(&mut session.brimline(["watch", "3999999"])).expect_code(4);
}

#[test]
fn a_baseline_is_compared_with_what_is_like_it_alone() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    session.write("server.py", SERVER);
    let program = [python.bare.to_str().unwrap(), "server.py", "bounded"];
    let load = |rate: &str| {
        let options = ["--rate", rate, "--warm-up", "0", "--settle", "0", "--duration", "2s"];
        let run = ended(&mut under_load(&session, "http:/a", &options, &program));
        assert!(matches!(run.code(), Some(0 | 3)), "{}", run.stderr);
    };
    load("60");
    ended(&mut session.brimline(["baseline", "set", "main"])).expect_code(0);
    load("60");
    ended(&mut session.brimline(["diff", "main", "latest", "--json"])).expect_code(0);
    load("90");
    for command in ["diff", "compare-trends"] {
        let refused = ended(&mut session.brimline([command, "main", "latest"])).expect_code(2);
        assert!(refused.stderr.contains("workloads differ in `rate`"), "{}", refused.stderr);
    }
    let listed = ended(&mut session.brimline(["baseline", "list", "--json"])).expect_code(0);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let row = &listed["baselines"][0];
    assert_eq!((&row["name"], &row["workload"]["workload"]["rate"]), (&"main".into(), &60.0.into()), "{row:#}");
    // By id the user decides.
    let id = row["run"].as_str().unwrap();
    ended(&mut session.brimline(["diff", id, "latest", "--json"])).expect_code(0);
}
