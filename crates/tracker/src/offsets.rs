//! Where each CPython keeps what the tracker reads, in bytes.
//!
//! The rows are printed by `cargo xtask offsets` from the interpreters' own headers. In each process they are checked:
//! the self-test in `bring_up.rs` compares what they yield with the public API, and from 3.13 on the interpreter itself
//! says where its fields are (`_PyRuntime.debug_offsets`).

use core::cell::UnsafeCell;

/// Not in this version.
pub(crate) const NONE: usize = usize::MAX;

/// One version's row. Fields named after two versions are the same thing under two names.
#[derive(Clone, Copy)]
pub(crate) struct Offsets {
    /// The version is 3.`minor`.
    pub(crate) minor: u32,
    /// `_PyRuntimeState.gilstate.tstate_current`, up to 3.11: the thread state that holds the GIL.
    pub(crate) runtime_current_thread: usize,
    /// `_PyRuntimeState.gilstate.autoInterpreterState`, up to 3.11: null before the interpreter is up and after it.
    pub(crate) runtime_auto_interpreter: usize,
    /// `PyThreadState.frame`, `.cframe` (3.11, 3.12), `.current_frame`.
    pub(crate) thread_frame: usize,
    /// `_PyCFrame.current_frame` (3.11, 3.12).
    pub(crate) cframe_frame: usize,
    /// `PyThreadState.datastack_chunk`, from 3.11 on.
    pub(crate) thread_chunk: usize,
    /// `_PyStackChunk.top`: how full a chunk is below another one; unused in the topmost.
    pub(crate) chunk_top: usize,
    /// `_PyStackChunk.data`: where the first frame of a chunk lies.
    pub(crate) chunk_data: usize,
    /// `f_code`, `f_executable` (from 3.13 on; from 3.14 on with tag bits).
    pub(crate) frame_code: usize,
    /// `f_back`, `previous`.
    pub(crate) frame_previous: usize,
    /// `f_lasti` (an `int`), `prev_instr`, `instr_ptr`.
    pub(crate) frame_instruction: usize,
    /// `_PyInterpreterFrame.owner`, from 3.11 on.
    pub(crate) frame_owner: usize,
    /// `PyFrameObject.f_trace_lines`, up to 3.10: 1 in a new frame, true or false for who reads it.
    pub(crate) frame_trace_lines: usize,
    /// `PyFrameObject.f_gen`, up to 3.10.
    pub(crate) frame_generator: usize,
    /// `PyCodeObject.co_firstlineno`.
    pub(crate) code_first_line: usize,
    /// `PyCodeObject.co_filename`.
    pub(crate) code_file: usize,
    /// `PyCodeObject.co_qualname`, up to 3.10 `co_name`.
    pub(crate) code_name: usize,
    /// `PyCodeObject.co_linetable`, up to 3.9 `co_lnotab`.
    pub(crate) code_line_table: usize,
    /// `PyCodeObject._co_firsttraceable`, from 3.11 on.
    pub(crate) code_first_traceable: usize,
    /// `PyCodeObject.co_code_adaptive`, from 3.11 on.
    pub(crate) code_instructions: usize,
    /// `PyVarObject.ob_size`, and with it the length of `bytes`.
    pub(crate) object_size: usize,
    /// `PyBytesObject.ob_sval`.
    pub(crate) bytes_data: usize,
    /// `PyASCIIObject.length`.
    pub(crate) text_length: usize,
    /// `PyASCIIObject.state`.
    pub(crate) text_state: usize,
    /// Lowest bit of `kind` in it; `compact` and `ascii` follow its three bits.
    pub(crate) text_kind_shift: u32,
    /// `sizeof(PyASCIIObject)`: where the characters of an ASCII string start.
    pub(crate) ascii_data: usize,
    /// `sizeof(PyCompactUnicodeObject)`: where other compact strings start.
    pub(crate) compact_data: usize,
    /// `PyTypeObject.tp_dealloc`.
    pub(crate) type_dealloc: usize,
    /// Places in `_Py_DebugOffsets` and what must be there, from 3.13 on.
    pub(crate) debug: &'static [(usize, u64)],
}

