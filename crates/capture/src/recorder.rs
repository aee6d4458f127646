//! Records a program from start to end.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use brimline_store::private_file::{self, Durability};
use brimline_store::{Database, ProgramExit, RunFolder, RunLock, RunName, RunRecord, Store, Timestamp, Tracking};
use brimline_store::{go_capture, node_capture};

use crate::cgroup::OomWatch;
use crate::close::close_some;
use crate::error::{LaunchError, SnapshotError};
use crate::forwarding::Forwarding;
use crate::go::{self, GoEvent, GoRecorder, GoState};
use crate::launch::{self, Streams};
use crate::looks::Looks;
use crate::node::{self, Depth};
use crate::observer::{Observer, Problem};
use crate::phases::{Conductor, Control, LogWatch, PhaseOutcome, PhasePlan};
use crate::plan::Plan;
use crate::processes::Processes;
use crate::run_end::finish;
use crate::sampler;
use crate::series_writer::SeriesWriter;
use crate::signals::{News, Signals};
use crate::snapshot::{COLLECTION_TIMEOUT, SnapshotRequest, snapshot};
use crate::triggers::{Due, Triggers};
use crate::waiting;
use crate::{executable, git};
use crate::{file_system, proc_files};

/// With less room than this nothing is recorded: not even the shortest run would fit.
const LEAST_FREE_BYTES: u64 = 4 << 20;
/// Times of the first samples; from then on they follow the plan's interval.
const FIRST_SAMPLES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(500)];
/// How long an urgent snapshot waits for a collection: memory grows meanwhile.
const URGENT_TIMEOUT: Duration = Duration::from_secs(1);
/// `run.json` is brought up to date this often while the program runs, and recordings of processes that have ended are
/// closed: a raw one takes most of a megabyte, and a server may fork for days.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);
/// How long the end waits for git.
const GIT_PATIENCE: Duration = Duration::from_millis(5);

/// What became of the program and of the run.
#[derive(Debug)]
pub struct Outcome {
    /// How the program ended.
    pub exit: ProgramExit,
    /// The run; `None` when nothing could be recorded.
    pub folder: Option<RunFolder>,
    /// The run's record as written; `None` when nothing could be recorded.
    pub record: Option<RunRecord>,
    /// What became of the workload, where the plan has one.
    pub phases: Option<PhaseOutcome>,
    /// Everything that could not be recorded; the observer has heard of each.
    pub problems: Vec<Problem>,
    /// Whether the kernel has killed for memory in the program's control group; `None` where it does not count.
    pub oom_killed: Option<bool>,
    /// Seconds from start to end of the program.
    pub seconds: f64,
}

