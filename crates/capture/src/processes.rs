//! The processes of a run: the program, its children and theirs, and whoever writes a recording of the run.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use brimline_store::{ProcessRecord, RunFolder, Timestamp, artifacts};

use crate::command_line::without_secrets;
use crate::proc_files;
use crate::recording_header::RecordingHeader;

/// Children are looked for again after this share of the time so far,
const SEARCH_SHARE: u32 = 10;
/// but no later than this.
const SEARCH_AT_LEAST: Duration = Duration::from_secs(3);
/// Searches for children left out in a row at most: the kernel's lists may lack one while another ends, and in some
/// containers the newest id is shown late.
const SEARCHES_LEFT_OUT: u32 = 3;

/// A process, from when it was first seen.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) start_ticks: u64,
    pub(crate) record: ProcessRecord,
    /// The recording that the process writes now.
    pub(crate) recording: Option<PathBuf>,
    /// Its effective user at the last sample.
    pub(crate) user: Option<u32>,
    /// Minor and major page faults at the last look.
    pub(crate) faults: Option<(u64, u64)>,
    /// Samples until the costly figures are due again.
    pub(crate) rollup_wait: u32,
    /// How often they were measured.
    pub(crate) rollups: u32,
}

impl Watched {
    fn new(start_ticks: u64, record: ProcessRecord) -> Self {
        Self { start_ticks, record, recording: None, user: None, faults: None, rollup_wait: 0, rollups: 0 }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.record.end.is_none()
    }
}

/// All processes seen so far. A daemon that left the tree stays in the list once it was seen, or once it records.
#[derive(Debug)]
pub(crate) struct Processes {
    folder: Option<RunFolder>,
    /// In the order of discovery. An id used again by another process is another entry.
    list: Vec<Watched>,
    /// Place of the latest process with an id.
    places: HashMap<u32, usize>,
    seen_recordings: BTreeSet<String>,
    python_versions: BTreeSet<String>,
    lists_children: bool,
    /// The newest id on this machine at the last search for children; `None` if they are to be looked for.
    searched_at: Option<u32>,
    /// Searches left out since.
    searches_left_out: u32,
    /// When these processes were first looked at.
    begun: Instant,
    /// When children were last looked for.
    searched: Instant,
}

impl Processes {
    pub(crate) fn new(root: u32, folder: Option<RunFolder>) -> Self {
        let mut processes = Self {
            folder,
            list: Vec::new(),
            places: HashMap::new(),
            seen_recordings: BTreeSet::new(),
            python_versions: BTreeSet::new(),
            lists_children: proc_files::lists_children(),
            searched_at: None,
            searches_left_out: 0,
            begun: Instant::now(),
            searched: Instant::now(),
        };
        processes.add(root);
        processes
    }

    /// One process that brimline has not started; its children are not looked for. None for id 0.
    pub(crate) fn alone(pid: u32, folder: RunFolder) -> Self {
        let mut processes = Self::new(0, Some(folder));
        if pid != 0 {
            processes.add(pid);
        }
        processes
    }

    /// Looks for new processes and recordings, and for those that have ended.
    pub(crate) fn refresh(&mut self) {
        self.mark_ended();
        self.find_children();
        self.find_recordings();
    }

    /// Adds the children of known processes. Each thread has a list of its own, so they are looked for less often in a
    /// program that has run for long, and not at all while nothing has begun on this machine.
    fn find_children(&mut self) {
        let wait = (self.begun.elapsed() / SEARCH_SHARE).min(SEARCH_AT_LEAST);
        if self.searched_at.is_some() && self.searched.elapsed() < wait {
            return;
        }
        // Before the search, so that what begins meanwhile is looked for next time.
        let newest = proc_files::newest_id();
        if newest.is_some() && newest == self.searched_at && self.searches_left_out < SEARCHES_LEFT_OUT {
            self.searches_left_out += 1;
            return;
        }
        (self.searched_at, self.searches_left_out, self.searched) = (newest, 0, Instant::now());
        let parents = if self.lists_children { Vec::new() } else { proc_files::all_parents() };
        let mut queue: Vec<u32> = self.alive().map(|watched| watched.record.pid).collect();
        while let Some(pid) = queue.pop() {
            let children = if self.lists_children {
                proc_files::children(pid)
            } else {
                parents.iter().filter(|(_, parent)| *parent == pid).map(|(child, _)| *child).collect()
            };
            queue.extend(children.into_iter().filter(|child| self.add(*child)));
        }
    }

    /// Notes the end of processes that are gone.
    pub(crate) fn mark_ended(&mut self) {
        for watched in self.list.iter_mut().filter(|watched| watched.is_alive()) {
            let same =
                |stat: &proc_files::Stat| stat.start_ticks == watched.start_ticks && !matches!(stat.state, b'Z' | b'X');
            match proc_files::stat(watched.record.pid).filter(same) {
                Some(stat) => watched.faults = Some((stat.minor_faults, stat.major_faults)),
                None => watched.record.end = Some(Timestamp::now()),
            }
        }
    }

