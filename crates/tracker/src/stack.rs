//! Which Python stack a thread is in, read from its own frames.
//!
//! No profile function: at an allocation the thread walks its interpreter frames, which nobody else can change, and
//! compares them with the stack it saw last. Two stacks are equal if each frame stands at the same instruction; so the
//! check needs two or three loads a frame from addresses known beforehand, and only what differs is looked up in the
//! tree.
//!
//! Deep stacks: comparing thousands of frames at each allocation would cost more than the program. So a place in the
//! stack is marked that loses its mark when the frames there return; as long as it stands, all callers below it do, and
//! only the frames above are compared, about a hundred, however deep the recursion.
//! - From 3.11 on, frames lie in chunks of 16 KiB. Of the topmost chunk the interpreter does not use the field `top`, and
//!   it sets it when the chunk becomes one or is covered by another.
//! - Up to 3.10, frames are objects with a field `f_trace_lines` that is 1 in each new frame, and true is true.

use crate::array::Array;
use crate::offsets::{self, NONE, Offsets};
use crate::shard::Shard;
use crate::{codes, lines, public_frames};

/// How far below the expected place a frame is looked for before the whole stack is walked.
const WINDOW: usize = 8;
/// How many new frames are gathered before the whole stack is walked: as many as a chunk of frames holds, so that a
/// recursion that is seen once a chunk is followed without that.
const NEW_FRAMES: usize = 256;
const CODE_CACHE: usize = 256;

/// In `_PyStackChunk.top` of a chunk whose first frame is known: no chunk is as large.
const CHUNK_MARK: usize = 0x6272_696d_6c69_6e65;
/// In `PyFrameObject.f_trace_lines` of a frame that is known.
const FRAME_MARK: u8 = 0x62;
/// Frame objects are marked this far from each other, and from the top.
const MARK_DISTANCE: usize = 64;

/// First value of `owner` for the frames that only mark where C code called the interpreter.
const OWNED_BY_INTERPRETER: u8 = 3;
/// `FRAME_OWNED_BY_GENERATOR`.
const OWNED_BY_GENERATOR: u8 = 1;

/// A frame as it was when last seen.
#[derive(Clone, Copy)]
struct Entry {
    frame: usize,
    position: usize,
    node: u32,
    /// Index + 1 of the innermost entry up to this one whose lines are wanted, 0 for none.
    wanted: u32,
}

/// A frame as it is.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) frame: usize,
    pub(crate) position: usize,
}

/// The stack a thread was last seen in, outermost frame first.
pub(crate) struct StackCache {
    entries: Array<Entry>,
    /// Index of the first frame of the chunk the thread was in when last seen.
    chunk_entry: usize,
    /// Indices of entries whose frame objects are marked, ascending.
    marks: Array<u32>,
    seen: Array<Seen>,
    code_rows: [(usize, u32); CODE_CACHE],
    code_epoch: u32,
}

impl StackCache {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Array::new(),
            chunk_entry: 0,
            marks: Array::new(),
            seen: Array::new(),
            code_rows: [(0, 0); CODE_CACHE],
            code_epoch: 0,
        }
    }

    /// Gives all memory back.
    pub(crate) fn release(&mut self) {
        self.entries.free();
        self.marks.free();
        self.seen.free();
        *self = Self::new();
    }

    /// Node of the innermost line that is wanted.
    pub(crate) fn wanted_line(&self) -> Option<u32> {
        let entries = self.entries.as_slice();
        let wanted = entries.last()?.wanted;
        Some(entries[wanted.checked_sub(1)? as usize].node)
    }

    /// Room for what the public API says about the frames, innermost first: code row and line.
    pub(crate) fn room(&mut self) -> &mut Array<Seen> {
        &mut self.seen
    }

    pub(crate) fn forget(&mut self) {
        self.entries.truncate(0);
        self.marks.truncate(0);
        self.chunk_entry = 0;
        self.code_rows = [(0, 0); CODE_CACHE];
    }
}

#[inline]
pub(crate) unsafe fn load(address: usize) -> usize {
    (address as *const usize).read()
}

#[inline]
unsafe fn load_byte(address: usize) -> u8 {
    (address as *const u8).read()
}

/// The value itself, but the compiler cannot know: a load from it need not wait for what it was compared with.
#[inline]
fn opaque(mut value: usize) -> usize {
    // SAFETY: no instruction.
    unsafe { core::arch::asm!("/* {0} */", inout(reg) value, options(pure, nomem, nostack, preserves_flags)) };
    value
}

/// What tells where a frame stands and in which code: the address of its instruction, or both packed into one word (the
/// code's address in 43 bits, the low 21 bits of `f_lasti`).
#[inline]
unsafe fn position<const OBJECTS: bool>(at: &Offsets, frame: usize) -> usize {
    let word = load(frame + if OBJECTS { at.frame_code } else { at.frame_instruction });
    if OBJECTS { word >> 4 | (last_instruction(at, frame) as usize) << 43 } else { word }
}

unsafe fn last_instruction(at: &Offsets, frame: usize) -> i32 {
    ((frame + at.frame_instruction) as *const i32).read()
}

