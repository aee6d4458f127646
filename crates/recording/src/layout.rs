//! What lies where in a recording: `repr(C)` rows shared by the tracker, which writes them through a shared mapping,
//! and [`crate::Recording`], which reads them back from bytes. Little-endian, 64-bit.
//!
//! ```text
//! 0      Header
//! 1024   command line of the process, NUL between arguments
//! 4096   extent directory: Header::extent_count rows of Extent
//! 16384  extents: each belongs to one table; the tables' rows lie in the order of their extents
//! ```
//!
//! Every table only grows. A row's index is its id for the whole run, so a copy of the file at any moment is a valid
//! recording. [`Node::parent`] is always smaller than the node's own index.

use core::mem::offset_of;

/// First bytes of every recording.
pub const MAGIC: [u8; 8] = *b"BRIMREC\n";
/// Version of the layout; a reader refuses a newer one. 2 added sampling and [`Table::Modules`].
pub const VERSION: u32 = 2;
/// Where the command line starts.
pub const COMMAND_LINE_OFFSET: usize = 1024;
/// Longest command line kept, in bytes.
pub const COMMAND_LINE_BYTES: usize = 3072;
/// Where the extent directory starts.
pub const DIRECTORY_OFFSET: usize = 4096;
/// Most extents a recording can have.
pub const MAX_EXTENTS: usize = (DATA_OFFSET - DIRECTORY_OFFSET) / size_of::<Extent>();
/// Where the first extent starts.
pub const DATA_OFFSET: usize = 16384;
/// Extents are multiples of this, so that each can be mapped on its own.
pub const EXTENT_ALIGNMENT: usize = 4096;

/// The tables of a recording; the value is [`Extent::table`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Table {
    /// [`Node`] rows.
    Nodes = 1,
    /// [`Record`] rows.
    Records = 2,
    /// [`Code`] rows.
    Codes = 3,
    /// Bytes that [`Code`] rows point into.
    Text = 4,
    /// [`Thread`] rows.
    Threads = 5,
    /// [`Module`] rows.
    Modules = 6,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 6] = [Self::Nodes, Self::Records, Self::Codes, Self::Text, Self::Threads, Self::Modules];

    /// Where the header says how many rows (bytes for the text) are in use: an 8-byte field.
    pub const fn used_offset(self) -> usize {
        match self {
            Self::Modules => offset_of!(Header, used_modules),
            _ => offset_of!(Header, used) + (self as usize - 1) * 8,
        }
    }

    /// Size of one row in bytes.
    pub const fn row_bytes(self) -> usize {
        match self {
            Self::Nodes => size_of::<Node>(),
            Self::Records => size_of::<Record>(),
            Self::Codes => size_of::<Code>(),
            Self::Text => 1,
            Self::Threads => size_of::<Thread>(),
            Self::Modules => size_of::<Module>(),
        }
    }
}

/// [`Header::state`]: the tracker counts.
pub const STATE_RECORDING: u32 = 1;
/// [`Header::state`]: final: after `atexit` handlers and one collection, before modules are torn down.
pub const STATE_FINAL: u32 = 2;
/// [`Header::state`]: the disk was full or a limit was met; counting stopped, the state is the one at that moment.
pub const STATE_STOPPED: u32 = 3;

/// Fixed part at the start of the file.
#[derive(Debug)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`VERSION`].
    pub version: u32,
    /// One of the `STATE_…` values; 0 while the file is being set up.
    pub state: u32,
    /// Process id.
    pub pid: u32,
    /// Parent's process id at start.
    pub parent_pid: u32,
    /// `Py_Version`-like number, for example `0x030b07f0` for 3.11.7.
    pub python_version: u32,
    /// Rows in use in the extent directory.
    pub extent_count: u32,
    /// Wall clock at start, nanoseconds since 1970.
    pub start_unix_ns: u64,
    /// `CLOCK_MONOTONIC` at start.
    pub start_monotonic_ns: u64,
    /// `CLOCK_MONOTONIC` at the tracker thread's last tick, about one a second.
    pub tick_monotonic_ns: u64,
    /// Rows (bytes for the text) in use of the first five tables of [`Table::ALL`]. For nodes and threads this is an
    /// upper bound: rows that are all zero are not in use yet.
    pub used: [u64; 5],
    /// Tracked bytes live now: Python objects, malloc and anonymous mappings, each block once.
    pub live_bytes: i64,
    /// Highest value of `live_bytes`.
    pub peak_bytes: i64,
    /// Changes whenever `peak_bytes` rises; see [`Record::epoch`].
    pub epoch: u64,
    /// `CLOCK_MONOTONIC` of the tick that first saw the present peak.
    pub peak_monotonic_ns: u64,
    /// Bytes of arenas that Python's small-object allocator holds from the system.
    pub arena_bytes: i64,
    /// Bytes of live Python objects that lie in those arenas (requests up to 512 bytes).
    pub arena_used_bytes: i64,
    /// `mallinfo2().arena + .hblkhd` at the last tick: what malloc holds from the system.
    pub malloc_reserved_bytes: u64,
    /// `mallinfo2().uordblks + .hblkhd` at the last tick: what malloc has handed out.
    pub malloc_used_bytes: u64,
    /// Tracked bytes live in the parent at the fork that made this process; they are not counted again here.
    pub inherited_bytes: i64,
    /// File descriptors open now that were opened while tracked.
    pub open_fds: i64,
    /// Allocations that went to the "other" row because a table was full.
    pub overflow_count: u64,
    /// Raised by whoever asks the tracker thread for a collection; futex word.
    pub request: u32,
    /// Last request that was carried out; futex word.
    pub done: u32,
    /// Why tracking stopped: an `errno`, 0 if it did not.
    pub stop_errno: u32,
    /// How the process ended as far as the tracker saw it: 0 not yet, 1 finalized, 2 exec, 3 `_exit`.
    pub end: u32,
    /// Tracker's offset self-test: 0 not run, 1 passed, 2 failed or no offsets known: stacks come from the public API.
    pub self_test: u32,
    /// One of the `MODE_…` values.
    pub mode: u32,
    /// Mean distance between samples in bytes; 0 where every block is counted.
    pub period: u64,
    /// Rows in use of [`Table::Modules`]; 0 before version 2.
    pub used_modules: u64,
}

