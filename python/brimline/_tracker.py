"""The tracker in this process, by its exported names."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Optional

_INTERFACE = 1


class TrackerError(RuntimeError):
    """This process cannot be counted; the message says why."""


@dataclass(frozen=True)
class Totals:
    """Bytes and blocks of this process, as counted so far."""

    live_bytes: int
    live_count: int
    peak_bytes: int
    total_bytes: int
    total_count: int


class _CTotals(ctypes.Structure):
    _fields_ = [
        ("live_bytes", ctypes.c_int64),
        ("live_count", ctypes.c_int64),
        ("peak_bytes", ctypes.c_int64),
        ("total_bytes", ctypes.c_uint64),
        ("total_count", ctypes.c_uint64),
    ]


class LineRow(ctypes.Structure):
    """A row of a line table: bytes, bytes, times."""

    _fields_ = [
        ("increment", ctypes.c_int64),
        ("highest", ctypes.c_int64),
        ("occurrences", ctypes.c_uint64),
    ]


def _declare(library: ctypes.PyDLL) -> ctypes.PyDLL:
    found = library.brimline_interface()
    if found != _INTERFACE:
        raise TrackerError("expected a tracker with interface %d, found %d; install one version" % (_INTERFACE, found))
    library.brimline_start.argtypes = [ctypes.c_char_p]
    library.brimline_totals.argtypes = [ctypes.POINTER(_CTotals)]
    library.brimline_totals.restype = None
    library.brimline_recording_path.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    library.brimline_local_peak.argtypes = [ctypes.c_int]
    library.brimline_local_peak.restype = ctypes.c_int64
    library.brimline_lines_new.argtypes = [ctypes.c_uint32, ctypes.c_uint32]
    library.brimline_lines_follow.argtypes = [ctypes.c_int, ctypes.py_object]
    library.brimline_lines_clear.argtypes = [ctypes.c_int]
    library.brimline_lines_clear.restype = None
    library.brimline_lines_read.argtypes = [ctypes.c_int, ctypes.c_void_p]
    library.brimline_lines_read.restype = None
    library.brimline_lines_resident.argtypes = [ctypes.c_int]
    library.brimline_lines_resident.restype = None
    library.brimline_lines_start.argtypes = [ctypes.py_object]
    library.brimline_lines_stop.restype = None
    for name in ("brimline_stop", "brimline_patch", "brimline_flush"):
        getattr(library, name).restype = None
    return library


_library: Optional[ctypes.PyDLL] = None


def present() -> Optional[ctypes.PyDLL]:
    """The library if it is part of this process: preloaded by ``brimline run``, or loaded by :func:`library`."""
    global _library
    if _library is None:
        process = ctypes.PyDLL(None)
        if hasattr(process, "brimline_interface"):
            _library = _declare(process)
    return _library


def library() -> ctypes.PyDLL:
    """The library, loaded from the command's cache where it is not there yet."""
    global _library
    found = present()
    if found is None:
        from ._command import run

        path = run(["tracker"]).strip()
        # It takes part in allocation as soon as it counts, and is never unloaded.
        found = _library = _declare(ctypes.PyDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL))
    return found


def totals() -> Totals:
    """What has been counted in this process; zeros before ``start``. Exact while one thread runs."""
    found = present()
    values = _CTotals()
    if found is not None:
        found.brimline_totals(ctypes.byref(values))
    return Totals(values.live_bytes, values.live_count, values.peak_bytes, values.total_bytes, values.total_count)


def recording_path() -> str:
    """Path of this process's recording."""
    found = present()
    path = ctypes.create_string_buffer(4096)
    if found is None or not found.brimline_recording_path(path, len(path)):
        raise TrackerError("expected a process that is counted; call `brimline.start()` first")
    return os.fsdecode(path.value)
