//! The end of a run: what is written down once its program has ended.

use brimline_store::private_file::Durability;
use brimline_store::{Database, ProcessRecord, ProgramExit, RunEnd, Store, StoreError, Timestamp, artifacts};

use crate::close::close_recordings;
use crate::observer::Problem;
use crate::processes::Processes;
use crate::recorder::{Problems, Run, chain};

/// Closes the recordings and writes the record of the run, in its folder and into the database.
pub(crate) fn finish(
    store: &Store,
    database: Option<Database>,
    run: &mut Run,
    exit: ProgramExit,
    processes: &Processes,
    problems: &mut Problems<'_>,
) {
    run.record.end = Some(RunEnd { at: Timestamp::now(), exit });
    run.record.processes = processes.records();
    run.record.python_versions = processes.python_versions();
    for process in &run.record.processes {
        if let Some(reason) = &process.refused {
            problems.tell(Problem::Refused { pid: process.pid, reason: reason.clone() });
        }
    }
    for refusal in artifacts::refusals(&run.folder).unwrap_or_default() {
        let reason = Some(refusal.reason.clone());
        match run.record.processes.iter_mut().find(|process| process.pid == refusal.pid) {
            Some(process) => process.refused = reason,
            // It ended before it was seen.
            None => run.record.processes.push(ProcessRecord {
                pid: refusal.pid,
                refused: reason,
                ..ProcessRecord::default()
            }),
        }
        problems.tell(Problem::Refused { pid: refusal.pid, reason: refusal.reason });
    }
    match close_recordings(&run.folder) {
        Ok(closed) => {
            for (_, error) in closed.failures {
                problems.tell(Problem::NotClosed { reason: chain(&error) });
            }
        }
        Err(error) => problems.tell(Problem::NotClosed { reason: chain(&error) }),
    }
    run.record.problems = problems.list.iter().map(ToString::to_string).collect();
    if let Err(error) = write_down(store, database, run) {
        problems.tell(Problem::RecordNotWritten { reason: chain(&error) });
    }
}

fn write_down(store: &Store, database: Option<Database>, run: &mut Run) -> Result<(), StoreError> {
    run.folder.save(&run.record, Durability::Synced)?;
    // Marks and snapshots that came from other processes are in the events.
    run.record = run.folder.load()?;
    match database {
        Some(mut database) => database.index(&run.folder),
        None => store.index(&run.folder),
    }
}
