//! Native frames as nodes below the Python line.

use core::ffi::{CStr, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use brimline_recording::layout::NATIVE_CUT_CODE;

use super::frames::{self, Place, Reader, Registers, Walker, add_loop_caller};
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
    fn brimline_native_node(shard: *mut Shard, python: u32) -> u32;
}

/// The node of the innermost native frame below `python`, the node of the present Python line (or of the thread, where
/// there is none); `python` itself where no native frame can be told. `None` when the tables are full.
#[inline]
pub(crate) fn node(shard: &mut Shard, python: u32) -> Option<u32> {
    // SAFETY: the shard is this thread's own.
    let node = unsafe { brimline_native_node(shard, python) };
    (node != 0).then_some(node)
}

unsafe extern "C" fn walk(shard: *mut Shard, python: u32, instruction: usize, stack: usize, frame: usize) -> u32 {
    let shard = &mut *shard;
    if shard.native.0.is_null() {
        shard.native.0 = system::map(size_of::<Memory>()).cast();
    }
    let Some(memory) = shard.native.0.as_mut() else { return python };
    let epoch = EPOCH.load(Ordering::Relaxed);
    if memory.epoch != epoch {
        system::discard(shard.native.0.cast(), size_of::<Memory>());
        memory.epoch = epoch;
    }
    let (bounds, is_own) = memory.walker.stack(stack);
    let mut registers =
        Registers { instruction, stack, frame: Place::Register(frame), is_interrupted: false, is_certain: true };
    let mut words = Words::new(stack);
    // Frames of the tracker are where they are, whatever stack this is.
    let mut reader = Reader { bounds: stack..usize::MAX, notes: &mut words };
    let mut known = memory.walker.rule(&registers);
    while known.rule.marks & OWN != 0 {
        let Some(caller) = reader.caller(&registers, known.rule) else { return python };
        registers = caller;
        known = memory.walker.rule(&registers);
    }
    let start = Start { instruction, stack, caller: registers.instruction, python };
    if is_own && let Some(node) = memory.paths.find(&start, frame) {
        return node;
    }
    reader.bounds = bounds;
    if !is_own {
        reader.notes.give_up();
    }
    let (count, is_cut) = gather(memory, &mut reader, registers);
    let node = add_nodes(shard, python, count, is_cut);
    if node != 0 && EPOCH.load(Ordering::Relaxed) == epoch {
        memory.paths.add(start, frame, &words, node);
    }
    node
}

/// Walks on from the first frame outside the tracker; the number of frames, and whether there are more than that.
unsafe fn gather(memory: &mut Memory, reader: &mut Reader<'_, Words>, mut registers: Registers) -> (usize, bool) {
    let mut count = 0;
    loop {
        let known = memory.walker.rule(&registers);
        let rule = known.rule;
        if rule.marks & LOOP != 0 {
            learn_loop_caller(reader, &registers, rule);
            return (count, false);
        }
        if rule.marks & LOOP_CALLER != 0 {
            // The frame inside this one is a part of the loop that lies elsewhere.
            return (count.saturating_sub(1), false);
        }
        if rule.shape == Shape::Unknown && !registers.is_certain {
            return (count, false);
        }
        if known.code == 0 {
            let Some(name) = modules::name(registers.address(), registers.is_certain) else { return (count, false) };
            (known.code, known.relative) = (name.code, name.relative);
            if name.is_replaced {
                EPOCH.fetch_add(1, Ordering::Relaxed);
            }
        }
        if count == MOST_FRAMES {
            reader.notes.give_up();
            return (count, true);
        }
        memory.frames[count] = (known.code, known.relative);
        count += 1;
        let was_interrupted = rule.shape == Shape::Signal;
        let Some(caller) = reader.caller(&registers, rule) else { return (count, false) };
        if was_interrupted {
            reader.notes.give_up();
        }
        registers = caller;
    }
}

/// The frame loop's caller is known from here on, for when a part of the loop is met that lies elsewhere.
#[inline]
unsafe fn learn_loop_caller(reader: &mut Reader<'_, Words>, registers: &Registers, rule: Rule) {
    // Once for each call that is seen first: afterwards the path is known.
    let mut ignored = Words::new(registers.stack);
    let mut reader = Reader { bounds: reader.bounds.clone(), notes: &mut ignored };
    if let Some(caller) = reader.caller(registers, rule)
        && add_loop_caller(caller.address())
    {
        EPOCH.fetch_add(1, Ordering::Relaxed);
    }
}

unsafe fn add_nodes(shard: &mut Shard, python: u32, count: usize, is_cut: bool) -> u32 {
    let Some(memory) = shard.native.0.as_ref() else { return python };
    let mut node = python;
    if is_cut {
        match shard.child(node, NATIVE_CUT_CODE, 0) {
            Some(cut) => node = cut,
            None => return 0,
        }
    }
    for &(code, relative) in memory.frames[..count].iter().rev() {
        match shard.child(node, code, relative) {
            Some(child) => node = child,
            None => return 0,
        }
    }
    node
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
