//! What `/proc` says about a process. Everything is `None` when the process is gone or not ours to read.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Fields of `/proc/<pid>/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Parent's process id.
    pub(crate) parent_pid: u32,
    /// `Z` is a zombie: its memory is gone.
    pub(crate) state: u8,
    /// Clock ticks since boot; with the id it names a process for good.
    pub(crate) start_ticks: u64,
    /// Page faults so far that the kernel answered from memory.
    pub(crate) minor_faults: u64,
    /// Page faults so far that read a disk.
    pub(crate) major_faults: u64,
}

/// Fields of `/proc/<pid>/status`, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) rss: Option<u64>,
    pub(crate) max_rss: Option<u64>,
    /// Effective user.
    pub(crate) user: Option<u32>,
    pub(crate) vms: Option<u64>,
    pub(crate) stack: Option<u64>,
    pub(crate) swap: Option<u64>,
    pub(crate) mapped_files: Option<u64>,
    pub(crate) shared: Option<u64>,
    pub(crate) threads: Option<u64>,
}

/// Fields of `/proc/<pid>/smaps_rollup`, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rollup {
    pub(crate) pss: Option<u64>,
    pub(crate) uss: Option<u64>,
}

fn path(pid: u32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}

fn read(pid: u32, file: &str) -> Option<String> {
    read_text(&path(pid, file))
}

/// The whole of a file that the kernel writes as it is read. `std::fs::read` would ask for its size, which is 0, and begin
/// with 32 bytes: twice the calls, of what is done every second for as long as a program runs.
pub(crate) fn read_text(path: &Path) -> Option<String> {
    let mut bytes = Vec::with_capacity(4096);
    fs::File::open(path).ok()?.take(u64::MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

pub(crate) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&read(pid, "stat")?)
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name in parentheses may hold spaces and parentheses itself.
    let rest = &text[text.rfind(')')? + 1..];
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent_pid = fields.next()?.parse().ok()?;
    // Fields 10 to 12 are minflt, cminflt and majflt, 22 is starttime; the parent's id is the fourth.
    let minor_faults = fields.nth(5)?.parse().ok()?;
    let major_faults = fields.nth(1)?.parse().ok()?;
    let start_ticks = fields.nth(9)?.parse().ok()?;
    Some(Stat { parent_pid, state, start_ticks, minor_faults, major_faults })
}

/// The id given last to a process or thread of this machine, as far as this process sees it: while it stays the same,
/// nothing new has begun. `None` where the kernel does not say.
pub(crate) fn newest_id() -> Option<u32> {
    read_text(Path::new("/proc/loadavg"))?.split_ascii_whitespace().nth(4)?.parse().ok()
}

/// Whether the process exists and is no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| stat.state != b'Z' && stat.state != b'X')
}

/// Whether the process that ran at `unix_ns` is alive: another one with the same id began later.
pub(crate) fn is_alive_since(pid: u32, unix_ns: u64) -> bool {
    // `USER_HZ` is 100 on every Linux that programs see.
    const TICK_NS: u64 = 10_000_000;
    let Some(stat) = stat(pid).filter(|stat| !matches!(stat.state, b'Z' | b'X')) else { return false };
    let began = boot_unix_seconds().map(|boot| boot * 1_000_000_000 + stat.start_ticks * TICK_NS);
    // The boot time has whole seconds, and moves when the clock is set: two seconds of doubt.
    began.is_none_or(|began| began <= unix_ns.saturating_add(2_000_000_000))
}

fn boot_unix_seconds() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

pub(crate) fn status(pid: u32) -> Option<Status> {
    let text = read(pid, "status")?;
    let status = parse_status(&text);
    // A zombie has a status without memory.
    status.rss.is_some().then_some(status)
}

fn parse_status(text: &str) -> Status {
    let mut status = Status::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let field = match key {
            "VmRSS" => &mut status.rss,
            "VmHWM" => &mut status.max_rss,
            "VmSize" => &mut status.vms,
            "VmStk" => &mut status.stack,
            "VmSwap" => &mut status.swap,
            "RssFile" => &mut status.mapped_files,
            "RssShmem" => &mut status.shared,
            "Uid" => {
                // Real, effective, saved, of the file system.
                status.user = value.split_whitespace().nth(1).and_then(|user| user.parse().ok());
                continue;
            }
            "Threads" => {
                status.threads = value.trim().parse().ok();
                continue;
            }
            _ => continue,
        };
        *field = kilobytes(value);
    }
    status
}

fn kilobytes(value: &str) -> Option<u64> {
    value.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Walks all pages of the process inside the kernel: about a millisecond for each 100 MiB.
pub(crate) fn rollup(pid: u32) -> Option<Rollup> {
    let text = read(pid, "smaps_rollup")?;
    let mut rollup = Rollup::default();
    let mut private = 0;
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        match key {
            "Pss" => rollup.pss = kilobytes(value),
            "Private_Clean" | "Private_Dirty" => {
                private += kilobytes(value)?;
                rollup.uss = Some(private);
            }
            _ => {}
        }
    }
    Some(rollup)
}

