//! The tracker's recording as a [`Profile`]: one sample per stack, thread and kind of memory.
//!
//! Labels: `thread` (Python's name, else `thread <tid>`) and `kind` (`python`, `malloc`, `mmap`, `file`, `fd`, `line`).
//! Lines are resolved here, from the code objects' own tables; names of native frames by the [`Symbolizer`] given.
//!
//! Recordings of `--mode sampled` have the columns of [`ValueType::sampled`].
//!
//! Samples of kind `line` tell what happened while a line of a function named with `--lines` ran, whoever allocated
//! it: `live_…` is the net change, `total_…` what was allocated, `peak_bytes` the highest of the process's live bytes
//! meanwhile (of several samples of one stack the highest counts, they are not summed).

use std::collections::HashMap;
use std::mem::offset_of;

use brimline_recording::layout::{
    COUNT_UNIT, DESCRIPTOR_LEAF, FILE_MAPPING_LEAF, Header, LINE_LEAF, MAGIC, MALLOC_LEAF, MMAP_LEAF, NATIVE_CODE,
    NATIVE_CUT_CODE, NATIVE_MASK, Node, OTHER_CODE, Record, THREAD_CODE, Table, VARIANCE,
};

use brimline_recording::{CodeView, Recording};

pub use brimline_recording::OpenError;
pub use brimline_recording::layout::SizeClass;

use super::Decoded;
use super::linetable::{LineFormat, LineTable};
use super::native::{self, NativeFrames, NoSymbols, Symbolizer};
use super::recorded_process::process;
pub use super::recorded_process::{Mode, Process, State};
use crate::{FunctionId, LabelSetId, Precision, Profile, ProfileBuilder, StackId, ValueType, value};

/// Name of the frame that stands for allocations which no longer fitted the tracker's tables.
pub const OTHER: &str = "<other>";
/// Name for what threads that shared a row did outside the functions they were started with.
const SEVERAL_THREADS: &str = "several threads";

/// Whether bytes start as a recording does.
pub fn is_recording(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The recordings of one run, one after the other merged into a profile.
#[derive(Debug)]
pub struct Recordings {
    builder: ProfileBuilder,
    processes: Vec<Process>,
    sizes: Vec<SizeClass>,
    warnings: Vec<String>,
    symbolizer: Box<dyn Symbolizer>,
}

/// What the recordings of a run hold.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// All stacks of all processes.
    pub profile: Profile,
    /// One entry per recording.
    pub processes: Vec<Process>,
    /// Class `c` counts blocks of more than `2^(c-1)` and at most `2^c` bytes.
    pub sizes: Vec<SizeClass>,
}

impl Default for Recordings {
    fn default() -> Self {
        Self::new(Box::new(NoSymbols))
    }
}

impl Recordings {
    /// No recordings yet; `symbolizer` names their native frames.
    pub fn new(symbolizer: Box<dyn Symbolizer>) -> Self {
        Self {
            builder: ProfileBuilder::new(ValueType::tracked(), Precision::Exact),
            processes: Vec::new(),
            sizes: vec![SizeClass::default(); brimline_recording::layout::SIZE_CLASSES],
            warnings: Vec::new(),
            symbolizer,
        }
    }

