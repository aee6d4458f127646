//! Real load generators and brimline's own on real programs, leaky and bounded: the verdict, the growing site and the
//! load's own numbers are right.
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::answer::line_number;
use crate::go_programs::{build, has_go, programs};
use crate::python::any_python;
use crate::session::{Ended, Session, ended};

const EXPRESS: &str = include_str!("programs/workload_express.cjs");
const FLASK: &str = include_str!("programs/workload_flask.py");
pub(crate) const SERVER: &str = include_str!("programs/workload_server.py");

/// k6 or locust, from `scripts/test.sh`.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let variable = format!("BRIMLINE_TEST_{}", name.to_ascii_uppercase());
    let found = std::env::var_os(&variable).map(PathBuf::from);
    if found.is_none() {
        crate::python::skip(&format!("no {name}: run me through scripts/test.sh"));
    }
    found
}

/// `brimline run --workload LOAD …` with the tools of the tests and no others.
pub(crate) fn under_load(session: &Session, load: &str, options: &[&str], program: &[&str]) -> Command {
    let mut command = session.brimline(["run", "--json", "--workload", load]);
    command.args(options).arg("--").args(program);
    for name in ["k6", "locust"] {
        let path = std::env::var_os(format!("BRIMLINE_TEST_{}", name.to_ascii_uppercase()));
        command.env(format!("BRIMLINE_{}", name.to_ascii_uppercase()), path.unwrap_or_else(|| "/nonexistent".into()));
    }
    command
}

/// The summary's key `workload`.
pub(crate) fn conclusion(ended: &Ended) -> Value {
    let line = ended.stderr.lines().rfind(|line| line.starts_with("{\"schema\":\"brimline.run/1\""));
    let summary: Value = serde_json::from_str(line.unwrap_or_else(|| panic!("{}", ended.stderr))).unwrap();
    summary["workload"].clone()
}

/// The leaky variant is found with its line, the bounded one passes; both made the requests that were asked for.
#[track_caller]
fn check(ended: Ended, leak: Option<(&str, u64)>, least: u64) -> Value {
    let ended = ended.expect_code(i32::from(leak.is_some()));
    let told = conclusion(&ended);
    let load = &told["outcome"]["load"];
    assert_eq!(told["outcome"]["end"]["how"], "completed", "{told:#}");
    assert!(load["requests"].as_u64().unwrap() >= least && load["errors"] == 0, "{load:#}");
    assert!(load["latency_ms"]["p99"].as_f64().unwrap() > 0.0, "{load:#}");
    let sites = told["judged"]["sites"].as_array().unwrap();
    match leak {
        Some((file, line)) => {
            assert!(sites[0]["file"].as_str().unwrap().ends_with(file), "{sites:#?}");
            assert_eq!(sites[0]["line"], line, "{sites:#?}");
            assert!(sites[0]["slope"]["per_request"].as_f64().unwrap() > 0.0, "{sites:#?}");
        }
        None => assert!(sites.is_empty(), "{sites:#?}"),
    }
    told
}