/// Extent of the `[heap]` mapping; 0 when the process has none.
pub(crate) fn heap(pid: u32) -> Option<u64> {
    let text = read(pid, "maps")?;
    let mut total = 0;
    for line in text.lines().filter(|line| line.ends_with("[heap]")) {
        let (start, end) = line.split_ascii_whitespace().next()?.split_once('-')?;
        total += u64::from_str_radix(end, 16).ok()?.checked_sub(u64::from_str_radix(start, 16).ok()?)?;
    }
    Some(total)
}

/// Open file descriptors. Linux 6.2 and newer give the number as the folder's size.
pub(crate) fn open_fds(pid: u32) -> Option<u64> {
    let folder = path(pid, "fd");
    match fs::metadata(&folder).ok()?.len() {
        0 => Some(fs::read_dir(folder).ok()?.count() as u64),
        count => Some(count),
    }
}

/// Resident bytes, the cheap way.
pub(crate) fn resident(pid: u32) -> Option<u64> {
    let text = read(pid, "statm")?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    (pages > 0).then(|| pages * page_size())
}

/// Arguments; empty for zombies and kernel threads.
pub(crate) fn command_line(pid: u32) -> Option<Vec<String>> {
    let text = read(pid, "cmdline")?;
    let text = text.strip_suffix('\0').unwrap_or(&text);
    let arguments: Vec<String> = text.split('\0').map(str::to_owned).collect();
    if arguments == [""] {
        return Some(vec![read(pid, "comm")?.trim_end().to_owned()]);
    }
    Some(arguments)
}

/// Children of all threads of a process. Kernels without `CONFIG_PROC_CHILDREN` have no such files.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(path(pid, "task")) else { return Vec::new() };
    let mut children = Vec::new();
    for task in tasks.flatten() {
        if let Some(text) = read_text(&task.path().join("children")) {
            children.extend(text.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    children
}

/// Every process with its parent, for kernels without `children` files.
pub(crate) fn all_parents() -> Vec<(u32, u32)> {
    let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = folder.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?.parent_pid))).collect()
}

/// Whether this kernel lists children.
pub(crate) fn lists_children() -> bool {
    fs::metadata("/proc/self/task").is_ok()
        && fs::metadata(format!("/proc/self/task/{}/children", std::process::id())).is_ok()
}

/// Memory of the machine in bytes.
pub(crate) fn physical_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    kilobytes(text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?)
}

/// Whether a process has a handler for a signal.
pub(crate) fn catches(pid: u32, signal: i32) -> bool {
    let text = read(pid, "status").unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    u32::try_from(signal - 1).ok().and_then(|bit| mask.checked_shr(bit)).is_some_and(|mask| mask & 1 == 1)
}

/// Memory that the machine can still give away without swapping, by the kernel's estimate.
pub(crate) fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    kilobytes(text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?)
}

fn page_size() -> u64 {
    use std::sync::OnceLock;
    static SIZE: OnceLock<u64> = OnceLock::new();
    *SIZE.get_or_init(|| {
        // VmRSS of this process in kB over its pages in statm would do too; the auxiliary vector is exact.
        auxiliary_page_size().unwrap_or(4096)
    })
}

/// `AT_PAGESZ` from `/proc/self/auxv`.
fn auxiliary_page_size() -> Option<u64> {
    const AT_PAGESZ: u64 = 6;
    let bytes = fs::read("/proc/self/auxv").ok()?;
    let words: Vec<u64> =
        bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap_or([0; 8]))).collect();
    words.chunks_exact(2).find(|pair| pair[0] == AT_PAGESZ).map(|pair| pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_hostile_name() {
        let text = "7 (a) S (b) R 1 2) Z 42 7 7 0 -1 4194304 1234 5 67 8 9 10 0 0 20 0 1 0 12345 9";
        let stat = Stat { parent_pid: 42, state: b'Z', start_ticks: 12345, minor_faults: 1234, major_faults: 67 };
        assert_eq!(parse_stat(text), Some(stat));
        assert_eq!(parse_stat("7 (a"), None);
    }

    #[test]
    fn the_newest_id_tells_of_a_new_process() {
        let before = newest_id().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        assert!(newest_id().unwrap() != before);
        child.wait().unwrap();
    }

    #[test]
    fn reads_this_process() {
        let pid = std::process::id();
        let status = status(pid).unwrap();
        assert!(stat(pid).unwrap().minor_faults > 0);
        assert!(status.rss > Some(0) && status.max_rss >= status.rss && status.vms >= status.rss);
        assert!(rollup(pid).unwrap().pss > Some(0));
        assert!(open_fds(pid).unwrap() >= 3);
        assert!(resident(pid).unwrap() > 0);
        assert!(heap(pid).is_some());
        assert!(is_alive(pid) && !is_alive(u32::MAX));
        assert!(!command_line(pid).unwrap().is_empty());
        assert!(!catches(pid, libc::SIGUSR1) && catches(pid, libc::SIGSEGV), "std catches stack overflows");
        assert!(physical_memory().unwrap() > available_memory().unwrap());
    }
}
