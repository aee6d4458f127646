"""Time series of this process, and the verdict on one."""

from __future__ import annotations

import gc
import json
import os
import tempfile
import threading
import time
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from . import _command, _session, _tracker

Point = Tuple[float, float]


class TimeSeries:
    """Metrics over time: ``points["rss"]`` is a list of (seconds, bytes)."""

    def __init__(self, points: Dict[str, List[Point]], units: Optional[Dict[str, str]] = None) -> None:
        self.points = points
        self.units = units or {name: "bytes" for name in points}

    def to_json(self) -> str:
        """The series as ``brimline trend`` reads and writes them."""
        series = [
            {"metric": name, "unit": self.units.get(name, "bytes"), "points": [list(point) for point in points]}
            for name, points in self.points.items()
        ]
        return json.dumps({"schema": "brimline.trend/1", "series": series})

    def save(self, path: str) -> None:
        """Writes the JSON to a file."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.to_json())

    def __len__(self) -> int:
        return max((len(points) for points in self.points.values()), default=0)


class Watcher:
    """A series that grows in the background until :meth:`stop`."""

    def __init__(self, interval: float, seconds: Optional[float]) -> None:
        self._interval = interval
        self._until = None if seconds is None else time.monotonic() + seconds
        self._start = time.monotonic()
        self._stop = threading.Event()
        self.series = TimeSeries({})
        self._thread = threading.Thread(target=self._run, name="brimline-watch", daemon=True)

    def _sample(self) -> None:
        now = time.monotonic() - self._start
        with open("/proc/self/statm", "rb") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        collections = sum(generation["collections"] for generation in gc.get_stats())
        values: Dict[str, float] = {"rss": resident, "gc_collections": collections}
        self.series.units["gc_collections"] = "count"
        if _session.is_tracking():
            totals = _tracker.totals()
            values["live"] = totals.live_bytes
            values["live_blocks"] = totals.live_count
            self.series.units["live_blocks"] = "count"
        for name, value in values.items():
            self.series.points.setdefault(name, []).append((round(now, 6), value))

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            self._sample()
            due += self._interval
            if self._until is not None and due > self._until:
                break
            self._stop.wait(max(0.0, due - time.monotonic()))

    def stop(self) -> TimeSeries:
        """Ends the watching; the series so far."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        return self.series


def watch(seconds: Optional[float] = None, interval: float = 1.0, block: Optional[bool] = None) -> Any:
    """Polls this process every ``interval`` seconds: resident bytes, and live bytes and blocks while it is counted.

    With ``seconds`` it waits for that long and returns the :class:`TimeSeries`; without, or with ``block=False``, it
    watches in a thread of its own and returns a watcher whose ``stop()`` gives the series.
    """
    if interval <= 0 or (seconds is not None and seconds <= 0):
        raise ValueError("expected positive times, found seconds=%r, interval=%r" % (seconds, interval))
    watcher = Watcher(interval, seconds)
    watcher._thread.start()
    if block is None:
        block = seconds is not None
    if not block:
        return watcher
    watcher._thread.join()
    return watcher.stop()


class Trend:
    """Verdicts on the metrics of a series."""

    def __init__(self, answer: Dict[str, Any]) -> None:
        self.answer = answer

    @property
    def verdicts(self) -> Dict[str, str]:
        """Metric and verdict: ``steady``, ``warm_up_plateau``, ``linear_leak``, ``stepwise_growth``, ..."""
        return {verdict["metric"]: verdict["verdict"] for verdict in self.answer["verdicts"]}

    @property
    def is_leak(self) -> bool:
        """Whether a metric of bytes leaks."""
        return any(verdict in ("linear_leak", "stepwise_growth") for verdict in self.verdicts.values())

    def __repr__(self) -> str:
        return "<brimline.Trend %s>" % self.verdicts


def trend(series: Union[TimeSeries, str, Sequence[float], Iterable[Point]]) -> Trend:
    """Is it a leak, or does it settle? Of a :class:`TimeSeries`, a file, numbers or (seconds, bytes) pairs."""
    if isinstance(series, (str, os.PathLike)):
        return Trend(_command.answer(["trend", os.fspath(series)]))
    text = series.to_json() if isinstance(series, TimeSeries) else json.dumps(list(series))
    descriptor, path = tempfile.mkstemp(prefix="brimline-", suffix=".json")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        return Trend(_command.answer(["trend", path]))
    finally:
        os.unlink(path)
