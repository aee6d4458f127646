//! `Profile`: which stacks hold, held or allocated how much.
//!
//! The vocabulary is pprof's (function, frame, sample, value type); the shape is samply's: tables of small rows that
//! point to each other by typed index, stacks as a tree of parent pointers.

use std::collections::HashMap;

use crate::interner::{StringId, StringTable};

/// Names of the value types brimline's own recordings carry, in this order (see [`ValueType::tracked`]).
pub mod value {
    /// Index of the bytes live at the end (design: after `atexit` handlers and one collection).
    pub const LIVE_BYTES: usize = 0;
    /// Index of the number of blocks live at the end.
    pub const LIVE_COUNT: usize = 1;
    /// Index of the bytes live when the process was at its high-water mark; rows sum to the peak.
    pub const PEAK_BYTES: usize = 2;
    /// Index of the blocks live at the high-water mark.
    pub const PEAK_COUNT: usize = 3;
    /// Index of all bytes ever allocated.
    pub const TOTAL_BYTES: usize = 4;
    /// Index of all blocks ever allocated.
    pub const TOTAL_COUNT: usize = 5;
    /// What to add to the index of a column of a sampled recording to get that of its variance: of bytes in units of
    /// bytes × the period, of counts in units of 1 / [`COUNT_VARIANCE_UNIT`].
    pub const VARIANCE: usize = 6;
    /// See [`VARIANCE`].
    pub const COUNT_VARIANCE_UNIT: i64 = 16;
}

/// What one column of sample values measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueType {
    /// Name in snake case, for example `live_bytes` or `inuse_space`.
    pub name: String,
    /// `bytes`, `count`, `nanoseconds`, …
    pub unit: String,
}

impl ValueType {
    /// The six columns of a tracker recording, indexed by the constants in [`value`].
    pub fn tracked() -> Vec<Self> {
        [
            ("live_bytes", "bytes"),
            ("live_count", "count"),
            ("peak_bytes", "bytes"),
            ("peak_count", "count"),
            ("total_bytes", "bytes"),
            ("total_count", "count"),
        ]
        .into_iter()
        .map(|(name, unit)| Self { name: name.into(), unit: unit.into() })
        .collect()
    }

    /// The columns of a sampled recording: the six, and behind them their variances, see [`value::VARIANCE`].
    pub fn sampled() -> Vec<Self> {
        let mut columns = Self::tracked();
        columns.extend(
            Self::tracked()
                .into_iter()
                .map(|column| Self { name: format!("{}_variance", column.name), unit: "variance".into() }),
        );
        columns
    }
}

/// How the numbers of a profile came to be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Precision {
    /// Every allocation was seen.
    #[default]
    Exact,
    /// One allocation in about `period` bytes was seen, values are scaled to be unbiased.
    Sampled {
        /// Mean distance between samples, in bytes.
        period: u64,
    },
}

/// Index into [`Profile::functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub u32);

/// Index into [`Profile::frames`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameId(pub u32);

/// Index into [`Profile::stacks`]; [`StackId::ROOT`] is the empty stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StackId(pub u32);

impl StackId {
    /// The empty stack, row 0 of every profile.
    pub const ROOT: Self = Self(0);
}

/// Index into the label sets of a profile; 0 is the set without labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabelSetId(pub u32);

/// A function as the runtime names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Function {
    /// Qualified name, for example `Session.load` or `main.(*Cache).Put`.
    pub name: StringId,
    /// Source file as the runtime reports it; empty when unknown.
    pub file: StringId,
    /// Line where the function starts, 1-based; 0 when unknown.
    pub start_line: u32,
    /// For machine code the path of the executable or library it lies in, else empty.
    pub library: StringId,
}

/// A file of machine code as a process had it loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Module {
    /// Its path.
    pub path: String,
    /// Its build id, empty if it had none.
    pub build_id: Vec<u8>,
    /// Address of its first byte in the process.
    pub start: u64,
    /// Where its last segment ended in the process.
    pub end: u64,
}