/// The code object of a frame that is not the interpreter's own.
#[inline]
pub(crate) unsafe fn code_of(at: &Offsets, frame: usize) -> usize {
    // The low bits say how the reference is counted.
    load(frame + at.frame_code) & !7
}

/// Index of the instruction a frame stands at, in 2-byte units; all ones before the first.
pub(crate) unsafe fn instruction_of(at: &Offsets, frame: usize) -> u32 {
    if at.frames_are_objects() {
        // Counted in bytes up to 3.9.
        return (last_instruction(at, frame) >> u32::from(at.minor < 10)) as u32;
    }
    let start = code_of(at, frame) + at.code_instructions;
    (load(frame + at.frame_instruction).wrapping_sub(start) as isize / 2) as u32
}

/// True for a frame that only marks where C code called the interpreter. It takes part in comparisons, so that callers
/// are found beyond it, but has no node of its own.
#[inline]
pub(crate) unsafe fn is_interpreters_own(at: &Offsets, frame: usize) -> bool {
    !at.frames_are_objects() && load_byte(frame + at.frame_owner) >= OWNED_BY_INTERPRETER
}

/// Frames that have not reached their first own instruction do not count, as for `tracemalloc`.
pub(crate) unsafe fn is_incomplete(at: &Offsets, frame: usize) -> bool {
    if at.frames_are_objects() || load_byte(frame + at.frame_owner) == OWNED_BY_GENERATOR {
        return false;
    }
    let code = code_of(at, frame);
    let first_traceable = ((code + at.code_first_traceable) as *const i32).read();
    load(frame + at.frame_instruction) < code + at.code_instructions + first_traceable as usize * 2
}

/// Innermost frame of a thread state.
#[inline]
pub(crate) unsafe fn top_frame(at: &Offsets, thread: usize) -> usize {
    let frame = load(thread + at.thread_frame);
    if at.cframe_frame == NONE { frame } else { load(frame + at.cframe_frame) }
}

/// True if the frames of `entries[..=top]` are linked as they were, and all but the top one stand where they stood.
#[inline]
unsafe fn is_unchanged<const OBJECTS: bool>(at: &Offsets, entries: &[Entry], top: usize, known: usize) -> bool {
    let mut index = top;
    let mut frame = entries[top].frame;
    while index > 0 {
        let caller = entries[index - 1];
        if load(frame + at.frame_previous) != caller.frame {
            return false;
        }
        frame = opaque(caller.frame);
        if position::<OBJECTS>(at, frame) != caller.position {
            return false;
        }
        index -= 1;
        if index < known {
            return true;
        }
    }
    load(frame + at.frame_previous) == 0
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
    let at = offsets::current();
    if at.minor == 0 {
        return public_frames::current_node(shard, thread);
    }
    if at.frames_are_objects() { node_of::<true>(at, shard, thread) } else { node_of::<false>(at, shard, thread) }
}

#[inline]
unsafe fn node_of<const OBJECTS: bool>(at: &Offsets, shard: &mut Shard, thread: usize) -> Option<u32> {
    let frame = top_frame(at, thread);
    if let Some(top) = shard.stack.entries.len().checked_sub(1) {
        let entries = shard.stack.entries.as_slice();
        if entries[top].frame == frame
            && position::<OBJECTS>(at, frame) == entries[top].position
            && is_unchanged::<OBJECTS>(at, entries, top, known::<OBJECTS>(at, &shard.stack, thread, top))
            && shard.stack.code_epoch == codes::epoch()
        {
            return Some(entries[top].node);
        }
    }
    resolve::<OBJECTS>(at, shard, thread, frame)
}

/// If entry `top` is on the stack, entries below the index returned stand still since the stack was seen last.
#[inline]
unsafe fn known<const OBJECTS: bool>(at: &Offsets, stack: &StackCache, thread: usize, top: usize) -> usize {
    let entries = stack.entries.as_slice();
    if OBJECTS {
        let mut marks = stack.marks.as_slice().iter().rev().map(|&mark| mark as usize).filter(|&mark| mark <= top);
        return match marks.next() {
            Some(mark) if load_byte(entries[mark].frame + at.frame_trace_lines) == FRAME_MARK => mark,
            _ => 0,
        };
    }
    let chunk = load(thread + at.thread_chunk);
    let index = stack.chunk_entry;
    let is_alive = chunk != 0
        && load(chunk + at.chunk_top) == CHUNK_MARK
        && entries.get(index).is_some_and(|entry| entry.frame == chunk + at.chunk_data);
    if is_alive { index } else { 0 }
}

#[inline(never)]
unsafe fn resolve<const OBJECTS: bool>(at: &Offsets, shard: &mut Shard, thread: usize, top: usize) -> Option<u32> {
    if shard.stack.code_epoch != codes::epoch() {
        shard.stack.code_epoch = codes::epoch();
        shard.stack.forget();
    }
    let base = match find_base::<OBJECTS>(at, shard, thread, top) {
        Some(base) => base,
        None => walk_all::<OBJECTS>(at, &mut shard.stack, top)?,
    };
    let node = add_seen(at, shard, base);
    if node.is_none() {
        shard.stack.forget();
    }
    if OBJECTS {
        mark_frames(at, &mut shard.stack);
    } else {
        mark_chunk(at, &mut shard.stack, thread);
    }
    node
}

