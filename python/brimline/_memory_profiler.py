"""A stand-in for memory_profiler in programs that ``brimline run`` records: the same names, the same tables.

Names that are not here come from memory_profiler itself where it is installed.
"""

from __future__ import annotations

import argparse
import atexit
import builtins
import functools
import importlib.machinery
import os
import runpy
import sys
import threading
import time
from typing import Any, Callable, Dict, List, Optional

from brimline import _lines

__version__ = "0.61.0"
_MIB = 1 << 20


def _wants_resident() -> bool:
    return os.environ.get("BRIMLINE_PROFILE") == "rss"


def profile(func: Any = None, stream: Any = None, precision: int = 1, backend: str = "psutil") -> Any:
    """memory_profiler's decorator: a table after each call."""
    return _lines.profile(func, stream=stream, precision=precision, rss=_wants_resident())


class CodeMap:
    """memory_profiler's results, read from the tables."""

    def __init__(self, tables: Dict[Any, _lines.Table]) -> None:
        self._tables = tables

    def items(self) -> Any:
        """File and rows of each function that ran."""
        for table in self._tables.values():
            rows = [
                (line, None if row is None else (row[0] / _MIB, row[1] / _MIB, row[2])) for line, row in table.rows()
            ]
            if any(row is not None for _, row in rows):
                yield table.filename, iter(rows)


class LogFile:
    """A stream that writes tables to a logger; with the flag only lines that gained memory."""

    def __init__(self, name: Optional[str] = None, reportIncrementFlag: bool = False) -> None:
        import logging

        self.logger = logging.getLogger(name)
        self.reportIncrementFlag = reportIncrementFlag

    def write(self, text: str) -> None:
        """Logs a line of a table."""
        words = text.split()
        has_increment = len(words) > 4 and words[2] == "MiB" and words[4] == "MiB" and float(words[3]) != 0
        if not self.reportIncrementFlag or has_increment or "MiB" not in text:
            self.logger.info(text.rstrip("\n"))

    def flush(self) -> None:
        """Loggers flush themselves."""


