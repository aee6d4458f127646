//! What one thread counts: its tree of stacks and its records. Only its thread writes it, so nothing here is locked or
//! atomic but the few totals of the process.

use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use brimline_recording::layout::{
    DESCRIPTOR_LEAF, FILE_MAPPING_LEAF, Header, LINE_LEAF, MALLOC_LEAF, MMAP_LEAF, Node, OTHER_CODE, Record,
    SIZE_CLASSES, THREAD_CODE, Table, Thread, VARIANCE,
};

use crate::map::{Key, Map, mix};
use crate::native::Native;
use crate::sampling::{self, Weight};
use crate::stack::StackCache;
use crate::{lines, native, recording, shadow};

/// Nodes and records are taken from the process's tables in handfuls.
const NODES_AT_ONCE: usize = 64;
const RECORDS_AT_ONCE: usize = 16;
/// With several threads the process's total lags by at most this much a thread.
const TOTAL_SLACK: i64 = 64 << 10;
/// Largest request that Python serves from its arenas.
pub(crate) const SMALL_OBJECT: usize = 512;

/// What was allocated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By one of Python's allocators.
    Python,
    /// By malloc and its relatives.
    Malloc,
    /// By an anonymous mapping.
    Mapping,
    /// A mapped file: noted, but not memory of the heap.
    FileMapping,
    /// An open file descriptor: a count without bytes.
    Descriptor,
}

impl Kind {
    const fn leaf(self) -> Option<u32> {
        match self {
            Self::Python => None,
            Self::Malloc => Some(MALLOC_LEAF),
            Self::Mapping => Some(MMAP_LEAF),
            Self::FileMapping => Some(FILE_MAPPING_LEAF),
            Self::Descriptor => Some(DESCRIPTOR_LEAF),
        }
    }

    /// Whether its bytes are part of `Header::live_bytes`.
    pub(crate) const fn is_heap(self) -> bool {
        matches!(self, Self::Python | Self::Malloc | Self::Mapping)
    }
}

/// A step in the tree of stacks.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Step {
    parent: u32,
    code: u32,
    instruction: u32,
}

impl Key for Step {
    #[inline]
    fn hash(self) -> u64 {
        mix((u64::from(self.parent) << 32 | u64::from(self.code)) ^ u64::from(self.instruction) << 17)
    }
    #[inline]
    fn is_empty(self) -> bool {
        self.parent == 0
    }
}

const NO_STEP: (Step, u32) = (Step { parent: 0, code: 0, instruction: 0 }, 0);

/// One thread's counters.
pub(crate) struct Shard {
    /// The thread is inside the tracker.
    pub(crate) inside: bool,
    /// Row of the thread.
    pub(crate) index: u32,
    /// Node of the empty stack.
    pub(crate) root: u32,
    pub(crate) stack: StackCache,
    pub(crate) native: Native,
    /// How often thread-specific data has been torn down while this thread ends.
    pub(crate) farewells: u32,
    steps: Map<Step, u32>,
    others: Map<u64, u32>,
    /// The node looked up last.
    last_node: u32,
    nodes: core::ops::Range<u32>,
    records: core::ops::Range<u32>,
    other_record: u32,
    pending: i64,
    thread: *mut Thread,
}

/// Set when a second thread starts to count.
static SEVERAL_THREADS: AtomicBool = AtomicBool::new(false);

/// From now on totals are gathered per thread.
pub(crate) fn expect_several_threads(several: bool) {
    SEVERAL_THREADS.store(several, Ordering::Relaxed);
}

impl Shard {
    /// A shard over a thread's row; `None` when the tables are full.
    pub(crate) fn new(index: u32) -> Option<Self> {
        let mut shard = Self {
            inside: true,
            index,
            root: 0,
            stack: StackCache::new(),
            native: Native::new(),
            farewells: 0,
            steps: Map::new(),
            others: Map::new(),
            last_node: 0,
            nodes: 0..0,
            records: 0..0,
            other_record: 0,
            pending: 0,
            thread: recording::thread(index),
        };
        shard.root = shard.new_node(Node { parent: 0, code: THREAD_CODE, instruction: index, record: 0 })?;
        let other = shard.new_node(Node { parent: shard.root, code: OTHER_CODE, instruction: 0, record: 0 })?;
        shard.other_record = shard.new_record(other, 0)?;
        Some(shard)
    }

