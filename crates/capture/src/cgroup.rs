//! The control group's memory limit, of either version.

use std::fs;
use std::path::{Path, PathBuf};

use crate::proc_files;

/// A limit at or above this is none: version 1 writes the largest page-aligned i64.
const NO_LIMIT: u64 = 1 << 60;

/// Files of the group that limits this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemoryGroup {
    /// The limit in bytes.
    pub(crate) limit: u64,
    usage_file: PathBuf,
}

impl MemoryGroup {
    /// Bytes charged to the group now, page cache included.
    pub(crate) fn usage(&self) -> Option<u64> {
        read_number(&self.usage_file)
    }

    /// Bytes that can still be had: what the kernel drops of the page cache before it kills counts as free.
    pub(crate) fn free(&self) -> Option<u64> {
        let statistics = fs::read_to_string(self.usage_file.with_file_name("memory.stat")).unwrap_or_default();
        let cached = |name: &str| {
            let line = statistics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|number| number.trim().parse::<u64>().ok())
        };
        let cached = cached("total_inactive_file").or_else(|| cached("inactive_file")).unwrap_or(0);
        Some(self.limit.saturating_sub(self.usage()?.saturating_sub(cached)))
    }
}

/// The memory limit of this process's control group in bytes, if it has one.
pub fn memory_limit() -> Option<u64> {
    memory_group().map(|group| group.limit)
}

/// The same of another process, as this one sees its group.
pub(crate) fn memory_limit_of(pid: u32) -> Option<u64> {
    memory_group_of(pid).map(|group| group.limit)
}

/// The group with the lowest limit among another process's own and those above it.
pub(crate) fn memory_group_of(pid: u32) -> Option<MemoryGroup> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    find_group(&groups, Path::new("/sys/fs/cgroup"))
}

/// The group with the lowest limit among this process's own and those above it.
pub(crate) fn memory_group() -> Option<MemoryGroup> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    find_group(&groups, Path::new("/sys/fs/cgroup"))
}

fn find_group(groups: &str, mount: &Path) -> Option<MemoryGroup> {
    let mut best: Option<MemoryGroup> = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (root, limit_name, usage_name) = if controllers.is_empty() {
            (mount.to_owned(), "memory.max", "memory.current")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            (mount.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes")
        } else {
            continue;
        };
        // In a container the path may be the host's, which is not mounted: the mount's own root is the group then.
        for ancestor in Path::new(path.trim_start_matches('/')).ancestors() {
            let folder = root.join(ancestor);
            let limit = read_number(&folder.join(limit_name)).filter(|limit| *limit < NO_LIMIT);
            if let Some(limit) = limit.filter(|limit| best.as_ref().is_none_or(|best| *limit < best.limit)) {
                best = Some(MemoryGroup { limit, usage_file: folder.join(usage_name) });
            }
        }
    }
    best
}

/// What a process's control group says of its memory now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupState {
    /// Bytes charged, page cache included.
    pub(crate) current: Option<u64>,
    /// The group's own limit, if it has one.
    pub(crate) limit: Option<u64>,
    /// How often the limit was met.
    pub(crate) limit_hits: Option<u64>,
    /// Processes of the group that the kernel has killed for memory.
    pub(crate) oom_kills: Option<u64>,
}

/// The state of the group of process `pid`; `None` where it has none that can be seen.
pub(crate) fn state_of(pid: u32) -> Option<GroupState> {
    let groups = proc_files::read_text(Path::new(&format!("/proc/{pid}/cgroup")))?;
    find_state(&groups, Path::new("/sys/fs/cgroup"))
}

/// Tells whether the kernel has killed for memory in a control group since some moment.
#[derive(Debug)]
pub(crate) struct OomWatch {
    /// `/proc/PID/cgroup` of the process followed.
    groups: String,
    kills: Option<u64>,
    /// Kills on the whole machine when this began.
    machine_kills: Option<u64>,
}

impl OomWatch {
    pub(crate) fn new() -> Self {
        Self { groups: String::new(), kills: None, machine_kills: machine_kills() }
    }

    /// Looks at the group that `pid` is in now. A program may change its group after its start; kills from before it
    /// was seen there are not its own.
    pub(crate) fn follow(&mut self, pid: u32) {
        let groups = proc_files::read_text(Path::new(&format!("/proc/{pid}/cgroup"))).unwrap_or_default();
        self.enter(groups, Path::new("/sys/fs/cgroup"));
    }

    /// Whether a process of the group was killed; `None` where the kernel does not count, or where it killed in another
    /// group, which the process may have entered since it was followed last.
    pub(crate) fn has_killed(&self) -> Option<bool> {
        let here = self.has_killed_below(Path::new("/sys/fs/cgroup"));
        here.filter(|&killed| killed || machine_kills() == self.machine_kills)
    }

    fn enter(&mut self, groups: String, mount: &Path) {
        if !groups.is_empty() && groups != self.groups {
            self.kills = find_state(&groups, mount).and_then(|state| state.oom_kills);
            self.groups = groups;
        }
    }

