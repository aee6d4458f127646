"""Line-by-line tables of decorated functions, in memory_profiler's columns.

The interpreter reports lines to a C function of the tracker, in the threads that run a decorated function and for as long
as it runs. ``Mem usage`` is the most that the process held after a line, ``Increment`` what it gained or lost since the line
executed before, summed over all executions.
"""

from __future__ import annotations

import ctypes
import functools
import inspect
import linecache
import os
import sys
import threading
import types
from typing import Any, Callable, Iterator, List, Optional, TextIO, Tuple, TypeVar, Union, cast

from . import _session, _tracker

_MIB = 1 << 20
_Function = TypeVar("_Function", bound=Callable[..., Any])
# How many decorated functions run in each thread.
_running = threading.local()
_resident: Optional[int] = None


def use_resident_memory() -> None:
    """Tables show the process's resident set from now on, not tracked bytes."""
    global _resident
    if _resident is None:
        _resident = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        _tracker.library().brimline_lines_resident(_resident)


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested(constant)


class Table:
    """The lines of one function, nested functions and comprehensions included."""

    def __init__(self, code: types.CodeType) -> None:
        if _resident is None:
            _session.start()
        self._library = _tracker.library()
        self.filename = code.co_filename
        try:
            source, first = inspect.getsourcelines(code)
            count = len(source)
        except (OSError, TypeError, SyntaxError, IndexError):
            # Without source the table has the lines that have code.
            lines = [line for nested in _nested(code) for _, line in _starts(nested)]
            first = code.co_firstlineno
            count = max(lines, default=first) - first + 1
        self.first_line, self.count = max(first, 1), count
        self._group = self._library.brimline_lines_new(self.first_line, count)
        if self._group < 0:
            raise _tracker.TrackerError("expected at most 1024 decorated functions")
        # The tracker knows code objects by address.
        self._codes = list(_nested(code))
        for nested in self._codes:
            self._library.brimline_lines_follow(self._group, nested)

    def clear(self) -> None:
        """Forgets what was counted."""
        self._library.brimline_lines_clear(self._group)

    def rows(self) -> List[Tuple[int, Optional[Tuple[int, int, int]]]]:
        """Line and, where it ran, its increment and highest level in bytes and how often it ran."""
        rows = (_tracker.LineRow * self.count)()
        self._library.brimline_lines_read(self._group, ctypes.byref(rows))
        return [
            (self.first_line + index, (row.increment, row.highest, row.occurrences) if row.occurrences else None)
            for index, row in enumerate(rows)
        ]

    def write(self, stream: Optional[TextIO] = None, precision: int = 1) -> None:
        """Writes the table."""
        rows = self.rows()
        if all(row is None for _, row in rows):
            return
        out = stream if stream is not None else sys.stdout
        columns = "{0:>6} {1:>12} {2:>12}  {3:>10}   {4:<}"
        head = columns.format("Line #", "Mem usage", "Increment", "Occurrences", "Line Contents")
        out.write("Filename: %s\n\n%s\n%s\n" % (self.filename, head, "=" * len(head)))
        precision = max(precision, 0)
        amount = "{0:%d.%df} MiB" % (precision + 4, precision)
        source = linecache.getlines(self.filename)
        for line, row in rows:
            text = source[line - 1] if line <= len(source) else "\n"
            if row is None:
                out.write(columns.format(line, "", "", "", text))
            else:
                increment, highest, occurrences = row
                level, increment_text = amount.format(highest / _MIB), amount.format(increment / _MIB)
                out.write(columns.format(line, level, increment_text, occurrences, text))
            if not text.endswith("\n"):
                out.write("\n")
        out.write("\n\n")


def _starts(code: types.CodeType) -> Iterator[Tuple[int, int]]:
    import dis

    for offset, line in dis.findlinestarts(code):
        if line is not None:
            yield offset, line


class following:
    """``with following():`` lines of this thread count in the tables of their functions."""

    def __enter__(self) -> "following":
        depth = getattr(_running, "depth", 0)
        _running.depth = depth + 1
        if depth == 0:
            # Debuggers and coverage pause meanwhile.
            _running.before = sys.gettrace()
            _tracker.library().brimline_lines_start(_running.__dict__)
        return self

    def __exit__(self, *_: object) -> None:
        _running.depth -= 1
        if _running.depth == 0:
            _tracker.library().brimline_lines_stop()
            if _running.before is not None:
                sys.settrace(_running.before)


def _resumed(iterator: Any, done: Callable[[], None]) -> Any:
    """Drives a generator or coroutine with its lines counted."""
    step: Callable[[], Any] = functools.partial(iterator.send, None)
    try:
        while True:
            with following():
                try:
                    value = step()
                except StopIteration as stop:
                    return stop.value
            try:
                sent = yield value
            except GeneratorExit:
                with following():
                    iterator.close()
                raise
            except BaseException as error:
                step = functools.partial(iterator.throw, error)
            else:
                step = functools.partial(iterator.send, sent)
    finally:
        done()


def wrap(function: Callable[..., Any], done: Callable[[], None], begin: Callable[[], None]) -> Callable[..., Any]:
    """`function` with its lines counted; `begin` comes before each outermost call, `done` behind it."""
    if inspect.iscoroutinefunction(function):
        driver: Any = types.coroutine(_resumed)

        @functools.wraps(function)
        async def of_coroutine(*args: Any, **kwargs: Any) -> Any:
            begin()
            return await driver(function(*args, **kwargs), done)

        return of_coroutine
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def of_generator(*args: Any, **kwargs: Any) -> Any:
            begin()
            return (yield from _resumed(function(*args, **kwargs), done))

        return of_generator

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        begin()
        try:
            with following():
                return function(*args, **kwargs)
        finally:
            done()

    return wrapper


def code_of(function: Any) -> types.CodeType:
    """The code of a function or method, also of one that is wrapped."""
    found = inspect.unwrap(function)
    code = getattr(getattr(found, "__func__", found), "__code__", None)
    if not isinstance(code, types.CodeType):
        raise TypeError("expected a function written in Python, found %r" % (function,))
    return code


def profile(
    function: Optional[_Function] = None,
    stream: Optional[TextIO] = None,
    precision: int = 1,
    rss: bool = False,
    **_: Any,
) -> Union[_Function, Callable[[_Function], _Function]]:
    """Prints a table line by line after each call of the decorated function: ``@brimline.profile``.

    The columns are memory_profiler's; bytes are those that are tracked, or with ``rss=True`` the resident set (of all tables
    of the process).
    """
    if function is None:
        return cast(
            Callable[[_Function], _Function], functools.partial(profile, stream=stream, precision=precision, rss=rss)
        )
    if isinstance(function, (classmethod, staticmethod)):
        wrapped: Any = profile(function.__func__, stream=stream, precision=precision, rss=rss)
        again: Any = type(function)(wrapped)
        return cast(_Function, again)
    code = code_of(function)
    state = threading.local()
    table: List[Table] = []

    def begin() -> None:
        if not table:
            if rss:
                use_resident_memory()
            table.append(Table(code))
        state.depth = getattr(state, "depth", 0) + 1
        if state.depth == 1:
            table[0].clear()

    def done() -> None:
        state.depth -= 1
        if state.depth == 0:
            table[0].write(stream, precision)

    return cast(_Function, wrap(function, done, begin))
