//! Node programs under `brimline run`: what is sampled, what snapshots hold, and that the program notices nothing.
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::answer::line_number;
use crate::heap_apps::packages;
use crate::heaps::{heap, json, node, rows};
use crate::session::{Session, ended, kill, wait_for};

/// Keeps what it makes, each kind in a function of its own, and waits for lines on standard input.
const KEEPS: &str = r"
const kept = new Map();
class Account {
    constructor(number) {
        this.number = number;
        this.secret = 'hunter2-' + number;
        this.history = new Array(500).fill(number + 0.5);
    }
}
function open(count) {
    for (let i = 0; i < count; i++) kept.set('account ' + kept.size, new Account(kept.size));
}
function waste() {
    let length = 0;
    for (let i = 0; i < 200000; i++) length += [i, 'waste ' + i].length;
    return length;
}
open(4000);
waste();
console.log('ready ' + process.pid);
process.stdin.on('data', () => { open(4000); console.log('more'); });
process.stdin.on('end', () => process.exit(7));
";

/// Bytes of 4,000 accounts: 500 doubles each, and little beside.
const ACCOUNTS: i64 = 4000 * 500 * 8;

/// All Nodes that the tests know, the one on the path first.
fn nodes() -> Vec<PathBuf> {
    let others = std::env::var_os("BRIMLINE_NODES").unwrap_or_default();
    node().into_iter().chain(std::env::split_paths(&others).filter(|path| path.is_file())).collect()
}

/// A program under `brimline run` with its lines.
struct Recorded {
    child: Child,
    lines: Receiver<String>,
}

impl Recorded {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// What follows `beginning` on the next line that has it.
    #[track_caller]
    fn next(&self, beginning: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60)).unwrap();
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim().to_owned();
            }
        }
    }

    fn end(&mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        kill(self.child.id(), libc::SIGTERM);
        let _ = self.child.wait();
    }
}

fn report(session: &Session, arguments: &[&str]) -> Value {
    let mut command = session.brimline(["report", "--json", "--by", "function"]);
    json(&ended(command.args(arguments)).expect_code(0))
}

/// Live bytes of a function, with those that it calls where asked for.
fn live(report: &Value, function: &str) -> i64 {
    let named = |row: &&Value| row["function"] == function;
    rows(report, "rows").iter().filter(named).map(|row| row["live_bytes"].as_i64().unwrap()).sum()
}

/// Bytes of a heap snapshot in the store, decompressed.
fn plain(path: &Path) -> Vec<u8> {
    zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()
}

fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(suffix)).collect();
    found.sort();
    found
}

#[test]
fn what_lives_is_sampled_and_snapshots_compare() {
    use std::io::Write as _;
    for node in nodes() {
        let session = Session::new();
        let script = session.write("keeps.js", KEEPS);
        let mut program = Recorded::start(session.run([&node, &script]));
        program.next("ready ");
        ended(&mut session.brimline(["snapshot", "--name", "first"])).expect_code(0);
        program.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        program.next("more");
        ended(&mut session.brimline(["mark", "second"])).expect_code(0);
        assert_eq!(program.end(), Some(7), "the program's own exit code");

        // About thirty samples of half a megabyte each: two thirds are nearly four standard deviations.
        let first = report(&session, &["latest@first"]);
        let found = live(&first, "Account") + live(&first, "open");
        assert!((found - ACCOUNTS).abs() < ACCOUNTS * 2 / 3, "{found} of {ACCOUNTS}: {first:#}");
        assert!(live(&first, "waste") < ACCOUNTS / 20, "garbage is collected before: {first:#}");
        assert_eq!(first["captures"][0]["collected"], true);
        let second = report(&session, &["latest@second"]);
        let found = live(&second, "Account") + live(&second, "open");
        assert!((found - 2 * ACCOUNTS).abs() < ACCOUNTS, "{found} of {}: {second:#}", 2 * ACCOUNTS);
        let diff = ended(&mut session.brimline(["diff", "latest@first", "latest@second", "--json"])).expect_code(0);
        let top = &json(&diff)["rows"][0];
        assert!(top["file"].as_str().unwrap().ends_with("keeps.js"), "{top:#}");
        // V8 may have compiled one of the two into the other meanwhile: then it is new.
        assert!(top["state"] == "grown" || top["state"] == "new", "{top:#}");
        let line = top["line"].as_u64().unwrap();
        assert!([line_number(KEEPS, "constructor("), line_number(KEEPS, "function open")].contains(&line), "{top:#}");
        let last = report(&session, &[]);
        assert!(live(&last, "Account") + live(&last, "open") > ACCOUNTS, "{last:#}");
        let collections = &last["totals"]["pauses"]["collections"];
        assert!(collections["MarkSweepCompact"]["count"].as_u64().unwrap() >= 1, "a snapshot collects: {last:#}");
        assert!(collections["MarkSweepCompact"]["seconds"].as_f64().unwrap() > 0.0, "{last:#}");
        let trend = ended(&mut session.brimline(["trend", "--json"]));
        let metrics = json(&trend)["series"].as_array().unwrap().clone();
        assert!(metrics.iter().any(|series| series["metric"] == "used_heap"), "{}", trend.stdout);
        assert!(last["captures"][0]["age_seconds"].as_f64().unwrap() < 10.0, "{last:#}");

        let top = json(&heap(&session, &["top", "latest@second", "--json"]).expect_code(0));
        let accounts = rows(&top, "rows").iter().find(|class| class["class"] == "Account");
        assert_eq!(accounts.unwrap()["count"], 8000, "{top:#}");
        let holders = rows(&top, "holders");
        assert!(holders.iter().any(|holder| holder["path"].as_str().unwrap().contains("variable kept")), "{top:#}");
        for snapshot in ["first", "second"] {
            for path in files(&session.run_folder().join("snapshots").join(snapshot), ".heapsnapshot.zst") {
                let text = plain(&path);
                let has = |needle: &[u8]| text.windows(needle.len()).any(|window| window == needle);
                assert!(has(b"\"Account\"") && !has(b"hunter2"), "{}", path.display());
            }
        }
        assert!(files(&session.run_folder().join("node"), ".sock").is_empty(), "sockets go with the run");
    }
}

