"""A moment of this process, kept in a file that the command reads as well."""

from __future__ import annotations

import gc
import itertools
import os
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from . import _command, _session, _tracker


@dataclass(frozen=True)
class Row:
    """A line, function, file, module or thread and what it holds, held and took. Unknown is None."""

    file: Optional[str]
    line: Optional[int]
    function: Optional[str]
    module: Optional[str]
    live_bytes: Optional[int]
    live_count: Optional[int]
    peak_bytes: Optional[int]
    total_bytes: Optional[int]
    total_count: Optional[int]


@dataclass(frozen=True)
class Change:
    """A row that differs between two snapshots; ``state`` is new, gone, grown or shrunk."""

    file: Optional[str]
    line: Optional[int]
    function: Optional[str]
    module: Optional[str]
    before_bytes: int
    after_bytes: int
    delta_bytes: int
    before_count: int
    after_count: int
    delta_count: int
    state: str


_numbers = itertools.count(1)


class Snapshot:
    """What the process held at one moment. Also a file: ``brimline report`` and ``diff`` take it.

    A file of another kind that the command reads (tracemalloc's, memray's, pprof's) can be opened as one:
    ``Snapshot("before.pickle")``.
    """

    def __init__(self, path: str) -> None:
        self.path = os.fspath(path)
        self._totals: Optional[Dict[str, Any]] = None

    def __repr__(self) -> str:
        return "<brimline.Snapshot %s>" % self.path

    def _total(self, name: str) -> Optional[int]:
        if self._totals is None:
            self._totals = _command.answer(["report", self.path, "--by", "file", "--top", "0"])["totals"]
        value = self._totals.get(name)
        return value if isinstance(value, int) else None

    @property
    def live_bytes(self) -> Optional[int]:
        """Bytes that were live."""
        return self._total("live_bytes")

    @property
    def live_count(self) -> Optional[int]:
        """Blocks that were live."""
        return self._total("live_count")

    @property
    def peak_bytes(self) -> Optional[int]:
        """Highest number of bytes live at once up to then."""
        return self._total("peak_bytes")

    @property
    def total_bytes(self) -> Optional[int]:
        """All bytes allocated up to then."""
        return self._total("total_bytes")

    def rows(
        self, by: str = "line", metric: Optional[str] = None, top: Optional[int] = None, cumulative: bool = False
    ) -> List[Row]:
        """Rows by ``line``, ``function``, ``file``, ``module``, ``stack`` or ``thread``, largest first."""
        arguments = ["report", self.path, "--by", by]
        if metric:
            arguments += ["--metric", metric]
        if top is not None:
            arguments += ["--top", str(top)]
        if cumulative:
            arguments.append("--cumulative")
        names = Row.__dataclass_fields__
        return [Row(**{name: row.get(name) for name in names}) for row in _command.answer(arguments)["rows"]]

    def compare_to(self, before: "Snapshot", by: str = "line", cumulative: bool = False) -> List[Change]:
        """Rows that differ from an earlier snapshot, most growth first."""
        arguments = ["diff", before.path, self.path, "--by", by, "--all"]
        if cumulative:
            arguments.append("--cumulative")
        names = Change.__dataclass_fields__
        return [Change(**{name: row.get(name) for name in names}) for row in _command.answer(arguments)["rows"]]

    def table(self, by: str = "line", top: int = 20) -> str:
        """The report as text."""
        return _command.run(["report", self.path, "--by", by, "--top", str(top)], (0, 3))

    def flame(self, metric: str = "live") -> str:
        """A flame graph, as SVG."""
        return _command.run(["report", self.path, "--format", "flame", "--metric", metric], (0, 3))

    def save(self, path: str) -> "Snapshot":
        """Copies the file to a place of your own, readable by you alone."""
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            source = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                # In the kernel: no buffer of this copy is in the next snapshot.
                while os.sendfile(target, source, None, 1 << 30):
                    pass
            finally:
                os.close(source)
        finally:
            os.close(target)
        return Snapshot(path)


def snapshot(collect: bool = True) -> Snapshot:
    """Keeps what this process holds now, after a garbage collection unless ``collect`` is false.

    The file lies in a temporary folder and vanishes with the process; ``save`` keeps it.
    """
    library = _tracker.present()
    if library is None:
        raise _tracker.TrackerError("expected a process that is counted; call `brimline.start()` first")
    source = _tracker.recording_path()
    target = os.path.join(_session.folder(), "snapshot-%d-%d.rec" % (os.getpid(), next(_numbers)))
    if collect:
        gc.collect()
    library.brimline_flush()
    return Snapshot(source).save(target)


def compare(before: Snapshot, after: Snapshot, by: str = "line") -> List[Change]:
    """Rows that differ between two snapshots, most growth first; rows that shrank come last."""
    return after.compare_to(before, by)
