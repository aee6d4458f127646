//! The tree of stacks and what each of them holds.

use std::collections::HashMap;

use super::header::{Header, KINDS};
use super::names::Names;
use super::{MemrayError, Outcome};
use crate::{FrameId, Precision, ProfileBuilder, StackId, ValueType};

/// One for each stack that memray met, callers included.
const MOST_NODES: usize = 1 << 24;
const NO_ROW: u32 = u32::MAX;

/// A step: `code` at `instruction` was called by the stack `parent`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Step {
    parent: u32,
    code: u32,
    instruction: i32,
}

struct Node {
    step: Step,
    /// By kind of memory.
    rows: [u32; KINDS.len()],
}

/// What a stack holds, held and took of one kind of memory.
#[derive(Clone, Copy, Default)]
pub(super) struct Row {
    pub(super) live_bytes: i64,
    pub(super) live_count: i64,
    pub(super) peak_bytes: i64,
    pub(super) peak_count: i64,
    pub(super) total_bytes: i64,
    pub(super) total_count: i64,
    /// The peak that `peak_bytes` is of.
    epoch: u64,
}

pub(super) struct Stacks {
    nodes: Vec<Node>,
    /// Open addressing over the nodes; 0 is none.
    table: Vec<u32>,
    shift: u32,
    pub(super) rows: Vec<Row>,
    threads: Vec<Thread>,
    thread_ids: HashMap<u64, u32>,
    current_bytes: i64,
    peak_bytes: i64,
    epoch: u64,
}

struct Thread {
    id: u64,
    name: String,
    root: u32,
    /// Nodes of its frames, the innermost last.
    frames: Vec<u32>,
}

impl Stacks {
    pub(super) fn new() -> Self {
        let step = Step { parent: 0, code: u32::MAX, instruction: 0 };
        Self {
            nodes: vec![Node { step, rows: [NO_ROW; KINDS.len()] }],
            table: vec![0; 1 << 12],
            shift: 64 - 12,
            rows: Vec::new(),
            threads: Vec::new(),
            thread_ids: HashMap::new(),
            current_bytes: 0,
            peak_bytes: 0,
            epoch: 0,
        }
    }

    /// Index of a thread; its stack is empty when it is met for the first time.
    pub(super) fn thread(&mut self, id: u64) -> Result<u32, MemrayError> {
        if let Some(&index) = self.thread_ids.get(&id) {
            return Ok(index);
        }
        let index = self.threads.len() as u32;
        // Below the root of all, a thread is a step of its own.
        let root = self.push_node(Step { parent: 0, code: u32::MAX, instruction: index as i32 })?;
        self.threads.push(Thread { id, name: String::new(), root, frames: Vec::new() });
        self.thread_ids.insert(id, index);
        Ok(index)
    }

    pub(super) fn name_thread(&mut self, thread: u32, name: String) {
        self.threads[thread as usize].name = name;
    }