/// Where the machine code of a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeAddress {
    /// Index into [`Profile::modules`].
    pub module: u32,
    /// Address in the process. A line has many; this is one of them.
    pub address: u64,
}

/// A place in a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The function executing.
    pub function: FunctionId,
    /// Line being executed, 1-based; 0 when unknown.
    pub line: u32,
}

/// One step of a stack: `frame` was called by the stack `parent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StackNode {
    /// The caller's stack; [`StackId::ROOT`] for an outermost frame.
    pub parent: StackId,
    /// The frame added to it.
    pub frame: FrameId,
}

/// Values of one stack under one set of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Leaf of the stack.
    pub stack: StackId,
    /// Labels, for example the thread.
    pub labels: LabelSetId,
}

/// Stacks × values. Built by [`ProfileBuilder`]; samples are unique per (stack, labels).
#[derive(Clone, Debug)]
pub struct Profile {
    /// All names and paths.
    pub strings: StringTable,
    /// Functions, each once.
    pub functions: Vec<Function>,
    /// Frames, each once.
    pub frames: Vec<Frame>,
    /// Stack tree; row 0 is the root and its own parent (its frame means nothing). Parents come before children.
    pub stacks: Vec<StackNode>,
    /// Files of machine code that frames lie in.
    pub modules: Vec<Module>,
    /// Columns of [`Profile::values`].
    pub value_types: Vec<ValueType>,
    /// Exact or sampled.
    pub precision: Precision,
    samples: Vec<Sample>,
    values: Vec<i64>,
    label_sets: Vec<Vec<(StringId, StringId)>>,
    code_addresses: HashMap<FrameId, CodeAddress>,
}

impl Profile {
    /// Where the machine code of a frame lies, if it is one of machine code.
    pub fn code_address(&self, frame: FrameId) -> Option<CodeAddress> {
        self.code_addresses.get(&frame).copied()
    }

    /// All samples with their values, one value per entry of `value_types`.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = (Sample, &[i64])> {
        let width = self.value_types.len().max(1);
        self.samples.iter().copied().zip(self.values.chunks_exact(width))
    }

    /// All label sets.
    pub fn label_sets(&self) -> impl Iterator<Item = LabelSetId> + use<> {
        (0..self.label_sets.len() as u32).map(LabelSetId)
    }

    /// Labels of a set as (key, value) pairs.
    pub fn labels(&self, set: LabelSetId) -> impl Iterator<Item = (&str, &str)> {
        self.label_sets[set.0 as usize].iter().map(|&(key, value)| (self.strings.get(key), self.strings.get(value)))
    }

    /// Value of label `key` in a set.
    pub fn label(&self, set: LabelSetId, key: &str) -> Option<&str> {
        self.labels(set).find(|&(name, _)| name == key).map(|(_, value)| value)
    }

    /// Frames of a stack, leaf first.
    pub fn frames_of(&self, stack: StackId) -> impl Iterator<Item = FrameId> + '_ {
        let mut at = stack;
        std::iter::from_fn(move || {
            if at == StackId::ROOT {
                return None;
            }
            let node = self.stacks[at.0 as usize];
            at = node.parent;
            Some(node.frame)
        })
    }

    /// The function of a frame.
    pub fn function_of(&self, frame: FrameId) -> Function {
        self.functions[self.frames[frame.0 as usize].function.0 as usize]
    }

    /// Index of the value type called `name`.
    pub fn value_index(&self, name: &str) -> Option<usize> {
        self.value_types.iter().position(|value_type| value_type.name == name)
    }

    /// Keeps the samples that `keep` says, by their labels.
    pub fn retain_label_sets(&mut self, keep: impl Fn(&Self, LabelSetId) -> bool) {
        let kept: Vec<bool> = self.label_sets().map(|set| keep(self, set)).collect();
        let width = self.value_types.len();
        let mut row = 0;
        for index in 0..self.samples.len() {
            if kept[self.samples[index].labels.0 as usize] {
                self.samples[row] = self.samples[index];
                self.values.copy_within(index * width..(index + 1) * width, row * width);
                row += 1;
            }
        }
        self.samples.truncate(row);
        self.values.truncate(row * width);
    }

    /// Sum over all samples, one number per value type.
    pub fn totals(&self) -> Vec<i64> {
        let mut totals = vec![0_i64; self.value_types.len()];
        for (_, values) in self.samples() {
            for (total, value) in totals.iter_mut().zip(values) {
                *total = total.saturating_add(*value);
            }
        }
        totals
    }
}

