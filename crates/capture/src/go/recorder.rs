//! Follows the Go processes of a run: finds where they serve profiles, captures them by time and before a signal.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use brimline_store::go_capture::{self, GoTarget, captures_path};
use brimline_store::{RunFolder, StoreError, Timestamp, private_file};

use super::build_info::BuildInfo;
use super::endpoint::Endpoint;
use super::sockets::{Listener, listeners, owners};
use super::take::{Depth, Occasion, take};
use super::{GoPlan, PACKAGE_BASE, inspect, sockets_path, thinning};
use crate::http::{Address, Trust, Url};
use crate::observer::{Observer, Problem};
use crate::proc_files;

/// Time between two heap captures once a program has run that long; before, captures come as often as it is old.
const HEAP_INTERVAL: Duration = Duration::from_secs(10);
/// Time between the first captures.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two captures of everything.
const WHOLE_INTERVAL: Duration = Duration::from_secs(30);
/// A capture may take this share of the time between two: its collection is the program's work.
const SHARE: u32 = 100;
/// The same while it is younger than [`HEAP_INTERVAL`]: programs that live for seconds leave something, too.
const EARLY_SHARE: u32 = 20;
/// Time between two looks for endpoints of a new program, and of one that has been there for long.
const SEARCH_INTERVAL: Duration = Duration::from_millis(100);
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// The same while no endpoint is looked for: what happens is told.
const NOTHING_TO_FIND: Duration = Duration::from_secs(60);
/// After this time without an endpoint the user hears what to add.
const SILENCE: Duration = Duration::from_secs(10);
/// A socket that was no endpoint is asked again after this time, then after twice that, and so on.
const ASK_AGAIN: Duration = Duration::from_secs(2);
const ASK_AGAIN_AT_MOST: Duration = Duration::from_secs(120);

/// What the recorder hears.
#[derive(Debug)]
pub(crate) enum GoEvent {
    /// The living processes of the run.
    Processes(Vec<u32>),
    /// The program is about to get a signal that may end it: capture once more.
    BeforeSignal,
    /// The run is over.
    Over,
    /// What a socket answered.
    Asked { pid: u32, socket: u64, answer: Result<Box<Endpoint>, String> },
}

/// What others look at while the recorder is at work.
#[derive(Debug, Default)]
pub(crate) struct GoState {
    /// Some process can be captured.
    pub(crate) has_target: AtomicBool,
    /// The capture before a signal is done.
    pub(crate) is_ready: AtomicBool,
    /// An endpoint without a process of this machine no longer answers.
    pub(crate) is_gone: AtomicBool,
    /// The program that `go run` has started; 0 otherwise.
    pub(crate) program: AtomicU32,
}

/// A Go process that is no part of the Go installation.
struct Program {
    start_ticks: u64,
    info: BuildInfo,
    since: Instant,
    has_ended: bool,
    target: Option<Captured>,
    /// Sockets asked: what they said, and when to ask again.
    asked: BTreeMap<u64, Asked>,
}

impl Program {
    fn new(start_ticks: u64, info: BuildInfo) -> Self {
        let asked = BTreeMap::new();
        Self { start_ticks, info, since: Instant::now(), has_ended: false, target: None, asked }
    }

    /// Whether its endpoint is still looked for.
    fn is_searched(&self) -> bool {
        self.target.is_none() && !self.has_ended
    }
}

struct Asked {
    refusal: Option<String>,
    again: Instant,
    patience: Duration,
}

struct Captured {
    target: GoTarget,
    since: Instant,
    next_heap: Instant,
    next_whole: Instant,
}

/// The recorder of one run.
pub(crate) struct GoRecorder<'a> {
    folder: RunFolder,
    plan: GoPlan,
    state: &'a GoState,
    observer: &'a dyn Observer,
    sender: Sender<GoEvent>,
    /// Executable by process, so that a program that executes another is looked at again.
    seen: BTreeMap<u32, (u64, u64)>,
    programs: BTreeMap<u32, Program>,
    problems: Vec<Problem>,
    told: BTreeSet<&'static str>,
    has_toolchain: bool,
}

impl<'a> GoRecorder<'a> {
    /// `sender` belongs to the channel that [`Self::run`] will listen to.
    pub(crate) fn new(
        folder: RunFolder,
        plan: GoPlan,
        state: &'a GoState,
        observer: &'a dyn Observer,
        sender: Sender<GoEvent>,
    ) -> Self {
        let (seen, programs) = (BTreeMap::new(), BTreeMap::new());
        let (problems, told) = (Vec::new(), BTreeSet::new());
        Self { folder, plan, state, observer, sender, seen, programs, problems, told, has_toolchain: false }
    }