/// Marks the topmost chunk and finds its first frame, for the next time.
unsafe fn mark_chunk(at: &Offsets, stack: &mut StackCache, thread: usize) {
    let chunk = load(thread + at.thread_chunk);
    if chunk == 0 {
        return;
    }
    ((chunk + at.chunk_top) as *mut usize).write(CHUNK_MARK);
    let start = chunk + at.chunk_data;
    let entries = stack.entries.as_slice();
    if entries.get(stack.chunk_entry).is_none_or(|entry| entry.frame != start) {
        stack.chunk_entry = entries.iter().rposition(|entry| entry.frame == start).unwrap_or(0);
    }
}

/// Forgets marks whose frames have gone, and marks another frame when the stack has grown since the last.
unsafe fn mark_frames(at: &Offsets, stack: &mut StackCache) {
    let entries = stack.entries.as_slice();
    while let Some(&mark) = stack.marks.as_slice().last() {
        let holds =
            entries.get(mark as usize).is_some_and(|entry| load_byte(entry.frame + at.frame_trace_lines) == FRAME_MARK);
        if holds {
            break;
        }
        stack.marks.truncate(stack.marks.len() - 1);
    }
    let last = stack.marks.as_slice().last().map_or(0, |&mark| mark as usize);
    if entries.len() < last + 2 * MARK_DISTANCE {
        return;
    }
    // A generator's frame can be left and entered again, one that the program traces is the program's.
    let is_free = |entry: &Entry| {
        load(entry.frame + at.frame_generator) == 0
            && matches!(load_byte(entry.frame + at.frame_trace_lines), 1 | FRAME_MARK)
    };
    let range = last + 1..entries.len() - MARK_DISTANCE;
    if let Some(distance) = entries[range.clone()].iter().rposition(is_free) {
        let index = range.start + distance;
        ((entries[index].frame + at.frame_trace_lines) as *mut u8).write(FRAME_MARK);
        stack.marks.push(index as u32);
    }
}

/// Gathers the frames that are new since the last time; returns how many outer entries still hold. `None` if that
/// takes a walk over the whole stack.
unsafe fn find_base<const OBJECTS: bool>(at: &Offsets, shard: &mut Shard, thread: usize, top: usize) -> Option<usize> {
    let stack = &mut shard.stack;
    stack.seen.truncate(0);
    let mut frame = top;
    while frame != 0 {
        if is_interpreters_own(at, frame) || !is_incomplete(at, frame) {
            let position = position::<OBJECTS>(at, frame);
            let entries = stack.entries.as_slice();
            let nearest = entries.iter().rev().take(WINDOW).position(|entry| entry.frame == frame);
            if let Some(distance) = nearest {
                let index = entries.len() - 1 - distance;
                if !is_unchanged::<OBJECTS>(at, entries, index, known::<OBJECTS>(at, stack, thread, index)) {
                    return None;
                }
                if position == entries[index].position {
                    return Some(index + 1);
                }
                stack.seen.push(Seen { frame, position });
                return Some(index);
            }
            if stack.seen.len() >= NEW_FRAMES || !stack.seen.push(Seen { frame, position }) {
                return None;
            }
        }
        frame = load(frame + at.frame_previous);
    }
    Some(0)
}

/// Gathers all frames and returns how many outer entries stand at the same instructions as before.
unsafe fn walk_all<const OBJECTS: bool>(at: &Offsets, stack: &mut StackCache, top: usize) -> Option<usize> {
    stack.seen.truncate(0);
    let mut frame = top;
    while frame != 0 {
        if (is_interpreters_own(at, frame) || !is_incomplete(at, frame))
            && !stack.seen.push(Seen { frame, position: position::<OBJECTS>(at, frame) })
        {
            return None;
        }
        frame = load(frame + at.frame_previous);
    }
    let mut base = 0;
    let entries = stack.entries.as_mut_slice();
    for (entry, seen) in entries.iter_mut().zip(stack.seen.as_slice().iter().rev()) {
        if entry.position != seen.position {
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
unsafe fn add_seen(at: &Offsets, shard: &mut Shard, base: usize) -> Option<u32> {
    shard.stack.entries.truncate(base);
    let (mut node, mut wanted) = match base.checked_sub(1).map(|last| shard.stack.entries.as_slice()[last]) {
        Some(last) => (last.node, last.wanted),
        None => (shard.root, 0),
    };
    for index in (0..shard.stack.seen.len()).rev() {
        let Seen { frame, position } = shard.stack.seen.as_slice()[index];
        if !is_interpreters_own(at, frame) {
            let row = code_row(&mut shard.stack, code_of(at, frame))?;
            node = shard.child(node, row, instruction_of(at, frame))?;
            if lines::enabled() && lines::is_wanted(row) {
                wanted = shard.stack.entries.len() as u32 + 1;
            }
        }
        if !shard.stack.entries.push(Entry { frame, position, node, wanted }) {
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
