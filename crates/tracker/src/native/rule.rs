//! How one frame is left: from the registers in a function to those of its caller, in sixteen bytes.

/// What a rule computes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Base {
    /// The stack pointer in this frame.
    #[default]
    Stack,
    /// The frame pointer in this frame.
    Frame,
}

/// How the caller's frame is found. The CFA (canonical frame address) is the caller's stack pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Shape {
    /// Nothing is known: the walk stops here.
    #[default]
    Unknown,
    /// CFA = base + offset; the return address lies below it.
    Plain,
    /// CFA = the word at base + offset (stacks that a function has aligned anew).
    Loaded,
    /// A signal's frame: as `Loaded`; the return address lies at the stack pointer + `return_offset`.
    Signal,
    /// No unwind table: code with frame pointers is assumed, and nothing believed that does not fit.
    FramePointer,
    /// The outermost frame of a thread.
    End,
}

/// Where the caller's frame pointer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FramePointer {
    /// In its register still.
    #[default]
    Same,
    /// At CFA + `frame_offset`.
    AtCfa,
    /// At this frame's frame pointer + `frame_offset`.
    AtFrame,
    /// At this frame's stack pointer + `frame_offset`.
    AtStack,
    /// Nobody knows.
    Lost,
}

/// A rule, for one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Rule {
    pub(crate) shape: Shape,
    pub(crate) base: Base,
    pub(crate) frame_pointer: FramePointer,
    /// [`OWN`], [`LOOP`], [`LOOP_CALLER`].
    pub(crate) marks: u8,
    pub(crate) offset: i32,
    pub(crate) frame_offset: i32,
    pub(crate) return_offset: i32,
}

/// The tracker's own code: not part of any stack.
pub(crate) const OWN: u8 = 1;
/// The interpreter's frame loop: what lies further out are Python frames.
pub(crate) const LOOP: u8 = 2;
/// A call of the interpreter's frame loop: the frame inside this one is the loop, whatever part of it.
pub(crate) const LOOP_CALLER: u8 = 4;

impl Rule {
    /// For code without a table.
    pub(crate) const FRAME_POINTER: Self = Self {
        shape: Shape::FramePointer,
        base: Base::Frame,
        frame_pointer: FramePointer::AtCfa,
        marks: 0,
        offset: 16,
        frame_offset: -16,
        return_offset: 0,
    };
}
