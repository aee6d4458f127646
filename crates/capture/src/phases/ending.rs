//! Ends a program as a person would: Ctrl-C, then a request to terminate, then by force; and whoever it leaves behind.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::go::GoState;
use crate::proc_files;
use crate::signals;
use crate::workload::Stop;

/// How long processes left behind may take.
const LEFT: Duration = Duration::from_secs(2);

/// A process and those below it, each with the clock ticks of its start, which with the id name it for good.
pub(super) fn tree(root: u32) -> Vec<(u32, u64)> {
    let mut found = Vec::new();
    let mut queue = vec![root];
    let parents = if proc_files::lists_children() { None } else { Some(proc_files::all_parents()) };
    while let Some(pid) = queue.pop() {
        let Some(stat) = proc_files::stat(pid).filter(|stat| !matches!(stat.state, b'Z' | b'X')) else { continue };
        found.push((pid, stat.start_ticks));
        match &parents {
            None => queue.extend(proc_files::children(pid)),
            Some(parents) => queue.extend(parents.iter().filter(|(_, parent)| *parent == pid).map(|(child, _)| *child)),
        }
    }
    found
}

/// The signals in the order of their force; what a person has sent already is left out.
pub(super) fn end(root: u32, go: &GoState, sent: bool, patience: Duration, ended: &Stop) {
    let below = tree(root);
    let signals = [libc::SIGINT, libc::SIGTERM, libc::SIGKILL];
    for (number, signal) in signals.into_iter().enumerate() {
        if !(sent && number == 0) {
            // `go run` dies of a signal and leaves its program behind.
            let program = match go.program.load(Ordering::SeqCst) {
                0 => root,
                program if signal == libc::SIGKILL => {
                    signals::send(program, signal);
                    root
                }
                program => program,
            };
            signals::send(program, signal);
        }
        if wait(patience, || ended.is_set()) {
            break;
        }
    }
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        let left: Vec<u32> = below.iter().filter(|process| is_same(process)).map(|process| process.0).collect();
        if left.is_empty() {
            return;
        }
        for pid in left {
            signals::send(pid, signal);
        }
        wait(LEFT, || !below.iter().any(is_same));
    }
}

fn is_same(process: &(u32, u64)) -> bool {
    proc_files::stat(process.0).is_some_and(|stat| stat.start_ticks == process.1 && !matches!(stat.state, b'Z' | b'X'))
}

fn wait(patience: Duration, is_done: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if is_done() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