/// Runs the plan's command to its end, recording what can be recorded. Only a program that could not be started is an
/// error; then no run is left behind.
pub fn record(plan: &Plan, observer: &dyn Observer) -> Result<Outcome, LaunchError> {
    if plan.command.is_empty() {
        return Err(LaunchError::NoCommand);
    }
    let store = Store::new(plan.store.clone());
    let mut problems = Problems { observer, list: Vec::new() };
    let words: Vec<String> = plan.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut run = match begin(&store, &words, plan.name.clone(), plan.phases.as_ref().map(PhasePlan::describe)) {
        Ok(run) => Some(run),
        // A load without a recording would tell nothing.
        Err(reason) if plan.phases.is_some() => return Err(LaunchError::NoFolder { reason }),
        Err(reason) => {
            problems.tell(Problem::NoFolder { reason });
            None
        }
    };
    let mut environment = environment(plan, run.as_mut(), &mut problems);
    let with_captures =
        run.as_ref().filter(|_| !plan.go.off).and_then(|run| prepare_go(plan, run, &mut environment, &mut problems));
    if let Some(run) = &run {
        prepare_node(plan, run, &mut environment, &mut problems);
    }
    let command = with_captures.unwrap_or_else(|| plan.command.clone());
    let signals = Signals::install(plan.triggers.on_signal)
        .map_err(|source| LaunchError::Failed { command: plan.command[0].to_string_lossy().into_owned(), source })?;
    let own_max_rss = proc_files::status(std::process::id()).and_then(|status| status.max_rss);
    let clock = Instant::now();
    let log = plan.phases.as_ref().and_then(|phases| phases.ready.log());
    let streams = if log.is_some() { Streams::Piped } else { Streams::Inherited };
    let mut child = match launch::start(&command, &environment, streams) {
        Ok(child) => child,
        Err(error) => {
            if let Some(run) = run {
                // The command's own error is the one to tell.
                let _ = run.folder.remove();
            }
            return Err(error);
        }
    };
    let pid = child.id();
    let log = log.map(|wanted| LogWatch::attach(&mut child, wanted));
    if let Some(run) = &mut run {
        run.record.pid = Some(pid);
        run.record.start = Timestamp::now();
    }
    observer.started(run.as_ref().map(|run| &run.folder), pid);
    let processes = Processes::new(pid, run.as_ref().map(|run| run.folder.clone()));
    let (sender, receiver) = mpsc::channel();
    let busy = AtomicUsize::new(0);
    let (go_sender, go_receiver) = mpsc::channel();
    let (go_state, go_is_over) = (GoState::default(), AtomicBool::new(false));
    let control = Control::default();
    let question = run.as_ref().and_then(|_| std::env::current_dir().ok()).and_then(|cwd| git::ask(&cwd));
    let (waited, watch, (failures, database), go, phases) = std::thread::scope(|scope| {
        let folder = run.as_ref().map(|run| run.folder.clone());
        let busy = &busy;
        let store = &store;
        let go = folder.clone().filter(|_| !plan.go.off).map(|folder| {
            let recorder = GoRecorder::new(folder, plan.go.clone(), &go_state, observer, go_sender.clone());
            let is_over = &go_is_over;
            scope.spawn(move || recorder.run(&go_receiver, is_over))
        });
        let worker = scope.spawn(move || work(store, folder.as_ref(), &receiver, busy, observer));
        let watch = Watch {
            plan,
            signals: &signals,
            clock,
            run: run.as_ref().map(|run| (run.folder.clone(), run.record.clone())),
            busy,
            observer,
            processes,
            problems: Vec::new(),
            go: go_sender.clone(),
            told: Default::default(),
            forwarding: Forwarding::new(pid, &go_state, go_sender.clone(), run.as_ref().map(|run| run.folder.clone())),
            control: &control,
            oom: OomWatch::new(),
            pid,
        };
        let phases = plan.phases.as_ref().zip(run.as_ref()).map(|(plan, run)| {
            let (folder, log) = (run.folder.clone(), log.as_ref().map(LogWatch::seen));
            let conductor = Conductor { plan, pid, folder, observer, control: &control, go: &go_state, log };
            scope.spawn(move || conductor.run())
        });
        let watch = scope.spawn(move || watch.run(&sender));
        let waited = waiting::wait(pid);
        control.program_ended();
        signals.end();
        go_is_over.store(true, Ordering::SeqCst);
        // It may have ended before.
        let _ = go_sender.send(GoEvent::Over);
        let phases = phases.map(|phases| joined(phases.join()));
        (waited, joined(watch.join()), joined(worker.join()), go.map(|go| joined(go.join())), phases)
    });
    if let Some(log) = log {
        log.finish();
    }
    let seconds = clock.elapsed().as_secs_f64();
    problems.list.extend(watch.problems);
    problems.list.extend(failures);
    let waited = waited
        .map_err(|source| LaunchError::Failed { command: plan.command[0].to_string_lossy().into_owned(), source })?;
    let exit = launch::exit_of(waited.status);
    let oom_killed = watch.oom.has_killed();
    let Some(mut run) = run else {
        let problems = problems.list;
        return Ok(Outcome { exit, folder: None, record: None, phases: None, problems, oom_killed, seconds });
    };
    let phases = phases.map(|(outcome, found)| {
        problems.list.extend(found);
        keep_outcome(&mut run, &outcome);
        outcome
    });
    let mut processes = watch.processes;
    processes.mark_ended();
    processes.find_recordings();
    processes.explain_missing();
    // The kernel's maximum of a new process starts with that of its parent, brimline: only beyond it does it say more.
    if let Some(program) = processes.get_mut(pid).filter(|_| own_max_rss.is_some_and(|own| waited.max_rss > own)) {
        program.record.max_rss_bytes = program.record.max_rss_bytes.max(Some(waited.max_rss));
    }
    node_capture::remove_sockets(&run.folder);
    if let Some(go) = go {
        close_go(&run, go, &mut problems);
    }
    run.record.git = question.map(|question| question.answer(GIT_PATIENCE));
    finish(&store, database, &mut run, exit, &processes, &mut problems);
    let (folder, record, problems) = (Some(run.folder), Some(run.record), problems.list);
    Ok(Outcome { exit, folder, record, phases, problems, oom_killed, seconds })
}

