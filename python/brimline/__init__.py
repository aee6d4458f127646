"""Where a Python program's memory goes, from within.

``start`` counts every allocation of this process from then on (under ``brimline run`` it is counted already), ``snapshot``
keeps a moment, ``compare`` tells what grew between two, ``measure`` says what a block of code costs, ``profile`` prints a
table line by line, ``watch`` polls a time series and ``trend`` judges one.
"""

from __future__ import annotations

from ._command import CommandError
from ._lines import profile
from ._measure import Measurement, measure
from ._session import is_tracking, start, stop
from ._snapshot import Change, Row, Snapshot, compare, snapshot
from ._tracker import Totals, TrackerError, totals
from ._watch import TimeSeries, Trend, trend, watch

__all__ = [
    "Change",
    "CommandError",
    "Measurement",
    "Row",
    "Snapshot",
    "TimeSeries",
    "Totals",
    "TrackerError",
    "Trend",
    "compare",
    "is_tracking",
    "measure",
    "profile",
    "snapshot",
    "start",
    "stop",
    "totals",
    "trend",
    "watch",
]
__version__ = "0.1.0"


def load_ipython_extension(shell: object) -> None:
    """``%load_ext brimline``"""
    from ._magics import register

    register(shell)
