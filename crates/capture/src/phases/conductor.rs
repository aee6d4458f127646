//! Goes through the phases of one run, beside the thread that samples.

use std::sync::Arc;
use std::time::{Duration, Instant};

use brimline_store::{Event, Mark, Phase, RunFolder, RunName, Timestamp};

use super::{Control, PhaseEnd, PhaseOutcome, PhasePlan, PhaseState, VerdictSoFar, ending, ready};
use crate::error::SnapshotError;
use crate::go::GoState;
use crate::http::Url;
use crate::node::Depth;
use crate::observer::{Observer, Problem};
use crate::recorder::chain;
use crate::snapshot::{COLLECTION_TIMEOUT, SnapshotRequest, snapshot};
use crate::workload::{LoadResult, Stop, Stretch, Tally, WorkloadError};

/// Between two looks at the load.
const LOOK: Duration = Duration::from_millis(100);
/// Between two states shown.
const SHOW: Duration = Duration::from_millis(500);
/// A verdict may take this share of the time between two captures.
const VERDICT_SHARE: u32 = 2;

/// The thread that leads through the phases.
pub(crate) struct Conductor<'a> {
    pub(crate) plan: &'a PhasePlan,
    pub(crate) pid: u32,
    pub(crate) folder: RunFolder,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) control: &'a Control,
    pub(crate) go: &'a GoState,
    /// Set when the line that `--ready log:` waits for has come.
    pub(crate) log: Option<Arc<Stop>>,
}

/// What changes on the way.
struct Progress {
    phase: String,
    captures: u32,
    last_mark: Option<u64>,
    verdict: Option<VerdictSoFar>,
    verdict_took: Duration,
    problems: Vec<Problem>,
}

/// Why a phase did not come to its end.
type Broken = PhaseEnd;