/// Prepares the places where Go programs leave their sockets and captures; what to start instead for `go test` and
/// `go run`.
fn prepare_go(
    plan: &Plan,
    run: &Run,
    environment: &mut Vec<(OsString, OsString)>,
    problems: &mut Problems<'_>,
) -> Option<Vec<OsString>> {
    let (sockets, captures) = (go::sockets_path(&run.folder), go_capture::captures_path(&run.folder));
    let prepared = private_file::ensure_folder(&sockets)
        .and_then(|()| private_file::ensure_folder(&captures))
        .and_then(|()| go::with_captures(&plan.command, &run.folder));
    environment.push((go::SOCKETS_VARIABLE.into(), sockets.into()));
    environment.push((go::CAPTURES_VARIABLE.into(), captures.into()));
    prepared.unwrap_or_else(|error| {
        problems.tell(Problem::GoCaptureFailed { reason: chain(&error) });
        None
    })
}

/// Has Node programs load what samples them.
fn prepare_node(plan: &Plan, run: &Run, environment: &mut Vec<(OsString, OsString)>, problems: &mut Problems<'_>) {
    let Some(node_plan) = &plan.node else { return };
    match private_file::ensure_folder(&node_capture::folder_of(&run.folder)) {
        Ok(()) => environment.extend(node::environment(node_plan, &plan.command, &run.folder)),
        Err(error) => problems.tell(Problem::NoTracking { reason: chain(&error) }),
    }
}

/// Writes what the load did beside what it was to do.
fn keep_outcome(run: &mut Run, outcome: &PhaseOutcome) {
    if let (Some(serde_json::Value::Object(kept)), Ok(outcome)) =
        (&mut run.record.workload, serde_json::to_value(outcome))
    {
        kept.insert("outcome".into(), outcome);
    }
}

/// What is left to do about Go programs once they have ended.
fn close_go(run: &Run, found: Vec<Problem>, problems: &mut Problems<'_>) {
    problems.list.extend(found);
    if let Err(error) = go::collect(&run.folder) {
        problems.tell(Problem::GoCaptureFailed { reason: chain(&error) });
    }
    go_capture::remove_targets(&run.folder);
    // Gone only where it is empty.
    let _ = fs::remove_dir(go_capture::captures_path(&run.folder));
    // Empty unless a program was killed: then its socket is of no use to anyone.
    let _ = fs::remove_dir_all(go::sockets_path(&run.folder));
}

/// A panic in a thread is one of the whole recording.
fn joined<T>(result: std::thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub(crate) struct Run {
    pub(crate) folder: RunFolder,
    pub(crate) record: RunRecord,
    _lock: RunLock,
}

pub(crate) struct Problems<'a> {
    pub(crate) observer: &'a dyn Observer,
    pub(crate) list: Vec<Problem>,
}

impl Problems<'_> {
    pub(crate) fn tell(&mut self, problem: Problem) {
        self.observer.problem(&problem);
        self.list.push(problem);
    }
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

pub(crate) fn begin(
    store: &Store,
    command: &[String],
    name: Option<RunName>,
    workload: Option<serde_json::Value>,
) -> Result<Run, String> {
    let free = file_system::free_bytes(store.root());
    if let Some(free) = free.filter(|free| *free < LEAST_FREE_BYTES) {
        let root = store.root().display();
        return Err(format!("expected {LEAST_FREE_BYTES} free bytes for `{root}`, found {free}"));
    }
    let (folder, lock) = store.create_run().map_err(|error| chain(&error))?;
    let mut record = RunRecord::new(folder.id().clone(), crate::command_line::without_secrets(command));
    record.name = name;
    record.cwd = std::env::current_dir().ok().map(|cwd| cwd.to_string_lossy().into_owned());
    record.hostname = fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    record.workload = workload;
    let run = Run { folder, record, _lock: lock };
    if let Err(error) = run.folder.save(&run.record, Durability::Cached) {
        let _ = run.folder.remove();
        return Err(chain(&error));
    }
    Ok(run)
}

fn environment(plan: &Plan, run: Option<&mut Run>, problems: &mut Problems<'_>) -> Vec<(OsString, OsString)> {
    let mut environment = plan.environment.clone();
    let Some(run) = run else { return environment };
    // What a program's own marks belong to.
    environment.push(("BRIMLINE_RUN".into(), run.folder.path().into()));
    let tracker = plan.tracker.as_deref().map_err(Clone::clone);
    let refusal = plan.command.first().and_then(|program| executable::refuses_tracker(program));
    match tracker.and_then(|tracker| refusal.map_or_else(|| launch::preload(tracker), Err)) {
        Ok(preload) => {
            environment.push(("LD_PRELOAD".into(), preload));
            environment.push(("BRIMLINE_TRACKER_DIR".into(), run.folder.processes_path().into()));
        }
        Err(reason) => {
            run.record.tracking = Tracking::Off { reason: reason.clone() };
            problems.tell(Problem::NoTracking { reason });
        }
    }
    environment
}