    fn new_node(&mut self, node: Node) -> Option<u32> {
        if self.nodes.is_empty() {
            let first = recording::take(Table::Nodes, NODES_AT_ONCE)?;
            self.nodes = first..first + NODES_AT_ONCE as u32;
        }
        let index = self.nodes.next()?;
        // SAFETY: the row was taken for this shard.
        unsafe { recording::node(index).write(node) };
        Some(index)
    }

    fn new_record(&mut self, node: u32, kind: u16) -> Option<u32> {
        if self.records.is_empty() {
            let first = recording::take(Table::Records, RECORDS_AT_ONCE)?;
            self.records = first..first + RECORDS_AT_ONCE as u32;
        }
        let index = self.records.next().filter(|&index| index < shadow::MAX_RECORD)?;
        let row = Record { node, owner: self.index as u16, kind, ..Record::default() };
        // SAFETY: the row was taken for this shard.
        unsafe { recording::record(index).write(row) };
        if sampling::enabled() {
            let variance = self.records.next()?;
            // SAFETY: as above; rows are taken in even numbers.
            unsafe { recording::record(variance).write(Record { kind: kind | VARIANCE, ..row }) };
        }
        Some(index)
    }

    /// The node below `parent`; `None` when the tables are full.
    #[inline]
    pub(crate) fn child(&mut self, parent: u32, code: u32, instruction: u32) -> Option<u32> {
        // Programs do again what they did before: the stack seen next is often the one first seen after the last. That
        // row is in the cache, the hash table's would not be.
        let guess = self.last_node.wrapping_add(1);
        if guess < self.nodes.end {
            // SAFETY: rows below the end of the last handful taken are mapped.
            let row = unsafe { *recording::node(guess) };
            if row.parent == parent && row.code == code && row.instruction == instruction {
                self.last_node = guess;
                return Some(guess);
            }
        }
        let step = Step { parent, code, instruction };
        let node = match self.steps.get(step) {
            Some(node) => node,
            None => self.add_child(step)?,
        };
        self.last_node = node;
        Some(node)
    }

    #[cold]
    fn add_child(&mut self, step: Step) -> Option<u32> {
        crate::bring_up::poll();
        let Step { parent, code, instruction } = step;
        let node = self.new_node(Node { parent, code, instruction, record: 0 })?;
        self.steps.insert(step, node, NO_STEP).then_some(node)
    }

    /// The record of a stack for one kind of memory.
    #[inline]
    fn record_of(&mut self, node: Option<u32>, kind: Kind) -> u32 {
        let node = if native::enabled() { node.and_then(|node| native::node(self, node)) } else { node };
        let node = match (node, kind.leaf()) {
            (node, None) => node,
            (Some(node), Some(leaf)) => self.child(node, leaf, 0),
            (None, _) => None,
        };
        let Some(node) = node else { return self.overflow() };
        // SAFETY: the node is this shard's.
        let record = unsafe { (*recording::node(node)).record };
        if record != 0 {
            return record;
        }
        let Some(record) = self.new_record(node, kind.leaf().map_or(0, |leaf| leaf as u16 & 0xFF)) else {
            return self.overflow();
        };
        // SAFETY: as above.
        unsafe { (*recording::node(node)).record = record };
        record
    }

    #[cold]
    fn overflow(&self) -> u32 {
        // SAFETY: the header is mapped.
        unsafe { AtomicU64::from_ptr(&raw mut (*recording::header()).overflow_count).fetch_add(1, Ordering::Relaxed) };
        self.other_record
    }

    /// Counts a block of memory and notes where it starts.
    #[inline]
    pub(crate) fn add_block(&mut self, node: Option<u32>, kind: Kind, address: usize, size: usize) {
        let record = self.record_of(node, kind);
        if !shadow::set(address, record, size) {
            return;
        }
        if sampling::enabled() {
            return self.add_weighted(record, size, kind, Weight::drawn(size));
        }
        self.count_size(kind, size);
        self.add(record, size, kind);
        if lines::enabled() {
            self.count_line(size as i64, 1);
        }
    }

