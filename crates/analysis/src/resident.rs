//! What the resident set of a Go process is made of.
//!
//! The runtime counts what it has obtained, the kernel counts pages in memory; a page that was obtained and never touched
//! is in the first count alone. The heap's pages are known by their addresses, so the resident part of the heap as a whole
//! is measured; which of its bytes are the ones never touched cannot be seen from outside and is taken in an order:
//! unused parts first, then garbage, then live objects, then stacks.

use brimline_profile::formats::go_memstats::MemStats;
use brimline_profile::formats::smaps::Mapping;

/// Go asks for its heap at addresses below this one: at 0xc000000000, since Go 1.26 at one drawn by chance. What the
/// kernel places itself, and programs that can lie anywhere, are far above it.
const ARENAS_END: u64 = 1 << 46;
/// How the kernel shows memory that the runtime has named, under `GODEBUG=decoratemappings=1`.
const NAMED: &str = "[anon: Go: ";
const NAMED_HEAP: &str = "[anon: Go: heap]";

/// A part of the resident set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Objects that the last collection found reachable.
    Live,
    /// Objects that no collection has looked at since they became unreachable.
    Garbage,
    /// Free pages of the heap and unused parts of those in use.
    Free,
    /// Stacks of goroutines.
    Stacks,
    /// The runtime's own bookkeeping.
    Metadata,
    /// Pages given back.
    Released,
    /// Pages obtained and never touched.
    Untouched,
    /// The program's file: code, constants, global variables.
    Program,
    /// Libraries and other mapped files.
    Files,
    /// Memory that Go knows nothing of: C's heap, `mmap`, stacks of threads.
    Foreign,
}

impl Part {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Garbage => "garbage",
            Self::Free => "free_in_heap",
            Self::Stacks => "stacks",
            Self::Metadata => "runtime_metadata",
            Self::Released => "released",
            Self::Untouched => "never_touched",
            Self::Program => "not_go_program",
            Self::Files => "not_go_files",
            Self::Foreign => "not_go_memory",
        }
    }

    /// The words in tables.
    pub fn title(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Garbage => "garbage not yet collected",
            Self::Free => "free in the heap",
            Self::Stacks => "stacks of goroutines",
            Self::Metadata => "runtime metadata",
            Self::Released => "released to the OS",
            Self::Untouched => "reserved, never touched",
            Self::Program => "not Go: program file",
            Self::Files => "not Go: mapped files",
            Self::Foreign => "not Go: cgo, mmap, threads",
        }
    }

    /// What it means and what changes it, in a line.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Live => "reachable after a collection; what `brimline report` breaks down",
            Self::Garbage => "dies at the next collection; a lower GOGC or a GOMEMLIMIT keeps it smaller",
            Self::Free => "kept for the next allocations; the runtime gives it back over minutes",
            Self::Stacks => "grows with the number of goroutines and their depth: `brimline goroutines`",
            Self::Metadata => "spans, caches, mark bits, profiling buckets; grows with the heap",
            Self::Released => "given back; costs no memory unless the kernel has not taken it yet",
            Self::Untouched => "obtained but never written, so the kernel has given no pages for it",
            Self::Program => "code, constants and global variables of the executable",
            Self::Files => "shared libraries and files mapped by the program",
            Self::Foreign => "C's malloc, mmap and thread stacks; no Go profile shows it",
        }
    }
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartRow {
    /// What it is.
    pub part: Part,
    /// Bytes in memory; the rows sum to the resident set.
    pub resident: u64,
    /// Bytes as the runtime counts them; `None` for what it does not know.
    pub counted: Option<u64>,
}

/// Divides the resident set `vm_rss` of a process; `executable` is the path its file is mapped under.
///
/// `before` is of the same instant as the mappings, `after` is of after a collection. Without `after` garbage is counted
/// as live.
pub fn resident(
    before: &MemStats,
    after: Option<&MemStats>,
    mappings: &[Mapping],
    vm_rss: u64,
    executable: &str,
) -> Vec<PartRow> {
    let measured = Measured::of(mappings, executable);
    let live = after.map_or(before.heap_alloc, |after| after.heap_alloc.min(before.heap_alloc));
    let garbage = before.heap_alloc - live;
    let unused = before.heap_inuse.saturating_sub(before.heap_alloc);
    let idle = before.heap_idle.saturating_sub(before.heap_released);
    let os_stacks = before.stack_sys.saturating_sub(before.stack_inuse);
    let metadata_counted = before.metadata_sys + os_stacks;
    // From what is missing to what is surely there.
    let mut missing = (live + garbage + unused + idle + before.stack_inuse).saturating_sub(measured.heap);
    let untouched_heap = missing;
    let mut take = |counted: u64| {
        let taken = counted.min(missing);
        missing -= taken;
        counted - taken
    };
    let (unused_resident, idle_resident) = (take(unused), take(idle));
    let (garbage_resident, live_resident) = (take(garbage), take(live));
    let stacks_resident = take(before.stack_inuse);
    let heap_sum = unused_resident + idle_resident + garbage_resident + live_resident + stacks_resident;
    // Pages that the kernel has not taken back yet, or huge pages around used ones.
    let released_resident = measured.heap.saturating_sub(heap_sum);
    let metadata = measured.named.unwrap_or_else(|| measured.anonymous.min(metadata_counted));
    let foreign = match measured.named {
        Some(_) => measured.anonymous,
        None => measured.anonymous - metadata,
    };
    let mut rows = vec![
        PartRow { part: Part::Live, resident: live_resident, counted: Some(live) },
        PartRow { part: Part::Garbage, resident: garbage_resident, counted: Some(garbage) },
        PartRow { part: Part::Free, resident: unused_resident + idle_resident, counted: Some(unused + idle) },
        PartRow { part: Part::Stacks, resident: stacks_resident, counted: Some(before.stack_inuse) },
        PartRow { part: Part::Metadata, resident: metadata, counted: Some(metadata_counted) },
        PartRow { part: Part::Released, resident: released_resident, counted: Some(before.heap_released) },
        PartRow {
            part: Part::Untouched,
            resident: 0,
            counted: Some(untouched_heap + metadata_counted.saturating_sub(metadata)),
        },
        PartRow { part: Part::Program, resident: measured.program, counted: None },
        PartRow { part: Part::Files, resident: measured.files, counted: None },
        PartRow { part: Part::Foreign, resident: foreign, counted: None },
    ];
    settle(&mut rows, vm_rss);
    rows
}

