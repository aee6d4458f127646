/* Prints where an interpreter keeps what the tracker reads; compiled by `cargo xtask offsets` against its own headers.
   What a version does not have is left out. */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <frameobject.h>
#if PY_VERSION_HEX < 0x03090000
#include <internal/pycore_pystate.h>
#else
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#endif
#if PY_VERSION_HEX >= 0x030b0000
#include <internal/pycore_frame.h>
typedef struct _PyInterpreterFrame Frame;
#endif
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_interpframe_structs.h>
#endif
#include <stddef.h>
#include <stdio.h>

#define FIELD(name, type, field) printf(#name " %zu\n", offsetof(type, field))
#define CHECKED(name, type, field, at) \
    (FIELD(name, type, field), printf("debug_" #name " %zu\n", offsetof(_Py_DebugOffsets, at)))

int main(void)
{
    printf("minor %d\n", PY_MINOR_VERSION);
#if PY_VERSION_HEX < 0x030c0000
    FIELD(runtime_current_thread, _PyRuntimeState, gilstate.tstate_current);
    FIELD(runtime_auto_interpreter, _PyRuntimeState, gilstate.autoInterpreterState);
#endif
#if PY_VERSION_HEX < 0x030b0000
    FIELD(thread_frame, PyThreadState, frame);
    FIELD(frame_code, PyFrameObject, f_code);
    FIELD(frame_previous, PyFrameObject, f_back);
    FIELD(frame_instruction, PyFrameObject, f_lasti);
    FIELD(frame_trace_lines, PyFrameObject, f_trace_lines);
    FIELD(frame_generator, PyFrameObject, f_gen);
    FIELD(code_name, PyCodeObject, co_name);
#if PY_VERSION_HEX < 0x030a0000
    FIELD(code_line_table, PyCodeObject, co_lnotab);
#else
    FIELD(code_line_table, PyCodeObject, co_linetable);
#endif
    FIELD(code_first_line, PyCodeObject, co_firstlineno);
    FIELD(code_file, PyCodeObject, co_filename);
    FIELD(bytes_data, PyBytesObject, ob_sval);
    FIELD(text_state, PyASCIIObject, state);
    FIELD(text_length, PyASCIIObject, length);
    printf("ascii_data %zu\n", sizeof(PyASCIIObject));
#else
#if PY_VERSION_HEX < 0x030d0000
    FIELD(thread_frame, PyThreadState, cframe);
    FIELD(cframe_frame, _PyCFrame, current_frame);
    FIELD(thread_chunk, PyThreadState, datastack_chunk);
    FIELD(frame_code, Frame, f_code);
    FIELD(frame_previous, Frame, previous);
    FIELD(frame_instruction, Frame, prev_instr);
    FIELD(frame_owner, Frame, owner);
    FIELD(code_name, PyCodeObject, co_qualname);
    FIELD(code_line_table, PyCodeObject, co_linetable);
    FIELD(code_first_line, PyCodeObject, co_firstlineno);
    FIELD(code_file, PyCodeObject, co_filename);
    FIELD(code_instructions, PyCodeObject, co_code_adaptive);
    FIELD(bytes_data, PyBytesObject, ob_sval);
    FIELD(text_state, PyASCIIObject, state);
    FIELD(text_length, PyASCIIObject, length);
    printf("ascii_data %zu\n", sizeof(PyASCIIObject));
#else
    CHECKED(thread_frame, PyThreadState, current_frame, thread_state.current_frame);
    CHECKED(thread_chunk, PyThreadState, datastack_chunk, thread_state.datastack_chunk);
    CHECKED(frame_code, Frame, f_executable, interpreter_frame.executable);
    CHECKED(frame_previous, Frame, previous, interpreter_frame.previous);
    CHECKED(frame_instruction, Frame, instr_ptr, interpreter_frame.instr_ptr);
    CHECKED(frame_owner, Frame, owner, interpreter_frame.owner);
    CHECKED(code_name, PyCodeObject, co_qualname, code_object.qualname);
    CHECKED(code_line_table, PyCodeObject, co_linetable, code_object.linetable);
    CHECKED(code_first_line, PyCodeObject, co_firstlineno, code_object.firstlineno);
    CHECKED(code_file, PyCodeObject, co_filename, code_object.filename);
    CHECKED(code_instructions, PyCodeObject, co_code_adaptive, code_object.co_code_adaptive);
    CHECKED(bytes_data, PyBytesObject, ob_sval, bytes_object.ob_sval);
    CHECKED(text_state, PyASCIIObject, state, unicode_object.state);
    CHECKED(text_length, PyASCIIObject, length, unicode_object.length);
    printf("ascii_data %zu\ndebug_ascii_data %zu\n", sizeof(PyASCIIObject),
           offsetof(_Py_DebugOffsets, unicode_object.asciiobject_size));
    printf("debug_free_threaded %zu\n", offsetof(_Py_DebugOffsets, free_threaded));
#endif
    FIELD(chunk_top, _PyStackChunk, top);
    FIELD(chunk_data, _PyStackChunk, data);
    FIELD(code_first_traceable, PyCodeObject, _co_firsttraceable);
#endif
    FIELD(object_size, PyVarObject, ob_size);
    printf("compact_data %zu\n", sizeof(PyCompactUnicodeObject));
    FIELD(type_dealloc, PyTypeObject, tp_dealloc);
    PyASCIIObject text = {0};
    text.state.kind = 1;
    unsigned bits;
    memcpy(&bits, &text.state, sizeof bits);
    printf("text_kind_shift %d\n", __builtin_ctz(bits));
    return 0;
}