    #[inline]
    fn hash(&self, step: Step) -> usize {
        let key = (u64::from(step.parent) << 32 | u64::from(step.code)) ^ u64::from(step.instruction as u32) << 15;
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// The node below `parent`, made when it is new.
    #[inline]
    pub(super) fn child(&mut self, parent: u32, code: u32, instruction: i32) -> Result<u32, MemrayError> {
        let step = Step { parent, code, instruction };
        let mask = self.table.len() - 1;
        let mut at = self.hash(step);
        loop {
            let node = self.table[at];
            if node == 0 {
                break;
            }
            if self.nodes[node as usize].step == step {
                return Ok(node);
            }
            at = (at + 1) & mask;
        }
        let node = self.push_node(step)?;
        self.table[at] = node;
        if self.nodes.len() * 2 > self.table.len() {
            self.grow();
        }
        Ok(node)
    }

    fn push_node(&mut self, step: Step) -> Result<u32, MemrayError> {
        if self.nodes.len() >= MOST_NODES {
            return Err(MemrayError::TooMany { what: "stacks", limit: MOST_NODES as u64 });
        }
        self.nodes.push(Node { step, rows: [NO_ROW; KINDS.len()] });
        Ok(self.nodes.len() as u32 - 1)
    }

    #[cold]
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.table);
        self.table = vec![0; old.len() * 2];
        self.shift -= 1;
        let mask = self.table.len() - 1;
        for node in old.into_iter().filter(|&node| node != 0) {
            let mut at = self.hash(self.nodes[node as usize].step);
            while self.table[at] != 0 {
                at = (at + 1) & mask;
            }
            self.table[at] = node;
        }
    }

    #[inline]
    pub(super) fn push(&mut self, thread: u32, code: u32, instruction: i32) -> Result<(), MemrayError> {
        let top = self.top(thread);
        let node = self.child(top, code, instruction)?;
        self.threads[thread as usize].frames.push(node);
        Ok(())
    }

    /// False when there are fewer frames.
    #[inline]
    pub(super) fn pop(&mut self, thread: u32, count: usize) -> bool {
        let frames = &mut self.threads[thread as usize].frames;
        let Some(left) = frames.len().checked_sub(count) else { return false };
        frames.truncate(left);
        true
    }

    /// The node of a thread's stack.
    #[inline]
    pub(super) fn top(&self, thread: u32) -> u32 {
        let thread = &self.threads[thread as usize];
        thread.frames.last().copied().unwrap_or(thread.root)
    }

    /// The root of a thread's stacks.
    pub(super) fn root(&self, thread: u32) -> u32 {
        self.threads[thread as usize].root
    }

    #[inline]
    pub(super) fn row(&mut self, node: u32, kind: usize) -> u32 {
        let row = self.nodes[node as usize].rows[kind];
        if row != NO_ROW {
            return row;
        }
        let row = self.rows.len() as u32;
        self.rows.push(Row { epoch: self.epoch, ..Row::default() });
        self.nodes[node as usize].rows[kind] = row;
        row
    }

    /// Changes what a row holds now. What it held at the peak is set aside before its first change after it.
    #[inline]
    pub(super) fn change(&mut self, row: u32, bytes: i64, count: i64) {
        let epoch = self.epoch;
        let row = &mut self.rows[row as usize];
        if row.epoch != epoch {
            row.peak_bytes = row.live_bytes;
            row.peak_count = row.live_count;
            row.epoch = epoch;
        }
        row.live_bytes = row.live_bytes.wrapping_add(bytes);
        row.live_count += count;
    }

    /// Changes what the process holds, as memray's own finder of the peak counts it. Comes after the rows: at a new
    /// peak, and at one as high as the last, they are what it consists of.
    #[inline]
    pub(super) fn change_total(&mut self, bytes: i64) {
        self.current_bytes = self.current_bytes.wrapping_add(bytes);
        if self.current_bytes >= self.peak_bytes {
            self.peak_bytes = self.current_bytes;
            self.epoch += 1;
        }
    }

    /// The profile of all that was counted.
    pub(super) fn finish(mut self, header: &Header, names: &mut Names, is_complete: bool) -> Outcome {
        for row in &mut self.rows {
            if row.epoch != self.epoch {
                row.peak_bytes = row.live_bytes;
                row.peak_count = row.live_count;
            }
        }
        let peak_bytes = self.peak_bytes;
        Outcome { profile: self.profile(header, names), peak_bytes, is_complete }
    }

    /// The profile of rows whose peaks are known already.
    pub(super) fn profile(self, header: &Header, names: &mut Names) -> crate::Profile {
        let mut is_needed = vec![false; self.nodes.len()];
        for index in (1..self.nodes.len()).rev() {
            let node = &self.nodes[index];
            is_needed[index] |= node.rows.iter().any(|&row| row != NO_ROW);
            if is_needed[index] {
                is_needed[node.step.parent as usize] = true;
            }
        }
        let mut builder = ProfileBuilder::new(ValueType::tracked(), Precision::Exact);
        // Stack, depth and thread of each node; parents come first.
        let mut places = vec![(StackId::ROOT, 0_u64, 0_u32); self.nodes.len()];
        let mut frames: HashMap<(u32, i32), FrameId> = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate().skip(1).filter(|&(index, _)| is_needed[index]) {
            let step = node.step;
            places[index] = if step.parent == 0 {
                (StackId::ROOT, 0, step.instruction as u32)
            } else {
                let (parent, depth, thread) = places[step.parent as usize];
                let depth = depth + 1;
                let is_skipped = depth <= header.skipped_frames
                    && self.threads.get(thread as usize).is_some_and(|thread| thread.id == header.main_thread);
                if is_skipped {
                    (StackId::ROOT, depth, thread)
                } else {
                    let frame = *frames
                        .entry((step.code, step.instruction))
                        .or_insert_with(|| names.frame(step.code, step.instruction, &mut builder));
                    (builder.stack(parent, frame), depth, thread)
                }
            };
            let (stack, _, thread) = places[index];
            for (kind, &row) in KINDS.iter().zip(&node.rows).filter(|&(_, &row)| row != NO_ROW) {
                let name = self.threads.get(thread as usize).map(|thread| thread.label(header)).unwrap_or_default();
                let labels = builder.label_set(&[("thread", &name), ("kind", kind)]);
                let row = &self.rows[row as usize];
                let values =
                    [row.live_bytes, row.live_count, row.peak_bytes, row.peak_count, row.total_bytes, row.total_count];
                builder.add(stack, labels, &values);
            }
        }
        builder.finish()
    }
}

impl Thread {
    /// Its name, or its number in memray's way.
    fn label(&self, header: &Header) -> String {
        match &*self.name {
            "" if self.id == header.main_thread => "MainThread".to_owned(),
            "" => format!("{:#x}", self.id),
            name => name.to_owned(),
        }
    }
}
