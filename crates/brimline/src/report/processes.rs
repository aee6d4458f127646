//! The processes of a run, each with its own totals.

use brimline_profile::formats::recording::Process;

/// A process of the run.
#[derive(Debug)]
pub(crate) struct ProcessRow {
    /// Process id.
    pub(crate) pid: u32,
    /// Parent's process id at start.
    pub(crate) parent_pid: u32,
    /// Arguments.
    pub(crate) command: Vec<String>,
    /// Its totals, in the profile's columns.
    pub(crate) values: Vec<i64>,
}

/// One row for each process, the largest in `column` first; the recordings before and after an exec are one process.
pub(crate) fn processes(recordings: &[Process], column: usize) -> Vec<ProcessRow> {
    let mut rows: Vec<ProcessRow> = Vec::new();
    for process in recordings {
        match rows.iter_mut().find(|row| row.pid == process.pid) {
            Some(row) => {
                row.values.resize(row.values.len().max(process.values.len()), 0);
                row.values.iter_mut().zip(&process.values).for_each(|(sum, value)| *sum = sum.saturating_add(*value));
                row.command.clone_from(&process.command);
            }
            None => rows.push(ProcessRow {
                pid: process.pid,
                parent_pid: process.parent_pid,
                command: process.command.clone(),
                values: process.values.clone(),
            }),
        }
    }
    rows.sort_by_key(|row| (std::cmp::Reverse(row.values.get(column).copied()), row.pid));
    rows
}
