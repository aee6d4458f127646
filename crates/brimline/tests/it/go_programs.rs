//! The Go programs of `programs/go`, built once, and a server of theirs under `brimline run`.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

use crate::session::{Ended, Session, ended, kill, wait_for};

/// The folder of the programs' module.
pub(crate) fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../programs/go").canonicalize().unwrap()
}

/// Whether Go is here; without it a test says so and passes, or fails where none may be skipped.
pub(crate) fn has_go() -> bool {
    let found = Command::new("go").arg("version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var("BRIMLINE_TEST_STRICT").as_deref() != Ok("1"), "no `go` on PATH");
        eprintln!("skipped: no `go` on PATH");
    }
    found
}

/// Builds one program; Go's own cache makes the second time quick. `flags` are flags of `go build` and variables `NAME=value`.
#[track_caller]
pub(crate) fn build(package: &str, flags: &[&str]) -> PathBuf {
    // One at a time: the tests run beside each other, the compiler fills the machine alone.
    static LOCK: Mutex<()> = Mutex::new(());
    let _turn = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let name: String =
        [&[package], flags].concat().join("-").chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-programs");
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join(name);
    let mut command = Command::new("go");
    command.arg("build").current_dir(programs()).arg("-o").arg(&program).env("GOFLAGS", "-buildvcs=false -mod=mod");
    for flag in flags {
        match flag.split_once('=') {
            Some((name, value)) if !name.starts_with('-') => command.env(name, value),
            _ => command.arg(flag),
        };
    }
    let output = command.arg(format!("./{package}")).output().unwrap();
    assert!(output.status.success(), "{package}: {}", String::from_utf8_lossy(&output.stderr));
    program
}

/// A server that brimline records.
pub(crate) struct Server {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    /// `127.0.0.1:port`.
    pub(crate) address: String,
}

impl Server {
    /// Starts `brimline run` with `arguments`, the last ones being the program, and waits for its address.
    #[track_caller]
    pub(crate) fn start(session: &Session, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = session.brimline(["run"]);
        command.args(arguments).envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        assert!(line.starts_with("listening on "), "{line}");
        Self { child, output, address }
    }

    /// Sends brimline a signal and waits for the end.
    #[track_caller]
    pub(crate) fn stop(self, signal: i32) -> Ended {
        kill(self.child.id(), signal);
        self.wait()
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let mut stdout = String::new();
        self.output.read_to_string(&mut stdout).unwrap();
        let status = self.child.wait().unwrap();
        Ended { status, stdout, stderr }
    }
}

/// Waits until the newest run has a heap profile.
#[track_caller]
pub(crate) fn wait_for_capture(session: &Session) {
    wait_for("a capture", || {
        let mut folders = std::fs::read_dir(session.run_folder().join("captures")).ok()?;
        folders.any(|entry| entry.unwrap().path().join("heap.pb.gz").is_file()).then_some(())
    });
}

/// The process id of the program, as the newest run knows it.
#[track_caller]
pub(crate) fn target(session: &Session) -> u32 {
    wait_for("the targets", || {
        let text = std::fs::read_to_string(session.run_folder().join("go-targets.json")).ok()?;
        let targets: Value = serde_json::from_str(&text).ok()?;
        Some(targets[0]["pid"].as_u64()? as u32)
    })
}

/// The body of an answer; the connection is closed behind it.
#[track_caller]
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {answer}"));
    assert!(head.starts_with("HTTP/1.0 200"), "{path}: {head}");
    body.to_owned()
}

/// Opens a web socket and leaves without a word.
pub(crate) fn visit(address: &str, path: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    .unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
}

/// The JSON that a command prints.
#[track_caller]
pub(crate) fn json(session: &Session, arguments: &[&str]) -> Value {
    let answer = ended(&mut session.brimline(arguments.iter().copied().chain(["--json"]))).expect_code(0);
    serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error} in:\n{}", answer.stdout))
}
