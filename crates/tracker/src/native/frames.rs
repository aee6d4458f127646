//! Walks a thread's own native stack, one rule a frame.
//!
//! Rules come from the objects' unwind tables and are kept by address, so that a frame seen before costs a few loads.
//! Only the stack itself is read on the way, between the stack pointer and the stack's end; whatever does not fit ends
//! the walk.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::bounds;
use super::object::{self, Object};
use super::rule::{Base, FramePointer, LOOP, LOOP_CALLER, OWN, Rule, Shape};
use super::table;

/// Rules kept by each thread.
const RULES: usize = 4096;
/// Calls of the frame loop that are known.
const LOOP_CALLS: usize = 64;

/// The registers that a walk needs, in one frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers {
    /// An address in the call that the frame is executing, or the instruction that a signal has interrupted.
    pub(super) address: usize,
    pub(super) stack: usize,
    pub(super) frame: Place,
}

/// How an address was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// By unwind tables alone: it is one of code that this thread is executing.
    Certain,
    /// By the assumption that code without a table keeps frame pointers.
    Guessed,
}

/// Where a frame pointer is. It is read only when a frame needs it: in most it is no frame pointer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the register, with this value.
    Register(usize),
    /// On the stack.
    At(usize),
    /// Nobody knows.
    Lost,
}

/// One rule, by the address it is for, and what a recording calls that address.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) address: usize,
    pub(super) rule: Rule,
    /// [`Node::code`](brimline_recording::layout::Node) of the address; 0 while it has none yet.
    pub(super) code: u32,
    /// The address as in the module's file.
    pub(super) relative: u32,
}

/// Where the words of the stack that decided a walk lie: all words read are noted here.
pub(super) trait Notes {
    /// The word at `address` was read.
    fn word(&mut self, address: usize, value: usize);
    /// The frame pointer's register was used.
    fn frame_register(&mut self);
}

/// Nothing is noted.
pub(super) struct NoNotes;

impl Notes for NoNotes {
    fn word(&mut self, _: usize, _: usize) {}
    fn frame_register(&mut self) {}
}

/// Addresses of this library, and of the interpreter's frame loop.
#[derive(Debug)]
struct Landmark {
    start: AtomicUsize,
    end: AtomicUsize,
}

impl Landmark {
    const fn new() -> Self {
        Self { start: AtomicUsize::new(0), end: AtomicUsize::new(0) }
    }

    fn set(&self, range: Range<usize>) {
        self.start.store(range.start, Ordering::Relaxed);
        self.end.store(range.end, Ordering::Release);
    }

    fn contains(&self, address: usize) -> bool {
        let end = self.end.load(Ordering::Acquire);
        address < end && address >= self.start.load(Ordering::Relaxed)
    }
}

static OWN_LIBRARY: Landmark = Landmark::new();
static FRAME_LOOP: Landmark = Landmark::new();
static LOOP_CALLERS: [AtomicUsize; LOOP_CALLS] = [const { AtomicUsize::new(0) }; LOOP_CALLS];

/// Tells which code is this library's and which is the interpreter's frame loop (0: there is none).
pub(super) fn init(own: usize, frame_loop: usize) {
    object::init();
    bounds::init();
    if let Some(range) = object::with_any(own, |object| object.start..object.end) {
        OWN_LIBRARY.set(range);
    }
    let range = object::with_any(frame_loop, |object| table::find(object.unwind_header, object.end, frame_loop));
    if let Some(Some(found)) = range {
        FRAME_LOOP.set(found.range);
    }
}

/// One thread's rules and stack. All zero bytes are a value.
pub(super) struct Walker {
    rules: [Known; RULES],
    /// `pthread_self()` of the thread whose stack is known.
    thread: usize,
    low: usize,
    top: usize,
}

impl Walker {
    /// The bounds of the stack that `stack_pointer` lies on, and whether it is the thread's own one.
    #[inline]
    pub(super) fn stack(&mut self, stack_pointer: usize) -> (Range<usize>, bool) {
        let thread = thread_pointer();
        if thread != self.thread {
            let stack = bounds::of_this_thread(stack_pointer);
            if stack.is_empty() {
                return (bounds::of_signals(stack_pointer), false);
            }
            (self.low, self.top, self.thread) = (stack.start, stack.end, thread);
        }
        if (self.low..self.top).contains(&stack_pointer) {
            return (stack_pointer..self.top, true);
        }
        (bounds::of_signals(stack_pointer), false)
    }

    /// The rule for a frame.
    #[inline]
    pub(super) fn rule(&mut self, address: usize, trust: Trust) -> &mut Known {
        // Multiplied by the golden ratio: neighbouring addresses go to different places.
        let place = (address.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) % RULES;
        if self.rules[place].address != address {
            self.rules[place] = learn(address, trust);
        }
        &mut self.rules[place]
    }
}

/// What `pthread_self()` returns, without a call.
#[inline]
fn thread_pointer() -> usize {
    let pointer: usize;
    // SAFETY: the thread's control block holds its own address here, by the platform's ABI for thread-local storage.
    unsafe {
        core::arch::asm!("mov {}, qword ptr fs:[0x10]", out(reg) pointer, options(pure, readonly, nostack, preserves_flags));
    }
    pointer
}

