//! Passes signals on to the program, after a last capture where it can be captured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use brimline_store::RunFolder;

use crate::go::{GoEvent, GoState};
use crate::node;
use crate::signals;

/// How long a signal waits for the capture. Who stops a service gives it ten seconds before the kill.
const PATIENCE: Duration = Duration::from_secs(5);

/// Signals of one run on their way.
pub(crate) struct Forwarding<'a> {
    pid: u32,
    state: &'a GoState,
    go: Sender<GoEvent>,
    /// The run, for its Node programs.
    folder: Option<RunFolder>,
    node_is_ready: Arc<AtomicBool>,
    /// What waits, and until when.
    waiting: Option<(i32, Instant)>,
}

impl<'a> Forwarding<'a> {
    /// `pid` is the program that brimline has started.
    pub(crate) fn new(pid: u32, state: &'a GoState, go: Sender<GoEvent>, folder: Option<RunFolder>) -> Self {
        Self { pid, state, go, folder, node_is_ready: Arc::new(AtomicBool::new(true)), waiting: None }
    }

    /// Takes a signal; what the kernel sent, the program has already.
    pub(crate) fn take(&mut self, signal: i32, from_kernel: bool) {
        let ends = matches!(signal, libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT);
        if ends && self.waiting.is_none() {
            let has_go = self.state.has_target.load(Ordering::SeqCst);
            self.state.is_ready.store(!has_go, Ordering::SeqCst);
            let asked_go = has_go && self.go.send(GoEvent::BeforeSignal).is_ok();
            let asked_node = self.folder.as_ref().is_some_and(|folder| node::capture_last(folder, &self.node_is_ready));
            let asked = asked_go || asked_node;
            if asked && !from_kernel {
                self.waiting = Some((signal, Instant::now() + PATIENCE));
            }
            if asked || from_kernel {
                return;
            }
        }
        // Who sends a second one does not want to wait.
        self.waiting = None;
        if !from_kernel {
            self.send(signal);
        }
    }

    /// Whether a signal waits for a capture.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Passes on what has waited enough.
    pub(crate) fn pass_on(&mut self) {
        let Some((signal, deadline)) = self.waiting else { return };
        let is_ready = self.state.is_ready.load(Ordering::SeqCst) && self.node_is_ready.load(Ordering::SeqCst);
        if is_ready || Instant::now() >= deadline {
            self.waiting = None;
            self.send(signal);
        }
    }

    /// `go run` dies of most signals and leaves its program behind: there the program gets them, and `go` ends with it.
    fn send(&self, signal: i32) {
        match self.state.program.load(Ordering::SeqCst) {
            0 => signals::send(self.pid, signal),
            program => signals::send(program, signal),
        }
    }
}