/// `VmRSS` is read some microseconds before the mappings, and the kernel counts it in batches: the difference belongs to
/// what nothing else is known of, or is missing from the last rows that have something.
fn settle(rows: &mut [PartRow], vm_rss: u64) {
    let sum: u64 = rows.iter().map(|row| row.resident).sum();
    let mut excess = sum.saturating_sub(vm_rss);
    for row in rows.iter_mut().rev() {
        let taken = row.resident.min(excess);
        row.resident -= taken;
        excess -= taken;
    }
    if let Some(last) = rows.last_mut() {
        last.resident += vm_rss.saturating_sub(sum);
    }
}

/// Resident bytes of the mappings by what they are.
#[derive(Default)]
struct Measured {
    heap: u64,
    /// The runtime's other memory, where it is named.
    named: Option<u64>,
    program: u64,
    files: u64,
    anonymous: u64,
}

impl Measured {
    fn of(mappings: &[Mapping], executable: &str) -> Self {
        let mut measured = Self::default();
        // Global variables without a value lie behind the file's last mapping, anonymous.
        let mut program_end = 0;
        for mapping in mappings {
            let anonymous = mapping.name.is_empty();
            let file = mapping.name.strip_suffix(" (deleted)").unwrap_or(&mapping.name);
            let slot = if mapping.name == NAMED_HEAP {
                &mut measured.heap
            } else if mapping.name.starts_with(NAMED) {
                measured.named.get_or_insert(0)
            } else if !executable.is_empty() && file == executable || anonymous && mapping.start == program_end {
                program_end = mapping.end;
                &mut measured.program
            } else if anonymous && mapping.end <= ARENAS_END {
                &mut measured.heap
            } else if file.starts_with('/') {
                &mut measured.files
            } else {
                &mut measured.anonymous
            };
            *slot += mapping.rss;
        }
        measured
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn mapping(start: u64, name: &str, rss: u64) -> Mapping {
        Mapping { start, end: start + 64 * MIB, writable: true, name: name.into(), rss: rss * MIB }
    }

    fn stats(alloc: u64) -> MemStats {
        MemStats {
            heap_alloc: alloc * MIB,
            heap_inuse: (alloc + 2) * MIB,
            heap_idle: 10 * MIB,
            heap_released: 4 * MIB,
            stack_inuse: MIB,
            stack_sys: MIB,
            metadata_sys: 3 * MIB,
            ..MemStats::default()
        }
    }

    fn by_part(rows: &[PartRow]) -> Vec<u64> {
        rows.iter().map(|row| row.resident / MIB).collect()
    }

    #[test]
    fn sums_to_the_resident_set_whatever_was_touched() {
        let mappings = |heap| {
            vec![
                mapping(0x40_0000, "/srv/app", 5),
                mapping(0x40_0000 + 64 * MIB, "", 1),
                mapping(0xc0_0000_0000, "", heap),
                mapping(0x7f00_0000_0000, "", 10),
                mapping(0x7f10_0000_0000, "/lib/libc.so.6", 2),
                mapping(0x7ffc_0000_0000, "[stack]", 1),
            ]
        };
        for (heap, rss, expected) in [
            // Live 30, garbage 10, free 8, stacks 1: all in memory.
            (49, 68, [30, 10, 8, 1, 3, 0, 0, 6, 2, 8]),
            // Huge pages keep what was released.
            (52, 71, [30, 10, 8, 1, 3, 3, 0, 6, 2, 8]),
            // Most was never touched.
            (20, 39, [19, 0, 0, 1, 3, 0, 0, 6, 2, 8]),
            // The kernel's count ran ahead, or behind.
            (49, 70, [30, 10, 8, 1, 3, 0, 0, 6, 2, 10]),
            (49, 56, [30, 10, 8, 1, 3, 0, 0, 4, 0, 0]),
        ] {
            let rows = resident(&stats(40), Some(&stats(30)), &mappings(heap), rss * MIB, "/srv/app");
            assert_eq!(by_part(&rows), expected, "{heap} {rss}");
            assert_eq!(rows.iter().map(|row| row.resident).sum::<u64>(), rss * MIB);
        }
    }

    #[test]
    fn memory_that_the_runtime_names_is_its_own() {
        let mappings = [
            mapping(0x1_c000_0000, NAMED_HEAP, 49),
            mapping(0x7f00_0000_0000, "[anon: Go: gc bits]", 2),
            mapping(0x7f20_0000_0000, "", 30),
        ];
        let rows = resident(&stats(40), None, &mappings, 81 * MIB, "/srv/app");
        assert_eq!(by_part(&rows), [40, 0, 8, 1, 2, 0, 0, 0, 0, 30]);
    }
}