/// Reads the rule for an address from its object's table.
#[cold]
#[inline(never)]
fn learn(address: usize, trust: Trust) -> Known {
    let in_object = |object: &Object| match object.unwind_header {
        0 => None,
        header => table::find(header, object.end, address).map(|found| found.rule),
    };
    let mut rule = if trust == Trust::Certain {
        // Code without a table, and code that the loader does not know, may be made by the program.
        object::with_running(address, in_object).flatten().unwrap_or(Rule::FRAME_POINTER)
    } else {
        // What a guess has led to is believed only where there is a table.
        object::with_any(address, in_object).flatten().unwrap_or_default()
    };
    if OWN_LIBRARY.contains(address) {
        rule.marks |= OWN;
    }
    if FRAME_LOOP.contains(address) {
        rule.marks |= LOOP;
    }
    if LOOP_CALLERS.iter().any(|caller| caller.load(Ordering::Relaxed) == address) {
        rule.marks |= LOOP_CALLER;
    }
    // What is unknown to a guess may be known another time.
    let kept = if trust == Trust::Guessed && rule.shape == Shape::Unknown { 0 } else { address };
    Known { address: kept, rule, code: 0, relative: 0 }
}

/// Notes that the code at `address` calls the frame loop; true if that is news.
pub(super) fn add_loop_caller(address: usize) -> bool {
    for place in &LOOP_CALLERS {
        match place.compare_exchange(0, address, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(known) if known == address => return false,
            Err(_) => {}
        }
    }
    false
}

/// Reads words of the stack, where they may be read.
pub(super) struct Reader<'n, N: Notes> {
    pub(super) bounds: Range<usize>,
    pub(super) notes: &'n mut N,
    /// Of the addresses read from here on.
    pub(super) trust: Trust,
}

impl<N: Notes> Reader<'_, N> {
    #[inline]
    fn word(&mut self, address: usize) -> Option<usize> {
        if address < self.bounds.start || address & 7 != 0 || address > self.bounds.end.checked_sub(8)? {
            return None;
        }
        // SAFETY: an aligned word between the stack pointer and the end of the stack that it points into.
        let value = unsafe { (address as *const usize).read_volatile() };
        self.notes.word(address, value);
        Some(value)
    }

    #[inline]
    fn frame_pointer(&mut self, place: Place) -> Option<usize> {
        match place {
            Place::Register(value) => {
                self.notes.frame_register();
                Some(value)
            }
            Place::At(address) => self.word(address),
            Place::Lost => None,
        }
    }

    /// The return address of a frame whose rule is the simplest kind, 0 for others: enough to tell stacks apart.
    #[inline]
    pub(super) fn peek(&self, registers: &Registers, rule: Rule) -> usize {
        let address = registers.stack.wrapping_add(rule.offset as usize).wrapping_sub(8);
        let is_simple = rule.shape == Shape::Plain && rule.base == Base::Stack;
        if !is_simple || address & 7 != 0 || address < self.bounds.start || address >= self.bounds.end {
            return 0;
        }
        // SAFETY: as in `word`; the end of a stack is aligned too.
        unsafe { (address as *const usize).read_volatile() }
    }

    /// The registers in the caller of the frame that `rule` is for; `None` where the walk ends.
    #[inline]
    pub(super) fn caller(&mut self, registers: &Registers, rule: Rule) -> Option<Registers> {
        if rule.shape == Shape::Plain && rule.base == Base::Stack {
            return self.above(registers, rule, registers.stack.wrapping_add(rule.offset as usize));
        }
        self.caller_otherwise(registers, rule)
    }

    fn caller_otherwise(&mut self, registers: &Registers, rule: Rule) -> Option<Registers> {
        if matches!(rule.shape, Shape::Unknown | Shape::End) {
            return None;
        }
        let base = match rule.base {
            Base::Stack => registers.stack,
            Base::Frame => self.frame_pointer(registers.frame)?,
        };
        let place = base.wrapping_add(rule.offset as usize);
        match rule.shape {
            Shape::Loaded => {
                let cfa = self.word(place)?;
                self.above(registers, rule, cfa)
            }
            Shape::Signal => self.interrupted(registers, rule, place),
            Shape::FramePointer => {
                self.trust = Trust::Guessed;
                self.above(registers, rule, place)
            }
            _ => self.above(registers, rule, place),
        }
    }

    #[inline]
    fn above(&mut self, registers: &Registers, rule: Rule, cfa: usize) -> Option<Registers> {
        if cfa <= registers.stack {
            return None;
        }
        let instruction = self.word(cfa.wrapping_sub(8))?;
        if instruction == 0 {
            return None;
        }
        let frame = match rule.frame_pointer {
            FramePointer::Same => registers.frame,
            FramePointer::AtCfa => Place::At(cfa.wrapping_add(rule.frame_offset as usize)),
            FramePointer::AtFrame => {
                Place::At(self.frame_pointer(registers.frame)?.wrapping_add(rule.frame_offset as usize))
            }
            FramePointer::AtStack => Place::At(registers.stack.wrapping_add(rule.frame_offset as usize)),
            FramePointer::Lost => Place::Lost,
        };
        Some(Registers { address: instruction - 1, stack: cfa, frame })
    }

    /// A signal may have interrupted the thread on another stack than its handler runs on.
    fn interrupted(&mut self, registers: &Registers, rule: Rule, place: usize) -> Option<Registers> {
        let stack = self.word(place)?;
        let instruction = self.word(registers.stack.wrapping_add(rule.return_offset as usize))?;
        let frame = match rule.frame_pointer {
            FramePointer::AtStack => {
                Place::Register(self.word(registers.stack.wrapping_add(rule.frame_offset as usize))?)
            }
            _ => Place::Lost,
        };
        if !self.bounds.contains(&stack) {
            let own = bounds::of_this_thread(stack);
            if !own.contains(&stack) {
                return None;
            }
            self.bounds = stack..own.end;
        } else if stack <= registers.stack {
            return None;
        }
        Some(Registers { address: instruction, stack, frame })
    }
}
