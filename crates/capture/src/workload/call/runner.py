# Calls a function once for each line read from brimline's socket, and collects garbage after each call.
import gc
import importlib
import importlib.util
import inspect
import os
import socket
import sys
import time


def _text(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def _load(place, name):
    sys.path.insert(0, os.getcwd())
    if place.endswith(".py"):
        sys.path.insert(0, os.path.dirname(os.path.abspath(place)))
        stem = os.path.splitext(os.path.basename(place))[0]
        spec = importlib.util.spec_from_file_location(stem, place)
        found = importlib.util.module_from_spec(spec)
        sys.modules[stem] = found
        spec.loader.exec_module(found)
    else:
        found = importlib.import_module(place)
    for part in name.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{name} is no function")
    return found


def _main(place, name):
    line = socket.socket(socket.AF_UNIX)
    line.connect(os.environ.pop("BRIMLINE_CALLS"))
    answers = line.makefile("w", encoding="utf-8", errors="replace")
    try:
        function = _load(place, name)
    except BaseException as error:
        answers.write(f"refused {_text(error)}\n")
        answers.flush()
        raise
    loop = None
    if inspect.iscoroutinefunction(function):
        import asyncio

        loop = asyncio.new_event_loop()
    answers.write("ready\n")
    answers.flush()
    for _ in line.makefile("r"):
        start = time.perf_counter()
        answer = None
        try:
            if loop is None:
                function()
            else:
                loop.run_until_complete(function())
        except Exception as error:
            answer = f"failed {_text(error)}\n"
        if answer is None:
            answer = f"done {int((time.perf_counter() - start) * 1e6)}\n"
        gc.collect()
        answers.write(answer)
        answers.flush()
    if loop is not None:
        loop.close()


_main(*sys.argv[1:])