class LineProfiler:
    """memory_profiler's recorder: functions added to it are counted while it is enabled."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.enable_count = 0
        self.tables: Dict[Any, _lines.Table] = {}
        self._following: List[_lines.following] = []

    @property
    def code_map(self) -> "CodeMap":
        """Files and their rows: line and (increment, level, occurrences) in MiB."""
        return CodeMap(self.tables)

    def add_function(self, func: Any) -> None:
        """Has a function's lines counted."""
        code = _lines.code_of(func)
        if code not in self.tables:
            if _wants_resident():
                _lines.use_resident_memory()
            self.tables[code] = _lines.Table(code)

    def wrap_function(self, func: Any) -> Callable[..., Any]:
        """The function with its lines counted."""
        return _lines.wrap(func, lambda: None, lambda: None)

    def __call__(self, func: Any = None, **_: Any) -> Any:
        if func is None:
            return self
        self.add_function(func)
        return self.wrap_function(func)

    def enable(self) -> None:
        """Counts lines of this thread from now on."""
        self.enable_count += 1
        self._following.append(_lines.following().__enter__())

    def disable(self) -> None:
        """Stops what `enable` started."""
        if self._following:
            self.enable_count -= 1
            self._following.pop().__exit__()

    enable_by_count = enable
    disable_by_count = disable

    def __enter__(self) -> "LineProfiler":
        self.enable()
        return self

    def __exit__(self, *_: object) -> None:
        self.disable()

    def run(self, statement: str) -> Any:
        """Runs a statement in ``__main__``."""
        import __main__

        space = __main__.__dict__
        return self.runctx(statement, space, space)

    def runctx(self, statement: str, globals: Any, locals: Any) -> "LineProfiler":
        """Runs a statement."""
        with self:
            exec(statement, globals, locals)
        return self

    def runcall(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls a function."""
        with self:
            return func(*args, **kwargs)


def show_results(prof: LineProfiler, stream: Any = None, precision: int = 1) -> None:
    """Writes the tables of a recorder."""
    for table in prof.tables.values():
        table.write(stream, precision)


_until_exit: Optional[LineProfiler] = None


def profile_until_exit(func: Any = None, **options: Any) -> Any:
    """The builtin ``profile``: all tables when the program ends."""
    if func is None:
        return functools.partial(profile_until_exit, **options)
    if isinstance(func, (classmethod, staticmethod)):
        wrapped: Any = until_exit()(func.__func__)
        kind: Any = type(func)
        return kind(wrapped)
    return until_exit()(func)


def until_exit() -> LineProfiler:
    """The recorder whose tables are written when the program ends."""
    global _until_exit
    if _until_exit is None:
        _until_exit = LineProfiler()
        atexit.register(_write_at_exit, os.getpid())
    return _until_exit


def _write_at_exit(owner: int) -> None:
    if _until_exit is None or os.getpid() != owner:
        return
    precision = int(os.environ.get("BRIMLINE_PROFILE_PRECISION", "1"))
    output = os.environ.get("BRIMLINE_PROFILE_OUTPUT")
    if output:
        with open(output, "a", encoding="utf-8") as stream:
            show_results(_until_exit, stream, precision)
    else:
        show_results(_until_exit, None, precision)


def _resident(pid: int) -> float:
    with open("/proc/%d/statm" % pid, "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MIB


def memory_usage(
    proc: Any = -1,
    interval: float = 0.1,
    timeout: Optional[float] = None,
    timestamps: bool = False,
    include_children: bool = False,
    multiprocess: bool = False,
    max_usage: bool = False,
    retval: bool = False,
    stream: Any = None,
    backend: Optional[str] = None,
    max_iterations: Optional[int] = None,
) -> Any:
    """Resident memory in MiB over time: of this process, of another by its id, or while a function runs."""
    if include_children or multiprocess or stream is not None or hasattr(proc, "poll"):
        return _installed().memory_usage(
            proc, interval, timeout, timestamps, include_children, multiprocess, max_usage, retval, stream,
            *([backend] if backend else []), max_iterations=max_iterations,
        )
    values: List[Any] = []
    ended = threading.Event()
    pid = os.getpid() if not isinstance(proc, int) or proc == -1 else proc

    def sample() -> None:
        level = _resident(pid)
        values.append((level, time.time()) if timestamps else level)

    result = None
    if callable(proc) or isinstance(proc, (tuple, list)):
        function, args, kwargs = (tuple(proc) if isinstance(proc, (tuple, list)) else (proc,)) + ((), {})[
            max(0, (len(proc) if isinstance(proc, (tuple, list)) else 1) - 1) :
        ]

        def poll() -> None:
            while not ended.wait(interval):
                sample()

        sample()
        poller = threading.Thread(target=poll, name="memory_usage", daemon=True)
        poller.start()
        try:
            result = function(*args, **kwargs)
        finally:
            ended.set()
            poller.join()
            sample()
    else:
        count = max(1, int(timeout / interval)) if timeout is not None else 1
        try:
            for index in range(count):
                if index:
                    time.sleep(interval)
                sample()
        except (FileNotFoundError, ProcessLookupError):
            pass
    answer: Any = max(values) if max_usage else values
    return (answer, result) if retval else answer


def _installed() -> Any:
    """memory_profiler itself."""
    module = sys.modules.get("_brimline_installed_memory_profiler")
    if module is None:
        spec = importlib.machinery.PathFinder.find_spec("memory_profiler")
        if spec is None or spec.loader is None:
            raise AttributeError("expected memory_profiler to be installed for this, found it is not")
        module = importlib.util.module_from_spec(spec)
        sys.modules["_brimline_installed_memory_profiler"] = module
        spec.loader.exec_module(module)
    return module


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(_installed(), name)


def main() -> None:
    """``python -m memory_profiler``."""
    parser = argparse.ArgumentParser(prog="python -m memory_profiler")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--pdb-mmem", metavar="MAXMEM", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--precision", type=int, default=1)
    parser.add_argument("-o", dest="output")
    parser.add_argument("--timestamp", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--include-children", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--backend", help=argparse.SUPPRESS)
    parser.add_argument("program", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not options.program:
        parser.error("expected a program")
    os.environ["BRIMLINE_PROFILE_PRECISION"] = str(options.precision)
    if options.output:
        os.environ["BRIMLINE_PROFILE_OUTPUT"] = os.path.abspath(options.output)
        open(options.output, "w", encoding="utf-8").close()
    script, arguments = options.program[0], options.program[1:]
    builtins.profile = profile_until_exit  # type: ignore[attr-defined]
    sys.argv[:] = [script, *arguments]
    if script == "-m" and arguments:
        sys.argv[:] = arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        return
    sys.path[0:0] = [os.path.dirname(os.path.abspath(script))]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    from brimline._memory_profiler import main as run

    run()