    /// Adds to the line that is running, if its function was asked for; see [`LINE_LEAF`].
    #[cold]
    fn count_line(&mut self, bytes: i64, blocks: i64) {
        let Some(leaf) = self.stack.wanted_line().and_then(|node| self.child(node, LINE_LEAF, 0)) else { return };
        // SAFETY: the node is this shard's.
        let mut record = unsafe { (*recording::node(leaf)).record };
        if record == 0 {
            let Some(new) = self.new_record(leaf, LINE_LEAF as u16 & 0xFF) else { return };
            record = new;
            // SAFETY: as above.
            unsafe { (*recording::node(leaf)).record = record };
        }
        // SAFETY: this shard's record; the header is mapped.
        let (row, live) =
            unsafe { (&mut *recording::record(record), (*recording::header()).live_bytes + self.pending) };
        row.live_bytes += bytes;
        row.live_count += blocks;
        row.total_bytes += bytes.max(0) as u64;
        row.total_count += blocks.max(0) as u64;
        row.peak_bytes = row.peak_bytes.max(live);
        row.peak_count = live;
    }

    /// Counts memory that is noted elsewhere than in the shadow table, and returns its record.
    pub(crate) fn add_elsewhere(&mut self, node: Option<u32>, kind: Kind, size: usize) -> u32 {
        let record = self.record_of(node, kind);
        if sampling::enabled() {
            self.add_weighted(record, size, kind, Weight::certain(size));
            return record;
        }
        if kind.is_heap() {
            self.count_size(kind, size);
        }
        self.add(record, size, kind);
        record
    }

    /// Counts a block for those that were not drawn.
    #[cold]
    fn add_weighted(&mut self, record: u32, size: usize, kind: Kind, weight: Weight) {
        if kind.is_heap() {
            // SAFETY: as in `count_size`.
            let thread = unsafe { &mut *self.thread };
            let class = &mut thread.sizes[size_class(size)];
            class.total_bytes += weight.bytes as u64;
            class.total_count += weight.count as u64;
            if kind == Kind::Python && size <= SMALL_OBJECT {
                thread.small_allocated_bytes += weight.bytes as u64;
            }
        }
        // SAFETY: this shard's record and that of its variance, behind it.
        let [row, variance] = unsafe { &mut *recording::record(record).cast::<[Record; 2]>() };
        self.change(row, weight.bytes, weight.count);
        self.change(variance, weight.bytes_variance, weight.count_variance);
        row.total_bytes += weight.bytes as u64;
        row.total_count += weight.count as u64;
        variance.total_bytes += weight.bytes_variance as u64;
        variance.total_count += weight.count_variance as u64;
        // Last: if this is the peak, the rows are to hold the block.
        if kind.is_heap() {
            self.change_total(weight.bytes);
        }
    }

    /// Undoes [`Shard::add_weighted`] but for the totals. `count` is 0 for a part of a mapping.
    #[cold]
    fn remove_weighted(&mut self, record: u32, weight: Weight, count: i64, is_heap: bool) {
        let own = self.own_record(record);
        // SAFETY: as in `add_weighted`.
        let [row, variance] = unsafe { &mut *recording::record(own).cast::<[Record; 2]>() };
        self.change(row, -weight.bytes, -count * weight.count);
        self.change(variance, -weight.bytes_variance, -count * weight.count_variance);
        if is_heap {
            self.change_total(-weight.bytes);
        }
    }

    /// As the end of [`Shard::remove_block`], for a block that was drawn.
    #[cold]
    fn remove_drawn(&mut self, record: u32, size: usize) {
        let weight = Weight::drawn(size);
        self.remove_weighted(record, weight, 1, true);
        // SAFETY: as in `count_size`.
        let thread = unsafe { &mut *self.thread };
        let class = &mut thread.sizes[size_class(size)];
        class.freed_bytes += weight.bytes as u64;
        class.freed_count += weight.count as u64;
        if size <= SMALL_OBJECT && Self::is_python(record) {
            thread.small_freed_bytes += weight.bytes as u64;
        }
    }

