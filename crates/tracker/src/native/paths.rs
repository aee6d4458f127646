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
    /// The register, in case that it is a frame pointer.
    pub(super) frame: usize,
    /// Node of the Python line.
    pub(super) python: u32,
}

/// Addresses in the first two frames outside the tracker, as far as they come cheap: they tell most walks apart.
pub(super) type Callers = (usize, usize);

/// One walk: `len` words, at `offsets` (in words above the start's stack pointer).
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Path {
    start: Start,
    /// Node that the walk led to; 0: not in use.
    node: u32,
    /// Place of the walk that came after this one last time.
    next: u16,
    uses_frame: bool,
    len: u8,
    offsets: [u16; WORDS],
    values: [usize; WORDS],
}

/// All zero bytes are a value.
pub(super) struct Paths {
    rows: [Path; PATHS],
    /// Place of the last walk.
    last: u16,
}

impl Paths {
    /// The node of the walk that came after the last one before, if that is what `start` leads to again: programs do
    /// again what they did before.
    ///
    /// # Safety
    /// `start` lies on this thread's own stack, where earlier walks by that start have read.
    #[inline]
    pub(super) unsafe fn guess(&mut self, start: &Start) -> Option<u32> {
        let next = self.rows[usize::from(self.last) % PATHS].next;
        let node = self.rows[usize::from(next) % PATHS].leads(start)?;
        self.last = next;
        Some(node)
    }

    /// The node of a walk that would go as an earlier one did.
    ///
    /// # Safety
    /// As for `guess`.
    #[inline]
    pub(super) unsafe fn find(&mut self, start: &Start, callers: Callers) -> Option<u32> {
        let first = place(start, callers);
        for place in [first, first ^ 1] {
            if let Some(node) = self.rows[place].leads(start) {
                self.follow(place);
                return Some(node);
            }
        }
        None
    }

    /// Keeps a walk.
    pub(super) fn add(&mut self, start: Start, callers: Callers, words: &Words, node: u32) {
        if words.is_too_much {
            return;
        }
        let place = place(&start, callers);
        if self.rows[place].node != 0 {
            // The older one moves to its second place.
            self.rows[place ^ 1] = self.rows[place];
        }
        let Words { uses_frame, len, offsets, values, .. } = *words;
        self.rows[place] = Path { start, node, next: 0, uses_frame, len, offsets, values };
        self.follow(place);
    }

    /// The walk at `place` is the last one now.
    #[inline]
    fn follow(&mut self, place: usize) {
        self.rows[usize::from(self.last) % PATHS].next = place as u16;
        self.last = place as u16;
    }
}

#[inline]
fn place(start: &Start, callers: Callers) -> usize {
    let python = (start.python as usize) << 40;
    let mixed = (start.stack >> 3) ^ callers.0.rotate_left(20) ^ callers.1.rotate_left(32) ^ python;
    (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) % PATHS
}

impl Path {
    #[inline]
    unsafe fn leads(&self, start: &Start) -> Option<u32> {
        let own = &self.start;
        let is_same = (own.instruction, own.stack, own.python) == (start.instruction, start.stack, start.python);
        if self.node == 0 || !is_same || (self.uses_frame && own.frame != start.frame) {
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
    uses_frame: bool,
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
        self.uses_frame = false;
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
        self.uses_frame = true;
    }
}
