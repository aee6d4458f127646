//! Walks that were made before, by the words of the stack that decided them.

use super::frames::Notes;

/// Words that a walk may have read to be kept.
const WORDS: usize = 24;
/// Walks kept by each thread.
const PATHS: usize = 1024;

/// Where a walk starts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// The first instruction, in the tracker.
    pub(super) instruction: usize,
    pub(super) stack: usize,
    /// Addresses in the first two frames outside the tracker, as far as they come cheap: they tell most walks apart.
    pub(super) callers: (usize, usize),
    /// Node of the Python line.
    pub(super) python: u32,
}

impl Start {
    #[inline]
    fn place(&self) -> usize {
        let python = (self.python as usize) << 40;
        let mixed = (self.stack >> 3) ^ self.callers.0.rotate_left(20) ^ self.callers.1.rotate_left(32) ^ python;
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) % PATHS
    }
}

/// One walk: `len` words, at `offsets` (in words above the start's stack pointer).
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Path {
    start: Start,
    /// Node that the walk led to; 0: not in use.
    node: u32,
    frame_register: usize,
    uses_frame_register: bool,
    len: u8,
    offsets: [u16; WORDS],
    values: [usize; WORDS],
}

/// All zero bytes are a value.
pub(super) struct Paths([Path; PATHS]);

impl Paths {
    /// The node of a walk that would go as an earlier one did.
    ///
    /// # Safety
    /// `start` lies on this thread's own stack, where earlier walks by that start have read.
    #[inline]
    pub(super) unsafe fn find(&self, start: &Start, frame_register: usize) -> Option<u32> {
        let place = start.place();
        self.0[place].leads(start, frame_register).or_else(|| self.0[place ^ 1].leads(start, frame_register))
    }

    /// Keeps a walk.
    pub(super) fn add(&mut self, start: Start, frame_register: usize, words: &Words, node: u32) {
        if words.is_too_much {
            return;
        }
        let mut place = start.place();
        if self.0[place].node != 0 {
            // The older one moves to its second place.
            self.0[place ^ 1] = self.0[place];
            place = start.place();
        }
        self.0[place] = Path {
            start,
            node,
            frame_register,
            uses_frame_register: words.uses_frame_register,
            len: words.len,
            offsets: words.offsets,
            values: words.values,
        };
    }
}

impl Path {
    #[inline]
    unsafe fn leads(&self, start: &Start, frame_register: usize) -> Option<u32> {
        if self.node == 0 || self.start != *start || (self.uses_frame_register && self.frame_register != frame_register)
        {
            return None;
        }
        let len = usize::from(self.len);
        for (&offset, &value) in self.offsets[..len].iter().zip(&self.values[..len]) {
            if ((start.stack + usize::from(offset) * 8) as *const usize).read_volatile() != value {
                return None;
            }
        }
        Some(self.node)
    }
}

/// The words that a walk reads. All zero bytes are a value.
pub(super) struct Words {
    stack: usize,
    is_too_much: bool,
    uses_frame_register: bool,
    len: u8,
    offsets: [u16; WORDS],
    values: [usize; WORDS],
}

impl Words {
    /// Starts anew, for a walk that starts at `stack`.
    #[inline]
    pub(super) fn start(&mut self, stack: usize) {
        self.stack = stack;
        self.is_too_much = false;
        self.uses_frame_register = false;
        self.len = 0;
    }

    /// This walk must not be kept.
    pub(super) fn give_up(&mut self) {
        self.is_too_much = true;
    }
}

impl Notes for Words {
    #[inline]
    fn word(&mut self, address: usize, value: usize) {
        let at = usize::from(self.len);
        match u16::try_from(address.wrapping_sub(self.stack) / 8) {
            Ok(offset) if at < WORDS => {
                self.offsets[at] = offset;
                self.values[at] = value;
                self.len += 1;
            }
            _ => self.is_too_much = true,
        }
    }

    fn frame_register(&mut self) {
        self.uses_frame_register = true;
    }
}