    #[inline]
    fn count_size(&mut self, kind: Kind, size: usize) {
        // SAFETY: the thread's row is mapped and written by this thread only.
        let thread = unsafe { &mut *self.thread };
        let class = &mut thread.sizes[size_class(size)];
        class.total_bytes += size as u64;
        class.total_count += 1;
        if kind == Kind::Python && size <= SMALL_OBJECT {
            thread.small_allocated_bytes += size as u64;
        }
    }

    #[inline]
    fn add(&mut self, record: u32, size: usize, kind: Kind) {
        // SAFETY: this shard's record.
        let row = unsafe { &mut *recording::record(record) };
        self.change(row, size as i64, 1);
        row.total_bytes += size as u64;
        row.total_count += 1;
        if kind.is_heap() {
            self.change_total(size as i64);
        }
    }

    /// Uncounts the block at `address`; returns what [`Shard::restore_block`] takes. `None` if it was never counted.
    #[inline]
    pub(crate) fn remove_block(&mut self, address: usize) -> Option<(u32, usize)> {
        let (record, size) = shadow::take(address)?;
        if sampling::enabled() {
            self.remove_drawn(record, size);
            return Some((record, size));
        }
        self.remove(record, size, 1, true);
        // SAFETY: as in `count_size`.
        let thread = unsafe { &mut *self.thread };
        let class = &mut thread.sizes[size_class(size)];
        class.freed_bytes += size as u64;
        class.freed_count += 1;
        if size <= SMALL_OBJECT && Self::is_python(record) {
            thread.small_freed_bytes += size as u64;
        }
        if lines::enabled() {
            self.count_line(-(size as i64), -1);
        }
        Some((record, size))
    }

    /// Whether the block was allocated by one of Python's allocators.
    #[inline]
    fn is_python(record: u32) -> bool {
        // SAFETY: rows named by the shadow table exist.
        unsafe { (*recording::record(record)).kind == 0 }
    }

    /// Undoes [`Shard::remove_block`]: a `realloc` failed, the old block lives on.
    pub(crate) fn restore_block(&mut self, address: usize, (record, size): (u32, usize)) {
        if !shadow::set(address, record, size) {
            return;
        }
        if sampling::enabled() {
            // Counts as one more in the totals: so rare that it cannot be seen in an estimate.
            let own = self.own_record(record);
            return self.add_weighted(own, size, Kind::Malloc, Weight::drawn(size));
        }
        let row = self.own_record(record);
        // SAFETY: this shard's record.
        let row = unsafe { &mut *recording::record(row) };
        self.change(row, size as i64, 1);
        self.change_total(size as i64);
        // SAFETY: as in `count_size`.
        let thread = unsafe { &mut *self.thread };
        let class = &mut thread.sizes[size_class(size)];
        class.freed_bytes -= size as u64;
        class.freed_count -= 1;
        if size <= SMALL_OBJECT && Self::is_python(record) {
            thread.small_freed_bytes -= size as u64;
        }
    }

    /// Subtracts from a record, whoever owns it; `count` is 0 for a part of a mapping.
    #[inline]
    pub(crate) fn remove(&mut self, record: u32, size: usize, count: i64, is_heap: bool) {
        if sampling::enabled() {
            return self.remove_weighted(record, Weight::certain(size), count, is_heap);
        }
        let own = self.own_record(record);
        // SAFETY: this shard's record.
        let row = unsafe { &mut *recording::record(own) };
        self.change(row, -(size as i64), -count);
        if is_heap {
            self.change_total(-(size as i64));
        }
    }

    /// The record itself if it is this thread's, else this thread's record for the same node.
    #[inline]
    fn own_record(&mut self, record: u32) -> u32 {
        // SAFETY: rows named by the shadow table exist; their owner never changes.
        let owner = unsafe { (*recording::record(record)).owner };
        if u32::from(owner) == self.index { record } else { self.record_for_other(record) }
    }

    fn record_for_other(&mut self, record: u32) -> u32 {
        if let Some(own) = self.others.get(u64::from(record)) {
            return own;
        }
        // SAFETY: as above.
        let (node, kind) = unsafe { ((*recording::record(record)).node, (*recording::record(record)).kind) };
        let Some(own) = self.new_record(node, kind) else { return self.overflow() };
        self.others.insert(u64::from(record), own, (0, 0));
        own
    }

