"""What a block of code costs."""

from __future__ import annotations

import gc
from typing import List, Optional

from . import _session, _tracker
from ._snapshot import Change, Snapshot, snapshot


class Measurement:
    """Figures of a ``with brimline.measure()`` block; complete when the block has ended."""

    def __init__(self, sites: bool) -> None:
        self._sites = sites
        self._before: Optional[Snapshot] = None
        self._after: Optional[Snapshot] = None
        #: Bytes that live after the block and did not before.
        self.growth_bytes = 0
        #: The same in blocks.
        self.growth_count = 0
        #: Highest number of live bytes in the block above those at its start.
        self.peak_bytes = 0
        #: All bytes allocated in the block, freed or not.
        self.total_bytes = 0
        #: The same in blocks.
        self.total_count = 0

    def __enter__(self) -> "Measurement":
        _session.start()
        gc.collect()
        if self._sites:
            self._before = snapshot(collect=False)
        library = _tracker.library()
        self._start = _tracker.totals()
        self._floor = library.brimline_local_peak(1)
        return self

    def __exit__(self, *_: object) -> None:
        peak = _tracker.library().brimline_local_peak(0)
        end = _tracker.totals()
        self.peak_bytes = peak - self._floor
        self.total_bytes = end.total_bytes - self._start.total_bytes
        self.total_count = end.total_count - self._start.total_count
        gc.collect()
        end = _tracker.totals()
        self.growth_bytes = end.live_bytes - self._start.live_bytes
        self.growth_count = end.live_count - self._start.live_count
        if self._sites:
            self._after = snapshot(collect=False)

    def changes(self, by: str = "line") -> List[Change]:
        """Rows that grew or shrank in the block; needs ``measure(sites=True)``."""
        if self._before is None or self._after is None:
            raise ValueError("expected `measure(sites=True)` and a block that has ended")
        return self._after.compare_to(self._before, by)

    def __repr__(self) -> str:
        return "<brimline.Measurement growth=%+d B peak=%+d B total=%d B in %d blocks>" % (
            self.growth_bytes,
            self.peak_bytes,
            self.total_bytes,
            self.total_count,
        )


def measure(sites: bool = False) -> Measurement:
    """``with brimline.measure() as m:`` counts what the block allocates, keeps and holds at most.

    Starts counting if nothing did. All threads count. With ``sites`` the growth is known by line, function or file
    (:meth:`Measurement.changes`); that takes two snapshots.
    """
    return Measurement(sites)
