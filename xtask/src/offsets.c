/* Prints where an interpreter keeps what the tracker reads; compiled by `cargo xtask offsets` against its own headers. */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <internal/pycore_frame.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#include <stddef.h>
#include <stdio.h>

#define FIELD(name, type, field) printf(#name " %zu\n", offsetof(type, field))

typedef struct _PyInterpreterFrame Frame;

int main(void)
{
    FIELD(RUNTIME_CURRENT_THREAD, _PyRuntimeState, gilstate.tstate_current);
    FIELD(RUNTIME_AUTO_INTERPRETER, _PyRuntimeState, gilstate.autoInterpreterState);
    FIELD(THREAD_CFRAME, PyThreadState, cframe);
    FIELD(THREAD_STACK_CHUNK, PyThreadState, datastack_chunk);
    FIELD(CHUNK_DATA, _PyStackChunk, data);
    FIELD(CFRAME_CURRENT_FRAME, _PyCFrame, current_frame);
    FIELD(FRAME_CODE, Frame, f_code);
    FIELD(FRAME_PREVIOUS, Frame, previous);
    FIELD(FRAME_INSTRUCTION, Frame, prev_instr);
    FIELD(FRAME_OWNER, Frame, owner);
    printf("OWNED_BY_GENERATOR %d\n", FRAME_OWNED_BY_GENERATOR);
    FIELD(CODE_FIRST_LINE, PyCodeObject, co_firstlineno);
    FIELD(CODE_FILE, PyCodeObject, co_filename);
    FIELD(CODE_NAME, PyCodeObject, co_qualname);
    FIELD(CODE_LINE_TABLE, PyCodeObject, co_linetable);
    FIELD(CODE_FIRST_TRACEABLE, PyCodeObject, _co_firsttraceable);
    FIELD(CODE_INSTRUCTIONS, PyCodeObject, co_code_adaptive);
    FIELD(OBJECT_SIZE, PyVarObject, ob_size);
    FIELD(BYTES_DATA, PyBytesObject, ob_sval);
    FIELD(TEXT_LENGTH, PyASCIIObject, length);
    FIELD(TEXT_STATE, PyASCIIObject, state);
    printf("ASCII_DATA %zu\n", sizeof(PyASCIIObject));
    printf("COMPACT_DATA %zu\n", sizeof(PyCompactUnicodeObject));
    FIELD(TYPE_DEALLOC, PyTypeObject, tp_dealloc);
    return 0;
}
