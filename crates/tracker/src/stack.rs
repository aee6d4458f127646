//! Which Python stack a thread is in, read from its own frames.
//!
//! No profile function: at an allocation the thread walks its interpreter frames, which nobody else can change, and
//! compares them with the stack it saw last. Two stacks are equal if each frame stands at the same instruction; so the
//! check needs two loads a frame from addresses known beforehand, and only what differs is looked up in the tree.

use crate::array::Array;
use crate::layout311 as layout;
use crate::shard::Shard;
use crate::{codes, deep, lines};

/// How far below the expected place a frame is looked for before the whole stack is walked.
const WINDOW: usize = 8;
/// How many new frames are gathered before the whole stack is walked.
const NEW_FRAMES: usize = 24;
const CODE_CACHE: usize = 256;

/// A frame as it was when last seen.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) frame: usize,
    instruction: usize,
    node: u32,
    /// Index + 1 of the innermost entry up to this one whose lines are wanted, 0 for none.
    wanted: u32,
}

#[derive(Clone, Copy)]
struct Seen {
    frame: usize,
    instruction: usize,
}

/// The stack a thread was last seen in, outermost frame first.
pub(crate) struct StackCache {
    pub(crate) entries: Array<Entry>,
    /// Entries below this index are known to be unchanged; above 0 only while `deep.rs` watches returns.
    pub(crate) unchanged: usize,
    /// The thread state whose returns are watched, 0 for none.
    pub(crate) watched: usize,
    seen: Array<Seen>,
    code_rows: [(usize, u32); CODE_CACHE],
    code_epoch: u32,
}

impl StackCache {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Array::new(),
            unchanged: 0,
            watched: 0,
            seen: Array::new(),
            code_rows: [(0, 0); CODE_CACHE],
            code_epoch: 0,
        }
    }

    /// Gives all memory back.
    pub(crate) fn release(&mut self) {
        self.entries.free();
        self.seen.free();
        *self = Self::new();
    }

    /// Node of the innermost line that is wanted.
    pub(crate) fn wanted_line(&self) -> Option<u32> {
        let entries = self.entries.as_slice();
        let wanted = entries.last()?.wanted;
        Some(entries[wanted.checked_sub(1)? as usize].node)
    }

    /// Node of the stack up to entry `index`.
    pub(crate) fn node_at(&self, index: usize) -> Option<u32> {
        self.entries.as_slice().get(index).map(|entry| entry.node)
    }

    fn forget(&mut self) {
        self.entries.truncate(0);
        self.unchanged = 0;
        self.code_rows = [(0, 0); CODE_CACHE];
    }
}

#[inline]
pub(crate) unsafe fn load(address: usize) -> usize {
    (address as *const usize).read()
}

/// The value itself, but the compiler cannot know: a load from it need not wait for what it was compared with.
#[inline]
fn opaque(mut value: usize) -> usize {
    // SAFETY: no instruction.
    unsafe { core::arch::asm!("/* {0} */", inout(reg) value, options(pure, nomem, nostack, preserves_flags)) };
    value
}

/// True if the frames of `entries[..=top]` are linked as they were, and all but the top one stand where they stood.
#[inline]
unsafe fn is_unchanged(entries: &[Entry], top: usize, known: usize) -> bool {
    let mut at = top;
    let mut frame = entries[top].frame;
    while at > 0 {
        let caller = entries[at - 1];
        if load(frame + layout::FRAME_PREVIOUS) != caller.frame {
            return false;
        }
        frame = opaque(caller.frame);
        if load(frame + layout::FRAME_INSTRUCTION) != caller.instruction {
            return false;
        }
        at -= 1;
        if at < known {
            return true;
        }
    }
    load(frame + layout::FRAME_PREVIOUS) == 0
}

/// Frames that have not reached their first own instruction do not count, as for `tracemalloc`.
pub(crate) unsafe fn is_incomplete(frame: usize) -> bool {
    if ((frame + layout::FRAME_OWNER) as *const u8).read() == layout::OWNED_BY_GENERATOR {
        return false;
    }
    let code = load(frame + layout::FRAME_CODE);
    let first_traceable = ((code + layout::CODE_FIRST_TRACEABLE) as *const i32).read();
    load(frame + layout::FRAME_INSTRUCTION) < code + layout::CODE_INSTRUCTIONS + first_traceable as usize * 2
}

