//! Records a Node program that runs already: the script is loaded through its inspector, and stopped at the end.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use brimline_store::private_file::{self, Durability};
use brimline_store::{Location, ProgramExit, RunFolder, RunName, Store, Timestamp, Tracking, node_capture};
use serde_json::{Value, json};

use super::inspector::{self, InspectorError};
use super::{PROFILE_PATIENCE, client, living};
use crate::attach::Watching;
use crate::command_line::without_secrets;
use crate::observer::{Observer, Problem};
use crate::proc_files;
use crate::processes::Processes;
use crate::recorder::{Outcome, Problems, begin, chain};
use crate::run_end::finish;
use crate::signals::Signals;

/// How long the end waits for the script to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// What to record of a Node program that runs already.
#[derive(Clone, Debug)]
pub struct NodeAttachment {
    /// The process.
    pub pid: u32,
    /// The script as a file.
    pub agent: PathBuf,
    /// Where runs are kept.
    pub store: Location,
    /// The user's name for the run.
    pub name: Option<RunName>,
    /// Time between two samples of the process series.
    pub interval: Duration,
    /// When to stop; without it at the program's end, or at a signal.
    pub duration: Option<Duration>,
}

/// Why a Node program cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum NodeAttachError {
    /// Its inspector cannot be used.
    #[error(transparent)]
    Inspector(#[from] InspectorError),
    /// The program did not take the script.
    #[error("Node process {pid} cannot be recorded: {reason}")]
    Refused {
        /// The process.
        pid: u32,
        /// What it said.
        reason: String,
    },
    /// The run could not be begun.
    #[error("failed to begin a run: {reason}")]
    NoRun {
        /// Why.
        reason: String,
    },
}

/// Records until the program ends, the time is over, or brimline gets a signal; the program goes on as before.
pub fn attach(attachment: &NodeAttachment, observer: &dyn Observer) -> Result<Outcome, NodeAttachError> {
    let pid = attachment.pid;
    let no_run = |reason: String| NodeAttachError::NoRun { reason };
    let inspector = inspector::find_or_open(pid)?;
    let store = Store::new(attachment.store.clone());
    let command = without_secrets(&proc_files::command_line(pid).unwrap_or_default());
    let mut problems = Problems { observer, list: Vec::new() };
    let mut run = begin(&store, &command, attachment.name.clone(), None).map_err(no_run)?;
    run.record.tracking = Tracking::Off { reason: "attached to a program that ran already".to_owned() };
    run.record.pid = Some(pid);
    let signals = Signals::install(None).map_err(|error| no_run(error.to_string()))?;
    let clock = Instant::now();
    run.record.start = Timestamp::now();
    let loaded = load(attachment, &run.folder, &inspector.url);
    if inspector.opened {
        // What was closed before is closed again: the script needs no inspector that others can reach.
        let script = json!(attachment.agent.to_string_lossy());
        let expression = format!("require({script}).closeInspector()");
        if let Err(error) = inspector::evaluate(&inspector.url, &expression) {
            problems.tell(Problem::GoNote { note: format!("the inspector stays open: {error}") });
        }
    }
    if let Err(error) = loaded {
        // Nothing was recorded: the reason is what the user should hear.
        let _ = run.folder.remove();
        return Err(error);
    }
    if let Err(error) = run.folder.save(&run.record, Durability::Cached) {
        problems.tell(Problem::RecordNotWritten { reason: chain(&error) });
    }
    observer.started(Some(&run.folder), pid);
    let mut processes = Processes::alone(pid, run.folder.clone());
    let watching = Watching { interval: attachment.interval, duration: attachment.duration, signals: &signals, clock };
    let is_gone = |processes: &Processes| processes.alive().next().is_none();
    if watching.until_over(&run.folder, &mut processes, &is_gone, &mut problems) {
        for isolate in living(&run.folder) {
            let last = json!({"do": "profile", "trigger": "end", "collect": "now"});
            let asked = client::ask(&run.folder, &isolate, &last, PROFILE_PATIENCE);
            let stopped = client::ask(&run.folder, &isolate, &json!({"do": "stop"}), STOP_PATIENCE);
            for error in [asked.err(), stopped.err()].into_iter().flatten() {
                problems.tell(Problem::GoNote { note: error.to_string() });
            }
        }
    }
    node_capture::remove_sockets(&run.folder);
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

/// Has the program load the script.
fn load(attachment: &NodeAttachment, folder: &RunFolder, url: &str) -> Result<(), NodeAttachError> {
    let refused = |reason: String| NodeAttachError::Refused { pid: attachment.pid, reason };
    let node_folder = node_capture::folder_of(folder);
    private_file::ensure_folder(&node_folder).map_err(|error| refused(chain(&error)))?;
    let absolute = std::path::absolute(&node_folder).map_err(|error| refused(error.to_string()))?;
    let expression = format!(
        "require({})({}, {})",
        json!(attachment.agent.to_string_lossy()),
        json!(absolute.to_string_lossy()),
        std::process::id()
    );
    match inspector::evaluate(url, &expression)? {
        Value::String(reason) if reason.is_empty() => Ok(()),
        Value::String(reason) => Err(refused(reason)),
        other => Err(refused(format!("expected a word from the script, found {other}"))),
    }
}
