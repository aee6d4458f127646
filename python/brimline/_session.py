"""Counting started and stopped from within."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from typing import Any, Optional

from . import _tracker
from ._tracker import TrackerError

_IDLE, _BY_COMMAND, _FROM_WITHIN = 0, 1, 2

_folder: Optional[str] = None
_mode: Optional[str] = None


def folder() -> str:
    """A private folder of this process for recordings and snapshots; it vanishes with the process."""
    global _folder
    if _folder is None or not os.path.isdir(_folder):
        _folder = tempfile.mkdtemp(prefix="brimline-")
        atexit.register(_remove, _folder, os.getpid())
    return _folder


def _remove(path: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


def is_tracking() -> bool:
    """Whether this process is being counted, by ``start`` or by ``brimline run``."""
    found = _tracker.present()
    return found is not None and found.brimline_state() != _IDLE


def start(mode: str = "exact") -> None:
    """Counts allocations from now on: ``exact`` (every object and malloc), ``malloc`` or ``sampled``.

    Under ``brimline run`` nothing is left to do. Otherwise the tracker is loaded into this process, wraps Python's
    allocators and replaces malloc's functions in the address tables of all loaded libraries, and of those that imports load
    later. Blocks that were there before are unknown to it. After ``stop`` it starts anew from zero.

    Raises :class:`TrackerError` where the process cannot be counted.
    """
    global _mode
    if mode not in ("exact", "malloc", "sampled"):
        raise ValueError("expected the mode exact, malloc or sampled, found %r" % (mode,))
    if is_tracking():
        return
    if _mode not in (None, mode):
        raise TrackerError("expected mode %s again: one process counts in one mode, found %s" % (_mode, mode))
    library = _tracker.library()
    place = folder()
    before = os.environ.get("BRIMLINE_TRACKER_MODE")
    os.environ["BRIMLINE_TRACKER_MODE"] = mode
    try:
        started = library.brimline_start(os.fsencode(place))
    finally:
        if before is None:
            del os.environ["BRIMLINE_TRACKER_MODE"]
        else:
            os.environ["BRIMLINE_TRACKER_MODE"] = before
    if not started:
        raise TrackerError("expected a process that can be counted, found one that cannot: %s" % _refusal(place))
    _mode = mode
    _patch_after_imports()


def stop() -> None:
    """Stops what ``start`` started. What was counted can still be kept by ``snapshot``."""
    found = _tracker.present()
    if found is not None and found.brimline_state() == _FROM_WITHIN:
        found.brimline_stop()


def _refusal(place: str) -> str:
    for name in sorted(os.listdir(place), reverse=True):
        if name.endswith(".refused"):
            with open(os.path.join(place, name), encoding="utf-8", errors="replace") as file:
                return file.read().strip()
    return "this interpreter does not export its functions"


_original_create: Any = None


def _patch_after_imports() -> None:
    """Has libraries counted that imports bring into the process."""
    global _original_create
    if _original_create is not None:
        return
    import _imp

    _original_create = _imp.create_dynamic

    def create_dynamic(*arguments: Any) -> Any:
        module = _original_create(*arguments)
        found = _tracker.present()
        if found is not None:
            found.brimline_patch()
        return module

    _imp.create_dynamic = create_dynamic
