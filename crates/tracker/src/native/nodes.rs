//! Native frames as nodes below the Python line.

use core::ffi::{CStr, c_int, c_void};
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use brimline_recording::layout::NATIVE_CUT_CODE;

use super::frames::{self, NoNotes, Place, Reader, Registers, Trust, Walker, add_loop_caller};
use super::modules;
use super::paths::{Paths, Start, Words};
use super::rule::{LOOP, LOOP_CALLER, OWN, Rule, Shape};
use crate::interpose::{Next, next};
use crate::shard::Shard;
use crate::system;

pub(crate) use super::modules::{clear, lock_for_fork, unlock_after_fork};

/// Set to 1 by the command.
const VARIABLE: &CStr = c"BRIMLINE_TRACKER_NATIVE";
/// Most frames of one stack; of deeper ones the innermost are kept.
const MOST_FRAMES: usize = 256;

static ENABLED: AtomicBool = AtomicBool::new(false);
/// Changes when what threads remember by address is worth nothing.
static EPOCH: AtomicU32 = AtomicU32::new(0);

/// True when native frames are wanted.
#[inline]
pub(crate) fn enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Reads whether native frames are asked for; once, by the constructor.
pub(crate) fn init() {
    // SAFETY: the environment as it is at start, and names looked up.
    unsafe {
        let value = libc::getenv(VARIABLE.as_ptr());
        if value.is_null() || CStr::from_ptr(value) != c"1" {
            return;
        }
        let frame_loop = libc::dlsym(libc::RTLD_DEFAULT, c"_PyEval_EvalFrameDefault".as_ptr());
        frames::init(init as *const () as usize, frame_loop as usize);
    }
    ENABLED.store(true, Ordering::Release);
}

/// What a thread remembers of its native stacks; made on first use.
pub(crate) struct Native(*mut Memory);

/// All zero bytes are a value.
struct Memory {
    epoch: u32,
    walker: Walker,
    paths: Paths,
    words: Words,
    /// Code and instruction of each frame of the walk going on, innermost first.
    frames: [(u32, u32); MOST_FRAMES],
}

impl Native {
    pub(crate) const fn new() -> Self {
        Self(ptr::null_mut())
    }

    /// Gives the memory back.
    pub(crate) fn release(&mut self) {
        if !self.0.is_null() {
            // SAFETY: this thread's own, and forgotten here.
            unsafe { system::unmap(self.0.cast(), size_of::<Memory>()) };
        }
        self.0 = ptr::null_mut();
    }
}

// The registers as they are at the call, handed on.
core::arch::global_asm!(
    ".text",
    ".p2align 4",
    ".type brimline_native_node,@function",
    "brimline_native_node:",
    "mov rdx, qword ptr [rsp]",
    "lea rcx, [rsp + 8]",
    "mov r8, rbp",
    "jmp {walk}",
    ".size brimline_native_node, . - brimline_native_node",
    walk = sym walk,
);

unsafe extern "C" {
    fn brimline_native_node(shard: *mut c_void, python: u32) -> u32;
}

/// The node of the innermost native frame below `python`, the node of the present Python line (or of the thread, where
/// there is none); `python` itself where no native frame can be told. `None` when the tables are full.
#[inline]
pub(crate) fn node(shard: &mut Shard, python: u32) -> Option<u32> {
    // SAFETY: the shard is this thread's own.
    let node = unsafe { brimline_native_node((&raw mut *shard).cast(), python) };
    (node != 0).then_some(node)
}

