//! Forks, exec, subprocesses and multiprocessing: each Python process has a recording, the run has them all.
use serde_json::Value;

use crate::identity::{assert_same, command};
use crate::python::{any_python, pythons, soaking};
use crate::session::{Session, ended, kill, wait_for};
use std::process::Stdio;

/// Processes of the run with at least one recording.
fn recorded(session: &Session) -> Vec<Value> {
    let record = session.run_record();
    let processes = record["processes"].as_array().unwrap().clone();
    processes
        .into_iter()
        .filter(|process| process["recordings"].as_array().is_some_and(|all| !all.is_empty()))
        .collect()
}

const FORK: &str = r"
import os
before = [bytes(1000) for _ in range(100)]
pid = os.fork()
if pid == 0:
    child = [bytes(2000) for _ in range(500)]
    del before
    raise SystemExit(0)
print(os.WEXITSTATUS(os.waitpid(pid, 0)[1]))
parent = [bytes(3000) for _ in range(50)]
";

#[test]
fn a_forked_child_has_its_own_recording() {
    for python in pythons() {
        let session = Session::new();
        let run = session.record(&python.bare, FORK);
        assert_eq!(run.stdout, "0\n");
        let processes = recorded(&session);
        assert_eq!(processes.len(), 2, "{processes:#?}");
        let pid = |process: &Value| process["pid"].as_u64().unwrap().to_string();
        let child = processes.iter().find(|process| pid(process) != pid(&processes[0])).unwrap();
        let (parent, child) =
            if processes[0]["parent_pid"] == child["pid"] { (child, &processes[0]) } else { (&processes[0], child) };
        let report = session.report_of(&["--process", &pid(child)]);
        let line = report.line_with("script.py", FORK, "child = [bytes");
        assert!((500..=502).contains(&line.live_count), "{line:?}");
        assert!(line.live_bytes >= 500 * 2033, "{line:?}");
        // Freeing what the parent allocated leaves nothing negative behind.
        assert!(report.rows().all(|row| row["live_bytes"].as_i64() >= Some(0)), "{:#?}", report.json["rows"]);
        let report = session.report_of(&["--process", &pid(parent)]);
        assert_eq!(report.line_with("script.py", FORK, "child = [bytes").total_count, 0);
        assert!((50..=52).contains(&report.line_with("script.py", FORK, "parent = [bytes").live_count));
        assert!((100..=102).contains(&report.line_with("script.py", FORK, "before = [bytes").live_count));
    }
}

const SUBPROCESSES: &str = r#"
import os, subprocess, sys
print(subprocess.run([sys.executable, "-c", "kept = [bytes(5000) for _ in range(100)]; print('inner')"], capture_output=True, text=True).stdout)
print(subprocess.check_output(["sh", "-c", "echo shell; exit 0"], text=True))
print(subprocess.check_output("git --version", shell=True, text=True)[:11])
print(subprocess.call(["cc", "--version"], stdout=subprocess.DEVNULL))
print(subprocess.check_output([sys.executable, "-c", "print('clean')"], env={}, text=True))
sys.stdout.flush()
os.execv(sys.executable, [sys.executable, "-c", "after = [bytes(7000) for _ in range(10)]; print('executed')"])
"#;

#[test]
fn helpers_leave_no_recording_and_python_children_do() {
    for python in pythons() {
        let session = Session::new();
        session.write("script.py", SUBPROCESSES);
        assert_same(&session, &command(&python.bare, &["script.py"]), |_| {});
        let processes = recorded(&session);
        // The program (twice: before and after exec) and its python child; the one started with an empty environment
        // is not followed.
        assert_eq!(processes.len(), 2, "{processes:#?}");
        let recordings: usize = processes.iter().map(|process| process["recordings"].as_array().unwrap().len()).sum();
        assert_eq!(recordings, 3, "{processes:#?}");
        let live = |text: &str| -> i64 {
            let report = session.report();
            let wanted =
                report.rows().filter(|row| row["file"] == "<string>" && row["live_bytes"].as_i64() > Some(60_000));
            assert!(wanted.count() >= 1, "{text}: {:#?}", report.json["rows"]);
            report.totals.live_bytes
        };
        assert!(live("children are part of the run") > 500_000);
    }
}