    fn has_killed_below(&self, mount: &Path) -> Option<bool> {
        Some(find_state(&self.groups, mount)?.oom_kills? > self.kills?)
    }
}

/// Kills for memory on this machine since its start.
fn machine_kills() -> Option<u64> {
    let counters = proc_files::read_text(Path::new("/proc/vmstat"))?;
    counters.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok())
}

fn find_state(groups: &str, mount: &Path) -> Option<GroupState> {
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let is_first = controllers.split(',').any(|controller| controller == "memory");
        if !is_first && !controllers.is_empty() {
            continue;
        }
        let root = if is_first { mount.join("memory") } else { mount.to_owned() };
        let current_name = if is_first { "memory.usage_in_bytes" } else { "memory.current" };
        let folders = Path::new(path.trim_start_matches('/')).ancestors().map(|ancestor| root.join(ancestor));
        for folder in folders {
            let Some(current) = read_number(&folder.join(current_name)) else { continue };
            let limit_name = if is_first { "memory.limit_in_bytes" } else { "memory.max" };
            let limit = read_number(&folder.join(limit_name)).filter(|limit| *limit < NO_LIMIT);
            let events = folder.join(if is_first { "memory.oom_control" } else { "memory.events" });
            let events = proc_files::read_text(&events).unwrap_or_default();
            let event = |name: &str| events.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            let limit_hits = if is_first { read_number(&folder.join("memory.failcnt")) } else { event("max ") };
            let oom_kills = event("oom_kill ");
            return Some(GroupState { current: Some(current), limit, limit_hits, oom_kills });
        }
    }
    None
}

fn read_number(path: &Path) -> Option<u64> {
    proc_files::read_text(path)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{GroupState, OomWatch, find_group, find_state};

    #[test]
    fn finds_the_lowest_limit_of_both_versions() {
        let mount = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = mount.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("a/b/memory.max", "max\n");
        write("a/memory.max", "1000000\n");
        write("a/memory.current", "400000\n");
        let group = find_group("0::/a/b\n", mount.path()).unwrap();
        assert_eq!((group.limit, group.usage()), (1_000_000, Some(400_000)));
        write("a/memory.stat", "anon 5\ninactive_file 100000\n");
        assert_eq!(group.free(), Some(700_000));
        write("memory/box/memory.limit_in_bytes", "500000\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/box/memory.usage_in_bytes", "7\n");
        let group = find_group("4:cpu,memory:/box\n0::/a/b\n", mount.path()).unwrap();
        assert_eq!((group.limit, group.usage()), (500_000, Some(7)));
        assert_eq!(find_group("4:memory:/elsewhere\n", mount.path()), None);
    }

    #[test]
    fn a_kill_counts_from_when_the_group_is_entered() {
        let mount = tempfile::tempdir().unwrap();
        let kills = |group: &str, count: u32| {
            let folder = mount.path().join(group);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("memory.current"), "1\n").unwrap();
            std::fs::write(folder.join("memory.events"), format!("max 3\noom 9\noom_kill {count}\n")).unwrap();
        };
        let mut watch = OomWatch::new();
        assert_eq!(watch.has_killed_below(mount.path()), None);
        kills("a", 2);
        kills("b", 5);
        watch.enter("0::/a\n".into(), mount.path());
        assert_eq!(watch.has_killed_below(mount.path()), Some(false));
        kills("a", 3);
        assert_eq!(watch.has_killed_below(mount.path()), Some(true));
        watch.enter("0::/b\n".into(), mount.path());
        assert_eq!(watch.has_killed_below(mount.path()), Some(false));
        // Gone, a process has no group: the last one counts.
        watch.enter(String::new(), mount.path());
        kills("b", 6);
        assert_eq!(watch.has_killed_below(mount.path()), Some(true));
    }

    #[test]
    fn reads_the_state_of_groups_of_both_versions() {
        let mount = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = mount.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("app/memory.current", "4096\n");
        write("app/memory.max", "max\n");
        write("app/memory.events", "low 0\nhigh 7\nmax 3\noom 1\noom_kill 2\noom_group_kill 0\n");
        let state = |current, limit, hits, kills| {
            Some(GroupState { current: Some(current), limit, limit_hits: Some(hits), oom_kills: Some(kills) })
        };
        assert_eq!(find_state("0::/app/worker\n", mount.path()), state(4096, None, 3, 2));
        write("memory/box/memory.usage_in_bytes", "500\n");
        write("memory/box/memory.limit_in_bytes", "900\n");
        write("memory/box/memory.failcnt", "5\n");
        write("memory/box/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
        assert_eq!(find_state("9:cpu:/x\n4:memory:/box\n0::/\n", mount.path()), state(500, Some(900), 5, 1));
        assert_eq!(find_state("9:cpu:/x\n", mount.path()), None);
    }
}