const ABSENT: Offsets = Offsets {
    minor: 0,
    runtime_current_thread: NONE,
    runtime_auto_interpreter: NONE,
    thread_frame: NONE,
    cframe_frame: NONE,
    thread_chunk: NONE,
    chunk_top: NONE,
    chunk_data: NONE,
    frame_code: NONE,
    frame_previous: NONE,
    frame_instruction: NONE,
    frame_owner: NONE,
    frame_trace_lines: NONE,
    frame_generator: NONE,
    code_first_line: NONE,
    code_file: NONE,
    code_name: NONE,
    code_line_table: NONE,
    code_first_traceable: NONE,
    code_instructions: NONE,
    object_size: NONE,
    bytes_data: NONE,
    text_length: NONE,
    text_state: NONE,
    text_kind_shift: 0,
    ascii_data: NONE,
    compact_data: NONE,
    // The same in all versions; the tracker needs it even where it knows nothing else.
    type_dealloc: 48,
    debug: &[],
};

impl Offsets {
    /// Up to 3.10 frames are Python objects; later ones lie on a stack of the thread's own.
    #[inline]
    pub(crate) fn frames_are_objects(&self) -> bool {
        self.frame_owner == NONE
    }
}

struct Current(UnsafeCell<Offsets>);
// SAFETY: written once by the constructor, before the process has a second thread.
unsafe impl Sync for Current {}
static CURRENT: Current = Current(UnsafeCell::new(ABSENT));

/// The row of the interpreter in this process.
#[inline]
pub(crate) fn current() -> &'static Offsets {
    // SAFETY: see `Current`.
    unsafe { &*CURRENT.0.get() }
}

/// Chooses the row of 3.`minor`; false if there is none.
///
/// # Safety
/// Called by the constructor only.
pub(crate) unsafe fn choose(minor: u32) -> bool {
    match TABLE.iter().find(|row| row.minor == minor) {
        Some(row) => {
            CURRENT.0.get().write(*row);
            true
        }
        None => false,
    }
}

/// From here on nothing is known about the layout. False.
///
/// # Safety
/// Called while the interpreter starts.
pub(crate) unsafe fn forget() -> bool {
    CURRENT.0.get().write(ABSENT);
    false
}

/// True unless the interpreter itself says that its fields are elsewhere.
///
/// # Safety
/// `runtime` is the address of `_PyRuntime`.
pub(crate) unsafe fn agree_with_debug_offsets(runtime: *const u8) -> bool {
    current().debug.iter().all(|&(place, value)| runtime.add(place).cast::<u64>().read() == value)
}

