"""`tracemalloc_main.py MODULE LIBRARY ANSWER ORACLE`: runs MODULE.main(); whoever watches, the same happens.

ORACLE `library` counts with the C library; under `-X tracemalloc` tracemalloc's figures are written instead."""
import atexit
import ctypes
import gc
import importlib
import sys
import tracemalloc

name, library, answer, oracle = sys.argv[1:]
counter = ctypes.PyDLL(library)
counter.oracle_start.restype = counter.oracle_write.restype = None
answer_bytes = answer.encode()


def write_answer():
    gc.collect()
    counter.oracle_write(answer_bytes)
    if tracemalloc.is_tracing():
        lines = {}
        for trace in tracemalloc.take_snapshot().traces:
            frame = trace.traceback[0]
            if frame.filename.endswith(name + ".py"):
                entry = lines.setdefault(frame.lineno, [0, 0])
                entry[0] += trace.size
                entry[1] += 1
        with open(answer, "w") as file:
            file.writelines(f"{line} {size} {count}\n" for line, (size, count) in lines.items())


atexit.register(write_answer)
counter.oracle_start((name + ".py").encode() if oracle == "library" else None)
work = importlib.import_module(name)
# A full collection empties the free lists, which hold what happened to be freed before.
gc.collect()
work.main()
print("done", len(work.kept))