/// Collects functions, frames, stacks and samples, each stored once, into a [`Profile`].
#[derive(Debug)]
pub struct ProfileBuilder {
    profile: Profile,
    function_ids: HashMap<Function, FunctionId>,
    module_ids: HashMap<Module, u32>,
    frame_ids: HashMap<Frame, FrameId>,
    stack_ids: HashMap<StackNode, StackId>,
    label_set_ids: HashMap<Vec<(StringId, StringId)>, LabelSetId>,
    sample_rows: HashMap<(StackId, LabelSetId), usize>,
}

impl ProfileBuilder {
    /// An empty profile with the given columns.
    pub fn new(value_types: Vec<ValueType>, precision: Precision) -> Self {
        let root = StackNode { parent: StackId::ROOT, frame: FrameId(u32::MAX) };
        Self {
            profile: Profile {
                strings: StringTable::default(),
                functions: Vec::new(),
                frames: Vec::new(),
                stacks: vec![root],
                modules: Vec::new(),
                value_types,
                precision,
                samples: Vec::new(),
                values: Vec::new(),
                label_sets: vec![Vec::new()],
                code_addresses: HashMap::new(),
            },
            function_ids: HashMap::new(),
            module_ids: HashMap::new(),
            frame_ids: HashMap::new(),
            stack_ids: HashMap::new(),
            label_set_ids: HashMap::from([(Vec::new(), LabelSetId(0))]),
            sample_rows: HashMap::new(),
        }
    }

    /// Number of value columns.
    pub fn columns(&self) -> usize {
        self.profile.value_types.len()
    }

    /// Id of a string.
    pub fn string(&mut self, text: &str) -> StringId {
        self.profile.strings.intern(text)
    }

    /// Id of a function given by name, file and first line.
    pub fn function(&mut self, name: &str, file: &str, start_line: u32) -> FunctionId {
        self.native_function(name, file, start_line, "")
    }

    /// Id of a function of machine code in the executable or library at `library`.
    pub fn native_function(&mut self, name: &str, file: &str, start_line: u32, library: &str) -> FunctionId {
        let (name, file, library) = (self.string(name), self.string(file), self.string(library));
        let function = Function { name, file, start_line, library };
        let next = FunctionId(self.profile.functions.len() as u32);
        *self.function_ids.entry(function).or_insert_with(|| {
            self.profile.functions.push(function);
            next
        })
    }

    /// Id of a frame.
    pub fn frame(&mut self, function: FunctionId, line: u32) -> FrameId {
        let frame = Frame { function, line };
        let next = FrameId(self.profile.frames.len() as u32);
        *self.frame_ids.entry(frame).or_insert_with(|| {
            self.profile.frames.push(frame);
            next
        })
    }

    /// Index of a file of machine code.
    pub fn module(&mut self, module: Module) -> u32 {
        let next = self.profile.modules.len() as u32;
        *self.module_ids.entry(module).or_insert_with_key(|module| {
            self.profile.modules.push(module.clone());
            next
        })
    }

    /// Notes where the machine code of a frame lies; the first address of a frame stays.
    pub fn set_code_address(&mut self, frame: FrameId, address: CodeAddress) {
        self.profile.code_addresses.entry(frame).or_insert(address);
    }

    /// Id of the stack in which `frame` was called by `parent`.
    pub fn stack(&mut self, parent: StackId, frame: FrameId) -> StackId {
        let node = StackNode { parent, frame };
        let next = StackId(self.profile.stacks.len() as u32);
        *self.stack_ids.entry(node).or_insert_with(|| {
            self.profile.stacks.push(node);
            next
        })
    }