#[test]
fn streams_code_and_end_are_the_programs_own() {
    let programs = [
        "console.log(1); process.exitCode = 3;",
        "process.on('exit', code => console.log('exit', code)); console.log(process.argv.length, process.execArgv);",
        "process.exit(250)",
        "console.error('x'); throw new Error('thrown')",
        "Promise.reject(new Error('rejected'))",
        "process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 10000)",
        "setTimeout(() => console.log('later'), 300)",
        "process.abort()",
        "import('node:os').then(os => console.log(typeof os.cpus, process.listenerCount('SIGTERM')))",
        "require('child_process').execFile(process.execPath, ['-p', '1+1'], (e, out) => console.log(e, out))",
        "new (require('worker_threads').Worker)('console.log(\"in a worker\"); process.exit(4)', {eval: true}).on('exit', code => console.log(code))",
        "console.log(Object.keys(process.env).filter(name => /LD_|NODE/.test(name)).length >= 0, Object.keys(globalThis).length)",
    ];
    for node in nodes() {
        let session = Session::new();
        for program in programs {
            let script = session.write("program.js", program);
            let alone = ended(session.plain(&node, [&script]).env_remove("NODE_OPTIONS"));
            let mut run = session.brimline(["run", "--quiet", "--"]);
            let recorded = ended(run.arg(&node).arg(&script));
            let code = alone.code().or_else(|| {
                use std::os::unix::process::ExitStatusExt as _;
                alone.status.signal().map(|signal| 128 + signal)
            });
            assert_eq!(recorded.code(), code, "{program}: {}", recorded.stderr);
            assert_eq!(recorded.stdout, alone.stdout, "{program}");
            // A native stack and addresses differ from run to run.
            if !program.contains("abort") {
                assert_eq!(recorded.stderr, alone.stderr, "{program}");
            }
        }
    }
}

#[test]
fn a_busy_program_is_captured_and_a_kill_leaves_its_state() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let script = session.write(
        "busy.js",
        "const kept = [];\nfunction grow() { for (let i = 0; i < 1000; i++) kept.push(new Array(100).fill(i + 0.5)); }\n\
         for (let i = 0; i < 40; i++) grow();\nconsole.log('ready ' + process.pid);\nfor (;;) Math.random();\n",
    );
    let program = Recorded::start(session.run([&node, &script]));
    let pid: u32 = program.next("ready ").parse().unwrap();
    ended(&mut session.brimline(["snapshot", "--name", "busy"])).expect_code(0);
    let busy = report(&session, &["latest@busy"]);
    assert!(live(&busy, "grow") > 20 << 20, "{busy:#}");
    wait_for("a profile by time", || (live(&try_report(&session)?, "grow") > 20 << 20).then_some(()));
    kill(pid, libc::SIGKILL);
    wait_for("the end of the run", || session.run_record()["end"].as_object().map(|_| ()));
    let last = report(&session, &[]);
    assert!(live(&last, "grow") > 20 << 20, "{last:#}");
    assert!(last["captures"][0]["age_seconds"].as_f64().unwrap() < 10.5, "{last:#}");
}