/// [`Header::mode`]: every Python object and every malloc is counted.
pub const MODE_EXACT: u32 = 0;
/// [`Header::mode`]: what is taken from malloc and from the kernel; Python's small objects count as the arenas they
/// lie in.
pub const MODE_MALLOC: u32 = 1;
/// [`Header::mode`]: as exact, but only drawn blocks are counted, for those that were not. Then counts are in units of
/// 1 / [`COUNT_UNIT`], and each record is followed by that of its variance, see [`VARIANCE`].
pub const MODE_SAMPLED: u32 = 2;

/// What one block counts in a sampled recording.
pub const COUNT_UNIT: i64 = 1024;
/// Bit of [`Record::kind`]: a row of variances of the row before it: `…_bytes` in units of bytes × [`Header::period`],
/// `…_count` in units of 1 / [`COUNT_VARIANCE_UNIT`] blocks².
pub const VARIANCE: u16 = 0x100;
/// See [`VARIANCE`].
pub const COUNT_VARIANCE_UNIT: i64 = 16;

/// `live_bytes` and so on grow by table extents listed here.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Extent {
    /// A [`Table`] value.
    pub table: u32,
    /// Zero.
    pub reserved: u32,
    /// Byte offset in the file.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
}

/// One step of a stack; row 0 is not used, an all-zero row is not in use yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Node {
    /// Caller's node; 0 for a thread's root.
    pub parent: u32,
    /// Row of [`Code`], or [`THREAD_CODE`], or one of the `…_LEAF` codes, or [`NATIVE_CODE`] with a row of [`Module`].
    pub code: u32,
    /// Index of the instruction in the code, in 2-byte units (`f_lasti / 2`); for a thread's root the row of [`Thread`];
    /// for a native frame the address in the module's file, one that lies in the call instruction.
    pub instruction: u32,
    /// Row of [`Record`] of the thread that owns the stack, 0 if nothing was allocated here itself.
    pub record: u32,
}

/// [`Node::code`] of a thread's root.
pub const THREAD_CODE: u32 = 0xFFFF_FF00;
/// [`Node::code`] of the leaf below a stack that holds what was allocated with malloc, not through Python's allocators.
pub const MALLOC_LEAF: u32 = 0xFFFF_FF01;
/// [`Node::code`] of the leaf for anonymous mappings.
pub const MMAP_LEAF: u32 = 0xFFFF_FF02;
/// [`Node::code`] of the leaf for mappings of files, which are not counted as allocated memory.
pub const FILE_MAPPING_LEAF: u32 = 0xFFFF_FF03;
/// [`Node::code`] of the leaf for open file descriptors: counts only.
pub const DESCRIPTOR_LEAF: u32 = 0xFFFF_FF04;
/// [`Node::code`] of the leaf below a line of a function named with `--lines`: what happened while the line ran, whoever
/// allocated it. Its record holds the net change in `live_…`, what was allocated in `total_…`, and in `peak_bytes` and
/// `peak_count` the highest and the last of the process's live bytes seen meanwhile.
pub const LINE_LEAF: u32 = 0xFFFF_FF06;
/// [`Node::code`] of the row that takes what no longer fits the tables.
pub const OTHER_CODE: u32 = 0xFFFF_FF05;

/// [`Node::code`] of the row below a Python line whose native frames were too many: the innermost ones follow.
pub const NATIVE_CUT_CODE: u32 = 0xFFFF_FF07;
/// Bits of [`Node::code`] that tell a native frame: `code & NATIVE_MASK == NATIVE_CODE`, the rest is the row of
/// [`Module`]; row 0 is code that belongs to no file.
pub const NATIVE_CODE: u32 = 0x8000_0000;
/// See [`NATIVE_CODE`].
pub const NATIVE_MASK: u32 = 0xC000_0000;