    /// Adds the recording of one process. Peaks of several processes add up although they need not fall together.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), OpenError> {
        let recording = Recording::open(bytes)?;
        let process = process(&recording);
        if self.processes.is_empty()
            && let Mode::Sampled { period } = process.mode
        {
            self.builder = ProfileBuilder::new(ValueType::sampled(), Precision::Sampled { period });
        }
        if let Some(first) = self.processes.first().filter(|first| first.mode != process.mode) {
            self.warnings.push(format!(
                "process {} is left out: it was recorded in mode {}, the others in mode {}",
                process.pid,
                process.mode.name(),
                first.mode.name()
            ));
            return Ok(());
        }
        self.warnings.extend(recording.warnings().iter().map(ToString::to_string));
        let lost = recording.header_u64(offset_of!(Header, overflow_count));
        if lost > 0 {
            self.warnings.push(format!("{lost} allocations are in the row `{OTHER}`: the tracker's tables were full"));
        }
        if let State::Stopped { errno } = process.state {
            self.warnings.push(format!(
                "tracking of process {} stopped before its end (errno {errno}); the numbers are those of that moment",
                process.pid
            ));
        }
        let unit = if matches!(process.mode, Mode::Sampled { .. }) { COUNT_UNIT as u64 } else { 1 };
        self.processes.push(process);
        for row in 0..recording.rows(Table::Threads) as u32 {
            for (sum, class) in self.sizes.iter_mut().zip(recording.thread(row).iter().flat_map(|thread| thread.sizes))
            {
                sum.total_bytes = sum.total_bytes.saturating_add(class.total_bytes);
                sum.total_count = sum.total_count.saturating_add(class.total_count / unit);
                sum.freed_bytes = sum.freed_bytes.saturating_add(class.freed_bytes);
                sum.freed_count = sum.freed_count.saturating_add(class.freed_count / unit);
            }
        }
        let native = NativeFrames::resolve(&recording, &mut *self.symbolizer, &mut self.builder);
        let places = Resolver::new(&recording, &native, &mut self.builder).places();
        self.add_records(&recording, &places);
        Ok(())
    }

    fn add_records(&mut self, recording: &Recording<'_>, places: &[Option<Place>]) {
        let epoch = recording.header_u64(offset_of!(Header, epoch));
        let is_sampled = matches!(self.processes.last(), Some(Process { mode: Mode::Sampled { .. }, .. }));
        let mut unplaced = 0_u64;
        let mut sum: Vec<i64> = Vec::new();
        let mut add = |record: &Record, values: &[i64]| {
            if matches!(u32::from(record.kind & !VARIANCE), PYTHON_KIND | MALLOC_KIND | MAPPING_KIND) {
                sum.resize(values.len(), 0);
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum = sum.saturating_add(*value));
            }
        };
        for record in recording.records() {
            let Some(Some(place)) = places.get(record.node as usize) else {
                unplaced += 1;
                continue;
            };
            let values = values(&record, epoch);
            if is_sampled {
                let values = sampled(&record, values);
                add(&record, &values);
                self.builder.add(place.stack, place.labels, &values);
            } else if is_line(&record) {
                self.builder.add_or_raise(place.stack, place.labels, &values, &[value::PEAK_BYTES, value::PEAK_COUNT]);
            } else {
                add(&record, &values);
                self.builder.add(place.stack, place.labels, &values);
            }
        }
        if let Some(process) = self.processes.last_mut() {
            process.values = sum;
        }
        if unplaced > 0 {
            self.warnings.push(format!("{unplaced} counters were left out: their stacks are not in the recording"));
        }
    }

    /// The merged profile.
    pub fn finish(mut self) -> Decoded<Recorded> {
        self.warnings.extend(self.symbolizer.warnings());
        let recorded = Recorded { profile: self.builder.finish(), processes: self.processes, sizes: self.sizes };
        Decoded { value: recorded, warnings: self.warnings }
    }
}

const PYTHON_KIND: u32 = 0;
const MALLOC_KIND: u32 = MALLOC_LEAF & 0xFF;
const MAPPING_KIND: u32 = MMAP_LEAF & 0xFF;

fn is_line(record: &Record) -> bool {
    u32::from(record.kind) == LINE_LEAF & 0xFF
}

/// Values in the order of [`ValueType::tracked`].
fn values(record: &Record, epoch: u64) -> [i64; 6] {
    let at_peak = record.epoch == epoch || is_line(record);
    [
        record.live_bytes,
        record.live_count,
        if at_peak { record.peak_bytes } else { record.live_bytes },
        if at_peak { record.peak_count } else { record.live_count },
        i64::try_from(record.total_bytes).unwrap_or(i64::MAX),
        i64::try_from(record.total_count).unwrap_or(i64::MAX),
    ]
}