fn try_report(session: &Session) -> Option<Value> {
    let answer = ended(&mut session.brimline(["report", "--json", "--by", "function"]));
    (answer.code() == Some(0)).then(|| json(&answer))
}

#[test]
fn workers_and_children_are_isolates_of_their_own() {
    let Some(node) = node() else { return };
    let session = Session::new();
    session.write(
        "worker.js",
        "const kept = [];\nfunction inWorker() { for (let i = 0; i < 20000; i++) kept.push(new Array(100).fill(i + 0.5)); }\n\
         inWorker();\nrequire('worker_threads').parentPort.postMessage('up');\nrequire('worker_threads').parentPort.on('message', () => {});\n",
    );
    session.write(
        "child.js",
        "const kept = [];\nfunction inChild() { for (let i = 0; i < 20000; i++) kept.push(new Array(100).fill(i + 0.5)); }\n\
         inChild();\nprocess.send('up');\nprocess.on('disconnect', () => process.exit());\n",
    );
    let script = session.write(
        "main.js",
        "const { Worker } = require('worker_threads');\nlet up = 0;\nconst ready = () => { if (++up === 2) console.log('ready ' + process.pid); };\n\
         const worker = new Worker('./worker.js');\nworker.on('message', ready);\n\
         const child = require('child_process').fork('./child.js');\nchild.on('message', ready);\n\
         process.stdin.on('data', () => {}).on('end', () => process.exit(0));\n",
    );
    let mut program = Recorded::start(session.run([&node, &script]));
    let pid = program.next("ready ");
    ended(&mut session.brimline(["snapshot", "--name", "all"])).expect_code(0);
    assert_eq!(program.end(), Some(0));
    let all = report(&session, &["latest@all"]);
    assert_eq!(rows(&all, "captures").len(), 3, "{all:#}");
    assert!(live(&all, "inWorker") > 10 << 20 && live(&all, "inChild") > 10 << 20, "{all:#}");
    let own = report(&session, &["latest@all", "--process", &pid]);
    assert!(live(&own, "inWorker") > 10 << 20 && live(&own, "inChild") == 0, "{own:#}");
    let snapshots = files(&session.run_folder().join("snapshots/all"), ".heapsnapshot.zst");
    assert_eq!(snapshots.len(), 3, "{snapshots:?}");
    let worker = heap(&session, &["top", "latest@all", "--process", &pid, "--thread", "2", "--json"]).expect_code(0);
    let top = json(&worker);
    assert!(
        rows(&top, "holders").iter().any(|holder| holder["path"].as_str().unwrap().contains("variable kept")),
        "{top:#}"
    );
}

#[test]
fn npm_is_not_the_program() {
    let Some(node) = node() else { return };
    let session = Session::new();
    session.write("package.json", r#"{"name": "app", "version": "1.0.0", "scripts": {"start": "node keeps.js"}}"#);
    session.write("keeps.js", KEEPS);
    let npm = node.with_file_name("npm");
    if !npm.is_file() {
        return;
    }
    let mut command = session.run([npm.as_os_str(), "start".as_ref(), "--silent".as_ref()]);
    command.env("npm_config_cache", session.work().join("cache")).env("npm_config_update_notifier", "false");
    let mut program = Recorded::start(command);
    let pid = program.next("ready ");
    ended(&mut session.brimline(["snapshot", &pid, "--name", "one"])).expect_code(0);
    assert_eq!(program.end(), Some(7));
    let last = report(&session, &[]);
    assert_eq!(last["process"].to_string(), pid, "{last:#}");
    assert!(live(&last, "Account") + live(&last, "open") > ACCOUNTS / 2, "{last:#}");
}

#[test]
fn sigusr2_takes_a_snapshot_unless_it_is_the_programs() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let script = session.write("keeps.js", KEEPS);
    let program = Recorded::start(session.run([&node, &script]));
    let pid: u32 = program.next("ready ").parse().unwrap();
    kill(pid, libc::SIGUSR2);
    wait_for("the snapshot", || {
        let snapshots = session.run_folder().join("snapshots/sigusr2-1");
        (!files(&snapshots, ".heapsnapshot.zst").is_empty()).then_some(())
    });
    drop(program);
    let own = session.write("own.js", &format!("process.on('SIGUSR2', () => console.log('mine'));\n{KEEPS}"));
    let mut program = Recorded::start(session.run([&node, &own]));
    let pid: u32 = program.next("ready ").parse().unwrap();
    kill(pid, libc::SIGUSR2);
    program.next("mine");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(program.end(), Some(7));
    assert!(!session.run_folder().join("snapshots/sigusr2-1").exists());
}