/// What is done beside the watch, one after the other.
enum Task {
    Snapshot(Due),
    /// Closes the recordings with these stems.
    Close(BTreeSet<String>),
}

/// Opens the database while the program starts, so that its end need not wait for it; then does the tasks.
fn work(
    store: &Store,
    folder: Option<&RunFolder>,
    receiver: &mpsc::Receiver<Task>,
    busy: &AtomicUsize,
    observer: &dyn Observer,
) -> (Vec<Problem>, Option<Database>) {
    let mut problems = Vec::new();
    let Some(folder) = folder else { return (problems, None) };
    // A failure comes again at the end, where it is told.
    let database = store.database().ok();
    for task in receiver {
        let due = match task {
            Task::Snapshot(due) => due,
            Task::Close(stems) => {
                // What fails now is tried again at the end, and told there.
                let _ = close_some(folder, |stem| stems.contains(stem));
                continue;
            }
        };
        let request = SnapshotRequest {
            name: RunName::parse(&due.name).ok(),
            pid: None,
            trigger: due.trigger.clone(),
            timeout: if due.is_urgent { URGENT_TIMEOUT } else { COLLECTION_TIMEOUT },
            depth: Depth::HeapIfPossible,
        };
        match snapshot(folder, &request) {
            Ok(record) => observer.snapshot(&record),
            // Due by time, and the program ended in the same moment: nothing is missing.
            Err(SnapshotError::NothingAlive { .. }) if due.trigger.starts_with("every ") => {}
            Err(error) => {
                let problem = Problem::SnapshotFailed { trigger: due.trigger, reason: chain(&error) };
                observer.problem(&problem);
                problems.push(problem);
            }
        }
        busy.fetch_sub(1, Ordering::SeqCst);
    }
    (problems, database)
}

/// The thread that samples and passes signals on while the program runs.
struct Watch<'a> {
    plan: &'a Plan,
    signals: &'a Signals,
    clock: Instant,
    run: Option<(RunFolder, RunRecord)>,
    busy: &'a AtomicUsize,
    observer: &'a dyn Observer,
    processes: Processes,
    problems: Vec<Problem>,
    go: mpsc::Sender<GoEvent>,
    /// The processes that were told there, and when.
    told: (Vec<u32>, Duration),
    forwarding: Forwarding<'a>,
    control: &'a Control,
    oom: OomWatch,
    pid: u32,
}

/// What the thread leaves.
struct Watched {
    processes: Processes,
    oom: OomWatch,
    problems: Vec<Problem>,
}