    /// Id of a label set; the order of the pairs does not matter.
    pub fn label_set(&mut self, labels: &[(&str, &str)]) -> LabelSetId {
        let mut set: Vec<_> = labels.iter().map(|&(key, value)| (self.string(key), self.string(value))).collect();
        set.sort_unstable();
        let next = LabelSetId(self.profile.label_sets.len() as u32);
        *self.label_set_ids.entry(set).or_insert_with_key(|set| {
            self.profile.label_sets.push(set.clone());
            next
        })
    }

    /// Adds values to the sample of (stack, labels); `values` has one entry per value type.
    pub fn add(&mut self, stack: StackId, labels: LabelSetId, values: &[i64]) {
        for (sum, value) in self.row(stack, labels).iter_mut().zip(values) {
            *sum = sum.saturating_add(*value);
        }
        debug_assert_eq!(values.len(), self.profile.value_types.len());
    }

    /// As [`ProfileBuilder::add`], but the columns in `highest` keep the highest value instead of the sum.
    pub fn add_or_raise(&mut self, stack: StackId, labels: LabelSetId, values: &[i64], highest: &[usize]) {
        for (column, (kept, value)) in self.row(stack, labels).iter_mut().zip(values).enumerate() {
            *kept = if highest.contains(&column) { (*kept).max(*value) } else { kept.saturating_add(*value) };
        }
    }

    /// Values of the sample of (stack, labels), zeros if it is new.
    fn row(&mut self, stack: StackId, labels: LabelSetId) -> &mut [i64] {
        let width = self.profile.value_types.len();
        let row = *self.sample_rows.entry((stack, labels)).or_insert_with(|| {
            self.profile.samples.push(Sample { stack, labels });
            self.profile.values.resize(self.profile.samples.len() * width, 0);
            self.profile.samples.len() - 1
        });
        &mut self.profile.values[row * width..][..width]
    }

    /// The finished profile.
    pub fn finish(self) -> Profile {
        self.profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_equal_stacks_and_keeps_leaf_first_order() {
        let mut builder =
            ProfileBuilder::new(vec![ValueType { name: "live_bytes".into(), unit: "bytes".into() }], Precision::Exact);
        let main = builder.function("main", "app.py", 1);
        let load = builder.function("load", "app.py", 10);
        let outer = builder.frame(main, 3);
        let inner = builder.frame(load, 12);
        let parent = builder.stack(StackId::ROOT, outer);
        let leaf = builder.stack(parent, inner);
        let labels = builder.label_set(&[("thread", "MainThread")]);
        builder.add(leaf, labels, &[10]);
        builder.add(leaf, labels, &[5]);
        let profile = builder.finish();
        assert_eq!(profile.samples().len(), 1);
        assert_eq!(profile.totals(), [15]);
        assert_eq!(profile.frames_of(leaf).collect::<Vec<_>>(), [inner, outer]);
        assert_eq!(profile.label(labels, "thread"), Some("MainThread"));
    }

    #[test]
    fn keeps_the_highest_where_asked_and_drops_samples_by_label() {
        let columns = ["sum", "highest"].map(|name| ValueType { name: name.into(), unit: "bytes".into() });
        let mut builder = ProfileBuilder::new(columns.into(), Precision::Exact);
        let labels = builder.label_set(&[("kind", "line")]);
        builder.add_or_raise(StackId::ROOT, labels, &[3, 30], &[1]);
        builder.add_or_raise(StackId::ROOT, labels, &[4, 20], &[1]);
        builder.add(StackId::ROOT, LabelSetId(0), &[1, 1]);
        let mut profile = builder.finish();
        assert_eq!(profile.totals(), [8, 31]);
        profile.retain_label_sets(|profile, set| profile.label(set, "kind") == Some("line"));
        assert_eq!(profile.samples().map(|(_, values)| values.to_vec()).collect::<Vec<_>>(), [[7, 30]]);
    }
}
