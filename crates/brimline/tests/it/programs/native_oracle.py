"""Native stacks as memray has them: bytes and blocks ever allocated by line of some functions of a script and
native functions.

    python native_oracle.py CAPTURE SCRIPT FUNCTION…

Prints JSON rows [line, [function, innermost first], bytes, blocks]. Left out is what memray's own profile function does
to the program's calls: functions from the interpreter's call machinery on outwards.
"""
import collections
import json
import sys

from memray import AllocatorType, FileReader

COUNTED = {
    AllocatorType.MALLOC,
    AllocatorType.CALLOC,
    AllocatorType.REALLOC,
    AllocatorType.POSIX_MEMALIGN,
    AllocatorType.ALIGNED_ALLOC,
}
# Python's own allocators over malloc: their requests are Python objects to brimline, of other sizes.
PYTHON_ALLOCATORS = ("PyMem_", "_PyMem_", "PyObject_", "_PyObject_", "pymalloc", "new_arena", "allocate_from_new_pool")


def stacks(capture, script, functions):
    found = collections.defaultdict(lambda: [0, 0])
    for record in FileReader(capture).get_allocation_records():
        # Records of frees have no stack.
        python = record.stack_trace(1) if record.allocator in COUNTED else None
        if not python or not python[0][1].endswith(script) or python[0][0] not in functions:
            continue
        names = []
        for frame in record.hybrid_stack_trace():
            if tuple(frame) == tuple(python[0]):
                break
            names.append(frame[0])
        if names and names[0].startswith(PYTHON_ALLOCATORS):
            continue
        row = found[(python[0][2], tuple(names))]
        row[0] += record.size
        row[1] += record.n_allocations
    return [[line, names, *row] for (line, names), row in found.items()]


json.dump(stacks(sys.argv[1], sys.argv[2], sys.argv[3:]), sys.stdout)
