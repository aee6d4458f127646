//! After kill -9 at any moment the recording opens with a state at most a second old.
use std::process::Stdio;
use std::time::Duration;

use crate::python::{any_python, soaking};
use crate::session::{Session, ended, kill, wait_for};

/// Allocates steadily and tells how far it is through a file it maps, which survives the kill.
const VICTIM: &str = r#"
import mmap, os, sys, threading
with open("progress", "w+b") as file:
    file.truncate(4096)
    progress = mmap.mmap(file.fileno(), 4096)
kept = []
def side():
    while True:
        [str(n) for n in range(1000)]
threading.Thread(target=side, daemon=True).start()
while True:
    kept.append(bytes(1000))
    progress[0:8] = len(kept).to_bytes(8, "little")
    if len(kept) == 200_000:
        kept.clear()
"#;

#[test]
fn soak_recordings_survive_kill_9_at_any_moment() {
    let Some(python) = any_python() else { return };
    let rounds = if soaking() { 100 } else { 20 };
    let mut delay = 17_u64;
    for round in 0..rounds {
        let session = Session::new();
        let script = session.write("victim.py", VICTIM);
        let mut run = session.run([&python.bare, &script]);
        let child = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let progress = session.work().join("progress");
        let done = || {
            std::fs::read(&progress).ok().and_then(|bytes| Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?)))
        };
        wait_for("the victim to allocate", || done().filter(|count| *count > 100));
        std::thread::sleep(next_delay(&mut delay));
        let victim = wait_for("the victim's process", || {
            let children = format!("/proc/{0}/task/{0}/children", child.id());
            std::fs::read_to_string(children).ok()?.split_whitespace().next()?.parse::<u32>().ok()
        });
        kill(victim, libc::SIGKILL);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(137), "{}", String::from_utf8_lossy(&output.stderr));

        let line = session.report().line_with("victim.py", VICTIM, "kept.append(bytes(1000))");
        let expected = done().unwrap() as i64;
        // The list's own block, one event of each thread torn, and the one append that was not noted yet.
        assert!((line.live_count - expected).abs() <= 4, "round {round}: {expected} kept, {line:?}");
    }
}

/// A time by which something is killed: pseudo-random, the same in every run.
fn next_delay(delay: &mut u64) -> Duration {
    *delay = delay.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    Duration::from_micros((*delay >> 33) % 400_000)
}

#[test]
fn soak_killing_brimline_itself_leaves_a_run_that_opens_and_a_program_that_goes_on() {
    let Some(python) = any_python() else { return };
    let rounds = if soaking() { 100 } else { 3 };
    let session = Session::new();
    let script = session.write("victim.py", VICTIM);
    let mut delay = 23;
    for round in 1..=rounds {
        std::fs::remove_file(session.work().join("progress")).ok();
        let mut child =
            session.run([&python.bare, &script]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let victim = wait_for("the victim's process", || {
            let children = format!("/proc/{0}/task/{0}/children", child.id());
            std::fs::read_to_string(children).ok()?.split_whitespace().next()?.parse::<u32>().ok()
        });
        let progress = session.work().join("progress");
        let done = || {
            let bytes = std::fs::read(&progress).ok()?;
            Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?))
        };
        wait_for("the victim to allocate", || done().filter(|count| *count > 100));
        std::thread::sleep(next_delay(&mut delay));
        kill(child.id(), libc::SIGKILL);
        child.wait().unwrap();
        let then = done();
        wait_for("the victim to go on", || (done() != then).then_some(()));
        kill(victim, libc::SIGKILL);
        wait_for("the victim to end", || {
            (!std::path::Path::new(&format!("/proc/{victim}/maps")).exists() || is_zombie(victim)).then_some(())
        });
        let answer = ended(&mut session.brimline(["report", "--json"]));
        assert!([Some(0), Some(3)].contains(&answer.code()), "{}", answer.stderr);
        assert!(answer.stdout.contains("victim.py"), "{}", answer.stdout);
        let runs = ended(&mut session.brimline(["runs", "--json"])).expect_code(0).stdout;
        let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
        assert_eq!(runs["runs"].as_array().map(Vec::len), Some(round), "{runs}");
    }
    eprintln!("soak: brimline killed {rounds} times, {rounds} runs open, no program ended with it");
}

fn is_zombie(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}
