//! Which Python stack a thread is in, read from its own frames.
//!
//! No profile function: at an allocation the thread walks its interpreter frames, which nobody else can change, and
//! compares them with the stack it saw last. Two stacks are equal if each frame stands at the same instruction; so the
//! check needs two loads a frame from addresses known beforehand, and only what differs is looked up in the tree.
//!
//! Deep stacks: CPython keeps frames in chunks of 16 KiB and unmaps a chunk when its first frame returns. As long as a
//! thread has unmapped nothing, the first frame of its present chunk is alive, and all its callers stand still. So only
//! the frames of one chunk are compared, about a hundred, however deep the recursion.

use crate::array::Array;
use crate::layout311 as layout;
use crate::shard::Shard;
use crate::{codes, lines};

/// How far below the expected place a frame is looked for before the whole stack is walked.
const WINDOW: usize = 8;
/// How many new frames are gathered before the whole stack is walked.
const NEW_FRAMES: usize = 64;
const CODE_CACHE: usize = 256;

/// A frame as it was when last seen.
#[derive(Clone, Copy)]
struct Entry {
    frame: usize,
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
    entries: Array<Entry>,
    /// Index of the first frame of the chunk the thread was in when last seen.
    chunk_entry: usize,
    /// [`Shard::unmappings`] then.
    unmappings: u32,
    seen: Array<Seen>,
    code_rows: [(usize, u32); CODE_CACHE],
    code_epoch: u32,
}

impl StackCache {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Array::new(),
            chunk_entry: 0,
            unmappings: 0,
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

    fn forget(&mut self) {
        self.entries.truncate(0);
        self.chunk_entry = 0;
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
pub(crate) unsafe fn current_node(shard: &mut Shard, thread: usize) -> Option<u32> {
    if thread == 0 {
        return Some(shard.root);
    }
    let frame = load(load(thread + layout::THREAD_CFRAME) + layout::CFRAME_CURRENT_FRAME);
    if let Some(top) = shard.stack.entries.len().checked_sub(1) {
        let entries = shard.stack.entries.as_slice();
        if entries[top].frame == frame
            && load(frame + layout::FRAME_INSTRUCTION) == entries[top].instruction
            && is_unchanged(entries, top, known(&shard.stack, thread, shard.unmappings))
            && shard.stack.code_epoch == codes::epoch()
        {
            return Some(entries[top].node);
        }
    }
    resolve(shard, thread, frame)
}

/// Address of the first frame in the thread's present chunk.
#[inline]
unsafe fn chunk_start(thread: usize) -> usize {
    load(thread + layout::THREAD_STACK_CHUNK) + layout::CHUNK_DATA
}

/// Entries below this index stand still since the stack was seen last.
#[inline]
unsafe fn known(stack: &StackCache, thread: usize, unmappings: u32) -> usize {
    let at = stack.chunk_entry;
    let is_alive = stack.unmappings == unmappings
        && stack.entries.as_slice().get(at).is_some_and(|entry| entry.frame == chunk_start(thread));
    if is_alive { at } else { 0 }
}

#[inline(never)]
unsafe fn resolve(shard: &mut Shard, thread: usize, top: usize) -> Option<u32> {
    if shard.stack.code_epoch != codes::epoch() {
        shard.stack.code_epoch = codes::epoch();
        shard.stack.forget();
    }
    let base = match find_base(shard, thread, top) {
        Some(base) => base,
        None => walk_all(&mut shard.stack, top)?,
    };
    let node = add_seen(shard, base);
    if node.is_none() {
        shard.stack.forget();
    }
    note_chunk(shard, thread);
    node
}

/// Finds the chunk's first frame again, for the next time.
unsafe fn note_chunk(shard: &mut Shard, thread: usize) {
    let start = chunk_start(thread);
    let stack = &mut shard.stack;
    stack.unmappings = shard.unmappings;
    let entries = stack.entries.as_slice();
    if entries.get(stack.chunk_entry).is_none_or(|entry| entry.frame != start) {
        stack.chunk_entry = entries.iter().rposition(|entry| entry.frame == start).unwrap_or(0);
    }
}

/// Gathers the frames that are new since the last time; returns how many outer entries still hold. `None` if that
/// takes a walk over the whole stack.
unsafe fn find_base(shard: &mut Shard, thread: usize, top: usize) -> Option<usize> {
    let known = known(&shard.stack, thread, shard.unmappings);
    let stack = &mut shard.stack;
    stack.seen.truncate(0);
    let mut frame = top;
    while frame != 0 {
        if !is_incomplete(frame) {
            let instruction = load(frame + layout::FRAME_INSTRUCTION);
            let entries = stack.entries.as_slice();
            let nearest = entries.iter().rev().take(WINDOW).position(|entry| entry.frame == frame);
            if let Some(distance) = nearest {
                let at = entries.len() - 1 - distance;
                if !is_unchanged(entries, at, known) {
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
