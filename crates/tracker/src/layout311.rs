//! Where CPython 3.11 keeps what the tracker reads, in bytes. Printed by `cargo xtask offsets` from the interpreter's own
//! headers; the self-test in `bring_up.rs` compares what they yield with the public API in each process.

/// `_PyRuntimeState.gilstate.tstate_current`: the thread state that holds the GIL.
pub(crate) const RUNTIME_CURRENT_THREAD: usize = 576;
/// `_PyRuntimeState.gilstate.autoInterpreterState`: null before the interpreter is up and after it has gone.
pub(crate) const RUNTIME_AUTO_INTERPRETER: usize = 584;
/// `PyThreadState.cframe`.
pub(crate) const THREAD_CFRAME: usize = 56;
/// `PyThreadState.datastack_chunk`.
pub(crate) const THREAD_STACK_CHUNK: usize = 296;
/// `_PyStackChunk.data`: where the first frame of a chunk lies.
pub(crate) const CHUNK_DATA: usize = 24;
/// `_PyCFrame.current_frame`.
pub(crate) const CFRAME_CURRENT_FRAME: usize = 8;
/// `_PyInterpreterFrame.f_code`.
pub(crate) const FRAME_CODE: usize = 32;
/// `_PyInterpreterFrame.previous`.
pub(crate) const FRAME_PREVIOUS: usize = 48;
/// `_PyInterpreterFrame.prev_instr`.
pub(crate) const FRAME_INSTRUCTION: usize = 56;
/// `_PyInterpreterFrame.owner`.
pub(crate) const FRAME_OWNER: usize = 69;
/// `FRAME_OWNED_BY_GENERATOR`.
pub(crate) const OWNED_BY_GENERATOR: u8 = 1;
/// `PyCodeObject.co_firstlineno`.
pub(crate) const CODE_FIRST_LINE: usize = 72;
/// `PyCodeObject.co_filename`.
pub(crate) const CODE_FILE: usize = 112;
/// `PyCodeObject.co_qualname`.
pub(crate) const CODE_NAME: usize = 128;
/// `PyCodeObject.co_linetable`.
pub(crate) const CODE_LINE_TABLE: usize = 136;
/// `PyCodeObject._co_firsttraceable`.
pub(crate) const CODE_FIRST_TRACEABLE: usize = 168;
/// `PyCodeObject.co_code_adaptive`.
pub(crate) const CODE_INSTRUCTIONS: usize = 184;
/// `PyVarObject.ob_size`, and with it the length of `bytes`.
pub(crate) const OBJECT_SIZE: usize = 16;
/// `PyBytesObject.ob_sval`.
pub(crate) const BYTES_DATA: usize = 32;
/// `PyASCIIObject.length`.
pub(crate) const TEXT_LENGTH: usize = 16;
/// `PyASCIIObject.state`.
pub(crate) const TEXT_STATE: usize = 32;
/// `sizeof(PyASCIIObject)`: where the characters of an ASCII string start.
pub(crate) const ASCII_DATA: usize = 48;
/// `sizeof(PyCompactUnicodeObject)`: where other compact strings start.
pub(crate) const COMPACT_DATA: usize = 72;
/// `PyTypeObject.tp_dealloc`.
pub(crate) const TYPE_DEALLOC: usize = 48;