impl Conductor<'_> {
    /// All phases, and the end of the program; what could not be recorded.
    pub(crate) fn run(self) -> (PhaseOutcome, Vec<Problem>) {
        let mut outcome = PhaseOutcome {
            end: PhaseEnd::Completed,
            target: None,
            ended_program: false,
            captures: 0,
            warm_up: None,
            load: None,
            not_judged: None,
        };
        let mut progress = Progress {
            phase: String::new(),
            captures: 0,
            last_mark: None,
            verdict: None,
            verdict_took: Duration::ZERO,
            problems: Vec::new(),
        };
        if let Err(broken) = self.go_through(&mut outcome, &mut progress) {
            outcome.end = broken;
        }
        outcome.captures = progress.captures;
        outcome.not_judged = self.not_judged(&outcome);
        self.plan.load.end();
        if !self.control.ended.is_set() {
            let interrupted = matches!(outcome.end, PhaseEnd::Interrupted { .. });
            outcome.ended_program = true;
            self.show(&progress, &PhaseState { phase: "end".into(), is_new: true, ..PhaseState::default() });
            // A runner of our own ends when its socket is closed; a person's Ctrl-C has reached the program already.
            let own = self.plan.load.launch().is_some();
            let patience = self.plan.patience;
            if own && self.control.ended.wait_for(patience) {
                outcome.ended_program = true;
            }
            ending::end(self.pid, self.go, interrupted, patience, &self.control.ended);
        }
        (outcome, progress.problems)
    }

    fn go_through(&self, outcome: &mut PhaseOutcome, progress: &mut Progress) -> Result<(), Broken> {
        let target = self.phase(progress, "start", |progress| {
            self.show(progress, &PhaseState { phase: "start".into(), is_new: true, ..PhaseState::default() });
            match ready::wait(self.plan, self.pid, &self.folder, self.log.as_ref(), self.control) {
                Some(Ok(target)) => Ok(target),
                Some(Err(reason)) => Err(PhaseEnd::NotReady { reason }),
                None => Err(self.stopped(progress)),
            }
        })?;
        outcome.target = target.as_ref().map(ToString::to_string);
        if !self.plan.warm_up.is_zero() {
            let tally = Tally::default();
            let time = Some(self.plan.warm_up);
            let loaded =
                self.phase(progress, "warm-up", |progress| self.load(progress, target.as_ref(), time, &tally, false));
            outcome.warm_up = Some(tally.result());
            loaded?;
        }
        self.settle(progress)?;
        self.phase(progress, "baseline", |progress| self.capture(progress, "baseline", self.plan.rounds.map(|_| 0)))?;
        let tally = Tally::default();
        let loaded = self.measure(progress, target.as_ref(), &tally);
        outcome.load = Some(tally.result());
        loaded
    }

    /// The load that is judged, with its captures.
    fn measure(&self, progress: &mut Progress, target: Option<&Url>, tally: &Tally) -> Result<(), Broken> {
        let Some(rounds) = self.plan.rounds else {
            let time = Some(self.plan.load_time());
            self.phase(progress, "load", |progress| self.load(progress, target, time, tally, true))?;
            self.settle(progress)?;
            return self.phase(progress, "capture", |progress| self.capture(progress, "settled", None));
        };
        for round in 1..=rounds {
            self.phase(progress, "load", |progress| {
                self.load(progress, target, self.plan.piece(rounds), tally, false)
            })?;
            self.settle(progress)?;
            let name = format!("round-{round}");
            self.phase(progress, "capture", |progress| self.capture(progress, &name, Some(tally.done())))?;
            if self.plan.until_verdict {
                self.judge(progress, Duration::MAX);
                if progress.verdict.as_ref().is_some_and(|verdict| verdict.is_firm) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// One stretch of load, with captures while it goes on where they are wanted.
    fn load(
        &self,
        progress: &mut Progress,
        target: Option<&Url>,
        time: Option<Duration>,
        tally: &Tally,
        captures: bool,
    ) -> Result<(), Broken> {
        let stop = Stop::default();
        let stretch = Stretch { target, time, tally, stop: &stop };
        let start = Instant::now();
        let mut state = PhaseState {
            phase: progress.phase.clone(),
            is_new: true,
            unit: self.plan.load.unit(),
            ..PhaseState::default()
        };
        self.show(progress, &state);
        state.is_new = false;
        let outcome: Result<(), WorkloadError> = std::thread::scope(|scope| {
            let driver = scope.spawn(|| self.plan.load.drive(&stretch));
            let (mut shown, mut shown_at, mut number) = (tally.done(), Instant::now(), 0);
            let pause = self.plan.pause();
            let mut next = start + pause;
            while !driver.is_finished() {
                if self.control.stop.is_set() {
                    stop.set();
                }
                let is_near_end = time.is_some_and(|time| start.elapsed() + pause / 2 >= time);
                if captures && Instant::now() >= next && !is_near_end && !stop.is_set() {
                    number += 1;
                    // The capture's own failure has been told; the load is not its victim.
                    let _ = self.capture(progress, &format!("load-{number}"), Some(tally.done()));
                    next = (next + pause).max(Instant::now());
                    if self.plan.until_verdict {
                        self.judge(progress, pause);
                        if progress.verdict.as_ref().is_some_and(|verdict| verdict.is_firm) {
                            stop.set();
                        }
                    }
                }
                if shown_at.elapsed() >= SHOW {
                    state.requests = tally.done();
                    state.rate = (state.requests - shown.min(state.requests)) as f64 / shown_at.elapsed().as_secs_f64();
                    state.errors = tally.failed();
                    state.seconds_left = time.map(|time| time.saturating_sub(start.elapsed()).as_secs_f64());
                    (shown, shown_at) = (state.requests, Instant::now());
                    self.show(progress, &state);
                }
                std::thread::sleep(LOOK);
            }
            driver.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        if self.control.stop.is_set() {
            return Err(self.stopped(progress));
        }
        outcome.map_err(|error| PhaseEnd::LoadFailed { reason: error.to_string() })
    }

    fn settle(&self, progress: &mut Progress) -> Result<(), Broken> {
        if self.plan.settle.is_zero() {
            return Ok(());
        }
        self.phase(progress, "settle", |progress| {
            let end = Instant::now() + self.plan.settle;
            let left = Some(self.plan.settle.as_secs_f64());
            self.show(
                progress,
                &PhaseState { phase: "settle".into(), is_new: true, seconds_left: left, ..PhaseState::default() },
            );
            if self.control.stop.sleep_until(end) { Ok(()) } else { Err(self.stopped(progress)) }
        })
    }

    /// A snapshot after a collection; with `done`, a mark beside it that counts what was done until then. Marks bound what
    /// is judged, so a program at rest and one under load are never in one trend.
    fn capture(&self, progress: &mut Progress, name: &str, done: Option<u64>) -> Result<(), Broken> {
        if self.control.stop.is_set() {
            return Err(self.stopped(progress));
        }
        let request = SnapshotRequest {
            name: RunName::parse(name).ok(),
            pid: None,
            trigger: format!("phase {}", progress.phase),
            timeout: COLLECTION_TIMEOUT,
            // A heap snapshot would stand in the way of the load.
            depth: Depth::Profile,
        };
        let at = match snapshot(&self.folder, &request) {
            Ok(record) => {
                progress.captures += 1;
                self.observer.snapshot(&record);
                record.at
            }
            Err(_) if self.control.stop.is_set() => return Err(self.stopped(progress)),
            Err(error) => {
                let is_first = progress.captures == 0 && progress.last_mark.is_none();
                let nothing = matches!(error, SnapshotError::NothingAlive { .. });
                // A program that cannot be captured has its process series; that is said once.
                if is_first || !nothing {
                    let problem = Problem::SnapshotFailed { trigger: request.trigger, reason: chain(&error) };
                    self.observer.problem(&problem);
                    progress.problems.push(problem);
                }
                Timestamp::now()
            }
        };
        // Marks that stand still would count nothing.
        if let Some(done) = done.filter(|done| progress.last_mark.is_none_or(|last| *done > last)) {
            progress.last_mark = Some(done);
            let counted = if self.plan.load.unit() == "requests" { "requests" } else { "iteration" };
            if let Ok(name) = RunName::parse(&format!("{counted} {done}")) {
                self.note(progress, &Event::Mark(Mark { name, at }));
            }
        }
        Ok(())
    }

    /// Asks for the verdict so far, unless the last answer took too much of the time between two captures.
    fn judge(&self, progress: &mut Progress, pause: Duration) {
        if progress.verdict_took > pause / VERDICT_SHARE {
            progress.verdict_took = progress.verdict_took.saturating_sub(pause);
            return;
        }
        let start = Instant::now();
        if let Some(verdict) = self.observer.verdict(&self.folder) {
            progress.verdict = Some(verdict);
        }
        progress.verdict_took = start.elapsed();
    }

    /// Runs one phase and writes down when it began and ended.
    fn phase<T>(
        &self,
        progress: &mut Progress,
        name: &str,
        work: impl FnOnce(&mut Progress) -> Result<T, Broken>,
    ) -> Result<T, Broken> {
        name.clone_into(&mut progress.phase);
        let start = Timestamp::now();
        let phase = RunName::parse(name).ok().map(|name| Phase { name, start, end: None });
        if let Some(phase) = &phase {
            self.note(progress, &Event::Phase(phase.clone()));
        }
        let outcome = work(progress);
        if let Some(phase) = phase {
            self.note(progress, &Event::Phase(Phase { end: Some(Timestamp::now()), ..phase }));
        }
        outcome
    }

    fn note(&self, progress: &mut Progress, event: &Event) {
        if let Err(error) = self.folder.append(event) {
            let problem = Problem::RecordNotWritten { reason: chain(&error) };
            if !progress.problems.contains(&problem) {
                self.observer.problem(&problem);
                progress.problems.push(problem);
            }
        }
    }

    fn show(&self, progress: &Progress, state: &PhaseState) {
        let verdict = progress.verdict.as_ref().map(|verdict| verdict.text.clone());
        self.observer.phase(&PhaseState { verdict, ..state.clone() });
    }

    fn stopped(&self, progress: &Progress) -> PhaseEnd {
        let phase = progress.phase.clone();
        match self.control.signal.load(std::sync::atomic::Ordering::SeqCst) {
            0 => PhaseEnd::TargetEnded { phase },
            signal => PhaseEnd::Interrupted { phase, signal },
        }
    }

    /// Why the load says nothing about memory.
    fn not_judged(&self, outcome: &PhaseOutcome) -> Option<String> {
        if outcome.end != PhaseEnd::Completed {
            return Some(outcome.end.to_string());
        }
        let unit = self.plan.load.unit();
        let LoadResult { requests, errors, .. } = outcome.load.clone().unwrap_or_default();
        if requests < self.plan.least_requests {
            return Some(format!("expected at least {} {unit}, found {requests}", self.plan.least_requests));
        }
        let share = errors as f64 / requests.max(1) as f64;
        (share > self.plan.most_errors).then(|| {
            format!(
                "expected at most {:.0} % of the {unit} to fail, found {:.0} % ({errors} of {requests})",
                self.plan.most_errors * 100.0,
                share * 100.0
            )
        })
    }
}