/// Counters of one stack, written by one thread only; several records may name one node (memory freed by another
/// thread than the one that allocated it is subtracted in the freeing thread's own record). Sum them by node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Record {
    /// Bytes live now; may be negative in a record of frees.
    pub live_bytes: i64,
    /// Blocks live now.
    pub live_count: i64,
    /// Bytes ever allocated.
    pub total_bytes: u64,
    /// Blocks ever allocated.
    pub total_count: u64,
    /// `live_bytes` at the peak number `epoch`; see there.
    pub peak_bytes: i64,
    /// `live_count` at the peak number `epoch`.
    pub peak_count: i64,
    /// If equal to [`Header::epoch`], `peak_…` hold the values at the peak; otherwise nothing changed since the peak
    /// and `live_…` do.
    pub epoch: u64,
    /// The node counted.
    pub node: u32,
    /// Row of [`Thread`] of the one thread that writes this record.
    pub owner: u16,
    /// 0 for Python's allocators, else the low byte of the node's `…_LEAF` code; with [`VARIANCE`].
    pub kind: u16,
}

/// A code object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Code {
    /// `co_qualname`, up to 3.10 `co_name`, UTF-8: offset and length in the text.
    pub name: Span,
    /// `co_filename`, UTF-8.
    pub file: Span,
    /// `co_linetable` (from 3.11 on a PEP 657 location table, in 3.10 that of PEP 626), up to 3.9 `co_lnotab`.
    pub line_table: Span,
    /// `co_firstlineno`.
    pub first_line: u32,
    /// Zero or [`CODE_HAS_LINES`].
    pub flags: u32,
}

/// [`Code::flags`]: there is no line table, [`Node::instruction`] is the line itself.
pub const CODE_HAS_LINES: u32 = 1;

/// Bytes in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Span {
    /// Offset of the first byte.
    pub offset: u32,
    /// Number of bytes.
    pub bytes: u32,
}

/// Longest build id kept.
pub const BUILD_ID_BYTES: usize = 32;

/// A file of machine code as it was loaded, for native frames.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Module {
    /// Path as the loader names it.
    pub path: Span,
    /// What was added to the addresses in the file.
    pub bias: u64,
    /// Address of its first byte in the process.
    pub start: u64,
    /// Where its last segment ended in the process.
    pub end: u64,
    /// Size of the file, where it has no build id; else 0.
    pub file_bytes: u64,
    /// When the file was changed last, nanoseconds since 1970, where it has no build id; else 0.
    pub file_modified_ns: u64,
    /// Bytes of `build_id` in use.
    pub build_id_bytes: u32,
    /// Zero.
    pub reserved: u32,
    /// `NT_GNU_BUILD_ID`.
    pub build_id: [u8; BUILD_ID_BYTES],
    /// Zero; makes the row a divisor of [`EXTENT_ALIGNMENT`].
    pub unused: [u8; 40],
}

/// Number of size classes in [`Thread::sizes`]; class `c` holds blocks of more than `2^(c-1)` and at most `2^c` bytes.
pub const SIZE_CLASSES: usize = 40;

/// Allocated and freed in one size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SizeClass {
    /// Bytes ever allocated.
    pub total_bytes: u64,
    /// Blocks ever allocated.
    pub total_count: u64,
    /// Bytes freed by this thread, whoever allocated them.
    pub freed_bytes: u64,
    /// Blocks freed by this thread.
    pub freed_count: u64,
}

/// A thread, or several that followed each other and had no use for rows of their own.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Thread {
    /// Operating-system thread id of the (latest) thread; 0 = row not in use.
    pub tid: u32,
    /// How many threads have used this row.
    pub uses: u32,
    /// `pthread_self()` of the latest.
    pub ident: u64,
    /// Python's name of the (latest) thread if it is known, NUL-terminated UTF-8.
    pub name: [u8; 64],
    /// By size class.
    pub sizes: [SizeClass; SIZE_CLASSES],
    /// Bytes of Python objects of at most 512 bytes (served from arenas) ever allocated by this thread.
    pub small_allocated_bytes: u64,
    /// Bytes of such objects freed by this thread, whoever allocated them.
    pub small_freed_bytes: u64,
    /// Zero; makes the row a divisor of [`EXTENT_ALIGNMENT`], so that none straddles two extents.
    pub reserved: [u8; 672],
}

const _: () = {
    assert!(size_of::<Header>() <= COMMAND_LINE_OFFSET);
    assert!(size_of::<Node>() == 16 && size_of::<Record>() == 64 && size_of::<Code>() == 32);
    assert!(size_of::<Thread>() == 2048 && size_of::<Module>() == 128);
    assert!(COMMAND_LINE_OFFSET + COMMAND_LINE_BYTES <= DIRECTORY_OFFSET);
};
