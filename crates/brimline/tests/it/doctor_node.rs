//! `brimline doctor` on Node programs that run.
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::heap_redaction::nodes;
use crate::heaps::{json, rows};
use crate::session::{Session, ended, wait_for};

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(session: &Session, node: &Path, options: &[&str], environment: &str) -> Program {
    let script =
        session.write("server.cjs", "require('fs').writeFileSync('started', ''); setInterval(() => {}, 1000);\n");
    let _ = std::fs::remove_file(session.work().join("started"));
    let mut command = session.plain(node, options);
    command.arg(script).args(["--token", "secret-xyzzy"]).env("NODE_OPTIONS", environment);
    let child = command.stderr(Stdio::null()).spawn().unwrap();
    wait_for("the program", || session.work().join("started").exists().then_some(()));
    Program(child)
}

fn doctor(session: &Session, program: &Program) -> Value {
    json(&ended(&mut session.brimline(["doctor", &program.0.id().to_string(), "--json"])).expect_code(0))
}

fn finding<'a>(answer: &'a Value, subject: &str) -> &'a Value {
    rows(answer, "findings").iter().find(|finding| finding["subject"] == subject).unwrap()
}

#[test]
fn tells_of_a_node_programs_inspector_and_limits() {
    for node in nodes() {
        let session = Session::new();
        let version = session.plain(&node, ["--version"]).output().unwrap().stdout;
        let version = String::from_utf8(version).unwrap().trim().trim_start_matches('v').to_owned();

        let closed = start(&session, &node, &[], "--max-old-space-size=300");
        let answer = doctor(&session, &closed);
        assert_eq!(answer["schema"], "brimline.doctor-node/1");
        assert_eq!(
            (&answer["version"], &answer["heap_limit_bytes"]),
            (&version.clone().into(), &(300_u64 << 20).into())
        );
        assert_eq!(rows(&answer, "inspectors"), &[] as &[Value]);
        assert!(finding(&answer, "inspector")["text"].as_str().unwrap().starts_with("closed; SIGUSR1 opens it"));
        let text = ended(&mut session.brimline(["doctor", &closed.0.id().to_string()])).expect_code(0).stdout;
        assert!(text.contains(&format!("server.cjs (process {}, Node {version})", closed.0.id())), "{text}");
        assert!(text.contains("ok       heap limit: --max-old-space-size 300.0 MiB"), "{text}");
        assert!(!text.contains("xyzzy"), "{text}");

        let open = start(&session, &node, &["--inspect=127.0.0.1:0"], "");
        let answer = doctor(&session, &open);
        let inspector = &rows(&answer, "inspectors")[0];
        assert!(inspector["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{answer:#}");
        assert_eq!((&inspector["open"], &finding(&answer, "inspector")["weight"]), (&false.into(), &"ok".into()));

        // Where the option is known, the signal is left alone.
        let knows = session.plain(&node, ["--disable-sigusr1", "--version"]).stderr(Stdio::null()).status().unwrap();
        if knows.success() {
            let deaf = start(&session, &node, &["--disable-sigusr1"], "");
            let answer = doctor(&session, &deaf);
            assert!(finding(&answer, "inspector")["text"].as_str().unwrap().contains("must not be sent"), "{answer:#}");
        }

        // All of them, and the installation, in the list.
        let mut list = session.brimline(["doctor", "--json"]);
        let list = json(&ended(list.env("PATH", node.parent().unwrap())));
        let is_it = |process: &&Value| process["process"] == open.0.id();
        assert!(rows(&list["node"], "processes").iter().any(|process| is_it(&process)), "{list:#}");
        assert_eq!(list["node"]["installations"][0]["version"], version);
    }
}
