//! A temporary folder with a store of its own, and the command run in it.
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use crate::answer::Report;

/// No program of these tests takes longer.
const LIMIT: Duration = Duration::from_secs(240);

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Panics with both streams unless the command ended with `code`.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }
}

/// A folder for programs and a store beside it; both vanish with it.
pub(crate) struct Session {
    folder: tempfile::TempDir,
}

impl Session {
    pub(crate) fn new() -> Self {
        // Shells have their background jobs ignore Ctrl-C, and children inherit that.
        // SAFETY: no handler of this process is replaced: it has none.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
        let folder = tempfile::Builder::new().prefix("brimline-it-").tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder }
    }

    /// The working directory of every command.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Writes a file into the working directory.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.work().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// `brimline` with an environment that holds nothing of the tester's.
    pub(crate) fn brimline<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brimline"));
        command.args(arguments).env("BRIMLINE_STORE", self.store());
        self.prepare(&mut command);
        command
    }

    /// A program as it is, in the same surroundings.
    pub(crate) fn plain<I: IntoIterator<Item: AsRef<OsStr>>>(
        &self,
        program: impl AsRef<OsStr>,
        arguments: I,
    ) -> Command {
        let mut command = Command::new(program);
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command
            .current_dir(self.work())
            .env("PYTHONHASHSEED", "0")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_COLOR", "1")
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONMALLOC")
            .stdin(Stdio::null());
    }

    /// `brimline run -- COMMAND…`.
    pub(crate) fn run<I: IntoIterator<Item: AsRef<OsStr>>>(&self, command: I) -> Command {
        let mut all = self.brimline(["run", "--"]);
        all.args(command);
        all
    }

    /// Records a Python script's text; the program must end with code 0.
    pub(crate) fn record(&self, python: &Path, script: &str) -> Ended {
        let path = self.write("script.py", script);
        ended(&mut self.run([python, &path])).expect_code(0)
    }

    /// `run.json` of the newest run.
    pub(crate) fn run_record(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.run_folder().join("run.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Folder of the newest run.
    pub(crate) fn run_folder(&self) -> PathBuf {
        let folders = std::fs::read_dir(self.store().join("runs")).unwrap().map(|entry| entry.unwrap().path());
        folders.max_by_key(|folder| folder.metadata().unwrap().created().unwrap()).expect("a run")
    }

    /// Files of the newest run whose name ends with one of `.rec` and `.rec.zst`.
    pub(crate) fn recordings(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.run_folder()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().contains(".rec") {
                    found.push(path);
                }
            }
        }
        found
    }

    /// `report --json` of the latest run by line.
    pub(crate) fn report(&self) -> Report {
        self.report_of(&[])
    }

    /// `report --json` with further arguments.
    pub(crate) fn report_of(&self, arguments: &[&str]) -> Report {
        let ended = ended(self.brimline(["report", "--json"]).args(arguments)).expect_code(0);
        Report::parse(&ended.stdout)
    }
}

/// Runs a command to its end, or kills it when it takes too long.
#[track_caller]
pub(crate) fn ended(command: &mut Command) -> Ended {
    ended_within(command, LIMIT)
}

/// The same with a limit of its own.
#[track_caller]
pub(crate) fn ended_within(command: &mut Command, limit: Duration) -> Ended {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    let Output { status, stdout, stderr } = wait_within(child, limit);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { status, stdout: text(stdout), stderr: text(stderr) }
}

/// Waits for a child and its streams; past the limit it is killed and the test fails.
#[track_caller]
fn wait_within(child: Child, limit: Duration) -> Output {
    let pid = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn(move || sender.send(child.wait_with_output()).ok());
    let output = receiver.recv_timeout(limit).unwrap_or_else(|_| {
        // Its program too, which nobody else would end.
        for pid in descendants(pid).into_iter().chain([pid]) {
            kill(pid, libc::SIGKILL);
        }
        panic!("process {pid} took longer than {limit:?}");
    });
    waiter.join().expect("the waiter does not panic");
    output.unwrap()
}

/// Children of a process, and theirs.
fn descendants(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    children.flat_map(|child| descendants(child).into_iter().chain([child])).collect()
}

/// Sends a signal to a process that a test started.
pub(crate) fn kill(pid: u32, signal: i32) {
    // SAFETY: plain system call; the process is a child of this test that has not been waited for.
    unsafe { libc::kill(pid as i32, signal) };
}

/// Asks until `condition` gives a value; for states of other processes that send no event.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "waited 30 s for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