/// The twelve columns of a sampled recording that one row of it fills half.
fn sampled(record: &Record, values: [i64; 6]) -> [i64; 12] {
    let mut all = [0; 12];
    if record.kind & VARIANCE != 0 {
        all[value::VARIANCE..].copy_from_slice(&values);
    } else {
        all[..value::VARIANCE].copy_from_slice(&values);
        for column in [value::LIVE_COUNT, value::PEAK_COUNT, value::TOTAL_COUNT] {
            all[column] = (all[column] + COUNT_UNIT / 2).div_euclid(COUNT_UNIT);
        }
    }
    all
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where a node's allocations are counted.
#[derive(Clone, Copy, Debug)]
struct Place {
    stack: StackId,
    thread: u32,
    labels: LabelSetId,
}

/// Turns the node tree of a recording into stacks with lines.
struct Resolver<'r, 'b> {
    recording: &'r Recording<'r>,
    native: &'r NativeFrames,
    builder: &'b mut ProfileBuilder,
    codes: Vec<Option<(FunctionId, LineTable)>>,
    format: LineFormat,
    /// Names by row of a thread, and behind them those of threads that share a row.
    threads: Vec<String>,
    /// Index of the name for threads that are not known.
    unknown: u32,
    /// Label sets by thread row and kind, made when first met.
    labels: Vec<[Option<LabelSetId>; KINDS.len()]>,
}

const KINDS: [&str; 6] = ["python", "malloc", "mmap", "file", "fd", "line"];

fn kind_of(code: u32) -> Option<usize> {
    match code {
        MALLOC_LEAF => Some(1),
        MMAP_LEAF => Some(2),
        FILE_MAPPING_LEAF => Some(3),
        DESCRIPTOR_LEAF => Some(4),
        LINE_LEAF => Some(5),
        _ => None,
    }
}

/// The function that a thread of `threading` runs, if `node` is its frame.
fn thread_target(recording: &Recording<'_>, node: &Node) -> Option<String> {
    let caller = recording.code(recording.node(node.parent)?.code)?;
    let called = recording.code(node.code)?;
    let is_method = |code: &CodeView<'_>, method: &[u8]| {
        // Before 3.11 code objects know no qualified name.
        let name = code.name.strip_prefix(b"Thread.").unwrap_or(code.name);
        name == method && code.file.ends_with(b"threading.py")
    };
    let is_target =
        is_method(&caller, b"run") || (is_method(&caller, b"_bootstrap_inner") && !is_method(&called, b"run"));
    let is_own = called.file.ends_with(b"threading.py");
    (is_target && !is_own).then(|| text(called.name))
}

/// By row of a thread: the function it ran.
fn thread_targets(recording: &Recording<'_>) -> HashMap<u32, String> {
    let mut targets = HashMap::new();
    for index in 0..recording.rows(Table::Nodes) as u32 {
        let Some(node) = recording.node(index) else { continue };
        let Some(name) = thread_target(recording, &node) else { continue };
        let mut root = node;
        while root.code != THREAD_CODE
            && let Some(parent) = recording.node(root.parent)
        {
            root = parent;
        }
        targets.entry(root.instruction).or_insert(name);
    }
    targets
}

/// Threads without a name of their own go by what they ran, as `threading` names them by default.
fn name_of_target(target: &str) -> String {
    format!("Thread-N ({target})")
}

impl<'r, 'b> Resolver<'r, 'b> {
    fn new(recording: &'r Recording<'r>, native: &'r NativeFrames, builder: &'b mut ProfileBuilder) -> Self {
        let targets = thread_targets(recording);
        let thread_name = |row| match recording.thread(row) {
            Some(thread) if thread.uses > 1 => SEVERAL_THREADS.to_owned(),
            Some(thread) if !thread.name.is_empty() => text(thread.name),
            // Threads that lived shorter than it takes to ask for their names.
            Some(_) if targets.contains_key(&row) => name_of_target(&targets[&row]),
            Some(thread) => format!("thread {}", thread.tid),
            None => "unknown thread".to_owned(),
        };
        // The entry behind them serves nodes whose thread is not known.
        let mut threads: Vec<_> = (0..recording.rows(Table::Threads) as u32).map(thread_name).collect();
        let unknown = threads.len() as u32;
        threads.push("unknown thread".to_owned());
        let codes = vec![None; recording.rows(Table::Codes)];
        let labels = vec![[None; KINDS.len()]; threads.len()];
        let version = recording.header_u32(offset_of!(Header, python_version));
        let format = LineFormat::of(version >> 16 & 0xff);
        Self { recording, native, builder, codes, format, threads, unknown, labels }
    }