#[test]
fn built_in_load_on_a_server_of_the_standard_library() {
    let Some(python) = any_python() else { return };
    let line = line_number(SERVER, "kept.append");
    for (variant, leak) in [("leaky", Some(("server.py", line))), ("bounded", None)] {
        let session = Session::new();
        session.write("server.py", SERVER);
        session.write(
            "mix.toml",
            "rate = 120\n[[request]]\npath = '/a?n={n}'\nweight = 3\n[[request]]\nname = 'b'\npath = '/b/{random:9}'\n",
        );
        let options = ["--warm-up", "1s", "--duration", "5s", "--settle", "500ms"];
        let program = [python.bare.to_str().unwrap(), "server.py", variant];
        let told = check(ended(&mut under_load(&session, "mix.toml", &options, &program)), leak, 594);
        let load = &told["outcome"]["load"];
        assert_eq!(load["offered"], 600);
        let share = load["by_name"][0]["requests"].as_f64().unwrap() / 600.0;
        assert!((0.68..0.82).contains(&share), "{load:#}");
        // Phases, captures and the load are kept with the run.
        let listed = ended(&mut session.brimline(["runs", "latest", "--json"])).expect_code(0);
        let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
        let record = &listed["runs"][0];
        let phases: Vec<&str> =
            record["phases"].as_array().unwrap().iter().map(|phase| phase["name"].as_str().unwrap()).collect();
        assert_eq!(phases, ["start", "warm-up", "settle", "baseline", "load", "settle", "capture"]);
        assert!(record["phases"].as_array().unwrap().iter().all(|phase| phase["end"].is_string()), "{record:#}");
        assert_eq!(session.run_record()["workload"]["outcome"]["load"]["requests"], load["requests"]);
        let names: Vec<&str> =
            record["snapshots"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert!(names[0] == "baseline" && names.last() == Some(&"settled") && names.len() >= 16, "{names:?}");
        let diff = ended(&mut session.brimline(["diff", "latest@baseline", "latest@settled", "--json"]));
        let rows: Value = serde_json::from_str(&diff.stdout).unwrap();
        let first_is_leak = rows["rows"][0]["line"] == line;
        assert_eq!(first_is_leak, variant == "leaky", "{}", rows["rows"][0]);
    }
}

#[test]
fn locust_on_flask() {
    let (Some(python), Some(_)) = (any_python(), tool("locust")) else { return };
    let file = "from locust import FastHttpUser, HttpUser, constant_pacing, task\n\
                class Visitor(HttpUser):\n    wait_time = constant_pacing(0.2)\n\
                \x20   @task(3)\n    def items(self):\n        self.client.get('/items?page=1')\n\
                \x20   @task\n    def order(self):\n        self.client.post('/orders/7', json={'n': 1}, name='/orders/[id]')\n\
                class Fast(FastHttpUser):\n    wait_time = constant_pacing(0.2)\n\
                \x20   @task\n    def items(self):\n        self.client.get('/items')\n";
    let line = line_number(FLASK, "seen.append");
    for (variant, leak) in [("leaky", Some(("shop.py", line))), ("bounded", None)] {
        let session = Session::new();
        session.write("shop.py", FLASK);
        session.write("locustfile.py", file);
        let options = ["--users", "8", "--warm-up", "1s", "--duration", "6s", "--settle", "500ms"];
        let program = [python.in_venv(), "shop.py".into(), variant.into()];
        let program: Vec<&str> = program.iter().map(|word| word.to_str().unwrap()).collect();
        let told = check(ended(&mut under_load(&session, "locust:locustfile.py", &options, &program)), leak, 80);
        let names: Vec<&str> = told["outcome"]["load"]["by_name"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap())
            .collect();
        for name in ["GET /items", "GET /items?page=1", "POST /orders/[id]"] {
            assert!(names.contains(&name), "{names:?}");
        }
        let record = session.run_record();
        assert_eq!(record["workload"]["workload"]["classes"], serde_json::json!(["Visitor", "Fast"]));
    }
}

#[test]
fn k6_on_gin() {
    if !has_go() || tool("k6").is_none() {
        return;
    }
    let script = "import http from 'k6/http';\n\
        export const options = { scenarios: { s: { executor: 'constant-arrival-rate', rate: 80, timeUnit: '1s', duration: '30s', preAllocatedVUs: 10 } } };\n\
        export default function () { http.get(`${__ENV.BASE_URL}/session/${__VU}-${__ITER}`, { tags: { name: '/session/[id]' } }); }\n";
    let source = std::fs::read_to_string(programs().join("growing_map/leaky/main.go")).unwrap();
    let line = line_number(&source, "Payload: make([]byte, 16<<10)}");
    for (variant, leak) in [("leaky", Some(("leaky/main.go", line))), ("bounded", None)] {
        let session = Session::new();
        session.write("sessions.js", script);
        let program = build(&format!("growing_map/{variant}"), &[]);
        let options = ["--warm-up", "1s", "--duration", "6s", "--settle", "500ms"];
        let told = check(
            ended(&mut under_load(&session, "k6:sessions.js", &options, &[program.to_str().unwrap()])),
            leak,
            300,
        );
        let load = &told["outcome"]["load"];
        assert_eq!(load["by_name"][0]["name"], "GET /session/[id]");
        assert!(load["offered"].as_u64().unwrap() >= load["requests"].as_u64().unwrap(), "{load:#}");
    }
}

#[test]
fn built_in_load_on_express() {
    let Some(packages) = crate::heap_apps::packages() else { return };
    // V8 samples by function.
    let line = line_number(EXPRESS, "app.get(");
    for variant in ["leaky", "bounded"] {
        let session = Session::new();
        session.write("rows.cjs", EXPRESS);
        let options = ["--rate", "300", "--warm-up", "2s", "--duration", "8s", "--settle", "0"];
        let mut command = under_load(&session, "http:/rows", &options, &["node", "rows.cjs", variant]);
        let run = ended(command.env("NODE_PATH", packages.join("node_modules")));
        let told = conclusion(&run);
        assert_eq!(told["outcome"]["load"]["errors"], 0, "{told:#}");
        assert!(told["outcome"]["captures"].as_u64().unwrap() >= 14, "{told:#}");
        let judged = &told["judged"];
        if variant == "bounded" {
            // A small V8 heap settles over thousands of requests: undecided is right too, a leak is not.
            assert!(matches!(run.code(), Some(0 | 3)), "{judged:#}");
            continue;
        }
        assert_eq!(run.code(), Some(1), "{judged:#}");
        let named = judged["sites"].as_array().unwrap().iter().chain(judged["suspects"].as_array().unwrap()).next();
        let named = named.unwrap_or_else(|| panic!("{judged:#}"));
        assert!(named["file"].as_str().unwrap().ends_with("rows.cjs") && named["line"] == line, "{named:#}");
    }
}

#[test]
fn calls_of_a_python_function() {
    let Some(python) = any_python() else { return };
    let source =
        "kept = []\ndef leak():\n    kept.append(bytearray(3000))\nasync def fine():\n    return bytearray(3000)\n";
    for (function, leak) in [("leak", Some(("work.py", 3))), ("fine", None)] {
        let session = Session::new();
        session.write("work.py", source);
        let options = ["--rounds", "20", "--calls", "10", "--warm-up", "300ms", "--settle", "0"];
        let program = [python.bare.to_str().unwrap()];
        let ended = ended(&mut under_load(&session, &format!("call:work:{function}"), &options, &program));
        let ended = ended.expect_code(i32::from(leak.is_some()));
        let told = conclusion(&ended);
        assert_eq!(told["outcome"]["load"]["requests"], 200, "{told:#}");
        let sites = told["judged"]["sites"].as_array().unwrap();
        assert_eq!(sites.len(), usize::from(leak.is_some()), "{sites:#?}");
        if leak.is_some() {
            let each = sites[0]["slope"]["per_iteration"].as_f64().unwrap();
            assert!(sites[0]["line"] == 3 && (2700.0..3400.0).contains(&each), "{sites:#?}");
        }
    }
}

#[test]
fn calls_of_a_go_test() {
    if !has_go() {
        return;
    }
    let session = Session::new();
    session.write("go.mod", "module example.com/shop\n\ngo 1.25\n");
    session.write("shop.go", "package shop\n");
    session.write(
        "shop_test.go",
        "package shop\n\nimport \"testing\"\n\nvar kept [][]byte\n\nfunc TestKeep(t *testing.T) {\n\tkept = append(kept, make([]byte, 1<<20))\n}\n\nfunc BenchmarkDrop(b *testing.B) {\n\tfor b.Loop() {\n\t\t_ = make([]byte, 1<<20)\n\t}\n}\n",
    );
    for (function, leaks) in [("TestKeep", true), ("BenchmarkDrop", false)] {
        let options = ["--rounds", "16", "--calls", "4", "--warm-up", "300ms", "--settle", "0"];
        let ended = ended(&mut under_load(&session, &format!("call:.:{function}"), &options, &[]));
        // A heap of a megabyte moves by what serving profiles takes: undecided is right too, a leak is not.
        assert!(if leaks { ended.code() == Some(1) } else { matches!(ended.code(), Some(0 | 3)) }, "{}", ended.stderr);
        let told = conclusion(&ended);
        assert_eq!((&told["outcome"]["load"]["requests"], &told["outcome"]["load"]["errors"]), (&64.into(), &0.into()));
        assert_eq!(told["judged"]["sites"].as_array().unwrap().is_empty(), !leaks, "{told:#}");
        if leaks {
            let site = &told["judged"]["sites"][0];
            assert_eq!(
                (&site["line"], &site["function"]),
                (&8.into(), &"example.com/shop.TestKeep".into()),
                "{told:#}"
            );
        }
        assert!(!session.work().join("brimline_calls_test.go").exists());
    }
}

#[test]
fn any_command_is_a_load_and_a_verdict_ends_it() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    session.write("server.py", SERVER);
    let request = format!(
        "sh:{} -c 'import os, urllib.request as r; r.urlopen(os.environ[\"BASE_URL\"] + \"/x\")'",
        python.bare.display()
    );
    let program = [python.bare.to_str().unwrap(), "server.py", "bounded"];
    let options = ["--rounds", "3", "--warm-up", "0", "--settle", "0"];
    let told = conclusion(&ended(&mut under_load(&session, &request, &options, &program)).expect_code(3));
    assert_eq!((&told["outcome"]["load"]["requests"], &told["outcome"]["load"]["errors"]), (&3.into(), &0.into()));
    // Open end: the leak is beyond doubt long before the time box of ten minutes.
    let options = ["--until-verdict", "--every", "400ms", "--rate", "150", "--warm-up", "1s", "--settle", "0"];
    let program = [python.bare.to_str().unwrap(), "server.py", "leaky"];
    let told = conclusion(&ended(&mut under_load(&session, "http:/items?n={n}", &options, &program)).expect_code(1));
    let seconds = told["outcome"]["load"]["seconds"].as_f64().unwrap();
    assert!((3.0..120.0).contains(&seconds), "{seconds}");
}