impl Watch<'_> {
    fn tell(&mut self, problem: Problem) {
        self.observer.problem(&problem);
        self.problems.push(problem);
    }

    fn run(mut self, sender: &mpsc::Sender<Task>) -> Watched {
        let mut series = self.run.as_ref().and_then(|(folder, _)| match SeriesWriter::create(folder) {
            Ok(series) => Some(series),
            Err(error) => {
                let problem = Problem::SeriesStopped { reason: chain(&error) };
                self.observer.problem(&problem);
                self.problems.push(problem);
                None
            }
        });
        let mut triggers = Triggers::new(&self.plan.triggers);
        let mut first = FIRST_SAMPLES.into_iter();
        let interval = self.plan.interval.max(Duration::from_millis(10));
        let mut next_sample = first.next().unwrap_or_default();
        let mut next_save = Duration::ZERO;
        let mut peak = None;
        let mut is_near = false;
        let mut wanted = Vec::new();
        let mut looks = Looks::default();
        loop {
            let elapsed = self.clock.elapsed();
            let rss = if elapsed >= next_sample {
                self.processes.refresh();
                if elapsed < SAVE_INTERVAL || elapsed >= next_save {
                    self.oom.follow(self.pid);
                }
                self.tell_processes(elapsed);
                let samples = sampler::sample(&mut self.processes, elapsed.as_secs_f64(), interval);
                self.append(&mut series, &samples);
                let state = sampler::live_state(&samples, elapsed.as_secs_f64(), peak);
                peak = state.peak_bytes;
                self.observer.sampled(&state);
                self.save(sender, elapsed, &mut next_save);
                let is_wanted = self.run.as_ref().is_some_and(|(folder, _)| node_capture::take_wanted(folder));
                wanted.extend(is_wanted.then(|| triggers.by_program()));
                while next_sample <= elapsed {
                    next_sample = first.next().unwrap_or(next_sample.max(FIRST_SAMPLES[3]) + interval);
                }
                state.rss_bytes
            } else {
                sampler::look(&mut self.processes)
            };
            let (mut due, near) = triggers.by_memory(rss);
            is_near = near || (is_near && triggers.watches_memory());
            due.extend(triggers.by_time(elapsed));
            due.append(&mut wanted);
            let look = looks.after(rss, triggers.watches_memory() || self.forwarding.is_waiting(), is_near);
            let wake = (elapsed + look).min(next_sample).min(triggers.next_time().unwrap_or(Duration::MAX));
            let pause = wake.saturating_sub(self.clock.elapsed()).as_millis().clamp(1, 1000);
            let mut has_ended = false;
            for news in self.signals.wait(pause as i32) {
                match news {
                    News::Ended => has_ended = true,
                    News::Signal { signal, from_kernel } => match triggers.by_signal(signal) {
                        Some(snapshot) => due.push(snapshot),
                        None => self.pass(signal, from_kernel),
                    },
                }
            }
            self.forwarding.pass_on();
            for due in due {
                self.ask(sender, due);
            }
            if has_ended {
                break;
            }
        }
        self.close_series(series);
        Watched { processes: self.processes, oom: self.oom, problems: self.problems }
    }

    /// Tells who lives: what each executes is looked at, soon after the start and less often later.
    fn tell_processes(&mut self, elapsed: Duration) {
        let alive: Vec<u32> = self.processes.alive().map(|watched| watched.record.pid).collect();
        if alive == self.told.0 && elapsed < self.told.1 + (elapsed / 10).min(SAVE_INTERVAL) {
            return;
        }
        self.told = (alive.clone(), elapsed);
        // Without a listener Go programs are left alone.
        let _ = self.go.send(GoEvent::Processes(alive));
    }

    fn pass(&mut self, signal: i32, from_kernel: bool) {
        self.control.interrupt(signal);
        self.forwarding.take(signal, from_kernel);
    }

    /// Hands a snapshot to the worker, unless one by time or signal is under way.
    fn ask(&self, sender: &mpsc::Sender<Task>, due: Due) {
        if self.run.is_some() && (due.is_urgent || self.busy.load(Ordering::SeqCst) == 0) {
            self.busy.fetch_add(1, Ordering::SeqCst);
            if sender.send(Task::Snapshot(due)).is_err() {
                self.busy.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    fn append(&mut self, series: &mut Option<SeriesWriter>, samples: &[brimline_store::series::Sample]) {
        if let Some(Err(error)) = series.as_mut().map(|series| series.append(samples)) {
            *series = None;
            self.tell(Problem::SeriesStopped { reason: chain(&error) });
        }
    }

    /// Keeps `run.json` near the truth, for the case that this process is killed, and the folder small.
    fn save(&mut self, sender: &mpsc::Sender<Task>, elapsed: Duration, next: &mut Duration) {
        if elapsed < *next {
            return;
        }
        *next = elapsed + SAVE_INTERVAL;
        if let Some((folder, record)) = &mut self.run {
            let finished = self.processes.take_finished();
            if !finished.is_empty() {
                // Without the worker the end closes them.
                let _ = sender.send(Task::Close(finished));
            }
            record.processes = self.processes.records();
            record.python_versions = self.processes.python_versions();
            // The end writes it again, and tells if it cannot.
            let _ = folder.save(record, Durability::Cached);
        }
    }

    /// The last sample is the last look at what was alive then.
    fn close_series(&mut self, series: Option<SeriesWriter>) {
        let Some(mut series) = series else { return };
        let seconds = self.clock.elapsed().as_secs_f64();
        let last: Vec<_> = self
            .processes
            .alive()
            .map(|watched| brimline_store::series::Sample {
                seconds,
                pid: watched.record.pid,
                rss_bytes: watched.record.last_rss_bytes,
                max_rss_bytes: watched.record.max_rss_bytes,
                ..Default::default()
            })
            .filter(|sample| sample.rss_bytes.is_some())
            .collect();
        if let Err(error) = series.append(&last).and_then(|()| series.close()) {
            self.tell(Problem::SeriesStopped { reason: chain(&error) });
        }
    }
}