const MULTIPROCESSING: &str = r#"
import multiprocessing, sys

def work(n):
    return len([bytes(n) for _ in range(1000)])

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(3) as pool:
        print(sum(pool.map(work, range(60))))
        pool.close()
        pool.join()
    process = context.Process(target=work, args=(10,))
    process.start()
    process.join()
    print(process.exitcode)
    queue = context.Queue()
    queue.put([1] * 1000)
    print(len(queue.get()))
"#;

#[test]
fn multiprocessing_works_in_its_three_start_methods() {
    for python in pythons() {
        for method in ["fork", "spawn", "forkserver"] {
            let session = Session::new();
            session.write("script.py", MULTIPROCESSING);
            assert_same(&session, &command(&python.bare, &["script.py", method]), |_| {});
            let processes = recorded(&session);
            assert!(processes.len() >= 5, "{method}: {processes:#?}");
            let line = session.report().line_with("script.py", MULTIPROCESSING, "return len([bytes(n)");
            assert!(line.total_count >= 60_000, "{method}: {line:?}");
        }
    }
}

const MANY_FORKS: &str = r#"
import os, sys, threading
stop = threading.Event()
def churn():
    kept = []
    while not stop.is_set():
        kept.append({"n": len(kept), "text": "x" * (len(kept) % 700)})
        if len(kept) > 2000:
            kept.clear()
threads = [threading.Thread(target=churn) for _ in range(4)]
for thread in threads: thread.start()
count = int(sys.argv[1])
failed = 0
for number in range(count):
    pid = os.fork()
    if pid == 0:
        mine = [bytes(100 + n) for n in range(50)]
        os._exit(0 if len(mine) == 50 else 1)
    failed += os.WEXITSTATUS(os.waitpid(pid, 0)[1]) != 0
stop.set()
for thread in threads: thread.join()
print(count, failed)
"#;

#[test]
fn soak_forks_under_load_do_not_deadlock() {
    let Some(python) = any_python() else { return };
    let count = if soaking() { "1000" } else { "200" };
    let session = Session::new();
    let script = session.write("script.py", MANY_FORKS);
    let run = ended(session.run([&python.bare, &script]).arg(count)).expect_code(0);
    assert_eq!(run.stdout, format!("{count} 0\n"));
}

const PRE_FORK: &str = r#"
import os, time
for _ in range(40):
    if os.fork() == 0:
        kept = [bytes(5000) for _ in range(100)]
        os._exit(0)
    os.wait()
print("forked", flush=True)
time.sleep(60)
"#;

#[test]
fn recordings_of_children_that_have_ended_are_closed_while_the_program_runs() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let script = session.write("script.py", PRE_FORK);
    let mut run = session.run([&python.bare, &script]);
    let child = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let closed = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(".rec.zst");
    wait_for("the children's recordings to be closed", || {
        let started = session.store().join("runs").exists();
        (started && session.recordings().iter().filter(|path| closed(path)).count() == 40).then_some(())
    });
    let open: Vec<_> = session.recordings().into_iter().filter(|path| !closed(path)).collect();
    assert_eq!(open.len(), 1, "{open:?}");
    // A report of the running program has them all, closed and not.
    let answer = ended(&mut session.brimline(["report", "--json"]));
    let report = crate::answer::Report::parse(&answer.stdout);
    let line = report.line_with("script.py", PRE_FORK, "kept = [bytes(5000)");
    assert!((4000..4200).contains(&line.live_count), "{line:?}\n{}", answer.stderr);
    kill(child.id(), libc::SIGTERM);
    child.wait_with_output().unwrap();
    assert_eq!(recorded(&session).len(), 41);
}