    fn places(mut self) -> Vec<Option<Place>> {
        let rows = self.recording.rows(Table::Nodes);
        let mut places: Vec<Option<Place>> = Vec::with_capacity(rows);
        for index in 0..rows as u32 {
            let place = self.recording.node(index).map(|node| self.place(node, &places));
            places.push(place);
        }
        places
    }

    /// Parents come before children, so the parent's place is known.
    fn place(&mut self, node: Node, places: &[Option<Place>]) -> Place {
        let unknown = self.unknown;
        if node.code == THREAD_CODE {
            let thread = node.instruction.min(unknown);
            return Place { stack: StackId::ROOT, thread, labels: self.label_set(thread, 0) };
        }
        let (parent, thread) = match places.get(node.parent as usize) {
            Some(Some(place)) => (place.stack, place.thread),
            _ => (StackId::ROOT, unknown),
        };
        if let Some(kind) = kind_of(node.code) {
            return Place { stack: parent, thread, labels: self.label_set(thread, kind) };
        }
        if node.code & NATIVE_MASK == NATIVE_CODE {
            let frames = self.native.frames(&node).iter();
            let stack = frames.fold(parent, |stack, &frame| self.builder.stack(stack, frame));
            return Place { stack, thread, labels: self.label_set(thread, 0) };
        }
        let thread = self.thread_below(thread, &node);
        let (function, line) = self.function(node);
        let frame = self.builder.frame(function, line);
        Place { stack: self.builder.stack(parent, frame), thread, labels: self.label_set(thread, 0) }
    }

    /// In a row that several threads have used, each goes by what it ran.
    fn thread_below(&mut self, thread: u32, node: &Node) -> u32 {
        let is_shared = thread < self.unknown && self.threads[thread as usize] == SEVERAL_THREADS;
        let Some(target) = is_shared.then(|| thread_target(self.recording, node)).flatten() else { return thread };
        let name = name_of_target(&target);
        let known = self.threads[self.unknown as usize..].iter().position(|other| *other == name);
        known.map_or_else(
            || {
                self.threads.push(name);
                self.labels.push([None; KINDS.len()]);
                self.threads.len() as u32 - 1
            },
            |at| self.unknown + at as u32,
        )
    }

    fn label_set(&mut self, thread: u32, kind: usize) -> LabelSetId {
        let slot = &mut self.labels[thread as usize][kind];
        *slot.get_or_insert_with(|| {
            self.builder.label_set(&[("thread", &self.threads[thread as usize]), ("kind", KINDS[kind])])
        })
    }