/// Node of the present stack of the thread whose state is `thread` (0: a thread without Python); `None` when the
/// tables are full.
///
/// # Safety
/// Called on that very thread, with a state that is alive.
#[inline]
pub(crate) unsafe fn current_node(shard: &mut Shard, thread: usize, has_gil: bool) -> Option<u32> {
    if thread == 0 {
        return Some(shard.root);
    }
    let frame = load(load(thread + layout::THREAD_CFRAME) + layout::CFRAME_CURRENT_FRAME);
    let stack = &mut shard.stack;
    if stack.watched == 0
        && let Some(top) = stack.entries.len().checked_sub(1)
    {
        let entries = stack.entries.as_slice();
        if entries[top].frame == frame
            && load(frame + layout::FRAME_INSTRUCTION) == entries[top].instruction
            && is_unchanged(entries, top, 0)
            && stack.code_epoch == codes::epoch()
        {
            return Some(entries[top].node);
        }
    }
    resolve(shard, thread, frame, has_gil)
}

#[inline(never)]
unsafe fn resolve(shard: &mut Shard, thread: usize, top: usize, has_gil: bool) -> Option<u32> {
    if shard.stack.code_epoch != codes::epoch() {
        shard.stack.code_epoch = codes::epoch();
        shard.stack.forget();
    }
    if shard.stack.watched != 0 {
        deep::trust(&mut shard.stack, thread);
    }
    let node = match find_base(&mut shard.stack, top) {
        Some(base) => add_seen(shard, base),
        None => {
            let base = walk_all(&mut shard.stack, top)?;
            add_seen(shard, base)
        }
    };
    if node.is_none() {
        shard.stack.forget();
    }
    deep::consider(&mut shard.stack, thread, has_gil);
    node
}

/// Gathers the frames that are new since the last time; returns how many outer entries still hold. `None` if that
/// takes a walk over the whole stack.
unsafe fn find_base(stack: &mut StackCache, top: usize) -> Option<usize> {
    stack.seen.truncate(0);
    let mut frame = top;
    while frame != 0 {
        if !is_incomplete(frame) {
            let instruction = load(frame + layout::FRAME_INSTRUCTION);
            let entries = stack.entries.as_slice();
            let nearest = entries.iter().rev().take(WINDOW).position(|entry| entry.frame == frame);
            if let Some(distance) = nearest {
                let at = entries.len() - 1 - distance;
                if !is_unchanged(entries, at, stack.unchanged.min(at)) {
                    return None;
                }
                if instruction == entries[at].instruction {
                    return Some(at + 1);
                }
                stack.seen.push(Seen { frame, instruction });
                return Some(at);
            }
            if stack.seen.len() >= NEW_FRAMES || !stack.seen.push(Seen { frame, instruction }) {
                return None;
            }
        }
        frame = load(frame + layout::FRAME_PREVIOUS);
    }
    Some(0)
}

/// Gathers all frames and returns how many outer entries stand at the same instructions as before.
unsafe fn walk_all(stack: &mut StackCache, top: usize) -> Option<usize> {
    stack.seen.truncate(0);
    let mut frame = top;
    while frame != 0 {
        if !is_incomplete(frame)
            && !stack.seen.push(Seen { frame, instruction: load(frame + layout::FRAME_INSTRUCTION) })
        {
            return None;
        }
        frame = load(frame + layout::FRAME_PREVIOUS);
    }
    let mut base = 0;
    let entries = stack.entries.as_mut_slice();
    for (entry, seen) in entries.iter_mut().zip(stack.seen.as_slice().iter().rev()) {
        if entry.instruction != seen.instruction {
            break;
        }
        entry.frame = seen.frame;
        base += 1;
    }
    let length = stack.seen.len() - base;
    stack.seen.truncate(length);
    Some(base)
}

/// Replaces the entries from `base` on by the frames gathered; the node of the whole stack.
unsafe fn add_seen(shard: &mut Shard, base: usize) -> Option<u32> {
    shard.stack.entries.truncate(base);
    let (mut node, mut wanted) = match base.checked_sub(1).map(|last| shard.stack.entries.as_slice()[last]) {
        Some(last) => (last.node, last.wanted),
        None => (shard.root, 0),
    };
    for at in (0..shard.stack.seen.len()).rev() {
        let Seen { frame, instruction } = shard.stack.seen.as_slice()[at];
        let code = load(frame + layout::FRAME_CODE);
        let row = code_row(&mut shard.stack, code)?;
        let offset = instruction.wrapping_sub(code + layout::CODE_INSTRUCTIONS) as isize / 2;
        node = shard.child(node, row, offset as u32)?;
        if lines::enabled() && lines::is_wanted(row) {
            wanted = shard.stack.entries.len() as u32 + 1;
        }
        if !shard.stack.entries.push(Entry { frame, instruction, node, wanted }) {
            return None;
        }
    }
    Some(node)
}

unsafe fn code_row(stack: &mut StackCache, code: usize) -> Option<u32> {
    let place = (code >> 6 ^ code >> 14) % CODE_CACHE;
    if stack.code_rows[place].0 == code {
        return Some(stack.code_rows[place].1);
    }
    let row = codes::intern(code)?;
    stack.code_rows[place] = (code, row);
    Some(row)
}