    /// Adds a living process that is not known; whether it was added.
    fn add(&mut self, pid: u32) -> bool {
        let Some(stat) = proc_files::stat(pid).filter(|stat| !matches!(stat.state, b'Z' | b'X')) else { return false };
        let known = self.places.get(&pid).map(|place| &self.list[*place]);
        if known.is_some_and(|watched| watched.start_ticks == stat.start_ticks) {
            return false;
        }
        let record = ProcessRecord {
            pid,
            parent_pid: stat.parent_pid,
            start: Timestamp::now(),
            command: proc_files::command_line(pid).map(|command| without_secrets(&command)).unwrap_or_default(),
            ..ProcessRecord::default()
        };
        let faults = Some((stat.minor_faults, stat.major_faults));
        self.push(Watched { faults, ..Watched::new(stat.start_ticks, record) });
        true
    }

    fn push(&mut self, watched: Watched) {
        self.places.insert(watched.record.pid, self.list.len());
        self.list.push(watched);
    }

    /// Gives new recordings to their processes; one whose process came and went unseen gets an entry of its own.
    pub(crate) fn find_recordings(&mut self) {
        let Some(folder) = &self.folder else { return };
        for file in artifacts::processes(folder).unwrap_or_default() {
            if self.seen_recordings.contains(&file.stem) {
                continue;
            }
            // No header yet: the tracker is at work on it, the next look will find it.
            let Ok(Some(header)) = RecordingHeader::read(&file.path) else { continue };
            let started = Timestamp(header.start_unix_ns);
            let fits = |watched: &Watched| watched.record.end.is_none_or(|end| started <= end);
            let known = self.places.get(&file.pid).is_some_and(|place| fits(&self.list[*place]));
            if !known {
                // Its children began before it was known.
                self.searched_at = None;
            }
            if !known && !self.add(file.pid) {
                let record = ProcessRecord {
                    pid: file.pid,
                    parent_pid: header.parent_pid,
                    start: started,
                    end: Some(Timestamp::now()),
                    ..ProcessRecord::default()
                };
                self.push(Watched::new(0, record));
            }
            let watched = &mut self.list[self.places[&file.pid]];
            watched.record.start = watched.record.start.min(started);
            watched.record.python_version = header.python_version_text();
            if let Some(version) = &watched.record.python_version {
                self.python_versions.insert(version.clone());
            }
            watched.record.recordings.push(file.stem.clone());
            watched.recording = Some(file.path);
            self.seen_recordings.insert(file.stem);
        }
    }

    /// Drops what is known about processes that have ended.
    pub(crate) fn forget_ended(&mut self) {
        if self.list.iter().all(Watched::is_alive) {
            return;
        }
        self.list.retain(Watched::is_alive);
        self.places = self.list.iter().enumerate().map(|(place, watched)| (watched.record.pid, place)).collect();
    }

    pub(crate) fn alive(&self) -> impl Iterator<Item = &Watched> {
        self.list.iter().filter(|watched| watched.is_alive())
    }

    pub(crate) fn alive_mut(&mut self) -> impl Iterator<Item = &mut Watched> {
        self.list.iter_mut().filter(|watched| watched.is_alive())
    }

    /// Says of Pythons without a recording that run as another user why they have none.
    pub(crate) fn explain_missing(&mut self) {
        let own = proc_files::status(std::process::id()).and_then(|status| status.user);
        for watched in self.list.iter_mut().filter(|watched| watched.record.recordings.is_empty()) {
            let is_python = watched.record.command.first().is_some_and(|word| word.contains("python"));
            if let (Some(own), Some(user), true) = (own, watched.user, is_python)
                && own != user
            {
                watched.record.refused = Some(format!(
                    "it runs as user {user}, who cannot write the recordings of user {own}: put brimline behind the change of user (`… brimline run -- python …`)"
                ));
            }
        }
    }

    /// Stems of recordings whose processes have ended since the last call.
    pub(crate) fn take_finished(&mut self) -> BTreeSet<String> {
        let ended = self.list.iter_mut().filter(|watched| !watched.is_alive());
        ended.filter_map(|watched| watched.recording.take().and(watched.record.recordings.last().cloned())).collect()
    }

    /// The latest process with this id.
    pub(crate) fn get_mut(&mut self, pid: u32) -> Option<&mut Watched> {
        self.places.get(&pid).map(|place| &mut self.list[*place])
    }

    /// What `run.json` says about them.
    pub(crate) fn records(&self) -> Vec<ProcessRecord> {
        self.list.iter().map(|watched| watched.record.clone()).collect()
    }

    pub(crate) fn python_versions(&self) -> Vec<String> {
        self.python_versions.iter().cloned().collect()
    }
}