    fn function(&mut self, node: Node) -> (FunctionId, u32) {
        if node.code == OTHER_CODE {
            return (self.builder.function(OTHER, "", 0), 0);
        }
        if node.code == NATIVE_CUT_CODE {
            return (self.builder.function(native::CUT, "", 0), 0);
        }
        let code = self.recording.code(node.code);
        let (Some(slot), Some(code)) = (self.codes.get_mut(node.code as usize), code) else {
            return (self.builder.function("<unknown>", "", 0), 0);
        };
        let format = self.format;
        let (function, lines) = slot.get_or_insert_with(|| {
            let name = String::from_utf8_lossy(code.name);
            let file = String::from_utf8_lossy(code.file);
            let function = self.builder.function(&name, &file, code.first_line);
            (function, LineTable::decode(format, code.line_table, code.first_line))
        });
        let line = if code.has_lines { Some(node.instruction) } else { lines.line(node.instruction) };
        (*function, line.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use brimline_recording::layout::{DATA_OFFSET, DIRECTORY_OFFSET, Extent, MAGIC, STATE_FINAL, VERSION};

    use super::*;
    use crate::StringId;

    fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
        out[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// A recording of one thread: `work` at line 5 holds 100 bytes (and 900 at the peak), the malloc leaf below it 40.
    fn recording() -> Vec<u8> {
        let words = |row: &[u32]| row.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        // Two instructions on line 5, which is one below the function's first line: a code without columns.
        let text = b"workapp.py\xe9\x02".to_vec();
        let codes = words(&[0, 4, 4, 6, 10, 2, 4, 0]);
        let nodes = words(&[
            0,
            0,
            0,
            0, // not used
            0,
            THREAD_CODE,
            0,
            0, // the thread
            1,
            0,
            1,
            0, // work
            2,
            MALLOC_LEAF,
            0,
            0, // below it
        ]);
        let record = |live: i64, peak: i64, epoch: u64, node: u32| {
            let mut row = Vec::new();
            for word in [live, 1, 1000, 10, peak, 1, epoch as i64, i64::from(node)] {
                row.extend_from_slice(&word.to_le_bytes());
            }
            row
        };
        let records = [record(90, 900, 7, 2), record(10, 333, 6, 2), record(40, 77, 6, 3)].concat();
        let mut threads = vec![0_u8; Table::Threads.row_bytes()];
        put(&mut threads, 0, &words(&[42, 1]));
        put(&mut threads, 16, b"MainThread");
        let mut out = vec![0_u8; DATA_OFFSET];
        put(&mut out, 0, &MAGIC);
        put(&mut out, offset_of!(Header, version), &VERSION.to_le_bytes());
        put(&mut out, offset_of!(Header, state), &STATE_FINAL.to_le_bytes());
        put(&mut out, offset_of!(Header, python_version), &0x030b_07f0_u32.to_le_bytes());
        put(&mut out, offset_of!(Header, extent_count), &5_u32.to_le_bytes());
        put(&mut out, offset_of!(Header, epoch), &7_u64.to_le_bytes());
        for (slot, (table, rows)) in Table::ALL.into_iter().zip([nodes, records, codes, text, threads]).enumerate() {
            let used = (rows.len() / table.row_bytes()) as u64;
            put(&mut out, offset_of!(Header, used) + slot * 8, &used.to_le_bytes());
            let row = DIRECTORY_OFFSET + slot * size_of::<Extent>();
            let offset = out.len() as u64;
            put(&mut out, row, &(table as u32).to_le_bytes());
            put(&mut out, row + offset_of!(Extent, offset), &offset.to_le_bytes());
            put(&mut out, row + offset_of!(Extent, bytes), &(rows.len() as u64).to_le_bytes());
            out.extend_from_slice(&rows);
        }
        out
    }

    #[test]
    fn sums_records_by_stack_and_kind_with_lines_and_the_peak() {
        let mut recordings = Recordings::default();
        recordings.add(&recording()).expect("opens");
        let Decoded { value: recorded, warnings } = recordings.finish();
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(recorded.processes[0].python, "3.11.7");
        assert_eq!(recorded.processes[0].state, State::Final);
        let profile = &recorded.profile;
        assert_eq!(profile.frames.len(), 1);
        let function = profile.functions[0];
        assert_eq!(profile.strings.get(function.name), "work");
        assert_eq!(profile.strings.get(function.file), "app.py");
        assert_ne!(function.name, StringId::default());
        assert_eq!((function.start_line, profile.frames[0].line), (4, 5));
        let samples: Vec<_> = profile
            .samples()
            .map(|(sample, values)| {
                let kind = profile.label(sample.labels, "kind").unwrap_or("").to_owned();
                assert_eq!(profile.label(sample.labels, "thread"), Some("MainThread"));
                (kind, values[value::LIVE_BYTES], values[value::PEAK_BYTES], values[value::TOTAL_COUNT])
            })
            .collect();
        // At the peak: 900 where the epoch is the present one, else what is live.
        assert_eq!(samples, [("python".to_owned(), 100, 910, 20), ("malloc".to_owned(), 40, 40, 10)]);
    }

    #[test]
    fn every_cut_is_partial_with_a_warning_or_an_error() {
        let whole = recording();
        for end in 0..whole.len() {
            let mut recordings = Recordings::default();
            let opened = recordings.add(&whole[..end]);
            assert_eq!(opened.is_err(), end < DATA_OFFSET, "cut at {end}");
            if opened.is_ok() {
                assert!(!recordings.finish().warnings.is_empty(), "cut at {end}");
            }
        }
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let whole = recording();
        let relevant = (0..600).chain(DIRECTORY_OFFSET..DIRECTORY_OFFSET + 200).chain(DATA_OFFSET..whole.len());
        for at in relevant {
            for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let mut recordings = Recordings::default();
                if recordings.add(&damaged).is_ok() {
                    recordings.finish();
                }
            }
        }
    }
}
