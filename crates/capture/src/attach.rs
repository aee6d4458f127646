//! Records a Go program that runs already.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use brimline_store::go_capture::{self, GoTarget};
use brimline_store::{Location, ProgramExit, RunFolder, RunName, Store, Timestamp, Tracking};

use crate::go::{Endpoint, GoEvent, GoPlan, GoProcess, GoRecorder, GoState};
use crate::http::Trust;
use crate::observer::{Observer, Problem};
use crate::processes::Processes;
use crate::recorder::{Outcome, Problems, begin, chain};
use crate::run_end::finish;
use crate::sampler;
use crate::series_writer::SeriesWriter;
use crate::signals::{News, Signals};

/// Time between two looks whether the program lives.
const LOOK: Duration = Duration::from_millis(100);

/// What to record of a Go program that runs already.
#[derive(Debug)]
pub struct GoAttachment {
    /// The process, where it is on this machine.
    pub process: Option<GoProcess>,
    /// Where it serves profiles.
    pub endpoint: Endpoint,
    /// Where runs are kept.
    pub store: Location,
    /// The user's name for the run.
    pub name: Option<RunName>,
    /// Time between two samples of the process series.
    pub interval: Duration,
    /// When to stop; without it at the program's end, or at a signal.
    pub duration: Option<Duration>,
}

impl GoAttachment {
    fn target(&self) -> GoTarget {
        let info = self.process.as_ref().map(|process| &process.info);
        GoTarget {
            pid: self.process.as_ref().map_or(0, |process| process.pid),
            start_ticks: self.process.as_ref().map_or(0, |process| process.start_ticks),
            endpoint: self.endpoint.url.to_string(),
            insecure: self.endpoint.trust == Trust::Any,
            credentials: self.endpoint.url.credentials.clone(),
            go_version: info.map(|info| info.version.clone()).filter(|version| !version.is_empty()),
            package: info.and_then(|info| info.package.clone()),
            module: info.and_then(|info| info.module.clone()),
        }
    }
}

/// A program that is watched from outside, whatever it is.
pub(crate) struct Watching<'a> {
    /// Time between two samples of the process series.
    pub(crate) interval: Duration,
    /// When to stop; without it at the program's end, or at a signal.
    pub(crate) duration: Option<Duration>,
    pub(crate) signals: &'a Signals,
    pub(crate) clock: Instant,
}

impl Watching<'_> {
    /// Samples until the program is gone (false), or the time is over or a signal comes (true).
    pub(crate) fn until_over(
        &self,
        folder: &RunFolder,
        processes: &mut Processes,
        is_gone: &dyn Fn(&Processes) -> bool,
        problems: &mut Problems<'_>,
    ) -> bool {
        let mut series = match SeriesWriter::create(folder) {
            Ok(series) => Some(series),
            Err(error) => {
                problems.tell(Problem::SeriesStopped { reason: chain(&error) });
                None
            }
        };
        let mut next_sample = Duration::ZERO;
        let alive = loop {
            let elapsed = self.clock.elapsed();
            if elapsed >= next_sample {
                next_sample = elapsed + self.interval;
                let samples = sampler::sample(processes, elapsed.as_secs_f64(), self.interval);
                problems.observer.sampled(&sampler::live_state(&samples, elapsed.as_secs_f64(), None));
                if let Some(Err(error)) = series.as_mut().map(|series| series.append(&samples)) {
                    series = None;
                    problems.tell(Problem::SeriesStopped { reason: chain(&error) });
                }
            }
            processes.mark_ended();
            if is_gone(processes) {
                break false;
            }
            let wait = self.duration.map_or(LOOK, |duration| duration.saturating_sub(elapsed).min(LOOK));
            let is_signalled = |news: &News| matches!(news, News::Signal { .. });
            if self.signals.wait(wait.as_millis() as i32).iter().any(is_signalled) {
                break true;
            }
            if self.duration.is_some_and(|duration| self.clock.elapsed() >= duration) {
                break true;
            }
        };
        if let Some(Err(error)) = series.map(SeriesWriter::close) {
            problems.tell(Problem::SeriesStopped { reason: chain(&error) });
        }
        alive
    }
}

/// Records until the program ends, the time is over, or brimline gets a signal; the program goes on as before. An error
/// is a run that could not be begun.
pub fn attach(attachment: &GoAttachment, observer: &dyn Observer) -> Result<Outcome, String> {
    let store = Store::new(attachment.store.clone());
    let target = attachment.target();
    let command = match &attachment.process {
        Some(process) => process.command.clone(),
        None => vec![target.endpoint.clone()],
    };
    let mut problems = Problems { observer, list: Vec::new() };
    let mut run = begin(&store, &command, attachment.name.clone(), None)?;
    run.record.tracking = Tracking::Off { reason: "attached to a program that ran already".to_owned() };
    run.record.pid = (target.pid != 0).then_some(target.pid);
    let signals = Signals::install(None).map_err(|error| error.to_string())?;
    let clock = Instant::now();
    run.record.start = Timestamp::now();
    if let Err(error) = run.folder.save(&run.record, brimline_store::private_file::Durability::Cached) {
        problems.tell(Problem::RecordNotWritten { reason: chain(&error) });
    }
    observer.started(Some(&run.folder), target.pid);
    if let Some(note) = &attachment.endpoint.note {
        problems.tell(Problem::GoNote { note: note.clone() });
    }
    let mut processes = Processes::alone(target.pid, run.folder.clone());
    let (state, is_over) = (GoState::default(), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    let found = std::thread::scope(|scope| {
        let mut recorder = GoRecorder::new(run.folder.clone(), GoPlan::default(), &state, observer, sender.clone());
        recorder.add_target(
            target.clone(),
            attachment.process.as_ref().map(|process| process.info.clone()).unwrap_or_default(),
        );
        let is_over = &is_over;
        let worker = scope.spawn(move || recorder.run(&receiver, is_over));
        let is_gone = |processes: &Processes| {
            if target.pid == 0 { state.is_gone.load(Ordering::SeqCst) } else { processes.alive().next().is_none() }
        };
        let watching =
            Watching { interval: attachment.interval, duration: attachment.duration, signals: &signals, clock };
        let alive = watching.until_over(&run.folder, &mut processes, &is_gone, &mut problems);
        if alive {
            // The state in which it was left; a second signal does without.
            let _ = sender.send(GoEvent::BeforeSignal);
            while signals.wait(LOOK.as_millis() as i32).is_empty() {
                if state.is_ready.load(Ordering::SeqCst) {
                    break;
                }
            }
        }
        is_over.store(true, Ordering::SeqCst);
        let _ = sender.send(GoEvent::Over);
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    problems.list.extend(found);
    go_capture::remove_targets(&run.folder);
    let exit = ProgramExit::ExitCode(0);
    finish(&store, None, &mut run, exit, &processes, &mut problems);
    Ok(Outcome {
        exit,
        folder: Some(run.folder),
        record: Some(run.record),
        phases: None,
        problems: problems.list,
        oom_killed: None,
        seconds: clock.elapsed().as_secs_f64(),
    })
}