    /// Adds a target that is known already.
    pub(crate) fn add_target(&mut self, target: GoTarget, info: BuildInfo) {
        let start_ticks = target.start_ticks;
        let pid = target.pid;
        let program = Program::new(start_ticks, info);
        self.programs.insert(pid, program);
        self.found(pid, target);
    }

    /// What could not be captured. Works until `is_over` is set, which [`GoEvent::Over`] has it look at.
    pub(crate) fn run(mut self, receiver: &Receiver<GoEvent>, is_over: &AtomicBool) -> Vec<Problem> {
        while !is_over.load(Ordering::SeqCst) {
            match receiver.recv_timeout(self.pause()) {
                Ok(event) => {
                    self.hear(event);
                    while let Ok(event) = receiver.try_recv() {
                        self.hear(event);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.search();
            self.capture_due(is_over);
        }
        self.tell_missing(Duration::ZERO);
        self.problems
    }

    fn pause(&self) -> Duration {
        // Servers listen within seconds, or late; looking costs a read of the machine's table of sockets.
        let searched = self.programs.values().filter(|program| program.is_searched());
        let idle = match searched.map(|program| program.since.elapsed()).min() {
            None => NOTHING_TO_FIND,
            Some(youngest) if youngest < SILENCE => SEARCH_INTERVAL,
            Some(_) => IDLE_INTERVAL,
        };
        let due = self.programs.values().filter_map(|program| program.target.as_ref());
        let next = due.map(|captured| captured.next_heap.min(captured.next_whole)).min();
        next.map_or(idle, |next| next.saturating_duration_since(Instant::now()).min(idle))
    }

    fn tell(&mut self, kind: &'static str, problem: Problem) {
        if self.told.insert(kind) {
            self.observer.problem(&problem);
            self.problems.push(problem);
        }
    }

    fn hear(&mut self, event: GoEvent) {
        match event {
            GoEvent::Processes(alive) => self.meet(&alive),
            GoEvent::BeforeSignal => {
                self.capture_all(super::BEFORE_SIGNAL, Depth::Asked);
                self.state.is_ready.store(true, Ordering::SeqCst);
            }
            // It only wakes: `is_over` says it to whoever is in the middle of something.
            GoEvent::Over => {}
            GoEvent::Asked { pid, socket, answer } => self.answered(pid, socket, answer),
        }
    }

    /// Looks at processes that are new or execute something new.
    fn meet(&mut self, alive: &[u32]) {
        let gone: Vec<u32> = self.programs.keys().copied().filter(|pid| *pid != 0 && !alive.contains(pid)).collect();
        for pid in gone {
            if let Some(program) = self.programs.get_mut(&pid) {
                program.has_ended = true;
                if program.target.take().is_some() {
                    self.save_targets();
                }
            }
        }
        for &pid in alive {
            let path = PathBuf::from(format!("/proc/{pid}/exe"));
            let Ok(identity) = std::fs::metadata(&path).map(|file| (file.dev(), file.ino())) else { continue };
            if self.seen.insert(pid, identity) == Some(identity) {
                continue;
            }
            self.programs.remove(&pid);
            let Some(info) = BuildInfo::read(&path) else { continue };
            if info.is_toolchain() {
                self.has_toolchain = true;
                continue;
            }
            let start_ticks = proc_files::stat(pid).map_or(0, |stat| stat.start_ticks);
            let program = Program::new(start_ticks, info);
            if self.has_toolchain && !program.info.is_test() {
                self.state.program.store(pid, Ordering::SeqCst);
            }
            self.programs.insert(pid, program);
        }
    }

    /// Asks sockets that have not been asked, each in a thread of its own: some never answer.
    fn search(&mut self) {
        let now = Instant::now();
        let mut found = Vec::new();
        for (&pid, program) in self.programs.iter_mut().filter(|(_, program)| program.is_searched()) {
            if let Some(url) = package_socket(&self.folder, pid) {
                found.push((pid, Endpoint { url, trust: Trust::Roots, sample_rate: None, open: false, note: None }));
                continue;
            }
            for (socket, place) in places(pid, &self.plan) {
                let asked =
                    program.asked.entry(socket).or_insert(Asked { refusal: None, again: now, patience: ASK_AGAIN });
                if now < asked.again {
                    continue;
                }
                asked.again = now + asked.patience.max(super::endpoint::PATIENCE);
                asked.patience = (asked.patience * 2).min(ASK_AGAIN_AT_MOST);
                let (sender, insecure) = (self.sender.clone(), self.plan.insecure);
                std::thread::spawn(move || {
                    let answer = match place {
                        Place::Given(url) => Endpoint::at(&url, insecure),
                        Place::Socket(listener) => Endpoint::behind(&listener, insecure),
                    };
                    let answer = answer.map(Box::new).map_err(|error| error.to_string());
                    // Nobody listens when the run has ended meanwhile.
                    let _ = sender.send(GoEvent::Asked { pid, socket, answer });
                });
            }
        }
        for (pid, endpoint) in found {
            self.use_endpoint(pid, &endpoint);
        }
        self.tell_missing(SILENCE);
    }

    fn answered(&mut self, pid: u32, socket: u64, answer: Result<Box<Endpoint>, String>) {
        match answer {
            Ok(endpoint) => self.use_endpoint(pid, &endpoint),
            // Cut off by the program's end, a socket has said nothing.
            Err(_) if pid != 0 && !proc_files::is_alive(pid) => {}
            Err(refusal) => {
                let asked = self.programs.get_mut(&pid).and_then(|program| program.asked.get_mut(&socket));
                if let Some(asked) = asked {
                    // A given endpoint that is not there yet is what we wait for.
                    let patience = if socket == 0 { SEARCH_INTERVAL * 2 } else { asked.patience };
                    asked.again = Instant::now() + patience;
                    asked.refusal = Some(refusal);
                }
            }
        }
    }

    fn use_endpoint(&mut self, pid: u32, endpoint: &Endpoint) {
        let Some(program) = self.programs.get(&pid).filter(|program| program.target.is_none()) else { return };
        if self.plan.endpoint.is_some() {
            // One endpoint is one process: the one that listens there, where that can be seen.
            let pids: Vec<u32> = self.programs.keys().copied().collect();
            let owners = owners(&endpoint.url, &pids);
            let elsewhere = |(other, program): (&u32, &Program)| *other != pid && program.target.is_some();
            if !owners.is_empty() && !owners.contains(&pid) || self.programs.iter().any(elsewhere) {
                return;
            }
        }
        let target = GoTarget {
            pid,
            start_ticks: program.start_ticks,
            endpoint: endpoint.url.to_string(),
            insecure: endpoint.trust == Trust::Any,
            credentials: endpoint.url.credentials.clone(),
            go_version: Some(program.info.version.clone()).filter(|version| !version.is_empty()),
            package: program.info.package.clone(),
            module: program.info.module.clone(),
        };
        if let Some(note) = &endpoint.note {
            self.tell("certificate", Problem::GoNote { note: note.clone() });
        }
        self.observer.target(pid, &target.endpoint);
        self.found(pid, target);
    }

    fn found(&mut self, pid: u32, target: GoTarget) {
        let now = Instant::now();
        let captured = Captured { target, since: now, next_heap: now, next_whole: now };
        if let Some(program) = self.programs.get_mut(&pid) {
            program.target = Some(captured);
        }
        self.state.has_target.store(true, Ordering::SeqCst);
        self.save_targets();
    }

    fn save_targets(&mut self) {
        let targets: Vec<GoTarget> = self.targets().into_iter().map(|(_, target)| target).collect();
        if let Err(error) = go_capture::save_targets(&self.folder, &targets) {
            self.tell("targets", Problem::GoCaptureFailed { reason: error.to_string() });
        }
    }

    fn targets(&self) -> Vec<(u32, GoTarget)> {
        let captured = |(pid, program): (&u32, &Program)| Some((*pid, program.target.as_ref()?.target.clone()));
        self.programs.iter().filter_map(captured).collect()
    }

    fn capture_due(&mut self, is_over: &AtomicBool) {
        for (pid, target) in self.targets() {
            if is_over.load(Ordering::SeqCst) {
                return;
            }
            let now = Instant::now();
            let Some(captured) = self.programs.get(&pid).and_then(|program| program.target.as_ref()) else { continue };
            let is_first = captured.next_whole == captured.since;
            let depth = match (now >= captured.next_whole, now >= captured.next_heap) {
                (true, _) => Depth::Whole,
                (false, true) => Depth::Heap,
                _ => continue,
            };
            let trigger = match depth {
                _ if is_first => "start",
                Depth::Heap => "every 10s",
                _ => "every 30s",
            };
            self.capture(&target, trigger, depth);
            let taken = now.elapsed();
            let Some(captured) = self.programs.get_mut(&pid).and_then(|program| program.target.as_mut()) else {
                continue;
            };
            let now = Instant::now();
            let age = captured.since.elapsed();
            let share = if age < HEAP_INTERVAL { EARLY_SHARE } else { SHARE };
            captured.next_heap = now + age.clamp(FIRST_INTERVAL, HEAP_INTERVAL).max(taken * share);
            if depth != Depth::Heap {
                captured.next_whole = now + WHOLE_INTERVAL.max(taken * SHARE);
            }
        }
    }

    fn capture_all(&mut self, trigger: &str, depth: Depth) {
        for (_, target) in self.targets() {
            self.capture(&target, trigger, depth);
        }
    }

    fn capture(&mut self, target: &GoTarget, trigger: &str, depth: Depth) {
        let folder = captures_path(&self.folder);
        let path = folder.join(format!("{}-{}", Timestamp::now().0, target.pid));
        let occasion = Occasion { name: None, trigger, depth };
        let taken = private_file::ensure_folder(&folder)
            .and_then(|()| private_file::create_folder(&path))
            .and_then(|()| take(target, &path, &occasion));
        match taken {
            Ok(capture) if capture.collected => {
                self.observer.captured(&capture);
                thinning::thin(&folder, target.pid);
            }
            Ok(capture) => {
                // Killed meanwhile, it leaves what had arrived; where nothing had, there is no capture.
                if capture.seconds.len() <= 1 {
                    let _ = std::fs::remove_dir_all(&path);
                }
                if target.pid == 0 {
                    self.state.is_gone.store(true, Ordering::SeqCst);
                }
                let alive = target.pid == 0 || super::is_same(target);
                if alive && let Some(reason) = capture.problems.first() {
                    self.tell("capture", Problem::GoCaptureFailed { reason: reason.clone() });
                }
            }
            Err(error) => self.tell("disk", Problem::GoCaptureFailed { reason: disk_error(&error) }),
        }
    }

    /// Says once what to add to a program that serves no profiles.
    fn tell_missing(&mut self, patience: Duration) {
        if self.programs.values().any(|program| program.target.is_some())
            || self.state.has_target.load(Ordering::SeqCst)
        {
            return;
        }
        if self.told.contains("endpoint") {
            return;
        }
        if self.is_helper() {
            self.told.insert("endpoint");
            return;
        }
        // What `go test` starts captures itself, and what `go run` starts may have.
        let captures = captures_path(&self.folder);
        let mut waiting = self.programs.iter().filter(|(pid, program)| {
            let is_test = program.info.is_test() && self.has_toolchain;
            !is_test && !captures.join(format!("{}{pid}", super::end_captures::END)).exists()
        });
        let Some((&pid, program)) = waiting.find(|(_, program)| program.since.elapsed() >= patience) else { return };
        let package = program.info.package.clone().unwrap_or_else(|| "the program".to_owned());
        let answers =
            program.asked.values().map(|asked| asked.refusal.as_deref().unwrap_or("a socket that does not answer"));
        let mut tried = answers.collect::<Vec<_>>().join("; ");
        if tried.is_empty() {
            tried.push_str("it listens nowhere");
        }
        self.tell("endpoint", Problem::NoGoEndpoint { pid, package, tried });
    }
}

impl GoRecorder<'_> {
    /// Whether the run is about a program of another language, which may start Go programs without anyone minding.
    fn is_helper(&self) -> bool {
        let root = self.folder.load().ok().and_then(|record| record.command.first().cloned()).unwrap_or_default();
        let name = root.rsplit('/').next().unwrap_or_default();
        let others = ["python", "pytest", "gunicorn", "uvicorn", "node", "npm", "npx", "yarn", "pnpm"];
        others.iter().any(|other| name.starts_with(other))
            || brimline_store::artifacts::processes(&self.folder).is_ok_and(|files| !files.is_empty())
    }
}

fn disk_error(error: &StoreError) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// Where an endpoint may be.
enum Place {
    Given(Url),
    Socket(Listener),
}

/// Places to ask for process `pid`, each with a number that stands for it.
fn places(pid: u32, plan: &GoPlan) -> Vec<(u64, Place)> {
    match &plan.endpoint {
        Some(url) => vec![(0, Place::Given(url.clone()))],
        None => listeners(pid).into_iter().map(|listener| (listener.inode, Place::Socket(listener))).collect(),
    }
}

/// The socket of the package `brimline` in this process, which names it by the id that it has in its own namespace.
fn package_socket(folder: &RunFolder, pid: u32) -> Option<Url> {
    let path = sockets_path(folder).join(format!("{}.sock", inspect::innermost_pid(pid)?));
    let url =
        Url { address: Address::Unix(path.clone()), tls: false, base: PACKAGE_BASE.to_owned(), credentials: None };
    path.exists().then_some(url)
}