    /// Changes live values; before the first change after a peak the values at that peak are set aside.
    #[inline]
    fn change(&self, row: &mut Record, bytes: i64, count: i64) {
        // SAFETY: the header is mapped.
        let epoch = unsafe { AtomicU64::from_ptr(&raw mut (*recording::header()).epoch) }.load(Ordering::Relaxed);
        if row.epoch != epoch {
            row.peak_bytes = row.live_bytes;
            row.peak_count = row.live_count;
            row.epoch = epoch;
        }
        row.live_bytes += bytes;
        row.live_count += count;
    }

    #[inline]
    fn change_total(&mut self, bytes: i64) {
        let header = recording::header();
        if SEVERAL_THREADS.load(Ordering::Relaxed) {
            self.pending += bytes;
            if self.pending.abs() > TOTAL_SLACK {
                self.publish_total(header);
            }
            return;
        }
        if self.pending != 0 {
            self.publish_total(header);
        }
        // SAFETY: the header is mapped, and one thread writes it.
        unsafe {
            let live = (*header).live_bytes + bytes;
            (*header).live_bytes = live;
            if live > (*header).peak_bytes {
                (*header).peak_bytes = live;
                (*header).epoch += 1;
            }
            note_local_peak(live);
        }
    }

    #[cold]
    fn publish_total(&mut self, header: *mut Header) {
        let pending = core::mem::take(&mut self.pending);
        // SAFETY: the header is mapped; all threads go through these atomics.
        unsafe {
            let live =
                AtomicI64::from_ptr(&raw mut (*header).live_bytes).fetch_add(pending, Ordering::Relaxed) + pending;
            if AtomicI64::from_ptr(&raw mut (*header).peak_bytes).fetch_max(live, Ordering::Relaxed) < live {
                AtomicU64::from_ptr(&raw mut (*header).epoch).fetch_add(1, Ordering::Relaxed);
            }
            note_local_peak(live);
        }
    }

    /// Adds what has not been published yet (the thread ends, or the recording does).
    pub(crate) fn flush(&mut self) {
        self.publish_total(recording::header());
    }

    /// Gives all private memory back.
    pub(crate) fn release(&mut self) {
        self.steps.clear();
        self.others.clear();
        self.stack.release();
        self.native.release();
    }
}

/// The highest number of live bytes since it was asked for last; `MAX` until then.
static LOCAL_PEAK: AtomicI64 = AtomicI64::new(i64::MAX);

#[inline]
fn note_local_peak(live: i64) {
    if live > LOCAL_PEAK.load(Ordering::Relaxed) {
        LOCAL_PEAK.store(live, Ordering::Relaxed);
    }
}

/// Highest number of live bytes since the last call with `reset`.
pub(crate) fn local_peak(reset: bool) -> i64 {
    let live = live_bytes();
    let highest = LOCAL_PEAK.load(Ordering::Relaxed);
    if reset {
        LOCAL_PEAK.store(live, Ordering::Relaxed);
    }
    if highest == i64::MAX { live } else { highest.max(live) }
}

/// Live bytes of the process as this thread knows them: of each other thread up to [`TOTAL_SLACK`] may be missing. 0
/// without a recording.
pub(crate) fn live_bytes() -> i64 {
    let header = recording::header();
    if header.is_null() {
        return 0;
    }
    // SAFETY: the header stays mapped; the slot is this thread's own, and a shard in it is alive.
    unsafe {
        let shard = *crate::state::thread_slot();
        let pending = if shard as usize > crate::state::LEAVING as usize { (*shard).pending } else { 0 };
        AtomicI64::from_ptr(&raw mut (*header).live_bytes).load(Ordering::Relaxed) + pending
    }
}

/// The class of a size: the number of bits of `size - 1`.
#[inline]
fn size_class(size: usize) -> usize {
    ((usize::BITS - size.saturating_sub(1).leading_zeros()) as usize).min(SIZE_CLASSES - 1)
}

#[cfg(test)]
mod tests {
    use super::size_class;

    #[test]
    fn size_classes_end_at_powers_of_two() {
        let classes: Vec<_> = [0, 1, 2, 3, 4, 5, 512, 513, 1 << 45].into_iter().map(size_class).collect();
        assert_eq!(classes, [0, 0, 1, 2, 2, 3, 9, 10, 39]);
    }
}