const TABLE: &[Offsets] = &[
    // CPython 3.8
    Offsets {
        minor: 8,
        runtime_current_thread: 1368,
        runtime_auto_interpreter: 1384,
        thread_frame: 24,
        frame_code: 32,
        frame_previous: 24,
        frame_instruction: 104,
        frame_trace_lines: 88,
        frame_generator: 96,
        code_name: 112,
        code_line_table: 120,
        code_first_line: 40,
        code_file: 104,
        bytes_data: 32,
        text_state: 32,
        text_length: 16,
        ascii_data: 48,
        object_size: 16,
        compact_data: 72,
        type_dealloc: 48,
        text_kind_shift: 2,
        ..ABSENT
    },
    // CPython 3.9
    Offsets {
        minor: 9,
        runtime_current_thread: 568,
        runtime_auto_interpreter: 576,
        thread_frame: 24,
        frame_code: 32,
        frame_previous: 24,
        frame_instruction: 104,
        frame_trace_lines: 88,
        frame_generator: 96,
        code_name: 112,
        code_line_table: 120,
        code_first_line: 40,
        code_file: 104,
        bytes_data: 32,
        text_state: 32,
        text_length: 16,
        ascii_data: 48,
        object_size: 16,
        compact_data: 72,
        type_dealloc: 48,
        text_kind_shift: 2,
        ..ABSENT
    },
    // CPython 3.10
    Offsets {
        minor: 10,
        runtime_current_thread: 568,
        runtime_auto_interpreter: 576,
        thread_frame: 24,
        frame_code: 32,
        frame_previous: 24,
        frame_instruction: 96,
        frame_trace_lines: 84,
        frame_generator: 88,
        code_name: 112,
        code_line_table: 120,
        code_first_line: 40,
        code_file: 104,
        bytes_data: 32,
        text_state: 32,
        text_length: 16,
        ascii_data: 48,
        object_size: 16,
        compact_data: 72,
        type_dealloc: 48,
        text_kind_shift: 2,
        ..ABSENT
    },
    // CPython 3.11
    Offsets {
        minor: 11,
        runtime_current_thread: 576,
        runtime_auto_interpreter: 584,
        thread_frame: 56,
        cframe_frame: 8,
        thread_chunk: 296,
        frame_code: 32,
        frame_previous: 48,
        frame_instruction: 56,
        frame_owner: 69,
        code_name: 128,
        code_line_table: 136,
        code_first_line: 72,
        code_file: 112,
        code_instructions: 184,
        bytes_data: 32,
        text_state: 32,
        text_length: 16,
        ascii_data: 48,
        chunk_top: 16,
        chunk_data: 24,
        code_first_traceable: 168,
        object_size: 16,
        compact_data: 72,
        type_dealloc: 48,
        text_kind_shift: 2,
        ..ABSENT
    },
    // CPython 3.12
    Offsets {
        minor: 12,
        thread_frame: 56,
        cframe_frame: 0,
        thread_chunk: 232,
        frame_code: 0,
        frame_previous: 8,
        frame_instruction: 56,
        frame_owner: 70,
        code_name: 128,
        code_line_table: 136,
        code_first_line: 68,
        code_file: 112,
        code_instructions: 192,
        bytes_data: 32,
        text_state: 32,
        text_length: 16,
        ascii_data: 40,
        chunk_top: 16,
        chunk_data: 24,
        code_first_traceable: 176,
        object_size: 16,
        compact_data: 56,
        type_dealloc: 48,
        text_kind_shift: 2,
        ..ABSENT
    },
    // CPython 3.13
    Offsets {
        minor: 13,
        thread_frame: 72,
        thread_chunk: 232,
        frame_code: 0,
        frame_previous: 8,
        frame_instruction: 56,
        frame_owner: 70,
        code_name: 128,
        code_line_table: 136,
        code_first_line: 68,
        code_file: 112,
        code_instructions: 200,
        bytes_data: 32,
        text_state: 32,
        text_length: 16,
        ascii_data: 40,
        chunk_top: 16,
        chunk_data: 24,
        code_first_traceable: 184,
        object_size: 16,
        compact_data: 56,
        type_dealloc: 48,
        text_kind_shift: 2,
        debug: &[
            (184, 72),
            (208, 232),
            (240, 0),
            (232, 8),
            (248, 56),
            (264, 70),
            (296, 128),
            (304, 136),
            (312, 68),
            (280, 112),
            (344, 200),
            (528, 32),
            (544, 32),
            (552, 16),
            (560, 40),
            (16, 0),
        ],
        ..ABSENT
    },
    // CPython 3.14
    Offsets {
        minor: 14,
        thread_frame: 72,
        thread_chunk: 232,
        frame_code: 0,
        frame_previous: 8,
        frame_instruction: 56,
        frame_owner: 74,
        code_name: 128,
        code_line_table: 136,
        code_first_line: 68,
        code_file: 112,
        code_instructions: 208,
        bytes_data: 32,
        text_state: 32,
        text_length: 16,
        ascii_data: 40,
        chunk_top: 16,
        chunk_data: 24,
        code_first_traceable: 192,
        object_size: 16,
        compact_data: 56,
        type_dealloc: 48,
        text_kind_shift: 2,
        debug: &[
            (208, 72),
            (232, 232),
            (264, 0),
            (256, 8),
            (272, 56),
            (288, 74),
            (336, 128),
            (344, 136),
            (352, 68),
            (320, 112),
            (384, 208),
            (608, 32),
            (624, 32),
            (632, 16),
            (640, 40),
            (16, 0),
        ],
        ..ABSENT
    },
    // CPython 3.15
    Offsets {
        minor: 15,
        thread_frame: 72,
        thread_chunk: 256,
        frame_code: 0,
        frame_previous: 8,
        frame_instruction: 56,
        frame_owner: 74,
        code_name: 128,
        code_line_table: 136,
        code_first_line: 68,
        code_file: 112,
        code_instructions: 208,
        bytes_data: 32,
        text_state: 32,
        text_length: 16,
        ascii_data: 40,
        chunk_top: 16,
        chunk_data: 24,
        code_first_traceable: 192,
        object_size: 16,
        compact_data: 56,
        type_dealloc: 48,
        text_kind_shift: 2,
        debug: &[
            (208, 72),
            (256, 256),
            (328, 0),
            (320, 8),
            (336, 56),
            (352, 74),
            (400, 128),
            (408, 136),
            (416, 68),
            (384, 112),
            (448, 208),
            (704, 32),
            (720, 32),
            (728, 16),
            (736, 40),
            (16, 0),
        ],
        ..ABSENT
    },
];