#[test]
fn a_program_killed_during_its_snapshot_and_a_recorder_killed() {
    let Some(node) = node() else { return };
    let session = Session::new();
    let big = KEEPS.replace("open(4000);\nwaste();", "open(60000);");
    let script = session.write("big.js", &big);
    let program = Recorded::start(session.run([&node, &script]));
    let pid: u32 = program.next("ready ").parse().unwrap();
    let mut snapshot = session.brimline(["snapshot", "--name", "cut"]);
    let snapshot = snapshot.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    kill(pid, libc::SIGKILL);
    let answer = snapshot.wait_with_output().unwrap();
    assert_eq!(answer.status.code(), Some(4), "{}", String::from_utf8_lossy(&answer.stderr));
    assert!(!session.run_folder().join("snapshots/cut").exists(), "half a snapshot is none");
    drop(program);

    let script = session.write("keeps.js", KEEPS);
    let mut command = session.run([&node, &script]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Its input ends at once: it must outlive that.
    session.write("keeps.js", &KEEPS.replace("process.exit(7)", "setInterval(() => {}, 1000)"));
    let mut recorder = command.spawn().unwrap();
    let before = wait_for("the isolate", || {
        let isolates = files(&session.run_folder().join("node"), ".sock");
        isolates.first().cloned()
    });
    let pid: u32 = before.file_name().unwrap().to_str().unwrap().split('-').next().unwrap().parse().unwrap();
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    // The script ends its recording: the socket is closed, the program lives.
    wait_for("the socket to be closed", || std::os::unix::net::UnixStream::connect(&before).is_err().then_some(()));
    assert!(Path::new(&format!("/proc/{pid}")).exists(), "the program lives on");
    kill(pid, libc::SIGTERM);
}

#[test]
fn express_in_typescript_is_told_by_its_sources() {
    let (Some(node), Some(packages)) = (node(), packages()) else { return };
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../programs/node").canonicalize().unwrap();
    let session = Session::new();
    let out = session.work().join("out");
    let compiler = packages.join("node_modules/typescript/bin/tsc");
    let project = programs.join("typescript/tsconfig.json");
    let compile = [compiler.as_os_str(), "-p".as_ref(), project.as_ref(), "--outDir".as_ref(), out.as_ref()];
    ended(&mut session.plain(&node, compile)).expect_code(0);
    let serve = programs.join("serve.cjs");
    let main = out.join("leaky.js");
    let mut command = session.run([node.as_os_str(), serve.as_ref(), "express".as_ref(), main.as_ref()]);
    command.env("NODE_PATH", packages.join("node_modules"));
    let program = Recorded::start(command);
    let port = program.next("listening on ");
    let drive = programs.join("drive.cjs");
    let load = |first: &str| {
        let arguments = [drive.to_str().unwrap(), &port, "/ticket", "600", first];
        ended(&mut session.plain(&node, arguments)).expect_code(0);
    };
    load("0");
    ended(&mut session.brimline(["snapshot", "--name", "before"])).expect_code(0);
    load("600");
    ended(&mut session.brimline(["snapshot", "--name", "after"])).expect_code(0);
    drop(program);
    let diff = json(&heap(&session, &["diff", "latest@before", "latest@after", "--json"]).expect_code(0));
    let leak = rows(&diff, "holders").iter().find(|holder| holder["shape"] == "listener_accumulation");
    let leak = leak.unwrap_or_else(|| panic!("{diff:#}"));
    let source = std::fs::read_to_string(programs.join("typescript/src/tickets.ts")).unwrap();
    assert_eq!(leak["line"].as_u64().unwrap(), line_number(&source, "function onCancelled"), "{leak:#}");
    assert_eq!(leak["delta_count"], 600, "{leak:#}");
    let by_file = ended(&mut session.brimline(["report", "--json", "--by", "file"])).expect_code(0);
    assert!(by_file.stdout.contains("tickets.ts"), "{}", by_file.stdout);
}