unsafe extern "C" fn walk(shard: *mut c_void, python: u32, instruction: usize, stack: usize, frame: usize) -> u32 {
    let shard = &mut *shard.cast::<Shard>();
    if shard.native.0.is_null() {
        shard.native.0 = system::map(size_of::<Memory>()).cast();
    }
    let Some(memory) = shard.native.0.as_mut() else { return python };
    let epoch = EPOCH.load(Ordering::Relaxed);
    if memory.epoch != epoch {
        system::discard(shard.native.0.cast(), size_of::<Memory>());
        memory.epoch = epoch;
    }
    let Memory { walker, paths, words, .. } = memory;
    let (bounds, is_own) = walker.stack(stack);
    let start = Start { instruction, stack, frame, python };
    if is_own && let Some(node) = paths.guess(&start) {
        return node;
    }
    let mut registers = Registers { address: instruction - 1, stack, frame: Place::Register(frame) };
    words.start(stack);
    // Frames of the tracker are where they are, whatever stack this is.
    let mut reader = Reader { bounds: stack..usize::MAX, notes: words, trust: Trust::Certain };
    let mut rule = walker.rule(registers.address, Trust::Certain).rule;
    while rule.marks & OWN != 0 {
        let Some(caller) = reader.caller(&registers, rule) else { return python };
        registers = caller;
        rule = walker.rule(registers.address, Trust::Certain).rule;
    }
    reader.bounds = bounds.clone();
    let callers = (registers.address, reader.peek(&registers, rule));
    if is_own {
        if let Some(node) = paths.find(&start, callers) {
            return node;
        }
    } else {
        words.give_up();
    }
    let node = walk_on(shard, memory, registers, bounds, python);
    if node != 0 && EPOCH.load(Ordering::Relaxed) == epoch {
        memory.paths.add(start, callers, &memory.words, node);
    }
    node
}

/// Walks on from the first frame outside the tracker, and adds what it finds below `python`.
#[inline(never)]
unsafe fn walk_on(
    shard: &mut Shard,
    memory: &mut Memory,
    registers: Registers,
    bounds: Range<usize>,
    python: u32,
) -> u32 {
    let Memory { walker, words, frames, .. } = memory;
    let mut reader = Reader { bounds, notes: words, trust: Trust::Certain };
    let (count, is_cut) = gather(walker, &mut reader, frames, registers);
    add_nodes(shard, python, &frames[..count], is_cut).unwrap_or(0)
}

/// Notes the frames from `registers` on; how many, and whether there are more than that.
fn gather(
    walker: &mut Walker,
    reader: &mut Reader<'_, Words>,
    frames: &mut [(u32, u32); MOST_FRAMES],
    mut registers: Registers,
) -> (usize, bool) {
    let mut count = 0;
    loop {
        let known = walker.rule(registers.address, reader.trust);
        let rule = known.rule;
        if rule.marks & LOOP != 0 {
            learn_loop_caller(reader, &registers, rule);
            return (count, false);
        }
        if rule.marks & LOOP_CALLER != 0 {
            // The frame inside this one is a part of the loop that lies elsewhere.
            return (count.saturating_sub(1), false);
        }
        if rule.shape == Shape::Unknown && reader.trust == Trust::Guessed {
            return (count, false);
        }
        if known.code == 0 {
            let Some(name) = modules::name(registers.address, reader.trust) else { return (count, false) };
            (known.code, known.relative) = (name.code, name.relative);
            if name.is_replaced {
                EPOCH.fetch_add(1, Ordering::Relaxed);
            }
        }
        let Some(frame) = frames.get_mut(count) else {
            reader.notes.give_up();
            return (count, true);
        };
        *frame = (known.code, known.relative);
        count += 1;
        if rule.shape == Shape::Signal {
            reader.notes.give_up();
        }
        let Some(caller) = reader.caller(&registers, rule) else { return (count, false) };
        registers = caller;
    }
}

/// The frame loop's caller is known from here on, for when a part of the loop is met that lies elsewhere.
fn learn_loop_caller(reader: &mut Reader<'_, Words>, registers: &Registers, rule: Rule) {
    let mut reader = Reader { bounds: reader.bounds.clone(), notes: &mut NoNotes, trust: reader.trust };
    if let Some(caller) = reader.caller(registers, rule)
        && add_loop_caller(caller.address)
    {
        EPOCH.fetch_add(1, Ordering::Relaxed);
    }
}

fn add_nodes(shard: &mut Shard, python: u32, frames: &[(u32, u32)], is_cut: bool) -> Option<u32> {
    let start = if is_cut { shard.child(python, NATIVE_CUT_CODE, 0)? } else { python };
    frames.iter().rev().try_fold(start, |node, &(code, relative)| shard.child(node, code, relative))
}

/// A library that goes takes its addresses with it: others may come to lie there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dlclose(library: *mut c_void) -> c_int {
    let result = next!(c"dlclose", fn(*mut c_void) -> c_int)(library);
    if enabled() {
        EPOCH.fetch_add(1, Ordering::Relaxed);
    }
    result
}
