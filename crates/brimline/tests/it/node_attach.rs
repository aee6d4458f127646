//! Node programs that run already: attached to, left as they were.
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::heaps::{heap, json, node, rows};
use crate::session::{Session, ended, kill, wait_for};

/// Grows, each round in `remember`, and tells the port that a request would reach.
const GROWS: &str = r"
const kept = [];
function remember() { for (let i = 0; i < 200; i++) kept.push(new Array(100).fill(i + 0.5)); }
setInterval(remember, 10);
console.log('up');
";

struct Running {
    child: Child,
    errors: PathBuf,
}

impl Running {
    fn start(session: &Session, node: &Path, options: &[&str]) -> Self {
        let script = session.write("grows.js", GROWS);
        let errors = session.work().join("errors");
        let mut command: Command = session.plain(node, options);
        command.arg(script).stdout(Stdio::piped()).stderr(std::fs::File::create(&errors).unwrap());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        Self { child, errors }
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sockets on which it listens or is connected, and its threads.
    fn traces(&self) -> (usize, usize) {
        let links = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().flatten();
        let is_socket = |path: PathBuf| path.to_string_lossy().starts_with("socket:");
        let sockets =
            links.filter_map(|link| std::fs::read_link(link.path()).ok()).filter(|path| is_socket(path.clone()));
        (sockets.count(), std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().count())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn attached_captured_and_left_as_it_was() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let mut program = Running::start(&session, &node, &["--inspect-port=0"]);
    let before = program.traces();
    let mut attach = session.brimline(["attach", &program.pid(), "--name", "live"]);
    let mut attach = attach.stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the run", || {
        let mark = ended(&mut session.brimline(["snapshot", "live", "--name", "one"]));
        (mark.code() == Some(0)).then_some(())
    });
    wait_for("two rounds of growth", || {
        let mark = ended(&mut session.brimline(["mark", "live", "two"]));
        (mark.code() == Some(0)).then_some(())
    });
    kill(attach.id(), libc::SIGINT);
    let mut said = String::new();
    attach.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(attach.wait().unwrap().code(), Some(0), "{said}");
    assert!(said.contains("remember"), "{said}");
    assert!(program.is_alive());
    wait_for("its sockets and threads as before", || (program.traces().0 == before.0).then_some(()));
    let top = json(&heap(&session, &["top", "live@one", "--json"]).expect_code(0));
    let holders = rows(&top, "holders");
    assert!(holders.iter().any(|holder| holder["path"].as_str().unwrap().contains("variable kept")), "{top:#}");
    let diff = ended(&mut session.brimline(["diff", "live@one", "live@two", "--json"])).expect_code(0);
    assert_eq!(json(&diff)["rows"][0]["function"], "remember", "{}", diff.stdout);
    // And once more: nothing was left behind that stands in the way.
    ended(&mut session.brimline(["attach", &program.pid(), "--duration", "1s", "--name", "again"])).expect_code(0);
    assert!(program.is_alive(), "{}", std::fs::read_to_string(&program.errors).unwrap());
}

#[test]
fn an_inspector_that_is_open_stays_open() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let mut program = Running::start(&session, &node, &["--inspect=127.0.0.1:0"]);
    let url = wait_for("the inspector", || {
        let errors = std::fs::read_to_string(&program.errors).unwrap();
        errors.split_whitespace().find(|word| word.starts_with("ws://")).map(str::to_owned)
    });
    ended(&mut session.brimline(["attach", &url, "--duration", "1s"])).expect_code(0);
    ended(&mut session.brimline(["attach", &program.pid(), "--duration", "1s"])).expect_code(0);
    assert!(program.is_alive());
}

#[test]
fn a_program_that_the_signal_would_end_is_left_alone() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let script = "process.on('SIGUSR1', () => console.log('mine'));";
    let own = session.write("own.js", &format!("{script}\n{GROWS}"));
    let mut child = session.plain(&node, [&own]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "up");
    let answer = ended(&mut session.brimline(["attach", &child.id().to_string()])).expect_code(4);
    assert!(answer.stderr.contains("hint: "), "{}", answer.stderr);
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();

    let others = std::env::var_os("BRIMLINE_NODES").unwrap_or_default();
    for node in std::env::split_paths(&others).filter(|path| path.is_file()) {
        let version = ended(&mut session.plain(&node, ["--version"])).stdout;
        if version.starts_with("v24") {
            let mut program = Running::start(&session, &node, &["--disable-sigusr1"]);
            let answer = ended(&mut session.brimline(["attach", &program.pid()])).expect_code(4);
            assert!(answer.stderr.contains("--disable-sigusr1"), "{}", answer.stderr);
            assert!(program.is_alive());
        }
    }
}

#[test]
fn a_port_that_is_taken_is_said_and_nothing_is_sent() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut program = Running::start(&session, &node, &[&format!("--inspect-port={port}")]);
    let answer = ended(&mut session.brimline(["attach", &program.pid()])).expect_code(4);
    assert!(answer.stderr.contains(&format!("port {port}")) && answer.stderr.contains("taken"), "{}", answer.stderr);
    assert!(program.is_alive());
    assert_eq!(std::fs::read_to_string(&program.errors).unwrap(), "", "no signal was sent");
}
